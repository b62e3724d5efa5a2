"""One emitter and several threads: what becomes of their counts, and of what they hand over. See also test_stress."""

import asyncio
import gc
import threading
from dataclasses import dataclass
from typing import Literal

import pytest
from typing_extensions import override

from pyventus_typed import (
    AsyncIOProcessor,
    Delivery,
    Discarded,
    Emission,
    Emitter,
    Event,
    Linker,
    Ordering,
    PerKey,
    Status,
    asyncio_emitter,
    current_emission,
)
from pyventus_typed.errors import EmitterClosed
from tests.threads import together


@dataclass(frozen=True)
class Parcel(Event):
    """Something to deliver."""

    sender: int
    n: int


@dataclass(frozen=True)
class Visit(Event):
    """Something that a letter leads to."""

    n: int = 0


@dataclass(frozen=True)
class Letter(Event):
    """Something else."""

    n: int = 0


def test_the_counts_of_dead_threads_and_closed_loops_are_folded_into_the_totals() -> None:
    linker = Linker[Event]()
    linker.subscribe(Letter, lambda _: None)
    processor = AsyncIOProcessor()
    emitter = Emitter(linker, processor)

    async def main() -> None:
        await emitter.emit(Letter())

    together(*(lambda: emitter.emit(Letter()) for _ in range(5)), *(lambda: asyncio.run(main()) for _ in range(5)))
    gc.collect()
    assert emitter.tally.completed == 10
    assert processor._totals._state[1] == ()


def test_a_thread_with_the_number_of_one_that_has_ended_is_another_thread() -> None:
    linker, seen, numbers = Linker[Event](), list[bool](), set[int | None]()
    emitter = Emitter(linker)

    def outer(event: Letter) -> None:
        emission = current_emission()
        seen.append(emission is not None and emission.event is event)
        emitter.emit(Parcel(0, event.n))

    def inner(event: Parcel) -> None:
        emission = current_emission()
        parent = None if emission is None else emission.parent
        seen.append(parent is not None and parent.event == Letter(event.n))

    linker.subscribe(Letter, outer)
    linker.subscribe(Parcel, inner)
    gc.disable()  # what the first thread has used is not collected yet
    try:
        for n in range(20):
            thread = threading.Thread(target=emitter.emit, args=(Letter(n),))
            thread.start()
            thread.join()
            numbers.add(thread.ident)
    finally:
        gc.enable()
    if len(numbers) == 20:
        pytest.skip("no thread got the number of another one")
    assert seen == [True] * 40


async def test_an_emission_from_a_thread_without_a_loop_is_handed_to_the_home_loop() -> None:
    linker = Linker[Event]()
    emitter = Emitter(linker)
    where: list[threading.Thread] = []

    @linker.on(Letter)
    async def note(_: Letter) -> None:
        where.append(threading.current_thread())

    async with emitter:
        emissions = await asyncio.to_thread(lambda: [emitter.emit(Letter(n)) for n in range(100)])
        await asyncio.gather(*(emission.wait() for emission in emissions))
        assert [one.status for one in emissions] == [Status.COMPLETED] * 100
    assert set(where) == {threading.current_thread()}
    with pytest.raises(EmitterClosed, match=r"Letter\(n=0\) was refused: the emitter is closed"):
        await asyncio.to_thread(emitter.emit, Letter())


@pytest.mark.parametrize("ordering", [Ordering.CONCURRENT, Ordering.SERIAL])
@pytest.mark.parametrize("end", ["wait_for_tasks", "async with", "aclose"])
@pytest.mark.parametrize("is_behind_others", [False, True])
async def test_all_that_a_blocking_handler_has_emitted_is_waited_for_and_what_that_emits(
    end: str, ordering: Ordering, *, is_behind_others: bool
) -> None:
    linker, began = Linker[Event](), asyncio.Event()
    count = 8000 if is_behind_others else 2500  # more than a loop takes over until the parent has ended, or in one turn
    emitter, taken = Emitter(linker, AsyncIOProcessor(ordering=ordering)), list[int]()
    loop, emitted = asyncio.get_running_loop(), threading.Event()
    others = Emitter(Linker[Event]())  # what it emits is handed to the same loop

    def floods(parcel: Parcel) -> None:
        loop.call_soon_threadsafe(began.set)
        for n in range(count - 1):
            (others if is_behind_others else emitter).emit(Letter(n))
        emitter.emit(Letter(count - 1))
        emitted.set()

    async def emits(letter: Letter) -> None:
        emitter.emit(Visit(letter.n))

    async def stands_still() -> None:
        await began.wait()
        assert emitted.wait(10)  # the loop takes nothing over before all is there

    linker.subscribe(Parcel, floods, in_thread=True)
    linker.subscribe(Letter, emits)
    linker.subscribe(Visit, lambda visit: taken.append(visit.n))
    standing_still = asyncio.create_task(stands_still())
    if end == "async with":
        async with emitter:
            emitter.emit(Parcel(0, 0))
    else:
        emitter.emit(Parcel(0, 0))
        assert await (emitter.wait_for_tasks() if end == "wait_for_tasks" else emitter.aclose())
    await standing_still
    assert sorted(taken) == [*range(count - 1 if is_behind_others else 0, count)]
    assert emitter.tally.pending == 0


