"""The outbox and the inbox in PostgreSQL: committed is stored, once, in order; nothing waits in a transaction."""

import asyncio
import os
import random
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from pyventus_typed.nats import JetStream, LocalServer, Relay
from pyventus_typed.nats.errors import NoTransaction
from pyventus_typed.nats.postgresql import Outbox
from tests.edges.nats.conftest import eventually
from tests.edges.nats.shop import OrderPlaced, ShopEvent, codec, customer
from tests.edges.nats.test_server_loss import stored_numbers
from tests.programs import ROOT

outbox = Outbox(codec, source="shop", key=customer)


@pytest.fixture
def connection(postgresql: str) -> Iterator[psycopg.Connection[Any]]:  # Any: rows of whatever is asked for
    with psycopg.connect(postgresql) as connection:
        outbox.create(connection)
        connection.execute("CREATE TABLE orders (number INTEGER PRIMARY KEY)")
        connection.commit()
        yield connection


def place(connection: psycopg.Connection[Any], *numbers: int, fail: bool = False) -> None:
    with connection.transaction():
        for number in numbers:
            connection.execute("INSERT INTO orders VALUES (%s)", (number,))
            outbox.add(connection, OrderPlaced(number, customer="ada"))
        if fail:
            raise LookupError("the shop changes its mind")


def rows(connection: psycopg.Connection[Any], query: str) -> list[tuple[Any, ...]]:
    found = connection.execute(query.encode()).fetchall()
    connection.commit()
    return found


@asynccontextmanager
async def relaying(stream: JetStream[ShopEvent], connect: str, **options: Any) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(Relay(outbox, stream, connect, poll=0.02, **options).run())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait([task])


def empty(connection: psycopg.Connection[Any]) -> Callable[[], bool]:
    return lambda: rows(connection, "SELECT count(*) FROM outbox") == [(0,)]


async def test_an_event_is_stored_if_and_only_if_its_transaction_was_committed(
    stream: JetStream[ShopEvent], connection: psycopg.Connection[Any], postgresql: str
) -> None:
    place(connection, 1, 2)
    with pytest.raises(LookupError):
        place(connection, 3, fail=True)
    async with await psycopg.AsyncConnection.connect(postgresql) as other:
        await outbox.add_async(other, OrderPlaced(4, customer="ada"))
        await other.commit()
        await outbox.add_async(other, OrderPlaced(5, customer="ada"))
        await other.rollback()
    assert await Relay(outbox, stream, postgresql).flush() == 3
    assert await stored_numbers(stream) == [1, 2, 4]
    assert await Relay(outbox, stream, lambda: psycopg.AsyncConnection.connect(postgresql)).flush() == 0


@pytest.mark.timeout(150)
async def test_relays_that_are_killed_eight_times_store_what_was_committed_once_and_in_order(
    stream: JetStream[ShopEvent],
    server: LocalServer,
    connection: psycopg.Connection[Any],
    postgresql: str,
    chance: random.Random,
) -> None:
    committed: list[int] = []

    async def sell() -> None:
        for first in range(0, 900, 3):
            try:
                place(connection, first, first + 1, first + 2, fail=chance.random() < 0.1)
            except LookupError:
                continue
            committed.extend((first, first + 1, first + 2))
            await asyncio.sleep(0.002)

    async def relay() -> asyncio.subprocess.Process:
        script = Path(__file__).with_name("relay_process.py")
        return await asyncio.create_subprocess_exec(
            sys.executable, str(script), server.url, postgresql, env={**os.environ, "PYTHONPATH": str(ROOT)}
        )

    async def stored() -> int:
        return (await stream.opened.js.stream_info("SHOP")).state.messages

    selling = asyncio.create_task(sell())
    # Two at a time: one is at work, and when it is killed the other one takes over.
    running = [await relay(), await relay()]
    try:
        for turn in range(8):
            before = await stored()
            if not selling.done():
                async with asyncio.timeout(20):
                    while await stored() <= before and not selling.done():
                        await asyncio.sleep(0.005)
            await asyncio.sleep(chance.random() * 0.1)
            victim = running[turn % 2]
            victim.kill()
            await victim.wait()
            running[turn % 2] = await relay()
        await selling
        await eventually(empty(connection), 60)
    finally:
        for process in running:
            process.kill()
            await process.wait()
    assert await stored_numbers(stream) == committed
    assert rows(connection, "SELECT number FROM orders ORDER BY number") == [(n,) for n in committed]


