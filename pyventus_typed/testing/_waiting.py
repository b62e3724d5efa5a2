"""Who waits for what: the names of tasks in reports, and the account of a deadlock."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

from ._errors import DeadlockError, SimulationBoundaryError
from ._tasks import await_stack, is_users, number_of, place, plain_name, source_line, task_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ._entries import Entry, Timer
    from ._loop import VirtualLoop

_ADDRESS = re.compile(r" (object )?at 0x[0-9a-f]+")


class Names:
    """``ship#2`` for the second task that runs ``ship``. A name once given stays."""

    def __init__(self) -> None:
        self._given: dict[int, str] = {}
        self._count: dict[str, int] = {}

    def of_task(self, task: asyncio.Task[object]) -> str:
        number = number_of(task)
        if number not in self._given:
            plain = plain_name(task)
            self._count[plain] = ordinal = self._count.get(plain, 0) + 1
            self._given[number] = f"{plain}#{ordinal}" if plain != "body" else plain
        return self._given[number]

    def of_entry(self, entry: Entry | Timer) -> str:
        callback = entry._callback  # type: ignore[union-attr]  # what the entry is, is in its callback
        task = task_of(callback)
        if task is not None:
            return self.of_task(task)
        name = getattr(callback, "__qualname__", None) or type(callback).__qualname__
        if name.startswith("LoopWithThreads."):
            return "a thread"
        if (getattr(callback, "__module__", None) or "").startswith("pyventus_typed.processors"):
            return "the emitter"
        return f"the callback {name.rpartition('<locals>.')[2]}"

    def ready(self, entries: Iterable[Entry | Timer]) -> str:
        names = dict.fromkeys(self.of_entry(entry) for entry in entries)
        return ", ".join(list(names)[:8]) + (", ..." if len(names) > 8 else "")  # noqa: PLR2004  # enough to see the pattern


def nothing_to_do(loop: VirtualLoop) -> DeadlockError | SimulationBoundaryError:
    """Why *loop* cannot go on."""
    foreign = loop.foreign_thread()
    if foreign is not None:
        return foreign
    waiting = [account(task, loop.names) for task in loop.unfinished()]
    what = f"{len(waiting)} tasks wait" if len(waiting) != 1 else "1 task waits"
    return DeadlockError(
        f"Deadlock at {loop.time():g} s of virtual time, after {loop.steps} steps: nothing is ready, no timer is set, "
        f"and {what}:\n" + "\n".join(waiting),
        waiting,
    )


def account(task: asyncio.Task[object], names: Names) -> str:
    """What *task* waits for, and its await stack, innermost last."""
    coro = task.get_coro()
    lines = [f"- {names.of_task(task)} waits for {_what(task, names)} at {place(coro)}: {source_line(coro)}"]
    for code, frame in await_stack(coro):
        if frame is not None:
            lines.append(
                f"    {code.co_qualname.rpartition('<locals>.')[2]} ({place_of(code.co_filename, frame.f_lineno)})"
            )
    return "\n".join(lines)


def place_of(path: str, line: int) -> str:
    return f"{path.replace(chr(92), '/').rpartition('/')[2]}:{line}"


def _what(task: asyncio.Task[object], names: Names) -> str:
    waiter = getattr(task, "_fut_waiter", None)
    if isinstance(waiter, asyncio.Task):
        return f"the task {names.of_task(waiter)}"
    children = getattr(waiter, "_children", None)  # of `asyncio.gather`
    if children:
        return "all of " + ", ".join(
            names.of_task(child) for child in children if isinstance(child, asyncio.Task) and not child.done()
        )
    innermost = None
    for innermost in await_stack(task.get_coro()):  # noqa: B007  # the last one is wanted
        pass
    if innermost is not None and not is_users(innermost[0]) and innermost[1] is not None:
        owner = innermost[1].f_locals.get("self")
        if type(owner).__module__.startswith("asyncio."):
            return f"{innermost[0].co_qualname}() of {_ADDRESS.sub('', repr(owner))}"
        return f"{innermost[0].co_qualname}()"
    return "a future" if waiter is not None else "nothing that can be seen"
