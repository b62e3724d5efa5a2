"""Test handlers in virtual time, under many schedules: find the race, shrink it, replay it."""

from typing import TYPE_CHECKING

from ._claims import afterwards, always, sometimes
from ._explore import explore
from ._loop import VirtualLoop
from ._recorder import Recorder
from ._run import Ending, run
from ._schedule import Schedule, Step
from ._search import Exploration
from .errors import (
    BackgroundError,
    DeadlockError,
    InterleavingError,
    LivelockError,
    NonDeterminismError,
    NoStrategy,
    NotABody,
    NothingToExplore,
    ScheduleError,
    SimulationBoundaryError,
    StateLeakError,
    UnreachedError,
)

if TYPE_CHECKING:
    from ._events import events
    from ._given import InterleavedTest, given_interleavings
    from ._machine import EventMachine
else:
    # These need Hypothesis, which the others do not; a checker must not see this, or it would believe in any name.
    from importlib import import_module

    _WITH_HYPOTHESIS = {
        "EventMachine": "_machine",
        "InterleavedTest": "_given",
        "events": "_events",
        "given_interleavings": "_given",
    }

    def __getattr__(name: str) -> object:
        if name not in _WITH_HYPOTHESIS:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f".{_WITH_HYPOTHESIS[name]}", __name__), name)


__all__ = [
    "BackgroundError",
    "DeadlockError",
    "Ending",
    "EventMachine",
    "Exploration",
    "InterleavedTest",
    "InterleavingError",
    "LivelockError",
    "NoStrategy",
    "NonDeterminismError",
    "NotABody",
    "NothingToExplore",
    "Recorder",
    "Schedule",
    "ScheduleError",
    "SimulationBoundaryError",
    "StateLeakError",
    "Step",
    "UnreachedError",
    "VirtualLoop",
    "afterwards",
    "always",
    "events",
    "explore",
    "given_interleavings",
    "run",
    "sometimes",
]
