"""C1 and C2: how much may be pending, and who gets a place that becomes free."""

import asyncio
import sys
import threading
from dataclasses import dataclass

import pytest

from pyventus_typed import AsyncIOProcessor, Discarded, Emission, Emitter, Event, Linker, Ordering, Request, Status
from pyventus_typed.errors import EmitterClosed, InvalidOption, NoRoom
from pyventus_typed.processors._settings import Overflow


@dataclass(frozen=True)
class Parcel(Event):
    """Something to deliver."""

    n: int = 0


@dataclass(frozen=True)
class Letter(Event):
    """Something else."""

    n: int = 0


@dataclass(frozen=True)
class Price(Request[int]):
    """A question."""


class Office:
    """Handlers of parcels are held up until they may go on."""

    def __init__(self, capacity: int, overflow: Overflow = "refuse", ordering: Ordering = Ordering.CONCURRENT) -> None:
        self.linker = Linker[Event]()
        self.processor = AsyncIOProcessor(
            capacity=capacity, overflow=overflow, ordering=ordering, on_discard=lambda _: None
        )
        self.emitter = Emitter(self.linker, self.processor)
        self.go = asyncio.Event()
        self.seen: list[Event] = []
        self.linker.subscribe(Parcel, self.hold)
        self.linker.subscribe(Letter, self.seen.append)

    async def hold(self, parcel: Parcel) -> None:
        self.seen.append(parcel)
        await self.go.wait()


async def turns(count: int = 5) -> None:
    """Let the loop turn."""
    for _ in range(count):
        await asyncio.sleep(0)


@pytest.mark.parametrize("bad", [0, -1, 1.5, "1", True])
def test_a_capacity_that_is_no_count_is_refused(bad: int) -> None:
    with pytest.raises(InvalidOption, match="capacity=.* is not an int of at least 1"):
        AsyncIOProcessor(capacity=bad)


def test_a_capacity_may_be_as_large_as_a_list_and_costs_no_more_memory_than_what_is_pending() -> None:
    with pytest.raises(InvalidOption, match="capacity is more than sys.maxsize"):
        AsyncIOProcessor(capacity=10**30)
    linker = Linker[Event]()
    linker.subscribe(Event, lambda event: None)
    emitter = Emitter(linker, AsyncIOProcessor(capacity=sys.maxsize))
    assert emitter.emit(Parcel()).status is Status.COMPLETED


@pytest.mark.parametrize("bad", ["drop", None, 1])
def test_an_overflow_that_is_none_is_refused(bad: Overflow) -> None:
    with pytest.raises(InvalidOption, match="overflow=.* is none of 'refuse', 'drop_new', 'drop_old'"):
        AsyncIOProcessor(capacity=1, overflow=bad)


async def test_a_full_queue_refuses_and_counts_it() -> None:
    office = Office(2)
    for n in range(2):
        office.emitter.emit(Parcel(n))
    with pytest.raises(NoRoom, match=r"Parcel\(n=2\) was not emitted: .* as capacity allows"):
        office.emitter.emit(Parcel(2))
    assert office.emitter.try_emit(Parcel(3)) is None
    tally = office.emitter.tally
    assert (tally.accepted, tally.pending, tally.rejected) == (2, 2, 2)
    office.go.set()
    await office.emitter.wait_for_tasks()
    assert office.emitter.try_emit(Parcel(4)) is not None
    await office.emitter.wait_for_tasks()
    assert office.seen == [Parcel(0), Parcel(1), Parcel(4)]


async def test_what_nobody_receives_and_what_is_asked_takes_no_capacity() -> None:
    @dataclass(frozen=True)
    class Unheard(Event):
        pass

    office = Office(1)

    @office.linker.answer(Price)
    async def price(_: Price) -> int:
        await asyncio.sleep(0)
        return 3

    office.emitter.emit(Parcel())
    assert office.emitter.emit(Unheard()).status is Status.COMPLETED
    assert await office.emitter.ask(Price()) == 3
    asking = asyncio.ensure_future(office.emitter.ask(Price()))
    office.go.set()
    await turns(2)
    assert office.emitter.try_emit(Letter()) is not None
    assert await asking == 3


