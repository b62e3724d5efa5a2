"""Tasks and futures whose hash is their number, and how to recognise a step of a task.

A plain task hashes by its address, so the order of a set of tasks (in a task group, in `asyncio.wait`) would differ from
run to run.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine, Generator
from types import BuiltinMethodType, MethodType
from typing import Any, Final, TypeAlias, TypeVar

from typing_extensions import override

_T = TypeVar("_T")

# What create_task takes; Any: what a coroutine yields is the loop's business.
if sys.version_info >= (3, 12):
    TaskCoroutine: TypeAlias = Coroutine[Any, Any, _T]
else:
    TaskCoroutine: TypeAlias = Generator[Any, None, _T] | Coroutine[Any, Any, _T]

NUMBER: Final = "_virtual_number"  # the attribute of a task that holds its number; also of tasks that are not ours


def number_of(task: asyncio.Task[object]) -> int:
    """The place of *task* in the order of creation."""
    number = getattr(task, NUMBER, None)
    return -1 if number is None else int(number)


class VirtualTask(asyncio.Task[_T]):
    """A task that hashes by the order of creation. Its loop numbers it when it schedules the first step."""

    # No `__init__`: it would double what a task costs. asyncio registers a task, and so hashes it, after that first step
    # has been scheduled; a version that did not would be told here that None is not a hash.
    _virtual_number: int | None = None

    @override
    def __hash__(self) -> int:
        return self._virtual_number  # type: ignore[return-value]  # ty: ignore[invalid-explicit-return]  # a number by then


class VirtualFuture(asyncio.Future[_T]):
    """A future that hashes by the order of creation. Its loop numbers it when it makes it."""

    _virtual_number: int

    @override
    def __hash__(self) -> int:
        return self._virtual_number


class NumberingLoop(asyncio.BaseEventLoop):
    """The part of a `VirtualLoop` that numbers tasks."""

    def number(self, task: asyncio.Task[object]) -> int:
        """Give *task* its place in the order of creation; once, when its first step is scheduled."""
        raise NotImplementedError


def step_of(
    callback: Any,  # Any: whatever a handle holds; its kind is looked at first
    loop: NumberingLoop,
) -> tuple[int, bool] | None:
    """The number of the task of which *callback* is a step, and whether it is to be resumed; None for any other callback.

    To be asked while the step is scheduled: a task schedules its next steps itself, and only the first one, with which it
    starts, is scheduled by somebody else. How far its coroutine is tells nothing: it may have been begun by hand.
    """
    kind = type(callback)
    if kind is STEP:
        task = callback.__self__
        return _number(task, loop), asyncio.current_task(loop) is task
    if kind is BuiltinMethodType and callback.__name__ == "task_wakeup":
        return _number(callback.__self__, loop), True
    if kind is MethodType and callback.__name__ in _PURE_STEPS:  # a task in pure Python
        task = callback.__self__
        return _number(task, loop), callback.__name__ == "__wakeup" or asyncio.current_task(loop) is task
    return None


def _number(task: asyncio.Task[object], loop: NumberingLoop) -> int:
    number = getattr(task, NUMBER, None)
    return loop.number(task) if number is None else int(number)


def task_of(callback: object) -> asyncio.Task[object] | None:
    """The task of which *callback* is a step, if it is one."""
    owner = getattr(callback, "__self__", None)
    if isinstance(owner, _TASKS):
        name = getattr(callback, "__name__", None)
        return owner if type(callback) is STEP or name == "task_wakeup" or name in _PURE_STEPS else None
    return None


def waiter_of(task: asyncio.Task[object]) -> asyncio.Future[object] | None:
    """The future that *task* waits for, as far as it says so."""
    return getattr(task, "_fut_waiter", None)


_PURE_STEPS = frozenset({"__step", "__wakeup"})
_TASKS: tuple[type[asyncio.Task[object]], ...] = (  # in C, and in Python
    asyncio.Task,
    getattr(asyncio.tasks, "_PyTask", asyncio.Task),
)


def _kind_of_step() -> type[object]:
    """The class that wraps the steps of a task in C: it has no name in Python."""
    found: list[type[object]] = []

    class Probe(asyncio.BaseEventLoop):
        @override
        def call_soon(self, callback: object, *_: object, **__: object) -> asyncio.Handle:
            found.append(type(callback))
            return asyncio.Handle(print, (), self)

    async def nothing() -> None: ...

    loop, coro = Probe(), nothing()
    task = asyncio.Task(coro, loop=loop)
    setattr(task, "_log_destroy_pending", False)  # noqa: B010  # it was never meant to run
    coro.close()
    loop.close()
    return found[0]


STEP: Final[Any] = _kind_of_step()  # Any: what is of this class has a `__self__`
"""The class of the callbacks that are steps of a task."""
