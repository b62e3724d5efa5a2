"""Deliveries that somebody runs, or waits for, in a task of his own: ``publish`` and ``ask``."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from threading import get_ident
from types import CoroutineType
from typing import TYPE_CHECKING, Any

from .._emission import AnyEmission, Emission, get_current, reset_current, set_current
from .._event import Event
from .._ledger import NEVER_RAN, STARTED
from .._loops import current_task
from .._outcome import Cancelled, Completed, Discarded
from .._routing import Route
from ._delivery import deliver, fail
from ._here import endings
from ._job import Job
from ._report import log_failure
from ._step import must_await

if TYPE_CHECKING:
    from ._short import Short

_ALL = object()
"""Of handlers that have all returned ``None``."""


async def run_here(job: Job) -> None:
    """Run the deliveries of *job* one after the other in the caller's task, each when it is its turn.

    Cancelling the caller cancels the handler that runs; the rest is cancelled. Of what leaves here by an exception
    nobody will ask for the failures before it: they are logged.
    """
    task = asyncio.current_task()
    assert task is not None  # a coroutine of ours is awaited in a task
    job.runner = task
    token = set_current(job.emission)
    try:
        await _finish(job, task, task.cancelling())
    finally:
        with suppress(ValueError):  # as below
            reset_current(token)


async def publish(short: "Short", emission: Emission[Event], route: Route, /) -> bool:  # noqa: C901, PLR0912 - as drain
    """The same for handlers without options that wait for nobody. As long as all return ``None`` there is no job.

    Accepts the emission; or ``False``, and nothing was done, if there is no short way.
    """
    stage = short.stage
    if stage.is_shut or endings or stage.runner._thread_id != get_ident() or get_current() is not None:
        return False
    task = current_task(stage.loop)
    assert task is not None  # as above
    ledger, event, calls = short.ledger, emission._event, iter(route.calls)
    cancelled = task.cancelling()
    ledger.accepted += 1  # as ledger.enter, in line
    ledger.open[emission] = None
    emission._keeper = short.line
    short.published[emission] = calls, task
    if short.is_passing:
        short.hold()
    token = set_current(emission)
    value: Any = None  # Any: whatever a handler returns
    failure: BaseException | None = None
    awaits = (
        route.is_async
    )  # what the handler returned was a coroutine: what that returns is the result, whatever it is
    try:
        try:
            if awaits:
                for handler in calls:
                    value = await handler(event)  # type: ignore[misc]  # it is an async def
                    if value is not None or task.cancelling() > cancelled:
                        break
                else:
                    value = _ALL
            else:
                for handler in calls:
                    value = handler(event)
                    if awaits := type(value) is CoroutineType:
                        value = await value
                    if value is not None or task.cancelling() > cancelled:
                        break
                else:
                    value = _ALL
            if value is _ALL and emission._outcomes is route.waiting:
                del short.published[emission]
                ledger.complete(emission, route.done)
                if short.awaited or short.is_passing:
                    short.tell(emission)
                return True
        except BaseException as error:  # noqa: BLE001 - sorted there
            failure = error
        await _go_on(short, emission, task, cancelled, None if value is _ALL else value, failure, awaited=awaits)
        return True
    finally:
        try:  # noqa: SIM105 - suppress costs three calls
            reset_current(token)
        except ValueError:
            pass  # closed with its loop, in another context


async def _go_on(
    short: "Short",
    emission: AnyEmission,
    task: "asyncio.Task[object]",
    cancelled: int,
    value: Any,  # Any: as above
    failure: BaseException | None,
    *,
    awaited: bool,
) -> None:
    """The long way, from the handler on that has returned *value* or raised *failure*."""
    emission._look()
    job = short.jobs.get(emission)
    if job is not None:
        await _finish(job, task, cancelled, lambda: _settle(job, value, failure, awaited=awaited))
    elif failure is not None:
        raise failure  # its loop was closed, and it is settled


async def _settle(job: Job, value: Any, failure: BaseException | None, *, awaited: bool) -> None:  # Any: as above
    """The end of the delivery that runs on the short way."""
    index = job.emission._outcomes.index(STARTED)
    if failure is None and not awaited and must_await(value):
        await deliver(job, index, owned=True, awaitable=value)
    elif failure is None:
        job.line.settle(job, index, Completed(value))
    elif isinstance(failure, Exception):
        fail(job, index, failure)
    elif isinstance(failure, asyncio.CancelledError):
        job.line.settle(job, index, Cancelled())
    else:
        reason = "loop lost" if isinstance(failure, GeneratorExit) else repr(failure)
        job.line.settle(job, index, Discarded(reason, started=True))
        raise failure


async def _finish(
    job: Job, task: "asyncio.Task[object]", cancelled: int, first: Callable[[], Coroutine[Any, Any, None]] | None = None
) -> None:  # Any: between a loop and its futures
    try:
        if first is not None:
            await first()
        await _run_all(job, task, cancelled)
    except BaseException as error:
        for index, outcome in enumerate(job.emission._outcomes):
            if outcome is None:
                cancelled = isinstance(error, asyncio.CancelledError)
                job.line.settle(job, index, NEVER_RAN if cancelled else Discarded(repr(error), started=False))
        for index, failure in (job.untold or {}).items():
            log_failure(job.emission, index, failure)
        raise


async def _run_all(job: Job, task: "asyncio.Task[object]", cancelled: int) -> None:
    granted = job.granted
    assert granted is not None  # it was entered as published
    for index in range(len(job.subscriptions)):
        while index not in granted and not job.is_settled(index):
            job.waker = asyncio.get_running_loop().create_future()
            await job.waker
        if not job.is_settled(index):
            await deliver(job, index, owned=True)
        if job.cut:
            await _take_back(job, task)
        if task.cancelling() > cancelled:
            raise asyncio.CancelledError


async def _take_back(job: Job, task: "asyncio.Task[object]") -> None:
    # The emission was cancelled, and with it the handler that ran here; its caller was not. A cancellation that the
    # handler did not get to see is still to come: it is taken here.
    job.cut = False
    if task._must_cancel:  # type: ignore[attr-defined]  # there is no public way to know
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(0)
    task.uncancel()


async def answered(job: Job) -> None:
    """Wait until the first delivery of *job* is settled. A cancellation takes the handler along, and its end counts."""
    while not job.is_settled(0):
        job.waker = asyncio.get_running_loop().create_future()
        try:
            await job.waker
        except asyncio.CancelledError:
            if job.is_settled(0):
                raise  # the handler never saw it: it is the asker's own
            job.line.cancel_delivery(job, 0)
