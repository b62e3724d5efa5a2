"""Who may run now: up to *room* at a time, or one alone."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager


class Gate:
    """First come, first served. One who must be alone waits for those inside, and those behind wait for it.

    After a crash nobody knows which of the messages in flight was the cause. Such a message runs alone,
    so that if it kills the process again, it takes no other one with it.
    """

    def __init__(self, room: int) -> None:
        self._room = room
        self._inside = 0
        self._alone = False
        self._waiting: deque[tuple[asyncio.Future[None], bool]] = deque()

    @asynccontextmanager
    async def enter(self, *, alone: bool) -> AsyncGenerator[None]:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        place = (turn, alone)
        self._waiting.append(place)
        self._admit()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._leave(alone=alone)
            else:
                self._waiting.remove(place)
                self._admit()
            raise
        try:
            yield
        finally:
            self._leave(alone=alone)

    def _admit(self) -> None:
        while self._waiting and not self._alone:
            turn, alone = self._waiting[0]
            if self._inside >= (1 if alone else self._room):
                return
            self._waiting.popleft()
            self._inside += 1
            self._alone = alone
            turn.set_result(None)

    def _leave(self, *, alone: bool) -> None:
        self._inside -= 1
        if alone:
            self._alone = False
        self._admit()
