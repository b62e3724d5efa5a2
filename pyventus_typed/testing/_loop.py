"""VirtualLoop: an asyncio loop in which time is a number and a schedule decides who goes next."""

from __future__ import annotations

import asyncio
import gc
import heapq
import math
from collections.abc import AsyncGenerator, Callable, Mapping
from contextvars import Context
from functools import cached_property
from threading import get_ident
from typing import Any, Final, Literal, NoReturn, TypeAlias, TypeVar
from weakref import ref

from typing_extensions import TypeVarTuple, Unpack, override

from ._deadlock import Holders, nothing_to_do
from ._names import Names, is_users_task, waits_in_sleep
from ._policies import Chooser, Faults, faults_of, replay
from ._ready import FIFO_KEY, SLEEP_IS_OVER, Entry, OrderedLoop, Timer, WeakOrderedSet
from ._schedule import FIFO, PLACES, Fault, Place, Schedule, ScheduleError
from ._tasks import NUMBER, STEP, TaskCoroutine, VirtualFuture, VirtualTask, number_of, step_of, task_of, waiter_of
from ._threads import Threads
from .errors import LivelockError, SimulationBoundaryError

_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")
_C = TypeVar("_C", bound=type[object])

Reorder: TypeAlias = Literal["strict", "resume", "all"]

LATENCY = 2.0
"""How many times as long a sleep may take, by default."""
_new_entry: Final = object.__new__
_PLACE_NAMES: Mapping[Place, str] = {"await": "end of a step that waits", "emit": "emit", "step": "step"}


def check_reorder(reorder: Reorder) -> None:
    """``ValueError`` if there is no such level."""
    if reorder not in {"strict", "resume", "all"}:
        raise ValueError(f"reorder is 'strict', 'resume' or 'all', not {reorder!r}.")


def check_latency(latency: float) -> None:
    """``ValueError`` if a sleep cannot take *latency* times as long."""
    given: object = latency  # what the annotation says is what a caller may get wrong
    if isinstance(given, bool) or not isinstance(given, int | float) or not 1.0 <= latency < math.inf:
        raise ValueError(f"latency says how many times as long a sleep may take, at least 1, and not {latency!r}.")


_REFUSED = {
    "a name look-up": ("getaddrinfo", "getnameinfo"),
    "a connection": (
        "create_connection", "create_unix_connection", "create_datagram_endpoint", "connect_accepted_socket", "start_tls",
    ),
    "a server": ("create_server", "create_unix_server"),
    "a pipe": ("connect_read_pipe", "connect_write_pipe"),
    "a process": ("subprocess_exec", "subprocess_shell"),
    "a signal handler": ("add_signal_handler",),
    "a file descriptor": ("add_reader", "add_writer", "remove_reader", "remove_writer"),
    "a socket": (
        "sock_recv", "sock_recv_into", "sock_recvfrom", "sock_recvfrom_into", "sock_sendall", "sock_sendto",
        "sock_connect", "sock_accept", "sock_sendfile", "sendfile",
    ),
}  # fmt: skip


def _refuse(method: str, what: str) -> Callable[..., NoReturn]:
    def refused(*_: object, **__: object) -> NoReturn:
        raise SimulationBoundaryError(
            f"loop.{method}() needs {what} from outside of the loop, whose timing no schedule can decide. "
            "Give the code under test a stand-in (a queue, a stub with an async method), "
            "or run this test on an ordinary loop."
        )

    refused.__name__ = refused.__qualname__ = method
    return refused


def forbid_real_io(loop: _C) -> _C:
    """Make every method of *loop* that does real input or output raise at the call, not at the await."""
    for what, methods in _REFUSED.items():
        for method in methods:
            setattr(loop, method, _refuse(method, what))
    return loop


class NoSelector:
    """There is nothing to select from; some plugins for virtual time look for a selector none the less."""

    def select(self, timeout: float | None = None) -> list[tuple[object, int]]:  # noqa: ARG002  # the protocol's name
        return []

    def get_map(self) -> dict[int, object]:
        return {}

    def close(self) -> None:
        """Nothing is open."""


