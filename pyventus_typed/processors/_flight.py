"""The short way of an emission whose receivers are all async handlers without options: a task for each, and no job.

As on the other short ways, a job is made as soon as somebody wants to look at the deliveries, or to touch them.
"""

import asyncio
from contextvars import Context
from typing import TYPE_CHECKING, Any, TypeAlias

from .._emission import AnyEmission, set_current
from .._ledger import SINGLE, STARTED, put
from .._outcome import NOTHING, Completed, Discarded, Failed, Outcome
from .._routing import Route
from .._subscription import Call
from ._step import OWN, trim

if TYPE_CHECKING:
    from ._line import Line

Flight: TypeAlias = "asyncio.Task[None] | list[asyncio.Task[None]]"
"""Of one receiver; of several."""


def take_off(line: "Line", emission: AnyEmission, route: Route, context: Context | None = None) -> None:
    """Give each delivery of an emission to async handlers a task of its own, in a context of its own."""
    stage, flights = line.stage, line.short.flights
    if route.call is not None:
        flights[emission] = stage.take_off(fly(line, emission, 0, route.call), context)
        return
    emission._outcomes = [None] * route.count
    flights[emission] = tasks = []
    for index, handler in enumerate(route.calls):
        own = None if context is None else context.copy()
        tasks.append(stage.take_off(fly(line, emission, index, handler), own))


def take_off_later(emission: AnyEmission) -> None:
    """The same for one that waited for its turn, unless it was cancelled meanwhile."""
    line: Line = emission._keeper()  # type: ignore[assignment]  # it was ready, so a line keeps it
    context = line.short.contexts.pop(emission, None)
    if context is not None:
        take_off(line, emission, emission._route, context)


async def fly(line: "Line", emission: AnyEmission, index: int, handler: Call) -> None:
    """Run an async handler and settle its delivery, whatever happens.

    Whoever makes it takes the first step, which ends where the task's own ones begin: from there on a cancellation
    before the task's first step is seen, too.
    """
    outcome: Outcome = NOTHING
    # Few names, and what is rare in functions: a pending emission costs the frame of this.
    try:
        await OWN
        if emission._outcomes[index] is not None:
            return  # it was discarded while it waited
        if len(emission._subscriptions) == 1:
            emission._outcomes = SINGLE
        else:
            put(emission, index, STARTED)
        set_current(emission)
        found: Any = await handler(emission._event)  # type: ignore[misc]  # it is an async def
        if found is not None:
            outcome = Completed(found)
    except Exception as error:  # noqa: BLE001 - it is the delivery's outcome
        outcome = failed(line, emission, index, error)
    except asyncio.CancelledError:
        outcome = line.cut_off(emission, index)
    except BaseException as error:
        _crash(line, emission, index, error)
        raise
    line.short.land(line, emission, index, outcome)


def failed(line: "Line", emission: AnyEmission, index: int, error: Exception) -> Failed:
    """An async handler has raised *error*."""
    trim(error)
    if not emission.awaited:
        line.log(emission, index, error)
    return Failed(error)


def _crash(line: "Line", emission: AnyEmission, index: int, error: BaseException) -> None:
    reason = line.stage.reason_of(error)
    line.short.land(line, emission, index, Discarded(reason, started=emission._outcomes[index] is not None))
