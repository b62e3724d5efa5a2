"""Committed is stored, once, in order; rolled back is nowhere."""

import asyncio
import os
import random
import sqlite3
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pyventus_typed.nats import JetStream, LocalServer, Outbox, Relay, StreamSettings
from pyventus_typed.nats.errors import NotFaithful, NoTransaction, PayloadTooLarge, Refused
from tests.edges.nats.conftest import eventually
from tests.edges.nats.shop import OrderPlaced, ShopEvent, codec, customer
from tests.edges.nats.test_server_loss import stored_numbers
from tests.programs import ROOT

outbox = Outbox(codec, source="shop", key=customer)


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "shop.db"


@pytest.fixture
def connection(database: Path) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(database)
    outbox.create(connection)
    connection.execute("CREATE TABLE orders (number INTEGER PRIMARY KEY)")
    connection.commit()
    yield connection
    connection.close()


def place(connection: sqlite3.Connection, *numbers: int, fail: bool = False) -> None:
    with connection:
        for number in numbers:
            connection.execute("INSERT INTO orders VALUES (?)", (number,))
            outbox.add(connection, OrderPlaced(number, customer="ada"))
        if fail:
            raise LookupError("the shop changes its mind")


async def test_an_event_is_stored_if_and_only_if_its_transaction_was_committed(
    stream: JetStream[ShopEvent], connection: sqlite3.Connection, database: Path
) -> None:
    place(connection, 1, 2)
    with pytest.raises(LookupError):
        place(connection, 3, fail=True)
    place(connection, 4)
    assert await Relay(outbox, stream, lambda: sqlite3.connect(database)).flush() == 3
    assert await stored_numbers(stream) == [1, 2, 4]
    assert await Relay(outbox, stream, lambda: sqlite3.connect(database)).flush() == 0


@pytest.mark.timeout(150)
async def test_a_relay_that_is_killed_eight_times_stores_what_was_committed_once_and_in_order(
    stream: JetStream[ShopEvent],
    server: LocalServer,
    connection: sqlite3.Connection,
    database: Path,
    chance: random.Random,
) -> None:
    committed: list[int] = []

    async def sell() -> None:
        for first in range(0, 1200, 3):
            try:
                place(connection, first, first + 1, first + 2, fail=chance.random() < 0.1)
            except LookupError:
                continue
            committed.extend((first, first + 1, first + 2))
            await asyncio.sleep(0.002)

    async def relay() -> asyncio.subprocess.Process:
        script = Path(__file__).with_name("relay_process.py")
        return await asyncio.create_subprocess_exec(
            sys.executable, str(script), server.url, str(database), env={**os.environ, "PYTHONPATH": str(ROOT)}
        )

    async def stored() -> int:
        return (await stream.opened.js.stream_info("SHOP")).state.messages

    def moved(before: int) -> Callable[[], Awaitable[bool]]:
        async def more() -> bool:
            return selling.done() or await stored() > before

        return more

    selling = asyncio.create_task(sell())
    for _ in range(8):
        process = await relay()
        before = await stored()
        try:
            await eventually(moved(before))
            await asyncio.sleep(chance.random() * 0.1)
        finally:
            process.kill()
            await process.wait()
    await selling
    process = await relay()
    try:
        await eventually(lambda: connection.execute("SELECT count(*) FROM outbox").fetchone() == (0,), 60)
    finally:
        process.kill()
        await process.wait()
    assert await stored_numbers(stream) == committed
    assert connection.execute("SELECT number FROM orders ORDER BY number").fetchall() == [(n,) for n in committed]


async def test_a_row_that_was_stored_before_the_relay_died_is_not_stored_again_after_the_duplicates_window(
    server: LocalServer, connection: sqlite3.Connection, database: Path
) -> None:
    short = StreamSettings(lanes=2, duplicates=0.5)
    async with JetStream(server.url, codec, stream="SHOP", settings=short, key=customer, patience=0.4) as stream:
        relay = Relay(outbox, stream, lambda: sqlite3.connect(database))
        place(connection, *range(30))
        # A relay that died after it had stored the rows and before it removed them.
        connection.execute("CREATE TRIGGER stuck BEFORE DELETE ON outbox BEGIN SELECT RAISE(ABORT, 'killed'); END")
        connection.commit()
        with pytest.raises(sqlite3.IntegrityError, match="killed"):
            await relay.flush()
        connection.execute("DROP TRIGGER stuck")
        connection.commit()
        place(connection, 30)
        await asyncio.sleep(1.5)  # the server's window, on the server's clock
        assert await relay.flush() == 31
        assert await stored_numbers(stream) == list(range(31))


async def test_an_event_outside_of_a_transaction_is_refused(connection: sqlite3.Connection) -> None:
    connection.isolation_level = None
    with pytest.raises(NoTransaction, match="Execute BEGIN first"):
        outbox.add(connection, OrderPlaced(1))
    connection.execute("BEGIN")
    outbox.add(connection, OrderPlaced(1))
    connection.execute("ROLLBACK")
    assert connection.execute("SELECT count(*) FROM outbox").fetchone() == (0,)


