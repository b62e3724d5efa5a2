"""What is around a handler: its options and the managers of the linker, composed once.

The engine knows calls, not options. A plain handler with nothing around it is its own call. Everything else is a `Composed`,
which the engine *runs*: in a task where something must be awaited, or in the caller up to the first await.
"""

import asyncio
from collections.abc import Callable, Coroutine, Generator, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from contextvars import Context, copy_context
from inspect import CO_ITERABLE_COROUTINE
from types import CoroutineType, GeneratorType
from typing import Any, Final, Protocol, TypeAlias, TypeVar, final

from typing_extensions import override

from ._errors import NotAManager
from ._in_thread import UNSET, Running, Thread
from ._loops import here
from ._manager import Surrounding
from ._outcome import NOTHING, Cancelled, Completed, Failed, Outcome
from ._reports import guarded
from ._spelling import add_note, spell, trim
from ._subscription import Call, Options

_T = TypeVar("_T")
_MOST_AWAITS = 100  # in the finally blocks of a coroutine that is closed


class _Own:
    __await__ = (None,).__iter__  # awaiting it gives that iterator, which yields once, and no code of ours is run


OWN: Final[Any] = _Own()  # Any: no checker knows an __await__ that is a bound method
"""Awaited where a delivery needs a task of its own from there on. Up to there anybody may step it."""


Managers: TypeAlias = Sequence[Surrounding[Any]]  # Any: of whatever events
"""Around a handler, the first one outermost."""


@final
class Verdict:
    """The outcome of a composed call, and before that how far it has got."""

    __slots__ = ("left", "notified", "outcome", "outside", "owned", "stopped", "thread", "threads", "until")

    outcome: Outcome

    def __init__(self, owned: bool, threads: bool) -> None:  # noqa: FBT001 - made for each call
        self.owned = owned  # whether it has a task
        self.threads = threads  # whether a blocking handler goes to a thread
        self.thread: Thread | None = None  # where the handler has run
        self.outside: Context | None = None  # of a blocking handler with managers: that without what they have set
        self.left: BaseException | None = None  # what has left the handler, or the manager next to it
        self.stopped: StopIteration | None = None  # what would leave a coroutine
        self.notified = False  # whether a callback was given the error, if it is one
        self.until: asyncio.Future[Any] | None = (
            None  # Any: ends with a thread; it keeps its place in the order until then
        )

    @property
    def unnotified(self) -> Exception | None:
        """The error of what has failed, if no callback was given it."""
        return self.outcome.error if isinstance(self.outcome, Failed) and not self.notified else None

    @property
    def context(self) -> Context | None:
        """What callbacks are called in: the handler's own context, if it had a thread and that is not in it any more."""
        return None if self.thread is None or self.thread.late is not None else self.thread.left_context()


class Delivering(Running, Protocol):
    """A delivery, as far as what is around its handler needs it."""

    @property
    def _is_alone(self) -> bool: ...


