"""aiosignal: a frozen list of coroutine functions; `send` awaits them one after the other."""

from itertools import repeat

from aiosignal import Signal

from ..workloads import PING, PUBLISH, BatchInLoop, Handlers, Ping


@PUBLISH.of("aiosignal")
def send(handlers: Handlers) -> BatchInLoop:
    pinged = Signal[Ping](owner=None)
    for handler in handlers:
        pinged.append(handler)
    pinged.freeze()
    event = PING

    async def batch(n: int) -> None:
        for _ in repeat(None, n):
            await pinged.send(event)

    return batch
