"""The transactional outbox: an event becomes a row in the transaction that it tells about, and a relay publishes it."""

import asyncio
import json
import sqlite3
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
from pyventus_typed.nats._codec import Codec
from pyventus_typed.nats._connection import logger
from pyventus_typed.nats._stream import JetStream, Outgoing
from pyventus_typed.nats._wire import MSG_ID, check_extra, check_size, check_token, cloud_event, lane_of
from pyventus_typed.nats.errors import NoTransaction, NotStored, Refused, StreamFull

_E = TypeVar("_E", bound=Event)
_R = TypeVar("_R")

_MAX_PAYLOAD: Final = 1 << 20  # bytes; the server's own default: no server is asked while a row is added


class Cursor(Protocol):
    """What is used of a DB-API cursor."""

    def execute(self, sql: str, parameters: Sequence[Any], /) -> object: ...  # Any: the database's values
    def fetchall(self) -> Sequence[Sequence[Any]]: ...  # Any: the same


class Connection(Protocol):
    """What is used of a DB-API connection."""

    def cursor(self) -> Cursor: ...
    def commit(self) -> object: ...
    def close(self) -> object: ...


@dataclass(frozen=True, slots=True)
class Dialect:
    """What differs between databases: the mark of a parameter, and the table.

    ``{table}`` in *create* becomes the table's name. Its columns: ``number`` (ascending, given by the
    database), ``id``, ``name``, ``lane_key``, ``data`` (bytes), ``headers`` and ``after`` (a number, or null).
    """

    mark: str
    create: str


SQLITE: Final = Dialect(
    mark="?",
    # AUTOINCREMENT: without it the number of a deleted last row is given again.
    create=(
        "CREATE TABLE IF NOT EXISTS {table} (number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, "
        "name TEXT NOT NULL, lane_key TEXT, data BLOB NOT NULL, headers TEXT NOT NULL, after INTEGER)"
    ),
)


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


@final
class Outbox(Generic[_E]):
    """A table in the user's own database. Rows are added in the user's transaction; a ``Relay`` publishes them.

    An event is in the stream if and only if its transaction was committed: there is no moment at which a crash
    leaves one without the other. *source*, *key* and *headers* are those of ``JetStream``. An ``Outbox``
    has no connection and no state; threads may share it.
    """

    def __init__(
        self,
        codec: Codec[_E],
        /,
        *,
        source: str,
        key: Callable[[_E], str | int | None] | None = None,
        headers: Callable[[_E], Mapping[str, str]] | None = None,
        table: str = "outbox",
        dialect: Dialect = SQLITE,
    ) -> None:
        self._codec = codec
        self._source = source
        self._key = key
        self._headers = headers
        self._table = check_token("table", table).replace("-", "_")
        self._mark = dialect.mark
        self._create = dialect.create

    def create(self, connection: Connection, /) -> None:
        """Create the table if it is missing. Does not commit."""
        connection.cursor().execute(self._create.format(table=self._table), ())

    def add(self, connection: Connection, event: _E, /) -> str:
        """Add *event* to the open transaction of *connection* and return its id. Does not commit.

        Raises what the codec raises, ``PayloadTooLarge``, and ``NoTransaction`` where the row would be committed
        at once, alone.
        """
        # Unless in autocommit mode, sqlite3 begins a transaction by itself before it inserts.
        if isinstance(connection, sqlite3.Connection) and (connection.isolation_level, connection.in_transaction) == (
            None,
            False,
        ):
            raise NoTransaction(
                "This connection is in autocommit mode and no transaction is open, so the event would be committed "
                "without what it tells about. Execute BEGIN first."
            )
        encoded = self._codec.encode(event)
        event_id = str(uuid.uuid4())
        headers = cloud_event(
            event_id=event_id,
            name=encoded.name,
            source=self._source,
            time=datetime.now(UTC),
            content_type=self._codec.content_type,
        )
        if self._headers is not None:
            headers.update(check_extra(self._headers(event)))
        check_size(encoded.name, encoded.data, headers, _MAX_PAYLOAD)
        key = None if self._key is None else self._key(event)
        values = (event_id, encoded.name, None if key is None else str(key), encoded.data, json.dumps(headers))
        marks = ", ".join([self._mark] * len(values))
        connection.cursor().execute(
            f"INSERT INTO {self._table} (id, name, lane_key, data, headers) VALUES ({marks})",  # noqa: S608  # a checked name
            values,
        )
        return event_id

    def waiting(self, connection: Connection, limit: int) -> list[Row]:
        """The first rows, in order."""
        cursor = connection.cursor()
        cursor.execute(
            f"SELECT number, id, name, lane_key, data, headers, after FROM {self._table} ORDER BY number LIMIT {self._mark}",  # noqa: S608
            (limit,),
        )
        return [
            Row(number, event_id, name, lane_key, bytes(data), json.loads(headers), after)
            for number, event_id, name, lane_key, data, headers, after in cursor.fetchall()
        ]

    def mark_sent(self, connection: Connection, rows: Sequence[Row], after: int) -> None:
        """Note, before *rows* are sent, where the stream ends. Commits."""
        for row in rows:
            connection.cursor().execute(
                f"UPDATE {self._table} SET after = {self._mark} WHERE number = {self._mark} AND after IS NULL",  # noqa: S608
                (after, row.number),
            )
        connection.commit()

    def remove(self, connection: Connection, rows: Sequence[Row]) -> None:
        """Delete *rows*, which are stored. Commits."""
        # Each by its number: a row with a lower one may be committed later, in databases with many writers.
        for row in rows:
            connection.cursor().execute(f"DELETE FROM {self._table} WHERE number = {self._mark}", (row.number,))  # noqa: S608
        connection.commit()


