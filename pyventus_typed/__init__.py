"""Typed events: frozen dataclasses, checked handlers, and counts that account for every emission."""

from . import _ctrl_c, errors  # noqa: F401  # first of all: Ctrl-C may come while the rest is imported
from ._emission import Delivery, Emission, current_emission
from ._emitter import Emitter, asyncio_emitter
from ._event import Event, Request
from ._linker import Around, Linker, On
from ._manager import Surrounding
from ._ordering import KeyedOrdering, Ordering, PerKey
from ._outcome import Cancelled, Completed, Discarded, Failed, Outcome, Status, Tally
from ._processing import EmitterState, Observer, Processor, observe
from ._routes import Routes, route
from ._stream import Stream
from ._subscriber import Subscriber, answers, handles
from ._subscription import Subscription
from .processors._asyncio import AsyncIOProcessor
from .processors._runs import Run, Runs
from .processors._sync import SyncProcessor

__all__ = [
    "Around",
    "AsyncIOProcessor",
    "Cancelled",
    "Completed",
    "Delivery",
    "Discarded",
    "Emission",
    "Emitter",
    "EmitterState",
    "Event",
    "Failed",
    "KeyedOrdering",
    "Linker",
    "Observer",
    "On",
    "Ordering",
    "Outcome",
    "PerKey",
    "Processor",
    "Request",
    "Routes",
    "Run",
    "Runs",
    "Status",
    "Stream",
    "Subscriber",
    "Subscription",
    "Surrounding",
    "SyncProcessor",
    "Tally",
    "answers",
    "asyncio_emitter",
    "current_emission",
    "errors",
    "handles",
    "observe",
    "route",
]
