"""Typed events: frozen dataclasses, checked handlers, and books that account for every emission."""

from . import errors
from ._emission import Delivery, Emission, current_emission
from ._emitter import Emitter, asyncio_emitter
from ._event import Event, Request
from ._linker import Linker, On
from ._ordering import KeyedOrdering, Ordering, PerKey
from ._outcome import Cancelled, Completed, Discarded, Failed, Outcome, Status, Tally
from ._processing import Door, Processor
from ._routes import Routes, route
from ._subscriber import Subscriber, handles
from ._subscription import Subscription
from .processors._asyncio import AsyncIOProcessor

__all__ = [
    "AsyncIOProcessor",
    "Cancelled",
    "Completed",
    "Delivery",
    "Discarded",
    "Door",
    "Emission",
    "Emitter",
    "Event",
    "Failed",
    "KeyedOrdering",
    "Linker",
    "On",
    "Ordering",
    "Outcome",
    "PerKey",
    "Processor",
    "Request",
    "Routes",
    "Status",
    "Subscriber",
    "Subscription",
    "Tally",
    "asyncio_emitter",
    "current_emission",
    "errors",
    "handles",
    "route",
]
