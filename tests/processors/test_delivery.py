"""One delivery, from its turn to its outcome: failures, callbacks, what is no exception, time-outs (F1-F5, R5)."""

import asyncio
import gc
import logging
import sys
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any, NoReturn, Protocol

import pytest

from pyventus_typed import (
    Cancelled,
    Completed,
    Discarded,
    Emission,
    Emitter,
    Event,
    Failed,
    Linker,
    Ordering,
    Status,
    asyncio_emitter,
    current_emission,
    testing,
)
from pyventus_typed.errors import EmissionFailed
from tests.events import OrderPaid, OrderPlaced, Shipped, untyped
from tests.programs import run_python


class Stop(BaseException):
    """No Exception, and neither KeyboardInterrupt nor SystemExit."""


def explode(event: Event) -> NoReturn:
    raise ValueError(f"no {event}")


async def explode_later(event: Event) -> NoReturn:
    await asyncio.sleep(0)
    raise ValueError(f"no {event}")


LoopFactory = Callable[[], asyncio.AbstractEventLoop]


class Run(Protocol):
    def __call__(
        self, linker: Linker[Event], event: Event, *, loop_factory: LoopFactory | None = None
    ) -> Emission[Event]: ...


def without_loop(linker: Linker[Event], event: Event, *, loop_factory: LoopFactory | None = None) -> Emission[Event]:
    return asyncio_emitter(linker, loop_factory=loop_factory).emit(event)


def in_loop(linker: Linker[Event], event: Event, *, loop_factory: LoopFactory | None = None) -> Emission[Event]:
    async def main() -> Emission[Event]:
        emitter = Emitter(linker)
        emission = emitter.emit(event)
        assert await emitter.wait_for_tasks()
        return emission

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        return runner.run(main())


@pytest.fixture(params=[without_loop, in_loop])
def run(request: pytest.FixtureRequest) -> Run:
    """Emit and wait for the end: once without a loop, once in one."""
    return request.param  # type: ignore[no-any-return]  # one of the two above