@final
class Composed:
    """A handler that needs more than a call: an ``async def``, or one with options or with managers around it."""

    __slots__ = ("_managers", "_options", "_prefers_async", "handler", "in_thread", "is_async", "is_bare")

    def __init__(
        self, handler: Call, options: Options, *, is_async: bool, is_bare: bool, managers: Managers = ()
    ) -> None:
        self.handler: Callable[..., Any] = handler  # Any: of an async def it is awaitable
        self._options = options
        self._managers = managers  # the first one is the outermost
        self._prefers_async = is_async
        # Whether nothing of it runs before it has a task.
        self.is_async: bool = is_async or any(one._is_async for one in managers)
        self.is_bare: bool = is_bare  # an ``async def`` without options: awaiting its call is all
        self.in_thread: bool = options.in_thread

    def __call__(self, _event: object) -> "Composed":
        """Ask the engine to run it."""
        return self

    def run(self, delivery: Delivering, *, owned: bool, threads: bool) -> Coroutine[Any, Any, Verdict]:  # Any: a loop's
        """Run the handler and what is around it, from outside in: callbacks, managers, timeout, handler.

        It awaits `OWN` where it needs a task, unless it is *owned* by one. With *threads* a blocking handler goes to a
        worker thread. Raises nothing that is an `Exception`.
        """
        work = self._run(delivery, Verdict(owned, threads))
        if owned or self.is_async or not self._managers or (delivery._is_alone and not self._options.answers):
            return work
        return _InOneContext(work)

    async def _run(self, delivery: Delivering, way: Verdict) -> Verdict:
        options = self._options
        result: object = None
        try:
            try:
                if self.is_async and not way.owned:
                    await _own(way)
                result = self._inside(delivery, way, 0)
                if type(result) is CoroutineType:
                    result = _raised(way, await result)
                if options.on_success is not None:
                    await _call_back(way, options.on_success, result)
                if type(result) is Verdict:
                    way.outcome = result.outcome  # of a stream that was closed
                else:
                    way.outcome = NOTHING if result is None else Completed(result)
            except Exception as error:  # noqa: BLE001 - it is the delivery's outcome
                _check_closing(error, result, way)
                trim(error)
                way.outcome = Failed(error)
                if options.on_failure is not None:
                    await _call_back(way, options.on_failure, delivery.event, error)
                    way.notified = True
        except Exception as error:  # noqa: BLE001 - the callback's own, with the handler's as its context
            trim(error)
            way.outcome = Failed(error)
        finally:
            way.left = None  # its traceback refers to us
        return way

    def _inside(self, delivery: Delivering, way: Verdict, depth: int) -> object:
        """The result of what so many managers are around, in the end of the handler; or a coroutine of ours that gives it."""
        if depth < len(self._managers):
            return self._surround(delivery, way, depth)
        if way.threads and self.in_thread:
            return self._call_in_thread(delivery, way)
        value = self.handler(delivery.event)
        return _finish(way, value, self._options.timeout) if must_await(value) else value

    async def _surround(self, delivery: Delivering, way: Verdict, depth: int) -> object:  # noqa: C901, PLR0912 - in one place, where its order can be read
        """Enter a manager, run what is inside of it, and leave it."""
        if depth == 0 and way.threads and self.in_thread:
            delivery._begin()  # it waits for a thread with its managers entered, so it has started
            way.outside = copy_context()
        make = self._managers[depth]._manager
        is_async = False
        result: object = None
        try:
            manager: Any = make(delivery)  # Any: checked in the next line
            is_async = _is_async(manager, make, self._prefers_async)
            if is_async:
                if not way.owned:
                    await _own(way)
                entered: AbstractAsyncContextManager[object, bool] = manager
                async with entered:
                    try:
                        result = self._inside(delivery, way, depth + 1)
                        return _raised(way, await result) if type(result) is CoroutineType else result
                    except BaseException as error:
                        way.left = error
                        _check_closing(error, result, way)
                        raise
            else:
                plain: AbstractContextManager[object, bool] = manager
                with plain:
                    try:
                        result = self._inside(delivery, way, depth + 1)
                        return _raised(way, await result) if type(result) is CoroutineType else result
                    except BaseException as error:
                        way.left = error
                        _check_closing(error, result, way)
                        raise
        except BaseException as error:
            if isinstance(error, Exception) and error is not way.left:
                _add_notes(error, make, self.handler)
                if isinstance(way.left, Exception):
                    trim(way.left)  # it may be the context of this one
            if is_async and here.closing is not None and isinstance(error, GeneratorExit):
                here.unleft = (*here.unleft, f"{spell(make)} around {spell(self.handler)}")
            if isinstance(error, StopIteration):
                way.stopped = error
                return None
            raise
        # It has suppressed what left the inside.
        if way.left is not None and self._options.answers:
            if not isinstance(way.left, StopIteration):
                raise way.left
            way.stopped = way.left
        return None

    async def _call_in_thread(self, delivery: Delivering, way: Verdict) -> object:
        if not way.owned:
            await _own(way)
        way.thread = thread = Thread(self.handler, delivery, self._options.timeout, way.outside)
        value, error = await thread.run()
        way.until = thread.late
        if isinstance(error, StopIteration):
            way.stopped = error
            return None
        if error is not None:
            raise error
        return await _finish(way, value, self._options.timeout) if must_await(value) else value


