"""200,000 events through a stream with flat memory: ``python -m tests.mutants.soak_nats``, run by the nox session ``soak``.

A publisher and a worker in one process; every second event has a lane, and one in a hundred fails once. What the process holds is
read after each tenth; from the second one on it must not grow by more than a few megabytes.
"""

import argparse
import asyncio
import gc
import logging
import resource
import tempfile
import time
from pathlib import Path

from pyventus_typed import Linker
from pyventus_typed.nats import JetStream, LocalServer, StreamSettings, Worker, received
from tests.edges.nats.shop import OrderPlaced, ShopEvent, codec, customer

CHUNK = 1000
MAY_GROW = 4.0  # megabytes, over all tenths but the first


def megabytes() -> float:
    """What the process holds now: not its peak, which would never fall."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() / 1e6


async def soak(messages: int) -> int:
    """Exit code 1 if memory grew."""
    logging.disable()  # each failure would be two records
    linker = Linker[ShopEvent]()

    @linker.on(OrderPlaced)
    async def handle(event: OrderPlaced) -> None:
        if event.number % 100 == 0 and received().attempt == 1:
            raise ValueError("once")

    held: list[float] = []
    settings = StreamSettings(lanes=4, storage="memory", retention="interest")
    with tempfile.TemporaryDirectory() as folder:
        async with (
            LocalServer(Path(folder)) as server,
            JetStream(server.url, codec, stream="SOAK", settings=settings, key=customer) as stream,
        ):
            worker = Worker(stream, linker, group="billing", backoff=(0.01,))
            running = asyncio.create_task(worker.run(stop_on=()))
            while not (await worker.health()).consumers:  # what nobody waits for is not kept
                await asyncio.sleep(0.05)
            began = time.monotonic()
            for start in range(0, messages, CHUNK):
                await stream.publish_all(
                    OrderPlaced(number, customer=number % 2 * f"customer {number % 50}")
                    for number in range(start, start + CHUNK)
                )
                while worker.counts.handled < start + CHUNK and not running.done():
                    await asyncio.sleep(0.01)
                if running.done():
                    break
                if (start + CHUNK) % (messages // 10) == 0:
                    gc.collect()
                    held.append(megabytes())
                    print(
                        f"{start + CHUNK:9,} handled, {worker.counts.failed:5,} failed: {held[-1]:6.1f} MB", flush=True
                    )
            took = time.monotonic() - began
            worker.stop()
            await running
    grown = max(held[1:]) - held[1]
    print(f"{messages / took:.0f} a second; grown by {grown:.1f} MB since the second tenth")
    return 1 if grown > MAY_GROW or worker.counts.handled != messages else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=200_000)
    raise SystemExit(asyncio.run(soak(parser.parse_args().messages)))
