"""The decisions that need no server: attempts, the limiter, names."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyventus_typed.nats._deliveries import Limiter, Plan, Record, plan
from pyventus_typed.nats._wire import consumer_name, escape, event_subject, lane_of, read_subject, unescape


def test_the_first_delivery_is_the_first_attempt_whatever_was_written() -> None:
    assert plan(1, None, attempts=5) == Plan(1)


def test_a_delivery_after_a_crash_runs_alone_and_one_after_a_failure_with_the_others() -> None:
    assert plan(2, None, attempts=5) == Plan(2, alone=True)
    assert plan(3, Record(2, open=True), attempts=5) == Plan(3, alone=True)
    assert plan(3, Record(2, open=False, reason="ValueError"), attempts=5) == Plan(3, alone=False)


def test_deliveries_that_never_started_are_no_attempts() -> None:
    assert plan(9, Record(1, open=False), attempts=5) == Plan(2)
    assert plan(2, Record(0, open=False), attempts=1) == Plan(1)


@given(st.integers(1, 8), st.lists(st.sampled_from(["raises", "dies", "is lost"]), max_size=40))
def test_a_message_is_started_exactly_as_often_as_told_before_it_is_given_up(attempts: int, fate: list[str]) -> None:
    """What a worker does with its records, without a server: whatever happens, the count of starts is kept."""
    record: Record | None = None
    starts = 0
    for delivered, happens in enumerate([*fate, *["raises"] * attempts], start=1):
        todo = plan(delivered, record, attempts)
        if todo.give_up is not None:
            break
        if happens == "is lost" and record is not None:
            continue  # delivered to a process that died before it started the handler
        starts += 1
        assert todo.attempt == starts
        if happens == "raises":
            record = Record(todo.attempt, open=False, reason="it raised")
            if todo.attempt == attempts:
                break
        elif delivered > 1:
            record = Record(todo.attempt, open=True)
        else:
            record = None
    assert starts == attempts


async def test_one_that_must_be_alone_waits_for_those_inside_and_holds_those_behind() -> None:
    limiter = Limiter(3)
    log: list[str] = []
    leave = {name: asyncio.Event() for name in "abcde"}

    async def visit(name: str, *, alone: bool = False) -> None:
        await limiter.enter(alone=alone)
        log.append(f"{name} in")
        await leave[name].wait()
        limiter.leave(alone=alone)
        log.append(f"{name} out")

    async def turn() -> None:
        for _ in range(10):
            await asyncio.sleep(0)

    tasks = [asyncio.create_task(visit(name, alone=name == "c")) for name in "abcde"]
    await turn()
    assert log == ["a in", "b in"]
    leave["a"].set()
    await turn()
    assert log == ["a in", "b in", "a out"]
    leave["b"].set()
    await turn()
    assert log[-2:] == ["b out", "c in"] or log[-2:] == ["c in", "b out"]
    leave["c"].set()
    await turn()
    assert sorted(log[-3:]) == ["c out", "d in", "e in"]
    leave["d"].set()
    leave["e"].set()
    await asyncio.gather(*tasks)


async def test_one_that_is_cancelled_while_it_waits_holds_nobody_up() -> None:
    limiter = Limiter(1)
    inside = asyncio.Event()

    async def hold() -> None:
        await limiter.enter(alone=False)
        await inside.wait()
        limiter.leave(alone=False)

    async def wait(*, alone: bool) -> str:
        await limiter.enter(alone=alone)
        limiter.leave(alone=alone)
        return "was in"

    holder = asyncio.create_task(hold())
    await asyncio.sleep(0)
    impatient = asyncio.create_task(wait(alone=True))
    last = asyncio.create_task(wait(alone=False))
    await asyncio.sleep(0)
    impatient.cancel()
    inside.set()
    assert await last == "was in"
    await holder
    with pytest.raises(asyncio.CancelledError):
        await impatient
    assert await wait(alone=True) == "was in"


@given(st.integers(1, 3), st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=8))
def test_whoever_is_cancelled_together_with_others_ends_by_that_alone_and_leaves_no_place_taken(
    room: int, visitors: list[tuple[bool, bool]]
) -> None:
    """A loop that ends cancels all at once: an error of one that was to be let in counted as a failure of the other's event."""

    async def main() -> list[BaseException | None]:
        limiter, release = Limiter(room), asyncio.Event()

        async def visit(*, alone: bool) -> None:
            await limiter.enter(alone=alone)
            try:
                await release.wait()
            finally:
                limiter.leave(alone=alone)

        tasks = [asyncio.create_task(visit(alone=alone)) for alone, _ in visitors]
        await asyncio.sleep(0)
        for task, (_, is_cancelled) in zip(tasks, visitors, strict=True):
            if is_cancelled:
                task.cancel()
        release.set()
        async with asyncio.timeout(5):
            ends = await asyncio.gather(*tasks, return_exceptions=True)
            await limiter.enter(alone=True)
        return ends

    ends = asyncio.run(main())
    assert [type(end) is asyncio.CancelledError for end in ends] == [is_cancelled for _, is_cancelled in visitors]


@given(st.text())
def test_any_text_survives_a_header(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        return
    escaped = escape(text)
    assert unescape(escaped) == text
    assert all(0x21 <= ord(letter) < 0x7F for letter in escaped)


LANES = [0, 0, 6]


@given(st.text(), st.integers(1, 64))
def test_a_key_has_one_of_the_lanes_for_ever(key: str, lanes: int) -> None:
    assert [
        lane_of(name, 8) for name in ("ada", "bob", "eve")
    ] == LANES  # others would break the order of what is stored
    try:
        key.encode()
    except UnicodeEncodeError:
        return
    assert 0 <= lane_of(key, lanes) < lanes


def test_a_subject_is_read_back_as_it_was_written_and_no_group_takes_anothers_lane() -> None:
    assert read_subject("SHOP", event_subject("SHOP", "shop.paid.v1", None)).name == "shop.paid.v1"
    assert read_subject("SHOP", event_subject("SHOP", "shop.paid.v1", 3)).lane == 3
    assert consumer_name("billing", 3) != consumer_name("billing-3", None)
