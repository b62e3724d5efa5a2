"""Who waits for what, and who holds it: the account of a deadlock."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from types import FrameType
from typing import Protocol

from pyventus_typed._loops import get_running_loop
from pyventus_typed._spelling import short_name

from ._holders import Holders
from ._names import Names, await_stack, is_users, place, place_of, source_line
from ._schedule import join_names
from ._tasks import number_of, waiter_of
from .errors import DeadlockError, SimulationBoundaryError

_ADDRESS = re.compile(r" (object )?at 0x[0-9a-f]+")


class StuckLoop(Protocol):
    """What the account of a deadlock needs to know of a loop."""

    @property
    def names(self) -> Names: ...
    @property
    def steps(self) -> int: ...
    def time(self) -> float: ...
    def unfinished(self) -> list[asyncio.Task[object]]: ...
    def foreign_thread(self) -> SimulationBoundaryError | None: ...
    @property
    def holders(self) -> Holders | None: ...


def nothing_to_do(loop: StuckLoop) -> DeadlockError | SimulationBoundaryError:
    """Why *loop* cannot go on."""
    foreign = loop.foreign_thread()
    if foreign is not None:
        return foreign
    tasks = loop.unfinished()
    names, holders = loop.names, loop.holders or Holders()
    waiting = [_account(task, names, holders) for task in tasks]
    circle = _circle(tasks, holders)
    what = "1 task waits" if len(waiting) == 1 else f"{len(waiting)} tasks wait"
    if len(circle) == 1:
        each_other = f"{names.of_task(circle[0])} waits for itself.\n"
    else:
        each_other = f"{join_names([names.of_task(one) for one in circle])} wait for each other.\n" if circle else ""
    return DeadlockError(
        f"Deadlock at {loop.time():g} s of virtual time, after {loop.steps} steps: nothing is ready, no timer is set, "
        f"and {what}:\n" + each_other + "\n".join(waiting),
        waiting,
    )


def _account(task: asyncio.Task[object], names: Names, holders: Holders) -> str:
    """What *task* waits for, and its await stack, innermost last; only the user's lines, if there are any."""
    coro = task.get_coro()
    at = f" at {where}: {source_line(coro)}" if (where := place(coro)) else ""
    lines = [f"- {names.of_task(task)} waits for {_what(task, names, holders)}{at}"]
    stack = [(code, frame) for code, frame in await_stack(coro) if frame is not None]
    for code, frame in [one for one in stack if is_users(one[0])] or stack:
        lines.append(f"    {short_name(code.co_qualname)} ({place_of(code.co_filename, frame.f_lineno)})")
    return "\n".join(lines)


def _what(task: asyncio.Task[object], names: Names, holders: Holders) -> str:
    waiter = waiter_of(task)
    if isinstance(waiter, asyncio.Task):
        return f"the task {names.of_task(waiter)}"
    children = getattr(waiter, "_children", None)  # of `asyncio.gather`
    if children:
        return "all of " + ", ".join(
            names.of_task(child) for child in children if isinstance(child, asyncio.Task) and not child.done()
        )
    frame = _innermost(task)
    if frame is None or is_users(frame.f_code):
        return "a future" if waiter is not None else "nothing that can be seen"
    owner = frame.f_locals.get("self")
    if not isinstance(owner, asyncio.Lock):  # who waits for a lock is told that, whatever took it on the way
        frame = _called_of_asyncio(task) or frame
        owner = frame.f_locals.get("self")
    if not type(owner).__module__.startswith("asyncio."):
        return f"{_called(task)}()"
    made = holders.made(owner)
    called = f"the {type(owner).__name__} made at {made}" if made else _ADDRESS.sub("", repr(owner))
    held = [_holder(number, line, names) for number, line in holders.of(owner)]
    return f"{frame.f_code.co_qualname}() of {called}{f' (held by {join_names(held)})' if held else ''}"


def _called(task: asyncio.Task[object]) -> str:
    """The function of a library that the user's code has called, and that *task* waits in."""
    name = ""
    for code, _ in await_stack(task.get_coro()):
        if is_users(code):
            name = ""
        elif not name:
            name = short_name(code.co_qualname)
    return name


def _called_of_asyncio(task: asyncio.Task[object]) -> FrameType | None:
    """The method of asyncio that *task* has called: ``Queue.join``, which waits for an event of its own."""
    found: FrameType | None = None
    for code, frame in await_stack(task.get_coro()):
        if frame is None or is_users(code):
            found = None
        elif found is None and not code.co_name.startswith("__"):
            owner = frame.f_locals.get("self")
            found = frame if type(owner).__module__.startswith("asyncio.") else None
    return found


def _innermost(task: asyncio.Task[object]) -> FrameType | None:
    innermost = None
    for _, innermost in await_stack(task.get_coro()):  # noqa: B007  # the last one is wanted
        pass
    return innermost


def _holder(number: int, line: str, names: Names) -> str:
    task = next((one for one in asyncio.all_tasks(get_running_loop()) if number_of(one) == number), None)
    return f"a task that took it at {line} and is over" if task is None else f"{names.of_task(task)} since {line}"


def _circle(tasks: Sequence[asyncio.Task[object]], holders: Holders) -> list[asyncio.Task[object]]:
    """Tasks of which each waits for what the next one holds, the first one among them, or none."""
    by_number = {number_of(task): task for task in tasks}
    for first in tasks:
        path = [first]
        while (following := _waits_for(path[-1], holders, by_number)) is not None:
            if following in path:
                return path[path.index(following) :]
            path.append(following)
    return []


def _waits_for(
    task: asyncio.Task[object], holders: Holders, by_number: Mapping[int, asyncio.Task[object]]
) -> asyncio.Task[object] | None:
    waiter = waiter_of(task)
    if isinstance(waiter, asyncio.Task):
        return waiter
    frame = _innermost(task)
    owner = None if frame is None else frame.f_locals.get("self")
    if not isinstance(owner, asyncio.Lock):  # of a semaphore others may be held, and released
        return None
    return next((by_number[one] for one, _ in holders.of(owner) if one in by_number), None)
