"""Who may run now: up to *room* at a time, or one alone."""

import asyncio
from collections import deque


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

    async def enter(self, *, alone: bool) -> None:
        """Wait for a place; each one who got in must ``leave``. One who is cancelled did not get in."""
        if not self._waiting and self._fits(alone=alone):
            self._take(alone=alone)
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        place = (turn, alone)
        self._waiting.append(place)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.leave(alone=alone)
            else:
                self._waiting.remove(place)
                self._admit()
            raise

    def leave(self, *, alone: bool) -> None:
        self._inside -= 1
        if alone:
            self._alone = False
        self._admit()

    def _fits(self, *, alone: bool) -> bool:
        return not self._alone and self._inside < (1 if alone else self._room)

    def _take(self, *, alone: bool) -> None:
        self._inside += 1
        self._alone = alone

    def _admit(self) -> None:
        while self._waiting and self._fits(alone=self._waiting[0][1]):
            turn, alone = self._waiting.popleft()
            self._take(alone=alone)
            turn.set_result(None)
