"""What was reproduced in pyventus 0.8.0 and in other libraries, each as a scenario that this one passes.

The numbers are those of the list of defects that this package was started from. Promises have their own tests; these are
the stories, told once more in the words of the bug.
"""

import asyncio
import contextlib
import contextvars
import functools
import logging
import sys
import threading
from collections.abc import Callable
from dataclasses import make_dataclass
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock

import pytest

import pyventus_typed
from pyventus_typed import (
    Cancelled,
    Completed,
    Discarded,
    Emitter,
    Event,
    Failed,
    Linker,
    Ordering,
    Status,
    asyncio_emitter,
)
from pyventus_typed.errors import NotAnEvent
from tests.events import OrderPaid, OrderPlaced, Shipped, untyped
from tests.programs import run_python


def test_d1_the_package_says_that_it_is_typed() -> None:
    assert (Path(pyventus_typed.__file__).parent / "py.typed").exists()


def test_d2_a_decorated_handler_can_be_called() -> None:
    @Linker().on(OrderPlaced)
    def handler(event: OrderPlaced) -> int:
        return event.order

    assert handler(OrderPlaced(3)) == 3


def test_d4_billing_does_not_receive_what_auth_emits() -> None:
    billing, auth = (
        make_dataclass("UserCreated", [("number", int)], bases=(Event,), frozen=True, namespace={"__module__": module})
        for module in ("billing", "auth")
    )
    linker, seen = Linker(), list[str]()
    linker.subscribe(untyped(billing), lambda event: seen.append("billing"))
    linker.subscribe(untyped(auth), lambda event: seen.append("auth"))
    Emitter(linker).emit(untyped(auth)(1))
    assert seen == ["auth"]
    with pytest.raises(NotAnEvent):
        Emitter(linker).emit(untyped("UserCreated"))
    with pytest.raises(NotAnEvent):
        Emitter(linker).emit(untyped("ellipsis"))


def test_d9_five_thousand_nested_emissions_need_no_stack() -> None:
    linker, deepest = Linker(), list[int]()
    emitter = Emitter(linker)

    @linker.on(OrderPlaced)
    def handler(event: OrderPlaced) -> None:
        if event.order < 5_000:
            emitter.emit(OrderPlaced(event.order + 1))
        deepest.append(len(list(stack())))

    def stack() -> Any:  # Any: frames
        frame = sys._getframe()
        while frame is not None:
            yield frame
            frame = untyped(frame.f_back)

    emitter.emit(OrderPlaced())
    assert len(deepest) == 5_001
    assert len(set(deepest)) == 1


@pytest.mark.parametrize("make", ["partial", "lambda", "AsyncMock"])
async def test_d13_async_callables_that_are_no_plain_functions_are_awaited(make: str) -> None:
    awaited: list[object] = []

    async def work(event: object) -> None:
        awaited.append(event)

    handlers: dict[str, Callable[[OrderPlaced], object]] = {
        "partial": functools.partial(work),
        "lambda": lambda event: work(event),
        "AsyncMock": AsyncMock(side_effect=work),
    }
    told: list[object] = []
    linker = Linker()
    linker.subscribe(OrderPlaced, handlers[make], on_success=told.append)
    await Emitter(linker).emit(OrderPlaced())
    assert awaited == [OrderPlaced()]
    assert told == [None]


def test_d14_an_exception_in_a_callback_is_heard_of(caplog: pytest.LogCaptureFixture) -> None:
    linker = Linker()
    linker.subscribe(OrderPlaced, lambda event: 1, on_success=lambda result: result / 0)
    emission = Emitter(linker).emit(OrderPlaced())
    assert emission.status is Status.FAILED
    assert "ZeroDivisionError" in caplog.text


def test_d15_d16_a_percent_sign_loses_nothing_with_or_without_a_tracer(caplog: pytest.LogCaptureFixture) -> None:
    linker, told = Linker(), list[str]()

    @linker.on(OrderPlaced, on_failure=lambda event, error: told.append(str(error)))
    def full(event: OrderPlaced) -> None:
        raise ValueError("disk 95% full")

    @linker.on(Shipped)
    def off(event: Shipped) -> None:
        raise ValueError("50% off")

    before = sys.gettrace()
    for tracer in (None, lambda frame, what, argument: None):
        sys.settrace(untyped(tracer))
        try:
            Emitter(linker).emit(OrderPlaced())
            Emitter(linker).emit(Shipped())
        finally:
            sys.settrace(before)
    assert told == ["disk 95% full"] * 2
    assert caplog.text.count("ValueError: 50% off") == 2


