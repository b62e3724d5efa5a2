"""What goes wrong unseen: lost exceptions, coroutines never awaited, lost tasks, errors in a ``__del__``."""

from __future__ import annotations

import asyncio
import gc
import sys
import warnings
from collections.abc import Collection, Iterable
from types import TracebackType
from typing import Any, ClassVar, Self

from pyventus_typed._loops import get_running_loop
from pyventus_typed._spelling import short_name

from ._clock import Clock
from ._names import place, place_of
from .errors import BackgroundError, SimulationBoundaryError


def _set_in_order(members: Iterable[Any] = ()) -> Collection[Any]:  # Any: as the built-in
    """For `asyncio.as_completed`, which puts its coroutines into a set: that would give them tasks in the order of addresses."""
    members = tuple(members)
    return dict.fromkeys(members) if any(map(asyncio.iscoroutine, members)) else set(members)


class LeakDetector:
    """While it is entered, what Python only mentions in passing is collected, and garbage is collected only when asked.

    The collector runs at moments that depend on everything that was ever allocated; a finaliser that runs in the middle
    of a schedule would make two equal runs differ.
    """

    _depth: ClassVar[int] = 0

    def __init__(self) -> None:
        self.problems: list[Exception] = []
        self._is_collected = True
        self.clock = Clock()

    def __enter__(self) -> Self:
        if (running := get_running_loop()) is not None:
            raise SimulationBoundaryError(
                f"A test under schedules runs a loop of its own, and in this thread {running!r} is running. Call run(), "
                "explore() or the test from a plain function, or await the body here."
            )
        self._unraisable_before = sys.unraisablehook
        # The interpreter calls it; a warnings filter could not be swapped for each of 5,000 runs a second.
        self._unawaited_before = vars(warnings)["_warn_unawaited_coroutine"]
        self._collected_before = gc.isenabled()
        self._set_before = vars(asyncio.tasks).get("set", set)
        vars(asyncio.tasks)["set"] = _set_in_order
        sys.unraisablehook = self._unraisable
        setattr(warnings, "_warn_unawaited_coroutine", self._unawaited)  # noqa: B010  # it is private
        gc.disable()
        self.clock.enter()
        LeakDetector._depth += 1
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        LeakDetector._depth -= 1
        self.clock.leave()
        if not LeakDetector._depth:
            gc.unfreeze()
        sys.unraisablehook = self._unraisable_before
        vars(asyncio.tasks)["set"] = self._set_before
        setattr(warnings, "_warn_unawaited_coroutine", self._unawaited_before)  # noqa: B010  # it is private
        if self._collected_before:
            gc.enable()

    def begin(self) -> None:
        """Set aside all that is alive, so that `end` looks only at what this schedule made, and those since it last collected."""
        if self._is_collected:  # what is frozen is never collected, and garbage of an earlier schedule still must be
            gc.freeze()
        self.problems.clear()

    def end(self, *, collect: bool = True) -> BackgroundError | None:
        """Collect the garbage of the schedule, and return what it and the schedule complained about."""
        if collect:
            gc.collect()
        self._is_collected = collect
        if not self.problems:
            return None
        problems = tuple(self.problems)
        self.problems.clear()
        what = "; ".join(f"{type(problem).__name__}: {problem}" for problem in problems[:3])
        return BackgroundError(f"The body returned, but this was left behind: {what}", problems)

    def handle(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:  # Any: as in asyncio
        """The exception handler of the loop."""
        error = context.get("exception")
        text = str(context.get("message", "Unhandled exception in the event loop")).replace("VirtualTask", "Task")
        task = context.get("task", context.get("future"))
        if isinstance(task, asyncio.Task):
            name = short_name(getattr(task.get_coro(), "__qualname__", repr(task)))
            if text.startswith("Task was destroyed"):
                at = f" ({where})" if (where := place(task.get_coro())) else ""
                text = (
                    f"{text} Nobody held the task of {name}{at} while it waited, so the garbage collector took it. Keep what "
                    "create_task returns, or use a TaskGroup"
                )
            else:
                text = f"{text} ({name})"
        self._note(error, text)

    def _unraisable(self, found: sys.UnraisableHookArgs) -> None:
        # The object itself must not be kept: that would bring it back to life.
        self._note(found.exc_value, f"{found.err_msg or 'Exception ignored in'} {found.object!r}")

    def _unawaited(self, coroutine: Any) -> None:  # Any: whatever the interpreter takes for a coroutine
        code = coroutine.cr_code
        name = short_name(coroutine.__qualname__)
        at = place_of(code.co_filename, code.co_firstlineno)
        self.problems.append(RuntimeWarning(f"the coroutine {name} ({at}) was never awaited"))

    def _note(self, error: BaseException | None, text: str) -> None:
        if isinstance(error, Exception):
            error.add_note(text)
            self.problems.append(error)
        else:
            problem = RuntimeError(text)
            problem.__cause__ = error
            self.problems.append(problem)
