"""What a worker holds, from arrival to acknowledgement: attempts, limits, and how each message is settled."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Generic

import msgspec
import nats.errors
from nats.aio.msg import Msg
from nats.js import api
from nats.js.api import KeyValueConfig
from nats.js.errors import APIError, BucketNotFoundError, NotFoundError
from typing_extensions import TypeVar

from pyventus_typed import AsyncIOProcessor, Discarded, Emission, Emitter, Event, Linker, Status
from pyventus_typed._spelling import several
from pyventus_typed.nats._connection import logger
from pyventus_typed.nats._consumer import Group, Puller
from pyventus_typed.nats._dead_letters import GivenUp, store_dead_letter
from pyventus_typed.nats._options import check_callback, check_fields
from pyventus_typed.nats._stream import JetStream, Opened
from pyventus_typed.nats._tracing import find_tracing
from pyventus_typed.nats._wire import Received, read, set_received
from pyventus_typed.nats.errors import HandlerFailed, NatsError, UnknownWireName

_MOST_REASONS = 10  # failures of one attempt that are written down
_LONGEST_TEXT = 2000  # characters of one of them
_HAND_BACK = 5.0  # seconds for a cancelled handler to end
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

    # Without nats-py's KeyValue: it does not reach the bucket of another domain, it may read from a replica that is
    # behind, and what it purges leaves a marker for each message that ever failed.
    def __init__(self, opened: Opened, bucket: str, group: str) -> None:
        self._js = opened.js
        self._stream = f"KV_{bucket}"
        self._keys = f"$KV.{bucket}.{group}.{opened.created}"
        self._outside = "" if opened.api_prefix == api.DEFAULT_PREFIX else f"{opened.api_prefix}."

    @classmethod
    async def open(cls, opened: Opened, bucket: str, group: str) -> "Records":
        try:
            await opened.js.key_value(bucket)
        except BucketNotFoundError:
            await opened.js.create_key_value(KeyValueConfig(bucket=bucket, ttl=_KEEP, replicas=opened.replicas))
        return cls(opened, bucket, group)

    async def read(self, sequence: int) -> Record | None:
        try:
            data = (await self._js.get_last_msg(self._stream, f"{self._keys}.{sequence}")).data
            return msgspec.json.decode(data, type=Record) if data else None
        except (NotFoundError, msgspec.DecodeError):  # none, or none of ours
            return None

    async def write(self, sequence: int, record: Record) -> None:
        await self._js.publish(f"{self._outside}{self._keys}.{sequence}", msgspec.json.encode(record))

    async def forget(self, sequence: int) -> None:
        await self._js.purge_stream(self._stream, subject=f"{self._keys}.{sequence}")


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
                if place in self._waiting:
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
        while self._waiting:
            turn, alone = self._waiting[0]
            # A loop that ends cancels all of them at once, and the task of this one may still have to find out.
            if not turn.cancelled():
                if not self._fits(alone=alone):
                    return
                self._take(alone=alone)
                turn.set_result(None)
            self._waiting.popleft()


_E = TypeVar("_E", bound=Event)

_ACK_TRY = 1.0  # seconds to wait for one confirmation of an acknowledgement


@dataclass(slots=True)
class Counts:
    """What a worker has done since it was created. *redelivered*: how many of *taken* had been delivered before.

    *settled_at*: when a message was last handled, failed or became a dead letter.
    """

    taken: int = 0
    redelivered: int = 0
    handled: int = 0
    failed: int = 0
    dead: int = 0
    settled_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """An attempt that failed.

    *error* is ``None`` if the process was killed, or if an earlier worker recorded only the *reason*. *pause* is the
    number of seconds until the next attempt; ``None`` if there is none, because the message has become a dead letter.
    """

    message: Received
    reason: str
    error: BaseException | None
    pause: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How often an event is tried, and how long to wait in between."""

    attempts: int
    backoff: Sequence[float]

    def __post_init__(self) -> None:
        check_fields(self)
        if self.attempts < 1:
            raise ValueError(f"attempts={self.attempts} must be 1 or more.")
        if not self.backoff or min(self.backoff) < 0:
            raise ValueError(f"backoff={self.backoff!r} must name the seconds before each new attempt.")

    def pause_after(self, attempt: int) -> float:
        return self.backoff[min(attempt, len(self.backoff)) - 1]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerOptions:
    """The options of a worker, beside its stream and its linker."""

    group: Group
    concurrency: int
    retry: RetryPolicy
    grace: float | None
    context: Callable[[Received], AbstractContextManager[object]]
    on_failure: Callable[[Failure], object] | None
    on_dead: Callable[[Failure], object] | None

    def __post_init__(self) -> None:
        check_fields(self)
        for name in ("context", "on_failure", "on_dead"):
            check_callback(name, getattr(self, name))
        if self.concurrency < 1:
            raise ValueError(f"concurrency={self.concurrency} must be 1 or more.")
        if self.grace is not None and self.grace < 0:
            raise ValueError(f"grace={self.grace} must not be negative; None waits for every handler.")
        pending = self.group.max_ack_pending
        if pending is not None and pending < self.concurrency:
            raise ValueError(
                f"max_ack_pending={pending} is below concurrency={self.concurrency}, so places would stay empty."
            )


