"""Workers in processes that are killed, stopped, replaced."""

import asyncio
import random
from collections import Counter
from datetime import UTC, datetime

from pyventus_typed import Linker
from pyventus_typed.nats import JetStream, Worker
from pyventus_typed.nats._consumer import Start
from tests.edges.nats.conftest import Workers, eventually
from tests.edges.nats.shop import OrderPlaced, ShopEvent


async def test_a_killed_worker_loses_nothing_and_only_what_it_ran_is_handled_again(
    stream: JetStream[ShopEvent], workers: Workers, chance: random.Random
) -> None:
    first = await workers.start(concurrency=8)
    for number in range(8):
        await stream.publish(OrderPlaced(number, seconds=0.4))
    await workers.until(lambda: len(workers.lines("start")) == 8)
    await asyncio.sleep(chance.random() * 0.2)
    await first.kill()
    assert workers.lines("end") == []
    for number in range(8, 40):
        await stream.publish(OrderPlaced(number))
    await workers.start(concurrency=8)
    await workers.until(lambda: set(workers.numbers("end")) == set(range(40)))
    assert Counter(workers.numbers("start")) == {number: 2 if number < 8 else 1 for number in range(40)}
    assert Counter(workers.numbers("end")) == dict.fromkeys(range(40), 1)


async def test_everything_in_flight_at_a_kill_is_handled(
    stream: JetStream[ShopEvent], workers: Workers, chance: random.Random
) -> None:
    first = await workers.start(concurrency=8)
    for number in range(60):
        await stream.publish(OrderPlaced(number, seconds=0.1))
    await workers.until(lambda: len(workers.lines("end")) >= chance.randint(1, 40))
    await first.kill()
    in_flight = set(workers.numbers("start")) - set(workers.numbers("end"))
    done_before = set(workers.numbers("end"))
    await workers.start(concurrency=8)
    await workers.until(lambda: set(workers.numbers("end")) == set(range(60)))
    started = Counter(workers.numbers("start"))
    # What had ended just before the kill may not have been acknowledged yet; nothing else may come twice.
    twice = {number for number, count in started.items() if count > 1}
    assert twice >= in_flight
    assert twice - in_flight <= done_before
    assert len(twice) <= 16  # eight handlers, and as many acknowledgements under way
    assert [letter async for letter in stream.dead_letters.all()] == []


async def test_sigterm_lets_every_running_handler_finish_and_exits_with_0(
    stream: JetStream[ShopEvent], workers: Workers
) -> None:
    first = await workers.start(concurrency=8)
    for number in range(8):
        await stream.publish(OrderPlaced(number, seconds=1.5))  # longer than ack_wait: the heartbeats go on
    await workers.until(lambda: len(workers.lines("start")) == 8)
    for number in range(8, 16):
        await stream.publish(OrderPlaced(number))
    assert await first.terminate() == 0
    assert sorted(workers.numbers("end")) == list(range(8))
    await workers.start()
    await workers.until(lambda: len(workers.numbers("end")) == 16)
    assert sorted(workers.numbers("start")) == list(range(16))


async def test_a_handler_that_takes_longer_than_ack_wait_is_not_started_twice(
    stream: JetStream[ShopEvent], workers: Workers
) -> None:
    for _ in range(2):
        await workers.start()
    await stream.publish(OrderPlaced(1, seconds=2.5))
    await workers.until(lambda: workers.numbers("end") == [1])
    assert workers.numbers("start") == [1]


async def test_each_of_two_groups_sees_every_event_once(stream: JetStream[ShopEvent], workers: Workers) -> None:
    for number in range(50):
        await stream.publish(OrderPlaced(number))
    billing = [await workers.start(group="billing") for _ in range(2)]
    shipping = await workers.start(group="shipping")
    await workers.until(lambda: len(workers.numbers("end")) == 100)
    by_group = {"billing": {process.inner.pid for process in billing}, "shipping": {shipping.inner.pid}}
    for pids in by_group.values():
        assert sorted(line["number"] for line in workers.lines("end") if line["pid"] in pids) == list(range(50))


async def test_a_new_group_starts_where_it_is_told_and_an_old_one_goes_on(
    stream: JetStream[ShopEvent], workers: Workers
) -> None:
    handled = await in_process(stream, "first", start="first", expect=0)
    assert handled == []
    for number in range(5):
        await stream.publish(OrderPlaced(number))
    await asyncio.sleep(0.05)
    noon = datetime.now(UTC)
    await in_process(stream, "late", start="new", expect=0)
    for number in range(5, 10):
        await stream.publish(OrderPlaced(number))
    assert await in_process(stream, "first", start="new", expect=10) == list(range(10))
    assert await in_process(stream, "replay", start="first", expect=10) == list(range(10))
    assert await in_process(stream, "since", start=noon, expect=5) == list(range(5, 10))
    assert await in_process(stream, "late", start="first", expect=5) == list(range(5, 10))


async def in_process(stream: JetStream[ShopEvent], group: str, *, start: Start, expect: int) -> list[int]:
    """Run a worker here until it handled *expect* events and stays idle."""
    linker = Linker[ShopEvent]()
    seen: list[int] = []

    @linker.on(OrderPlaced)
    def see(event: OrderPlaced) -> None:
        seen.append(event.number)

    worker = Worker(stream, linker, group=group, start=start)
    running = asyncio.create_task(worker.run(stop_on=()))
    await eventually(lambda: worker.counts.handled >= expect)
    await asyncio.sleep(0.2)  # one more would come at once
    worker.stop()
    await running
    return sorted(seen)