async def test_of_several_relays_one_is_at_work_and_another_one_takes_over(
    stream: JetStream[ShopEvent], connection: psycopg.Connection[Any], postgresql: str
) -> None:
    holders = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    async with relaying(stream, postgresql) as first:
        await eventually(lambda: len(rows(connection, holders)) == 1)
        one = rows(connection, holders)
        async with relaying(stream, postgresql):
            place(connection, 1)
            await eventually(empty(connection))
            assert rows(connection, holders) == one
            assert await Relay(outbox, stream, postgresql).flush() == 0
            first.cancel()
            await eventually(lambda: rows(connection, holders) not in ([], one))
            place(connection, 2)
            await eventually(empty(connection))
    assert await stored_numbers(stream) == [1, 2]


async def test_a_relay_is_never_idle_in_a_transaction_and_survives_the_servers_own_time_out(
    stream: JetStream[ShopEvent], connection: psycopg.Connection[Any], postgresql: str
) -> None:
    strict = f"{postgresql} options='-c idle_in_transaction_session_timeout=200 -c default_transaction_isolation=repeatable\\\\ read'"
    async with relaying(stream, strict) as task:
        for number in range(5):
            place(connection, number)
            await eventually(empty(connection))
            await asyncio.sleep(0.3)  # longer than the server's time-out
            assert rows(connection, "SELECT pid FROM pg_stat_activity WHERE state LIKE 'idle in%'") == []
        connection.execute("SET lock_timeout = '500ms'")
        connection.execute("ALTER TABLE outbox ADD COLUMN note TEXT")
        connection.commit()
        assert not task.done()
    assert await stored_numbers(stream) == list(range(5))


async def test_the_order_of_one_key_is_the_order_of_the_commits(
    stream: JetStream[ShopEvent], connection: psycopg.Connection[Any], postgresql: str
) -> None:
    async with (
        await psycopg.AsyncConnection.connect(postgresql) as early,
        await psycopg.AsyncConnection.connect(postgresql) as late,
        relaying(stream, postgresql),
    ):
        await outbox.add_async(early, OrderPlaced(1, customer="ada"))
        adding = asyncio.create_task(outbox.add_async(late, OrderPlaced(2, customer="ada")))
        # Another key does not wait.
        place_bob = asyncio.create_task(asyncio.to_thread(add_and_commit, postgresql, OrderPlaced(3, customer="bob")))
        await asyncio.wait_for(place_bob, 5)
        await asyncio.sleep(0.2)
        assert not adding.done(), "it took a number, and would be committed first"
        await early.commit()
        await adding
        await late.commit()
        await eventually(empty(connection))
    assert await stored_numbers(stream) == [3, 1, 2]


def add_and_commit(place: str, event: OrderPlaced) -> None:
    with psycopg.connect(place) as connection:
        outbox.add(connection, event)


async def test_what_would_be_committed_alone_or_not_at_all_is_refused(postgresql: str) -> None:
    with psycopg.connect(postgresql, autocommit=True) as connection:
        outbox.create(connection)
        with pytest.raises(NoTransaction, match=r"Work inside: with connection.transaction\(\)"):
            outbox.add(connection, OrderPlaced(1))
        with connection.transaction():
            outbox.add(connection, OrderPlaced(1))
        assert connection.execute("SELECT count(*) FROM outbox").fetchone() == (1,)
    async with await psycopg.AsyncConnection.connect(postgresql) as other:
        with pytest.raises(
            TypeError, match="AsyncConnection is not a psycopg.Connection. Use the method whose name ends in _async"
        ):
            outbox.add(other, OrderPlaced(1))  # type: ignore[arg-type]  # the wrong kind is the point
    with psycopg.connect(postgresql) as connection:
        with pytest.raises(TypeError, match=r"Connection is not a psycopg.AsyncConnection. Open one with psycopg 3"):
            await outbox.add_async(connection, OrderPlaced(1))  # type: ignore[arg-type]  # the wrong kind is the point
