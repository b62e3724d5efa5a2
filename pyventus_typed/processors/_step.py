"""What every delivery in a task needs, however it runs."""

import asyncio
from asyncio import AbstractEventLoop
from collections.abc import Coroutine
from contextvars import Context
from typing import Any, Final, TypeAlias

from .._emission import Emission

Deliver: TypeAlias = Coroutine[Any, Any, None]  # Any: what a loop and its futures say to each other
_Task = asyncio.Task
_PACKAGE = __name__.partition(".")[0] + "."


class _Own:
    __await__ = (None,).__iter__  # awaiting it gives that iterator, which yields once, and no code of ours is run


OWN: Final[Any] = _Own()  # Any: no checker knows an __await__ that is a bound method
"""Awaited where a delivery wants a task of its own: up to there anybody may step it."""


def task_of(delivery: Deliver, loop: AbstractEventLoop | None, context: Context | None) -> "asyncio.Task[None]":
    """A task for a delivery that wants one; without a *context* in a copy of the caller's."""
    # Not create_task: a task factory, an eager one above all, must not run a handler before emit has returned.
    task: Any = _Task(delivery, loop=loop, name="pyventus_typed", context=context)  # Any: below
    # asyncio's own switch against "Task was destroyed but it is pending": whatever happens, it is accounted for.
    task._log_destroy_pending = False  # unknown to the stubs
    return task  # type: ignore[no-any-return]  # it is one


def must_await(value: object) -> bool:
    """Whether what a call returned is awaited: everything awaitable is, but for an emission.

    ``lambda event: emitter.emit(Other(...))`` emits; it does not wait for what would be ordered behind it.
    """
    return hasattr(type(value), "__await__") and not isinstance(value, Emission)


def trim(error: Exception) -> None:
    """Take our own frames off the traceback: shorter to read."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_globals.get("__name__", "").startswith(_PACKAGE):
        trace = trace.tb_next
    error.with_traceback(trace)  # an assignment would ask an exception that is a frozen dataclass
