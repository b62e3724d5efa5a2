"""The processes of the demo: ``python -m pyventus_typed.nats._demo_process ROLE URL JOURNAL FIRST END``."""

import asyncio
import os
import random
import sys
from dataclasses import dataclass

from pyventus_typed import Emitter, Event, Linker
from pyventus_typed.nats import JetStream, JsonCodec, StreamSettings, Wire, Worker, received

STREAM = "DEMO"
GROUP = "kitchen"


@dataclass(frozen=True, slots=True)
class ShopEvent(Event):
    """Everything that happens in the shop of the demo."""


@dataclass(frozen=True)
class OrderPlaced(ShopEvent):
    number: int
    customer: str


codec = JsonCodec[ShopEvent](Wire("demo.order_placed.v1", OrderPlaced))


def customer(event: ShopEvent) -> str | None:
    return event.customer if isinstance(event, OrderPlaced) else None


def open_stream(url: str) -> JetStream[ShopEvent]:
    return JetStream(url, codec, stream=STREAM, settings=StreamSettings(lanes=8), key=customer)


class Journal:
    """A file to which many processes add whole lines, so that a killed one leaves what it did."""

    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def write(self, what: str, number: int) -> None:
        os.write(self._file, f"{what} {number}\n".encode())


async def publish(url: str, journal: Journal, first: int, end: int) -> None:
    """A publisher: its only handler is the stream, and an emit that returned is stored."""
    async with open_stream(url) as stream:
        linker = Linker[ShopEvent]()
        linker.subscribe(ShopEvent, stream.publish)
        emitter = Emitter(linker)
        for number in range(first, end):
            await emitter.emit(OrderPlaced(number, f"customer {number % 40}"))
            journal.write("emitted", number)
            await asyncio.sleep(0.002)


async def work(url: str, journal: Journal) -> None:
    """A worker: one order in a hundred fails at first, one in three hundred always."""
    linker = Linker[ShopEvent]()

    @linker.on(OrderPlaced)
    async def cook(order: OrderPlaced) -> None:
        journal.write("started", order.number)
        await asyncio.sleep(random.uniform(0.005, 0.02))  # noqa: S311  # a kitchen, not a cipher
        if order.number % 300 == 299:  # noqa: PLR2004 - the docstring explains it
            raise ValueError("this dish is not on the menu")
        if order.number % 100 == 50 and received().attempt == 1:  # noqa: PLR2004 - the docstring explains it
            raise ConnectionError("the oven does not answer")
        journal.write("handled", order.number)

    async with open_stream(url) as stream:
        await Worker(stream, linker, group=GROUP, attempts=4, backoff=(0.1, 0.3), ack_wait=1.5).run()


def main(role: str, url: str, path: str, first: str, end: str) -> None:
    journal = Journal(path)
    asyncio.run(publish(url, journal, int(first), int(end)) if role == "publisher" else work(url, journal))


if __name__ == "__main__":
    main(*sys.argv[1:])
