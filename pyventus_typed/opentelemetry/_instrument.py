"""What is instrumented, from `instrument` until `Instrumentation.uninstrument`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from threading import RLock
from types import TracebackType
from typing import Any, Final, Self

from opentelemetry.metrics import MeterProvider
from opentelemetry.trace import TracerProvider, get_tracer
from typing_extensions import override

from pyventus_typed import AsyncIOProcessor, Emitter, Linker
from pyventus_typed._spelling import spell
from pyventus_typed.errors import InvalidOption
from pyventus_typed.opentelemetry._deliveries import DeliverySpans, DeliveryWaits
from pyventus_typed.opentelemetry._metrics import SCOPE, instruments_of
from pyventus_typed.opentelemetry._nats import Carrier
from pyventus_typed.opentelemetry._spans import Value

_lock = RLock()  # re-entrant: a signal handler may come in the middle of a change
_carriers: Final[list[Carrier]] = []


class Instrumentation:
    """The result of `instrument`. ``uninstrument()`` ends the instrumentation, and so does the end of a ``with``
    block.

    It keeps references to the linkers and emitters until then.
    """

    def __init__(
        self,
        parts: Sequence[object],
        tracer_provider: TracerProvider | None,
        meter_provider: MeterProvider | None,
        attributes: Mapping[str, Value],
    ) -> None:
        linkers, emitters = _sorted(parts)
        _check(attributes)
        tracer = get_tracer(SCOPE, tracer_provider=tracer_provider)
        self._what = ", ".join(map(repr, (*linkers, *emitters))) or "NATS alone"
        instruments = instruments_of(meter_provider)
        self._carrier = Carrier(tracer, instruments, attributes)
        with ExitStack() as ending:  # ends what has begun if something here raises
            for linker in linkers:
                own = [emitter for emitter in emitters if emitter._linker is linker]
                ending.callback(DeliverySpans(linker, own, tracer, instruments.duration, attributes).end)
            for emitter in emitters:
                ending.callback(instruments.uncount, instruments.count(emitter.processor, attributes))
                # Others cannot be observed, and nothing waits there.
                if isinstance(emitter.processor, AsyncIOProcessor):
                    ending.callback(DeliveryWaits(emitter, instruments.wait, attributes).end)
            _carriers.append(self._carrier)
            ending.callback(_carriers.remove, self._carrier)
            self._ending = ending.pop_all()

    def uninstrument(self) -> None:
        """Start no more spans, and measure nothing more; spans that have started end as usual. May be called
        again."""
        with _lock:
            ending = self._ending.pop_all()
        ending.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.uninstrument()

    @override
    def __repr__(self) -> str:
        return f"<Instrumentation of {self._what}>"


def carrier() -> Carrier | None:
    """What `pyventus_typed.nats` carries traces by, as long as anything is instrumented."""
    return next(iter(_carriers), None)


def instrument(
    *parts: Linker[Any] | Emitter[Any],  # Any: of whatever events
    tracer_provider: TracerProvider | None = None,
    meter_provider: MeterProvider | None = None,
    attributes: Mapping[str, Value] | None = None,
) -> Instrumentation:
    """Trace and measure *parts* with OpenTelemetry from now on, until ``uninstrument()``: ``instrument(linker,
    emitter)``.

    - A linker: a span for each delivery, whichever emitter it comes from, and the duration of its handler. The span
      is current while the handler runs, so spans of what the handler does and emits are its children. Its own parent
      is the span that was current where the event was emitted. Its outcome is that of the delivery: the exception with
      which that fails is recorded; a cancellation is not an error. A delivery that never starts has no span.
    - An emitter: the same for its linker; the counts of its processor (``emitter.tally``) from now on; and, with
      `AsyncIOProcessor`, how long its deliveries wait.
    - `pyventus_typed.nats`, whatever the parts are, even without any: a span for each event that is published, and a
      span for each message that a worker handles, which becomes a child of the former through the header
      ``traceparent``; and counts and lag of workers that start from now on.

    The span is outside all managers of `Linker.surround`, whenever they were added. Its time ends before callbacks run;
    if there is one, the span is exported when the emission has settled. Providers default to the global ones, which may
    be set later. *attributes* are added to each span and each measurement, to tell emitters apart. A part that is
    instrumented twice is traced and measured once, with the settings of the first call; a delivery with those of the
    first call that named its emitter, or else its linker. Exceptions from OpenTelemetry never reach a handler or an
    emitter: ``pyventus_typed`` logs them.

    Raises `InvalidOption` for a part that is neither a linker nor an emitter, and for an attribute that is not a
    string, a number or a boolean.
    """
    return Instrumentation(parts, tracer_provider, meter_provider, dict(attributes or {}))


def _sorted(parts: Sequence[object]) -> tuple[list[Linker[Any]], list[Emitter[Any]]]:
    linkers: dict[int, Linker[Any]] = {}  # by identity: a class of the user's may compare them
    emitters: dict[int, Emitter[Any]] = {}
    for part in parts:
        if isinstance(part, Linker):
            linkers[id(part)] = part
        elif isinstance(part, Emitter):
            emitters[id(part)] = part
            linkers[id(part._linker)] = part._linker
        else:
            hint = f"Did you mean {spell(part)}()?" if isinstance(part, type) else "Pass instrument(linker, emitter)."
            raise InvalidOption(f"{part!r} is neither a linker nor an emitter. {hint}", part)
    return [*linkers.values()], [*emitters.values()]


def _check(attributes: Mapping[Any, object]) -> None:  # Any: a caller without a checker
    for name, value in attributes.items():
        if not isinstance(name, str) or not isinstance(value, str | bool | int | float):
            raise InvalidOption(
                f"attributes={attributes!r}: {name!r} has the value {value!r}, and values are strings, numbers or booleans.",
                value,
            )
