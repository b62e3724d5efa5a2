"""The port between an emitter and whatever runs the handlers."""

from typing import Protocol

from ._emission import Emission
from ._event import Event
from ._outcome import Tally


class Door:
    """An emitter's state as its processor sees it: whether it takes emissions from outside, and whose loop is its home."""

    __slots__ = ("closed", "home")

    def __init__(self) -> None:
        self.closed = False
        self.home: object = None  # a processor's own mark of a loop, or None

    def admits(self, emission: Emission[Event]) -> bool:
        """Whether *emission* may pass: always while it is open, then only what pending emissions of this door emit."""
        if not self.closed:
            return True
        parent = emission.parent
        while parent is not None:
            if parent._door is self and parent._open:
                return True
            parent = parent.parent
        return False


class Processor(Protocol):
    """How deliveries are run. It knows neither linker nor emitter.

    An emission comes with its deliveries chosen. The processor enters it in its books before `submit` returns, runs
    each delivery once, and settles every one of them, whatever happens. Its `Door` is the emitter that it came through.
    """

    def submit(self, emission: Emission[Event], door: Door, /) -> None:
        """Accept *emission* and see to its deliveries, or raise `EmissionRejected` and have done nothing.

        Without a running loop it returns when the emission and all that it led to is settled; else it runs no handler
        before it returns.
        """
        ...

    async def submit_wait(self, emission: Emission[Event], door: Door, /) -> None:
        """Wait for room, first come first served, then `submit`."""
        ...

    async def publish(self, emission: Emission[Event], door: Door, /) -> None:
        """Accept *emission* and run its deliveries one after the other in the caller's task."""
        ...

    async def ask(self, emission: Emission[Event], door: Door, /) -> object:
        """Accept *emission*, run all its deliveries at once and return, or raise, what its first one does."""
        ...

    async def wait_for_tasks(self, timeout: float | None = None) -> bool:
        """Wait until all that was accepted in this loop, and what it leads to, is settled; ``False`` on time-out."""
        ...

    def here(self) -> object:
        """A mark of the running loop, for ``Door.home``."""
        ...

    async def finish(self, door: Door, grace: float | None, /) -> bool:
        """Wait as `wait_for_tasks` does; after *grace* seconds cancel what is left of *door* and return ``False``."""
        ...

    @property
    def tally(self) -> Tally:
        """The counts of all its lines."""
        ...
