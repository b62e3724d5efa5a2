"""Code that is generic over a family itself, as a library on top of this one would be."""

from asyncio import Future
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import Any, Generic, TypeVar, assert_type

from shop import OrderPaid, OrderPlaced, ShopEvent, UserSignedUp

from pyventus_typed import (
    Delivery,
    Emission,
    Emitter,
    Event,
    Linker,
    On,
    Routes,
    Stream,
    Subscription,
    Surrounding,
    asyncio_emitter,
    route,
)

E = TypeVar("E", bound=Event)
F = TypeVar("F", bound=Event)
S = TypeVar("S", bound=ShopEvent)
R = TypeVar("R")


class Outbox(Generic[E]):
    """Collects events and emits them later."""

    def __init__(self, emitter: Emitter[E]) -> None:
        self._emitter = emitter
        self._events: list[E] = []

    def add(self, event: E) -> None:
        self._events.append(event)

    def flush(self) -> list[Emission[E]]:
        return [self._emitter.emit(event) for event in self._events]

    def flush_with_room(self) -> list[Emission[E] | None]:
        return [self._emitter.try_emit(event) for event in self._events]

    async def flush_wait(self) -> list[Emission[E]]:
        return [await self._emitter.emit_wait(event) for event in self._events]

    async def publish(self) -> list[Emission[E]]:
        return [await self._emitter.publish(event) for event in self._events]

    def wrong(self, other: Event) -> Emission[Event]:
        return self._emitter.emit(other)  # E: an event of any family

    def wrong_wait(self) -> None:
        self._emitter.emit(self._events)  # E: a list of events is no event


def emit_any(emitter: Emitter[E], event: E) -> Emission[E]:
    return emitter.emit(event)


def emit_all(emitter: Emitter[E], events: Iterable[E]) -> list[Emission[E]]:
    return [emitter.emit(event) for event in events]


def emit_of_the_shop(emitter: Emitter[ShopEvent], event: S) -> Emission[S]:
    return emitter.emit(event)  # FP[mypy,ty]: they see the bound of S, not S


def emit_anything(emitter: Emitter[Event], event: E) -> Emission[E]:
    return emitter.emit(event)  # FP[zuban]: it sees the bound of E, not E


def emit_another(emitter: Emitter[ShopEvent], event: E) -> E:
    emitter.emit(event)  # E: E may be outside of the family
    return event


def new_emitter(linker: Linker[E]) -> Emitter[E]:
    return Emitter(linker)


def new_asyncio_emitter(linker: Linker[E]) -> Emitter[E]:
    return asyncio_emitter(linker, capacity=3)


def listen(linker: Linker[Event], event: type[E], handler: Callable[[E], object]) -> Subscription[E]:
    return linker.subscribe(event, handler)


def listen_in_the_shop(linker: Linker[ShopEvent], event: type[S], handler: Callable[[S], object]) -> Subscription[S]:
    return linker.subscribe(event, handler)  # FP[mypy]: it sees the bound of S, not S


def listen_outside(linker: Linker[ShopEvent], event: type[E], handler: Callable[[E], object]) -> None:
    linker.subscribe(event, handler)  # E: E may be outside of the family


def listen_wrongly(linker: Linker[Event], event: type[E], handler: Callable[[OrderPaid], object]) -> None:
    linker.subscribe(event, handler)  # E: the handler does not take E


def listen_to_all(linker: Linker[E], event: type[E], handler: Callable[[E], object]) -> Subscription[E]:
    return linker.subscribe(event, handler, priority=1)  # FP[zuban]: it sees the bound of E, not E


def listen_to_some(
    linker: Linker[E],
    event: type[E],
    handler: Callable[[E], object],
    when: Callable[[E], bool],
    failed: Callable[[E, Exception], object],
) -> None:
    linker.subscribe(
        event, handler, when=when, on_failure=failed, once=True
    )  # FP[zuban]: it sees the bound of E, not E


def listen_to_some_wrongly(
    linker: Linker[E], event: type[E], handler: Callable[[E], object], when: Callable[[OrderPaid], bool]
) -> None:
    linker.subscribe(event, handler, when=when)  # E: the filter does not take E


