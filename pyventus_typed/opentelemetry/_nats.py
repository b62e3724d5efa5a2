"""Traces and metrics of `pyventus_typed.nats`, which finds a `Carrier` here where anything is instrumented.

Neither of the two imports the other one: who has no NATS needs no nats-py, and who has no OpenTelemetry no API of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Mapping
from concurrent.futures import TimeoutError as TooLate
from contextlib import contextmanager
from math import inf
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.context import Context
from opentelemetry.propagate import extract, inject
from opentelemetry.trace import SpanKind, Tracer

from pyventus_typed.opentelemetry._metrics import Instruments, Key, key_of
from pyventus_typed.opentelemetry._spans import (
    DESTINATION,
    MESSAGE_ID,
    OPERATION,
    OPERATION_TYPE,
    OUTCOME,
    SYSTEM,
    Attributes,
    Work,
    quietly,
)

if TYPE_CHECKING:  # at run time it may be missing
    from pyventus_typed.nats import Received, Worker

GROUP: Final = "messaging.consumer.group.name"
BODY_SIZE: Final = "messaging.message.body.size"
STREAM: Final = "pyventus_typed.nats.stream"
SEQUENCE: Final = "pyventus_typed.nats.sequence"
ATTEMPT: Final = "pyventus_typed.nats.attempt"
LANE: Final = "pyventus_typed.nats.lane"
_FRESH: Final = 1.0  # seconds in which the numbers of the server are not asked for again
_PATIENCE: Final = 2.0  # seconds that an exporter waits for them


class Carrier:
    """What a publisher and a worker do for their traces and metrics."""

    def __init__(self, tracer: Tracer, instruments: Instruments, attributes: Attributes) -> None:
        self._tracer = tracer
        self._instruments = instruments
        self._attributes = attributes

    def headers(self) -> Mapping[str, str]:
        """The headers that carry what is current here: ``traceparent`` and so on, as the global propagator writes them."""
        found: dict[str, str] = {}
        quietly(inject, found)
        return {name: value for name, value in found.items() if value.isascii() and value.isprintable()}

    @contextmanager
    def sending(self, stream: str, name: str, event_id: str, size: int) -> Generator[Mapping[str, str], None, None]:
        """A span around the publishing of an event; the headers that make the rest of its way a child of that."""
        destination = f"{stream}.{name}"
        attributes = self._of(destination, "send")
        details: Attributes = {MESSAGE_ID: event_id, BODY_SIZE: size, OPERATION_TYPE: "send"}
        with Work(
            self._tracer,
            self._instruments.sending,
            f"send {destination}",
            attributes,
            details,
            kind=SpanKind.PRODUCER,
        ):
            yield self.headers()

    @contextmanager
    def receiving(self, message: Received) -> Generator[None, None, None]:
        """A span around all handlers of *message*, a child of the one in whose headers it came."""
        destination = f"{message.stream}.{message.name}"
        attributes = {**self._of(destination, "process"), GROUP: message.group}
        details: Attributes = {
            MESSAGE_ID: message.id,
            OPERATION_TYPE: "process",
            SEQUENCE: message.sequence,
            ATTEMPT: message.attempt,
        }
        with Work(
            self._tracer,
            self._instruments.duration,
            f"process {destination}",
            attributes,
            details,
            kind=SpanKind.CONSUMER,
            context=_context_of(message.headers),
        ):
            yield

    @contextmanager
    def working(self, worker: Worker[Any], stream: str, group: str) -> Generator[None, None, None]:
        """Show what *worker*, which runs in the running loop, has done, and its lag."""
        watch = _Watch(worker, {**self._attributes, STREAM: stream, GROUP: group})
        instruments = self._instruments
        shown = [
            (instruments.messages, watch.messages),
            (instruments.last_settled, watch.last_settled),
            (instruments.lag, watch.lag),
            (instruments.healthy, watch.healthy),
        ]
        for total, read in shown:
            total.add(read)
        try:
            yield
        finally:
            for total, read in shown:
                total.remove(read)
            watch.end()

    def _of(self, destination: str, operation: str) -> Attributes:
        return {**self._attributes, SYSTEM: "nats", DESTINATION: destination, OPERATION: operation}


def _context_of(headers: Mapping[str, str]) -> Context:
    """The context that *headers* carry. It begins a trace of its own where they carry none, whatever is current here."""
    found = [Context()]
    # Other clients may write names of headers with capitals.
    lowered = {name.lower(): value for name, value in headers.items()}
    quietly(lambda: found.append(extract(lowered, Context())))
    return found[-1]


class _Watch:
    """The numbers of one worker, for an exporter, in whatever thread that is."""

    def __init__(self, worker: Worker[Any], attributes: Attributes) -> None:
        self._worker = worker
        self._attributes = attributes
        self._loop = asyncio.get_running_loop()
        self._before = worker.counts
        self._lanes: Mapping[Key, int] = {}
        self._ok = False
        self._asked = -inf
        self._task: asyncio.Task[None] | None = None
        self._ask_here()  # so that an exporter in this very loop has something to show

    def messages(self) -> Mapping[Key, int]:
        now, before = self._worker.counts, self._before
        return {
            key_of(self._attributes, {OUTCOME: "handled"}): now.handled - before.handled,
            key_of(self._attributes, {OUTCOME: "failed"}): now.failed - before.failed,
            key_of(self._attributes, {OUTCOME: "dead"}): now.dead - before.dead,
        }

    def last_settled(self) -> Mapping[Key, int]:
        at = self._worker.counts.settled_at
        return {} if at is None else {key_of(self._attributes): int(at.timestamp())}

    def lag(self) -> Mapping[Key, int]:
        self._refresh()
        return self._lanes

    def healthy(self) -> Mapping[Key, int]:
        self._refresh()
        return {key_of(self._attributes): int(self._ok)}

    def end(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def _refresh(self) -> None:
        """Ask the server, unless it was just asked. In the worker's own loop nobody can wait: that sees the last answer."""
        if monotonic() - self._asked < _FRESH:
            return
        try:
            is_here = asyncio.get_running_loop() is self._loop
        except RuntimeError:
            is_here = False
        if is_here:
            self._ask_here()
            return
        asking = asyncio.run_coroutine_threadsafe(self._ask(), self._loop)
        try:
            asking.result(_PATIENCE)
        except TooLate:  # the loop is blocked
            asking.cancel()
            self._ok = False

    def _ask_here(self) -> None:
        if self._task is None or self._task.done():
            self._task = self._loop.create_task(self._ask())

    async def _ask(self) -> None:
        self._ok = False
        health = await self._worker.health()
        self._ok = health.ok
        self._lanes = {
            key_of(self._attributes, {LANE: "any" if lane is None else str(lane)}): lag
            for lane, lag in health.lanes.items()
        }
        self._asked = monotonic()