@pytest.fixture
def nothing_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Nothing is logged by anybody."""
    yield
    assert [record.getMessage() for record in caplog.records] == []


# ---------------------------------------------------------------- F1, F2
@pytest.mark.parametrize("handler", [explode, explode_later])
def test_a_failing_handler_leaves_its_neighbours_alone(run: Run, handler: Callable[[Event], object]) -> None:
    linker, seen = Linker(), list[object]()
    linker.subscribe(OrderPlaced, seen.append)
    linker.subscribe(OrderPlaced, handler)
    linker.subscribe(OrderPlaced, seen.append)
    emission = run(linker, OrderPlaced(1))
    assert seen == [OrderPlaced(1)] * 2
    assert [type(delivery.outcome) for delivery in emission.deliveries] == [Completed, Failed, Completed]


def test_a_cancelled_handler_leaves_its_neighbours_alone(run: Run, nothing_logged: None) -> None:
    linker, seen = Linker(), list[object]()

    async def cancel_itself(event: Event) -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(0)

    def cancelled(event: Event) -> None:
        raise asyncio.CancelledError

    linker.subscribe(OrderPlaced, cancel_itself)
    linker.subscribe(OrderPlaced, cancelled)
    linker.subscribe(OrderPlaced, seen.append)
    emission = run(linker, OrderPlaced(1))
    assert [delivery.outcome for delivery in emission.deliveries] == [Cancelled(), Cancelled(), Completed(None)]
    assert seen == [OrderPlaced(1)]


@pytest.mark.parametrize("handler", [explode, explode_later])
def test_a_failure_that_nobody_takes_is_logged_with_its_traceback(
    run: Run, handler: Callable[[Event], object], caplog: pytest.LogCaptureFixture
) -> None:
    linker = Linker()
    linker.subscribe(OrderPlaced, handler)
    emission = run(linker, OrderPlaced(1))
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("pyventus_typed", logging.ERROR)
    assert record.getMessage() == f"{__name__}.{handler.__name__} failed for OrderPlaced(order=1)"
    outcome = emission.deliveries[0].outcome
    assert isinstance(outcome, Failed)
    assert record.exc_info is not None
    assert record.exc_info[1] is outcome.error
    assert handler.__name__ in caplog.text


@pytest.mark.parametrize("text", ["disk 95% full", "%s %d %(x)s", "{0} {x}"])
def test_no_text_of_a_user_is_formatted(run: Run, text: str, caplog: pytest.LogCaptureFixture) -> None:
    linker, told = Linker(), list[Exception]()

    def handler(event: Event) -> None:
        raise ValueError(text)

    linker.subscribe(OrderPlaced, handler)
    linker.subscribe(OrderPlaced, handler, on_failure=lambda event, error: told.append(error))
    emission = run(linker, OrderPlaced(1))
    assert [str(error) for error in told] == [text]
    assert len(caplog.records) == 1
    with pytest.raises(EmissionFailed, match="2 of 2 handlers failed for OrderPlaced"):
        emission.raise_failures()


def test_the_same_happens_under_a_tracer(caplog: pytest.LogCaptureFixture) -> None:
    linker = Linker()
    linker.subscribe(OrderPlaced, explode)
    before = sys.gettrace()
    sys.settrace(lambda frame, what, argument: None)
    try:
        Emitter(linker).emit(OrderPlaced())
    finally:
        sys.settrace(before)
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


async def test_a_failure_is_not_logged_while_somebody_awaits_the_emission(nothing_logged: None) -> None:
    linker = Linker()
    linker.subscribe(OrderPlaced, explode_later)
    with pytest.raises(EmissionFailed, match="1 of 1 handler failed for OrderPlaced"):
        await Emitter(linker).emit(OrderPlaced())


async def test_whoever_only_waits_does_not_get_it_so_it_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    linker = Linker()
    linker.subscribe(OrderPlaced, explode_later)
    emission = await Emitter(linker).emit(OrderPlaced()).wait()
    assert emission.status is Status.FAILED
    assert len(caplog.records) == 1


async def test_a_waiter_that_was_cancelled_does_not_hide_a_failure(caplog: pytest.LogCaptureFixture) -> None:
    linker, begun, gate = Linker(), asyncio.Event(), asyncio.get_running_loop().create_future()

    @linker.on(OrderPlaced)
    async def handler(event: OrderPlaced) -> None:
        begun.set()
        await gate
        raise ValueError("mine")

    emission = Emitter(linker).emit(OrderPlaced())

    async def wait() -> None:
        await emission

    waiter = asyncio.create_task(wait())
    await begun.wait()
    gate.set_result(None)
    waiter.cancel()  # its step comes behind the handler's
    with pytest.raises(asyncio.CancelledError):
        await waiter
    assert emission.status is Status.FAILED
    assert len(caplog.records) == 1


def test_on_failure_gets_event_and_error_and_then_nothing_is_logged(run: Run, nothing_logged: None) -> None:
    linker, told = Linker(), list[tuple[object, str]]()
    linker.subscribe(OrderPlaced, explode, on_failure=lambda event, error: told.append((event, str(error))))
    emission = run(linker, OrderPlaced(1))
    assert told == [(OrderPlaced(1), "no OrderPlaced(order=1)")]
    assert emission.status is Status.FAILED


def test_on_failure_of_the_subscription_stands_in_for_that_of_the_linker(run: Run) -> None:
    told: list[str] = []
    linker = Linker(on_failure=lambda event, error: told.append("linker"))
    linker.subscribe(OrderPlaced, explode)
    linker.subscribe(OrderPlaced, explode, on_failure=lambda event, error: told.append("subscription"))
    run(linker, OrderPlaced(1))
    assert told == ["linker", "subscription"]


def test_none_is_no_on_failure_so_the_linkers_is_called(run: Run) -> None:
    told: list[str] = []
    linker = Linker(on_failure=lambda event, error: told.append("linker"))
    linker.subscribe(OrderPlaced, explode, on_failure=None)
    run(linker, OrderPlaced(1))
    assert told == ["linker"]


# ---------------------------------------------------------------- F3
@pytest.mark.parametrize("result", [None, 0, "x", (), [1, 2]])
@pytest.mark.parametrize("kind", ["sync", "async", "coroutine of a lambda"])
def test_on_success_always_gets_the_awaited_result(run: Run, result: object, kind: str) -> None:
    linker, told = Linker(), list[tuple[object, ...]]()

    async def later(event: Event) -> object:
        await asyncio.sleep(0)
        return result

    handlers = {"sync": lambda event: result, "async": later, "coroutine of a lambda": lambda event: later(event)}
    linker.subscribe(OrderPlaced, untyped(handlers[kind]), on_success=lambda *arguments: told.append(arguments))
    emission = run(linker, OrderPlaced())
    assert told == [(result,)]
    assert emission.deliveries[0].outcome == Completed(result)


def test_a_delivery_is_open_until_its_async_callback_has_ended() -> None:
    linker, log = Linker(), list[object]()

    async def success(result: int) -> None:
        emission = current_emission()
        await asyncio.sleep(0)
        assert emission is not None
        log.append((emission.status, emission.deliveries[0].outcome, result))

    linker.subscribe(OrderPlaced, lambda event: event.order, on_success=success)
    emission = Emitter(linker).emit(OrderPlaced(7))
    assert log == [(Status.PENDING, None, 7)]
    assert emission.deliveries[0].outcome == Completed(7)


def test_an_async_on_failure_is_awaited(run: Run, nothing_logged: None) -> None:
    linker, told = Linker(), list[Exception]()

    async def failure(event: Event, error: Exception) -> None:
        await asyncio.sleep(0)
        told.append(error)

    for handler in (explode, explode_later):
        linker.subscribe(OrderPlaced, handler, on_failure=failure)
    emission = run(linker, OrderPlaced())
    assert len(told) == 2
    assert emission.status is Status.FAILED


@pytest.mark.parametrize("later", [False, True])
def test_a_failing_on_success_makes_the_delivery_failed(
    run: Run, later: bool, caplog: pytest.LogCaptureFixture
) -> None:
    linker = Linker()

    async def sleep_and_divide(result: int) -> float:
        await asyncio.sleep(0)
        return result / 0

    linker.subscribe(OrderPlaced, lambda event: 1, on_success=sleep_and_divide if later else lambda result: result / 0)
    emission = run(linker, OrderPlaced())
    outcome = emission.deliveries[0].outcome
    assert isinstance(outcome, Failed)
    assert isinstance(outcome.error, ZeroDivisionError)
    assert len(caplog.records) == 1


@pytest.mark.parametrize("later", [False, True])
@pytest.mark.parametrize("handler", [explode, explode_later])
def test_a_failing_on_failure_makes_it_failed_with_the_handlers_error_as_context(
    run: Run, later: bool, handler: Callable[[Event], object], caplog: pytest.LogCaptureFixture
) -> None:
    linker = Linker()

    def now(event: Event, error: Exception) -> None:
        raise LookupError("the callback's")

    async def then(event: Event, error: Exception) -> None:
        await asyncio.sleep(0)
        raise LookupError("the callback's")

    linker.subscribe(OrderPlaced, handler, on_failure=then if later else now)
    outcome = run(linker, OrderPlaced()).deliveries[0].outcome
    assert isinstance(outcome, Failed)
    assert str(outcome.error) == "the callback's"
    assert isinstance(outcome.error.__context__, ValueError)
    assert len(caplog.records) == 1


def test_a_callback_that_is_cancelled_makes_the_delivery_cancelled(run: Run) -> None:
    linker = Linker()

    async def success(result: object) -> None:
        raise asyncio.CancelledError

    linker.subscribe(OrderPlaced, lambda event: 1, on_success=success)
    assert run(linker, OrderPlaced()).deliveries[0].outcome == Cancelled()


def test_on_success_of_the_linker_is_for_those_without_their_own(run: Run) -> None:
    told: list[str] = []
    linker = Linker(on_success=lambda result: told.append(f"linker {result}"))
    linker.subscribe(OrderPlaced, lambda event: 1)
    linker.subscribe(OrderPlaced, lambda event: 2, on_success=lambda result: told.append(f"own {result}"))
    run(linker, OrderPlaced())
    assert told == ["linker 1", "own 2"]


def test_on_success_serves_several_events(run: Run) -> None:
    told: list[int] = []

    linker = Linker()

    @linker.on(OrderPlaced, OrderPaid, on_success=told.append)
    async def handler(event: OrderPlaced | OrderPaid) -> int:
        return event.order

    run(linker, OrderPlaced(1))
    run(linker, OrderPaid(2))
    assert told == [1, 2]


# ---------------------------------------------------------------- F4
# What is neither of asyncio's two stays in a task, as in plain asyncio: (Stop, True) is below.
@pytest.mark.filterwarnings("ignore::pyventus_typed.errors.DiscardedEmissionsWarning")
@pytest.mark.parametrize(
    ("error", "later"),
    [(KeyboardInterrupt, False), (KeyboardInterrupt, True), (SystemExit, False), (SystemExit, True), (Stop, False)],
)
def test_what_is_no_exception_leaves_emit_without_a_loop(error: type[BaseException], later: bool) -> None:
    linker, seen, emissions = Linker(), list[object](), list[Emission[Event] | None]()
    emitter = Emitter(linker)

    def now(event: Event) -> None:
        emissions.append(current_emission())
        emitter.emit(Shipped(2))
        raise error

    async def then(event: Event) -> None:
        await asyncio.sleep(0)
        now(event)

    linker.subscribe(OrderPlaced, then if later else now)
    linker.subscribe(OrderPlaced, explode_later if later else seen.append, on_failure=lambda event, error: None)
    linker.subscribe(Shipped, seen.append)
    with pytest.raises(error):
        emitter.emit(OrderPlaced(1))
    (emission,) = emissions
    assert emission is not None
    first = emission.deliveries[0].outcome
    assert isinstance(first, Discarded)
    assert first.started
    if not later:
        assert first == Discarded(repr(error()), started=True)
        assert emission.deliveries[1].outcome == Discarded(repr(error()), started=False)
    assert seen == []
    assert emitter.tally.discarded == 2
    assert emitter.tally.pending == 0
    emitter.emit(Shipped(3))  # nothing is left of what was raised before
    assert seen == [Shipped(3)]


@pytest.mark.filterwarnings("ignore::pyventus_typed.errors.DiscardedEmissionsWarning")
@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("later", [False, True])
def test_ctrl_c_and_exit_leave_the_loop_as_in_plain_asyncio(error: type[BaseException], later: bool) -> None:
    linker, emissions = Linker(), list[Emission[Event]]()

    def now(event: Event) -> None:
        raise error

    async def then(event: Event) -> None:
        await asyncio.sleep(0)
        raise error

    linker.subscribe(OrderPlaced, then if later else now)

    async def main() -> None:
        emissions.append(Emitter(linker).emit(OrderPlaced()))
        await asyncio.Event().wait()

    with pytest.raises(error):
        asyncio.run(main())
    assert emissions[0].deliveries[0].outcome == Discarded(repr(error()), started=True)
    gc.collect()


@pytest.mark.parametrize("later", [False, True])
async def test_another_base_exception_in_a_loop_is_said_by_asyncio(later: bool) -> None:
    heard: list[dict[str, Any]] = []  # Any: asyncio's own type
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: heard.append(context))
    linker, seen = Linker(), list[object]()

    def now(event: Event) -> None:
        raise Stop

    async def then(event: Event) -> None:
        raise Stop

    linker.subscribe(OrderPlaced, then if later else now)
    linker.subscribe(OrderPlaced, seen.append)
    emission = await Emitter(linker).emit(OrderPlaced(1)).wait()
    assert emission.deliveries[0].outcome == Discarded("Stop()", started=True)
    assert seen == [OrderPlaced(1)]
    await asyncio.sleep(0)
    gc.collect()
    assert [type(context["exception"]) for context in heard] == [Stop]


@pytest.mark.parametrize("ordering", [Ordering.CONCURRENT, Ordering.MAILBOX])
async def test_asyncio_says_it_as_often_as_it_happens(ordering: Ordering) -> None:
    heard: list[dict[str, Any]] = []  # Any: as above
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: heard.append(context))
    linker = Linker()

    @linker.on(OrderPlaced)
    async def stop(event: OrderPlaced) -> None:
        raise Stop

    emitter = asyncio_emitter(linker, ordering=ordering)
    for _ in range(3):
        emission = await emitter.emit(OrderPlaced(1)).wait()
        assert emission.deliveries[0].outcome == Discarded("Stop()", started=True)
    await asyncio.sleep(0)
    gc.collect()
    assert [type(context["exception"]) for context in heard] == [Stop] * 3


# ---------------------------------------------------------------- F5
async def test_in_a_mailbox_a_handler_that_cancels_its_own_task_and_returns_cancels_nobody_behind_it() -> None:
    linker = Linker()

    @linker.on(OrderPlaced)
    async def handler(event: OrderPlaced) -> None:
        if event.order:
            await asyncio.sleep(0)
            return
        task = asyncio.current_task()
        assert task is not None
        task.cancel()

    emitter = asyncio_emitter(linker, ordering=Ordering.MAILBOX)
    emitter.emit(Shipped())  # nobody receives it; it makes the queue, so what comes next need not look for it
    emissions = [emitter.emit(OrderPlaced(order)) for order in (1, 0, 1)]
    await emitter.wait_for_tasks()
    assert [one.status for one in emissions] == [Status.COMPLETED] * 3


async def test_in_a_mailbox_each_delivery_is_cancelled_for_itself() -> None:
    linker, begun = Linker(), asyncio.Event()

    @linker.on(OrderPlaced)
    async def handler(event: OrderPlaced) -> None:
        if event.order:
            begun.set()
            await asyncio.Event().wait()

    emitter = asyncio_emitter(linker, ordering=Ordering.MAILBOX)
    emitter.emit(Shipped())  # nobody receives it; it makes the queue, so what comes next need not look for it
    emissions = [emitter.emit(OrderPlaced(order)) for order in (0, 1, 0)]
    await begun.wait()
    assert emissions[1].cancel()
    await emitter.wait_for_tasks()
    assert [one.status for one in emissions] == [Status.COMPLETED, Status.CANCELLED, Status.COMPLETED]


async def test_in_a_mailbox_a_handler_that_waits_keeps_its_own_context_variables() -> None:
    variable: ContextVar[int] = ContextVar("variable")
    linker, seen = Linker(), list[tuple[int, bool]]()

    @linker.on(OrderPlaced)
    async def handler(event: OrderPlaced) -> None:
        emission = current_emission()
        variable.set(variable.get() + event.order)
        await asyncio.sleep(0)
        seen.append((variable.get(), current_emission() is emission))

    emitter = asyncio_emitter(linker, ordering=Ordering.MAILBOX)
    emitter.emit(Shipped())  # nobody receives it; it makes the queue, so what comes next need not look for it
    for order in (1, 2):
        variable.set(10 * order)
        emitter.emit(OrderPlaced(order))
    await emitter.wait_for_tasks()
    assert seen == [(11, True), (22, True)]
    assert variable.get() == 20


async def test_in_a_mailbox_a_predicate_that_raises_is_no_call_wherever_its_delivery_stands() -> None:
    linker, seen = Linker(), list[int]()

    async def handler(event: OrderPlaced) -> None:
        seen.append(event.order)

    linker.subscribe(OrderPlaced, handler, when=lambda event: 1 // event.order > 0)
    emitter = asyncio_emitter(linker, ordering=Ordering.MAILBOX)
    emitter.emit(Shipped())  # nobody receives it; it makes the queue, so what comes next need not look for it
    emissions = [emitter.emit(OrderPlaced(order)) for order in (1, 0, 1)]
    await emitter.wait_for_tasks()
    assert seen == [1, 1]
    assert [one.status for one in emissions] == [Status.COMPLETED, Status.FAILED, Status.COMPLETED]


def test_importing_configures_no_logging_and_failures_reach_the_last_resort() -> None:

    program = (
        "import logging, sys; from dataclasses import dataclass; from pyventus_typed import *\n"
        "log = logging.getLogger('pyventus_typed')\n"
        "print(log.handlers, logging.getLogger().handlers, log.level, log.propagate)\n"
        "@dataclass(frozen=True)\nclass E(Event): ...\n"
        "l = Linker(); l.subscribe(E, lambda e: 1 / 0); Emitter(l).emit(E())"
    )
    ended = run_python("-c", program)
    assert ended.stdout == "[] [] 0 True\n"
    assert "__main__.<lambda> failed for E()" in ended.stderr
    assert "ZeroDivisionError" in ended.stderr


def test_the_first_emission_of_a_program_may_be_that_of_a_destructor_at_its_end() -> None:
    program = (
        "from dataclasses import dataclass; from pyventus_typed import *\n"
        "@dataclass(frozen=True)\nclass E(Event): ...\n"
        "linker = Linker(); linker.subscribe(E, lambda e: print('handled')); emitter = Emitter(linker)\n"
        "class D:\n    def __del__(self): print(emitter.emit(E()).status.value)\n"
        "d = D()"
    )
    ended = run_python("-c", program)
    assert (ended.stdout, ended.stderr) == ("handled\ncompleted\n", "")


# ---------------------------------------------------------------- R5
def test_a_timeout_counts_from_the_start_of_the_handler() -> None:
    async def body() -> None:
        linker, log = Linker(), list[tuple[int, float]]()

        @linker.on(OrderPlaced, timeout=10)
        async def handler(event: OrderPlaced) -> None:
            await asyncio.sleep(9)
            log.append((event.order, asyncio.get_running_loop().time()))

        emitter = asyncio_emitter(linker, ordering=Ordering.SERIAL)
        for number in range(4):
            emitter.emit(OrderPlaced(number))
        await emitter.wait_for_tasks()
        assert log == [(0, 9), (1, 18), (2, 27), (3, 36)]

    testing.run(body)


def test_a_handler_that_takes_too_long_is_cancelled_and_failed(run: Run) -> None:
    linker, cancelled, told = Linker(), list[float](), list[Exception]()

    @linker.on(OrderPlaced, timeout=30, on_failure=lambda event, error: told.append(error))
    async def handler(event: OrderPlaced) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(asyncio.get_running_loop().time())
            raise

    linker.subscribe(OrderPlaced, lambda event: asyncio.sleep(90))
    emission = run(linker, OrderPlaced(), loop_factory=testing.VirtualLoop)
    assert cancelled == [30]
    assert [type(error) for error in told] == [TimeoutError]
    outcomes = [delivery.outcome for delivery in emission.deliveries]
    assert outcomes == [Failed(told[0]), Completed(None)]


TIMED = """
import asyncio, threading
from dataclasses import dataclass
from pyventus_typed import *

