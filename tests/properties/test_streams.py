"""Stream x overflow x ordering x capacity x how it ends: what was read, dropped and discarded is all that was accepted."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress

import pytest
from hypothesis import settings
from hypothesis import strategies as st

from pyventus_typed import (
    Cancelled,
    Completed,
    Discarded,
    Emission,
    Event,
    KeyedOrdering,
    Linker,
    Ordering,
    PerKey,
    Status,
    Stream,
    asyncio_emitter,
)
from pyventus_typed.testing import afterwards, given_interleavings, sometimes
from tests.events import OrderPlaced, untyped

ORDERINGS: dict[str, Ordering | KeyedOrdering] = {
    "concurrent": Ordering.CONCURRENT,
    "mailbox": Ordering.MAILBOX,
    "serial": Ordering.SERIAL,
    "per key": PerKey(OrderPlaced, lambda placed: placed.order % 2),
}
# What the emitting task does: emits, cancels an emission, lets others go on, or closes the emitter before the end.
MOVES: st.SearchStrategy[list[tuple[str, int]]] = st.lists(
    st.one_of(
        st.tuples(st.just("emit"), st.integers(1, 4)),
        st.tuples(st.just("cancel"), st.integers(0, 9)),
        st.tuples(st.just("pause"), st.integers(1, 3)),
    ),
    min_size=1,
    max_size=8,
)
ENDS = ("emitter closes", "block ends", "reader is cancelled")


class Shop:
    """An emitter, its one stream, and all that became of its emissions."""

    def __init__(self, ordering: str, capacity: int | None) -> None:
        self.linker: Linker[Event] = Linker()
        self.emitter = asyncio_emitter(
            self.linker, ordering=ORDERINGS[ordering], capacity=capacity, overflow="drop_new"
        )
        self.emissions: list[Emission[OrderPlaced]] = []
        self.read: list[int] = []
        self.dropped = 0
        self.ended = False

    async def consume(self, stream: Stream[OrderPlaced], most: int | None, entered: asyncio.Event) -> None:
        async with stream as events:
            entered.set()
            try:
                if most != 0:
                    async for placed in events:
                        self.read.append(placed.order)
                        if len(self.read) == most:
                            break
                        await asyncio.sleep(0)
                    else:
                        self.ended = True
            finally:
                self.dropped = events.dropped

    async def produce(self, moves: Sequence[tuple[str, int]]) -> None:
        for what, count in moves:
            match what:
                case "emit":
                    for _ in range(count):
                        self.emissions.append(self.emitter.emit(OrderPlaced(len(self.emissions))))
                case "cancel":
                    if self.emissions:
                        self.emissions[count % len(self.emissions)].cancel()
                case _:
                    for _ in range(count):
                        await asyncio.sleep(0)

    def with_outcome(self, *kinds: type) -> list[int]:
        return [
            one.event.order
            for one in self.emissions
            for delivery in one.deliveries
            if isinstance(delivery.outcome, kinds)
        ]

    def check(self, maxsize: int) -> None:
        """What must hold when all is over, however it ended."""
        tally = self.emitter.tally
        assert tally.pending == 0
        assert tally.accepted == len(self.emissions) == tally.completed + tally.cancelled + tally.discarded
        assert self.linker.subscriptions() == ()
        completed = self.with_outcome(Completed)
        # Nothing is read that was not delivered, nothing twice, and what was delivered was read, dropped, or left unread.
        assert set(self.read) <= set(completed)
        assert len(self.read) == len(set(self.read))
        assert 0 <= len(completed) - len(self.read) - self.dropped <= (0 if self.ended else maxsize)
        reasons = {
            delivery.outcome
            for one in self.emissions
            for delivery in one.deliveries
            if not isinstance(delivery.outcome, Completed | Cancelled)
        }
        known = {("stream closed", True), ("capacity", False), ("cancelled", False)}
        for outcome in reasons:
            assert isinstance(outcome, Discarded)
            assert (outcome.reason, outcome.started) in known


def in_order(ordering: str, read: list[int]) -> bool:
    """Whether events came as they were accepted: all of them, or those of each key."""
    rows = [[order for order in read if order % 2 == key] for key in (0, 1)] if ordering == "per key" else [read]
    return all(row == sorted(row) for row in rows)


@pytest.mark.parametrize("ordering", ORDERINGS)
@settings(max_examples=max(25, settings().max_examples // 4))
@given_interleavings(
    moves=MOVES,
    overflow=st.sampled_from(["wait", "drop_old", "drop_new"]),
    maxsize=st.integers(1, 3),
    capacity=st.sampled_from([None, 1, 3]),
    end=st.sampled_from(ENDS),
    most=st.integers(0, 4),
    expect_choices=False,
)
async def test_what_is_accepted_is_read_or_accounted_for(
    ordering: str,
    moves: list[tuple[str, int]],
    overflow: str,
    maxsize: int,
    capacity: int | None,
    end: str,
    most: int,
) -> None:
    shop, entered = Shop(ordering, capacity), asyncio.Event()
    stream = shop.emitter.stream(OrderPlaced, maxsize=maxsize, overflow=untyped(overflow))
    consuming = asyncio.create_task(shop.consume(stream, most if end == "block ends" else None, entered))
    await entered.wait()
    await shop.produce(moves)
    match end:
        case "emitter closes":
            assert await shop.emitter.aclose()
        case "reader is cancelled":
            consuming.cancel()
        case _ if len(shop.read) < most:
            await asyncio.sleep(1)
            consuming.cancel()  # fewer came than it waits for
        case _:
            pass
    with suppress(asyncio.CancelledError):
        await consuming
    assert await shop.emitter.wait_for_tasks()
    shop.check(maxsize)
    assert in_order(ordering, shop.read)
    if end == "emitter closes":
        assert shop.ended
    sometimes("something is discarded with its stream", any(one.status is Status.DISCARDED for one in shop.emissions))
    sometimes("something is dropped", shop.dropped > 0)


@pytest.mark.filterwarnings("ignore::pyventus_typed.errors.DiscardedEmissionsWarning")
@pytest.mark.parametrize("ordering", ORDERINGS)
@settings(max_examples=max(5, settings().max_examples // 8))
@given_interleavings(
    moves=MOVES,
    overflow=st.sampled_from(["wait", "drop_old", "drop_new"]),
    maxsize=st.integers(1, 3),
    expect_choices=False,
)
async def test_when_the_loop_ends_nothing_is_pending_and_nothing_subscribed(
    ordering: str, moves: list[tuple[str, int]], overflow: str, maxsize: int
) -> None:
    shop, entered = Shop(ordering, None), asyncio.Event()
    stream = shop.emitter.stream(OrderPlaced, maxsize=maxsize, overflow=untyped(overflow))
    expected = shop.emitter.expect(OrderPlaced, when=lambda placed: placed.order < 0)
    _tasks = [asyncio.create_task(shop.consume(stream, None, entered)), asyncio.ensure_future(expected)]
    await entered.wait()
    afterwards(lambda: shop.linker.subscriptions() == (), "no subscription is left")
    afterwards(lambda: shop.emitter.tally.pending == 0, "nothing is pending")
    afterwards(lambda: set(shop.read) <= set(shop.with_outcome(Completed)), "what was read was delivered")
    await shop.produce(moves)