class InContext(Coroutine[Any, Any, _T]):  # Any: what a loop and its futures say to each other
    """*work*, each step of which is made in *context*.

    It shows what it waits in as a generator does, to whoever prints the stack of a task.
    """

    __slots__ = ("_context", "gi_yieldfrom")

    gi_code = (lambda: None).__code__
    gi_frame = None

    def __init__(self, work: Coroutine[Any, Any, _T], context: Context) -> None:  # Any: as above
        self.gi_yieldfrom = work
        self._context = context

    @override
    def send(self, value: Any, /) -> Any:  # Any: as above
        return self._context.run(self.gi_yieldfrom.send, value)

    def __next__(self) -> Any:  # Any: as above
        return self.send(None)

    @override
    def throw(self, *error: Any) -> Any:  # Any: as that of a coroutine
        return self._context.run(self.gi_yieldfrom.throw, *error)

    @override
    def close(self) -> None:
        self._context.run(self.gi_yieldfrom.close)

    @override
    def __await__(self) -> Generator[Any, Any, _T]:  # Any: as above
        return self  # type: ignore[return-value]  # it has what an iterator of a coroutine needs


@final
class _InOneContext(InContext[Verdict]):
    """Work that begins in a caller and may go on in a task, always in one copy of the caller's context.

    What a manager has set when it was entered it may take back only in that context. What was set by work that ends in the
    caller is set there then, as by a plain call.
    """

    __slots__ = ("_begun",)

    def __init__(self, work: Coroutine[Any, Any, Verdict]) -> None:  # Any: as above
        super().__init__(work, copy_context())
        self._begun = False

    @override
    def send(self, value: Any, /) -> Any:  # Any: as above
        if self._begun:
            return super().send(value)
        self._begun = True
        try:
            return super().send(value)
        except BaseException:
            for variable, now in self._context.items():
                if variable.get(UNSET) is not now:
                    variable.set(now)
            raise


@final
class Rest:
    """What is left of a composed call whose first part was run in the caller. Awaiting it gives the verdict."""

    __slots__ = ("_run",)

    def __init__(self, run: Coroutine[Any, Any, Verdict]) -> None:  # Any: what a loop and its futures say to each other
        self._run = run

    def __await__(self) -> Generator[Any, None, Verdict]:  # Any: as above
        return self._run.__await__()

    def close(self) -> None:
        """Close it as a coroutine is closed."""
        self._run.close()


def outcome_of(
    call: Call,
    delivery: Delivering,
    cannot_await: Callable[[], Exception],
    finish: Callable[[Any], object] | None = None,  # Any: known to be awaitable
) -> tuple[Outcome, bool]:
    """What a *call* comes to in a caller that does not await; and whether a callback was given its error, if it is one.

    *finish* runs what must be awaited to its end. Without it the handler, or what is around it, gets an error of
    *cannot_await* at each ``await``, and what a plain call has returned is closed.
    """
    try:
        value: Any = call(delivery.event)  # Any: whatever a handler returns
        if type(value) is Composed:
            value = _verdict(value, delivery, cannot_await, finish)
        elif must_await(value):
            if finish is None:
                guarded(getattr(value, "close", bool))
                return Failed(cannot_await()), False
            value = finish(value)
    except Exception as error:  # noqa: BLE001 - it is the delivery's outcome
        trim(error)
        return Failed(error), False
    except asyncio.CancelledError:
        return Cancelled(), False
    if type(value) is Verdict:
        return value.outcome, value.notified
    return NOTHING if value is None else Completed(value), False


def _verdict(
    composed: Composed,
    delivery: Delivering,
    cannot_await: Callable[[], Exception],
    finish: Callable[[Any], object] | None,  # Any: as above
) -> object:
    run = composed.run(delivery, owned=False, threads=False)
    try:
        run.send(None)
        if finish is None:
            while True:
                run.throw(cannot_await())
    except StopIteration as stop:
        return stop.value
    return finish(Rest(run))


