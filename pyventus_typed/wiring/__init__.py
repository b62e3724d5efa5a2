"""The wiring check: which events no handler receives, which handlers nothing reaches, and who emits what.

``check(linker)`` is for a test, ``python -m pyventus_typed check MODULE:LINKER`` for a terminal and for CI.
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
