"""A worker whose handler has an effect in a database: ``python tests/edges/nats/inbox_process.py URL DATABASE``.

DATABASE is the path of a sqlite3 file, or a connection string of PostgreSQL.
"""

import asyncio
import sqlite3
import sys
from pathlib import Path
from types import ModuleType

# Some distributions install a top-level package "tests", which would win over our folder of that name.
sys.modules["tests"] = ModuleType("tests")
sys.modules["tests"].__path__ = [str(Path(__file__).parents[2])]

import psycopg  # noqa: E402 - needs our `tests`

from pyventus_typed import Linker  # noqa: E402 - needs our `tests`
from pyventus_typed.nats import Inbox, JetStream, Worker, postgresql  # noqa: E402 - needs our `tests`
from tests.edges.nats.shop import OrderPlaced, ShopEvent, codec  # noqa: E402 - needs our `tests`


async def main(url: str, place: str) -> None:
    linker = Linker[ShopEvent]()
    if "=" in place:
        theirs, inbox = await psycopg.AsyncConnection.connect(place), postgresql.Inbox()
        turn = asyncio.Lock()  # one connection has one transaction at a time

        @linker.on(OrderPlaced)
        async def pay(event: OrderPlaced) -> None:
            async with turn, theirs.transaction():
                if await inbox.first_time_async(theirs):
                    await theirs.execute("INSERT INTO effects VALUES (%s)", (event.number,))
                await asyncio.sleep(event.seconds)
    else:
        database, own = sqlite3.connect(place, timeout=20), Inbox()

        @linker.on(OrderPlaced)
        def pay_here(event: OrderPlaced) -> None:
            with database:
                if own.first_time(database):
                    database.execute("INSERT INTO effects VALUES (?)", (event.number,))

    async with JetStream(url, codec, stream="SHOP", settings=None) as stream:
        await Worker(stream, linker, group="billing", ack_wait=0.6, attempts=100, backoff=(0,)).run()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
