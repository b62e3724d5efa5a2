"""One delivery, from its turn to its outcome."""

import asyncio
from collections.abc import Callable
from types import CoroutineType
from typing import TYPE_CHECKING, Any, TypeAlias

from .._ledger import STARTED, put
from .._outcome import NOTHING, Cancelled, Completed, Discarded, Failed, Outcome
from ._in_thread import run_in_thread
from ._step import OWN, Deliver, must_await, trim

if TYPE_CHECKING:
    from ._job import Job

Step: TypeAlias = tuple["Job", int, Deliver]  # a delivery, and what is left of it to do in a task


def begin(job: "Job", index: int) -> Step | None:
    """Run a delivery whose turn it is, as far as it goes without a task; the rest of it, which needs one, if any."""
    emission = job.emission
    if emission._outcomes[index] is not None:
        return None  # cancelled while it was ready
    subscription = emission._subscriptions[index]
    if subscription._is_plain and emission._route.errors is None:
        return _call(job, index, subscription._handler)
    delivery = deliver(job, index)
    try:
        if job.is_async(index):
            delivery.send(None)  # up to where it wants a task: nothing of the handler runs yet
        else:
            job.context.run(delivery.send, None)
    except StopIteration:
        return None
    return job, index, delivery


def _call(job: "Job", index: int, handler: Callable[..., object]) -> Step | None:
    # The same as deliver() for a handler without options, without a coroutine.
    put(job.emission, index, STARTED)
    try:
        value = job.context.run(handler, job.emission._event)
    except Exception as error:  # noqa: BLE001 - it is the delivery's outcome
        fail(job, index, error)
        return None
    except BaseException as error:  # noqa: BLE001 - raised again there, unless it is a cancellation
        cut_off(job, index, error)
        return None
    return conclude(job, index, value)


def fail(job: "Job", index: int, error: Exception) -> None:
    """A plain handler without a callback has raised *error*."""
    trim(error)
    job.line.tell(job, index, error)
    job.line.settle(job, index, Failed(error))


def conclude(job: "Job", index: int, value: object) -> Step | None:
    """A plain handler has returned *value*: settle its delivery, or give what must go on in a task."""
    if value is None:
        job.line.settle(job, index, NOTHING)
    elif must_await(value):
        rest = deliver(job, index, awaitable=value)
        rest.send(None)
        return job, index, rest
    else:
        job.line.settle(job, index, Completed(value))
    return None


def cut_off(job: "Job", index: int, error: BaseException) -> None:
    """A plain handler was left by what is no `Exception`: settle its delivery, and raise that, unless it is a cancellation."""
    if isinstance(error, asyncio.CancelledError):
        job.line.settle(job, index, Cancelled())
        return
    job.line.settle(job, index, Discarded(repr(error), started=True))
    raise error


async def deliver(  # noqa: C901, PLR0912, PLR0915 - one delivery in one place, where its order can be read
    job: "Job",
    index: int,
    *,
    owned: bool = False,
    awaitable: Any = None,  # Any: known to be awaitable
) -> None:
    """Run a handler and its callback, and settle the delivery, whatever happens.

    It yields once where it needs a task of its own, unless it is *owned* by one: up to there anybody may step it.
    *awaitable* is what the handler, called already, has returned.
    """
    line, emission = job.line, job.emission
    subscription = emission._subscriptions[index]
    options = subscription._options
    refused = None if emission._route.errors is None else emission._route.errors[index]
    error: Exception | None = None
    value: object = None
    outcome: Outcome
    try:
        try:
            if refused is not None:
                raise refused
            threaded = options.in_thread and line.stage.loop is not None
            if not owned and (subscription._is_async or threaded or awaitable is not None):
                # From here on a cancellation before the task's first step is seen, too.
                await OWN
                owned = True
            if threaded:
                awaitable = value = await run_in_thread(job, index)
            elif awaitable is None:
                line.ledger.start(emission, index)
                awaitable = value = subscription._handler(emission._event)
            if must_await(awaitable):
                if not owned:
                    await OWN
                    owned = True
                value = await _within(options.timeout, awaitable)
            outcome = Completed(value)
            if options.on_success is not None:
                owned = await _call_back(options.on_success, value, owned=owned)
        except Exception as raised:  # noqa: BLE001 - it is the delivery's outcome
            error = raised
            trim(error)
            outcome = Failed(error)
            if options.on_failure is not None:
                await _call_back(options.on_failure, emission._event, error, owned=owned)
                error = None  # it has been told
    except Exception as raised:  # noqa: BLE001 - the callback's own, with the handler's as its context
        error = raised
        trim(error)
        outcome = Failed(error)
    except asyncio.CancelledError:
        outcome = line.cut_off(emission, index)
    except BaseException as raised:
        task = line.stage.tasks.get((job, index))
        if task is not None and isinstance(raised, KeyboardInterrupt | SystemExit):
            line.stage.crashed.add(task)
        reason = "loop lost" if isinstance(raised, GeneratorExit) else repr(raised)
        line.settle(job, index, Discarded(reason, started=emission._outcomes[index] is not None))
        raise
    finally:
        if type(awaitable) is CoroutineType:
            awaitable.close()  # cut off before its first step, it would complain that nobody awaited it
    if error is not None:
        line.tell(job, index, error)
    line.settle(job, index, outcome)


async def _call_back(callback: Callable[..., object], *arguments: object, owned: bool) -> bool:
    awaitable: Any = callback(*arguments)  # Any: as above
    if must_await(awaitable):
        if not owned:
            await OWN
        await awaitable
        return True
    return owned


async def _within(timeout: float | None, awaitable: Any) -> object:  # Any: as above
    if timeout is None:
        return await awaitable
    async with asyncio.timeout(timeout):  # not wait_for, which can swallow a cancellation on 3.11
        return await awaitable
