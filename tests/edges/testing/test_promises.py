"""The promises that speak of every schedule, under many of them: O2, O3, O4, O5, O6, O7, L2, L4, W1, W2."""

import asyncio
import warnings
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest

from pyventus_typed import (
    AsyncIOProcessor,
    Emission,
    Emitter,
    Event,
    Linker,
    Ordering,
    PerKey,
    Status,
    asyncio_emitter,
)
from pyventus_typed.errors import DiscardedEmissionsWarning
from pyventus_typed.testing import Ending, always, explore, sometimes


@dataclass(frozen=True, slots=True)
class Placed(Event):
    order: int


@dataclass(frozen=True, slots=True)
class Shipped(Event):
    order: int


async def pause(steps: int = 1) -> None:
    for _ in range(steps):
        await asyncio.sleep(0)


def books_balance(emitter: Emitter[Event]) -> Callable[[], bool]:
    def check() -> bool:
        tally = emitter.tally
        settled = tally.completed + tally.failed + tally.cancelled + tally.discarded
        return tally.accepted == tally.pending + settled

    return check


class Shop:
    """Two async subscriptions of uneven speed to one event, and who emits it."""

    def __init__(self, ordering: Ordering | PerKey[Placed]) -> None:
        self.linker: Linker[Event] = Linker()
        self.emitter = asyncio_emitter(self.linker, ordering=ordering)
        self.accepted: list[int] = []
        self.started: dict[str, list[int]] = {"quick": [], "slow": []}
        self.ended: list[tuple[str, int]] = []
        self.running: list[tuple[str, int]] = []
        self.overlap = False
        self.linker.subscribe(Placed, self._handler("quick", 1))
        self.linker.subscribe(Placed, self._handler("slow", 3))

    def _handler(self, name: str, steps: int) -> Callable[[Placed], Awaitable[None]]:
        async def handle(event: Placed) -> None:
            self.started[name].append(event.order)
            self.overlap = self.overlap or any(who == name for who, _ in self.running)
            self.running.append((name, event.order))
            await pause(steps)
            self.running.remove((name, event.order))
            self.ended.append((name, event.order))

        return handle

    def emit(self, order: int) -> Emission[Placed]:
        self.accepted.append(order)
        return self.emitter.emit(Placed(order))

    async def busy(self) -> None:
        async def client(first: int) -> None:
            for order in range(first, first + 3):
                self.emit(order)
                await pause(2)

        always(books_balance(self.emitter))  # L2
        await asyncio.gather(client(0), client(10))
        assert await self.emitter.wait_for_tasks()
        assert len(self.ended) == 12  # W1


def test_o2_deliveries_to_one_subscription_start_in_the_order_of_acceptance() -> None:
    async def body() -> None:
        shop = Shop(Ordering.CONCURRENT)
        await shop.busy()
        assert shop.started == {"quick": shop.accepted, "slow": shop.accepted}
        sometimes("deliveries overlap", shop.overlap)

    assert "deliveries overlap" in explore(body, schedules=300).reached


def test_o3_a_mailbox_has_one_delivery_at_a_time_and_in_order() -> None:
    async def body() -> None:
        shop = Shop(Ordering.MAILBOX)
        await shop.busy()
        assert shop.started == {"quick": shop.accepted, "slow": shop.accepted}
        assert not shop.overlap
        sometimes(
            "one subscription is ahead", shop.ended != sorted(shop.ended, key=lambda end: shop.accepted.index(end[1]))
        )

    explore(body, schedules=300)


def test_o4_in_serial_an_emission_starts_after_the_one_before_it_is_settled() -> None:
    async def body() -> None:
        shop = Shop(Ordering.SERIAL)
        always(lambda: len({order for _, order in shop.running}) <= 1, "one emission at a time")
        await shop.busy()
        assert [order for _, order in shop.ended] == [order for order in shop.accepted for _ in range(2)]

    explore(body, schedules=300)


def test_o5_equal_keys_wait_for_each_other_and_others_do_not() -> None:
    async def body() -> None:
        shop = Shop(PerKey(Placed, lambda event: event.order % 2))

        def one_for_each_key() -> bool:
            orders = {order for _, order in shop.running}
            sometimes("two keys at once", len(orders) == 2)
            return len({order % 2 for order in orders}) == len(orders)

        always(one_for_each_key)
        await shop.busy()

    explore(body, schedules=300)


