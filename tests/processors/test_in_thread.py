"""Blocking handlers in worker threads: where they run, and that a started thread cannot be stopped (R3, R4, R7)."""

import asyncio
import contextvars
import logging
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager, nullcontext
from functools import partial
from typing import Any

import pytest
from typing_extensions import override

from pyventus_typed import (
    AsyncIOProcessor,
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
)
from pyventus_typed.errors import EmissionFailed
from tests.events import OrderPaid, OrderPlaced, Price
from tests.programs import run_python

from .clock import HandTurned, by_hand

SOON = 10  # seconds after which a test gives up; nothing waits for so long


async def until(condition: threading.Event) -> None:
    """Let the loop turn until a thread has set *condition*."""
    assert await asyncio.to_thread(condition.wait, SOON)


@pytest.fixture
def logged() -> Iterator[threading.Event]:
    """Set when anything is logged."""

    class Bell(logging.Handler):
        @override
        def emit(self, record: logging.LogRecord) -> None:
            rung.set()

    rung, bell = threading.Event(), Bell()
    log = logging.getLogger("pyventus_typed")
    log.addHandler(bell)
    yield rung
    log.removeHandler(bell)


async def test_it_runs_in_another_thread_when_a_loop_is_running() -> None:
    linker, threads = Linker(), list[int]()
    linker.subscribe(OrderPlaced, lambda event: threads.append(threading.get_ident()), in_thread=True)
    await Emitter(linker).emit(OrderPlaced())
    assert threads
    assert threads[0] != threading.get_ident()


def test_it_runs_inline_when_no_loop_is_running() -> None:
    linker, threads = Linker(), list[int]()
    linker.subscribe(OrderPlaced, lambda event: threads.append(threading.get_ident()), in_thread=True)
    Emitter(linker).emit(OrderPlaced())
    assert threads == [threading.get_ident()]


async def test_the_loop_goes_on_while_it_blocks() -> None:
    linker, go = Linker(), threading.Event()
    linker.subscribe(OrderPlaced, lambda event: go.wait(SOON), in_thread=True)
    emission = Emitter(linker).emit(OrderPlaced())
    await asyncio.sleep(0)
    go.set()  # could not happen otherwise
    await emission
    assert emission.deliveries[0].outcome == Completed(True)


@pytest.mark.parametrize("error", [ValueError("x"), asyncio.CancelledError(), LookupError()])
async def test_what_it_raises_is_its_outcome(error: BaseException) -> None:
    linker = Linker()

    def handler(event: Event) -> None:
        raise error

    linker.subscribe(OrderPlaced, handler, in_thread=True, on_failure=lambda event, error: None)
    emission = await Emitter(linker).emit(OrderPlaced()).wait()
    expected = Failed(error) if isinstance(error, Exception) else Cancelled()
    assert emission.deliveries[0].outcome == expected


async def test_a_stop_iteration_out_of_a_thread_is_a_failure() -> None:
    linker = Linker()
    linker.subscribe(OrderPlaced, lambda event: next(iter(())), in_thread=True, on_failure=lambda event, error: None)
    emission = Emitter(linker).emit(OrderPlaced())
    async with asyncio.timeout(SOON):
        await emission.wait()
    outcome = emission.deliveries[0].outcome
    assert isinstance(outcome, Failed)
    assert isinstance(outcome.error, StopIteration)


async def test_it_sees_the_emitters_context_and_leaks_nothing() -> None:
    user: contextvars.ContextVar[str] = contextvars.ContextVar("user", default="nobody")
    linker, seen = Linker(), list[str]()

    def handler(event: Event) -> None:
        seen.append(user.get())
        user.set("the handler's")

    linker.subscribe(OrderPlaced, handler, in_thread=True)
    linker.subscribe(OrderPlaced, handler, in_thread=True)
    user.set("ada")
    await Emitter(linker).emit(OrderPlaced())
    assert seen == ["ada", "ada"]
    assert user.get() == "ada"


async def test_callbacks_run_in_the_loop() -> None:
    linker, threads = Linker(), list[int]()
    linker.subscribe(
        OrderPlaced, lambda event: 1, in_thread=True, on_success=lambda result: threads.append(threading.get_ident())
    )
    await Emitter(linker).emit(OrderPlaced())
    assert threads == [threading.get_ident()]


@contextmanager
def plain_manager(_: object) -> Iterator[None]:
    yield


