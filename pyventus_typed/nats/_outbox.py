"""The transactional outbox: an event becomes a row in the transaction that it tells about, and a relay publishes it."""

import asyncio
import json
import sqlite3
import sys
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Generic, Protocol, final

from nats.errors import TimeoutError as NatsTimeout
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy
from typing_extensions import TypeVar

from pyventus_typed import Event
from pyventus_typed.nats._codec import Codec, check_codec
from pyventus_typed.nats._connection import logger
from pyventus_typed.nats._options import check_callback, check_option
from pyventus_typed.nats._stream import JetStream, Outgoing, side_by_side
from pyventus_typed.nats._tracing import trace_headers
from pyventus_typed.nats._wire import (
    MSG_ID,
    check_content_type,
    check_extra,
    check_key,
    check_size,
    check_token,
    cloud_event,
    lane_of,
    writable,
)
from pyventus_typed.nats.errors import NoTransaction, NotStored, Refused, StreamFull

_E = TypeVar("_E", bound=Event)
_C_contra = TypeVar("_C_contra", contravariant=True)
_R = TypeVar("_R")

_MAX_PAYLOAD: Final = 1 << 20  # bytes; the server's own default: no server is asked while a row is added
_FULL: Final = 1.0  # seconds before a full stream is tried again


@dataclass(frozen=True, slots=True)
class Row:
    """An event that waits in the outbox. *after*: the end of the stream before it was first sent, if it ever was."""

    number: int
    id: str
    name: str
    lane_key: str | None
    data: bytes
    headers: Mapping[str, str]
    after: int | None


class RelayTable(Protocol):
    """The rows of one outbox, as a relay uses them."""

    async def may_relay(self) -> bool:
        """Whether no other relay is at work."""
        ...

    async def waiting(self, limit: int) -> list[Row]:
        """The first rows, in order. It leaves no transaction open, and neither do the others."""
        ...

    async def mark_sent(self, rows: Sequence[Row], after: int) -> None:
        """Note, before *rows* are sent, where the stream ends."""
        ...

    async def remove(self, rows: Sequence[Row]) -> None:
        """Delete *rows*, which are stored."""
        ...

    async def close(self) -> None: ...


class RelaySource(Protocol[_E, _C_contra]):
    """What has rows to relay, and opens them with a *connect* of its own kind."""

    @property
    def codec(self) -> Codec[_E]:
        """Of which family the rows are."""
        ...

    async def open_table(self, connect: _C_contra, /) -> RelayTable: ...


class OutboxRows(Generic[_E]):
    """What the outboxes of all databases have in common: how an event becomes a row."""

    def __init__(
        self,
        codec: Codec[_E],
        /,
        *,
        source: str,
        key: Callable[[_E], str | int | None] | None = None,
        headers: Callable[[_E], Mapping[str, str]] | None = None,
        table: str = "outbox",
    ) -> None:
        check_option("source", source, str)
        check_callback("key", key)
        check_callback("headers", headers)
        self.codec = codec
        self._content_type = check_content_type(check_codec(codec).content_type)
        self._source = source
        self._key = key
        self._headers = headers
        self.table: str = check_token("table", table).replace("-", "_")

    def _values(self, event: _E) -> tuple[str, str, str | None, bytes, str]:
        """Id, name, key, data and headers of a new row. Raises what the codec raises, and ``PayloadTooLarge``."""
        encoded = self.codec.encode(event)
        event_id = str(uuid.uuid4())
        headers = cloud_event(
            event_id=event_id,
            name=encoded.name,
            source=self._source,
            time=datetime.now(UTC),
            content_type=self._content_type,
        )
        headers.update(writable(trace_headers()))
        if self._headers is not None:
            headers.update(check_extra(self._headers(event)))
        check_size(encoded.name, encoded.data, headers, _MAX_PAYLOAD)
        key = None if self._key is None else check_key(self._key(event))
        return event_id, encoded.name, key, encoded.data, json.dumps(headers)


