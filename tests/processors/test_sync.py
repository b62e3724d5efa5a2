"""`SyncProcessor`: emit runs to its end in the caller, whatever loop runs there (P1-P4), and counts right."""

import asyncio
import contextvars
import inspect
import logging
import sys
import threading
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any, NoReturn

import pytest
import trio
from typing_extensions import override

from pyventus_typed import (
    Cancelled,
    Completed,
    Discarded,
    Emission,
    Emitter,
    Event,
    Failed,
    Linker,
    Status,
    SyncProcessor,
    current_emission,
)
from pyventus_typed.errors import DefinitionError, EmissionFailed, EmitterClosed, NoHandler, WouldDeadlock
from tests.events import OrderPaid, OrderPlaced, Price, Shipped
from tests.instants import at_every_instant


@pytest.fixture
def linker() -> Linker:
    return Linker()


@pytest.fixture
def emitter(linker: Linker) -> Emitter[Event]:
    return Emitter(linker, SyncProcessor())


class Oops(Exception):
    """What a handler raises."""


def explode(event: object) -> NoReturn:
    raise Oops(event)


def run_without_a_loop(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    coroutine = main()
    with pytest.raises(StopIteration):
        coroutine.send(None)  # it awaits nothing that needs a loop


Run = Callable[[Coroutine[Any, Any, None]], None]


# ---------------------------------------------------------------- P1
def check_that_emit_runs_to_the_end(linker: Linker, emitter: Emitter[Event]) -> None:
    log = list[str]()

    @linker.on(OrderPlaced)
    def place(event: OrderPlaced) -> None:
        nested = emitter.emit(OrderPaid(event.order))
        assert nested.status is Status.PENDING
        assert not nested.deliveries[0].started
        assert nested.parent is current_emission()
        assert nested.parent is not None
        log.append(f"placed {event.order}")

    @linker.on(OrderPlaced, OrderPaid)
    def note(event: OrderPlaced | OrderPaid) -> None:
        running = current_emission()
        assert running is not None
        assert running.event is event
        log.append(f"{type(event).__name__} {event.order}")

    emission = emitter.emit(OrderPlaced(1))
    assert emission.status is Status.COMPLETED
    assert log == ["placed 1", "OrderPlaced 1", "OrderPaid 1"]
    assert current_emission() is None
    assert emitter.tally.completed == 2


def test_emit_runs_all_of_it_to_the_end(linker: Linker, emitter: Emitter[Event]) -> None:
    check_that_emit_runs_to_the_end(linker, emitter)


async def test_emit_runs_all_of_it_to_the_end_inside_a_running_loop(linker: Linker, emitter: Emitter[Event]) -> None:
    check_that_emit_runs_to_the_end(linker, emitter)


def test_emit_runs_all_of_it_to_the_end_inside_a_loop_of_trio(linker: Linker, emitter: Emitter[Event]) -> None:
    async def main() -> None:
        await trio.lowlevel.checkpoint()
        check_that_emit_runs_to_the_end(linker, emitter)
        assert await emitter.wait_for_tasks()
        assert await emitter.aclose()

    trio.run(main)


def test_what_handlers_emit_goes_behind_what_was_accepted_before_it_through_whichever_emitter(linker: Linker) -> None:
    first, second, log = Emitter(linker, SyncProcessor()), Emitter(linker, SyncProcessor()), list[int]()

    @linker.on(OrderPlaced)
    def place(event: OrderPlaced) -> None:
        log.append(event.order)
        if event.order < 10:
            first.emit(OrderPlaced(event.order * 10))
            second.emit(OrderPlaced(event.order * 10 + 1))

    first.emit(OrderPlaced(1))
    assert log == [1, 10, 11]
    log.clear()
    linker.subscribe(Shipped, lambda event: [second.emit(OrderPlaced(order)) for order in (1, 2)] and None)
    first.emit(Shipped())
    assert log == [1, 2, 10, 11, 20, 21]


def test_an_event_that_nobody_receives_is_completed(emitter: Emitter[Event]) -> None:
    assert emitter.emit(Shipped()).status is Status.COMPLETED
    assert emitter.tally.completed == emitter.tally.accepted == 1


def test_each_emission_runs_in_a_copy_of_the_emitters_context(linker: Linker, emitter: Emitter[Event]) -> None:
    name, seen = contextvars.ContextVar("name", default="nobody"), list[str]()
    linker.subscribe(OrderPlaced, lambda event: seen.append(name.get()))
    linker.subscribe(OrderPlaced, lambda event: name.set("a handler"))
    linker.subscribe(OrderPlaced, lambda event: seen.append(name.get()))
    name.set("the emitter")
    emitter.emit(OrderPlaced())
    assert seen == ["the emitter", "a handler"]
    assert name.get() == "the emitter"


def test_once_is_used_up_by_one_emission_also_when_many_threads_emit(linker: Linker, emitter: Emitter[Event]) -> None:
    log, start = list[Event](), threading.Barrier(8)
    linker.subscribe(OrderPlaced, log.append, once=True)

    def emit() -> None:
        start.wait()
        for _ in range(100):
            emitter.emit(OrderPlaced())

    threads = [threading.Thread(target=emit) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(log) == 1
    assert emitter.tally.completed == emitter.tally.accepted == 800


# ---------------------------------------------------------------- P2
async def handle(event: object) -> None:
    pytest.fail("nobody awaits here")


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("with_callback", [False, True])
def test_what_would_have_to_be_awaited_is_closed_and_the_delivery_has_failed(
    linker: Linker, emitter: Emitter[Event], caplog: pytest.LogCaptureFixture, with_callback: bool
) -> None:
    log, made = list[Event](), list[Coroutine[Any, Any, None]]()

    def make(event: object) -> Awaitable[None]:
        made.append(handle(event))
        return made[-1]

    if with_callback:
        linker.subscribe(OrderPlaced, lambda event: None, on_success=make)
    else:
        linker.subscribe(OrderPlaced, make)
    linker.subscribe(OrderPlaced, log.append)
    emission = emitter.emit(OrderPlaced())
    failed = emission.deliveries[0].outcome
    assert isinstance(failed, Failed)
    assert isinstance(failed.error, DefinitionError)
    assert inspect.iscoroutine(made[0])
    assert inspect.getcoroutinestate(made[0]) == inspect.CORO_CLOSED
    assert len(log) == 1
    assert [record.name for record in caplog.records] == ["pyventus_typed"]


# ---------------------------------------------------------------- P3
def test_a_blocking_handler_runs_inline(linker: Linker, emitter: Emitter[Event]) -> None:
    seen = list[object]()
    linker.subscribe(OrderPlaced, lambda event: threading.get_ident(), in_thread=True, on_success=seen.append)

    async def main() -> None:
        emitter.emit(OrderPlaced())

    asyncio.run(main())
    assert seen == [threading.get_ident()]


def test_a_timeout_is_refused(linker: Linker, emitter: Emitter[Event]) -> None:
    linker.subscribe(OrderPlaced, lambda event: None, in_thread=True, timeout=3)
    with pytest.raises(DefinitionError, match=r"timeout=3.*cannot cut off"):
        emitter.emit(OrderPlaced())
    assert emitter.tally.accepted == 0


# ---------------------------------------------------------------- P4
@pytest.mark.parametrize("run", [asyncio.run, None], ids=["in a loop", "without one"])
def test_publish_ask_wait_and_close_work(linker: Linker, emitter: Emitter[Event], run: Run | None) -> None:
    log = list[Event]()
    linker.subscribe(Event, log.append)
    linker.answer(Price)(lambda request: 3)

    async def main() -> None:
        assert (await emitter.publish(OrderPlaced(1))).status is Status.COMPLETED
        assert log == [OrderPlaced(1)]
        assert await emitter.ask(Price()) == emitter.ask_sync(Price()) == 3
        assert (await emitter.emit_wait(OrderPlaced(2))).status is Status.COMPLETED
        assert await emitter.wait_for_tasks()
        async with emitter:
            emitter.emit(OrderPlaced(3))
        with pytest.raises(EmitterClosed, match="the emitter is closed"):
            emitter.emit(OrderPlaced(4))

    if run is None:
        run_without_a_loop(main)
    else:
        run(main())
    assert log == [OrderPlaced(1), Price(), Price(), OrderPlaced(2), OrderPlaced(3)]
    assert (emitter.tally.completed, emitter.tally.rejected) == (5, 1)


async def test_publish_raises_what_failed_after_all_ran_and_logs_nothing(
    linker: Linker, emitter: Emitter[Event], caplog: pytest.LogCaptureFixture
) -> None:
    log = list[Event]()
    linker.subscribe(OrderPlaced, explode)
    linker.subscribe(OrderPlaced, log.append)
    with pytest.raises(EmissionFailed) as caught:
        await emitter.publish(OrderPlaced())
    assert [type(error) for error in caught.value.exceptions] == [Oops]
    assert log == [OrderPlaced()]
    assert caplog.records == []


def test_the_answers_own_exception_reaches_the_asker_and_that_of_another_one_the_log(
    linker: Linker, emitter: Emitter[Event], caplog: pytest.LogCaptureFixture
) -> None:
    linker.answer(Price)(explode)

    @linker.on(Price)
    def note(event: Price) -> None:
        raise LookupError

    with pytest.raises(Oops):
        emitter.ask_sync(Price())
    assert [record.exc_info[0] for record in caplog.records if record.exc_info] == [LookupError]


def test_a_handler_can_ask_and_what_the_answer_emits_goes_behind(linker: Linker, emitter: Emitter[Event]) -> None:
    log = list[object]()

    @linker.answer(Price)
    def price(request: Price) -> int:
        emitter.emit(Shipped())
        return 3

    linker.subscribe(Shipped, log.append)
    linker.subscribe(OrderPlaced, lambda event: log.append(emitter.ask_sync(Price())))
    linker.subscribe(OrderPlaced, lambda event: log.append("second"))
    emitter.emit(OrderPlaced())
    assert log == [3, "second", Shipped()]
    assert emitter.ask_sync(Price()) == 3
    assert log[3:] == [Shipped()]


def test_nobody_answers(emitter: Emitter[Event]) -> None:
    with pytest.raises(NoHandler):
        emitter.ask_sync(Price())


def test_waiting_and_closing_include_what_other_threads_run(linker: Linker, emitter: Emitter[Event]) -> None:
    begun, go_on, log = threading.Event(), threading.Event(), list[Event]()

    @linker.on(OrderPlaced)
    def block(event: OrderPlaced) -> None:
        begun.set()
        assert go_on.wait(10)
        emitter.emit(Shipped())  # of what was pending when the closing began: it is accepted

    linker.subscribe(Shipped, log.append)
    thread = threading.Thread(target=emitter.emit, args=(OrderPlaced(),))
    thread.start()

    async def main() -> None:
        await asyncio.to_thread(begun.wait)
        assert not await emitter.wait_for_tasks(0)
        assert not await emitter.aclose(grace=0)
        with pytest.raises(EmitterClosed):
            emitter.emit(Shipped())
        closing = asyncio.create_task(emitter.aclose())
        await asyncio.sleep(0)
        go_on.set()
        assert await closing

    asyncio.run(main())
    assert log == [Shipped()]
    assert emitter.tally.pending == 0
    thread.join()


def test_a_handler_that_waits_for_its_own_end_is_refused(linker: Linker, emitter: Emitter[Event]) -> None:
    @linker.on(OrderPlaced)
    def wait(event: OrderPlaced) -> None:
        asyncio.run(emitter.wait_for_tasks())

    outcome = emitter.emit(OrderPlaced()).deliveries[0].outcome
    assert isinstance(outcome, Failed)
    assert isinstance(outcome.error, WouldDeadlock)


# ---------------------------------------------------------------- failures, and the counts
def test_a_failure_leaves_its_neighbours_alone_and_is_logged_unless_somebody_takes_it(
    linker: Linker, emitter: Emitter[Event], caplog: pytest.LogCaptureFixture
) -> None:
    log, taken = list[Event](), list[Exception]()
    linker.subscribe(OrderPlaced, explode)
    linker.subscribe(OrderPlaced, explode, on_failure=lambda event, error: taken.append(error))
    linker.subscribe(OrderPlaced, log.append)
    emission = emitter.emit(OrderPlaced())
    assert [type(delivery.outcome) for delivery in emission.deliveries] == [Failed, Failed, Completed]
    assert emission.status is Status.FAILED
    assert (len(log), len(taken), len(caplog.records)) == (1, 1, 1)
    with pytest.raises(EmissionFailed):
        emission.raise_failures()


def test_a_log_that_raises_stops_nothing(
    linker: Linker, emitter: Emitter[Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    unraisable, log = list[object](), list[Event]()
    monkeypatch.setattr(sys, "unraisablehook", unraisable.append)

    class Broken(logging.Handler):
        @override
        def emit(self, record: logging.LogRecord) -> None:
            raise Oops

    broken = Broken()
    logger = logging.getLogger("pyventus_typed")
    logger.addHandler(broken)
    try:
        linker.subscribe(OrderPlaced, explode)
        linker.subscribe(OrderPlaced, log.append)
        assert emitter.emit(OrderPlaced()).status is Status.FAILED
    finally:
        logger.removeHandler(broken)
    assert (len(log), len(unraisable), emitter.tally.pending) == (1, 1, 0)


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_what_is_no_exception_leaves_and_the_rest_is_discarded(
    linker: Linker, emitter: Emitter[Event], error: type[BaseException]
) -> None:
    nested, log = list[Emission[OrderPaid]](), list[Event]()

    @linker.on(OrderPlaced)
    def leave(event: OrderPlaced) -> None:
        nested.append(emitter.emit(OrderPaid()))
        running.append(current_emission())
        raise error

    running = list[Emission[Event] | None]()
    linker.subscribe(OrderPlaced, log.append)
    linker.subscribe(OrderPaid, log.append)
    with pytest.raises(error):
        emitter.emit(OrderPlaced())
    assert log == []
    assert running[0] is not None
    reason = repr(error())
    outcomes = [delivery.outcome for delivery in running[0].deliveries]
    assert outcomes == [Discarded(reason, started=True), Discarded(reason, started=False)]
    assert nested[0].deliveries[0].outcome == Discarded(reason, started=False)
    assert emitter.tally.discarded == emitter.tally.accepted == 2
    emitter.emit(OrderPaid())
    assert log == [OrderPaid()]


async def test_failures_before_ctrl_c_are_logged_where_publish_would_have_raised_them(
    linker: Linker, emitter: Emitter[Event], caplog: pytest.LogCaptureFixture
) -> None:
    @linker.on(OrderPlaced, priority=-1)
    def leave(event: OrderPlaced) -> None:
        raise SystemExit

    linker.subscribe(OrderPlaced, explode)
    with pytest.raises(SystemExit):
        await emitter.publish(OrderPlaced())
    assert len(caplog.records) == 1


def test_cancelled_error_is_cancelled(linker: Linker, emitter: Emitter[Event]) -> None:
    @linker.on(OrderPlaced)
    def cancelled(event: OrderPlaced) -> None:
        raise asyncio.CancelledError

    emission = emitter.emit(OrderPlaced())
    assert emission.deliveries[0].outcome == Cancelled()
    assert emission.status is Status.CANCELLED


def test_cancel_discards_what_has_not_started(linker: Linker, emitter: Emitter[Event]) -> None:
    log = list[Event]()

    @linker.on(OrderPlaced)
    def cancel(event: OrderPlaced) -> None:
        nested = emitter.emit(OrderPaid())
        running = current_emission()
        assert running is not None
        assert running.cancel()
        assert nested.cancel()
        assert not nested.cancel()

    linker.subscribe(OrderPlaced, log.append)
    linker.subscribe(OrderPaid, log.append)
    emission = emitter.emit(OrderPlaced())
    assert log == []
    discarded = Discarded("cancelled", started=False)
    assert [delivery.outcome for delivery in emission.deliveries] == [Completed(None), discarded]
    assert emitter.tally.discarded == 2


def test_a_loop_of_another_thread_can_await_an_emission(linker: Linker, emitter: Emitter[Event]) -> None:
    emissions, go_on = list[Emission[Event]](), threading.Event()

    @linker.on(OrderPlaced)
    def block(event: OrderPlaced) -> None:
        emissions.append(current_emission() or pytest.fail("it runs here"))
        assert go_on.wait(10)
        raise Oops

    thread = threading.Thread(target=emitter.emit, args=(OrderPlaced(),))
    thread.start()

    async def main() -> None:
        while not emissions:
            await asyncio.sleep(0)
        waiting = asyncio.ensure_future(emissions[0].wait())
        await asyncio.sleep(0)
        go_on.set()
        assert (await waiting).status is Status.FAILED

    asyncio.run(main())
    thread.join()


@pytest.mark.parametrize("act", ["emit", "cancel", "look", "unsubscribe"])
def test_a_signal_handler_may_come_at_any_instant(act: str) -> None:
    linker = Linker[Event]()
    emitter = Emitter(linker, SyncProcessor())
    log, emissions, emitted = list[int](), list[Emission[Event]](), list[Emission[Event]]()
    subscription = linker.subscribe(Shipped, lambda event: None)

    @linker.on(OrderPlaced)
    def place(event: OrderPlaced) -> None:
        log.append(event.order)
        emissions.append(current_emission() or pytest.fail("it runs here"))
        if event.order == 1:
            emitter.emit(OrderPlaced(2))
            emitter.emit(OrderPlaced(3))

    linker.subscribe(OrderPlaced, lambda event: None, on_success=lambda value: None)

    def interrupt() -> None:
        match act:
            case "emit":
                emitted.append(emitter.emit(OrderPlaced(100)))
            case "cancel":
                for emission in emissions[-1:]:
                    emission.cancel()
            case "look":
                tally = emitter.tally
                assert tally.accepted == tally.pending + tally.completed
            case _:
                subscription.unsubscribe()

    def prepare() -> Callable[[], object]:
        assert emitter.tally.pending == 0
        log.clear()
        emissions.clear()
        return run

    def run() -> None:
        assert emitter.emit(OrderPlaced(1)).status is not Status.PENDING
        assert [order for order in log if order < 100] == [1, 2, 3]

    places = at_every_instant(interrupt, prepare)
    assert places > 50
    tally = emitter.tally
    assert tally.accepted == 3 * (places + 1) + len(emitted)
    assert tally.completed + tally.discarded == tally.accepted
    assert len(emitted) == (places if act == "emit" else 0)
    assert all(emission.status is Status.COMPLETED for emission in emitted)


def test_ctrl_c_may_come_at_any_instant_and_the_next_emission_is_as_ever() -> None:
    linker, log, is_first = Linker(), list[int](), True
    emitter = Emitter(linker, SyncProcessor())

    @linker.on(OrderPlaced)
    def place(event: OrderPlaced) -> None:
        log.append(event.order)
        if event.order == 1:
            emitter.emit(OrderPlaced(2))

    linker.subscribe(OrderPlaced, lambda event: None, on_success=lambda value: None)

    def interrupt() -> None:
        if is_first:
            raise KeyboardInterrupt

    def run() -> None:
        nonlocal is_first
        is_first = True
        with suppress(KeyboardInterrupt):
            emitter.emit(OrderPlaced(1))
        is_first = False
        assert emitter.tally.pending == 0
        log.clear()
        assert emitter.emit(OrderPlaced(3)).status is Status.COMPLETED
        assert log == [3]

    assert at_every_instant(interrupt, lambda: run) > 100
    tally = emitter.tally
    assert tally.discarded > 50
    assert tally.completed + tally.discarded == tally.accepted


def test_a_program_that_ends_in_a_handler_ends_and_says_nothing(linker: Linker, emitter: Emitter[Event]) -> None:
    def quit_program(event: OrderPlaced) -> None:
        sys.exit(3)

    linker.subscribe(OrderPlaced, quit_program)
    with pytest.raises(SystemExit, match="3"):
        emitter.emit(OrderPlaced())


@pytest.mark.parametrize("name", ["ordering", "capacity", "observer"])
def test_what_it_cannot_do_is_no_option_of_it_and_its_docstring_says_so(name: str) -> None:
    options: dict[str, Any] = {name: None}  # Any: of whatever option
    with pytest.raises(TypeError, match=name):
        SyncProcessor(**options)
    assert name in (SyncProcessor.__doc__ or "")
