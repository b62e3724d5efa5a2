"""What a first engine got wrong, as properties of a queue: what was discarded stays so, one at a time is one at a time, a place
is given once, nothing stays pending, and nothing that is called in order to report something can stop a queue.
"""

import asyncio
import logging
import sys
import threading
import time
import warnings
from collections.abc import Callable, Coroutine, Hashable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Literal

import pytest
from typing_extensions import override

from pyventus_typed import (
    AsyncIOProcessor,
    Discarded,
    Emission,
    Emitter,
    Event,
    Failed,
    KeyedOrdering,
    Linker,
    Ordering,
    PerKey,
    Request,
    Status,
    Subscription,
    asyncio_emitter,
    current_emission,
    observe,
)
from pyventus_typed.errors import EmissionFailed, EmitterClosed, InvalidOption, NoRoom


@dataclass(frozen=True)
class Parcel(Event):
    """Something to deliver."""

    n: int = 0
    house: Hashable = 0


@dataclass(frozen=True)
class Price(Request[int]):
    """A question."""


ORDERINGS: list[Ordering | KeyedOrdering] = [*Ordering, PerKey(Parcel, lambda parcel: parcel.house)]
ONE_AT_A_TIME = [Ordering.SERIAL, PerKey(Parcel, lambda parcel: parcel.house)]


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


@pytest.fixture
def unraisable() -> Iterator[list[BaseException | None]]:
    """What was given to ``sys.unraisablehook``."""
    heard: list[BaseException | None] = []
    before, sys.unraisablehook = sys.unraisablehook, lambda seen: heard.append(seen.exc_value)
    yield heard
    sys.unraisablehook = before


# ---------------------------------------------------------------- what was discarded stays so
@pytest.mark.parametrize("ordering", ORDERINGS, ids=str)
async def test_what_was_dropped_for_another_one_never_runs_and_fails_nowhere(
    ordering: Ordering, caplog: pytest.LogCaptureFixture
) -> None:
    linker, ran, failures = Linker[Event](), list[int](), list[Exception]()

    async def handler(parcel: Parcel) -> None:
        ran.append(parcel.n)

    linker.subscribe(Parcel, handler, on_failure=lambda _, error: failures.append(error))
    emitter = asyncio_emitter(linker, capacity=1, overflow="drop_old", ordering=ordering)
    first, second = emitter.emit(Parcel(1)), emitter.emit(Parcel(2))
    await emitter.wait_for_tasks()
    assert first.deliveries[0].outcome == Discarded("capacity", started=False)
    assert (second.status, ran, failures, caplog.records) == (Status.COMPLETED, [2], [], [])


@pytest.mark.parametrize("in_thread", [False, True])
def test_what_a_loop_has_discarded_does_not_start_when_it_turns_once_more(*, in_thread: bool) -> None:
    linker, ran, lost = Linker[Event](), list[int](), list[Emission[Event]]()
    release = threading.Event()

    def blocking(parcel: Parcel) -> None:
        ran.append(parcel.n)
        release.wait(10)

    async def handler(parcel: Parcel) -> None:
        ran.append(parcel.n)
        await turns(2)

    linker.subscribe(Parcel, blocking if in_thread else handler, in_thread=in_thread)
    emitter = asyncio_emitter(linker, on_discard=lost.extend, ordering=Ordering.SERIAL)

    async def main() -> list[Emission[Parcel]]:
        emissions = [emitter.emit(Parcel(n)) for n in range(2)]
        while not ran:
            await asyncio.sleep(0)
        return emissions

    loop = asyncio.new_event_loop()
    first, second = loop.run_until_complete(main())
    loop.run_until_complete(loop.shutdown_asyncgens())
    release.set()
    loop.close()
    assert second.deliveries[0].outcome == Discarded("loop closed", started=False)
    assert first.status is not Status.PENDING
    assert second in lost
    assert ran == [0]
    assert emitter.tally.pending == 0


# ---------------------------------------------------------------- one at a time
@pytest.mark.parametrize("ordering", ONE_AT_A_TIME, ids=str)
@pytest.mark.parametrize("waits", [False, True])
async def test_with_drop_old_emissions_of_one_key_never_run_together(ordering: Ordering, waits: bool) -> None:
    linker, running, most = Linker[Event](), 0, 0

    @linker.on(Parcel)
    async def handler(parcel: Parcel) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await turns(3)
        running -= 1

    emitter = asyncio_emitter(linker, capacity=2, overflow="drop_old", ordering=ordering)
    waiters: list[asyncio.Task[Any]] = []
    for n in range(30):
        try:
            if waits and n % 3 == 0:
                waiters.append(asyncio.create_task(emitter.emit_wait(Parcel(n))))
            else:
                emitter.emit(Parcel(n))
        except NoRoom:
            pass
        await turns(n % 4)
    await asyncio.gather(*waiters)
    assert await emitter.wait_for_tasks(10)
    assert most == 1
    assert emitter.tally.pending == 0


