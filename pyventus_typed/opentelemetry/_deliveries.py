"""What is measured of each delivery: a span around its handler, and how long it waited before."""

from __future__ import annotations

from contextlib import AbstractContextManager, ExitStack, nullcontext
from threading import RLock
from time import perf_counter
from typing import Any, Generic, Protocol, TypeVar

from opentelemetry.metrics import Histogram
from opentelemetry.trace import Tracer

from pyventus_typed import Delivery, Emission, Emitter, Event, Linker, observe
from pyventus_typed._spelling import spell
from pyventus_typed.opentelemetry._metrics import SCOPE
from pyventus_typed.opentelemetry._spans import (
    DESTINATION,
    FUNCTION,
    MESSAGE_ID,
    OPERATION,
    OPERATION_TYPE,
    SYSTEM,
    Attributes,
    Work,
)


class _Participant(Protocol):
    @property
    def active(self) -> bool: ...


_T = TypeVar("_T", bound=_Participant)
_lock = RLock()  # re-entrant: a signal handler may come in the middle of a change


class _Turns(Generic[_T]):
    """Who of several that are there for the same thing does it: the first one."""

    def __init__(self) -> None:
        self._lines: dict[int, list[_T]] = {}  # by the id of the thing, which each of them holds

    def join(self, key: int, one: _T) -> None:
        with _lock:
            self._lines.setdefault(key, []).append(one)

    def leave(self, key: int, one: _T) -> None:
        with _lock:
            self._lines[key].remove(one)
            if not self._lines[key]:
                del self._lines[key]

    def is_first(self, key: int, one: _T) -> bool:
        return next((other for other in self._lines.get(key, ()) if other.active), None) is one


class DeliverySpans:
    """A span for each delivery of one linker, current while its handler runs.

    It stands around the handler, because an observer is called in a context of its own, in which no span can be made
    current for the handler.
    """

    def __init__(self, linker: Linker[Any], tracer: Tracer, duration: Histogram, attributes: Attributes) -> None:
        self._linker = linker
        self._tracer = tracer
        self._duration = duration
        self._attributes = attributes
        self._surrounding = linker.surround(self._around)
        _spans.join(id(linker), self)

    @property
    def active(self) -> bool:
        return self._surrounding.active  # ``linker.clear()`` ends it, too

    def end(self) -> None:
        self._surrounding.unsubscribe()
        _spans.leave(id(self._linker), self)

    def _around(self, delivery: Delivery[Event]) -> AbstractContextManager[None]:
        # What was accepted before the end has kept this manager.
        if not _spans.is_first(id(self._linker), self):
            return nullcontext()
        event, handler = _what_of(delivery)
        attributes = {**self._attributes, **_attributes(event, handler), OPERATION: "process"}
        details = {MESSAGE_ID: str(delivery.emission.id), OPERATION_TYPE: "process"}
        return Work(self._tracer, self._duration, f"process {event} ({handler})", attributes, details)


class DeliveryWaits:
    """How long the deliveries of one emitter wait. An observer: it is called before and after the wait."""

    def __init__(self, emitter: Emitter[Any], wait: Histogram, attributes: Attributes) -> None:
        self._state = emitter._state
        self._wait = wait
        self._attributes = attributes
        self._since: dict[Emission[Any], float] = {}
        self._observing = ExitStack()
        self._observing.enter_context(observe(self))
        _waits.join(id(self._state), self)

    @property
    def active(self) -> bool:
        return True

    def end(self) -> None:
        _waits.leave(id(self._state), self)
        self._observing.close()

    def accepted(self, emission: Emission[Event], /) -> None:
        """See `Observer`."""
        if emission._state is self._state and _waits.is_first(id(self._state), self):
            self._since[emission] = perf_counter()

    def started(self, delivery: Delivery[Event], /) -> None:
        """See `Observer`."""
        since = self._since.get(delivery.emission)
        if since is not None and delivery.subscription._source is None:  # else it is a stream, and no handler
            self._wait.record(perf_counter() - since, {**self._attributes, **_attributes(*_what_of(delivery))})

    def ended(self, delivery: Delivery[Event], /) -> None:
        """See `Observer`."""

    def settled(self, emission: Emission[Event], /) -> None:
        """See `Observer`."""
        self._since.pop(emission, None)


_spans: _Turns[DeliverySpans] = _Turns()
_waits: _Turns[DeliveryWaits] = _Turns()


def _what_of(delivery: Delivery[Event]) -> tuple[str, str]:
    """The event and the handler, by their names."""
    return spell(type(delivery.event)), spell(delivery.subscription.handler)


def _attributes(event: str, handler: str) -> Attributes:
    return {SYSTEM: SCOPE, DESTINATION: event, FUNCTION: handler}
