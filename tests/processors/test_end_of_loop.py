"""L4 to L7: however a loop ends, everything is accounted for, nothing runs on, and nothing is left behind."""

import asyncio
import gc
import logging
import signal
import subprocess
import sys
import threading
import warnings
import weakref
from collections.abc import AsyncGenerator, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest

from pyventus_typed import (
    AsyncIOProcessor,
    Completed,
    Discarded,
    Emission,
    Emitter,
    Event,
    Failed,
    Linker,
    Ordering,
    Status,
)
from pyventus_typed.errors import DiscardedEmissionsWarning
from tests.loops import LOOPS, UVLOOP, LoopFactory
from tests.programs import ROOT, hear_ctrl_c, run_python

from .ends import CASES, DROP, ENDS, End, Main, named, no_complaints
from .world import ORDERINGS, Absorb, Emit, Hang, Late, Leave, Raise, Script, Step, Turns, World


@dataclass(frozen=True)
class Parcel(Event):
    """Something to deliver."""

    n: int = 0


@dataclass(frozen=True)
class Letter(Event):
    """Something else."""

    n: int = 0


async def forever(_: Event) -> None:
    """Wait for what never comes."""
    await asyncio.Event().wait()


# Handlers that hang, absorb, fail, wait their turn, have not begun; late emissions of each kind.
BUSY: list[Step] = [
    Emit(Script(1, 0, (Late(Script(0)), Hang()))),
    Emit(Script(1, 1, (Late(Script(1)), Absorb(), Emit(Script(2))))),
    Emit(Script(2, 0, (Emit(Script(0)), Raise()))),
    Emit(Script(2, 2, (Turns(1), Emit(Script(2)), Turns(1)))),
    Leave(Script(2)),
    Turns(5),
    Emit(Script(2, 3, (Hang(),))),
    Emit(Script(0)),
]


def forget_tracebacks(main: Main, emissions: Sequence[Emission[Event]]) -> Main:
    """*main*, and then what failed is kept without its traceback.

    The frames of a traceback refer to those that called them, up to the loop's own, as for any callback or task of asyncio:
    who keeps it keeps the loop. No frame can be cut off from its caller.
    """

    async def forgetful() -> None:
        await main()
        for emission in emissions:
            for delivery in emission.deliveries:
                if isinstance(delivery.outcome, Failed):
                    delivery.outcome.error.with_traceback(None)

    return forgetful


@pytest.mark.parametrize("ordering", ORDERINGS)
@pytest.mark.parametrize(("end", "factory"), CASES, ids=named)
def test_every_emission_is_accounted_for_whatever_the_end_the_order_and_the_loop(
    ordering: str, end: End, factory: LoopFactory, caplog: pytest.LogCaptureFixture
) -> None:
    world = World(ordering)
    main = world.main(BUSY)
    if end is DROP:
        caplog.set_level(logging.CRITICAL, "pyventus_typed")  # pytest keeps the records, and they their tracebacks
        main = forget_tracebacks(main, world.emissions)
    with no_complaints():
        end.bring(main, factory)
        world.check(cancels=end.cancels)
        assert world.hits["during shutdown"] > 0
        assert len(world.reports) == 1
        world.check_nothing_more_happens()


@pytest.mark.parametrize(("end", "factory"), CASES, ids=named)
def test_nothing_of_an_ended_loop_is_reachable(end: End, factory: LoopFactory) -> None:
    seen: list[weakref.ref[object]] = []
    linker = Linker[Event]()
    linker.subscribe(Parcel, forever)
    emitter = Emitter(linker, AsyncIOProcessor(on_discard=lambda _: None))
    kept: list[Emission[Parcel]] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()

        async def hold(_: Letter) -> None:
            await asyncio.Event().wait()

        kept.append(emitter.emit(Parcel()))
        with linker.subscribe(Letter, hold):
            emitter.emit(Letter())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        seen.extend(weakref.ref(one) for one in (loop, hold, *asyncio.all_tasks()))
        assert len(seen) >= 4  # the two handlers' tasks, too

    end.bring(main, factory)
    gc.collect()
    assert [one() for one in seen if one() is not None] == []
    assert kept[0].status in (Status.CANCELLED, Status.DISCARDED)


def test_an_emission_is_free_of_its_ancestors_when_they_are_settled() -> None:
    refs: list[weakref.ref[Emission[Parcel]]] = []
    linker = Linker[Event]()
    emitter = Emitter(linker)

    @linker.on(Parcel)
    def tick(parcel: Parcel) -> None:
        if parcel.n < 5:
            refs.append(weakref.ref(emitter.emit(Parcel(parcel.n + 1))))

    async def main() -> Emission[Parcel]:
        first = emitter.emit(Parcel())
        await emitter.wait_for_tasks()
        return first

    asyncio.run(main())
    gc.collect()
    assert [ref() for ref in refs] == [None] * 5


@pytest.mark.parametrize("in_a_loop", [False, True])
def test_an_idle_emitter_is_gone_as_soon_as_nobody_refers_to_it(*, in_a_loop: bool) -> None:
    class Told:
        def __call__(self, lost: Sequence[Emission[Event]]) -> None: ...

    async def served(_: Parcel) -> None: ...

    linker = Linker[Event]()
    linker.subscribe(Parcel, lambda _: None)
    linker.subscribe(Parcel, served)

    # The settings of the processor refer to it, and whatever keeps the processor's queue keeps those.
    told = Told()
    gone = weakref.ref(told)
    emitter = Emitter(linker, AsyncIOProcessor(on_discard=told))
    del told

    async def main() -> None:
        nonlocal emitter
        if in_a_loop:
            emitter.emit(Parcel())
            await emitter.wait_for_tasks()
            del emitter
            assert gone() is None

    if not in_a_loop:
        emitter.emit(Parcel())
    gc.disable()  # a collection is not what it takes
    try:
        asyncio.run(main())
        if not in_a_loop:
            del emitter
        assert gone() is None
    finally:
        gc.enable()


