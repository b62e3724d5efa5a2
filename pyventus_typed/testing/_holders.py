"""Who holds what: where locks, semaphores, events and queues were made, who took one, and at which line."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any
from weakref import WeakKeyDictionary

from pyventus_typed._libraries import is_in_library

from ._names import place_of
from ._tasks import number_of

_KINDS: tuple[type[Any], ...] = (  # Any: they have nothing in common
    asyncio.Lock,
    asyncio.Semaphore,
    asyncio.Event,
    asyncio.Condition,
    asyncio.Queue,
    asyncio.Barrier,
)
_HELD: tuple[type[Any], ...] = (asyncio.Lock, asyncio.Semaphore)


class Holders:
    """Watches while it is entered; for the few runs of which a report is made."""

    def __init__(self) -> None:
        self._made: WeakKeyDictionary[object, str] = WeakKeyDictionary()
        self._held: WeakKeyDictionary[object, list[tuple[int, str]]] = WeakKeyDictionary()

    def made(self, thing: object) -> str:
        """Where *thing* was made, as ``shop.py:11``, or nothing."""
        return self._made.get(thing, "")

    def of(self, thing: object) -> list[tuple[int, str]]:
        """The number of each task that holds *thing*, and the line at which it took it."""
        return self._held.get(thing, [])

    @contextmanager
    def entered(self) -> Generator[None, None, None]:
        """Watch, through the methods of asyncio's own classes."""
        before = [(kind, "__init__", kind.__init__) for kind in _KINDS]
        before += [(kind, name, getattr(kind, name)) for kind in _HELD for name in ("acquire", "release")]
        for kind, name, method in before:
            watch = {"__init__": self._watch_making, "acquire": self._watch_taking, "release": self._watch_giving}[name]
            setattr(kind, name, watch(method))
        try:
            yield
        finally:
            for kind, name, method in before:
                setattr(kind, name, method)

    def _watch_making(self, make: Any) -> Any:  # Any: a method of asyncio's, as below
        def made(thing: Any, *args: Any, **options: Any) -> None:
            make(thing, *args, **options)
            self._made[thing] = _line_of_the_user()

        return made

    def _watch_taking(self, take: Any) -> Any:
        async def taken(thing: Any) -> Any:
            result = await take(thing)
            self._held.setdefault(thing, []).append((_current(), _line_of_the_user()))
            return result

        return taken

    def _watch_giving(self, give: Any) -> Any:
        def given(thing: Any) -> None:
            give(thing)
            held = self._held.get(thing)
            if held:
                task = _current()  # a semaphore may be released by another one than took it
                held.remove(next((one for one in held if one[0] == task), held[0]))

        return given


def _current() -> int:
    task = asyncio.current_task()
    return -1 if task is None else number_of(task)


def _line_of_the_user() -> str:
    frame = sys._getframe(2)
    while frame.f_back is not None and is_in_library(frame):
        frame = frame.f_back
    if is_in_library(frame):
        return ""
    return place_of(frame.f_code.co_filename, frame.f_lineno)
