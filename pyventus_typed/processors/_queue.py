"""What one processor has accepted in one scheduler: accept, deliver, settle, cancel."""

import asyncio
from collections.abc import Callable, Collection, Iterator
from contextvars import Context
from functools import partial
from typing import Any, Final, TypeAlias
from weakref import finalize, ref

from .._composed import Composed, Rest, Verdict, must_await
from .._emission import (
    CALLED,
    EMPTY,
    QUEUED,
    STARTED,
    WAITING,
    AnyEmission,
    Delivery,
    Note,
    Progress,
    Release,
    WouldDeadlock,
    get_current,
    set_current,
)
from .._event import Event
from .._ledger import Epoch, Epochs, Ledger, Totals
from .._loops import HAS_GIL, complete, runs_here
from .._ordering import Ordering, gate_of
from .._outcome import CANCELLED_BEFORE_START, NOTHING, Cancelled, Completed, Discarded, Failed, Outcome, Status
from .._processing import Observer, observed
from .._reports import Tell, guarded
from .._spelling import spell_event, trim
from .._subscription import Subscription
from ._capacity import Capacity
from ._mailboxes import Mailbox, Publisher, ahead, is_busy, leave, leave_published, put
from ._scheduler import LOST, Scheduler, numbers
from ._schedulers import scheduler_of
from ._settings import Settings
from ._tasks import work
from ._waiting import refuse, waiting_emission, waits_for

_LOST_WHILE_IT_RAN: Final = Discarded(LOST, started=True)
finalize(Totals, bool).atexit = False  # pyrefly: ignore[missing-attribute]  # the first one asks atexit, which may be too late
Key: TypeAlias = tuple[Any, int] | None  # Any: a key of the user's, and its hash
Entry: TypeAlias = "tuple[Queue, AnyEmission, Context]"
Await: TypeAlias = "tuple[AnyEmission, asyncio.Task[Any], int]"  # Any: whoever's
"""What is waited for, the task that waits, and how often that was cancelled before: once more, and it waits no longer."""


