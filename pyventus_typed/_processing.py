"""The port between an emitter and whatever runs the handlers."""

from collections.abc import Awaitable, Callable, Generator
from contextlib import AbstractContextManager, contextmanager, suppress
from threading import RLock
from typing import Protocol
from weakref import WeakSet

from ._emission import Delivery, Emission
from ._errors import InvalidOption
from ._event import Event
from ._outcome import Tally


class EmitterState:
    """What a processor remembers of an emitter. The emitter makes it, and hands it over with each emission.

    ``closed`` is whether it refuses what comes from outside. The rest is the processor's: ``home_loop`` is where emissions from
    threads without a loop go, and ``limit`` and ``closing`` say which emissions were pending when the closing began. With
    ``lock`` a thread that accepts for another one keeps that from closing in between.
    """

    __slots__ = ("closed", "closing", "home_loop", "limit", "lock")

    def __init__(self) -> None:
        self.closed: bool = False
        self.home_loop: object = None
        self.limit: int = 0
        self.closing: object = None
        # Re-entrant: a destructor or signal handler that emits may come while it is held.
        self.lock: AbstractContextManager[object] = RLock()


class Observer(Protocol):
    """What a processor calls as emissions are accepted, started and settled, for traces and metrics.

    Each method is called in one copy of the emission's context, by whoever runs the emission: a handler with ``in_thread`` is
    said to have started when its loop has heard of it. What it raises goes to ``sys.unraisablehook`` and changes nothing. An
    emission that nobody receives is accepted and settled, and starts no delivery. A delivery that is cut off, because its
    loop is lost or Ctrl-C leaves its handler, does not end: its emission is settled. See `observe`, and the option
    ``observer`` of `AsyncIOProcessor`.
    """

    def accepted(self, emission: Emission[Event], /) -> object:
        """It is accepted, and counted as pending."""
        ...

    def started(self, delivery: Delivery[Event], /) -> object:
        """A handler is about to be called; up to here its delivery has waited."""
        ...

    def ended(self, delivery: Delivery[Event], /) -> object:
        """A delivery that was started has its outcome."""
        ...

    def settled(self, emission: Emission[Event], /) -> object:
        """Each of its deliveries has its outcome."""
        ...


def check_observer(value: object) -> None:
    """Raise `InvalidOption` if *value* is not an `Observer`."""
    for name in ("accepted", "started", "ended", "settled"):
        if isinstance(value, type) or not callable(getattr(value, name, None)):
            why = "is a class" if isinstance(value, type) else f"has no method {name}"
            raise InvalidOption(f"The observer {value!r} {why}. Pass an object with the methods of Observer.", value)


class Observable(Protocol):
    """What accepts emissions, and whose observers may change."""

    def look_for_observers(self) -> None: ...


class Observed:
    """All that can be observed, and who observes all of it."""

    def __init__(self) -> None:
        self.everywhere: tuple[Observer, ...] = ()
        self._all: WeakSet[Observable] = WeakSet()
        self._lock = RLock()  # re-entrant: a signal handler may come in the middle of a change

    def add(self, observable: Observable) -> None:
        """From here on *observable* is notified of changes."""
        with self._lock:
            self._all.add(observable)

    def change(self, observers: Callable[[tuple[Observer, ...]], tuple[Observer, ...]]) -> None:
        """Change who observes everywhere."""
        with self._lock:
            self.everywhere = observers(self.everywhere)
            for one in self._observables():
                one.look_for_observers()

    def _observables(self) -> list[Observable]:
        while True:
            with suppress(RuntimeError):  # a destructor has added one in the middle of this
                return [*self._all]


observed = Observed()


@contextmanager
def observe(observer: Observer) -> Generator[None, None, None]:
    """Call *observer* for each emission that any `AsyncIOProcessor` of this process accepts in the block.

    From whatever emitter, loop and thread, those that exist already and those that are made meanwhile. Nothing is called
    for an emission that was pending when the block began, nor for anything after its end. What is observed costs more,
    several times a call of an empty handler; before and after the block there is no cost. Several may observe at the same time.
    Raises `InvalidOption` if *observer* lacks a method.

    ::

        with observe(metrics):
            asyncio.run(main())
    """
    check_observer(observer)
    observed.change(lambda before: (*before, observer))
    try:
        yield
    finally:
        observed.change(lambda before: _without(before, observer))


def _without(observers: tuple[Observer, ...], gone: Observer) -> tuple[Observer, ...]:
    at = [one is gone for one in observers].index(True)
    return (*observers[:at], *observers[at + 1 :])


class Processor(Protocol):
    """How deliveries are run. It knows neither linker nor emitter.

    An emission comes with its deliveries chosen. The processor accepts it before `submit` returns, runs each delivery
    once, and settles every one of them, whatever happens. An `EmitterState` is the emitter that it came through.
    """

    def submit(self, emission: Emission[Event], state: EmitterState, /) -> None:
        """Accept *emission* and run it, or raise `EmissionRejected` and have done nothing.

        Without a running loop it returns when the emission and all that it led to is settled; else it runs no handler
        before it returns.
        """
        ...

    def check_open(self, event: Event, state: EmitterState, /) -> None:
        """Raise `EmitterClosed`, and count it, if *event* would be refused because the emitter is closed."""
        ...

    async def submit_wait(self, emission: Emission[Event], state: EmitterState, /) -> None:
        """Wait for capacity, first come first served, then `submit`."""
        ...

    def publish(self, emission: Emission[Event], state: EmitterState, /) -> Awaitable[None]:
        """Accept *emission* and run its deliveries one after the other in the caller's task."""
        ...

    async def ask(self, emission: Emission[Event], state: EmitterState, /) -> object:
        """Accept *emission*, run all its deliveries at once and return, or raise, what its first one does."""
        ...

    def ask_sync(self, emission: Emission[Event], state: EmitterState, /) -> object:
        """As `ask`, without awaiting; what cannot be done so is refused by a `DefinitionError` before it is called."""
        ...

    def check_streams(self) -> None:
        """Raise `DefinitionError` if it feeds no streams and no ``expect``: what a call returns must be awaited for that."""
        ...

    async def wait_for_tasks(self, timeout: float | None = None) -> bool:
        """Wait until all that was accepted in this loop, and what it leads to, is settled; ``False`` on timeout."""
        ...

    def open(self, state: EmitterState, /) -> None:
        """The emitter's block begins in the running loop: that is its home loop now."""
        ...

    async def close(self, state: EmitterState, grace: float | None, /) -> bool:
        """Refuse what comes from outside, and wait; after *grace* seconds cancel what is left and return ``False``."""
        ...

    @property
    def tally(self) -> Tally:
        """The counts of all its queues."""
        ...
