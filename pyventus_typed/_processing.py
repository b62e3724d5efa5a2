"""The port between an emitter and whatever runs the handlers."""

from collections.abc import Awaitable
from typing import Protocol

from ._emission import Delivery, Emission
from ._event import Event
from ._outcome import Tally


class EmitterState:
    """What a processor remembers of an emitter. The emitter makes it, and hands it over with each emission.

    ``closed`` is whether it refuses what comes from outside. The rest is the processor's: ``home`` is where emissions from
    threads without a loop go, and ``limit`` and ``closing`` say which emissions were pending when the closing began.
    """

    __slots__ = ("closed", "closing", "home", "limit")

    def __init__(self) -> None:
        self.closed: bool = False
        self.home: object = None
        self.limit: int = 0
        self.closing: object = None


class Observer(Protocol):
    """What a processor calls as emissions are accepted, started and settled, for traces and metrics.

    Each method is called in the emission's context, by whoever runs it. What it raises goes to ``sys.unraisablehook`` and
    changes nothing. An emission that nobody receives is accepted and settled, and starts no delivery.
    """

    def accepted(self, emission: Emission[Event], /) -> object:
        """It is accepted, and counted as pending."""
        ...

    def started(self, delivery: Delivery[Event], /) -> object:
        """A handler is about to be called."""
        ...

    def settled(self, emission: Emission[Event], /) -> object:
        """Each of its deliveries has its outcome."""
        ...


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
        """Wait until all that was accepted in this loop, and what it leads to, is settled; ``False`` on time-out."""
        ...

    def open(self, state: EmitterState, /) -> None:
        """The emitter's block begins in the running loop: that is its home now."""
        ...

    async def close(self, state: EmitterState, grace: float | None, /) -> bool:
        """Refuse what comes from outside, and wait; after *grace* seconds cancel what is left and return ``False``."""
        ...

    @property
    def tally(self) -> Tally:
        """The counts of all its queues."""
        ...
