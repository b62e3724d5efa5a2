"""psygnal (compiled by mypyc): a signal of a class, `emit`; async slots go through its own queue and worker task."""

import asyncio
from collections.abc import Iterable
from itertools import repeat

from psygnal import Signal, SignalInstance
from psygnal._async import clear_async_backend, set_async_backend

from ..workloads import BURST, CHURN, EACH, EMIT, PING, Batch, BatchInLoop, Handler, Handlers, Ping


class Sender:
    pinged = Signal(Ping)


def signal(handlers: Iterable[Handler]) -> SignalInstance:
    pinged = Sender().pinged
    for handler in handlers:
        pinged.connect(handler)
    return pinged


@EMIT.of("psygnal")
def emit(handlers: Handlers) -> Batch | None:
    if handlers.are_async:
        return None  # it needs a running backend for these
    emit = signal(handlers).emit
    event = PING

    def batch(n: int) -> None:
        for _ in repeat(None, n):
            emit(event)

    return batch


@CHURN.of("psygnal")
def connect_emit_disconnect(handlers: Handlers) -> Batch:
    *standing, passing = handlers
    pinged = signal(standing)
    event = PING

    def batch(n: int) -> None:
        for _ in repeat(None, n):
            pinged.connect(passing)
            pinged.emit(event)
            pinged.disconnect(passing)

    return batch


@BURST.of("psygnal")
def burst(handlers: Handlers) -> BatchInLoop:
    """Plain functions run before `emit` returns."""
    emit = signal(handlers).emit
    event = PING

    async def batch(n: int) -> None:
        for _ in repeat(None, n):
            emit(event)

    return batch


@EACH.of("psygnal")
def each(handlers: Handlers) -> BatchInLoop:
    """It has no way to wait, so the loop turns as often as its one worker needs to run the slots one after the other."""
    event = PING
    turns = 1 + len(handlers.functions) * (handlers.turns - 1)
    signals: list[SignalInstance] = []

    async def batch(n: int) -> None:
        if not signals:  # slots can be connected once the backend runs
            clear_async_backend()
            handlers.closing.callback(clear_async_backend)
            await set_async_backend("asyncio").running.wait()
            signals.append(signal(handlers))
        emit = signals[0].emit
        for _ in repeat(None, n):
            emit(event)
            for _ in range(turns):
                await asyncio.sleep(0)

    return batch
