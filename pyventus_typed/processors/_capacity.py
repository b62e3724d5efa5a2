"""At most so many pending emissions, and those who wait for a place."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import repeat

from .._emission import AnyEmission
from .._loops import complete

_MISSING = object()


class Capacity:
    """The places of one queue. A place is a token: it is taken in one atomic step, from any thread, and given once."""

    __slots__ = ("_free", "_fresh", "_waiting", "holders", "size")

    def __init__(self, size: int) -> None:
        self.size = size
        self._fresh = repeat(None, size)  # those that nobody has had yet: to make them all would take memory for each
        self._free: deque[None] = deque()
        self.holders: dict[AnyEmission, None] = {}
        # First come, first served: what is to be accepted, and whose handler waits for that in its own task, if one does.
        self._waiting: deque[tuple[asyncio.Future[None], AnyEmission, AnyEmission | None]] = deque()

    def take(self, emission: AnyEmission) -> bool:
        """Take a place for *emission*, if one is free; from any thread."""
        try:
            self._free.pop()
        except IndexError:
            if next(self._fresh, _MISSING) is _MISSING:
                return False
        self.holders[emission] = None
        return True

    def give_back(self, emission: AnyEmission) -> None:
        """*emission* is over: if it has a place, the first who waits gets that, and else it is free."""
        if self.holders.pop(emission, _MISSING) is None:
            self.offer()

    def offer(self) -> None:
        """Give a place to the first who waits, or keep it."""
        while self._waiting:
            future, emission, _ = self._waiting.popleft()
            if not future.done():
                self.holders[emission] = None
                complete(future)
                return
        self._free.append(None)

    async def wait(
        self, emission: AnyEmission, waiter: AnyEmission | None, watch: "Callable[[asyncio.Future[None]], object]"
    ) -> None:
        """Wait for a place for *emission*. *waiter* is the emission whose handler's own task this is. *watch* is called with
        the future of a wait, which it may fail.
        """
        if self.take(emission):
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        entry = (future, emission, waiter)
        self._waiting.append(entry)
        with suppress(IndexError):  # a signal handler has given one back, since it was looked whether one is free
            self._free.pop()
            self.offer()
        try:
            watch(future)
            await future
        except BaseException:
            if entry in self._waiting:
                self._waiting.remove(entry)
            else:
                self.give_back(emission)  # if it was given already: a cancelled waiter takes none
            raise

    @property
    def is_free(self) -> bool:
        """Whether there is a place that nobody has or waits for."""
        return bool(self._free) or self._fresh.__length_hint__() > 0

    @property
    def stuck(self) -> "set[AnyEmission]":
        """Whose handlers wait for a place in their own tasks: none of them ends before somebody else does."""
        return {waiter for future, _, waiter in [*self._waiting] if waiter is not None and not future.done()}

    def in_order(self) -> Iterator[AnyEmission]:
        """Those who have a place, the first one first."""
        return iter([*self.holders])
