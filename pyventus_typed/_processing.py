"""The port between an emitter and whatever runs the handlers."""

from collections.abc import Callable
from typing import Protocol

from ._emission import Emission
from ._event import Event
from ._outcome import Tally
from ._routing import Route


class Way(Protocol):
    """What a processor may leave at a door: where an emission may go that needs no look at anything else."""

    def enter(self, emission: Emission[Event], route: Route, /) -> bool:
        """As `Processor.submit`; or ``False``, and nothing was done."""
        ...

    async def publish(self, emission: Emission[Event], route: Route, /) -> bool:
        """As `Processor.publish`; or ``False``, and nothing was done."""
        ...


class Door:
    """An emitter's state as its processor sees it: whether it takes emissions from outside, and whose loop is its home."""

    __slots__ = ("closed", "home", "is_direct", "is_plain", "way")

    def __init__(self, *, is_direct: bool = False) -> None:
        self.is_direct: bool = is_direct  # nobody stands between the emitter and who may leave a way here
        self.closed: bool = False
        self.home: object = None  # a processor's own mark of a loop, or None
        self.is_plain: bool = True  # neither: an emission in a thread without a loop belongs to that thread
        self.way: Callable[[], Way | None] | None = None  # asked before the processor; weak: a door keeps no loop alive

    def close(self) -> None:
        """Take nothing more from outside."""
        self.closed, self.is_plain, self.way = True, False, None

    def lead(self, home: object) -> None:
        """From now on threads without a loop are handed to *home*; to nobody if that is ``None``."""
        self.home, self.is_plain = home, home is None and not self.closed

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

        The emission has no parent yet: it is the processor's to find.
        Without a running loop it returns when the emission and all that it led to is settled; else it runs no handler
        before it returns.
        """
        ...

    async def submit_wait(self, emission: Emission[Event], door: Door, /) -> None:
        """Wait for room, first come first served, then `submit`."""
        ...

    async def publish(self, emission: Emission[Event], door: Door, /) -> None:
        """Accept *emission* and run its deliveries one after the other in the caller's task; awaited at once."""
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
