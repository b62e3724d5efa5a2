"""Each promise that names threads, while eight of them do what it speaks of: what is lost, doubled, stuck or out of order?

On a build without the GIL they do it at the same time. A run of the suite looks for a moment; `nox -s stress` looks longer
(PYVENTUS_STRESS=30 does thirty times as much).
"""

import asyncio
import itertools
import random
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest

from pyventus_typed import (
    AsyncIOProcessor,
    Cancelled,
    Completed,
    Discarded,
    Emission,
    Emitter,
    Event,
    Linker,
    Ordering,
    PerKey,
    Request,
    Status,
    SyncProcessor,
    Tally,
    current_emission,
)
from pyventus_typed.errors import EmitterClosed, NoRoom, TooManySubscriptions
from tests.threads import PATIENCE, TIMES, together

THREADS = range(8)


@dataclass(frozen=True)
class Parcel(Event):
    """Something to deliver."""

    sender: int = 0
    n: int = 0


@dataclass(frozen=True)
class Letter(Event):
    """Something else."""

    n: int = 0


@dataclass(frozen=True)
class Weigh(Request[int]):
    """A question."""

    n: int


def rounds(count: int) -> range:
    return range(count * TIMES)


def each(job: Callable[[int], object]) -> list[Callable[[], object]]:
    """*job* for each thread, with its number."""
    return [lambda number=number: job(number) for number in THREADS]  # type: ignore[misc]  # mypy sees no default in a lambda


def adds_up(tally: Tally) -> bool:
    return tally.accepted == tally.pending + tally.completed + tally.failed + tally.cancelled + tally.discarded


async def in_threads(job: Callable[[int], object]) -> None:
    """Run *job* in eight threads while this loop turns."""
    await asyncio.to_thread(together, *each(job))


def in_a_home_loop(
    emitter: Emitter[Event], job: Callable[[int], object], *, factory: Callable[[], Any] = asyncio.new_event_loop
) -> None:
    """Run *job* in eight threads that emit into the loop of this one, and wait for what they emitted."""

    async def main() -> None:
        async with emitter:
            await in_threads(job)
            async with asyncio.timeout(PATIENCE):
                assert await emitter.wait_for_tasks()

    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(main())


def nothing(_: Event) -> None: ...


# ---------------------------------------------------------------- who receives what
def test_whatever_is_subscribed_receives_and_each_has_a_place_of_its_own() -> None:
    for _ in rounds(2):
        linker = Linker[Event]()
        kept: list[list[Any]] = [[] for _ in THREADS]

        def subscribe(thread: int, linker: Linker[Event] = linker, kept: list[list[Any]] = kept) -> None:
            for number in range(100):
                one = linker.subscribe(Parcel, nothing, priority=number % 3)
                assert one.active
                if number % 2:
                    kept[thread].append(one)
                else:
                    assert one.unsubscribe()
                    assert not one.active
                assert len(linker.receivers(Parcel)) <= 800  # nothing changes size under whoever reads
                linker.subscriptions()

        together(*each(subscribe))
        expected = {one for own in kept for one in own}
        assert len(expected) == 400
        assert set(linker.subscriptions()) == set(linker.receivers(Parcel)) == expected
        receivers = list(linker.receivers(Parcel))
        for own in kept:  # of one thread and one priority: as subscribed
            for priority in range(3):
                assert [one for one in receivers if one in own and one.priority == priority] == [
                    one for one in own if one.priority == priority
                ]


def test_whoever_lists_the_subscriptions_is_not_disturbed_by_events_that_are_new_to_the_linker() -> None:
    for _ in rounds(4):
        linker = Linker[Event]()
        events: list[type[Event]] = [
            dataclass(frozen=True)(type(f"New{number}", (Event,), {})) for number in range(400)
        ]

        def subscribe(thread: int, linker: Linker[Event] = linker, events: list[type[Event]] = events) -> None:
            for event in events[thread::8]:
                linker.subscribe(event, nothing)
                for _ in range(4):
                    linker.subscriptions()

        together(*each(subscribe))
        assert {one.events for one in linker.subscriptions()} == {(event,) for event in events}


