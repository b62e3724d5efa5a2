"""A delivery in a task: from its turn to its outcome."""

import asyncio
from collections.abc import Coroutine, Sequence
from types import CoroutineType
from typing import Any, Protocol, TypeAlias

from .._composed import OWN, Composed, Rest, Verdict, close_patiently
from .._emission import QUEUED, STARTED, WAITING, AnyEmission, Delivery, set_current
from .._loops import here
from .._outcome import CANCELLED_BEFORE_START, NOTHING, Cancelled, Completed, Discarded, Failed, Outcome
from .._spelling import trim

Work: TypeAlias = Coroutine[Any, Any, None]  # Any: what a loop and its futures say to each other


class Owner(Protocol):
    """The queue of the delivery."""

    @property
    def observers(self) -> Sequence[object]: ...

    def started(self, emission: AnyEmission, index: int, /) -> None: ...
    def conclude(
        self,
        emission: AnyEmission,
        index: int,
        outcome: Outcome,
        error: Exception | None = None,
        until: "asyncio.Future[Any] | None" = None,  # Any: ends with a thread
    ) -> None: ...
    def reason_of(self, error: BaseException) -> str: ...


async def work(  # noqa: C901, PLR0912 - one delivery in one place
    owner: Owner,
    emission: AnyEmission,
    index: int,
    what: Any,  # Any: known to be awaitable
    *,
    owned: bool = False,
) -> None:
    """Await *what*, a composed call or an awaitable, and conclude the delivery, whatever happens.

    Unless it is *owned* by a task that steps it at once, it awaits `OWN` first: up to there anybody may step it, and from
    there on a cancellation before the task's own first step is seen, too.
    """
    value: Any  # Any: whatever a handler returns
    outcome: Outcome
    try:
        if not owned:
            await OWN
        is_composed = what.__class__ is Composed
        progress = QUEUED if is_composed and what.in_thread else STARTED
        # Look and write: nothing is called in between.
        notes = emission._notes
        if notes is not None and notes[index] is WAITING:
            notes[index] = progress
        elif notes is None or notes[index] is not STARTED:
            owner.conclude(emission, index, CANCELLED_BEFORE_START)  # it has an outcome already
            return
        set_current(emission)
        if progress is STARTED and is_composed and owner.observers:
            owner.started(emission, index)
        if is_composed:
            what = (
                what.handler(emission._event)
                if what.is_bare
                else what.run(Delivery(emission, index), owned=True, threads=True)
            )
        value = await what
        what = None  # it has been awaited to its end
        if type(value) is Verdict:
            conclude_by(owner, emission, index, value)
        else:
            owner.conclude(emission, index, NOTHING if value is None else Completed(value))
    except Exception as error:  # noqa: BLE001 - it is the delivery's outcome
        if here.closing is not None:
            close_patiently(what)
        trim(error)
        owner.conclude(emission, index, Failed(error), error)
    except asyncio.CancelledError:
        outcome = Cancelled() if _has_started(emission, index) else CANCELLED_BEFORE_START
        owner.conclude(emission, index, outcome)
    except BaseException as error:
        owner.conclude(emission, index, Discarded(owner.reason_of(error), started=_has_started(emission, index)))
        raise
    finally:
        if what is not None:
            close_unstarted(what)


def close_unstarted(what: Any) -> None:  # Any: as above
    """Close what will not be awaited: cut off before its first step, it would complain that nobody awaited it."""
    if type(what) is CoroutineType or type(what) is Rest:
        what.close()


def conclude_by(owner: Owner, emission: AnyEmission, index: int, verdict: Verdict) -> None:
    """Conclude a delivery by what a composed call has come to."""
    owner.conclude(emission, index, verdict.outcome, verdict.unnotified, verdict.until)


def _has_started(emission: AnyEmission, index: int) -> bool:
    return emission._notes is not None and emission._notes.get(index) is STARTED
