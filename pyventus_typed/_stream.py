"""What one emitter emits, read where it is needed: `Stream`, and the future of ``expect``.

Both are subscriptions that receive from one emitter only, and their calls are plain: an event comes in its turn, in the loop
or thread of its delivery. What a stream holds is written under its lock, which is held for some lines of our own: a delivery
may run in another thread than the reader.
"""

import asyncio
from asyncio import AbstractEventLoop
from collections import deque
from collections.abc import Callable, Collection, Generator
from contextlib import suppress
from contextvars import Context
from enum import Enum
from functools import partial
from threading import RLock
from types import TracebackType
from typing import Any, Final, Generic, Literal, Protocol, Self, TypeAlias, final, get_args
from weakref import ref

from typing_extensions import TypeVar, override

from ._composed import Verdict
from ._emission import AnyEmission, Waiter, WouldDeadlock, current_emission
from ._errors import DefinitionError, EmitterClosed
from ._event import Event
from ._loops import here, nothing, runs_here
from ._outcome import Discarded
from ._registry import Registry
from ._spelling import several, spell, spell_event
from ._subscription import Call, Options, Subscription, check_choice, check_count
from .processors._scheduler import Judge, Scheduler
from .processors._schedulers import scheduler_of

StreamOverflow: TypeAlias = Literal["wait", "drop_old", "drop_new"]
Kinds: TypeAlias = tuple[type[Event], ...]
_T = TypeVar("_T")
_T_co = TypeVar("_T_co", covariant=True)
_CLOSED: Final = Verdict(owned=True, threads=False)
_CLOSED.outcome = Discarded("stream closed", started=True)


class _Reader(Protocol):
    """A stream, or a future of ``expect``."""

    def _end(self, why: str = ..., /) -> None: ...


@final
class _Private(Subscription[Event]):
    """A subscription to what one emitter emits. Whoever ends it, ends its reader."""

    __slots__ = ("_reader", "_source")

    def __init__(
        self,
        reader: _Reader,
        events: Kinds,
        handler: Call,
        options: Options,
        registry: Registry[Subscription[Event]],
        source: object,
    ) -> None:
        super().__init__(events, handler, options, registry)
        self._reader = reader
        self._source = source

    @override
    def unsubscribe(self) -> bool:
        was_active = super().unsubscribe()
        if was_active:
            self._reader._end("Its subscription was ended")
        return was_active


@final
class Readers:
    """The open streams of one emitter, and what it is expected to emit."""

    __slots__ = ("_is_over", "_open", "_registry", "_state")

    def __init__(self, registry: Registry[Subscription[Event]], state: object) -> None:
        self._registry = registry
        self._state = state
        self._open: dict[_Reader, _Private] = {}
        self._is_over = False

    def add(self, reader: _Reader, events: Kinds, handler: Call, options: Options) -> None:
        """From here on *handler* is called with what the emitter emits."""
        subscription = _Private(reader, events, handler, options, self._registry, self._state)
        self._open[reader] = subscription
        if self._is_over:  # not before: another thread may close it at this moment
            self._open.pop(reader, None)
            raise EmitterClosed("This emitter is closed, so no event can come any more. Make a new one.")
        self._registry.add(subscription)
        if reader not in self._open:
            self._registry.remove(subscription)  # it was closed after all

    def remove(self, reader: _Reader) -> bool:
        """It reads no more; of several callers, in whatever threads, one gets ``True``."""
        subscription = self._open.pop(reader, None)
        if subscription is None:
            return False
        self._registry.remove(subscription)
        return True

    def end(self) -> None:
        """The emitter has closed: nothing comes any more."""
        self._is_over = True
        for reader in [*self._open]:
            reader._end()


@final
class _Place:
    """The place of a delivery that waits for room."""

    __slots__ = ("emission", "is_waiting", "wake")

    def __init__(self) -> None:
        self.emission: AnyEmission | None = current_emission()
        self.wake: Waiter | None = None  # once its task awaits it
        self.is_waiting = True


class _Phase(Enum):
    NEW = "not entered"
    OPEN = "open"
    OVER = "over"
    """Nothing comes any more; what is there may be read."""
    LEFT = "closed"
    """The block has ended."""


_NEW: Final = _Phase.NEW
_OPEN: Final = _Phase.OPEN


