"""What a test may raise: one class for each thing worth catching."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from typing_extensions import override

from pyventus_typed.errors import PyventusError
from pyventus_typed.trace import Timeline

from ._schedule import Schedule, ScheduleError, Step

__all__ = [
    "BackgroundError",
    "DeadlockError",
    "InterleavingError",
    "LivelockError",
    "NoStrategy",
    "NonDeterminismError",
    "NotABody",
    "NothingToExplore",
    "ScheduleError",
    "SimulationBoundaryError",
    "StateLeakError",
    "UnreachedError",
]


class NotABody(PyventusError, TypeError):
    """What was given as the body of a test is not a function that makes a coroutine."""

    def __init__(self, value: object, way_out: str) -> None:
        super().__init__(
            f"The body must be an async function without required arguments, and {value!r} is not. {way_out}"
        )
        self.value = value


class NoStrategy(PyventusError, TypeError):
    """`events` cannot make examples of what it was given."""


class SimulationBoundaryError(PyventusError, RuntimeError):
    """The program used real I/O or real time, which no schedule can decide."""


class DeadlockError(PyventusError, RuntimeError):
    """Nothing is ready, no timer is set, and the program is not done.

    ``waiting`` holds one description for each task that waits: its name, what it waits for, its await stack.
    """

    def __init__(self, message: str, waiting: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.waiting: tuple[str, ...] = tuple(waiting)


class LivelockError(PyventusError, RuntimeError):
    """The program was not done after ``steps`` steps."""

    def __init__(self, message: str, steps: int) -> None:
        super().__init__(message)
        self.steps = steps


class BackgroundError(PyventusError, ExceptionGroup[Exception]):
    """The body returned, but something went wrong that the body did not notice.

    The exception of a task was never retrieved, a coroutine was never awaited, a callback or a ``__del__`` raised.
    """

    @override
    def derive(self, excs: Sequence[Exception], /) -> BackgroundError:  # type: ignore[override]  # ours holds exceptions, not base exceptions
        return BackgroundError(self.message, list(excs))


class NonDeterminismError(PyventusError, RuntimeError):
    """Two runs under one schedule differed, so no schedule can be trusted. ``step`` is the first that differs."""

    def __init__(self, message: str, step: int) -> None:
        super().__init__(message)
        self.step = step


class StateLeakError(PyventusError, RuntimeError):
    """The first schedule, run once more at the end, went another way: something outlived its schedule."""

    def __init__(self, message: str, step: int) -> None:
        super().__init__(message)
        self.step = step


class UnreachedError(PyventusError, AssertionError):
    """No schedule reached these ``sometimes``, so a passing run proves nothing about them."""

    def __init__(self, names: Sequence[str], schedules: int) -> None:
        super().__init__(
            f"In {schedules} schedules the test never reached: {', '.join(map(repr, names))}. "
            "Whatever it claims about them is untested: change the program or the events until it gets there, "
            "or raise schedules= (with Hypothesis, max_examples too)."
        )
        self.names: tuple[str, ...] = tuple(names)


class NothingToExplore(PyventusError, RuntimeError):
    """Only one schedule is possible, so a passing run says nothing about ordering."""

    def __init__(self) -> None:
        super().__init__(
            "There was nothing to choose: never was more than one thing ready, so all schedules are the same one. Does the "
            "body start what should run side by side (asyncio.gather, emit without await)? If one order is what you expect, "
            "say expect_choices=False, or use run()."
        )


class InterleavingError(PyventusError, AssertionError):
    """A schedule under which the program fails, as small as it could be made.

    The failure itself is ``__cause__``. ``schedule`` replays it; ``trace`` is every step of that run;
    ``reproducer`` is a regression test to paste; ``runs`` counts the schedules that were tried to find it.
    """

    def __init__(
        self,
        message: str,
        *,
        schedule: Schedule,
        trace: Sequence[Step],
        reproducer: str,
        runs: int,
        draw: Callable[[], Timeline],
    ) -> None:
        super().__init__(message)
        self.schedule = schedule
        self.trace: tuple[Step, ...] = tuple(trace)
        self.reproducer = reproducer
        self.runs = runs
        self._draw = draw

    @property
    def timeline(self) -> Timeline:
        """The failing run as a picture: ``found.timeline.write("race.html")``. The body is run once more for it."""
        return self._draw()
