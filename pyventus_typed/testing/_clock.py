"""The clocks of the `time` module, which move with the virtual loop while a test runs on it."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable
from types import ModuleType
from typing import Final

from pyventus_typed._libraries import is_library
from pyventus_typed._loops import get_running_loop

from ._loop import VirtualLoop

_NANO: Final = 1_000_000_000
_CLOCKS = ("time", "monotonic", "perf_counter", "time_ns", "monotonic_ns", "perf_counter_ns")
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
