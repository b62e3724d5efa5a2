"""How an emission comes into a queue: accepted by whoever runs the scheduler, or handed over to it by somebody else."""

import asyncio
from contextlib import nullcontext
from contextvars import Context, copy_context
from functools import partial
from typing import Final
from weakref import ref

from .._emission import EMPTY, WAITING, AnyEmission, adopt, current_emission, get_current, lineage, use_up
from .._errors import EmissionRejected, EmitterClosed, NoRoom
from .._event import Event
from .._ledger import Epochs
from .._ordering import Row
from .._outcome import Discarded
from .._processing import EmitterState
from .._spelling import calling_line, spell_event
from ._mailboxes import Publisher, line_up
from ._queue import Entry, Key, Queue

_NO_CAPACITY: Final = Discarded("capacity", started=False)


def check_open(queue: Queue, event: Event, state: EmitterState) -> None:
    """Raise `EmitterClosed` unless the emitter is open for what is emitted here: for all, or for the descendants of
    what was pending when its closing began.
    """
    if state.closed and not _is_descendant(state):
        raise _closed(queue, event)


def _closed(queue: Queue, event: Event) -> EmitterClosed:
    """Count an emission that the emitter refuses; the error that it gets."""
    queue.totals.reject()
    return EmitterClosed(f"{spell_event(event)} was refused: the emitter is closed.", event)


def _is_descendant(state: EmitterState) -> bool:
    """Whether what is emitted here descends from what was pending when the closing of an emitter began."""
    closing = state.closing() if isinstance(state.closing, ref) else None
    for one in lineage(current_emission()):
        owner = one._owner()
        if not one._open:
            break
        if isinstance(owner, Queue) and owner.scheduler is closing:
            if any(epoch.number <= state.limit for epoch in owner.ledger.open.get(one, ())):
                return True
        elif isinstance(owner, Queue) and one._state is state:
            return True
    return False


def key_of(queue: Queue, emission: AnyEmission) -> Key:
    """The key of its event: the user's code, so before anything is decided. A key that fails fails all of it."""
    if queue.gate is None:
        return None
    try:
        return queue.gate.key(emission._event)
    except Exception as error:  # noqa: BLE001 - it is the outcome of these deliveries
        _fail_all(emission, error)
        return None


def row_of(queue: Queue, emission: AnyEmission, key: Key) -> Row | None:
    """The row of *key*, among those that are there; comparing keys calls the user's code, too."""
    if queue.gate is None:
        return None
    try:
        return queue.gate.prepare(key)
    except Exception as error:  # noqa: BLE001 - it is the outcome of these deliveries
        _fail_all(emission, error)
        return None


def _fail_all(emission: AnyEmission, error: Exception) -> None:
    emission._route = emission._route.failed(error)
    emission._cursor = iter(emission._route.calls)


def release(queue: Queue, row: Row | None) -> None:
    """Whoever called `row_of` will not enter *row*."""
    if row is not None and queue.gate is not None:
        queue.gate.settled(row)


def accept(
    queue: Queue,
    emission: AnyEmission,
    state: EmitterState,
    context: Context,
    *,
    row: Row | None = None,
    publisher: Publisher | None = None,
) -> None:
    """Accept *emission*, or raise `EmissionRejected`. No code of the user's is called before it has its place in the queue.

    With a *publisher* it is run there; else it is run as soon as it may.
    """
    try:
        try:
            now = _change(queue, emission, state, context, row, publisher)
        except EmissionRejected:
            queue.go_on()  # with what has come in the middle
            raise
        queue.go_on(now)
    except EmissionRejected:
        raise
    except BaseException as error:
        _abandon(queue, emission, repr(error))
        raise


def _change(
    queue: Queue,
    emission: AnyEmission,
    state: EmitterState,
    context: Context,
    row: Row | None,
    publisher: Publisher | None,
) -> "Entry | None":
    """Accept *emission*, or raise `EmissionRejected`; what is to be delivered at once."""
    scheduler = queue.scheduler
    assert not scheduler.busy  # else it is handed over
    scheduler.busy = True
    try:
        check_open(queue, emission._event, state)
        is_request = emission._route.is_request
        if queue.capacity is not None and not is_request and not _has_place(queue, emission):
            return None
        use_up(emission)
        entry = _enter(queue, emission, context)
        if entry is None:
            return None
        if publisher is not None:
            queue.published[emission] = publisher
        if publisher is not None and queue.mailboxes is not None:
            line_up(queue, emission, publisher, context)
        elif queue.gate is None or row is None or is_request or queue.gate.enter(row, emission, entry):
            return queue.place(entry)
        elif publisher is not None:
            publisher.turn = asyncio.get_running_loop().create_future()
        return None
    finally:
        scheduler.busy = False
        if queue.capacity is not None and emission not in queue.ledger.open:
            queue.capacity.give_back(emission)  # it was refused, or is settled already
        release(queue, row)


