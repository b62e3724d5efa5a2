"""What a processor that calls its handlers is made of: `Runs` accepts emissions and counts them, a `Run` settles one.

`AsyncIOProcessor` settles deliveries by its own queues, because they must be fast; any other processor does it by this.
A call may come from any thread and, in a destructor or signal handler, at any instant. So who may do a thing that is done
once is decided by taking something out of a dict or a list, which is one step; the counts are changed under a lock.
"""

import asyncio
from collections.abc import Collection, Iterator
from contextvars import Context, copy_context
from dataclasses import replace
from functools import partial
from threading import RLock, get_ident
from typing import Any, Final, final
from weakref import ref

from typing_extensions import override

from .._composed import Composed, outcome_of
from .._emission import (
    EMPTY,
    STARTED,
    WAITING,
    AnyEmission,
    Delivery,
    Emission,
    Note,
    Progress,
    Release,
    WouldDeadlock,
    adopt,
    current_emission,
    lineage,
    set_current,
    use_up,
)
from .._errors import DefinitionError, EmitterClosed
from .._event import Event, Request
from .._ledger import Ledger
from .._outcome import CANCELLED_BEFORE_START, Discarded, Failed, Outcome, Status, Tally
from .._processing import EmitterState
from .._spelling import spell, spell_event
from .._subscription import Subscription, check_seconds

_TAKEN: Final = object()