@asynccontextmanager
async def async_manager(_: object) -> AsyncIterator[None]:
    yield


@pytest.mark.parametrize("ordering", [Ordering.CONCURRENT, Ordering.MAILBOX])
@pytest.mark.parametrize("manager", [None, plain_manager, async_manager])
@pytest.mark.parametrize("timeout", [None, SOON])
@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("is_async", [False, True])
async def test_a_callback_sees_what_its_handler_has_set_and_can_reset_it(
    ordering: Ordering,
    manager: Any,
    timeout: float | None,
    *,
    fails: bool,
    is_async: bool,  # Any: of either kind
) -> None:
    user: contextvars.ContextVar[str] = contextvars.ContextVar("user", default="nobody")
    linker, seen, tokens = Linker[Event](), list[str](), list[contextvars.Token[str]]()

    def handler(event: OrderPlaced) -> None:
        tokens.append(user.set("the handler's"))
        if fails:
            raise LookupError

    def plain(*_: object) -> None:
        seen.append(user.get())
        user.reset(tokens[0])
        seen.append(user.get())

    async def waits(*_: object) -> None:
        await asyncio.sleep(0)
        plain()

    callback = waits if is_async else plain
    linker.subscribe(OrderPlaced, handler, in_thread=True, timeout=timeout, on_success=callback, on_failure=callback)
    if manager is not None:
        linker.surround(manager, OrderPlaced)
    await asyncio_emitter(linker, ordering=ordering).emit(OrderPlaced()).wait()
    assert seen == ["the handler's", "nobody"]


@pytest.mark.parametrize("in_thread", [True, False])
@pytest.mark.parametrize("is_async", [True, False])
@pytest.mark.parametrize("default", ["nobody", None])
async def test_a_callback_does_not_see_what_managers_have_set_who_were_left(
    default: str | None, *, is_async: bool, in_thread: bool
) -> None:
    managers: contextvars.ContextVar[str | None] = contextvars.ContextVar("managers")
    handlers: contextvars.ContextVar[str | None] = contextvars.ContextVar("handlers", default=default)
    linker, seen = Linker[Event](), list[object]()

    @contextmanager
    def manager(_: object) -> Iterator[None]:
        token = managers.set("the manager's")
        yield
        managers.reset(token)

    @asynccontextmanager
    async def async_manager(delivery: object) -> AsyncIterator[None]:
        with manager(delivery):
            yield

    def handler(event: OrderPlaced) -> None:
        seen.append(managers.get())
        handlers.set("the handler's")

    def callback(_: object) -> None:
        seen.extend((managers.get("none"), handlers.get()))

    linker.surround(async_manager if is_async else manager, OrderPlaced)
    linker.subscribe(OrderPlaced, handler, in_thread=in_thread, on_success=callback)
    await Emitter(linker).emit(OrderPlaced())
    assert seen == ["the manager's", "none", "the handler's"]


# ---------------------------------------------------------------- a started thread cannot be stopped
async def test_cancelling_waits_for_it_and_its_result_counts() -> None:
    linker, begun, go = Linker(), threading.Event(), threading.Event()

    def handler(event: Event) -> str:
        begun.set()
        go.wait(SOON)
        return "done"

    linker.subscribe(OrderPlaced, handler, in_thread=True)
    emission = Emitter(linker).emit(OrderPlaced())
    await until(begun)
    assert emission.cancel()
    for _ in range(10):
        await asyncio.sleep(0)
    assert emission.deliveries[0].outcome is None
    go.set()
    await emission
    assert emission.deliveries[0].outcome == Completed("done")


async def test_one_that_still_waits_for_a_worker_never_runs_when_it_is_cancelled() -> None:
    linker, begun, go, seen = Linker(), asyncio.Event(), threading.Event(), list[int]()
    executor, loop = ThreadPoolExecutor(1), asyncio.get_running_loop()
    loop.set_default_executor(executor)

    def handler(event: OrderPlaced) -> None:
        loop.call_soon_threadsafe(begun.set)
        go.wait(SOON)
        seen.append(event.order)

    linker.subscribe(OrderPlaced, handler, in_thread=True)
    emitter = Emitter(linker)
    first, second = emitter.emit(OrderPlaced(1)), emitter.emit(OrderPlaced(2))
    await begun.wait()
    assert second.cancel()
    await second.wait()
    go.set()
    await first
    executor.shutdown()
    assert seen == [1]
    assert second.deliveries[0].outcome == Discarded("cancelled", started=False)


