"""``await emitter.ask(request)``: one answer, or the handler's own exception (Q1-Q4)."""

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import pytest

from pyventus_typed import (
    AsyncIOProcessor,
    Emitter,
    Event,
    Linker,
    Ordering,
    PerKey,
    Request,
    Status,
    asyncio_emitter,
    current_emission,
    testing,
)
from pyventus_typed.errors import DefinitionError, EmitterClosed, NoHandler
from tests.events import OrderPaid, OrderPlaced, Price, SalePrice


async def later(request: Price) -> int:
    await asyncio.sleep(0)
    return len(request.article)


@pytest.mark.parametrize(
    "handler",
    [lambda request: len(request.article), later, lambda request: later(request)],
    ids=["sync", "async", "lambda"],
)
async def test_the_answer_is_what_the_handler_returns(handler: Callable[[Price], int]) -> None:
    linker = Linker()
    linker.answer(Price)(handler)
    assert await Emitter(linker).ask(Price("pen")) == 3


async def test_a_blocking_handler_answers_from_a_thread() -> None:
    linker = Linker()
    linker.answer(Price, in_thread=True)(lambda request: len(request.article))
    assert await Emitter(linker).ask(Price("pen")) == 3


@pytest.mark.parametrize("answer", [None, 0, False, ""])
async def test_an_answer_may_be_nothing(answer: object) -> None:
    @dataclass(frozen=True)
    class Anything(Request[object]): ...

    linker = Linker()
    linker.answer(Anything)(lambda request: answer)
    assert await Emitter(linker).ask(Anything()) is answer


async def test_the_handlers_own_exception_reaches_the_asker_and_no_log(caplog: pytest.LogCaptureFixture) -> None:
    linker, error = Linker(), LookupError("no such article")

    @linker.answer(Price)
    async def price(request: Price) -> int:
        raise error

    with pytest.raises(LookupError, match="no such article") as caught:
        await Emitter(linker).ask(Price())
    assert caught.value is error
    assert caplog.records == []


async def test_nobody_to_answer_is_said_by_name() -> None:
    linker = Linker()
    linker.subscribe(Price, print)  # told, but answers nothing
    message = r"^Nobody answers Price\. Decorate its handler with @linker\.answer\(Price\)\.$"
    with pytest.raises(NoHandler, match=message):
        await Emitter(linker).ask(Price())
    with pytest.raises(LookupError, match=message):
        await Emitter(linker).ask(Price())


async def test_the_nearest_answer_answers() -> None:
    linker = Linker()
    linker.answer(Price)(lambda request: 100)
    assert await Emitter(linker).ask(SalePrice()) == 100
    linker.answer(SalePrice)(lambda request: 50)
    assert await Emitter(linker).ask(SalePrice()) == 50
    assert await Emitter(linker).ask(Price()) == 100


# ---------------------------------------------------------------- Q2
async def test_cancelling_the_asker_cancels_the_handler() -> None:
    linker, begun, log = Linker(), asyncio.Event(), list[str]()

    @linker.answer(Price)
    async def price(request: Price) -> int:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            log.append("cleaned up")
        return 1

    emitter = Emitter(linker)
    asker = asyncio.create_task(emitter.ask(Price()))
    await begun.wait()
    asker.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asker
    assert log == ["cleaned up"]
    assert (emitter.tally.cancelled, emitter.tally.pending) == (1, 0)


async def test_what_the_handler_raises_while_it_is_cancelled_reaches_the_asker() -> None:
    linker, begun = Linker(), asyncio.Event()

    @linker.answer(Price)
    async def price(request: Price) -> int:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            raise LookupError("while cleaning up")

    asker = asyncio.create_task(Emitter(linker).ask(Price()))
    await begun.wait()
    asker.cancel()
    with pytest.raises(LookupError, match="while cleaning up"):
        await asker


