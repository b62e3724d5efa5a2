"""Orderings as the caller sees them: O1 to O7, and what a bad ordering is told."""

import asyncio
import gc
import sys
from collections.abc import Hashable
from dataclasses import dataclass

import pytest

from pyventus_typed import (
    AsyncIOProcessor,
    Emission,
    Emitter,
    Event,
    Failed,
    KeyedOrdering,
    Linker,
    Ordering,
    PerKey,
    Status,
)
from pyventus_typed._ordering import Keyed, turns_of
from pyventus_typed.errors import InvalidOption


@dataclass(frozen=True)
class Parcel(Event):
    """Something to deliver, to a house."""

    n: int
    house: Hashable = 0


@dataclass(frozen=True)
class Letter(Event):
    """Something else."""

    n: int = 0


ALL: list[Ordering | KeyedOrdering] = [*Ordering, PerKey(Parcel, lambda parcel: parcel.house)]


@pytest.mark.parametrize("bad", ["serial", None, 3, KeyedOrdering])
def test_what_is_no_ordering_is_refused_by_name(bad: object) -> None:
    with pytest.raises(InvalidOption, match=r"ordering=.* is no ordering. Use Ordering.CONCURRENT"):
        AsyncIOProcessor(ordering=bad)  # type: ignore[arg-type]  # that is the point  # pyright: ignore[reportArgumentType]


def test_a_key_that_cannot_be_called_and_a_family_that_is_none_are_refused() -> None:
    with pytest.raises(InvalidOption, match="'house'.* cannot be called"):
        PerKey(Parcel, "house")  # type: ignore[arg-type]  # that is the point  # pyright: ignore[reportArgumentType]
    with pytest.raises(InvalidOption, match="names no event class"):
        PerKey(int, lambda number: number)


@pytest.mark.parametrize("ordering", ALL, ids=str)
async def test_what_a_handler_emits_goes_behind_what_was_accepted_before(ordering: Ordering) -> None:
    linker = Linker[Event]()
    emitter = Emitter(linker, AsyncIOProcessor(ordering=ordering))
    seen: list[int] = []

    @linker.on(Parcel)
    def again(parcel: Parcel) -> None:
        seen.append(parcel.n)
        if parcel.n < 10:
            emitter.emit(Parcel(10 * parcel.n + 10))
            emitter.emit(Parcel(10 * parcel.n + 11))

    for n in range(3):
        emitter.emit(Parcel(n))
    await emitter.wait_for_tasks()
    assert seen == [0, 1, 2, 10, 11, 20, 21, 30, 31]


@pytest.mark.parametrize("ordering", ALL, ids=str)
def test_without_a_loop_too(ordering: Ordering) -> None:
    linker = Linker[Event]()
    emitter = Emitter(linker, AsyncIOProcessor(ordering=ordering))
    seen: list[int] = []

    @linker.on(Letter)
    def start(_: Letter) -> None:
        for n in range(3):
            emitter.emit(Parcel(n))

    @linker.on(Parcel)
    async def again(parcel: Parcel) -> None:
        seen.append(parcel.n)
        if parcel.n < 10:
            emitter.emit(Parcel(parcel.n + 10))

    emitter.emit(Letter())
    assert seen == [0, 1, 2, 10, 11, 12]


async def test_an_async_handler_starts_between_the_plain_ones_even_if_they_emit() -> None:
    linker = Linker[Event]()
    emitter = Emitter(linker)
    seen: list[str] = []

    @linker.on(Parcel)
    def first(parcel: Parcel) -> None:
        seen.append(f"first {parcel.n}")
        emitter.emit(Letter())

    @linker.on(Parcel)
    async def second(parcel: Parcel) -> None:
        seen.append(f"second {parcel.n}")

    @linker.on(Parcel)
    def third(parcel: Parcel) -> None:
        seen.append(f"third {parcel.n}")

    linker.subscribe(Letter, lambda _: None)
    emitter.emit(Parcel(1))
    emitter.emit(Parcel(2))
    await emitter.wait_for_tasks()
    assert seen == [f"{which} {n}" for n in (1, 2) for which in ("first", "second", "third")]


async def test_an_async_handler_behind_a_plain_one_starts_in_the_same_turn() -> None:
    linker, log = Linker[Event](), list[str]()
    tasks: list[asyncio.Task[None]] = []

    async def beside() -> None:
        await asyncio.sleep(0)
        log.append("a turn later")

    linker.subscribe(Parcel, lambda event: tasks.append(asyncio.create_task(beside())))

    @linker.on(Letter)
    async def start(event: Letter) -> None:
        log.append("started")

    emitter = Emitter(linker)
    for _ in range(3):  # the first ones make a line, and open its short ways
        log.clear()
        emitter.emit(Parcel(1))
        emitter.emit(Letter())
        await emitter.wait_for_tasks()
        await asyncio.wait(tasks)
        assert log == ["started", "a turn later"]


