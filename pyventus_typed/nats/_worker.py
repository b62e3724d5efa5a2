"""A worker: events out of a stream, into the handlers of a linker, acknowledged when they succeeded."""

import asyncio
import signal
import threading
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, asynccontextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Generic, final

import nats.errors
from typing_extensions import TypeVar

from pyventus_typed import Event, Linker
from pyventus_typed._loops import runs_here
from pyventus_typed.errors import InvalidOption
from pyventus_typed.nats._connection import answered, patiently
from pyventus_typed.nats._consumer import (
    Group,
    GroupConsumer,
    GroupState,
    Puller,
    Start,
    ensure_consumers,
    read_group,
    wanted_names,
)
from pyventus_typed.nats._deliveries import Counts, Deliveries, Failure, Records, RetryPolicy, WorkerOptions
from pyventus_typed.nats._options import check_option
from pyventus_typed.nats._stream import JetStream, Opened, ensure_dead_stream
from pyventus_typed.nats._tracing import find_tracing
from pyventus_typed.nats._wire import Received, attempts_bucket, check_token
from pyventus_typed.nats.errors import AlreadyRunning

_E = TypeVar("_E", bound=Event)


@dataclass(frozen=True, slots=True)
class Health:
    """How a worker and its group are."""

    running: bool
    """Whether ``run`` runs and was not stopped."""
    connected: bool
    """Whether the server is reached; a lost one is waited for without end."""
    consumers: bool
    """Whether every consumer of the group exists. ``False`` if the server did not say in time, too."""
    lag: int | None
    """How many events wait for the group or are in hand; ``None`` if the server did not say in time."""
    lanes: Mapping[int | None, int]
    """The lag of each lane; that of events without an ordering key under ``None``."""
    settled_at: datetime | None
    """When this worker last settled an event."""

    @property
    def ok(self) -> bool:
        return self.running and self.connected and self.consumers


