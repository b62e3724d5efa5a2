"""The short way of an emission whose receivers are all async handlers without options: a task for each, and no job.

As on the other short ways, a job is made as soon as somebody wants to look at the deliveries, or to touch them.
"""

import asyncio
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from .._emission import AnyEmission, current
from .._ledger import STARTED
from .._outcome import NOTHING, Completed, Discarded, Failed, Outcome
from .._subscription import Call
from ._step import OWN, trim

if TYPE_CHECKING:
    from ._line import Line

Flight: TypeAlias = "asyncio.Task[None] | list[asyncio.Task[None]]"
"""Of one receiver; of several."""
_STARTED: Final = (STARTED,)  # of an emission to one receiver: shared


async def fly(line: "Line", emission: AnyEmission, index: int, handler: Call) -> None:
    """Run an async handler and settle its delivery, whatever happens.

    Whoever makes it takes the first step, which ends where the task's own ones begin: from there on a cancellation
    before the task's first step is seen, too.
    """
    outcome: Outcome = NOTHING
    try:
        await OWN
        states = emission._outcomes
        if states[index] is not None:
            return  # it was discarded while it waited
        if type(states) is list:
            states[index] = STARTED
        else:
            emission._outcomes = _STARTED
        current.set(emission)
        value: Any = await handler(emission._event)  # type: ignore[misc]  # it is an async def
        if value is not None:
            outcome = Completed(value)
    except Exception as error:  # noqa: BLE001 - it is the delivery's outcome
        trim(error)
        if not emission.awaited:
            line.log(emission, index, error)
        outcome = Failed(error)
    except asyncio.CancelledError:
        outcome = line.cut_off(emission, index)
    except BaseException as error:
        reason = repr(error)
        if isinstance(error, GeneratorExit):
            reason = "loop lost"
        elif (task := asyncio.current_task()) is not None:
            line.stage.crashed.add(task)
        line.land(emission, index, Discarded(reason, started=emission._outcomes[index] is not None))
        raise
    line.land(emission, index, outcome)