@pytest.mark.parametrize("overflow", ["refuse", "drop_new", "drop_old"])
async def test_a_place_is_given_once_and_who_waits_for_it_gets_it(
    overflow: Literal["refuse", "drop_new", "drop_old"],
) -> None:
    linker, most = Linker[Event](), 0
    emitter = asyncio_emitter(linker, capacity=2, overflow=overflow, ordering=Ordering.SERIAL)

    @linker.on(Parcel)
    async def handler(parcel: Parcel) -> None:
        nonlocal most
        most = max(most, emitter.tally.pending)
        await asyncio.sleep(0)

    emitter.emit(Parcel(0))
    emitter.emit(Parcel(1))
    waiters = [asyncio.create_task(emitter.emit_wait(Parcel(10 + n))) for n in range(4)]
    await turns(1)
    for n in range(5):
        try:
            emitter.emit(Parcel(20 + n))
        except NoRoom:
            pass
        assert emitter.tally.pending <= 2
        await asyncio.sleep(0)
    emissions = await asyncio.gather(*waiters)  # none of them is refused
    assert await emitter.wait_for_tasks(10)
    assert most <= 2
    if overflow != "drop_old":  # there a newcomer may drop what has waited
        assert {one.status for one in emissions} == {Status.COMPLETED}


async def test_a_key_function_that_emits_takes_no_place_that_is_promised() -> None:
    linker, inner = Linker[Event](), list[Emission[Event] | None]()

    def house(parcel: Parcel) -> Hashable:
        if parcel.n == 10:
            inner.append(emitter.try_emit(Parcel(99, "other")))
        return parcel.house

    emitter = asyncio_emitter(linker, capacity=1, ordering=PerKey(Parcel, house))
    gate = asyncio.Event()

    @linker.on(Parcel)
    async def handler(parcel: Parcel) -> None:
        await gate.wait()

    emitter.emit(Parcel(0))
    waiter = asyncio.create_task(emitter.emit_wait(Parcel(10)))
    await turns()
    gate.set()
    assert (await (await waiter)).status is Status.COMPLETED
    assert inner == [None]


async def test_each_cancelled_wait_for_capacity_leaves_nothing_behind() -> None:
    import gc

    linker, gate = Linker[Event](), asyncio.Event()
    linker.subscribe(Parcel, lambda _: gate.wait())
    emitter = asyncio_emitter(linker, capacity=1)
    emitter.emit(Parcel())
    gc.collect()
    before = sum(isinstance(one, asyncio.Future) for one in gc.get_objects())
    for _ in range(200):
        waiter = asyncio.create_task(emitter.emit_wait(Parcel()))
        await asyncio.sleep(0)
        waiter.cancel()
        await asyncio.wait([waiter])
    del waiter
    gc.collect()
    assert sum(isinstance(one, asyncio.Future) for one in gc.get_objects()) <= before + 10
    gate.set()
    await emitter.wait_for_tasks()


# ---------------------------------------------------------------- threads
async def test_the_first_hand_overs_of_many_threads_share_one_queue() -> None:
    pool, before = ThreadPoolExecutor(4), sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for _ in range(150):
            linker, running, most = Linker[Event](), 0, 0
            emitter = asyncio_emitter(linker, ordering=Ordering.SERIAL)

            @linker.on(Parcel)
            async def handler(parcel: Parcel) -> None:
                nonlocal running, most
                running += 1
                most = max(most, running)
                await asyncio.sleep(0)
                running -= 1

            barrier = threading.Barrier(4)

            def first(
                n: int, barrier: threading.Barrier = barrier, emitter: Emitter[Event] = emitter
            ) -> Emission[Parcel]:
                barrier.wait(10)
                return emitter.emit(Parcel(n))

            async with emitter:
                loop = asyncio.get_running_loop()
                emissions = await asyncio.gather(*(loop.run_in_executor(pool, first, n) for n in range(4)))
            assert [one.status for one in emissions] == [Status.COMPLETED] * 4
            assert most == 1
    finally:
        sys.setswitchinterval(before)
        pool.shutdown()


def test_what_is_handed_over_as_its_loop_closes_is_settled() -> None:
    for _ in range(20):
        linker = Linker[Event]()
        linker.subscribe(Parcel, lambda _: None)
        emitter = asyncio_emitter(linker, on_discard=lambda _: None)
        emissions: list[Emission[Parcel]] = []
        stop = threading.Event()

        def flood(emitter: Emitter[Event] = emitter, stop: threading.Event = stop, to: Any = emissions) -> None:
            for _ in range(2000):
                if not stop.is_set():
                    to.append(emitter.emit(Parcel()))

        thread = threading.Thread(target=flood)

        async def main(emitter: Emitter[Event] = emitter, thread: threading.Thread = thread) -> None:
            await emitter.__aenter__()  # and never leaves it: the loop closes inside the block
            thread.start()
            await asyncio.sleep(0)

        asyncio.run(main())
        stop.set()
        thread.join(10)
        assert [one for one in emissions if one.status is Status.PENDING] == []
        tally = emitter.tally
        assert tally.pending == 0
        assert tally.accepted == len(emissions)


