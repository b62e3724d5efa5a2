"""The wiring check: which events nobody receives, which handlers nothing reaches, and who emits what.

``check(linker)`` is for a test, ``python -m pyventus_typed check MODULE:LINKER`` for a terminal and for CI.
"""

from pyventus_typed.wiring._check import check
from pyventus_typed.wiring._cli import add_parser, run
from pyventus_typed.wiring._facts import NotALinker
from pyventus_typed.wiring._family import NotAFamily
from pyventus_typed.wiring._load import NotLoaded
from pyventus_typed.wiring._render import Format, render
from pyventus_typed.wiring._report import (
    Cycle,
    Emits,
    Finding,
    Place,
    Report,
    Rule,
    WiredEvent,
    WiredHandler,
)

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
    "WiredEvent",
    "WiredHandler",
    "add_parser",
    "check",
    "render",
    "run",
]
