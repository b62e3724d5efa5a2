"""The books, the order and the room of one processor in one stage."""

import asyncio
from collections.abc import Iterator, Sequence
from contextvars import Context
from functools import partial
from threading import get_ident
from typing import Any
from weakref import finalize, ref

from .._emission import AnyEmission, Emission, get_current
from .._event import Event
from .._ledger import STARTED, Books, Ledger
from .._loops import runs_here
from .._ordering import Place, Row, Turns, turns_of
from .._outcome import DONE, NOTHING, Cancelled, Discarded, Outcome, Status
from .._processing import Door
from .._routing import Route
from .._spelling import spell_event
from ..errors import EmitterClosed, WouldDeadlock
from ._deadlock import refuse
from ._job import AT_ONCE, Awaiting, Job, use_up, wake
from ._report import Loss, log_failure
from ._room import Room
from ._serving import leave
from ._settings import Settings
from ._short import is_waited_for, short_of
from ._stage import Stage
from ._stages import stage_of


class Line:
    """What one processor has accepted in one stage. Touched only by whoever runs the stage."""

    __slots__ = (
        "__weakref__",
        "debug",
        "jobs",
        "ledger",
        "lost",
        "owner",
        "ref",
        "room",
        "settings",
        "short",
        "stage",
        "turns",
    )

    def __init__(self, stage: Stage, settings: Settings, books: Books, owner: object) -> None:
        self.stage = stage
        self.settings = settings
        self.ledger = books.open()
        self.turns = turns_of(settings.ordering)
        self.jobs: dict[Emission[Event], Job] = {}
        self.room = Room(self)
        self.lost = Loss(self.ledger, settings.on_discard)
        self.ref = ref(self)
        debug = settings.debug
        self.debug = debug or (debug is None and stage.loop is not None and stage.loop.get_debug())
        self.short = short_of(self)
        # The stage of a loop holds it while its processor is there, so that not each emission has to say so.
        self.owner = ref(owner, partial(_passes, self.ref))
        if not self.short.is_passing:
            stage.held[self] = None
        stage.losses.append(self.lost)
        finalize(self, _close, books, self.ledger, stage.losses, self.lost).atexit = False  # pyrefly: ignore[missing-attribute]  # its stubs forget it

    # -- accepting ----------------------------------------------------------------------------------------------------
    def admit(self, emission: Emission[Event], door: Door) -> None:
        """Raise `EmitterClosed` unless *door* is open for *emission*."""
        if door.closed and not door.admits(emission):
            self.ledger.reject()
            raise EmitterClosed(f"{spell_event(emission._event)} was refused: the emitter is closed.", emission._event)

    def row(self, emission: Emission[Event]) -> Row | None:
        """The row of the event's key: a stranger's code, so before anything is decided. A key that fails fails them all."""
        try:
            return self.turns.row(emission._event) if emission._open else None
        except Exception as error:  # noqa: BLE001 - it is the outcome of these deliveries
            emission._route = Route.chosen(emission._subscriptions, (error,) * len(emission._subscriptions))
            return None

    def enter(
        self, emission: Emission[Event], context: Context, row: Row | None = None, *, published: bool = False
    ) -> Job | None:
        """Accept *emission* if there is room, and let its order say what may start; its job, unless it is settled already.

        There is no foreign code from here to where it stands in the line.
        """
        if self.settings.capacity is not None and emission._open and not self.room.has_place(self, emission):
            return None
        use_up(emission)
        job = self._accept(emission, context, self.turns, row)
        if job is not None:
            short = self.short
            if short.boxes:
                leave(self)  # so that this one stands behind those, and behind whoever came in between
            job.granted = set() if published else None
            if short.leaving is None:
                self.make_ready(job.turns.enter(job))
            else:
                short.leaving.append(lambda: self.make_ready(job.turns.enter(job)))
        return job

    def enter_request(self, emission: Emission[Event], context: Context) -> Job | None:
        """Accept a request: at once, whatever the order, and without room."""
        use_up(emission)
        self.room.requests += 1  # before it is a job: it never takes room
        job = self._accept(emission, context, AT_ONCE, None)
        if job is not None:
            self.make_ready(AT_ONCE.enter(job))
            job.granted = {0}  # whoever asks is told of the answer's failure
        return job

    def _accept(self, emission: Emission[Event], context: Context, turns: Turns, row: Row | None) -> Job | None:
        if not emission._open:
            self.ledger.accept(emission)
            return None
        self.hold()
        self.ledger.accept(emission, emission.parent)
        ending = self.stage.ending
        emission._keeper = self.ref
        job = Job(self, emission, context, turns, row) if not ending else Job(self, emission, context, AT_ONCE, None)
        self.jobs[emission] = job
        if ending:  # emitted while its loop ends: accounted for, and never started
            self.discard(emission, ending)
            return None
        return job

    def look(self, emission: AnyEmission, /) -> None:
        """Somebody wants to see the deliveries of *emission*, or to touch them: from here on it has a job."""
        if emission not in self.jobs and self.stage.is_here:
            self.short.leave(self, emission)

    def _job(self, emission: Emission[Event]) -> Job:
        if emission not in self.jobs:
            self.short.leave(self, emission)
        if emission not in self.jobs:
            # It waits on a short way. It will be cancelled before its first call, so nothing of it becomes ready.
            emission._outcomes = [*emission._outcomes]
            self.jobs[emission] = Job(self, emission, Context(), AT_ONCE, None)
        return self.jobs[emission]

    def pending(self) -> "list[Emission[Event]]":
        """What is open, in the order of acceptance."""
        return [entry for entry in self.ledger.open if isinstance(entry, Emission)]

    def hold(self) -> None:
        """Something will be pending in a thread, or in a loop whose processor is gone: it is held until nothing is."""
        if self.short.is_passing:
            self.stage.held[self] = None

    def let_go(self) -> None:
        """Nothing is pending there any more: it ends with its processor, unless something is to be reported."""
        if not self.lost.emissions:
            self.stage.held.pop(self, None)

    # -- running ------------------------------------------------------------------------------------------------------
    def make_ready(self, turns: Sequence[tuple[Place, int]]) -> None:
        """It is the turn of these deliveries."""
        stage = self.stage
        for place, index in turns:
            assert isinstance(place, Job)  # only jobs enter a line
            if place.granted is not None:
                place.granted.add(index)
                wake(place.waker)
            # A task's first step comes after this turn of the loop, so with nobody before it it may be made at once.
            elif stage.ready or stage.loop is None or stage.ending or not place.is_async(index):
                stage.ready.append((place, index))
            else:
                stage.start(place, index)
        if stage.ready:
            stage.wake()

    def tell(self, job: Job, index: int, error: Exception) -> None:
        """Log *error*, unless somebody awaits the emission and will get it."""
        if job.granted is not None and index in job.granted:
            job.untold = {**(job.untold or {}), index: error}
        elif not self.is_awaited(job.emission):
            log_failure(job.emission, index, error)

    def is_awaited(self, emission: AnyEmission) -> bool:
        """Whether somebody awaits it at this moment, and will be told of its failures."""
        future = self.short.awaited.get(emission)
        return (future is not None and is_waited_for(future)) or emission.awaited

    def settle(self, job: Job, index: int, outcome: Outcome) -> None:
        """The end of a delivery. Does nothing if it has an outcome: it was cancelled, or its loop ended."""
        turns = self.conclude(job, index, outcome)
        if turns:
            self.make_ready(turns)

    def conclude(self, job: Job, index: int, outcome: Outcome) -> Sequence[tuple[Place, int]]:
        """The same, but those whose turn it is then are the caller's to start."""
        emission = job.emission
        self.stage.tasks.pop((job, index), None)
        state = emission._outcomes[index]
        if state is not None and state is not STARTED:
            return ()
        if outcome is NOTHING and len(job.subscriptions) == 1:
            self.ledger.complete(emission, DONE)
            is_over = True
        else:
            is_over = self.ledger.settle(emission, index, outcome)
        if is_over:
            del self.jobs[emission]
            if self.room.requests and job.is_request:
                self.room.requests -= 1
            if self.stage.ending and emission.status in (Status.CANCELLED, Status.DISCARDED):
                self.lost.emissions.append(emission)
            if self.short.awaited or self.short.is_passing:
                self.short.tell(emission)
            if self.room.waiting:
                self.room.offer()
        if job.waker is not None:
            wake(job.waker)
        return job.turns.leave(job, index) if job.kept is None or index not in job.kept else ()

    def leave(self, job: Job, index: int) -> None:
        """A delivery gives up the place that it kept."""
        self.stage.late -= 1
        turns = job.turns.leave(job, index)
        if turns:
            self.make_ready(turns)
        self.stage.idle()

    def cut_off(self, emission: Emission[Event], index: int) -> Outcome:
        """The outcome of a delivery that ``CancelledError`` has left."""
        if emission._outcomes[index] is None:
            return Discarded(self.stage.ending or "cancelled", started=False)
        return Cancelled()

    # -- cancelling and discarding ------------------------------------------------------------------------------------
    def cancel(self, emission: AnyEmission, /) -> bool:
        """S7, from any thread."""
        if not self.stage.is_here:
            was_open = bool(emission._open)
            stage = self.stage
            rest = stage.rest  # before the look at whose it is: an older one is used up
            is_heard = stage.call(partial(self._cancel, emission))
            if stage.loop is None and rest is not None and stage.emission is emission:
                stage.taken.extend(rest)  # in one step of CPython: none of these will be called
            return is_heard and was_open
        return self._cancel(emission)

    def _cancel(self, emission: Emission[Event]) -> bool:
        self.look(emission)  # on the shortest way it does not even stand in the books
        if self.short.leaving is not None:
            self.short.leaving.append(partial(self._cancel, emission))
            return emission in self.ledger.open
        if emission not in self.ledger.open:
            return False
        job = self._job(emission)
        for index in range(len(emission._subscriptions)):
            self.cancel_delivery(job, index)
        return True

    def cancel_delivery(self, job: Job, index: int) -> None:
        """Discard it if it waits; cancel its task if it runs in one."""
        task: asyncio.Task[Any] | None = self.stage.tasks.get((job, index))  # Any: ours, or its publisher's
        if job.emission._outcomes[index] is None and job.withdraw(index):
            self.settle(job, index, Discarded("cancelled", started=False))
        elif task is None and job.runner is not None and not job.is_settled(index) and not job.cut:
            job.cut = True  # its publisher takes the cancellation back
            task = job.runner
        if task is not None:
            task.cancel()

    def discard(self, emission: Emission[Event], reason: str) -> None:
        """Discard what of *emission* has not started."""
        job = self._job(emission)
        for index, outcome in enumerate(tuple(emission._outcomes)):
            if outcome is None and job.withdraw(index):
                self.settle(job, index, Discarded(reason, started=False))

    def discard_all(self, reason: str) -> None:
        """Discard whatever is open: the loop will not turn again."""
        for job in tuple(self.jobs.values()):
            for index in range(len(job.subscriptions)):
                job.withdraw(index)
                outcome = job.emission._outcomes[index]
                self.settle(job, index, Discarded(reason, started=outcome is not None))

    def forget(self) -> None:
        """Its loop is closed: nothing of it stands in anybody's way."""
        self.turns = turns_of(self.settings.ordering)
        self.room.forget()

    def discard_rest(self, reason: str) -> None:
        """Discard whatever has not started."""
        for emission in self.pending():
            if emission._open:
                self.discard(emission, reason)

    # -- waiting ------------------------------------------------------------------------------------------------------
    def awaiting(self, emission: AnyEmission, /) -> "Awaiting":
        """W4: around a wait for *emission*: judge it and, while it lasts, let others know of it.

        Gives the set that must hold the future that is waited for: our books refer to it weakly.
        """
        if runs_here(self.stage.loop):
            waiting = self.stage.waiting
        elif self.stage.is_here:
            raise WouldDeadlock(
                f"{spell_event(emission.event)} is pending in this thread, and not in the loop that would wait for it: "
                "it cannot go on until that returns. Wait for it there.",
                (emission,),
            )
        else:
            waiting = stage_of(asyncio.get_running_loop()).waiting
        job = own_job()
        if job is not None:
            refuse([emission], job.emission, "waits for")
        return Awaiting(waiting, job, emission)

    def future(self, emission: AnyEmission, /) -> "asyncio.Future[Any] | None":  # Any: ends with this emission
        """For a wait that nobody has to judge, in this loop: what ends with *emission*, or with what its handlers raised.

        One for each emission; this line holds it, not the handle.
        """
        loop = self.stage.loop
        if loop is None or get_current() is not None or self.stage.runner._thread_id != get_ident():
            return None
        awaited = self.short.awaited
        # Not in the books yet, handed over by another thread, it may end without ever being pending.
        if emission not in self.ledger.open or (emission in awaited and not awaited[emission].done()):
            return None
        future = awaited[emission] = loop.create_future()
        return future

    def waits_for(self, emission: AnyEmission, /) -> Iterator[Emission[Event]]:
        """Who must end, or go on, before *emission* can."""
        self.look(emission)
        job = self.jobs.get(emission)
        if job is None:
            return
        if any(outcome is None for outcome in emission._outcomes):
            for place in job.turns.ahead(job):
                assert isinstance(place, Job)  # as in make_ready
                yield place.emission
        yield from job.awaits or ()


def own_job() -> Job | None:
    """The job whose handler's own task this is."""
    emission = get_current()
    line = None if emission is None else emission._line()
    if not isinstance(line, Line) or emission is None:
        return None
    line.look(emission)
    job = line.jobs.get(emission)
    if job is None:
        return None
    task = asyncio.current_task()
    tasks = (job.line.stage.tasks.get((job, index)) for index in range(len(job.subscriptions)))
    return job if task is not None and (task is job.runner or any(task is one for one in tasks)) else None


def _passes(line: "ref[Line]", _owner: object) -> None:
    # Its processor is gone, in whatever thread: either this or the end of its last emission sees what the other has done.
    passing = line()
    if passing is not None:
        passing.short.is_passing = True
        if not passing.ledger.open:
            passing.let_go()


def _close(books: Books, ledger: Ledger, losses: list[Loss], lost: Loss) -> None:
    # Collected together with a lost loop it still has to be settled and reported.
    if not ledger.open and not lost.emissions:
        books.fold(ledger)
        losses.remove(lost)
