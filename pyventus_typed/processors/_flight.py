"""The short way of an emission whose receivers are all async handlers without options: a task for each, and no job.

As on the other short ways, a job is made as soon as somebody wants to look at the deliveries, or to touch them.
"""

import asyncio
import sys
from contextvars import Context
from itertools import repeat
from operator import is_not
from typing import TYPE_CHECKING, Any, TypeAlias

from .._emission import AnyEmission, set_current
from .._ledger import SINGLE, STARTED
from .._outcome import NOTHING, Completed, Discarded, Failed, Outcome
from .._routing import Route
from ._report import log_failure
from ._step import OWN, task_of, trim

if TYPE_CHECKING:
    from ._line import Line
    from ._short import Short

Flight: TypeAlias = "asyncio.Task[None] | list[asyncio.Task[None]]"
"""Of one receiver; of several."""


def take_off(short: "Short", emission: AnyEmission, route: Route, context: Context | None = None) -> None:
    """Give each delivery of an emission to async handlers a task of its own, in a context of its own."""
    loop, flights = short.stage.loop, short.flights
    if route.call is not None:
        flight = fly(emission)
        flight.send(None)  # up to where it wants a task
        flights[emission] = task_of(flight, loop, context)
        return
    emission._outcomes = [None] * route.count
    flights[emission] = tasks = []
    for index in range(route.count):
        flight = fly_beside(flights, emission, index)
        flight.send(None)  # likewise
        tasks.append(task_of(flight, loop, None if context is None else context.copy()))


def take_off_later(emission: AnyEmission, context: Context) -> None:
    """The same for one that waited for its turn, unless it was cancelled meanwhile."""
    if emission._open:
        line: Line = emission._keeper()  # type: ignore[assignment]  # it was ready, so a line keeps it
        take_off(line.short, emission, emission._route, context)


async def fly(emission: AnyEmission) -> None:
    """Run the only handler of an emission, which is async, and settle its delivery, whatever happens.

    Whoever makes it takes the first step, which ends where the task's own ones begin: from there on a cancellation
    before the task's first step is seen, too.
    """
    # Few names, and nothing deep: a pending emission costs the frame of this.
    try:
        await OWN
        if emission._outcomes[0] is not None:
            return  # it was discarded while it waited
        emission._outcomes = SINGLE
        set_current(emission)
        value: Any = await emission._route.call(emission._event)  # type: ignore[misc]  # it is an async def
    except BaseException:
        if _crash(emission):
            raise
    else:
        _land(emission, value)


async def fly_beside(flights: dict[AnyEmission, Flight], emission: AnyEmission, index: int) -> None:
    """The same for one of several handlers: the last one settles the emission."""
    try:
        await OWN
        if emission._outcomes[index] is not None:
            return  # as above
        emission._outcomes[index] = STARTED  # type: ignore[index]  # they are a list from take_off on
        set_current(emission)
        value: Any = await emission._route.calls[index](emission._event)  # type: ignore[misc]  # as above
        if value is None and emission._open > 1 and emission in flights:
            # As Ledger.settle, in line.
            emission._outcomes[index] = NOTHING  # type: ignore[index]  # as above
            emission._open -= 1
            return
    except BaseException:
        if _crash(emission, index):
            raise
    else:
        _land(emission, value, index)


def _land(emission: AnyEmission, value: object, index: int = 0, outcome: Outcome = NOTHING) -> None:
    """The end of a delivery in flight: its handler has returned *value*, or what left it is its *outcome*."""
    line: Line | None = emission._keeper()  # type: ignore[assignment]  # it was accepted, by a line
    if line is None:
        return  # its loop was lost, and it is settled
    short = line.short
    if value is not None:
        outcome = Completed(value)
    if emission not in short.flights:
        job = line.jobs.get(emission)
        if job is not None:
            line.settle(job, index, outcome)
        return  # else it is settled: its loop was closed
    # By identity: to compare would ask what the others have returned whether it equals None.
    states = emission._outcomes
    if outcome is NOTHING and (len(states) == 1 or sum(map(is_not, states, repeat(NOTHING))) == 1):
        short.ledger.complete(emission, emission._route.done)
    elif not short.ledger.settle(emission, index, outcome):
        return
    short.flights.pop(emission, None)  # whoever looked in between has taken it
    if short.awaited or short.is_passing:
        short.tell(emission)


def _crash(emission: AnyEmission, index: int = 0) -> bool:
    """The end of a delivery that an exception has left; whether that goes on from here."""
    error = sys.exc_info()[1]  # asked for here: a name for it would be one more in each frame that waits
    line: Line | None = emission._keeper()  # type: ignore[assignment]  # as above
    outcome: Outcome
    if isinstance(error, Exception):
        outcome = failed(line, emission, index, error)
    elif line is None or error is None:
        return True  # as above
    elif isinstance(error, asyncio.CancelledError):
        outcome = line.cut_off(emission, index)
    else:
        outcome = Discarded(line.stage.reason_of(error), started=emission._outcomes[index] is not None)
    _land(emission, None, index, outcome)
    return not isinstance(error, Exception | asyncio.CancelledError)


def failed(line: "Line | None", emission: AnyEmission, index: int, error: Exception) -> Failed:
    """An async handler has raised *error*."""
    trim(error)
    if line is None or not line.is_awaited(emission):
        log_failure(emission, index, error)
    return Failed(error)
