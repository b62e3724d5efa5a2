"""One emitted event and what becomes of it: the handle, and the facts that the engine writes down in it."""

import asyncio
from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from contextlib import suppress
from contextvars import ContextVar
from itertools import count
from typing import Any, Final, Generic, Protocol, Self, TypeAlias, final
from weakref import ref

from typing_extensions import TypeVar, override

from ._errors import LEFT_BEHIND, PyventusError, can_be_pickled
from ._event import Event
from ._loops import HAS_GIL, complete, here, runs_here
from ._outcome import NOTHING, Cancelled, Completed, Discarded, Failed, Outcome, Status
from ._reports import log_failure
from ._routing import Route
from ._spelling import add_note, several, spell, spell_event
from ._subscription import Subscription

_T = TypeVar("_T")
_T_co = TypeVar("_T_co", covariant=True)
_ids = count(1)
# With a GIL a look and a write with no call in between are one step. Without one two threads might make something at once:
# they take what one of them has put here first, and remove it when it is written. A lock would stay taken after a Ctrl-C at
# the moment in which it was acquired, and hold up every thread; an entry that stays here does no harm.
_rare_made: "dict[Emission[Any], _Rare]" = {}  # Any: of whatever event
_id_made: "dict[_Rare, int]" = {}

current: ContextVar["Emission[Event] | None"] = ContextVar("pyventus_typed.current_emission", default=None)

# A method of an imported name is looked up anew for each call.
get_current = current.get
set_current = current.set
reset_current = current.reset

EMPTY: Final[Iterator[Callable[..., object]]] = iter(())
"""The cursor of an emission of which every delivery has begun, or never will."""