def test_d17_the_success_callback_is_called_with_none_too() -> None:
    linker, told = Linker(), list[tuple[object, ...]]()
    linker.subscribe(OrderPlaced, lambda event: None, on_success=lambda *arguments: told.append(arguments))
    Emitter(linker).emit(OrderPlaced())
    assert told == [(None,)]


def test_d18_a_cancelled_error_in_a_handler_is_in_the_books() -> None:
    linker = Linker()

    @linker.on(OrderPlaced)
    async def handler(event: OrderPlaced) -> None:
        raise asyncio.CancelledError

    emitter = Emitter(linker)
    assert emitter.emit(OrderPlaced()).deliveries[0].outcome == Cancelled()
    assert emitter.tally.cancelled == 1


def test_d19_importing_writes_nothing_and_an_error_is_logged_once_naming_event_and_handler() -> None:
    ended = run_python(
        "-c",
        "import logging; logging.basicConfig(format='%(message)s')\n"
        "from dataclasses import dataclass; from pyventus_typed import *\n"
        "@dataclass(frozen=True)\nclass Sold(Event): ...\n"
        "def handler(event): raise ValueError('boom')\n"
        "l = Linker(); l.subscribe(Sold, handler); Emitter(l).emit(Sold())",
    )
    assert ended.stdout == ""
    assert ended.stderr.count("__main__.handler failed for Sold()") == 1
    assert ended.stderr.count("ValueError: boom") == 1


def test_d20_the_failure_callback_gets_the_event() -> None:
    linker, told = Linker(), list[object]()
    linker.subscribe(OrderPlaced, lambda event: 1 / 0, on_failure=lambda event, error: told.append(event))
    Emitter(linker).emit(OrderPlaced(4))
    assert told == [OrderPlaced(4)]


async def test_d25_a_second_waiter_does_not_return_early() -> None:
    linker, gate = Linker(), asyncio.Event()
    linker.subscribe(OrderPlaced, lambda event: gate.wait())
    emitter = Emitter(linker)
    emitter.emit(OrderPlaced())
    waiters = [asyncio.create_task(emitter.wait_for_tasks()) for _ in range(2)]
    for _ in range(10):
        await asyncio.sleep(0)
    assert [waiter.done() for waiter in waiters] == [False, False]
    assert emitter.tally.pending == 1
    gate.set()
    assert await asyncio.gather(*waiters) == [True, True]


async def test_d26_a_wait_that_times_out_cancels_nothing() -> None:
    linker, gate, log = Linker(), asyncio.Event(), list[str]()

    @linker.on(OrderPlaced)
    async def job(event: OrderPlaced) -> None:
        await gate.wait()
        log.append("done")

    emitter = Emitter(linker)
    emitter.emit(OrderPlaced())
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(emitter.wait_for_tasks(), 0.01)
    assert await emitter.wait_for_tasks(timeout=0.01) is False
    gate.set()
    assert await emitter.wait_for_tasks()
    assert log == ["done"]


