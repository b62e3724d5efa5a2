"""What is ready, in the order in which it came, and who goes next."""

from __future__ import annotations

import asyncio
import heapq
import math
import weakref
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextvars import Context
from operator import attrgetter
from typing import Any, Generic, Protocol, TypeVar

from typing_extensions import override

from ._schedule import Chooser
from ._threads import LoopWithThreads

FIFO_KEY = -1
"""The key of everything that stays first come, first served. Steps of tasks have their task's number."""

MAX_OVERTAKES = 64
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
    _loop: asyncio.AbstractEventLoop
    _callback: Callable[..., object]
    _repr: str | None
    _source_traceback: Any  # None, unless in debug mode

    def __init__(
        self,
        callback: Callable[..., object],
        args: tuple[object, ...],
        loop: asyncio.AbstractEventLoop,
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
        self.key: int = FIFO_KEY
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
        loop: asyncio.AbstractEventLoop,
        context: Context | None,
        seq: int,
    ) -> None:
        super().__init__(when, callback, args, loop, context)
        self.seq: int = seq
        self.key: int = FIFO_KEY
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


class Observer(Protocol):
    """What looks on while a loop runs, and writes it down."""

    def overtakes(self, chosen: Entry | Timer, older: Sequence[Entry | Timer], /) -> object:
        """*chosen* is about to go, and *older* were ready before it."""

    def begins(self, entry: Entry | Timer, /) -> object:
        """The step of *entry* is about to be made."""

    def made(self, entry: Entry | Timer, /) -> object:
        """The step of *entry* has been made."""

    def time_passes(self) -> object:
        """Nothing was ready, and the clock has moved on."""


_since = attrgetter("seq")
_sleep_is_over = vars(asyncio.futures)["_set_result_unless_cancelled"]  # how `asyncio.sleep` wakes up, in 3.11 to 3.14


class OrderedLoop(LoopWithThreads):
    """The part of a `VirtualLoop` that knows who is ready and picks one.

    ``_ready`` is the lane: first come, first served. ``_free`` and ``_kept`` are what may overtake, steps of tasks and of
    threads, in the order of becoming ready: those that are not held, and those that are.
    """

    _ready: deque[Entry | Timer]

    # What a loop begins with; as attributes of the class they cost a new loop nothing.
    observer: Observer | None = None
    choices: int = 0
    _rounds: float = 0.0
    """How often each of those that are not held has gone, while somebody was held."""
    _patience_ends: float = math.inf
    _now: float = 0.0
    _seq: int = 0

    def init_order(self, chooser: Chooser | None, *, strict: bool) -> None:
        self.deviations: list[tuple[int, int]] = []
        self._strict = strict
        self._chooser = chooser
        self._free: list[Entry | Timer] = []
        self._kept: list[Entry | Timer] = []
        self._timers: list[tuple[float, int, Timer]] = []

    @override
    def free_entry(self, callback: Callable[[], object]) -> None:
        """Make *callback* ready as something that nothing orders, as the progress of a thread."""
        self._seq = seq = self._seq + 1
        entry = Entry(callback, (), self, None, seq, debug=False)
        entry.key = -1 - seq
        self._free.append(entry)

    def ready(self) -> list[Entry | Timer]:
        """What is ready now, in the order of becoming so."""
        return sorted([*self._ready, *self._free, *self._kept], key=_since)

    def _choose(self) -> Entry | Timer:  # noqa: C901, PLR0912  # each branch once a step; calls would cost more than they explain
        lane, free, kept = self._ready, self._free, self._kept
        if lane:
            # What is first come, first served is never late: only what was ready before it may go before it.
            head = lane[0]
            seq = head.seq
            candidates = [entry for entry in free if entry.seq < seq]
            candidates.append(head)
            if kept:
                candidates += [entry for entry in kept if entry.seq < seq]
        else:
            head = None
            candidates = free + kept if kept else free
        chosen = candidates[0]
        if self._rounds >= self._patience_ends and (overdue := self._overdue(candidates)):
            chosen = min(overdue, key=_since)
        elif len(candidates) > 1:
            choice = self.choices
            self.choices = choice + 1
            if (choose := self._chooser) is not None and (index := choose(choice, [entry.key for entry in candidates])):
                chosen = candidates[index]
                self.deviations.append((choice, index))
                # Whom somebody was preferred to stays back until nothing else can go, or until a deviation takes it: so it
                # needs one deviation to be late, however late it is. To take one that was held is no reason to hold others.
                if not chosen.held:
                    self._hold(candidates[:index])
        if chosen is head:
            lane.popleft()
        elif chosen.held:
            chosen.held = False
            kept.remove(chosen)
        elif free[0] is chosen:
            del free[0]
        else:
            free.remove(chosen)
        if kept:
            seq = chosen.seq
            for entry in candidates:
                if entry.seq < seq:
                    entry.passed += 1
            self._rounds += 1.0 / max(1, len(candidates) - len(kept))
            if self.observer is not None and (older := [entry for entry in candidates if entry.seq < seq]):
                self.observer.overtakes(chosen, older)
        return chosen

    def _overdue(self, candidates: list[Entry | Timer]) -> list[Entry | Timer]:
        self._patience_ends = min((entry.until for entry in self._kept), default=math.inf)
        return [entry for entry in candidates if entry.held and entry.until <= self._rounds]

    def _hold(self, entries: list[Entry | Timer]) -> None:
        """Move the *entries*, which are the first ones, from those that are free to those that are kept back."""
        kept = self._kept
        until = self._rounds + MAX_OVERTAKES
        self._patience_ends = min(self._patience_ends, until)
        in_order = not kept or kept[-1].seq < entries[0].seq
        for entry in entries:
            entry.held = True
            entry.until = until
        kept += entries
        del self._free[: len(entries)]
        if not in_order:
            kept.sort(key=_since)

    def _fall_due(self) -> None:
        timers = self._timers
        while timers and (when := timers[0][0]) <= self._now:
            tied: list[Timer] = []
            while timers and timers[0][0] == when:
                timer = heapq.heappop(timers)[2]
                if not timer.cancelled():
                    tied.append(timer)
            # The end of a sleep only makes its task ready, and when that is resumed is a choice of its own.
            if len(tied) > 1 and not all(timer._callback is _sleep_is_over for timer in tied):  # type: ignore[attr-defined]
                if not self._strict:
                    # What ties here is a little apart in the real world, in either order: each may be late.
                    for timer in tied:
                        self._seq = timer.seq = self._seq + 1
                        timer.key = -1 - timer.seq
                    self._free += tied
                    continue
                tied = list(self._in_any_order(tied))
            for timer in tied:
                self._seq = timer.seq = self._seq + 1
            self._ready += tied

    def _in_any_order(self, tied: list[Timer]) -> Iterator[Timer]:
        while tied:
            index = 0
            if len(tied) > 1:
                choice = self.choices
                self.choices = choice + 1
                if self._chooser is not None:
                    index = self._chooser(choice, [-1 - timer.seq for timer in tied])
                    if index:
                        self.deviations.append((choice, index))
                        if self.observer is not None:
                            self.observer.overtakes(tied[index], tied[:index])
            yield tied.pop(index)

    def _timer_handle_cancelled(self, handle: Entry | Timer) -> None:
        """asyncio calls it when a timer is cancelled: one that ties and waits for its turn is no candidate any more."""
        for entries in (self._free, self._kept):
            if handle.key != FIFO_KEY and handle in entries:
                entries.remove(handle)
