"""As many emissions as ``capacity`` allows, and those who wait for a place."""

import asyncio
from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING

from .._emission import Emission
from .._event import Event
from .._outcome import Discarded
from .._spelling import spell_event
from ..errors import NoRoom
from ._job import AT_ONCE

if TYPE_CHECKING:
    from ._line import Line


class Room:
    """The places of one line, which is given where it is needed: to hold it would be a cycle."""

    __slots__ = ("_capacity", "_jobs", "requests", "reserved", "waiting")

    def __init__(self, line: "Line") -> None:
        self._capacity = line.settings.capacity
        self._jobs = line.jobs
        self.waiting: deque[asyncio.Future[None]] = deque()  # first come, first served
        self.reserved = 0  # places that are promised to them
        self.requests = 0  # jobs that take no place

    @property
    def holders(self) -> Iterator[Emission[Event]]:
        """The emissions that take room."""
        return (emission for emission, job in self._jobs.items() if job.turns is not AT_ONCE)

    @property
    def is_full(self) -> bool:
        """Whether as many emissions are pending, or promised a place, as capacity allows. Requests take none."""
        capacity = self._capacity
        return capacity is not None and len(self._jobs) - self.requests + self.reserved >= capacity

    def offer(self) -> None:
        """Promise what is free to those who wait for it."""
        while self.waiting and not self.is_full:
            future = self.waiting.popleft()
            if not future.done():
                self.reserved += 1
                future.set_result(None)

    async def wait_for_place(self) -> None:
        """Wait for a place and reserve it: ``reserved`` is the caller's to give back."""
        future = asyncio.get_running_loop().create_future()
        self.waiting.append(future)
        try:
            await future
        except BaseException:
            if future.done() and not future.cancelled():  # it was ours already: a cancelled waiter takes none
                self.reserved -= 1
                self.offer()
            raise

    def has_place(self, line: "Line", emission: Emission[Event]) -> bool:
        """Whether *emission* may be accepted; if not, it was discarded, or `NoRoom` is raised."""
        if not self.is_full:
            return True
        if line.settings.overflow == "drop_old":
            for old, job in line.jobs.items():
                if job.granted is None and all(outcome is None for outcome in old._outcomes):
                    line.discard(old, "capacity")
                    return True
        if line.settings.overflow == "drop_new":
            self.refuse_late(line, emission)
            return False
        line.ledger.reject()
        raise NoRoom(
            f"{spell_event(emission._event)} was not emitted: as many emissions are pending as capacity allows, "
            f"{line.settings.capacity}. "
            "Wait for room with emit_wait, or choose another overflow.",
            emission._event,
        )

    def refuse_late(self, line: "Line", emission: Emission[Event]) -> None:
        """Accept *emission* and discard it: its emitter has no other way to be told that there is no room."""
        line.ledger.accept(emission, emission.parent)
        for index in range(len(emission._subscriptions)):
            line.ledger.settle(emission, index, Discarded("capacity", started=False))

    def forget(self) -> None:
        """Its loop is closed: nobody waits, and nothing takes a place."""
        self.waiting.clear()
        self.reserved = self.requests = 0
