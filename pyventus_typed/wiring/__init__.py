"""The wiring check: which events nobody receives, which handlers nothing reaches, and who emits what.

``check(linker)`` is for a test, ``python -m pyventus_typed check MODULE:LINKER`` for a terminal and for CI.
"""

from ._check import check
from ._cli import add_parser, run
from ._facts import NotALinker
from ._render import Format, render
from ._report import (
    Cycle,
    Emits,
    Finding,
    NotLoaded,
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
    "add_parser",
    "check",
    "render",
    "run",
]
