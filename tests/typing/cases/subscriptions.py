"""`subscribe` and the subscription that it gives, and what a linker tells about itself."""

from collections.abc import Callable
from typing import assert_type

from shop import OrderPaid, OrderPlaced, ShopEvent, UserSignedUp

from pyventus_typed import Event, Linker, Subscription

linker = Linker()


def place(event: OrderPlaced) -> None: ...


async def place_async(event: OrderPlaced) -> int:
    return 1


subscription = linker.subscribe(OrderPlaced, place)
assert_type(subscription, Subscription[OrderPlaced])
assert_type(linker.subscribe(OrderPlaced, place_async), Subscription[OrderPlaced])
assert_type(linker.subscribe(OrderPlaced, print), Subscription[OrderPlaced])
assert_type(linker.subscribe(Event, print), Subscription[Event])
assert_type(linker.subscribe(ShopEvent, print), Subscription[ShopEvent])
assert_type(subscription.events, tuple[type[OrderPlaced], ...])
assert_type(subscription.handler, Callable[..., object])
assert_type(subscription.active, bool)
assert_type(subscription.unsubscribe(), bool)
assert_type(linker.receivers(OrderPlaced)[0].active, bool)
assert_type(len(linker.subscriptions()), int)
assert_type(linker.unhandled(OrderPlaced, OrderPaid), frozenset[type[Event]])
assert_type(linker.unhandled(), frozenset[type[Event]])
linker.clear()

with linker.subscribe(OrderPlaced, place) as scoped:
    assert_type(scoped, Subscription[OrderPlaced])

as_base: Subscription[Event] = subscription
as_family: Subscription[ShopEvent] = subscription

linker.subscribe(OrderPlaced)  # E: a handler is missing
linker.subscribe(place)  # E: an event type is missing
linker.subscribe(place, OrderPlaced)  # E: the event type comes first
linker.subscribe(OrderPaid, place)  # E: a handler of another event
linker.subscribe(OrderPaid, place_async)  # E: an async handler of another event
linker.subscribe(OrderPlaced(1, 2.0), place)  # E: an instance where the class is meant
linker.subscribe(int, print)  # E: a class that is no event
linker.subscribe("OrderPlaced", print)  # E: a name is no event type
linker.subscribe(OrderPlaced, None)  # E: not callable
linker.subscribe(OrderPlaced, "place")  # E: a name is not a function
linker.subscribe(OrderPlaced, place(OrderPlaced(1, 2.0)))  # E: called instead of passed
linker.subscribe(OrderPlaced, OrderPaid, place)  # E: several events are for `on`
linker.subscribe(event=OrderPlaced, handler=place)  # E: both are passed by position

subscription.active = False  # E: whether it is active is not for assignment
subscription.cancel()  # E: there is no such method
not_the_same: Subscription[OrderPaid] = subscription  # E: a subscription to another event
narrower: Subscription[OrderPlaced] = linker.subscribe(Event, print)  # E: a base is not its subclass
result: int = subscription.unsubscribe()
text: str = subscription.unsubscribe()  # E: it answers with a bool
subscription.handler.missing  # E: a callable has no such attribute
linker.receivers(OrderPlaced(1, 2.0))  # E: receivers wants the class
linker.receivers(int)  # E: receivers wants an event class
linker.receivers("OrderPlaced")  # E: receivers wants a class, not a name
linker.unhandled(OrderPlaced, int)  # E: unhandled wants event classes
linker.unhandled(UserSignedUp("ann"))  # E: unhandled wants classes
linker.clear(OrderPlaced)  # E: clear takes nothing

with linker.subscribe(OrderPlaced, place) as wrongly_used:
    wrongly_used.emit(OrderPlaced(1, 2.0))  # E: a subscription does not emit
