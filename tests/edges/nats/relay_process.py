"""A relay in a process of its own: ``python tests/edges/nats/relay_process.py URL DATABASE``.

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

from pyventus_typed.nats import JetStream, Outbox, Relay  # noqa: E402 - needs our `tests`
from tests.edges.nats.shop import codec, customer  # noqa: E402 - needs our `tests`


async def main(url: str, database: str) -> None:
    async with JetStream(url, codec, stream="SHOP", settings=None, key=customer) as stream:
        if "=" in database:
            from pyventus_typed.nats import postgresql

            theirs = postgresql.Outbox(codec, source="shop", key=customer)
            await Relay(theirs, stream, database, poll=0.01, batch=20).run()
        else:
            outbox = Outbox(codec, source="shop", key=customer)
            await Relay(outbox, stream, lambda: sqlite3.connect(database), poll=0.01, batch=20).run()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