@final
class Outbox(OutboxRows[_E]):
    """A table in the user's own sqlite3 database. Rows are added in the user's transaction; a ``Relay`` publishes them.

    An event is in the stream if and only if its transaction was committed: there is no moment at which a crash
    leaves one without the other. *source*, *key* and *headers* are those of ``JetStream``. An ``Outbox``
    has no connection and no state; threads may share it. ``pyventus_typed.nats.postgresql`` has the same for PostgreSQL.
    """

    def create(self, connection: sqlite3.Connection, /) -> None:
        """Create the table if it is missing. Does not commit."""
        # AUTOINCREMENT: without it the number of a deleted last row is given again.
        connection.execute(
            f"CREATE TABLE IF NOT EXISTS {self.table} (number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, "
            "name TEXT NOT NULL, lane_key TEXT, data BLOB NOT NULL, headers TEXT NOT NULL, after INTEGER)"
        )

    def add(self, connection: sqlite3.Connection, event: _E, /) -> str:
        """Add *event* to the open transaction of *connection* and return its id. Does not commit.

        Raises what the codec raises, ``PayloadTooLarge``, and ``NoTransaction`` if the row would be committed immediately, on its
        own.
        """
        check_sqlite_transaction(connection)
        values = self._values(event)
        connection.execute(
            f"INSERT INTO {self.table} (id, name, lane_key, data, headers) VALUES (?, ?, ?, ?, ?)",  # noqa: S608 - the name of the table is checked
            values,
        )
        return values[0]

    async def open_table(self, connect: Callable[[], sqlite3.Connection], /) -> RelayTable:
        """For ``Relay``: the rows, on a connection that *connect* opens in a separate thread."""
        thread = ThreadPoolExecutor(1, thread_name_prefix="outbox")
        try:
            loop = asyncio.get_running_loop()
            return _SqliteTable(self.table, thread, await loop.run_in_executor(thread, _with_transactions, connect))
        except BaseException:
            thread.shutdown(wait=False)
            raise


def check_sqlite_transaction(connection: sqlite3.Connection) -> None:
    """Raise ``NoTransaction`` where what is written next would be committed at once."""
    if not isinstance(connection, sqlite3.Connection):
        raise TypeError(
            f"{type(connection).__qualname__} is not a sqlite3.Connection. For psycopg there is pyventus_typed.nats.postgresql."
        )
    # From Python 3.12 on `autocommit` decides, unless it is LEGACY_TRANSACTION_CONTROL, which is neither True nor False.
    mode = getattr(connection, "autocommit", None)
    commits_each = mode if isinstance(mode, bool) else connection.isolation_level is None
    if commits_each and not connection.in_transaction:
        raise NoTransaction(
            "This connection is in autocommit mode and no transaction is open, so the row would be committed "
            "without the changes that belong to it. Execute BEGIN first."
        )


def _with_transactions(connect: Callable[[], sqlite3.Connection]) -> sqlite3.Connection:
    """A connection that begins a transaction when it writes, and none when it reads, however it was opened."""
    connection = connect()
    if sys.version_info >= (3, 12):
        connection.autocommit = sqlite3.LEGACY_TRANSACTION_CONTROL
    connection.isolation_level = "IMMEDIATE"
    return connection


class _SqliteTable:
    """The rows of an outbox, on a connection that lives in one thread."""

    def __init__(self, table: str, thread: ThreadPoolExecutor, connection: sqlite3.Connection) -> None:
        self._table = table
        self._thread = thread
        self._connection = connection

    async def may_relay(self) -> bool:
        return True  # sqlite3 has no lock that outlives a transaction: the user runs one relay

    async def waiting(self, limit: int) -> list[Row]:
        def read() -> list[Row]:
            cursor = self._connection.execute(
                f"SELECT number, id, name, lane_key, data, headers, after FROM {self._table} ORDER BY number LIMIT ?",  # noqa: S608 - the name of the table is checked
                (limit,),
            )
            return [row_of(values) for values in cursor.fetchall()]

        return await self._do(read)

    async def mark_sent(self, rows: Sequence[Row], after: int) -> None:
        def mark() -> None:
            with self._connection:
                self._connection.executemany(
                    f"UPDATE {self._table} SET after = ? WHERE number = ? AND after IS NULL",  # noqa: S608 - the name of the table is checked
                    [(after, row.number) for row in rows],
                )

        await self._do(mark)

    async def remove(self, rows: Sequence[Row]) -> None:
        def remove() -> None:
            with self._connection:
                self._connection.executemany(
                    f"DELETE FROM {self._table} WHERE number = ?",  # noqa: S608 - the name of the table is checked
                    [(row.number,) for row in rows],
                )

        await self._do(remove)

    async def close(self) -> None:
        await self._do(self._connection.close)
        self._thread.shutdown(wait=False)

    async def _do(self, work: Callable[[], _R]) -> _R:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)


def row_of(values: Sequence[Any]) -> Row:  # Any: the database's values
    number, event_id, name, lane_key, data, headers, after = values
    return Row(number, event_id, name, lane_key, bytes(data), json.loads(headers), after)