@pytest.mark.parametrize("turns", [0, 1])
@pytest.mark.parametrize("ordering", [Ordering.CONCURRENT, Ordering.MAILBOX])
async def test_an_emitter_whose_tasks_have_ended_is_gone_as_soon_as_nobody_refers_to_it(
    ordering: Ordering, turns: int
) -> None:
    class Told:
        def __call__(self, lost: Sequence[Emission[Event]]) -> None: ...

    linker = Linker[Event]()

    @linker.on(Parcel)
    async def served(parcel: Parcel) -> None:
        for _ in range(turns):
            await asyncio.sleep(0)

    told = Told()  # as above
    gone = weakref.ref(told)
    emitter = Emitter(linker, AsyncIOProcessor(ordering=ordering, on_discard=told))
    del told
    emitter.emit(Letter())  # makes the queue; what comes next need not look for it
    gc.disable()
    try:
        for n in range(3):
            emitter.emit(Parcel(n))
        await emitter.wait_for_tasks()
        await asyncio.sleep(0)
        del emitter
        assert gone() is None
    finally:
        gc.enable()


@pytest.mark.parametrize("loop_factory", LOOPS)
def test_the_first_emission_of_a_loop_may_come_from_a_generator_that_its_end_closes(loop_factory: LoopFactory) -> None:
    linker, lost = Linker[Event](), list[Emission[Event]]()
    linker.subscribe(Parcel, forever)
    emitter = Emitter(linker, AsyncIOProcessor(on_discard=lost.extend))

    async def parcels() -> AsyncGenerator[int, None]:
        try:
            yield 1
        finally:
            emitter.emit(Parcel())
            await asyncio.sleep(0)

    async def main() -> AsyncGenerator[int, None]:
        generator = parcels()
        await anext(generator)
        return generator  # still held when the loop ends

    with no_complaints(), asyncio.Runner(loop_factory=loop_factory) as runner:
        held = runner.run(main())
    del held
    assert [one.deliveries[0].outcome for one in lost] == [Discarded("loop closed", started=False)]


@pytest.mark.parametrize("ordering", [Ordering.CONCURRENT, Ordering.MAILBOX, Ordering.SERIAL])
def test_what_had_a_task_and_no_turn_does_not_start_while_the_loop_ends(ordering: Ordering) -> None:
    linker, begun, lost = Linker[Event](), list[Event](), list[Emission[Event]]()
    emitter = Emitter(linker, AsyncIOProcessor(ordering=ordering, on_discard=lost.extend))

    @linker.on(Parcel)
    async def handler(parcel: Parcel) -> None:
        begun.append(parcel)

    async def main() -> None:
        await emitter.emit(Parcel(1))
        emitter.emit(Parcel(2))
        asyncio.get_running_loop().stop()

    loop = asyncio.new_event_loop()  # uvloop turns once more when it is stopped
    task = loop.create_task(main())
    loop.run_forever()  # as a server does that is stopped; nobody cancels what is left
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()
    assert task.done()
    assert begun == [Parcel(1)]
    assert [one.deliveries[0].outcome for one in lost] == [Discarded("loop closed", started=False)]


# ---------------------------------------------------------------- what is said of it
def test_without_on_discard_the_end_is_said_in_one_log_record_and_one_warning(caplog: pytest.LogCaptureFixture) -> None:
    linker = Linker[Event]()
    linker.subscribe(Parcel, forever)
    emitter = Emitter(linker, AsyncIOProcessor(ordering=Ordering.SERIAL))

    async def main() -> None:
        for n in range(3):
            emitter.emit(Parcel(n))
        await asyncio.sleep(0)

    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        asyncio.run(main())
    (record,) = [one for one in caplog.records if one.name == "pyventus_typed"]
    assert record.levelno == logging.WARNING
    (warning,) = heard
    assert warning.category is DiscardedEmissionsWarning
    assert str(warning.message) == record.getMessage()
    for words in ("3 emissions", "Parcel(n=0)", "Parcel(n=1)", "Parcel(n=2)", "wait_for_tasks"):
        assert words in record.getMessage()


@pytest.mark.parametrize("end", ENDS, ids=str)
def test_a_filter_that_makes_an_error_of_the_warning_does_not_stop_the_close(end: End) -> None:
    linker = Linker[Event]()
    linker.subscribe(Parcel, forever)
    emitter = Emitter(linker)
    loops: list[asyncio.AbstractEventLoop] = []

    async def main() -> None:
        loops.append(asyncio.get_running_loop())
        emitter.emit(Parcel())
        await asyncio.sleep(0)

    heard: list[BaseException | None] = []
    before, sys.unraisablehook = sys.unraisablehook, lambda seen: heard.append(seen.exc_value)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            end.bring(main, asyncio.new_event_loop)
    finally:
        sys.unraisablehook = before
    assert [type(one) for one in heard] == [DiscardedEmissionsWarning]  # not lost: pytest makes a failure of it
    assert loops[0].is_closed()
    assert emitter.tally.pending == 0


