"""`Routes`: a linker whose every event has a handler, and the checker proves it."""

from dataclasses import dataclass
from typing import TypeAlias, assert_type

from shop import OrderPaid, OrderPlaced, OrderShipped, ShopEvent, UserSignedUp

from pyventus_typed import Emitter, Event, Linker, Routes, route


@dataclass(frozen=True, slots=True)
class OrderReturned(ShopEvent):
    order: int


Order: TypeAlias = OrderPlaced | OrderPaid | OrderShipped


def place(event: OrderPlaced) -> None: ...


async def pay(event: OrderPaid) -> None: ...


def ship(event: OrderShipped) -> None: ...


def any_order(event: ShopEvent) -> None: ...


class Desk:
    def place(self, event: OrderPlaced) -> None: ...


complete: Routes[Order] = route(OrderPlaced, place) | route(OrderPaid, pay) | route(OrderShipped, ship)
in_another_order: Routes[Order] = route(OrderShipped, ship) | route(OrderPlaced, place) | route(OrderPaid, pay)
more_than_needed: Routes[OrderPlaced | OrderPaid] = complete
base = route(ShopEvent, any_order)
by_the_base: Routes[Order] = base
by_the_base_at_once: Routes[Order] = route(ShopEvent, any_order)  # FP[mypy]: it looks for ShopEvent in the union
a_method: Routes[OrderPlaced] = route(OrderPlaced, Desk().place)
a_lambda: Routes[OrderPlaced] = route(OrderPlaced, lambda event: print(event.total))
one: Routes[OrderPlaced] = route(OrderPlaced, place)
wide_handler: Routes[OrderPlaced | OrderPaid] = route(OrderPlaced, any_order) | route(OrderPaid, any_order)
two = route(OrderPlaced, place) | route(OrderPaid, pay)
assert_type(two, Routes[OrderPlaced | OrderPaid])
assert_type(route(OrderPlaced, place), Routes[OrderPlaced])
linker: Linker[Order] = Linker.of(complete)
assert_type(Linker.of(two), Linker[OrderPlaced | OrderPaid])
Emitter(Linker.of(two)).emit(OrderPaid(1))
Linker.of(route(Event, print))

one_is_missing: Routes[Order] = route(OrderPlaced, place) | route(OrderPaid, pay)  # E: OrderShipped has no handler
two_are_missing: Routes[Order] = route(OrderPlaced, place)  # E: two events have no handler
the_first_is_missing: Routes[Order] = route(OrderPaid, pay) | route(OrderShipped, ship)  # E: OrderPlaced has none
the_wrong_one: Routes[OrderPaid] = route(OrderPlaced, place)  # E: OrderPaid has no handler
one_of_a_wide_handler: Routes[OrderPlaced | OrderPaid] = route(OrderPlaced, any_order)  # E: OrderPaid has no handler
one_of_print: Routes[Order] = route(OrderPlaced, print)  # E: two events have no handler
two_of_a_wide_handler: Routes[Order] = route(OrderPlaced, any_order) | route(
    OrderPaid, any_order
)  # E: OrderShipped has no handler, though this one would take it
linker_of_a_wide_handler: Linker[Order] = Linker.of(
    route(OrderPlaced, any_order) | route(OrderPaid, any_order)
)  # E: OrderShipped has no handler
only_some_of_a_base: Routes[ShopEvent] = complete  # E: OrderReturned has no handler
outside: Routes[UserSignedUp] = complete  # E: UserSignedUp has no handler
linker_is_missing_one: Linker[Order] = Linker.of(two)  # E: OrderShipped has no handler
route(OrderPlaced, pay)  # E: the handler of another event
route(OrderPlaced, ship)  # E: the handler of another event
route(OrderPlaced)  # E: a handler is missing
route(OrderPlaced, 42)  # E: not callable
route(OrderPlaced, lambda: None)  # E: a handler takes the event
route(OrderPlaced, lambda event: event.tracking)  # E: OrderPlaced has no tracking
route(OrderPlaced(1, 2.0), place)  # E: an instance where the class is meant
route(int, print)  # E: a class that is no event
route(OrderPlaced, place) | place  # E: a handler without its event type
route(OrderPlaced, place) | None  # E: None is no route
route(OrderPlaced, place) + route(OrderPaid, pay)  # E: routes are joined with |
Linker.of(place)  # E: a handler is no route
Linker.of({OrderPlaced: place})  # E: a dict is no route
Linker.of()  # E: routes are missing
Emitter(Linker.of(two)).emit(OrderShipped(1, "t"))  # E: it has no route


def start(routes: Routes[Order]) -> Emitter[Order]:
    return Emitter(Linker.of(routes))


start(complete)
start(two)  # E: OrderShipped has no handler
start(route(OrderPlaced, any_order) | route(OrderPaid, any_order))  # E: OrderShipped has no handler
start(route(OrderPlaced, any_order) | route(OrderPaid, any_order) | route(OrderShipped, any_order))
assert_type(start(complete), Emitter[OrderPlaced | OrderPaid | OrderShipped])
