"""One task for what stands in a mailbox: its deliveries run there one after the other, each in its own context.

A handler that does not suspend costs no task then. One that does keeps this one to itself, and so does one that was
cancelled: what somebody does to that task later is done to nobody else.
"""

import asyncio
from collections.abc import Callable, Coroutine, Generator
from contextvars import Context
from functools import partial
from types import coroutine
from typing import Any, TypeAlias

from .._emission import AnyEmission, set_current
from .._ledger import STARTED, put
from .._outcome import NOTHING, Completed, Discarded, Failed, Outcome
from .._subscription import Call
from ._job import Job
from ._step import OWN, trim

Work: TypeAlias = Coroutine[Any, Any, object]  # Any: what a loop and its futures say to each other
_AT_ONCE = 100
"""So many deliveries run in one turn of the loop; then others have theirs."""


async def serve(job: Job, index: int) -> None:  # noqa: C901 - one delivery in one place, as in deliver
    """Run this delivery, whose turn it is, and those that stand behind it in its mailbox; settle them, whatever happens.

    Whoever makes it takes the first step, as with ``fly``.
    """
    line, left = job.line, 0
    task: Any = None  # Any: for _must_cancel, below
    while True:
        emission = job.emission
        outcome: Outcome = NOTHING
        work: Work | None = None
        try:
            if not left:
                left = _AT_ONCE
                await OWN
                task = asyncio.current_task()
                if emission._outcomes[index] is not None:
                    return  # it was discarded while it waited
            left -= 1
            subscriptions = emission._subscriptions
            put(emission, index, STARTED)
            set_current(emission)  # here too: for whoever asks this task's own context
            context = job.context if len(subscriptions) == 1 else job.context.copy()
            work, value = context.run(_first_step, emission, subscriptions[index]._handler)
            if work is not None:
                value = await _in(context, work, value)
            if value is not None:
                outcome = Completed(value)
        except Exception as error:  # noqa: BLE001 - it is the delivery's outcome
            trim(error)
            line.tell(job, index, error)
            outcome = Failed(error)
        except asyncio.CancelledError:
            outcome = line.cut_off(emission, index)
        except BaseException as error:
            reason = line.stage.reason_of(error)
            line.settle(job, index, Discarded(reason, started=emission._outcomes[index] is not None))
            raise
        turns = line.conclude(job, index, outcome)
        if not turns:
            return
        ((place, index),) = turns
        assert isinstance(place, Job)  # as in make_ready
        # What is published is its caller's to run, and one whose predicate raised has failed already.
        is_ours = place.granted is None and place.is_served(index)
        # There is no public way to ask for a cancellation that is still to come: it would hit the next handler.
        is_free = task is not None and work is None and not task._must_cancel
        if not (is_ours and is_free) or line.stage.ready or line.stage.ending:
            line.make_ready(turns)
            return
        job = place
        line.stage.tasks[job, index] = task


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
