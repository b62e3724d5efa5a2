"""A span that is current while something runs, and the measurement of how long that took."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextvars import Token
from time import perf_counter, time_ns
from types import TracebackType
from typing import Final, ParamSpec, TypeAlias

from opentelemetry.context import Context, attach, detach
from opentelemetry.metrics import Histogram
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer, set_span_in_context

_P = ParamSpec("_P")

Value: TypeAlias = str | bool | int | float
Attributes: TypeAlias = Mapping[str, Value]

# Names of the semantic conventions. They are written out: the package that has them changes with each of its releases.
SYSTEM: Final = "messaging.system"
OPERATION: Final = "messaging.operation.name"
OPERATION_TYPE: Final = "messaging.operation.type"
DESTINATION: Final = "messaging.destination.name"
MESSAGE_ID: Final = "messaging.message.id"
FUNCTION: Final = "code.function.name"
ERROR_TYPE: Final = "error.type"
# What they have no name for.
OUTCOME: Final = "pyventus_typed.outcome"

logger = logging.getLogger("pyventus_typed")


def quietly(call: Callable[_P, object], *arguments: _P.args, **options: _P.kwargs) -> None:
    """Call what only tells somebody: what it raises is logged and changes nothing."""
    try:
        call(*arguments, **options)
    except Exception:
        logger.exception("OpenTelemetry failed, which changes nothing for the events")


def type_of(error: BaseException) -> str:
    """The class of *error*, as the conventions write it."""
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def outcome_of(error: BaseException | None) -> str:
    """What becomes of a delivery whose handler *error* has left."""
    if error is None:
        return "completed"
    if isinstance(error, Exception):
        return "failed"
    return "cancelled" if isinstance(error, asyncio.CancelledError) else "discarded"


class Work:
    """A span that is current in a ``with``; it is ended once, however that is left, and its duration is recorded.

    *attributes* are those of the span and of the duration, *details* are the span's alone: with an id in it each duration
    would be a time series of its own. With a *context* the span begins there, and not in the current one.
    """

    __slots__ = (
        "_attributes",
        "_began",
        "_context",
        "_details",
        "_duration",
        "_kind",
        "_name",
        "_seconds",
        "_span",
        "_stopped",
        "_token",
        "_tracer",
    )

    def __init__(
        self,
        tracer: Tracer,
        duration: Histogram,
        name: str,
        attributes: Attributes,
        details: Attributes,
        *,
        kind: SpanKind = SpanKind.INTERNAL,
        context: Context | None = None,
    ) -> None:
        self._tracer = tracer
        self._duration = duration
        self._name = name
        self._attributes = attributes
        self._details = details
        self._kind = kind
        self._context = context
        self._span: Span | None = None
        self._token: Token[Context] | None = None
        self._began = self._seconds = 0.0
        self._stopped = 0

    def __enter__(self) -> None:
        quietly(self._begin)
        self._began = perf_counter()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._seconds, self._stopped = perf_counter() - self._began, time_ns()
        if self._token is not None and not isinstance(error, GeneratorExit):
            detach(self._token)  # a coroutine may be closed in another context; its own has ended with it
        self.left(error)

    def left(self, error: BaseException | None) -> None:
        """*error*, or nothing, has left the block."""
        self.conclude(error)

    def conclude(self, error: BaseException | None) -> None:
        """Say of the span and of the duration that *error* was the end of it."""
        dimensions = {**self._attributes, OUTCOME: outcome_of(error)}
        if error is not None and not isinstance(error, asyncio.CancelledError):
            dimensions[ERROR_TYPE] = type_of(error)
        span = self._span
        # With the span, which is the exemplar of the value.
        context = None if span is None else set_span_in_context(span, self._context)
        quietly(self._duration.record, self._seconds, dimensions, context)
        if span is not None:
            quietly(_conclude, span, dimensions, error)
            quietly(span.end, self._stopped)

    def _begin(self) -> None:
        attributes = {**self._attributes, **self._details}
        self._span = self._tracer.start_span(self._name, self._context, self._kind, attributes)
        self._token = attach(set_span_in_context(self._span, self._context))


def _conclude(span: Span, dimensions: Attributes, error: BaseException | None) -> None:
    if not span.is_recording():
        return
    for name in (OUTCOME, ERROR_TYPE):
        if name in dimensions:
            span.set_attribute(name, dimensions[name])
    if error is None or isinstance(error, asyncio.CancelledError):
        return  # to be cancelled is not an error: a shutdown is not to raise an alarm
    if isinstance(error, Exception):
        quietly(span.record_exception, error)
        span.set_status(Status(StatusCode.ERROR, f"{type(error).__name__}: {_text(error)}"))
    else:
        span.set_status(Status(StatusCode.ERROR, f"cut off by {type(error).__name__}"))


def _text(error: Exception) -> str:
    try:
        return str(error)
    except Exception as other:  # noqa: BLE001 - a message about one fault must survive another one in its text
        return f"(its text raised {type(other).__name__})"
