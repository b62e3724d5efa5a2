"""What is measured of each delivery: a span around its handler, and how long it waited before."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from contextlib import AbstractContextManager, ExitStack, nullcontext, suppress
from threading import RLock
from time import perf_counter
from typing import Any, Generic, Protocol, TypeVar, final

from opentelemetry.metrics import Histogram
from opentelemetry.trace import Tracer
from typing_extensions import override

from pyventus_typed import Cancelled, Delivery, Discarded, Emission, Emitter, Event, Failed, Linker, observe
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
    def names(self, state: object, /) -> bool: ...


_T = TypeVar("_T", bound=_Participant)
_lock = RLock()  # re-entrant: a signal handler may come in the middle of a change


class _Turns(Generic[_T]):
    """Who of several that are there for the same thing does it: the first one that names the emitter, or else the first."""

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

    def is_for(self, key: int, one: _T, state: object) -> bool:
        there = [other for other in self._lines.get(key, ()) if other.active]
        first = there[0] if there else None
        return next((other for other in there if other.names(state)), first) is one


@final
class _AtEnd:
    """Called once, when an emission is settled, by whoever does that."""

    __slots__ = ("_call",)
    will_raise = False
    """Nobody is given the failures by it."""

    def __init__(self, call: Callable[[], object]) -> None:
        self._call = [call]

    def __call__(self) -> None:
        with suppress(IndexError):  # another thread was quicker
            self._call.pop()()


@final
class _Handling(Work):
    """The span of a delivery, which ends as that does."""

    __slots__ = ("_delivery",)

    def __init__(
        self,
        delivery: Delivery[Event],
        tracer: Tracer,
        duration: Histogram,
        name: str,
        attributes: Attributes,
        details: Attributes,
    ) -> None:
        super().__init__(tracer, duration, name, attributes, details)
        self._delivery = delivery

    @override
    def left(self, error: BaseException | None) -> None:
        subscription, emission = self._delivery.subscription, self._delivery.emission
        callback = subscription.on_success if error is None else subscription.on_failure
        if callback is None or not (error is None or isinstance(error, Exception)):
            self.conclude(error)  # nothing comes behind it: it is the outermost manager
            return
        # The callback may still fail, and with it the delivery. An emission is settled at every end, a delivery that is cut
        # off is not said to have ended.
        at_end = _AtEnd(lambda: self._settled(error))
        emission._with_rare().waiters.append(at_end)  # type: ignore[arg-type]  # it is one for who settles an emission
        if not emission._open:
            at_end()

    def _settled(self, error: BaseException | None) -> None:
        match self._delivery.outcome:
            case Failed(raised):
                self.conclude(raised)
            case Cancelled():
                self.conclude(asyncio.CancelledError())
            case Discarded():
                self.conclude(GeneratorExit())
            case _:
                self.conclude(error)


class DeliverySpans:
    """A span for each delivery of one linker, current while its handler runs.

    It stands around the handler, because an observer is called in a context of its own, in which no span can be made
    current for the handler.
    """

    def __init__(
        self,
        linker: Linker[Any],
        emitters: Collection[Emitter[Any]],
        tracer: Tracer,
        duration: Histogram,
        attributes: Attributes,
    ) -> None:
        self._linker = linker
        self._states = [emitter._state for emitter in emitters]
        self._tracer = tracer
        self._duration = duration
        self._attributes = attributes
        # What a manager raises or suppresses decides what becomes of the delivery, whenever it was added.
        self._surrounding = linker._surround((Event,), self._around, outermost=True)
        _spans.join(id(linker), self)

    @property
    def active(self) -> bool:
        return self._surrounding.active  # ``linker.clear()`` ends it, too

    def names(self, state: object, /) -> bool:
        return any(one is state for one in self._states)

    def end(self) -> None:
        self._surrounding.unsubscribe()
        _spans.leave(id(self._linker), self)

    def _around(self, delivery: Delivery[Event]) -> AbstractContextManager[None]:
        # What was accepted before the end has kept this manager.
        if not _spans.is_for(id(self._linker), self, delivery.emission._state):
            return nullcontext()
        event, handler = _what_of(delivery)
        attributes = {**self._attributes, **_attributes(event, handler), OPERATION: "process"}
        details = {MESSAGE_ID: str(delivery.emission.id), OPERATION_TYPE: "process"}
        return _Handling(delivery, self._tracer, self._duration, f"process {event} ({handler})", attributes, details)


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

    def names(self, state: object, /) -> bool:
        return state is self._state

    def end(self) -> None:
        _waits.leave(id(self._state), self)
        self._observing.close()

    def accepted(self, emission: Emission[Event], /) -> None:
        """See `Observer`."""
        if emission._state is self._state and _waits.is_for(id(self._state), self, self._state):
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
