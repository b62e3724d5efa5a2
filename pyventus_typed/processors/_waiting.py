"""Waiting for the books of a line."""

import asyncio
from typing import TYPE_CHECKING

from .._emission import Waiter

if TYPE_CHECKING:
    from ._line import Line


async def over(line: "Line", timeout: float | None) -> bool:
    """Wait until all that is pending now, and what it emits, is settled; whether it is, after *timeout* seconds at most."""
    waves = line.ledger.seal()
    if not waves:
        return True
    loop = asyncio.get_running_loop()
    future: asyncio.Future[None] = loop.create_future()
    waiter = Waiter(future)
    left = len(waves)

    def one_is_over() -> None:
        nonlocal left
        left -= 1
        if not left:
            waiter()

    for wave in waves:
        wave.watchers.append(one_is_over)
    alarm = None if timeout is None else loop.call_later(timeout, waiter)
    line.stage.waiting.add(future)
    try:
        await future
    finally:
        line.stage.waiting.discard(future)
        for wave in waves:
            wave.watchers.remove(one_is_over)
        if alarm is not None:
            alarm.cancel()
    return not left
