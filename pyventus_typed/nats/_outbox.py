"""The transactional outbox: an event becomes a row in the transaction that it tells about."""

import json
import sqlite3
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Generic, Protocol, final

from typing_extensions import TypeVar

from pyventus_typed import Event
from pyventus_typed.nats._codec import Codec
from pyventus_typed.nats._headers import check_extra, cloud_event
from pyventus_typed.nats._names import check_token
from pyventus_typed.nats.errors import NoTransaction, PayloadTooLarge

_E = TypeVar("_E", bound=Event)

_LARGEST: Final = 1_000_000  # bytes; the server's own default for a message is 1 MiB


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
        if len(encoded.data) > _LARGEST:
            raise PayloadTooLarge(encoded.name, len(encoded.data), _LARGEST)
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
