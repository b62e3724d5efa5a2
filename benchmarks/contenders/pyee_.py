"""pyee: `EventEmitter` for plain functions, `AsyncIOEventEmitter` and its `wait_for_complete` in a loop."""

from itertools import repeat

from pyee import EventEmitter
from pyee.asyncio import AsyncIOEventEmitter

from ..workloads import BURST, CHURN, EACH, EMIT, PING, Batch, BatchInLoop, Handlers


@EMIT.of("pyee")
def emit(handlers: Handlers) -> Batch | None:
    if handlers.are_async:
        return None  # it needs a running loop for these
    emitter = EventEmitter()
    for handler in handlers:
        emitter.add_listener("pinged", handler)
    emit = emitter.emit
    event = PING

    def batch(n: int) -> None:
        for _ in repeat(None, n):
            emit("pinged", event)

    return batch


@CHURN.of("pyee")
def add_emit_remove(handlers: Handlers) -> Batch:
    *standing, passing = handlers
    emitter = EventEmitter()
    for handler in standing:
        emitter.add_listener("pinged", handler)
    event = PING

    def batch(n: int) -> None:
        for _ in repeat(None, n):
            emitter.add_listener("pinged", passing)
            emitter.emit("pinged", event)
            emitter.remove_listener("pinged", passing)

    return batch


@BURST.of("pyee")
def burst(handlers: Handlers) -> BatchInLoop:
    """Plain functions run before `emit` returns."""
    emitter = AsyncIOEventEmitter()
    for handler in handlers:
        emitter.add_listener("pinged", handler)
    event = PING

    async def batch(n: int) -> None:
        for _ in repeat(None, n):
            emitter.emit("pinged", event)
        await emitter.wait_for_complete()

    return batch


@EACH.of("pyee")
def each(handlers: Handlers) -> BatchInLoop:
    emitter = AsyncIOEventEmitter()
    for handler in handlers:
        emitter.add_listener("pinged", handler)
    event = PING

    async def batch(n: int) -> None:
        for _ in repeat(None, n):
            emitter.emit("pinged", event)
            await emitter.wait_for_complete()

    return batch
