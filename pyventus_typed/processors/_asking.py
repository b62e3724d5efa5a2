"""``ask_sync``: a request that is answered before the call returns, whatever runs here."""

import asyncio
from contextvars import copy_context
from functools import partial
from typing import Any

from .._composed import Composed, outcome_of
from .._emission import STARTED, AnyEmission, Delivery, set_current
from .._errors import DefinitionError
from .._loops import get_running_loop
from .._outcome import Completed, Discarded, Failed, Outcome
from .._processing import EmitterState
from .._spelling import spell, spell_event
from ._accepting import accept, hand_over
from ._queue import Queue
from ._schedulers import current_scheduler
from ._waiting import over


def refuse_to_await(emission: AnyEmission) -> None:
    """Raise `DefinitionError` if a loop runs here that the answer to *emission* would need."""
    if get_running_loop() is None:
        return
    answer, call = emission._route.receivers[0], emission._route.calls[0]
    if answer._is_async or answer.in_thread:
        raise _must_be_awaited(emission, "is async" if answer._is_async else "has in_thread=True")
    if type(call) is Composed and call.is_async:
        raise _must_be_awaited(emission, "has an async context manager around it")


def answer_now(queue: Queue, emission: AnyEmission, state: EmitterState) -> object:
    """Accept *emission*, call its first handler, and return or raise what that does. The others are for the queue: it runs
    them in the background of its loop, or behind what stands before them where a handler asks.
    """
    scheduler, context = queue.scheduler, copy_context()
    queue.asked[emission] = None  # what its answer raises is raised here, and not logged
    try:
        # Else whoever changes the scheduler now, or runs it, in this thread or another one, goes on with the others.
        is_ours = scheduler.is_here and not scheduler.busy
        if is_ours and scheduler.loop is None and not scheduler.runs:
            accept(queue, emission, state, context)  # and run it to the end
            return Delivery(emission, 0)._answer()
        call = next(emission._cursor)
        emission._write(0, STARTED)
        emission._open += 1
        if is_ours:
            accept(queue, emission, state, context)
        else:
            hand_over(queue, emission, state, context, None)
        if scheduler.ending is not None:
            _conclude(queue, emission, Discarded(scheduler.ending, started=False))
            raise asyncio.CancelledError(f"{spell_event(emission._event)} was not answered: its loop ends")
        queue.started(emission, 0)
        own = context.copy()
        own.run(set_current, emission)
        try:
            cannot_await = partial(_must_be_awaited, emission, "or what is around it has something to await")
            finish = partial(_run_in_fresh_loop, queue) if get_running_loop() is None else None
            outcome, _ = own.run(outcome_of, call, Delivery(emission, 0), cannot_await, finish)
        except BaseException as error:
            _conclude(queue, emission, Discarded(repr(error), started=True))
            raise
        _conclude(queue, emission, outcome)
        if isinstance(outcome, Completed):
            return outcome.value
        if isinstance(outcome, Failed):
            raise outcome.error
        raise asyncio.CancelledError
    finally:
        queue.asked.pop(emission, None)


def _conclude(queue: Queue, emission: AnyEmission, outcome: Outcome) -> None:
    scheduler = queue.scheduler
    if scheduler.busy or not scheduler.is_here:
        scheduler.put(partial(queue.conclude, emission, 0, outcome))
    else:
        queue.conclude(emission, 0, outcome)


def _run_in_fresh_loop(queue: Queue, what: Any) -> object:  # Any: known to be awaitable
    """Await *what*, and all that is emitted meanwhile, in a new loop: a handler of this thread, which runs none, asks."""

    async def to_the_end() -> object:
        try:
            return await what
        finally:
            scheduler = current_scheduler()
            scheduler.take_all()
            await over(scheduler.end_epochs(), scheduler, None)

    # Without a factory the runner would change the thread's current event loop.
    with asyncio.Runner(loop_factory=queue.settings.loop_factory or asyncio.new_event_loop) as runner:
        return runner.run(to_the_end(), context=copy_context())


def _must_be_awaited(emission: AnyEmission, why: str) -> DefinitionError:
    handler = emission._route.receivers[0]._handler
    name = spell(type(emission._event))
    return DefinitionError(
        f"{spell(handler)} {why}, and ask_sync cannot wait where a loop runs. Use await emitter.ask({name}(...)).",
        handler,
    )
