"""Outbox and inbox in the user's own PostgreSQL database, with psycopg 3: the extra ``postgresql``."""

import time
import zlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, TypeAlias, final

try:
    import psycopg
    from psycopg.pq import TransactionStatus
    from psycopg.rows import tuple_row
except ImportError as _missing:  # psycopg without libpq is an ImportError of its own
    from pyventus_typed._install import install_command

    raise ModuleNotFoundError(
        f"pyventus_typed.nats.postgresql needs psycopg ({_missing}). Run: {install_command('nats,postgresql')}",
        name=_missing.name,
    ) from _missing

from typing_extensions import TypeVar

from pyventus_typed import Event
from pyventus_typed.nats._inbox import MONTH, InboxTable
from pyventus_typed.nats._outbox import OutboxRows, RelayTable, Row, row_of
from pyventus_typed.nats.errors import NoTransaction

__all__ = ["Inbox", "Outbox"]

_E = TypeVar("_E", bound=Event)

_Connection: TypeAlias = "psycopg.Connection[Any]"  # Any: the rows are the user's to shape
_AsyncConnection: TypeAlias = "psycopg.AsyncConnection[Any]"  # Any: the same

_LOCK: Final = "SELECT pg_advisory_xact_lock(%s, %s)"


@final
class Outbox(OutboxRows[_E]):
    """A table in the user's own PostgreSQL database. Rows are added in the user's transaction; a ``Relay`` publishes them.

    It is ``pyventus_typed.nats.Outbox`` for psycopg, with ``add`` for connections and ``add_async`` for async ones.

    Transactions that add events with an equal key wait for each other, from ``add`` to their end, so that the rows
    are in the order in which the transactions were committed. A transaction that adds events with several keys should
    use the same order everywhere. Otherwise two transactions may wait for each other, and PostgreSQL aborts one of
    them (``DeadlockDetected``).

    For *connect*, a ``Relay`` takes the connection string, or an async function that returns an ``AsyncConnection``.
    It uses autocommit mode, so it is never idle in a transaction. Of several relays, one is active. It holds a
    session-level advisory lock: connect it directly to PostgreSQL, or to a pool in session mode.
    """

    def create(self, connection: _Connection, /) -> None:
        """Create the table if it is missing. Does not commit."""
        _check_kind(connection, psycopg.Connection)
        connection.execute(self._create)

    async def create_async(self, connection: _AsyncConnection, /) -> None:
        """``create`` for an async connection."""
        _check_kind(connection, psycopg.AsyncConnection)
        await connection.execute(self._create)

    def add(self, connection: _Connection, event: _E, /) -> str:
        """Add *event* to the open transaction of *connection* and return its id. Does not commit.

        Raises what the codec raises, ``PayloadTooLarge``, and ``NoTransaction`` if the row would be committed
        immediately, on its own.
        """
        _check_kind(connection, psycopg.Connection)
        _check_transaction(connection)
        values = self._values(event)
        if (key := values[2]) is not None:
            connection.execute(_LOCK, (_number(self.table), _number(key)))
        connection.execute(self._insert, values)
        return values[0]

    async def add_async(self, connection: _AsyncConnection, event: _E, /) -> str:
        """``add`` for an async connection."""
        _check_kind(connection, psycopg.AsyncConnection)
        _check_transaction(connection)
        values = self._values(event)
        if (key := values[2]) is not None:
            await connection.execute(_LOCK, (_number(self.table), _number(key)))
        await connection.execute(self._insert, values)
        return values[0]

    async def open_table(self, connect: str | Callable[[], Awaitable[_AsyncConnection]], /) -> RelayTable:
        """For ``Relay``: the rows, on a separate connection."""
        if isinstance(connect, str):
            connection: _AsyncConnection = await psycopg.AsyncConnection.connect(connect)
        else:
            connection = await connect()
        await connection.set_autocommit(True)
        return _Table(self.table, connection)

    @property
    def _create(self) -> bytes:
        return (
            f"CREATE TABLE IF NOT EXISTS {self.table} (number BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, "
            "id TEXT NOT NULL UNIQUE, name TEXT NOT NULL, lane_key TEXT, data BYTEA NOT NULL, headers TEXT NOT NULL, "
            "after BIGINT)"
        ).encode()

    @property
    def _insert(self) -> bytes:
        return f"INSERT INTO {self.table} (id, name, lane_key, data, headers) VALUES (%s, %s, %s, %s, %s)".encode()  # noqa: S608 - the name of the table is checked


