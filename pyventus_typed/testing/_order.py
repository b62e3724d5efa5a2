"""Who goes next: what is ready, what may overtake what, and the choices among it."""

from __future__ import annotations

import asyncio
import heapq
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

_is_held = attrgetter("held")
_sleep_is_over = vars(asyncio.futures)["_set_result_unless_cancelled"]  # how `asyncio.sleep` wakes up, in 3.11 to 3.14


class OrderedLoop(LoopWithThreads):
    """The part of a `VirtualLoop` that knows who is ready and picks one.

    ``_ready`` is the lane: first come, first served. ``_free`` holds what may overtake: steps of tasks and of threads.
    """

    _ready: deque[Entry | Timer]

    def init_order(self, chooser: Chooser | None, *, strict: bool) -> None:
        self.observer: Observer | None = None
        self.names: Names = Names()
        self.deviations: list[tuple[int, int]] = []
        self.callbacks_held: int = 0
        self.choices: int = 0
        self._strict = strict
        self._chooser = chooser
        self._free: list[Entry | Timer] = []
        self._timers: list[tuple[float, int, Timer]] = []
        self._now = 0.0
        self._seq = self._held = 0
        self._last_argument = (
            0  # an id, so that it keeps nothing alive; it matters only while the lane holds the argument
        )
        self._last_tie = 0

    @override
    def free_entry(self, callback: Callable[[], object]) -> None:
        """Make *callback* ready as something that nothing orders, as the progress of a thread."""
        self._seq = seq = self._seq + 1
        entry = Entry(callback, (), self, None, seq)
        entry.key = -1 - seq
        self._free.append(entry)

    def ready(self) -> list[Entry | Timer]:
        """What is ready now, in the order of becoming so."""
        return sorted([*self._ready, *self._free], key=lambda entry: entry.seq)

    def _choose(self) -> Entry | Timer:  # noqa: C901  # each branch once a step; calls would cost more than they explain
        lane, free = self._ready, self._free
        candidates = free
        if lane:
            head = lane[0]
            seq = head.seq
            at = 0
            for entry in free:
                if entry.seq > seq:
                    break
                at += 1
            candidates = [*free[:at], head, *free[at:]]
            if self._last_tie >= seq:
                candidates = [entry for entry in candidates if entry.after < seq]
        overdue = None
        if self._held:
            overdue = next((entry for entry in candidates if entry.passed >= PATIENCE), None)
            candidates = sorted(candidates, key=_is_held)
        chosen = overdue or candidates[0]
        if overdue is None and len(candidates) > 1:
            choice = self.choices
            self.choices = choice + 1
            if self._chooser is not None:
                index = self._chooser(choice, [entry.key for entry in candidates])
                if index:
                    chosen = candidates[index]
                    self._deviate(choice, index, candidates)
        if chosen.held:
            chosen.held = False
            self._held -= 1
        if self._held:
            self._overtake(chosen, candidates)
        if lane and chosen is lane[0]:
            lane.popleft()
        else:
            free.remove(chosen)
        return chosen

    def _deviate(self, choice: int, index: int, candidates: list[Entry | Timer]) -> None:
        self.deviations.append((choice, index))
        # Whom somebody was preferred to stays back until nothing else can go, or until a deviation takes it: so it needs
        # one deviation to be late, however late it is. To take one that was held is no reason to hold others.
        if not candidates[index].held:
            for entry in candidates[:index]:
                entry.held = True
                self.callbacks_held += entry.key == LANE
            self._held += index

    def _overtake(self, chosen: Entry | Timer, candidates: list[Entry | Timer]) -> None:
        seq = chosen.seq
        older = [entry for entry in candidates if entry.seq < seq]
        for entry in older:
            entry.passed += 1
        if self.observer is not None and older:
            self.observer.overtakes(self, chosen, older)

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