class Queue:
    """What one processor has accepted in one scheduler. Written by whoever runs that, but for what says otherwise."""

    __slots__ = (
        "__weakref__",
        "_contexts",
        "asked",
        "awaits",
        "capacity",
        "debug",
        "gate",
        "handed",
        "is_orphan",
        "is_simple",
        "late",
        "ledger",
        "mailboxes",
        "observers",
        "processor",
        "published",
        "ref",
        "scheduler",
        "settings",
        "totals",
    )

    def __init__(self, scheduler: Scheduler, settings: Settings, totals: Totals, processor: object) -> None:
        self.scheduler = scheduler
        self.settings = settings
        self.totals = totals
        self.ledger = Ledger(next(numbers))
        self.ref = ref(self)
        self.processor = ref(processor, partial(_orphan, self.ref))
        self._reset()
        # What other threads have handed over, until it is taken: its context, its key, and the epochs of its parent. They
        # write it, too; who pops an emission from it is the one who goes on with it.
        self.handed: dict[AnyEmission, tuple[Context, Key, Epochs]] = {}
        self.published: dict[AnyEmission, Publisher] = {}
        self.asked: dict[AnyEmission, asyncio.Future[None] | None] = {}  # who waits for an answer
        self._contexts: dict[AnyEmission, Context] = {}  # what observers are called in
        self.awaits: dict[AnyEmission, list[Await]] = {}  # what handlers wait for, each in its own task
        debug, loop = settings.debug, scheduler.loop
        self.debug = debug or (debug is None and loop is not None and loop.get_debug())
        self.is_orphan = False  # its processor is gone
        observed.add(self)
        self.look_for_observers()
        totals.add(self.ledger)
        finalize(self, totals.fold, self.ledger).atexit = False  # pyrefly: ignore[missing-attribute]  # its stubs forget it

    def _reset(self) -> None:
        settings = self.settings
        self.gate = gate_of(settings.ordering)
        # By subscription, while it is busy.
        self.mailboxes: dict[Subscription[Event], Mailbox] | None = (
            {} if settings.ordering is Ordering.MAILBOX else None
        )
        self.capacity = None if settings.capacity is None else Capacity(settings.capacity)
        self.late: dict[AnyEmission, int] = {}  # how many threads of it have not returned after their timeouts

    def look_for_observers(self) -> None:
        """Take over who observes. From any thread: an emission that is accepted meanwhile is observed, or it is not."""
        own = self.settings.observer
        self.observers: tuple[Observer, ...] = (*(() if own is None else (own,)), *observed.everywhere)
        if not self.observers:
            self._contexts = {}
        # Whether nothing but its place among the others is to be looked at when an emission enters, or is over.
        self.is_simple = self.gate is None and self.capacity is None and not (self.observers or self.debug)

    def forget(self) -> None:
        """Its loop is closed: nothing of it holds up anybody."""
        self._reset()
        if not self.scheduler.is_threads:
            self.totals.fold(self.ledger)

    # -- whose turn it is ---------------------------------------------------------------------------------------------
    def place(self, entry: "Entry") -> "Entry | None":
        """It is the turn of this emission, as far as its order is concerned; *entry*, if it is to be delivered at once."""
        scheduler, emission = self.scheduler, entry[1]
        publisher = self.published.get(emission)
        if publisher is not None:
            if publisher.turn is not None:
                complete(publisher.turn)
            return None
        # A task's first step comes after this turn of the loop: with nobody before it, it may be made at once.
        if (
            emission._route.is_async
            and scheduler.loop is not None
            and not scheduler.ready
            and not scheduler.awake
            and scheduler.ending is None
        ):
            scheduler.awake = True  # what is emitted from here on goes behind it
            return entry
        scheduler.ready.append(entry)
        return None

    def go_on(self, now: "Entry | None" = None) -> None:
        """After a change: what is to be started *now*, as `place` says, what came in between, and what is ready."""
        scheduler = self.scheduler
        if now is not None:
            try:
                self._start_all(now[1], now[2])
            finally:
                scheduler.awake = False
        if scheduler.inbox and not scheduler.busy and not scheduler.is_taking:
            scheduler.take()
        if scheduler.ready or (scheduler.starting and scheduler.loop is None):
            scheduler.wake()

    # -- observing ----------------------------------------------------------------------------------------------------
    def observe(self, emission: AnyEmission, context: Context) -> None:
        """From here on the observers are called for *emission*, in a copy of its context."""
        own = self._contexts[emission] = context.copy()
        own.run(set_current, emission)
        errors = emission._route.errors
        # Where a predicate or the key has raised, no handler is called.
        calls = [
            partial(self._observed, emission, index, call) if errors is None or errors[index] is None else call
            for index, call in enumerate(emission._route.calls)
        ]
        emission._cursor = iter(tuple(calls[emission._begun :]))
        self._tell_observers(own, "accepted", emission)

    def _observed(self, emission: AnyEmission, index: int, call: Callable[..., object], event: object) -> object:
        if call.__class__ is not Composed or not (
            call.is_async or (call.in_thread and self.scheduler.loop is not None)
        ):
            self.started(emission, index)
        value = call(event)
        if type(value) is Composed or must_await(value):
            return value
        self.note(emission, index, NOTHING if value is None else Completed(value))
        return None  # it is noted

    def started(self, emission: AnyEmission, index: int, /) -> None:
        """The handler of a delivery is about to be called."""
        context = self._contexts.get(emission)
        if context is not None:
            self._tell_observers(context, "started", Delivery(emission, index))

    def _ended(self, emission: AnyEmission, index: int) -> None:
        """A delivery has its outcome."""
        context, delivery = self._contexts.get(emission), Delivery(emission, index)
        if context is not None and delivery.started:
            self._tell_observers(context, "ended", delivery)

    def end_observing(self, emission: AnyEmission) -> None:
        """*emission* is settled."""
        if self._contexts and (context := self._contexts.pop(emission, None)) is not None:
            self._tell_observers(context, "settled", emission)

    def _tell_observers(self, context: Context, what: str, about: object) -> None:
        for observer in self.observers:
            context.run(guarded, getattr(observer, what), about)

    # -- delivering ---------------------------------------------------------------------------------------------------
    def deliver(self, emission: AnyEmission, context: Context, /) -> bool:  # noqa: C901, PLR0912 - in one place, where its order can be read
        """Begin what of *emission* has not begun, in its own *context*; whether a task was made.

        It stops where a task was made and a plain call is next: that waits for the next turn. The cursor is `EMPTY` when
        nothing is left to begin.
        """
        if emission._route.is_async:
            self._start_all(emission, context)
            return True
        scheduler, event, made = self.scheduler, emission._event, False
        scheduler.running = emission
        if scheduler.loop is not None:  # else the thread knows it, and a context variable costs as much as two handlers
            set_current(emission)
        try:
            for call in emission._cursor if self.mailboxes is None else self._idle(emission, context):
                try:
                    value = call(event)
                except BaseException as error:  # noqa: BLE001 - sorted there
                    self._raised(emission, error)
                else:
                    if value is not None and self._returned(emission, context, value):
                        made = True
                        if not self.next_needs_task(emission):
                            return True
        except BaseException as error:
            self._cut_short(emission, error)
            raise
        finally:
            scheduler.running = None
        if scheduler.inbox:
            scheduler.take()
        if self.asked:
            self.wake_asker(emission)
        if emission._cursor is not EMPTY:
            emission._cursor = EMPTY
            emission._open -= 1
            if not emission._open:
                self.settle(emission)
        return made

    def _start_all(self, emission: AnyEmission, context: Context) -> None:
        """Begin all that is left of *emission*, whose receivers are all async: no code of theirs runs before they have tasks."""
        calls = emission._route.calls
        total, begun = len(calls), emission._begun
        waiting = range(begun, total)
        notes: dict[int, Note] = dict.fromkeys(waiting, WAITING)
        if begun:  # the answer to a request, which ask_sync has called
            notes = {**(emission._notes or {}), **notes}
        # Look and write: nothing is called in between.
        if emission._cursor is EMPTY:
            return  # it was cancelled just now
        emission._notes, emission._cursor = notes, EMPTY
        emission._open += total - begun - 1
        for index in waiting:  # what is discarded meanwhile gets its task, too, which does nothing
            self._start(emission, index, context, calls[index])
        if self.scheduler.inbox:
            self.scheduler.take()
        if begun == total and not emission._open:
            self.settle(emission)  # the answer to a request was all, and ask_sync has called it

    def _idle(self, emission: AnyEmission, context: Context) -> Iterator[Callable[..., object]]:
        """The next calls, but for those whose receivers are busy: their mailboxes take them."""
        for call in emission._cursor:
            if not (self.mailboxes and is_busy(self, emission, context)):
                yield call

    def _cut_short(self, emission: AnyEmission, error: BaseException) -> None:
        """What is not an `Exception` leaves a call, or our own code between two calls."""
        index = self.index_of(emission)
        note = None if emission._notes is None else emission._notes.get(index)
        if index >= 0 and (note is None or note is CALLED):
            emission._write(index, Discarded(repr(error), started=True))

    def next_needs_task(self, emission: AnyEmission, /) -> bool:
        """Whether the next call runs nothing before it has a task; without a loop none can be made yet."""
        if self.scheduler.loop is None:
            return emission._begun == len(emission._route.calls)
        calls, begun = emission._route.calls, emission._begun
        call = calls[begun] if begun < len(calls) else None
        return call is None or (type(call) is Composed and call.is_async)

    def index_of(self, emission: AnyEmission) -> int:
        """Which call has just returned."""
        while True:
            if self.scheduler.inbox:
                self.scheduler.take()
            index = emission._begun - 1
            if not self.scheduler.inbox:  # else another thread may have emptied the cursor meanwhile
                break
        notes = emission._notes
        if notes is not None and index == len(emission._route.calls) - 1:  # else nobody has emptied the cursor
            index = next((at for at, note in notes.items() if note is CALLED), index)
        return index

    def _raised(self, emission: AnyEmission, error: BaseException) -> None:
        """A plain call has raised."""
        index = self.index_of(emission)
        if isinstance(error, Exception):
            trim(error)
            self.note(emission, index, Failed(error), error)
        elif isinstance(error, asyncio.CancelledError):
            self.note(emission, index, Cancelled())
        else:
            raise error  # noted there

    def _returned(self, emission: AnyEmission, context: Context, value: Any) -> bool:  # Any: whatever a handler returns
        """A call has returned *value*; whether that needs a task."""
        left = emission._cursor.__length_hint__()  # type: ignore[attr-defined]  # as in _begun
        index = len(emission._route.calls) - left - 1
        if self.scheduler.inbox or (not left and emission._notes is not None):
            index = self.index_of(emission)
        if type(value) is Composed:
            if value.is_async or (value.in_thread and self.scheduler.loop is not None):
                self.spawn(emission, index, context, value, WAITING)
                return True
            run = value.run(Delivery(emission, index), owned=False, threads=self.scheduler.loop is not None)
            try:
                run.send(None)
            except StopIteration as stop:
                self.decide(emission, index, stop.value)
                return False
            except BaseException as error:  # noqa: BLE001 - as in deliver
                self._raised(emission, error)
                return False
            value = Rest(run)
        elif not must_await(value):
            emission._write(index, Completed(value))
            return False
        self.spawn(emission, index, context, value, STARTED)
        return True

    def decide(self, emission: AnyEmission, index: int, verdict: Verdict) -> None:
        """Note what a composed call has come to that was run in the caller."""
        outcome = verdict.outcome
        if verdict.until is not None:
            self._keep_place(emission, index, verdict.until)
        is_noted = emission._notes is not None or bool(self.observers)
        if type(outcome) is not Completed or outcome.value is not None or is_noted:
            self.note(emission, index, outcome, verdict.unnotified)

    def note(self, emission: AnyEmission, index: int, outcome: Outcome, error: Exception | None = None) -> bool:
        """Note an *outcome*, unless there is one; log its *error*, unless somebody will get it."""
        fresh: dict[int, Note] = {}
        # Look and write: nothing is called in between.
        if emission._notes is None:
            emission._notes = fresh
        notes = emission._notes
        if index in notes and notes[index].__class__ is not Progress:
            return False
        notes[index] = outcome
        if self._contexts:
            self._ended(emission, index)
        if error is not None:
            self._tell(emission, index, error)
        return True

    def _tell(self, emission: AnyEmission, index: int, error: Exception) -> None:
        """Log *error*, unless somebody will get it: who awaits the emission, publishes it, or has asked."""
        if index == 0 and emission in self.asked:
            return
        if emission in self.published:
            emission._with_rare().unseen.append((index, error))
            return
        emission._tell(index, error)

    def spawn(
        self, emission: AnyEmission, index: int, context: Context, what: Any, progress: Progress
    ) -> None:  # Any: see work
        """A delivery whose call has returned, or is not to be made yet, goes on elsewhere."""
        self._open_delivery(emission, index, progress)
        self._start(emission, index, context, what)

    def _start(self, emission: AnyEmission, index: int, context: Context, what: Any) -> None:  # Any: see work
        """Give a delivery its task, or a place in the mailbox of its receiver, in a context of its own."""
        own = context if len(emission._route.calls) == 1 else context.copy()
        if self.mailboxes is not None and not emission._route.is_request:
            put(self, emission, index, own, what)
            return
        begun = work(self, emission, index, what)
        begun.send(None)
        self.scheduler.start(emission, index, begun, own, self.settings.loop_factory)

    def _open_delivery(self, emission: AnyEmission, index: int, progress: Progress) -> None:
        """A delivery is unfinished that is not the cursor's any more."""
        fresh: dict[int, Note] = {}
        # Look and write: nothing is called in between.
        if emission._notes is None:
            emission._notes = fresh
        notes = emission._notes
        if progress is WAITING and index in notes and notes[index] is CALLED:
            notes[index] = CANCELLED_BEFORE_START  # cancelled since its call: it has not started, so it never does
        elif index not in notes or notes[index].__class__ is Progress:
            notes[index] = progress
            emission._open += 1

    def end_publishing(self, emission: AnyEmission) -> None:
        """The caller of publish has run it, or was cut off."""
        publisher = self.published.get(emission)  # None if its loop was closed
        if publisher is not None:
            for index in [*publisher.places]:
                leave_published(self, emission, index)
            self.published.pop(emission, None)
        if emission._cursor is not EMPTY:
            emission._cursor = EMPTY
            emission._open -= 1
            if not emission._open:
                self.settle(emission)
        self.go_on()

    # -- the end of a delivery ----------------------------------------------------------------------------------------
    def conclude(
        self,
        emission: AnyEmission,
        index: int,
        outcome: Outcome,
        error: Exception | None = None,
        until: "asyncio.Future[Any] | None" = None,  # Any: ends with a thread
    ) -> None:
        """The end of a delivery in a task. Does nothing but that if it has an outcome: it was discarded."""
        scheduler = self.scheduler
        scheduler.tasks.pop((emission, index), None)
        if scheduler.ending is not None and type(outcome) is Discarded and not outcome.started:
            outcome = Discarded(scheduler.ending, started=False)
        if until is not None:
            self._keep_place(emission, index, until)
        # Look and write: nothing is called in between.
        notes = emission._notes
        if notes is None or index not in notes or notes[index].__class__ is not Progress:
            return
        emission._open -= 1
        if outcome is not NOTHING:
            notes[index] = outcome
        elif len(notes) == 1:  # it needs no note any more
            emission._notes = None
        else:
            del notes[index]
        try:
            if self._contexts:
                self._ended(emission, index)
            if error is not None:
                self._tell(emission, index, error)
        finally:
            if index == 0 and self.asked:
                self.wake_asker(emission)
            if not emission._open:
                self.settle(emission)

    def _keep_place(self, emission: AnyEmission, index: int, until: "asyncio.Future[Any]") -> None:  # Any: as above
        """A delivery is settled and keeps its place until its thread returns."""
        self.late[emission] = self.late.get(emission, 0) + 1
        subscription = emission._route.receivers[index]
        mailbox = self.mailboxes.get(subscription) if self.mailboxes else None
        if mailbox is not None and mailbox.holder is emission:  # not of a request, which passes all gates
            mailbox.is_late = True
        until.add_done_callback(partial(self._returned_late, emission, subscription))

    def _returned_late(self, emission: AnyEmission, subscription: Subscription[Event], _thread: object) -> None:
        """A thread has returned after its timeout: it gives up its place."""
        now: Entry | None = None
        self.late[emission] -= 1
        if not self.late[emission]:
            del self.late[emission]
            if self.gate is not None and not emission._open:
                scheduler = self.scheduler
                was, scheduler.busy = scheduler.busy, True
                try:
                    now = self._let_next(emission)
                finally:
                    scheduler.busy = was
        mailbox = self.mailboxes.get(subscription) if self.mailboxes else None
        if mailbox is not None and mailbox.holder is emission:
            mailbox.is_late = False
            leave(self, subscription, mailbox)
        self.go_on(now)
        self.scheduler.check_idle()

    def _let_next(self, emission: AnyEmission) -> "Entry | None":
        """*emission* is over in its order: whoever is next has its turn. In the middle of a change."""
        entry = None if self.gate is None else self.gate.leave(emission)
        return None if entry is None else self.place(entry)  # type: ignore[arg-type]  # what accept has entered

    def settle(self, emission: AnyEmission) -> None:  # noqa: C901, PLR0912 - in one place, where its order can be read
        """Each delivery of *emission* has its outcome."""
        ledger = self.ledger
        if emission._notes is None and self.is_simple:  # most: each has completed, and nobody waits for its place
            epochs, rare = ledger.open[emission], emission._rare
            if rare is not None and rare.has_handed:
                self._hold(epochs)
            del ledger.open[emission]
            ledger.completed += 1
            if epochs is ledger.alone:  # its epoch has not ended
                ledger.epoch.open -= 1
            else:
                for epoch in epochs:
                    epoch.open -= 1
                    if epoch.has_ended and not epoch.open:
                        epoch.check()
            if rare is not None:
                emission._call_waiters()
            if self.is_orphan or self.scheduler.on_idle is not None:
                self._emptied()
            return
        scheduler, notes = self.scheduler, emission._notes
        now: Entry | None = None
        was, scheduler.busy = scheduler.busy, True
        try:
            for index, note in () if notes is None else notes.items():
                if note is CALLED:  # it returned nothing
                    notes[index] = NOTHING  # type: ignore[index]  # there is a note
            status = emission._worst()
            if emission._rare is not None and emission._rare.has_handed:
                self._hold(ledger.open[emission])
            epochs = ledger.settle(emission, status)
            # The collector may close what a lost loop ran before it closes the loop, which then reports it.
            is_cut = scheduler.ending is not None or (notes is not None and _LOST_WHILE_IT_RAN in notes.values())
            if is_cut and status is not Status.COMPLETED and status is not Status.FAILED:
                scheduler.lost.append((self.settings.on_discard, emission))
            if emission._rare is not None:
                emission._call_waiters()
            if not self.is_simple:
                now = self._make_room(emission)
            if self.awaits:
                self.awaits.pop(emission, None)
            for epoch in epochs:
                if epoch.has_ended and not epoch.open:
                    epoch.check()
        finally:
            scheduler.busy = was
        self.end_observing(emission)
        if self.is_orphan or scheduler.on_idle is not None:
            self._emptied()
        if scheduler.is_closed:  # handed over a moment too late
            self.totals.fold(self.ledger)
        if now is not None or (not was and (scheduler.inbox or scheduler.ready)):
            self.go_on(now)

    def _hold(self, epochs: Epochs) -> None:
        """What it has emitted in other threads belongs to these, and they are not over before that is taken."""
        if self.scheduler.loop is not None:
            for epoch in epochs:
                epoch.open += 1
            self.scheduler.put(partial(self._give_back, epochs), is_late=True)

    def _give_back(self, epochs: Epochs) -> None:
        for epoch in epochs:
            epoch.open -= 1
            epoch.check()
        self.scheduler.check_idle()

    def _make_room(self, emission: AnyEmission) -> "Entry | None":
        """*emission* gives up its place in the capacity and in the order; return what is to be delivered at once."""
        if self.capacity is not None:
            self.capacity.give_back(emission)
        return self._let_next(emission) if self.gate is not None and emission not in self.late else None

    def _emptied(self) -> None:
        """Something of it is over, and perhaps everything."""
        scheduler = self.scheduler
        if self.is_orphan and not self.ledger.open:
            scheduler.queues.pop(self.processor, None)
        if scheduler.on_idle is not None:
            scheduler.check_idle()

    def reason_of(self, error: BaseException) -> str:
        """Why a task was left by *error*, which is not an `Exception`; one that goes on through the loop is remembered."""
        scheduler = self.scheduler
        if isinstance(error, GeneratorExit) and not runs_here(scheduler.loop):
            return scheduler.ending or LOST
        if isinstance(error, KeyboardInterrupt | SystemExit) and (task := asyncio.current_task()) is not None:
            scheduler.crashed.add(task)
        return repr(error)

    # -- cancelling and discarding ------------------------------------------------------------------------------------
    def cancel(self, emission: AnyEmission, /) -> bool:
        """As `Emission.cancel`, from any thread and at any instant."""
        scheduler = self.scheduler
        if not emission._open:
            return False
        if scheduler.busy or not scheduler.is_here:
            taken = None if scheduler.is_here else emission._with_rare().taken
            scheduler.put(partial(self._cancel_here, emission))
            if taken is not None and HAS_GIL:
                taken.extend(emission._cursor)  # in one step: none of these will be called
            return True
        return self._cancel_here(emission)

    def _cancel_here(self, emission: AnyEmission) -> bool:
        """Discard what has not started, and cancel what runs."""
        if emission not in self.ledger.open:
            return False
        self.withdraw(emission, CANCELLED_BEFORE_START)
        for _, task in [*self.scheduler.tasks_of(emission)]:
            task.cancel()
        publisher = self.published.get(emission)
        if publisher is not None and emission._open and not publisher.is_cut:
            publisher.is_cut = True  # it takes the cancellation back
            if publisher.turn is not None and not publisher.turn.done():
                complete(publisher.turn)
            else:
                publisher.task.cancel()
        self.go_on()
        return True

    def cancel_delivery(self, emission: AnyEmission, index: int) -> None:
        """Discard one delivery if it waits; cancel its task if it runs in one."""
        task = self.scheduler.tasks.get((emission, index))
        note = emission._note(index)
        if note is WAITING and task is None:
            self._cancel_here(emission)
            return
        if note is WAITING:
            self.conclude(emission, index, CANCELLED_BEFORE_START)
        if task is not None:
            task.cancel()

    def withdraw(self, emission: AnyEmission, never: Outcome) -> None:
        """What of *emission* has not started never will: its outcome is *never*."""
        scheduler = self.scheduler
        was, scheduler.busy = scheduler.busy, True
        try:
            if self.observers and emission in self.handed:  # it is accepted and settled in one
                self.observe(emission, self.handed[emission][0])
            total = len(emission._route.calls)
            before = emission._notes or {}
            notes: dict[int, Note] = dict(before)
            waiting = [index for index, note in before.items() if note is WAITING]
            notes.update(dict.fromkeys(waiting, never))
            is_calling = self.is_calling(emission)
            rest = [*emission._cursor]
            begun = emission._begun - len(rest)  # or as other threads have left it: they take all
            notes.update(dict.fromkeys(range(begun, total), never))
            if is_calling and begun > 0 and begun - 1 not in notes:
                notes[begun - 1] = CALLED
            given_back = len(waiting) + (emission._cursor is not EMPTY and not is_calling)
            # From here on nothing is called.
            if notes:
                emission._notes = notes
            if not is_calling:
                emission._cursor = EMPTY
            emission._open -= given_back
            self.handed.pop(emission, None)
            for index in waiting:
                task = scheduler.tasks.pop((emission, index), None)
                if task is not None and self.mailboxes is None:
                    task.cancel()
            if self.asked:
                self.wake_asker(emission)
            if given_back and not emission._open:
                self.settle(emission)
        finally:
            scheduler.busy = was
        if not was:
            self.go_on()

    def withdraw_all(self, reason: str, /) -> None:
        """Discard whatever has not started."""
        for emission in self.emissions():
            if emission._open:
                self.withdraw(emission, Discarded(reason, started=False))

    def discard_all(self, reason: str, /, *, queued: bool = True) -> None:
        """Discard whatever is open: it will not go on. Unless *queued*, what waits for a thread decides by itself."""
        for emission in self.emissions():
            self.withdraw(emission, Discarded(reason, started=False))
            if emission not in self.ledger.open:
                continue
            notes = emission._notes or {}
            left = [index for index, note in notes.items() if note is QUEUED and not queued]
            for index, note in notes.items():
                if note.__class__ is Progress and index not in left:
                    notes[index] = Discarded(reason, started=note is not QUEUED)
            emission._cursor, emission._open = EMPTY, len(left)
            if not left:
                self.settle(emission)
        self.published.clear()

    def emissions(self) -> list[AnyEmission]:
        """What is open, in the order of acceptance."""
        return [*self.ledger.open]  # type: ignore[list-item]  # nothing but emissions is in our ledgers

    def pending(self) -> list[tuple[Tell | None, AnyEmission]]:
        """What is open, and to whom it is reported if it is cut off."""
        return [(self.settings.on_discard, emission) for emission in self.emissions()]

    def epochs_of(self, emission: AnyEmission, /) -> Epochs:
        """Those that *emission* belongs to, if it is pending here."""
        return self.ledger.open.get(emission, ())

    def end_epoch(self) -> Epoch:
        """What is accepted from now on belongs to a later epoch; the one that has ended."""
        return self.ledger.end_epoch(next(numbers))

    @property
    def is_under_way(self) -> bool:
        """Whether something is pending, or a thread has not returned."""
        return bool(self.ledger.open or self.late)

    # -- waiting ------------------------------------------------------------------------------------------------------
    def wake_asker(self, emission: AnyEmission) -> None:
        """Something has become of a request: who asks looks at it."""
        future = self.asked.get(emission)
        if future is not None:
            complete(future)

    def is_calling(self, emission: AnyEmission, /) -> bool:
        """Whether the last call of *emission* that has begun runs now."""
        return self.scheduler.running is emission or emission in self.published

    def runs_in(self, emission: AnyEmission, task: "asyncio.Task[Any]", /) -> bool:  # Any: whoever's
        """Whether a handler of *emission* has *task* to itself."""
        publisher = self.published.get(emission)
        if publisher is not None:
            return publisher.task is task
        return any(one is task for _, one in self.scheduler.tasks_of(emission))

    def waits_for(self, emission: AnyEmission, /) -> Iterator[AnyEmission]:
        """Who must end, or go on, before *emission* can."""
        if self.gate is not None:
            yield from self.gate.ahead(emission)  # type: ignore[misc]  # places are emissions
        if self.mailboxes:
            yield from ahead(self, emission)
        for target, task, cancelled in [*self.awaits.get(emission, ())]:
            if task.cancelling() <= cancelled:
                yield target

    def places_for(self, emission: AnyEmission, /) -> tuple[Collection[AnyEmission], Collection[AnyEmission]]:
        """If its handler waits for capacity: those who have some, of whom one must end, and those who wait for it."""
        capacity = self.capacity
        if capacity is None or emission not in (stuck := capacity.stuck):
            return (), ()
        return [*capacity.in_order()], stuck

    def begin_wait(self, emission: AnyEmission, /) -> "tuple[asyncio.Future[None], Release, AnyEmission | None]":
        """Judge a wait for *emission* here: a future of the running loop for it, what releases that at the end, and the
        emission whose handler waits, if one does, for `end_wait`.
        """
        scheduler = self.scheduler
        if not runs_here(scheduler.loop):
            if scheduler.is_here:
                raise WouldDeadlock(
                    f"{spell_event(emission.event)} is pending in this thread, and not in the loop that would wait for "
                    "it: it cannot go on until that returns. Wait for it there.",
                    (emission,),
                )
            scheduler = scheduler_of(asyncio.get_running_loop())
        waiting = None if get_current() is None and not scheduler.below.runs else self.refuse_deadlock(emission)
        assert scheduler.loop is not None  # it is running
        future: asyncio.Future[None] = scheduler.loop.create_future()
        if scheduler.streams:
            scheduler.watch(future, waits_for(emission))
        scheduler.waiting.add(future)  # whoever waits is held by nobody else
        return future, scheduler.waiting.discard, waiting

    def refuse_deadlock(self, emission: AnyEmission, /) -> AnyEmission | None:
        """Judge a wait for *emission* here; the emission whose handler waits, if one does. It says `end_wait` then."""
        waiting = waiting_emission()
        owner = None if waiting is None else waiting._owner()
        if waiting is not None and isinstance(owner, Queue):
            if emission in self.handed and self.scheduler.is_here:
                self.scheduler.take_all()  # only what was taken has a place in its order
            refuse([emission], waiting, "waits for")
            task = asyncio.current_task()
            assert task is not None  # that of the handler
            owner.awaits.setdefault(waiting, []).append((emission, task, task.cancelling()))
        return waiting

    def end_wait(self, waiting: AnyEmission, emission: AnyEmission, /) -> None:
        """The handler of *waiting* waits for *emission* no more."""
        awaits = self.awaits.get(waiting)
        if awaits is not None:
            awaits.remove(next(one for one in awaits if one[0] is emission))
            if not awaits:
                del self.awaits[waiting]  # it would hold the emission


def _orphan(queue: "ref[Queue]", _processor: object) -> None:
    # Its processor is gone, in whatever thread: either this or the end of its last emission sees what the other has done.
    orphan = queue()
    if orphan is not None:
        orphan.is_orphan = True
        if not orphan.ledger.open:
            orphan.scheduler.queues.pop(orphan.processor, None)