def listen_to_all_wrongly(linker: Linker[E], event: type[E], handler: Callable[[OrderPaid], object]) -> None:
    linker.subscribe(event, handler)  # E: the handler does not take E


def listen_to_others(linker: Linker[E], event: type[F], handler: Callable[[F], object]) -> None:
    linker.subscribe(event, handler)  # E: F may be outside of the family


def listen_with_another(linker: Linker[E], event: type[E], handler: Callable[[F], object]) -> None:
    linker.subscribe(event, handler)  # E: the handler takes an F


def listen_and_say_less(linker: Linker[E], event: type[E], handler: Callable[[E], object]) -> Subscription[OrderPaid]:
    return linker.subscribe(event, handler)  # E: E may be another event


def listen_to_any(linker: Linker[Any], event: type[E], handler: Callable[[E], object]) -> Subscription[E]:
    return linker.subscribe(event, handler)


def listen_to_any_wrongly(linker: Linker[Any], event: type[E], handler: Callable[[F], object]) -> None:
    linker.subscribe(
        event, handler
    )  # E[pyright,basedpyright,pyrefly,ty,zuban]: the handler takes an F; to mypy a family of Any takes every handler
    linker.subscribe(
        OrderPlaced, lambda placed: placed.tracking
    )  # E[mypy,pyright,basedpyright,pyrefly,ty]: OrderPlaced has no tracking
    linker.subscribe(int, print)  # E: an int is no event


def listen_out_of_a_table(
    linker: Linker[ShopEvent],
    handlers: dict[type[ShopEvent], Callable[[ShopEvent], object]],
    events: list[type[OrderPlaced] | type[OrderPaid]],
    handler: Callable[[OrderPlaced | OrderPaid], object],
) -> None:
    for kind, each in handlers.items():
        linker.subscribe(kind, each)
    for event in events:
        linker.subscribe(event, handler)


def listen_out_of_a_table_wrongly(
    linker: Linker[ShopEvent],
    handlers: dict[type[ShopEvent], Callable[[OrderPaid], object]],
    anything: dict[type[Event], Callable[[Event], object]],
    events: list[type[OrderPlaced] | type[OrderPaid]],
    handler: Callable[[OrderPaid], object],
) -> None:
    for kind, each in handlers.items():
        linker.subscribe(kind, each)  # E: the handler takes some of them
    for other, every in anything.items():
        linker.subscribe(other, every)  # E: outside of the family
    for event in events:
        linker.subscribe(event, handler)  # E: the handler takes one of two


def decorate(linker: Linker[E], event: type[E], handler: Callable[[E], object]) -> None:
    linker.on(event)(handler)  # FP[zuban]: it sees the bound of E, not E


def decorate_some(
    linker: Linker[E],
    event: type[E],
    handler: Callable[[E], object],
    when: Callable[[E], bool],
    failed: Callable[[E, Exception], object],
) -> None:
    linker.on(event, when=when, once=True)(handler)  # FP[zuban]: it sees the bound of E, not E
    linker.on(event, on_failure=failed)(
        handler
    )  # FP[mypy,zuban]: the overload for a family that is a variable has no on_failure, which would cost mypy too much


def decorate_any(linker: Linker[Event], event: type[E], handler: Callable[[E], object]) -> None:
    linker.on(event, priority=1)(handler)  # FP[mypy,pyrefly]: they see the bound of E, not E


def decorate_in_the_shop(linker: Linker[ShopEvent], event: type[S], handler: Callable[[S], object]) -> None:
    linker.on(event)(handler)  # FP[mypy,pyrefly]: they see the bound of S, not S


def decorator_of(linker: Linker[Event], event: type[E]) -> On[E, object]:
    return linker.on(event)  # FP[mypy,pyrefly]: they see the bound of E, not E


