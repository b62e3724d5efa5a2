"""A blocking handler in a worker thread.

A thread that has started cannot be stopped. So whoever cancels waits for it, and its result counts; a time-out settles
the delivery, but it keeps its place in the order until the thread returns, and what comes then is logged and ignored.
"""

import asyncio
import logging
from collections.abc import Callable
from contextvars import copy_context
from typing import TYPE_CHECKING

from .._ledger import STARTED, put
from .._spelling import spell, spell_event
from ._here import here

if TYPE_CHECKING:
    from ._job import Job

log = logging.getLogger("pyventus_typed")
Result = tuple[object, BaseException | None]


class Claim:
    """Who decides about a handler that waits for a worker thread: the first who takes it, and nobody after."""

    __slots__ = ("_free",)

    def __init__(self) -> None:
        self._free = [True]

    def take(self) -> bool:
        """Whether the caller is the first. From any thread: list.pop is atomic."""
        try:
            return self._free.pop()
        except IndexError:
            return False


async def run_in_thread(job: "Job", index: int) -> object:
    """What the handler returns, or raises; `TimeoutError` after its time-out, counted from its first instruction."""
    emission = job.emission
    subscription = emission._subscriptions[index]
    loop = asyncio.get_running_loop()
    claim = job.claim(index)
    begun: asyncio.Future[object] = loop.create_future()

    def run() -> Result:
        if not claim.take():
            return None, None
        put(emission, index, STARTED)
        if subscription.timeout is not None:
            loop.call_soon_threadsafe(_complete, begun)
        return _call(job, subscription._handler)

    running = loop.run_in_executor(None, copy_context().run, run)
    if subscription.timeout is not None:
        await _patiently({running, begun}, claim, until=asyncio.FIRST_COMPLETED)
        if not await _patiently({running}, claim, timeout=subscription.timeout):
            job.keep(index)
            running.add_done_callback(lambda late: _ignore(late, job, index))
            raise TimeoutError(f"{spell(subscription.handler)} did not return within {subscription.timeout} seconds")
    await _patiently({running}, claim)
    value, error = running.result()
    if error is not None:
        raise error
    return value


def _call(job: "Job", handler: Callable[..., object]) -> Result:
    # An error is handed over as a value: a future does not take every exception.
    here.deliverer = job.line.stage
    try:
        with here.occupied():
            return handler(job.emission._event), None
    except BaseException as error:  # noqa: BLE001 - it is raised again in the delivery's task
        return None, error
    finally:
        here.deliverer = None


async def _patiently(
    futures: "set[asyncio.Future[Result] | asyncio.Future[object]]",
    claim: Claim,
    *,
    timeout: float | None = None,
    until: str = asyncio.ALL_COMPLETED,
) -> bool:
    """Wait through cancellations, once the handler has begun; whether one of *futures* is done."""
    while True:
        try:
            done, _ = await asyncio.wait(futures, timeout=timeout, return_when=until)
        except asyncio.CancelledError:
            if claim.take():  # no thread has begun it, so none will
                raise
        except GeneratorExit:
            claim.take()
            raise
        else:
            return bool(done)


def _complete(begun: "asyncio.Future[object]") -> None:
    if not begun.done():
        begun.set_result(None)


def _ignore(late: "asyncio.Future[Result]", job: "Job", index: int) -> None:
    emission = job.emission
    if not late.cancelled() and late.exception() is None:
        value, error = late.result()
        name, event = spell(emission._subscriptions[index].handler), spell_event(emission._event)
        what = spell_event(value if error is None else error)
        log.warning("%s came late for %s, after its time-out: %s is ignored", name, event, what)
    job.line.leave(job, index)
