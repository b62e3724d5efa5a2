"""One run of a worker: what it holds, and how each message is settled."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Generic

import nats.errors
from nats.aio.msg import Msg
from nats.js.errors import APIError
from typing_extensions import TypeVar

from pyventus_typed import AsyncIOProcessor, Emitter, Event, Linker, Status
from pyventus_typed.nats._attempts import Record, Records, plan
from pyventus_typed.nats._consumer import Group
from pyventus_typed.nats._dead import bury
from pyventus_typed.nats._gate import Gate
from pyventus_typed.nats._log import logger
from pyventus_typed.nats._publisher import JetStream
from pyventus_typed.nats._pull import Puller
from pyventus_typed.nats._received import Received, read, set_received
from pyventus_typed.nats.errors import HandlerFailed, UnknownWireName

_E = TypeVar("_E", bound=Event)

_ACK_TRY = 1.0  # seconds to wait for one confirmation of an acknowledgement


@dataclass(slots=True)
class Counts:
    """What a worker did since it was made. *redelivered*: of those taken, how many were not delivered first."""

    taken: int = 0
    redelivered: int = 0
    handled: int = 0
    failed: int = 0
    dead: int = 0


@dataclass(frozen=True, slots=True)
class Terms:
    """What a worker was told about trying."""

    group: Group
    concurrency: int
    attempts: int
    backoff: tuple[float, ...]
    context: Callable[[Received], AbstractContextManager[object]]

    def pause_after(self, attempt: int) -> float:
        return self.backoff[min(attempt, len(self.backoff)) - 1]


class Shift(Generic[_E]):
    """The messages that a worker holds, from arrival to acknowledgement."""

    def __init__(
        self,
        stream: JetStream[_E],
        linker: Linker[_E],
        terms: Terms,
        *,
        records: Records,
        counts: Counts,
        stopping: asyncio.Event,
        tasks: asyncio.TaskGroup,
    ) -> None:
        self._stream = stream
        self._opened = stream.opened
        self._linker = linker
        self._emitter: Emitter[_E] = Emitter(linker, AsyncIOProcessor())
        self._terms = terms
        self._group = terms.group
        self._records = records
        self._counts = counts
        self._stopping = stopping
        self._tasks = tasks
        self._gate = Gate(terms.concurrency + self._opened.lanes)
        self._held: dict[int, Msg] = {}  # by id(): nats-py's messages cannot be hashed
        self._empty = asyncio.Event()
        self._empty.set()
        self._asks_no_more = asyncio.Event()
        self._over = asyncio.Event()

    def take(self, puller: Puller, msg: Msg) -> None:
        self._held[id(msg)] = msg
        self._empty.clear()
        self._counts.taken += 1
        self._counts.redelivered += msg.metadata.num_delivered > 1
        self._tasks.create_task(self._settle(puller, msg))

    async def finish(self) -> None:
        """Nothing is asked for any more: wait until everything is settled, then let the heart stop."""
        self._asks_no_more.set()
        await self._empty.wait()
        self._over.set()

    async def beat(self) -> None:
        """Tell the server that what we hold is being worked on."""
        while not self._over.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(self._group.ack_wait / 3):
                    await self._over.wait()
            for msg in tuple(self._held.values()):
                if self._opened.client.is_connected and not msg.is_acked:
                    with suppress(nats.errors.Error):  # a connection that is lost right now: the next beat tells
                        await msg.in_progress()

    async def _settle(self, puller: Puller, msg: Msg) -> None:
        try:
            await self._work(msg)
        except (nats.errors.Error, TimeoutError, OSError) as error:
            logger.warning("%s could not be settled and will be delivered again: %r", _spell(msg), error)
        finally:
            del self._held[id(msg)]
            if not self._held:
                self._empty.set()
            puller.done()

    async def _work(self, msg: Msg) -> None:
        delivered = msg.metadata.num_delivered
        record = await self._records.read(msg.metadata.sequence.stream) if delivered > 1 else None
        todo = plan(delivered, record, self._terms.attempts)
        if todo.give_up is not None:
            await self._give_up(msg, todo.attempt, todo.give_up)
            return
        await self._gate.enter(alone=todo.alone)
        try:
            settle = await self._attempt(msg, todo.attempt, record)
            if todo.alone:  # a neighbour that killed the process now would count against it
                await settle()
        finally:
            self._gate.leave(alone=todo.alone)
        if not todo.alone:  # those who wait for their turn need not wait for the server's answer too
            await settle()

    async def _attempt(self, msg: Msg, attempt: int, record: Record | None) -> Callable[[], Awaitable[None]]:
        """Run the handlers, if the message can be read and we are not stopping. Returns what is left to do."""
        if self._stopping.is_set():
            return partial(self._hand_back, msg, attempt, record)
        message = read(msg, stream=self._stream.stream, group=self._group.name, attempt=attempt)
        try:
            event = self._stream.codec.decode(message.name, msg.data)
        except UnknownWireName as error:
            return partial(self._fail, msg, attempt, str(error))  # a worker of a newer version may know it
        except Exception as error:  # noqa: BLE001  # Undecodable, or whatever a codec of the user's raises
            return partial(self._give_up, msg, attempt, _reason(error))
        if msg.metadata.num_delivered > 1:
            last = record.reason if record is not None else ""
            await self._records.write(message.sequence, Record(attempt, open=True, reason=last))
        failure = await self._run(message, event)
        return partial(self._succeed, msg) if failure is None else partial(self._fail, msg, attempt, failure)

    async def _run(self, message: Received, event: _E) -> str | None:
        """Run the handlers. Returns why they did not all succeed, or ``None``."""
        set_received(message)  # this task is the message's own, and the emission copies its context
        try:
            with self._terms.context(message):
                emission = self._emitter.emit(event)
                try:
                    await emission.wait()
                except asyncio.CancelledError:
                    emission.cancel()
                    raise
                emission.raise_failures()
                if not emission.deliveries:
                    return f"This worker has no handler for {type(event).__qualname__}."
                if emission.status is not Status.COMPLETED:
                    raise HandlerFailed(f"A handler of {message.name} was {emission.status.value}.")
        except Exception as error:  # noqa: BLE001  # the reason is kept, and in the end in the dead letter
            return _reason(error)
        return None

    async def _succeed(self, msg: Msg) -> None:
        await self._answer(msg, Msg.Ack.Ack)
        self._counts.handled += 1
        if msg.metadata.num_delivered > 1:
            await self._records.forget(msg.metadata.sequence.stream)

    async def _hand_back(self, msg: Msg, attempt: int, record: Record | None) -> None:
        # Not started: another worker may have it at once, and not as one that was in a crash.
        await self._asks_no_more.wait()  # until then it would come back here
        if record is None:
            await self._records.write(msg.metadata.sequence.stream, Record(attempt - 1, open=False))
        await msg.nak()

    async def _fail(self, msg: Msg, attempt: int, reason: str) -> None:
        self._counts.failed += 1
        if attempt >= self._terms.attempts:
            await self._give_up(msg, attempt, reason)
            return
        wait = self._terms.pause_after(attempt)
        logger.warning("%s failed, attempt %d, next in %g s: %s", _spell(msg), attempt, wait, _one_line(reason))
        await self._records.write(msg.metadata.sequence.stream, Record(attempt, open=False, reason=reason[:2000]))
        await msg.nak(wait)

    async def _give_up(self, msg: Msg, attempts: int, reason: str) -> None:
        message = read(msg, stream=self._stream.stream, group=self._group.name, attempt=attempts)
        # First the letter, then the end of the message: between the two it may be written again, and is stored once.
        try:
            await bury(
                self._opened.client,
                stream=self._stream.stream,
                created=self._opened.created,
                group=self._group.name,
                name=message.name,
                subject=msg.subject,
                sequence=message.sequence,
                attempts=attempts,
                reason=reason,
                time=datetime.now(UTC),
                data=msg.data,
                headers=message.headers,
            )
        except APIError as error:
            logger.error("the dead letter of %s is refused, so it is tried again: %s", _spell(msg), error)
            await msg.nak(self._terms.pause_after(attempts))
            return
        await self._answer(msg, Msg.Ack.Term)
        self._counts.dead += 1
        logger.error("%s is a dead letter after %d attempts: %s", _spell(msg), attempts, _one_line(reason))
        await self._records.forget(message.sequence)

    async def _answer(self, msg: Msg, payload: bytes) -> None:
        """Settle *msg* and wait until the server has it. While we try, the heartbeat keeps it ours."""
        loop = self._opened.loop
        deadline = loop.time() + 2 * self._group.ack_wait
        while True:
            try:
                if self._opened.client.is_connected:
                    await self._opened.asking.ask(msg.reply, payload, timeout=_ACK_TRY)
                    return
            except nats.errors.ConnectionClosedError:
                raise
            except nats.errors.Error:  # a server that starts up: no responders, no answer
                if loop.time() > deadline:
                    raise
            if loop.time() > deadline:
                raise nats.errors.TimeoutError
            await asyncio.sleep(0.05)


def _spell(msg: Msg) -> str:
    return f"{msg.subject} (sequence {msg.metadata.sequence.stream}, group {msg.metadata.consumer})"


def _reason(error: Exception) -> str:
    if isinstance(error, ExceptionGroup):
        return "; ".join(_reason(inner) for inner in error.exceptions)
    notes = "".join(f" [{note}]" for note in getattr(error, "__notes__", ()))
    return f"{type(error).__qualname__}: {error}{notes}"


def _one_line(reason: str) -> str:
    return " | ".join(reason.splitlines())
