"""How much of a bare nats-py publisher and consumer is left with everything of ours around it.

    python benchmarks/jetstream.py [--messages 500] [--rounds 15] [--delay MILLISECONDS]

All sides use one server that syncs every write, in one run, in turns. Bare: ``js.publish`` from sixteen tasks; then
``fetch(100)`` and a double acknowledgement (``ack_sync``) of each message, sixteen at a time. Ours: the same through
``emit`` into a linker whose handler is the stream, with verification, headers and ids; then a ``Worker`` with
``concurrency=16`` and one async handler. Counts are checked before a time is believed. A third one tells where the
difference comes from: bare publishing with the headers that ours have. Then a relay of an outbox, compared with 64
outstanding publishes of bare nats-py. Rounds are short and many, so that what else the
machine does meets all sides. With ``--delay`` every byte takes so long each way, as in a network.
"""

import argparse
import asyncio
import multiprocessing
import sqlite3
import statistics
import tempfile
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path
from urllib.parse import urlsplit

import nats
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig

from pyventus_typed import Emitter, Event, Linker
from pyventus_typed.nats import JetStream, JsonCodec, LocalServer, Outbox, Relay, StreamSettings, Wire, Worker

TASKS = 16
GOAL = 0.80
RELAY_GOAL = 0.60
LATENCY_GOAL = 0.010
RATE = 200


class ShopEvent(Event):
    """Everything that happens in this benchmark."""


@dataclass(frozen=True)
class OrderPlaced(ShopEvent):
    number: int
    customer: str
    cents: int


codec = JsonCodec[ShopEvent](Wire("bench.order_placed.v1", OrderPlaced))


async def spread(messages: int, publish: Callable[[int], Awaitable[object]], *, tasks: int = TASKS) -> float:
    """Publish *messages* from so many *tasks*; seconds."""
    numbers = iter(range(messages))

    async def one() -> None:
        for number in numbers:
            await publish(number)

    began = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(tasks)))
    return time.perf_counter() - began


async def bare(url: str, name: str, messages: int) -> tuple[float, float]:
    client = await nats.connect(url)
    js = client.jetstream()
    await js.add_stream(name=name, subjects=[f"{name}.>"])
    body = codec.encode(OrderPlaced(1, "ada", 1999)).data
    publishing = await spread(messages, lambda _number: js.publish(f"{name}.orders", body))
    await js.add_consumer(name, ConsumerConfig(durable_name="bare", ack_policy=AckPolicy.EXPLICIT, ack_wait=30))
    consuming = await _fetch(js, name, messages)
    await js.delete_stream(name)
    await client.close()
    return publishing, consuming


async def bare_with_headers(url: str, name: str, messages: int) -> float:
    client = await nats.connect(url)
    js = client.jetstream()
    await js.add_stream(name=name, subjects=[f"{name}.>"])
    body = codec.encode(OrderPlaced(1, "ada", 1999)).data

    def publish(_number: int) -> Awaitable[object]:
        event_id = str(uuid.uuid4())
        headers = {
            "Nats-Msg-Id": event_id,
            "ce-specversion": "1.0",
            "ce-id": event_id,
            "ce-type": "bench.order_placed.v1",
            "ce-source": name,
            "ce-time": datetime.now(UTC).isoformat(),
            "ce-datacontenttype": "application/json",
        }
        return js.publish(f"{name}.orders", body, headers=headers, stream=name)

    publishing = await spread(messages, publish)
    await js.delete_stream(name)
    await client.close()
    return publishing


async def _fetch(js: JetStreamContext, name: str, messages: int) -> float:
    reader = await js.pull_subscribe_bind("bare", stream=name)
    began, done = time.perf_counter(), 0
    room = asyncio.Semaphore(TASKS)

    async def settle(msg: Msg) -> None:
        nonlocal done
        async with room:
            codec.decode("bench.order_placed.v1", msg.data)
            await msg.ack_sync(timeout=5)
            done += 1

    while done < messages:
        batch = await reader.fetch(min(100, messages - done), timeout=5)
        await asyncio.gather(*map(settle, batch))
    took = time.perf_counter() - began
    assert done == messages
    return took


async def ours(url: str, name: str, messages: int) -> tuple[float, float]:
    async with JetStream(url, codec, stream=name, settings=StreamSettings()) as stream:
        out = Linker[ShopEvent]()
        out.subscribe(ShopEvent, stream.publish)
        emitter = Emitter(out)

        async def emit(number: int) -> None:
            await emitter.emit(OrderPlaced(number, "ada", 1999))

        publishing = await spread(messages, emit)
        seen: list[int] = []
        began = 0.0
        linker = Linker[ShopEvent]()

        @linker.on(OrderPlaced)
        async def handle(order: OrderPlaced) -> None:
            nonlocal began
            began = began or time.perf_counter()  # as with the bare one, making the consumer is not counted
            seen.append(order.number)

        worker = Worker(stream, linker, group="bench", concurrency=TASKS)
        running = asyncio.create_task(worker.run(stop_on=()))
        while worker.counts.handled < messages:  # noqa: ASYNC110  # a worker tells nobody how far it is
            await asyncio.sleep(0.002)
        consuming = time.perf_counter() - began
        worker.stop()
        await running
        assert sorted(seen) == list(range(messages))
        await stream.opened.js.delete_stream(name)
        await stream.opened.js.delete_stream(f"{name}-dead")
        await stream.opened.js.delete_stream(f"KV_{name}-attempts")
    return publishing, consuming


