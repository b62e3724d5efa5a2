"""`stream` and `expect`: what comes is the union of the events that are named, and these are of the emitter's family."""

from asyncio import Future
from typing import assert_type

from shop import ExpressShipped, OrderPaid, OrderPlaced, OrderShipped, ShopEvent, UserSignedUp

from pyventus_typed import Emitter, Event, Linker, Stream

emitter = Emitter(Linker())
shop = Emitter(Linker[ShopEvent]())
payments = Emitter(Linker[OrderPlaced | OrderPaid]())


def is_large(placed: OrderPlaced) -> bool:
    return placed.total > 100


def is_event(event: Event) -> bool:
    return True


def is_paid(paid: OrderPaid) -> bool:
    return True


assert_type(emitter.stream(OrderPlaced), Stream[OrderPlaced])
assert_type(emitter.stream(OrderPlaced, OrderPaid), Stream[OrderPlaced | OrderPaid])
assert_type(shop.stream(OrderPlaced, OrderPaid, OrderShipped), Stream[OrderPlaced | OrderPaid | OrderShipped])
assert_type(shop.stream(ShopEvent), Stream[ShopEvent])
assert_type(emitter.stream(Event), Stream[Event])
assert_type(payments.stream(OrderPaid, maxsize=1, overflow="drop_old"), Stream[OrderPaid])
assert_type(shop.stream(OrderPlaced, when=is_large), Stream[OrderPlaced])
assert_type(shop.stream(OrderPlaced, OrderPaid, when=is_event), Stream[OrderPlaced | OrderPaid])
assert_type(emitter.stream(OrderPlaced).dropped, int)
as_base: Stream[ShopEvent] = shop.stream(OrderPlaced, OrderPaid)
as_event: Stream[Event] = shop.stream(ExpressShipped)

emitter.stream()  # E: no event is named
emitter.stream(42)  # E: a number is no event class
emitter.stream("OrderPlaced")  # E: a name is no event class
emitter.stream(OrderPlaced(1, 2.0))  # E: an instance where the class is meant
shop.stream(UserSignedUp)  # E: outside of the family
shop.stream(OrderPlaced, UserSignedUp)  # E: the second one is outside of the family
payments.stream(OrderShipped)  # E: outside of the union
shop.stream(OrderPlaced, when=is_paid)  # E: a predicate of another event
shop.stream(OrderPlaced, OrderPaid, when=is_paid)  # E: it must take both events
emitter.stream(OrderPlaced, maxsize="3")  # E: a number is meant
emitter.stream(OrderPlaced, overflow="refuse")  # E: none of the three
emitter.stream(OrderPlaced, timeout=3)  # E: there is no such option
emitter.stream(OrderPlaced).dropped = 0  # E: it counts by itself
narrowed: Stream[OrderPaid] = shop.stream(ShopEvent)  # E: more comes than that

assert_type(emitter.expect(OrderPaid), Future[OrderPaid])
assert_type(emitter.expect(OrderPaid, OrderPlaced), Future[OrderPaid | OrderPlaced])
assert_type(shop.expect(ShopEvent, timeout=3), Future[ShopEvent])
assert_type(shop.expect(OrderPlaced, when=is_large, timeout=None), Future[OrderPlaced])

emitter.expect()  # E: no event is named
emitter.expect(OrderPaid(1))  # E: an instance where the class is meant
shop.expect(UserSignedUp)  # E: outside of the family
shop.expect(OrderPaid, when=is_large)  # E: a predicate of another event
emitter.expect(OrderPaid, timeout="3")  # E: seconds are a number
emitter.expect(OrderPaid, maxsize=3)  # E: there is no such option


async def reading() -> None:
    async with shop.stream(OrderPlaced, OrderPaid) as events:
        assert_type(events, Stream[OrderPlaced | OrderPaid])
        async for event in events:
            assert_type(event, OrderPlaced | OrderPaid)
            event.total  # E: a payment has none
            if isinstance(event, OrderPlaced):
                assert_type(event.total, float)
        assert_type(await anext(events), OrderPlaced | OrderPaid)
        for event in events:  # E: it is asynchronous
            pass
    with shop.stream(OrderPlaced):  # E: async with
        pass
    assert_type(await shop.expect(OrderPlaced), OrderPlaced)
    (await shop.expect(OrderPaid)).total  # E: a payment has none
