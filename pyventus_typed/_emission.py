"""One emitted event and what becomes of it: the handle over its entry in the books."""

import asyncio
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from contextvars import ContextVar
from itertools import count
from threading import RLock, local
from typing import Any, Final, Generic, Protocol, Self, TypeAlias
from weakref import ref

from typing_extensions import TypeVar, override

from ._event import Event
from ._ledger import NEVER_RAN, STARTED, Entry
from ._loops import runs_here
from ._outcome import Discarded, Failed, Outcome
from ._routing import Route
from ._spelling import several, spell, spell_event
from ._subscription import Subscription
from .errors import EmissionFailed

_T = TypeVar("_T")
_T_co = TypeVar("_T_co", covariant=True)
_ids = count(1)
_naming = RLock()  # two threads that ask first are told the same

current: ContextVar["Emission[Event] | None"] = ContextVar("pyventus_typed.current_emission", default=None)

# A method of an imported name is looked up anew for each call.
get_current = current.get
set_current = current.set
reset_current = current.reset


class Running:
    """What runs on the short way: an emission whose receivers are all plain calls, and the calls that are left."""

    __slots__ = ("emission", "nobody", "rest", "taken")

    def __init__(self) -> None:
        self.emission: AnyEmission | None = None
        self.nobody: AnyEmission | None = None  # that, between two emissions: BUSY where others must not begin
        self.rest: Iterator[Callable[..., object]] | None = None  # None where there is one call
        self.taken: list[Callable[..., object]] = []  # from the rest, by who cancels in another thread


class Thread(local):
    """What this thread runs while it runs no loop. Setting a context variable would cost as much as three handlers."""

    running: Running | None = None


thread = Thread()


def current_emission() -> "Emission[Event] | None":
    """The emission whose handler is running here; ``None`` outside of handlers.

    Tasks that a handler starts see it too, and so do threads that run in a copy of the context of a handler in a loop;
    of a handler in a thread without a loop, what runs in that thread.
    """
    return current.get() or outer_emission()


def outer_emission() -> "Emission[Event] | None":
    """The emission whose handler runs in this thread on the short way without a loop."""
    running = thread.running
    return None if running is None or running.emission is BUSY else running.emission


class Keeper(Protocol):
    """The line that an emission is pending in, as far as the handle needs it."""

    def cancel(self, emission: "AnyEmission", /) -> bool: ...
    def awaiting(self, emission: "AnyEmission", /) -> "AbstractContextManager[set[asyncio.Future[None]]]": ...
    def waits_for(self, emission: "AnyEmission", /) -> "Iterator[Emission[Event]]": ...
    def look(self, emission: "AnyEmission", /) -> None: ...
    def future(self, emission: "AnyEmission", /) -> "asyncio.Future[Any] | None": ...  # Any: ends with the emission


class Delivery(Generic[_T_co]):
    """One emission on its way to one subscription. Open until it has an outcome, which is final."""

    __slots__ = ("_emission", "_index")

    def __init__(self, emission: "Emission[_T_co]", index: int) -> None:
        self._emission = emission
        self._index = index

    @property
    def subscription(self) -> Subscription[Any]:  # Any: it may be to a base of the event, or to several types
        """Who receives it."""
        return self._emission._subscriptions[self._index]

    @property
    def started(self) -> bool:
        """Whether the handler was called."""
        self._emission._look()
        match self._emission._outcomes[self._index]:
            case None:
                return False
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
        """What became of it; ``None`` while it is open."""
        self._emission._look()
        outcome = self._emission._outcomes[self._index]
        return None if outcome is STARTED else outcome

    @override
    def __eq__(self, other: object) -> bool:
        return isinstance(other, Delivery) and (self._emission, self._index) == (other._emission, other._index)

    @override
    def __hash__(self) -> int:
        return hash((self._emission, self._index))

    @override
    def __repr__(self) -> str:
        state = self.outcome or ("started" if self.started else "waiting")
        return f"<Delivery of {spell_event(self._emission.event)} to {spell(self.subscription.handler)}: {state}>"