class Stream(Generic[_T_co]):
    """The events that one emitter emits, for one reader: made by ``emitter.stream``, read inside its block.

    Events arrive in the order in which their deliveries start. The stream ends with its block and with its event
    loop. If the emitter closes, it ends after all earlier events have been read. Leaving an ``async for`` loses
    nothing: the next one continues there. Reading the stream outside its block, in two tasks at once, or in another
    loop raises `DefinitionError`.

    .. code-block:: python

        async with emitter.stream(OrderPaid) as payments:
            async for paid in payments:
                print(paid.order)
    """

    __slots__ = (
        "__weakref__",
        "_buffer",
        "_dropped",
        "_events",
        "_has_read",
        "_line",
        "_lock",
        "_loop",
        "_maxsize",
        "_options",
        "_overflow",
        "_owner",
        "_phase",
        "_reader",
        "_readers",
        "_scheduler",
        "_thread",
        "_wait",
        "_wake",
    )

    def __init__(
        self, readers: Readers, events: Kinds, options: Options, maxsize: int, overflow: StreamOverflow
    ) -> None:
        """Use ``emitter.stream``."""
        check_count("maxsize", maxsize, ". It is how many events may wait to be read.")
        check_choice("overflow", overflow, get_args(StreamOverflow))
        self._readers = readers
        self._events = events
        self._options = options
        self._maxsize = maxsize
        self._overflow = overflow
        self._phase = _NEW
        self._lock = RLock()  # the destructor of a delivery that waited may come while its own thread holds it
        self._buffer: deque[Any] = deque()  # Any: of the types that it was made for
        self._line: deque[_Place] = deque()  # deliveries that wait for room, first come first served
        self._dropped = 0
        # Loop, scheduler, tasks and futures weakly: the linker holds this, and must not keep a dropped loop alive.
        self._loop: Callable[[], AbstractEventLoop | None] = nothing
        self._scheduler: Callable[[], Scheduler | None] = nothing
        self._owner: Callable[[], asyncio.Task[Any] | None] = nothing  # Any: whoever's. It has entered the block
        self._reader: Callable[[], asyncio.Task[Any] | None] = nothing  # the task that has iterated last
        self._thread: object = None
        self._wake: Waiter | None = None  # of the reader, while it waits
        self._has_read = False  # the reader: it has not only entered the block
        # By what the reader waits for something else, and whether that needs room here.
        self._wait: tuple[ref[asyncio.Future[None]], ref[Judge]] | None = None

    @property
    def dropped(self) -> int:
        """How many events were lost because it was full, with ``overflow="drop_old"`` or ``"drop_new"``."""
        return self._dropped

    async def __aenter__(self) -> Self:
        if self._phase is not _NEW:
            raise DefinitionError("This stream was entered before. Make a new one: emitter.stream(...).", self)
        loop = asyncio.get_running_loop()
        scheduler = scheduler_of(loop)
        self._loop, self._scheduler, self._thread = ref(loop), ref(scheduler), here.thread
        self._owner = self._reader = _current_task()
        self._phase = _OPEN
        try:
            self._readers.add(self, self._events, self._receive, self._options)
        except BaseException:
            self._phase = _NEW
            raise
        scheduler.at_end[self._cut] = scheduler.streams[self] = None
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._phase = _Phase.LEFT
            unread, self._buffer = self._buffer, deque()
        self._cut()
        del unread  # not under the lock: an event may have a destructor

    def __aiter__(self) -> Self:
        if self._phase is _NEW or self._phase is _Phase.LEFT:
            raise self._outside()
        if not runs_here(self._loop()):
            raise self._elsewhere()
        if self._wake is not None:
            raise self._twice()
        self._take_over()
        return self

    async def __anext__(self) -> _T_co:
        if self._phase is not _NEW and not runs_here(self._loop()):
            raise self._elsewhere()
        while True:
            with self._lock:
                if self._buffer:
                    event: _T_co = self._buffer.popleft()
                    # Who waits for something else does not read: this is another task.
                    if not self._has_read or self._wait is not None:
                        self._take_over()
                    following = self._next_in_line() if self._line else None
                    break
                if self._phase is not _OPEN and not self._line:
                    raise self._at_end()
                if self._wake is not None:
                    raise self._twice()
                scheduler = self._scheduler()
                assert scheduler is not None  # its loop is running
                waiting = scheduler.waiting
                future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
                self._wake = wake = Waiter(future)
                self._take_over()
            # Its loop holds the waiter: a reader that nobody else refers to must not be collected.
            waiting.add(future)
            try:
                await future
            except BaseException:
                if self._wake is wake:
                    self._wake = None
                raise
            finally:
                waiting.discard(future)
        if following is not None:
            following()
        return event

    def _take_over(self) -> None:
        """The running task is the reader."""
        self._reader, self._has_read, self._wait = _current_task(), True, None

    @override
    def __repr__(self) -> str:
        return f"<Stream of {', '.join(map(spell, self._events))}, {self._phase.value}>"

    @property
    def __spelling__(self) -> str:
        return _spelling("stream", self._events)

    # -- internal: from the deliveries --------------------------------------------------------------------------------
    def _receive(self, event: Any) -> object:  # Any: of its types
        """The call of a delivery: it is complete when this returns, or awaits what this returns."""
        oldest = wake = None
        with self._lock:
            if self._phase is not _OPEN:
                return _Room(self, event, None)
            if len(self._buffer) < self._maxsize and not self._line:
                self._buffer.append(event)
                wake, self._wake = self._wake, None
            elif self._overflow == "wait":
                return self._wait_for_room(event)
            else:
                self._dropped += 1
                if self._overflow == "drop_old":
                    oldest = self._buffer.popleft()
                    self._buffer.append(event)
        del oldest  # not under the lock: an event may have a destructor
        if wake is not None:
            wake()
        return None

    def _wait_for_room(self, event: Any) -> object:  # Any: of its types
        loop = self._loop()
        if loop is None or loop.is_closed():
            return _Room(self, event, None)  # a loop that was lost, and could not say so
        if self._thread is here.thread and not runs_here(loop):
            who = f"A delivery of {spell_event(event)} waits, while its loop does not run, for room in"
            raise self._deadlock(who, (current_emission(),))
        place = _Place()
        self._line.append(place)
        if self._wait is not None:
            loop.call_soon_threadsafe(self._judge, context=Context())
        return _Room(self, event, place)

    def _enter(self, event: object, place: _Place) -> Generator[Any, None, Verdict | None]:  # Any: a loop's
        """Wait until there is room, put *event* there, and say what became of the delivery."""

        def judge(full: Collection[AnyEmission]) -> tuple[str, tuple[AnyEmission, ...]] | None:
            own = tuple(one for one in full if one is place.emission)
            return (f"publishes {spell_event(event)}", own) if own else None

        try:
            while True:
                with self._lock:
                    if not place.is_waiting:
                        return _CLOSED
                    if self._line and self._line[0] is place and len(self._buffer) < self._maxsize:
                        place.is_waiting = False
                        self._line.popleft()
                        self._buffer.append(event)
                        wake, self._wake = self._wake, None
                        following = self._next_in_line()
                        break
                    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
                    place.wake = Waiter(future)
                self._watch(future, judge, owner=False)  # `publish` awaits its deliveries in the task of its caller
                yield from future
        finally:
            self._give_up(place)
        _wake(wake, following)
        return None

    def _give_up(self, place: _Place) -> None:
        """A delivery waits no more: whoever is behind it may go on, or a reader that has waited for the last one."""
        with self._lock:
            if not place.is_waiting:
                return
            place.is_waiting = False
            self._line.remove(place)
            wake, self._wake = self._wake, None
            following = self._next_in_line()
        _wake(wake, following)

    def _next_in_line(self) -> Waiter | None:
        return self._line[0].wake if self._line and len(self._buffer) < self._maxsize else None

    # -- internal: the end --------------------------------------------------------------------------------------------
    def _end(self, _why: str = "") -> None:
        """The emitter has closed: nothing comes any more, and what is there, or waits for room, may be read."""
        self._detach()
        with self._lock:
            if self._phase is _OPEN:
                self._phase = _Phase.OVER
            wake, self._wake = self._wake, None
        _wake(wake)

    def _cut(self) -> None:
        """The block or the loop has ended: what waits for room is discarded."""
        with self._lock:
            line, self._line = self._line, deque()
            for place in line:
                place.is_waiting = False
        self._end()
        _wake(*(place.wake for place in line))

    def _detach(self) -> None:
        self._readers.remove(self)
        scheduler = self._scheduler()
        if scheduler is not None:
            scheduler.at_end.pop(self._cut, None)
            scheduler.streams.pop(self, None)

    # -- internal: a reader that waits for its own end ------------------------------------------------------------------
    def _watch(self, future: asyncio.Future[None], judge: Judge, /, *, owner: bool) -> None:
        """A task of this loop waits by *future* for something else; if it reads this, *judge* says whether that needs room."""
        if (owner or self._has_read) and _current_task()() is self._reader():
            self._wait = ref(future), ref(judge)
            future.add_done_callback(partial(self._forget, judge), context=Context())
            # Not at once: a task that was made before this, in order to read, begins to read first.
            future.get_loop().call_soon(self._judge, context=Context())

    def _forget(self, _judge: Judge, future: asyncio.Future[None]) -> None:
        if self._wait is not None and self._wait[0]() is future:
            self._wait = None

    def _judge(self) -> None:
        """Its reader waits for something else: if that needs room here, the reader gets an error instead."""
        wait = self._wait
        if wait is None or (future := wait[0]()) is None or (judge := wait[1]()) is None or future.done():
            return
        with self._lock:
            full = {place.emission: None for place in self._line if place.emission is not None}
        found = judge(full) if full else None
        if found is not None:
            does, chain = found
            future.set_exception(self._deadlock(f"The reader {does}, and that waits for room in", chain))
            future.exception()  # else asyncio logs that nobody has asked, if the reader is cancelled at this moment

    # -- internal: what is wrong --------------------------------------------------------------------------------------
    def _outside(self) -> DefinitionError:
        return DefinitionError(
            "A stream is read inside of its block: async with emitter.stream(...) as events, and then "
            "async for event in events.",
            self,
        )

    def _at_end(self) -> Exception:
        # Whoever has left the block reads outside of it; for another task it has ended.
        is_left = self._phase is _Phase.LEFT and _current_task()() is self._owner()
        return self._outside() if self._phase is _NEW or is_left else StopAsyncIteration()

    def _elsewhere(self) -> DefinitionError:
        return DefinitionError(
            f"{self} was opened in another event loop, and only tasks of that loop can read it. Open one here, which gets "
            "what the emitter emits in any loop: async with emitter.stream(...).",
            self,
        )

    def _twice(self) -> DefinitionError:
        return DefinitionError(
            f"{self} is iterated by two tasks at once, and each event would go to one of them. "
            "Open a stream for each: emitter.stream(...).",
            self,
        )

    def _deadlock(self, who_waits_for: str, chain: tuple[AnyEmission | None, ...]) -> WouldDeadlock:
        return WouldDeadlock(
            f"{who_waits_for} {self}, which is full ({several(self._maxsize, 'event')}) and has no other reader. "
            "Read it in another task, or choose overflow='drop_old' or 'drop_new'.",
            [emission for emission in chain if emission is not None],
        )


