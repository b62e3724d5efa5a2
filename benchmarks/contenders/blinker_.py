"""blinker: one signal; the event is its sender's argument. Receivers are called by `send`, awaited by `send_async`."""

from collections.abc import Iterable
from itertools import repeat

from blinker import Signal

from ..workloads import BURST, CHURN, EMIT, PING, PUBLISH, Batch, BatchInLoop, Handler, Handlers


def signal(handlers: Iterable[Handler]) -> Signal:
    pinged = Signal()
    for handler in handlers:
        pinged.connect(handler)
    return pinged


@EMIT.of("blinker")
def send(handlers: Handlers) -> Batch | None:
    if handlers.are_async:
        return None  # without a loop it calls plain functions only
    send = signal(handlers).send
    event = PING

    def batch(n: int) -> None:
        for _ in repeat(None, n):
            send(event)

    return batch


@CHURN.of("blinker")
def connect_send_disconnect(handlers: Handlers) -> Batch:
    *standing, passing = handlers
    pinged = signal(standing)
    event = PING

    def batch(n: int) -> None:
        for _ in repeat(None, n):
            pinged.connect(passing)
            pinged.send(event)
            pinged.disconnect(passing)

    return batch


@BURST.of("blinker")
def burst(handlers: Handlers) -> BatchInLoop:
    """It runs the handlers before `send` returns: nothing is left to wait for."""
    send = signal(handlers).send
    event = PING

    async def batch(n: int) -> None:
        for _ in repeat(None, n):
            send(event)

    return batch


@PUBLISH.of("blinker")
def send_async(handlers: Handlers) -> BatchInLoop:
    send = signal(handlers).send_async
    event = PING

    async def batch(n: int) -> None:
        for _ in repeat(None, n):
            await send(event)

    return batch
