"""Emitter and processor in one step."""

import asyncio
from dataclasses import dataclass

from pyventus_typed import Event, Linker, asyncio_emitter


@dataclass(frozen=True, slots=True)
class OrderPlaced(Event):
    order: int


linker = Linker[OrderPlaced]()
emitter = asyncio_emitter(linker)


@linker.on(OrderPlaced)
async def ship(placed: OrderPlaced) -> None:
    print(f"Order {placed.order} is on its way.")


async def main() -> None:
    emitter.emit(OrderPlaced(order=1))
    await emitter.wait_for_tasks()


asyncio.run(main())
