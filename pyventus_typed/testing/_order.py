"""Who goes next: what is ready, what may overtake what, and the choices among it."""

from __future__ import annotations

import asyncio
import heapq
from functools import cached_property
from operator import attrgetter
from typing import TYPE_CHECKING

from typing_extensions import override

from ._entries import LANE, PATIENCE, Entry
from ._threads import LoopWithThreads
from ._waiting import Names

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable

    from ._entries import Timer
    from ._policies import Chooser
    from ._trace import Observer

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
    callbacks_held: int = 0
    choices: int = 0
    _impatient: bool = False
    """Somebody may have been passed over too often."""
    _now: float = 0.0
    _seq: int = 0
    _held: int = 0
    _last_argument: int = 0
    """An id, so that it keeps nothing alive; it matters only while the lane holds the argument."""
    _last_tie: int = 0

    def init_order(self, chooser: Chooser | None, *, strict: bool) -> None:
        self.deviations: list[tuple[int, int]] = []
        self._strict = strict
        self._chooser = chooser
        self._free: list[Entry | Timer] = []
        self._kept: list[Entry | Timer] = []
        self._timers: list[tuple[float, int, Timer]] = []

    @cached_property
    def names(self) -> Names:
        """What the tasks are called in reports."""
        return Names()

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
        candidates = free + kept if kept or lane else free
        head = None
        if lane:
            head = lane[0]
            seq = head.seq
            at = len(free) if head.held else 0
            for entry in kept if head.held else free:
                if entry.seq > seq:
                    break
                at += 1
            candidates.insert(at, head)
            if self._last_tie >= seq:
                candidates = [entry for entry in candidates if entry.after < seq]
        chosen = candidates[0]
        if self._impatient and (overdue := [entry for entry in candidates if entry.passed >= PATIENCE]):
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
                    self._hold(candidates[:index], head)
        if chosen.held:
            chosen.held = False
            self._held -= 1
            if chosen is not head:
                kept.remove(chosen)
        elif chosen is not head:
            if free[0] is chosen:
                del free[0]
            else:
                free.remove(chosen)
        if chosen is head:
            lane.popleft()
        if self._held:
            seq = chosen.seq
            for entry in candidates:
                if entry.seq < seq:
                    entry.passed = passed = entry.passed + 1
                    if passed >= PATIENCE:
                        self._impatient = True
            if self.observer is not None and (older := [entry for entry in candidates if entry.seq < seq]):
                self.observer.overtakes(self, chosen, older)
        return chosen

    def _hold(self, entries: list[Entry | Timer], head: Entry | Timer | None) -> None:
        free, kept, in_order = self._free, self._kept, True
        for entry in entries:
            entry.held = True
            if entry.key == LANE:
                self.callbacks_held += 1
            if entry is not head:
                free.remove(entry)
                in_order = in_order and (not kept or kept[-1].seq < entry.seq)
                kept.append(entry)
        if not in_order:
            kept.sort(key=_since)
        self._held += len(entries)

    def _fall_due(self) -> None:
        timers = self._timers
        while timers and (when := timers[0][0]) <= self._now:
            tied: list[Entry | Timer] = []
            while timers and timers[0][0] == when:
                timer = heapq.heappop(timers)[2]
                if not timer.cancelled():
                    tied.append(timer)
            # The end of a sleep only makes its task ready, and when that is resumed is a choice of its own.
            free = not self._strict and all(timer._callback is _sleep_is_over for timer in tied)  # type: ignore[union-attr]
            while tied:
                index = 0
                if len(tied) > 1 and not free:
                    choice = self.choices
                    self.choices = choice + 1
                    if self._chooser is not None:
                        index = self._chooser(choice, [-1 - timer.seq for timer in tied])
                        if index:
                            self.deviations.append((choice, index))
                            if self.observer is not None:
                                self.observer.overtakes(self, tied[index], tied[:index])
                due = tied.pop(index)
                self._seq = due.seq = self._seq + 1
                self._ready.append(due)