async def test_d27_a_failing_emission_does_not_end_the_wait_for_the_others() -> None:
    linker, log = Linker(), list[str]()
    linker.subscribe(OrderPlaced, lambda event: 1 // event.order, on_failure=lambda event, error: None)

    @linker.on(OrderPlaced)
    async def slow(event: OrderPlaced) -> None:
        await asyncio.sleep(0.01)
        log.append("slow")

    emitter = Emitter(linker)
    emitter.emit(OrderPlaced(0))
    assert await emitter.wait_for_tasks()
    assert log == ["slow"]


@pytest.mark.parametrize("body_raises", [False, True])
async def test_d29_a_block_that_raises_still_lets_the_background_finish(body_raises: bool) -> None:
    linker, log = Linker(), list[str]()

    @linker.on(OrderPlaced)
    async def job(event: OrderPlaced) -> None:
        await asyncio.sleep(0.01)
        log.append("done")

    expected = pytest.raises(LookupError, match="the body's") if body_raises else contextlib.nullcontext()
    with expected:
        async with Emitter(linker) as emitter:
            emitter.emit(OrderPlaced())
            if body_raises:
                raise LookupError("the body's")
    assert log == ["done"]


@pytest.mark.parametrize("ordering", list(Ordering))
async def test_d30_an_exception_does_not_stop_the_line(ordering: Ordering) -> None:
    linker, log = Linker(), list[int]()

    @linker.on(OrderPlaced, on_failure=lambda event, error: None)
    async def handler(event: OrderPlaced) -> None:
        log.append(event.order)
        raise (asyncio.CancelledError, ValueError)[event.order % 2]

    emitter = asyncio_emitter(linker, ordering=ordering)
    for number in range(4):
        emitter.emit(OrderPlaced(number))
    assert await emitter.wait_for_tasks(timeout=5)
    assert log == [0, 1, 2, 3]


@pytest.mark.parametrize("ordering", list(Ordering))
def test_d31_a_closed_loop_does_not_stop_the_line(ordering: Ordering) -> None:
    linker, log = Linker(), list[int]()

    @linker.on(OrderPlaced)
    async def handler(event: OrderPlaced) -> None:
        log.append(event.order)
        await asyncio.sleep(0 if event.order else 10)

    emitter = asyncio_emitter(linker, ordering=ordering, on_discard=lambda emissions: None)

    async def main(number: int) -> None:
        emitter.emit(OrderPlaced(number))
        if number:
            await emitter.wait_for_tasks()
        await asyncio.sleep(0)

    asyncio.run(main(0))
    asyncio.run(main(1))
    emitter.emit(OrderPlaced(2))
    assert log == [0, 1, 2]


@pytest.mark.parametrize("in_loop", [False, True])
def test_d34_nested_emissions_are_not_reversed(in_loop: bool) -> None:
    linker, log = Linker(), list[str]()
    emitter = asyncio_emitter(linker, ordering=Ordering.SERIAL)

    @linker.on(OrderPlaced)
    async def outer(event: OrderPlaced) -> None:
        log.append("outer")
        for number in (1, 2, 3):
            emitter.emit(OrderPaid(number))

    linker.subscribe(OrderPaid, lambda event: log.append(f"inner{event.order}"))
    linker.subscribe(Shipped, lambda event: log.append("next"))

    async def main() -> None:
        emitter.emit(OrderPlaced())
        emitter.emit(Shipped())
        await emitter.wait_for_tasks()

    if in_loop:
        asyncio.run(main())
        assert log == ["outer", "next", "inner1", "inner2", "inner3"]
    else:
        emitter.emit(OrderPlaced())
        assert log == ["outer", "inner1", "inner2", "inner3"]


def test_d36_a_submission_stays_in_its_own_loop() -> None:
    linker, where = Linker(), dict[int, int]()
    emitter = asyncio_emitter(linker, ordering=Ordering.SERIAL)

    @linker.on(OrderPlaced)
    async def handler(event: OrderPlaced) -> None:
        await asyncio.sleep(0)
        where[event.order] = threading.get_ident()

    idents: dict[int, int] = {}

    def work(number: int) -> None:
        async def main() -> None:
            idents[number] = threading.get_ident()
            emitter.emit(OrderPlaced(number))
            assert await emitter.wait_for_tasks()
            assert number in where

        asyncio.run(main())

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert where == idents


def test_d38_what_the_end_of_a_loop_cuts_off_is_told() -> None:
    linker, told = Linker(), list[object]()
    linker.subscribe(OrderPlaced, lambda event: asyncio.sleep(10))
    emitter = asyncio_emitter(linker, on_discard=lambda emissions: told.extend(one.event for one in emissions))

    async def main() -> None:
        emitter.emit(OrderPlaced(1))

    asyncio.run(main())
    assert told == [OrderPlaced(1)]
    assert emitter.tally.pending == 0


def test_d40_a_sync_emit_leaves_the_threads_event_loop_alone() -> None:
    linker = Linker()
    linker.subscribe(OrderPlaced, lambda event: asyncio.sleep(0))
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        Emitter(linker).emit(OrderPlaced())
        assert asyncio.get_event_loop() is loop
    finally:
        asyncio.set_event_loop(None)
        loop.close()


def test_d41_a_sync_emit_to_sync_handlers_makes_no_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*arguments: object) -> None:
        raise AssertionError("a loop was made")

    monkeypatch.setattr(asyncio, "new_event_loop", none)
    linker, seen = Linker(), list[object]()
    linker.subscribe(OrderPlaced, seen.append)
    Emitter(linker).emit(OrderPlaced())
    assert seen == [OrderPlaced()]


async def test_d42_a_resource_bound_to_the_home_loop_is_usable_from_threads() -> None:
    linker, lock = Linker(), asyncio.Lock()

    @linker.on(OrderPlaced)
    async def handler(event: OrderPlaced) -> None:
        async with lock:
            await asyncio.sleep(0)

    async with Emitter(linker) as emitter:
        await asyncio.gather(*(asyncio.to_thread(emitter.emit, OrderPlaced(number)) for number in range(8)))
    assert emitter.tally.completed == 8


