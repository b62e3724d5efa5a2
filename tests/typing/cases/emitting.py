"""`emit`, `try_emit`, `emit_wait`, `publish`: what may be emitted, and what one gets."""

from typing import assert_type

from shop import ExpressShipped, OrderPaid, OrderPlaced, OrderShipped, ShopEvent, UserSignedUp

from pyventus_typed import Emission, Emitter, Event, Linker, Tally, asyncio_emitter

linker = Linker()
shop = Linker[ShopEvent]()
payments = Linker[OrderPlaced | OrderPaid]()

emitter = Emitter(linker)
shop_emitter = Emitter(shop)
payment_emitter = asyncio_emitter(payments)

assert_type(emitter, Emitter[Event])
assert_type(shop_emitter, Emitter[ShopEvent])
assert_type(payment_emitter, Emitter[OrderPlaced | OrderPaid])
assert_type(emitter.emit(OrderPlaced(1, 2.0)), Emission[OrderPlaced])
assert_type(emitter.emit(UserSignedUp("ann")), Emission[UserSignedUp])
assert_type(shop_emitter.emit(OrderPaid(1)), Emission[OrderPaid])
assert_type(shop_emitter.emit(ExpressShipped(1, "t", "c")), Emission[ExpressShipped])
assert_type(payment_emitter.emit(OrderPaid(1)), Emission[OrderPaid])
assert_type(payment_emitter.try_emit(OrderPaid(1)), Emission[OrderPaid] | None)
assert_type(shop_emitter.try_emit(OrderPlaced(1, 2.0)), Emission[OrderPlaced] | None)
assert_type(emitter.emit(OrderPlaced(1, 2.0)).event.total, float)
assert_type(emitter.tally, Tally)
assert_type(emitter.tally.accepted, int)

emitter.emit(42)  # E: a number is no event
emitter.emit("OrderPlaced")  # E: a name is no event
emitter.emit(None)  # E: None is no event
emitter.emit(OrderPlaced)  # E: the class where an instance is meant
emitter.emit(ValueError())  # E: an exception is no event
emitter.emit({"order": 1})  # E: a dict is no event
emitter.emit()  # E: nothing to emit
emitter.emit(OrderPaid(1), OrderPaid(2))  # E: one event at a time
emitter.emit([OrderPaid(1)])  # E: one event, not a list
emitter.emit(event=OrderPaid(1))  # E: the event is passed by position
emitter.emit(OrderPaid("1"))  # E: a field of the wrong type
emitter.emit(OrderPaid())  # E: a field is missing
emitter.emit(OrderPaid(1), urgent=True)  # E: there is no such option
shop_emitter.emit(UserSignedUp("ann"))  # E: outside of the family
shop_emitter.emit(42)  # E: no event at all
payment_emitter.emit(OrderShipped(1, "t"))  # E: outside of the union
payment_emitter.emit(UserSignedUp("ann"))  # E: outside of the union
emitter.try_emit(42)  # E: a number is no event
emitter.try_emit(OrderPlaced)  # E: the class where an instance is meant
shop_emitter.try_emit(UserSignedUp("ann"))  # E: outside of the family
payment_emitter.try_emit(OrderShipped(1, "t"))  # E: outside of the union
payment_emitter.try_emit(OrderPaid(1)).cancel()  # E: without room it is None
wrong: Emission[OrderPlaced] = emitter.emit(OrderPaid(1))  # E: the emission of another event
emitter.emit(OrderPaid(1)).event.total  # E: OrderPaid has no total
emitter.tally = None  # E: the counts are not for assignment
emitter.tally.accepted = 3  # E: a tally is frozen

as_base: Emission[ShopEvent] = emitter.emit(OrderPaid(1))
as_event: Emission[Event] = emitter.emit(OrderPaid(1))

Emitter()  # E: an emitter needs a linker
Emitter(OrderPlaced)  # E: an event type is no linker
Emitter(linker, 3)  # E: a number is no processor
Emitter(Linker)  # E: the class where an instance is meant
narrowed: Emitter[OrderPaid] = Emitter(payments)
widened: Emitter[ShopEvent] = Emitter(payments)  # E: the linker takes less than the family


async def waiting() -> None:
    assert_type(await emitter.emit_wait(OrderPaid(1)), Emission[OrderPaid])
    assert_type(await payment_emitter.emit_wait(OrderPaid(1)), Emission[OrderPaid])
    assert_type(await emitter.publish(OrderPaid(1)), Emission[OrderPaid])
    assert_type(await shop_emitter.publish(OrderPlaced(1, 2.0)), Emission[OrderPlaced])
    assert_type(await emitter.emit(OrderPaid(1)), Emission[OrderPaid])
    assert_type(await emitter.wait_for_tasks(), bool)
    assert_type(await emitter.wait_for_tasks(2.5), bool)
    assert_type(await emitter.wait_for_tasks(timeout=None), bool)
    assert_type(await emitter.aclose(grace=3), bool)
    await emitter.emit_wait(42)  # E: a number is no event
    await emitter.publish(42)  # E: a number is no event
    await shop_emitter.emit_wait(UserSignedUp("ann"))  # E: outside of the family
    await shop_emitter.publish(UserSignedUp("ann"))  # E: outside of the family
    await payment_emitter.emit_wait(OrderShipped(1, "t"))  # E: outside of the union
    await payment_emitter.publish(OrderShipped(1, "t"))  # E: outside of the union
    await emitter.publish(OrderPaid)  # E: the class where an instance is meant
    emitter.emit_wait(OrderPaid(1))  # E[mypy,pyright,basedpyright,pyrefly,ty]: nobody awaits it
    emitter.publish(OrderPaid(1))  # E[mypy,pyright,basedpyright,pyrefly,ty]: nobody awaits it
    emitter.wait_for_tasks()  # E: nobody awaits it
    emitter.aclose()  # E: nobody awaits it
    await emitter.wait_for_tasks("2s")  # E: a timeout is in seconds
    await emitter.aclose(3)  # E: the grace is a keyword
    text: str = await emitter.wait_for_tasks()  # E: it answers with a bool
    emission: OrderPaid = await emitter.emit_wait(OrderPaid(1))  # E: the emission, not the event
    print(text, emission)
    async with Emitter(shop) as scoped:
        assert_type(scoped, Emitter[ShopEvent])
        scoped.emit(OrderPaid(1))
        scoped.emit(UserSignedUp("ann"))  # E: outside of the family
    with Emitter(shop):  # E: an emitter is an async context manager
        pass


def emit_one_of(event: OrderPlaced | OrderPaid) -> None:
    assert_type(payment_emitter.emit(event), Emission[OrderPlaced | OrderPaid])  # FP[mypy]: it joins to the base
    shop_emitter.emit(event)
    emitter.emit(event)


def emit_a_base(event: ShopEvent) -> None:
    assert_type(shop_emitter.emit(event), Emission[ShopEvent])
    payment_emitter.emit(event)  # E: the base is wider than the union


def emit_partly_outside(event: OrderPaid | UserSignedUp) -> None:
    emitter.emit(event)
    shop_emitter.emit(event)  # E: it may be outside of the family


def emit_maybe(event: OrderPaid | None) -> None:
    emitter.emit(event)  # E: it may be None
    if event is not None:
        emitter.emit(event)
