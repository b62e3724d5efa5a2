"""Processors and orderings, and the settings of an emitter."""

from asyncio import new_event_loop
from collections.abc import Sequence
from typing import assert_type

from shop import OrderPaid, OrderPlaced, ShopEvent

from pyventus_typed import (
    AsyncIOProcessor,
    Emission,
    Emitter,
    Event,
    Linker,
    Ordering,
    PerKey,
    Processor,
    SyncProcessor,
    Tally,
    asyncio_emitter,
)

linker = Linker()
shop = Linker[ShopEvent]()


def report(emissions: Sequence[Emission[Event]]) -> None: ...


def report_shop(emissions: Sequence[Emission[ShopEvent]]) -> None: ...


def order_of(event: OrderPlaced | OrderPaid) -> int:
    return event.order


processor = AsyncIOProcessor()
full = AsyncIOProcessor(
    ordering=Ordering.SERIAL, capacity=10, overflow="drop_old", on_discard=report, loop_factory=new_event_loop
)
assert_type(processor.tally, Tally)
as_port: Processor = processor
assert_type(Emitter(linker, processor), Emitter[Event])
assert_type(Emitter(shop, full), Emitter[ShopEvent])
assert_type(Emitter(shop, None).processor, Processor)
assert_type(Emitter(shop, SyncProcessor()), Emitter[ShopEvent])
assert_type(asyncio_emitter(shop, capacity=3, overflow="refuse"), Emitter[ShopEvent])
assert_type(asyncio_emitter(linker, on_discard=report), Emitter[Event])
AsyncIOProcessor(ordering=Ordering.MAILBOX)
AsyncIOProcessor(ordering=Ordering.CONCURRENT, capacity=None)
AsyncIOProcessor(overflow="drop_new")
AsyncIOProcessor(on_discard=lambda emissions: print(len(emissions)))
AsyncIOProcessor(ordering=PerKey(OrderPaid, lambda event: event.order))
AsyncIOProcessor(ordering=PerKey(OrderPaid, order_of))
asyncio_emitter(shop, ordering=PerKey(OrderPlaced, lambda event: event.order))
assert_type(PerKey(OrderPaid, order_of), PerKey[OrderPaid])
PerKey(ShopEvent, lambda event: type(event).__name__)

SyncProcessor(ordering=Ordering.SERIAL)  # E: it has one order
SyncProcessor(capacity=3)  # E: it has no capacity
Emitter(shop, SyncProcessor)  # E: an instance, not the class
AsyncIOProcessor("serial")  # E: settings are keywords
AsyncIOProcessor(ordering="serial")  # E: an ordering, not its name
AsyncIOProcessor(ordering=Ordering)  # E: one of the orderings, not their class
AsyncIOProcessor(ordering=PerKey)  # E: an instance, not the class
AsyncIOProcessor(capacity="many")  # E: a capacity is a number
AsyncIOProcessor(overflow="drop")  # E: there is no such overflow
AsyncIOProcessor(on_discard=lambda: None)  # E: it takes the emissions
AsyncIOProcessor(on_discard=report_shop)  # E: a processor serves any family
AsyncIOProcessor(loop_factory=new_event_loop())  # E: a factory, not a loop
AsyncIOProcessor(queue=3)  # E: there is no such setting
asyncio_emitter(shop, overflow="drop")  # E: there is no such overflow
asyncio_emitter(shop, capacity="many")  # E: a capacity is a number
asyncio_emitter(shop, ordering="serial")  # E: an ordering, not its name
asyncio_emitter(shop, on_discard=lambda: None)  # E: it takes the emissions
asyncio_emitter(shop, loop_factory=new_event_loop())  # E: a factory, not a loop
asyncio_emitter(shop, 3)  # E: settings are keywords
asyncio_emitter()  # E: a linker is missing
asyncio_emitter(processor)  # E: a processor is no linker
Ordering.FIFO  # E: there is no such ordering
PerKey(OrderPaid)  # E: a key function is missing
PerKey(OrderPaid, lambda event: event.total)  # E: OrderPaid has no total
PerKey(OrderPaid, lambda event: [event.order])  # E: a list is not hashable
PerKey(OrderPaid, lambda: 1)  # E: a key function takes the event
PerKey(OrderPaid, "order")  # E: a key function, not a field name
PerKey(ShopEvent, order_of)  # E: the key function does not take the whole family
PerKey(OrderPaid(1), order_of)  # E: an instance where the class is meant
Emitter(linker, AsyncIOProcessor)  # E: an instance, not the class
Emitter(shop, linker)  # E: a linker is no processor
Emitter(linker, Ordering.SERIAL)  # E: an ordering is no processor


class MyProcessor(AsyncIOProcessor):
    pass


class Incomplete:
    async def wait_for_tasks(self, timeout: float | None = None) -> bool:
        return True


Emitter(shop, MyProcessor())
Emitter(shop, Incomplete())  # E: a processor has a tally


class MyOrdering(PerKey[OrderPaid]):  # E: PerKey is final
    pass


async def wait() -> None:
    assert_type(await processor.wait_for_tasks(3), bool)
    await processor.wait_for_tasks("3")  # E: a timeout is in seconds
    processor.wait_for_tasks()  # E: nobody awaits it
