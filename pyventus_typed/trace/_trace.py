"""The observer that records."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager
from time import perf_counter
from types import TracebackType
from typing import Any, Self, get_args

from pyventus_typed import (
    AsyncIOProcessor,
    Cancelled,
    Completed,
    Delivery,
    Discarded,
    Emission,
    Emitter,
    Event,
    Failed,
    observe,
)
from pyventus_typed._spelling import spell, spell_event
from pyventus_typed.errors import InvalidOption

from ._records import DeliveryRecord, EmissionRecord, Outcome, Unit
from ._timeline import Timeline

_LONGEST_TRACEBACK = 4_000


class _Delivery:
    """What is known of a delivery so far."""

    __slots__ = ("ended", "handler", "outcome", "said", "started", "traceback")

    def __init__(self, handler: str) -> None:
        self.handler = handler
        self.started: float | None = None
        self.ended: float | None = None
        self.outcome: Outcome = "pending"
        self.said = self.traceback = ""


class _Emission:
    """What is known of an emission so far. Texts and numbers: a recording keeps nothing of the program alive."""

    __slots__ = ("accepted", "deliveries", "event", "id", "parent", "settled", "status")

    def __init__(self, emission: Emission[Event], now: float) -> None:
        self.id = emission.id
        self.parent = emission.parent_id
        self.event = spell_event(emission.event)
        self.accepted = now
        self.settled: float | None = None
        self.status: Outcome = "pending"
        self.deliveries = [_Delivery(spell(delivery.subscription.handler)) for delivery in emission.deliveries]


class Trace:
    """Records what happens in a ``with`` block, for a `Timeline`: in memory, as texts and numbers.

    ``Trace()`` records the emissions of every `AsyncIOProcessor` of the process; ``Trace(*emitters)`` records only
    those of these emitters. Emissions that were pending when the block began are not recorded; of those that are
    pending at its end, whatever happens later is not. It keeps texts of events, results and errors, up to 200
    characters each, and not the objects. *clock* is a function that returns seconds, such as ``loop.time`` of a
    virtual loop, or with ``unit="steps"`` the number of a step. A trace may be entered again, and then continues. ::

        with Trace(emitter) as trace:
            asyncio.run(main())
        trace.timeline.write("shop.html")

    Raises `InvalidOption` for an unknown unit, for anything that is not an emitter, and for one whose processor cannot
    be observed, such as `SyncProcessor`.
    """

    def __init__(
        self, *emitters: Emitter[Any], clock: Callable[[], float] = perf_counter, unit: Unit = "s"
    ) -> None:  # Any: of whatever events
        for emitter in emitters:
            _check_emitter(emitter)
        if not callable(clock):
            raise InvalidOption(f"clock={clock!r} cannot be called. Pass a function that gives seconds.", clock)
        if unit not in get_args(Unit):
            raise InvalidOption(f"unit={unit!r} is none of {', '.join(map(repr, get_args(Unit)))}.", unit)
        self._states = {id(emitter._state) for emitter in emitters}
        self._emitters = emitters  # so that no other state gets the same id
        self._clock = clock
        self._unit: Unit = unit
        self._emissions: dict[int, _Emission] = {}
        self._observing: AbstractContextManager[None] | None = None

    def __enter__(self) -> Self:
        if self._observing is not None:
            raise RuntimeError("This trace is recording already. Make another one for another block.")
        self._observing = observe(self)
        self._observing.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        observing, self._observing = self._observing, None
        if observing is not None:
            observing.__exit__(None, None, None)

    @property
    def timeline(self) -> Timeline:
        """What was recorded until now. May be read from any thread, inside the block as well."""
        emissions = [*self._emissions.values()]
        first = min((one.accepted for one in emissions), default=0.0) if self._unit == "s" else 0.0

        def since(time: float | None) -> float | None:
            return None if time is None else time - first

        return Timeline(
            unit=self._unit,
            emissions=tuple(
                EmissionRecord(
                    id=one.id,
                    parent=one.parent,
                    event=one.event,
                    accepted=one.accepted - first,
                    settled=since(one.settled),
                    status=one.status,
                    deliveries=tuple(
                        DeliveryRecord(
                            handler=delivery.handler,
                            started=since(delivery.started),
                            ended=since(delivery.ended),
                            outcome=delivery.outcome,
                            said=delivery.said,
                            traceback=delivery.traceback,
                        )
                        for delivery in one.deliveries
                    ),
                )
                for one in emissions
            ),
        )

    def _end(self) -> float:
        """When what ends here ends: a step has a length of its own."""
        return self._clock() + (1 if self._unit == "steps" else 0)

    # -- what it observes ---------------------------------------------------------------------------------------------
    def accepted(self, emission: Emission[Event], /) -> None:
        """See `Observer`."""
        if not self._states or id(emission._state) in self._states:
            self._emissions[emission.id] = _Emission(emission, self._clock())

    def started(self, delivery: Delivery[Event], /) -> None:
        """See `Observer`."""
        record = self._emissions.get(delivery.emission.id)
        if record is not None:
            record.deliveries[delivery._index].started = self._clock()

    def ended(self, delivery: Delivery[Event], /) -> None:
        """See `Observer`."""
        record = self._emissions.get(delivery.emission.id)
        if record is not None:
            own = record.deliveries[delivery._index]
            own.ended = self._end()
            _note(own, delivery)

    def settled(self, emission: Emission[Event], /) -> None:
        """See `Observer`."""
        record = self._emissions.get(emission.id)
        if record is None:
            return
        record.settled = now = self._end()
        record.status = emission.status.value
        for own, delivery in zip(record.deliveries, emission.deliveries, strict=True):
            if own.ended is None:
                own.ended = None if own.started is None else now  # it was cut off
                _note(own, delivery)


def _note(own: _Delivery, delivery: Delivery[Event]) -> None:
    match delivery.outcome:
        case Completed(value):
            own.outcome, own.said = "completed", "" if value is None else spell_event(value)
        case Failed(error):
            own.outcome = "failed"
            own.said = "".join(traceback.format_exception_only(error)[-1:]).strip()[:200]
            own.traceback = "".join(traceback.format_exception(error))[-_LONGEST_TRACEBACK:]
        case Cancelled():
            own.outcome = "cancelled"
        case Discarded(reason):
            own.outcome, own.said = "discarded", reason
        case None:
            pass


def _check_emitter(emitter: object) -> None:
    if not isinstance(emitter, Emitter):
        raise InvalidOption(f"Trace takes emitters, or nothing for all of them, and {emitter!r} is not one.", emitter)
    if not isinstance(emitter.processor, AsyncIOProcessor):
        raise InvalidOption(
            f"{emitter.processor!r} cannot be observed. Trace the emitter of an AsyncIOProcessor.", emitter.processor
        )
