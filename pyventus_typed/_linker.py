"""Linker[E]: the face of registry and routing."""

from collections.abc import Callable, Coroutine, Iterable
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import Any, Generic, TypeAlias, get_args, overload

from typing_extensions import TypeVar, override

from ._emission import Delivery
from ._errors import DefinitionError, NotAHandler, NotAManager, NotAnEvent, SeveralHandlers, TooManySubscriptions
from ._event import Event, check_event, check_event_class, check_request_class, is_decorated
from ._family import Family, declared_family, holds, members, outside_family_error
from ._handler import find_name, is_method_of, is_same, name_of
from ._manager import Surrounding
from ._registry import Registry
from ._routes import Routes, check_routes
from ._routing import Route, RouteTable
from ._spelling import is_class, several, spell, spell_apart
from ._subscriber import Subscriber, methods_of
from ._subscription import PLAIN, Call, Options, Registration, Subscription, check_bool, check_count
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
    A,
    A_any,
    A_contra,
    A_obj,
    Answer,
    AnyClass,
    ClassOf,
    E_contra,
    EventClass,
    Failure,
    Filter,
    Handler,
    HandlerOf,
    OnFailure,
    Only,
    OnSuccess,
    P,
    R,
    RequestType,
    T,
    T_co,
    When,
)


class On(Generic[T_co, A_contra]):
    """The decorator that ``linker.on`` and ``linker.answer`` return. It returns the function that it decorates,
    unchanged.

    ``On[OrderPaid, object]`` takes a function with an ``OrderPaid`` as its parameter; ``On[PriceOf, float |
    Awaitable[float]]`` takes one that answers a ``PriceOf``.
    """

    __slots__ = ("_link",)

    def __init__(self, link: Callable[[Callable[..., object]], object]) -> None:  # Callable[..., ]: matched in __call__
        self._link = link

    @overload
    def __call__(self, handler: HandlerOf[T_co, A_contra, P, R], /) -> Callable[P, R]: ...  # pyright: ignore[reportOverlappingOverload]  # the second takes what a checker cannot match here
    @overload  # for what a checker cannot match above (mypy: positional-only, overloaded); also gives mypy the clearer message
    def __call__(self, handler: Callable[[T_co], A_contra], /) -> Callable[[T_co], A_contra]: ...  # pyright: ignore[reportOverlappingOverload]  # the same handlers, on purpose
    def __call__(self, handler: Any, /) -> Any:  # Any: the overloads say what goes in and comes out
        """Link *handler*, and return it unchanged."""
        self._link(handler)
        return handler


Manager: TypeAlias = (
    AbstractContextManager[Any, bool | None] | AbstractAsyncContextManager[Any, bool | None]  # Any: nobody takes it
)
"""A context manager, plain or async."""
C = TypeVar("C", bound=Manager)


class Around(Generic[T_co]):
    """The decorator that ``linker.around`` returns. It returns the callable that it decorates, unchanged.

    ``Around[OrderPaid]`` takes a callable that makes a context manager from a ``Delivery[OrderPaid]``.
    """

    __slots__ = ("_surround",)

    def __init__(self, surround: Callable[[Callable[..., object]], object]) -> None:  # Callable[..., ]: as in On
        self._surround = surround

    @overload
    def __call__(self, manager: HandlerOf[Delivery[T_co], Manager, P, R], /) -> Callable[P, R]: ...  # type: ignore[overload-overlap]  # pyright: ignore[reportOverlappingOverload]  # the second takes what a checker cannot match here
    @overload
    def __call__(self, manager: Callable[[Delivery[T_co]], C], /) -> Callable[[Delivery[T_co]], C]: ...  # pyright: ignore[reportOverlappingOverload]  # the same managers, on purpose
    def __call__(self, manager: Any, /) -> Any:  # Any: the overloads say what goes in and comes out
        """Put *manager* around the handlers, and return it unchanged."""
        self._surround(manager)
        return manager


