"""eventkit: an `Event` object with `connect` and `emit`. Coroutines become tasks that nobody can wait for."""

import asyncio
from collections.abc import Iterable
from itertools import repeat

from eventkit import Event  # type: ignore[import-untyped]  # it ships no types

from ..workloads import BURST, CHURN, EACH, EMIT, PING, Batch, BatchInLoop, Handler, Handlers


def pinged(handlers: Iterable[Handler]) -> Event:
    event = Event("pinged")
    for handler in handlers:
        event.connect(handler)
    return event


@EMIT.of("eventkit")
def emit(handlers: Handlers) -> Batch | None:
    if handlers.are_async:
        return None  # it needs a running loop for these
    emit = pinged(handlers).emit
    event = PING

    def batch(n: int) -> None:
        for _ in repeat(None, n):
            emit(event)

    return batch


@CHURN.of("eventkit")
def connect_emit_disconnect(handlers: Handlers) -> Batch:
    *standing, passing = handlers
    event = pinged(standing)

    def batch(n: int) -> None:
        for _ in repeat(None, n):
            event.connect(passing)
            event.emit(PING)
            event.disconnect(passing)

    return batch


@BURST.of("eventkit")
def burst(handlers: Handlers) -> BatchInLoop:
    """Plain functions run before `emit` returns."""
    emit = pinged(handlers).emit
    event = PING

    async def batch(n: int) -> None:
        for _ in repeat(None, n):
            emit(event)

    return batch


@EACH.of("eventkit")
def each(handlers: Handlers) -> BatchInLoop:
    """It has no way to wait, so the loop turns as often as the tasks need."""
    emit = pinged(handlers).emit
    event = PING
    turns = handlers.turns

    async def batch(n: int) -> None:
        for _ in repeat(None, n):
            emit(event)
            for _ in range(turns):
                await asyncio.sleep(0)

    return batch
