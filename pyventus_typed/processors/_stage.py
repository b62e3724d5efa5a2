"""Where handlers run: one running loop, or one thread without a loop. Shared by all processors, so that what a handler
emits goes behind what was accepted before it, through whichever emitter.

Deliveries whose turn it is stand in ``ready``, oldest first. In a loop one callback for each turn of the loop takes
them: a handler that is a plain call runs right there, every other one gets a task. Without a loop the thread takes them
itself, until one has to await: then the rest runs in one fresh loop.
"""

import asyncio
from asyncio import AbstractEventLoop
from collections import deque
from collections.abc import Callable, Iterator
from contextvars import Context
from functools import partial
from itertools import repeat
from operator import length_hint
from threading import get_ident
from typing import TYPE_CHECKING, TypeAlias
from weakref import WeakKeyDictionary, ref

from typing_extensions import TypeIs

from .._emission import BUSY, AnyEmission, Running
from .._loops import NO_RUNNER, runner_of, runs_here
from ._delivery import Step
from ._delivery import begin as begin_delivery
from ._end import begin, cancelled, finish, hook
from ._flight import take_off_later
from ._here import stages
from ._job import wake
from ._report import Loss
from ._settings import LoopFactory
from ._step import Deliver, task_of
from ._whole import drain

if TYPE_CHECKING:
    from ._job import Job
    from ._line import Line

Turn: TypeAlias = "tuple[Job, int] | tuple[AnyEmission, Context]"
"""A delivery; or an emission on the short way, and the context of whoever emitted it. That is not in the handle: it would
keep alive what the context refers to, a loop too."""


