"""Messages that cannot be handled: kept with the reason, and harmless to their neighbours."""

import asyncio
from collections import Counter
from contextlib import suppress

import pytest

from pyventus_typed import Linker
from pyventus_typed.nats import DeadLetter, JetStream, LocalServer, StreamSettings, Worker
from pyventus_typed.nats.errors import StreamFull
from tests.edges.nats.conftest import Workers, eventually
from tests.edges.nats.shop import Behaviour, OrderPlaced, ShopEvent, codec

PLACED = "SHOP.any.shop.order_placed.v1"


async def letters(stream: JetStream[ShopEvent], group: str | None = None) -> list[DeadLetter]:
    return [letter async for letter in stream.dead_letters.all(group=group)]


async def buried(stream: JetStream[ShopEvent], count: int) -> list[DeadLetter]:
    """The dead letters, once there are *count*."""
    found: list[DeadLetter] = []

    async def enough() -> bool:
        found[:] = await letters(stream)
        return len(found) >= count

    await eventually(enough, 40)
    return found


async def test_bad_bytes_are_dead_letters_with_bytes_headers_and_reason_and_an_unknown_name_stays_in_the_log(
    stream: JetStream[ShopEvent], workers: Workers
) -> None:
    raw = stream.opened.js
    headers = {"ce-id": "broken-1", "X-Origin": "elsewhere", "Nats-Expected-Stream": "SHOP"}
    await raw.publish(PLACED, b'{"number": 1', headers=headers)
    await raw.publish(PLACED, b'{"number": "one"}')
    await raw.publish("SHOP.any.shop.order_vanished.v1", b"{}")
    await stream.publish(OrderPlaced(2))
    await workers.start()
    await workers.until(lambda: workers.numbers("end") == [2])
    found = await buried(stream, 2)
    bad_json, wrong_type = sorted(found, key=lambda letter: letter.sequence)
    assert (bad_json.data, bad_json.group, bad_json.name) == (b'{"number": 1', "billing", "shop.order_placed.v1")
    assert bad_json.id == "broken-1"
    assert bad_json.headers["X-Origin"] == "elsewhere"
    assert "Input data was truncated" in bad_json.reason
    assert wrong_type.data == b'{"number": "one"}'
    assert "$.number" in wrong_type.reason
    assert [letter.attempts for letter in found] == [1, 1]
    kept = await raw.get_msg("SHOP", seq=3)
    assert kept.subject == "SHOP.any.shop.order_vanished.v1"


async def test_a_handler_that_always_raises_is_tried_as_often_as_told_and_its_neighbours_once(
    stream: JetStream[ShopEvent], workers: Workers
) -> None:
    await stream.publish(OrderPlaced(0, behaviour="raises"))
    for number in range(1, 40):
        await stream.publish(OrderPlaced(number, behaviour="raises once" if number % 10 == 0 else "well"))
    await workers.start(attempts=4)
    await workers.until(lambda: set(workers.numbers("end")) == set(range(1, 40)))
    found = await buried(stream, 1)
    [letter] = found
    assert letter.attempts == 4
    assert "ValueError: order 0 cannot be handled" in letter.reason
    starts = Counter(workers.numbers("start"))
    assert starts == {0: 4, **{number: 2 if number % 10 == 0 else 1 for number in range(1, 40)}}


@pytest.mark.parametrize("poison", ["dies", "exits"])
async def test_a_handler_that_ends_its_process_is_a_dead_letter_and_takes_no_neighbour_with_it(
    stream: JetStream[ShopEvent], workers: Workers, poison: Behaviour
) -> None:
    # The killer sits among seven that run at the same time: at its first death all eight count a delivery.
    for number in range(30):
        behaviour: Behaviour = poison if number == 3 else "well"
        await stream.publish(OrderPlaced(number, behaviour=behaviour, seconds=0.1 if number < 8 else 0.0))
    supervisor = asyncio.create_task(workers.keep_alive(2, attempts=3, concurrency=8, ack_wait=0.6))
    try:
        found = await buried(stream, 1)
        await workers.until(lambda: set(workers.numbers("end")) == set(range(30)) - {3})
    finally:
        supervisor.cancel()
    assert [(letter.attempts, letter.sequence) for letter in found] == [(3, 4)]
    assert "The process ended while it was handled, 3 times." in found[0].reason
    assert Counter(workers.numbers("start"))[3] == 3
    # After the first death it ran alone: nothing but its own handler was cut off again.
    starts = Counter(workers.numbers("start"))
    assert max(count for number, count in starts.items() if number != 3) <= 2


