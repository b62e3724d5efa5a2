"""pymitter: `emit` (runs async handlers with `asyncio.run`), `emit_async` (gathers them)."""

from collections.abc import Iterable
from itertools import repeat

from pymitter import EventEmitter

from ..workloads import BURST, CHURN, EACH, EMIT, PING, Batch, BatchInLoop, Handler, Handlers


def emitter(handlers: Iterable[Handler]) -> EventEmitter:
    pinged = EventEmitter()
    for handler in handlers:
        pinged.on("pinged", handler)
    return pinged


@EMIT.of("pymitter")
def emit(handlers: Handlers) -> Batch:
    emit = emitter(handlers).emit
    event = PING

    def batch(n: int) -> None:
        for _ in repeat(None, n):
            emit("pinged", event)

    return batch


@CHURN.of("pymitter")
def on_emit_off(handlers: Handlers) -> Batch:
    *standing, passing = handlers
    pinged = emitter(standing)
    event = PING

    def batch(n: int) -> None:
        for _ in repeat(None, n):
            pinged.on("pinged", passing)
            pinged.emit("pinged", event)
            pinged.off("pinged", passing)

    return batch


@BURST.of("pymitter")
def burst(handlers: Handlers) -> BatchInLoop:
    """Plain functions run before `emit` returns."""
    emit = emitter(handlers).emit
    event = PING

    async def batch(n: int) -> None:
        for _ in repeat(None, n):
            emit("pinged", event)

    return batch


@EACH.of("pymitter")
def each(handlers: Handlers) -> BatchInLoop:
    emit = emitter(handlers).emit_async
    event = PING

    async def batch(n: int) -> None:
        for _ in repeat(None, n):
            await emit("pinged", event)

    return batch
