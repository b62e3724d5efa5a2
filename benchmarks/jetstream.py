"""How much of nats-py by hand is left with everything of ours around it, in seconds and in CPU seconds of the client.

    python benchmarks/jetstream.py [--messages 500] [--rounds 15] [--delay MILLISECONDS]
    python benchmarks/jetstream.py --workers [--rounds 5]

All sides use one server that syncs every write, in one run, in turns. By hand, with the same guarantees: ``js.publish`` of an
encoded event with an id and the name of its stream, from sixteen tasks; then ``fetch(100)``, a heartbeat for what is in hand, and
a double acknowledgement (``ack_sync``) of each message, sixteen at a time, or a delayed ``nak``; then the same for four lanes, of which
each has one message in hand. Ours: the same through ``emit`` into a linker whose handler is the stream, with verification and all
headers; then a ``Worker`` with ``concurrency=16`` and one async handler. By hand there are no dead letters, no attempts that survive a
crash, and no search for a consumer that vanished. Counts are checked before a time is believed. A third publisher tells where
the difference comes from: it sends the headers that ours have. Then a relay of an outbox, compared with 64 outstanding publishes
of nats-py. Rounds are short and many, so that what else the machine does meets all sides. With ``--delay`` every byte takes so long
each way, as in a network.

``--workers`` compares one, two and four worker processes on four lanes, whose handler computes for two milliseconds, with as many processes
that do nothing else than that: the cores are the limit of both.
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

import msgspec
import nats
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig

from pyventus_typed import Emitter, Event, Linker
from pyventus_typed.nats import JetStream, JsonCodec, LocalServer, Outbox, Relay, StreamSettings, Wire, Worker
from pyventus_typed.nats._wire import lane_of

TASKS = 16
GOAL = 0.80
SCALE_GOAL = 0.80
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


WIRE = "bench.order_placed.v1"
codec = JsonCodec[ShopEvent](Wire(WIRE, OrderPlaced))
encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder(OrderPlaced).decode

LANES = 4
KEYS = [next(key for key in map(str, range(100)) if lane_of(key, LANES) == lane) for lane in range(LANES)]
"""A key for each lane."""


def lane_key(event: ShopEvent) -> str | None:
    return event.customer if isinstance(event, OrderPlaced) and event.customer in KEYS else None


@dataclass(frozen=True, slots=True)
class Took:
    """Seconds of the clock, and CPU seconds of this process: the server is another one."""

    wall: float
    cpu: float


class Stopwatch:
    def __init__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def stop(self) -> Took:
        return Took(time.perf_counter() - self._wall, time.process_time() - self._cpu)


async def spread(messages: int, publish: Callable[[int], Awaitable[object]], *, tasks: int = TASKS) -> Took:
    """Publish *messages* from so many *tasks*."""
    numbers = iter(range(messages))

    async def one() -> None:
        for number in numbers:
            await publish(number)

    watch = Stopwatch()
    await asyncio.gather(*(one() for _ in range(tasks)))
    return watch.stop()


@dataclass(frozen=True, slots=True)
class Side:
    """What one side took for each job."""

    publish: Took
    consume: Took
    lanes: Took


async def by_hand(url: str, name: str, messages: int) -> Side:
    client = await nats.connect(url)
    js = client.jetstream()
    await js.add_stream(name=name, subjects=[f"{name}.>"])

    async def publish(number: int, place: str = "any", event_id: str | None = None) -> None:
        await js.publish(
            f"{name}.{place}.{WIRE}",
            encode(OrderPlaced(number, "ada", 1999)),
            headers={"Nats-Msg-Id": event_id or str(uuid.uuid4())},
            stream=name,
            timeout=5,
        )

    publishing = await spread(messages, publish)
    consuming = await _read(js, name, {"any": TASKS}, messages)
    await spread(messages, lambda number: publish(number, str(number % LANES)))
    in_lanes = await _read(js, name, {str(lane): 1 for lane in range(LANES)}, messages)
    await js.delete_stream(name)
    await client.close()
    return Side(publishing, consuming, in_lanes)


async def by_hand_with_headers(url: str, name: str, messages: int) -> Took:
    client = await nats.connect(url)
    js = client.jetstream()
    await js.add_stream(name=name, subjects=[f"{name}.>"])

    def publish(number: int) -> Awaitable[object]:
        event_id = str(uuid.uuid4())
        headers = {
            "Nats-Msg-Id": event_id,
            "ce-specversion": "1.0",
            "ce-id": event_id,
            "ce-type": WIRE,
            "ce-source": name,
            "ce-time": datetime.now(UTC).isoformat(),
            "ce-datacontenttype": "application/json",
        }
        body = encode(OrderPlaced(number, "ada", 1999))
        return js.publish(f"{name}.any.{WIRE}", body, headers=headers, stream=name, timeout=5)

    publishing = await spread(messages, publish)
    await js.delete_stream(name)
    await client.close()
    return publishing


async def _read(js: JetStreamContext, name: str, places: dict[str, int], messages: int) -> Took:
    """Handle *messages*, as many of each place at a time as *places* says."""
    readers = {}
    for place, room in places.items():
        config = ConsumerConfig(
            durable_name=f"by-hand-{place}",
            filter_subject=f"{name}.{place}.{WIRE}",
            ack_policy=AckPolicy.EXPLICIT,
            ack_wait=30,
            max_ack_pending=1 if room == 1 else 10_000,
        )
        await js.add_consumer(name, config)
        readers[place] = await js.pull_subscribe_bind(f"by-hand-{place}", stream=name)
    seen: list[int] = []
    held: dict[int, Msg] = {}

    async def handle(order: OrderPlaced) -> None:
        seen.append(order.number)

    async def beat() -> None:
        while True:
            await asyncio.sleep(10)
            for msg in tuple(held.values()):
                await msg.in_progress()

    async def settle(msg: Msg, room: asyncio.Semaphore) -> None:
        async with room:
            held[id(msg)] = msg
            try:
                await handle(decode(msg.data))
                await msg.ack_sync(timeout=5)
            except Exception:
                await msg.nak(1)
            finally:
                del held[id(msg)]

    async def read(place: str, room: int, share: int) -> None:
        limit, done = asyncio.Semaphore(room), 0
        while done < share:
            batch = await readers[place].fetch(1 if room == 1 else min(100, share - done), timeout=5)
            await asyncio.gather(*(settle(msg, limit) for msg in batch))
            done += len(batch)

    beating = asyncio.create_task(beat())
    watch = Stopwatch()
    await asyncio.gather(*(read(place, room, messages // len(places)) for place, room in places.items()))
    took = watch.stop()
    beating.cancel()
    assert sorted(seen) == list(range(messages))
    return took


async def ours(url: str, name: str, messages: int) -> Side:
    settings = StreamSettings(lanes=LANES)
    async with JetStream(url, codec, stream=name, settings=settings, key=lane_key) as stream:
        out = Linker[ShopEvent]()
        out.subscribe(ShopEvent, stream.publish)
        emitter = Emitter(out)

        async def emit(number: int) -> None:
            await emitter.emit(OrderPlaced(number, "ada", 1999))

        async def emit_in_lane(number: int) -> None:
            await emitter.emit(OrderPlaced(number, KEYS[number % LANES], 1999))

        publishing = await spread(messages, emit)
        consuming = await _work(stream, messages)
        await spread(messages, emit_in_lane)
        in_lanes = await _work(stream, messages)
        await _delete(stream)
    return Side(publishing, consuming, in_lanes)


async def _work(stream: JetStream[ShopEvent], messages: int) -> Took:
    seen: list[int] = []
    watch: Stopwatch | None = None
    linker = Linker[ShopEvent]()

    @linker.on(OrderPlaced)
    async def handle(order: OrderPlaced) -> None:
        nonlocal watch
        watch = watch or Stopwatch()  # as by hand, making the consumers is not counted
        seen.append(order.number)

    worker = Worker(stream, linker, group="bench", concurrency=TASKS)
    running = asyncio.create_task(worker.run(stop_on=()))
    while worker.counts.handled < messages:  # noqa: ASYNC110  # a worker tells nobody how far it is
        await asyncio.sleep(0.002)
    assert watch is not None
    took = watch.stop()
    worker.stop()
    await running
    assert sorted(seen) == list(range(messages))
    return took


async def _delete(stream: JetStream[ShopEvent]) -> None:
    for name in (stream.stream, f"{stream.stream}-dead", f"KV_{stream.stream}-attempts"):
        await stream.opened.js.delete_stream(name)


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
    return bare.wall, took


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


def share(them: Took, us: Took) -> tuple[float, float]:
    """How much of their speed ours is: by the clock, and for each CPU second."""
    return them.wall / us.wall, them.cpu / us.cpu


async def main(messages: int, rounds: int, delay: float) -> int:
    ratios: dict[str, list[tuple[float, float]]] = {}
    micros: dict[str, list[float]] = {}
    relays: list[float] = []

    def note(what: str, them: Took, us: Took) -> None:
        ratios.setdefault(what, []).append(share(them, us))
        micros.setdefault(f"{what}, by hand", []).append(them.cpu / messages * 1e6)
        micros.setdefault(f"{what}, ours", []).append(us.cpu / messages * 1e6)

    with tempfile.TemporaryDirectory() as folder:
        async with LocalServer(Path(folder)) as server:
            with delayed(server.url, delay) as url:
                await by_hand(url, "WARM", 200)
                await ours(url, "WARM2", 200)
                print(f"{messages} messages, fsync on every write, {TASKS} at a time, {delay * 1000:g} ms each way")
                for n in range(rounds):
                    first, second = (by_hand, ours) if n % 2 == 0 else (ours, by_hand)
                    one = await first(url, f"A{n}", messages)
                    headed = await by_hand_with_headers(url, f"H{n}", messages)
                    two = await second(url, f"B{n}", messages)
                    them, us = (one, two) if n % 2 == 0 else (two, one)
                    note("publish", them.publish, us.publish)
                    note("publish with the same headers", headed, us.publish)
                    note("consume", them.consume, us.consume)
                    note(f"consume in {LANES} lanes", them.lanes, us.lanes)
                    outstanding, relay = await relayed(url, f"R{n}", messages)
                    relays.append(outstanding / relay)
                took = await latency(url, seconds=5)
    print(
        "compared with nats-py by hand (medians of pairs)   by the clock   for a CPU second   least CPU microseconds, by hand and ours"
    )
    medians = {what: tuple(map(statistics.median, zip(*found, strict=True))) for what, found in ratios.items()}
    for what, (wall, cpu) in medians.items():
        least = " ".join(f"{min(micros[f'{what}, {side}']):6.0f}" for side in ("by hand", "ours"))
        print(f"{what:48}   {wall:12.0%}   {cpu:16.0%}   {least}")
    relay = statistics.median(relays)
    p50, p99 = took[len(took) // 2], took[int(len(took) * 0.99)]
    print(f"relay {relay:.0%} of 64 outstanding publishes of nats-py")
    print(f"publish at {RATE} a second: median {p50 * 1000:.1f} ms, p99 {p99 * 1000:.1f} ms")
    met = min(map(min, medians.values())) >= GOAL and relay >= RELAY_GOAL and p99 < LATENCY_GOAL
    print("goals met" if met else f"goals missed: {GOAL:.0%}, {RELAY_GOAL:.0%} and {LATENCY_GOAL * 1000:.0f} ms")
    return 0 if met else 1


BURN = 0.002


def burn() -> None:
    """Compute for so many CPU seconds, as a handler does that waits for nothing."""
    until = time.thread_time() + BURN
    while time.thread_time() < until:
        pass


def _burner(count: int) -> None:
    for _ in range(count):
        burn()


def _worker(url: str) -> None:
    linker = Linker[ShopEvent]()

    @linker.on(OrderPlaced)
    async def handle(order: OrderPlaced) -> None:
        burn()

    async def run() -> None:
        async with JetStream(url, codec, stream="SCALE", settings=StreamSettings(lanes=LANES), key=lane_key) as stream:
            await Worker(stream, linker, group="bench", concurrency=TASKS).run()

    asyncio.run(run())


async def scaling(messages: int, rounds: int) -> int:
    """Messages a second of one, two and four workers, and burns a second of as many processes."""
    spawn = multiprocessing.get_context("spawn")
    counts = (1, 2, 4)
    rates: dict[int, list[float]] = {count: [] for count in counts}
    limits: dict[int, list[float]] = {count: [] for count in counts}
    with tempfile.TemporaryDirectory() as folder:
        async with (
            LocalServer(Path(folder)) as server,
            JetStream(server.url, codec, stream="SCALE", settings=StreamSettings(lanes=LANES), key=lane_key) as stream,
        ):
            js = stream.opened.js

            async def left() -> int:
                found = await js.consumers_info("SCALE")
                if len(found) <= LANES:  # the first worker has still to make them
                    return messages
                return sum((info.num_pending or 0) + (info.num_ack_pending or 0) for info in found)

            for _ in range(rounds):
                for count in counts:
                    await spread(
                        messages, lambda n: stream.publish(OrderPlaced(n, KEYS[n % LANES], 1999)), tasks=4 * TASKS
                    )
                    processes = [spawn.Process(target=_worker, args=(server.url,)) for _ in range(count)]
                    for process in processes:
                        process.start()
                    while (before := await left()) > messages * 0.8:  # noqa: ASYNC110  # the server tells nobody; all have started by then
                        await asyncio.sleep(0.01)
                    began = time.perf_counter()
                    while now := await left():  # noqa: ASYNC110  # the server tells nobody
                        await asyncio.sleep(0.01)
                    rates[count].append((before - now) / (time.perf_counter() - began))
                    for process in processes:
                        process.terminate()
                        process.join()
                    share = messages // count
                    burners = [spawn.Process(target=_burner, args=(share,)) for _ in range(count)]
                    began = time.perf_counter()
                    for process in burners:
                        process.start()
                    for process in burners:
                        await asyncio.to_thread(process.join)
                    limits[count].append(share * count / (time.perf_counter() - began))
    best = {count: (max(rates[count]), max(limits[count])) for count in counts}
    print(
        f"handlers of {BURN * 1000:g} ms in {LANES} lanes, best of {rounds}: messages a second, and processes that only compute"
    )
    for count, (rate, limit) in best.items():
        print(
            f"{count} workers   {rate:6.0f} ({rate / best[1][0]:.2f} times one)   {limit:6.0f} ({limit / best[1][1]:.2f} times one)"
        )
    met = all(rate / best[1][0] >= SCALE_GOAL * limit / best[1][1] for rate, limit in best.values())
    print("goal met" if met else f"goal missed: {SCALE_GOAL:.0%} of what the cores allow")
    return 0 if met else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--delay", type=float, default=0.0, help="milliseconds that every byte takes, each way")
    parser.add_argument("--workers", action="store_true", help="one, two and four workers")
    options = parser.parse_args()
    if options.workers:
        raise SystemExit(asyncio.run(scaling(options.messages, options.rounds)))
    raise SystemExit(asyncio.run(main(options.messages, options.rounds, options.delay / 1000)))
