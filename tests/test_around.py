"""What a linker puts around the handlers of an event: context managers, entered and left with each delivery."""

import asyncio
import re
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import (
    AbstractContextManager,
    asynccontextmanager,
    contextmanager,
    nullcontext,
    suppress,
)
from contextvars import ContextVar
from functools import partial
from types import TracebackType
from typing import Any, TypeVar

import pytest

from pyventus_typed import (
    Cancelled,
    Completed,
    Delivery,
    Discarded,
    Emission,
    Emitter,
    Event,
    Failed,
    Linker,
    Ordering,
    SyncProcessor,
    asyncio_emitter,
    current_emission,
)
from pyventus_typed.errors import (
    DefinitionError,
    DiscardedEmissionsWarning,
    EmissionFailed,
    ForeignEvent,
    NotAManager,
    NotAnEvent,
)
from tests.events import OrderPaid, OrderPlaced, OrderRefunded, Price, ShopEvent, untyped

T = TypeVar("T")

Log = list[str]
Made = Callable[[Delivery[Any]], AbstractContextManager[None]]


def noting(log: Log, name: str) -> Made:
    """A plain manager that writes down what it sees."""

    @contextmanager
    def manager(delivery: Delivery[Event]) -> Generator[None]:
        log.append(f"enter {name}")
        try:
            yield
        except BaseException as error:
            log.append(f"leave {name} with {type(error).__name__}")
            raise
        else:
            log.append(f"leave {name}")

    return manager


def noting_async(log: Log, name: str) -> Callable[[Delivery[Any]], Any]:
    """The same, async; it suspends on both sides."""

    @asynccontextmanager
    async def manager(delivery: Delivery[Event]) -> AsyncGenerator[None]:
        await asyncio.sleep(0)
        log.append(f"enter {name}")
        try:
            yield
        except BaseException as error:
            log.append(f"leave {name} with {type(error).__name__}")
            raise
        else:
            await asyncio.sleep(0)
            log.append(f"leave {name}")

    return manager


def outcomes(emission: Emission[Any]) -> list[object]:
    return [delivery.outcome for delivery in emission.deliveries]


@pytest.fixture
def linker() -> Linker[Event]:
    return Linker()


@pytest.fixture
def emitter(linker: Linker[Event]) -> Emitter[Event]:
    return Emitter(linker)


@pytest.fixture
def log() -> Log:
    return []


# ---------------------------------------------------------------- A1: what it is around
def test_a_manager_is_entered_before_each_handler_and_left_after_it(
    linker: Linker[Event], emitter: Emitter[Event], log: Log
) -> None:
    linker.around(OrderPaid)(noting(log, "it"))
    linker.subscribe(OrderPaid, lambda event: log.append("first"))
    linker.subscribe(OrderPaid, lambda event: log.append("second"))
    emitter.emit(OrderPaid())
    emitter.emit(OrderPlaced())
    assert log == ["enter it", "first", "leave it", "enter it", "second", "leave it"]


def test_without_events_it_is_around_all_handlers_and_a_base_covers_its_subclasses(
    linker: Linker[Event], emitter: Emitter[Event], log: Log
) -> None:
    linker.around()(noting(log, "all"))
    linker.around(ShopEvent)(noting(log, "shop"))
    linker.around(OrderPaid)(noting(log, "paid"))
    linker.subscribe(ShopEvent, lambda event: log.append("handler"))
    emitter.emit(OrderRefunded())
    assert log == ["enter all", "enter shop", "enter paid", "handler", "leave paid", "leave shop", "leave all"]
    log.clear()
    emitter.emit(OrderPlaced())
    assert log == ["enter all", "enter shop", "handler", "leave shop", "leave all"]


def test_a_manager_that_matches_in_several_ways_is_entered_once(
    linker: Linker[Event], emitter: Emitter[Event], log: Log
) -> None:
    linker.around(OrderPaid, ShopEvent, OrderPaid)(noting(log, "it"))
    linker.subscribe(OrderPaid, lambda event: log.append("handler"))
    emitter.emit(OrderPaid())
    assert log == ["enter it", "handler", "leave it"]


