"""``await emitter.publish(event)``: in the caller's own task, one after the other (R8)."""

import asyncio
import contextvars
from contextlib import suppress

import pytest

from pyventus_typed import (
    Cancelled,
    Completed,
    Discarded,
    Emission,
    Emitter,
    Event,
    Linker,
    Ordering,
    Status,
    asyncio_emitter,
    current_emission,
    testing,
)
from pyventus_typed.errors import EmissionFailed
from tests.events import OrderPaid, OrderPlaced


async def test_handlers_run_one_after_the_other_in_the_callers_task() -> None:
    linker, log = Linker(), list[str]()
    tasks: list[object] = []

    for name in "abc":

        @linker.on(OrderPlaced)
        async def handler(event: OrderPlaced, name: str = name) -> str:
            tasks.append(asyncio.current_task())
            log.append(f"begin {name}")
            await asyncio.sleep(0)
            log.append(f"end {name}")
            return name

    emission = await Emitter(linker).publish(OrderPlaced())
    assert log == ["begin a", "end a", "begin b", "end b", "begin c", "end c"]
    assert tasks == [asyncio.current_task()] * 3
    assert [delivery.outcome for delivery in emission.deliveries] == [Completed("a"), Completed("b"), Completed("c")]


async def test_a_cancellation_that_was_asked_for_before_comes_in_it_and_no_handler_is_called() -> None:
    linker, log = Linker(), list[object]()
    linker.subscribe(OrderPlaced, log.append)
    emitter = Emitter(linker)

    async def job() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await emitter.publish(OrderPlaced())
        log.append("it went on")

    task = asyncio.create_task(job())
    await asyncio.wait({task})
    assert task.cancelled()
    assert log == []
    assert emitter.tally.cancelled == 1


@pytest.mark.parametrize("is_async", [True, False])
async def test_a_handler_that_cancels_its_callers_task_cancels_it_once(*, is_async: bool) -> None:
    linker, log = Linker(), list[str]()
    emitter = Emitter(linker)

    def cancels(event: OrderPlaced) -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()

    async def cancels_later(event: OrderPlaced) -> None:
        cancels(event)

    linker.subscribe(OrderPlaced, cancels_later if is_async else cancels)

    async def job() -> None:
        try:
            await emitter.publish(OrderPlaced())
        finally:
            await asyncio.sleep(0)
            log.append("cleaned up")

    task = asyncio.create_task(job())
    await asyncio.wait({task})
    assert task.cancelled()
    assert log == ["cleaned up"]


async def test_in_a_mailbox_it_waits_for_its_turn_and_then_runs_in_the_callers_task(
    caplog: pytest.LogCaptureFixture,
) -> None:
    linker, tasks = Linker(), list[object]()

    @linker.on(OrderPlaced)
    async def handler(event: OrderPlaced) -> None:
        tasks.append(asyncio.current_task())
        if event.order:
            raise ValueError(event.order)

    emitter = asyncio_emitter(linker, ordering=Ordering.MAILBOX)
    first = emitter.emit(OrderPlaced())
    with pytest.raises(EmissionFailed, match="1 of 1 handler failed"):
        await emitter.publish(OrderPlaced(1))
    await first
    assert tasks[0] is not tasks[1] is asyncio.current_task()
    assert caplog.records == []


@pytest.mark.parametrize("first", ["plain", "async"])
@pytest.mark.parametrize("second", ["plain", "async"])
async def test_in_a_mailbox_it_is_behind_what_was_accepted_before_it_and_before_all_that_comes_later(
    first: str, second: str
) -> None:
    linker, log, under_way, go = Linker(), list[tuple[str, int]](), list[str](), asyncio.Event()
    emitter = asyncio_emitter(linker, ordering=Ordering.MAILBOX)

    def subscribe(name: str, kind: str) -> None:
        def plain(event: OrderPlaced) -> None:
            log.append((name, event.order))

        async def takes_turns(event: OrderPlaced) -> None:
            assert name not in under_way  # one at a time
            under_way.append(name)
            log.append((name, event.order))
            await asyncio.sleep(0)
            if event.order == 3 and not go.is_set() and len(emissions) == 2:
                emissions.append(
                    emitter.emit(OrderPlaced(4))
                )  # accepted before the second receiver has the one that is published
                await go.wait()
            under_way.remove(name)

        linker.subscribe(OrderPlaced, plain if kind == "plain" else takes_turns)

    subscribe("first", first)
    subscribe("second", second)
    emissions = [emitter.emit(OrderPlaced(order)) for order in (1, 2)]
    published = asyncio.create_task(emitter.publish(OrderPlaced(3)))
    for _ in range(10):
        await asyncio.sleep(0)
    emissions.append(emitter.emit(OrderPlaced(5)))
    for _ in range(10):
        await asyncio.sleep(0)
    go.set()
    emissions.append(await published)
    assert await emitter.wait_for_tasks(5)
    for name in ("first", "second"):
        orders = [order for who, order in log if who == name]
        assert orders == sorted(orders), log
        assert {1, 2, 3, 5} <= {*orders}
    assert {one.status for one in emissions} == {Status.COMPLETED}