@pytest.mark.parametrize("overflow", ["refuse", "drop_new", "drop_old"])
async def test_no_lock_is_held_while_the_repr_of_what_is_refused_is_asked_for(
    overflow: Literal["refuse", "drop_new", "drop_old"],
) -> None:
    linker, asked, go = Linker[Event](), threading.Event(), threading.Event()

    @dataclass(frozen=True, repr=False)
    class Slow(Parcel):
        @override
        def __repr__(self) -> str:
            asked.set()
            assert go.wait(10)
            return "slow"

    linker.subscribe(Parcel, lambda parcel: asyncio.Event().wait())
    emitter = Emitter(linker, AsyncIOProcessor(capacity=1, overflow=overflow))
    async with emitter:
        held = emitter.emit(Parcel(0, 0))
        await asyncio.sleep(0)
        refused = asyncio.create_task(asyncio.to_thread(emitter.try_emit, Slow(1, 1)))
        if overflow == "refuse":
            await asyncio.to_thread(asked.wait, 10)
        await asyncio.wait_for(asyncio.to_thread(emitter.try_emit, Letter()), 10)
        go.set()
        assert (await refused is None) == (overflow == "refuse")
        held.cancel()
        await asyncio.sleep(0)


async def test_what_is_handed_over_uses_up_a_once_when_it_is_emitted() -> None:
    linker, got = Linker[Event](), list[Letter]()
    linker.subscribe(Letter, got.append, once=True)
    async with Emitter(linker) as emitter:
        handed_over: list[Emission[Letter]] = []
        thread = threading.Thread(target=lambda: handed_over.append(emitter.emit(Letter(0))))
        thread.start()
        thread.join()  # this loop has not turned since: it has not taken it
        emitter.emit(Letter(1))
        async with asyncio.timeout(5):
            assert len((await handed_over[0]).deliveries) == 1
    assert got == [Letter(0)]


async def test_what_another_one_took_in_the_middle_of_an_emit_from_a_thread_keeps_no_capacity() -> None:
    linker, inner = Linker[Event](), list[Emission[Letter]]()

    def when(letter: Letter) -> bool:
        if not letter.n:  # a predicate is a stranger's code: it may emit, and take the once
            inner.append(emitter.emit(Letter(1)))
        return True

    linker.subscribe(Letter, lambda _: None, when=when, once=True)
    linker.subscribe(Parcel, lambda _: None)
    emitter = asyncio_emitter(linker, capacity=2)
    async with emitter:
        outer = await asyncio.to_thread(emitter.emit, Letter(0))
        assert await emitter.wait_for_tasks(5)
        assert [outer.deliveries, outer.status, inner[0].status] == [(), Status.COMPLETED, Status.COMPLETED]
        assert [emitter.emit(Parcel(n, 0)).status for n in range(2)] == [Status.PENDING] * 2


def test_a_processor_may_be_dropped_by_another_thread_while_this_one_waits_in_a_fresh_loop() -> None:
    def loop_that_looks_who_touches_it() -> asyncio.AbstractEventLoop:
        loop = asyncio.new_event_loop()
        loop.set_debug(True)
        return loop

    idle = Linker[Event]()
    idle.subscribe(Letter, lambda event: None)
    dropped = [Emitter(idle)]
    dropped[0].emit(Letter())  # it has a queue in this thread
    linker = Linker[Event]()

    @linker.on(Letter)
    async def drop(event: Letter) -> None:
        await asyncio.sleep(0)  # by now somebody waits until nothing is under way here
        thread = threading.Thread(target=dropped.clear)
        thread.start()
        thread.join()

    emission = Emitter(linker, AsyncIOProcessor(loop_factory=loop_that_looks_who_touches_it)).emit(Letter())
    assert emission.status is Status.COMPLETED
    assert dropped == []


