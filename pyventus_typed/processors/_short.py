"""The short ways of a line: emissions to handlers without options, where room is not asked for, enter and leave here.

They are in the same books and stand in the same queue as all others; what they save is the job. Whoever wants to look at
one of them, or to touch it, has it leave the short way: then it has a job, and goes on as any other.
"""

import asyncio
from collections.abc import Callable
from contextvars import Context, copy_context
from functools import partial
from operator import length_hint
from threading import get_ident
from typing import TYPE_CHECKING
from weakref import ref

from typing_extensions import override

from .._emission import AnyEmission, Emission, get_current
from .._event import Event
from .._ordering import Ordering
from .._routing import Route
from .._subscription import Subscription
from ._flight import Flight, take_off
from ._here import endings
from ._job import Job
from ._published import publish
from ._serving import Box, leave, open_box
from ._whole import Calls, unfold

if TYPE_CHECKING:
    from ._line import Line


class Short:
    """What goes the short ways of one line, to which it refers weakly: a line ends with its processor, not with the next
    garbage collection.
    """

    __slots__ = (
        "__weakref__",
        "awaited",
        "boxes",
        "flights",
        "is_passing",
        "jobs",
        "leaving",
        "ledger",
        "line",
        "published",
        "ref",
        "stage",
    )

    is_mail = False

    def __init__(self, line: "Line") -> None:
        self.ref = ref(self)
        self.line = line.ref
        self.ledger = line.ledger
        self.stage = line.stage
        self.jobs = line.jobs
        self.is_passing = line.stage.is_threads  # or its processor is gone: see Line.hold
        self.flights: dict[AnyEmission, Flight] = {}
        self.published: dict[AnyEmission, tuple[Calls, asyncio.Task[object]]] = {}
        # Of whoever awaits them in this loop, one each. Not in the handle: that would keep the loop alive.
        self.awaited: dict[AnyEmission, asyncio.Future[AnyEmission]] = {}
        # Of a mailbox:
        self.boxes: dict[Subscription[Event], Box] = {}
        self.leaving: list[Callable[[], object]] | None = None  # what else was wanted while boxes are left, if they are

    def enter(self, emission: Emission[Event], route: Route, /) -> bool:
        """Accept an emission to handlers without options, where room is not asked for; ``False`` if there is no short way."""
        stage = self.stage
        if stage.is_shut or endings or stage.runner._thread_id != get_ident():
            return False
        context = None
        # A task's first step comes after this turn of the loop, so with nobody before it it may be made at once.
        if route.is_plain or (route.is_async and (stage.ready or (stage.rest is not None and length_hint(stage.rest)))):
            context = copy_context()
        elif not route.is_async:
            return False
        parent = get_current()
        if parent is not None:
            emission._parent = ref(parent)
        # As ledger.enter, in line: here a call costs as much as a handler.
        ledger = self.ledger
        ledger.accepted += 1
        emission._keeper = self.line
        ledger.open[emission] = None
        if parent is not None:
            ledger.join(emission, parent)
        if self.is_passing:
            self.hold()
        if context is None:
            take_off(self, emission, route)
            return True
        stage.ready.append((emission, context))
        if not stage.awake:
            stage.wake()
        return True

    publish = publish

    def run(self, line: "Line", emission: Emission[Event]) -> None:
        """Accept an emission to one async handler in a thread without a loop, and run all of it in a fresh one."""
        context = copy_context()

        def first() -> None:
            # Not before the stage runs: a signal handler that emits would wait for this one, and Ctrl-C would leave it.
            line.hold()
            emission._keeper = self.line
            self.ledger.enter(emission)
            start = partial(take_off, self, emission, emission._route, context)
            self.stage.run_in_fresh_loop(line.settings.loop_factory, start)

        self.stage.run(first)

    def hold(self) -> None:
        """As the line's."""
        line = self.line()
        if line is not None:
            line.hold()

    def tell(self, emission: AnyEmission) -> None:
        """It is settled: whoever awaits it in this loop gets it, or what its handlers raised.

        Whoever waits until nothing is pending here may go on.
        """
        future = self.awaited.pop(emission, None)
        if future is not None and not future.done():
            failure = None if emission._outcomes is emission._route.done else emission._failure()
            if failure is None:
                future.set_result(emission)
            elif is_waited_for(future):
                future.set_exception(failure)
            else:
                future.cancel()  # nobody asks: what handlers raised was logged
        if self.is_passing and not self.ledger.open and (line := self.line()) is not None:
            line.let_go()
            self.stage.idle()

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
        elif self.boxes and emission._open:
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
        if self.boxes:
            leave(line)


class MailShort(Short):
    """The same under MAILBOX, for emissions to one async handler each."""

    __slots__ = ()

    is_mail = True

    @override
    def enter(self, emission: Emission[Event], route: Route, /) -> bool:
        stage = self.stage
        if (
            stage.is_shut
            or endings
            or not route.is_async
            or route.call is None
            or stage.runner._thread_id != get_ident()
        ):
            return False
        parent = get_current()
        if parent is not None:
            emission._parent = ref(parent)
        letter = copy_context(), emission
        try:
            box = self.boxes[route.receivers[0]]
        except KeyError:
            line = self.line()
            assert line is not None  # its processor is there: somebody emits through it
            box = open_box(line, route.receivers[0])
        # No call from here to where it stands in the box, so nobody comes in between. Whoever has a job closes them.
        if stage.ready or not box.is_open:
            return False
        ledger = self.ledger
        ledger.accepted += 1  # as above
        emission._keeper = self.line
        ledger.open[emission] = None
        box.append(letter)
        if parent is not None:
            ledger.join(emission, parent)
        if self.is_passing:
            self.hold()
        return True

    @override
    async def publish(self, emission: Emission[Event], route: Route, /) -> bool:
        return False


def is_waited_for(future: "asyncio.Future[AnyEmission]") -> bool:
    """Whether somebody waits for *future* at this moment: a coroutine that did may have been closed, which tells nobody."""
    return not future.done() and bool(getattr(future, "_callbacks", True))  # there is no public way to ask


def short_of(line: "Line") -> Short:
    """The short ways of *line*."""
    return (MailShort if line.settings.ordering is Ordering.MAILBOX else Short)(line)
