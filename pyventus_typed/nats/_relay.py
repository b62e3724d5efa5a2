"""The relay: rows of an outbox into the stream, in order, each stored once, whatever is killed when."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar, final

from nats.errors import TimeoutError as NatsTimeout
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy
from typing_extensions import TypeVar as DefaultTypeVar

from pyventus_typed import Event
from pyventus_typed.nats._headers import MSG_ID
from pyventus_typed.nats._log import logger
from pyventus_typed.nats._names import lane_of
from pyventus_typed.nats._outbox import Connection, Outbox, Row
from pyventus_typed.nats._publisher import JetStream, Outgoing
from pyventus_typed.nats.errors import NotStored, Refused, StreamFull

_E = DefaultTypeVar("_E", bound=Event)
_R = TypeVar("_R")


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
            desk = await _Desk.open(thread, self._connect)
            try:
                while task.cancelling() == before:
                    if not await self._once(desk):
                        await asyncio.sleep(self._poll)
                # nats-py waits with wait_for, and that of Python 3.11 may have lost the cancellation.
                raise asyncio.CancelledError
            finally:
                await desk.close()

    async def flush(self) -> int:
        """Relay what is there now and return; the number of rows that were removed."""
        done = 0
        with ThreadPoolExecutor(1, thread_name_prefix="outbox") as thread:
            desk = await _Desk.open(thread, self._connect)
            try:
                while count := await self._once(desk):
                    done += count
            finally:
                await desk.close()
        return done

    async def _once(self, desk: "_Desk") -> int:
        rows = await desk.do(lambda connection: self._outbox.waiting(connection, self._batch))
        if not rows:
            return 0
        stored = await self._stored_before([row for row in rows if row.after is not None])
        fresh = [row for row in rows if row.after is None]
        if fresh:
            end = (await self._stream.opened.js.stream_info(self._stream.stream)).state.last_seq
            await desk.do(lambda connection: self._outbox.mark_sent(connection, fresh, end))
        sent: list[Row] = []
        try:
            for row in rows:
                if row.id not in stored:
                    await self._send(row)
                sent.append(row)
        finally:
            # Also when cancelled: each row removed now need not be looked for later.
            await asyncio.shield(desk.do(lambda connection: self._outbox.remove(connection, sent)))
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


class _Desk:
    """A database connection that lives in one thread."""

    def __init__(self, thread: ThreadPoolExecutor, connection: Connection) -> None:
        self._thread = thread
        self._connection = connection

    @classmethod
    async def open(cls, thread: ThreadPoolExecutor, connect: Callable[[], Connection]) -> "_Desk":
        return cls(thread, await asyncio.get_running_loop().run_in_executor(thread, connect))

    async def do(self, work: Callable[[Connection], _R]) -> _R:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, self._connection)

    async def close(self) -> None:
        await asyncio.shield(asyncio.get_running_loop().run_in_executor(self._thread, self._connection.close))