@pytest.mark.parametrize("ordering", [Ordering.CONCURRENT, Ordering.MAILBOX])
@pytest.mark.parametrize("way", ["emit", "emit around which there is a manager", "publish"])
async def test_one_that_was_cancelled_does_not_begin_when_a_worker_is_free_in_the_same_step(
    way: str, ordering: Ordering
) -> None:
    linker, go, seen, executor = Linker(), threading.Event(), list[object](), ThreadPoolExecutor(1)
    loop = asyncio.get_running_loop()
    loop.set_default_executor(executor)
    blocks = executor.submit(go.wait, SOON)
    linker.subscribe(OrderPlaced, seen.append, in_thread=True)
    if "manager" in way:
        linker.surround(lambda delivery: nullcontext(), OrderPlaced)
    emitter = Emitter(linker, AsyncIOProcessor(ordering=ordering))
    cancel: Callable[[], bool]
    if way == "publish":
        cancel = asyncio.ensure_future(emitter.publish(OrderPlaced())).cancel
    else:
        cancel = emitter.emit(OrderPlaced()).cancel
    for _ in range(5):
        await asyncio.sleep(0)  # it waits for a worker
    assert cancel()
    go.set()
    blocks.result()
    executor.submit(int).result()  # behind it: the worker has been free, and the loop has not turned
    assert await emitter.wait_for_tasks()
    assert seen == []
    assert emitter.tally.completed == 0


@pytest.mark.parametrize("ordering", Ordering)
@pytest.mark.parametrize("has_begun", [True, False], ids=["it runs", "it waits for a worker"])
@pytest.mark.parametrize("behind", [0, 2], ids=["it is the last", "others are behind it"])
@pytest.mark.parametrize("cancels", ["the emission", "who waits"])
@pytest.mark.parametrize("way", ["emit", "publish", "ask"])
async def test_however_it_is_cancelled_each_delivery_has_an_outcome_and_says_whether_it_was_started(
    way: str, cancels: str, behind: int, ordering: Ordering, *, has_begun: bool
) -> None:
    linker, begun, go, executor = Linker(), asyncio.Event(), threading.Event(), ThreadPoolExecutor(1)
    loop, emissions, ran = asyncio.get_running_loop(), list[Emission[Event]](), set[Callable[..., object]]()
    loop.set_default_executor(executor)
    if not has_begun:
        executor.submit(go.wait, SOON)

    def plain(event: Event) -> None:
        emission = current_emission()
        assert emission is not None
        emissions.append(emission)
        ran.add(plain)

    def blocking(event: Event) -> int:
        loop.call_soon_threadsafe(begun.set)
        go.wait(SOON)
        ran.add(blocking)
        return 3

    linker.answer(Price, in_thread=True)(blocking)
    for kind in (OrderPlaced, Price):
        linker.subscribe(kind, plain)
    linker.subscribe(OrderPlaced, blocking, in_thread=True)
    for _ in range(behind):
        linker.subscribe(OrderPlaced, partial(plain))
    emitter = Emitter(linker, AsyncIOProcessor(ordering=ordering))

    async def wait() -> object:
        if way == "ask":
            return await emitter.ask(Price())
        return await (emitter.publish(OrderPlaced()) if way == "publish" else emitter.emit(OrderPlaced()))

    waiting = asyncio.create_task(wait())
    if has_begun:
        await begun.wait()
    for _ in range(10):
        await asyncio.sleep(0)
    emission = emissions[0]
    (emission if cancels == "the emission" or way == "emit" else waiting).cancel()
    for _ in range(10):
        await asyncio.sleep(0)
    assert emission.status is (Status.PENDING if has_begun else emission.status)
    go.set()
    await asyncio.wait({waiting})
    await emission.wait()
    executor.shutdown()
    assert emission.status is not Status.PENDING
    for delivery in emission.deliveries:
        handler = delivery.subscription.handler
        assert delivery.outcome is not None
        if handler is blocking:
            assert delivery.started == has_begun == (blocking in ran)
            assert (delivery.outcome == Completed(3)) == has_begun
        else:
            assert delivery.started == (delivery.outcome == Completed(None))


