"""PyDispatcher: module-wide tables; `connect` and `send` by signal and sender."""

from itertools import repeat

from pydispatch import dispatcher  # type: ignore[import-untyped]  # it ships no types

from ..workloads import BURST, CHURN, EMIT, PING, Batch, BatchInLoop, Handlers


@EMIT.of("pydispatch")
def send(handlers: Handlers) -> Batch | None:
    if handlers.are_async:
        return None  # it calls plain functions only
    pinged = object()
    for handler in handlers:
        dispatcher.connect(handler, signal=pinged, sender=dispatcher.Any)
    send = dispatcher.send

    def batch(n: int) -> None:
        for _ in repeat(None, n):
            send(pinged, None, event=PING)

    return batch


@CHURN.of("pydispatch")
def connect_send_disconnect(handlers: Handlers) -> Batch:
    *standing, passing = handlers
    pinged = object()
    for handler in standing:
        dispatcher.connect(handler, signal=pinged, sender=dispatcher.Any)

    def batch(n: int) -> None:
        for _ in repeat(None, n):
            dispatcher.connect(passing, signal=pinged, sender=dispatcher.Any)
            dispatcher.send(pinged, None, event=PING)
            dispatcher.disconnect(passing, signal=pinged, sender=dispatcher.Any)

    return batch


@BURST.of("pydispatch")
def burst(handlers: Handlers) -> BatchInLoop:
    """It runs the handlers before `send` returns."""
    emit = send(handlers)
    assert emit is not None  # a burst goes to plain functions

    async def batch(n: int) -> None:
        emit(n)

    return batch
