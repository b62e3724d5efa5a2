"""Whether this thread runs a loop, asked cheaply, and where an emission belongs that is made in a thread without one."""

import asyncio
import os
import sys
from asyncio import AbstractEventLoop
from collections.abc import Generator
from contextlib import contextmanager
from threading import get_ident, local
from typing import Any, Final

get_running_loop = asyncio._get_running_loop
# Before 3.12 asyncio asks this in Python.
current_task = asyncio.current_task if sys.version_info >= (3, 12) else asyncio.tasks._current_tasks.get  # type: ignore[attr-defined]  # unknown to its stubs
HAS_GIL: Final = getattr(sys, "_is_gil_enabled", lambda: True)()
"""With it a look and a write with no call in between are one step for all threads."""
_says = sys.version_info < (3, 12)  # whether a loop of asyncio can be asked for its thread; not in a forked process


class Runner:
    """The scheduler of a thread without a loop, as far as `Here` needs it: whether it runs plain calls, and whose."""

    __slots__ = ("running", "runs")

    running: Any  # Any: an emission, or None; this stands above them
    runs: bool


class Here(local):
    """What this thread works for."""

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
    if _says and type(loop) is asyncio.SelectorEventLoop:
        running_in: int | None = loop._thread_id  # type: ignore[attr-defined]  # unknown to its stubs
        return running_in == get_ident()
    return loop is not None and get_running_loop() is loop


def complete(future: "asyncio.Future[None]") -> None:
    """Complete *future*, if nobody has."""
    if not future.done():
        future.set_result(None)


def _fork() -> None:
    global _says  # noqa: PLW0603 - there is one process
    _says = False


if _says and hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_fork)