@final
class Progress:
    """How far a delivery is that has no outcome, as far as that is noted. No enum, because looking at a member calls code."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name: str = name

    @override
    def __repr__(self) -> str:
        return self.name


WAITING: Final = Progress("waiting")
"""It waits for its task, or in a mailbox."""
QUEUED: Final = Progress("queued")
"""It waits for a worker thread."""
STARTED: Final = Progress("started")
"""It runs in a task or a thread."""
CALLED: Final = Progress("called")
"""It is a plain call that runs now, and a cancellation has emptied the cursor meanwhile."""
Note: TypeAlias = Outcome | Progress

_STATUS: Final[dict[type, Status]] = {
    Completed: Status.COMPLETED,
    Cancelled: Status.CANCELLED,
    Failed: Status.FAILED,
    Discarded: Status.DISCARDED,
}


def current_emission() -> "Emission[Event] | None":
    """The emission whose handler is running here; ``None`` outside of handlers.

    Tasks that a handler starts get it too, until it is settled, and so do threads that run in a copy of the context
    of a handler in a loop. For a plain handler without a loop, only code in that thread gets it.
    """
    emission = get_current()
    if emission is None and (own := here.scheduler) is not None:
        emission = own.running
    return emission if emission is not None and emission._open else None


class WouldDeadlock(PyventusError, RuntimeError):
    """A handler waits for its own end, or the reader of a full stream waits for a delivery that waits for room there.

    *chain* contains the emissions, from the one that is waited for to the one that waits.
    """

    chain: tuple["Emission[Event]", ...]

    def __init__(self, message: str, chain: Sequence["Emission[Event]"] = ()) -> None:
        super().__init__(message)
        self.chain = tuple(chain)


class EmissionFailed(PyventusError, ExceptionGroup[Exception]):
    """What the handlers of one *emission* raised, in the order of its deliveries.

    ``split``, ``subgroup`` and ``except*`` keep the class and the emission. It can be pickled with its text, its
    notes and its errors. An error that cannot be pickled becomes a `RuntimeError` with the same text and notes. An
    emission belongs to its process, so reading ``emission`` of an unpickled error raises `AttributeError`.
    """

    _emission: "AnyEmission | None"

    # ExceptionGroup takes its arguments in __new__, and an exception wants an __init__ of the same form.
    def __new__(cls, message: str, failures: Sequence[Exception], emission: "AnyEmission | None") -> Self:
        self = super().__new__(cls, message, failures)
        self._emission = emission
        return self

    def __init__(self, message: str, failures: Sequence[Exception], _emission: "AnyEmission | None") -> None:
        super().__init__(message, failures)

    @property
    def emission(self) -> "Emission[Event]":
        """The emission whose handlers failed."""
        if self._emission is None:
            raise AttributeError  # it was pickled: see __getattr__
        return self._emission

    @override
    def __reduce__(self) -> tuple[type[Self], tuple[object, ...], dict[str, object]]:
        state: dict[str, object] = {name: value for name, value in self.__dict__.items() if name == "__notes__"}
        state[LEFT_BEHIND] = ["emission"]
        return type(self), (self.message, [_picklable(error) for error in self.exceptions], None), state

    def __copy__(self) -> Self:
        twin = type(self)(self.message, self.exceptions, self._emission)
        twin.__dict__.update(self.__dict__)
        return twin

    @override
    def derive(self, excs: Sequence[Exception], /) -> "EmissionFailed":  # type: ignore[override]  # the same class, not a generic one
        return EmissionFailed(self.message, excs, self._emission)


def _picklable(error: Exception) -> Exception:
    """*error*, or what keeps its text and its notes if it cannot be pickled and read again."""
    # An EmissionFailed replaces its own errors when it is pickled. To try it here as well would pickle what is n levels deep
    # 2 ** n times.
    if type(error) is EmissionFailed or can_be_pickled(error):
        return error
    stand_in = RuntimeError(f"{type(error).__name__}: {spell_event(error)}")
    for note in getattr(error, "__notes__", ()):
        stand_in.add_note(str(note))
    return stand_in


class EmissionPending(PyventusError, RuntimeError):
    """``raise_failures`` was called while *emission* was pending, so it is not known yet whether a handler fails."""

    emission: "Emission[Event]"

    def __init__(self, message: str, emission: "AnyEmission") -> None:
        super().__init__(message)
        self.emission = emission


class Owner(Protocol):
    """The queue that an emission is pending in, as far as the handle needs it."""

    @property
    def scheduler(self) -> object: ...
    def cancel(self, emission: "AnyEmission", /) -> bool: ...
    def started(self, emission: "AnyEmission", index: int, /) -> None: ...
    def is_calling(self, emission: "AnyEmission", /) -> bool: ...
    def runs_in(self, emission: "AnyEmission", task: "asyncio.Task[Any]", /) -> bool: ...  # Any: whoever's
    def waits_for(self, emission: "AnyEmission", /) -> "Iterator[AnyEmission]": ...
    def places_for(self, emission: "AnyEmission", /) -> "tuple[Collection[AnyEmission], Collection[AnyEmission]]": ...
    def begin_wait(self, emission: "AnyEmission", /) -> "tuple[asyncio.Future[None], Release, AnyEmission | None]": ...
    def end_wait(self, waiting: "AnyEmission", emission: "AnyEmission", /) -> None: ...


Release: TypeAlias = "Callable[[asyncio.Future[None]], object]"


class Delivery(Generic[_T_co]):
    """One event for one subscription. Open until it has an outcome, which is final."""

    __slots__ = ("_emission", "_index")

    def __init__(self, emission: "Emission[_T_co]", index: int) -> None:
        self._emission = emission
        self._index = index

    @property
    def emission(self) -> "Emission[_T_co]":
        """The emission that this delivery belongs to."""
        return self._emission

    @property
    def event(self) -> _T_co:
        """The very event that was emitted."""
        return self._emission._event

    @property
    def subscription(self) -> Subscription[Any]:  # Any: it may be to a base of the event, or to several types
        """The subscription that receives it."""
        return self._emission._route.receivers[self._index]

    @property
    def started(self) -> bool:
        """Whether the handler was called."""
        match self._emission._note(self._index):
            case Progress() as progress:
                return progress is STARTED or progress is CALLED
            case Discarded(started=started):
                return started
            case Failed():
                # Without a call it failed where its predicate, or the key of its emission, raised.
                errors = self._emission._route.errors
                return errors is None or errors[self._index] is None
            case outcome:
                return outcome is not NEVER_RAN

    @property
    def outcome(self) -> Outcome | None:
        """How it ended; ``None`` while it is open."""
        note = self._emission._note(self._index)
        return None if isinstance(note, Progress) else note

    @override
    def __eq__(self, other: object) -> bool:
        return isinstance(other, Delivery) and (self._emission, self._index) == (other._emission, other._index)

    @override
    def __hash__(self) -> int:
        return hash((self._emission, self._index))

    @override
    def __repr__(self) -> str:
        outcome = self.outcome
        state = ("started" if self.started else "waiting") if outcome is None else spell_event(outcome)
        return f"<Delivery of {spell_event(self._emission.event)} to {spell(self.subscription.handler)}: {state}>"

    # -- internal -----------------------------------------------------------------------------------------------------
    def _begin(self) -> None:
        """Its worker thread has begun."""
        notes = self._emission._notes
        if notes is not None and notes.get(self._index) is QUEUED:
            notes[self._index] = STARTED
            owner = self._emission._owner()
            if owner is not None:
                owner.started(self._emission, self._index)

    def _answer(self) -> object:
        """What its handler has returned, or raise what that raised: of a request that is the answer."""
        match self.outcome:
            case Completed(value):
                return value
            case Failed(error):
                raise error
            case outcome:
                raise asyncio.CancelledError(f"{spell_event(self.event)} was not answered: {outcome}")

    @property
    def _is_alone(self) -> bool:
        """Whether nothing else of its emission is called, so that its task has the emission's own context."""
        return len(self._emission._route.calls) == 1

    @property
    def _scheduler(self) -> object:
        owner = self._emission._owner()
        return None if owner is None else owner.scheduler


