"""Deliveries that somebody runs, or waits for, in a task of his own: ``publish`` and ``ask``."""

import asyncio
from contextlib import suppress

from .._emission import current
from .._ledger import NEVER_RAN
from .._outcome import Discarded
from ._delivery import deliver
from ._job import Job


async def run_here(job: Job) -> None:
    """Run the deliveries of *job* one after the other in the caller's task, each when it is its turn.

    Cancelling the caller cancels the handler that runs; the rest is cancelled. Of what leaves here by an exception
    nobody will ask for the failures before it: they are logged.
    """
    task = asyncio.current_task()
    assert task is not None  # a coroutine of ours is awaited in a task
    job.runner = task
    token = current.set(job.emission)
    try:
        await _run_all(job, task)
    except BaseException as error:
        for index, outcome in enumerate(job.emission._outcomes):
            if outcome is None:
                cancelled = isinstance(error, asyncio.CancelledError)
                job.line.settle(job, index, NEVER_RAN if cancelled else Discarded(repr(error), started=False))
        for index, failure in (job.untold or {}).items():
            job.line.log(job, index, failure)
        raise
    finally:
        with suppress(ValueError):  # closed with its loop, in another context
            current.reset(token)


async def _run_all(job: Job, task: "asyncio.Task[object]") -> None:
    granted = job.granted
    assert granted is not None  # it was entered as published
    cancelled = task.cancelling()
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
