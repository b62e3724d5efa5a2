"""The short way of a mailbox: one task serves it, and its deliveries run there one after the other, each in its own context.

A handler that does not suspend costs no task then. One that does keeps this one to itself, and so does one that was
cancelled: what somebody does to that task later is done to nobody else. As on the other short ways, there are jobs as
soon as somebody wants to look at a delivery, or to touch it, or another one comes that needs a job; then for all of them.

A destructor or a signal handler may emit and cancel in the middle of every function here, wherever something is called.
So each step leaves the boxes in order, and asks again after a call what may have changed.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from contextvars import Context
from functools import partial
from types import coroutine
from typing import TYPE_CHECKING, Any, TypeAlias

from .._emission import AnyEmission, set_current
from .._event import Event
from .._ledger import SINGLE
from .._ordering import Place
from .._outcome import DONE, NOTHING, Completed, Discarded, Outcome
from .._subscription import Call, Subscription
from ._flight import failed
from ._job import Job
from ._step import OWN

if TYPE_CHECKING:
    from ._line import Line

Work: TypeAlias = Coroutine[Any, Any, object]  # Any: what a loop and its futures say to each other
_AT_ONCE = 100
"""So many deliveries run in one turn of the loop; then others have theirs."""


class Box(deque[AnyEmission]):
    """What one subscription is to receive."""

    __slots__ = ("is_left", "task")

    def __init__(self) -> None:
        super().__init__()
        self.is_left = False  # all that stands in it has jobs, and goes on with those
        self.task: asyncio.Task[None] | None = None  # runs the first one, or is about to


def post(line: "Line", emission: AnyEmission) -> None:
    """Put an accepted emission to one async handler into its box."""
    subscription = emission._subscriptions[0]
    box = line.short.boxes.get(subscription)
    if box is None:
        box = Box()
        _serve(line, subscription, box)
        box = line.short.boxes.setdefault(subscription, box)
    if emission in line.short.contexts:  # else it has left meanwhile
        box.append(emission)


def _serve(line: "Line", subscription: Subscription[Event], box: Box) -> None:
    box.task = line.stage.take_off(serve(line, subscription, box), Context())  # each delivery there finds its own


def leave(line: "Line") -> None:
    """Give a job to all that stands in boxes. They stand in those of the ordering then, in the same order."""
    short = line.short
    if short.leaving is not None:
        return
    short.leaving = []
    contexts, short.contexts = short.contexts, {}
    boxes, short.boxes = short.boxes, {}
    tasks: dict[AnyEmission, asyncio.Task[None]] = {}
    for box in boxes.values():
        box.is_left = True
        if box and box.task is not None:
            tasks[box[0]] = box.task
    ready: list[tuple[Place, int]] = []
    for emission, context in contexts.items():
        if not emission._open or emission in line.jobs:
            continue
        if emission._outcomes[0] is None:
            context.run(set_current, emission)  # who runs it from here on finds it there
        emission._outcomes = [*emission._outcomes]
        job = line.jobs[emission] = Job(line, emission, context, line.turns, None)
        turns = line.turns.enter(job)
        task = tasks.pop(emission, None)
        if task is not None:
            line.stage.tasks[job, 0] = task
        else:
            ready.extend(turns)
    for emission, task in tasks.items():
        line.stage.tasks[emission, 0] = task  # of a lost loop: what it ran is settled, but it is to be closed
    line.make_ready(ready)
    later, short.leaving = short.leaving, None
    for wanted in later:
        wanted()


async def serve(line: "Line", subscription: Subscription[Event], box: Box) -> None:  # noqa: C901, PLR0912 - as in deliver
    """Run what stands in *box*, oldest first, and settle it, whatever happens.

    Whoever makes it takes the first step, as with ``fly``.
    """
    left = 0
    task: Any = None  # Any: for _must_cancel, below
    while True:
        outcome: Outcome = NOTHING
        work: Work | None = None
        cut: BaseException | None = None
        if not left:
            left = _AT_ONCE
            try:
                await OWN
                task = asyncio.current_task()
            except BaseException as error:  # noqa: BLE001 - it is that of the delivery, below
                cut = error
        left -= 1
        if not box:  # another one was put in its place, or its only one has left
            if line.short.boxes.get(subscription) is box:
                del line.short.boxes[subscription]
            if cut is not None:
                raise cut
            return
        emission = box[0]
        try:
            if cut is not None:
                raise cut
            if emission._outcomes[0] is not None:
                return  # it was discarded while it waited
            context = line.short.contexts.get(emission)
            if context is None:  # it has left
                context = line.jobs[emission].context
            emission._outcomes = SINGLE
            work, value = context.run(_first_step, emission, subscription._handler)
            if work is not None:
                set_current(emission)  # here too: for whoever asks this task's own context
                value = await _in(context, work, value)
            if value is not None:
                outcome = Completed(value)
        except Exception as error:  # noqa: BLE001 - it is the delivery's outcome
            outcome = failed(line, emission, 0, error)
        except asyncio.CancelledError:
            outcome = line.cut_off(emission, 0)
        except BaseException as error:
            reason = line.stage.reason_of(error)
            if _settle(line, subscription, box, Discarded(reason, started=emission._outcomes[0] is not None)):
                _serve(line, subscription, box)
            raise
        if not _settle(line, subscription, box, outcome):
            return
        # There is no public way to ask for a cancellation that is still to come: it would hit the next handler.
        if work is not None or cut is not None or task is None or task._must_cancel:
            _serve(line, subscription, box)
            return
        box.task = task


def _settle(line: "Line", subscription: Subscription[Event], box: Box, outcome: Outcome) -> bool:
    """The end of the first one in *box*; whether there is another one, which has no task then."""
    emission = box[0]
    if emission not in line.short.contexts:
        job = line.jobs.get(emission)
        if job is not None:
            line.settle(job, 0, outcome)
        return False  # if it has none it is settled: its loop was closed
    del line.short.contexts[emission]
    box.task = None
    box.popleft()
    ledger = line.ledger
    if outcome is NOTHING:
        ledger.complete(emission, DONE)
    else:
        ledger.settle(emission, 0, outcome)
    if not ledger.open:
        line.let_go()
    if not box and not box.is_left:
        del line.short.boxes[subscription]
    return not box.is_left and len(box) > 0


def _first_step(emission: AnyEmission, handler: Call) -> tuple[Work | None, Any]:  # Any: as above
    """What is left of the handler's coroutine, and what that waits for; or nothing, and what it has returned."""
    set_current(emission)
    work: Any = handler(emission._event)  # Any: it is an async def
    try:
        return work, work.send(None)
    except StopIteration as stop:
        return None, stop.value


@coroutine
def _in(context: Context, work: Work, waits: Any) -> Generator[Any, Any, object]:  # Any: as above
    """Go on with *work*, each step of it in *context*."""
    step: Callable[[], object]
    while True:
        try:
            sent = yield waits
        except BaseException as error:  # noqa: BLE001 - it is the handler's to deal with
            step = partial(work.throw, error)
        else:
            step = partial(work.send, sent)
        try:
            waits = context.run(step)
        except StopIteration as stop:
            return stop.value