async def test_an_emission_from_a_blocking_handler_is_its_child_and_is_waited_for() -> None:
    linker = Linker[Event]()
    emitter = Emitter(linker)
    made: list[Emission[Letter]] = []

    def block(_: Parcel) -> None:
        made.append(emitter.emit(Letter()))

    linker.subscribe(Parcel, block, in_thread=True)
    seen: list[Letter] = []
    linker.subscribe(Letter, seen.append)
    parent = emitter.emit(Parcel(0, 0))
    assert await emitter.wait_for_tasks(10)
    assert seen == [Letter()]
    assert made[0].parent is parent


async def test_an_emission_can_be_cancelled_from_another_thread() -> None:
    linker = Linker[Event]()
    emitter = Emitter(linker, AsyncIOProcessor(ordering=Ordering.SERIAL))

    @linker.on(Letter)
    async def hang(_: Letter) -> None:
        await asyncio.Event().wait()

    emissions = [emitter.emit(Letter(n)) for n in range(2)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert await asyncio.to_thread(lambda: [one.cancel() for one in reversed(emissions)]) == [True, True]
    assert await emitter.wait_for_tasks(5)
    assert [one.status for one in emissions] == [Status.CANCELLED, Status.DISCARDED]
    assert emissions[1].deliveries[0].outcome == Discarded("cancelled", started=False)
    assert not await asyncio.to_thread(emissions[0].cancel)


@pytest.mark.parametrize("end", ["no capacity", "nobody receives it", "cancelled", "loop closed"])
def test_an_observer_sees_what_a_thread_hands_over_however_soon_it_ends(end: str) -> None:
    seen, emissions = list[tuple[str, object]](), list[Emission[Letter]]()

    class Book:
        def accepted(self, emission: Emission[Event]) -> None:
            seen.append(("accepted", emission))

        def started(self, delivery: Delivery[Event]) -> None:
            seen.append(("started", delivery.emission))

        def ended(self, delivery: Delivery[Event]) -> None:
            seen.append(("ended", delivery.emission))

        def settled(self, emission: Emission[Event]) -> None:
            seen.append(("settled", emission))

    linker = Linker[Event]()
    capacity = 1 if end == "no capacity" else None
    processor = AsyncIOProcessor(capacity=capacity, overflow="drop_new", observer=Book(), on_discard=lambda _: None)
    emitter = Emitter(linker, processor)
    linker.subscribe(Parcel, lambda event: None)
    if end != "nobody receives it":
        linker.subscribe(Letter, lambda event: None)

    async def main() -> None:
        await emitter.__aenter__()  # and never left
        if capacity:
            emitter.emit(Parcel(0, 0))  # it takes the place
        thread = threading.Thread(target=lambda: emissions.append(emitter.emit(Letter())))
        thread.start()
        thread.join(10)  # the loop does not turn meanwhile
        if end == "cancelled":
            assert emissions[0].cancel()
        if end != "loop closed":
            assert await emitter.wait_for_tasks(10)

    asyncio.run(main())
    assert [what for what, emission in seen if emission is emissions[0]] == ["accepted", "settled"]
    assert emitter.tally.accepted == [what for what, _ in seen].count("settled")


def test_what_a_thread_hands_over_after_the_report_of_the_end_is_reported_too() -> None:
    linker, lost, emissions = Linker[Event](), list[Emission[Event]](), list[Emission[Letter]]()
    begun, has_closed = threading.Event(), threading.Event()

    def key(_: Letter) -> int:
        begun.set()
        assert has_closed.wait(10)
        return 0

    emitter = Emitter(linker, AsyncIOProcessor(ordering=PerKey(Letter, key), on_discard=lost.extend))
    linker.subscribe(Letter, lambda _: None)
    thread = threading.Thread(target=lambda: emissions.append(emitter.emit(Letter())))

    async def main() -> None:
        await emitter.__aenter__()  # and never left
        thread.start()
        assert await asyncio.to_thread(begun.wait, 10)

    asyncio.run(main())
    assert lost == []
    has_closed.set()
    thread.join(10)
    assert [emission.status for emission in emissions] == [Status.DISCARDED]
    assert lost == emissions
    assert (emitter.tally.accepted, emitter.tally.discarded) == (1, 1)
