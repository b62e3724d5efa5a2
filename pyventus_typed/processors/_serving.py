"""The short way of a mailbox: one task serves it, and its deliveries run there one after the other, each in its own context.

A handler that does not suspend costs no task then. One that does keeps this one to itself, and so does one that failed or
was cancelled: what somebody does to that task later is done to nobody else. As on the other short ways, there are jobs as
soon as somebody wants to look at a delivery, or to touch it, or another one comes that needs a job; then for all of them.

A destructor or a signal handler may emit and cancel in the middle of every function here, wherever something is called.
So each step leaves the boxes in order, and asks again after a call what may have changed.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from contextvars import Context
from functools import partial
from itertools import repeat
from types import coroutine
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from .._emission import AnyEmission, set_current
from .._event import Event
from .._ledger import SINGLE, Entry
from .._ordering import Place
from .._outcome import DONE, NOTHING, Completed, Discarded, Outcome
from .._subscription import Subscription
from ._flight import failed
from ._job import Job
from ._step import OWN, task_of

if TYPE_CHECKING:
    from ._line import Line

Work: TypeAlias = Coroutine[Any, Any, object]  # Any: what a loop and its futures say to each other
Letter: TypeAlias = tuple[Context, AnyEmission]  # not in the handle: that would keep alive what a context refers to
_AsyncDef: TypeAlias = Callable[..., Any]  # Any: what it takes and gives was checked where it was subscribed
_PAUSE: Final = object()  # what no handler waits for
_AT_ONCE = 100
"""So many deliveries run in one turn of the loop; then others have theirs."""


class Box(deque[Letter]):
    """What one subscription is to receive, oldest first. One that is being delivered stands in it until it is settled."""

    __slots__ = ("is_open", "task")

    def __init__(self) -> None:
        super().__init__()
        self.is_open = False  # what is emitted comes in here, and nothing that stands in it has a job
        self.task: asyncio.Task[None] | None = None  # runs the first one, or is about to

    def close(self) -> list[Letter]:
        """Give what stands in it, which has jobs from here on. What its task runs, or is about to, goes on in that."""
        self.is_open = False
        found = [*self]
        self.clear()
        if found and self.task is not None:
            self.append(found[0])
        return found


def open_box(line: "Line", subscription: Subscription[Event]) -> Box:
    """The box of an async handler that had none; not open where somebody who has a job may stand before in a mailbox."""
    box, short = Box(), line.short
    if line.jobs or line.stage.ready or short.leaving is not None:
        return box
    _serve(line, subscription, box)
    # From here on nothing is called. Somebody who did the same in between may have opened another one.
    if subscription in short.boxes:
        return short.boxes[subscription]
    if not line.jobs and short.leaving is None:
        short.boxes[subscription] = box
        box.is_open = True
    return box


def _serve(line: "Line", subscription: Subscription[Event], box: Box) -> None:
    serving = serve(line, subscription, box)
    serving.send(None)  # up to where it wants a task
    box.task = task_of(serving, line.stage.loop, Context())  # each delivery there finds its own


def leave(line: "Line") -> None:
    """Give a job to all that stands in boxes. They stand in those of the ordering then, in the same order."""
    short = line.short
    if short.leaving is not None:
        return
    short.leaving = []
    boxes, short.boxes = short.boxes, {}
    letters: dict[Entry, Letter] = {}
    tasks: dict[Entry, asyncio.Task[None]] = {}
    for box in boxes.values():
        letters.update((letter[1], letter) for letter in box.close())
        if box and box.task is not None:
            tasks[box[0][1]] = box.task
    ready: list[tuple[Place, int]] = []
    # Oldest first. One step of CPython takes them all: between two somebody may emit.
    for entry in [*line.ledger.open]:
        if entry not in letters:
            continue
        context, emission = letters[entry]
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
    for lost, task in tasks.items():
        line.stage.tasks[lost, 0] = task  # of a lost loop: what it ran is settled, but it is to be closed
    line.make_ready(ready)
    later, short.leaving = short.leaving, None
    for wanted in later:
        wanted()


async def serve(line: "Line", subscription: Subscription[Event], box: Box) -> None:
    """Run what stands in *box*, oldest first, and settle it, whatever happens.

    Whoever makes it takes the first step, as with ``fly``.
    """
    outcome: Outcome | None = None  # of one that did more than return at once: it is the last one here
    try:
        await OWN
        while box:
            task: Any = asyncio.current_task()  # Any: for _must_cancel, below
            box.task = task
            delivering: Any = _deliver(line, subscription._handler, box)  # Any: types.coroutine hides the generator
            step = delivering.send
            step(None)
            for _ in repeat(None, _AT_ONCE):
                context, emission = box[0]
                if not box.is_open and emission._outcomes[0] is not None:
                    return  # it was discarded while it waited
                emission._outcomes = SINGLE
                waits = context.run(step, emission)
                if waits is not _PAUSE:
                    set_current(emission)  # here too: for whoever asks this task's own context
                    value = await _in(context, delivering.gi_yieldfrom, waits)
                    outcome = NOTHING if value is None else Completed(value)
                    return
                # There is no public way to ask for a cancellation that is still to come: it would hit the next handler.
                if not box or task._must_cancel:
                    return
                box.task = task
            await OWN
    except BaseException as error:
        outcome = _left_by(line, box, error)
        if not isinstance(error, Exception | asyncio.CancelledError):
            raise
    finally:
        if outcome is not None:
            _settle(line, box, outcome)
        _end(line, subscription, box)


@coroutine
def _deliver(line: "Line", handler: _AsyncDef, box: Box) -> Generator[Any, AnyEmission, None]:  # Any: as above
    """Deliver what is sent, the first one in *box*, and pause. Whoever goes on with it does so in the next one's context.

    So a handler that does not suspend costs neither a task nor a ``StopIteration``, and few calls.
    """
    ledger, short = line.ledger, line.short
    while True:
        emission = yield _PAUSE
        set_current(emission)
        value = yield from handler(emission._event)
        if value is None and box.is_open:
            # As _settle, in line. What is in no box any more gets no job.
            box.task = None
            box.popleft()
            ledger.complete(emission, DONE)
            if short.awaited or short.is_passing:
                short.tell(emission)
        else:
            _settle(line, box, NOTHING if value is None else Completed(value))


def _left_by(line: "Line", box: Box, error: BaseException) -> Outcome | None:
    """The outcome of the first one in *box*, which *error* has left, or kept from being started."""
    reason = "" if isinstance(error, Exception | asyncio.CancelledError) else line.stage.reason_of(error)
    if not box or box.task is None:
        return None  # it came between two
    emission = box[0][1]
    if isinstance(error, Exception):
        return failed(line, emission, 0, error)
    if isinstance(error, asyncio.CancelledError):
        return line.cut_off(emission, 0)
    return Discarded(reason, started=emission._outcomes[0] is not None)


def _settle(line: "Line", box: Box, outcome: Outcome) -> None:
    """The end of the first one in *box*; who is next has no task then."""
    emission = box[0][1]
    box.task = None
    box.popleft()
    job = line.jobs.get(emission)
    if job is not None:
        line.settle(job, 0, outcome)
    elif not emission._open:
        pass  # its loop was lost
    elif outcome is NOTHING:
        line.ledger.complete(emission, DONE)
    else:
        line.ledger.settle(emission, 0, outcome)
    if job is None and (line.short.awaited or line.short.is_passing):
        line.short.tell(emission)


def _end(line: "Line", subscription: Subscription[Event], box: Box) -> None:
    """A task serves *box* no more: another one does, unless nothing is left."""
    if not box.is_open:
        return
    if box and line.ledger.open:  # else its loop was lost
        _serve(line, subscription, box)
        return
    box.is_open = False
    del line.short.boxes[subscription]


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
