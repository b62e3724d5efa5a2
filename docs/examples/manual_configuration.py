"""Emitter and processor put together by hand, for when the processor is shared or has settings of its own."""

import asyncio
from dataclasses import dataclass

from pyventus_typed import AsyncIOProcessor, Emitter, Event, Linker


@dataclass(frozen=True, slots=True)
class OrderPlaced(Event):
    order: int


linker = Linker[OrderPlaced]()
processor = AsyncIOProcessor()
emitter = Emitter(linker, processor)


@linker.on(OrderPlaced)
async def ship(placed: OrderPlaced) -> None:
    print(f"Order {placed.order} is on its way.")


async def main() -> None:
    emitter.emit(OrderPlaced(order=1))
    await processor.wait_for_tasks()


asyncio.run(main())