def test_of_many_who_unsubscribe_one_is_told_so() -> None:
    linker = Linker[Event]()
    subscriptions = [linker.subscribe(Parcel, nothing) for _ in rounds(300)]
    told: list[list[bool]] = [[] for _ in THREADS]
    together(*each(lambda thread: told[thread].extend([one.unsubscribe() for one in subscriptions])))
    assert [sum(answers) for answers in zip(*told, strict=True)] == [1] * len(subscriptions)
    assert linker.subscriptions() == ()


def test_a_limit_of_subscriptions_is_never_passed() -> None:
    linker = Linker[Event](max_subscriptions=3)
    refused = itertools.count()

    def come_and_go(_: int) -> None:
        for _ in rounds(100):
            try:
                one = linker.subscribe(Parcel, nothing)
            except TooManySubscriptions:
                next(refused)
            else:
                assert len(linker.receivers(Parcel)) <= 8  # who is refused has stood there for a moment
                one.unsubscribe()

    together(*each(come_and_go))
    assert linker.subscriptions() == ()
    taken = [linker.subscribe(Parcel, nothing) for _ in range(3)]
    with pytest.raises(TooManySubscriptions):
        linker.subscribe(Parcel, nothing)
    assert len(taken) == len(linker.receivers(Parcel))


def test_once_is_used_up_by_one_emission() -> None:
    linker = Linker[Event]()
    emitter = Emitter(linker)
    for number in rounds(40):
        got: list[Event] = []
        linker.subscribe(Letter, got.append, once=True)
        together(*each(lambda _, number=number: emitter.emit(Letter(number))))  # type: ignore[misc]  # mypy infers no lambda with a default
        assert got == [Letter(number)]
    assert linker.subscriptions() == ()