class Stage(Running):
    """The deliveries of one loop, or of one thread without a loop, that are ready or running."""

    __slots__ = (
        "__weakref__",
        "_context",
        "_ending",
        "_outer",
        "awake",
        "calls",
        "crashed",
        "held",
        "is_shut",
        "is_threads",
        "late",
        "lines",
        "loop",
        "losses",
        "ready",
        "runner",
        "tasks",
        "thread",
        "until_idle",
        "waiting",
    )

    def __init__(self, loop: AbstractEventLoop | None) -> None:
        super().__init__()
        self.belong(loop)
        self.is_threads = loop is None  # whatever fresh loop runs it for a while
        self.thread = get_ident()
        self.ready: deque[Turn] = deque()
        # Strong: asyncio itself refers to tasks weakly. They live here, and the stage lives on its loop.
        self.tasks: dict[tuple[object, int], asyncio.Task[None]] = {}
        self.waiting: set[asyncio.Future[None]] = set()  # of those who wait in this loop, for the same reason
        self.lines: WeakKeyDictionary[object, Line] = WeakKeyDictionary()  # by processor
        # Those with something pending or to report, whoever lets go of the processor; in a loop all that have one.
        # Copied as a list, which the collector cannot come between: for a tuple of it CPython begins to look, and then
        # asks for memory.
        self.held: dict[Line, None] = {}
        self.losses: list[Loss] = []  # of all lines
        self.crashed: set[asyncio.Task[None]] = set()  # by what left through the loop: nobody else asks for it
        self.is_shut = False
        self._ending: str | None = None
        self._outer: AnyEmission | None = None
        self.late = 0  # deliveries that are settled, and whose threads have not returned
        self.calls: deque[Callable[[], object]] = deque()  # what other threads want done here
        self.until_idle: Callable[[], object] | None = None  # of a thread's fresh loop
        self.awake = False
        self._context = Context()  # our callbacks must not keep an emitter's context alive

    def belong(self, loop: AbstractEventLoop | None) -> None:
        """What is ready runs in *loop*; without one in this thread."""
        self.loop = loop
        self.runner = runner_of(loop)

    # -- what shuts the short ways ------------------------------------------------------------------------------------
    @property
    def ending(self) -> str | None:
        """Why nothing may start any more."""
        return self._ending

    @ending.setter
    def ending(self, reason: str | None) -> None:
        self._ending = reason
        self._judge()

    @property
    def outer(self) -> "AnyEmission | None":
        """Whose handler, on the short way, runs this loop."""
        return self._outer

    @outer.setter
    def outer(self, emission: "AnyEmission | None") -> None:
        self._outer = emission
        self._judge()

    def fork(self) -> None:
        """This process is a copy of the one whose thread may be running this loop: here nobody runs it."""
        self.runner = NO_RUNNER

    def _judge(self) -> None:
        # In one place, because whoever takes a short way looks only here.
        self.is_shut = self._ending is not None or self._outer is not None

    # -- who is next --------------------------------------------------------------------------------------------------
    def wake(self) -> None:
        """See that what is ready will run: soon in a loop, at once in a thread without one, unless it does already."""
        if self.loop is not None:
            if not self.awake and not self.ending:
                self.awake = True
                self.loop.call_soon(self._turn, context=self._context)
        elif self.emission is None:
            self.run()

    def _turn(self) -> None:
        # Only what is ready now: handlers that emit for ever must not keep the loop from turning.
        ready = self.ready
        spawned = False
        try:
            turns = repeat(None, len(ready))
            while ready and not self.ending and length_hint(turns):
                # An async handler between two plain ones starts between them: its task's first step comes first.
                wants_task = _wants_task(ready[0])
                if spawned and not wants_task:
                    return
                step = self._begin(turns)
                if step is not None:
                    self.spawn(*step)
                spawned = spawned or wants_task or step is not None
        finally:
            # Not before: what a handler emits in between must not be scheduled ahead of the task of an earlier one.
            self.awake = False
            if ready:
                self.wake()

    def _begin(self, turns: Iterator[None]) -> Step | None:
        """Begin what is ready first, for one of *turns*; with an emission that is all calls, those behind it for others."""
        turn = self.ready[0]
        if not _is_delivery(turn) and turn[0]._route.is_plain:
            return drain(self, turns)
        next(turns)
        self.ready.popleft()
        if _is_delivery(turn):
            return begin_delivery(*turn)
        take_off_later(*turn)
        return None

    def start(self, job: "Job", index: int) -> None:
        """Begin a delivery that will want a task, and give it one."""
        step = begin_delivery(job, index)
        if step is not None:
            self.spawn(*step)

    def spawn(self, job: "Job", index: int, delivery: Deliver) -> None:
        """Give a delivery a task of its own, in a context of its own."""
        context = job.context if len(job.subscriptions) == 1 else job.context.copy()
        self.tasks[job, index] = task_of(delivery, self.loop, context)

    def reason_of(self, error: BaseException) -> str:
        """Why a task was left by *error*, which is no `Exception`; one that goes on through the loop is remembered."""
        if isinstance(error, GeneratorExit):
            return "loop lost"
        if isinstance(error, KeyboardInterrupt | SystemExit) and (task := asyncio.current_task()) is not None:
            self.crashed.add(task)
        return repr(error)

    # -- a thread without a loop --------------------------------------------------------------------------------------
    def run(self, first: Callable[[], Step | None] | None = None) -> None:
        """Do *first*, and then take whatever is ready, until nothing is."""
        ready = self.ready
        self.nobody = BUSY
        self.emission = self.emission or BUSY
        try:
            step = None if first is None else first()
            while True:
                if step is not None:
                    job, _, delivery = step
                    try:
                        self.run_in_fresh_loop(job.line.settings.loop_factory, partial(self.spawn, *step))
                    finally:
                        delivery.close()  # does nothing unless the loop could not even be made
                self.take_calls()
                if not ready:
                    break
                step = self._begin(repeat(None, 1))
        except BaseException as error:
            # Ctrl-C, SystemExit: this delivery knows, unless that came in the midst of our own code. The rest of the line
            # is not run behind the user's back.
            self.discard_rest(repr(error))
            for line in [*self.held]:
                line.discard_all(repr(error))
            for loss in self.losses:
                loss.report("when an exception ended their line")
            raise
        finally:
            self.emission = self.nobody = None

    def run_in_fresh_loop(self, make: LoopFactory | None, start: Callable[[], object]) -> None:
        """*start* something in a new loop, and run that until nothing is under way. Only for what `run` does."""
        # asyncio.Runner would turn the loop four times. As with its loop_factory, the thread's current event loop stays.
        loop = (make or asyncio.new_event_loop)()
        try:
            self.belong(loop)
            stages[loop] = ref(self)
            start()
            if self.ready:
                self.wake()
            self._run_until_idle(loop)
            if [loss for loss in self.losses if loss.emissions]:  # emitted while it ended; a list, as below
                finish(self, loop.close)
        finally:
            try:
                loop.close()  # nothing is open, but for Ctrl-C before it was run
            finally:
                # Without a call, which is where Ctrl-C comes: half of this would discard what is emitted next.
                self.loop = self.until_idle = self._ending = self._outer = None
                self.runner, self.is_shut, self.awake = NO_RUNNER, False, False

    def _run_until_idle(self, loop: AbstractEventLoop) -> None:
        """Run what has been started and what it leads to, and leave *loop* as `asyncio.run` leaves its own."""
        winding_up = None
        try:
            # No task of ours waits for the end, and no callback: it would outlive Ctrl-C, and stop what winds up then.
            self.until_idle = loop.stop
            self.idle()  # a signal handler may have cancelled it
            loop.run_forever()
            self.until_idle = None
            if self._is_under_way or _is_in_use(loop):
                winding_up = asyncio.Task(self._wind_up(loop), loop=loop, name="pyventus_typed")
                # A handler that waits for all other tasks, or cancels them, does not mean this one.
                asyncio._unregister_task(winding_up)
                loop.run_until_complete(winding_up)
            else:
                begin(self)
        except BaseException:
            self.until_idle = None
            if winding_up is not None:
                asyncio._register_task(winding_up)  # now it is cut off with the others
            hook(loop, self)
            with asyncio.Runner(loop_factory=lambda: loop) as runner:
                runner.get_loop()  # which is closed as after any asyncio.run
            raise

    @property
    def _is_under_way(self) -> bool:
        """Whether something is pending, or a thread has not returned."""
        # No generator: closing one that is left half-way swallows Ctrl-C.
        return self.late > 0 or bool([line for line in [*self.held] if line.ledger.open])

    async def _wind_up(self, loop: AbstractEventLoop) -> None:
        """Wait until nothing is under way, and leave the loop as `asyncio.run` leaves its own."""
        while self._is_under_way:
            waker: asyncio.Future[None] = loop.create_future()
            self.until_idle = partial(wake, waker)
            await waker
            self.until_idle = None
        begin(self)
        left = asyncio.all_tasks(loop)
        if left:
            await cancelled(left, loop)
        await loop.shutdown_asyncgens()
        await loop.shutdown_default_executor()

    def idle(self) -> None:
        """Something has ended: if nothing is under way any more, whoever waits for that is told."""
        if self.until_idle is not None and not self._is_under_way:
            self.until_idle()

    # -- the end ------------------------------------------------------------------------------------------------------
    def discard_rest(self, reason: str) -> None:
        """Discard whatever has not started."""
        for line in [*self.held]:
            line.discard_rest(reason)
        self.ready.clear()

    def forget(self) -> None:
        """Its loop is closed: refer to nothing of it. The lines of a loop go with it, those of a thread start afresh."""
        self.tasks.clear()
        self.crashed.clear()
        self.ready.clear()
        self.late = 0
        for line in [*self.held]:
            line.forget()
        self.held.clear()
        if not self.is_threads:
            self.belong(None)
            self.lines.clear()

    # -- other threads ------------------------------------------------------------------------------------------------
    @property
    def is_here(self) -> bool:
        """Whether the caller may touch it: it is this thread's, and no other thread's loop is running it."""
        if self.loop is not None and self.loop.is_running():
            return runs_here(self.loop)
        return self.thread == get_ident()

    def call(self, function: Callable[[], object]) -> bool:
        """Have *function* called by whoever runs this stage; ``False`` if its loop is closed."""
        self.calls.append(function)
        if self.loop is not None:
            try:
                self.loop.call_soon_threadsafe(self.take_calls, context=self._context)
            except RuntimeError:
                try:
                    self.calls.remove(function)
                except ValueError:
                    return True  # taken while the loop was closing
                return False
        return True

    def take_calls(self) -> None:
        """Do what other threads wanted done."""
        self.thread = get_ident()
        while self.calls:
            self.calls.popleft()()


def _is_in_use(loop: AbstractEventLoop) -> bool:
    """Whether something is left in *loop* that `asyncio.run` would see to; where it does not say, something is."""
    # There is no public way to ask for the last three, and to start the loop once more takes longer than most handlers.
    return (
        bool(asyncio.all_tasks(loop))
        or bool(getattr(loop, "_ready", True))  # a connection that was closed takes some turns
        or bool(getattr(loop, "_asyncgens", True))
        or getattr(loop, "_default_executor", True) is not None
    )


def _is_delivery(turn: Turn) -> "TypeIs[tuple[Job, int]]":
    return type(turn[1]) is int


def _wants_task(turn: Turn) -> bool:
    return turn[0].is_async(turn[1]) if _is_delivery(turn) else turn[0]._route.is_async