@final
class Worker(Generic[_E]):
    """Hands the events of *stream* to the handlers of *linker*, at least once each.

    A *group* is one reader of the stream: each event goes to one worker of it, and the server remembers how far
    the group is. All handlers of an event are one unit: if one of them fails, all of them run again. Work that
    must be retried by itself gets a group of its own. Nothing is acknowledged before every handler returned.

    *start* says where a new group begins: at the ``"first"`` event that the stream has, with what is ``"new"``,
    or at a time; a group that exists goes on where it is. It gets the events that its linker has handlers for.

    Up to *concurrency* events without an ordering key are handled at a time, and one of each lane. A failed event
    is tried *attempts* times in all, after the seconds in *backoff* (the last one repeats), and then becomes a
    dead letter. After a crash, the events that were in flight run alone, so that a handler that kills
    its process is found out without harm to others. What cannot be decoded is a dead letter at once.

    While a handler runs, the worker says so to the server three times in *ack_wait* seconds; a worker that was killed
    loses its events to another one after that time. A group keeps the longest *ack_wait* of its workers.
    A sync handler that blocks the loop keeps it from telling: subscribe it with ``in_thread=True``.

    ``stop`` and the first signal let the handlers that run end, for *grace* seconds at most; then, or at the second
    signal, they are cancelled and their events handed back at once, without counting as an attempt. ``None`` waits for
    every handler. Give it less than what the supervisor waits before it kills.

    *max_ack_pending* is how many events without a key the whole group may have in hand or waiting for a retry;
    *replicas* is on how many servers the position of the group is kept, if not on as many as the stream.
    *context* is entered around the handlers of each message, to set a tenant for example. An attempt that failed stays a
    failed one even if the context suppresses its error. *on_failure* is called after each attempt that failed, *on_dead*
    after a message became a dead letter; both in the event loop, so they must be quick. What they raise is logged and
    changes nothing. ::

        worker = Worker(stream, linker, group="billing")
        async with stream:
            await worker.run()  # until stop(), or a signal
    """

    def __init__(
        self,
        stream: JetStream[_E],
        linker: Linker[_E],
        /,
        *,
        group: str,
        start: Start = "first",
        concurrency: int = 16,
        attempts: int = 5,
        backoff: Sequence[float] = (1, 5, 30, 120),
        ack_wait: float = 30.0,
        grace: float | None = None,
        max_ack_pending: int | None = None,
        replicas: int | None = None,
        context: Callable[[Received], AbstractContextManager[object]] = nullcontext,
        on_failure: Callable[[Failure], object] | None = None,
        on_dead: Callable[[Failure], object] | None = None,
    ) -> None:
        check_option("stream", stream, JetStream)
        check_option("linker", linker, Linker)
        self._stream = stream
        self._linker = linker
        self._options = WorkerOptions(
            group=Group(
                name=check_token("group", group),
                start=start,
                ack_wait=ack_wait,
                max_ack_pending=max_ack_pending,
                replicas=replicas,
            ),
            concurrency=concurrency,
            retry=RetryPolicy(attempts=attempts, backoff=backoff),
            grace=grace,
            context=context,
            on_failure=on_failure,
            on_dead=on_dead,
        )
        self._counts = Counts()
        self._stop = asyncio.Event()
        self._at_once = asyncio.Event()
        self._running = False
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def counts(self) -> Counts:
        return replace(self._counts)

    async def health(self, *, timeout: float = 1.0) -> Health:
        """How this worker and its group are, for a probe. Raises ``NotOpen`` where the stream is not open.

        It asks the server, for *timeout* seconds at most. It runs in the worker's loop, so that no answer says something, too: a
        handler blocks the loop.
        """
        opened = self._stream.opened
        state: GroupState | None = None
        if opened.client.is_connected:
            with suppress(nats.errors.Error, TimeoutError):
                async with asyncio.timeout(timeout):
                    state = await read_group(opened.js, self._stream.stream, self._options.group.name, opened.lanes)
        return Health(
            running=self._running and not self._stop.is_set(),
            connected=opened.client.is_connected,
            consumers=state is not None and not state.missing,
            lag=None if state is None else state.lag,
            lanes={} if state is None else state.lanes,
            settled_at=self._counts.settled_at,
        )

    def stop(self, *, at_once: bool = False) -> None:
        """Take nothing more; ``run`` returns when the handlers that run have ended and are acknowledged.

        *at_once*: without waiting for them. It is final: a worker that was stopped does not run again. Any thread may call it.
        """
        loop = self._loop
        if loop is None or runs_here(loop):
            self._set_stop(at_once=at_once)
        else:
            with suppress(RuntimeError):  # the loop is closed, so nothing runs in it
                loop.call_soon_threadsafe(partial(self._set_stop, at_once=at_once))

    def _set_stop(self, *, at_once: bool) -> None:
        self._stop.set()
        if at_once:
            self._at_once.set()

    async def run(self, *, stop_on: Sequence[signal.Signals] = (signal.SIGTERM, signal.SIGINT)) -> None:
        """Work until ``stop`` is called or one of the signals *stop_on* comes, then finish what runs (see *grace*).

        Cancelling it cancels the handlers too; what they did not finish is delivered again. Outside of the main
        thread give ``stop_on=()``. Raises ``WouldLoop``, ``NoWireName``, ``NothingToDo``, ``AlreadyRunning`` before it
        starts, and ``Refused`` if the server will not have the group or somebody deletes it, ``NoServer`` if there is no answer
        at the start or the client is closed. Later a lost server is waited for.
        """
        check_option("stop_on", stop_on, Sequence[signal.Signals])
        if stop_on and threading.current_thread() is not threading.main_thread():
            raise InvalidOption(
                "stop_on=: only the main thread hears signals. In another one give stop_on=().", stop_on
            )
        if self._loop is not None:
            raise AlreadyRunning(
                f"This worker of the group {self._options.group.name!r} runs already. For more work at a time give it a larger "
                "concurrency, or make a second worker of the group."
            )
        opened = self._stream.opened
        self._loop = opened.loop
        try:
            await self._run(opened, stop_on)
        finally:
            self._loop = None

    async def _run(self, opened: Opened, stop_on: Sequence[signal.Signals]) -> None:
        names = wanted_names(self._stream.codec.names(), self._linker, self._stream.stream)
        with answered(f"group {self._options.group.name!r} of the stream {self._stream.stream!r}"):
            records, consumers = await self._prepare(opened, names)
        tracing = find_tracing()
        shown = (
            nullcontext() if tracing is None else tracing.working(self, self._stream.stream, self._options.group.name)
        )
        try:
            with shown:
                async with _signals(stop_on, self._on_signal), asyncio.TaskGroup() as tasks:
                    deliveries = Deliveries(
                        self._stream,
                        self._linker,
                        self._options,
                        records=records,
                        counts=self._counts,
                        stopping=self._stop,
                        tasks=tasks,
                    )
                    pullers = [
                        Puller(
                            opened,
                            self._stream.stream,
                            consumer,
                            room=self._options.concurrency if consumer.lane is None else 1,
                            take=deliveries.take,
                        )
                        for consumer in consumers
                    ]
                    for puller in pullers:
                        tasks.create_task(puller.run())
                    tasks.create_task(deliveries.beat())
                    self._running = True
                    await self._stop.wait()
                    grace = self._options.grace
                    deadline = None if grace is None else opened.loop.time() + grace
                    await asyncio.gather(*(puller.close() for puller in pullers))
                    await deliveries.finish(deadline=deadline, at_once=self._at_once)
        except ExceptionGroup as several:
            # Every lane notices the same loss: one of these errors says it all.
            if len({type(error) for error in several.exceptions}) == 1:
                raise several.exceptions[0] from None
            raise
        finally:
            self._running = False

    def _on_signal(self) -> None:
        self.stop(at_once=self._stop.is_set())

    async def _prepare(self, opened: Opened, names: frozenset[str]) -> tuple[Records, list[GroupConsumer]]:
        # In a cluster each of these elects a leader of its own, for up to ten seconds where a server has just been lost.
        stream, settings, patience = self._stream.stream, self._stream.settings, self._stream.patience
        await patiently(lambda: ensure_dead_stream(opened.js, stream, opened.replicas, settings), patience)
        group = self._options.group
        records = await patiently(lambda: Records.open(opened, attempts_bucket(stream), group.name), patience)
        return records, await ensure_consumers(opened, stream, group, names, patience=patience)


@asynccontextmanager
async def _signals(stop_on: Sequence[signal.Signals], stop: Callable[[], None]) -> AsyncGenerator[None]:
    loop = asyncio.get_running_loop()
    with ExitStack() as handled:
        for number in stop_on:
            try:
                loop.add_signal_handler(number, stop)
                handled.callback(loop.remove_signal_handler, number)
            except NotImplementedError:  # the loops of Windows have no handlers, but wake up for a signal
                before = signal.signal(number, lambda *_: loop.call_soon_threadsafe(stop))
                handled.callback(signal.signal, number, signal.SIG_DFL if before is None else before)
        yield
