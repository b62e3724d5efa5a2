"""A worker that writes to a database, with a fence and without: ``python tests/edges/nats/fence_process.py URL DATABASE``."""

import asyncio
import sqlite3
import sys
from pathlib import Path
from types import ModuleType

# Some distributions install a top-level package "tests", which would win over our folder of that name.
sys.modules["tests"] = ModuleType("tests")
sys.modules["tests"].__path__ = [str(Path(__file__).parents[2])]

from pyventus_typed import Linker  # noqa: E402 - needs our `tests`
from pyventus_typed.nats import JetStream, Worker, received  # noqa: E402 - needs our `tests`
from tests.edges.nats.shop import OrderPlaced, ShopEvent, codec, customer  # noqa: E402 - needs our `tests`


async def main(url: str, place: str) -> None:
    database = sqlite3.connect(place, timeout=20, isolation_level="IMMEDIATE")
    linker = Linker[ShopEvent]()

    @linker.on(OrderPlaced)
    async def handle(event: OrderPlaced) -> None:
        token = received().sequence
        with database:
            database.execute("INSERT INTO journal VALUES ('start', ?)", (event.number,))
        await asyncio.sleep(event.seconds)
        with database:
            database.execute("UPDATE fenced SET number = ?, token = ? WHERE ? >= token", (event.number, token, token))
            database.execute("UPDATE plain SET number = ?", (event.number,))
            database.execute("INSERT INTO journal VALUES ('end', ?)", (event.number,))

    async with JetStream(url, codec, stream="SHOP", settings=None, key=customer) as stream:
        await Worker(stream, linker, group="billing", ack_wait=1.0).run()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