def test_it_gets_the_delivery_in_its_context(linker: Linker[Event], emitter: Emitter[Event]) -> None:
    seen: list[tuple[object, ...]] = []
    subscription = linker.subscribe(OrderPaid, lambda event: None)

    def make(delivery: Delivery[OrderPaid]) -> AbstractContextManager[None]:
        seen.append((delivery.event, delivery.subscription, delivery.emission, delivery.started, current_emission()))
        return nullcontext()

    linker.surround(make, OrderPaid)
    emission = emitter.emit(OrderPaid(7))
    assert seen == [(OrderPaid(7), subscription, emission, True, emission)]


def test_around_gives_back_what_it_was_given(linker: Linker[Event], log: Log) -> None:
    manager = noting(log, "it")
    assert linker.around(OrderPaid)(manager) is manager


async def test_a_registration_ends_it_and_emissions_under_way_keep_what_they_had(
    linker: Linker[Event], emitter: Emitter[Event], log: Log
) -> None:
    linker.subscribe(OrderPaid, lambda event: log.append("handler"))
    with linker.surround(noting(log, "it"), OrderPaid) as surrounding:
        assert (surrounding.active, surrounding.events) == (True, (OrderPaid,))
        before = emitter.emit(OrderPaid())
    assert not surrounding.unsubscribe()
    assert repr(surrounding) == "<Surrounding tests.test_around.manager of OrderPaid, ended>"
    after = emitter.emit(OrderPaid())
    linker.surround(noting(log, "late"), OrderPaid)
    await before
    await after
    assert log == ["enter it", "handler", "leave it", "handler"]


def test_clear_ends_them_too(linker: Linker[Event], emitter: Emitter[Event], log: Log) -> None:
    surrounding = linker.surround(noting(log, "it"))
    linker.clear()
    linker.subscribe(OrderPaid, lambda event: log.append("handler"))
    emitter.emit(OrderPaid())
    assert not surrounding.active
    assert log == ["handler"]


def test_two_surroundings_of_one_manager_are_two(linker: Linker[Event], emitter: Emitter[Event], log: Log) -> None:
    manager = noting(log, "it")
    linker.surround(manager, OrderPaid)
    linker.surround(manager, OrderPaid)
    linker.subscribe(OrderPaid, lambda event: None)
    emitter.emit(OrderPaid())
    assert log == ["enter it"] * 2 + ["leave it"] * 2


async def test_answers_count_as_handlers(linker: Linker[Event], emitter: Emitter[Event], log: Log) -> None:
    @linker.answer(Price)
    def price(event: Price) -> int:
        log.append("answer")
        return 150

    linker.around(Price)(noting(log, "it"))
    assert await emitter.ask(Price("tea")) == 150
    assert emitter.ask_sync(Price("tea")) == 150
    assert log == ["enter it", "answer", "leave it"] * 2


def test_callbacks_are_outside_and_on_failure_gets_what_a_manager_raises(
    linker: Linker[Event], emitter: Emitter[Event], log: Log
) -> None:
    @linker.around(OrderPaid)
    @contextmanager
    def picky(delivery: Delivery[OrderPaid]) -> Generator[None]:
        log.append("enter")
        yield
        log.append("leave")
        if delivery.event.order == 2:
            raise ValueError("picky")

    linker.subscribe(
        OrderPaid,
        lambda event: 42,
        on_success=lambda result: log.append(f"success {result}"),
        on_failure=lambda event, error: log.append(f"failure {error}"),
    )
    emitter.emit(OrderPaid(1))
    emitter.emit(OrderPaid(2))
    assert log == ["enter", "leave", "success 42", "enter", "leave", "failure picky"]


async def test_a_manager_is_around_the_timeout_and_sees_the_timeout_error(
    linker: Linker[Event], emitter: Emitter[Event], log: Log
) -> None:
    linker.around(OrderPaid)(noting(log, "plain"))
    linker.around(OrderPaid)(noting_async(log, "async"))

    @linker.on(OrderPaid, timeout=0.01)
    async def hang(event: OrderPaid) -> None:
        await asyncio.Event().wait()

    emission = await emitter.emit(OrderPaid()).wait()
    assert log == ["enter plain", "enter async", "leave async with TimeoutError", "leave plain with TimeoutError"]
    assert isinstance(emission.deliveries[0].outcome, Failed)


