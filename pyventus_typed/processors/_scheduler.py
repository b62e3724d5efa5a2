"""What is ready in one running loop, or in one thread without a loop, and who runs it. Shared by all processors, so that
what a handler emits goes behind what was accepted before it, through whichever emitter.

Only the thread that runs a scheduler writes what belongs to it. Everybody else, another thread, or a destructor or signal
handler that comes in the middle of a change, puts a call into its inbox and goes.
"""

import asyncio
import os
from asyncio import AbstractEventLoop
from collections import deque
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from contextvars import Context
from itertools import count, repeat
from threading import RLock
from typing import Any, Final, Protocol, TypeAlias
from weakref import ref

from .._emission import EMPTY, AnyEmission
from .._ledger import Epoch, Epochs
from .._loops import Runner, here, make_task, runs_here
from .._reports import Tell, report_lost
from ._settings import LoopFactory
from ._tasks import Work

CLOSED: Final = "loop closed"
LOST: Final = "loop lost"
_AT_ONCE = 1000
"""So many emissions begin in one turn of the loop, and so many calls are taken from the inbox; then others have theirs."""
_after_end = RLock()
numbers = count(1)
"""Of epochs, in the order in which they begin, over all queues."""


class Delivering(Protocol):
    """Who delivers what is ready."""

    def deliver(self, emission: AnyEmission, context: Context, /) -> bool: ...
    def next_needs_task(self, emission: AnyEmission, /) -> bool: ...


class Queue(Delivering, Protocol):
    """What one processor has accepted here, as far as the scheduler needs it."""

    def withdraw_all(self, reason: str, /) -> None: ...
    def pending(self) -> list[tuple[Tell | None, AnyEmission]]: ...
    def discard_all(self, reason: str, /, *, queued: bool = True) -> None: ...
    def forget(self) -> None: ...
    def end_epoch(self) -> Epoch: ...
    def epochs_of(self, emission: AnyEmission, /) -> Epochs: ...
    @property
    def is_under_way(self) -> bool: ...


Judge: TypeAlias = Callable[[Collection[AnyEmission]], tuple[str, tuple[AnyEmission, ...]] | None]
"""Of emissions that wait for room in a stream: what somebody does who cannot go on before one of them has room, and for whom
he waits; ``None`` if he can, or may."""


class Stream(Protocol):
    """One that is open in this loop."""

    def _watch(self, future: "asyncio.Future[None]", judge: Judge, /, *, owner: bool) -> None: ...


Entry: TypeAlias = tuple[Delivering, AnyEmission, Context]
"""What is ready. The context is not in the handle: it would keep alive what the context refers to, a loop too."""


