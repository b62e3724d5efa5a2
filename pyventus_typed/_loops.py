"""Whether this thread runs a loop, asked cheaply."""

import asyncio
import os
import sys
from asyncio import AbstractEventLoop
from threading import get_ident
from typing import Final, Protocol

_get_running_loop = asyncio._get_running_loop
# Before 3.12 asyncio asks this in Python.
current_task = asyncio.current_task if sys.version_info >= (3, 12) else asyncio.tasks._current_tasks.get  # type: ignore[attr-defined]  # unknown to its stubs
_ours = True  # this process has not been forked from one that was running loops


class Runner(Protocol):
    """What knows which thread runs a loop: nobody needs to be called to ask it."""

    @property
    def _thread_id(self) -> int | None: ...


class _Asking:
    """The same for a loop that does not say."""

    __slots__ = ("_loop",)

    def __init__(self, loop: AbstractEventLoop | None) -> None:
        self._loop = loop

    @property
    def _thread_id(self) -> int | None:
        return get_ident() if runs_here(self._loop) else None


NO_RUNNER: Final[Runner] = _Asking(None)


def runner_of(loop: AbstractEventLoop | None) -> Runner:
    """Which thread runs *loop*, for as long as this process is not forked."""
    if _ours and type(loop) is asyncio.SelectorEventLoop:
        return loop  # type: ignore[return-value]  # unknown to its stubs
    return _Asking(loop)


def runs_here(loop: AbstractEventLoop | None) -> bool:
    """Whether *loop* is the one that this thread is running."""
    # What asyncio says, but before 3.12 it asks the kernel each time whether the process was forked: as long as a task.
    if _ours and type(loop) is asyncio.SelectorEventLoop:
        running_in: int | None = loop._thread_id  # type: ignore[attr-defined]  # unknown to its stubs
        return running_in == get_ident()
    return loop is not None and _get_running_loop() is loop


def _fork() -> None:
    global _ours  # noqa: PLW0603 - there is one process
    _ours = False


if sys.version_info >= (3, 12):
    _fork()  # there asyncio itself is quick
elif hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_fork)