def test_a_predicate_that_raises_enters_none(linker: Linker[Event], emitter: Emitter[Event], log: Log) -> None:
    def broken(event: OrderPaid) -> bool:
        raise ValueError("when")

    linker.around(OrderPaid)(noting(log, "it"))
    linker.subscribe(OrderPaid, lambda event: log.append("handler"), when=broken)
    emission = emitter.emit(OrderPaid())
    assert isinstance(emission.deliveries[0].outcome, Failed)
    assert log == []


# ---------------------------------------------------------------- A2: plain and async, tasks and threads
async def test_a_plain_manager_adds_no_task(linker: Linker[Event], emitter: Emitter[Event]) -> None:
    tasks: list[object] = []

    @linker.around(OrderPaid)
    @contextmanager
    def manager(delivery: Delivery[OrderPaid]) -> Generator[None]:
        with suppress(RuntimeError):
            tasks.append(asyncio.current_task())
        yield

    linker.subscribe(OrderPaid, lambda event: tasks.append(asyncio.current_task()))

    @linker.on(OrderPaid)
    async def handler(event: OrderPaid) -> None:
        tasks.append(asyncio.current_task())

    await emitter.emit(OrderPaid())
    assert tasks[:2] == [None, None], "around a plain handler there is none"
    assert tasks[2] is tasks[3] is not None, "around an async one it is the handler's own"


async def test_an_async_manager_moves_a_plain_handler_into_a_task(
    linker: Linker[Event], emitter: Emitter[Event]
) -> None:
    setting: ContextVar[str] = ContextVar("setting", default="unset")
    seen: list[object] = []

    def sets(event: OrderPaid) -> None:
        seen.append(asyncio.current_task())
        setting.set("set")

    linker.surround(noting_async([], "async"), OrderPaid)
    linker.subscribe(OrderPaid, sets)
    linker.subscribe(OrderPaid, lambda event: seen.append(setting.get()))
    await emitter.emit(OrderPaid())
    assert seen[0] is not None
    assert seen[1] == "unset"


def test_where_no_loop_runs_an_async_manager_gets_a_fresh_one(
    linker: Linker[Event], emitter: Emitter[Event], log: Log
) -> None:
    linker.around(OrderPaid)(noting(log, "plain"))
    linker.around(OrderPaid)(noting_async(log, "async"))
    linker.subscribe(OrderPaid, lambda event: log.append("handler"))
    thread = threading.Thread(target=emitter.emit, args=(OrderPaid(),))
    thread.start()
    thread.join()
    assert log == ["enter plain", "enter async", "handler", "leave async", "leave plain"]


class Both:
    """A manager of both kinds."""

    def __init__(self, log: Log, delivery: Delivery[Event]) -> None:
        self.log = log

    def __enter__(self) -> None:
        self.log.append("plain")

    def __exit__(self, *error: object) -> None: ...

    async def __aenter__(self) -> None:
        self.log.append("async")

    async def __aexit__(self, *error: object) -> None: ...


def test_a_manager_that_is_both_is_async_around_an_async_def_and_plain_around_the_rest(
    linker: Linker[Event], emitter: Emitter[Event], log: Log
) -> None:
    linker.surround(partial(Both, log))
    linker.subscribe(OrderPaid, lambda event: None)
    emitter.emit(OrderPaid())
    assert log == ["plain"]

    @linker.on(OrderPlaced)
    async def handler(event: OrderPlaced) -> None: ...

    emitter.emit(OrderPlaced())
    assert log == ["plain", "async"]


@pytest.mark.parametrize("in_loop", [False, True])
def test_a_manager_is_left_in_the_context_it_was_entered_in(in_loop: bool) -> None:
    linker: Linker[Event] = Linker()
    emitter = Emitter(linker)
    request: ContextVar[int] = ContextVar("request", default=0)
    seen: list[int] = []

    @linker.around(OrderPaid)
    @contextmanager
    def scope(delivery: Delivery[OrderPaid]) -> Generator[None]:
        token = request.set(delivery.event.order)
        try:
            yield
        finally:
            request.reset(token)  # a ValueError in any other context

    async def later(event: OrderPaid) -> None:
        await asyncio.sleep(0)
        seen.append(request.get())

    def returns_a_coroutine(event: OrderPaid) -> Awaitable[None]:
        return later(event)

    linker.subscribe(OrderPaid, later)
    linker.subscribe(OrderPaid, returns_a_coroutine)
    linker.subscribe(OrderPaid, lambda event: seen.append(request.get()))
    linker.subscribe(OrderPaid, lambda event: later(event))

    async def in_a_loop() -> Emission[OrderPaid]:
        return await emitter.emit(OrderPaid(7))

    emission = asyncio.run(in_a_loop()) if in_loop else emitter.emit(OrderPaid(7))
    assert outcomes(emission) == [Completed(None)] * 4
    assert seen == [7] * 4


