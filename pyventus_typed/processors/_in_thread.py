"""A blocking handler in a worker thread.

A thread that has started cannot be stopped. So whoever cancels waits for it, and its result counts; a time-out settles
the delivery, but it keeps its place in the order until the thread returns, and what comes then is logged and ignored.
"""

import asyncio
import logging
from contextvars import copy_context
from typing import TYPE_CHECKING

from .._ledger import STARTED
from .._spelling import spell, spell_event
from ._here import here

if TYPE_CHECKING:
    from ._line import Job

log = logging.getLogger("pyventus_typed")


async def run_in_thread(job: "Job", index: int) -> object:
    """What the handler returns, or raises; `TimeoutError` after its time-out, counted from its first instruction."""
    emission, stage = job.emission, job.line.stage
    subscription = emission._subscriptions[index]
    loop = asyncio.get_running_loop()
    unclaimed = [None]  # whoever pops it decides: the thread, that it runs; a cancellation, that it never will
    begun = loop.create_future()

    def run() -> object:
        try:
            unclaimed.pop()
        except IndexError:
            return None
        emission._outcomes[index] = STARTED
        if subscription.timeout is not None:
            loop.call_soon_threadsafe(_tell, begun)
        here.deliverer = stage
        try:
            return subscription._handler(emission._event)
        finally:
            here.deliverer = None

    running = loop.run_in_executor(None, copy_context().run, run)
    if subscription.timeout is not None:
        await _patiently({running, begun}, unclaimed, until=asyncio.FIRST_COMPLETED)
        if not await _patiently({running}, unclaimed, timeout=subscription.timeout):
            job.keep(index)
            running.add_done_callback(lambda late: _ignore(late, job, index))
            raise TimeoutError(f"{spell(subscription.handler)} did not return within {subscription.timeout} seconds")
    await _patiently({running}, unclaimed)
    return running.result()


async def _patiently(
    futures: "set[asyncio.Future[object]]",
    unclaimed: list[None],
    *,
    timeout: float | None = None,
    until: str = asyncio.ALL_COMPLETED,
) -> bool:
    """Wait through cancellations, once the handler has begun; whether one of *futures* is done."""
    while True:
        try:
            done, _ = await asyncio.wait(futures, timeout=timeout, return_when=until)
        except asyncio.CancelledError:
            if unclaimed:
                try:
                    unclaimed.pop()
                except IndexError:
                    continue  # the thread was faster
                raise
        else:
            return bool(done)


def _tell(begun: "asyncio.Future[object]") -> None:
    if not begun.done():
        begun.set_result(None)


def _ignore(late: "asyncio.Future[object]", job: "Job", index: int) -> None:
    emission = job.emission
    name = spell(emission._subscriptions[index].handler)
    if not late.cancelled():
        result = late.exception()
        log.warning(
            "%s came late for %s, after its time-out: %r is ignored",
            name,
            spell_event(emission._event),
            result or late.result(),
        )
    job.line.leave(job, index)