@final
class Relay(Generic[_E]):
    """Publishes what is committed in an outbox, in the order of its rows. Run one relay for each outbox.

    *connect* opens a connection of the relay's own; it is called, used and closed in a thread of the relay's.
    *poll*: seconds between two looks at an empty outbox. *batch*: rows that are marked and removed together.

    A relay that is killed may have stored events whose rows are still there. Before it sends a row again it looks
    for its id in the stream, from the place that it noted before the first try. So this holds also
    after the stream's window for duplicates is over.
    """

    def __init__(
        self,
        outbox: Outbox[_E],
        stream: JetStream[_E],
        connect: Callable[[], Connection],
        /,
        *,
        poll: float = 0.1,
        batch: int = 100,
    ) -> None:
        self._outbox = outbox
        self._stream = stream
        self._connect = connect
        self._poll = poll
        self._batch = batch

    async def run(self) -> None:
        """Relay until cancelled. A lost server and a full stream are waited for, and logged; nothing overtakes.

        Raises what the database raises, and ``Refused`` or ``PayloadTooLarge`` for a row that the stream will never take.
        """
        task = asyncio.current_task()
        assert task is not None  # this is a coroutine
        before = task.cancelling()
        with ThreadPoolExecutor(1, thread_name_prefix="outbox") as thread:
            connection = await _ThreadConnection.open(thread, self._connect)
            try:
                while task.cancelling() == before:
                    if not await self._once(connection):
                        await asyncio.sleep(self._poll)
                # nats-py waits with wait_for, and that of Python 3.11 may have lost the cancellation.
                raise asyncio.CancelledError
            finally:
                await connection.close()

    async def flush(self) -> int:
        """Relay what is there now and return; the number of rows that were removed."""
        done = 0
        with ThreadPoolExecutor(1, thread_name_prefix="outbox") as thread:
            connection = await _ThreadConnection.open(thread, self._connect)
            try:
                while count := await self._once(connection):
                    done += count
            finally:
                await connection.close()
        return done

    async def _once(self, connection: "_ThreadConnection") -> int:
        rows = await connection.do(lambda connection: self._outbox.waiting(connection, self._batch))
        if not rows:
            return 0
        stored = await self._stored_before([row for row in rows if row.after is not None])
        fresh = [row for row in rows if row.after is None]
        if fresh:
            end = (await self._stream.opened.js.stream_info(self._stream.stream)).state.last_seq
            await connection.do(lambda connection: self._outbox.mark_sent(connection, fresh, end))
        sent: list[Row] = []
        try:
            for row in rows:
                if row.id not in stored:
                    await self._send(row)
                sent.append(row)
        finally:
            # Also when cancelled: each row removed now need not be looked for later.
            await asyncio.shield(connection.do(lambda connection: self._outbox.remove(connection, sent)))
        return len(sent)

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
                await asyncio.sleep(1)
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


class _ThreadConnection:
    """A database connection that lives in one thread."""

    def __init__(self, thread: ThreadPoolExecutor, connection: Connection) -> None:
        self._thread = thread
        self._connection = connection

    @classmethod
    async def open(cls, thread: ThreadPoolExecutor, connect: Callable[[], Connection]) -> "_ThreadConnection":
        return cls(thread, await asyncio.get_running_loop().run_in_executor(thread, connect))

    async def do(self, work: Callable[[Connection], _R]) -> _R:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, self._connection)

    async def close(self) -> None:
        await asyncio.shield(asyncio.get_running_loop().run_in_executor(self._thread, self._connection.close))