@final
class Run:
    """An emission that a processor has accepted. `Runs.accept` creates it, and keeps it until each delivery is
    settled.

    Usually, a processor iterates over ``run.emission.deliveries``, passes the result of `call` to `settle`, and calls
    `discard` if an exception intervenes.
    """

    __slots__ = (
        "__weakref__",
        "_context",
        "_emission",
        "_futures",
        "_left",
        "_notes",
        "_notified",
        "_open",
        "_runs",
        "_thread",
        "_waiting",
    )

    def __init__(self, runs: "Runs", emission: AnyEmission) -> None:
        """Use `Runs.accept`."""
        total = len(emission._route.calls)
        self._runs = runs
        self._emission = emission
        self._notes: dict[int, Note] = dict.fromkeys(range(total), WAITING)
        self._waiting = dict.fromkeys(range(total))  # who takes a delivery out calls it, or discards it
        self._open = dict.fromkeys(range(total))  # who takes a delivery out writes its outcome
        self._left = [*range(total)]  # who takes 0 out was the last one
        self._notified: dict[int, Exception] = {}  # what on_failure was given
        self._thread: int | None = None  # in which a call runs now
        self._futures: set[asyncio.Future[None]] = set()  # of those who wait: nobody else holds them
        self._context: Context = copy_context()
        self._context.run(set_current, emission)

    @property
    def emission(self) -> Emission[Event]:
        """The emission that was accepted."""
        return self._emission

    def call(self, delivery: Delivery[Event], /) -> Outcome:
        """Call the handler of *delivery*, with its options, and return the outcome. Pass that to `settle`.

        The handler runs in the context of the emission; ``in_thread`` has no effect. If the call returns something
        that would have to be awaited, that is closed, and the outcome is `Failed`. If the emission was cancelled
        meanwhile, nothing is called, and the outcome is `Discarded`. Exceptions that are not an `Exception`, such as
        Ctrl-C and `SystemExit`, are raised: call `discard` then.
        """
        index = delivery._index
        if self._waiting.pop(index, _TAKEN) is _TAKEN:
            note = self._notes[index]
            if note is WAITING:  # somebody is about to write it
                return CANCELLED_BEFORE_START
            if not isinstance(note, Progress):
                return note
        self._notes[index] = STARTED
        # A handler may make its processor call another delivery of the same emission: no context is entered twice.
        before, context = self._thread, self._context
        if before is not None:
            context = context.copy()
        try:
            self._thread = get_ident()
            call, cannot_await = self._emission._route.calls[index], partial(self._cannot_await, index)
            outcome, is_notified = context.run(outcome_of, call, Delivery(self._emission, index), cannot_await)
        finally:
            self._thread = before
        if is_notified and isinstance(outcome, Failed):
            self._notified[index] = outcome.error
        return outcome

    def settle(self, delivery: Delivery[Event], outcome: Outcome, /, *, log: bool = True) -> None:
        """Record *outcome* for *delivery*; with the last delivery, the emission is settled. A second outcome is
        ignored.

        A failure is logged unless ``on_failure`` received it, somebody awaits the emission, or it belongs to the
        answer to a request, for which `answer` raises it. Pass ``log=False`` in ``publish``, whose caller gets the
        failures.
        """
        index = delivery._index
        self._waiting.pop(index, None)
        if self._open.pop(index, _TAKEN) is _TAKEN:
            return
        self._notes[index] = outcome
        if isinstance(outcome, Failed) and not self._is_given(index, outcome.error):
            if log:
                self._context.copy().run(self._emission._tell, index, outcome.error)
            else:
                self._emission._with_rare().unseen.append((index, outcome.error))
        if not self._left.pop():
            self._end()

    def discard(self, reason: str, /) -> None:
        """Make all open deliveries `Discarded`, with *reason*; the emission is settled. Failures that the caller of
        ``publish`` would have received are logged.
        """
        # Also what was cut off between two lines of `settle`.
        self._waiting.clear()
        self._open.clear()
        for index, note in self._notes.items():
            if note.__class__ is Progress:
                self._notes[index] = Discarded(reason, started=note is STARTED)
        self._end()
        self._emission._log_unseen()

    def answer(self) -> object:
        """Return or raise the result of the first delivery, which is the answer to a request."""
        return Delivery(self._emission, 0)._answer()

    @override
    def __repr__(self) -> str:
        return f"<Run of {self._emission!r}>"

    # -- internal -----------------------------------------------------------------------------------------------------
    def _cannot_await(self, index: int) -> DefinitionError:
        handler = self._emission._route.receivers[index]._handler
        return DefinitionError(
            f"{spell(handler)}, its callback or a context manager around it has something to await, and here nothing can be "
            "awaited: it was closed. Return the result itself, or use AsyncIOProcessor.",
            handler,
        )

    def _is_given(self, index: int, error: Exception) -> bool:
        is_answer = index == 0 and isinstance(self._emission._event, Request)
        return is_answer or error is self._notified.get(index)

    def _end(self) -> None:
        """Each delivery has its outcome. May be called again."""
        emission = self._emission
        self._runs._settle(self, emission._worst())
        emission._call_waiters()

    # -- what the emission calls ----------------------------------------------------------------------------------------
    @property
    def scheduler(self) -> object:
        """``None``: there is no scheduler."""
        return None

    def cancel(self, emission: AnyEmission, /) -> bool:
        """As `Emission.cancel`: deliveries that have not started are discarded. A running plain call cannot be
        cancelled."""
        was_open = bool(emission._open)
        for index in [*self._waiting]:
            if self._waiting.pop(index, _TAKEN) is not _TAKEN:
                self.settle(Delivery(emission, index), CANCELLED_BEFORE_START)
        return was_open

    def started(self, _emission: AnyEmission, _index: int, /) -> None:
        """Does nothing, because there is no observer."""

    def is_calling(self, _emission: AnyEmission, /) -> bool:
        """``False``: no call is made that is not recorded."""
        return False

    def runs_in(self, _emission: AnyEmission, _task: "asyncio.Task[Any]", /) -> bool:  # Any: whoever's
        """``False``: handlers run in no separate task."""
        return False

    def waits_for(self, _emission: AnyEmission, /) -> Iterator[AnyEmission]:
        """Nothing: waits are not recorded here."""
        return iter(())

    def places_for(self, _emission: AnyEmission, /) -> tuple[Collection[AnyEmission], Collection[AnyEmission]]:
        """There is no capacity."""
        return (), ()

    def begin_wait(self, emission: AnyEmission, /) -> "tuple[asyncio.Future[None], Release, AnyEmission | None]":
        """Refuse a wait for *emission* in its own handler; otherwise return a future of the running loop."""
        if self._thread == get_ident():
            raise WouldDeadlock(
                f"A handler of {spell_event(emission._event)} waits for it, and so for its own end. Return instead.",
                (emission,),
            )
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._futures.add(future)
        return future, self._futures.discard, None

    def end_wait(self, _waiting: AnyEmission, _emission: AnyEmission, /) -> None:
        """Does nothing: waits are not recorded here."""