async def test_nested_emissions_take_capacity_too() -> None:
    office = Office(2)
    refused: list[object] = []

    @office.linker.on(Parcel)
    def nested(_: Parcel) -> None:
        refused.append(office.emitter.try_emit(Letter(1)))
        refused.append(office.emitter.try_emit(Letter(2)))

    office.emitter.emit(Parcel())
    await turns()
    assert [one is None for one in refused] == [False, True]
    office.go.set()
    await office.emitter.wait_for_tasks()


async def test_drop_new_returns_what_is_discarded_already() -> None:
    office = Office(1, "drop_new")
    office.emitter.emit(Parcel(0))
    emission = office.emitter.emit(Parcel(1))
    assert [one.outcome for one in emission.deliveries] == [Discarded("capacity", started=False)]
    assert (await emission).status is Status.DISCARDED
    office.go.set()
    await office.emitter.wait_for_tasks()
    assert office.seen == [Parcel(0)]


async def test_who_awaits_what_a_thread_has_handed_over_gets_it_discarded_where_there_was_no_capacity() -> None:
    linker: Linker[Event] = Linker()
    async with Emitter(linker, AsyncIOProcessor(capacity=1, overflow="drop_new")) as emitter:
        gate = asyncio.Event()

        async def hold(parcel: Parcel) -> None:
            await gate.wait()

        linker.subscribe(Parcel, hold)
        handed_over: list[Emission[Parcel]] = []
        thread = threading.Thread(target=lambda: handed_over.extend(emitter.emit(Parcel(n)) for n in range(2)))
        thread.start()
        thread.join()  # this loop has not turned since: it has taken neither
        first, second = handed_over
        async with asyncio.timeout(5):
            assert (await second).status is Status.DISCARDED
        gate.set()
        await first
        assert [one.status for one in handed_over] == [Status.COMPLETED, Status.DISCARDED]


async def test_drop_old_discards_the_oldest_that_has_not_started_and_refuses_if_there_is_none() -> None:
    office = Office(3, "drop_old", Ordering.SERIAL)
    first = office.emitter.emit(Parcel(0))
    await turns()
    waiting = [office.emitter.emit(Parcel(n)) for n in (1, 2)]
    last = office.emitter.emit(Parcel(3))
    assert [one.status.value for one in (first, *waiting, last)] == ["pending", "discarded", "pending", "pending"]
    office.go.set()
    await office.emitter.wait_for_tasks()
    assert office.seen == [Parcel(0), Parcel(2), Parcel(3)]
    full = Office(1, "drop_old")
    full.emitter.emit(Parcel(0))
    await turns()
    with pytest.raises(
        NoRoom, match=r"Parcel\(n=1\) was not emitted: as many emissions are pending as capacity allows, 1"
    ):
        full.emitter.emit(Parcel(1))
    full.go.set()
    await full.emitter.wait_for_tasks()


@pytest.mark.parametrize("overflow", ["refuse", "drop_new", "drop_old"])
async def test_a_refused_or_dropped_emission_uses_up_no_once(overflow: Overflow) -> None:
    office = Office(1, overflow)
    office.emitter.emit(Parcel())
    await turns()
    got: list[Letter] = []
    subscription = office.linker.subscribe(Letter, got.append, once=True)
    try:
        emission = office.emitter.emit(Letter(1))
        assert emission.status is Status.DISCARDED
    except NoRoom:
        assert overflow != "drop_new"
    assert subscription.active
    office.go.set()
    await office.emitter.wait_for_tasks()
    await office.emitter.emit(Letter(2))
    await office.emitter.emit(Letter(3))
    assert got == [Letter(2)]


