"""Who waits for what, and who holds it: where locks, semaphores, events and queues were made, and the account of a deadlock."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any, Protocol
from weakref import WeakKeyDictionary

from pyventus_typed._libraries import is_in_library
from pyventus_typed._loops import get_running_loop
from pyventus_typed._spelling import short_name

from ._names import Names, await_stack, is_users, place, place_of, source_line
from ._schedule import join_names
from ._tasks import number_of, waiter_of
from .errors import DeadlockError, SimulationBoundaryError

_ADDRESS = re.compile(r" (object )?at 0x[0-9a-f]+")


# ---------------------------------------------------------------- who holds what
_KINDS: tuple[type[Any], ...] = (  # Any: they have nothing in common
    asyncio.Lock,
    asyncio.Semaphore,
    asyncio.Event,
    asyncio.Condition,
    asyncio.Queue,
    asyncio.Barrier,
)
_HELD: tuple[type[Any], ...] = (asyncio.Lock, asyncio.Semaphore)


class Holders:
    """Watches while it is entered; for the few runs of which a report is made."""

    def __init__(self) -> None:
        self._made: WeakKeyDictionary[object, str] = WeakKeyDictionary()
        self._held: WeakKeyDictionary[object, list[tuple[int, str]]] = WeakKeyDictionary()

    def made(self, thing: object) -> str:
        """Where *thing* was made, as ``shop.py:11``, or nothing."""
        return self._made.get(thing, "")

    def of(self, thing: object) -> list[tuple[int, str]]:
        """The number of each task that holds *thing*, and the line at which it took it."""
        return self._held.get(thing, [])

    @contextmanager
    def entered(self) -> Generator[None, None, None]:
        """Watch, through the methods of asyncio's own classes."""
        before = [(kind, "__init__", kind.__init__) for kind in _KINDS]
        before += [(kind, name, getattr(kind, name)) for kind in _HELD for name in ("acquire", "release")]
        for kind, name, method in before:
            watch = {"__init__": self._watch_making, "acquire": self._watch_taking, "release": self._watch_giving}[name]
            setattr(kind, name, watch(method))
        try:
            yield
        finally:
            for kind, name, method in before:
                setattr(kind, name, method)

    def _watch_making(self, make: Any) -> Any:  # Any: a method of asyncio's, as below
        def made(thing: Any, *args: Any, **options: Any) -> None:
            make(thing, *args, **options)
            self._made[thing] = _line_of_the_user()

        return made

    def _watch_taking(self, take: Any) -> Any:
        async def taken(thing: Any) -> Any:
            result = await take(thing)
            self._held.setdefault(thing, []).append((_current(), _line_of_the_user()))
            return result

        return taken

    def _watch_giving(self, give: Any) -> Any:
        def given(thing: Any) -> None:
            give(thing)
            held = self._held.get(thing)
            if held:
                task = _current()  # a semaphore may be released by another one than took it
                held.remove(next((one for one in held if one[0] == task), held[0]))

        return given


def _current() -> int:
    task = asyncio.current_task()
    return -1 if task is None else number_of(task)


def _line_of_the_user() -> str:
    frame = sys._getframe(2)
    while frame.f_back is not None and is_in_library(frame):
        frame = frame.f_back
    if is_in_library(frame):
        return ""
    return place_of(frame.f_code.co_filename, frame.f_lineno)


# ---------------------------------------------------------------- who waits
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
    if not isinstance(owner, asyncio.Lock):  # a lock is named itself, whatever took it on the way
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
