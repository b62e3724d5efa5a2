"""The server goes away: for a moment, for long, in the middle of a write."""

import asyncio
import functools
import random

import pytest

from pyventus_typed.nats import JetStream, LocalServer, StreamSettings
from pyventus_typed.nats.errors import NotStored
from tests.edges.nats.conftest import Workers, eventually
from tests.edges.nats.shop import OrderPlaced, ShopEvent, codec


async def stored_numbers(stream: JetStream[ShopEvent]) -> list[int]:
    """What is in the stream, read without any code of ours between."""
    js = stream.opened.js
    state = (await js.stream_info("SHOP")).state
    reader = await js.subscribe("SHOP.>", ordered_consumer=True)
    found = []
    for _ in range(state.messages):
        message = await reader.next_msg(timeout=5)
        event = codec.decode("shop.order_placed.v1", message.data)
        assert isinstance(event, OrderPlaced)
        found.append(event.number)
    await reader.unsubscribe()
    return found


@pytest.mark.timeout(90)
async def test_every_emit_that_returned_is_stored_once_though_the_server_is_killed_three_times(
    stream: JetStream[ShopEvent], server: LocalServer, chance: random.Random
) -> None:
    returned: list[int] = []
    numbers = iter(range(3000))

    async def publish() -> None:
        for number in numbers:
            await stream.publish(OrderPlaced(number))
            returned.append(number)

    publishers = [asyncio.create_task(publish()) for _ in range(10)]
    for at in sorted(chance.sample(range(100, 2900), 3)):
        await eventually(functools.partial(lambda at: len(returned) >= at, at))
        await server.kill()
        await asyncio.sleep(chance.random() * 0.3)
        await server.start()
    await asyncio.gather(*publishers)
    assert sorted(returned) == list(range(3000))
    assert sorted(await stored_numbers(stream)) == list(range(3000))


async def test_an_answer_that_was_lost_with_the_connection_is_not_waited_for(
    stream: JetStream[ShopEvent], server: LocalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    # One try may now take all of the patience, so a publisher that waits for such an answer raises NotStored in the end.
    monkeypatch.setattr("pyventus_typed.nats._stream._ONE_TRY", 1000.0)
    stored: list[int] = []
    over = asyncio.Event()

    async def publish(number: int) -> None:
        while not over.is_set():
            stored.append((await stream.publish(OrderPlaced(number))).sequence)

    publishers = [asyncio.create_task(publish(number)) for number in range(10)]
    await eventually(lambda: len(stored) > 50)
    await server.kill()
    await server.start()
    before = len(stored)
    await eventually(lambda: len(stored) > before + 50)
    over.set()
    await asyncio.gather(*publishers)
    assert sorted(stored) == list(range(1, len(stored) + 1))


@pytest.mark.timeout(90)
async def test_workers_and_publishers_go_on_after_a_server_that_was_gone_for_ten_seconds(
    stream: JetStream[ShopEvent], server: LocalServer, workers: Workers
) -> None:
    await workers.start(concurrency=4)
    for number in range(8):
        await stream.publish(OrderPlaced(number, seconds=0.3))
    await workers.until(lambda: len(workers.lines("start")) >= 4)
    await server.kill()
    waiting = asyncio.create_task(stream.publish(OrderPlaced(8)))
    await asyncio.sleep(10)
    assert not waiting.done()
    await server.start()
    assert (await waiting).sequence == 9
    await workers.until(lambda: set(workers.numbers("end")) == set(range(9)), seconds=20)


async def test_a_publish_that_the_server_never_confirms_says_that_it_is_not_known(server: LocalServer) -> None:
    async with JetStream(server.url, codec, stream="SHOP", patience=0.5) as stream:
        await server.kill()
        with pytest.raises(NotStored, match=r"did not confirm shop.order_placed.v1 \(order-1\) within 0.5 s") as caught:
            await stream.publish(OrderPlaced(1), event_id="order-1")
        assert caught.value.id == "order-1"
        await server.start()
        # What the error advises: the same id again.
        await stream.publish(OrderPlaced(1), event_id="order-1")
        await stream.publish(OrderPlaced(1), event_id="order-1")
        assert (await stream.opened.js.stream_info("SHOP")).state.messages == 1


async def test_what_was_stored_is_there_when_the_server_is_started_on_the_same_store(server: LocalServer) -> None:
    async with JetStream(server.url, codec, stream="SHOP", settings=StreamSettings(lanes=2)) as stream:
        await stream.publish(OrderPlaced(1))
    await server.stop()
    await server.start()
    async with JetStream(server.url, codec, stream="SHOP", settings=StreamSettings(lanes=2)) as stream:
        assert await stored_numbers(stream) == [1]
