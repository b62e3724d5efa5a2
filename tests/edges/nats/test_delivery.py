"""What travels with an event, and how a worker runs its handlers."""

import asyncio
import functools
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

import pytest

from pyventus_typed import Emitter, Linker
from pyventus_typed.errors import EmissionFailed
from pyventus_typed.nats import JetStream, LocalServer, Received, StreamSettings, Worker, received
from pyventus_typed.nats.errors import NotFaithful
from tests.edges.nats.conftest import eventually
from tests.edges.nats.shop import OrderPaid, OrderPlaced, ShopEvent, codec

trace: ContextVar[str] = ContextVar("trace")


@asynccontextmanager
async def working(
    stream: JetStream[ShopEvent], linker: Linker[ShopEvent], **options: Any
) -> AsyncIterator[Worker[ShopEvent]]:
    worker = Worker(stream, linker, **{"group": "billing", "ack_wait": 1.0, "backoff": (0.05,), **options})
    running = asyncio.create_task(worker.run(stop_on=()))
    try:
        yield worker
    finally:
        worker.stop()
        await running


async def test_an_event_carries_the_headers_of_cloudevents(stream: JetStream[ShopEvent]) -> None:
    before = datetime.now(UTC)
    await stream.publish(OrderPaid(1, 250), event_id='a "quoted" id, 100%')
    message = await stream.opened.js.get_msg("SHOP", seq=1)
    headers = dict(message.headers or {})
    sent = datetime.fromisoformat(headers.pop("ce-time"))
    assert before <= sent <= datetime.now(UTC)
    assert headers == {
        "Nats-Msg-Id": "a%20%22quoted%22%20id,%20100%25",
        "Nats-Expected-Stream": "SHOP",
        "ce-specversion": "1.0",
        "ce-id": "a%20%22quoted%22%20id,%20100%25",
        "ce-type": "shop.order_paid.v1",
        "ce-source": "SHOP",
        "ce-datacontenttype": "application/json",
    }
    assert message.data == b'{"number":1,"cents":250}'


