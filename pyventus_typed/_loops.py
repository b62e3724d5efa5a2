"""Whether this thread runs a loop, asked cheaply, and where an emission belongs that is made in a thread without one.

Also what tasks and loops of asyncio do not say publicly: each private name is used here and nowhere else in the core, with
what is done where it is missing. `docs/contributing/map.md` says why each is used.
"""

import asyncio
import os
import sys
from asyncio import AbstractEventLoop
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager
from contextvars import Context
from threading import get_ident, local
from typing import Any, Final

from ._errors import DefinitionError

HAS_GIL: Final = "free-threading build" not in sys.version
"""With it a look and a write with no call in between are one step for all threads. It is that of the build: a free-threaded
one has it for a moment now and then, while it imports an extension module."""


def _find_running_loop() -> AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


get_running_loop: Final[Callable[[], AbstractEventLoop | None]] = getattr(
    asyncio, "_get_running_loop", _find_running_loop
)
# Before 3.12 asyncio asks this in Python.
current_task = asyncio.current_task if sys.version_info >= (3, 12) else asyncio.tasks._current_tasks.get  # type: ignore[attr-defined]  # unknown to its stubs
_SELECTOR = asyncio.SelectorEventLoop
_says = sys.version_info < (3, 12)  # whether a loop of asyncio can be asked for its thread; not in a forked process


class Runner:
    """The scheduler of a thread without a loop, as far as `Here` needs it: whether it runs plain calls, and whose."""

    __slots__ = ("running", "runs")

    running: Any  # Any: an emission, or None; this file is above them
    runs: bool


class Here(local):
    """What this thread works for."""

    def __init__(self) -> None:
        self.thread = object()
        """This thread. Its number may be that of a thread which has ended, and of which something is left."""

    scheduler: Runner | None = None
    """The thread's own, which takes what is emitted while the thread runs no loop."""
    elsewhere: object = None
    """Another scheduler, to which it is handed over instead: that of the loop whose blocking handler runs in this thread."""
    closing: object = None
    """The scheduler whose coroutines are being closed in this thread: what they emit belongs there."""
    unleft: tuple[str, ...] = ()
    """The async context managers among them, which were left no further than to their first await: to be reported."""

    @contextmanager
    def occupied(self) -> Generator[None]:
        """What is emitted meanwhile does not belong to this thread, so its own scheduler takes nothing."""
        own = self.scheduler
        was = own is not None and own.runs
        if own is not None:
            own.runs = True
        try:
            yield
        finally:
            if own is not None:
                own.runs = was


here = Here()


def runs_here(loop: AbstractEventLoop | None) -> bool:
    """Whether *loop* is the one that this thread is running."""
    # `get_running_loop` says the same. Before 3.12 it asks the kernel each time whether the process was forked, which costs
    # as much as a task.
    if _says and type(loop) is _SELECTOR:
        running_in: int | None = loop._thread_id  # type: ignore[attr-defined]  # unknown to its stubs
        return running_in == get_ident()
    return loop is not None and get_running_loop() is loop


def nothing() -> None:
    """What a weak reference to nothing gives."""


def complete(future: "asyncio.Future[None]") -> None:
    """Complete *future*, if nobody has; a loop that is closed wakes nobody."""
    if not future.done() and not future.get_loop().is_closed():
        future.set_result(None)


def refuse_trio() -> None:
    """Raise `DefinitionError` inside of trio's loop, of which asyncio knows nothing."""
    lowlevel: Any = sys.modules.get("trio.lowlevel")  # who runs its loop has imported it. Any: a module, unknown here
    if lowlevel is None:
        return
    try:
        lowlevel.current_trio_token()
    except RuntimeError:
        return
    raise DefinitionError(
        "AsyncIOProcessor works with asyncio, and trio's loop runs here, which would be blocked until all handlers have "
        "ended. Use Emitter(linker, SyncProcessor()) for plain handlers, or emit from a thread: "
        "await trio.to_thread.run_sync(emitter.emit, event)."
    )


def _fork() -> None:
    global _says  # noqa: PLW0603 - there is one process
    _says = False


if _says and hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_fork)


# ---------------------------------------------------------------- tasks
def must_cancel(task: "asyncio.Task[Any]") -> bool:  # Any: whatever it returns
    """Whether a cancellation is still to come that would hit what *task* runs next; ``False`` where it cannot be known."""
    return bool(getattr(task, "_must_cancel", False))


def make_task(
    work: Coroutine[Any, Any, None],  # Any: what a loop and its futures say to each other
    loop: AbstractEventLoop | None,
    context: Context,
) -> "asyncio.Task[None]":
    """A task for *work*, which is accounted for: asyncio need not complain if it is collected while it is pending."""
    # Not create_task: a task factory, an eager one above all, must not run a handler before emit has returned.
    task = asyncio.Task(work, loop=loop, name="pyventus_typed", context=context)
    task._log_destroy_pending = False  # type: ignore[attr-defined]  # unknown to its stubs
    return task


def hide(task: "asyncio.Task[Any]") -> None:  # Any: as above
    """Take *task* from those that `asyncio.all_tasks` lists."""
    getattr(asyncio, "_unregister_task", id)(task)


def show(task: "asyncio.Task[Any]") -> None:  # Any: as above
    """Undo `hide`."""
    getattr(asyncio, "_register_task", id)(task)


# ---------------------------------------------------------------- loops
def is_in_use(loop: AbstractEventLoop) -> bool:
    """Whether something is left in *loop* that `asyncio.run` would end; where it does not say, something is."""
    return (
        bool(asyncio.all_tasks(loop))
        or bool(getattr(loop, "_ready", True))  # a connection that was closed takes some turns
        or bool(getattr(loop, "_asyncgens", True))
        or getattr(loop, "_default_executor", True) is not None
    )
