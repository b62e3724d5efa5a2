"""Tasks and futures whose hash is their number, and how to recognise a step of a task.

A plain task hashes by its address, so the order of a set of tasks (in a task group, in `asyncio.wait`) would differ from
run to run.
"""

from __future__ import annotations

import asyncio
import linecache
import os
import re
import sys
from types import BuiltinMethodType, CodeType, FrameType, MethodType
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar

from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Coroutine, Generator, Iterator

    from ._loop import VirtualLoop

_T = TypeVar("_T")

if TYPE_CHECKING:
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
    # has been scheduled; a version that did not would be told here that None is no hash.
    _virtual_number: int | None = None

    @override
    def __hash__(self) -> int:
        return self._virtual_number  # type: ignore[return-value]  # ty: ignore[invalid-return-type]  # see above


class VirtualFuture(asyncio.Future[_T]):
    """A future that hashes by the order of creation. Its loop numbers it when it makes it."""

    _virtual_number: int

    @override
    def __hash__(self) -> int:
        return self._virtual_number


def step_of(
    callback: Any,  # Any: whatever a handle holds; its kind is looked at first
    loop: VirtualLoop,
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


def _number(task: asyncio.Task[object], loop: VirtualLoop) -> int:
    number = getattr(task, NUMBER, None)
    return loop.number(task) if number is None else int(number)


def task_of(callback: object) -> asyncio.Task[object] | None:
    """The task of which *callback* is a step, if it is one."""
    owner = getattr(callback, "__self__", None)
    if isinstance(owner, _TASKS):
        name = getattr(callback, "__name__", None)
        return owner if type(callback) is STEP or name == "task_wakeup" or name in _PURE_STEPS else None
    return None


_PURE_STEPS = frozenset({"__step", "__wakeup"})
_TASKS: tuple[type[asyncio.Task[object]], ...] = (asyncio.Task, vars(asyncio.tasks)["_PyTask"])  # in C, and in Python


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


_DEEPEST = 1_000  # awaits in one another; a coroutine may even await itself


def await_stack(coro: object) -> Iterator[tuple[CodeType, FrameType | None]]:
    """The frames of what *coro* waits in, outermost first."""
    seen = 0
    while coro is not None and seen < _DEEPEST:
        seen += 1
        for prefix, follow in (("cr_", "cr_await"), ("gi_", "gi_yieldfrom"), ("ag_", "ag_await")):
            code = getattr(coro, prefix + "code", None)
            if code is not None:
                yield code, getattr(coro, prefix + "frame", None)
                coro = getattr(coro, follow, None)
                break
        else:
            return


_STDLIB = os.path.dirname(asyncio.__file__)  # noqa: PTH120  # compared with the paths in code objects, which are text
_PACKAGE = os.path.dirname(os.path.dirname(__file__))  # noqa: PTH120
_DEFAULT_NAME = re.compile(r"Task-\d+|pyventus_typed")


def is_users(code: CodeType) -> bool:
    """Whether *code* is neither asyncio's nor ours: what a reader of a report wants to see."""
    return not code.co_filename.startswith((_STDLIB, _PACKAGE))


def place(coro: object) -> str:
    """Where *coro* stands, as ``shop.py:11``; the innermost line that is the user's, if there is one."""
    best: tuple[CodeType, int] | None = None
    handler = None
    for code, frame in await_stack(coro):
        if best is None or is_users(code):
            best = code, code.co_firstlineno if frame is None else frame.f_lineno
        handler = handler or _handler_in(frame)
    if best is None:
        return "an unknown place"
    code, line = best
    if not is_users(code) and (called := getattr(handler, "__code__", None)) is not None:
        code, line = called, called.co_firstlineno  # it is about to be called
    return f"{os.path.basename(code.co_filename)}:{line}"  # noqa: PTH119


def source_line(coro: object) -> str:
    """The text of the line at which *coro* stands, or nothing."""
    text = ""
    for code, frame in await_stack(coro):
        if frame is not None and (not text or is_users(code)):
            text = linecache.getline(code.co_filename, frame.f_lineno).partition("  #")[0].strip()
    return text


def caller(coro: object) -> str:
    """The line at which the outermost function of the user's stands, if that is not the innermost one."""
    users = [(code, frame) for code, frame in await_stack(coro) if frame is not None and is_users(code)]
    if len(users) < 2:  # noqa: PLR2004  # one function calls nobody
        return ""
    code, frame = users[0]
    line = linecache.getline(code.co_filename, frame.f_lineno).partition("  #")[0].strip()
    return f"{os.path.basename(code.co_filename)}:{frame.f_lineno}: {line}"  # noqa: PTH119


def plain_name(task: asyncio.Task[object]) -> str:
    """What the user would call *task*: the name given to it, else the function or the handler that it runs."""
    if not _DEFAULT_NAME.fullmatch(name := task.get_name()):
        return name
    chosen = "task"
    for code, frame in await_stack(task.get_coro()):
        if is_users(code):
            return _short(code.co_qualname)
        if chosen == "task":
            chosen = _short(code.co_qualname)
        if (handler := _handler_in(frame)) is not None:
            return _short(getattr(handler, "__qualname__", type(handler).__qualname__))
    return chosen


def _short(qualname: str) -> str:
    return qualname.rpartition("<locals>.")[2]


def _handler_in(frame: FrameType | None) -> object | None:
    """The handler that a delivery of ours is for: its coroutine may not have called it yet."""
    from pyventus_typed import Subscription  # noqa: PLC0415  # the loop is useful before the core has been loaded

    if frame is None or not frame.f_code.co_filename.startswith(_PACKAGE):
        return None
    return next((local.handler for local in frame.f_locals.values() if isinstance(local, Subscription)), None)