async def test_those_who_wait_for_a_place_get_it_in_their_order_and_nobody_overtakes_them() -> None:
    office = Office(1)
    office.emitter.emit(Parcel(0))
    await turns()
    waiters = [asyncio.ensure_future(office.emitter.emit_wait(Letter(n))) for n in range(3)]
    await turns()
    assert not any(waiter.done() for waiter in waiters)
    office.go.set()
    while not waiters[0].done():
        # Between a place that comes free and its waiter's next step nobody else takes it.
        assert office.emitter.try_emit(Letter(9)) is None or all(one.done() for one in waiters)
        await asyncio.sleep(0)
    await asyncio.gather(*waiters)
    await office.emitter.wait_for_tasks()
    assert [one for one in office.seen if one != Letter(9)] == [Parcel(0), Letter(0), Letter(1), Letter(2)]


@pytest.mark.parametrize("when", ["while it waits", "when it has been given a place"])
async def test_a_cancelled_waiter_takes_no_place(when: str) -> None:
    office = Office(1)
    first = office.emitter.emit(Parcel(0))
    waiters = [asyncio.ensure_future(office.emitter.emit_wait(Letter(n))) for n in range(2)]
    await turns()
    if when == "while it waits":
        waiters[0].cancel()
        await turns()
        office.go.set()
    else:

        async def cancel_at_that_moment() -> None:
            await first.wait()
            waiters[0].cancel()

        cancelling = asyncio.ensure_future(cancel_at_that_moment())
        await turns()
        office.go.set()
        await cancelling
    await asyncio.wait_for(asyncio.wait([waiters[1]]), 1)
    await office.emitter.wait_for_tasks()
    assert office.seen == [Parcel(0), Letter(1)]
    assert office.emitter.tally.accepted == 2


async def test_those_who_wait_for_a_place_are_all_refused_when_the_emitter_is_closed() -> None:
    office = Office(1)
    office.emitter.emit(Parcel(0))
    waiters = [asyncio.ensure_future(office.emitter.emit_wait(Letter(n))) for n in range(3)]
    await turns()
    closing = asyncio.ensure_future(office.emitter.aclose())
    await turns()
    office.go.set()
    await closing
    done, pending = await asyncio.wait(waiters, timeout=5)
    for one in pending:
        one.cancel()
    assert not pending
    assert {type(one.exception()) for one in done} == {EmitterClosed}


async def test_a_place_that_a_waiter_does_not_need_in_the_end_goes_to_the_next() -> None:
    office = Office(1)
    office.linker.clear()
    office.linker.subscribe(Parcel, office.hold)
    office.linker.subscribe(Letter, office.seen.append, once=True)
    office.emitter.emit(Parcel(0))
    events: list[Event] = [Letter(1), Letter(2), Parcel(3)]
    waiters: list[asyncio.Task[Emission[Event]]] = [
        asyncio.ensure_future(office.emitter.emit_wait(one)) for one in events
    ]
    await turns()
    office.go.set()
    _, pending = await asyncio.wait(waiters, timeout=5)
    for one in pending:
        one.cancel()
    assert not pending
    await office.emitter.wait_for_tasks()
    assert office.seen == [Parcel(0), Letter(1), Parcel(3)]


async def test_each_loop_has_a_capacity_of_its_own_and_the_end_of_one_frees_none_of_another() -> None:
    office = Office(1)
    office.emitter.emit(Parcel(0))
    letters = Linker[Event]()
    letters.subscribe(Letter, lambda _: None)
    other = Emitter(letters, office.processor)

    async def elsewhere() -> Status:
        return (await other.emit(Letter())).status

    assert await asyncio.to_thread(asyncio.run, elsewhere()) is Status.COMPLETED
    assert office.emitter.try_emit(Parcel(1)) is None
    office.go.set()
    await office.emitter.wait_for_tasks()