class Deliveries(Generic[_E]):
    """The messages that a worker holds, from arrival to acknowledgement."""

    def __init__(
        self,
        stream: JetStream[_E],
        linker: Linker[_E],
        options: WorkerOptions,
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
        self._options = options
        self._group = options.group
        self._records = records
        self._counts = counts
        self._stopping = stopping
        self._tasks = tasks
        self._limiter = Limiter(options.concurrency + self._opened.lanes)
        self._held: dict[int, Msg] = {}  # by id(): nats-py's messages cannot be hashed
        self._running: set[Emission[_E]] = set()
        self._settling: dict[int, asyncio.Task[None]] = {}
        self._empty = asyncio.Event()
        self._empty.set()
        self._asks_no_more = asyncio.Event()
        self._over = asyncio.Event()
        self._cut_off = False

    def take(self, puller: Puller, msg: Msg) -> None:
        self._held[id(msg)] = msg
        self._empty.clear()
        self._counts.taken += 1
        self._counts.redelivered += msg.metadata.num_delivered > 1
        self._settling[id(msg)] = self._tasks.create_task(self._settle(puller, msg))

    async def finish(self, *, deadline: float | None, at_once: asyncio.Event) -> None:
        """Nothing is asked for any more: wait until everything is settled, then end the heartbeats.

        Handlers that still run at *deadline*, or when *at_once* is set, are cancelled, and their events handed back:
        another worker gets them, and this attempt does not count.
        """
        self._asks_no_more.set()
        seconds = None if deadline is None else max(0.0, deadline - self._opened.loop.time())
        await _wait_for_one(self._empty, at_once, seconds=seconds)
        if self._held:
            held = several(len(self._held), "event")
            logger.warning("%s still being handled: cancelled and handed back", held)
            self._cut_off = True
            for emission in tuple(self._running):
                emission.cancel()
            await _wait_for_one(self._empty, seconds=_HAND_BACK)
        if self._held:
            logger.error(
                "cancelled, and not ended yet: the handlers of %s, to be delivered again after ack_wait",
                several(len(self._held), "event"),
            )
            for task in tuple(self._settling.values()):
                task.cancel()
        self._over.set()

    async def beat(self) -> None:
        """Tell the server that what we hold is being worked on."""
        while not self._over.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(self._group.ack_wait / 3):
                    await self._over.wait()
            for msg in tuple(self._held.values()):
                if self._opened.client.is_connected and not msg.is_acked:
                    with suppress(
                        nats.errors.Error
                    ):  # a connection that is lost right now: the next heartbeat finds out
                        await msg.in_progress()

    async def _settle(self, puller: Puller, msg: Msg) -> None:
        try:
            await self._work(puller, msg)
        except (nats.errors.Error, TimeoutError, OSError) as error:
            logger.warning("%s could not be settled and will be delivered again: %r", _spell(msg), error)
        except Exception as error:  # noqa: BLE001  # anything else is a failed attempt
            # Whatever a message or a handler holds that we did not foresee must end neither the worker nor come
            # back without end: it is a failed attempt like any other.
            logger.exception("%s made the worker itself fail", _spell(msg))
            with suppress(nats.errors.Error, TimeoutError, OSError):
                await self._fail(msg, msg.metadata.num_delivered, error)
        finally:
            del self._held[id(msg)]
            self._settling.pop(id(msg), None)  # an eager task may be here before it is noted
            if not self._held:
                self._empty.set()
            puller.done(msg)

    async def _work(self, puller: Puller, msg: Msg) -> None:
        delivered = msg.metadata.num_delivered
        record = await self._records.read(msg.metadata.sequence.stream) if delivered > 1 else None
        todo = plan(delivered, record, self._options.retry.attempts)
        if todo.give_up is not None:
            await self._give_up(msg, todo.attempt, todo.give_up, None)
            return
        await self._limiter.enter(alone=todo.alone)
        try:
            settle = await self._attempt(puller, msg, todo.attempt, record)
            if todo.alone:  # another one that killed the process now would count against it
                await settle()
        finally:
            self._limiter.leave(alone=todo.alone)
        if not todo.alone:  # those who wait for their turn need not wait for the server's answer too
            await settle()

    async def _attempt(
        self, puller: Puller, msg: Msg, attempt: int, record: Record | None
    ) -> Callable[[], Awaitable[None]]:
        """Run the handlers, if the message can be read and we are not stopping. Returns what is left to do."""
        if self._stopping.is_set():
            return partial(self._hand_back, msg, attempt, record)
        message = self._read(msg, attempt)
        try:
            event = self._stream.codec.decode(message.name, msg.data)
        except UnknownWireName as error:
            return partial(self._fail, msg, attempt, error)  # a worker of a newer version may know it
        except Exception as error:  # noqa: BLE001  # Undecodable, or whatever a codec of the user's raises
            return partial(self._give_up, msg, attempt, _reason(error), error)
        if msg.metadata.num_delivered > 1:
            last = record.reason if record is not None else ""
            await self._records.write(message.sequence, Record(attempt, open=True, reason=last))
        failure = await self._run(message, event)
        if failure is None:
            return partial(self._succeed, puller, msg)
        if self._cut_off and isinstance(failure, HandlerFailed):
            return partial(self._hand_back, msg, attempt, record)
        return partial(self._fail, msg, attempt, failure)

    async def _run(self, message: Received, event: _E) -> Exception | None:
        """Run the handlers. Returns why they did not all succeed, or ``None``."""
        set_received(message)  # this task is the message's own, and the emission copies its context
        failure: Exception | None = None
        try:
            tracing = find_tracing()
            traced = nullcontext() if tracing is None else tracing.receiving(message)
            with traced, self._options.context(message):
                try:
                    await self._emit(message, event)
                except Exception as error:
                    failure = error
                    raise
        except Exception as error:  # noqa: BLE001  # the reason is kept, and in the end in the dead letter
            return error
        return failure  # one that the user's context swallowed is a failed attempt all the same

    async def _emit(self, message: Received, event: _E) -> None:
        emission = self._emitter.emit(event)
        self._running.add(emission)
        try:
            await emission.wait()
        except asyncio.CancelledError:
            emission.cancel()
            raise
        finally:
            self._running.discard(emission)
        emission.raise_failures()
        if not emission.deliveries:
            raise HandlerFailed(f"This worker has no handler for {type(event).__qualname__}.")
        if emission.status is not Status.COMPLETED:
            cut_off = [each.outcome.reason for each in emission.deliveries if isinstance(each.outcome, Discarded)]
            why = f": {', '.join(cut_off)}" if cut_off else ""
            raise HandlerFailed(f"A handler of {message.name} was {emission.status.value}{why}.")

    async def _succeed(self, puller: Puller, msg: Msg) -> None:
        # The next message is on its way while the server answers: that takes as long as everything else together. After a
        # crash nothing is taken beside a message, so that the window grows slowly.
        if msg.metadata.num_delivered == 1:
            await puller.handled(msg)
        await self._answer(msg, Msg.Ack.Ack)
        self._counts.handled += 1
        self._counts.settled_at = datetime.now(UTC)
        if msg.metadata.num_delivered > 1:
            await self._records.forget(msg.metadata.sequence.stream)

    async def _hand_back(self, msg: Msg, attempt: int, record: Record | None) -> None:
        # Not started: another worker may have it at once, and not as one that was in a crash.
        await self._asks_no_more.wait()  # until then it would come back here
        last = record.reason if record is not None else ""
        await self._records.write(msg.metadata.sequence.stream, Record(attempt - 1, open=False, reason=last))
        await msg.nak()

    async def _fail(self, msg: Msg, attempt: int, error: Exception) -> None:
        self._counts.failed += 1
        reason = _reason(error)
        if attempt >= self._options.retry.attempts:
            await self._give_up(msg, attempt, reason, error)
            return
        wait = self._options.retry.pause_after(attempt)
        logger.warning("%s failed, attempt %d, next in %g s: %s", _spell(msg), attempt, wait, _one_line(reason))
        self._report(self._options.on_failure, msg, attempt, reason, error, wait)
        await self._records.write(msg.metadata.sequence.stream, Record(attempt, open=False, reason=reason[:2000]))
        await msg.nak(wait)
        self._counts.settled_at = datetime.now(UTC)

    async def _give_up(self, msg: Msg, attempts: int, reason: str, error: Exception | None) -> None:
        message = self._read(msg, attempts)
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
        except APIError as refused:
            logger.error("the dead letter of %s is refused, so it is tried again: %s", _spell(msg), refused)
            await msg.nak(self._options.retry.pause_after(attempts))
            return
        await self._answer(msg, Msg.Ack.Term)
        self._counts.dead += 1
        self._counts.settled_at = datetime.now(UTC)
        logger.error("%s is a dead letter after %d attempts: %s", _spell(msg), attempts, _one_line(reason))
        self._report(self._options.on_failure, msg, attempts, reason, error, None)
        self._report(self._options.on_dead, msg, attempts, reason, error, None)
        await self._records.forget(message.sequence)

    def _read(self, msg: Msg, attempt: int) -> Received:
        return read(msg, stream=self._stream.stream, group=self._group.name, attempt=attempt)

    def _report(
        self,
        hook: Callable[[Failure], object] | None,
        msg: Msg,
        attempt: int,
        reason: str,
        error: Exception | None,
        pause: float | None,
    ) -> None:
        if hook is None:
            return
        try:
            hook(Failure(self._read(msg, attempt), reason, error, pause))
        except Exception:  # noqa: BLE001  # a monitor that fails must not stop the work
            logger.exception("%r raised, which changes nothing for the event", hook)

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


async def _wait_for_one(*events: asyncio.Event, seconds: float | None) -> None:
    """Wait until one of *events* is set, or the time is up."""
    waiting = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waiting:
            wait.cancel()


def _spell(msg: Msg) -> str:
    return f"{msg.subject} (sequence {msg.metadata.sequence.stream}, group {msg.metadata.consumer})"


def _reason(error: BaseException) -> str:
    """Why it failed, as text that can be written anywhere, whatever the error holds."""
    leaves: list[str] = []
    waiting = [error]
    while waiting and len(leaves) < _MOST_REASONS:
        found = waiting.pop()
        try:
            # Not by recursion: groups may be nested deeper than Python's stack.
            if isinstance(found, BaseExceptionGroup):
                waiting.extend(reversed(found.exceptions))
            else:
                notes = "".join(f" [{_text(note)}]" for note in getattr(found, "__notes__", ()))
                # Ours are whole sentences.
                kind = "" if isinstance(found, NatsError) else f"{type(found).__qualname__}: "
                leaves.append(f"{kind}{_text(found)}{notes}")
        except Exception as fault:  # noqa: BLE001  # whatever a class of the user's does when it is asked
            leaves.append(f"{type.__repr__(type(found))} (looking at it raised {type.__repr__(type(fault))})")
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
