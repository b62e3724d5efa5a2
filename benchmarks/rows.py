"""The rows of the table: a work, its handlers, and what is reached if all goes well."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic

from . import checking, growth
from .contenders import LIMIT
from .handlers import plain, straight, suspending
from .measuring import Pace, Rounds, plan, run, run_in_loop
from .workloads import AROUND, BURST, CHURN, EACH, EMIT, MAILBOX, PASS, PUBLISH, B, Batch, BatchInLoop, Handlers, Work


@dataclass(frozen=True)
class Row(Generic[B]):
    """One line of the table."""

    name: str
    what: str
    work: Work[B]
    handlers: Callable[[int], Handlers]
    count: int = 1
    goal: float | None = None
    """How many times the baseline is good enough for us."""
    added: float | None = None
    """The same for what is added to the work of "us without", beside what is added to that of "limit without", or to nothing."""
    burst: int | None = None
    baseline: str = LIMIT
    by_cpu: bool = False
    """Whether processor time is compared: threads that race for one interpreter say nothing by wall time."""


def contenders(row: Row[B], only: frozenset[str] | None) -> dict[str, Callable[[Handlers], B | None]]:
    """Those of *only*, and the baseline. "us 100" is one of ours."""
    return {
        name: make
        for name, make in row.work.contenders.items()
        if only is None or name == row.baseline or name.partition(" ")[0] in only
    }


def measure(row: Row[Batch], pace: Pace, seed: int, only: frozenset[str] | None = None) -> Rounds:
    """Check and time the contenders of a row that needs no loop."""
    handlers = row.handlers(row.count)
    batches = {}
    for name, make in contenders(row, only).items():
        batch = make(handlers)
        if batch is not None:
            checking.check(name, make, handlers)
            batches[name] = batch
    return run(plan(list(batches), pace, seed, row.burst), batches)


def measure_in_loop(row: Row[BatchInLoop], pace: Pace, seed: int, only: frozenset[str] | None = None) -> Rounds:
    """Check and time the contenders of a row in one loop that all of them share."""

    async def main() -> Rounds:
        handlers = row.handlers(row.count)
        async with handlers.closing:
            batches = {}
            for name, make in contenders(row, only).items():
                await checking.check_in_loop(name, make, handlers)
                batch = make(handlers)
                assert batch is not None
                batches[name] = batch
            return await run_in_loop(plan(list(batches), pace, seed, row.burst), batches)

    return asyncio.run(main())


WITHOUT_LOOP = (
    Row("none", "no loop, nobody receives it", EMIT, plain, 0, 4),
    Row("sync-1", "no loop, 1 sync handler, until done", EMIT, plain, 1, 6.4),
    Row("sync-10", "no loop, 10 sync handlers", EMIT, plain, 10, 2.8),
    Row("sync-100", "no loop, 100 sync handlers", EMIT, plain, 100, 1.35),
    Row("sync-1000", "no loop, 1,000 sync handlers", EMIT, plain, 1000),
    Row("around", "no loop, 1 sync handler in a context manager, until done", AROUND, plain, 1, added=4),
    Row("fresh-loop", "no loop, 1 async handler, until done", EMIT, straight, 1, 0.5),
    Row("churn", "no loop, subscribe the fourth of 4 handlers, emit, unsubscribe it", CHURN, plain, 4),
    Row("types", "emit, with so many event types subscribed to", growth.TYPES, plain, 1, 1.05, baseline="us 1"),
    Row("others", "emit, with so many other subscriptions", growth.OTHERS, plain, 1, 1.05, baseline="us 1"),
    Row("cold", "subscribe, emit, unsubscribe, with so many types", growth.COLD, plain, 1, baseline="us 1"),
    Row("depth", "emit to a handler of the base, so many classes above", growth.DEPTH, plain, 1, baseline="us 1"),
    Row(
        "threads",
        "emit in so many threads, 1 sync handler, processor time",
        growth.THREADS,
        plain,
        1,
        burst=50_000,  # so many that starting the threads does not count
        baseline="limit 1",
        by_cpu=True,
    ),
)
IN_LOOP = (
    Row("burst", "in a loop, burst of 10,000 to 1 sync handler, drained", BURST, plain, 1, 10.8, burst=10_000),
    Row("stream", "in a loop, burst of 1,000, read by another task", PASS, plain, 1, added=2, burst=1_000),
    Row("task-1", "in a loop, 1 async handler that does not suspend, until done", EACH, straight, 1, 1.25),
    Row("task-10", "in a loop, 10 async handlers that suspend once, until done", EACH, suspending, 10, 1.05),
    Row("mailbox", "in a loop, mailbox, burst of 1,000, not suspending", MAILBOX, straight, 1, 0.6, burst=1_000),
    Row("publish-1", "`await publish`, 1 async handler that does not suspend", PUBLISH, straight, 1, 7.5),
    Row("publish-10", "`await publish`, 10 async handlers that do not suspend", PUBLISH, straight, 10, 2.0),
    Row(
        "pending",
        "in a loop, 1,000,000 emissions, so many pending at once",
        growth.PENDING,
        plain,
        1,
        burst=1_000_000,
        baseline="us 10,000",
    ),
)
ROWS: dict[str, Row[Any]] = {row.name: row for row in (*WITHOUT_LOOP, *IN_LOOP)}  # Any: of either kind