def test_what_is_handed_over_as_its_emitter_closes_is_waited_for_or_refused() -> None:
    async def main() -> None:
        for _ in range(30):
            linker = Linker[Event]()
            linker.subscribe(Parcel, lambda _: None)
            emitter = Emitter(linker)
            emissions: list[Emission[Parcel]] = []

            def flood(emitter: Emitter[Event] = emitter, to: Any = emissions) -> None:
                for n in range(200):
                    try:
                        to.append(emitter.emit(Parcel(n)))
                    except EmitterClosed:
                        return

            async with emitter:
                flooding = asyncio.get_running_loop().run_in_executor(None, flood)
                await turns(2)
            pending = [one for one in [*emissions] if one.status is Status.PENDING]
            await flooding
            assert pending == []
            await turns(3)
            assert [one for one in emissions if one.status is Status.PENDING] == []
            assert emitter.tally.pending == 0

    asyncio.run(main())


async def test_a_flood_from_threads_does_not_keep_a_home_loop_from_its_timers() -> None:
    linker, stop = Linker[Event](), threading.Event()
    linker.subscribe(Parcel, lambda _: None)

    def flood() -> None:
        while not stop.is_set():
            emitter.emit(Parcel())

    def bare() -> None:
        while not stop.is_set():
            loop.call_soon_threadsafe(int)

    async def under(work: Callable[[], None]) -> float:
        stop.clear()
        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        try:
            slowest = 0.0
            for _ in range(5):
                began = time.perf_counter()
                await asyncio.sleep(0.01)
                slowest = max(slowest, time.perf_counter() - began)
            return slowest
        finally:
            stop.set()
            for thread in threads:
                thread.join()

    loop = asyncio.get_running_loop()
    async with Emitter(linker) as emitter:
        limit = await under(bare)
        ours = await under(flood)
        assert ours < 30 * limit + 1  # it was hundreds of times the bare loop's


async def test_what_was_handed_over_can_be_cancelled_before_the_loop_takes_it() -> None:
    linker, ran = Linker[Event](), list[Event]()
    linker.subscribe(Parcel, ran.append)
    async with Emitter(linker) as emitter:
        handed_over: list[Emission[Parcel]] = []
        thread = threading.Thread(target=lambda: handed_over.append(emitter.emit(Parcel())))
        thread.start()
        thread.join()  # this loop has not turned since
        assert handed_over[0].status is Status.PENDING
        assert emitter.tally.pending == 1
        assert handed_over[0].cancel()
    assert handed_over[0].deliveries[0].outcome == Discarded("cancelled", started=False)
    assert ran == []


async def test_from_a_thread_a_full_queue_refuses_at_once() -> None:
    linker, gate, raised = Linker[Event](), asyncio.Event(), list[BaseException]()
    linker.subscribe(Parcel, lambda _: gate.wait())

    def emit_twice() -> None:
        emitter.emit(Parcel(1))
        try:
            emitter.emit(Parcel(2))
        except NoRoom as error:
            raised.append(error)

    async with asyncio_emitter(linker, capacity=1) as emitter:
        await asyncio.to_thread(emit_twice)
        assert emitter.tally.pending == 1
        gate.set()
    assert len(raised) == 1


# ---------------------------------------------------------------- cancellation
@pytest.mark.parametrize("kind", ["in a thread", "absorbs"])
async def test_a_time_limit_around_ask_is_not_swallowed_by_the_answer(kind: str) -> None:
    linker, release = Linker[Event](), threading.Event()
    if kind == "in a thread":
        linker.answer(Price, in_thread=True)(lambda _: 7 if release.wait(10) else 8)
    else:

        @linker.answer(Price)
        async def price(_: Price) -> int:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                return 7
            return 8

    asker = asyncio.create_task(Emitter(linker).ask(Price()))
    await turns()
    asker.cancel()
    release.set()
    with pytest.raises(asyncio.CancelledError):
        await asker


async def test_an_awaiter_that_is_cancelled_as_the_handler_fails_does_not_swallow_the_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    linker, gate = Linker[Event](), asyncio.get_running_loop().create_future()

    @linker.on(Parcel)
    async def fails(_: Parcel) -> None:
        await gate
        waiter.cancel()  # in the very turn
        raise ValueError("mine")

    async def wait() -> None:
        await emission

    emission = Emitter(linker).emit(Parcel())
    waiter = asyncio.create_task(wait())
    await turns()
    gate.set_result(None)
    with pytest.raises(asyncio.CancelledError):
        await waiter
    assert ["mine" in str(one.exc_info and one.exc_info[1]) for one in caplog.records] == [True]


