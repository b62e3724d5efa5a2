"""The family of a linker: everything, a base class, a union, or one that a subclass fixes."""

from typing import TypeAlias, assert_type

from shop import ExpressShipped, OrderPaid, OrderPlaced, OrderShipped, ShopEvent, UserSignedUp

from pyventus_typed import Emitter, Event, Linker, Subscription, asyncio_emitter

Payment: TypeAlias = OrderPlaced | OrderPaid


class Orders(Linker[Payment]):
    """A subclass fixes the family."""


class Shop(Linker[ShopEvent]):
    """A subclass that takes a whole family, and has a method of its own."""

    def count(self) -> int:
        return len(self.subscriptions())


anything = Linker()
shop = Linker[ShopEvent]()
payments = Linker[Payment]()
single = Linker[OrderPaid]()
orders = Orders()
shop_class = Shop(max_subscriptions=3)
annotated: Linker[Payment] = Linker()

assert_type(anything, Linker[Event])
assert_type(shop, Linker[ShopEvent])
assert_type(payments, Linker[OrderPlaced | OrderPaid])
assert_type(Emitter(shop), Emitter[ShopEvent])
assert_type(Emitter(orders), Emitter[OrderPlaced | OrderPaid])
assert_type(asyncio_emitter(payments), Emitter[OrderPlaced | OrderPaid])
assert_type(shop_class.count(), int)


@anything.on(UserSignedUp)
def any_linker(event: UserSignedUp) -> None: ...


@anything.on(Event)
def everything(event: Event) -> None: ...


@shop.on(ShopEvent)
def whole_family(
    event: ShopEvent,
) -> None: ...


@shop.on(OrderPlaced)
def one_of_the_family(event: OrderPlaced) -> None: ...


@shop.on(ExpressShipped)
def deep_in_the_family(event: ExpressShipped) -> None: ...


@payments.on(OrderPaid)
def one_of_the_union(event: OrderPaid) -> None: ...


@orders.on(OrderPlaced)
def fixed_family(event: OrderPlaced) -> None: ...


@orders.on(OrderPlaced, OrderPaid)
def fixed_family_both(event: Payment) -> None: ...


@annotated.on(OrderPaid)
def annotated_family(event: OrderPaid) -> None: ...


shop_class.subscribe(OrderShipped, lambda event: print(event.tracking))
assert_type(single.subscribe(OrderPaid, print), Subscription[OrderPaid])


@shop.on(UserSignedUp)  # E: outside of the family
def outside(event: UserSignedUp) -> None: ...


@shop.on(Event)  # E: Event is wider than the family
def too_wide(event: Event) -> None: ...


@payments.on(OrderShipped)  # E: outside of the union
def outside_the_union(event: OrderShipped) -> None: ...


@payments.on(ShopEvent)  # E: the base is wider than the union
def base_of_the_union(event: ShopEvent) -> None: ...


@orders.on(UserSignedUp)  # E: outside of the fixed family
def outside_the_fixed(event: UserSignedUp) -> None: ...


@shop_class.on(UserSignedUp)  # E: outside of the fixed base
def outside_the_base(event: UserSignedUp) -> None: ...


@annotated.on(OrderShipped)  # E: outside of the annotated union
def outside_the_annotated(event: OrderShipped) -> None: ...


@single.on(OrderPlaced)  # E: not the one event of this linker
def outside_the_single(event: OrderPlaced) -> None: ...


@shop.on(OrderPlaced)
def inside_but_wrong(event: OrderPaid) -> None: ...  # E: inside of the family, but the handler of another event


@orders.on(OrderPlaced, OrderPaid)
def fixed_but_wrong(event: OrderPlaced) -> None: ...  # E: OrderPaid is not accepted


shop.subscribe(UserSignedUp, print)  # E: outside of the family
payments.subscribe(OrderShipped, print)  # E: outside of the union
orders.subscribe(UserSignedUp, print)  # E: outside of the fixed family
single.subscribe(OrderPlaced, print)  # E: not the one event of this linker

Linker[int]()  # E: a family is of events
Linker[OrderPaid | int]()  # E: every member of a family is an event
Linker[str]  # E: a family is of events


class NoFamily(Linker[int]):  # E: a subclass cannot fix a family of ints
    pass


not_ours: Linker[Payment] = single  # E: a linker for one event is no linker for two
narrower: Linker[OrderPaid] = payments
from_everything: Linker[OrderPaid] = anything
from_a_base: Linker[Payment] = shop
wider: Linker[ShopEvent] = payments  # E: a linker for two events is no linker for the family
for_everything: Linker = shop  # E: a linker for the family is no linker for everything
fixed: Linker[OrderPlaced] = orders
fixed_wider: Linker[ShopEvent] = orders  # E: the fixed family is narrower

Linker(max_subscriptions="3")  # E: a number
Linker(3)  # E: settings are keywords
Linker(limit=3)  # E: there is no such setting
Linker(on_failure=lambda event: None)  # E: a failure has an event and an error
Linker(on_failure=lambda event, error: print(event, error))
Linker(on_success=print, on_failure=print, max_subscriptions=None)