@final
class Runs:
    """The emissions that a processor has accepted, and the counts. May be used from any thread.

    `wait` and `close` need a running asyncio loop only if something is pending.
    """

    __slots__ = ("_ledger", "_lock", "_rejected")

    def __init__(self) -> None:
        self._ledger = Ledger()
        self._lock = RLock()  # re-entrant: a destructor or signal handler that emits may come in the middle of a change
        self._rejected = 0

    def accept(self, emission: Emission[Event], state: EmitterState, /) -> Run:
        """Accept *emission*: it is pending, its parent is the emission whose handler emits it, and ``once`` is used
        up.

        Raises `DefinitionError`, and does nothing, if a receiver is ``async`` or has a ``timeout``, because
        `Run.call` can neither await nor interrupt. Raises `EmitterClosed` as `check_open` does.
        """
        for subscription, call in zip(emission._route.receivers, emission._route.calls, strict=True):
            _check(subscription, call)
        adopt(emission)
        run: Run | None = None
        try:
            with self._lock:  # an emitter closes before this, or sees what was accepted
                self.check_open(emission._event, state)
                use_up(emission)
                run = Run(self, emission)
                emission._queue = ref(run)
                emission._notes, emission._cursor = run._notes or None, EMPTY
                self._ledger.accept(run)
            if not emission._open:  # nobody receives it
                run._end()
        except BaseException as error:
            if run is not None:  # Ctrl-C: its emitter gets no handle
                run.discard(repr(error))
            raise
        return run

    def check_open(self, event: Event, state: EmitterState, /) -> None:
        """Raise `EmitterClosed`, and count it, if the emitter is closed, except for events that result from emissions
        that were pending here when closing began.
        """
        if not state.closed:
            return
        parent = current_emission()
        if parent is None or not isinstance(state.closing, frozenset) or parent.root_id not in state.closing:
            self.reject()
            raise EmitterClosed(f"{spell_event(event)} was refused: the emitter is closed.", event)

    def reject(self) -> None:
        """Count an emission that the processor refuses with its own `EmissionRejected`."""
        with self._lock:
            self._rejected += 1

    async def wait(self, timeout: float | None = None) -> bool:
        """Wait until everything is settled that was accepted before the call, and everything that its handlers emit.
        Return ``False`` if that takes more than *timeout* seconds. Raises `WouldDeadlock` in a handler that it waits
        for.
        """
        if timeout is not None:
            check_seconds("timeout", timeout)
        return await self._over(self._roots(), timeout)

    async def close(self, state: EmitterState, grace: float | None, /) -> bool:
        """Refuse emissions from outside, and `wait`. After *grace* seconds, cancel the emissions of this emitter and
        those that their handlers emitted, and return ``False``.
        """
        with self._lock:
            roots = self._roots()
            if not state.closed:
                state.closing = roots
                state.closed = True
        if await self._over(roots, grace):
            return True
        for run in self._pending():
            if any(one._state is state for one in lineage(run._emission)):
                run.cancel(run._emission)
        return False

    @property
    def tally(self) -> Tally:
        """The counts, for ``Processor.tally``."""
        with self._lock:
            return replace(self._ledger.tally, rejected=self._rejected)

    @override
    def __repr__(self) -> str:
        return f"<Runs: {self.tally.pending} pending>"

    # -- internal -----------------------------------------------------------------------------------------------------
    def _settle(self, run: Run, status: Status) -> None:
        with self._lock:
            if run in self._ledger.open:
                run._emission._open = 0
                self._ledger.settle(run, status)

    def _pending(self) -> "list[Run]":
        return [*self._ledger.open]  # type: ignore[list-item]  # nothing but runs is entered in our ledger

    def _roots(self) -> frozenset[int]:
        # What an emission emits while it is pending has the same root; what comes from outside has another one.
        return frozenset(run._emission.root_id for run in self._pending())

    async def _over(self, roots: frozenset[int], timeout: float | None) -> bool:
        """Wait until nothing is pending that descends from *roots*."""

        def left() -> Run | None:
            return next((run for run in self._pending() if run._emission.root_id in roots), None)

        if left() is None:
            return True
        try:
            async with asyncio.timeout(timeout):
                while (run_left := left()) is not None:
                    await run_left._emission.wait()
        except TimeoutError:
            return False
        return True


def _check(subscription: Subscription[Any], call: object) -> None:  # Any: of whatever event
    """Refuse a receiver that a plain call cannot do justice to."""
    name = spell(subscription._handler)
    if subscription._is_async:
        raise DefinitionError(
            f"{name} is async, and this processor calls its handlers and cannot await them. "
            "Make it a plain function, or use AsyncIOProcessor.",
            subscription._handler,
        )
    if type(call) is Composed and call.is_async:
        raise DefinitionError(
            f"An async context manager is around {name}, and this processor cannot await it. "
            "Write it as a plain one, or use AsyncIOProcessor.",
            subscription._handler,
        )
    if subscription.timeout is not None:
        raise DefinitionError(
            f"{name} has timeout={subscription.timeout!r}, and this processor cannot cut off a plain call. "
            "Leave the timeout out, or use AsyncIOProcessor.",
            subscription._handler,
        )
