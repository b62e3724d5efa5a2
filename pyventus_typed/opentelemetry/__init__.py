"""Traces and metrics by OpenTelemetry: a span for each delivery, counts of emissions, and traces that go over NATS."""

from pyventus_typed._install import needing as _needing

with _needing("opentelemetry", "pyventus_typed.opentelemetry", extra="opentelemetry"):
    import opentelemetry.metrics as _metrics
    import opentelemetry.trace as _trace

from pyventus_typed.opentelemetry._instrument import Instrumentation, instrument
from pyventus_typed.opentelemetry._instrument import carrier as _carrier  # noqa: F401 - pyventus_typed.nats looks for it

__all__ = ["Instrumentation", "instrument"]

del _metrics, _trace, _needing