def test_what_a_plain_handler_sets_is_seen_by_the_next_one_with_a_plain_manager_too(
    linker: Linker[Event], emitter: Emitter[Event], log: Log
) -> None:
    setting: ContextVar[str] = ContextVar("setting", default="unset")
    linker.surround(noting(log, "it"))
    linker.subscribe(OrderPaid, lambda event: setting.set("set"))
    linker.subscribe(OrderPaid, lambda event: log.append(setting.get()))
    emitter.emit(OrderPaid())
    assert "set" in log
    assert setting.get() == "unset"


async def test_in_thread_the_managers_are_on_the_loops_side(linker: Linker[Event], emitter: Emitter[Event]) -> None:
    threads: list[object] = []

    @linker.around(OrderPaid)
    @contextmanager
    def manager(delivery: Delivery[OrderPaid]) -> Generator[None]:
        threads.append(threading.current_thread())
        yield
        threads.append(threading.current_thread())

    linker.subscribe(OrderPaid, lambda event: threads.append(threading.current_thread()), in_thread=True)
    await emitter.emit(OrderPaid())
    assert threads[0] is threads[2] is threading.current_thread()
    assert threads[1] is not threads[0]


async def test_a_timeout_leaves_the_managers_while_the_thread_still_runs(
    linker: Linker[Event], emitter: Emitter[Event], log: Log
) -> None:
    go = threading.Event()
    linker.surround(noting(log, "it"), OrderPaid)
    linker.subscribe(OrderPaid, lambda event: go.wait(10), in_thread=True, timeout=0.01)
    emission = await emitter.emit(OrderPaid()).wait()
    assert log == ["enter it", "leave it with TimeoutError"]
    assert isinstance(emission.deliveries[0].outcome, Failed)
    go.set()
    await emitter.wait_for_tasks()


async def test_a_delivery_that_waits_for_its_thread_has_started_when_its_managers_are_entered(
    linker: Linker[Event], emitter: Emitter[Event], log: Log
) -> None:
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
    go = threading.Event()
    linker.surround(noting(log, "it"), OrderPaid)
    linker.subscribe(OrderPlaced, lambda event: go.wait(10), in_thread=True)
    linker.subscribe(OrderPaid, lambda event: log.append("handler"), in_thread=True)
    emitter.emit(OrderPlaced())
    emission = emitter.emit(OrderPaid())
    while not log:
        await asyncio.sleep(0)
    assert emission.deliveries[0].started
    emission.cancel()
    assert outcomes(await emission) == [Cancelled()]
    assert log == ["enter it", "leave it with CancelledError"]
    go.set()
    await emitter.wait_for_tasks()


async def test_publish_enters_them_in_the_callers_task(
    linker: Linker[Event], emitter: Emitter[Event], log: Log
) -> None:
    tasks: list[object] = []
    linker.surround(noting_async(log, "async"), OrderPaid)
    linker.surround(noting(log, "plain"), OrderPaid)
    linker.subscribe(OrderPaid, lambda event: tasks.append(asyncio.current_task()))
    await emitter.publish(OrderPaid())
    assert tasks == [asyncio.current_task()]
    assert log == ["enter async", "enter plain", "leave plain", "leave async"]


@pytest.mark.parametrize("ordering", Ordering)
async def test_under_every_ordering_each_delivery_has_its_own_pair(ordering: Ordering) -> None:
    linker: Linker[Event] = Linker()
    log: Log = []

    @linker.around(OrderPaid)
    @contextmanager
    def manager(delivery: Delivery[OrderPaid]) -> Generator[None]:
        log.append(f"enter {delivery.event.order}")
        yield
        log.append(f"leave {delivery.event.order}")

    linker.subscribe(OrderPaid, lambda event: None)

    @linker.on(OrderPaid)
    async def handler(event: OrderPaid) -> None:
        await asyncio.sleep(0)

    async with asyncio_emitter(linker, ordering=ordering) as emitter:
        for order in range(5):
            emitter.emit(OrderPaid(order))
    assert sorted(log) == sorted(
        f"{verb} {order}" for verb in ("enter", "leave") for order in range(5) for _ in range(2)
    )


