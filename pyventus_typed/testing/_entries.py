"""What is ready: the callbacks and steps that a loop has to run, and the order in which they came."""

from __future__ import annotations

import asyncio
import weakref
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable, Iterator
    from contextvars import Context


LANE = -1
"""The key of everything that stays first come, first served. Steps of tasks have their task's number."""

PATIENCE = 64
"""When all others have gone so often, who is held must go, so that busy waiting on it ends: no real loop starves for ever."""

_T = TypeVar("_T")


class Entry(asyncio.Handle):
    """A callback that is ready.

    ``seq``: since when. ``held``: it lets everything go first that is not held, ``until`` patience ends. ``passed``: how many
    younger ones went first.
    """

    __slots__ = ("held", "key", "passed", "seq", "until")

    # What we use of Handle and typeshed leaves out.
    _context: Context
    _loop: AbstractEventLoop
    _callback: Callable[..., object]
    _repr: str | None
    _source_traceback: Any  # None, unless in debug mode

    def __init__(
        self,
        callback: Callable[..., object],
        args: tuple[object, ...],
        loop: AbstractEventLoop,
        context: Context | None,
        seq: int,
        debug: bool,  # noqa: FBT001  # handed on in a hot path
    ) -> None:
        if debug or context is None:
            super().__init__(callback, args, loop, context)
        else:
            # What that does without the debug mode of the loop; it is half of what a step costs.
            self._context = context
            self._loop = loop
            self._callback = callback
            self._args = args
            self._cancelled = False
            self._repr = self._source_traceback = None
        self.seq: int = seq
        self.key: int = LANE
        self.passed: int = 0
        self.held: bool = False
        self.until: float = 0.0


class Timer(asyncio.TimerHandle):
    """A callback with a deadline; once that is reached it is ready as any entry."""

    __slots__ = ("held", "key", "passed", "seq", "until")

    def __init__(
        self,
        when: float,
        callback: Callable[..., object],
        args: tuple[object, ...],
        loop: AbstractEventLoop,
        context: Context | None,
        seq: int,
    ) -> None:
        super().__init__(when, callback, args, loop, context)
        self.seq: int = seq
        self.key: int = LANE
        self.passed: int = 0
        self.held: bool = False
        self.until: float = 0.0


class WeakOrderedSet(Generic[_T]):
    """A weak set that remembers the order of adding; `weakref.WeakSet` iterates by address."""

    def __init__(self) -> None:
        self._members: dict[int, weakref.ref[_T]] = {}

    def add(self, member: _T) -> None:
        key = id(member)
        members = self._members
        members[key] = weakref.ref(member, lambda _: members.pop(key, None))

    def discard(self, member: _T) -> None:
        self._members.pop(id(member), None)

    def clear(self) -> None:
        self._members.clear()

    def __iter__(self) -> Iterator[_T]:
        return iter([member for ref in list(self._members.values()) if (member := ref()) is not None])

    def __len__(self) -> int:
        return len(self._members)