@pytest.mark.parametrize("end", ENDS, ids=str)
def test_an_on_discard_that_raises_does_not_stop_the_close(end: End, caplog: pytest.LogCaptureFixture) -> None:
    def raising(_: Sequence[Emission[Event]]) -> None:
        raise ValueError("no time for bad news")

    linker = Linker[Event]()
    linker.subscribe(Parcel, forever)
    emitter = Emitter(linker, AsyncIOProcessor(on_discard=raising))

    async def main() -> None:
        emitter.emit(Parcel())
        await asyncio.sleep(0)

    end.bring(main, asyncio.new_event_loop)
    assert emitter.tally.pending == 0
    assert "no time for bad news" in caplog.text


def test_each_loop_has_its_own_report() -> None:
    reports: list[Sequence[Emission[Event]]] = []
    linker = Linker[Event]()
    linker.subscribe(Parcel, forever)
    emitter = Emitter(linker, AsyncIOProcessor(on_discard=reports.append))

    async def main(n: int) -> None:
        emitter.emit(Parcel(n))
        await asyncio.sleep(0)

    asyncio.run(main(1))
    asyncio.run(main(2))
    assert [[one.event for one in report] for report in reports] == [[Parcel(1)], [Parcel(2)]]


def test_what_ended_before_the_end_is_not_reported() -> None:
    reports: list[Sequence[Emission[Event]]] = []
    linker = Linker[Event]()
    linker.subscribe(Parcel, forever)
    emitter = Emitter(linker, AsyncIOProcessor(on_discard=reports.append))

    async def main() -> None:
        emitter.emit(Parcel()).cancel()
        emitter.emit(Letter())
        await emitter.wait_for_tasks()

    asyncio.run(main())
    assert reports == []


# ---------------------------------------------------------------- what runs, what does not
def test_a_handler_that_absorbs_the_cancellation_and_returns_is_completed() -> None:
    linker = Linker[Event]()
    emitter = Emitter(linker)

    @linker.on(Parcel)
    async def stubborn(_: Parcel) -> str:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.sleep(0)
        return "done all the same"

    async def main() -> Emission[Parcel]:
        emission = emitter.emit(Parcel())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return emission

    assert asyncio.run(main()).deliveries[0].outcome == Completed("done all the same")


def test_a_handler_that_fails_on_being_cancelled_is_failed_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    linker = Linker[Event]()
    emitter = Emitter(linker)

    @linker.on(Parcel)
    async def sore(_: Parcel) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            raise ValueError("ouch")

    async def main() -> Emission[Parcel]:
        emission = emitter.emit(Parcel())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return emission

    outcome = asyncio.run(main()).deliveries[0].outcome
    assert isinstance(outcome, Failed) and isinstance(outcome.error, ValueError)
    assert "ouch" in caplog.text


def test_a_loop_that_is_cancelled_by_hand_and_goes_on_runs_what_is_emitted_then() -> None:
    linker = Linker[Event]()
    emitter = Emitter(linker, AsyncIOProcessor(on_discard=lambda _: None))
    loop = asyncio.new_event_loop()

    async def idle() -> None:
        await asyncio.Event().wait()

    async def start() -> asyncio.Task[None]:
        emitter.emit(Letter())
        return asyncio.create_task(idle())

    async def go_on() -> Emission[Parcel]:
        return await emitter.emit(Parcel())

    linker.subscribe(Parcel, lambda _: None)
    task = loop.run_until_complete(start())
    task.cancel()
    loop.run_until_complete(asyncio.gather(task, return_exceptions=True))
    assert loop.run_until_complete(go_on()).status is Status.COMPLETED
    loop.close()


@pytest.mark.parametrize("factory", LOOPS)
def test_a_delivery_whose_task_has_not_begun_is_discarded_without_complaint(factory: LoopFactory) -> None:
    linker = Linker[Event]()
    linker.subscribe(Parcel, forever)
    emitter = Emitter(linker, AsyncIOProcessor(on_discard=lambda _: None))

    kept: list[Emission[Parcel]] = []
    with no_complaints():
        loop = factory()
        loop.call_soon(lambda: kept.append(emitter.emit(Parcel())))
        loop.call_soon(loop.stop)
        loop.run_forever()
        loop.close()
        del loop
    # A uvloop that is stopped turns once more, and the handler begins.
    begun = factory in UVLOOP
    assert kept[0].deliveries[0].outcome == Discarded("loop closed", started=begun)


def test_a_blocking_handler_that_waits_for_a_thread_never_starts_after_the_end() -> None:
    linker = Linker[Event]()
    emitter = Emitter(linker, AsyncIOProcessor(on_discard=lambda _: None))
    began, release, ran = threading.Event(), threading.Event(), list[int]()

    def block(parcel: Parcel) -> None:
        ran.append(parcel.n)
        began.set()
        release.wait(10)

    linker.subscribe(Parcel, block, in_thread=True)
    pool = ThreadPoolExecutor(1)
    loop = asyncio.new_event_loop()
    loop.set_default_executor(pool)

    async def main() -> list[Emission[Parcel]]:
        emissions = [emitter.emit(Parcel(n)) for n in (1, 2)]
        while not began.is_set():
            await asyncio.sleep(0)
        return emissions

    first, second = loop.run_until_complete(main())
    loop.close()
    release.set()
    pool.shutdown(wait=True)
    assert ran == [1]
    assert first.deliveries[0].outcome == Discarded("loop closed", started=True)
    assert second.deliveries[0].outcome == Discarded("loop closed", started=False)


