"""The short ways of a line: emissions to handlers without options, where room is not asked for, enter and leave here.

They are in the same books and stand in the same queue as all others; what they save is the job. Whoever wants to look at
one of them, or to touch it, has it leave the short way: then it has a job, and goes on as any other.
"""

import asyncio
from contextvars import Context, copy_context
from typing import TYPE_CHECKING, Final
from weakref import ref

from .._emission import AnyEmission, Emission, get_current, set_current
from .._event import Event
from .._loops import runs_here
from .._ordering import Ordering
from .._outcome import NOTHING, Outcome
from .._routing import Route
from ._flight import Flight, fly
from ._here import endings
from ._job import Job
from ._whole import Calls, unfold

if TYPE_CHECKING:
    from ._line import Line

DONE: Final = (NOTHING,)
"""The outcomes of an emission whose one handler has returned ``None``: shared."""


class Short:
    """What goes the short ways of one line, which is given with each call: to hold it would be a cycle, and a line ends
    with its processor, not with the next garbage collection.
    """

    __slots__ = ("flights", "is_mail", "ledger", "published", "stage")

    def __init__(self, line: "Line") -> None:
        self.ledger = line.ledger
        self.stage = line.stage
        self.is_mail = line.settings.ordering is Ordering.MAILBOX
        self.flights: dict[AnyEmission, Flight] = {}
        self.published: dict[AnyEmission, tuple[Calls, asyncio.Task[object]]] = {}

    def is_open(self, line: "Line") -> bool:
        """Whether what is emitted here, without any wish for order or room, needs no look at anything else."""
        stage = self.stage
        return not (stage.ending or endings) and stage.outer is None and not line.debug and runs_here(stage.loop)

    def enter(self, line: "Line", emission: Emission[Event], route: Route) -> bool:
        """Accept an emission to handlers without options, where room is not asked for; ``False`` if there is no short way."""
        ledger, stage = self.ledger, self.stage
        if not (route.is_plain or route.is_async or self.is_mail) or not self.is_open(line):
            return False
        if not ledger.open:
            stage.held[line] = None
        parent = get_current()
        if parent is None:
            ledger.enter(emission)
        else:
            emission._parent = ref(parent)
            ledger.accept(emission, parent)
        emission._keeper = line.ref
        stage.unfinished += 1
        if self.is_mail:
            context = copy_context()
            if not route.is_async:
                context.run(set_current, emission)  # else each task does
            job = line.jobs[emission] = Job(line, emission, context, line.turns, None)
            turns = line.turns.enter(job)
            if turns:
                line.make_ready(turns)
        # A task's first step comes after this turn of the loop, so with nobody before it it may be made at once.
        elif route.is_async and not stage.ready:
            self.take_off(line, emission, route)
        else:
            stage.ready.append((line, emission, route, copy_context()))
            if not stage.awake:
                stage.wake()
        return True

    def take_off(self, line: "Line", emission: AnyEmission, route: Route, context: Context | None = None) -> None:
        """Give each delivery of an emission to async handlers a task of its own, in a context of its own."""
        stage = self.stage
        if route.call is not None:
            self.flights[emission] = stage.take_off(fly(line, emission, 0, route.call), context)
            return
        emission._outcomes = [None] * route.count
        self.flights[emission] = tasks = []
        for index, handler in enumerate(route.calls):
            own = None if context is None else context.copy()
            tasks.append(stage.take_off(fly(line, emission, index, handler), own))

    def land(self, line: "Line", emission: AnyEmission, index: int, outcome: Outcome) -> None:
        """The end of a delivery in flight."""
        ledger, stage = self.ledger, self.stage
        if emission not in self.flights:
            job = line.jobs.get(emission)
            if job is not None:
                line.settle(job, index, outcome)
            return  # else it is settled: its loop was closed
        if outcome is NOTHING and len(emission._subscriptions) == 1:
            ledger.complete(emission, DONE)
        elif not ledger.settle(emission, index, outcome):
            return
        del self.flights[emission]
        if not ledger.open and not line.lost.emissions:
            stage.held.pop(line, None)
        stage.unfinished -= 1
        if not stage.unfinished and stage.until_idle is not None:
            stage.idle()

    def complete(self, line: "Line", emission: AnyEmission, route: Route) -> None:
        """Every call has returned ``None``."""
        ledger, stage = self.ledger, self.stage
        ledger.complete(emission, route.done)
        if not ledger.open and not line.lost.emissions:
            stage.held.pop(line, None)
        stage.unfinished -= 1
        if not stage.unfinished and stage.until_idle is not None:
            stage.idle()

    def publish(self, line: "Line", emission: Emission[Event], calls: Calls, task: "asyncio.Task[object]") -> None:
        """Accept an emission to handlers without options that *task* calls and awaits, one after the other."""
        ledger, stage = self.ledger, self.stage
        if not ledger.open:
            stage.held[line] = None
        ledger.enter(emission)
        emission._keeper = line.ref
        stage.unfinished += 1
        self.published[emission] = calls, task

    def leave(self, line: "Line", emission: AnyEmission) -> None:
        """Give *emission* a job, with which it goes on, if it is under way on a short way."""
        running = self.stage.running
        if running.emission is emission:
            self._unfold(line, emission, running.rest, None)
        elif emission in self.published:
            calls, runner = self.published.pop(emission)
            if emission._open:  # else its loop was lost, and it is settled
                self._unfold(line, emission, calls, runner)
        elif emission in self.flights:
            tasks = self.flights.pop(emission)
            emission._outcomes = [*emission._outcomes]
            job = Job(line, emission, Context(), line.turns, None)
            job.held = emission._open
            if emission._open:  # as above; but its tasks are still to be closed
                line.jobs[emission] = job
            for index, task in enumerate(tasks if isinstance(tasks, list) else [tasks]):
                if not task.done():
                    self.stage.tasks[job, index] = task

    def _unfold(
        self, line: "Line", emission: AnyEmission, rest: Calls | None, runner: "asyncio.Task[object] | None"
    ) -> None:
        if emission not in self.ledger.open:
            line.hold()
            self.ledger.reopen(emission)
            emission._keeper = line.ref
            self.stage.unfinished += 1
        taken = self.stage.running.taken
        running = unfold(emission, rest, len(taken) if runner is None else 0)
        job = line.jobs[emission] = Job(line, emission, Context(), line.turns, None)
        job.held = emission._open
        left = range(running + 1, len(emission._subscriptions))
        if runner is None:
            taken.clear()
            self.stage.ready.extendleft((job, index) for index in reversed(left))
        else:
            job.runner = runner
            job.granted = {running, *left}

    def leave_all(self, line: "Line") -> None:
        """Give a job to all that has a task."""
        for emission in (*self.flights, *self.published):
            self.leave(line, emission)
