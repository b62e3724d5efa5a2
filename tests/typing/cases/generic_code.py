"""Code that is generic over a family itself, as a library on top of this one would be."""

from collections.abc import Callable, Iterable
from typing import Generic, TypeVar, assert_type

from shop import OrderPaid, OrderPlaced, ShopEvent, UserSignedUp

from pyventus_typed import Emission, Emitter, Event, Linker, Routes, Subscription, asyncio_emitter, route

E = TypeVar("E", bound=Event)
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
    return emitter.emit(event)  # FP[mypy]: it sees the bound of S, not S


def emit_anything(emitter: Emitter[Event], event: E) -> Emission[E]:
    return emitter.emit(event)  # FP[mypy]: it sees the bound of E, not E


def emit_another(emitter: Emitter[ShopEvent], event: E) -> E:
    emitter.emit(event)  # E: E may be outside of the family
    return event


def new_emitter(linker: Linker[E]) -> Emitter[E]:
    return Emitter(linker)


def new_asyncio_emitter(linker: Linker[E]) -> Emitter[E]:
    return asyncio_emitter(linker, capacity=3)


def listen(linker: Linker[Event], event: type[E], handler: Callable[[E], object]) -> Subscription[E]:
    return linker.subscribe(event, handler)  # FP[mypy,pyrefly]: they see the bound of E, not E


def listen_in_the_shop(linker: Linker[ShopEvent], event: type[S], handler: Callable[[S], object]) -> Subscription[S]:
    return linker.subscribe(event, handler)  # FP[mypy,pyrefly]: they see the bound of S, not S


def listen_outside(linker: Linker[ShopEvent], event: type[E], handler: Callable[[E], object]) -> None:
    linker.subscribe(event, handler)  # E: E may be outside of the family


def listen_wrongly(linker: Linker[Event], event: type[E], handler: Callable[[OrderPaid], object]) -> None:
    linker.subscribe(event, handler)  # E: the handler does not take E


def one_route(event: type[E], handler: Callable[[E], object]) -> Routes[E]:
    return route(event, handler)


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
assert_type(one_route(OrderPaid, print), Routes[OrderPaid])
emit_of_the_shop(Emitter(shop), UserSignedUp("ann"))  # E: outside of the family
emit_any(Emitter(shop), UserSignedUp("ann"))  # E: outside of the family
listen(linker, OrderPaid, lambda event: event.total)  # E: OrderPaid has no total