@pytest.mark.parametrize("ordering", list(Ordering))
def test_o6_what_a_handler_emits_goes_behind_what_was_accepted_before_it(ordering: Ordering) -> None:
    async def body() -> None:
        linker: Linker[Event] = Linker()
        emitter = asyncio_emitter(linker, ordering=ordering)
        accepted: list[int] = []
        started: list[int] = []

        @linker.on(Placed)
        async def nest(event: Placed) -> None:
            await pause()
            for order in (10 * event.order, 10 * event.order + 1):
                accepted.append(order)
                emitter.emit(Shipped(order))

        @linker.on(Shipped)
        async def ship(event: Shipped) -> None:
            started.append(event.order)
            await pause(2)

        beside = asyncio.create_task(pause(9))  # in SERIAL nobody else could be late
        emitter.emit(Placed(1))
        emitter.emit(Placed(2))
        accepted.append(5)
        emitter.emit(Shipped(5))
        assert await emitter.wait_for_tasks()
        await beside
        assert started == accepted

    explore(body, schedules=300)


@pytest.mark.parametrize("ordering", [Ordering.MAILBOX, Ordering.SERIAL, PerKey(Placed, lambda _: "one")])
def test_o7_order_survives_failures_cancellation_and_time_outs(ordering: Ordering | PerKey[Placed]) -> None:
    async def body() -> None:
        linker: Linker[Event] = Linker(on_failure=lambda _, __: None)
        emitter = asyncio_emitter(linker, ordering=ordering)
        started: list[int] = []

        @linker.on(Placed, timeout=5.0)
        async def handle(event: Placed) -> None:
            started.append(event.order)
            await pause()
            match event.order % 5:
                case 1:
                    raise ValueError(event.order)
                case 2:
                    task = asyncio.current_task()
                    assert task is not None
                    task.cancel()
                    await pause()
                case 3:
                    await asyncio.sleep(10)
                case 4:
                    raise asyncio.CancelledError

        always(books_balance(emitter))
        beside = asyncio.create_task(pause(20))  # nobody else could be late
        emissions = [emitter.emit(Placed(order)) for order in range(10)]
        assert await emitter.wait_for_tasks()
        await beside
        assert started == list(range(10))
        completed, failed, cancelled = Status.COMPLETED, Status.FAILED, Status.CANCELLED
        assert [one.status for one in emissions] == [completed, failed, cancelled, failed, cancelled] * 2

    explore(body, schedules=200)


def test_w1_a_wait_covers_what_is_emitted_by_what_it_waits_for_and_is_not_starved() -> None:
    async def body() -> None:
        linker: Linker[Event] = Linker()
        emitter = asyncio_emitter(linker)
        done: list[int] = []
        stop = False

        @linker.on(Placed)
        async def go_on(event: Placed) -> None:
            await pause()
            done.append(event.order)
            if event.order:
                emitter.emit(Placed(event.order - 1))

        async def unrelated() -> None:
            order = 100
            while not stop:
                emitter.emit(Shipped(order))
                await pause()

        @linker.on(Shipped)
        async def ship(_: Shipped) -> None:
            await pause(2)

        traffic = asyncio.create_task(unrelated())
        emitter.emit(Placed(3))
        assert await emitter.wait_for_tasks()
        assert done == [3, 2, 1, 0]
        stop = True
        await traffic
        await emitter.wait_for_tasks()

    explore(body, schedules=200)


def test_w2_waiters_come_and_go_and_change_nothing() -> None:
    async def body() -> None:
        linker: Linker[Event] = Linker()
        emitter = asyncio_emitter(linker)
        done: list[int] = []

        @linker.on(Placed)
        async def handle(event: Placed) -> None:
            await asyncio.sleep(10)
            done.append(event.order)

        emission = emitter.emit(Placed(1))
        impatient = asyncio.create_task(emitter.wait_for_tasks(timeout=1))
        cancelled = asyncio.create_task(emitter.wait_for_tasks())
        patient = [asyncio.create_task(emitter.wait_for_tasks()), asyncio.create_task(emission.wait())]
        await pause(3)
        cancelled.cancel()
        assert not await impatient
        assert await asyncio.gather(*patient) == [True, emission]
        assert done == [1]
        assert emission.status is Status.COMPLETED

    explore(body, schedules=200)


@pytest.mark.parametrize("ending", ["cancel", "close", "lost"])
@pytest.mark.parametrize("ordering", list(Ordering))
def test_l4_when_a_loop_ends_nothing_stays_pending_and_nothing_complains(ordering: Ordering, ending: Ending) -> None:
    seen: list[tuple[list[Emission[Placed]], list[int]]] = []

    async def body() -> None:
        lost: list[Emission[Event]] = []
        started: list[int] = []
        linker: Linker[Event] = Linker()
        emitter = Emitter(linker, AsyncIOProcessor(ordering=ordering, on_discard=lost.extend))
        seen.append(([], started))

        @linker.on(Placed)
        async def handle(event: Placed) -> None:
            started.append(event.order)
            await pause(4)

        for order in range(3):
            seen[-1][0].append(emitter.emit(Placed(order)))
            await pause()

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DiscardedEmissionsWarning)
        explore(body, schedules=100, ending=ending)
    for emissions, started in seen:
        assert Status.PENDING not in [one.status for one in emissions]
        assert {one.event.order for one in emissions if not one.deliveries[0].started}.isdisjoint(started)