def compose(handler: Call, options: Options, *, is_async: bool, managers: Managers = ()) -> Call:
    """The call for *handler* with its *options* and the *managers* around it: itself, where that is all."""
    is_bare = not managers and (
        options.on_success is None and options.on_failure is None and options.timeout is None and not options.in_thread
    )
    if is_bare and not is_async:
        return handler
    return Composed(handler, options, is_async=is_async, is_bare=is_bare, managers=managers)


def must_await(value: object) -> bool:
    """Whether what a call returned is awaited: everything awaitable is, but for a handle.

    ``lambda event: emitter.emit(Other(...))`` emits; it does not wait for what would be ordered behind it.
    """
    kind = type(value)
    try:
        return (hasattr(kind, "__await__") and not hasattr(kind, "__emission__")) or (
            type(value) is GeneratorType and bool(value.gi_code.co_flags & CO_ITERABLE_COROUTINE)  # of types.coroutine
        )
    except Exception:  # noqa: BLE001 - a class may answer a question for its attributes with an error of its own
        return False


def _raised(way: Verdict, result: object) -> object:
    """*result*, unless there is none because a `StopIteration` was raised, which cannot leave a coroutine."""
    if way.stopped is None:
        return result
    error, way.stopped = way.stopped, None
    raise error


async def _own(way: Verdict) -> None:
    """Go on in a task."""
    await OWN
    way.owned = True


def _is_async(manager: object, make: Call, preferred: bool) -> bool:  # noqa: FBT001 - handed on
    """Whether *manager* is entered as an async context manager."""
    kind = type(manager)
    is_plain = hasattr(kind, "__enter__")
    if is_plain and not preferred:
        return False
    if hasattr(kind, "__aenter__"):
        return True
    if is_plain:
        return False
    if isinstance(manager, CoroutineType):
        manager.close()  # nobody awaits it
    raise NotAManager(
        f"{spell(make)} returned {spell(manager)}, which is not a context manager. "
        "Put @contextmanager or @asynccontextmanager above a function with one yield, or return such a manager.",
        make,
    )


def _add_notes(error: Exception, make: Call, handler: Call) -> None:
    add_note(error, f"raised by {spell(make)}, which is around {spell(handler)}")
    if type(error) is RuntimeError and str(error).startswith("generator didn't"):  # what contextlib says
        add_note(error, f"{spell(make)} must yield exactly once; what leaves the handler is raised at its yield")


async def _call_back(way: Verdict, callback: Call, *arguments: object) -> None:
    """Call *callback*, in the handler's context if it had its own, and await what it returns."""
    context = way.context
    awaitable: Any = callback(*arguments) if context is None else context.run(callback, *arguments)  # Any: as above
    if must_await(awaitable):
        if context is not None and type(awaitable) is CoroutineType:
            awaitable = InContext(awaitable, context)
        await _finish(way, awaitable, None)


async def _finish(way: Verdict, awaitable: Any, timeout: float | None) -> object:  # Any: known to be awaitable
    """Await, in a task, what a call has returned."""
    try:
        if not way.owned:
            await _own(way)
        if timeout is None:
            return await awaitable
        async with asyncio.timeout(timeout):  # not wait_for, which can swallow a cancellation on 3.11
            return await awaitable
    except RuntimeError as error:
        _check_closing(error, awaitable, way)
        raise
    finally:
        if type(awaitable) is CoroutineType or type(awaitable) is InContext:
            awaitable.close()  # cut off before its first step, it would complain that nobody awaited it


def _check_closing(error: BaseException, inside: object, way: Verdict) -> None:
    """Whether *error* only says that the *inside*, which is closed with its loop, has awaited something more: close it."""
    if here.closing is not None and isinstance(error, RuntimeError):
        close_patiently(inside)
        way.left = GeneratorExit()
        raise way.left from error


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
