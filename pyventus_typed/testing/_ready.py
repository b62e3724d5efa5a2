"""What is ready, in the order in which it came, and who goes next."""

from __future__ import annotations

import asyncio
import heapq
import math
import weakref
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextvars import Context
from operator import attrgetter
from typing import Any, Generic, Protocol, TypeVar

from typing_extensions import override

from ._policies import FEW, Chooser, Key, Many
from ._schedule import Fault
from ._threads import LoopWithThreads

FIFO_KEY = -1
"""The key of everything that stays first come, first served. Steps of tasks have their task's number."""

MAX_OVERTAKES = 64
"""When all others have gone so often, who is held must go, so that busy waiting on it ends: no real loop leaves a task out."""

_T = TypeVar("_T")


class Entry(asyncio.Handle):
    """A callback that is ready.

    ``seq``: since when. ``until``, of one that is held, so that everything that is not goes first: when patience ends, or 0
    when it has gone.
    """

    __slots__ = ("key", "seq", "until")

    # What we use of Handle and typeshed leaves out.
    _context: Context
    _loop: asyncio.AbstractEventLoop
    _callback: Callable[..., object]
    _repr: str | None
    _source_traceback: Any  # None, unless in debug mode

    seq: int
    key: int
    until: float


class Timer(asyncio.TimerHandle):
    """A callback with a deadline; once that is reached it is ready as any entry. ``began`` and ``latest``: of a sleep."""

    __slots__ = ("began", "key", "latest", "seq", "until")

    # What we use of TimerHandle and typeshed leaves out.
    _callback: Callable[..., object]
    _context: Context

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
        self.until: float = 0.0
        self.began: float = when
        self.latest: float = when


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
    """What watches while a loop runs, and writes it down."""

    def overtakes(self, chosen: Entry | Timer, older: Sequence[Entry | Timer], /) -> object:
        """*chosen* is about to go, and *older* were ready before it."""

    def postpones(self, sleep: Timer, until: float, other: Timer | None, /) -> object:
        """*sleep* was due, and goes on *until* then, when *other* has fallen due; None: until nothing else is ready."""

    def suffers(self, fault: Fault, entry: Entry | Timer | None, error: Exception | None = None, /) -> object:
        """*fault* has been made: to the task of *entry*, if there is one; *error*: what it waits for fails with that."""

    def begins(self, entry: Entry | Timer, /) -> object:
        """The step of *entry* is about to be made."""

    def made(self, entry: Entry | Timer, /) -> object:
        """The step of *entry* has been made."""

    def time_passes(self) -> object:
        """Nothing was ready, and the clock has moved on."""