@final
class _Room:
    """What a delivery awaits: room in its stream; with no *place* there it is discarded."""

    __slots__ = ("_event", "_place", "_stream")

    def __init__(self, stream: Stream[Any], event: object, place: _Place | None) -> None:  # Any: of whatever it is
        self._stream = stream
        self._event = event
        self._place = place

    def __await__(self) -> Generator[Any, None, Verdict | None]:  # Any: a loop's
        return (yield from self._stream._enter(self._event, self._place)) if self._place is not None else _CLOSED

    def __del__(self) -> None:
        # Cancelled before the first step of its task, nothing of it has run: there is no other place to notice that.
        if self._place is not None:
            self._stream._give_up(self._place)


# ---------------------------------------------------------------- expect
class Expected(asyncio.Future[_T]):
    """The next event, as a future. Nobody holds it but who has it, until somebody awaits it: then its loop does."""

    def __init__(self, readers: Readers, events: Kinds, options: Options, timeout: float | None) -> None:
        loop = asyncio.get_running_loop()
        super().__init__(loop=loop)
        self._scheduler = scheduler_of(loop)
        self._waits = 0
        self._expectation = _Expectation(self, self._scheduler, readers)
        self._expectation.begin(events, options, timeout)

    @override
    def add_done_callback(self, fn: Callable[[Self], object], /, *, context: Context | None = None) -> None:
        super().add_done_callback(fn, context=context)
        if not self._waits and not self.done():
            # As whoever waits in this loop: a task that nobody else refers to must not be collected while it waits.
            self._scheduler.waiting.add(self)  # type: ignore[arg-type]  # it only holds them
            super().add_done_callback(self._scheduler.waiting.discard)
        self._waits += 1

    @override
    def remove_done_callback(self, fn: Callable[[Self], object], /) -> int:
        removed = super().remove_done_callback(fn)
        self._waits -= removed
        if not self._waits:
            self._scheduler.waiting.discard(self)
            super().remove_done_callback(self._scheduler.waiting.discard)
        return removed

    @override
    def cancel(self, msg: object = None) -> bool:
        was_pending = super().cancel(msg)
        self._expectation.close()
        return was_pending


