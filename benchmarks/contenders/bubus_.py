"""bubus: pydantic events, one queue for each bus, `dispatch`. An event goes once: each emission pays for a new one."""

from collections.abc import Callable
from itertools import repeat

from bubus import BaseEvent, EventBus  # type: ignore[import-untyped]  # it ships no py.typed

from ..workloads import BURST, EACH, BatchInLoop, Handlers

ROOM = 50
"""A bus refuses more than 100 pending events."""


class PingEvent(BaseEvent[None]):  # type: ignore[misc]  # bubus is untyped for mypy
    number: int
    text: str


def dispatching(handlers: Handlers) -> Callable[[], BaseEvent[None]]:
    bus = EventBus()
    handlers.closing.push_async_callback(bus.stop)  # its worker does not end with the loop
    for handler in handlers:
        bus.on(PingEvent, handler)
    return lambda: bus.dispatch(PingEvent(number=1, text="ping"))


@EACH.of("bubus")
def each(handlers: Handlers) -> BatchInLoop:
    dispatch = dispatching(handlers)

    async def batch(n: int) -> None:
        for _ in repeat(None, n):
            await dispatch()

    return batch


@BURST.of("bubus")
def burst(handlers: Handlers) -> BatchInLoop:
    dispatch = dispatching(handlers)

    async def batch(n: int) -> None:
        for start in range(0, n, ROOM):
            pending = [dispatch() for _ in range(min(ROOM, n - start))]
            for event in pending:
                await event

    return batch