@dataclass(frozen=True)
class Parcel(Event):
    n: int

linker = Linker()

@linker.on(Parcel, timeout=0.001)
async def wait(parcel):
    await asyncio.sleep(0.1)

@linker.on(Parcel, timeout=0.001, in_thread=True)
def block(parcel):
    threading.Event().wait(0.1)

async def main():
    emitter = Emitter(linker)
    for n in range(2):
        await emitter.emit(Parcel(n)).wait()
    print(emitter.tally.completed, emitter.tally.failed)

asyncio.run(main())
"""


@pytest.mark.parametrize(("given", "ends", "said"), [("1", "2 0", 1), ("", "0 2", 0)])
def test_in_a_debugger_timeouts_can_be_switched_off_and_the_log_says_so_once(given: str, ends: str, said: int) -> None:
    ended = run_python("-c", TIMED, env={"PYVENTUS_NO_TIMEOUTS": given})
    assert ended.stdout.strip() == ends
    assert ended.stderr.count("PYVENTUS_NO_TIMEOUTS is set: no handler of this process is cut off") == said


def test_a_timeout_touches_no_waiter() -> None:
    async def body() -> None:
        linker = Linker()
        linker.subscribe(OrderPlaced, lambda event: asyncio.Event().wait(), timeout=30)
        emission = Emitter(linker).emit(OrderPlaced())
        with pytest.raises(EmissionFailed, match="1 of 1 handler failed for OrderPlaced") as caught:
            await emission
        assert isinstance(caught.value.exceptions[0], TimeoutError)
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0

    testing.run(body)


def test_a_handler_that_absorbs_its_timeout_is_completed() -> None:
    async def body() -> None:
        linker = Linker()

        @linker.on(OrderPlaced, timeout=30)
        async def stubborn(event: OrderPlaced) -> str:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                return "no"
            return "never"

        emission = await Emitter(linker).emit(OrderPlaced())
        assert emission.deliveries[0].outcome == Completed("no")

    testing.run(body)


@pytest.mark.parametrize("suspends", [False, True])
async def test_a_task_that_a_mailbox_handler_kept_cancels_no_later_delivery(*, suspends: bool) -> None:
    linker, kept = Linker[Event](), list["asyncio.Task[Any]"]()
    emitter = asyncio_emitter(linker, ordering=Ordering.MAILBOX)
    emitter.emit(Shipped())  # nobody receives it; it makes the queue, so what comes next need not look for it

    @linker.on(OrderPlaced)
    async def handler(event: OrderPlaced) -> None:
        if not kept:
            task = asyncio.current_task()
            assert task is not None
            kept.append(task)
            if suspends:
                await asyncio.sleep(0)
            else:  # a cancellation that is taken back before it comes
                task.cancel()
                task.uncancel()
            return
        if suspends:
            kept[0].cancel()
        await asyncio.sleep(0)

    emissions = [emitter.emit(OrderPlaced()) for _ in range(3)]
    await emitter.wait_for_tasks()
    assert [one.status for one in emissions] == [Status.COMPLETED] * 3


async def test_a_timeout_of_the_handlers_own_is_told_from_ours() -> None:
    linker = Linker()
    mine = TimeoutError("the database's")

    @linker.on(OrderPlaced, timeout=10, on_failure=lambda event, error: None)
    async def handler(event: OrderPlaced) -> None:
        raise mine

    emission = await Emitter(linker).emit(OrderPlaced()).wait()
    assert emission.deliveries[0].outcome == Failed(mine)


def test_a_timeout_does_not_count_for_the_callback() -> None:
    async def body() -> None:
        linker, log = Linker(), list[object]()

        async def success(result: object) -> None:
            await asyncio.sleep(90)
            log.append(result)

        @linker.on(OrderPlaced, timeout=30, on_success=success)
        async def handler(event: OrderPlaced) -> int:
            return 1

        await Emitter(linker).emit(OrderPlaced())
        assert log == [1]

    testing.run(body)


async def test_what_an_async_handler_sets_is_seen_by_no_other_one() -> None:
    linker, seen = Linker[Event](), list[str]()
    variable: ContextVar[str] = ContextVar("variable", default="unset")

    async def set_and_look(event: OrderPlaced) -> None:
        seen.append(variable.get())
        variable.set("set")
        await asyncio.sleep(0)

    linker.subscribe(OrderPlaced, set_and_look)
    linker.subscribe(OrderPlaced, set_and_look)
    await Emitter(linker).emit(OrderPlaced(1))
    assert seen == ["unset", "unset"]