class Linker(Generic[E_contra]):
    """Holds which handlers receive which events. ``Linker()`` takes any event, ``Linker[Base]()`` and ``Linker[A |
    B]()`` those of a family.

    It is contravariant: a linker for a base class can be used where one for a narrower family is expected. All
    methods may be called from any thread, and from handlers, destructors and signal handlers. None waits for another,
    and none delays an ``emit``. The linker keeps strong references to its handlers. Subscribing or unsubscribing
    while an emission is pending does not change that emission. ::

        linker = Linker[OrderPlaced | OrderPaid]()

        @linker.on(OrderPaid)
        async def ship(event: OrderPaid) -> None:
            print(f"order {event.order} is on its way")

        emitter = Emitter(linker)
    """

    def __init__(
        self,
        *,
        max_subscriptions: int | None = None,
        on_success: Callable[[Any], object] | None = None,  # Any: it is called with the results of all handlers
        on_failure: Callable[[Event, Exception], object] | None = None,
    ) -> None:
        """Make an empty linker.

        ``max_subscriptions`` counts the handlers of each event type, not streams and futures of ``expect``.
        ``on_success(result)`` and ``on_failure(event, error)`` are for subscriptions that have none of their own.
        """
        if max_subscriptions is not None:
            check_count("max_subscriptions", max_subscriptions, ", nor None.")
        has_callback = on_success is not None or on_failure is not None
        # Of all subscriptions without options of their own.
        self._plain = Options(on_success=on_success, on_failure=on_failure) if has_callback else PLAIN
        self._routes = RouteTable(self._find)
        self._registry: Registry[Subscription[Event]] = Registry(max_subscriptions, self._routes.drop)
        self._managers: Registry[Surrounding[Event]] = Registry(None, self._routes.drop)
        self._singles: dict[type[Event], tuple[type[Event]]] = {}  # as long as the registry's buckets: for good
        self._family: Family | None = declared_family(type(self), Linker)

    # -- subscribing ------------------------------------------------------------------------------------------------------
    # fmt: off
    # -- overloads of on: one for each number of events, written by tests/typing/overloads.py
    @overload
    def on(
        self, e1: EventClass[E_contra, T1], /, *, when: When[T1] = None, on_failure: OnFailure[T1] = None,
        once: Only[bool] = False, priority: Only[int] = 0, timeout: Only[float | None] = None,
        in_thread: Only[bool] = False, replace: Only[bool] = False,
    ) -> On[T1, object]: ...
    @overload
    def on(
        self, e1: EventClass[E_contra, T1], /, *, on_success: OnSuccess[A_any] | None, when: When[T1] = None,
        on_failure: OnFailure[T1] = None, once: Only[bool] = False, priority: Only[int] = 0,
        timeout: Only[float | None] = None, in_thread: Only[bool] = False, replace: Only[bool] = False,
    ) -> On[T1, Answer[A_any]]: ...
    @overload
    def on(
        self, e1: EventClass[E_contra, T1], e2: EventClass[E_contra, T2], /, *,
        on_success: OnSuccess[A_obj] | None = None, when: When[T1 | T2] = None, on_failure: OnFailure[T1 | T2] = None,
        once: Only[bool] = False, priority: Only[int] = 0, timeout: Only[float | None] = None,
        in_thread: Only[bool] = False, replace: Only[bool] = False,
    ) -> On[T1 | T2, Answer[A_obj]]: ...
    @overload
    def on(
        self, e1: EventClass[E_contra, T1], e2: EventClass[E_contra, T2], e3: EventClass[E_contra, T3], /, *,
        on_success: OnSuccess[A_obj] | None = None, when: When[T1 | T2 | T3] = None,
        on_failure: OnFailure[T1 | T2 | T3] = None, once: Only[bool] = False, priority: Only[int] = 0,
        timeout: Only[float | None] = None, in_thread: Only[bool] = False, replace: Only[bool] = False,
    ) -> On[T1 | T2 | T3, Answer[A_obj]]: ...
    @overload
    def on(
        self, e1: EventClass[E_contra, T1], e2: EventClass[E_contra, T2], e3: EventClass[E_contra, T3],
        e4: EventClass[E_contra, T4], /, *, on_success: OnSuccess[A_obj] | None = None,
        when: When[T1 | T2 | T3 | T4] = None, on_failure: OnFailure[T1 | T2 | T3 | T4] = None, once: Only[bool] = False,
        priority: Only[int] = 0, timeout: Only[float | None] = None, in_thread: Only[bool] = False,
        replace: Only[bool] = False,
    ) -> On[T1 | T2 | T3 | T4, Answer[A_obj]]: ...
    @overload
    def on(
        self, e1: EventClass[E_contra, T1], e2: EventClass[E_contra, T2], e3: EventClass[E_contra, T3],
        e4: EventClass[E_contra, T4], e5: EventClass[E_contra, T5], /, *, on_success: OnSuccess[A_obj] | None = None,
        when: When[T1 | T2 | T3 | T4 | T5] = None, on_failure: OnFailure[T1 | T2 | T3 | T4 | T5] = None,
        once: Only[bool] = False, priority: Only[int] = 0, timeout: Only[float | None] = None,
        in_thread: Only[bool] = False, replace: Only[bool] = False,
    ) -> On[T1 | T2 | T3 | T4 | T5, Answer[A_obj]]: ...
    @overload
    def on(
        self, e1: EventClass[E_contra, T1], e2: EventClass[E_contra, T2], e3: EventClass[E_contra, T3],
        e4: EventClass[E_contra, T4], e5: EventClass[E_contra, T5], e6: EventClass[E_contra, T6], /, *,
        on_success: OnSuccess[A_obj] | None = None, when: When[T1 | T2 | T3 | T4 | T5 | T6] = None,
        on_failure: OnFailure[T1 | T2 | T3 | T4 | T5 | T6] = None, once: Only[bool] = False, priority: Only[int] = 0,
        timeout: Only[float | None] = None, in_thread: Only[bool] = False, replace: Only[bool] = False,
    ) -> On[T1 | T2 | T3 | T4 | T5 | T6, Answer[A_obj]]: ...
    @overload
    def on(
        self, e1: EventClass[E_contra, T1], e2: EventClass[E_contra, T2], e3: EventClass[E_contra, T3],
        e4: EventClass[E_contra, T4], e5: EventClass[E_contra, T5], e6: EventClass[E_contra, T6],
        e7: EventClass[E_contra, T7], /, *, on_success: OnSuccess[A_obj] | None = None,
        when: When[T1 | T2 | T3 | T4 | T5 | T6 | T7] = None,
        on_failure: OnFailure[T1 | T2 | T3 | T4 | T5 | T6 | T7] = None, once: Only[bool] = False,
        priority: Only[int] = 0, timeout: Only[float | None] = None, in_thread: Only[bool] = False,
        replace: Only[bool] = False,
    ) -> On[T1 | T2 | T3 | T4 | T5 | T6 | T7, Answer[A_obj]]: ...
    @overload
    def on(
        self, e1: EventClass[E_contra, T1], e2: EventClass[E_contra, T2], e3: EventClass[E_contra, T3],
        e4: EventClass[E_contra, T4], e5: EventClass[E_contra, T5], e6: EventClass[E_contra, T6],
        e7: EventClass[E_contra, T7], e8: EventClass[E_contra, T8], /, *, on_success: OnSuccess[A_obj] | None = None,
        when: When[T1 | T2 | T3 | T4 | T5 | T6 | T7 | T8] = None,
        on_failure: OnFailure[T1 | T2 | T3 | T4 | T5 | T6 | T7 | T8] = None, once: Only[bool] = False,
        priority: Only[int] = 0, timeout: Only[float | None] = None, in_thread: Only[bool] = False,
        replace: Only[bool] = False,
    ) -> On[T1 | T2 | T3 | T4 | T5 | T6 | T7 | T8, Answer[A_obj]]: ...
    @overload
    def on(
        self, e1: EventClass[E_contra, T1], e2: EventClass[E_contra, T2], e3: EventClass[E_contra, T3],
        e4: EventClass[E_contra, T4], e5: EventClass[E_contra, T5], e6: EventClass[E_contra, T6],
        e7: EventClass[E_contra, T7], e8: EventClass[E_contra, T8], /, *more: EventClass[E_contra, T9],
        on_success: OnSuccess[A_obj] | None = None, when: When[T1 | T2 | T3 | T4 | T5 | T6 | T7 | T8 | T9] = None,
        on_failure: OnFailure[T1 | T2 | T3 | T4 | T5 | T6 | T7 | T8 | T9] = None, once: Only[bool] = False,
        priority: Only[int] = 0, timeout: Only[float | None] = None, in_thread: Only[bool] = False,
        replace: Only[bool] = False,
    ) -> On[T1 | T2 | T3 | T4 | T5 | T6 | T7 | T8 | T9, Answer[A_obj]]: ...
    @overload
    def on(
        self, event: AnyClass[..., E_contra, T], /, *, when: When[T] = None, on_failure: OnFailure[T] = None,
        once: Only[bool] = False, priority: Only[int] = 0, timeout: Only[float | None] = None,
        in_thread: Only[bool] = False, replace: Only[bool] = False,
    ) -> On[T, object]: ...
    @overload
    def on(
        self, event: ClassOf[E_contra], /, *, when: Filter[E_contra] | None = None, once: Only[bool] = False,
        priority: Only[int] = 0, timeout: Only[float | None] = None, in_thread: Only[bool] = False,
        replace: Only[bool] = False,
    ) -> On[E_contra, object]: ...
    # -- end of overloads
    # fmt: on
    def on(
        self,
        *events: Any,  # Any, here and below: the overloads say what goes in and comes out
        when: Callable[..., bool] | None = None,
        on_success: Callable[..., object] | None = None,
        on_failure: Callable[..., object] | None = None,
        once: Any = False,
        priority: Any = 0,
        timeout: Any = None,
        in_thread: Any = False,
        replace: Any = False,
    ) -> On[Any, Any]:
        """Decorate a handler: call it for each event of these types, and of their subclasses, from now on.

        An event that matches several of these types is delivered once. Handlers of one emission start by
        ``priority``, higher first, then in the order of subscribing. ``when(event)`` is evaluated inside ``emit``, in
        the thread that emits: if it is false, there is no delivery; if it raises, there is a failed one. ``once``
        ends the subscription with the first accepted emission. ``timeout`` is the number of seconds from the start of
        the handler until it is cancelled. ``in_thread`` runs a blocking handler in a worker thread if a loop is
        running. ``on_success(result)`` and ``on_failure(event, error)`` may be async; the delivery is open until they
        have ended. ``replace`` ends the earlier subscriptions, in this linker, of the handler with the same module
        and qualified name; use it in a notebook or a reloaded module. A handler without a name, such as a lambda, is
        then refused. ::

            @linker.on(OrderPlaced, OrderPaid, priority=1, timeout=2.0)
            async def record(event: OrderPlaced | OrderPaid) -> None:
                print(event)

        Raises `DefinitionError` for arguments that cannot work, before anything is subscribed.
        """
        if not events:
            raise NotAnEvent("on() names no event. Name at least one: @linker.on(OrderPlaced).")
        kinds = (
            self._as_shared_tuple(events[0])
            if len(events) == 1
            else tuple(dict.fromkeys(map(self._checked_class, events)))
        )
        options = Options(
            when=when,
            once=once,
            priority=priority,
            on_success=on_success,
            on_failure=on_failure,
            timeout=timeout,
            in_thread=in_thread,
        )
        check_bool("replace", replace)
        return On(lambda handler: self._subscribe(kinds, handler, options, replace=replace))

    # fmt: off
    # -- overloads of subscribe: written by tests/typing/overloads.py
    @overload
    def subscribe(
        self, event: EventClass[E_contra, T], handler: Callable[[T], object], /, *, when: When[T] = None,
        on_failure: OnFailure[T] = None, once: Only[bool] = False, priority: Only[int] = 0,
        timeout: Only[float | None] = None, in_thread: Only[bool] = False, replace: Only[bool] = False,
    ) -> Subscription[T]: ...
    @overload
    def subscribe(
        self, event: EventClass[E_contra, T], handler: Callable[[T], Coroutine[Any, Any, R]], /, *,
        on_success: OnSuccess[R], when: When[T] = None, on_failure: OnFailure[T] = None, once: Only[bool] = False,
        priority: Only[int] = 0, timeout: Only[float | None] = None, in_thread: Only[bool] = False,
        replace: Only[bool] = False,
    ) -> Subscription[T]: ...
    @overload
    def subscribe(
        self, event: EventClass[E_contra, T], handler: Callable[[T], R], /, *, on_success: OnSuccess[R],
        when: When[T] = None, on_failure: OnFailure[T] = None, once: Only[bool] = False, priority: Only[int] = 0,
        timeout: Only[float | None] = None, in_thread: Only[bool] = False, replace: Only[bool] = False,
    ) -> Subscription[T]: ...
    @overload
    def subscribe(
        self, event: AnyClass[..., E_contra, T], handler: Callable[[T], object], /, *, when: When[T] = None,
        on_failure: OnFailure[T] = None, once: Only[bool] = False, priority: Only[int] = 0,
        timeout: Only[float | None] = None, in_thread: Only[bool] = False, replace: Only[bool] = False,
    ) -> Subscription[T]: ...
    @overload
    def subscribe(
        self: "Linker[Event]", event: ClassOf[T], handler: Callable[[T], object], /, *, when: When[T] = None,
        on_failure: OnFailure[T] = None, once: Only[bool] = False, priority: Only[int] = 0,
        timeout: Only[float | None] = None, in_thread: Only[bool] = False, replace: Only[bool] = False,
    ) -> Subscription[T]: ...
    @overload
    def subscribe(
        self, event: ClassOf[E_contra], handler: Handler[E_contra], /, *, when: Filter[E_contra] | None = None,
        on_failure: Failure[E_contra] | None = None, once: Only[bool] = False, priority: Only[int] = 0,
        timeout: Only[float | None] = None, in_thread: Only[bool] = False, replace: Only[bool] = False,
    ) -> Subscription[E_contra]: ...
    # -- end of overloads
    # fmt: on
    def subscribe(
        self,
        event: Any,  # Any, here and below: as for on
        handler: Any,
        /,
        *,
        when: Callable[..., bool] | None = None,
        on_success: Callable[..., object] | None = None,
        on_failure: Callable[..., object] | None = None,
        once: Any = False,
        priority: Any = 0,
        timeout: Any = None,
        in_thread: Any = False,
        replace: Any = False,
    ) -> Subscription[Any]:
        """Subscribe *handler* to one event type, as ``on`` does, and return the subscription.

        Subscribing the same handler twice gives two subscriptions; with ``replace``, the second ends the first. In a
        ``with`` statement, the subscription ends with the block. ::

            subscription = linker.subscribe(OrderPaid, print, when=lambda event: event.order > 100)
            subscription.unsubscribe()

        Raises `DefinitionError` for arguments that cannot work, before anything is subscribed.
        """
        options = Options(
            when=when,
            once=once,
            priority=priority,
            on_success=on_success,
            on_failure=on_failure,
            timeout=timeout,
            in_thread=in_thread,
        )
        check_bool("replace", replace)
        return self._subscribe(self._as_shared_tuple(event), handler, options, replace=replace)

    def answer(
        self,
        request: RequestType[..., E_contra, T, A],
        /,
        *,
        timeout: float | None = None,
        in_thread: bool = False,
        replace: bool = False,
    ) -> On[T, Answer[A]]:
        """Decorate the one handler that answers *request*: ``await emitter.ask(...)`` returns its result.

        A second one is refused with `SeveralHandlers` when it is decorated, unless ``replace`` ends the first one
        because both have the same module and qualified name. The handler of a base class also answers requests of a
        subclass that has no handler.
        """
        kind = self._checked_class(request)
        check_request_class(kind, f"on({spell(kind)})")
        options = Options(timeout=timeout, in_thread=in_thread, answers=True)

        check_bool("replace", replace)

        def link(handler: Callable[..., object]) -> None:
            subscription: Subscription[Event] = Subscription((kind,), handler, options, self._registry)
            if replace:
                self._end_older(subscription)
            self._add_answer(subscription)

        return On(link)

    def bind(
        self, subscriber: Subscriber[E_contra], /, *, replace: bool = False
    ) -> tuple[Subscription[Any], ...]:  # Any: of several event types
        """Subscribe the methods of *subscriber* that ``@handles`` and ``@answers`` mark; return the subscriptions.

        They are in the order of definition, base classes first; an overriding method has the place of the overridden
        one. All methods are checked before any is subscribed; if one is refused, none is subscribed. ``replace`` ends
        the subscriptions, in this linker, of all instances of a class with the same module and qualified name.
        """
        check_bool("replace", replace)
        made: list[Subscription[Event]] = []
        for method, mark in methods_of(subscriber):
            kinds = tuple(map(self._checked_class, mark.events))
            options = mark.options if mark.options.answers else mark.options.with_callbacks_of(self._plain)
            made.append(Subscription(kinds, method, options, self._registry))
        if replace:
            for one in self._registry.all():
                if is_method_of(one.handler, type(subscriber)):
                    one.unsubscribe()
        added: list[Subscription[Event]] = []
        try:
            for one in made:
                (self._add_answer if one.answers else self._registry.add)(one)
                added.append(one)
        except (TooManySubscriptions, SeveralHandlers):
            for one in added:
                self._registry.remove(one)
            raise
        return tuple(made)

    # -- around handlers ----------------------------------------------------------------------------------------------
    # fmt: off
    # -- overloads of around: one for each number of events, written by tests/typing/overloads.py
    @overload
    def around(
        self, *, replace: Only[bool] = False,
    ) -> Around[Event]: ...
    @overload
    def around(
        self, e1: EventClass[E_contra, T1], /, *, replace: Only[bool] = False,
    ) -> Around[T1]: ...
    @overload
    def around(
        self, e1: EventClass[E_contra, T1], e2: EventClass[E_contra, T2], /, *, replace: Only[bool] = False,
    ) -> Around[T1 | T2]: ...
    @overload
    def around(
        self, e1: EventClass[E_contra, T1], e2: EventClass[E_contra, T2], e3: EventClass[E_contra, T3], /, *,
        replace: Only[bool] = False,
    ) -> Around[T1 | T2 | T3]: ...
    @overload
    def around(
        self, e1: EventClass[E_contra, T1], e2: EventClass[E_contra, T2], e3: EventClass[E_contra, T3],
        e4: EventClass[E_contra, T4], /, *, replace: Only[bool] = False,
    ) -> Around[T1 | T2 | T3 | T4]: ...
    @overload
    def around(
        self, e1: EventClass[E_contra, T1], e2: EventClass[E_contra, T2], e3: EventClass[E_contra, T3],
        e4: EventClass[E_contra, T4], e5: EventClass[E_contra, T5], /, *, replace: Only[bool] = False,
    ) -> Around[T1 | T2 | T3 | T4 | T5]: ...
    @overload
    def around(
        self, e1: EventClass[E_contra, T1], e2: EventClass[E_contra, T2], e3: EventClass[E_contra, T3],
        e4: EventClass[E_contra, T4], e5: EventClass[E_contra, T5], e6: EventClass[E_contra, T6], /, *,
        replace: Only[bool] = False,
    ) -> Around[T1 | T2 | T3 | T4 | T5 | T6]: ...
    @overload
    def around(
        self, e1: EventClass[E_contra, T1], e2: EventClass[E_contra, T2], e3: EventClass[E_contra, T3],
        e4: EventClass[E_contra, T4], e5: EventClass[E_contra, T5], e6: EventClass[E_contra, T6],
        e7: EventClass[E_contra, T7], /, *, replace: Only[bool] = False,
    ) -> Around[T1 | T2 | T3 | T4 | T5 | T6 | T7]: ...
    @overload
    def around(
        self, e1: EventClass[E_contra, T1], e2: EventClass[E_contra, T2], e3: EventClass[E_contra, T3],
        e4: EventClass[E_contra, T4], e5: EventClass[E_contra, T5], e6: EventClass[E_contra, T6],
        e7: EventClass[E_contra, T7], e8: EventClass[E_contra, T8], /, *, replace: Only[bool] = False,
    ) -> Around[T1 | T2 | T3 | T4 | T5 | T6 | T7 | T8]: ...
    @overload
    def around(
        self, e1: EventClass[E_contra, T1], e2: EventClass[E_contra, T2], e3: EventClass[E_contra, T3],
        e4: EventClass[E_contra, T4], e5: EventClass[E_contra, T5], e6: EventClass[E_contra, T6],
        e7: EventClass[E_contra, T7], e8: EventClass[E_contra, T8], /, *more: EventClass[E_contra, T9],
        replace: Only[bool] = False,
    ) -> Around[T1 | T2 | T3 | T4 | T5 | T6 | T7 | T8 | T9]: ...
    # -- end of overloads
    # fmt: on
    def around(self, *events: Any, replace: Any = False) -> Around[Any]:  # Any: as for on
        """Decorate a context manager: from now on it is around each handler of these events, and of their subclasses.

        Without *events*, it is around all handlers of this linker. For each delivery, ``manager(delivery)`` is called
        and entered just before the handler, in the context of the delivery. It is left after the handler, with the
        exception of the handler, if any. The manager may be plain or async. If an event matches several of these
        types, the manager is entered once. Answers count as handlers.

        The order from the outside in: callbacks of the subscription, managers (the first one outermost), ``timeout``,
        handler. If a manager raises, the delivery fails with that exception. If it suppresses an exception, the
        delivery is completed with the result ``None``. The exception of an answer cannot be suppressed, because the
        code that asks needs a result. A plain manager adds no task. An async one moves a plain handler into a task;
        if no loop is running, into a new loop. With ``in_thread``, managers are entered in the event loop before the
        handler waits for its thread, and a timeout leaves them although the thread may still run. A delivery that
        never starts enters no manager. If a coroutine is closed because its loop will not run again, a plain manager
        is left with `GeneratorExit`, and an async one runs only to its first ``await``.

        A transaction around each handler of one event::

            @linker.around(OrderPaid)
            @contextmanager
            def transaction(delivery: Delivery[OrderPaid]) -> Generator[None]:
                with database:  # commits, or rolls back if the handler raises
                    yield

        ``replace`` removes the earlier manager with the same module and qualified name from this linker, as for
        ``on``. Raises `NotAManager` if *manager* cannot make a context manager from a delivery.
        """
        kinds = self._distinct(events)
        check_bool("replace", replace)
        return Around(lambda manager: self._surround(kinds, manager, replace=replace))

    # fmt: off
    # -- overloads of surround: one for each number of events, written by tests/typing/overloads.py
    @overload
    def surround(
        self, manager: Callable[[Delivery[Event]], Manager], /, *, replace: Only[bool] = False,
    ) -> Surrounding[Event]: ...
    @overload
    def surround(
        self, manager: Callable[[Delivery[T1]], Manager], e1: EventClass[E_contra, T1], /, *,
        replace: Only[bool] = False,
    ) -> Surrounding[T1]: ...
    @overload
    def surround(
        self, manager: Callable[[Delivery[T1] | Delivery[T2]], Manager], e1: EventClass[E_contra, T1],
        e2: EventClass[E_contra, T2], /, *, replace: Only[bool] = False,
    ) -> Surrounding[T1 | T2]: ...
    @overload
    def surround(
        self, manager: Callable[[Delivery[T1] | Delivery[T2] | Delivery[T3]], Manager], e1: EventClass[E_contra, T1],
        e2: EventClass[E_contra, T2], e3: EventClass[E_contra, T3], /, *, replace: Only[bool] = False,
    ) -> Surrounding[T1 | T2 | T3]: ...
    @overload
    def surround(
        self, manager: Callable[[Delivery[T1] | Delivery[T2] | Delivery[T3] | Delivery[T4]], Manager],
        e1: EventClass[E_contra, T1], e2: EventClass[E_contra, T2], e3: EventClass[E_contra, T3],
        e4: EventClass[E_contra, T4], /, *, replace: Only[bool] = False,
    ) -> Surrounding[T1 | T2 | T3 | T4]: ...
    @overload
    def surround(
        self, manager: Callable[[Delivery[T1] | Delivery[T2] | Delivery[T3] | Delivery[T4] | Delivery[T5]], Manager],
        e1: EventClass[E_contra, T1], e2: EventClass[E_contra, T2], e3: EventClass[E_contra, T3],
        e4: EventClass[E_contra, T4], e5: EventClass[E_contra, T5], /, *, replace: Only[bool] = False,
    ) -> Surrounding[T1 | T2 | T3 | T4 | T5]: ...
    @overload
    def surround(
        self,
        manager: Callable[[Delivery[T1] | Delivery[T2] | Delivery[T3] | Delivery[T4] | Delivery[T5] | Delivery[T6]],
        Manager], e1: EventClass[E_contra, T1], e2: EventClass[E_contra, T2], e3: EventClass[E_contra, T3],
        e4: EventClass[E_contra, T4], e5: EventClass[E_contra, T5], e6: EventClass[E_contra, T6], /, *,
        replace: Only[bool] = False,
    ) -> Surrounding[T1 | T2 | T3 | T4 | T5 | T6]: ...
    @overload
    def surround(
        self,
        manager: Callable[[Delivery[T1] | Delivery[T2] | Delivery[T3] | Delivery[T4] | Delivery[T5] | Delivery[T6] |
        Delivery[T7]], Manager], e1: EventClass[E_contra, T1], e2: EventClass[E_contra, T2],
        e3: EventClass[E_contra, T3], e4: EventClass[E_contra, T4], e5: EventClass[E_contra, T5],
        e6: EventClass[E_contra, T6], e7: EventClass[E_contra, T7], /, *, replace: Only[bool] = False,
    ) -> Surrounding[T1 | T2 | T3 | T4 | T5 | T6 | T7]: ...
    @overload
    def surround(
        self,
        manager: Callable[[Delivery[T1] | Delivery[T2] | Delivery[T3] | Delivery[T4] | Delivery[T5] | Delivery[T6] |
        Delivery[T7] | Delivery[T8]], Manager], e1: EventClass[E_contra, T1], e2: EventClass[E_contra, T2],
        e3: EventClass[E_contra, T3], e4: EventClass[E_contra, T4], e5: EventClass[E_contra, T5],
        e6: EventClass[E_contra, T6], e7: EventClass[E_contra, T7], e8: EventClass[E_contra, T8], /, *,
        replace: Only[bool] = False,
    ) -> Surrounding[T1 | T2 | T3 | T4 | T5 | T6 | T7 | T8]: ...
    @overload
    def surround(
        self,
        manager: Callable[[Delivery[T1] | Delivery[T2] | Delivery[T3] | Delivery[T4] | Delivery[T5] | Delivery[T6] |
        Delivery[T7] | Delivery[T8] | Delivery[T9]], Manager], e1: EventClass[E_contra, T1],
        e2: EventClass[E_contra, T2], e3: EventClass[E_contra, T3], e4: EventClass[E_contra, T4],
        e5: EventClass[E_contra, T5], e6: EventClass[E_contra, T6], e7: EventClass[E_contra, T7],
        e8: EventClass[E_contra, T8], /, *more: EventClass[E_contra, T9], replace: Only[bool] = False,
    ) -> Surrounding[T1 | T2 | T3 | T4 | T5 | T6 | T7 | T8 | T9]: ...
    @overload
    def surround(
        self, manager: Callable[[Delivery[T]], Manager], event: AnyClass[..., E_contra, T], /, *,
        replace: Only[bool] = False,
    ) -> Surrounding[T]: ...
    @overload
    def surround(
        self: "Linker[Event]", manager: Callable[[Delivery[T]], Manager], event: ClassOf[T], /, *,
        replace: Only[bool] = False,
    ) -> Surrounding[T]: ...
    @overload
    def surround(
        self, manager: Callable[[Delivery[E_contra]], Manager], event: ClassOf[E_contra], /, *,
        replace: Only[bool] = False,
    ) -> Surrounding[E_contra]: ...
    # -- end of overloads
    # fmt: on
    def surround(self, manager: Any, /, *events: Any, replace: Any = False) -> Surrounding[Any]:  # Any: as for on
        """Put *manager* around the handlers of these events, as ``around`` does; the returned object can end that.

        In a ``with`` statement, it ends with the block. Emissions that were accepted earlier keep their managers.
        """
        check_bool("replace", replace)
        return self._surround(self._distinct(events), manager, replace=replace)

    @staticmethod
    def of(routes: Routes[T], /) -> "Linker[T]":
        """A linker for the events that *routes* cover, with one subscription for each route, in their order."""
        linker: Linker[T] = Linker()
        for event, handler in check_routes(routes).pairs:
            linker._subscribe(linker._as_shared_tuple(event), handler, PLAIN)
        linker._family = tuple(event for event, _ in routes.pairs)
        return linker

    # -- asking -------------------------------------------------------------------------------------------------------
    def receivers(self, event: type[Event], /) -> tuple[Subscription[Any], ...]:  # Any: of several event types
        """The subscriptions that would receive an *event* emitted now, in the order of delivery; an answer comes
        first."""
        route = self._find(check_event_class(event))
        return route.receivers if route.answer is None else (route.answer, *route.receivers)

    def subscriptions(self) -> tuple[Subscription[Any], ...]:  # Any: of several event types
        """Every active subscription, in the order of subscribing."""
        return tuple(self._registry.all())

    def unhandled(self, *events: type[Event]) -> frozenset[type[Event]]:
        """Those of *events* that no handler would receive. A handler of a base class counts; a stream or ``expect``
        does not."""
        return frozenset(event for event in events if all(one._source for one in self.receivers(event)))

    def clear(self) -> None:
        """End all subscriptions of handlers, and all managers around them. Pending emissions are still delivered.

        Streams and futures of ``expect`` stay: they belong to the code that reads them.
        """
        for registration in (*self._registry.all(), *self._managers.all()):
            if registration._source is None:
                registration.unsubscribe()

    @property
    def family(self) -> Family | None:
        """The event types that this linker is for, if they are known at run time: those of ``Linker[A | B]()``, of a
        subclass of ``Linker[A | B]``, and of ``Linker.of(...)``. Otherwise ``None``: any event is accepted.
        """
        if self._family is None:
            # Set by the typing module on an instance made through an alias, but only after __init__.
            alias = self.__dict__.get("__orig_class__")
            if alias is not None:
                self._family = members(get_args(alias)[0])
        return self._family

    @override
    def __repr__(self) -> str:
        return f"<{type(self).__name__} with {several(len(self.subscriptions()), 'subscription')}>"

    # -- internal ---------------------------------------------------------------------------------------------------------
    def _route(self, event: Event) -> Route:
        """The route of an event to be emitted; the first of its class is checked."""
        routes = self._routes
        kind = type(event)
        if kind in self._singles and is_decorated(kind):
            return routes.add(kind)  # it was checked when it was subscribed to
        try:
            return routes.table.get(kind) or routes.add(self._member(check_event(event)))
        except DefinitionError as error:
            raise error from None  # that the table was asked first, without success, does not matter to the caller

    def _member(self, kind: type[Event]) -> type[Event]:
        family = self.family
        if not holds(family, kind):
            raise outside_family_error(kind, family, f"{spell_apart(kind, family)} is outside of this linker's family")
        return kind

    def _checked_class(self, value: object) -> type[Event]:
        return self._member(check_event_class(value))

    def _as_shared_tuple(self, value: Any) -> tuple[type[Event], ...]:
        """The one event type, checked once; all subscriptions to it share the tuple."""
        kinds = self._singles.get(value) if is_class(value) else None
        if kinds is None:
            kind = self._checked_class(value)
            kinds = self._singles.setdefault(kind, (kind,))
        return kinds

    def _subscribe(
        self,
        kinds: tuple[type[Event], ...],
        handler: Callable[..., object],
        options: Options,
        *,
        replace: bool = False,
    ) -> Subscription[Any]:
        options = options.with_callbacks_of(self._plain)
        subscription: Subscription[Event] = Subscription(kinds, handler, options, self._registry)
        if replace:
            self._end_older(subscription)
        self._registry.add(subscription)
        return subscription

    def _end_older(self, new: Subscription[Event]) -> None:
        name = name_of(new.handler, NotAHandler)
        _end_older(((one, one.handler) for one in self._registry.all()), name, new, new.handler)

    def _add_answer(self, subscription: Subscription[Event]) -> None:
        # First in, then looked at: of two threads that race, the later one withdraws.
        self._registry.add(subscription)
        kind = subscription.events[0]
        rival = next(one for one in self._registry.of((kind,)) if one.answers)
        if rival is not subscription:
            self._registry.remove(subscription)
            is_reload = find_name(rival.handler) == find_name(subscription.handler) is not None
            way_out = "Pass replace=True if it was defined again, or end" if is_reload else "End"
            raise SeveralHandlers(
                f"{spell(kind)} is answered by {spell(rival.handler)} already. {way_out} that one first, or use on(...)."
            )

    def _distinct(self, events: tuple[Any, ...]) -> tuple[type[Event], ...]:  # Any: as for on
        return tuple(dict.fromkeys(map(self._checked_class, events))) if events else (Event,)

    def _surround(
        self,
        kinds: tuple[type[Event], ...],
        manager: Callable[..., object],
        *,
        replace: bool = False,
        outermost: bool = False,
    ) -> Surrounding[Any]:
        surrounding: Surrounding[Event] = Surrounding(kinds, manager, self._managers)
        if replace:
            name = name_of(manager, NotAManager)
            _end_older(((one, one.manager) for one in self._managers.all()), name, surrounding, manager)
        self._managers.add(surrounding, first=outermost)
        return surrounding

    def _find(self, kind: type[Event]) -> Route:
        return Route.of(kind, self._registry.of(kind.__mro__), self._managers.of(kind.__mro__))


def _end_older(
    older: Iterable[tuple[Registration[Event], Call]], name: tuple[str, str], new: Registration[Event], callee: Call
) -> None:
    """End what a callable of this *name* has here: of an older function all, of this very one what *new* repeats.

    So a function may be subscribed several times, to several events, and a decorator that changes its events is believed.
    """
    for one, before in older:
        if find_name(before) == name and (one.events == new.events or not is_same(before, callee)):
            one.unsubscribe()
