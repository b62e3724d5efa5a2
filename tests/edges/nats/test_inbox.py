"""An effect happens once, however often its event comes."""

import asyncio
import os
import random
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest

from pyventus_typed import Linker
from pyventus_typed.nats import Inbox, JetStream, LocalServer, Worker, postgresql
from pyventus_typed.nats.errors import NoTransaction
from tests.edges.nats.conftest import eventually
from tests.edges.nats.raw import RawClient, header_block
from tests.edges.nats.shop import OrderPlaced, ShopEvent, codec
from tests.programs import ROOT

EFFECTS = "CREATE TABLE effects (number INTEGER)"


@pytest.fixture(params=["sqlite3", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database with an inbox and a table of effects: the path of a file, or a connection string."""
    if request.param == "sqlite3":
        with closing(sqlite3.connect(tmp_path / "shop.db")) as connection, connection:
            Inbox().create(connection)
            connection.execute(EFFECTS)
        return str(tmp_path / "shop.db")
    place: str = request.getfixturevalue("postgresql")
    with psycopg.connect(place) as other:
        postgresql.Inbox().create(other)
        other.execute(EFFECTS)
    return place


def effects(place: str) -> list[int]:
    query = "SELECT number FROM effects ORDER BY number"
    if "=" in place:
        with psycopg.connect(place) as other:
            return [number for (number,) in other.execute(query).fetchall()]
    with closing(sqlite3.connect(place, timeout=20)) as connection:
        return [number for (number,) in connection.execute(query).fetchall()]


@pytest.mark.timeout(120)
async def test_every_event_is_delivered_three_times_under_kills_and_has_its_effect_once(
    stream: JetStream[ShopEvent], server: LocalServer, database: str, chance: random.Random
) -> None:
    count = 120
    async with RawClient(server.port) as raw:
        for _ in range(3):  # as three messages with one id, beside what the kills make come again
            for number in range(count):
                data = codec.encode(OrderPlaced(number, seconds=0.002)).data
                await raw.publish("SHOP.any.shop.order_placed.v1", data, header_block(b"ce-id: order-%d" % number))

    async def start() -> asyncio.subprocess.Process:
        script = Path(__file__).with_name("inbox_process.py")
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        return await asyncio.create_subprocess_exec(sys.executable, script, server.url, database, env=environment)

    async def left() -> int:
        found = [info for info in await stream.opened.js.consumers_info("SHOP") if info.name == "billing"]
        return (found[0].num_pending or 0) + (found[0].num_ack_pending or 0) if found else 3 * count

    running = [await start(), await start()]
    try:
        for turn in range(5):
            before = await left()
            async with asyncio.timeout(20):
                while await left() in {before, 0} and await left():
                    await asyncio.sleep(0.005)
            await asyncio.sleep(chance.random() * 0.1)
            running[turn % 2].kill()
            await running[turn % 2].wait()
            running[turn % 2] = await start()
        async with asyncio.timeout(60):
            while await left():
                await asyncio.sleep(0.05)
    finally:
        for process in running:
            process.kill()
            await process.wait()
    assert effects(database) == list(range(count))
    assert [letter async for letter in stream.dead_letters.all()] == []


async def in_handlers(stream: JetStream[ShopEvent], *handlers: Callable[[OrderPlaced], object]) -> Worker[ShopEvent]:
    linker = Linker[ShopEvent]()
    for handler in handlers:
        linker.subscribe(OrderPlaced, handler)
    worker = Worker(stream, linker, group="billing", attempts=1)
    running = asyncio.create_task(worker.run(stop_on=()))
    await stream.publish(OrderPlaced(1), event_id="order-1")
    await eventually(lambda: worker.counts.handled + worker.counts.dead == 1)
    worker.stop()
    await running
    return worker


async def test_handlers_with_a_purpose_each_do_not_take_each_others_place(
    stream: JetStream[ShopEvent], tmp_path: Path
) -> None:
    connection = sqlite3.connect(tmp_path / "shop.db")
    inbox = Inbox(table="seen")
    inbox.create(connection)
    told: list[tuple[str, bool]] = []

    def ask(purpose: str) -> Callable[[OrderPlaced], object]:
        def handle(_event: OrderPlaced) -> None:
            with connection:
                told.append((purpose, inbox.first_time(connection, purpose)))

        return handle

    await in_handlers(stream, ask("invoice"), ask("mail"), ask("mail"))
    assert told == [("invoice", True), ("mail", True), ("mail", False)]
    with connection:
        assert inbox.prune(connection, older_than=3600) == 0
        assert inbox.prune(connection, older_than=-10) == 2
    connection.close()


async def test_a_note_that_would_be_committed_alone_is_refused(
    stream: JetStream[ShopEvent], tmp_path: Path, postgresql: str
) -> None:
    from pyventus_typed.nats.postgresql import Inbox as TheirInbox

    connection = sqlite3.connect(tmp_path / "shop.db", isolation_level=None)
    Inbox().create(connection)
    other = psycopg.connect(postgresql, autocommit=True)
    TheirInbox().create(other)
    refused: list[str] = []

    def handle(_event: OrderPlaced) -> None:
        asks: tuple[Callable[[], Any], ...] = (  # Any: what they return is not looked at
            lambda: Inbox().first_time(connection),
            lambda: TheirInbox().first_time(other),
        )
        for ask in asks:
            with pytest.raises(NoTransaction) as caught:
                ask()
            refused.append(str(caught.value))

    await in_handlers(stream, handle)
    assert len(refused) == 2
    with pytest.raises(LookupError, match="no message is being handled here"):
        with connection:
            connection.execute("BEGIN")
            Inbox().first_time(connection)
    connection.close()
    other.close()
