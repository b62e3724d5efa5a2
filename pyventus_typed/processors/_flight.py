"""The short way of an emission whose receivers are all async handlers without options: a task for each, and no job.

As on the other short ways, a job is made as soon as somebody wants to look at the deliveries, or to touch them.
"""

import asyncio
from contextvars import Context
from typing import TYPE_CHECKING, Any, TypeAlias

from .._emission import AnyEmission, set_current
from .._ledger import SINGLE, STARTED
from .._outcome import NOTHING, Completed, Discarded, Failed, Outcome
from .._routing import Route
from ._step import OWN, task_of, trim

if TYPE_CHECKING:
    from ._line import Line

Flight: TypeAlias = "asyncio.Task[None] | list[asyncio.Task[None]]"
"""Of one receiver; of several."""


def take_off(line: "Line", emission: AnyEmission, route: Route, context: Context | None = None) -> None:
    """Give each delivery of an emission to async handlers a task of its own, in a context of its own."""
    loop, flights = line.stage.loop, line.short.flights
    if route.call is not None:
        flight = fly(line, emission)
        flight.send(None)  # up to where it wants a task
        flights[emission] = task_of(flight, loop, context)
        return
    emission._outcomes = [None] * route.count
    flights[emission] = tasks = []
    for index in range(route.count):
        flight = fly_beside(line, emission, index)
        flight.send(None)  # likewise
        tasks.append(task_of(flight, loop, None if context is None else context.copy()))


def take_off_later(emission: AnyEmission, context: Context) -> None:
    """The same for one that waited for its turn, unless it was cancelled meanwhile."""
    if emission._open:
        line: Line = emission._keeper()  # type: ignore[assignment]  # it was ready, so a line keeps it
        take_off(line, emission, emission._route, context)


async def fly(line: "Line", emission: AnyEmission) -> None:
    """Run the only handler of an emission, which is async, and settle its delivery, whatever happens.

    Whoever makes it takes the first step, which ends where the task's own ones begin: from there on a cancellation
    before the task's first step is seen, too.
    """
    # Few names, and what is rare in functions: a pending emission costs the frame of this.
    try:
        await OWN
        if emission._outcomes[0] is not None:
            return  # it was discarded while it waited
        emission._outcomes = SINGLE
        set_current(emission)
        value: Any = await emission._route.call(emission._event)  # type: ignore[misc]  # it is an async def
    except BaseException as error:
        if _crash(line, emission, 0, error):
            raise
    else:
        line.short.land(line, emission, 0, NOTHING if value is None else Completed(value))


async def fly_beside(line: "Line", emission: AnyEmission, index: int) -> None:
    """The same for one of several handlers: the last one settles the emission."""
    try:
        await OWN
        if emission._outcomes[index] is not None:
            return  # as above
        emission._outcomes[index] = STARTED  # type: ignore[index]  # those of several are a list from take_off on
        set_current(emission)
        value: Any = await emission._route.calls[index](emission._event)  # type: ignore[misc]  # as above
        if value is None and emission._open > 1 and emission in line.short.flights:
            # As Ledger.settle, in line.
            emission._outcomes[index] = NOTHING  # type: ignore[index]  # as above
            emission._open -= 1
            return
    except BaseException as error:
        if _crash(line, emission, index, error):
            raise
    else:
        line.short.land(line, emission, index, NOTHING if value is None else Completed(value))


def _crash(line: "Line", emission: AnyEmission, index: int, error: BaseException) -> bool:
    """The end of a delivery that *error* has left; whether that goes on from here."""
    outcome: Outcome
    if isinstance(error, Exception):
        outcome = failed(line, emission, index, error)
    elif isinstance(error, asyncio.CancelledError):
        outcome = line.cut_off(emission, index)
    else:
        outcome = Discarded(line.stage.reason_of(error), started=emission._outcomes[index] is not None)
    line.short.land(line, emission, index, outcome)
    return not isinstance(error, Exception | asyncio.CancelledError)


def failed(line: "Line", emission: AnyEmission, index: int, error: Exception) -> Failed:
    """An async handler has raised *error*."""
    trim(error)
    if not line.is_awaited(emission):
        line.log(emission, index, error)
    return Failed(error)
