"""What a worker holds, from arrival to acknowledgement: attempts, limits, and how each message is settled."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Generic

import msgspec
import nats.errors
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.api import KeyValueConfig
from nats.js.errors import APIError, BucketNotFoundError, KeyNotFoundError
from nats.js.kv import KeyValue
from typing_extensions import TypeVar

from pyventus_typed import AsyncIOProcessor, Emitter, Event, Linker, Status
from pyventus_typed.nats._connection import logger
from pyventus_typed.nats._consumer import Group, Puller
from pyventus_typed.nats._dead_letters import GivenUp, store_dead_letter
from pyventus_typed.nats._stream import JetStream
from pyventus_typed.nats._wire import Received, read, set_received
from pyventus_typed.nats.errors import HandlerFailed, UnknownWireName

_MOST_REASONS = 10  # failures of one attempt that are written down
_LONGEST_TEXT = 2000  # characters of one of them
_KEEP = 30 * 24 * 3600.0  # seconds; records of messages that were deleted before they were settled


@dataclass(frozen=True, slots=True)
class Record:
    """*started* attempts; *open* while nobody knows how the last one ended; *reason*: the last failure."""

    started: int
    open: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do with a delivery: the number of this attempt, or why there is none."""

    attempt: int
    alone: bool = False
    give_up: str | None = None


def plan(delivered: int, record: Record | None, attempts: int) -> Plan:
    """Decide about the message that the server delivers for the *delivered*-th time."""
    if delivered <= 1:
        return Plan(attempt=1)
    # Delivered before, and nobody wrote down a failure: the process was killed, or the server lost the answer.
    known = record or Record(started=1, open=True)
    if known.started >= attempts:
        died = f"The process ended while it was handled, {known.started} times."
        reason = known.reason if not known.open else f"{died} {known.reason}".rstrip()
        return Plan(known.started, give_up=reason)
    return Plan(known.started + 1, alone=known.open)


class Records:
    """The records of one group, in a key-value bucket beside the stream."""

    def __init__(self, bucket: KeyValue, prefix: str) -> None:
        self._bucket = bucket
        self._prefix = prefix

    @classmethod
    async def open(cls, js: JetStreamContext, bucket: str, prefix: str, replicas: int) -> "Records":
        try:
            kv = await js.key_value(bucket)
        except BucketNotFoundError:
            kv = await js.create_key_value(KeyValueConfig(bucket=bucket, ttl=_KEEP, replicas=replicas))
        return cls(kv, prefix)

    async def read(self, sequence: int) -> Record | None:
        try:
            entry = await self._bucket.get(f"{self._prefix}.{sequence}")
        except KeyNotFoundError:  # also what a deleted key raises
            return None
        return None if not entry.value else msgspec.json.decode(entry.value, type=Record)

    async def write(self, sequence: int, record: Record) -> None:
        await self._bucket.put(f"{self._prefix}.{sequence}", msgspec.json.encode(record))

    async def forget(self, sequence: int) -> None:
        with contextlib.suppress(KeyNotFoundError):
            await self._bucket.purge(f"{self._prefix}.{sequence}")


class Limiter:
    """First come, first served. One who must be alone waits for those inside, and those behind wait for it.

    After a crash nobody knows which of the messages in flight was the cause. Such a message runs alone,
    so that if it kills the process again, it takes no other one with it.
    """

    def __init__(self, room: int) -> None:
        self._room = room
        self._inside = 0
        self._alone = False
        self._waiting: deque[tuple[asyncio.Future[None], bool]] = deque()

    async def enter(self, *, alone: bool) -> None:
        """Wait for a place; each one who got in must ``leave``. One who is cancelled did not get in."""
        if not self._waiting and self._fits(alone=alone):
            self._take(alone=alone)
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        place = (turn, alone)
        self._waiting.append(place)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.leave(alone=alone)
            else:
                self._waiting.remove(place)
                self._admit()
            raise

    def leave(self, *, alone: bool) -> None:
        self._inside -= 1
        if alone:
            self._alone = False
        self._admit()

    def _fits(self, *, alone: bool) -> bool:
        return not self._alone and self._inside < (1 if alone else self._room)

    def _take(self, *, alone: bool) -> None:
        self._inside += 1
        self._alone = alone

    def _admit(self) -> None:
        while self._waiting and self._fits(alone=self._waiting[0][1]):
            turn, alone = self._waiting.popleft()
            self._take(alone=alone)
            turn.set_result(None)


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
class RetryPolicy:
    """What a worker was told about trying."""

    group: Group
    concurrency: int
    attempts: int
    backoff: tuple[float, ...]
    context: Callable[[Received], AbstractContextManager[object]]

    def pause_after(self, attempt: int) -> float:
        return self.backoff[min(attempt, len(self.backoff)) - 1]


class Deliveries(Generic[_E]):
    """The messages that a worker holds, from arrival to acknowledgement."""

    def __init__(
        self,
        stream: JetStream[_E],
        linker: Linker[_E],
        terms: RetryPolicy,
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
        self._limiter = Limiter(terms.concurrency + self._opened.lanes)
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
        except Exception as error:  # noqa: BLE001  # see below
            # Whatever a message or a handler holds that we did not foresee must end neither the worker nor come
            # back without end: it is a failed attempt like any other.
            logger.exception("%s made the worker itself fail", _spell(msg))
            with suppress(nats.errors.Error, TimeoutError, OSError):
                await self._fail(msg, msg.metadata.num_delivered, f"The worker itself failed. {_reason(error)}")
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
        await self._limiter.enter(alone=todo.alone)
        try:
            settle = await self._attempt(msg, todo.attempt, record)
            if todo.alone:  # a neighbour that killed the process now would count against it
                await settle()
        finally:
            self._limiter.leave(alone=todo.alone)
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
            await store_dead_letter(
                self._opened.client,
                self._opened.js,
                GivenUp(
                    stream=self._stream.stream,
                    created=self._opened.created,
                    group=self._group.name,
                    name=message.name,
                    subject=msg.subject,
                    sequence=message.sequence,
                    attempts=attempts,
                    reason=reason,
                    data=msg.data,
                    headers=message.headers,
                ),
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
                    await self._opened.requester.ask(msg.reply, payload, timeout=_ACK_TRY)
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


def _reason(error: BaseException) -> str:
    """Why it failed, as text that can be written anywhere, whatever the error holds."""
    leaves: list[str] = []
    waiting = [error]
    while waiting and len(leaves) < _MOST_REASONS:
        found = waiting.pop()
        if isinstance(found, BaseExceptionGroup):  # not by recursion: groups may be nested deeper than Python's stack
            waiting.extend(reversed(found.exceptions))
        else:
            notes = "".join(f" [{_text(note)}]" for note in getattr(found, "__notes__", ()))
            leaves.append(f"{type(found).__qualname__}: {_text(found)}{notes}")
    more = f"; and {len(waiting)} more" if waiting else ""
    return ("; ".join(leaves) + more).encode("utf-8", "backslashreplace").decode()


def _text(value: object) -> str:
    try:
        text = str(value)
    except Exception as error:  # noqa: BLE001  # a message about one fault must survive another one in its text
        return f"(its text raised {type(error).__qualname__})"
    return text if len(text) <= _LONGEST_TEXT else f"{text[:_LONGEST_TEXT]} [...]"


def _one_line(reason: str) -> str:
    return " | ".join(reason.splitlines())