async def test_in_a_mailbox_one_that_is_cancelled_gives_up_all_its_places() -> None:
    linker, log = Linker(), list[int]()

    @linker.on(OrderPlaced)
    async def hangs(event: OrderPlaced) -> None:
        if event.order == 1:
            await asyncio.Event().wait()

    @linker.on(OrderPlaced)
    async def notes(event: OrderPlaced) -> None:
        log.append(event.order)

    emitter = asyncio_emitter(linker, ordering=Ordering.MAILBOX)
    publishing = [asyncio.create_task(emitter.publish(OrderPlaced(order))) for order in (1, 2, 3)]
    await asyncio.sleep(0)
    last = emitter.emit(OrderPlaced(4))
    await asyncio.sleep(0)
    for one in publishing[:2]:
        one.cancel()
    await asyncio.wait(publishing)
    assert await emitter.wait_for_tasks(5)
    assert (log, last.status) == ([3, 4], Status.COMPLETED)


async def test_what_a_coroutine_returns_is_the_result_also_if_it_could_be_awaited() -> None:
    linker, never = Linker(), asyncio.get_running_loop().create_future()

    @linker.on(OrderPlaced)
    async def begin(event: OrderPlaced) -> asyncio.Future[None]:
        return never

    emitter = Emitter(linker)
    for _ in range(2):  # the first one makes the loop's queue
        emission = await asyncio.wait_for(emitter.publish(OrderPlaced()), 5)
        assert emission.deliveries[0].outcome == Completed(never)


async def test_handlers_run_in_the_callers_own_context() -> None:
    transaction: contextvars.ContextVar[str] = contextvars.ContextVar("transaction", default="none")
    linker = Linker()
    linker.subscribe(OrderPlaced, lambda event: transaction.set("begun"))
    seen: list[object] = []
    linker.subscribe(OrderPlaced, lambda event: seen.append((transaction.get(), current_emission())))
    emission = await Emitter(linker).publish(OrderPlaced())
    assert seen == [("begun", emission)]
    assert transaction.get() == "begun"
    assert current_emission() is None


