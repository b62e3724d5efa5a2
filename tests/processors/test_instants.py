"""A signal handler or a destructor at every instant: it emits or cancels, in a loop, under every ordering (S8)."""

import asyncio
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Literal

import pytest

from pyventus_typed import (
    AsyncIOProcessor,
    Emission,
    Emitter,
    Event,
    KeyedOrdering,
    Linker,
    Ordering,
    PerKey,
    Status,
)
from pyventus_typed.errors import NoRoom
from tests.events import OrderPlaced
from tests.instants import at_every_instant

ORDERINGS: list[Ordering | KeyedOrdering] = [*Ordering, PerKey(OrderPlaced, lambda event: event.order % 2)]
SOON = 1  # second after which a test gives up; nothing waits for so long


@dataclass
class World:
    """An emitter with a plain receiver and one that takes a turn of the loop, and what they saw."""

    ordering: Ordering | KeyedOrdering
    capacity: int | None
    emissions: list[Emission[OrderPlaced]] = field(default_factory=list)
    seen: list[tuple[str, int]] = field(default_factory=list)
    under_way: list[int] = field(default_factory=list)
    discarded: list[object] = field(default_factory=list)
    is_interrupted: bool = False

    def __post_init__(self) -> None:
        self.linker = linker = Linker[Event](on_failure=lambda _event, _error: None)
        processor = AsyncIOProcessor(
            ordering=self.ordering, capacity=self.capacity, overflow="drop_old", on_discard=self.discarded.append
        )
        self.emitter = Emitter(linker, processor)
        linker.subscribe(OrderPlaced, self.plain)
        linker.subscribe(OrderPlaced, self.takes_a_turn)

    def plain(self, event: OrderPlaced) -> int:
        """Receive it, and fail, emit or return something."""
        self.seen.append(("plain", event.order))
        if event.order == 1:
            raise LookupError("the first one always fails")
        if event.order == 2:
            self.emit(12)
        return event.order

    async def takes_a_turn(self, event: OrderPlaced) -> None:
        """Receive it, and be alone in its order meanwhile."""
        self.seen.append(("async", event.order))
        match self.ordering:
            case Ordering.CONCURRENT:
                beside = []
            case KeyedOrdering():
                beside = [one for one in self.under_way if one % 2 == event.order % 2]
            case _:
                beside = self.under_way
        assert beside == [], "two at once"
        self.under_way.append(event.order)
        try:
            await asyncio.sleep(0)
        finally:
            self.under_way.remove(event.order)

    def emit(self, order: int) -> None:
        """Emit one, and remember it."""
        with suppress(NoRoom):
            self.emissions.append(self.emitter.emit(OrderPlaced(order)))

    def interrupt(self, act: str) -> None:
        """What the signal handler does, once."""
        if self.is_interrupted:
            return  # the profile of a frame that was entered before goes on
        self.is_interrupted = True
        if act == "emit":
            self.emit(101)
        else:
            for emission in self.emissions[-2:]:
                emission.cancel()

    def check(self) -> None:
        """Everything is over, and said of everybody once."""
        status = Counter(one.status for one in self.emissions)
        tally = self.emitter.tally
        assert status[Status.PENDING] == tally.pending == 0
        assert tally.accepted == len(self.emissions)
        assert (tally.completed, tally.failed) == (status[Status.COMPLETED], status[Status.FAILED])
        assert (tally.cancelled, tally.discarded) == (status[Status.CANCELLED], status[Status.DISCARDED])
        assert all(times == 1 for times in Counter(self.seen).values())
        for emission in self.emissions:
            for name, delivery in zip(("plain", "async"), emission.deliveries, strict=True):
                assert ((name, emission.event.order) in self.seen) == delivery.started, (delivery, self.seen)
        for name in ("plain", "async"):
            mine = [order for what, order in self.seen if what == name and order < 10]
            if self.ordering is not Ordering.CONCURRENT or name == "plain":
                for key in (0, 1):
                    assert [one for one in mine if one % 2 == key] == sorted(one for one in mine if one % 2 == key)

    def leave(self) -> None:
        """Refer to nobody, so that this is gone at once, and its queue does not add instants to those who come later."""
        self.linker.clear()
        self.emissions.clear()