def accept_published(queue: Queue, emission: AnyEmission, state: EmitterState, publisher: Publisher) -> bool:
    """Accept *emission*, which *publisher* runs; whether it is certain that it waits for nobody."""
    scheduler, ledger = queue.scheduler, queue.ledger
    if (
        queue.is_simple
        and queue.mailboxes is None
        and emission._open
        and emission._route.is_direct
        and not state.closed
        and not scheduler.busy
        and scheduler.ending is None
        and not scheduler.below.runs
        and get_current() is None
    ):
        # The same as accept for most emissions, without a call.
        emission._queue = queue.ref
        ledger.open[emission] = ledger.alone
        ledger.epoch.open += 1
        queue.published[emission] = publisher
        return True
    check_open(queue, emission._event, state)  # before the key function is called; and once more at the end
    row = row_of(queue, emission, key_of(queue, emission)) if emission._open else None
    accept(queue, emission, state, copy_context(), row=row, publisher=publisher)
    return False


def _enter(queue: Queue, emission: AnyEmission, context: Context, inherited: Epochs = ()) -> "Entry | None":
    """Enter *emission* in the ledger; return what is ready then, or ``None`` if it is settled already."""
    _count_in(queue, emission, inherited)
    if queue.observers:
        queue.observe(emission, context)
    if not emission._open:
        queue.settle(emission)
        return None
    if queue.scheduler.ending is not None:  # emitted while its loop ends: accounted for, and never started
        queue.withdraw(emission, Discarded(queue.scheduler.ending, started=False))
        return None
    return (queue, emission, context)


def _count_in(queue: Queue, emission: AnyEmission, inherited: Epochs = ()) -> None:
    """*emission* is open from here on, with whoever waits for its parent, whose epochs are *inherited* if it has ended."""
    emission._queue = queue.ref
    parent = emission.parent if emission in queue.ledger.open else _adopt(queue, emission)
    queue.ledger.accept(emission, _epochs_of(queue, parent) or inherited)


def _epochs_of(queue: Queue, parent: AnyEmission | None) -> Epochs:
    """The epochs of what is pending in the same scheduler."""
    owner = None if parent is None else parent._owner()
    if isinstance(owner, Queue) and owner.scheduler is queue.scheduler:
        return owner.ledger.open.get(parent, ())
    return ()


def _adopt(queue: Queue, emission: AnyEmission) -> AnyEmission | None:
    """*emission* is emitted here: whose handler does that, and which line."""
    if queue.debug:
        emission._with_rare().site = calling_line()
    return adopt(emission)


def _has_place(queue: Queue, emission: AnyEmission, *, has_handle: bool = False) -> bool:
    """Whether *emission* has a place now, or needs none. If not it was discarded, or `NoRoom` is raised, unless its emitter
    has the handle.
    """
    capacity, overflow = queue.capacity, queue.settings.overflow
    assert capacity is not None  # whoever calls has looked
    while emission._open and emission not in capacity.holders and not capacity.take(emission):
        oldest = (
            next(filter(partial(_is_droppable, queue), capacity.in_order()), None) if overflow == "drop_old" else None
        )
        if oldest is None:
            if overflow == "drop_new" or has_handle:
                _count_in(queue, emission)
                if queue.observers:
                    queue.observe(emission, copy_context())
                queue.withdraw(emission, _NO_CAPACITY)
                return False
            raise _no_room(queue, emission)
        queue.withdraw(oldest, _NO_CAPACITY)  # whoever waits for a place is served before
    return True


def _no_room(queue: Queue, emission: AnyEmission) -> NoRoom:
    """Count an emission for which there is no capacity; the error that it gets."""
    queue.totals.reject()
    return NoRoom(
        f"{spell_event(emission._event)} was not emitted: as many emissions are pending as capacity allows, "
        f"{queue.settings.capacity}. Wait for capacity with emit_wait, or choose another overflow.",
        emission._event,
    )


