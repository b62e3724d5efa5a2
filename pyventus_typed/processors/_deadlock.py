"""W4: a handler that waits, in its own task, for its own end is told so at once.

What an emission waits for is in the books: those who stand before it in its order, and what its running handlers await.
A wait is refused if that leads back to the one who would wait. Waits in other tasks are not judged: they may be cut off.
"""

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from .._emission import Emission, current
from .._event import Event
from .._spelling import spell_event
from ..errors import WouldDeadlock

if TYPE_CHECKING:
    from ._line import Job, Line

Chain = tuple[Emission[Event], ...]


def own_job() -> "Job | None":
    """The job whose handler's own task this is."""
    emission = current.get()
    line = None if emission is None else _line_of(emission)
    job = None if line is None or emission is None else line.jobs.get(emission)
    if job is None:
        return None
    task = asyncio.current_task()
    tasks = job.line.stage.tasks
    own = (tasks.get((job, index)) for index in range(len(job.subscriptions)))
    return job if task is not None and (task is job.runner or any(task is one for one in own)) else None


@contextmanager
def awaiting(target: Emission[Event]) -> Iterator[None]:
    """Judge a wait for *target* and, while it lasts, let others know of it."""
    line = _line_of(target)
    if line is not None:
        _check_thread(line, target)
    job = own_job()
    if job is None:
        yield
        return
    refuse([target], job, "waits for")
    job.awaits.append(target)
    try:
        yield
    finally:
        job.awaits.remove(target)


def refuse(targets: Iterable[Emission[Event]], job: "Job", does: str, *, unless: bool = False) -> None:
    """Raise `WouldDeadlock` if one of *targets* leads back to *job*; *unless* another one does not."""
    found: Chain = ()
    for target in targets:
        chain = _chain(target, job.emission)
        if not chain and unless:
            return
        found = found or chain
    if found:
        links = " which waits for ".join(spell_event(one.event) for one in found)
        raise WouldDeadlock(
            f"A handler of {spell_event(job.emission.event)} {does} {links}: that is its own end. "
            "Return instead, or wait in another task.",
            found,
        )


def _check_thread(line: "Line", target: Emission[Event]) -> None:
    # Its handlers run in this very thread, which is busy with the caller.
    loop, running = line.stage.loop, asyncio._get_running_loop()
    if loop is not running and line.stage.is_here:
        raise WouldDeadlock(
            f"{spell_event(target.event)} is pending in this thread, and not in the loop that would wait for it: "
            "it cannot go on until that returns. Wait for it there.",
            (target,),
        )


def _chain(target: Emission[Event], end: Emission[Event]) -> Chain:
    """How *target* leads to *end*, by what each one waits for."""
    came_from: dict[Emission[Event], Emission[Event] | None] = {target: None}
    todo = [target]
    while todo:
        one = todo.pop()
        if one is end:
            path: list[Emission[Event]] = []
            step: Emission[Event] | None = one
            while step is not None:
                path.append(step)
                step = came_from[step]
            return tuple(reversed(path))
        for behind in _waits_for(one):
            if behind not in came_from:
                came_from[behind] = one
                todo.append(behind)
    return ()


def _waits_for(emission: Emission[Event]) -> Iterator[Emission[Event]]:
    line = _line_of(emission)
    job = None if line is None else line.jobs.get(emission)
    if job is None:
        return
    if any(outcome is None for outcome in emission._outcomes):
        for place in job.turns.ahead(job):
            yield place.emission  # type: ignore[attr-defined]  # only jobs enter a line
    yield from job.awaits


def _line_of(emission: Emission[Event]) -> "Line | None":
    line: object = emission._line()
    return line if hasattr(line, "jobs") else None  # type: ignore[return-value]  # of another processor it is none of ours
