"""The real SDK, with exporters that keep what they get in memory."""

import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from opentelemetry.context import Context
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import HistogramDataPoint, InMemoryMetricReader, NumberDataPoint
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from typing_extensions import override

from pyventus_typed import Emitter, Linker
from pyventus_typed.opentelemetry import Instrumentation, instrument

Dimensions = frozenset[tuple[str, object]]


class Counting(SpanProcessor):
    """How often each span was started, and ended."""

    def __init__(self) -> None:
        self.started: Counter[int] = Counter()
        self.ended: Counter[int] = Counter()

    @override
    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        self.started[span.get_span_context().span_id] += 1

    @override
    def on_end(self, span: ReadableSpan) -> None:
        context = span.get_span_context()
        assert context is not None
        self.ended[context.span_id] += 1


@dataclass
class Sdk:
    """One of its own for each test."""

    tracers: TracerProvider = field(default_factory=TracerProvider)
    exporter: InMemorySpanExporter = field(default_factory=InMemorySpanExporter)
    reader: InMemoryMetricReader = field(default_factory=InMemoryMetricReader)
    counting: Counting = field(default_factory=Counting)

    def __post_init__(self) -> None:
        self.tracers.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.tracers.add_span_processor(self.counting)
        self.meters = MeterProvider(metric_readers=[self.reader])
        self.tracer = self.tracers.get_tracer("the program's own")

    def instrument(
        self, *parts: Linker[Any] | Emitter[Any], attributes: Mapping[str, str] | None = None
    ) -> Instrumentation:
        return instrument(*parts, tracer_provider=self.tracers, meter_provider=self.meters, attributes=attributes)

    @property
    def spans(self) -> list[ReadableSpan]:
        """Those that have ended."""
        return [*self.exporter.get_finished_spans()]

    @property
    def tree(self) -> list[tuple[str, str | None]]:
        """The name of each span, and of its parent, sorted."""
        names = {span.context.span_id: span.name for span in self.spans if span.context is not None}
        return sorted(
            ((span.name, None if span.parent is None else names[span.parent.span_id]) for span in self.spans),
            key=lambda pair: (pair[0], pair[1] or ""),
        )

    def one(self, name: str) -> ReadableSpan:
        (span,) = [span for span in self.spans if span.name == name]
        return span

    def points(self, name: str) -> dict[Dimensions, NumberDataPoint | HistogramDataPoint]:
        """What the metric of this name shows now, by attributes."""
        data = self.reader.get_metrics_data()
        found: dict[Dimensions, NumberDataPoint | HistogramDataPoint] = {}
        for resource in data.resource_metrics if data is not None else ():
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    if metric.name == name:
                        for point in metric.data.data_points:
                            assert isinstance(point, NumberDataPoint | HistogramDataPoint)
                            found[frozenset((point.attributes or {}).items())] = point
        return found

    def sums(self, name: str, by: str | None = None) -> dict[object, float]:
        """The sums of a counter, or the counts of a histogram, by one attribute; what is zero is left out."""
        found: Counter[object] = Counter()
        for dimensions, point in self.points(name).items():
            key = None if by is None else dict(dimensions).get(by)
            found[key] += int(point.value if isinstance(point, NumberDataPoint) else point.count)
        return {key: count for key, count in found.items() if count}


class Heard(logging.Handler):
    """What was logged."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    @override
    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(record.getMessage())
