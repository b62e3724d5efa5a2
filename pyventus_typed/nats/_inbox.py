"""The inbox: a handler's effect happens once, however often its event comes."""

import sqlite3
import time
from typing import Final, final

from pyventus_typed.nats._outbox import check_sqlite_transaction
from pyventus_typed.nats._wire import check_token, received

MONTH: Final = 30 * 24 * 3600.0


class InboxTable:
    """What the inboxes of all databases have in common."""

    def __init__(self, *, table: str = "inbox") -> None:
        self.table: str = check_token("table", table).replace("-", "_")

    def _values(self, purpose: str) -> tuple[str, str, str, int]:
        message = received()
        return message.id, message.group, purpose, int(time.time())


@final
class Inbox(InboxTable):
    """A table in the user's own sqlite3 database that says which events a group has handled.

    Call ``first_time`` in the transaction of the effect, so that both are committed, or neither. An ``Inbox`` has no
    connection and no state; threads may share it. ``pyventus_typed.nats.postgresql`` has the same for PostgreSQL.
    """

    def create(self, connection: sqlite3.Connection, /) -> None:
        """Create the table if it is missing. Does not commit."""
        connection.execute(
            f"CREATE TABLE IF NOT EXISTS {self.table} (id TEXT NOT NULL, of_group TEXT NOT NULL, purpose TEXT NOT NULL, "
            "handled_at INTEGER NOT NULL, PRIMARY KEY (id, of_group, purpose)) WITHOUT ROWID"
        )

    def first_time(self, connection: sqlite3.Connection, /, purpose: str = "") -> bool:
        """Whether the event that is being handled (``received()``) was not noted before; note it. Does not commit.

        If it is ``False``, the effect has happened already: return. If two handlers of one group each have an effect, give
        each a *purpose*. Raises ``NoTransaction`` if the note would be committed immediately, without the effect.
        """
        check_sqlite_transaction(connection)
        cursor = connection.execute(
            f"INSERT INTO {self.table} (id, of_group, purpose, handled_at) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",  # noqa: S608  # a checked name
            self._values(purpose),
        )
        return cursor.rowcount == 1

    def prune(self, connection: sqlite3.Connection, /, *, older_than: float = MONTH) -> int:
        """Delete the notes that are older than *older_than* seconds; return how many. Does not commit.

        If such an event is delivered again, for example as a dead letter that is sent again, it counts as new.
        """
        cursor = connection.execute(
            f"DELETE FROM {self.table} WHERE handled_at < ?",  # noqa: S608  # a checked name
            (int(time.time() - older_than),),
        )
        return cursor.rowcount
