"""A real loop with real threads, and a clock that goes only by hand: a time-out strikes then, and never else."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from typing_extensions import override


class HandTurned(asyncio.SelectorEventLoop):
    """What waits for a time waits until `advance`; everything else is as real as ever."""

    def __init__(self) -> None:
        self._now = 0.0
        super().__init__()

    @override
    def time(self) -> float:
        return self._now

    async def advance(self, seconds: float) -> None:
        """Let *seconds* pass at once, when what has begun has set its timers."""
        await self._settle()
        self._now += seconds
        await self._settle()

    async def _settle(self) -> None:
        for _ in range(10):
            await asyncio.sleep(0)


def by_hand(main: Callable[[HandTurned], Coroutine[Any, Any, None]]) -> None:  # Any: the loop's business
    """Run *main* in a loop whose clock it turns."""
    loop = HandTurned()
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(main(loop))
