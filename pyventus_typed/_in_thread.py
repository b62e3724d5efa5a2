"""A blocking handler in a worker thread.

A thread that has started cannot be stopped. So whoever cancels waits for it, and its result counts; a timeout settles
the delivery, but it keeps its place in the order until the thread returns, and what comes then is logged and ignored.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from contextvars import Context, copy_context
from typing import Any, Final, Protocol, TypeAlias

from typing_extensions import override

from ._loops import complete, here
from ._reports import warn_late
from ._spelling import spell

UNSET: Final = object()
"""The value of a context variable that has none."""
Result: TypeAlias = tuple[Any, BaseException | None]  # Any: what the handler returned
"""An error is handed over as a value: neither a future nor a coroutine lets every exception through."""


class Running(Protocol):
    """A delivery, as far as what is around its handler needs it."""

    @property
    def event(self) -> Any: ...  # Any: of the class that the handler takes
    def _begin(self) -> None: ...
    @property
    def _scheduler(self) -> object: ...


class _Begun(asyncio.Future[None]):
    """The thread has begun, or never will.

    A task that awaits it passes a cancellation on to it at once, and gets it in its next step: a worker that becomes free in
    between must not begin what was cancelled. Once it has begun, it cannot be cancelled.
    """

    def __init__(self, claim: list[bool], loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop=loop)
        self._claim = claim

    @override
    def cancel(self, msg: object = None) -> bool:
        return _take(self._claim) and super().cancel(msg)


def _take(claim: list[bool]) -> bool:
    try:
        return claim.pop()
    except IndexError:
        return False


class Thread:
    """One call of a blocking handler in a worker thread of the running loop."""

    __slots__ = ("_begun", "_claim", "_delivery", "_handler", "_loop", "_set", "_timeout", "context", "late")

    def __init__(
        self, handler: Callable[..., object], delivery: Running, timeout: float | None, outside: Context | None
    ) -> None:
        """It runs in a copy of the current context. *outside* is that as it was before its managers were entered."""
        self._handler = handler
        self._delivery = delivery
        self._timeout = timeout
        self._loop = asyncio.get_running_loop()
        self._claim = [True]  # whoever pops it, in one atomic step, decides whether the thread begins
        self._begun = _Begun(self._claim, self._loop)
        self.context: Context = copy_context() if outside is None else outside
        # What the managers have set is set by tokens, so that it can be taken back when they were left.
        self._set = [
            (self.context.run(variable.set, now), now)
            for variable, now in copy_context().items()
            if self.context.get(variable, UNSET) is not now
        ]
        self.late: asyncio.Future[Any] | None = None  # Any: ends when the thread returns after its timeout

    async def run(self) -> Result:
        """What the handler returns, or raises; `TimeoutError` after its timeout, counted from its first instruction."""
        try:
            running: asyncio.Future[Any] = self._loop.run_in_executor(None, self.context.run, self._call)
        except RuntimeError as error:  # Python only says "can't register atexit after shutdown", for example
            raise RuntimeError(
                f"{spell(self._handler)} has in_thread=True, and there is no worker thread for it: {error}. Python starts no "
                "more of them once the main thread has ended, so keep that alive until your loop is done."
            ) from error
        running.add_done_callback(self._has_begun)  # an executor that is shut down may cancel it
        await self._until_it_begins()
        self._delivery._begin()
        if not await self._patiently(running):
            self.late = running
            running.add_done_callback(self._ignore)
            name = spell(self._handler)
            return None, TimeoutError(f"{name} did not return within {self._timeout} seconds")
        result: Result = running.result()
        return result

    def left_context(self) -> Context:
        """The handler's context, without what its managers have set there: they were left."""
        for token, was in self._set:
            if self.context.get(token.var) is was:
                self.context.run(token.var.reset, token)
        self._set = []
        return self.context

    def _call(self) -> Result:
        # In the worker thread. It writes nothing that belongs to the loop.
        if not _take(self._claim):
            return None, None
        self._loop.call_soon_threadsafe(complete, self._begun)
        here.elsewhere = self._delivery._scheduler  # what the handler emits is handed over to this loop
        try:
            with here.occupied():
                return self._handler(self._delivery.event), None
        except BaseException as error:  # noqa: BLE001 - it is raised again in the delivery's task
            return None, error
        finally:
            here.elsewhere = None

    def _has_begun(self, _running: "asyncio.Future[Any]") -> None:
        complete(self._begun)

    async def _until_it_begins(self) -> None:
        """Wait until it begins; cancelled before that, no thread will."""
        while not self._begun.done():
            try:
                await self._begun
            except asyncio.CancelledError:
                if self._begun.cancelled() or _take(self._claim):
                    raise
            except GeneratorExit:
                if not _take(self._claim):
                    self._delivery._begin()
                raise

    async def _patiently(self, running: "asyncio.Future[Any]") -> bool:
        """Wait through cancellations, as long as its timeout allows; whether the thread has returned."""
        end = None if self._timeout is None else self._loop.time() + self._timeout
        while True:
            with suppress(asyncio.CancelledError):
                left = None if end is None else max(0, end - self._loop.time())
                done, _ = await asyncio.wait({running}, timeout=left)
                return bool(done)

    def _ignore(self, late: "asyncio.Future[Result]") -> None:
        if not late.cancelled() and late.exception() is None:
            value, error = late.result()
            self.context.run(warn_late, self._handler, self._delivery.event, value if error is None else error)
