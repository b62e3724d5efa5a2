"""pyventus 0.8, the library whose idea this package took up: `EventLinker`, `AsyncIOEventEmitter`."""

from collections.abc import Iterable
from itertools import repeat

from pyventus.core.processing.asyncio import AsyncIOProcessingService  # type: ignore[import-untyped]  # no py.typed
from pyventus.events import EventEmitter, EventLinker  # type: ignore[import-untyped]  # no py.typed

from ..workloads import BURST, CHURN, EACH, EMIT, PING, Batch, BatchInLoop, Handler, Handlers, Ping


def linked(handlers: Iterable[Handler]) -> type[EventLinker]:
    class Linker(EventLinker):  # type: ignore[misc]  # pyventus is untyped
        """A registry of its own."""

    for handler in handlers:
        Linker.subscribe(Ping, event_callback=handler)
    return Linker


@EMIT.of("pyventus")
def emit(handlers: Handlers) -> Batch:
    emit = EventEmitter(event_linker=linked(handlers), event_processor=AsyncIOProcessingService()).emit
    event = PING

    def batch(n: int) -> None:
        for _ in repeat(None, n):
            emit(event)

    return batch


@CHURN.of("pyventus")
def subscribe_emit_unsubscribe(handlers: Handlers) -> Batch:
    *standing, passing = handlers
    linker = linked(standing)
    emit = EventEmitter(event_linker=linker, event_processor=AsyncIOProcessingService()).emit
    event = PING

    def batch(n: int) -> None:
        for _ in repeat(None, n):
            subscriber = linker.subscribe(Ping, event_callback=passing)
            emit(event)
            subscriber.unsubscribe()

    return batch


@BURST.of("pyventus")
def burst(handlers: Handlers) -> BatchInLoop:
    service = AsyncIOProcessingService()
    emit = EventEmitter(event_linker=linked(handlers), event_processor=service).emit
    event = PING

    async def batch(n: int) -> None:
        for _ in repeat(None, n):
            emit(event)
        await service.wait_for_tasks()

    return batch


@EACH.of("pyventus")
def each(handlers: Handlers) -> BatchInLoop:
    service = AsyncIOProcessingService()
    emit = EventEmitter(event_linker=linked(handlers), event_processor=service).emit
    event = PING

    async def batch(n: int) -> None:
        for _ in repeat(None, n):
            emit(event)
            await service.wait_for_tasks()

    return batch