def decorate_out_of_a_table(
    linker: Linker[ShopEvent],
    kind: type[ShopEvent],
    events: list[type[OrderPlaced] | type[OrderPaid]],
    handler: Callable[[ShopEvent], object],
) -> None:
    linker.on(kind)(print)
    linker.on(kind)(handler)
    for event in events:
        linker.on(event)(handler)


def decorate_out_of_a_table_of_two(
    linker: Linker[ShopEvent],
    events: list[type[OrderPlaced] | type[OrderPaid]],
    handler: Callable[[OrderPlaced | OrderPaid], object],
) -> None:
    for event in events:
        linker.on(event)(handler)  # FP[mypy]: of the two classes it makes their base


def decorate_wrongly(linker: Linker[E], event: type[E], handler: Callable[[OrderPaid], object]) -> None:
    linker.on(event)(handler)  # E: the handler does not take E


def decorate_any_wrongly(linker: Linker[Event], event: type[E], handler: Callable[[F], object]) -> None:
    linker.on(event)(handler)  # E: the handler takes an F


def decorate_others(linker: Linker[E], event: type[F], handler: Callable[[F], object]) -> None:
    linker.on(event)(handler)  # E: F may be outside of the family


def decorate_outside(linker: Linker[ShopEvent], event: type[E], handler: Callable[[E], object]) -> None:
    linker.on(event)(handler)  # E: E may be outside of the family


def decorate_filtered_wrongly(
    linker: Linker[E], event: type[E], handler: Callable[[E], object], when: Callable[[OrderPaid], bool]
) -> None:
    linker.on(event, when=when)(handler)  # E: the filter does not take E


def decorator_of_less(linker: Linker[Event], event: type[E]) -> On[OrderPaid, object]:
    return linker.on(event)  # E: E may be another event


def decorate_out_of_a_table_wrongly(
    linker: Linker[ShopEvent],
    kind: type[ShopEvent],
    anything: type[Event],
    events: list[type[OrderPlaced] | type[OrderPaid]],
    handler: Callable[[OrderPaid], object],
) -> None:
    linker.on(kind)(handler)  # E: the handler takes some of them
    linker.on(anything)  # E: outside of the family
    for event in events:
        linker.on(event)(handler)  # E: the handler takes one of two


async def publish_anything(emitter: Emitter[Event], event: E) -> Emission[E]:
    return await emitter.publish(event)  # FP[pyrefly,zuban]: they see the bound of E, not E


def emit_what_may_be_another(emitter: Emitter[E], event: OrderPaid) -> None:
    emitter.emit(event)  # E: an OrderPaid is no E


def emit_and_say_less(emitter: Emitter[E], event: E) -> Emission[OrderPaid]:
    return emitter.emit(event)  # E: E may be another event


def watch(emitter: Emitter[Event], event: type[E]) -> Stream[E]:
    return emitter.stream(event, maxsize=3)  # FP[pyrefly]: it sees the bound of E, not E


def watch_all(emitter: Emitter[E], event: type[E], when: Callable[[E], bool]) -> Stream[E]:
    return emitter.stream(event, when=when)  # FP[zuban]: it sees the bound of E, not E


def watch_the_shop(emitter: Emitter[ShopEvent], event: type[S]) -> Stream[S]:
    return emitter.stream(event)  # FP[mypy,pyrefly]: they see the bound of S, not S


def watch_out_of_a_table(emitter: Emitter[ShopEvent], kinds: list[type[ShopEvent]]) -> list[Stream[ShopEvent]]:
    return [emitter.stream(kind) for kind in kinds]


def watch_another(emitter: Emitter[E], event: type[F]) -> None:
    emitter.stream(event)  # E: F may be outside of the family


def watch_outside(emitter: Emitter[ShopEvent], event: type[E]) -> None:
    emitter.stream(event)  # E: E may be outside of the family


def watch_and_say_less(emitter: Emitter[Event], event: type[E]) -> Stream[OrderPaid]:
    return emitter.stream(event)  # E: E may be another event


def watch_wrongly(emitter: Emitter[E], event: type[E], when: Callable[[OrderPaid], bool]) -> None:
    emitter.stream(event, when=when)  # E: the filter does not take E