async def test_an_awaiter_that_gives_up_after_the_first_of_two_failed_does_not_swallow_the_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    linker, gate, first = Linker[Event](), asyncio.Event(), asyncio.Event()

    @linker.on(Parcel)
    async def fails(_: Parcel) -> None:
        await first.wait()
        raise ValueError

    linker.subscribe(Parcel, lambda _: gate.wait())
    emission = Emitter(linker).emit(Parcel())

    async def wait() -> None:
        await emission

    waiter = asyncio.create_task(wait())
    await turns()
    first.set()
    await turns()
    assert caplog.records == []
    waiter.cancel()
    await asyncio.wait([waiter])
    assert len(caplog.records) == 1
    gate.set()
    await emission.wait()


async def test_a_handler_that_raises_generator_exit_in_a_loop_that_lives_is_no_lost_loop() -> None:
    linker = Linker[Event]()

    @linker.on(Parcel)
    async def leave(_: Parcel) -> None:
        raise GeneratorExit

    asyncio.get_running_loop().set_exception_handler(lambda *_: None)
    emission = await Emitter(linker).emit(Parcel()).wait()
    assert emission.deliveries[0].outcome == Discarded("GeneratorExit()", started=True)


def test_a_task_that_is_cancelled_by_hand_and_gathered_is_no_end_of_its_loop() -> None:
    linker, seen = Linker[Event](), list[Event]()
    linker.subscribe(Parcel, seen.append)
    emitter = Emitter(linker)
    loop = asyncio.new_event_loop()

    async def emits_when_cancelled() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            emitter.emit(Parcel(1))

    async def start() -> asyncio.Task[None]:
        emitter.emit(Parcel(0))
        task = asyncio.create_task(emits_when_cancelled())
        await asyncio.sleep(0)
        return task

    task = loop.run_until_complete(start())
    task.cancel()
    loop.run_until_complete(asyncio.gather(task, return_exceptions=True))
    loop.run_until_complete(emitter.wait_for_tasks())
    loop.close()
    assert seen == [Parcel(0), Parcel(1)]


# ---------------------------------------------------------------- what is called in order to report something
class Angry(logging.Filter):
    """As one that reads ``record.request_id``."""

    @override
    def filter(self, record: logging.LogRecord) -> bool:
        raise AttributeError("request_id")


@pytest.fixture
def angry_log() -> Iterator[None]:
    log, handler = logging.getLogger("pyventus_typed"), logging.StreamHandler()
    handler.addFilter(Angry())
    log.addHandler(handler)
    yield
    log.removeHandler(handler)


@pytest.mark.parametrize("ordering", ORDERINGS, ids=str)
@pytest.mark.parametrize(
    "kind", ["plain", "async", "in a thread", "with a time-out", "a lambda's coroutine", "publish"]
)
@pytest.mark.parametrize("loop", [True, False])
def test_a_log_that_raises_leaves_nothing_pending(
    ordering: Ordering, kind: str, loop: bool, angry_log: None, unraisable: list[BaseException | None]
) -> None:
    linker = Linker[Event]()

    def fails(_: Parcel) -> None:
        raise ValueError

    async def fails_later(_: Parcel) -> None:
        await asyncio.sleep(0)
        raise ValueError

    match kind:
        case "plain" | "publish":
            linker.subscribe(Parcel, fails)
        case "async":
            linker.subscribe(Parcel, fails_later)
        case "in a thread":
            linker.subscribe(Parcel, fails, in_thread=True)
        case "with a time-out":
            linker.subscribe(Parcel, fails_later, timeout=60)
        case _:
            linker.subscribe(Parcel, lambda parcel: fails_later(parcel))
    emitter = asyncio_emitter(linker, ordering=ordering)

    async def main() -> None:
        for n in range(2):
            if kind == "publish":
                with pytest.raises(EmissionFailed, match="1 of 1 handler failed"):
                    await emitter.publish(Parcel(n))
            else:
                emitter.emit(Parcel(n))
        assert await emitter.wait_for_tasks(10)

    if loop or kind == "publish":
        asyncio.run(main())
    else:
        for n in range(2):
            emitter.emit(Parcel(n))
    assert (emitter.tally.failed, emitter.tally.pending) == (2, 0)
    assert [type(one) for one in unraisable] == ([] if kind == "publish" else [AttributeError] * 2)


