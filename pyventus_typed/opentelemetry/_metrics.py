"""The instruments, made once for each meter provider, and what the observable ones show."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from operator import add
from threading import Lock, RLock
from typing import Final, TypeAlias
from weakref import WeakKeyDictionary

from opentelemetry.metrics import CallbackOptions, Meter, MeterProvider, Observation, get_meter, get_meter_provider

from pyventus_typed import Processor, Tally
from pyventus_typed.opentelemetry._spans import Attributes, Value

SCOPE: Final = "pyventus_typed"
STATUS: Final = "pyventus_typed.status"
# Seconds. Those of the conventions begin at 5 ms, in which many handlers have long returned.
_BUCKETS: Final = (
    0.0001,
    0.0005,
    0.001,
    0.005,
    0.01,
    0.025,
    0.05,
    0.075,
    0.1,
    0.25,
    0.5,
    0.75,
    1.0,
    2.5,
    5.0,
    7.5,
    10.0,
)

Key: TypeAlias = tuple[tuple[str, Value], ...]
"""Attributes, as a key."""
Read: TypeAlias = Callable[[], Mapping[Key, int]]


def key_of(attributes: Attributes, more: Attributes | None = None) -> Key:
    """*attributes*, and *more*, as a key."""
    return tuple(sorted({**attributes, **(more or {})}.items()))


class Merged:
    """What an observable instrument shows: what is read in several places, *combined* by attributes. From any thread.

    With *keeps*, for a counter, it does not fall when a place goes: the last that was read there stays in it.
    """

    def __init__(self, combine: Callable[[int, int], int], *, keeps: bool = False) -> None:
        self._combine = combine
        self._keeps = keeps
        self._reads: list[Read] = []
        self._kept: dict[Key, int] = {}
        self._lock = Lock()

    def add(self, read: Read) -> None:
        """From now on it is read."""
        with self._lock:
            self._reads.append(read)

    def remove(self, read: Read) -> None:
        """From now on it is not called any more."""
        last = read() if self._keeps else {}
        with self._lock:
            self._reads.remove(read)
            self._merge(self._kept, last)

    def __call__(self, _options: CallbackOptions) -> Iterable[Observation]:
        with self._lock:
            reads, shown = [*self._reads], self._kept.copy()
        for read in reads:  # without the lock: a processor is anybody's
            self._merge(shown, read())
        return [Observation(value, dict(key)) for key, value in shown.items()]

    def _merge(self, into: dict[Key, int], values: Mapping[Key, int]) -> None:
        for key, value in values.items():
            into[key] = self._combine(into[key], value) if key in into else value


class Counted:
    """The counts of one processor for one who instrumented it, while it is his turn: from the moment at which it was
    instrumented, or the one before him has ended.
    """

    def __init__(self, processor: Processor, attributes: Attributes) -> None:
        self.processor = processor
        self._attributes = attributes
        self._before: Tally | None = None
        self._end: Tally | None = None

    def begin(self, tally: Tally) -> None:
        """It is his turn."""
        self._before = tally

    def end(self, tally: Tally) -> None:
        """His turn is over."""
        self._end = tally

    def settled(self) -> Mapping[Key, int]:
        now, before = self._end or self.processor.tally, self._before
        if before is None:
            return {}
        return {
            key_of(self._attributes, {STATUS: "completed"}): now.completed - before.completed,
            key_of(self._attributes, {STATUS: "failed"}): now.failed - before.failed,
            key_of(self._attributes, {STATUS: "cancelled"}): now.cancelled - before.cancelled,
            key_of(self._attributes, {STATUS: "discarded"}): now.discarded - before.discarded,
        }

    def rejected(self) -> Mapping[Key, int]:
        now, before = self._end or self.processor.tally, self._before
        return {} if before is None else {key_of(self._attributes): now.rejected - before.rejected}

    def pending(self) -> Mapping[Key, int]:
        if self._before is None or self._end is not None:
            return {}
        return {key_of(self._attributes): self.processor.tally.pending}


# Who counts a processor, by its identity: it is anybody's. Over all providers, for each emission is counted once.
_turns: Final[dict[int, list[Counted]]] = {}
_turning = RLock()  # re-entrant: a signal handler may come in the middle of a change


class Instruments:
    """What is measured, through one meter provider. A provider knows each name once, so these live as long as it does."""

    def __init__(self, meter: Meter) -> None:
        self.duration = meter.create_histogram(
            "messaging.process.duration",
            unit="s",
            description="How long handlers ran.",
            explicit_bucket_boundaries_advisory=_BUCKETS,
        )
        self.sending = meter.create_histogram(
            "messaging.client.operation.duration",
            unit="s",
            description="How long it took until NATS had stored an event.",
            explicit_bucket_boundaries_advisory=_BUCKETS,
        )
        self.wait = meter.create_histogram(
            "pyventus_typed.deliveries.wait_time",
            unit="s",
            description="How long deliveries waited from the acceptance of their emission to the start of their handler.",
            explicit_bucket_boundaries_advisory=_BUCKETS,
        )
        self._settled, self._rejected = Merged(add, keeps=True), Merged(add, keeps=True)
        self._pending = Merged(add)
        meter.create_observable_counter(
            "pyventus_typed.emissions.settled", [self._settled], "{emission}", "Emissions that have ended, by status."
        )
        meter.create_observable_counter(
            "pyventus_typed.emissions.rejected", [self._rejected], "{emission}", "Emissions that emit() refused."
        )
        meter.create_observable_up_down_counter(
            "pyventus_typed.emissions.pending", [self._pending], "{emission}", "Emissions that have not ended."
        )
        self.messages, self.healthy = Merged(add, keeps=True), Merged(add)
        self.lag, self.last_settled = Merged(max), Merged(max)  # several workers of a group hear the same of the server
        meter.create_observable_counter(
            "pyventus_typed.nats.messages", [self.messages], "{message}", "What workers did with messages."
        )
        meter.create_observable_gauge(
            "pyventus_typed.nats.last_settled",
            [self.last_settled],
            "s",
            "Unix time at which a worker last settled a message.",
        )
        meter.create_observable_gauge(
            "pyventus_typed.nats.lag",
            [self.lag],
            "{message}",
            "Messages that wait for a group, or are in hand, by lane.",
        )
        meter.create_observable_up_down_counter(
            "pyventus_typed.nats.healthy_workers", [self.healthy], "{worker}", "Workers whose health is ok."
        )

    def count(self, processor: Processor, attributes: Attributes) -> Counted:
        """Show the counts of *processor*: of several who do, the first one does."""
        tally = processor.tally
        counted = Counted(processor, attributes)
        with _turning:
            line = _turns.setdefault(id(processor), [])
            line.append(counted)
            if line[0] is counted:
                counted.begin(tally)
        self._settled.add(counted.settled)
        self._rejected.add(counted.rejected)
        self._pending.add(counted.pending)
        return counted

    def uncount(self, counted: Counted) -> None:
        """Whoever counted it has gone; what he counted stays."""
        key, tally = id(counted.processor), counted.processor.tally
        with _turning:
            line = _turns[key]
            if line[0] is counted:
                for one in line[1:2]:
                    one.begin(tally)
            counted.end(tally)
            line.remove(counted)
            if not line:
                del _turns[key]
        self._settled.remove(counted.settled)
        self._rejected.remove(counted.rejected)
        self._pending.remove(counted.pending)


_made: WeakKeyDictionary[MeterProvider, Instruments] = WeakKeyDictionary()
_global: list[Instruments] = []  # of the provider that is set globally, perhaps later than we are asked
_making = Lock()


def instruments_of(provider: MeterProvider | None) -> Instruments:
    """Those of *provider*, or of the global one, which need not be set yet."""
    with _making:
        set_globally = get_meter_provider()
        provider = provider or set_globally
        made = _made.get(provider)
        if made is not None:
            return made
        if provider is set_globally:
            if not _global:
                _global.append(Instruments(get_meter(SCOPE)))
            return _global[0]
        made = _made[provider] = Instruments(provider.get_meter(SCOPE))
        return made
