"""VirtualLoop: an asyncio loop in which time is a number and a schedule decides who goes next."""

from __future__ import annotations

import asyncio
import heapq
import math
from collections import deque
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar

from ._boundary import NoSelector, refuse_the_world
from ._entries import LANE, PATIENCE, Entry, Timer, WeakOrderedSet
from ._errors import LivelockError, ScheduleError
from ._policies import replay
from ._schedule import FIFO, Schedule
from ._tasks import NUMBER, VirtualFuture, VirtualTask, step_of
from ._threads import VirtualThreads
from ._waiting import Names, nothing_to_do

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Coroutine
    from contextvars import Context

    from ._policies import Chooser
    from ._trace import Observer

_T = TypeVar("_T")

Reorder: TypeAlias = Literal["strict", "resume", "all"]
Threads: TypeAlias = Literal["inline", "baton"]

_sleep_is_over = asyncio.futures._set_result_unless_cancelled  # type: ignore[attr-defined]  # noqa: SLF001  # how `asyncio.sleep` wakes up, in 3.11 to 3.14


@refuse_the_world
class VirtualLoop(VirtualThreads, asyncio.BaseEventLoop):
    """A loop without a clock and without a selector.

    Time stands still while anything is ready and then jumps to the next timer. *schedule* decides who goes next where more
    than one thing could, within what *reorder* allows:

    - ``"strict"``: what any FIFO loop may really do: timers with an equal deadline and threads in any order.
    - ``"resume"``: also a task that has started may be resumed later than it was ready, as if what it waits for had taken
      longer. Callbacks and the starts of tasks stay in order among each other, and so do the callbacks of one future.
    - ``"all"``: tasks may also start in any order, which asyncio itself never does: for experts.

    Who has been passed over 64 times goes next. One schedule gives one run, on every version of Python. Threads
    (``asyncio.to_thread``, ``run_in_executor``) are virtual: they begin and end when the schedule says, and their function
    runs without a running loop, in the loop's own thread (``threads="inline"``) or in a real one for which the loop waits
    (``"baton"``).

    Raises out of ``run_until_complete``: ``DeadlockError`` when nothing can happen any more, ``LivelockError`` after
    *max_steps* steps, ``ScheduleError`` when *schedule* does not fit. Sockets, pipes, processes, signals and foreign
    threads are refused where they are used: ``SimulationBoundaryError``.

    Use it as a loop factory: of `asyncio.Runner`, of pytest-asyncio, of a processor.
    """

    # What we use of BaseEventLoop and typeshed leaves out.
    _closed: bool
    _stopping: bool
    _debug: bool
    _asyncgens: WeakOrderedSet[AsyncGenerator[object, object]]

    def __init__(
        self,
        schedule: Schedule | str = FIFO,
        *,
        reorder: Reorder = "resume",
        max_steps: int = 10_000_000,
        threads: Threads = "inline",
        chooser: Chooser | None = None,
    ) -> None:
        if reorder not in {"strict", "resume", "all"}:
            raise ValueError(f"reorder is 'strict', 'resume' or 'all', not {reorder!r}.")
        super().__init__()
        self.init_threads(threads)
        self._asyncgens = WeakOrderedSet()
        self._selector = NoSelector()
        self._strict = reorder == "strict"
        self._starts_are_free = reorder == "all"
        self.schedule = Schedule.of(schedule)
        self._chooser = chooser or (replay(self.schedule) if self.schedule else None)
        self.max_steps = max_steps
        self.deviations: list[tuple[int, int]] = []
        self.choices = 0
        self.steps = 0
        self.log: list[int] | None = None
        self.checks: list[Callable[[Entry | Timer], object]] = []
        self.names = Names()
        self.observer: Observer | None = None
        self.lost = False
        self._lane: deque[Entry | Timer] = deque()
        self._free: list[Entry | Timer] = []
        self._timers: list[tuple[float, int, Timer]] = []
        self._now = 0.0
        self._until: float | None = None
        self._seq = self._numbers = self._futures = 0
        self._last_argument = 0  # an id, so that it keeps nothing alive; it matters only while the lane holds the argument
        self._last_tie = 0

    # ------------------------------------------------------------------ time
    def time(self) -> float:
        """Seconds of virtual time since the loop was made."""
        return self._now

    def settle(self) -> None:
        """Run until nothing is ready, without letting time pass. Call it while the loop is not running."""
        self.advance(0.0)

    def advance(self, seconds: float) -> None:
        """Let *seconds* of virtual time pass, running all that falls due. Call it while the loop is not running."""
        if not 0 <= seconds < math.inf:
            raise ValueError(f"Time only goes forward, by a finite number of seconds, not by {seconds!r}.")
        self._until = self._now + seconds
        try:
            self.run_forever()
        finally:
            self._until = None

    # ------------------------------------------------------------------ what becomes ready
    def call_soon(self, callback: Callable[..., object], *args: Any, context: Context | None = None) -> Entry:  # type: ignore[override]  # Any: as in asyncio; its arguments are checked against the callback
        if self._closed:
            raise RuntimeError("Event loop is closed")
        if self._debug:
            self._check_thread()  # type: ignore[attr-defined]
            self._check_callback(callback, "call_soon")  # type: ignore[attr-defined]
        self._seq = seq = self._seq + 1
        entry = Entry(callback, args, self, context, seq)
        step = step_of(callback)
        if step is None:
            self._lane.append(entry)
            if args:
                self._last_argument, self._last_tie = id(args[0]), seq
            return entry
        task, resumes = step
        number = getattr(task, NUMBER, None)
        if number is None:
            number = self.next_number()
            setattr(task, NUMBER, number)
        if self._strict or not (resumes or self._starts_are_free):
            self._lane.append(entry)
            return entry
        entry.key = number
        # A future calls its callbacks in the order in which they were added, and programs rely on that: a task that was
        # added behind a callback is not resumed before it.
        if args and id(args[0]) == self._last_argument:
            entry.after = self._last_tie
        self._free.append(entry)
        return entry

    def call_soon_threadsafe(self, callback: Callable[..., object], *args: Any, context: Context | None = None) -> Entry:  # type: ignore[override]  # Any: as in asyncio
        self.refuse_foreign_thread(callback)
        return self.call_soon(callback, *args, context=context)

    def call_later(self, delay: float, callback: Callable[..., object], *args: Any, context: Context | None = None) -> Timer:  # type: ignore[override]  # Any: as in asyncio
        if delay is None:  # type: ignore[redundant-expr]  # asyncio refuses it in so many words
            raise TypeError("delay must not be None")
        return self.call_at(self._now + delay, callback, *args, context=context)

    def call_at(self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None) -> Timer:  # type: ignore[override]  # Any: as in asyncio
        if when is None:  # type: ignore[redundant-expr]
            raise TypeError("when cannot be None")
        if self._closed:
            raise RuntimeError("Event loop is closed")
        if self._debug:
            self._check_thread()  # type: ignore[attr-defined]
            self._check_callback(callback, "call_at")  # type: ignore[attr-defined]
        self._seq = seq = self._seq + 1
        timer = Timer(when, callback, args, self, context, seq)
        heapq.heappush(self._timers, (when, seq, timer))
        return timer

    def create_future(self) -> asyncio.Future[Any]:  # Any: as in asyncio
        return VirtualFuture(loop=self)

    def create_task(self, coro: Coroutine[Any, Any, _T], *, name: str | None = None, context: Context | None = None, **others: Any) -> asyncio.Task[_T]:  # type: ignore[override]  # Any: as in asyncio
        if self.get_task_factory() is not None or others:
            return super().create_task(coro, name=name, context=context, **others)  # type: ignore[arg-type]
        if self._closed:
            raise RuntimeError("Event loop is closed")
        return VirtualTask(coro, loop=self, name=name, context=context)

    @property
    def made_tasks(self) -> int:
        """How many tasks there have been."""
        return self._numbers

    def next_number(self) -> int:
        self._numbers += 1
        return self._numbers - 1

    def next_future(self) -> int:
        self._futures += 1
        return self._futures

    def free_entry(self, callback: Callable[..., object], context: Context | None = None) -> None:
        """Make *callback* ready as something that nothing orders, as the progress of a thread."""
        self._seq = seq = self._seq + 1
        entry = Entry(callback, (), self, context, seq)
        entry.key = -1 - seq
        self._free.append(entry)

    # ------------------------------------------------------------------ the run
    def _run_once(self) -> None:
        lane, free, log, strict = self._lane, self._free, self.log, self._strict
        round_ends = self._seq
        while True:
            while lane and lane[0]._cancelled:  # type: ignore[union-attr]  # noqa: SLF001  # a handle's own business, which a loop must know
                lane.popleft()
            # A FIFO loop looks at stop() and at its timers once a round; the other levels know no rounds.
            if not (strict and lane and lane[0].seq <= round_ends):
                if self._stopping:
                    return
                if self._timers and self._timers[0][0] <= self._now:
                    self._fall_due()
                round_ends = self._seq
            if free:
                entry = free.pop() if not lane and len(free) == 1 else self._choose()
            elif lane:
                entry = lane.popleft()
            elif self._idle():
                continue
            else:
                return
            self.steps += 1
            if self.steps > self.max_steps:
                raise LivelockError(
                    f"The program was not done after {self.max_steps} steps, at {self._now:g} s of virtual time. "
                    f"Ready to go on: {self.names.ready([*self.ready(), entry])}. If it is no livelock, raise max_steps=.",
                    self.max_steps,
                )
            if log is not None:
                log.append(entry.key)
            if self.observer is not None:
                self.observer.begins(self, entry)
            entry._run()  # noqa: SLF001  # running it is what a loop is for
            for check in self.checks:
                check(entry)
            del entry  # it would keep a lost task alive

    def _choose(self) -> Entry | Timer:
        lane, free = self._lane, self._free
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
        index = 0
        # The oldest has been passed over most often, so it alone needs a look.
        if len(candidates) > 1 and candidates[0].passed < PATIENCE:
            choice = self.choices
            self.choices = choice + 1
            if self._chooser is not None:
                index = self._chooser(choice, [entry.key for entry in candidates])
                if index:
                    self._deviate(choice, index, candidates)
        chosen = candidates[index]
        if lane and chosen is lane[0]:
            lane.popleft()
        else:
            free.remove(chosen)
        return chosen

    def _deviate(self, choice: int, index: int, candidates: list[Entry | Timer]) -> None:
        self.deviations.append((choice, index))
        for entry in candidates[:index]:
            entry.passed += 1
        if self.observer is not None:
            self.observer.deviates(self, choice, candidates[index], candidates[:index])

    def _fall_due(self) -> None:
        timers = self._timers
        while timers and (when := timers[0][0]) <= self._now:
            tied: list[Entry | Timer] = []
            while timers and timers[0][0] == when:
                timer = heapq.heappop(timers)[2]
                if not timer.cancelled():
                    tied.append(timer)
            # The end of a sleep only makes its task ready, and when that is resumed is a choice of its own.
            free = not self._strict and all(timer._callback is _sleep_is_over for timer in tied)  # type: ignore[union-attr]  # noqa: SLF001
            while tied:
                index = 0
                if len(tied) > 1 and not free:
                    choice = self.choices
                    self.choices = choice + 1
                    if self._chooser is not None:
                        index = self._chooser(choice, [-1 - timer.seq for timer in tied])
                        if index:
                            self._deviate(choice, index, tied)
                due = tied.pop(index)
                self._seq = due.seq = self._seq + 1
                self._lane.append(due)

    def _idle(self) -> bool:
        """Nothing is ready: let time pass, and say whether something fell due."""
        timers = self._timers
        while timers and timers[0][2].cancelled():
            heapq.heappop(timers)
        when = timers[0][0] if timers else math.inf
        if self._until is not None and when > self._until:
            self._now = self._until
            self._stopping = True
            return True
        if when == math.inf:
            raise nothing_to_do(self)
        self._now = when
        if self.observer is not None:
            self.observer.time_passes(self)
        return True

    def ready(self) -> list[Entry | Timer]:
        """What is ready now, in the order of becoming so."""
        return sorted([*self._lane, *self._free], key=lambda entry: entry.seq)

    def require_fit(self) -> None:
        """``ScheduleError`` if the run was over before the schedule was."""
        if self.schedule and self.schedule.deviations[-1][0] >= self.choices:
            raise ScheduleError(
                f"The schedule '{self.schedule}' does not fit this program: it names choice "
                f"{self.schedule.deviations[-1][0]}, and this run had only {self.choices}. The program has changed since the "
                "schedule was found: explore again, or give it as explore(..., first=[...]), which uses what still fits."
            )

    # ------------------------------------------------------------------ what BaseEventLoop asks of its subclasses
    def _process_events(self, event_list: object) -> None:
        """There are none."""

    def _write_to_self(self) -> None:
        """Nobody sleeps in a selector."""

    def close(self) -> None:
        """Drop what is ready and what is timed. What the tasks then are is theirs: nothing is cancelled or awaited."""
        super().close()
        self._lane.clear()
        self._free.clear()
        self._timers.clear()

    def __del__(self) -> None:
        # A loop that a test loses on purpose is no mistake of the test.
        if self.lost and not self._closed:
            self.close()
        else:
            super().__del__()  # type: ignore[misc]  # typeshed does not show it


__all__ = ["LANE", "Reorder", "Threads", "VirtualLoop"]