NEVER_RAN: Final = Cancelled()
"""The one `Cancelled` of a delivery that was not started; known by its identity."""


class _Rare:
    """What few emissions need. It is made when it is first needed, in whatever thread."""

    __slots__ = ("has_handed", "id", "site", "taken", "unseen", "waiters")

    def __init__(self) -> None:
        self.waiters: list[Waiter] = []
        self.id: int | None = None  # once somebody has asked
        self.site: str | None = None  # the line of code that emitted
        self.unseen: list[tuple[int, Exception]] = []  # failures that were not logged, because somebody awaits them
        self.has_handed = False  # whether its handlers have emitted in other threads
        self.taken: list[object] = []  # calls that other threads took from the cursor, to cancel it: they never begin


class Emission(Generic[_T_co]):
    """One event on its way to its handlers, as ``Emitter.emit`` returns it. May be read from any thread.

    ``await emission`` waits until it is settled, from any loop, and raises `EmissionFailed` if a handler failed;
    a cancelled or discarded emission returns, and says so in its ``status``.
    """

    __slots__ = (
        "__weakref__",
        "_cursor",
        "_event",
        "_notes",
        "_open",
        "_origin",
        "_queue",
        "_rare",
        "_route",
        "_state",
    )

    # There is no ``__init__``: `Emitter.emit` sets these itself, because a call would cost as much as a handler.
    _event: _T_co
    _route: Route
    # Over the calls of the route: those before it have begun, those behind it have not. Whoever empties it while a call
    # runs notes which call that is.
    _cursor: Iterator[Callable[..., object]]
    # Of every delivery that did anything but return None from a plain call. What has begun and has no note, and is not
    # the call that runs now, is complete.
    _notes: dict[int, Note] | None
    # How much is unfinished: one for the cursor until it is used up, and one for each task or mailbox under way.
    _open: int
    _rare: _Rare | None
    _state: object  # of the emitter that it came through
    # What follows is unset where there is none: to set it for each emission would cost too much.
    _queue: Callable[[], Owner | None]  # weak: a handle must not keep a loop alive that was dropped
    # The emission whose handler emitted this one, weakly: while that is pending its queue holds it, and afterwards a chain
    # of ticks must not keep its ancestors. Then its id, and that of the first of the chain.
    _origin: "tuple[ref[Emission[Event]], int, int]"

    __emission__ = True  # tells a handle from other awaitables, without an import

    @property
    def id(self) -> int:
        """Unique in this process. Assigned when it is first read, because most emissions never need one."""
        rare = self._with_rare()
        if rare.id is None:
            number = next(_ids)  # not between the look and the writing: a signal handler could come there
            if not HAS_GIL:
                number = _id_made.setdefault(rare, number)  # one step
            if rare.id is None:
                rare.id = number
            if not HAS_GIL:
                _id_made.pop(rare, None)  # who comes later finds what was written
        return rare.id

    @property
    def event(self) -> _T_co:
        """The very event that was emitted."""
        return self._event

    @property
    def parent(self) -> "Emission[Event] | None":
        """The emission whose handler emitted this one. No reference is kept to a settled one: then this may be
        ``None``."""
        try:
            return self._origin[0]()
        except AttributeError:
            return None

    @property
    def parent_id(self) -> int | None:
        """The id of the emission whose handler emitted this one. It remains when ``parent`` is ``None``."""
        try:
            return self._origin[1]
        except AttributeError:
            return None

    @property
    def root_id(self) -> int:
        """The id of the first emission of the chain of parents; its own, if it has no parent."""
        try:
            return self._origin[2]
        except AttributeError:
            return self.id

    @property
    def status(self) -> Status:
        """Pending while a delivery is open; then the worst of its deliveries: discarded, failed, cancelled or
        completed."""
        return Status.PENDING if self._open else self._worst()

    @property
    def deliveries(self) -> Sequence[Delivery[_T_co]]:
        """One for each subscription that matched, by priority, then in the order of subscribing."""
        return tuple(Delivery(self, index) for index in range(len(self._route.receivers)))

    def cancel(self) -> bool:
        """Cancel all open deliveries, from any thread; return whether any was open.

        Deliveries that have not started become ``Discarded("cancelled", started=False)``; running handlers are
        cancelled like tasks. A call from another thread takes effect when the thread of the emission processes it.
        """
        owner = self._owner()
        return owner is not None and owner.cancel(self)

    def raise_failures(self) -> None:
        """Raise `EmissionFailed` with what the handlers raised, in the order of the deliveries; return if none
        failed.

        Raises `EmissionPending` while the emission is not settled, so a return always means that no handler failed.
        """
        if self._open:
            raise EmissionPending(
                f"{spell_event(self._event)} is pending: whether its handlers fail is not known yet. "
                "Await the emission; in plain code emit where no loop runs.",
                self,
            )
        failure = self._failure()
        if failure is not None:
            raise failure

    async def wait(self) -> Self:
        """Wait until it is settled, from any loop; never raises what a handler raised.

        A waiter that is cancelled or times out does not affect the emission. Raises `WouldDeadlock` in the task of a
        handler that would wait for itself, and in the task that reads a stream if this emission waits for room there.
        """
        return await _Wait(self)

    def __await__(self) -> Generator[Any, None, Self]:  # Any: between the event loop and its futures
        return _wait(self, raises=True)

    @override
    def __repr__(self) -> str:
        return f"<Emission {self.id} of {spell_event(self._event)}: {self.status.value}>"

    # -- internal -----------------------------------------------------------------------------------------------------
    def _with_rare(self) -> _Rare:
        rare = self._rare
        if rare is None:
            rare = _Rare()
            if HAS_GIL:
                if self._rare is None:
                    self._rare = rare
            else:
                first = _rare_made.setdefault(self, rare)  # one step
                if self._rare is None:
                    self._rare = first
                _rare_made.pop(self, None)  # who comes later finds what was written
            rare = self._rare
        return rare

    def _owner(self) -> Owner | None:
        try:
            return self._queue() if self._open else None
        except AttributeError:
            return None  # no queue has accepted it

    @property
    def _begun(self) -> int:
        """How many of its deliveries have begun, as far as the cursor knows."""
        left: int = self._cursor.__length_hint__()  # type: ignore[attr-defined]  # of a tuple's iterator, and exact
        if not left and self._rare is not None and self._cursor is not EMPTY:
            left = len(self._rare.taken)
        return len(self._route.calls) - left

    def _note(self, index: int) -> Note:
        """Where delivery *index* stands."""
        notes = self._notes
        if notes is not None and (note := notes.get(index)) is not None:
            return note
        begun = self._begun
        if index >= begun:
            return WAITING
        if index == begun - 1:
            owner = self._owner()
            if owner is not None and owner.is_calling(self):
                return STARTED
        return NOTHING

    def _worst(self) -> Status:
        notes = self._notes
        if notes is None:
            return Status.COMPLETED
        found = {type(note) for note in notes.values()}
        return next((_STATUS[kind] for kind in (Discarded, Failed, Cancelled) if kind in found), Status.COMPLETED)

    def _write(self, index: int, note: Note) -> None:
        """Note where delivery *index* stands."""
        if self._notes is None:
            self._notes = {index: note}
        else:
            self._notes[index] = note

    def _is_awaited(self) -> bool:
        """Whether somebody awaits it at this moment, and will be given its failures."""
        return self._rare is not None and any(waiter.will_raise for waiter in self._rare.waiters)

    def _tell(self, index: int, error: Exception) -> None:
        """Log *error*, unless somebody awaits the emission and will get it."""
        if self._is_awaited():
            self._with_rare().unseen.append((index, error))
            self._log_unseen()  # who awaits it in another thread may have given up since
        else:
            log_failure(self, self._route.receivers[index].handler, error)

    def _log_unseen(self) -> None:
        """Log what nobody will be given, if nobody awaits it any more. From any thread: each failure is logged by one of them."""
        rare = self._rare
        if rare is None or self._is_awaited():
            return
        with suppress(IndexError):
            while True:
                index, error = rare.unseen.pop(0)
                log_failure(self, self._route.receivers[index].handler, error)

    def _failure(self) -> EmissionFailed | None:
        """What the handlers raised so far."""
        notes = self._notes
        if notes is None or Failed not in map(type, notes.values()):
            return None
        failures: list[Exception] = []
        for index, note in sorted(notes.items()):
            if isinstance(note, Failed):
                name = spell(self._route.receivers[index].handler)
                add_note(note.error, f"raised by {name} for {spell_event(self._event)}")
                if self._rare is not None and self._rare.site is not None:
                    add_note(note.error, f"emitted at {self._rare.site}")
                failures.append(note.error)
        if self._rare is not None:
            self._rare.unseen = []
        handlers = several(len(self._route.receivers), "handler")
        message = f"{len(failures)} of {handlers} failed for {spell_event(self._event)}"
        return EmissionFailed(message, failures, self)

    def _call_waiters(self) -> None:
        """It is settled."""
        if self._rare is not None:
            for waiter in [*self._rare.waiters]:
                waiter()