@pytest.mark.parametrize("ordering", ALL, ids=str)
@pytest.mark.parametrize(
    "how", ["raise", "cancel own task", "time out", "cancelled from outside", "raise CancelledError"]
)
async def test_nothing_that_befalls_one_emission_stops_the_line(ordering: Ordering, how: str) -> None:
    linker = Linker[Event]()
    emitter = Emitter(linker, AsyncIOProcessor(ordering=ordering))
    seen: list[int] = []

    @linker.on(Parcel, timeout=0.001 if how == "time out" else None, on_failure=lambda _event, _error: None)
    async def fall(parcel: Parcel) -> None:
        seen.append(parcel.n)
        if parcel.n:
            return
        match how:
            case "raise":
                raise ValueError
            case "raise CancelledError":
                raise asyncio.CancelledError
            case "cancel own task":
                task = asyncio.current_task()
                assert task is not None
                task.cancel()
        await asyncio.Event().wait()

    emissions = [emitter.emit(Parcel(n)) for n in range(3)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    if how == "cancelled from outside":
        emissions[0].cancel()
    assert await emitter.wait_for_tasks(5)
    assert seen == [0, 1, 2]
    assert emissions[0].status in (Status.FAILED, Status.CANCELLED)
    assert [one.status for one in emissions[1:]] == [Status.COMPLETED] * 2


@pytest.mark.parametrize("ordering", ALL, ids=str)
async def test_what_is_cancelled_while_it_waits_is_passed_over(ordering: Ordering) -> None:
    linker = Linker[Event]()
    emitter = Emitter(linker, AsyncIOProcessor(ordering=ordering))
    go, seen = asyncio.Event(), list[int]()

    @linker.on(Parcel)
    async def wait(parcel: Parcel) -> None:
        seen.append(parcel.n)
        await go.wait()

    emissions = [emitter.emit(Parcel(n)) for n in range(5)]
    assert [emissions[n].cancel() for n in (1, 3, 4)] == [True] * 3
    await asyncio.sleep(0)
    go.set()
    await emitter.wait_for_tasks()
    assert seen == [0, 2]
    assert [one.status.value for one in emissions] == ["completed", "discarded", "completed", "discarded", "discarded"]


async def test_other_keys_go_on_while_one_is_busy() -> None:
    linker = Linker[Event]()
    emitter = Emitter(linker, AsyncIOProcessor(ordering=PerKey(Parcel, lambda parcel: parcel.house)))
    go, seen = asyncio.Event(), list[Event]()

    @linker.on(Parcel, Letter)
    async def wait(event: Parcel | Letter) -> None:
        seen.append(event)
        if isinstance(event, Parcel) and event.house == "slow":
            await go.wait()

    events = [Parcel(1, "slow"), Parcel(2, "slow"), Parcel(3, "quick"), Parcel(4, "quick"), Letter(5)]
    for event in events:
        emitter.emit(event)
    for _ in range(10):
        await asyncio.sleep(0)
    assert set(seen) == set(events) - {Parcel(2, "slow")}
    go.set()
    await emitter.wait_for_tasks()
    assert seen[-1] == Parcel(2, "slow")


@pytest.mark.parametrize("house", [[], "raise"], ids=["unhashable", "raises"])
async def test_a_key_that_fails_fails_that_emission_at_once_and_no_other(house: object) -> None:
    def key(parcel: Parcel) -> Hashable:
        if parcel.house == "raise":
            raise LookupError("no such house")
        return parcel.house

    linker = Linker[Event]()
    emitter = Emitter(linker, AsyncIOProcessor(ordering=PerKey(Parcel, key)))
    seen: list[int] = []
    linker.on(Parcel, on_failure=lambda _event, _error: None)(lambda parcel: seen.append(parcel.n))
    linker.on(Parcel, on_failure=lambda _event, _error: None)(lambda parcel: seen.append(parcel.n))
    first = emitter.emit(Parcel(1, "there"))
    bad: Emission[Parcel] = emitter.emit(Parcel(2, house))
    last = emitter.emit(Parcel(3, "there"))
    await emitter.wait_for_tasks()
    assert [one.status.value for one in (first, bad, last)] == ["completed", "failed", "completed"]
    assert all(isinstance(one.outcome, Failed) and not one.started for one in bad.deliveries)
    assert seen == [1, 1, 3, 3]
    tally = emitter.tally
    assert (tally.accepted, tally.completed, tally.failed) == (3, 2, 1)


async def test_ten_thousand_idle_keys_cost_nothing() -> None:
    linker = Linker[Event]()
    processor = AsyncIOProcessor(ordering=PerKey(Parcel, lambda parcel: parcel.house))
    emitter = Emitter(linker, processor)
    linker.subscribe(Parcel, lambda _: None)
    for house in range(10_000):
        emitter.emit(Parcel(0, house))
        if house % 1000 == 999:
            await emitter.wait_for_tasks()
    await emitter.wait_for_tasks()
    (line,) = [one for one in gc.get_objects() if type(one).__name__ == "Line" and one.settings is processor._settings]
    assert isinstance(line.turns, Keyed)
    assert line.turns._rows == {}
    assert sys.getsizeof(line.jobs) < 100_000


def test_a_row_that_nobody_enters_forgets_itself() -> None:
    turns = turns_of(PerKey(Parcel, lambda parcel: parcel.house))
    row = turns.row(Parcel(1, "there"))
    assert row is not None
    row.forget_if_idle()
    assert isinstance(turns, Keyed)
    assert turns._rows == {}