# ---------------------------------------------------------------- A3: what it raises, and what it suppresses
def test_what_a_manager_raises_is_the_deliverys_failure_and_names_it(
    linker: Linker[Event], emitter: Emitter[Event], log: Log
) -> None:
    @contextmanager
    def broken(delivery: Delivery[OrderPaid]) -> Generator[None]:
        if delivery.started:
            raise ValueError("no connection")
        yield

    linker.surround(broken, OrderPaid)
    linker.subscribe(OrderPaid, lambda event: log.append("handler"))
    emission = emitter.emit(OrderPaid())
    with pytest.raises(EmissionFailed) as caught:
        emission.raise_failures()
    assert log == []
    (error,) = caught.value.exceptions
    assert error.__notes__[0].startswith("raised by tests.test_around.broken, which is around tests.test_around.")


def test_what_left_the_handler_is_not_blamed_on_the_manager(linker: Linker[Event], emitter: Emitter[Event]) -> None:
    def fails(event: OrderPaid) -> None:
        raise ValueError("handler")

    linker.surround(noting([], "it"))
    linker.subscribe(OrderPaid, fails)
    (outcome,) = outcomes(emitter.emit(OrderPaid()))
    assert isinstance(outcome, Failed)
    assert not hasattr(outcome.error, "__notes__")
    assert outcome.error.__traceback__ is not None
    assert outcome.error.__traceback__.tb_frame.f_code is fails.__code__, "and the traceback begins in the handler"


def test_what_it_suppresses_makes_the_delivery_completed_with_none(
    linker: Linker[Event], emitter: Emitter[Event]
) -> None:
    results: list[object] = []

    def fails(event: OrderPaid) -> int:
        raise KeyError(event.order)

    linker.surround(lambda delivery: suppress(KeyError), OrderPaid)
    linker.subscribe(OrderPaid, fails, on_success=results.append)
    assert outcomes(emitter.emit(OrderPaid())) == [Completed(None)]
    assert results == [None]


class SuppressingBoth:
    """A context manager of both kinds, which suppresses everything and notes how it was used."""

    def __init__(self, log: Log) -> None:
        self.log = log

    def __enter__(self) -> None:
        self.log.append("enter")

    def __exit__(self, *error: object) -> bool:
        self.log.append("exit")
        return True

    async def __aenter__(self) -> None:
        self.log.append("aenter")

    async def __aexit__(self, *error: object) -> bool:
        self.log.append("aexit")
        return True


@asynccontextmanager
async def suppressing(delivery: Delivery[Any]) -> AsyncGenerator[None]:
    with suppress(BaseException):
        yield


@pytest.mark.parametrize("way", ["without a loop", "emit", "publish"])
@pytest.mark.parametrize("manager", ["plain", "async", "both"])
@pytest.mark.parametrize("is_async", [True, False])
def test_whatever_kind_suppresses_it_is_entered_once_and_the_handler_called_once(
    linker: Linker[Event], emitter: Emitter[Event], log: Log, manager: str, way: str, *, is_async: bool
) -> None:
    def fails(event: OrderPaid) -> None:
        log.append("handler")
        raise KeyError(event.order)

    async def fails_later(event: OrderPaid) -> None:
        await asyncio.sleep(0)
        fails(event)

    made: dict[str, Callable[[Delivery[Any]], Any]] = {  # Any: a manager of whatever kind
        "plain": lambda delivery: suppress(KeyError),
        "async": suppressing,
        "both": lambda delivery: SuppressingBoth(log),
    }
    linker.surround(made[manager], OrderPaid)
    linker.subscribe(OrderPaid, fails_later if is_async else fails)

    async def main() -> Emission[Any]:
        return await (emitter.publish(OrderPaid()) if way == "publish" else emitter.emit(OrderPaid()))

    emission = emitter.emit(OrderPaid()) if way == "without a loop" else asyncio.run(main())
    assert outcomes(emission) == [Completed(None)]
    around = ["aenter", "aexit"] if is_async else ["enter", "exit"]
    assert log == ([around[0], "handler", around[1]] if manager == "both" else ["handler"])