def test_a_timeout_counts_from_its_first_instruction_not_from_the_queue() -> None:
    async def main(loop: HandTurned) -> None:
        linker, begun, go, seen = Linker(), asyncio.Event(), threading.Semaphore(0), list[int]()
        loop.set_default_executor(ThreadPoolExecutor(1))

        def handler(event: OrderPlaced) -> None:
            loop.call_soon_threadsafe(begun.set)
            go.acquire(timeout=SOON)
            seen.append(event.order)

        linker.subscribe(OrderPlaced, handler, in_thread=True, timeout=10)
        emitter = Emitter(linker)
        for emission in [emitter.emit(OrderPlaced(number)) for number in range(4)]:  # the last one begins at 27
            await begun.wait()
            begun.clear()
            await loop.advance(9)
            go.release()
            await emission
        assert seen == [0, 1, 2, 3]

    by_hand(main)


def test_a_timeout_counts_once_however_often_it_is_cancelled() -> None:
    async def main(loop: HandTurned) -> None:
        linker, begun, go = Linker(), asyncio.Event(), threading.Event()

        def handler(event: OrderPlaced) -> None:
            loop.call_soon_threadsafe(begun.set)
            go.wait(SOON)

        linker.subscribe(OrderPlaced, handler, in_thread=True, timeout=10)
        emission = Emitter(linker).emit(OrderPlaced())
        await begun.wait()
        for _ in range(3):
            await loop.advance(4)
            emission.cancel()
        await loop.advance(0)
        (delivery,) = emission.deliveries
        go.set()
        assert isinstance(delivery.outcome, Failed)
        assert isinstance(delivery.outcome.error, TimeoutError)

    by_hand(main)


async def test_a_timeout_settles_it_and_what_comes_late_is_logged_and_ignored(
    caplog: pytest.LogCaptureFixture, logged: threading.Event
) -> None:
    linker, go = Linker(), threading.Event()

    def handler(event: Event) -> str:
        go.wait(SOON)
        return "95% late"

    linker.subscribe(OrderPlaced, handler, in_thread=True, timeout=0.02)
    emission = Emitter(linker).emit(OrderPlaced(1))
    with pytest.raises(EmissionFailed, match="1 of 1 handler failed for OrderPlaced") as caught:
        await emission
    assert isinstance(caught.value.exceptions[0], TimeoutError)
    assert str(caught.value.exceptions[0]).endswith("handler did not return within 0.02 seconds")
    assert not logged.is_set()
    go.set()
    await until(logged)
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "came late for OrderPlaced(order=1), after its timeout: '95% late' is ignored" in record.getMessage()
    assert isinstance(emission.deliveries[0].outcome, Failed)


async def test_a_late_result_may_have_a_hostile_repr(caplog: pytest.LogCaptureFixture, logged: threading.Event) -> None:
    class Hostile:
        @override
        def __repr__(self) -> str:
            raise RuntimeError("no")

    linker, go = Linker(), threading.Event()

    def handler(event: Event) -> Hostile:
        go.wait(SOON)
        return Hostile()

    linker.subscribe(OrderPlaced, handler, in_thread=True, timeout=0.02, on_failure=lambda event, error: None)
    await Emitter(linker).emit(OrderPlaced(1)).wait()
    go.set()
    await until(logged)
    assert ["whose repr raised RuntimeError" in record.getMessage() for record in caplog.records] == [True]


def test_after_a_timeout_it_keeps_its_place_in_the_order_until_it_returns() -> None:
    async def main(loop: HandTurned) -> None:
        linker, begun, go, log = Linker(), asyncio.Event(), threading.Event(), list[str]()
        loop.set_default_executor(ThreadPoolExecutor(2))  # one is left for whoever does not wait for his turn

        def handler(event: OrderPlaced) -> None:
            log.append(f"begin {event.order}")
            loop.call_soon_threadsafe(begun.set)
            if not event.order:
                go.wait(SOON)
            log.append(f"end {event.order}")

        linker.subscribe(OrderPlaced, handler, in_thread=True, timeout=30, on_failure=lambda event, error: None)
        emitter = asyncio_emitter(linker, ordering=Ordering.MAILBOX)
        first, second = emitter.emit(OrderPlaced(0)), emitter.emit(OrderPlaced(1))
        await begun.wait()
        await loop.advance(30)
        assert first.status is Status.FAILED
        await asyncio.to_thread(lambda: None)  # what was handed to the threads before has begun
        assert log == ["begin 0"]
        go.set()
        await second
        assert log == ["begin 0", "end 0", "begin 1", "end 1"]

    by_hand(main)


