"""A contender that does not do its work is not timed."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from benchmarks import rows
from benchmarks.checking import Miscounted, check, check_in_loop
from benchmarks.contenders import HAND, LIMIT, US, load
from benchmarks.handlers import plain, straight, suspending
from benchmarks.workloads import EMIT, Batch, BatchInLoop, Handlers

OURS = frozenset({LIMIT, HAND, US})
load(OURS)


def forgetful(handlers: Handlers) -> Batch:
    """Calls the first handler only."""

    def batch(n: int) -> None:
        for _ in range(n):
            handlers.functions[0](None)

    return batch


def hasty(handlers: Handlers) -> BatchInLoop:
    """Starts the handlers and does not wait."""
    tasks: list[asyncio.Task[None]] = []

    async def batch(n: int) -> None:
        for _ in range(n):
            tasks.extend(asyncio.create_task(handler(None)) for handler in handlers)

    return batch


def test_a_handler_that_is_not_called_is_noticed() -> None:
    with pytest.raises(Miscounted, match=r"^forgetful: 1 x 2 calls were due .* made \{0: 1\}"):
        check("forgetful", forgetful, plain(2))


@pytest.mark.parametrize("kind", [straight, suspending])
async def test_a_handler_that_has_not_ended_when_the_clock_stops_is_noticed(kind: Callable[[int], Handlers]) -> None:
    with pytest.raises(Miscounted, match="hasty"):
        await check_in_loop("hasty", hasty, kind(1))
    await asyncio.sleep(0)
    await asyncio.sleep(0)


@pytest.mark.parametrize("contender", sorted(OURS))
def test_what_does_its_work_passes(contender: str) -> None:
    check(contender, EMIT.contenders[contender], plain(3))


@pytest.mark.parametrize(
    ("row", "contender"),
    [
        pytest.param(row, contender, id=f"{row.name}-{contender}")
        for row in (*rows.WITHOUT_LOOP, *rows.IN_LOOP)
        for contender in (HAND, US, f"{US} without")
        if contender in row.work.contenders and (row.count or contender == US)  # nothing to write by hand for nobody
    ],
)
def test_we_do_the_work_of_every_row(row: rows.Row[Any], contender: str) -> None:  # Any: of either kind
    handlers = row.handlers(row.count)
    if row in rows.IN_LOOP:
        asyncio.run(check_in_loop(contender, row.work.contenders[contender], handlers))
    else:
        check(contender, row.work.contenders[contender], handlers)


def test_every_row_with_handlers_and_a_goal_against_the_limit_is_done_by_hand() -> None:
    with_goal = [row for row in rows.ROWS.values() if row.goal is not None and row.baseline == LIMIT and row.count]
    assert len(with_goal) == 10
    assert [row.name for row in with_goal if HAND not in row.work.contenders] == []