def _is_droppable(queue: Queue, emission: AnyEmission) -> bool:
    notes = emission._notes
    return (
        emission in queue.ledger.open  # and not about to be accepted
        and emission not in queue.published
        and not queue.is_calling(emission)
        and (notes is None or all(note is WAITING for note in notes.values()))
        and emission._begun == len(notes or ())
    )


def _abandon(queue: Queue, emission: AnyEmission, reason: str) -> None:
    """Ctrl-C, or what else is not an `Exception`, came while *emission* was accepted: its emitter gets no handle."""
    scheduler = queue.scheduler
    if scheduler.loop is None and not scheduler.runs:
        scheduler.abandon(reason)  # it was to be run before emit returns
    elif emission in queue.ledger.open:
        queue.published.pop(emission, None)
        queue.withdraw(emission, Discarded(reason, started=False))


def hand_over(queue: Queue, emission: AnyEmission, state: EmitterState, context: Context, key: Key) -> None:
    """Accept *emission* for whoever runs the scheduler; or raise `EmissionRejected`. It is pending from here on."""
    parent, is_here = _adopt(queue, emission), queue.scheduler.is_here
    if parent is not None and not is_here:
        parent._with_rare().has_handed = True
    # What another thread has found open is handed over before the emitter closes, and so waited for. In the thread of the
    # scheduler itself nothing closes meanwhile, and a lock that was held elsewhere while the process forked stays so.
    with nullcontext() if is_here else state.lock:
        is_open = not state.closed or _is_descendant(state)
        has_room = is_open and _hand_over(queue, emission, context, key, _epochs_of(queue, parent))
    # Its repr is the user's code, for which no lock is held.
    if not is_open:
        raise _closed(queue, emission._event)
    if not has_room:
        raise _no_room(queue, emission)


def _hand_over(queue: Queue, emission: AnyEmission, context: Context, key: Key, inherited: Epochs) -> bool:
    """Whether there is capacity for it, or it is accepted all the same."""
    capacity = None if emission._route.is_request else queue.capacity
    takes_place = capacity is not None and queue.settings.overflow != "drop_old" and emission._open
    if takes_place and capacity is not None and not capacity.take(emission):
        if queue.settings.overflow != "drop_new":
            return False
        emission._notes = dict.fromkeys(range(len(emission._route.calls)), _NO_CAPACITY)
        emission._cursor, emission._open = EMPTY, 0
    else:
        use_up(emission)
    take = partial(_count, queue, emission, context)
    if emission._open:
        take = partial(_take_over, queue, emission)
        emission._queue = queue.ref
        queue.handed[emission] = (context, key, inherited)
        queue.ledger.open[emission] = ()
    queue.scheduler.put(take, is_late=not queue.scheduler.is_here)
    return True


def _take_over(queue: Queue, emission: AnyEmission) -> None:
    """Go on with what was handed over, unless somebody was quicker."""
    handed = queue.handed.get(emission)
    if handed is None:
        return
    context, key, inherited = handed
    is_request = emission._route.is_request
    row = None if is_request else row_of(queue, emission, key)
    scheduler = queue.scheduler
    now: Entry | None = None
    was, scheduler.busy = scheduler.busy, True
    try:
        is_ours = queue.handed.pop(emission, None) is not None
        if is_ours and (queue.capacity is None or is_request or _has_place(queue, emission, has_handle=True)):
            entry = _enter(queue, emission, context, inherited)
            if entry is not None and (queue.gate is None or row is None or queue.gate.enter(row, emission, entry)):
                now = queue.place(entry)
    finally:
        scheduler.busy = was
        release(queue, row)
    queue.go_on(now)


def _count(queue: Queue, emission: AnyEmission, context: Context) -> None:
    """Count what another thread has settled."""
    if emission not in queue.ledger.open:
        queue.ledger.accept(emission)
        if queue.observers:
            queue.observe(emission, context)
        queue.ledger.settle(emission, emission._worst())
        queue.end_observing(emission)
        if queue.capacity is not None:  # what it was to call was a ``once`` that another one took meanwhile
            queue.capacity.give_back(emission)
        if queue.scheduler.is_closed:
            queue.totals.fold(queue.ledger)
