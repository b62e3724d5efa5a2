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
    """What a processor stores about an emitter. The emitter creates it, and passes it with each emission.

    ``closed`` says whether the emitter refuses emissions from outside. The other attributes belong to the processor:
    ``home_loop`` receives emissions from threads without a loop; ``limit`` and ``closing`` say which emissions were
    pending when closing began. A thread that accepts an emission for another thread holds ``lock``, so that the
    emitter is not closed meanwhile.
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
    """A processor calls it when emissions are accepted, started and settled; for traces and metrics.

    All methods are called in one copy of the emission's context, in the thread that runs the emission. A handler with
    ``in_thread`` counts as started when its loop is notified of it. An exception from a method goes to
    ``sys.unraisablehook`` and has no other effect. An emission without a receiver is accepted and settled, and starts
    no delivery. For a delivery that is cut off, because its loop is lost or Ctrl-C interrupts its handler, ``ended``
    is not called, but its emission is settled. See `observe`, and the option ``observer`` of `AsyncIOProcessor`.
    """

    def accepted(self, emission: Emission[Event], /) -> object:
        """*emission* was accepted, and is counted as pending."""
        ...

    def started(self, delivery: Delivery[Event], /) -> object:
        """The handler of *delivery* is about to be called; until now, the delivery has waited."""
        ...

    def ended(self, delivery: Delivery[Event], /) -> object:
        """*delivery*, which was started, has its outcome."""
        ...

    def settled(self, emission: Emission[Event], /) -> object:
        """All deliveries of *emission* have an outcome."""
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

    This includes every emitter, loop and thread, those that exist already and those that are created later. Nothing
    is called for an emission that was pending when the block began, nor after the end of the block. An observed
    emission costs several times as much as a call of an empty handler; before and after the block there is no cost.
    Several observers may be active at the same time. Raises `InvalidOption` if *observer* lacks a method.

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
    """Decides how deliveries are run. It does not depend on a linker or an emitter.

    When an emission arrives, its deliveries are already determined. The processor accepts it before `submit` returns,
    runs each delivery once, and settles all of them, whatever happens. The `EmitterState` represents the emitter of
    the emission.
    """

    def submit(self, emission: Emission[Event], state: EmitterState, /) -> None:
        """Accept *emission* and run it, or do nothing and raise `EmissionRejected`.

        Without a running loop, it returns when the emission and everything that it led to is settled. In a running
        loop, it runs no handler before it returns.
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
        """Accept *emission* and run all its deliveries immediately; return or raise the result of the first one."""
        ...

    def ask_sync(self, emission: Emission[Event], state: EmitterState, /) -> object:
        """As `ask`, without awaiting. Raises `DefinitionError`, before any call, for a handler that must be
        awaited."""
        ...

    def check_streams(self) -> None:
        """Raise `DefinitionError` if streams and ``expect`` are not supported: for them, awaitable results must be
        awaited."""
        ...

    async def wait_for_tasks(self, timeout: float | None = None) -> bool:
        """Wait until everything accepted in this loop, and everything that it leads to, is settled; ``False`` on
        timeout."""
        ...

    def open(self, state: EmitterState, /) -> None:
        """The block of the emitter begins in the running loop, which becomes its home loop."""
        ...

    async def close(self, state: EmitterState, grace: float | None, /) -> bool:
        """Refuse emissions from outside, and wait; after *grace* seconds, cancel the rest and return ``False``."""
        ...

    @property
    def tally(self) -> Tally:
        """The counts of all its queues."""
        ...
