"""The wiring check finds events without a handler, handlers that no event reaches, and what emits each event.

Use ``check(linker)`` in a test, and ``python -m pyventus_typed check MODULE:LINKER`` in a terminal and in CI.
"""

from pyventus_typed.cli._parsing import NotLoaded

from ._check import check
from ._facts import NotALinker
from ._render import Format, render
from ._report import (
    Cycle,
    Emits,
    Finding,
    Place,
    Report,
    Rule,
    WiredCode,
    WiredEvent,
    WiredHandler,
)
from ._types import NotAFamily

__all__ = [
    "Cycle",
    "Emits",
    "Finding",
    "Format",
    "NotAFamily",
    "NotALinker",
    "NotLoaded",
    "Place",
    "Report",
    "Rule",
    "WiredCode",
    "WiredEvent",
    "WiredHandler",
    "check",
    "render",
]
