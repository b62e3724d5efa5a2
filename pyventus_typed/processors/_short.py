"""The short ways of a line: emissions to handlers without options, where room is not asked for, enter and leave here.

They are in the same books and stand in the same queue as all others; what they save is the job. Whoever wants to look at
one of them, or to touch it, has it leave the short way: then it has a job, and goes on as any other.
"""

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import Context, copy_context
from typing import TYPE_CHECKING, Any
from weakref import ref

from .._emission import AnyEmission, Emission, get_current
from .._event import Event
from .._loops import runs_here
from .._ordering import Ordering
from .._outcome import DONE, NOTHING, Outcome
from .._routing import Route
from .._subscription import Subscription
from ._flight import Flight, take_off
from ._here import endings
from ._job import Job
from ._published import run_short
from ._serving import Box, leave, post
from ._whole import Calls, unfold

if TYPE_CHECKING:
    from ._line import Line


class Short:
    """What goes the short ways of one line, to which it refers weakly: a line ends with its processor, not with the next
    garbage collection.
    """

    __slots__ = (
        "__weakref__",
        "boxes",
        "contexts",
        "flights",
        "is_mail",
        "jobs",
        "leaving",
        "ledger",
        "line",
        "published",
        "ref",
        "stage",
    )

    def __init__(self, line: "Line") -> None:
        self.ref = ref(self)
        self.line = line.ref
        self.ledger = line.ledger
        self.stage = line.stage
        self.jobs = line.jobs
        self.is_mail = line.settings.ordering is Ordering.MAILBOX
        self.flights: dict[AnyEmission, Flight] = {}
        self.published: dict[AnyEmission, tuple[Calls, asyncio.Task[object]]] = {}
        self.boxes: dict[Subscription[Event], Box] = {}
        self.leaving: list[Callable[[], object]] | None = None  # what else was wanted while boxes are left, if they are
        # Of those that wait, oldest first. Not in the handle: that would keep alive what a context refers to, a loop too.
        self.contexts: dict[AnyEmission, Context] = {}

    def enter(self, emission: Emission[Event], route: Route, /) -> bool:  # noqa: C901 - a call costs as much as a handler
        """Accept an emission to handlers without options, where room is not asked for; ``False`` if there is no short way."""
        ledger, stage = self.ledger, self.stage
        if stage.ending or endings or stage.outer is not None or not runs_here(stage.loop):
            return False
        if not route.is_async and (self.is_mail or not route.is_plain):
            return False
        parent = get_current()
        if parent is not None:
            emission._parent = ref(parent)
        line = None if route.is_plain and ledger.open else self.line()
        # A task's first step comes after this turn of the loop, so with nobody before it it may be made at once.
        flies = route.is_async and not self.is_mail and not stage.ready
        if not flies:
            emission._route = route
            context = copy_context()
            # Asked after the last call: somebody who has a job may stand before it in a mailbox.
            if self.is_mail and (route.call is None or self.jobs or stage.ready or self.leaving is not None):
                return False
            self.contexts[emission] = context
        if not ledger.open and (line := line or self.line()) is not None:
            stage.held[line] = None
        # As ledger.enter, in line: here a call costs as much as a handler.
        ledger.accepted += 1
        emission._wave = None
        emission._keeper = self.line
        ledger.open[emission] = None
        if parent is not None:
            ledger.join(emission, parent)
        if not flies and not self.is_mail:
            stage.ready.append(emission)
            if not stage.awake:
                stage.wake()
            return True
        assert line is not None  # its processor is there: somebody emits through it
        if flies:
            take_off(line, emission, route)
        else:
            post(line, emission)
        return True

    def publish(
        self, emission: Emission[Event], route: Route, /
    ) -> Coroutine[Any, Any, None] | None:  # Any: as in the port
        """What accepts such an emission and runs it in the caller's task; ``None`` if there is no short way."""
        stage = self.stage
        if self.is_mail or stage.ending or endings or stage.outer is not None or not runs_here(stage.loop):
            return None
        line = self.line()
        return None if line is None or get_current() is not None else run_short(line, emission, route)

    def land(self, line: "Line", emission: AnyEmission, index: int, outcome: Outcome) -> None:
        """The end of a delivery in flight."""
        ledger = self.ledger
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
        if not ledger.open:
            line.let_go()

    def leave(self, line: "Line", emission: AnyEmission) -> None:
        """Give *emission* a job, with which it goes on, if it is under way on a short way."""
        stage = self.stage
        if stage.emission is emission:
            self._unfold(line, emission, stage.rest, None)
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
                    stage.tasks[job, index] = task
        elif self.is_mail and emission in self.contexts:
            leave(line)

    def _unfold(
        self, line: "Line", emission: AnyEmission, rest: Calls | None, runner: "asyncio.Task[object] | None"
    ) -> None:
        if emission not in self.ledger.open:
            line.hold()
            self.ledger.reopen(emission)
            emission._keeper = line.ref
        taken = self.stage.taken
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
        if self.is_mail:
            leave(line)
