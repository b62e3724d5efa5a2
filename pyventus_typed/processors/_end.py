"""The end of a loop: nothing new starts, what runs gets its outcome, and the rest is discarded and reported.

``asyncio.run`` and ``asyncio.Runner`` first cancel all tasks and run the loop until they are done, then run
``shutdown_asyncgens``, then close. A task that is created meanwhile would start and be lost, so a stage has to know from
the first of these steps on. No hook of asyncio's tells; wrapping methods of the loop's instance does, on asyncio
and uvloop alike, and needs no task or generator of ours that others would find among theirs:

- ``run_until_complete`` with a plain future while every task is being cancelled: the cancelling begins;
- ``shutdown_asyncgens``: it is over, or nobody cancelled;
- ``close``: the loop will not turn again. What is still suspended is closed here, explicitly: left to the garbage
  collector, ``finally`` blocks would run inside a destructor, at any time.

A loop that is dropped without ``close`` is noticed by ``weakref.finalize``; asyncio's own destructor then calls ``close``.
"""

import asyncio
import logging
from asyncio import AbstractEventLoop
from collections.abc import Awaitable, Callable, Collection, Coroutine
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from weakref import finalize

from .._emission import outer_emission
from ._here import endings, here
from ._report import lost

if TYPE_CHECKING:
    from ._stage import Stage

log = logging.getLogger("pyventus_typed")
CLOSED = "loop closed"
_MOST_AWAITS = 100  # in the finally blocks of a coroutine that is closed


def hook(loop: AbstractEventLoop, stage: "Stage") -> None:
    """Let *stage* know when *loop* ends. The hooks hold the stage: it lives as long as its loop."""
    run_until_complete, run_forever = loop.run_until_complete, loop.run_forever
    shutdown_asyncgens, close = loop.shutdown_asyncgens, loop.close
    # asyncio's own destructor calls close, and that reports; uvloop's does not.
    dropped = finalize(loop, lost, stage.losses, report=not isinstance(loop, asyncio.BaseEventLoop))
    dropped.atexit = False  # pyrefly: ignore[missing-attribute]  # its stubs forget it

    def run(future: Awaitable[Any]) -> Any:  # Any: as the method that it wraps
        stage.outer = outer_emission()
        if not _is_cancelling(loop, future):
            return run_until_complete(future)
        begin(stage)
        try:
            return run_until_complete(future)
        finally:
            stage.ending = None  # a loop may go on after all; the next two steps say that it does not

    def forever() -> None:
        stage.outer = outer_emission()
        run_forever()

    def shutdown() -> Coroutine[Any, Any, None]:  # Any: as the method that it wraps
        begin(stage)
        return shutdown_asyncgens()

    def end() -> None:
        if loop.is_running() or loop.is_closed():
            close()  # raises, or does nothing
            return
        try:
            finish(stage, close)
        finally:
            dropped.detach()
            for name in hooks:
                with suppress(AttributeError):
                    delattr(loop, name)

    hooks: dict[str, Callable[..., object]] = {
        "run_until_complete": run,
        "run_forever": forever,
        "shutdown_asyncgens": shutdown,
        "close": end,
    }
    for name, wrapped in hooks.items():
        setattr(loop, name, wrapped)


def begin(stage: "Stage") -> None:
    """Nothing starts from here on; what waited is discarded, so that nobody waits for it in vain."""
    stage.ending = CLOSED
    stage.take_calls()
    stage.discard_rest(CLOSED)


async def cancelled(tasks: Collection[asyncio.Task[Any]], loop: AbstractEventLoop) -> None:  # Any: whoever's they are
    """Cancel *tasks* and wait for them; what they raise is told to the loop, as `asyncio.run` does."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for task in tasks:
        if not task.cancelled() and task.exception() is not None:
            message = "unhandled exception while the loop of a handler was closed"
            loop.call_exception_handler({"message": message, "exception": task.exception(), "task": task})


def finish(stage: "Stage", close: Callable[[], None]) -> None:
    """The loop will not turn again: what is open is discarded and reported, and *close* closes the loop.

    Raises what a coroutine raised that was closed here, if that is no `Exception`; the rest is done all the same.
    """
    cut = _close_all(stage)
    try:
        close()
        stage.take_calls()  # of a thread that was a moment too late
    finally:
        for loss in tuple(stage.losses):
            loss.report("when their event loop closed")
        stage.forget()
    if cut is not None:  # Ctrl-C, SystemExit in a finally block: the loop is closed all the same
        raise cut


def _close_all(stage: "Stage") -> BaseException | None:
    for line in [*stage.held]:
        line.short.leave_all(line)
    tasks = tuple(stage.tasks.values())
    for task in stage.crashed:
        if task.done() and not task.cancelled():
            task.exception()  # it has left through the loop; unseen, asyncio would log it once more
    begin(stage)
    for line in [*stage.held]:
        line.discard_all(CLOSED)
    before, here.ending = here.ending, stage
    endings.append(stage)
    try:
        with here.occupied():
            cut = [error for task in tasks if (error := _close(task)) is not None]
    finally:
        endings.remove(stage)
        here.ending = before
    return cut[0] if cut else None


def _close(task: "asyncio.Task[None]") -> BaseException | None:
    coroutine: Any = task.get_coro()  # Any: ours, which asyncio only knows as something to step
    for _ in range(_MOST_AWAITS):
        try:
            coroutine.close()
        except RuntimeError:
            continue  # it awaited something more in a finally block, and stands there now
        except (Exception, asyncio.CancelledError):
            log.exception("A handler raised while it was closed with its event loop")
        except BaseException as error:  # noqa: BLE001 - raised again when all are closed
            return error
        return None
    log.error("A handler would not be closed with its event loop: %s", coroutine)
    return None


def _is_cancelling(loop: AbstractEventLoop, future: object) -> bool:
    if not asyncio.isfuture(future) or isinstance(future, asyncio.Task):
        return False
    tasks = asyncio.all_tasks(loop)
    return bool(tasks) and all(task.cancelling() for task in tasks)