AnyEmission: TypeAlias = Emission[Any]  # Any: of whatever event; its owner knows which
_E = TypeVar("_E", bound=AnyEmission)


def emission_of(event: _T, route: Route, state: object) -> Emission[_T]:
    """A new emission, which no queue has accepted yet."""
    self: Emission[_T] = Emission()
    self._event = event
    self._route = route
    self._state = state
    self._cursor = iter(route.calls)
    self._open = route.share
    self._notes = self._rare = None
    return self


def lineage(emission: AnyEmission | None) -> Iterator[AnyEmission]:
    """*emission*, its parent, the parent of that, as far as they are still held."""
    while emission is not None:
        yield emission
        emission = emission.parent


def adopt(emission: AnyEmission) -> AnyEmission | None:
    """Remember whose handler emits here: it is returned if it is pending."""
    parent = current_emission()
    if parent is not None:
        emission._origin = (ref(parent), parent.id, parent.root_id)
    return parent


def use_up(emission: AnyEmission) -> None:
    """Use up the ``once`` of those who receive it: a subscription that another emission took meanwhile is not a receiver."""
    receivers = emission._route.receivers
    if not emission._route.has_once:
        return
    gone = {index for index, one in enumerate(receivers) if one._options.once and not one.unsubscribe()}
    if gone:
        begun = emission._begun  # an answer that is called before its request is accepted
        emission._route = emission._route.without(gone)
        emission._cursor = iter(emission._route.calls[begun:])
        if not emission._route.calls:
            emission._open = 0