class _Table:
    """The rows of an outbox, for a relay."""

    # It looks at the table every now and then, and is not woken by NOTIFY: that takes a lock of the whole server at
    # every commit that notifies, and the user's transactions would queue up for it.
    def __init__(self, table: str, connection: _AsyncConnection) -> None:
        self._table = table
        self._connection = connection
        self._is_ours = False

    async def may_relay(self) -> bool:
        if not self._is_ours:
            # The lock with a single number: those of the keys have two, and PostgreSQL keeps them apart.
            ((self._is_ours,),) = await self._fetch(
                b"SELECT pg_try_advisory_lock(%s)", [zlib.crc32(self._table.encode())]
            )
        return self._is_ours

    async def waiting(self, limit: int) -> list[Row]:
        query = f"SELECT number, id, name, lane_key, data, headers, after FROM {self._table} ORDER BY number LIMIT %s"  # noqa: S608 - the name of the table is checked
        return [row_of(values) for values in await self._fetch(query.encode(), [limit])]

    async def mark_sent(self, rows: Sequence[Row], after: int) -> None:
        query = f"UPDATE {self._table} SET after = %s WHERE number = ANY(%s) AND after IS NULL"  # noqa: S608 - the name of the table is checked
        await self._connection.execute(query.encode(), [after, [row.number for row in rows]])

    async def remove(self, rows: Sequence[Row]) -> None:
        # Each by its number: a row with a lower one may be committed later.
        query = f"DELETE FROM {self._table} WHERE number = ANY(%s)"  # noqa: S608 - the name of the table is checked
        await self._connection.execute(query.encode(), [[row.number for row in rows]])

    async def close(self) -> None:
        await self._connection.close()

    async def _fetch(
        self, query: bytes, values: Sequence[object]
    ) -> list[tuple[Any, ...]]:  # Any: the database's values
        async with self._connection.cursor(row_factory=tuple_row) as cursor:
            await cursor.execute(query, values)
            return await cursor.fetchall()


@final
class Inbox(InboxTable):
    """A table in the user's own PostgreSQL database that says which events a group has handled.

    It is ``pyventus_typed.nats.Inbox`` for psycopg. If two transactions handle one event at the same time, the second
    waits until the first has ended.
    """

    def create(self, connection: _Connection, /) -> None:
        """Create the table if it is missing. Does not commit."""
        _check_kind(connection, psycopg.Connection)
        connection.execute(self._create)

    async def create_async(self, connection: _AsyncConnection, /) -> None:
        """``create`` for an async connection."""
        _check_kind(connection, psycopg.AsyncConnection)
        await connection.execute(self._create)

    def first_time(self, connection: _Connection, /, purpose: str = "") -> bool:
        """Whether the event that is being handled (``received()``) was not noted before; note it. Does not commit.

        If it is ``False``, the effect has happened already: return. If two handlers of one group each have an effect,
        give each a *purpose*. Raises ``NoTransaction`` if the note would be committed immediately, without the
        effect.
        """
        _check_kind(connection, psycopg.Connection)
        _check_transaction(connection)
        return connection.execute(self._insert, self._values(purpose)).rowcount == 1

    async def first_time_async(self, connection: _AsyncConnection, /, purpose: str = "") -> bool:
        """``first_time`` for an async connection."""
        _check_kind(connection, psycopg.AsyncConnection)
        _check_transaction(connection)
        return (await connection.execute(self._insert, self._values(purpose))).rowcount == 1

    def prune(self, connection: _Connection, /, *, older_than: float = MONTH) -> int:
        """Delete the notes that are older than *older_than* seconds; return how many. Does not commit.

        If such an event is delivered again, for example as a dead letter that is sent again, it counts as new.
        """
        _check_kind(connection, psycopg.Connection)
        return connection.execute(self._delete, [int(time.time() - older_than)]).rowcount

    async def prune_async(self, connection: _AsyncConnection, /, *, older_than: float = MONTH) -> int:
        """``prune`` for an async connection."""
        _check_kind(connection, psycopg.AsyncConnection)
        return (await connection.execute(self._delete, [int(time.time() - older_than)])).rowcount

    @property
    def _create(self) -> bytes:
        return (
            f"CREATE TABLE IF NOT EXISTS {self.table} (id TEXT NOT NULL, of_group TEXT NOT NULL, purpose TEXT NOT NULL, "
            "handled_at BIGINT NOT NULL, PRIMARY KEY (id, of_group, purpose))"
        ).encode()

    @property
    def _insert(self) -> bytes:
        return (
            f"INSERT INTO {self.table} (id, of_group, purpose, handled_at) VALUES (%s, %s, %s, %s) "  # noqa: S608 - the name of the table is checked
            "ON CONFLICT DO NOTHING"
        ).encode()

    @property
    def _delete(self) -> bytes:
        return f"DELETE FROM {self.table} WHERE handled_at < %s".encode()  # noqa: S608 - the name of the table is checked


def _number(text: str) -> int:
    """*text* as PostgreSQL's 32-bit integer. Two texts with one number only wait for each other."""
    unsigned = zlib.crc32(text.encode())
    return unsigned - (1 << 32) if unsigned >= 1 << 31 else unsigned


def _check_kind(connection: object, wanted: type[object]) -> None:
    """An async connection in the sync method would write nothing, and say nothing."""
    if not isinstance(connection, wanted):
        is_async = isinstance(connection, psycopg.AsyncConnection)
        way_out = "Use the method whose name ends in _async, and await it." if is_async else "Open one with psycopg 3."
        raise TypeError(f"{type(connection).__qualname__} is not a psycopg.{wanted.__qualname__}. {way_out}")


def _check_transaction(connection: "_Connection | _AsyncConnection") -> None:
    if connection.autocommit and connection.info.transaction_status == TransactionStatus.IDLE:
        raise NoTransaction(
            "This connection is in autocommit mode and no transaction is open, so the row would be committed "
            "without the changes that belong to it. Work inside: with connection.transaction()."
        )