_since = attrgetter("seq")
SLEEP_IS_OVER: object = getattr(asyncio.futures, "_set_result_unless_cancelled", None)
"""How `asyncio.sleep` wakes up, in 3.11 to 3.15."""


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

    def init_order(self, chooser: Chooser | None, *, strict: bool, latency: float) -> None:
        self.deviations: list[tuple[int, int]] = []
        self._strict = strict
        self._latency: float = 1.0 if strict else latency
        self._chooser = chooser
        self._free: list[Entry | Timer] = []
        self._kept: list[Entry | Timer] = []
        self._holding: deque[Entry | Timer] = deque()
        self._timers: list[tuple[float, int, Timer]] = []
        self._going_on: list[Timer] = []
        """Of sleeps that were due, and go on until the next timer."""

    @override
    def free_entry(self, callback: Callable[[], object]) -> None:
        """Make *callback* ready as something that nothing orders, as the progress of a thread."""
        entry = Entry(callback, (), self)
        self._seq = entry.seq = self._seq + 1
        entry.key = -1 - entry.seq
        self._free.append(entry)

    def ready(self) -> list[Entry | Timer]:
        """What is ready now, in the order of becoming so."""
        return sorted([*self._ready, *self._free, *self._kept], key=_since)

    def _choose(self) -> Entry | Timer:  # noqa: C901, PLR0912  # each branch once a step; calls would cost more than they explain
        lane, free, kept = self._ready, self._free, self._kept
        head: Entry | Timer | None = None
        of_free, of_kept = len(free), len(kept)
        if lane:
            # What is first come, first served is never late: only what was ready before it may go before it.
            head = lane[0]
            seq = head.seq
            if free and free[-1].seq > seq:
                of_free = bisect_left(free, seq, key=_since)
            if kept and kept[-1].seq > seq:
                of_kept = bisect_left(kept, seq, key=_since)
        # The candidates, in this order: the free ones, the head of the lane, those that are kept.
        before_kept = of_free if head is None else of_free + 1
        count = before_kept + of_kept
        index = 0
        if kept and self._rounds >= self._patience_ends and (overdue := self._overdue(of_kept)) is not None:
            index = before_kept + overdue
        elif count > 1:
            choice = self.choices
            self.choices = choice + 1
            if (choose := self._chooser) is not None:
                if count > FEW:
                    index = choose(choice, Many(free, of_free, head, kept, count))
                elif head is None:
                    index = choose(choice, [*free, *kept] if kept else free)
                else:
                    index = choose(choice, [*free[:of_free], head, *kept[:of_kept]])
                if index:
                    self.deviations.append((choice, index))
                    # Whom somebody was preferred to stays back until nothing else can go, or until a deviation takes it:
                    # so it needs one deviation to be late, however late it is. Taking one that was held does not
                    # hold others.
                    if index < before_kept:
                        before = min(index, of_free)
                        of_kept += before
                        of_free -= before
                        before_kept -= before
                        index -= before
                        self._hold(before)
        if index < of_free:
            chosen = free[index]
            del free[index]
        elif index < before_kept:
            chosen = lane.popleft()
        else:
            chosen = kept[index - before_kept]
            del kept[index - before_kept]
            chosen.until = 0.0
        if kept:
            self._rounds += 1.0 / (before_kept or 1)
            if self.observer is not None:
                self._tell_who_is_passed(chosen, head)
        return chosen

    def _tell_who_is_passed(self, chosen: Entry | Timer, head: Entry | Timer | None) -> None:
        seq = chosen.seq
        older = [entry for entry in (*self._free, *self._kept) if entry.seq < seq]
        if head is not None and head is not chosen and head.seq < seq:
            older.append(head)
        if older and self.observer is not None:
            self.observer.overtakes(chosen, older)

    def _overdue(self, of_kept: int) -> int | None:
        """The place of the one that has been kept back too long, if it is a candidate."""
        holding = self._holding
        while holding and not holding[0].until:  # it has gone
            holding.popleft()
        self._patience_ends = holding[0].until if holding else math.inf
        if not holding or self._patience_ends > self._rounds:
            return None
        place = bisect_left(self._kept, holding[0].seq, key=_since)
        return place if place < of_kept else None

    def _hold(self, count: int) -> None:
        """Move the first *count* of those that are free to those that are kept back, all of which are older."""
        until = self._rounds + MAX_OVERTAKES
        entries = self._free[:count]
        del self._free[:count]
        for entry in entries:
            entry.until = until
        if not self._holding:
            self._patience_ends = until
        self._holding += entries
        self._kept += entries

    def _fall_due(self) -> None:
        timers = self._timers
        while timers and (when := timers[0][0]) <= self._now:
            tied: list[Timer] = []
            while timers and timers[0][0] == when:
                timer = heapq.heappop(timers)[2]
                if not timer.cancelled():
                    tied.append(timer)
            if self._latency > 1.0:
                ties = len(tied) > 1
                tied = [timer for timer in tied if timer.latest <= when or not self._takes_longer(timer, ties=ties)]
            # The end of a sleep only makes its task ready, and when that is resumed is a choice of its own.
            if len(tied) > 1 and not all(timer._callback is SLEEP_IS_OVER for timer in tied):
                if not self._strict:
                    # What ties here is a little apart in reality, in either order: each may be late.
                    for timer in tied:
                        self._seq = timer.seq = self._seq + 1
                        timer.key = -1 - timer.seq
                    self._free += tied
                    continue
                tied = list(self._in_any_order(tied))
            for timer in tied:
                self._seq = timer.seq = self._seq + 1
            self._ready += tied

    def next_timer(self) -> tuple[float, Timer | None]:
        """When the next timer falls due, and which."""
        timers = self._timers
        while timers and timers[0][2].cancelled():
            heapq.heappop(timers)
        return (timers[0][0], timers[0][2]) if timers else (math.inf, None)

    def _takes_longer(self, timer: Timer, *, ties: bool) -> bool:
        """Whether the sleep that *timer* ends goes on until another timer has fallen due, as I/O that takes its time.

        That other one may be set only by somebody whose sleep *ties* with it.
        """
        if not ties and self.next_timer()[0] > timer.latest:
            return False
        choice = self.choices
        self.choices = choice + 1
        if self._chooser is None or not self._chooser(choice, (Key(-1 - timer.seq), Key(FIFO_KEY))):
            return False
        self.deviations.append((choice, 1))
        self._going_on.append(timer)
        return True

    def end_what_goes_on(self) -> None:
        """Nothing is ready: sleeps that go on end just after the next timer, or now if that comes too late for them."""
        when, other = self.next_timer()
        going_on, self._going_on = self._going_on, []
        for timer in going_on:
            if timer.cancelled():
                continue
            goes_on = when <= timer.latest
            if not goes_on:
                timer.latest = self._now  # or it could go on without end
            until = when if goes_on else self._now
            if self.observer is not None:
                self.observer.postpones(timer, until, other if goes_on else None)
            self._seq = seq = self._seq + 1
            heapq.heappush(self._timers, (until, seq, timer))

    def _in_any_order(self, tied: list[Timer]) -> Iterator[Timer]:
        while tied:
            index = 0
            if len(tied) > 1:
                choice = self.choices
                self.choices = choice + 1
                if self._chooser is not None:
                    index = self._chooser(choice, [Key(-1 - timer.seq) for timer in tied])
                    if index:
                        self.deviations.append((choice, index))
                        if self.observer is not None:
                            self.observer.overtakes(tied[index], tied[:index])
            yield tied.pop(index)

    def _timer_handle_cancelled(self, handle: Entry | Timer) -> None:
        """asyncio calls it when a timer is cancelled: one that ties and waits for its turn is no longer a candidate."""
        if handle.key != FIFO_KEY:
            handle.until = 0.0
            for entries in (self._free, self._kept):
                entries[:] = [entry for entry in entries if entry is not handle]