async def test_an_asker_that_is_cancelled_before_the_handler_began_leaves_no_trace() -> None:
    linker, ran = Linker(), list[Price]()

    @linker.answer(Price)
    def price(request: Price) -> int:
        ran.append(request)
        return 1

    emitter = Emitter(linker)
    asker = asyncio.create_task(emitter.ask(Price()))
    asyncio.get_running_loop().call_soon(asker.cancel)  # behind its first step, before the turn of its scheduler
    with pytest.raises(asyncio.CancelledError):
        await asker
    assert emitter.tally.pending == 0
    assert emitter.tally.accepted == 1


def test_a_time_limit_of_the_asker_works() -> None:
    async def body() -> None:
        linker = Linker()
        linker.answer(Price)(lambda request: asyncio.sleep(90, 1))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(30):
                await Emitter(linker).ask(Price())
        assert asyncio.get_running_loop().time() == 30

    testing.run(body)


def test_a_timeout_of_the_answer_is_a_timeout_error_of_the_asker() -> None:
    async def body() -> None:
        linker = Linker()
        linker.answer(Price, timeout=30)(lambda request: asyncio.sleep(90, 1))
        with pytest.raises(TimeoutError):
            await Emitter(linker).ask(Price())
        assert asyncio.get_running_loop().time() == 30

    testing.run(body)


@pytest.mark.parametrize("ordering", [*Ordering, PerKey(Price, lambda request: request.article)])
async def test_a_handler_may_ask_under_every_ordering(ordering: Ordering | PerKey[Price]) -> None:
    linker, log = Linker(), list[int]()
    emitter = asyncio_emitter(linker, ordering=ordering, capacity=1)

    @linker.answer(Price)
    async def price(request: Price) -> int:
        return len(request.article) if request.article == "x" else await emitter.ask(Price("x")) + 1

    @linker.on(OrderPlaced)
    async def placed(event: OrderPlaced) -> None:
        log.append(await emitter.ask(Price("pen")))

    emitter.emit(OrderPlaced())
    assert await emitter.wait_for_tasks()
    assert log == [2]
    assert emitter.tally.accepted == emitter.tally.completed == 3