def next_of(emitter: Emitter[Event], event: type[E]) -> Future[E]:
    return emitter.expect(event, timeout=3)  # FP[pyrefly]: it sees the bound of E, not E


def next_of_all(emitter: Emitter[E], event: type[E]) -> Future[E]:
    return emitter.expect(event)  # FP[zuban]: it sees the bound of E, not E


def next_of_another(emitter: Emitter[E], event: type[F]) -> None:
    emitter.expect(event)  # E: F may be outside of the family


def next_and_say_less(emitter: Emitter[Event], event: type[E]) -> Future[OrderPaid]:
    return emitter.expect(event)  # E: E may be another event


def measure(
    linker: Linker[Event], event: type[E], manager: Callable[[Delivery[E]], AbstractContextManager[None]]
) -> Surrounding[E]:
    return linker.surround(manager, event)


def measure_all(
    linker: Linker[E], event: type[E], manager: Callable[[Delivery[E]], AbstractContextManager[None]]
) -> Surrounding[E]:
    return linker.surround(manager, event)  # FP[zuban]: it sees the bound of E, not E


def measure_out_of_a_table(
    linker: Linker[ShopEvent],
    kinds: list[type[ShopEvent]],
    manager: Callable[[Delivery[ShopEvent]], AbstractContextManager[None]],
) -> None:
    for kind in kinds:
        linker.surround(manager, kind)


def measure_wrongly(
    linker: Linker[E], event: type[E], manager: Callable[[Delivery[OrderPaid]], AbstractContextManager[None]]
) -> None:
    linker.surround(manager, event)  # E: it takes the deliveries of another event


def measure_outside(
    linker: Linker[ShopEvent], event: type[E], manager: Callable[[Delivery[E]], AbstractContextManager[None]]
) -> None:
    linker.surround(manager, event)  # E: E may be outside of the family


def one_route(event: type[E], handler: Callable[[E], object]) -> Routes[E]:
    return route(event, handler)  # FP[zuban]: it sees the bound of E, not E


def keep(event: type[E]) -> tuple[list[E], Callable[[E], None]]:
    kept: list[E] = []
    return kept, kept.append


def traced(handler: Callable[[E], R]) -> Callable[[E], R]:
    return handler


linker = Linker()
shop = Linker[ShopEvent]()
kept, append = keep(OrderPaid)
linker.subscribe(OrderPaid, append)
linker.subscribe(OrderPlaced, append)  # E: it keeps other events


@linker.on(OrderPaid)
@traced
def with_a_decorator(event: OrderPaid) -> int:
    return 1


@linker.on(OrderPlaced)
@traced
def with_a_decorator_wrong(event: OrderPaid) -> int:  # E: other decorators hide nothing
    return 1


outbox = Outbox(Emitter(shop))
outbox.add(OrderPaid(1))
outbox.add(UserSignedUp("ann"))  # E: outside of the family
assert_type(outbox.flush(), list[Emission[ShopEvent]])
assert_type(emit_any(Emitter(linker), OrderPaid(1)).event.order, int)
assert_type(emit_of_the_shop(Emitter(shop), OrderPaid(1)), Emission[OrderPaid])
assert_type(emit_anything(Emitter(linker), OrderPaid(1)), Emission[OrderPaid])
assert_type(new_emitter(shop), Emitter[ShopEvent])
assert_type(new_asyncio_emitter(shop), Emitter[ShopEvent])
assert_type(listen(linker, OrderPaid, print), Subscription[OrderPaid])
assert_type(listen_to_all(linker, OrderPaid, print), Subscription[OrderPaid])
assert_type(listen_to_any(linker, OrderPaid, print), Subscription[OrderPaid])
assert_type(one_route(OrderPaid, print), Routes[OrderPaid])
emit_of_the_shop(Emitter(shop), UserSignedUp("ann"))  # E: outside of the family
emit_any(Emitter(shop), UserSignedUp("ann"))  # E: outside of the family
listen(linker, OrderPaid, lambda event: event.total)  # E: OrderPaid has no total
