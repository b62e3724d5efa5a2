"""Test handlers in virtual time, under many schedules: find the race, shrink it, replay it."""

from typing import TYPE_CHECKING

from ._checks import always, sometimes
from ._errors import (
    BackgroundError,
    DeadlockError,
    InterleavingError,
    LivelockError,
    NonDeterminismError,
    NotABody,
    ScheduleError,
    SimulationBoundaryError,
    StateLeakError,
    UnreachedError,
)
from ._explore import Exploration, explore
from ._loop import VirtualLoop
from ._run import run
from ._schedule import Schedule
from ._trace import Step

__all__ = [
    "BackgroundError",
    "DeadlockError",
    "Exploration",
    "InterleavingError",
    "LivelockError",
    "NonDeterminismError",
    "NotABody",
    "Schedule",
    "ScheduleError",
    "SimulationBoundaryError",
    "StateLeakError",
    "Step",
    "UnreachedError",
    "VirtualLoop",
    "always",
    "explore",
    "run",
    "sometimes",
]
