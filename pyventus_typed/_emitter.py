"""Emitter[E]: a linker and a processor, and what goes from one to the other."""

from asyncio import AbstractEventLoop, Future
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Generic, Literal, Self, overload

from typing_extensions import override

from ._emission import Emission, emission_of
from ._errors import DefinitionError, EmitterClosed, NoHandler, NoRoom, NotAnEvent
from ._event import Event, Request, check_event
from ._family import why_there_are_two
from ._linker import Linker
from ._loops import get_running_loop
from ._ordering import KeyedOrdering, Ordering
from ._outcome import Tally
from ._processing import EmitterState, Observer, Processor
from ._routing import Route
from ._spelling import spell, spell_event
from ._stream import Expected, Readers, Stream, StreamOverflow
from ._subscription import Options, check_seconds
from ._typing import (
    T1,
    T2,
    T3,
    T4,
    T5,
    T6,
    T7,
    T8,
    T9,
    AnyClass,
    ClassOf,
    E_contra,
    EventClass,
    EventIn,
    Filter,
    Only,
    R,
    RequestIn,
    T,
    When,
)
from .processors._asyncio import AsyncIOProcessor


class Emitter(Generic[E_contra]):
    """Emits the events of a family to the handlers of a linker, run by a processor.

    All methods may be called from any thread. ``async with Emitter(...)`` makes the running loop the home loop of the
    emitter: emissions from threads without a loop are handed over to it, and the end of the block waits for
    everything that is pending.
    """

    __slots__ = ("__weakref__", "_gave_up", "_linker", "_processor", "_readers", "_routes", "_state")

    def __init__(self, linker: Linker[E_contra], processor: Processor | None = None) -> None:
        """*processor* may be shared with other emitters; ``None`` is a new ``AsyncIOProcessor()``."""
        if not isinstance(linker, Linker):
            raise DefinitionError(f"{linker!r} is not a linker. Make one: Emitter(Linker()).", linker)
        if isinstance(processor, type):
            raise DefinitionError(f"{spell(processor)} is a class. Did you mean {spell(processor)}()?", processor)
        if processor is not None and not hasattr(processor, "submit"):
            raise DefinitionError(
                f"{processor!r} is not a processor. Use AsyncIOProcessor(), or leave it out.", processor
            )
        self._linker = linker
        self._routes = linker._routes
        self._processor: Processor = AsyncIOProcessor() if processor is None else processor
        self._state = EmitterState()
        self._readers = Readers(linker._registry, self._state)
        self._gave_up = False  # a grace was over

    @property
    def processor(self) -> Processor:
        """The processor that runs the handlers."""
        return self._processor

    @property
    def tally(self) -> Tally:
        """The counts of the processor, over all its queues."""
        return self._processor.tally

    @overload
    def emit(self, event: EventIn[E_contra, T], /) -> Emission[T]: ...
    @overload  # for generic code, and the next one too: mypy and ty match a type variable above by its bound
    def emit(self: "Emitter[Event]", event: T, /) -> Emission[T]: ...
    @overload
    def emit(self, event: E_contra, /) -> Emission[E_contra]: ...
    def emit(self, event: Any, /) -> Emission[Any]:  # Any: the overloads say what goes in and comes out
        """Emit *event* to the handlers that receive its class, and return the emission.

        In a running loop it returns before any handler runs: the handlers run in the background, in that loop.
        Without a running loop it returns when the emission, and everything that its handlers emitted, is settled.
        Inside a handler it returns immediately, and the new emission is queued after everything that was accepted
        earlier. It never raises what a handler raises. Predicates (``when``) are evaluated here, in order.

        Raises `EmissionRejected` if nothing was accepted: `EmitterClosed`, or `NoRoom` if ``capacity`` is used up.
        Raises `DefinitionError` for something that is not an event, or not an event of this linker.
        """
        try:
            route = self._routes.table[type(event)]
        except KeyError:
            route = self._linker._route(event)
        if route.is_direct or (route := route.seen_from(self._state)).is_direct:
            # The same as emission_of, which is not called here: a call costs as much as a handler.
            emission: Emission[Any] = Emission()  # Any: as above
            emission._event = event
            emission._route = route
            emission._state = state = self._state
            emission._cursor = iter(route.calls)
            emission._open = route.share
            emission._notes = emission._rare = None
            self._processor.submit(emission, state)
            return emission
        emission = self._choose(event, route)
        self._processor.submit(emission, self._state)
        return emission

    @overload
    def try_emit(self, event: EventIn[E_contra, T], /) -> Emission[T] | None: ...
    @overload
    def try_emit(self: "Emitter[Event]", event: T, /) -> Emission[T] | None: ...
    @overload
    def try_emit(self, event: E_contra, /) -> Emission[E_contra] | None: ...
    def try_emit(self, event: Any, /) -> Emission[Any] | None:  # Any: as for emit
        """As `emit`, but returns ``None`` if ``capacity`` is used up."""
        try:
            return self.emit(event)
        except NoRoom:
            return None

    @overload
    async def emit_wait(self, event: EventIn[E_contra, T], /) -> Emission[T]: ...
    @overload
    async def emit_wait(self: "Emitter[Event]", event: T, /) -> Emission[T]: ...
    @overload
    async def emit_wait(self, event: E_contra, /) -> Emission[E_contra]: ...
    async def emit_wait(self, event: Any, /) -> Emission[Any]:  # Any: as for emit
        """As `emit`, but waits for free capacity, first come first served. A waiter that is cancelled emits nothing.

        Raises `WouldDeadlock` in a handler if only its own end could free capacity, and in the task that reads a
        stream if all of the capacity is held by deliveries that wait for room in that stream.
        """
        emission = self._draft(event)
        await self._processor.submit_wait(emission, self._state)
        return emission

    @overload
    async def publish(self, event: EventIn[E_contra, T], /) -> Emission[T]: ...
    @overload
    async def publish(self: "Emitter[Event]", event: T, /) -> Emission[T]: ...
    @overload
    async def publish(self, event: E_contra, /) -> Emission[E_contra]: ...
    async def publish(self, event: Any, /) -> Emission[Any]:  # Any: as for emit
        """Run the handlers one after the other in the caller's own task and context; return the settled emission.

        All of them run; then `EmissionFailed` is raised if one failed. Cancelling the caller cancels the running
        handler and the remaining ones. With an ordering other than ``CONCURRENT``, it first waits for its turn.
        """
        emission = self._draft(event)
        await self._processor.publish(emission, self._state)
        if emission._notes is not None:
            emission.raise_failures()
        return emission

    async def ask(self, request: RequestIn[E_contra, R], /) -> R:
        """Return the answer to *request*, or raise what its one handler raised.

        The handler runs immediately with every ordering and takes no capacity. Cancelling the task that asks cancels
        it. Other handlers that are subscribed to the request are notified, and do not affect the answer. Raises
        `NoHandler` if no handler answers.
        """
        answer: Any = await self._processor.ask(
            self._asked(request), self._state
        )  # Any: answer() checked that it is an R
        return answer  # type: ignore[no-any-return]  # answer() has checked that it is an R

    def ask_sync(self, request: RequestIn[E_contra, R], /) -> R:
        """As `ask`, without awaiting: a plain handler is called immediately, whether a loop is running or not.

        Without a running loop, an ``async`` handler runs to its end, as in `emit`. In a running loop, a handler that
        must be awaited, or has ``in_thread``, raises `DefinitionError` before it is called: use ``await ask`` there.
        """
        answer: Any = self._processor.ask_sync(self._asked(request), self._state)  # Any: as in ask
        return answer  # type: ignore[no-any-return]  # answer() has checked that it is an R

    # fmt: off
    # -- overloads of stream: one for each number of events, written by tests/typing/overloads.py
    @overload
    def stream(
        self, e1: EventClass[E_contra, T1], /, *, when: When[T1] = None, maxsize: Only[int] = 100,
        overflow: Only[StreamOverflow] = "wait",
    ) -> Stream[T1]: ...
    @overload
    def stream(
        self, e1: EventClass[E_contra, T1], e2: EventClass[E_contra, T2], /, *, when: When[T1 | T2] = None,
        maxsize: Only[int] = 100, overflow: Only[StreamOverflow] = "wait",
    ) -> Stream[T1 | T2]: ...
    @overload
    def stream(
        self, e1: EventClass[E_contra, T1], e2: EventClass[E_contra, T2], e3: EventClass[E_contra, T3], /, *,
        when: When[T1 | T2 | T3] = None, maxsize: Only[int] = 100, overflow: Only[StreamOverflow] = "wait",
    ) -> Stream[T1 | T2 | T3]: ...
    @overload
    def stream(
        self, e1: EventClass[E_contra, T1], e2: EventClass[E_contra, T2], e3: EventClass[E_contra, T3],
        e4: EventClass[E_contra, T4], /, *, when: When[T1 | T2 | T3 | T4] = None, maxsize: Only[int] = 100,
        overflow: Only[StreamOverflow] = "wait",
    ) -> Stream[T1 | T2 | T3 | T4]: ...
    @overload
    def stream(
        self, e1: EventClass[E_contra, T1], e2: EventClass[E_contra, T2], e3: EventClass[E_contra, T3],
        e4: EventClass[E_contra, T4], e5: EventClass[E_contra, T5], /, *, when: When[T1 | T2 | T3 | T4 | T5] = None,
        maxsize: Only[int] = 100, overflow: Only[StreamOverflow] = "wait",
    ) -> Stream[T1 | T2 | T3 | T4 | T5]: ...
    @overload
    def stream(
        self, e1: EventClass[E_contra, T1], e2: EventClass[E_contra, T2], e3: EventClass[E_contra, T3],
        e4: EventClass[E_contra, T4], e5: EventClass[E_contra, T5], e6: EventClass[E_contra, T6], /, *,
        when: When[T1 | T2 | T3 | T4 | T5 | T6] = None, maxsize: Only[int] = 100,
        overflow: Only[StreamOverflow] = "wait",
    ) -> Stream[T1 | T2 | T3 | T4 | T5 | T6]: ...
    @overload
    def stream(
        self, e1: EventClass[E_contra, T1], e2: EventClass[E_contra, T2], e3: EventClass[E_contra, T3],
        e4: EventClass[E_contra, T4], e5: EventClass[E_contra, T5], e6: EventClass[E_contra, T6],
        e7: EventClass[E_contra, T7], /, *, when: When[T1 | T2 | T3 | T4 | T5 | T6 | T7] = None,
        maxsize: Only[int] = 100, overflow: Only[StreamOverflow] = "wait",
    ) -> Stream[T1 | T2 | T3 | T4 | T5 | T6 | T7]: ...
    @overload
    def stream(
        self, e1: EventClass[E_contra, T1], e2: EventClass[E_contra, T2], e3: EventClass[E_contra, T3],
        e4: EventClass[E_contra, T4], e5: EventClass[E_contra, T5], e6: EventClass[E_contra, T6],
        e7: EventClass[E_contra, T7], e8: EventClass[E_contra, T8], /, *,
        when: When[T1 | T2 | T3 | T4 | T5 | T6 | T7 | T8] = None, maxsize: Only[int] = 100,
        overflow: Only[StreamOverflow] = "wait",
    ) -> Stream[T1 | T2 | T3 | T4 | T5 | T6 | T7 | T8]: ...
    @overload
    def stream(
        self, e1: EventClass[E_contra, T1], e2: EventClass[E_contra, T2], e3: EventClass[E_contra, T3],
        e4: EventClass[E_contra, T4], e5: EventClass[E_contra, T5], e6: EventClass[E_contra, T6],
        e7: EventClass[E_contra, T7], e8: EventClass[E_contra, T8], /, *more: EventClass[E_contra, T9],
        when: When[T1 | T2 | T3 | T4 | T5 | T6 | T7 | T8 | T9] = None, maxsize: Only[int] = 100,
        overflow: Only[StreamOverflow] = "wait",
    ) -> Stream[T1 | T2 | T3 | T4 | T5 | T6 | T7 | T8 | T9]: ...
    @overload
    def stream(
        self, event: AnyClass[..., E_contra, T], /, *, when: When[T] = None, maxsize: Only[int] = 100,
        overflow: Only[StreamOverflow] = "wait",
    ) -> Stream[T]: ...
    @overload
    def stream(
        self: "Emitter[Event]", event: ClassOf[T], /, *, when: When[T] = None, maxsize: Only[int] = 100,
        overflow: Only[StreamOverflow] = "wait",
    ) -> Stream[T]: ...
    @overload
    def stream(
        self, event: ClassOf[E_contra], /, *, when: Filter[E_contra] | None = None, maxsize: Only[int] = 100,
        overflow: Only[StreamOverflow] = "wait",
    ) -> Stream[E_contra]: ...
    # -- end of overloads
    # fmt: on
    def stream(
        self,
        *events: Any,  # Any, here and below: the overloads say what goes in and comes out
        when: Callable[..., bool] | None = None,
        maxsize: Any = 100,
        overflow: Any = "wait",
    ) -> Stream[Any]:
        """The events of these types and their subclasses that this emitter emits inside the block, for one reader:

        .. code-block:: python

            async with emitter.stream(OrderPaid, maxsize=10) as payments:
                async for paid in payments:
                    print(paid.order)

        At most *maxsize* events wait to be read. *overflow* says what happens to a further one. ``"wait"``: its
        delivery stays open until there is room, so that ``capacity`` and `emit_wait` slow down the code that emits.
        ``"drop_old"`` or ``"drop_new"``: the oldest unread event, or the new one, is lost and counted in ``dropped``.
        When the block ends, deliveries that wait for room are discarded.

        In the task that reads, ``await emission``, `emit_wait`, `wait_for_tasks` and `aclose` raise `WouldDeadlock`
        as soon as they wait for something that waits for room here, and a delivery of `publish` fails with it. For
        `wait_for_tasks` and `aclose`, the task that has entered the block counts as the reader until another task
        reads. `ask`, the turn of `publish`, and waits in other tasks are not checked. The reader is the task that read
        last. Before Python 3.12, ``asyncio.wait_for(anext(events), 5)`` reads in a task of its own: use
        ``async with asyncio.timeout(5)``.

        ``linker.clear()`` leaves a stream open, and ``max_subscriptions`` does not count it. If its subscription is
        unsubscribed, it ends as if the emitter had closed.

        ``when`` is evaluated as for ``on``. Raises `DefinitionError` for arguments that cannot work. Entering the
        block raises `EmitterClosed` if no event can arrive any more.
        """
        kinds, options = self._reading("stream", events, when)
        return Stream(self._readers, kinds, options, maxsize, overflow)

    # fmt: off
    # -- overloads of expect: written by tests/typing/overloads.py
    @overload
    def expect(
        self, e1: EventClass[E_contra, T1], /, *, when: When[T1] = None, timeout: Only[float | None] = None,
    ) -> Future[T1]: ...
    @overload
    def expect(
        self, e1: EventClass[E_contra, T1], e2: EventClass[E_contra, T2], /, *, when: When[T1 | T2] = None,
        timeout: Only[float | None] = None,
    ) -> Future[T1 | T2]: ...
    @overload
    def expect(
        self, e1: EventClass[E_contra, T1], e2: EventClass[E_contra, T2], e3: EventClass[E_contra, T3], /, *,
        when: When[T1 | T2 | T3] = None, timeout: Only[float | None] = None,
    ) -> Future[T1 | T2 | T3]: ...
    @overload
    def expect(
        self, e1: EventClass[E_contra, T1], e2: EventClass[E_contra, T2], e3: EventClass[E_contra, T3],
        e4: EventClass[E_contra, T4], /, *, when: When[T1 | T2 | T3 | T4] = None, timeout: Only[float | None] = None,
    ) -> Future[T1 | T2 | T3 | T4]: ...
    @overload
    def expect(
        self, e1: EventClass[E_contra, T1], e2: EventClass[E_contra, T2], e3: EventClass[E_contra, T3],
        e4: EventClass[E_contra, T4], e5: EventClass[E_contra, T5], /, *, when: When[T1 | T2 | T3 | T4 | T5] = None,
        timeout: Only[float | None] = None,
    ) -> Future[T1 | T2 | T3 | T4 | T5]: ...
    @overload
    def expect(
        self, e1: EventClass[E_contra, T1], e2: EventClass[E_contra, T2], e3: EventClass[E_contra, T3],
        e4: EventClass[E_contra, T4], e5: EventClass[E_contra, T5], e6: EventClass[E_contra, T6], /, *,
        when: When[T1 | T2 | T3 | T4 | T5 | T6] = None, timeout: Only[float | None] = None,
    ) -> Future[T1 | T2 | T3 | T4 | T5 | T6]: ...
    @overload
    def expect(
        self, e1: EventClass[E_contra, T1], e2: EventClass[E_contra, T2], e3: EventClass[E_contra, T3],
        e4: EventClass[E_contra, T4], e5: EventClass[E_contra, T5], e6: EventClass[E_contra, T6],
        e7: EventClass[E_contra, T7], /, *, when: When[T1 | T2 | T3 | T4 | T5 | T6 | T7] = None,
        timeout: Only[float | None] = None,
    ) -> Future[T1 | T2 | T3 | T4 | T5 | T6 | T7]: ...
    @overload
    def expect(
        self, e1: EventClass[E_contra, T1], e2: EventClass[E_contra, T2], e3: EventClass[E_contra, T3],
        e4: EventClass[E_contra, T4], e5: EventClass[E_contra, T5], e6: EventClass[E_contra, T6],
        e7: EventClass[E_contra, T7], e8: EventClass[E_contra, T8], /, *,
        when: When[T1 | T2 | T3 | T4 | T5 | T6 | T7 | T8] = None, timeout: Only[float | None] = None,
    ) -> Future[T1 | T2 | T3 | T4 | T5 | T6 | T7 | T8]: ...
    @overload
    def expect(
        self, e1: EventClass[E_contra, T1], e2: EventClass[E_contra, T2], e3: EventClass[E_contra, T3],
        e4: EventClass[E_contra, T4], e5: EventClass[E_contra, T5], e6: EventClass[E_contra, T6],
        e7: EventClass[E_contra, T7], e8: EventClass[E_contra, T8], /, *more: EventClass[E_contra, T9],
        when: When[T1 | T2 | T3 | T4 | T5 | T6 | T7 | T8 | T9] = None, timeout: Only[float | None] = None,
    ) -> Future[T1 | T2 | T3 | T4 | T5 | T6 | T7 | T8 | T9]: ...
    @overload
    def expect(
        self, event: AnyClass[..., E_contra, T], /, *, when: When[T] = None, timeout: Only[float | None] = None,
    ) -> Future[T]: ...
    @overload
    def expect(
        self: "Emitter[Event]", event: ClassOf[T], /, *, when: When[T] = None, timeout: Only[float | None] = None,
    ) -> Future[T]: ...
    @overload
    def expect(
        self, event: ClassOf[E_contra], /, *, when: Filter[E_contra] | None = None, timeout: Only[float | None] = None,
    ) -> Future[E_contra]: ...
    # -- end of overloads
    # fmt: on
    def expect(
        self,
        *events: Any,  # Any, here and below: as for stream
        when: Callable[..., bool] | None = None,
        timeout: Any = None,
    ) -> Future[Any]:
        """The next event of these types that this emitter emits, as a future of the running loop.

        It is subscribed when this returns, so no event is missed between the call and the ``await``:

        .. code-block:: python

            paid = emitter.expect(OrderPaid, when=lambda paid: paid.order == 1, timeout=5)
            emitter.emit(OrderPlaced(1))
            print(await paid)

        The future raises `TimeoutError` *timeout* seconds after the call, and `EmitterClosed` when the emitter has
        closed, or its subscription was unsubscribed; ``linker.clear()`` leaves it alone. Cancelling the future, or
        dropping all references to it, ends the subscription. Raises `DefinitionError` if no loop is running.
        """
        kinds, options = self._reading("expect", events, when)
        if timeout is not None:
            check_seconds("timeout", timeout)
        if get_running_loop() is None:
            raise DefinitionError(
                "expect() gives a future of the running loop, and no loop runs here. Call it in async code."
            )
        return Expected(self._readers, kinds, options, timeout)

    async def wait_for_tasks(self, timeout: float | None = None) -> bool:
        """Wait until everything that the processor has accepted in this loop, and everything that it leads to, is
        settled. See `AsyncIOProcessor.wait_for_tasks`."""
        return await self._processor.wait_for_tasks(timeout)

    async def aclose(self, *, grace: float | None = None) -> bool:
        """Refuse new emissions, and wait for the pending ones and for whatever they emit; return whether all have
        ended.

        After *grace* seconds, the rest is cancelled and ``False`` is returned; the end of an ``async with`` block
        around the call does not wait for the rest again. A closed emitter stays closed. A second call waits again.
        """
        if grace is not None:
            check_seconds("grace", grace)
        is_done = await self._processor.close(self._state, grace)
        self._gave_up = self._gave_up or not is_done
        self._readers.end()
        return is_done

    async def __aenter__(self) -> Self:
        if self._state.closed:
            raise EmitterClosed("This emitter is closed, and closing is final. Make a new one.")
        self._processor.open(self._state)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if not self._gave_up:
                await self.aclose()
        finally:
            self._state.home_loop = None
            self._readers.end()  # whether it was cancelled or not: nobody comes back to close it

    @override
    def __repr__(self) -> str:
        return f"<Emitter of {self._linker!r}{', closed' if self._state.closed else ''}>"

    def _reading(
        self, name: str, events: Sequence[object], when: Callable[..., bool] | None
    ) -> tuple[tuple[type[Event], ...], Options]:
        self._processor.check_streams()
        if not events:
            raise NotAnEvent(f"{name}() names no event. Name at least one: emitter.{name}(OrderPlaced).")
        return tuple(dict.fromkeys(map(self._linker._checked_class, events))), Options(when=when)

    def _asked(self, request: object) -> Emission[Event]:
        """An emission of *request*, whose first delivery is the answer's."""
        event = request
        if not isinstance(event, Request):
            check_event(event)
            raise NotAnEvent(f"{spell_event(event)} is not a request, so nobody answers it. Use emit.", event)
        route = self._routes.table.get(type(event)) or self._linker._route(event)
        if route.answer is None:
            name = spell(type(event))
            answered = tuple(one._events[0] for one in self._linker.subscriptions() if one._options.answers)
            way_out = why_there_are_two(type(event), answered) or f"Decorate its handler with @linker.answer({name})."
            raise NoHandler(f"Nobody answers {name}. {way_out}")
        self._processor.check_open(event, self._state)
        return emission_of(event, route.seen_from(self._state).choose(event, asked=True), self._state)

    def _draft(self, event: Event) -> Emission[Event]:
        """An emission of *event*, for those who need not save a call."""
        try:
            route = self._routes.table[type(event)]
        except KeyError:
            route = self._linker._route(event)
        route = route.seen_from(self._state)
        return emission_of(event, route, self._state) if route.is_direct else self._choose(event, route)

    def _choose(self, event: Event, route: Route) -> Emission[Event]:
        """An emission of *event*, whose predicates are evaluated here."""
        if isinstance(event, Request):
            raise DefinitionError(
                f"{spell_event(event)} is a request, and emit has nobody to answer to. Ask it: await emitter.ask(...).",
                event,
            )
        if route.has_conditions:
            self._processor.check_open(event, self._state)
            route = route.choose(event)
        return emission_of(event, route, self._state)


def asyncio_emitter(
    linker: Linker[T],
    /,
    *,
    ordering: Ordering | KeyedOrdering = Ordering.CONCURRENT,
    capacity: int | None = None,
    overflow: Literal["refuse", "drop_new", "drop_old"] = "refuse",
    on_discard: Callable[[Sequence[Emission[Event]]], object] | None = None,
    loop_factory: Callable[[], AbstractEventLoop] | None = None,
    debug: bool | None = None,
    observer: Observer | None = None,
) -> Emitter[T]:
    """``Emitter(linker, AsyncIOProcessor(...))`` in one step."""
    processor = AsyncIOProcessor(
        ordering=ordering,
        capacity=capacity,
        overflow=overflow,
        on_discard=on_discard,
        loop_factory=loop_factory,
        debug=debug,
        observer=observer,
    )
    return Emitter(linker, processor)