def test_a_thread_that_runs_at_the_end_is_waited_for_where_the_loop_cancels() -> None:
    linker = Linker[Event]()
    emitter = Emitter(linker)
    began, release = threading.Event(), threading.Event()
    tasks: list[asyncio.Task[None]] = []

    def block(_: Parcel) -> str:
        began.set()
        release.wait(10)
        return "done"

    linker.subscribe(Parcel, block, in_thread=True)

    async def release_when_cancelled() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            release.set()

    async def main() -> Emission[Parcel]:
        emission = emitter.emit(Parcel())
        tasks.append(asyncio.create_task(release_when_cancelled()))
        while not began.is_set():
            await asyncio.sleep(0)
        return emission

    assert asyncio.run(main()).deliveries[0].outcome == Completed("done")


@pytest.mark.parametrize(
    ("end", "ordering"),
    [(end, ordering) for end in ENDS for ordering in (Ordering.CONCURRENT, Ordering.SERIAL)],
    ids=str,
)
def test_an_emitter_that_nobody_holds_is_accounted_for_as_any_other(end: End, ordering: Ordering) -> None:
    linker = Linker[Event]()
    linker.subscribe(Parcel, forever)
    kept: list[Emission[Parcel]] = []
    told: list[Emission[Event]] = []

    async def main() -> None:
        emitter = Emitter(linker, AsyncIOProcessor(ordering=ordering, on_discard=told.extend))
        kept.extend(emitter.emit(Parcel(n)) for n in range(3))
        del emitter
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        gc.collect()

    end.bring(main, asyncio.new_event_loop)
    gc.collect()
    assert [one.status for one in kept if one.status is Status.PENDING] == []
    assert {one.id for one in told} == {one.id for one in kept}


@pytest.mark.parametrize("error", [SystemExit, asyncio.CancelledError])
def test_an_exception_out_of_a_coroutine_that_is_closed_stops_neither_the_others_nor_the_close(
    error: type[BaseException],
) -> None:
    linker = Linker[Event]()
    emitter = Emitter(linker, AsyncIOProcessor(on_discard=lambda _: None))
    closed: list[int] = []

    @linker.on(Parcel)
    async def hang(parcel: Parcel) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            closed.append(parcel.n)
            if parcel.n == 0:
                raise error

    async def main() -> None:
        for n in range(3):
            emitter.emit(Parcel(n))
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    loop = asyncio.new_event_loop()
    with no_complaints():
        loop.run_until_complete(main())
        try:
            loop.close()
        except SystemExit:
            pass  # as it would leave any other callback of the loop
        assert loop.is_closed()
        assert closed == [0, 1, 2]
        assert emitter.tally.discarded == 3


def test_a_handler_that_awaits_while_it_is_closed_is_closed_to_its_end(caplog: pytest.LogCaptureFixture) -> None:
    linker = Linker[Event]()
    emitter = Emitter(linker, AsyncIOProcessor(on_discard=lambda _: None))
    left: list[str] = []

    @linker.on(Parcel)
    async def careful(_: Parcel) -> None:
        try:
            try:
                await asyncio.Event().wait()
            finally:
                await asyncio.sleep(0)
        finally:
            try:
                await asyncio.sleep(0)
            finally:
                left.append("left")

    async def main() -> None:
        emitter.emit(Parcel())
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    loop = asyncio.new_event_loop()
    with no_complaints():
        loop.run_until_complete(main())
        loop.close()
        assert left == ["left"]
    assert emitter.tally.discarded == 1


def test_a_publish_that_is_suspended_when_its_loop_closes_does_not_complain_later() -> None:
    linker = Linker[Event]()
    linker.subscribe(Parcel, forever)
    emitter = Emitter(linker, AsyncIOProcessor(on_discard=lambda _: None))
    publishing: list[asyncio.Task[object]] = []

    async def main() -> None:
        publishing.append(asyncio.ensure_future(emitter.publish(Parcel())))
        await asyncio.sleep(0)

    loop = asyncio.new_event_loop()
    loop.run_until_complete(main())
    loop.close()
    with no_complaints():
        task = publishing.pop()
        setattr(task, "_log_destroy_pending", False)  # noqa: B010 - the task is the test's own, and lost on purpose
        del task, loop
    assert emitter.tally.discarded == 1


@pytest.mark.parametrize("turns", [0, 1])
@pytest.mark.parametrize("ordering", list(Ordering))
def test_what_a_handler_has_returned_to_be_awaited_does_not_complain_when_its_loop_closes(
    ordering: Ordering, turns: int
) -> None:
    linker, emissions = Linker[Parcel](), list[Emission[Parcel]]()
    linker.subscribe(Parcel, lambda parcel: forever(parcel))

    async def main() -> None:
        emissions.append(Emitter(linker, AsyncIOProcessor(ordering=ordering, on_discard=len)).emit(Parcel()))
        for _ in range(turns):
            await asyncio.sleep(0)

    loop = asyncio.new_event_loop()
    with no_complaints():
        loop.run_until_complete(main())
        loop.close()
        gc.collect()
    assert emissions[0].deliveries[0].outcome == Discarded("loop closed", started=True)


