"""Test handlers in virtual time, under many schedules: find the race, shrink it, replay it."""

from typing import TYPE_CHECKING

from ._checks import afterwards, always, sometimes
from ._errors import (
    BackgroundError,
    DeadlockError,
    InterleavingError,
    LivelockError,
    NonDeterminismError,
    NoStrategy,
    NotABody,
    ScheduleError,
    SimulationBoundaryError,
    StateLeakError,
    UnreachedError,
)
from ._explore import Exploration, explore
from ._loop import VirtualLoop
from ._recorder import Recorder
from ._run import Ending, run
from ._schedule import Schedule
from ._trace import Step

if TYPE_CHECKING:
    from ._given import InterleavedTest, given_interleavings
    from ._machine import EventMachine
    from ._strategies import events
else:
    # These need Hypothesis, which the others do not; a checker must not see this, or it would believe in any name.
    from ._lazy import lazily

    __getattr__ = lazily(
        __name__,
        EventMachine="_machine",
        InterleavedTest="_given",
        given_interleavings="_given",
        events="_strategies",
    )

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
