"""A worker in a process of its own: ``python tests/edges/nats/worker_process.py URL JOURNAL '{"group": ...}'``.

Each start and end of a handler is a line in the journal, written before anything else happens.
"""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from types import ModuleType

# Some distributions install a top-level package "tests", which would win over our folder of that name.
sys.modules["tests"] = ModuleType("tests")
sys.modules["tests"].__path__ = [str(Path(__file__).parents[2])]

from pyventus_typed import Linker  # noqa: E402 - needs our `tests`
from pyventus_typed.nats import JetStream, Worker, received  # noqa: E402 - needs our `tests`
from tests.edges.nats.shop import OrderPlaced, ShopEvent, codec  # noqa: E402 - needs our `tests`


class Journal:
    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def write(self, **line: object) -> None:
        os.write(self._file, (json.dumps({"pid": os.getpid(), **line}) + "\n").encode())  # one write: lines stay whole


async def main(url: str, journal_path: str, options: str) -> None:
    journal = Journal(journal_path)
    linker = Linker[ShopEvent]()

    @linker.on(OrderPlaced)
    async def handle(event: OrderPlaced) -> None:
        message = received()
        about = {"number": event.number, "customer": event.customer, "attempt": message.attempt, "id": message.id}
        journal.write(what="start", **about)
        if event.seconds:
            await asyncio.sleep(event.seconds)
        if event.behaviour == "dies":
            os.kill(os.getpid(), signal.SIGKILL)
        if event.behaviour == "exits":
            sys.exit(3)
        failures = {"well": 0, "raises": 1_000_000, "raises once": 1, "raises twice": 2}[event.behaviour]
        if message.attempt <= failures:
            journal.write(what="raise", **about)
            raise ValueError(f"order {event.number} cannot be handled")
        journal.write(what="end", **about)

    async with JetStream(url, codec, stream="SHOP", settings=None) as stream:
        worker = Worker(stream, linker, **json.loads(options))
        running = asyncio.create_task(worker.run())
        await asyncio.sleep(0)
        journal.write(what="ready")
        await running


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