class Scheduler(Runner):
    """What is ready or running in one loop, or in one thread without a loop."""

    __slots__ = (
        "__weakref__",
        "_context",
        "_is_called",
        "_run_loop",
        "at_end",
        "awake",
        "below",
        "busy",
        "crashed",
        "ending",
        "handed",
        "inbox",
        "is_closed",
        "is_taking",
        "is_threads",
        "loop",
        "lost",
        "on_idle",
        "process",
        "queues",
        "ready",
        "starting",
        "streams",
        "tasks",
        "thread",
        "waiting",
    )

    def __init__(
        self,
        loop: AbstractEventLoop | None,
        run_loop: "Callable[[Scheduler], object] | None" = None,
        below: "Scheduler | None" = None,
    ) -> None:
        """*run_loop* runs what a thread without a loop has in `starting`, and what that leads to, in a fresh one."""
        self.loop = loop
        self.below = self if below is None else below  # that of the thread: it runs this loop, if its handler does
        self._run_loop = run_loop
        self.is_threads = loop is None  # whatever fresh loop runs it for a while
        self.thread: object = here.thread
        self.process = os.getpid()
        self.ready: deque[Entry] = deque()
        self.inbox: deque[Callable[[], object]] = deque()
        self._context = Context()  # our callbacks must not keep an emitter's context alive
        self.is_taking = False  # in the inbox's calls: what they lead to need not look there
        self._is_called = False  # somebody has asked the loop to look into the inbox
        self.handed: deque[Callable[[], object]] = deque()  # what takes over what other threads have emitted
        self.busy = False  # in the middle of a change: who comes in between uses the inbox
        self.awake = False  # a turn is scheduled, or under way
        self.runs = False  # of a thread without a loop: it takes what is ready
        self.running: AnyEmission | None = None  # whose plain calls run now
        # Strong: asyncio itself refers to tasks weakly. They live here, and the scheduler lives on its loop.
        self.tasks: dict[tuple[AnyEmission, int], asyncio.Task[None]] = {}
        # Of a thread without a loop: what needs a task, and so a loop.
        self.starting: list[tuple[AnyEmission, int, Work, Context, LoopFactory | None]] = []
        self.waiting: set[asyncio.Future[None]] = set()  # of those who wait in this loop, for the same reason
        # By processor, weakly. Strong values: of a lost loop weak references are gone before its coroutines are closed.
        self.queues: dict[ref[object], Queue] = {}
        self.lost: list[tuple[Tell | None, AnyEmission]] = []  # cut off by the end, and not reported yet
        self.crashed: set[asyncio.Task[Any]] = set()  # Any: left by what went on through the loop: nobody else asks
        self.ending: str | None = None  # why nothing may start any more
        self.is_closed = False
        self.on_idle: Callable[[], object] | None = None  # called when nothing is under way
        self.streams: dict[Stream, None] = {}  # a task that reads one must not wait for what waits for that
        self.at_end: dict[Callable[[], object], None] = {}  # called when the loop ends; other threads write it, too

    # -- who is next --------------------------------------------------------------------------------------------------
    def wake(self) -> None:
        """What is ready will run: soon in a loop, at once in a thread without one, unless it does already."""
        if self.loop is not None:
            if not self.awake and self.ending is None:
                self.awake = True
                self.loop.call_soon(self._turn, context=self._context)
        elif not self.runs:
            try:
                self.run()
            except BaseException as error:
                self.abandon(repr(error))
                raise

    def _turn(self) -> None:
        # Only what is ready now, and not too much of it: handlers that never stop emitting must not keep the loop from turning.
        ready = self.ready
        made = (
            False  # a task: an async handler between two plain ones starts between them, so they wait for the next turn
        )
        try:
            for _ in repeat(None, min(len(ready), _AT_ONCE)):
                if not ready or self.ending is not None:
                    break
                entry = ready.popleft()
                queue, emission, context = entry
                if emission._cursor is EMPTY:
                    continue  # it was cancelled while it was ready
                if made and not queue.next_needs_task(emission):
                    ready.appendleft(entry)
                    break
                try:
                    if context.run(queue.deliver, emission, context):
                        made = True
                finally:
                    if emission._cursor is not EMPTY:
                        ready.appendleft(entry)
                if made and emission._cursor is not EMPTY:
                    break
        finally:
            # Not before: what a handler emits in between must not be scheduled ahead of the task of an earlier one.
            self.awake = False
            if ready:
                self.wake()

    def start(self, emission: AnyEmission, index: int, work: Work, context: Context, make: LoopFactory | None) -> None:
        """Run *work* in a task, as soon as there is a loop: one of *make*, if none is running."""
        if self.loop is None:
            self.starting.append((emission, index, work, context, make))
        else:
            self.tasks[emission, index] = make_task(work, self.loop, context)

    def tasks_of(self, emission: AnyEmission) -> Iterator[tuple[int, "asyncio.Task[None]"]]:
        """The tasks of the deliveries of *emission*."""
        for index in range(len(emission._route.calls)):
            task = self.tasks.get((emission, index))
            if task is not None:
                yield index, task

    # -- the inbox ----------------------------------------------------------------------------------------------------
    @property
    def is_here(self) -> bool:
        """Whether the caller may write: it is this thread's, and no other thread's loop is running it."""
        loop = self.loop
        if loop is not None and loop.is_running():
            return runs_here(loop)
        return self.thread is here.thread

    def put(self, call: Callable[[], object], *, is_late: bool = False) -> None:
        """Have *call* called by whoever runs this, from any thread and at any instant. It is called at once where
        something is being changed here; *is_late* says that it can wait for its turn, with a bounded number of others.

        First it is put, then looked whether this is closed, and who closes it empties the inbox afterwards: so one of the
        two sees the other, and nothing stays behind.
        """
        (self.handed if is_late else self.inbox).append(call)
        loop = self.loop
        if loop is not None and not self._is_called and (is_late or not runs_here(loop)):
            self._is_called = True
            with suppress(RuntimeError):  # closed just now, and perhaps not by us
                loop.call_soon_threadsafe(self._take_called, context=self._context)
        if self.is_closed:
            with _after_end:
                self.take_all()
            self.report("when their event loop closed")  # the report of that was made already

    def _take_called(self) -> None:
        self._is_called = False
        self.thread = here.thread
        self.take()
        _call_each(self.handed, _AT_ONCE)  # so many at once that emitting threads do not starve the loop
        if self.handed and not self._is_called and self.loop is not None:
            self._is_called = True
            self.loop.call_soon(self._take_called, context=self._context)

    def take(self) -> None:
        """Make the calls that are in the inbox now."""
        was, self.is_taking = self.is_taking, True
        try:
            _call_each(self.inbox, len(self.inbox))
        finally:
            self.is_taking = was

    def take_all(self) -> None:
        """The same, and take over what other threads have emitted."""
        self.take()
        _call_each(self.handed, len(self.handed))

    # -- a thread without a loop --------------------------------------------------------------------------------------
    def run(self) -> None:
        """Take whatever is ready, until nothing is. It raises Ctrl-C and SystemExit: then the caller calls `abandon`, and the
        rest is not run.
        """
        ready = self.ready
        entry: Entry | None = None
        self.runs = True
        while True:
            if entry is not None and entry[1]._cursor is not EMPTY:
                queue, emission, context = entry
                context.run(queue.deliver, emission, context)
                if emission._cursor is not EMPTY:
                    ready.appendleft(entry)
            if self.inbox:
                self.take()
            if self.starting:
                assert self._run_loop is not None  # that of a thread has one
                self._run_loop(self)
            if ready:
                entry = ready.popleft()
                continue
            entry = None
            if not self.inbox and not self.starting:
                # Nothing is called between this look and the next line.
                self.runs = False
                return

    def abandon(self, reason: str) -> None:
        """Discard whatever is open, and report it: an exception leaves the thread."""
        self.running, self.busy, self.ending = None, False, reason
        try:
            starting, self.starting = self.starting, []
            for _, _, work, _, _ in starting:
                work.close()
            self.discard_all(reason)
            for queue in [*self.queues.values()]:
                queue.forget()
            self.report("when an exception ended their queue")
        finally:
            self.ending, self.runs = None, False

    @property
    def is_under_way(self) -> bool:
        """Whether something is pending, or a thread has not returned."""
        return bool(self.inbox or self.handed) or any([queue.is_under_way for queue in [*self.queues.values()]])  # noqa: C419 - closing a generator that is left half-way swallows Ctrl-C

    def check_idle(self) -> None:
        """Something has ended: if nothing is under way any more, whoever waits for that is called."""
        if self.on_idle is not None and not self.is_under_way:
            self.on_idle()

    # -- the end ------------------------------------------------------------------------------------------------------
    def begin_end(self, reason: str) -> None:
        """Nothing starts from here on; what waited is discarded, so that nobody waits for what will not come."""
        self.ending = reason
        self.busy = False
        self.take_all()
        for queue in [*self.queues.values()]:
            queue.withdraw_all(reason)
        self.ready.clear()
        for call in [*self.at_end]:
            call()

    def discard_all(self, reason: str, *, queued: bool = True) -> None:
        """Discard whatever is open: it will not go on. Unless *queued*, what waits for a thread decides by itself."""
        before, self.ending = self.ending, reason
        try:
            self.take_all()
            for queue in [*self.queues.values()]:
                queue.discard_all(reason, queued=queued)
            self.ready.clear()
        finally:
            self.ending = before

    def pending(self) -> list[tuple[Tell | None, AnyEmission]]:
        """What is open."""
        return [one for queue in [*self.queues.values()] for one in queue.pending()]

    def watch(self, future: "asyncio.Future[None]", judge: Judge, *, owner: bool = False) -> None:
        """Whoever waits by *future* gets `WouldDeadlock` if that needs room in a stream which nobody else reads, now or later.

        With *owner* a task counts as the reader, too, that has entered the block, as long as no other one has read.
        """
        for stream in [*self.streams]:
            stream._watch(future, judge, owner=owner)

    def end_epochs(self) -> list[Epoch]:
        """What is accepted from now on belongs to later epochs; those of all queues that have ended."""
        return [queue.end_epoch() for queue in [*self.queues.values()]]

    def report(self, when: str) -> None:
        """Say what was cut off."""
        with _after_end:  # one report for each
            lost, self.lost = self.lost, []
        if lost:
            report_lost(lost, when)

    def end(self, reason: str) -> None:
        """Its loop is closed: settle what a thread has handed over a moment too late, and refer to nothing of the loop."""
        with _after_end:  # from here on other threads settle by themselves what they put here
            self.is_closed = not self.is_threads
            self.discard_all(reason)
            self.tasks.clear()
            self.crashed.clear()
            self.ready.clear()
            self.waiting.clear()
            for queue in [*self.queues.values()]:
                queue.forget()
            if not self.is_threads:
                self.loop = None
                self.thread = None  # it is nobody's
                self.queues.clear()


def _call_each(calls: deque[Callable[[], object]], most: int) -> None:
    for _ in repeat(None, min(len(calls), most)):
        try:
            call = calls.popleft()
        except IndexError:
            return  # taken by a call in between
        try:
            call()
        except BaseException as error:
            if not isinstance(error, Exception):
                calls.appendleft(call)  # Ctrl-C: each can be repeated
            raise
