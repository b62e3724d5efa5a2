"""What is around a handler: its options, composed once, when it is subscribed.

The engine knows calls, not options. A plain handler without options is its own call. Everything else is a `Composed`,
which the engine *runs*: in a task where something must be awaited, or in the caller up to the first await.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import Context
from types import CoroutineType
from typing import Any, Final, Protocol, TypeAlias, final

from ._in_thread import Running, Thread
from ._loops import here
from ._outcome import Completed, Failed, Outcome
from ._spelling import trim

Call: TypeAlias = Callable[..., object]  # of the caller's own signature: checked where it was passed

_MOST_AWAITS = 100  # in the finally blocks of a coroutine that is closed


class _Own:
    __await__ = (None,).__iter__  # awaiting it gives that iterator, which yields once, and no code of ours is run


OWN: Final[Any] = _Own()  # Any: no checker knows an __await__ that is a bound method
"""Awaited where a delivery needs a task of its own from there on. Up to there anybody may step it."""


class Settings(Protocol):
    """The options of a handler, as far as they change how it is called."""

    @property
    def on_success(self) -> Call | None: ...
    @property
    def on_failure(self) -> Call | None: ...
    @property
    def timeout(self) -> float | None: ...
    @property
    def in_thread(self) -> bool: ...


@final
class Verdict:
    """The outcome of a composed call."""

    __slots__ = ("notified", "outcome", "until")

    def __init__(
        self, outcome: Outcome, *, notified: bool = True, until: "asyncio.Future[Any] | None" = None
    ) -> None:  # Any: ends with a thread
        self.outcome: Outcome = outcome
        self.notified: bool = notified  # whether a callback was given the error, if it is one
        self.until: asyncio.Future[Any] | None = until  # it keeps its place in the order until this is done


@final
class Composed:
    """A handler that needs more than a call: an ``async def``, or one with options."""

    __slots__ = ("_options", "handler", "in_thread", "is_async", "is_bare")

    def __init__(self, handler: Call, options: Settings, *, is_async: bool, is_bare: bool) -> None:
        self.handler: Callable[..., Any] = handler  # Any: of an async def it is awaitable
        self._options = options
        self.is_async: bool = is_async  # nothing of it runs before it has a task
        self.is_bare: bool = is_bare  # an ``async def`` without options: awaiting its call is all
        self.in_thread: bool = options.in_thread

    def __call__(self, _event: object) -> "Composed":
        """Ask the engine to run it."""
        return self

    async def run(self, delivery: Running, *, owned: bool, threads: bool) -> Verdict:  # noqa: C901, PLR0912 - in one place, where its order can be read
        """Run the handler and its callbacks, from outside in: callbacks, time-out, handler.

        It awaits `OWN` where it needs a task, unless it is *owned* by one. With *threads* a blocking handler goes to a
        worker thread. Raises nothing that is an `Exception`.
        """
        options, event = self._options, delivery.event
        value: Any = None  # Any: what the handler returned, which may be awaitable
        thread: Thread | None = None
        context: Context | None = None  # what callbacks are called in: the handler's own, if it had a thread
        try:
            try:
                if threads and options.in_thread:
                    if not owned:
                        await OWN
                        owned = True
                    thread = Thread(self.handler, delivery, options.timeout)
                    value, error = await thread.run()
                    context = None if thread.late else thread.context  # a thread that is late is in it
                    if error is not None:
                        raise error
                else:
                    value = self.handler(event)
                if must_await(value):
                    if not owned:
                        await OWN
                        owned = True
                    awaitable, value = value, None  # awaited here, so not to be closed below
                    value = awaitable if type(awaitable) is CoroutineType else None
                    result = await _within(options.timeout, awaitable)
                    value = None
                else:
                    result, value = value, None
                if options.on_success is not None:
                    owned = await _call_back(context, owned, options.on_success, result)
            except Exception as error:  # noqa: BLE001 - it is the delivery's outcome
                trim(error)
                failed = Failed(error)
                if options.on_failure is not None:
                    context = (
                        None if thread is None or thread.late else thread.context
                    )  # a thread that is late is in it
                    await _call_back(context, owned, options.on_failure, event, error)
                return Verdict(
                    failed, notified=options.on_failure is not None, until=None if thread is None else thread.late
                )
        except Exception as error:  # noqa: BLE001 - the callback's own, with the handler's as its context
            trim(error)
            return Verdict(Failed(error), notified=False, until=None if thread is None else thread.late)
        finally:
            if type(value) is CoroutineType:
                value.close()  # cut off before its first step, it would complain that nobody awaited it
        # A stream that was closed says so with a verdict of its own.
        return result if type(result) is Verdict else Verdict(Completed(result))


def compose(handler: Call, options: Settings, *, is_async: bool) -> Call:
    """The call for *handler* with its *options*: itself, where that is all."""
    is_bare = (
        options.on_success is None and options.on_failure is None and options.timeout is None and not options.in_thread
    )
    if is_bare and not is_async:
        return handler
    return Composed(handler, options, is_async=is_async, is_bare=is_bare)


def must_await(value: object) -> bool:
    """Whether what a call returned is awaited: everything awaitable is, but for a handle.

    ``lambda event: emitter.emit(Other(...))`` emits; it does not wait for what would be ordered behind it.
    """
    kind = type(value)
    return hasattr(kind, "__await__") and not hasattr(kind, "__emission__")


async def _call_back(context: Context | None, owned: bool, callback: Call, *arguments: object) -> bool:  # noqa: FBT001 - handed on
    """Call *callback*, in *context* if there is one, and await what it returns; whether a task is owned by now."""
    awaitable: Any = callback(*arguments) if context is None else context.run(callback, *arguments)  # Any: as above
    if must_await(awaitable):
        try:
            if not owned:
                await OWN
        except BaseException:
            if type(awaitable) is CoroutineType:
                awaitable.close()  # as above
            raise
        await _within(None, awaitable)
        return True
    return owned


async def _within(timeout: float | None, awaitable: Awaitable[object]) -> object:
    try:
        if timeout is None:
            return await awaitable
        async with asyncio.timeout(timeout):  # not wait_for, which can swallow a cancellation on 3.11
            return await awaitable
    except RuntimeError as error:
        if here.closing is None:
            raise
        close_patiently(awaitable)
        raise GeneratorExit from error


def close_patiently(awaitable: object) -> bool:
    """Close a coroutine that awaits more in its ``finally`` blocks while it is closed; whether it is closed now."""
    if type(awaitable) is not CoroutineType:
        return True
    for _ in range(_MOST_AWAITS):
        try:
            awaitable.close()
        except RuntimeError:
            continue
        return True
    return False
