"""The processor without a loop: emit runs everything to its end, in the caller. It uses public names alone."""

from collections import deque
from threading import local

from typing_extensions import override

from .._emission import Emission
from .._errors import DefinitionError
from .._event import Event
from .._outcome import Tally
from .._processing import EmitterState
from ._runs import Run, Runs


class _Thread(local):
    """What is to be run in this thread, for all processors of this kind, so that a nested emission goes behind."""

    def __init__(self) -> None:
        self.waiting: deque[Run] = deque()
        self.is_running = False

    def run(self, first: Run | None = None, *, log: bool = True) -> None:
        """Run *first* at once, and then all that waits, unless somebody does that already.

        If something leaves that is not an `Exception`, the rest is not run behind the user's back.
        """
        if self.is_running:
            if first is not None:
                _deliver(first, log=log)
            return
        try:
            self.is_running = True
            if first is not None:
                _deliver(first, log=log)
            while self.waiting:
                _deliver(self.waiting[0])
                self.waiting.popleft()
            # Nothing is called between the last look and the end: a signal handler that emits comes before or after.
        except BaseException as error:
            while self.waiting:
                self.waiting[0].discard(repr(error))
                self.waiting.popleft()
            raise
        finally:
            self.is_running = False


_here = _Thread()


class SyncProcessor:
    """Runs handlers without a loop: ``emit`` returns when the emission, and all that its handlers emitted, is settled.

    For command-line programs, desktop programs and games: handlers run in the thread that emits, even if it runs a loop,
    of asyncio or another one. What a handler emits goes behind what was accepted before it, through whichever emitter of this
    kind; another kind of processor runs it as its own. For any number of emitters and threads.

    An ``async def`` among the receivers, or one with a ``timeout``, makes ``emit`` raise `DefinitionError`; what a plain
    call returned that would have to be awaited is closed, and the delivery has failed. ``in_thread`` changes nothing.
    ``publish``, ``ask``, ``ask_sync``, ``wait_for_tasks`` and ``aclose`` work; ``emit_wait`` never waits. There are no
    orderings but that of ``SERIAL``, no ``capacity``, streams, ``expect`` or observers: these are `AsyncIOProcessor`'s.
    """

    def __init__(self) -> None:
        self._runs = Runs()

    @property
    def tally(self) -> Tally:
        """The counts of all threads together."""
        return self._runs.tally

    async def wait_for_tasks(self, timeout: float | None = None) -> bool:
        """Wait until what other threads have emitted so far is settled; what was emitted in this thread is already."""
        return await self._runs.wait(timeout)

    @override
    def __repr__(self) -> str:
        return f"<SyncProcessor: {self.tally.pending} pending>"

    # -- the port to the emitter --------------------------------------------------------------------------------------
    def submit(self, emission: Emission[Event], state: EmitterState, /) -> None:
        """Accept *emission*, and run it unless a handler emits it: then it is run after those before it."""
        run = self._runs.accept(emission, state)
        try:
            _here.waiting.append(run)
            _here.run()
        except BaseException as error:
            run.discard(repr(error))  # Ctrl-C before it had its turn; else there is nothing to discard
            raise

    def check_open(self, event: Event, state: EmitterState, /) -> None:
        """Raise `EmitterClosed` if *event* would be refused for that."""
        self._runs.check_open(event, state)

    async def submit_wait(self, emission: Emission[Event], state: EmitterState, /) -> None:
        """As `submit`: there is no limit to wait for."""
        self.submit(emission, state)

    async def publish(self, emission: Emission[Event], state: EmitterState, /) -> None:
        """Accept *emission* and run it now. Its caller is given the failures."""
        _here.run(self._runs.accept(emission, state), log=False)

    async def ask(self, emission: Emission[Event], state: EmitterState, /) -> object:
        """As `ask_sync`."""
        return self.ask_sync(emission, state)

    def ask_sync(self, emission: Emission[Event], state: EmitterState, /) -> object:
        """Accept *emission*, run it now, and return or raise what its first delivery has."""
        run = self._runs.accept(emission, state)
        _here.run(run)
        return run.answer()

    def check_streams(self) -> None:
        """There are none: nothing here waits for room or for an event."""
        raise DefinitionError(
            "SyncProcessor has no streams and no expect, because emit runs everything in its caller and awaits nothing. "
            "Use AsyncIOProcessor(), or subscribe a handler.",
            self,
        )

    def open(self, state: EmitterState, /) -> None:
        """Emissions run in whatever thread they are made."""

    async def close(self, state: EmitterState, grace: float | None, /) -> bool:
        """Refuse what comes from outside, and wait for other threads."""
        return await self._runs.close(state, grace)


def _deliver(run: Run, *, log: bool = True) -> None:
    try:
        for delivery in run.emission.deliveries:
            run.settle(delivery, run.call(delivery), log=log)
    except BaseException as error:
        run.discard(repr(error))
        raise