@final
class _Expectation:
    """The subscription of a future, which it refers to weakly: one that was dropped expects nothing."""

    __slots__ = ("_alarm", "_events", "_future", "_readers", "_scheduler")

    def __init__(self, future: Expected[Any], scheduler: Scheduler, readers: Readers) -> None:  # Any: of its types
        self._future = ref(future, self.close)
        self._scheduler = ref(scheduler)
        self._readers = readers
        self._events: Kinds = ()
        # Weakly, as the rest of its loop, which holds it.
        self._alarm: Callable[[], asyncio.TimerHandle | None] = nothing

    @property
    def __spelling__(self) -> str:
        return _spelling("expect", self._events)

    def begin(self, events: Kinds, options: Options, timeout: float | None) -> None:
        """From here on an event reaches the future."""
        self._events = events
        self._readers.add(self, events, self._receive, options)
        scheduler = self._scheduler()
        assert scheduler is not None  # its loop is running
        scheduler.at_end[self._cut] = None
        if timeout is not None:
            alarm = asyncio.get_running_loop().call_later(timeout, self._time_out, timeout, context=Context())
            self._alarm = ref(alarm)

    def close(self, _future: object = None) -> bool:
        """Expect nothing more; of several callers, in whatever threads, one gets ``True``."""
        if not self._readers.remove(self):
            return False
        scheduler = self._scheduler()
        if scheduler is not None:
            scheduler.at_end.pop(self._cut, None)
            alarm = self._alarm()
            if alarm is not None and runs_here(scheduler.loop):
                alarm.cancel()
        return True

    def _receive(self, event: Any) -> None:  # Any: of its types
        if self.close():
            self._complete(lambda future: future.set_result(event))

    def _end(self, why: str = "The emitter is closed") -> None:
        """Nothing can come any more."""
        self._fail(EmitterClosed(f"{why}, and no {self._names} came before."))

    def _time_out(self, timeout: float) -> None:
        self._fail(TimeoutError(f"No {self._names} came within {timeout} seconds."))

    def _cut(self) -> None:
        """Its loop ends."""
        if self.close():
            self._complete(lambda future: future.cancel())

    def _fail(self, error: Exception) -> None:
        def fail(future: "Expected[Any]") -> None:  # Any: of its types
            future.set_exception(error)
            future.exception()  # else asyncio logs that nobody has asked, if nobody does

        if self.close():
            self._complete(fail)

    def _complete(self, how: "Callable[[Expected[Any]], object]") -> None:  # Any: of its types
        future = self._future()
        if future is None:
            return
        loop = future.get_loop()
        if runs_here(loop):
            _complete(future, how)
        else:
            with suppress(RuntimeError):  # closed meanwhile: nobody waits there any more
                loop.call_soon_threadsafe(_complete, future, how, context=Context())

    @property
    def _names(self) -> str:
        return " or ".join(map(spell, self._events))


def _complete(future: Expected[Any], how: Callable[[Expected[Any]], object]) -> None:  # Any: of its types
    if not future.done():
        how(future)


def _spelling(name: str, events: Kinds) -> str:
    """How what receives is written, in reports and traces: as the call that made it."""
    return f"emitter.{name}({', '.join(map(spell, events))})"


def _wake(*waiters: Waiter | None) -> None:
    """Wake the waiters, in whatever loop. It calls what a loop calls, so it is not called under the lock."""
    for waiter in waiters:
        if waiter is not None:
            waiter()


def _current_task() -> "Callable[[], asyncio.Task[Any] | None]":  # Any: whoever's
    task = asyncio.current_task()
    return nothing if task is None else ref(task)