def test_a_showwarning_that_raises_does_not_get_out_of_the_end_of_a_loop(
    unraisable: list[BaseException | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def show(*_: object) -> None:
        raise ZeroDivisionError

    linker = Linker[Event]()
    linker.subscribe(Parcel, lambda _: asyncio.Event().wait())
    emitter = Emitter(linker)

    async def main() -> None:
        emitter.emit(Parcel())
        await asyncio.sleep(0)

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        monkeypatch.setattr(warnings, "_showwarnmsg", show)
        asyncio.run(main())
    assert [type(one) for one in unraisable] == [ZeroDivisionError]
    assert emitter.tally.pending == 0


class Sour:
    """A key whose comparing fails at the wrong moment."""

    angry = False

    @override
    def __eq__(self, other: object) -> bool:
        if self.angry:
            raise ValueError("not now")
        return self is other

    @override
    def __hash__(self) -> int:
        return 7


async def test_a_key_whose_comparing_fails_fails_its_own_emission_and_stops_nobody(
    caplog: pytest.LogCaptureFixture,
) -> None:
    linker, seen = Linker[Event](), list[int]()
    linker.subscribe(Parcel, lambda parcel: seen.append(parcel.n))
    emitter = asyncio_emitter(linker, ordering=PerKey(Parcel, lambda parcel: parcel.house))
    one, other = Sour(), Sour()
    emitter.emit(Parcel(1, one))
    Sour.angry = True
    try:
        failed = emitter.emit(Parcel(2, other))
        assert await emitter.wait_for_tasks(10)
    finally:
        Sour.angry = False
    emitter.emit(Parcel(3, other))
    assert await emitter.wait_for_tasks(10)
    assert isinstance(failed.deliveries[0].outcome, Failed)
    assert seen == [1, 3]


def test_a_failure_of_a_plain_handler_in_a_loop_is_logged_in_its_context() -> None:
    request: ContextVar[str] = ContextVar("request", default="none")
    heard: list[tuple[str, object]] = []

    class Listener(logging.Handler):
        @override
        def emit(self, record: logging.LogRecord) -> None:
            emission = current_emission()
            heard.append((request.get(), emission and emission.event))

    linker = Linker[Event]()
    linker.subscribe(Parcel, lambda _: 1 // 0)
    emitter, log, listener = Emitter(linker), logging.getLogger("pyventus_typed"), Listener()

    async def main() -> None:
        request.set("mine")
        emitter.emit(Parcel(4))
        request.set("another's")
        await emitter.wait_for_tasks()

    log.addHandler(listener)
    try:
        asyncio.run(main())
    finally:
        log.removeHandler(listener)
    assert heard == [("mine", Parcel(4))]


async def test_log_records_carry_what_a_log_is_searched_by(caplog: pytest.LogCaptureFixture) -> None:
    linker = Linker[Event]()
    emitter = Emitter(linker)
    linker.subscribe(Parcel, lambda parcel: emitter.emit(Parcel(parcel.n - 1)) if parcel.n else 1 // 0)
    parent = emitter.emit(Parcel(1))
    await emitter.wait_for_tasks()
    (record,) = caplog.records
    fields = vars(record)
    assert (fields["event_type"], fields["event_repr"]) == ("Parcel", "Parcel(n=0, house=0)")
    assert fields["parent_id"] == parent.id != fields["emission_id"]
    assert fields["handler"].endswith("<lambda>")
    assert "event" not in fields


# ---------------------------------------------------------------- smaller ones
async def test_publish_says_which_line_emitted_in_debug_mode() -> None:
    linker = Linker[Event]()
    linker.subscribe(Parcel, lambda _: 1 // 0)
    with pytest.raises(EmissionFailed, match="1 of 1 handler failed") as caught:
        await Emitter(linker, AsyncIOProcessor(debug=True)).publish(Parcel())
    assert any(f"emitted at {__file__}" in note for note in caught.value.exceptions[0].__notes__)


async def test_two_emitters_in_one_block_lose_nothing_that_was_on_its_way() -> None:
    linkers = [Linker[Event](), Linker[Event]()]
    seen: list[tuple[int, int]] = []
    async with Emitter(linkers[0]) as one, Emitter(linkers[1]) as other:
        for number, (linker, next_one) in enumerate([(linkers[0], other), (linkers[1], one)]):

            @linker.on(Parcel)
            async def pass_on(parcel: Parcel, number: int = number, next_one: Emitter[Event] = next_one) -> None:
                seen.append((number, parcel.n))
                await turns(2)
                if parcel.n:
                    next_one.emit(Parcel(parcel.n - 1))

        one.emit(Parcel(4))
    assert seen == [(0, 4), (1, 3), (0, 2), (1, 1), (0, 0)]
    for emitter in (one, other):
        with pytest.raises(EmitterClosed, match="the emitter is closed"):
            emitter.emit(Parcel())


async def test_what_descends_from_nothing_that_was_pending_is_refused_by_a_closing_emitter() -> None:
    first, second = Linker[Event](), Linker[Event]()
    closing, outside = Emitter(first), Emitter(second)
    gate, refused = asyncio.Event(), list[Exception]()
    first.subscribe(Parcel, lambda _: gate.wait())

    @second.on(Parcel)
    async def late(_: Parcel) -> None:
        try:
            closing.emit(Parcel())
        except EmitterClosed as error:
            refused.append(error)

    closing.emit(Parcel())
    ends = asyncio.create_task(closing.aclose())
    await turns()
    await outside.emit(Parcel())
    gate.set()
    assert await ends
    assert len(refused) == 1


async def test_the_current_emission_of_a_task_that_a_handler_left_behind_ends_with_it() -> None:
    linker, go, found = Linker[Event](), asyncio.Event(), list[object]()
    tasks: list[asyncio.Task[None]] = []

    async def behind() -> None:
        found.append(current_emission())
        await go.wait()
        found.append(current_emission())

    @linker.on(Parcel)
    async def leaves(_: Parcel) -> None:
        tasks.append(asyncio.create_task(behind()))
        await turns(1)

    emission = await Emitter(linker).emit(Parcel())
    go.set()
    await tasks[0]
    assert found == [emission, None]


async def test_an_event_that_nobody_receives_takes_no_turn_no_capacity_and_no_key() -> None:
    called: list[object] = []
    emitter = asyncio_emitter(Linker(), capacity=1, ordering=PerKey(Parcel, called.append))
    emissions = [emitter.emit(Parcel(n)) for n in range(3)]
    assert [one.status for one in emissions] == [Status.COMPLETED] * 3
    assert called == []
    assert (emitter.tally.accepted, emitter.tally.completed) == (3, 3)


def test_an_event_that_nobody_receives_is_refused_by_a_closed_emitter() -> None:
    async def main() -> None:
        async with Emitter(Linker()) as emitter:
            pass
        with pytest.raises(EmitterClosed, match="the emitter is closed"):
            emitter.emit(Parcel())
        assert emitter.tally.rejected == 1

    asyncio.run(main())


@pytest.mark.parametrize("how", ["emit", "publish", "emit_wait"])
async def test_a_closed_emitter_calls_no_key_function(how: str) -> None:
    called: list[object] = []
    linker = Linker[Event]()
    linker.subscribe(Parcel, lambda _: None)
    async with asyncio_emitter(linker, ordering=PerKey(Parcel, called.append)) as emitter:
        pass
    with pytest.raises(EmitterClosed, match="the emitter is closed"):
        outcome = getattr(emitter, how)(Parcel())
        await outcome
    assert called == []
    assert emitter.tally.rejected == 1


# ---------------------------------------------------------------- the observer
class Notebook:
    """Writes down what it observes, and in whose context."""

    def __init__(self) -> None:
        self.log: list[tuple[str, int, object]] = []

    def accepted(self, emission: Emission[Event]) -> None:
        self._note("accepted", emission)

    def started(self, delivery: Any) -> None:
        self._note(f"started {delivery.subscription.handler.__name__}", delivery.emission)

    def ended(self, delivery: Any) -> None:
        outcome = type(delivery.outcome).__name__
        self._note(f"ended {delivery.subscription.handler.__name__} {outcome}", delivery.emission)

    def settled(self, emission: Emission[Event]) -> None:
        self._note(f"settled {emission.status.value}", emission)

    def _note(self, what: str, emission: Emission[Any]) -> None:
        self.log.append((what, emission.event.n, user.get()))


user: ContextVar[str] = ContextVar("user", default="nobody")


@pytest.mark.parametrize("way", ["emit", "publish"])
async def test_what_was_started_ends_whatever_the_handler_is_and_however_it_is_emitted(way: str) -> None:
    linker, book = Linker[Event](), Notebook()
    emitter = Emitter(linker, AsyncIOProcessor(observer=book))

    def plain(parcel: Parcel) -> None: ...

    async def later(parcel: Parcel) -> None: ...

    def returns(parcel: Parcel) -> Coroutine[Any, Any, None]:  # Any: a loop's
        return later(parcel)

    def blocking(parcel: Parcel) -> None: ...

    async def limited(parcel: Parcel) -> None: ...

    def subscribe(name: str) -> Subscription[Parcel]:
        match name:
            case "plain":
                return linker.subscribe(Parcel, plain)
            case "later":
                return linker.subscribe(Parcel, later)
            case "returns":
                return linker.subscribe(Parcel, returns)
            case "blocking":
                return linker.subscribe(Parcel, blocking, in_thread=True)
            case _:
                return linker.subscribe(Parcel, limited, timeout=9)

    every = ["blocking", "later", "limited", "plain", "returns"]
    for names in (*([name] for name in every), every):  # each alone, because of one that is noted all others are, too
        book.log.clear()
        subscriptions = [subscribe(name) for name in names]
        await (emitter.publish(Parcel(1)) if way == "publish" else emitter.emit(Parcel(1)))
        seen = [what for what, _, _ in book.log]
        assert sorted(what for what in seen if what.startswith("started")) == [f"started {name}" for name in names]
        assert sorted(what for what in seen if what.startswith("ended")) == [
            f"ended {name} Completed" for name in names
        ]
        for subscription in subscriptions:
            subscription.unsubscribe()


@pytest.mark.parametrize("fails", ["the predicate", "the key"])
def test_where_no_handler_is_called_none_is_said_to_start(fails: str) -> None:
    linker, book = Linker[Event](), Notebook()

    def broken(parcel: Parcel) -> Any:  # Any: it never returns
        raise ValueError(parcel)

    ordering = PerKey(Parcel, broken) if fails == "the key" else Ordering.CONCURRENT
    emitter = Emitter(linker, AsyncIOProcessor(observer=book, ordering=ordering))
    handler = pytest.fail
    linker.subscribe(Parcel, lambda parcel: handler(), when=broken if fails == "the predicate" else None)
    emission = emitter.emit(Parcel(1))
    assert emission.status is Status.FAILED
    assert [what for what, _, _ in book.log] == ["accepted", "settled failed"]


@pytest.mark.parametrize("ordering", [Ordering.CONCURRENT, Ordering.MAILBOX, Ordering.SERIAL])
@pytest.mark.parametrize("loop", [True, False])
def test_an_observer_sees_what_is_accepted_started_ended_and_settled_in_its_context(
    *, loop: bool, ordering: Ordering
) -> None:
    linker, book = Linker[Event](), Notebook()
    emitter = Emitter(linker, AsyncIOProcessor(observer=book, ordering=ordering))

    def plain(parcel: Parcel) -> None:
        if parcel.n == 1:
            emitter.emit(Parcel(2))

    def answers(parcel: Parcel) -> int:
        return parcel.n

    async def later(parcel: Parcel) -> None:
        await asyncio.sleep(0)

    async def fails(parcel: Parcel) -> None:
        raise ValueError(parcel.n)

    def blocking(parcel: Parcel) -> None: ...

    def other_blocking(parcel: Parcel) -> None: ...

    def noted(parcel: Parcel) -> None: ...

    linker.subscribe(Parcel, plain)
    linker.subscribe(Parcel, later)
    linker.subscribe(Parcel, answers)
    linker.subscribe(Parcel, fails, on_failure=lambda *_: None)
    linker.subscribe(Parcel, blocking, in_thread=True)
    linker.subscribe(Parcel, other_blocking, in_thread=True)
    linker.subscribe(Parcel, noted, on_success=lambda _: None)

    async def main() -> None:
        user.set("ada")
        emitter.emit(Parcel(1))
        user.set("bob")
        await emitter.wait_for_tasks()

    def without() -> None:
        user.set("ada")
        emitter.emit(Parcel(1))

    import contextvars

    contextvars.copy_context().run(lambda: asyncio.run(main()) if loop else without())
    handlers = ["answers", "blocking", "fails", "later", "noted", "other_blocking", "plain"]
    for n in (1, 2):
        mine = [what for what, number, _ in book.log if number == n]
        assert mine[0] == "accepted"
        assert mine[-1] == "settled failed"
        assert sorted(what for what in mine if what.startswith("started")) == [f"started {name}" for name in handlers]
        ends = sorted(what for what in mine if what.startswith("ended"))
        assert ends == [f"ended {name} {'Failed' if name == 'fails' else 'Completed'}" for name in handlers]
        for name in handlers:
            assert mine.index(f"started {name}") < next(i for i, x in enumerate(mine) if x.startswith(f"ended {name} "))
    assert {who for _, _, who in book.log} == {"ada"}


@pytest.mark.parametrize("is_plain", [True, False])
async def test_an_observed_handler_that_was_busy_gets_what_waits_in_its_mailbox(*, is_plain: bool) -> None:
    linker, book, seen = Linker[Event](), Notebook(), list[int]()
    emitter = Emitter(linker, AsyncIOProcessor(observer=book, ordering=Ordering.MAILBOX))

    async def slow(parcel: Parcel) -> None:
        await turns()
        seen.append(parcel.n)

    def plain(parcel: Parcel) -> Any:
        return slow(parcel)

    linker.subscribe(Parcel, plain if is_plain else slow)
    for n in range(3):
        emitter.emit(Parcel(n))
    await emitter.wait_for_tasks()
    assert seen == [0, 1, 2]
    name = "plain" if is_plain else "slow"
    assert [(what, n) for what, n, _ in book.log if what not in {"accepted", "settled completed"}] == [
        (what, n) for n in range(3) for what in (f"started {name}", f"ended {name} Completed")
    ]


@pytest.mark.parametrize("how", ["publish", "ask", "ask_sync"])
async def test_an_observer_sees_what_runs_in_the_caller(how: str) -> None:
    @dataclass(frozen=True)
    class Weigh(Request[int]):
        n: int = 0

    linker, book = Linker[Event](), Notebook()
    emitter = Emitter(linker, AsyncIOProcessor(observer=book))

    def plain(event: Any) -> int:
        return 7

    async def later(event: Any) -> None: ...

    def fails(event: Any) -> None:
        raise ValueError

    if how == "publish":
        for handler in (plain, later, fails):
            linker.subscribe(Parcel, handler)
        with pytest.raises(EmissionFailed):
            await emitter.publish(Parcel(0))
        ran = ["plain Completed", "later Completed", "fails Failed"]
    else:
        linker.answer(Weigh)(plain)
        assert (await emitter.ask(Weigh()) if how == "ask" else emitter.ask_sync(Weigh())) == 7
        ran = ["plain Completed"]
    await emitter.wait_for_tasks()
    parts = [part for one in ran for part in (f"started {one.split()[0]}", f"ended {one}")]
    settled = f"settled {'failed' if how == 'publish' else 'completed'}"
    assert [what for what, _, _ in book.log] == ["accepted", *parts, settled]


async def test_observe_sees_every_emitter_in_its_block_and_nothing_else() -> None:
    linker, seen, book = Linker[Event](), list[Event](), Notebook()
    linker.subscribe(Parcel, seen.append)

    async def slow(parcel: Parcel) -> None:
        await asyncio.sleep(0)

    linker.subscribe(Parcel, slow)
    old = asyncio_emitter(linker)
    await old.emit(Parcel(1))
    pending = old.emit(Parcel(2))
    with observe(book):
        await pending
        await old.emit(Parcel(3))
        await asyncio_emitter(linker).emit(Parcel(4))
        cut = old.emit(Parcel(5))
    await cut
    await old.emit(Parcel(6))
    assert [(what, n) for what, n, _ in book.log if not what.startswith(("started", "ended"))] == [
        ("accepted", 3),
        ("settled completed", 3),
        ("accepted", 4),
        ("settled completed", 4),
        ("accepted", 5),
    ]
    assert len(seen) == 6


async def test_several_observe_one_emission_and_each_ends_by_itself() -> None:
    one, two = Notebook(), Notebook()
    emitter = Emitter(Linker[Event](), AsyncIOProcessor(observer=one))
    with observe(two), observe(two):
        await emitter.emit(Parcel(1))
    await emitter.emit(Parcel(2))
    assert [n for _, n, _ in one.log] == [1, 1, 2, 2]
    assert [n for _, n, _ in two.log] == [1, 1, 1, 1]


def test_observe_reaches_the_queues_of_other_threads() -> None:
    linker, book = Linker[Event](), Notebook()
    emitter = asyncio_emitter(linker)
    with ThreadPoolExecutor(1) as pool:
        pool.submit(emitter.emit, Parcel(1)).result()
        with observe(book):
            pool.submit(emitter.emit, Parcel(2)).result()
        pool.submit(emitter.emit, Parcel(3)).result()
    assert [(what, n) for what, n, _ in book.log] == [("accepted", 2), ("settled completed", 2)]


async def test_what_is_dropped_for_want_of_capacity_is_observed() -> None:
    linker, book = Linker[Event](), Notebook()
    linker.subscribe(Parcel, lambda _: None)
    emitter = Emitter(linker, AsyncIOProcessor(observer=book, capacity=1, overflow="drop_new"))
    emitter.emit(Parcel(1))
    emitter.emit(Parcel(2))
    assert [(what, n) for what, n, _ in book.log if n == 2] == [("accepted", 2), ("settled discarded", 2)]


@pytest.mark.parametrize("wrong", [None, 3, Notebook])
def test_observe_refuses_what_is_no_observer(wrong: Any) -> None:
    with pytest.raises(InvalidOption, match="Observer"), observe(wrong):
        pytest.fail("unreachable")


async def test_an_observer_that_raises_changes_nothing(unraisable: list[BaseException | None]) -> None:
    class Broken(Notebook):
        @override
        def _note(self, what: str, emission: Emission[Any]) -> None:
            raise LookupError(what)

    linker, seen = Linker[Event](), list[Event]()
    linker.subscribe(Parcel, seen.append)
    emission = await Emitter(linker, AsyncIOProcessor(observer=Broken())).emit(Parcel())
    assert emission.status is Status.COMPLETED
    assert seen == [Parcel()]
    assert [type(one) for one in unraisable] == [LookupError] * 4
