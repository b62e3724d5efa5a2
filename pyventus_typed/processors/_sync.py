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
    """Runs handlers without a loop: ``emit`` returns when the emission, and everything that it led to, is settled.

    For command-line programs, desktop programs and games, and for any number of emitters and threads. Handlers run in
    the thread that emits, even if that thread runs an event loop, of asyncio or another library. An event that a
    handler emits is queued after those that were accepted earlier, with whichever emitter of this kind. Another kind
    of processor runs it in its own way.

    ``emit`` raises `DefinitionError` if a receiver is an ``async def`` or has a ``timeout``. If a plain call returns
    something that would have to be awaited, that is closed, and the delivery fails. ``in_thread`` has no effect.
    ``publish``, ``ask``, ``ask_sync``, ``wait_for_tasks`` and ``aclose`` work; ``emit_wait`` never waits. The order
    is that of ``SERIAL``. There are no other orderings, no ``capacity``, streams, ``expect`` or observers: for these,
    use `AsyncIOProcessor`.
    """

    def __init__(self) -> None:
        self._runs = Runs()

    @property
    def tally(self) -> Tally:
        """The counts of all threads together."""
        return self._runs.tally

    async def wait_for_tasks(self, timeout: float | None = None) -> bool:
        """Wait until everything that other threads have emitted so far is settled. What this thread emitted is
        settled."""
        return await self._runs.wait(timeout)

    @override
    def __repr__(self) -> str:
        return f"<SyncProcessor: {self.tally.pending} pending>"

    # -- the port to the emitter --------------------------------------------------------------------------------------
    def submit(self, emission: Emission[Event], state: EmitterState, /) -> None:
        """Accept *emission*, and run it; if a handler emits it, it runs after those that were accepted earlier."""
        run = self._runs.accept(emission, state)
        try:
            _here.waiting.append(run)
            _here.run()
        except BaseException as error:
            run.discard(repr(error))  # Ctrl-C before it had its turn; else there is nothing to discard
            raise

    def check_open(self, event: Event, state: EmitterState, /) -> None:
        """Raise `EmitterClosed` if *event* would be refused because the emitter is closed."""
        self._runs.check_open(event, state)

    async def submit_wait(self, emission: Emission[Event], state: EmitterState, /) -> None:
        """As `submit`: there is no capacity to wait for."""
        self.submit(emission, state)

    async def publish(self, emission: Emission[Event], state: EmitterState, /) -> None:
        """Accept *emission* and run it now. The caller gets the failures."""
        _here.run(self._runs.accept(emission, state), log=False)

    async def ask(self, emission: Emission[Event], state: EmitterState, /) -> object:
        """As `ask_sync`."""
        return self.ask_sync(emission, state)

    def ask_sync(self, emission: Emission[Event], state: EmitterState, /) -> object:
        """Accept *emission*, run it now, and return or raise the result of its first delivery."""
        run = self._runs.accept(emission, state)
        _here.run(run)
        return run.answer()

    def check_streams(self) -> None:
        """Streams are not supported, because nothing can wait here."""
        raise DefinitionError(
            "SyncProcessor has no streams and no expect, because emit runs everything in its caller and awaits nothing. "
            "Use AsyncIOProcessor(), or subscribe a handler.",
            self,
        )

    def open(self, state: EmitterState, /) -> None:
        """Does nothing: emissions run in the thread that emits them."""

    async def close(self, state: EmitterState, grace: float | None, /) -> bool:
        """Refuse emissions from outside, and wait for other threads."""
        return await self._runs.close(state, grace)


def _deliver(run: Run, *, log: bool = True) -> None:
    try:
        for delivery in run.emission.deliveries:
            run.settle(delivery, run.call(delivery), log=log)
    except BaseException as error:
        run.discard(repr(error))
        raise