# ---------------------------------------------------------------- Q3, Q4
async def test_others_are_notified_and_their_failures_do_not_reach_the_asker(caplog: pytest.LogCaptureFixture) -> None:
    linker, told = Linker(), list[object]()
    linker.answer(Price)(lambda request: 7)
    linker.subscribe(Price, told.append)
    linker.subscribe(Price, lambda request: 1 // 0, priority=5)
    emitter = Emitter(linker)
    assert await emitter.ask(Price("pen")) == 7
    await emitter.wait_for_tasks()
    assert told == [Price("pen")]
    assert len(caplog.records) == 1
    assert emitter.tally.failed == emitter.tally.accepted == 1


async def test_a_slow_listener_does_not_keep_the_asker_waiting() -> None:
    linker, gate = Linker(), asyncio.Event()
    linker.answer(Price)(lambda request: 7)
    linker.subscribe(Price, lambda request: gate.wait(), priority=1)
    emitter = Emitter(linker)
    assert await emitter.ask(Price()) == 7
    assert emitter.tally.pending == 1
    gate.set()
    assert await emitter.wait_for_tasks()


async def test_the_answering_handler_sees_its_emission_and_the_askers_context() -> None:
    linker, seen = Linker(), list[object]()

    @linker.answer(Price)
    async def price(request: Price) -> int:
        emission = current_emission()
        seen.append(emission and emission.event)
        return 1

    request = Price()
    await Emitter(linker).ask(request)
    assert seen == [request]
    assert current_emission() is None


# ---------------------------------------------------------------- ask_sync
@pytest.mark.parametrize(
    "handler",
    [lambda request: len(request.article), later, lambda request: later(request)],
    ids=["sync", "async", "lambda"],
)
def test_without_a_loop_ask_sync_runs_the_answer_and_all_it_leads_to_to_the_end(
    handler: Callable[[Price], int],
) -> None:
    linker, log = Linker(), list[object]()
    linker.answer(Price)(handler)

    @linker.on(Price)
    async def note(request: Price) -> None:
        await asyncio.sleep(0)
        emitter.emit(OrderPlaced())

    linker.subscribe(OrderPlaced, log.append)
    emitter = Emitter(linker)
    assert emitter.ask_sync(Price("pen")) == 3
    assert log == [OrderPlaced()]
    assert emitter.tally.completed == emitter.tally.accepted == 2


@pytest.mark.parametrize(
    "handler",
    [lambda request: len(request.article), later, lambda request: later(request)],
    ids=["sync", "async", "lambda"],
)
@pytest.mark.parametrize("ordering", [Ordering.CONCURRENT, Ordering.SERIAL, Ordering.MAILBOX])
def test_without_a_loop_a_handler_is_answered_at_once(handler: Callable[[Price], int], ordering: Ordering) -> None:
    linker, log = Linker(), list[object]()
    linker.answer(Price)(handler)
    linker.subscribe(Price, log.append)
    emitter = asyncio_emitter(linker, ordering=ordering)
    linker.subscribe(OrderPlaced, lambda event: log.append(emitter.ask_sync(Price("pen"))))
    linker.subscribe(OrderPlaced, lambda event: log.append("second"))
    emitter.emit(OrderPlaced())
    assert log == [3, "second", Price("pen")]
    assert emitter.tally.completed == emitter.tally.accepted == 2


def test_without_a_loop_what_an_answer_to_a_handler_emits_is_settled_when_it_has_it() -> None:
    linker, log = Linker(), list[object]()
    emitter = Emitter(linker)

    @linker.answer(Price)
    async def price(request: Price) -> int:
        emitter.emit(OrderPaid())
        return 3

    @linker.on(OrderPaid)
    async def pay(event: OrderPaid) -> None:
        await asyncio.sleep(0)
        log.append(event)

    linker.subscribe(OrderPlaced, lambda event: log.append(emitter.ask_sync(Price())))
    emitter.emit(OrderPlaced())
    assert log == [OrderPaid(), 3]
    assert emitter.tally.completed == emitter.tally.accepted == 3


async def test_a_request_takes_no_capacity_and_no_turn() -> None:
    linker, never = Linker(), asyncio.Event()
    linker.answer(Price)(lambda request: 3)
    linker.subscribe(OrderPlaced, lambda event: never.wait())
    emitter = asyncio_emitter(linker, ordering=Ordering.SERIAL, capacity=1)
    emitter.emit(OrderPlaced())
    assert emitter.ask_sync(Price()) == 3
    never.set()
    assert await emitter.wait_for_tasks()


@pytest.mark.parametrize("overflow", ["refuse", "drop_new", "drop_old"])
@pytest.mark.parametrize("ordering", [*Ordering, PerKey(Event, lambda event: 0)])
@pytest.mark.parametrize("way", ["ask", "ask_sync", "ask_sync in a thread"])
async def test_however_it_is_asked_it_takes_no_capacity_and_those_who_are_notified_wait_for_nobody(
    way: str, ordering: Ordering | PerKey[Event], overflow: Literal["refuse", "drop_new", "drop_old"]
) -> None:
    linker, go, notified = Linker(), asyncio.Event(), list[Price]()
    emitter = Emitter(linker, AsyncIOProcessor(ordering=ordering, capacity=2, overflow=overflow))

    async def wait(event: Event) -> None:
        await go.wait()

    linker.subscribe(OrderPlaced, wait)
    linker.answer(Price)(lambda request: 3)
    linker.subscribe(Price, notified.append)
    async with emitter:
        waiting = [emitter.emit(OrderPlaced(n)) for n in range(2)]
        await asyncio.sleep(0)
        if way == "ask":
            assert await emitter.ask(Price()) == 3
        elif way == "ask_sync":
            assert emitter.ask_sync(Price()) == 3
        else:
            assert await asyncio.to_thread(emitter.ask_sync, Price()) == 3
        for _ in range(5):
            await asyncio.sleep(0)
        assert notified == [Price()]
        assert [one.status for one in waiting] == [Status.PENDING] * 2
        go.set()
    assert emitter.tally.completed == 3


async def test_of_a_closed_emitter_no_predicate_is_evaluated() -> None:
    linker, called = Linker(), list[object]()

    def when(request: Price) -> bool:
        called.append(request)
        return True

    linker.answer(Price)(lambda request: 3)
    linker.subscribe(Price, print, when=when)
    emitter = Emitter(linker)
    await emitter.aclose()
    with pytest.raises(EmitterClosed):
        await emitter.ask(Price())
    with pytest.raises(EmitterClosed):
        emitter.ask_sync(Price())
    assert called == []
    assert emitter.tally.rejected == 2


async def test_where_a_loop_runs_a_plain_answer_comes_at_once_and_others_are_notified_later() -> None:
    linker, log = Linker(), list[object]()

    @linker.answer(Price)
    def price(request: Price) -> int:
        running = current_emission()
        assert running is not None
        log.append(running.event)
        return 3

    linker.subscribe(Price, lambda request: log.append("told"))
    emitter = Emitter(linker)
    assert emitter.ask_sync(Price("pen")) == 3
    assert log == [Price("pen")]
    assert emitter.tally.pending == 1
    assert await emitter.wait_for_tasks()
    assert log == [Price("pen"), "told"]
    assert emitter.tally.completed == 1


@pytest.mark.parametrize("in_thread", [False, True])
async def test_where_a_loop_runs_an_answer_that_must_be_awaited_is_refused_before_it_is_called(
    in_thread: bool,
) -> None:
    linker, log = Linker(), list[object]()

    async def price(request: Price) -> int:
        log.append(request)
        return 3

    def blocking(request: Price) -> int:
        log.append(request)
        return 3

    if in_thread:
        linker.answer(Price, in_thread=True)(blocking)
    else:
        linker.answer(Price)(price)
    emitter = Emitter(linker)
    with pytest.raises(DefinitionError, match=r"await emitter\.ask\(Price\(\.\.\.\)\)"):
        emitter.ask_sync(Price())
    assert log == []
    assert emitter.tally.accepted == 0
    assert await emitter.ask(Price()) == 3


@pytest.mark.filterwarnings("error")
async def test_where_a_loop_runs_what_an_answer_returns_to_await_is_closed(caplog: pytest.LogCaptureFixture) -> None:
    linker = Linker()
    linker.answer(Price)(lambda request: later(request))
    emitter = Emitter(linker)
    with pytest.raises(DefinitionError, match="something to await"):
        emitter.ask_sync(Price())
    assert await emitter.wait_for_tasks()
    assert emitter.tally.failed == 1
    assert caplog.records == []


async def test_the_handlers_own_exception_reaches_who_asks_without_awaiting(caplog: pytest.LogCaptureFixture) -> None:
    linker, error = Linker(), LookupError("no such article")

    @linker.answer(Price)
    def price(request: Price) -> int:
        raise error

    emitter = Emitter(linker)
    with pytest.raises(LookupError) as caught:
        emitter.ask_sync(Price())
    assert caught.value is error
    assert await emitter.wait_for_tasks()
    assert emitter.tally.failed == emitter.tally.accepted == 1
    assert caplog.records == []


async def test_a_blocking_handler_in_its_thread_asks_without_awaiting_and_others_are_notified_in_the_loop() -> None:
    linker, log = Linker(), list[object]()
    emitter = Emitter(linker)
    linker.answer(Price)(lambda request: threading.get_ident())
    linker.subscribe(Price, lambda request: log.append(threading.get_ident()))
    linker.subscribe(
        OrderPlaced,
        lambda event: log.append(emitter.ask_sync(Price()) == threading.get_ident()),
        in_thread=True,
    )
    await emitter.emit(OrderPlaced())
    assert await emitter.wait_for_tasks()
    assert sorted(log, key=str) == sorted([True, threading.get_ident()], key=str)
    assert emitter.tally.completed == emitter.tally.accepted == 2


def test_ctrl_c_leaves_an_answer_and_the_books_add_up() -> None:
    linker = Linker()

    @linker.answer(Price)
    def price(request: Price) -> int:
        raise KeyboardInterrupt

    async def main() -> None:
        with pytest.raises(KeyboardInterrupt):
            emitter.ask_sync(Price())
        assert await emitter.wait_for_tasks()

    emitter = Emitter(linker)
    asyncio.run(main())
    assert emitter.tally.discarded == emitter.tally.accepted == 1