class Waiter:
    """A future of the running loop that anybody may complete, from any thread.

    Whoever waits holds the future; this refers to it weakly, so that a handle with a waiter does not keep a dropped loop
    alive.
    """

    __slots__ = ("_future", "_raises")

    def __init__(self, future: "asyncio.Future[None]", *, raises: bool = False) -> None:
        self._future = ref(future)
        self._raises = raises

    @property
    def will_raise(self) -> bool:
        """Whether somebody still waits who will be given the failures."""
        future = self._future()
        return self._raises and future is not None and not future.done() and not future.get_loop().is_closed()

    def gives_up(self) -> None:
        """Whoever waited is given no failures any more. Its loop may be closed, so the future is left as it is."""
        self._raises = False

    def __call__(self) -> None:
        """Complete it, unless that was done before."""
        future = self._future()
        if future is None:
            return
        loop = future.get_loop()
        if runs_here(loop):
            if not future.done():
                future.set_result(None)
        else:
            with suppress(RuntimeError):  # closed meanwhile: nobody waits there any more
                loop.call_soon_threadsafe(complete, future)


class _Wait(Generic[_E]):
    """One wait for an emission that raises nothing."""

    __slots__ = ("_emission",)

    def __init__(self, emission: _E) -> None:
        self._emission = emission

    def __await__(self) -> Generator[Any, None, _E]:  # Any: as above
        return _wait(self._emission, raises=False)


def _wait(emission: _E, *, raises: bool) -> Generator[Any, None, _E]:  # Any: as above
    """Wait until *emission* is settled, and return it, or raise its failures."""
    if emission._open:
        release = waiting = None
        owner = emission._owner()
        if owner is None:
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        else:
            future, release, waiting = owner.begin_wait(emission)
            del (
                owner
            )  # no name of this frame may refer to the queue while it waits: that would keep a dropped loop alive
        waiter = Waiter(future, raises=raises)
        waiters = emission._with_rare().waiters
        waiters.append(waiter)
        try:
            # It may have been settled before this waiter was in the list: then nobody completes the future.
            if emission._open:
                yield from future
        except BaseException:
            waiter.gives_up()
            emission._log_unseen()
            raise
        finally:
            if waiter in waiters:
                waiters.remove(waiter)
            if release is not None:
                release(future)
            if waiting is not None and (owner := waiting._owner()) is not None:
                owner.end_wait(waiting, emission)
    if raises and emission._notes is not None:
        emission.raise_failures()
    return emission