def _first_state() -> tuple[dict[str, object], dict[str, Callable[[], object]]]:
    """What `BaseEventLoop.__init__` sets: the values that loops may share, and how to make those that they may not.

    A loop of ours is made thousands of times, and need not ask for the clock and the environment each time.
    """
    loop = asyncio.BaseEventLoop()
    loop.close()
    state = {**vars(loop), "_executor_shutdown_called": False}
    # Of ours these two are others: it is closed as long as it is not made, and its set of async generators has an order.
    del state["_closed"], state["_asyncgens"]
    shared: dict[str, object] = {
        name: value for name, value in state.items() if isinstance(value, int | float | str | None)
    }
    return shared, {name: type(value) for name, value in state.items() if name not in shared}


_SHARED, _MADE = _first_state()


@forbid_real_io
class VirtualLoop(OrderedLoop):
    """A loop without a clock and without a selector.

    Time stands still while anything is ready and then jumps to the next timer. *schedule* decides who goes next where more
    than one thing could, within what *reorder* allows:

    - ``"strict"``: what any FIFO loop may do: timers with an equal deadline, and threads, in any order.
    - ``"resume"``: in addition, a task that has started may be resumed later than it was ready, as if what it waits for had
      taken longer. Callbacks and the starts of tasks keep the order in which they became ready.
    - ``"all"``: in addition, tasks may start in any order, which asyncio itself never does. For experts.

    An ``asyncio.sleep`` may take up to *latency* times as long if another timer ends before that: the sleep then ends just
    after the other one, which may also be set only when the sleep is due, by what ends together with it. With
    ``latency=1``, and under ``"strict"``, sleeps are exact.

    A task that has waited while all others that are ready went 64 times goes next. One schedule gives one run, on every version
    of Python with the same asyncio functions (``wait_for`` changed in 3.12). Threads (``asyncio.to_thread``,
    ``run_in_executor``) are virtual: they begin and end when the schedule says. Their function runs without a running
    loop, in a real thread for which the loop waits at most ten seconds (``threads="real"``), or, faster and without that
    limit, in the thread of the loop (``"inline"``).

    ``run_until_complete`` raises ``DeadlockError`` if nothing can happen any more, ``LivelockError`` after *max_steps* steps,
    and ``ScheduleError`` if *schedule* does not fit. Sockets, pipes, processes, signals, and threads that the loop did not
    start raise ``SimulationBoundaryError`` where they are used.

    Use it as the loop factory of `asyncio.Runner`, pytest-asyncio or a processor.
    """

    # What we use of BaseEventLoop and typeshed leaves out.
    _closed: bool = True
    _debug: bool
    _stopping: bool
    _asyncgens: WeakOrderedSet[AsyncGenerator[object, object]]
    _check_thread: Callable[[], None]
    _check_callback: Callable[[object, str], None]

    # What a loop begins with; as attributes of the class they cost a new loop nothing.
    steps: int = 0
    log: list[int] | None = None
    lost: bool = False
    most_at_once: int | None = None
    """Steps that may be made while no time passes; more is a livelock."""
    holders: Holders | None = None
    main: asyncio.Task[Any] | None = None  # Any: whatever the body returns
    """The task of the body, as long as it is not done."""
    cancels: bool = False
    """Whether a fault has cancelled a task."""
    fails_with: Callable[[], Exception] = ConnectionError
    """What ``raise`` faults raise."""
    _to_cancel: dict[int, Fault]
    _to_raise: dict[int, Exception]
    _until: float | None = None
    _limit: int | None = None
    _made_all: bool = True
    _most_made: int = 1_000
    _numbers: int = 0
    _futures: int = 0
    _selector: NoSelector = NoSelector()

    def __init__(
        self,
        schedule: Schedule | str = FIFO,
        *,
        reorder: Reorder = "resume",
        latency: float = LATENCY,
        max_steps: int = 10_000_000,
        threads: Threads = "real",
        chooser: Chooser | None = None,
        faults: Faults | None = None,
    ) -> None:
        check_reorder(reorder)
        check_latency(latency)
        self.schedule: Schedule = Schedule.of(schedule)
        self.init_threads(threads)
        for name, make in _MADE.items():
            setattr(self, name, make())
        self._closed = False  # from here on it must be closed
        self.init_order(
            chooser or (replay(self.schedule) if self.schedule.deviations else None),
            strict=reorder == "strict",
            latency=latency,
        )
        self.faults: Faults | None = faults or faults_of(self.schedule)
        self._asyncgens = WeakOrderedSet()
        self._starts_are_free = reorder == "all"
        self.max_steps = max_steps
        self.injected: list[BaseException] = []
        self._to_cancel = {}
        self._to_raise = {}
        self.checks: list[Callable[[Entry | Timer], object]] = []
        self.last_checks: list[Callable[[], object]] = []
        self._made: list[ref[asyncio.Task[object]]] = []

    @cached_property
    def names(self) -> Names:
        """What the tasks are called in reports."""
        return Names()

    # ------------------------------------------------------------------ time
    @override
    def time(self) -> float:
        """Seconds of virtual time since the loop was made."""
        return self._now

    def run_until_idle(self) -> None:
        """Run until nothing is ready, without letting time pass. Call it while the loop is not running."""
        self.advance(0.0)

    def run_steps(self, steps: int = 1) -> None:
        """Run at most *steps* steps, fewer if nothing is ready. Call it while the loop is not running."""
        if steps < 0:
            raise ValueError(f"A loop turns a number of steps, not {steps}.")
        self._until, self._limit = self._now, min(self.steps + steps, self.max_steps)
        try:
            self.run_forever()
        finally:
            self._until = self._limit = None

    def call_in_loop(self, function: Callable[[], _T]) -> _T:
        """Call *function* immediately, as a callback of this loop, and return its result. Not while the loop is running."""
        if self.is_running():
            raise RuntimeError("The loop is running: call the function directly.")
        self._thread_id = get_ident()
        asyncio._set_running_loop(self)  # public to authors of loops, which we are
        try:
            return function()
        finally:
            asyncio._set_running_loop(None)
            self._thread_id = None

    def advance(self, seconds: float) -> None:
        """Let *seconds* of virtual time pass, and run everything that becomes due. Call it while the loop is not running."""
        if not 0 <= seconds < math.inf:
            raise ValueError(f"Time only goes forward, by a finite number of seconds, not by {seconds!r}.")
        self._until = self._now + seconds
        try:
            self.run_forever()
        finally:
            self._until = None

    # ------------------------------------------------------------------ what becomes ready
    @override
    def call_soon(
        self, callback: Callable[[Unpack[_Ts]], object], *args: *_Ts, context: Context | None = None
    ) -> Entry:
        if self._closed:
            raise RuntimeError("Event loop is closed")
        if debug := self._debug:
            self._check_thread()
            self._check_callback(callback, "call_soon")
        if debug or context is None:
            entry = Entry(callback, args, self, context)
        else:  # what that does without the debug mode of the loop; a call of it is a third of what a step costs
            entry = _new_entry(Entry)
            entry._context = context
            entry._loop = self
            entry._callback = callback
            entry._args = args
            entry._cancelled = False
            entry._repr = entry._source_traceback = None
        self._seq = entry.seq = self._seq + 1
        given: Any = callback  # whatever asyncio schedules
        if type(given) is STEP and type(task := given.__self__) is VirtualTask:  # the ordinary case, without a call
            number = task._virtual_number
            resumes = number is not None
            if number is None:
                number = self.number(task)
        else:
            step = step_of(callback, self)
            if step is None:
                entry.key = FIFO_KEY
                self._ready.append(entry)
                return entry
            number, resumes = step
        if self._strict or not (resumes or self._starts_are_free):
            entry.key = FIFO_KEY
            self._ready.append(entry)
            return entry
        entry.key = number
        self._free.append(entry)
        return entry

    @override
    def call_soon_threadsafe(
        self, callback: Callable[[Unpack[_Ts]], object], *args: *_Ts, context: Context | None = None
    ) -> Entry:
        self.refuse_foreign_thread(callback)
        return self.call_soon(callback, *args, context=context)

    @override
    def call_later(
        self, delay: float, callback: Callable[[Unpack[_Ts]], object], *args: *_Ts, context: Context | None = None
    ) -> Timer:
        if delay is None:
            raise TypeError("delay must not be None")
        return self.call_at(self._now + delay, callback, *args, context=context)

    @override
    def call_at(
        self, when: float, callback: Callable[[Unpack[_Ts]], object], *args: *_Ts, context: Context | None = None
    ) -> Timer:
        if when is None:
            raise TypeError("when cannot be None")
        if self.is_closed():
            raise RuntimeError("Event loop is closed")
        if self.get_debug():
            self._check_thread()
            self._check_callback(callback, "call_at")
        if when != when:  # noqa: PLR0124  # it is not a number, and no timer would ever be due again
            raise ValueError("Invalid delay: NaN (not a number)")  # as asyncio says from Python 3.13 on
        self._seq = seq = self._seq + 1
        timer = Timer(when, callback, args, self, context, seq)
        if callback is SLEEP_IS_OVER:
            timer.began = now = self._now
            timer.latest = now + self._latency * (when - now)
        heapq.heappush(self._timers, (when, seq, timer))
        return timer

    @override
    def create_future(self) -> asyncio.Future[Any]:  # Any: as in asyncio
        future: VirtualFuture[Any] = VirtualFuture(loop=self)
        self._futures += 1
        future._virtual_number = self._futures
        return future

    @override
    def create_task(
        self,
        coro: TaskCoroutine[_T],
        *,
        name: object = None,
        context: Context | None = None,
        **others: Any,  # Any: what later versions of Python add
    ) -> asyncio.Task[_T]:
        if self.get_task_factory() is not None or others:
            self._made_all = False
            # A factory gets what was given and no more: it may take neither of them.
            given: dict[str, Any] = {"name": name, "context": context}  # Any: as they are
            given = {key: value for key, value in given.items() if value is not None}
            return super().create_task(coro, **given, **others)
        if self.is_closed():
            raise RuntimeError("Event loop is closed")
        return VirtualTask(coro, loop=self, name=None if name is None else str(name), context=context)

    @override
    def number(self, task: asyncio.Task[object]) -> int:
        """Give *task* its place in the order of creation; once, when its first step is scheduled."""
        self._numbers = (number := self._numbers) + 1
        setattr(task, NUMBER, number)
        made = self._made
        made.append(ref(task))
        if len(made) > self._most_made:  # a loop may live long
            made[:] = [one for one in made if one() is not None]
            self._most_made = 1_000 + 2 * len(made)
        if type(task) is not VirtualTask:
            self._made_all = False
        return number

    def unfinished(self) -> list[asyncio.Task[object]]:
        """The tasks that are not done, oldest first."""
        if not self._made_all:  # there may be some that have had no step yet
            return sorted(asyncio.all_tasks(self), key=number_of)
        return [task for made in self._made if (task := made()) is not None and not task.done()]

    # ------------------------------------------------------------------ the run
    def _run_once(self) -> None:  # noqa: C901, PLR0912  # each branch once a step; calls would cost more than they explain
        lane, free, kept, timers, strict = self._ready, self._free, self._kept, self._timers, self._strict
        checks, faults = self.checks, self.faults
        watched = self.log is not None or self.observer is not None or faults is not None
        collects = faults is not None and "step" in faults.kinds
        limit = self.max_steps + 1 if self._limit is None else self._limit
        most = self._most_steps()
        round_ends = -1
        while True:
            while lane and lane[0]._cancelled:
                lane.popleft()
            # A FIFO loop looks at stop() and at its timers once a round; the other levels know no rounds.
            if not (strict and lane and lane[0].seq <= round_ends):
                if self._stopping or (strict and round_ends >= 0):
                    return
                if timers and timers[0][0] <= self._now:
                    self._fall_due()
                round_ends = self._seq
            if self.steps >= limit:
                self._stopping = True
                return
            if free or kept:
                entry = free.pop() if len(free) == 1 and not lane and not kept else self._choose()
            elif lane:
                entry = lane.popleft()
            elif self._idle():
                most = self._most_steps()
                continue
            else:
                return
            self.steps = steps = self.steps + 1
            if steps > most:
                raise self._livelock(entry)
            if watched or checks:
                self._run_watched(entry)
            else:
                entry._run()  # running it is what a loop is for
            del entry  # it would keep a lost task alive
            if collects:
                self._perhaps_collect()

    def _run_watched(self, entry: Entry | Timer) -> None:
        """Make a step that somebody wants to know of, or in which something may go wrong."""
        observer, faults = self.observer, self.faults
        if self.log is not None:
            self.log.append(entry.key)
        if observer is not None:
            observer.begins(entry)
        if faults is not None and "await" in faults.kinds:
            self._run_with_faults(entry)
        else:
            entry._run()
        if observer is not None:
            observer.made(entry)
        for check in self.checks:
            check(entry)

    def _most_steps(self) -> int:
        return self.max_steps if self.most_at_once is None else min(self.max_steps, self.steps + self.most_at_once)

    def _livelock(self, entry: Entry | Timer) -> LivelockError:
        at = f"at {self._now:g} s of virtual time"
        steps = self.steps - 1
        what = (
            f"The program was not done after {steps} steps, {at}."
            if steps >= self.max_steps
            else f"{self.most_at_once} steps were made {at}, and none of them let time pass or came to an end."
        )
        return LivelockError(
            f"{what} Ready to go on: {self.names.of_entries([*self.ready(), entry])}. "
            "If it is not a livelock, say how many steps it may take: max_steps=.",
            steps,
        )

    # ------------------------------------------------------------------ faults
    def _run_with_faults(self, entry: Entry | Timer) -> None:
        task = task_of(entry._callback)
        if task is not None and (late := self._to_cancel.pop(number_of(task), None)) is not None:
            self._cancel(task, late, entry)
        entry._run()
        if task is None or task.done() or self.faults is None:
            return
        kinds = self.faults.kinds["await"]
        possible = [kind for kind in kinds if kind != "raise" or waits_in_sleep(task.get_coro())]
        if task is self.main or not is_users_task(task):
            possible = []  # the body itself is not to be cut off, and the tasks of libraries are their own business
        fault = self.faults.ask("await", possible)
        if fault is None:
            return
        if fault.kind == "cancel":
            self._cancel(task, fault, entry)
        elif fault.kind == "cancel-late":
            self._to_cancel[number_of(task)] = fault
        else:
            self._make_fail(task, fault, entry)

    def _perhaps_collect(self) -> None:
        if self.faults is None or self.main is None or self.main.done():
            return
        fault = self.faults.ask("step", ("collect",))
        if fault is not None:
            if self.observer is not None:
                self.observer.suffers(fault, None)
            gc.collect()

    def _cancel(self, task: asyncio.Task[object], fault: Fault, entry: Entry | Timer) -> None:
        self.cancels = True
        if self.observer is not None:
            self.observer.suffers(fault, entry)
        task.cancel()

    def _make_fail(self, task: asyncio.Task[object], fault: Fault, entry: Entry | Timer) -> None:
        error = self.fails_with()
        self.injected.append(error)
        if self.observer is not None:
            self.observer.suffers(fault, entry, error)
        waiter = waiter_of(task)
        if waiter is None:  # it is in a `sleep(0)`, which waits for nothing
            self._to_raise[number_of(task)] = error
        else:
            waiter.set_exception(error)

    def pop_error(self, task: asyncio.Task[object] | None) -> Exception | None:
        """What the ``sleep(0)`` that *task* waits in must raise."""
        return None if task is None else self._to_raise.pop(number_of(task), None)

    def _idle(self) -> bool:
        """Nothing is ready: let time pass, and say whether something fell due."""
        if self._going_on:
            self.end_what_goes_on()
        when, _ = self.next_timer()
        if self._until is not None and when > self._until:
            self._now = self._until
            self._stopping = True
            return True
        if when == math.inf:
            raise nothing_to_do(self)
        self._now = when
        if self.observer is not None:
            self.observer.time_passes()
        return True

    def require_fit(self) -> None:
        """``ScheduleError`` if the run was over before the schedule was."""
        order = self.schedule.deviations
        if order and order[-1][0] >= self.choices:
            self._refuse_to_fit(f"choice {order[-1][0]}, and this run had only {self.choices}")
        for fault in self.schedule.faults:
            if self.faults is not None and fault not in self.faults.made:
                at = PLACES[fault.kind]
                self._refuse_to_fit(
                    f"{fault}, and of the {self.faults.counts[at]} places of this run (each {_PLACE_NAMES[at]}) none is that one"
                )

    def _refuse_to_fit(self, what: str) -> NoReturn:
        raise ScheduleError(
            f"The schedule '{self.schedule}' does not fit this program: it names {what}. The program has changed since the "
            "schedule was found: explore again, or give it as explore(..., first=[...]), which uses what still fits."
        )

    # ------------------------------------------------------------------ what BaseEventLoop asks of its subclasses
    def _process_events(self, event_list: object) -> None:
        """There are none."""

    def _write_to_self(self) -> None:
        """Nobody sleeps in a selector."""

    @override
    def close(self) -> None:
        """Drop everything that is ready or waits for a timer. Tasks are neither cancelled nor awaited."""
        super().close()
        self._free.clear()
        self._kept.clear()
        self._timers.clear()
        self._going_on.clear()

    @override
    def __del__(self) -> None:
        # A loop that a test loses on purpose is not a mistake of the test.
        if self._closed:
            return
        if self.lost:
            self.close()
        else:
            super().__del__()


for _name, _value in _SHARED.items():
    setattr(VirtualLoop, _name, _value)  # as attributes of the class they cost a new loop nothing