def in_a_loop(world: World) -> Callable[[], object]:
    """Three emissions, and a wait for them."""

    async def main() -> None:
        for order in (1, 2, 3):
            world.emit(order)
        assert await world.emitter.wait_for_tasks(SOON)
        assert await world.emitter.wait_for_tasks(SOON)  # for what came in the middle of that

    return lambda: asyncio.run(main())


@pytest.mark.parametrize("act", ["emit", "cancel"])
@pytest.mark.parametrize("ordering", ORDERINGS, ids=str)
def test_counts_order_and_capacity_stay_right_whatever_comes_at_any_instant(
    ordering: Ordering | KeyedOrdering, act: str
) -> None:
    worlds: list[World] = []

    def run() -> Callable[[], object]:
        if worlds:
            last = worlds.pop()
            last.check()
            last.leave()
        world = World(ordering, capacity=2)
        worlds.append(world)
        return in_a_loop(world)

    places = at_every_instant(lambda: worlds[-1].interrupt(act), run)
    worlds[-1].check()
    assert places > 100  # else it saw nothing of the engine


def test_who_waits_for_capacity_gets_it_whatever_is_cancelled_in_the_middle() -> None:
    held: list[Emission[OrderPlaced]] = []

    def run() -> Callable[[], object]:
        linker = Linker[Event]()

        @linker.on(OrderPlaced)
        async def hang(event: OrderPlaced) -> None:
            if not event.order:
                await asyncio.Event().wait()

        emitter = Emitter(linker, AsyncIOProcessor(capacity=2, ordering=Ordering.SERIAL))

        async def main() -> None:
            running, *held[:] = [emitter.emit(OrderPlaced(order)) for order in range(2)]
            waiting = asyncio.create_task(emitter.emit_wait(OrderPlaced(2)))
            for _ in range(3):
                await asyncio.sleep(0)
            held[0].cancel()  # where it was not cancelled in between
            assert (await asyncio.wait_for(waiting, SOON)).event == OrderPlaced(2)
            running.cancel()
            assert await emitter.wait_for_tasks(SOON)

        return lambda: asyncio.run(main())

    assert at_every_instant(lambda: [one.cancel() for one in held], run) > 10


@pytest.mark.parametrize("waits", [False, True], ids=["a place is free", "it waits for a place"])
@pytest.mark.parametrize("overflow", ["refuse", "drop_new", "drop_old"])
def test_a_place_that_was_waited_for_goes_to_one_alone_whoever_emits_in_the_middle(
    overflow: Literal["refuse", "drop_new", "drop_old"], waits: bool
) -> None:
    emitters: list[Emitter[Event]] = []
    emissions: list[Emission[Event]] = []

    def check() -> None:
        """Everything is over, and the place is free."""
        for emitter in emitters:
            assert {one.status for one in emissions} <= {Status.COMPLETED, Status.DISCARDED}
            assert (emitter.tally.accepted, emitter.tally.pending) == (len(emissions), 0)
            assert emitter.emit(OrderPlaced(3)).status is Status.COMPLETED

    def run() -> Callable[[], object]:
        check()
        linker = Linker[Event]()
        linker.subscribe(OrderPlaced, lambda event: None)
        emitter = Emitter(linker, AsyncIOProcessor(capacity=1, overflow=overflow, on_discard=len))
        emitters[:], emissions[:] = [emitter], []

        async def main() -> None:
            if waits:
                with suppress(NoRoom):  # whoever came in the middle has the place
                    emissions.append(emitter.emit(OrderPlaced(0)))
            emissions.append(await asyncio.wait_for(emitter.emit_wait(OrderPlaced(1)), SOON))
            assert await emitter.wait_for_tasks(SOON)
            assert await emitter.wait_for_tasks(SOON)  # for what came in the middle of that
            emissions.append(await asyncio.wait_for(emitter.emit_wait(OrderPlaced(2)), SOON))  # the place is there
            assert await emitter.wait_for_tasks(SOON)

        return lambda: asyncio.run(main())

    def emit() -> None:
        with suppress(NoRoom):
            emissions.append(emitters[0].emit(OrderPlaced(2)))

    assert at_every_instant(emit, run) > 10
    check()