class Emission(Entry, Generic[_T_co]):
    """One emitted event and what becomes of it, made by ``Emitter.emit``. Readable from any thread.

    ``await emission`` waits until it is settled, from any loop, and raises `EmissionFailed` if a handler failed;
    a cancelled or discarded emission returns, and says so in its ``status``.
    """

    __slots__ = (
        "__weakref__",
        "_door",
        "_event",
        "_keeper",
        "_parent",
        "_route",
    )

    _event: _T_co
    _route: Route
    _door: object
    # What follows is unset where there is none: to set it to None for each emission would cost as much as a handler.
    _keeper: Callable[[], Keeper | None]  # weak: a handle must not keep a loop alive that was dropped
    # Weak: while the parent is pending its line holds it; afterwards a chain of ticks must not hold its ancestors.
    _parent: "ref[Emission[Event]]"

    @property
    def id(self) -> int:
        """Unique in this process. Given when it is first asked for: most emissions are never asked."""
        aside = self.aside
        if aside.id is None:
            number = next(_ids)  # not between the look and the writing: a signal handler could come there
            with _naming:
                if aside.id is None:
                    aside.id = number
        return aside.id

    @property
    def event(self) -> _T_co:
        """The very event that was emitted."""
        return self._event

    @property
    def parent(self) -> "Emission[Event] | None":
        """The emission whose handler emitted this one. It is held only while it is pending: afterwards this may be ``None``."""
        try:
            return self._parent()
        except AttributeError:
            return None

    @property
    def deliveries(self) -> Sequence[Delivery[_T_co]]:
        """One for each subscription that matched, by priority, then in the order of subscribing."""
        return tuple(Delivery(self, index) for index in range(len(self._subscriptions)))

    def cancel(self) -> bool:
        """Cancel what is open, from any thread; return whether anything was.

        What has not started becomes ``Discarded("cancelled", started=False)``; what runs is cancelled as a task is.
        Called from another thread it takes effect when the emission's own thread gets to it.
        """
        keeper = self._line()
        return keeper is not None and keeper.cancel(self)

    def raise_failures(self) -> None:
        """Raise `EmissionFailed` with what the handlers raised so far, in the order of the deliveries; return if nothing."""
        failure = self._failure()
        if failure is not None:
            raise failure

    async def wait(self) -> Self:
        """Wait until it is settled, from any loop; never raises what a handler raised.

        A waiter that is cancelled, or times out, changes nothing. Raises `WouldDeadlock` in a handler's own task
        if that would wait for itself.
        """
        await self._settled(raises=False)
        return self

    def __await__(self) -> Generator[Any, None, Self]:  # Any: between the event loop and its futures
        keeper = self._line()
        # The usual case, without a coroutine: in the loop that it is pending in, and in nobody's handler.
        future = None if keeper is None else keeper.future(self)
        return (self._join() if future is None else future).__await__()

    @override
    def __repr__(self) -> str:
        return f"<Emission {self.id} of {spell_event(self._event)}: {self.status.value}>"

    # -- ours ---------------------------------------------------------------------------------------------------------
    @property
    def _subscriptions(self) -> tuple[Subscription[Event], ...]:
        return self._route.receivers

    def emitted_at(self, site: str) -> None:
        """Remember the line of code that emitted."""
        self.aside.site = site

    @property
    def awaited(self) -> bool:
        """Whether somebody awaits it at this moment, and will be told of its failures."""
        watchers = () if self._aside is None else self._aside.watchers
        return any(isinstance(watcher, Waiter) and watcher.will_raise for watcher in watchers)

    def _line(self) -> Keeper | None:
        try:
            return self._keeper() if self._open else None
        except AttributeError:
            return None  # no line has accepted it

    def _look(self) -> None:
        """See that the outcomes are what they are: on a short way they are not written down one by one."""
        keeper = self._line()
        if keeper is not None:
            keeper.look(self)

    def _failure(self) -> EmissionFailed | None:
        """What the handlers raised so far."""
        if Failed not in map(type, self._outcomes):
            return None
        failures: list[Exception] = []
        for delivery in self.deliveries:
            if isinstance(delivery.outcome, Failed):
                error = delivery.outcome.error
                _note(error, f"raised by {spell(delivery.subscription.handler)} for {spell_event(self._event)}")
                if self._aside is not None and self._aside.site is not None:
                    _note(error, f"emitted at {self._aside.site}")
                failures.append(error)
        if not failures:
            return None
        handlers = several(len(self._subscriptions), "handler")
        message = f"{len(failures)} of {handlers} failed for {spell_event(self._event)}"
        return EmissionFailed(message, failures, self)

    async def _join(self) -> Self:
        await self._settled(raises=True)
        self.raise_failures()
        return self

    async def _settled(self, *, raises: bool) -> None:
        if not self._open:
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiter = Waiter(future, raises=raises)
        with self._awaiting() as held:
            held.add(future)
            self.watch(waiter)
            try:
                await future
            finally:
                self.unwatch(waiter)
                held.discard(future)

    def _awaiting(self) -> "AbstractContextManager[set[asyncio.Future[None]]]":
        keeper = self._line()  # not a name of whoever waits: that would keep a dropped loop alive
        return _unkept if keeper is None else keeper.awaiting(self)


_unkept = nullcontext(set[asyncio.Future[None]]())  # of a processor that judges no waits

AnyEmission: TypeAlias = Emission[Any]  # Any: of whatever event; its owner knows which


BUSY: Final[AnyEmission] = Emission()
"""Stands for what a thread does on the long way: no emission at all."""


def emission_of(event: _T, route: Route, door: object) -> Emission[_T]:
    """A new emission; its parent is the processor's to find.

    There is no ``__init__``, so that `Emitter.emit` can do the same in line, where each call counts.
    """
    self: Emission[_T] = Emission()
    self._event = event
    self._route = route
    self._open = len(route.receivers)
    self._outcomes = (None,) * self._open
    self._door = door
    self._aside = None
    return self


def adopt_parent(emission: AnyEmission) -> None:
    """Whoever is running here is the one that emits."""
    parent = current_emission()
    if parent is not None:
        emission._parent = ref(parent)


class Waiter:
    """A future of the running loop that anybody may complete, from any thread.

    Whoever waits holds ``future``; this refers to it weakly, so that books with a waiter do not keep a dropped loop alive.
    """

    __slots__ = ("_future", "_raises")

    def __init__(self, future: "asyncio.Future[None]", *, raises: bool = False) -> None:
        self._future = ref(future)
        self._raises = raises

    @property
    def will_raise(self) -> bool:
        """Whether somebody still waits who will be told of failures."""
        future = self._future()
        return self._raises and future is not None and not future.done()

    def __call__(self) -> None:
        """Complete it; bears being called again."""
        future = self._future()
        if future is None:
            return
        loop = future.get_loop()
        if runs_here(loop):
            _complete(future)
        else:
            with suppress(RuntimeError):  # closed meanwhile: nobody waits there any more
                loop.call_soon_threadsafe(_complete, future)


def _complete(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)


def _note(error: Exception, text: str) -> None:
    # An exception object that is raised again and again must not collect the same note for ever.
    with suppress(Exception):  # an exception may refuse notes: a frozen dataclass does
        if text not in getattr(error, "__notes__", ()):
            error.add_note(text)