async def test_d43_an_emission_can_be_awaited_cancelled_and_inspected() -> None:
    linker = Linker()
    linker.subscribe(OrderPlaced, lambda event: event.order)
    linker.subscribe(Shipped, lambda event: asyncio.sleep(10))
    emitter = Emitter(linker)
    assert (await emitter.emit(OrderPlaced(3))).deliveries[0].outcome == Completed(3)
    shipped = emitter.emit(Shipped())
    assert shipped.cancel()
    assert shipped.deliveries[0].outcome == Discarded("cancelled", started=False)


async def test_d47_context_variables_are_seen_in_threads() -> None:
    user: contextvars.ContextVar[str] = contextvars.ContextVar("user", default="LOST")
    linker, seen = Linker(), list[str]()
    linker.subscribe(OrderPlaced, lambda event: seen.append(user.get()), in_thread=True)
    user.set("ada")
    await Emitter(linker).emit(OrderPlaced())
    assert seen == ["ada"]


async def test_d49_once_is_not_lost_when_nothing_was_accepted() -> None:
    linker, seen = Linker(), list[object]()
    subscription = linker.subscribe(OrderPlaced, seen.append, once=True)
    closed = Emitter(linker)
    await closed.aclose()
    with pytest.raises(pyventus_typed.errors.EmitterClosed):
        closed.emit(OrderPlaced())
    assert subscription.active


def test_d50_no_error_of_ours_is_one_object_that_grows() -> None:
    def one() -> BaseException:
        with pytest.raises(NotAnEvent) as caught:
            Emitter(Linker()).emit(untyped(42))
        return caught.value

    assert one() is not one()


def test_d53_an_emission_can_be_looked_at_after_its_end() -> None:
    linker = Linker()
    linker.subscribe(OrderPlaced, lambda event: None)
    emission = Emitter(linker).emit(OrderPlaced())
    assert "completed" in repr(emission)
    assert emission.event == OrderPlaced()


# ---------------------------------------------------------------- others
def test_a_local_function_is_held_and_one_failure_stops_no_other(caplog: pytest.LogCaptureFixture) -> None:
    """blinker: weak by default, and the first exception aborts."""
    linker, seen = Linker(), list[object]()

    def link() -> None:
        linker.subscribe(OrderPlaced, lambda event: 1 / 0)
        linker.subscribe(OrderPlaced, lambda event: seen.append(event))

    link()
    emission = Emitter(linker).emit(OrderPlaced())
    assert seen == [OrderPlaced()]
    assert isinstance(emission.deliveries[0].outcome, Failed)
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


def test_an_async_handler_runs_without_a_loop_too() -> None:
    """pyee: the emit returns True, and it never runs."""
    linker, seen = Linker(), list[object]()

    @linker.on(OrderPlaced)
    async def handler(event: OrderPlaced) -> None:
        seen.append(event)

    Emitter(linker).emit(OrderPlaced())
    assert seen == [OrderPlaced()]


async def test_a_wait_does_not_miss_what_handlers_emit() -> None:
    """pyee: wait_for_complete misses nested emits."""
    linker, log = Linker(), list[str]()
    emitter = Emitter(linker)

    @linker.on(OrderPlaced)
    async def placed(event: OrderPlaced) -> None:
        await asyncio.sleep(0)
        emitter.emit(OrderPaid())

    @linker.on(OrderPaid)
    async def paid(event: OrderPaid) -> None:
        await asyncio.sleep(0.01)
        log.append("paid")

    emitter.emit(OrderPlaced())
    assert await emitter.wait_for_tasks()
    assert log == ["paid"]


async def test_handlers_run_together() -> None:
    """psygnal: async callbacks strictly one after the other through one global worker."""
    linker, both = Linker(), asyncio.Barrier(2)
    linker.subscribe(OrderPlaced, lambda event: both.wait())
    linker.subscribe(OrderPlaced, lambda event: both.wait())
    async with asyncio.timeout(5):
        emission = await Emitter(linker).emit(OrderPlaced())
    assert emission.status is Status.COMPLETED


async def test_hundreds_of_emissions_may_be_pending() -> None:
    """bubus: RuntimeError after 50; abxbus: after 88."""
    linker, gate = Linker(), asyncio.Event()
    linker.subscribe(OrderPlaced, lambda event: gate.wait())
    emitter = Emitter(linker)
    for number in range(500):
        emitter.emit(OrderPlaced(number))
    assert emitter.tally.pending == 500
    gate.set()
    assert await emitter.wait_for_tasks()