@pytest.mark.parametrize("error", [KeyError, StopIteration])
async def test_of_an_answer_nothing_is_suppressed(
    linker: Linker[Event], emitter: Emitter[Event], error: type[Exception]
) -> None:
    linker.surround(lambda delivery: suppress(BaseException), Price)

    @linker.answer(Price)
    def price(event: Price) -> int:
        raise error(event)

    with pytest.raises(error):
        emitter.ask_sync(Price("tea"))
    with pytest.raises(RuntimeError if error is StopIteration else error):  # which cannot leave a coroutine
        await emitter.ask(Price("tea"))
    linker.surround(suppressing, Price)
    if error is KeyError:
        with pytest.raises(error):
            await emitter.ask(Price("tea"))


async def test_one_that_swallows_a_cancellation_absorbs_it(linker: Linker[Event], emitter: Emitter[Event]) -> None:
    started = asyncio.Event()
    linker.surround(lambda delivery: suppress(asyncio.CancelledError), OrderPaid)

    @linker.on(OrderPaid)
    async def hang(event: OrderPaid) -> None:
        started.set()
        await asyncio.Event().wait()

    emission = emitter.emit(OrderPaid())
    await started.wait()
    assert emission.cancel()
    assert outcomes(await emission) == [Completed(None)]


async def test_a_cancelled_handler_leaves_them_with_the_cancellation(
    linker: Linker[Event], emitter: Emitter[Event], log: Log
) -> None:
    started = asyncio.Event()
    linker.surround(noting(log, "plain"))
    linker.surround(noting_async(log, "async"))

    @linker.on(OrderPaid)
    async def hang(event: OrderPaid) -> None:
        started.set()
        await asyncio.Event().wait()

    emission = emitter.emit(OrderPaid())
    await started.wait()
    emission.cancel()
    assert outcomes(await emission) == [Cancelled()]
    assert log[2:] == ["leave async with CancelledError", "leave plain with CancelledError"]


@pytest.mark.parametrize("is_async", [False, True])
async def test_what_never_starts_enters_none(is_async: bool) -> None:
    linker: Linker[Event] = Linker()
    log: Log = []
    linker.surround(noting_async(log, "async") if is_async else noting(log, "plain"), OrderPaid)
    linker.subscribe(OrderPaid, lambda event: log.append("handler"))
    emission = Emitter(linker).emit(OrderPaid())
    emission.cancel()
    assert outcomes(await emission) == [Discarded("cancelled", started=False)]
    assert log == []


def test_a_keyboard_interrupt_leaves_them_and_goes_on(linker: Linker[Event], emitter: Emitter[Event], log: Log) -> None:
    def interrupted(event: OrderPaid) -> None:
        raise KeyboardInterrupt

    linker.surround(noting(log, "it"))
    linker.subscribe(OrderPaid, interrupted)
    with pytest.warns(DiscardedEmissionsWarning), pytest.raises(KeyboardInterrupt):
        emitter.emit(OrderPaid())
    assert log == ["enter it", "leave it with KeyboardInterrupt"]


def test_at_the_end_of_asyncio_run_they_are_left_with_the_cancellation(
    linker: Linker[Event], emitter: Emitter[Event], log: Log
) -> None:
    linker.surround(noting_async(log, "async"))
    linker.surround(noting(log, "plain"))

    @linker.on(OrderPaid)
    async def hang(event: OrderPaid) -> None:
        await asyncio.Event().wait()

    async def main() -> None:
        emitter.emit(OrderPaid())
        while len(log) < 2:
            await asyncio.sleep(0)

    with pytest.warns(DiscardedEmissionsWarning):
        asyncio.run(main())
    assert log[2:] == ["leave plain with CancelledError", "leave async with CancelledError"]


