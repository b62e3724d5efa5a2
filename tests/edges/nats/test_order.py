"""Events with an equal key: one after the other, in the order of publishing, whatever happens meanwhile."""

import asyncio
import json
import random
from collections import Counter, defaultdict

from pyventus_typed.nats import JetStream
from tests.edges.nats.conftest import Workers
from tests.edges.nats.shop import Behaviour, OrderPlaced, ShopEvent

HOW: tuple[Behaviour, ...] = ("well", "raises once", "raises twice")


async def test_twenty_keys_three_workers_failures_and_a_kill_break_no_order(
    stream: JetStream[ShopEvent], workers: Workers, chance: random.Random
) -> None:
    fleet = [await workers.start(attempts=10) for _ in range(3)]
    for number in range(300):
        behaviour: Behaviour = chance.choices(HOW, (90, 7, 3))[0]
        await stream.publish(OrderPlaced(number, customer=f"c{number % 20}", behaviour=behaviour, seconds=0.002))
    at = chance.randint(20, 200)
    await workers.until(lambda: len(workers.lines("end")) >= at)
    await fleet[chance.randrange(3)].kill()
    await workers.until(lambda: set(workers.numbers("end")) == set(range(300)))
    await asyncio.sleep(0.1)
    # For each key: a number appears again (a retry) or the next one does, and nothing starts while another runs.
    running: dict[str, int] = {}
    reached: dict[str, list[int]] = defaultdict(list)
    journal = [line for line in map(json.loads, workers.journal.read_bytes().splitlines()) if line["what"] != "ready"]
    for line in journal:
        key, number = line["customer"], line["number"]
        if line["what"] == "start":
            assert running.get(key, number) == number, f"{key}: {number} started while {running[key]} ran"
            running[key] = number
            if not reached[key] or reached[key][-1] != number:
                reached[key].append(number)
        else:
            assert running.pop(key, number) == number
    assert len(reached) == 20
    for key, numbers in reached.items():
        assert numbers == sorted(numbers), f"{key} was handled in the order {numbers}"


async def test_events_without_a_key_do_not_wait_for_each_other(stream: JetStream[ShopEvent], workers: Workers) -> None:
    await stream.publish(OrderPlaced(0, seconds=2.0))
    for number in range(1, 20):
        await stream.publish(OrderPlaced(number))
    await workers.start()
    await workers.until(lambda: len(workers.numbers("end")) == 19)
    assert 0 not in workers.numbers("end")


async def test_four_workers_share_four_lanes_and_keep_the_order_of_each(
    stream: JetStream[ShopEvent], workers: Workers
) -> None:
    for _ in range(4):
        await workers.start()
    await workers.until(lambda: len(workers.lines("ready")) == 4)
    await stream.publish_all(OrderPlaced(number, customer=f"customer {number % 40}") for number in range(400))
    await workers.until(lambda: len(workers.lines("end")) == 400)
    shares = Counter(line["pid"] for line in workers.lines("end"))
    assert len(shares) == 4
    assert min(shares.values()) >= 40, shares  # 100 each, where the machine lets all four run
    for number in range(40):
        handled = [line["number"] for line in workers.lines("end") if line["customer"] == f"customer {number}"]
        assert handled == sorted(handled)
