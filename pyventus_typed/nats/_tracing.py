"""Where traces get into messages and out of them, if `pyventus_typed.opentelemetry` was imported and instruments anything.

It is not imported here: who has not done that needs no OpenTelemetry and pays for one look into ``sys.modules``.
"""

import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol

from pyventus_typed.nats._wire import Received

_DOOR = "pyventus_typed.opentelemetry"


class Tracing(Protocol):
    """What carries traces and shows what workers do."""

    def headers(self) -> Mapping[str, str]:
        """What carries the trace that is current here."""
        ...

    def sending(self, stream: str, name: str, event_id: str, size: int, /) -> AbstractContextManager[Mapping[str, str]]:
        """Stands around the publishing of an event; gives the headers that carry the trace on."""
        ...

    def receiving(self, message: Received, /) -> AbstractContextManager[None]:
        """Stands around all handlers of a message, in the trace that its headers carry."""
        ...

    def working(
        self, worker: Any, stream: str, group: str, /
    ) -> AbstractContextManager[None]:  # Any: our Worker, below
        """Stands around the run of a worker."""
        ...


def find_tracing() -> Tracing | None:
    """What is instrumented now, if anything is."""
    look = getattr(sys.modules.get(_DOOR), "_carrier", None)  # it may be half imported, in another thread
    found: Tracing | None = None if look is None else look()
    return found


def trace_headers() -> Mapping[str, str]:
    """What carries the trace that is current here; nothing, if nothing is instrumented."""
    tracing = find_tracing()
    return {} if tracing is None else tracing.headers()