# ---------------------------------------------------------------- who runs it, and in what order
@pytest.mark.parametrize("ordering", Ordering)
def test_threads_with_and_without_loops_share_an_emitter_while_others_subscribe_and_nothing_is_lost(
    ordering: Ordering,
) -> None:
    linker = Linker[Event]()
    emitter = Emitter(linker, AsyncIOProcessor(ordering=ordering))
    plain, awaited, nested = list[Parcel](), list[Parcel](), list[Letter]()
    stop = threading.Event()
    count = 60 * TIMES

    @linker.on(Parcel)
    def note(parcel: Parcel) -> None:
        plain.append(parcel)
        if not parcel.n % 10:
            emitter.emit(Letter(parcel.sender))

    @linker.on(Parcel)
    async def wait(parcel: Parcel) -> None:
        await asyncio.sleep(0)
        awaited.append(parcel)

    linker.subscribe(Letter, nested.append)

    async def in_loop(thread: int) -> None:
        for n in range(count):
            emitter.emit(Parcel(thread, n))
            if not n % 7:
                await asyncio.sleep(0)
        assert await emitter.wait_for_tasks(PATIENCE)

    def emit(thread: int) -> None:
        if thread % 2:
            asyncio.run(in_loop(thread))
        else:
            for n in range(count):
                assert emitter.emit(Parcel(thread, n)).status is Status.COMPLETED
        assert adds_up(emitter.tally)

    def churn() -> None:
        while not stop.is_set():
            with linker.subscribe(Letter, nothing):
                pass

    with ThreadPoolExecutor(1) as pool:
        churning = pool.submit(churn)
        try:
            together(*each(emit))
        finally:
            stop.set()
        churning.result(10)
    everything = Counter(Parcel(thread, n) for thread in THREADS for n in range(count))
    for seen in (plain, awaited):
        assert Counter(seen) == everything
        for thread in THREADS if ordering is not Ordering.CONCURRENT or seen is plain else ():
            assert [one.n for one in seen if one.sender == thread] == list(range(count))
    letters = 8 * len(range(0, count, 10))
    assert Counter(nested) == {Letter(thread): letters // 8 for thread in THREADS}
    assert emitter.tally == Tally(8 * count + letters, 0, 8 * count + letters, 0, 0, 0, 0)


@pytest.mark.parametrize(
    "ordering",
    [*Ordering, PerKey(Parcel, lambda parcel: parcel.sender % 3)],
    ids=["concurrent", "mailbox", "serial", "per key"],
)
def test_what_threads_emit_into_a_home_loop_is_handled_there_once_and_in_their_order(ordering: Any) -> None:
    linker = Linker[Event]()
    emitter = Emitter(linker, AsyncIOProcessor(ordering=ordering))
    seen, running = list[Parcel](), Counter[object]()
    here = threading.get_ident()
    count = 60 * TIMES

    @linker.on(Parcel)
    async def take(parcel: Parcel) -> None:
        assert threading.get_ident() == here
        key = parcel.sender % 3 if isinstance(ordering, PerKey) else None
        running[key] += 1
        assert running[key] == 1 or ordering is Ordering.CONCURRENT
        await asyncio.sleep(0)
        running[key] -= 1
        seen.append(parcel)

    def emit(thread: int) -> None:
        for n in range(count):
            emission = emitter.emit(Parcel(thread, n))
            assert emission.event == Parcel(thread, n)
            assert adds_up(emitter.tally)

    in_a_home_loop(emitter, emit)
    assert Counter(seen) == Counter(Parcel(thread, n) for thread in THREADS for n in range(count))
    for thread in THREADS:
        assert [one.n for one in seen if one.sender == thread] == list(range(count))
    assert emitter.tally == Tally(8 * count, 0, 8 * count, 0, 0, 0, 0)


def test_the_first_emissions_of_all_threads_share_one_queue() -> None:
    for _ in rounds(10):
        linker = Linker[Event]()
        emitter = Emitter(linker, AsyncIOProcessor(ordering=Ordering.SERIAL))
        running, most = [0], [0]

        @linker.on(Letter)
        async def take(_: Letter, running: list[int] = running, most: list[int] = most) -> None:
            running[0] += 1
            most[0] = max(most[0], running[0])
            await asyncio.sleep(0)
            running[0] -= 1

        in_a_home_loop(emitter, lambda _, emitter=emitter: emitter.emit(Letter()))  # type: ignore[misc]  # mypy infers no lambda with a default
        assert most == [1]


def test_an_emission_to_many_blocking_handlers_settles() -> None:
    linker = Linker[Event]()
    emitter = Emitter(linker)
    seen = list[int]()
    for number in THREADS:
        linker.on(Letter, in_thread=True)(lambda _, number=number: seen.append(number))

    async def main() -> None:
        for _ in rounds(30):
            async with asyncio.timeout(10):
                emission = await emitter.emit(Letter())
            assert {type(delivery.outcome) for delivery in emission.deliveries} == {Completed}
            assert sorted(seen) == list(THREADS)
            seen.clear()

    asyncio.run(main())
    assert emitter.tally.pending == 0


def test_what_blocking_handlers_emit_goes_to_the_loop_of_their_delivery() -> None:
    linker = Linker[Event]()
    emitter = Emitter(linker)
    seen = Counter[tuple[int, int | None]]()

    @linker.on(Letter)
    async def take(letter: Letter) -> None:
        own = current_emission()
        assert own is not None
        assert threading.get_ident() == letter.n
        seen[letter.n, own.parent_id] += 1

    linker.subscribe(Parcel, lambda parcel: emitter.emit(Letter(parcel.n)), in_thread=True)

    async def main() -> None:
        for _ in rounds(15):
            emitter.emit(Parcel(n=threading.get_ident()))
        assert await emitter.wait_for_tasks(PATIENCE)

    together(*each(lambda _: asyncio.run(main())))
    assert len(seen) == 8 * len(rounds(15))
    assert set(seen.values()) == {1}
    assert emitter.tally.completed == 2 * len(seen)


# ---------------------------------------------------------------- cancelling
@pytest.mark.parametrize("ordering", [Ordering.CONCURRENT, Ordering.MAILBOX, Ordering.SERIAL])
def test_who_cancels_from_another_thread_leaves_true_counts(ordering: Ordering) -> None:
    linker = Linker[Event]()
    emitter = Emitter(linker, AsyncIOProcessor(ordering=ordering))
    called, emissions = Counter[tuple[int, int]](), list[Emission[Letter]]()

    def note(place: int) -> Callable[[Letter], None]:
        return lambda letter: called.update([(letter.n, place)])

    @linker.on(Letter, priority=1)
    async def wait(letter: Letter) -> None:
        called[letter.n, 0] += 1
        await asyncio.sleep(0)

    for place in range(1, 20):
        linker.subscribe(Letter, note(place))
    count = 15 * TIMES

    def emit_and_cancel(thread: int) -> None:
        chance = random.Random(thread)
        for n in range(count):
            emission = emitter.emit(Letter(thread * count + n))
            emissions.append(emission)
            for one in chance.choices(emissions, k=2):
                one.cancel()
                one.status.name.lower()
                [delivery.outcome for delivery in one.deliveries]

    in_a_home_loop(emitter, emit_and_cancel)
    kinds = Counter[type]()
    for emission in emissions:
        for place, delivery in enumerate(emission.deliveries):
            outcome = delivery.outcome
            kinds[type(outcome)] += 1
            was_called = called[emission.event.n, place]
            if isinstance(outcome, Discarded):
                assert (outcome, was_called) == (Discarded("cancelled", started=False), 0)
            else:
                assert isinstance(outcome, Completed | Cancelled)
                assert was_called == 1
    assert set(kinds) >= {Completed, Discarded}, "nothing was cancelled in time: this shows nothing"
    tally = emitter.tally
    assert adds_up(tally)
    assert (tally.accepted, tally.pending) == (8 * count, 0)
    statuses = Counter(one.status for one in emissions)
    assert (tally.completed, tally.cancelled, tally.discarded) == (
        statuses[Status.COMPLETED],
        statuses[Status.CANCELLED],
        statuses[Status.DISCARDED],
    )


# ---------------------------------------------------------------- counts and capacity
def test_no_refusal_is_lost_from_the_counts() -> None:
    linker = Linker[Event]()
    linker.subscribe(Letter, nothing)
    for processor in (AsyncIOProcessor(), SyncProcessor()):
        emitter = Emitter(linker, processor)
        asyncio.run(emitter.aclose())

        def refused(_: int, emitter: Emitter[Event] = emitter) -> None:
            for _ in rounds(100):
                with pytest.raises(EmitterClosed):
                    emitter.emit(Letter())

        together(*each(refused))
        assert emitter.tally == Tally(0, 0, 0, 0, 0, 0, 8 * len(rounds(100)))


@pytest.mark.parametrize("overflow", ["refuse", "drop_new", "drop_old"])
def test_capacity_holds_against_threads(overflow: Any) -> None:
    linker = Linker[Event]()
    emitter = Emitter(linker, AsyncIOProcessor(capacity=5, overflow=overflow))
    pending, most, handled = [0], [0], [0]
    refused = [0 for _ in THREADS]
    count = 60 * TIMES

    @linker.on(Letter)
    async def take(_: Letter) -> None:
        pending[0] += 1
        most[0] = max(most[0], pending[0])
        await asyncio.sleep(0)
        pending[0] -= 1
        handled[0] += 1

    def emit(thread: int) -> None:
        for n in range(count):
            try:
                emitter.emit(Letter(n))
            except NoRoom:
                refused[thread] += 1

    in_a_home_loop(emitter, emit)
    tally = emitter.tally
    assert most[0] <= 5
    assert handled[0] == tally.completed
    assert tally.pending == 0
    assert tally.rejected == sum(refused)
    assert tally.accepted + tally.rejected == 8 * count
    assert tally.completed + tally.discarded == tally.accepted


def test_the_counts_add_up_whenever_they_are_read() -> None:
    linker = Linker[Event]()
    emitter = Emitter(linker)
    linker.subscribe(Letter, nothing)

    def emit_or_read(thread: int) -> None:
        for n in rounds(150):
            if thread % 2:
                assert adds_up(emitter.tally)
            else:
                emitter.emit(Letter(n))

    together(*each(emit_or_read))
    assert emitter.tally.completed == 4 * len(rounds(150))


# ---------------------------------------------------------------- the end
def test_what_is_emitted_while_an_emitter_closes_is_refused_or_settled() -> None:
    for _ in rounds(8):
        linker = Linker[Event]()
        emitter = Emitter(linker)
        seen, emissions = list[Event](), list[Emission[Letter]]()
        refused = [0 for _ in THREADS]
        linker.subscribe(Letter, seen.append)

        async def main(
            emitter: Emitter[Event] = emitter,
            emissions: list[Emission[Letter]] = emissions,
            refused: list[int] = refused,
        ) -> None:
            begun = asyncio.Event()
            loop = asyncio.get_running_loop()

            def emit(thread: int) -> None:
                for n in range(40):
                    try:
                        emissions.append(emitter.emit(Letter(n)))
                    except EmitterClosed:
                        refused[thread] += 1
                    if n == 10:
                        loop.call_soon_threadsafe(begun.set)

            async with emitter:
                threads = asyncio.create_task(in_threads(emit))
                await begun.wait()
            await threads
            assert await emitter.wait_for_tasks(PATIENCE)

        asyncio.run(main())
        tally = emitter.tally
        assert tally == Tally(len(emissions), 0, len(emissions), 0, 0, 0, sum(refused))
        assert len(seen) == len(emissions) == 320 - sum(refused)


def test_what_is_emitted_while_a_loop_ends_is_counted_and_what_was_not_run_is_reported_once() -> None:
    for _ in rounds(3):
        linker = Linker[Event]()
        lost, emissions = list[Emission[Event]](), list[Emission[Letter]]()
        emitter = Emitter(linker, AsyncIOProcessor(on_discard=lost.extend))
        called = list[int]()

        @linker.on(Letter)
        async def take(letter: Letter, called: list[int] = called) -> None:
            called.append(letter.n)
            await asyncio.sleep(0)

        def emit(thread: int, emitter: Emitter[Event] = emitter, emissions: list[Emission[Letter]] = emissions) -> None:
            for n in range(100):
                emissions.append(emitter.emit(Letter(thread * 100 + n)))  # noqa: PERF401 - others look at it meanwhile

        with ThreadPoolExecutor(1) as pool:

            async def main(emitter: Emitter[Event] = emitter, pool: ThreadPoolExecutor = pool) -> "Future[None]":
                await emitter.__aenter__()  # and never left
                threads = pool.submit(together, *each(emit))
                await asyncio.sleep(0.003)
                return threads

            asyncio.run(main()).result(PATIENCE)
        tally = emitter.tally
        assert adds_up(tally)
        assert (tally.accepted, tally.pending) == (len(emissions), 0) == (800, 0)
        statuses = Counter(one.status for one in emissions)
        assert (tally.completed, tally.discarded) == (statuses[Status.COMPLETED], statuses[Status.DISCARDED])
        assert len(lost) == len(set(map(id, lost))) == sum(one.status is not Status.COMPLETED for one in emissions)
        for one in emissions:
            (delivery,) = one.deliveries
            if not delivery.started:
                assert one.event.n not in called


# ---------------------------------------------------------------- the handle
def test_an_emission_has_one_id_whoever_asks_and_no_two_have_the_same() -> None:
    linker = Linker[Event]()
    emitter = Emitter(linker)
    linker.subscribe(Letter, nothing)
    emissions = [emitter.emit(Letter()) for _ in rounds(200)]
    ids: list[list[int]] = [[] for _ in THREADS]

    def ask(thread: int) -> None:
        for shared in emissions:
            ids[thread].append(shared.id)
            ids[thread].append(emitter.emit(Letter()).id)

    together(*each(ask))
    assert all(own[::2] == ids[0][::2] for own in ids)
    different = ids[0][::2] + [number for own in ids for number in own[1::2]]
    assert len(set(different)) == len(different) == 9 * len(emissions)


def test_an_emission_may_be_awaited_from_eight_loops() -> None:
    linker = Linker[Event]()
    go = list[asyncio.Event]()

    @linker.on(Letter)
    async def wait(_: Letter) -> None:
        await go[0].wait()
        raise ValueError("late")

    async def main() -> None:
        async with Emitter(linker) as emitter:
            for _ in rounds(10):
                go[:] = [asyncio.Event()]
                emission = emitter.emit(Letter())
                told = list[Status]()

                async def look(emission: Emission[Letter] = emission, told: list[Status] = told) -> None:
                    async with asyncio.timeout(20):
                        told.append((await emission.wait()).status)

                waiting = asyncio.create_task(in_threads(lambda _, look=look: asyncio.run(look())))  # type: ignore[misc]  # mypy infers no lambda with a default
                await asyncio.sleep(0.001)
                go[0].set()
                await waiting
                assert told == [Status.FAILED] * 8

    asyncio.run(main())


def test_eight_threads_ask_and_each_gets_its_own_answer() -> None:
    for processor in (AsyncIOProcessor(), SyncProcessor()):
        linker = Linker[Event]()
        emitter = Emitter(linker, processor)

        @linker.answer(Weigh)
        def weigh(request: Weigh) -> int:
            return 2 * request.n

        def ask(thread: int, emitter: Emitter[Event] = emitter) -> None:
            for n in rounds(60):
                assert emitter.ask_sync(Weigh(1000 * thread + n)) == 2 * (1000 * thread + n)

        together(*each(ask))
        assert emitter.tally.completed == 8 * len(rounds(60))


def test_a_thread_that_a_handler_left_behind_is_not_for_ever_in_its_emission() -> None:
    linker = Linker[Event]()
    emitter = Emitter(linker)
    found, settled = list[object](), threading.Event()

    def look() -> None:
        assert settled.wait(20)
        found.append(current_emission())

    threads = list[threading.Thread]()

    @linker.on(Letter)
    def leave_behind(_: Letter) -> None:
        threads.append(threading.Thread(target=look))
        threads[-1].start()

    emissions = [emitter.emit(Letter()) for _ in THREADS]
    assert {one.status for one in emissions} == {Status.COMPLETED}
    settled.set()
    for thread in threads:
        thread.join()
    assert found == [None] * 8


# ---------------------------------------------------------------- without a loop
def test_the_processor_without_a_loop_serves_threads_and_counts_what_they_cancel() -> None:
    linker = Linker[Event]()
    processor = SyncProcessor()
    emitter = Emitter(linker, processor)
    called = [Counter[tuple[int, int]]() for _ in THREADS]
    emissions = list[Emission[Parcel]]()
    running: list[Emission[Event]] = []

    def first(parcel: Parcel) -> None:
        called[parcel.sender][parcel.n, 0] += 1
        own = current_emission()
        assert own is not None
        running.append(own)
        for one in running[-8:]:  # of whatever thread
            one.cancel()

    linker.subscribe(Parcel, first)
    for place in range(1, 6):
        linker.on(Parcel)(lambda parcel, place=place: called[parcel.sender].update([(parcel.n, place)]))
    count = 60 * TIMES

    def emit(thread: int) -> None:
        emissions.extend([emitter.emit(Parcel(thread, n)) for n in range(count)])

    together(*each(emit))
    for emission in emissions:
        for place, delivery in enumerate(emission.deliveries):
            was_called = called[emission.event.sender][emission.event.n, place]
            assert was_called == (0 if isinstance(delivery.outcome, Discarded) else 1)
    tally = processor.tally
    assert adds_up(tally)
    assert (tally.accepted, tally.pending) == (8 * count, 0)
    assert tally.discarded == sum(one.status is Status.DISCARDED for one in emissions)
