"""A worker: events out of a stream, into the handlers of a linker, acknowledged when they succeeded."""

import asyncio
import signal
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from dataclasses import replace
from datetime import datetime
from typing import Generic, final

from typing_extensions import TypeVar

from pyventus_typed import Event, Linker
from pyventus_typed.nats._connection import answered
from pyventus_typed.nats._consumer import Group, Puller, Start, ensure_consumers, wanted_names
from pyventus_typed.nats._dead_letters import ensure_dead_stream
from pyventus_typed.nats._deliveries import Counts, Deliveries, Records, RetryPolicy
from pyventus_typed.nats._stream import JetStream, Opened
from pyventus_typed.nats._wire import Received, attempts_bucket, check_token

_E = TypeVar("_E", bound=Event)


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
    its process is found out without harm to its neighbours. What cannot be decoded is a dead letter at once.

    While a handler runs, the worker tells the server so three times in *ack_wait* seconds; a worker that was killed
    loses its events to another one after that time. A group keeps the longest *ack_wait* of its workers.
    A sync handler that blocks the loop keeps it from telling: subscribe it with ``in_thread=True``.

    *context* is entered around the handlers of each message, to carry on a trace for example.
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
        context: Callable[[Received], AbstractContextManager[object]] = nullcontext,
    ) -> None:
        if concurrency < 1 or attempts < 1:
            raise ValueError(f"concurrency={concurrency} and attempts={attempts} must be 1 or more.")
        if not backoff or min(backoff) < 0:
            raise ValueError(f"backoff={backoff!r} must name the seconds before each new attempt.")
        if ack_wait < 0.5:  # noqa: PLR2004  # below it the server would give events away while they run
            raise ValueError(f"ack_wait={ack_wait} must be half a second or more.")
        if isinstance(start, datetime) and start.tzinfo is None:
            raise ValueError(f"start={start!r} has no time zone. Say which: start.replace(tzinfo=UTC), for example.")
        self._stream = stream
        self._linker = linker
        place = Group(check_token("group", group), start, ack_wait)
        self._terms = RetryPolicy(place, concurrency, attempts, tuple(backoff), context)
        self._counts = Counts()
        self._stop = asyncio.Event()

    @property
    def counts(self) -> Counts:
        return replace(self._counts)

    def stop(self) -> None:
        """Take nothing more; ``run`` returns when the handlers that run have ended and are acknowledged.

        It is final: a worker that was stopped does not run again.
        """
        self._stop.set()

    async def run(self, *, stop_on: Sequence[signal.Signals] = (signal.SIGTERM, signal.SIGINT)) -> None:
        """Work until ``stop`` is called or one of the signals *stop_on* comes, then finish what runs.

        Cancelling it cancels the handlers too; what they did not finish is delivered again. Outside of the main
        thread give ``stop_on=()``. Raises ``WouldLoop``, ``NoWireName``, ``NothingToDo`` before it starts, and
        ``Refused`` if the server will not have the group or somebody deletes it, ``NoServer`` if there is no answer
        at the start or the client is closed. Later a lost server is waited for.
        """
        opened = self._stream.opened
        names = wanted_names(self._stream.codec.names(), self._linker, self._stream.stream)
        with answered(f"group {self._terms.group.name!r} of the stream {self._stream.stream!r}"):
            records, consumers = await self._prepare(opened, names)
        try:
            async with _signals(stop_on, self.stop), asyncio.TaskGroup() as tasks:
                deliveries = Deliveries(
                    self._stream,
                    self._linker,
                    self._terms,
                    records=records,
                    counts=self._counts,
                    stopping=self._stop,
                    tasks=tasks,
                )
                pullers = [
                    Puller(
                        opened.client,
                        self._stream.stream,
                        consumer,
                        room=self._terms.concurrency if lane is None else 1,
                        take=deliveries.take,
                    )
                    for consumer, lane in consumers
                ]
                for puller in pullers:
                    tasks.create_task(puller.run())
                tasks.create_task(deliveries.beat())
                await self._stop.wait()
                await asyncio.gather(*(puller.close() for puller in pullers))
                await deliveries.finish()
        except ExceptionGroup as several:
            # Every lane notices the same loss: one of these errors says it all.
            if len({type(error) for error in several.exceptions}) == 1:
                raise several.exceptions[0] from None
            raise

    async def _prepare(self, opened: Opened, names: frozenset[str]) -> tuple[Records, list[tuple[str, int | None]]]:
        stream, group = self._stream.stream, self._terms.group
        await ensure_dead_stream(opened.js, stream, opened.replicas)
        prefix = f"{group.name}.{opened.created}"
        records = await Records.open(opened.js, attempts_bucket(stream), prefix, opened.replicas)
        return records, await ensure_consumers(opened.client, stream, opened.lanes, group, names)


@asynccontextmanager
async def _signals(stop_on: Sequence[signal.Signals], stop: Callable[[], None]) -> AsyncGenerator[None]:
    loop = asyncio.get_running_loop()
    for number in stop_on:
        loop.add_signal_handler(number, stop)
    try:
        yield
    finally:
        for number in stop_on:
            loop.remove_signal_handler(number)