async def test_what_could_never_be_sent_is_refused_in_the_transaction(connection: sqlite3.Connection) -> None:
    with pytest.raises(NotFaithful):
        outbox.add(connection, OrderPlaced("1"))  # type: ignore[arg-type]  # the wrong type is the point
    with pytest.raises(PayloadTooLarge, match="is 2000"):
        outbox.add(connection, OrderPlaced(1, customer="x" * 2_000_000))


async def test_a_key_that_the_stream_cannot_keep_in_order_is_refused(
    server: LocalServer, connection: sqlite3.Connection, database: Path
) -> None:
    place(connection, 1)
    async with JetStream(server.url, codec, stream="SHOP") as stream:
        with pytest.raises(Refused, match="row 1 has an ordering key, and the stream 'SHOP' has no lanes"):
            await Relay(outbox, stream, lambda: sqlite3.connect(database)).flush()


async def test_a_relayed_event_takes_the_same_lane_as_a_published_one(
    stream: JetStream[ShopEvent], connection: sqlite3.Connection, database: Path
) -> None:
    names = ["ada", "bob", "eve", "kim", ""]
    for number, name in enumerate(names):
        await stream.publish(OrderPlaced(number, customer=name))
        with connection:
            outbox.add(connection, OrderPlaced(number, customer=name))
    await Relay(outbox, stream, lambda: sqlite3.connect(database)).flush()
    subjects = [(await stream.opened.js.get_msg("SHOP", seq=seq)).subject for seq in range(1, 11)]
    assert subjects[:5] == subjects[5:]
    assert len(set(subjects)) > 2


async def test_a_full_stream_holds_the_outbox_up_and_loses_nothing(
    server: LocalServer, connection: sqlite3.Connection, database: Path
) -> None:
    async with JetStream(server.url, codec, stream="SHOP", settings=StreamSettings(lanes=1, max_bytes=3000)) as stream:
        place(connection, *range(30))
        relaying = asyncio.create_task(Relay(outbox, stream, lambda: sqlite3.connect(database)).run())

        def reaches(count: int) -> Callable[[], Awaitable[bool]]:
            async def enough() -> bool:
                return len(await stored_numbers(stream)) >= count

            return enough

        await eventually(reaches(5))
        await asyncio.sleep(0.3)  # what would overtake has time to
        before = await stored_numbers(stream)
        assert len(before) < 30
        assert before == list(range(len(before)))
        config = (await stream.opened.js.stream_info("SHOP")).config
        config.max_bytes = 1_000_000
        await stream.opened.js.update_stream(config)
        await eventually(reaches(30))
        relaying.cancel()
        with pytest.raises(asyncio.CancelledError):
            await relaying
        assert await stored_numbers(stream) == list(range(30))


@pytest.mark.skipif(sys.version_info < (3, 12), reason="sqlite3 has the attribute autocommit from Python 3.12 on")
@pytest.mark.parametrize("mode", [False, True])
async def test_a_connection_in_either_of_the_modes_of_python_312_is_used_as_it_should(
    stream: JetStream[ShopEvent], connection: sqlite3.Connection, database: Path, mode: bool
) -> None:
    def connect() -> sqlite3.Connection:
        options: dict[str, Any] = {"autocommit": mode}  # Any: not a parameter for the type checker of Python 3.11
        opened: sqlite3.Connection = sqlite3.connect(database, timeout=0.2, **options)
        return opened

    theirs = connect()
    if mode:
        with pytest.raises(NoTransaction, match="Execute BEGIN first"):
            outbox.add(theirs, OrderPlaced(1))
        theirs.execute("BEGIN")
        outbox.add(theirs, OrderPlaced(1))
        theirs.execute("COMMIT")
    else:
        outbox.add(theirs, OrderPlaced(1))
        theirs.commit()
    theirs.close()
    relaying = asyncio.create_task(Relay(outbox, stream, connect, poll=0.02).run())
    for number in range(2, 7):
        await asyncio.sleep(0.05)  # several looks at the empty table
        place(connection, number)  # raises "database is locked" where a look leaves its transaction open
    await eventually(lambda: connection.execute("SELECT count(*) FROM outbox").fetchone() == (0,))
    relaying.cancel()
    with pytest.raises(asyncio.CancelledError):
        await relaying
    assert sorted(await stored_numbers(stream)) == list(range(1, 7))


async def test_an_outbox_of_sqlite3_refuses_other_connections() -> None:
    with pytest.raises(TypeError, match=r"object is not a sqlite3.Connection. For psycopg there is"):
        outbox.add(object(), OrderPlaced(1))  # type: ignore[arg-type]  # the wrong kind is the point


async def test_keys_are_relayed_side_by_side_and_each_in_its_order(
    stream: JetStream[ShopEvent], connection: sqlite3.Connection, database: Path
) -> None:
    sent: list[OrderPlaced] = []
    with connection:
        for number in range(400):
            event = OrderPlaced(number, customer=f"c{number % 20}" if number % 4 else "")
            outbox.add(connection, event)
            sent.append(event)
    assert await Relay(outbox, stream, lambda: sqlite3.connect(database), batch=150).flush() == 400
    stored = await stored_numbers(stream)
    assert sorted(stored) == list(range(400))
    for name in {event.customer for event in sent} - {""}:
        own = {event.number for event in sent if event.customer == name}
        assert [number for number in stored if number in own] == sorted(own)