@final
class Relay(Generic[_E, _C_contra]):
    """Publishes the committed rows of an outbox: rows with an equal key in order, others concurrently.

    *connect* opens the connection that the relay uses. For sqlite3, it is a function that returns one; the relay
    calls it, uses the connection and closes it in one separate thread. For PostgreSQL, see
    ``pyventus_typed.nats.postgresql.Outbox``. Run one relay for each sqlite3 outbox. For PostgreSQL you can run
    several: one is active, and another takes over if it ends. *poll* is the number of seconds after which an empty
    outbox is read again, *batch* the number of rows that are marked and removed together.

    A relay that is killed may have stored events whose rows still exist. Before a row is sent again, the relay looks
    for its id in the stream, starting at the position that was recorded before the first attempt. So an event is
    stored once, even after the duplicate window of the stream has ended.
    """

    def __init__(
        self,
        outbox: RelaySource[_E, _C_contra],
        stream: JetStream[_E],
        connect: _C_contra,
        /,
        *,
        poll: float = 0.1,
        batch: int = 500,
    ) -> None:
        check_option("poll", poll, float)
        check_option("batch", batch, int)
        if poll <= 0 or batch < 1:
            raise ValueError(f"poll={poll} must be positive and batch={batch} 1 or more.")
        self._outbox = outbox
        self._stream = stream
        self._connect = connect
        self._poll = poll
        self._batch = batch

    async def run(self) -> None:
        """Relay until cancelled. If the server is lost or the stream is full, it logs that and waits. The order for
        each key is kept.

        Raises what the database raises, and ``Refused`` or ``PayloadTooLarge`` for a row that the stream will never
        accept.
        """
        task = asyncio.current_task()
        assert task is not None  # this is a coroutine
        before = task.cancelling()
        table = await self._outbox.open_table(self._connect)
        try:
            while task.cancelling() == before:
                if not await table.may_relay() or not await self._once(table):
                    await asyncio.sleep(self._poll)
            # nats-py waits with wait_for, and that of Python 3.11 may have lost the cancellation.
            raise asyncio.CancelledError
        finally:
            await asyncio.shield(table.close())

    async def flush(self) -> int:
        """Relay the rows that exist now, and return how many were removed; 0 if another relay is active."""
        done = 0
        table = await self._outbox.open_table(self._connect)
        try:
            while await table.may_relay() and (count := await self._once(table)):
                done += count
        finally:
            await asyncio.shield(table.close())
        return done

    async def _once(self, table: RelayTable) -> int:
        rows = await table.waiting(self._batch)
        if not rows:
            return 0
        stored = await self._stored_before([row for row in rows if row.after is not None])
        fresh = [row for row in rows if row.after is None]
        if fresh:
            end = (await self._stream.opened.js.stream_info(self._stream.stream)).state.last_seq
            await table.mark_sent(fresh, end)
        sent = [row for row in rows if row.id in stored]
        try:
            await self._send_all([row for row in rows if row.id not in stored], sent)
        finally:
            # Even if it is cancelled: each row removed now need not be looked for later.
            await asyncio.shield(table.remove(sent))
        return len(sent)

    async def _send_all(self, rows: Sequence[Row], sent: list[Row]) -> None:
        """Send *rows*, many at a time, those of one key one after the other; add to *sent* what is stored."""
        chains: dict[object, list[Row]] = {}
        for row in rows:
            chains.setdefault(row.number if row.lane_key is None else row.lane_key, []).append(row)

        async def send(chain: Sequence[Row]) -> None:
            for row in chain:
                await self._send(row)
                sent.append(row)

        await side_by_side(chains.values(), send)

    async def _send(self, row: Row) -> None:
        lanes = self._stream.opened.lanes
        if row.lane_key is not None and not lanes:
            raise Refused(
                f"The outbox row {row.number} has an ordering key, and the stream {self._stream.stream!r} has no lanes, "
                "so its order cannot be kept. Use a stream with lanes."
            )
        lane = None if row.lane_key is None else lane_of(row.lane_key, lanes)
        outgoing = Outgoing(row.id, row.name, lane, row.data, row.headers)
        while True:
            try:
                await self._stream.send(outgoing)
            except (StreamFull, NotStored) as error:
                logger.warning("the outbox waits at row %d: %s", row.number, error)
                await asyncio.sleep(_FULL)
            else:
                return

    async def _stored_before(self, rows: Sequence[Row]) -> set[str]:
        """The ids of those *rows* that are in the stream, because an earlier relay sent them."""
        if not rows:
            return set()
        wanted = {row.id for row in rows}
        start = min(row.after for row in rows if row.after is not None) + 1
        js = self._stream.opened.js
        end = (await js.stream_info(self._stream.stream)).state.last_seq
        found: set[str] = set()
        if start > end:
            return found
        reader = await js.pull_subscribe_bind(
            (
                await js.add_consumer(
                    self._stream.stream,
                    ConsumerConfig(
                        deliver_policy=DeliverPolicy.BY_START_SEQUENCE,
                        opt_start_seq=start,
                        ack_policy=AckPolicy.NONE,
                        headers_only=True,
                        inactive_threshold=60.0,
                        mem_storage=True,
                    ),
                )
            ).name,
            stream=self._stream.stream,
        )
        try:
            while True:
                try:
                    batch = await reader.fetch(500, timeout=2)
                except NatsTimeout:
                    return found  # the rest up to *end* was deleted from the stream
                for msg in batch:
                    if (event_id := (msg.headers or {}).get(MSG_ID)) in wanted:
                        found.add(event_id)
                if batch[-1].metadata.sequence.stream >= end or found == wanted:
                    return found
        finally:
            await reader.unsubscribe()