@pytest.mark.parametrize("blocks_first", [True, False])
def test_after_a_timeout_it_keeps_only_its_own_mailbox_and_not_those_of_its_neighbours(*, blocks_first: bool) -> None:
    async def main(loop: HandTurned) -> None:
        linker, begun, go, log = Linker(), asyncio.Event(), threading.Event(), list[int]()

        def blocks(event: OrderPlaced) -> None:
            loop.call_soon_threadsafe(begun.set)
            if not event.order:
                go.wait(SOON)

        async def turns(event: OrderPlaced) -> None:
            await asyncio.sleep(60 if not event.order else 0)
            log.append(event.order)

        if blocks_first:
            linker.subscribe(OrderPlaced, blocks, in_thread=True, timeout=30, on_failure=lambda event, error: None)
        linker.subscribe(OrderPlaced, turns)
        if not blocks_first:
            linker.subscribe(OrderPlaced, blocks, in_thread=True, timeout=30, on_failure=lambda event, error: None)
        emitter = asyncio_emitter(linker, ordering=Ordering.MAILBOX)
        emissions = [emitter.emit(OrderPlaced(order)) for order in range(3)]
        await begun.wait()
        await loop.advance(30)
        await loop.advance(30)
        assert log == [0, 1, 2]
        assert [one.status for one in emissions] == [Status.FAILED, Status.PENDING, Status.PENDING]
        go.set()
        assert await emitter.wait_for_tasks(SOON)
        assert [one.status for one in emissions[1:]] == [Status.COMPLETED] * 2

    by_hand(main)


def test_one_that_still_waits_for_a_worker_never_runs_when_its_loop_is_closed() -> None:
    linker, begun, go, seen = Linker(), asyncio.Event(), threading.Event(), list[int]()
    told: list[Emission[Event]] = []
    executor = ThreadPoolExecutor(1)
    loop = asyncio.new_event_loop()
    loop.set_default_executor(executor)

    def handler(event: OrderPlaced) -> None:
        loop.call_soon_threadsafe(begun.set)
        go.wait(SOON)
        seen.append(event.order)

    linker.subscribe(OrderPlaced, handler, in_thread=True)
    emitter = asyncio_emitter(linker, on_discard=told.extend)

    async def main() -> list[Emission[OrderPlaced]]:
        emissions = [emitter.emit(OrderPlaced(number)) for number in range(2)]
        await begun.wait()
        return emissions

    first, second = loop.run_until_complete(main())
    loop.close()
    go.set()
    executor.shutdown()
    assert seen == [0]
    assert first.deliveries[0].outcome == Discarded("loop closed", started=True)
    assert second.deliveries[0].outcome == Discarded("loop closed", started=False)


# ---------------------------------------------------------------- R7, seen from a handler
async def test_what_it_emits_is_handed_to_the_loop_of_its_delivery() -> None:
    linker, found = Linker(), list[tuple[object, int]]()
    emitter = Emitter(linker)
    linker.subscribe(OrderPlaced, lambda event: emitter.emit(OrderPaid(event.order)), in_thread=True)

    @linker.on(OrderPaid)
    async def paid(event: OrderPaid) -> None:
        found.append((asyncio.get_running_loop(), threading.get_ident()))

    parent = emitter.emit(OrderPlaced(1))
    assert await emitter.wait_for_tasks()
    assert found == [(asyncio.get_running_loop(), threading.get_ident())]
    assert parent.deliveries[0].outcome is not None
    assert emitter.tally.completed == 2


async def test_the_worker_thread_forgets_the_loop_it_worked_for() -> None:
    linker, ran = Linker(), list[int]()
    emitter = Emitter(linker)
    executor = ThreadPoolExecutor(1)
    asyncio.get_running_loop().set_default_executor(executor)
    linker.subscribe(OrderPlaced, lambda event: None, in_thread=True)
    await emitter.emit(OrderPlaced())
    linker.subscribe(OrderPaid, lambda event: ran.append(threading.get_ident()))
    await asyncio.wrap_future(executor.submit(lambda: emitter.emit(OrderPaid())))
    assert ran
    assert ran[0] != threading.get_ident()


