"""This package."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import repeat

from pyventus_typed import Emitter, Event, Linker, Ordering, asyncio_emitter

from ..works import BURST, CHURN, EACH, EMIT, MAILBOX, PUBLISH, Batch, BatchInLoop, Handler, Handlers


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
MAILBOX.of("us")(drained(Ordering.MAILBOX))
