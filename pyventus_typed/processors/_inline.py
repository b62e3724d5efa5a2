"""``publish`` and ``ask``: an emission whose handlers run in its emitter's task, or whose answer that task waits for."""

import asyncio
from contextlib import suppress
from typing import Any

from .._composed import Composed, Verdict, must_await
from .._emission import NEVER_RAN, QUEUED, STARTED, WAITING, AnyEmission, Delivery, Progress, reset_current, set_current
from .._loops import current_task, must_cancel
from .._outcome import CANCELLED_BEFORE_START, NOTHING, Cancelled, Completed, Discarded, Failed
from .._processing import EmitterState
from .._spelling import trim
from ._accepting import accept_published
from ._mailboxes import Publisher, enter, leave_published
from ._queue import Queue


async def publish(queue: Queue, emission: AnyEmission, state: EmitterState) -> None:
    """Accept *emission*, and run its deliveries in the caller's task, one after the other, each when it is its turn.

    Cancelling the caller cancels the handler that runs; the rest is cancelled. Of what leaves here by an exception
    nobody will ask for the failures before it: they are logged.
    """
    scheduler = queue.scheduler
    assert scheduler.loop is not None  # it is running
    task = current_task(scheduler.loop)
    assert task is not None  # a coroutine of ours is awaited in a task
    publisher = Publisher(task)
    has_nothing_before = accept_published(queue, emission, state, publisher)
    if emission not in queue.published:
        return  # it is settled already
    token = waiting = None
    try:
        if not has_nothing_before:
            # A deadlock is judged from where this was called, so before this is the current emission.
            waiting = queue.refuse_deadlock(emission)
            if publisher.turn is not None:
                await publisher.turn
                publisher.turn = None
        token = set_current(emission)
        await _run_all(queue, emission, publisher)
    except BaseException as error:
        _cut_off(queue, emission, error)
        emission._log_unseen()
        raise
    finally:
        if token is not None:
            try:  # noqa: SIM105 - suppress costs three calls
                reset_current(token)
            except ValueError:
                pass  # closed with its loop, in another context
        if waiting is not None and (owner := waiting._owner()) is not None:
            owner.end_wait(waiting, emission)
        queue.end_publishing(emission)


async def _run_all(queue: Queue, emission: AnyEmission, publisher: Publisher) -> None:  # noqa: C901, PLR0912 - one delivery in one place
    task, event, mailboxes = publisher.task, emission._event, queue.mailboxes
    before = task.cancelling()
    if before and must_cancel(task):
        await asyncio.sleep(0)  # the caller was cancelled before it called: that comes here
    for call in emission._cursor:
        index = 0 if mailboxes is None else emission._begun - 1
        if mailboxes is not None and not await _enter_mailbox(queue, emission, index, publisher):
            continue  # it was discarded while it waited
        try:
            if call.__class__ is Composed and call.is_bare:
                value: Any = await call.handler(event)  # Any: whatever a handler returns
            else:
                value = call(event)
                if value is not None:
                    value = await _finished(queue, emission, value)
            if value is not None or emission._notes is not None or queue.observers:
                _note(queue, emission, value)
        except Exception as error:  # noqa: BLE001 - it is the delivery's outcome
            trim(error)
            queue.note(emission, _running(queue, emission), Failed(error), error)
        except asyncio.CancelledError:
            running = _running(queue, emission)
            never = CANCELLED_BEFORE_START if publisher.is_cut else NEVER_RAN
            queue.note(emission, running, never if emission._note(running) is QUEUED else Cancelled())
        finally:
            if mailboxes is not None:
                leave_published(queue, emission, index)
        if publisher.is_cut:
            await _take_back(publisher)
        if task.cancelling() > before:
            if must_cancel(task):
                await asyncio.sleep(0)  # it comes here, and not once more where the caller awaits something
            raise asyncio.CancelledError


async def _finished(queue: Queue, emission: AnyEmission, value: Any) -> Any:  # Any: whatever a handler returns
    """What a call comes to that has returned *value*."""
    if type(value) is Composed:
        index = queue.index_of(emission)
        if value.in_thread:
            emission._write(index, QUEUED)
        elif value.is_async:
            queue.started(emission, index)
        if value.is_bare:
            return await value.handler(emission._event)
        return await value.run(Delivery(emission, index), owned=True, threads=True)
    return await value if must_await(value) else value


def _running(queue: Queue, emission: AnyEmission) -> int:
    """Which delivery runs. There is one at a time, and what becomes of one with a thread is noted from its beginning on."""
    for index, note in (emission._notes or {}).items():
        if note is QUEUED or note is STARTED:
            return index
    return queue.index_of(emission)


def _note(queue: Queue, emission: AnyEmission, value: Any) -> None:  # Any: as above
    """The delivery that runs has come to *value*."""
    index = _running(queue, emission)
    if type(value) is Verdict:
        queue.decide(emission, index, value)
    else:
        queue.note(emission, index, NOTHING if value is None else Completed(value))


async def _enter_mailbox(queue: Queue, emission: AnyEmission, index: int, publisher: Publisher) -> bool:
    """Wait until the receiver is not busy, and make it so; ``False`` if the delivery was discarded meanwhile."""
    turn = enter(emission, index, publisher)
    if turn is None:
        return True
    try:
        await turn
    except BaseException as error:
        if turn.done() and not turn.cancelled():
            leave_published(queue, emission, index)
        is_cancelled = isinstance(error, asyncio.CancelledError)
        never = NEVER_RAN if is_cancelled else Discarded(queue.reason_of(error), started=False)
        if queue.note(emission, index, never):
            emission._open -= 1
        raise
    finally:
        publisher.turn = None
    if emission._note(index) is not WAITING:
        leave_published(queue, emission, index)
        return False
    assert emission._notes is not None  # that is where it waited
    del emission._notes[index]
    emission._open -= 1
    return True


def _cut_off(queue: Queue, emission: AnyEmission, error: BaseException) -> None:
    """*error* leaves: what has not begun never will."""
    if not emission._open:
        return
    if isinstance(error, asyncio.CancelledError):
        queue.withdraw(emission, NEVER_RAN)
        return
    reason, running = queue.reason_of(error), _running(queue, emission)
    queue.withdraw(emission, Discarded(reason, started=False))
    note = emission._note(running)
    if running >= 0 and note.__class__ is Progress:
        emission._write(running, Discarded(reason, started=note is not QUEUED))


async def _take_back(publisher: Publisher) -> None:
    # The emission was cancelled, and with it the handler that ran here; its caller was not. A cancellation that the
    # handler did not get to see is still to come: it is taken here.
    publisher.is_cut = False
    if must_cancel(publisher.task):
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(0)
    publisher.task.uncancel()


async def answered(queue: Queue, emission: AnyEmission) -> object:
    """Wait for the first delivery of *emission*, and return the answer, or raise what its handler raised.

    A cancellation takes the handler along, and goes on when that has ended, whatever it answered.
    """
    cancelled: asyncio.CancelledError | None = None
    delivery = Delivery(emission, 0)
    loop = asyncio.get_running_loop()
    try:
        while delivery.outcome is None:
            future = queue.asked[emission] = loop.create_future()
            try:
                await future
            except asyncio.CancelledError as error:
                cancelled = error
                queue.cancel_delivery(emission, 0)
    finally:
        queue.asked.pop(emission, None)
    if cancelled is not None and not isinstance(delivery.outcome, Failed):
        raise cancelled
    return delivery._answer()