async def relayed(url: str, name: str, messages: int) -> tuple[float, float]:
    """Seconds of 64 outstanding publishes of bare nats-py, and of a relay with as many rows of 200 keys in sqlite3."""
    settings = StreamSettings(lanes=8)
    with tempfile.TemporaryDirectory() as folder:
        async with JetStream(url, codec, stream=name, settings=settings, key=repr) as stream:
            body = codec.encode(OrderPlaced(1, "ada", 1999)).data
            js = stream.opened.js
            bare = await spread(
                messages,
                lambda _n: js.publish(f"{name}.any.bare", body, headers={"Nats-Msg-Id": str(uuid.uuid4())}),
                tasks=64,
            )
            database = sqlite3.connect(Path(folder) / "shop.db")
            outbox = Outbox(
                codec, source="bench", key=lambda event: event.customer if isinstance(event, OrderPlaced) else None
            )
            outbox.create(database)
            with database:
                for number in range(messages):
                    outbox.add(database, OrderPlaced(number, f"customer {number % 200}", 1999))
            relay = Relay(outbox, stream, lambda: sqlite3.connect(Path(folder) / "shop.db"))
            began = time.perf_counter()
            assert await relay.flush() == messages
            took = time.perf_counter() - began
            database.close()
            await js.delete_stream(name)
    return bare, took


async def latency(url: str, seconds: float) -> list[float]:
    """Seconds from ``emit`` to its end, at 200 a second, sorted. Late starts count: the clock is the plan's."""
    async with JetStream(url, codec, stream="LATENCY") as stream:
        linker = Linker[ShopEvent]()
        linker.subscribe(ShopEvent, stream.publish)
        emitter = Emitter(linker)
        took: list[float] = []

        async def one(number: int, due: float) -> None:
            await emitter.emit(OrderPlaced(number, "ada", 1999))
            took.append(time.perf_counter() - due)

        await one(0, time.perf_counter())
        took.clear()
        began = time.perf_counter()
        async with asyncio.TaskGroup() as tasks:
            for number in range(int(RATE * seconds)):
                due = began + number / RATE
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
                tasks.create_task(one(number, due))
    return sorted(took)


def _proxy(port: int, delay: float, ready: Connection) -> None:
    """A process that hands everything on to *port*, *delay* seconds later."""

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        while data := await reader.read(1 << 16):
            loop.call_later(delay, writer.write, data)
        loop.call_later(delay, writer.close)

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(carry(reader, up_writer), carry(up_reader, writer), return_exceptions=True)

    async def serve() -> None:
        server = await asyncio.start_server(connected, "127.0.0.1", 0)
        ready.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(serve())


@contextmanager
def delayed(url: str, delay: float) -> Iterator[str]:
    """The URL of the server at *url* behind a network that takes *delay* seconds each way."""
    if not delay:
        yield url
        return
    here, there = multiprocessing.Pipe()
    port = urlsplit(url).port
    assert port is not None
    process = multiprocessing.get_context("spawn").Process(target=_proxy, args=(port, delay, there), daemon=True)
    process.start()
    try:
        yield f"nats://127.0.0.1:{here.recv()}"
    finally:
        process.kill()
        process.join()


async def main(messages: int, rounds: int, delay: float) -> int:
    ratios: dict[str, list[float]] = {"publish": [], "consume": [], "both": [], "headers": [], "relay": []}
    with tempfile.TemporaryDirectory() as folder:
        async with LocalServer(Path(folder)) as server:
            with delayed(server.url, delay) as url:
                await bare(url, "WARM", 200)
                await ours(url, "WARM2", 200)
                print(f"{messages} messages, fsync on every write, {TASKS} at a time, {delay * 1000:g} ms each way")
                print(
                    "round   bare publish  consume   its publish with headers   ours publish  consume   (messages a second)"
                )
                for n in range(rounds):
                    first, second = (bare, ours) if n % 2 == 0 else (ours, bare)
                    one = await first(url, f"A{n}", messages)
                    headed = await bare_with_headers(url, f"H{n}", messages)
                    two = await second(url, f"B{n}", messages)
                    them, us = (one, two) if n % 2 == 0 else (two, one)
                    bare_publish, bare_consume, with_headers, publish, consume = (
                        messages / seconds for seconds in (*them, headed, *us)
                    )
                    print(
                        f"{n + 1:5}   {bare_publish:12.0f}  {bare_consume:7.0f}   {with_headers:24.0f}   "
                        f"{publish:12.0f}  {consume:7.0f}"
                    )
                    ratios["publish"].append(them[0] / us[0])
                    ratios["consume"].append(them[1] / us[1])
                    ratios["both"].append(sum(them) / sum(us))
                    ratios["headers"].append(headed / us[0])
                    outstanding, relay = await relayed(url, f"R{n}", messages)
                    ratios["relay"].append(outstanding / relay)
                took = await latency(url, seconds=5)
    medians = {what: statistics.median(values) for what, values in ratios.items()}
    p50, p99 = took[len(took) // 2], took[int(len(took) * 0.99)]
    for what in ("publish", "consume", "both"):
        print(f"{what:8} {medians[what]:5.0%} of bare nats-py (median of pairs)")
    print(f"publish  {medians['headers']:5.0%} of bare nats-py that sends the same headers")
    print(f"relay    {medians['relay']:5.0%} of 64 outstanding publishes of bare nats-py")
    print(f"publish at {RATE} a second: median {p50 * 1000:.1f} ms, p99 {p99 * 1000:.1f} ms")
    met = min(medians["publish"], medians["consume"]) >= GOAL and medians["relay"] >= RELAY_GOAL and p99 < LATENCY_GOAL
    print("goals met" if met else f"goals missed: {GOAL:.0%}, {RELAY_GOAL:.0%} and {LATENCY_GOAL * 1000:.0f} ms")
    return 0 if met else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--delay", type=float, default=0.0, help="milliseconds that every byte takes, each way")
    options = parser.parse_args()
    raise SystemExit(asyncio.run(main(options.messages, options.rounds, options.delay / 1000)))
