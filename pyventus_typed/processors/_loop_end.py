"""The end of a loop: nothing new starts, what runs gets its outcome, and the rest is discarded and reported.

``asyncio.run`` and ``asyncio.Runner`` first cancel all tasks and run the loop until they are done, then run
``shutdown_asyncgens``, then close. A task that is created meanwhile would start and be lost, so a scheduler has to know
from the first of these steps on. No hook of asyncio's says it; wrapping methods of the loop's instance does, on asyncio
and uvloop alike, and needs no task or generator of ours that others would find among theirs:

- ``run_until_complete`` of the function that cancels all tasks: the cancelling begins;
- ``shutdown_asyncgens``: it is over, or nobody cancelled;
- ``close``: the loop will not turn again. What is still suspended is closed here, explicitly: left to the garbage
  collector, ``finally`` blocks would run inside a destructor, at any time. A loop of asyncio that is dropped without
  ``close`` calls it in its destructor.
"""

import asyncio
import sys
from asyncio import AbstractEventLoop
from collections.abc import Awaitable, Callable, Collection, Coroutine
from contextlib import suppress
from types import FrameType
from typing import Any

from .._composed import close_patiently
from .._loops import here
from .._reports import guarded, log
from ._scheduler import CLOSED, LOST, Scheduler

_CANCELLERS = {"_cancel_all_tasks", "_cancel_tasks"}  # of asyncio.runners; of servers that do the same by hand


def hook(loop: AbstractEventLoop, scheduler: Scheduler) -> None:
    """Let *scheduler* know when *loop* ends. The hooks hold the scheduler: it lives as long as its loop."""
    run_until_complete, shutdown_asyncgens, close = loop.run_until_complete, loop.shutdown_asyncgens, loop.close

    def run(future: Awaitable[Any]) -> Any:  # Any: as the method that it wraps
        if sys._getframe(1).f_code.co_name not in _CANCELLERS:
            return run_until_complete(future)
        scheduler.begin_end(CLOSED)
        try:
            return run_until_complete(future)
        finally:
            scheduler.ending = None  # a loop may go on after all; the next two steps say that it does not

    def shutdown() -> Coroutine[Any, Any, None]:  # Any: as the method that it wraps
        scheduler.begin_end(CLOSED)
        return shutdown_asyncgens()

    def end() -> None:
        if loop.is_running() or loop.is_closed():
            close()  # raises, or does nothing
            return
        try:
            finish(scheduler, close, LOST if _is_destructor(sys._getframe(1)) else CLOSED)
        finally:
            for name in hooks:
                with suppress(AttributeError):
                    delattr(loop, name)

    hooks: dict[str, Callable[..., object]] = {
        "run_until_complete": run,
        "shutdown_asyncgens": shutdown,
        "close": end,
    }
    for name, wrapped in hooks.items():
        setattr(loop, name, wrapped)


def finish(scheduler: Scheduler, close: Callable[[], None], reason: str) -> None:
    """The loop will not turn again: what is open is discarded and reported, and *close* closes the loop.

    Raises what a coroutine raised that was closed here, if that is not an `Exception`; the rest is done all the same.
    """
    cut = _close_all(scheduler, reason)
    try:
        close()
    finally:
        scheduler.end(reason)
        scheduler.report("when their event loop was lost" if reason is LOST else "when their event loop closed")
    if cut is not None:  # Ctrl-C, SystemExit in a finally block: the loop is closed all the same
        raise cut


async def cancelled(tasks: Collection[asyncio.Task[Any]], loop: AbstractEventLoop) -> None:  # Any: whoever's they are
    """Cancel *tasks* and wait for them; what they raise goes to the loop's handler, as `asyncio.run` does."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for task in tasks:
        if not task.cancelled() and task.exception() is not None:
            message = "unhandled exception while the loop of a handler was closed"
            loop.call_exception_handler({"message": message, "exception": task.exception(), "task": task})


def _close_all(scheduler: Scheduler, reason: str) -> BaseException | None:
    for task in scheduler.crashed:
        if task.done() and not task.cancelled():
            task.exception()  # it has left through the loop; unseen, asyncio would log it once more
    scheduler.begin_end(reason)
    tasks = dict.fromkeys(scheduler.tasks.values())  # those of one mailbox share one
    scheduler.discard_all(reason, queued=False)
    # What is emitted by what is closed belongs here, and is discarded with it.
    before, here.closing = here.closing, scheduler
    try:
        with here.occupied():
            cut = [error for task in tasks if (error := _close(task)) is not None]
        scheduler.discard_all(reason)
    finally:
        here.closing = before
    return cut[0] if cut else None


def _close(task: "asyncio.Task[None]") -> BaseException | None:
    coroutine = task.get_coro()
    try:
        if not close_patiently(coroutine):
            guarded(log.error, "A handler would not be closed with its event loop: %s", coroutine)
    except (Exception, asyncio.CancelledError):  # noqa: BLE001 - the others are closed all the same
        guarded(log.exception, "A handler raised while it was closed with its event loop")
    except BaseException as error:  # noqa: BLE001 - raised again when all are closed
        return error
    return None


def _is_destructor(frame: FrameType) -> bool:
    return frame.f_code.co_name == "__del__"
