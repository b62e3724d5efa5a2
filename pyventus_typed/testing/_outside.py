"""What a run touches outside of its loop: the clocks, what Python mentions only in passing, and state that outlives it."""

from __future__ import annotations

import asyncio
import functools
import gc
import inspect
import sys
import time
import warnings
from collections.abc import Callable, Collection, Iterable, Iterator
from types import CodeType, FunctionType, MethodType, ModuleType, TracebackType
from typing import Any, ClassVar, Final, Self

from pyventus_typed._libraries import is_library
from pyventus_typed._loops import get_running_loop
from pyventus_typed._spelling import short_name

from ._loop import VirtualLoop
from ._names import file_of, place, place_of
from .errors import BackgroundError, SimulationBoundaryError

_NANO: Final = 1_000_000_000
_CLOCKS = ("time", "monotonic", "perf_counter", "time_ns", "monotonic_ns", "perf_counter_ns")
_MOST_NAMES = 500
_LONGEST = 60


# ---------------------------------------------------------------- clocks
_places: tuple[int, list[tuple[ModuleType, str]]] = (0, [])
"""Where the functions are, in the `time` module and in modules of the user's; and of how many modules that is known."""


class Clock:
    """While it is entered, ``time.time()`` and its like tell the time of the loop that it follows.

    Code that has imported the functions by name gets the same, in modules of the user's. What a library has bound is out of
    reach, as is ``datetime.now()``, which is written in C.
    """

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._replaced: list[tuple[ModuleType, str, object]] = []

    def follow(self, loop: asyncio.AbstractEventLoop | None) -> None:
        """Tell the time of *loop* from now on; of None, the real one."""
        self._loop = loop

    def enter(self) -> None:
        """Replace the functions."""
        mine = {name: self._clock(name, getattr(time, name)) for name in _CLOCKS}
        for module, name in _places_of_clocks():
            value = getattr(module, name)
            self._replaced.append((module, name, value))
            setattr(module, name, mine.get(value.__name__, value))

    def leave(self) -> None:
        """Put the functions back."""
        for module, name, value in self._replaced:
            setattr(module, name, value)
        self._replaced.clear()

    def _clock(self, name: str, real: Callable[[], float]) -> Callable[[], float]:
        # Every run begins at the same moment, or two equal runs would differ; and not at zero, which many take for "never".
        base = int(real() // _NANO) if name.endswith("_ns") else int(real())

        def nanoseconds() -> int:
            loop = self._loop
            return int(real()) if loop is None or _runs_a_real_loop() else base * _NANO + round(loop.time() * _NANO)

        def seconds() -> float:
            loop = self._loop
            return real() if loop is None or _runs_a_real_loop() else base + loop.time()

        clock = nanoseconds if name.endswith("_ns") else seconds
        clock.__name__ = clock.__qualname__ = name
        return clock


def _runs_a_real_loop() -> bool:
    """In a thread there may be a loop of its own, which would never wake up by a clock that stands still."""
    loop = get_running_loop()
    return loop is not None and not isinstance(loop, VirtualLoop)


def _places_of_clocks() -> list[tuple[ModuleType, str]]:
    global _places  # noqa: PLW0603  # to look at a thousand modules would cost more than a run
    if _places[0] != len(sys.modules):
        clocks = {id(getattr(time, name)) for name in _CLOCKS}
        modules = [time]
        for module in list(sys.modules.values()):
            file = getattr(module, "__file__", None)
            if isinstance(file, str) and not is_library(file):
                modules.append(module)
        found = [
            (module, name) for module in modules for name, value in list(vars(module).items()) if id(value) in clocks
        ]
        _places = len(sys.modules), found
    return _places[1]


# ---------------------------------------------------------------- what goes wrong unseen
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


# ---------------------------------------------------------------- state that outlives a run
class Outside:
    """A look at what is outside of a body; a later look says what has changed."""

    def __init__(self, body: object) -> None:
        self._body = body
        self._before = dict(_values(body))

    def changes(self) -> list[str]:
        """``seen (in shop.py) was [] and is ['order 1']``, for each that differs from the first look."""
        now = dict(_values(self._body))
        return [
            f"{name} was {before} and is {now[name]}"
            for name, before in self._before.items()
            if name in now and now[name] != before
        ]


def _values(body: object) -> Iterator[tuple[str, str]]:
    """Where each value is, and what it looks like."""
    todo: list[object] = [body]
    seen: set[int] = set()
    while todo and len(seen) < _MOST_NAMES:
        one = todo.pop()
        if isinstance(one, functools.partial):
            todo += [one.func, *one.args, *one.keywords.values()]
        elif isinstance(one, MethodType):
            todo.append(one.__func__)
        elif id(one) not in seen:
            seen.add(id(one))
            for name, value in _parts(one):
                yield from _look_at(name, value, todo)


def _parts(one: object) -> Iterator[tuple[str, object]]:
    """What a function or a class of the user's refers to."""
    if isinstance(one, FunctionType):
        function = inspect.unwrap(one)
        if isinstance(function, FunctionType) and not is_library(function.__code__.co_filename):
            yield from _named_by(function)
    elif isinstance(one, type):
        for name, value in list(vars(one).items()):
            if not name.startswith("__"):
                yield f"{short_name(one.__qualname__)}.{name}", value


def _look_at(name: str, value: object, todo: list[object]) -> Iterator[tuple[str, str]]:
    if isinstance(value, FunctionType | type):
        module = getattr(value, "__module__", None)
        if module is not None and not str(module).startswith(("pyventus_typed", "asyncio")):
            todo.append(value)
    elif (text := _text(value)) is not None:
        yield name, text


def _named_by(function: FunctionType) -> Iterator[tuple[str, object]]:
    file = file_of(function.__code__.co_filename)
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            yield f"{name} (around {function.__name__})", cell.cell_contents
        except ValueError:  # it is still empty
            continue
    for name in sorted(_names(function.__code__)):
        if name in function.__globals__:
            yield f"{name} (in {file})", function.__globals__[name]


def _names(code: CodeType) -> set[str]:
    names = set(code.co_names)
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            names |= _names(inner)
    return names


def _text(value: object) -> str | None:
    """What *value* looks like, or None where that cannot be told without running code of the user's."""
    if isinstance(value, bool | int | float | str | bytes | None):
        return repr(value)[:_LONGEST]
    if type(value) in {list, tuple, dict, set, frozenset} or type(value).__module__ in {"collections", "itertools"}:
        try:
            text = repr(value)
        except Exception as error:  # noqa: BLE001  # what the values in it do is theirs
            text = f"<its repr raised {type(error).__name__}>"
        return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}… ({_length(value)})"
    return None


def _length(value: object) -> str:
    length = getattr(value, "__len__", None)
    return f"{length()} of them" if length is not None else "long"