def test_where_its_coroutine_is_closed_a_plain_manager_is_left_and_the_report_names_the_async_one(
    linker: Linker[Event], emitter: Emitter[Event], log: Log
) -> None:
    class Slow:
        def __init__(self, delivery: Delivery[Event]) -> None: ...

        async def __aenter__(self) -> None:
            log.append("enter slow")

        async def __aexit__(
            self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
        ) -> None:
            log.append("begins to leave slow")
            await asyncio.sleep(0)
            log.append("has left slow")

    linker.surround(noting(log, "outer"))
    linker.surround(Slow)
    linker.surround(noting(log, "inner"))

    @linker.on(OrderPaid)
    async def hang(event: OrderPaid) -> None:
        await asyncio.Event().wait()

    loop = asyncio.new_event_loop()

    async def main() -> Emission[OrderPaid]:
        emission = emitter.emit(OrderPaid())
        while len(log) < 3:
            await asyncio.sleep(0)
        return emission

    emission = loop.run_until_complete(main())
    with pytest.warns(
        DiscardedEmissionsWarning, match=r"Async context managers were left no further .*Slow around .*hang"
    ):
        loop.close()
    assert log[3:] == ["leave inner with GeneratorExit", "begins to leave slow", "leave outer with GeneratorExit"]
    assert outcomes(emission) == [Discarded("loop closed", started=True)]


def test_one_that_swallows_the_closing_of_its_coroutine_does_not_keep_it_going(
    linker: Linker[Event], emitter: Emitter[Event], log: Log
) -> None:
    linker.surround(lambda delivery: suppress(BaseException))

    async def hang(event: OrderPaid) -> None:
        log.append("handler")
        await asyncio.Event().wait()

    linker.subscribe(OrderPaid, hang, on_success=lambda result: log.append("success"))
    loop = asyncio.new_event_loop()

    async def main() -> Emission[OrderPaid]:
        emission = emitter.emit(OrderPaid())
        while not log:
            await asyncio.sleep(0)
        return emission

    emission = loop.run_until_complete(main())
    with pytest.warns(DiscardedEmissionsWarning):
        loop.close()
    assert log == ["handler"]
    assert outcomes(emission) == [Discarded("loop closed", started=True)]


# ---------------------------------------------------------------- A4: who has none
def test_the_call_of_a_handler_that_has_none_is_the_handler_itself(linker: Linker[Event], log: Log) -> None:
    def handler(event: OrderPaid) -> None: ...

    linker.subscribe(OrderPaid, handler)
    linker.surround(noting(log, "it"), OrderPlaced)
    assert linker._find(OrderPaid).calls == (handler,)


# ---------------------------------------------------------------- processors and places where nothing can be awaited
def test_sync_processor_runs_plain_managers_and_refuses_async_ones(linker: Linker[Event], log: Log) -> None:
    emitter = Emitter(linker, SyncProcessor())
    linker.surround(noting(log, "it"))
    linker.subscribe(OrderPaid, lambda event: log.append("handler"))
    emitter.emit(OrderPaid())
    assert log == ["enter it", "handler", "leave it"]
    linker.surround(noting_async(log, "async"), OrderPaid)
    with pytest.raises(DefinitionError, match="An async context manager is around .* Write it as a plain one"):
        emitter.emit(OrderPaid())
    assert len(log) == 3


def test_sync_processor_fails_the_delivery_of_one_that_turns_out_to_be_async(linker: Linker[Event], log: Log) -> None:
    hidden = noting_async(log, "async")
    linker.surround(noting(log, "outer"))
    linker.surround(lambda delivery: hidden(delivery))
    linker.subscribe(OrderPaid, lambda event: log.append("handler"))
    (outcome,) = outcomes(Emitter(linker, SyncProcessor()).emit(OrderPaid()))
    assert isinstance(outcome, Failed) and isinstance(outcome.error, DefinitionError)
    assert log == ["enter outer", "leave outer with DefinitionError"]


async def test_ask_sync_in_a_loop_refuses_an_answer_with_an_async_manager(
    linker: Linker[Event], emitter: Emitter[Event], log: Log
) -> None:
    linker.surround(noting_async(log, "async"))

    @linker.answer(Price)
    def price(event: Price) -> int:
        return 150

    with pytest.raises(DefinitionError, match=re.escape("has an async context manager around it, and ask_sync")):
        emitter.ask_sync(Price("tea"))
    assert await emitter.ask(Price("tea")) == 150


# ---------------------------------------------------------------- bad input
def generator_function(delivery: Delivery[Event]) -> Generator[None]:
    yield


async def async_generator_function(delivery: Delivery[Event]) -> AsyncGenerator[None]:
    yield


async def coroutine_function(delivery: Delivery[Event]) -> None: ...


@contextmanager
def takes_none() -> Generator[None]:
    yield


