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
    """Passes the events of *stream* to the handlers of *linker*, each at least once.

    A *group* reads the stream as one: each event goes to one worker of the group, and the server stores how far the
    group has read. All handlers of an event are one unit: if one of them fails, all of them run again. Put work that
    must be retried independently into its own group. An event is acknowledged only after every handler has returned.

    *start* says where a new group begins: at the ``"first"`` event of the stream, with ``"new"`` events, or at a time.
    An existing group continues where it stopped. A group gets the events for which its linker has handlers.

    Up to *concurrency* events without an ordering key are handled at a time, and one event of each lane. A failing
    event is tried *attempts* times in total, with pauses of *backoff* seconds (the last one repeats), and then becomes
    a dead letter. After a crash, the events that were in flight are handled alone, so that a handler that kills its
    process affects no other event. A message that cannot be decoded becomes a dead letter immediately.

    While a handler runs, the worker sends the server three heartbeats per *ack_wait* seconds. If they stop, for example
    because the worker was killed, its events go to another worker after that time. A group uses the longest
    *ack_wait* of its workers. A sync handler that blocks the loop blocks the heartbeats, too: subscribe it with
    ``in_thread=True``.

    After ``stop`` or the first signal, the worker waits for running handlers, at most *grace* seconds. Then, or at the
    second signal, it cancels them and returns their events to the server immediately; this does not count as an
    attempt. ``None`` waits for every handler. Choose less than the time after which your supervisor kills the process.

    *max_ack_pending* is the maximum number of events without a key that the whole group may be handling or waiting to
    retry. *replicas* is the number of servers that store the position of the group (default: as many as store the
    stream). *context* is entered around the handlers of each message, for example to set a tenant. A failed attempt
    remains a failed one even if the context suppresses the error. *on_failure* is called after each failed attempt,
    *on_dead* after a message has become a dead letter; both run in the event loop, so they must be quick. Their
    exceptions are logged and have no other effect. ::

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
        """The health of this worker and its group, for a probe. Raises ``NotOpen`` if the stream is not open.

        It asks the server, and waits at most *timeout* seconds. It runs in the worker's loop: if it does not return, a
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
        """Take no more events; ``run`` returns when the running handlers have ended and are acknowledged.

        With *at_once*, the running handlers are cancelled. A stopped worker cannot run again. Any thread may call it.
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
        """Work until ``stop`` is called or a signal in *stop_on* arrives; then wait for running handlers (see *grace*).

        Cancelling it cancels the handlers, too; events that they did not finish are delivered again. Outside the main
        thread, pass ``stop_on=()``. Raises ``WouldLoop``, ``NoWireName``, ``NothingToDo`` or ``AlreadyRunning`` before
        it starts; ``Refused`` if the server refuses the group, or somebody deletes it; ``NoServer`` if the server does
        not answer at the start, or the client is closed. If the server is lost later, the worker waits for it.
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
