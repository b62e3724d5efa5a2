"""See what happened: record emissions and their deliveries, and draw them as a page, a tree or a Chrome trace."""

from ._records import DeliveryRecord, EmissionRecord, StepRecord
from ._timeline import Timeline
from ._trace import Trace

__all__ = ["DeliveryRecord", "EmissionRecord", "StepRecord", "Timeline", "Trace"]