@pytest.mark.parametrize("fails", [False, True])
async def test_a_handler_that_publishes_is_in_its_own_emission_again_after_it(fails: bool) -> None:
    linker, children = Linker(), list[Emission[Event]]()
    emitter = Emitter(linker)
    linker.subscribe(OrderPaid, lambda event: 1 // event.order)

    @linker.on(OrderPlaced)
    async def placed(event: OrderPlaced) -> None:
        outer = current_emission()
        with suppress(EmissionFailed):
            await emitter.publish(OrderPaid(int(not fails)))
        assert current_emission() is outer
        children.append(emitter.emit(OrderPaid(1)))

    for way in (emitter.emit, emitter.publish):
        emission = await way(OrderPlaced())
        assert children.pop().parent is emission


async def test_all_handlers_run_and_then_it_raises() -> None:
    linker, seen = Linker(), list[object]()
    linker.subscribe(OrderPlaced, lambda event: 1 // event.order)
    linker.subscribe(OrderPlaced, seen.append)
    with pytest.raises(EmissionFailed, match="1 of 2 handlers failed") as caught:
        await Emitter(linker).publish(OrderPlaced(0))
    assert seen == [OrderPlaced(0)]
    assert caught.value.emission.status is Status.FAILED


async def test_what_it_raises_is_not_logged_as_well(caplog: pytest.LogCaptureFixture) -> None:
    linker = Linker()
    linker.subscribe(OrderPlaced, lambda event: 1 // event.order)
    with pytest.raises(EmissionFailed, match="1 of 1 handler failed for OrderPlaced"):
        await Emitter(linker).publish(OrderPlaced(0))
    assert caplog.records == []


async def test_it_is_counted_like_any_emission() -> None:
    linker, tallies = Linker(), list[int]()
    emitter = Emitter(linker)
    linker.subscribe(OrderPlaced, lambda event: tallies.append(emitter.tally.pending))
    await emitter.publish(OrderPlaced())
    assert tallies == [1]
    assert (emitter.tally.accepted, emitter.tally.completed, emitter.tally.pending) == (1, 1, 0)


async def test_cancelling_the_caller_cancels_the_handler_that_runs_and_the_rest() -> None:
    linker, begun, log = Linker(), asyncio.Event(), list[str]()
    emissions: list[Emission[Event] | None] = []

    @linker.on(OrderPlaced)
    async def running(event: OrderPlaced) -> None:
        emissions.append(current_emission())
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            log.append("cancelled")
            raise

    linker.subscribe(OrderPlaced, lambda event: log.append("never"))
    emitter = Emitter(linker)
    caller = asyncio.create_task(emitter.publish(OrderPlaced()))
    await begun.wait()
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert log == ["cancelled"]
    (emission,) = emissions
    assert emission is not None
    assert [delivery.outcome for delivery in emission.deliveries] == [Cancelled(), Cancelled()]
    assert [delivery.started for delivery in emission.deliveries] == [True, False]
    assert (emitter.tally.cancelled, emitter.tally.pending) == (1, 0)


@pytest.mark.parametrize("beside", ["async", "plain"])
async def test_who_was_cancelled_calls_nobody_else_though_the_handler_went_on(beside: str) -> None:
    linker, log = Linker(), list[str]()

    @linker.on(OrderPaid)
    async def running(event: OrderPaid) -> None:
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        log.append("went on")

    @linker.on(OrderPaid)
    async def never(event: OrderPaid) -> None:
        log.append("never")

    if beside == "plain":
        linker.subscribe(OrderPaid, lambda event: log.append("never"))
    linker.subscribe(OrderPlaced, lambda event: None)
    emitter = Emitter(linker)
    for _ in range(3):
        await emitter.publish(OrderPlaced())  # the first one makes the queue, and the others need not look for it
    caller = asyncio.create_task(emitter.publish(OrderPaid()))
    await asyncio.sleep(0)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert log == ["went on"]
    assert (emitter.tally.cancelled, emitter.tally.pending) == (1, 0)


async def test_a_handler_that_raises_cancelled_error_by_itself_does_not_cancel_the_caller() -> None:
    linker, seen = Linker(), list[object]()

    @linker.on(OrderPlaced)
    async def handler(event: OrderPlaced) -> None:
        raise asyncio.CancelledError

    linker.subscribe(OrderPlaced, seen.append)
    emission = await Emitter(linker).publish(OrderPlaced())
    assert emission.status is Status.CANCELLED
    assert seen == [OrderPlaced()]


def test_a_time_limit_of_the_caller_works() -> None:
    async def body() -> None:
        linker = Linker()
        linker.subscribe(OrderPlaced, lambda event: asyncio.sleep(90))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(30):
                await Emitter(linker).publish(OrderPlaced())
        assert asyncio.get_running_loop().time() == 30

    testing.run(body)


@pytest.mark.parametrize("ordering", [Ordering.SERIAL, Ordering.MAILBOX])
async def test_it_waits_for_its_turn(ordering: Ordering) -> None:
    linker, log = Linker(), list[str]()

    @linker.on(OrderPlaced)
    async def handler(event: OrderPlaced) -> None:
        log.append(f"begin {event.order}")
        await asyncio.sleep(0)
        log.append(f"end {event.order}")

    emitter = asyncio_emitter(linker, ordering=ordering)
    emitter.emit(OrderPlaced(1))
    await emitter.publish(OrderPlaced(2))
    await emitter.publish(OrderPlaced(3))
    assert log == ["begin 1", "end 1", "begin 2", "end 2", "begin 3", "end 3"]


def test_it_needs_a_running_loop() -> None:
    publishing = Emitter(Linker()).publish(OrderPlaced())
    assert asyncio.run(publishing).status is Status.COMPLETED


async def test_a_handler_may_publish_and_emit() -> None:
    linker, log = Linker(), list[str]()
    emitter = Emitter(linker)

    @linker.on(OrderPlaced)
    async def placed(event: OrderPlaced) -> None:
        await emitter.publish(OrderPaid(event.order))
        log.append("placed")

    linker.subscribe(OrderPaid, lambda event: log.append("paid"))
    await emitter.publish(OrderPlaced())
    assert log == ["paid", "placed"]


async def test_a_failure_before_the_caller_was_cancelled_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    linker, begun = Linker(), asyncio.Event()
    linker.subscribe(OrderPlaced, lambda event: 1 // event.order)

    @linker.on(OrderPlaced)
    async def running(event: OrderPlaced) -> None:
        begun.set()
        await asyncio.Event().wait()

    caller = asyncio.create_task(Emitter(linker).publish(OrderPlaced(0)))
    await begun.wait()
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert [record.levelname for record in caplog.records] == ["ERROR"]


class Stop(BaseException):
    """No Exception."""


async def test_what_is_no_exception_settles_the_rest() -> None:
    linker, emissions, seen = Linker(), list[Emission[Event] | None](), list[object]()

    @linker.on(OrderPlaced)
    async def handler(event: OrderPlaced) -> None:
        emissions.append(current_emission())
        raise Stop

    linker.subscribe(OrderPlaced, seen.append)
    emitter = asyncio_emitter(linker, on_discard=lambda emissions: None)
    with pytest.raises(Stop):
        await emitter.publish(OrderPlaced())
    assert await emitter.wait_for_tasks(timeout=5)
    assert emissions[0] is not None
    assert [delivery.outcome for delivery in emissions[0].deliveries] == [
        Discarded("Stop()", started=True),
        Discarded("Stop()", started=False),
    ]
    assert seen == []


async def test_a_handler_may_cancel_what_stands_behind_it() -> None:
    linker, told = Linker(), list[object]()

    @linker.on(OrderPlaced)
    def first(event: OrderPlaced) -> None:
        emission = current_emission()
        assert emission is not None
        assert emission.cancel()

    linker.subscribe(OrderPlaced, told.append, on_failure=lambda event, error: told.append(error))
    emission = await Emitter(linker).publish(OrderPlaced())
    assert emission.deliveries[1].outcome == Discarded("cancelled", started=False)
    assert told == []


async def test_a_plain_handler_that_cancels_the_caller_is_the_last_one_of_every_publish() -> None:
    linker, seen = Linker(), list[int]()

    @linker.on(OrderPlaced)
    def cancel_the_caller(event: OrderPlaced) -> None:
        task = asyncio.current_task()
        assert task is not None
        if event.order:
            task.cancel()

    linker.subscribe(OrderPlaced, lambda event: seen.append(event.order))
    emitter = Emitter(linker)
    await emitter.publish(OrderPlaced(0))  # makes the loop's queue
    with pytest.raises(asyncio.CancelledError):
        await asyncio.create_task(emitter.publish(OrderPlaced(1)))
    assert seen == [0]


async def test_an_emission_that_is_cancelled_while_it_is_published_cancels_its_handler_and_not_the_caller() -> None:
    linker, begun = Linker(), list[Emission[Event] | None]()

    @linker.on(OrderPlaced)
    async def hang(event: OrderPlaced) -> None:
        begun.append(current_emission())
        if event.order:
            await asyncio.Event().wait()

    emitter = Emitter(linker)
    await emitter.publish(OrderPlaced(0))  # makes the loop's queue
    publishing = asyncio.ensure_future(emitter.publish(OrderPlaced(1)))
    await asyncio.sleep(0)
    emission = begun[-1]
    assert emission is not None
    assert emission.cancel()
    assert await asyncio.wait_for(publishing, 5) is emission
    assert emission.deliveries[0].outcome == Cancelled()


async def test_what_a_handler_of_publish_sets_is_seen_by_its_caller() -> None:
    user: contextvars.ContextVar[str] = contextvars.ContextVar("user", default="nobody")
    linker = Linker()

    @linker.on(OrderPlaced)
    async def handler(event: OrderPlaced) -> None:
        user.set("the handler's")

    await Emitter(linker).publish(OrderPlaced())
    assert user.get() == "the handler's"