class NoManager:
    def __init__(self, delivery: Delivery[Event]) -> None: ...


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (generator_function, "generator_function is a generator function: .* Put @contextmanager above it"),
        (async_generator_function, "is an async generator function: .* Put @asynccontextmanager above it"),
        (coroutine_function, "coroutine_function is async: calling it makes a coroutine"),
        (partial(generator_function), "is a generator function"),
        (takes_none, "takes_none cannot be called with one positional argument, the delivery"),
        (lambda: nullcontext(), "cannot be called with one positional argument, the delivery"),
        (NoManager, "NoManager is a class whose instances are not context managers"),
        (nullcontext(), "is one context manager, and each delivery needs its own"),
        (threading.Lock(), "is one context manager, and each delivery needs its own"),
        (None, "None cannot be called"),
    ],
)
def test_what_makes_no_manager_is_refused_at_once(linker: Linker[Event], wrong: Any, message: str) -> None:
    with pytest.raises(NotAManager, match=message) as caught:
        linker.around(OrderPaid)(wrong)
    assert caught.value.found is wrong
    with pytest.raises(NotAManager, match=message):
        linker.surround(untyped(wrong), OrderPaid)
    emission = Emitter(linker).emit(OrderPaid())
    assert emission.deliveries == ()


@pytest.mark.parametrize("form", [contextmanager, lambda function: function, classmethod])
def test_a_manager_decorated_in_a_class_body_is_refused_there(linker: Linker[Event], form: Any) -> None:
    def around(method: T) -> T:  # what a checker thinks of a decorator that nobody typed
        return untyped(linker.around(OrderPaid))(form(method))  # type: ignore[no-any-return]  # called with what no checker lets through

    with pytest.raises(
        NotAManager, match=r"class.* Pass the method of an instance: linker\.surround\(instance\.method"
    ):

        class Shop:
            @around
            def transaction(self, delivery: Delivery[OrderPaid]) -> Generator[None]:
                yield

    with pytest.raises(NotAManager, match=r"class.* Pass the method of an instance"):

        class Shop:  # type: ignore[no-redef]  # once more: called with the delivery as self, it would even fit
            @around
            def transaction(self) -> Generator[None]:
                yield


class Accounts:
    @contextmanager
    def transaction(self) -> Generator[None]:
        yield


def test_a_manager_that_is_a_function_of_a_class_is_refused(linker: Linker[Event]) -> None:
    with pytest.raises(
        NotAManager, match=r"Accounts\.transaction is a function of a class body: .*the delivery as self"
    ):
        linker.surround(untyped(Accounts.transaction), OrderPaid)


def test_what_is_no_event_is_refused_at_once(linker: Linker[Event]) -> None:
    wrong: Any = int
    with pytest.raises(NotAnEvent, match="int"):
        linker.around(wrong)
    with pytest.raises(NotAnEvent, match="int"):
        linker.surround(lambda delivery: nullcontext(), wrong)
    other: Any = Linker[OrderPaid]()
    with pytest.raises(ForeignEvent):
        other.around(OrderPlaced)


@pytest.mark.parametrize("returned", [None, 42, "coroutine"])
def test_a_manager_that_returns_no_manager_fails_the_delivery(
    linker: Linker[Event], emitter: Emitter[Event], returned: object
) -> None:
    make: Any = (
        (lambda delivery: coroutine_function(delivery)) if returned == "coroutine" else (lambda delivery: returned)
    )
    linker.surround(make)
    linker.subscribe(OrderPaid, lambda event: None)
    (outcome,) = outcomes(emitter.emit(OrderPaid()))
    assert isinstance(outcome, Failed)
    with pytest.raises(NotAManager, match="which is not a context manager. Put @contextmanager"):
        raise outcome.error


def test_one_that_yields_twice_fails_the_delivery_and_says_so(linker: Linker[Event], emitter: Emitter[Event]) -> None:
    @linker.around(OrderPaid)
    @contextmanager
    def twice(delivery: Delivery[OrderPaid]) -> Generator[None]:
        yield
        yield

    linker.subscribe(OrderPaid, lambda event: None)
    (outcome,) = outcomes(emitter.emit(OrderPaid()))
    assert isinstance(outcome, Failed)
    assert any("twice must yield exactly once" in note for note in outcome.error.__notes__)