def test_who_still_waits_when_his_loop_is_closed_can_be_closed_later() -> None:
    linker = Linker[Parcel]()
    linker.subscribe(Parcel, forever)

    async def waits(emitter: Emitter[Parcel]) -> None:
        await emitter.emit(Parcel())

    async def main(waiting: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(waiting)
        await asyncio.sleep(0)
        vars(task.get_loop())["kept"] = task  # it is the user's own, and would complain by itself

    loop, waiting = asyncio.new_event_loop(), waits(Emitter(linker, AsyncIOProcessor(on_discard=len)))
    loop.run_until_complete(main(waiting))
    loop.close()
    waiting.close()
    vars(loop).pop("kept")._log_destroy_pending = False


@pytest.mark.parametrize("inside", [0, 1, 2])
@pytest.mark.parametrize("ordering", list(Ordering))
def test_what_the_collector_closes_before_its_lost_loop_is_reported_with_the_rest(
    ordering: Ordering, inside: int
) -> None:
    linker, lost = Linker[Parcel](), list[Emission[Event]]()
    linker.subscribe(Parcel, forever)
    emitter = Emitter(linker, AsyncIOProcessor(ordering=ordering, on_discard=lost.extend))

    async def main() -> None:
        for n in range(3):
            emitter.emit(Parcel(n))
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    loop = asyncio.new_event_loop()
    loop.run_until_complete(main())
    # In which order it finalizes what it has found is the collector's affair: here one from inside comes first.
    coroutine: Any = next(task.get_coro() for task in asyncio.all_tasks(loop))  # Any: what it awaits may be anything
    for _ in range(inside):
        coroutine = getattr(coroutine, "cr_await", None) or coroutine.gi_yieldfrom
    with no_complaints(), warnings.catch_warnings(action="ignore", category=ResourceWarning):
        coroutine.close()
        del loop, coroutine
        gc.collect()
    assert sorted(one.event.n for one in lost if isinstance(one.event, Parcel)) == [0, 1, 2]
    assert emitter.tally.discarded == 3


def test_a_mailbox_whose_next_delivery_never_began_wakes_nobody_when_its_loop_is_closed() -> None:
    linker, tasks = Linker[Parcel](), list[asyncio.Task[Any]]()
    linker.subscribe(Parcel, forever)
    emitter = Emitter(linker, AsyncIOProcessor(ordering=Ordering.MAILBOX, on_discard=len))

    async def main() -> None:
        tasks.append(asyncio.create_task(emitter.publish(Parcel(1))))
        first, _ = emitter.emit(Parcel(0)), emitter.emit(Parcel(2))
        await asyncio.sleep(0)
        assert first.cancel()  # then the second one has a task, and its first step would come in the next turn

    loop = asyncio.new_event_loop()
    with no_complaints():
        loop.run_until_complete(main())
        tasks.pop()._log_destroy_pending = False  # type: ignore[attr-defined]  # the user's own would complain by itself
        loop.close()
        del loop
        gc.collect()
    assert emitter.tally.pending == 0


def test_what_is_emitted_while_a_loop_is_closed_belongs_to_it_even_inside_another_loop() -> None:
    linker = Linker[Event]()
    emitter = Emitter(linker, AsyncIOProcessor(on_discard=lambda _: None))
    late: list[Emission[Letter]] = []

    @linker.on(Parcel)
    async def hang(_: Parcel) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            late.append(emitter.emit(Letter()))

    linker.subscribe(Letter, lambda _: None)

    async def main() -> None:
        emitter.emit(Parcel())
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    ended = asyncio.new_event_loop()
    ended.run_until_complete(main())

    async def other() -> None:
        await emitter.emit(Letter())  # this loop is the one that the processor has seen last
        ended.close()
        await emitter.wait_for_tasks()

    asyncio.run(other())
    assert late[0].deliveries[0].outcome == Discarded("loop closed", started=False)


def test_a_loop_dropped_inside_async_with_is_lost_as_any_other() -> None:
    linker = Linker[Event]()
    linker.subscribe(Parcel, forever)
    emitter = Emitter(linker, AsyncIOProcessor(on_discard=lambda _: None))
    kept: list[Emission[Parcel]] = []

    async def main() -> None:
        async with emitter:
            kept.append(emitter.emit(Parcel()))
            await asyncio.Event().wait()

    loop = asyncio.new_event_loop()
    task = loop.create_task(main())
    setattr(task, "_log_destroy_pending", False)  # noqa: B010 - lost on purpose
    loop.call_soon(loop.call_soon, loop.call_soon, loop.stop)
    loop.run_forever()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        del task, loop
        gc.collect()
    assert kept[0].status is Status.DISCARDED


@pytest.mark.parametrize("ordering", [Ordering.CONCURRENT, Ordering.MAILBOX])
def test_what_a_coroutine_emits_while_its_lost_loop_is_collected_never_starts(
    ordering: Ordering, caplog: pytest.LogCaptureFixture
) -> None:
    linker = Linker[Event]()
    emitter = Emitter(linker, AsyncIOProcessor(ordering=ordering, on_discard=lambda _: None))
    log: list[object] = []

    @linker.on(Parcel)
    async def emit_at_the_end(parcel: Parcel) -> None:
        log.append(parcel.n)
        if parcel.n == 1:
            try:
                await asyncio.Event().wait()
            finally:
                log.append(emitter.emit(Parcel(2)).status)

    async def main() -> None:
        await emitter.emit(Parcel(0))  # makes the loop's queue; what comes next need not look for it
        emitter.emit(Parcel(1))
        await asyncio.sleep(0)

    with no_complaints():
        DROP.bring(main, asyncio.new_event_loop)
    assert log == [0, 1, Status.DISCARDED]
    assert (emitter.tally.completed, emitter.tally.discarded) == (1, 2)
    assert not caplog.records


def test_a_publish_on_a_lost_loop_is_counted_once() -> None:
    linker = Linker[Event]()
    emitter = Emitter(linker, AsyncIOProcessor(on_discard=lambda _: None))
    linker.subscribe(Letter, lambda _: None)
    linker.subscribe(Parcel, forever)

    async def main() -> None:
        await emitter.publish(Letter())  # as above
        # On the loop, because it refers to the loop; and asyncio says of a lost task of a user that it was lost.
        task = vars(asyncio.get_running_loop())["publishing"] = asyncio.ensure_future(emitter.publish(Parcel()))
        setattr(task, "_log_destroy_pending", False)  # noqa: B010 - lost on purpose
        await asyncio.sleep(0)

    with no_complaints():
        DROP.bring(main, asyncio.new_event_loop)
    assert (emitter.tally.accepted, emitter.tally.pending, emitter.tally.discarded) == (2, 0, 1)


def test_nothing_but_its_traceback_makes_a_kept_failure_keep_a_dropped_loop() -> None:
    linker = Linker[Event]()
    linker.subscribe(Parcel, forever)

    @linker.on(Letter, on_failure=lambda _event, _error: None)
    def fail(_: Letter) -> None:
        raise ValueError

    emitter = Emitter(linker, AsyncIOProcessor(on_discard=lambda _: None))
    kept: list[Emission[Event]] = []

    async def main() -> None:
        kept.extend([emitter.emit(Parcel()), await emitter.emit(Letter()).wait()])

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        DROP.bring(forget_tracebacks(main, kept), asyncio.new_event_loop)
    assert [one.status for one in kept] == [Status.DISCARDED, Status.FAILED]


@pytest.mark.parametrize("raises", [False, True])
def test_who_waits_in_another_loop_keeps_no_dropped_loop_alive(raises: bool) -> None:
    linker = Linker[Event]()
    linker.subscribe(Parcel, forever)
    emitter = Emitter(linker, AsyncIOProcessor(on_discard=lambda _: None))
    emissions, loops = list[Emission[Parcel]](), list[weakref.ref[asyncio.AbstractEventLoop]]()

    async def emit() -> None:
        emissions.append(emitter.emit(Parcel()))
        await asyncio.sleep(0)

    def run_and_drop() -> None:
        loop = asyncio.new_event_loop()
        loops.append(weakref.ref(loop))
        loop.run_until_complete(emit())

    async def wait() -> None:
        await (emissions[0] if raises else emissions[0].wait())

    async def main() -> None:
        await asyncio.to_thread(run_and_drop)
        async with asyncio.timeout(10), asyncio.TaskGroup() as group:
            group.create_task(wait())
            await asyncio.sleep(0)
            gc.collect()
        assert loops[0]() is None
        assert emissions[0].status is Status.DISCARDED

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # the loop was not closed
        gc.disable()  # not before somebody waits
        try:
            asyncio.run(main())
        finally:
            gc.enable()


# ---------------------------------------------------------------- the fresh loop of an emit without a loop
@pytest.mark.parametrize("factory", LOOPS)
@pytest.mark.parametrize("ordering", ORDERINGS)
def test_the_fresh_loop_of_an_emit_is_closed_and_leaves_nothing(ordering: str, factory: LoopFactory) -> None:
    loops: list[weakref.ref[asyncio.AbstractEventLoop]] = []

    def make() -> asyncio.AbstractEventLoop:
        loop = factory()
        loops.append(weakref.ref(loop))
        return loop

    linker = Linker[Event]()
    emitter = Emitter(linker, AsyncIOProcessor(ordering=ORDERINGS[ordering], loop_factory=make))

    @linker.on(Parcel)
    async def again(parcel: Parcel) -> None:
        await asyncio.sleep(0)
        if parcel.n:
            emitter.emit(Parcel(parcel.n - 1))

    with no_complaints():
        assert emitter.emit(Parcel(3)).status is Status.COMPLETED
        assert emitter.emit(Parcel(0)).status is Status.COMPLETED
        gc.collect()
        assert [loop() for loop in loops] == [None, None]
    assert emitter.tally.completed == 5


def test_in_a_fresh_loop_nobody_meets_a_task_of_ours_to_wait_for_or_to_cancel() -> None:
    linker = Linker[Event]()
    others, kept = list[int](), list[asyncio.Task[None]]()

    async def cancel_all_at_the_end() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            for task in asyncio.all_tasks() - {asyncio.current_task()}:
                task.cancel()

    @linker.on(Parcel)
    async def leave_a_task(_: Parcel) -> None:
        others.append(len(asyncio.all_tasks() - {asyncio.current_task()}))
        kept.append(asyncio.create_task(cancel_all_at_the_end()))
        await asyncio.sleep(0)

    with no_complaints():
        assert Emitter(linker).emit(Parcel(1)).status is Status.COMPLETED
    assert others == [0]
    assert kept[0].cancelled()


@pytest.mark.parametrize("factory", LOOPS)
@pytest.mark.parametrize("timeout", [None, 60])
def test_a_handler_that_cancels_its_own_task_and_returns_ends_neither_emit_nor_the_rest(
    factory: LoopFactory, timeout: float | None
) -> None:
    linker, seen = Linker[Event](), list[Event]()
    emitter = Emitter(linker, AsyncIOProcessor(loop_factory=factory))

    async def take_time(letter: Letter) -> None:
        await asyncio.sleep(0)
        seen.append(letter)

    linker.subscribe(Letter, take_time)

    @linker.on(Parcel, timeout=timeout)
    async def cancel_and_return(_: Parcel) -> None:
        for task in asyncio.all_tasks():
            task.cancel()
        emitter.emit(Letter(1))

    with no_complaints():
        assert emitter.emit(Parcel()).status is Status.COMPLETED
    assert seen == [Letter(1)]


@pytest.mark.parametrize("factory", LOOPS)
def test_a_fresh_loop_closes_the_generators_that_its_only_handler_has_left(factory: LoopFactory) -> None:
    linker, said, kept = Linker[Event](), list[str](), list[object]()

    async def numbers() -> AsyncGenerator[int]:
        try:
            yield 1
        finally:
            await asyncio.sleep(0)
            said.append("closed")

    @linker.on(Parcel)
    async def leave_a_generator(_: Parcel) -> None:
        kept.append(generator := numbers())
        await anext(generator)

    with no_complaints():
        assert Emitter(linker, AsyncIOProcessor(loop_factory=factory)).emit(Parcel()).status is Status.COMPLETED
    assert said == ["closed"]


@pytest.mark.parametrize("factory", LOOPS)
def test_a_fresh_loop_runs_what_its_only_handler_has_left_to_a_later_turn(factory: LoopFactory) -> None:
    linker, said = Linker[Event](), list[str]()

    @linker.on(Parcel)
    async def close_in_two_turns(_: Parcel) -> None:  # as a connection with TLS does
        await asyncio.sleep(0)
        loop = asyncio.get_running_loop()
        loop.call_soon(lambda: loop.call_soon(said.append, "closed"))

    with no_complaints():
        assert Emitter(linker, AsyncIOProcessor(loop_factory=factory)).emit(Parcel()).status is Status.COMPLETED
    assert said == ["closed"]


def test_a_fresh_loop_waits_for_the_threads_that_its_only_handler_has_left() -> None:
    linker, said, joining = Linker[Event](), list[str](), threading.Event()

    def make() -> asyncio.AbstractEventLoop:
        loop = asyncio.new_event_loop()
        shut_down = loop.shutdown_default_executor

        def say_that_it_joins() -> Coroutine[Any, Any, None]:  # Any: as the method that it wraps
            joining.set()
            return shut_down()

        loop.shutdown_default_executor = say_that_it_joins  # type: ignore[method-assign]  # of this loop only
        return loop

    def work() -> None:
        joining.wait()
        said.append("returned")

    @linker.on(Parcel)
    async def leave_a_thread(_: Parcel) -> None:
        asyncio.get_running_loop().run_in_executor(None, work)

    try:
        assert Emitter(linker, AsyncIOProcessor(loop_factory=make)).emit(Parcel()).status is Status.COMPLETED
        assert said == ["returned"]
    finally:
        joining.set()


@pytest.mark.parametrize("is_async", [False, True])
def test_what_a_callback_emits_after_the_only_handler_ended_is_run_by_the_fresh_loop(is_async: bool) -> None:
    linker, seen = Linker[Event](), list[Event]()
    emitter = Emitter(linker)

    async def take_time(letter: Letter) -> None:
        await asyncio.sleep(0)
        seen.append(letter)

    linker.subscribe(Letter, take_time if is_async else seen.append)

    @linker.on(Parcel)
    async def call_later(_: Parcel) -> None:
        asyncio.get_running_loop().call_soon(emitter.emit, Letter(1))

    with no_complaints():
        assert emitter.emit(Parcel()).status is Status.COMPLETED
    assert seen == [Letter(1)]


def test_what_is_emitted_while_a_fresh_loop_ends_is_reported_once_and_does_not_disturb_the_next_emission() -> None:
    linker, told = Linker[Event](), list[Emission[Event]]()
    emitter = Emitter(linker, AsyncIOProcessor(on_discard=told.extend))
    ran, kept = list[Event](), list[asyncio.Task[None]]()

    async def emit_at_the_end() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            emitter.emit(Letter(1))

    @linker.on(Parcel)
    async def leave_a_task(_: Parcel) -> None:
        kept.append(asyncio.create_task(emit_at_the_end()))
        await asyncio.sleep(0)

    linker.subscribe(Letter, ran.append)
    with no_complaints():
        assert emitter.emit(Parcel()).status is Status.COMPLETED
        assert [(one.event, one.status) for one in told] == [(Letter(1), Status.DISCARDED)]
        assert emitter.emit(Letter(2)).status is Status.COMPLETED
    assert ran == [Letter(2)]
    assert len(told) == 1


def test_a_fresh_loop_that_an_exit_has_left_is_not_kept() -> None:
    loops: list[weakref.ref[asyncio.AbstractEventLoop]] = []

    def make() -> asyncio.AbstractEventLoop:
        loop = asyncio.new_event_loop()
        loops.append(weakref.ref(loop))
        return loop

    linker = Linker[Event]()
    emitter = Emitter(linker, AsyncIOProcessor(loop_factory=make, on_discard=lambda _: None))

    @linker.on(Parcel)
    async def leave(_: Parcel) -> None:
        await asyncio.sleep(0)
        raise SystemExit(3)

    with pytest.raises(SystemExit, match="3"):
        emitter.emit(Parcel())
    gc.collect()
    assert loops[0]() is None


def test_an_exit_out_of_a_fresh_loop_leaves_and_does_not_disturb_the_next_emission() -> None:
    linker = Linker[Event]()
    emitter = Emitter(linker, AsyncIOProcessor(ordering=Ordering.SERIAL, on_discard=lambda _: None))

    @linker.on(Parcel)
    async def leave(parcel: Parcel) -> None:
        await asyncio.sleep(0)
        if parcel.n:
            emitter.emit(Parcel(0))
            raise SystemExit(3)

    with pytest.raises(SystemExit, match="3"):
        emitter.emit(Parcel(1))
    assert emitter.tally.discarded == 2
    assert emitter.emit(Parcel(0)).status is Status.COMPLETED


def test_a_fresh_loop_that_is_cut_off_twice_does_not_disturb_the_next_emission() -> None:
    linker = Linker[Event]()
    emitter = Emitter(linker, AsyncIOProcessor(ordering=Ordering.SERIAL, capacity=1, on_discard=lambda _: None))

    @linker.on(Parcel)
    async def leave(parcel: Parcel) -> None:
        await asyncio.sleep(0)
        if parcel.n:
            raise SystemExit(1)

    @linker.on(Parcel)
    async def leave_again(parcel: Parcel) -> None:
        if parcel.n:
            try:
                await asyncio.Event().wait()
            finally:
                raise SystemExit(2)

    @linker.on(Parcel)
    async def stay(parcel: Parcel) -> None:
        while parcel.n:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                pass

    told: list[Status] = []

    def emit_twice() -> None:
        with pytest.raises(SystemExit):
            emitter.emit(Parcel(1))
        told.append(emitter.emit(Parcel(0)).status)

    thread = threading.Thread(target=emit_twice, daemon=True)
    thread.start()
    thread.join(5)
    assert told == [Status.COMPLETED]


# ---------------------------------------------------------------- the end of the interpreter, in a process of its own
AT_EXIT = """
import asyncio, threading, time
from dataclasses import dataclass
from pyventus_typed import *

@dataclass(frozen=True)
class Parcel(Event):
    n: int

linker = Linker()
emitter = Emitter(linker, AsyncIOProcessor(on_discard=%(on_discard)s))
running = threading.Event()

@linker.on(Parcel)
async def hang(parcel):
    running.set()
    await asyncio.Event().wait()

async def main():
    emitter.emit(Parcel(1))
    emitter.emit(Parcel(2))
    await asyncio.Event().wait()

threading.Thread(target=lambda: asyncio.run(main()), daemon=True).start()
running.wait()
"""
CUT_OFF = "2 emissions cut off when the interpreter ended: Parcel(n=1) (pending), Parcel(n=2) (pending)."


@pytest.mark.parametrize("options", [[], ["-W", "error"], ["-W", "always"]], ids=str)
def test_a_loop_of_a_daemon_thread_is_reported_once_when_the_interpreter_ends(options: list[str]) -> None:
    ended = run_python(*options, "-c", AT_EXIT % {"on_discard": None})
    assert (ended.code, ended.stdout) == (0, "")
    assert ended.stderr.count(CUT_OFF) == 1


def test_a_loop_of_a_daemon_thread_is_given_to_on_discard_when_the_interpreter_ends() -> None:
    ended = run_python("-c", AT_EXIT % {"on_discard": "lambda lost: print([one.event.n for one in lost])"})
    assert (ended.code, ended.stdout, ended.stderr) == (0, "[1, 2]\n", "")


# ---------------------------------------------------------------- Ctrl-C, in a process of its own
CTRL_C = """
import asyncio, sys
from dataclasses import dataclass
from pyventus_typed import AsyncIOProcessor, Emitter, Event, Linker, Ordering

@dataclass(frozen=True)
class Parcel(Event):
    n: int

linker = Linker()
emitter = Emitter(linker, AsyncIOProcessor(ordering=Ordering.%(ordering)s, on_discard=lambda lost: print("lost", sorted(one.event.n for one in lost))))

@linker.on(Parcel)
async def hang(parcel):
    try:
        await asyncio.Event().wait()
    finally:
        if parcel.n < 10:
            print("left", flush=True)
            if %(twice)s:
                while True:
                    pass
            emitter.emit(Parcel(10))

async def main():
    for n in range(2):
        emitter.emit(Parcel(n))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    print("ready", flush=True)
    await asyncio.Event().wait()

try:
    %(run)s
except KeyboardInterrupt:
    print("interrupted", emitter.tally.pending, emitter.tally.accepted)
"""
RUNS = {"asyncio": "asyncio.run(main())"} | ({"uvloop": "import uvloop; uvloop.run(main())"} if UVLOOP else {})


def _interrupt(run: str, ordering: str, *, twice: bool) -> tuple[list[str], str]:
    program = CTRL_C % {"run": RUNS[run], "ordering": ordering, "twice": twice}
    process = subprocess.Popen(
        [sys.executable, "-W", "error::ResourceWarning", "-c", program],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8", preexec_fn=hear_ctrl_c,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    lines = []
    if twice:
        lines.append(process.stdout.readline().strip())
        process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    return lines + out.splitlines(), err


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("ordering", ["CONCURRENT", "SERIAL"])
def test_ctrl_c_cancels_what_runs_and_reports_what_was_cut_off(run: str, ordering: str) -> None:
    out, err = _interrupt(run, ordering, twice=False)
    left = 2 if ordering == "CONCURRENT" else 1
    lost = [0, 1] + [10] * left
    assert out == ["left"] * left + [f"lost {lost}", f"interrupted 0 {len(lost)}"]
    assert err == ""


@pytest.mark.parametrize("run", RUNS)
def test_ctrl_c_twice_ends_a_handler_that_does_not_end(run: str) -> None:
    out, err = _interrupt(run, "SERIAL", twice=True)
    assert out == ["left", "lost [0, 1]", "interrupted 0 2"]
    assert err == ""
