"""This package."""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import repeat

from pyventus_typed import Emitter, Event, Linker, Ordering, Stream, asyncio_emitter

from ..handlers import managed
from ..workloads import AROUND, BURST, CHURN, EACH, EMIT, MAILBOX, PASS, PUBLISH, Batch, BatchInLoop, Handler, Handlers


@dataclass(frozen=True, slots=True)
class Pinged(Event):
    number: int
    text: str


PINGED = Pinged(1, "ping")


def emitter(handlers: Iterable[Handler], ordering: Ordering = Ordering.CONCURRENT) -> Emitter[Event]:
    linker = Linker[Event]()
    for handler in handlers:
        linker.subscribe(Pinged, handler)
    return asyncio_emitter(linker, ordering=ordering)


@EMIT.of("us")
def emit(handlers: Handlers) -> Batch:
    emit = emitter(handlers).emit
    event = PINGED

    def batch(n: int) -> None:
        for _ in repeat(None, n):
            emit(event)

    return batch


AROUND.of("us without")(emit)


@AROUND.of("us")
def emit_into_a_manager(handlers: Handlers) -> Batch:
    linker = Linker[Event]()
    linker.surround(managed, Pinged)
    for handler in handlers:
        linker.subscribe(Pinged, handler)
    emit = asyncio_emitter(linker).emit
    event = PINGED

    def batch(n: int) -> None:
        for _ in repeat(None, n):
            emit(event)

    return batch


@CHURN.of("us")
def subscribe_emit_unsubscribe(handlers: Handlers) -> Batch:
    linker = Linker[Event]()
    *standing, passing = handlers
    for handler in standing:
        linker.subscribe(Pinged, handler)
    emitter = asyncio_emitter(linker)
    event = PINGED

    def batch(n: int) -> None:
        for _ in repeat(None, n):
            subscription = linker.subscribe(Pinged, passing)
            emitter.emit(event)
            subscription.unsubscribe()

    return batch


@PASS.of("us")
def through_a_stream(handlers: Handlers) -> BatchInLoop:
    emitter = asyncio_emitter(Linker[Event]())
    entered: list[Stream[Pinged]] = []

    async def read(stream: Stream[Pinged], n: int) -> None:
        async for event in stream:
            for handler in handlers:
                handler(event)
            n -= 1
            if not n:
                break

    async def batch(n: int) -> None:
        if not entered:
            stream = emitter.stream(Pinged, maxsize=1_000_000)  # a queue has no limit, either
            entered.append(await handlers.closing.enter_async_context(stream))
        event, emit = PINGED, emitter.emit
        reader = asyncio.create_task(read(entered[0], n))
        for _ in repeat(None, n):
            emit(event)
        await reader

    return batch


@EACH.of("us")
def await_each(handlers: Handlers) -> BatchInLoop:
    emit = emitter(handlers).emit
    event = PINGED

    async def batch(n: int) -> None:
        for _ in repeat(None, n):
            await emit(event)

    return batch


@PUBLISH.of("us")
def publish(handlers: Handlers) -> BatchInLoop:
    publish = emitter(handlers).publish
    event = PINGED

    async def batch(n: int) -> None:
        for _ in repeat(None, n):
            await publish(event)

    return batch


def drained(ordering: Ordering) -> Callable[[Handlers], BatchInLoop]:
    """Emit all and keep no handle; then wait for the books."""

    def make(handlers: Handlers) -> BatchInLoop:
        busy = emitter(handlers, ordering)
        event = PINGED

        async def batch(n: int) -> None:
            emit = busy.emit
            for _ in repeat(None, n):
                emit(event)
            await busy.wait_for_tasks()

        return batch

    return make


BURST.of("us")(drained(Ordering.CONCURRENT))
PASS.of("us without")(drained(Ordering.CONCURRENT))
MAILBOX.of("us")(drained(Ordering.MAILBOX))