async def test_a_trace_context_travels_from_the_publisher_to_the_handler(server: LocalServer) -> None:
    def inject(_event: ShopEvent) -> dict[str, str]:
        return {"traceparent": trace.get()}

    @contextmanager
    def extract(message: Received) -> Iterator[None]:
        token = trace.set(message.headers["traceparent"])
        try:
            yield
        finally:
            trace.reset(token)

    seen: list[tuple[str, str, int]] = []
    linker = Linker[ShopEvent]()

    @linker.on(ShopEvent)
    async def see(_event: ShopEvent) -> None:
        seen.append((trace.get(), received().name, received().attempt))

    async with JetStream(server.url, codec, stream="SHOP", headers=inject) as stream:
        trace.set("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
        await stream.publish(OrderPaid(1, 250))
        trace.set("changed since")
        async with working(stream, linker, context=extract):
            await eventually(lambda: bool(seen))
    assert seen == [("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "shop.order_paid.v1", 1)]


@pytest.mark.parametrize("header", [{"ce-id": "1"}, {"Nats-Msg-Id": "1"}, {"a b": "1"}, {"a": "1\r\nb: 2"}])
async def test_a_header_that_is_ours_or_no_header_is_refused(server: LocalServer, header: dict[str, str]) -> None:
    async with JetStream(server.url, codec, stream="SHOP", headers=lambda _event: header) as stream:
        with pytest.raises(ValueError, match="header"):
            await stream.publish(OrderPaid(1, 250))


async def test_a_stream_is_a_handler_and_its_refusal_is_the_emissions(stream: JetStream[ShopEvent]) -> None:
    linker = Linker[ShopEvent]()
    linker.subscribe(ShopEvent, stream.publish)
    emitter = Emitter(linker)
    await emitter.emit(OrderPaid(1, 250))
    with pytest.raises(EmissionFailed) as caught:
        await emitter.emit(OrderPaid(2, "250"))  # type: ignore[arg-type]  # the wrong type is the point
    assert [type(error) for error in caught.value.exceptions] == [NotFaithful]
    assert (await stream.opened.js.stream_info("SHOP")).state.messages == 1


async def test_no_more_than_concurrency_run_at_a_time_and_all_of_the_room_is_used(stream: JetStream[ShopEvent]) -> None:
    running, most, done = 0, 0, 0
    linker = Linker[ShopEvent]()

    @linker.on(OrderPaid)
    async def handle(_event: OrderPaid) -> None:
        nonlocal running, most, done
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.01)
        running -= 1
        done += 1

    for number in range(40):
        await stream.publish(OrderPaid(number, 1))
    async with working(stream, linker, concurrency=5):
        await eventually(lambda: done == 40)
    assert most == 5


async def test_a_worker_that_is_stopped_gives_back_at_once_what_it_has_not_started(
    stream: JetStream[ShopEvent],
) -> None:
    seen: list[int] = []
    linker = Linker[ShopEvent]()

    @linker.on(OrderPaid)
    async def handle(event: OrderPaid) -> None:
        seen.append(event.number)

    await asyncio.gather(*(stream.publish(OrderPaid(number, 1)) for number in range(200)))
    # With this ack_wait, what is left behind on the way would not come again before the test times out.
    for stop_after in (*range(1, 200, 40), 200):
        async with working(stream, linker, ack_wait=100.0):
            await eventually(functools.partial(lambda count: len(seen) >= count, stop_after))
    assert sorted(seen) == list(range(200))


async def test_a_sync_handler_in_a_thread_may_block_for_longer_than_ack_wait(stream: JetStream[ShopEvent]) -> None:
    linker = Linker[ShopEvent]()
    started: list[int] = []

    @linker.on(OrderPaid, in_thread=True)
    def block(event: OrderPaid) -> None:
        started.append(received().attempt)
        time.sleep(2.5)

    await stream.publish(OrderPaid(1, 1))
    async with working(stream, linker, ack_wait=1.0) as worker:
        await eventually(lambda: worker.counts.handled == 1)
    assert started == [1]


async def test_an_event_goes_to_no_handler_if_one_handler_fails_forever_and_then_both_are_in_one_letter(
    stream: JetStream[ShopEvent],
) -> None:
    linker = Linker[ShopEvent]()
    well: list[int] = []
    linker.subscribe(OrderPaid, lambda event: well.append(event.number))

    @linker.on(OrderPaid)
    async def first(_event: OrderPaid) -> None:
        raise LookupError("no such account")

    @linker.on(ShopEvent)
    async def second(_event: ShopEvent) -> None:
        raise OSError("the printer is on fire")

    await stream.publish(OrderPaid(1, 1))
    async with working(stream, linker, attempts=2) as worker:
        await eventually(lambda: worker.counts.dead == 1)
    [letter] = [letter async for letter in stream.dead_letters.all()]
    assert "LookupError: no such account" in letter.reason
    assert "OSError: the printer is on fire" in letter.reason
    assert well == [1, 1]  # one unit: the one that succeeded ran with each attempt


async def test_workers_of_two_versions_in_one_group_lose_nothing_to_each_other(stream: JetStream[ShopEvent]) -> None:
    placed: list[int] = []
    paid: list[int] = []
    old, new = Linker[ShopEvent](), Linker[ShopEvent]()
    old.subscribe(OrderPaid, lambda event: paid.append(event.number))
    new.subscribe(OrderPaid, lambda event: paid.append(event.number))
    new.subscribe(OrderPlaced, lambda event: placed.append(event.number))
    async with working(stream, new, attempts=1000), working(stream, old, attempts=1000):
        for number in range(20):
            await stream.publish(OrderPlaced(number))
            await stream.publish(OrderPaid(number, 1))
        await eventually(lambda: sorted(placed) == sorted(paid) == list(range(20)))
    # The old one alone keeps for the new one what it cannot handle, and says why when it gives up.
    await stream.publish(OrderPlaced(20))
    async with working(stream, old, attempts=2) as worker:
        await eventually(lambda: worker.counts.dead == 1)
    [letter] = [letter async for letter in stream.dead_letters.all()]
    assert letter.reason == "This worker has no handler for OrderPlaced."


async def test_a_worker_takes_nothing_away_from_a_group_that_asked_for_more(stream: JetStream[ShopEvent]) -> None:
    placed: list[int] = []
    first, second = Linker[ShopEvent](), Linker[ShopEvent]()
    first.subscribe(OrderPlaced, lambda event: placed.append(event.number))
    second.subscribe(OrderPaid, lambda _event: None)
    async with working(stream, first) as worker:
        await stream.publish(OrderPlaced(1))
        await eventually(lambda: worker.counts.handled == 1)
    async with working(stream, second, attempts=1000) as worker:
        await stream.publish(OrderPlaced(2))
        await stream.publish(OrderPaid(2, 1))
        await eventually(lambda: worker.counts.handled == 1)
    async with working(stream, first, attempts=1000):
        await eventually(lambda: placed == [1, 2])


async def test_a_group_that_an_operator_changed_keeps_our_promises_and_his_other_settings(
    stream: JetStream[ShopEvent], caplog: pytest.LogCaptureFixture
) -> None:
    linker = Linker[ShopEvent]()
    linker.subscribe(OrderPaid, lambda _event: None)
    js = stream.opened.js
    async with working(stream, linker, ack_wait=3.0):
        pass
    unordered = (await js.consumer_info("SHOP", "billing")).config
    await js.add_consumer("SHOP", unordered.evolve(max_deliver=3, description="his", max_ack_pending=50))
    lane = (await js.consumer_info("SHOP", "billing@2")).config
    await js.add_consumer("SHOP", lane.evolve(max_ack_pending=7))
    async with working(stream, linker, ack_wait=1.0):
        pass
    config = (await js.consumer_info("SHOP", "billing")).config
    assert (config.max_deliver, config.description, config.max_ack_pending) == (-1, "his", 50)
    assert (await js.consumer_info("SHOP", "billing@2")).config.max_ack_pending == 1
    # Another worker may beat only once in a second, so the time is not made shorter behind its back.
    assert config.ack_wait == 3.0
    assert "consumer billing keeps its ack_wait of 3 s" in caplog.text


async def test_a_stream_that_forgets_what_every_group_handled_does_so(server: LocalServer) -> None:
    linker = Linker[ShopEvent]()
    linker.subscribe(OrderPaid, lambda _event: None)
    settings = StreamSettings(retention="interest")
    async with JetStream(server.url, codec, stream="SHOP", settings=settings) as stream:
        async with working(stream, linker) as worker:

            async def asked() -> bool:
                return any(found.num_waiting for found in await stream.opened.js.consumers_info("SHOP"))

            await eventually(asked)
            for number in range(10):
                await stream.publish(OrderPaid(number, 1))
            await eventually(lambda: worker.counts.handled == 10)
        assert (await stream.opened.js.stream_info("SHOP")).state.messages == 0