async def test_a_dead_letter_that_is_sent_again_reaches_its_group_and_no_other(
    stream: JetStream[ShopEvent], workers: Workers
) -> None:
    await workers.start(group="shipping", attempts=5)
    billing = await workers.start(group="billing", attempts=1)
    await stream.publish(OrderPlaced(7, behaviour="raises once"), event_id="order-7")
    await workers.until(lambda: len(workers.lines("raise")) == 2 and workers.numbers("end") == [7])
    found = await buried(stream, 1)
    await billing.terminate()
    assert [letter.group for letter in found] == ["billing"]
    second = await workers.start(group="billing", attempts=5)
    await stream.dead_letters.send_again(found[0])
    await workers.until(lambda: workers.numbers("end") == [7, 7])
    last = workers.lines("end")[-1]
    assert (last["pid"], last["id"]) == (second.inner.pid, "order-7")
    assert await letters(stream) == []
    await asyncio.sleep(0.2)
    assert len(workers.lines("start")) == 5  # 1 and 2 before it died; 2 again; and nothing in shipping beyond its own


async def test_letters_of_one_group_can_be_listed_alone(stream: JetStream[ShopEvent], workers: Workers) -> None:
    for group in ("billing", "shipping"):
        await workers.start(group=group, attempts=1)
    await stream.publish(OrderPlaced(1, behaviour="raises"))
    await buried(stream, 2)
    assert [letter.group for letter in await letters(stream, "shipping")] == ["shipping"]


async def test_a_dead_letter_stays_where_it_is_when_the_stream_has_no_room_for_it(server: LocalServer) -> None:
    async with JetStream(server.url, codec, stream="SHOP", settings=StreamSettings(max_bytes=3000)) as stream:
        with pytest.raises(StreamFull):
            for number in range(100):
                await stream.publish(OrderPlaced(number))
        linker = Linker[ShopEvent]()
        linker.subscribe(OrderPlaced, lambda event: 1 // event.number)
        worker = Worker(stream, linker, group="billing", attempts=1)
        running = asyncio.create_task(worker.run(stop_on=()))
        found = await buried(stream, 1)
        worker.stop()
        await running
        with pytest.raises(StreamFull, match="The stream 'SHOP' is full .* shop.order_placed.v1 .* was not stored"):
            await stream.dead_letters.send_again(found[0])
        assert await letters(stream) == found


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (asyncio.CancelledError(), "A handler of shop.order_placed.v1 was cancelled."),
        (GeneratorExit("no"), "A handler of shop.order_placed.v1 was discarded: GeneratorExit('no')."),
    ],
)
async def test_what_is_no_exception_is_named_in_the_letter(
    stream: JetStream[ShopEvent], error: BaseException, reason: str
) -> None:
    linker = Linker[ShopEvent]()

    @linker.on(OrderPlaced)
    async def end(event: OrderPlaced) -> None:
        raise error

    worker = Worker(stream, linker, group="billing", attempts=1)
    running = asyncio.create_task(worker.run(stop_on=()))
    await stream.publish(OrderPlaced(1))
    (letter,) = await buried(stream, 1)
    worker.stop()
    await running
    assert letter.reason == reason


async def test_a_context_that_swallows_the_error_of_a_handler_does_not_make_it_a_success(
    stream: JetStream[ShopEvent],
) -> None:
    linker = Linker[ShopEvent]()

    @linker.on(OrderPlaced)
    def fail(event: OrderPlaced) -> None:
        raise ValueError("no")

    worker = Worker(
        stream, linker, group="billing", attempts=2, backoff=(0,), context=lambda message: suppress(ValueError)
    )
    running = asyncio.create_task(worker.run(stop_on=()))
    await stream.publish(OrderPlaced(1))
    await eventually(lambda: worker.counts.handled + worker.counts.dead == 1)
    worker.stop()
    await running
    assert (worker.counts.failed, worker.counts.dead) == (2, 1)
    assert ["ValueError: no" in letter.reason async for letter in stream.dead_letters.all()] == [True]