def test_without_a_loop_emit_waits_for_a_thread_that_is_late_and_for_what_that_emits() -> None:
    linker, go, paid = Linker[Event](), threading.Event(), list[int]()
    emitter = asyncio_emitter(linker)

    def blocks(event: OrderPlaced) -> None:
        go.wait(SOON)
        threading.Event().wait(0.05)  # time in which emit would return, if it did not wait
        emitter.emit(OrderPaid(event.order))

    @linker.on(OrderPlaced, priority=1)
    async def first(event: OrderPlaced) -> None:
        """From here on there is a loop, and what blocks has a thread of its own."""

    linker.subscribe(OrderPlaced, blocks, in_thread=True, timeout=0.02, on_failure=lambda event, error: go.set())
    linker.subscribe(OrderPaid, lambda event: paid.append(event.order))
    emission = emitter.emit(OrderPlaced(7))
    assert isinstance(emission.deliveries[1].outcome, Failed)
    assert (paid, emitter.tally.pending, emitter.tally.discarded) == ([7], 0, 0)


@pytest.mark.parametrize("is_first", [True, False])
def test_without_a_loop_emit_returns_whether_a_thread_or_what_it_has_emitted_ends_first(*, is_first: bool) -> None:
    linker, paid = Linker[Event](), threading.Event()
    emitter = asyncio_emitter(linker)

    def blocks(event: OrderPlaced) -> None:
        emitter.emit(OrderPaid(event.order))
        if not is_first:
            assert paid.wait(SOON)

    async def first(event: OrderPlaced) -> None:
        """From here on there is a loop, and what blocks has a thread of its own."""

    linker.subscribe(OrderPlaced, first)
    linker.subscribe(OrderPlaced, blocks, in_thread=True)
    linker.subscribe(OrderPaid, lambda event: paid.set())
    for n in range(20):
        paid.clear()
        assert emitter.emit(OrderPlaced(n)).status is Status.COMPLETED
        assert paid.is_set()
    assert emitter.tally.completed == 40


def test_what_a_blocking_handler_emits_through_another_processor_is_waited_for_in_a_fresh_loop() -> None:
    done: list[Event] = []
    inner, outer = Linker[Event](), Linker[Event]()
    through = Emitter(inner)  # its first emission comes from the worker thread

    @inner.on(OrderPaid)
    async def later(event: OrderPaid) -> None:
        for _ in range(20):
            await asyncio.sleep(0)
        done.append(event)

    @outer.on(OrderPlaced)
    async def makes_the_loop(event: OrderPlaced) -> None:
        await asyncio.sleep(0)

    outer.subscribe(OrderPlaced, lambda event: through.emit(OrderPaid()), in_thread=True)
    emission = Emitter(outer).emit(OrderPlaced())
    assert emission.status is Status.COMPLETED
    assert done == [OrderPaid()]


# ---------------------------------------------------------------- the end of the program, in a process of its own
AT_EXIT = """
import asyncio, sys, threading, time
from dataclasses import dataclass
from pyventus_typed import *

@dataclass(frozen=True)
class Parcel(Event):
    n: int

linker = Linker()
emitter = Emitter(linker)
running = threading.Event()

@linker.on(Parcel, in_thread=True)
def block(parcel):
    running.set()
    time.sleep(0.2)
    print("ended")

async def main():
    emission = await emitter.emit(Parcel(1)).wait()
    print(emission.status.value, *emission.deliveries)
"""
STILL_RUNS = """
threading.Thread(target=lambda: asyncio.run(main()), daemon=True).start()
running.wait()
"""
STARTS_LATER = """
threading.Thread(target=lambda: (threading.main_thread().join(), asyncio.run(main()))).start()
"""


def test_the_end_of_the_program_waits_for_a_thread_that_runs() -> None:
    ended = run_python("-c", AT_EXIT + STILL_RUNS)
    assert ended.code == 0
    assert ended.stdout.startswith("ended\n")
    assert "Traceback" not in ended.stderr


def test_after_the_end_of_the_main_thread_a_blocking_handler_fails_with_the_reason() -> None:
    ended = run_python("-c", AT_EXIT + STARTS_LATER)
    assert ended.code == 0
    assert ended.stdout.startswith("failed ")
    assert "__main__.block has in_thread=True, and there is no worker thread for it" in ended.stdout
    assert ended.stderr.count("__main__.block failed for Parcel(n=1)") == 1
