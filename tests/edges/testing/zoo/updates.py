"""Read, wait, write: programs in which somebody else writes in between."""

import asyncio
from collections.abc import Awaitable, Callable

from .specimen import Specimen


async def pause(steps: int = 1) -> None:
    """Stands for a call over the network that takes as long as it takes."""
    for _ in range(steps):
        await asyncio.sleep(0)


async def together(*tasks: Awaitable[object]) -> None:
    await asyncio.gather(*tasks)


class Account:
    def __init__(self) -> None:
        self.balance = 0
        self.lock = asyncio.Lock()

    async def deposit(self, amount: int, *, steps: int = 1) -> None:
        seen = self.balance
        await pause(steps)
        self.balance = seen + amount

    async def deposit_alone(self, amount: int, *, steps: int = 1) -> None:
        async with self.lock:
            await self.deposit(amount, steps=steps)


async def two_deposits(
    deposit: Callable[..., Awaitable[None]], account: Account, *, apart: int, steps: int = 1
) -> None:
    async def later() -> None:
        await pause(apart)
        await deposit(20, steps=steps)

    await together(deposit(10, steps=steps), later())
    assert account.balance == 30, f"the balance is {account.balance}, not 30"


async def lost_update_near() -> None:
    account = Account()
    await two_deposits(account.deposit, account, apart=2)


async def lost_update_near_twin() -> None:
    account = Account()
    await two_deposits(account.deposit_alone, account, apart=2)


async def lost_update_far() -> None:
    account = Account()
    await two_deposits(account.deposit, account, apart=12, steps=6)


async def lost_update_far_twin() -> None:
    account = Account()
    await two_deposits(account.deposit_alone, account, apart=12, steps=6)


class Prices:
    """Loads a price once; with a lock, or so it hopes."""

    def __init__(self, *, careful: bool) -> None:
        self.loads = 0
        self.price: int | None = None
        self._lock = asyncio.Lock() if careful else None

    async def _load(self) -> int:
        await pause(2)
        self.loads += 1
        return 7

    async def get(self) -> int:
        if self._lock is None:
            if self.price is None:
                self.price = await self._load()
            return self.price
        async with self._lock:
            if self.price is None:
                self.price = await self._load()
            return self.price


async def loads(prices: Prices) -> None:
    async def second() -> None:
        await pause(4)
        await prices.get()

    await together(prices.get(), second())
    assert prices.loads == 1, f"loaded {prices.loads} times"


async def loaded_twice() -> None:
    await loads(Prices(careful=False))


async def loaded_twice_twin() -> None:
    await loads(Prices(careful=True))


async def _two_unsubscribe(*, careful: bool) -> None:
    subscribed = {"ship"}

    async def unsubscribe() -> None:
        if "ship" in subscribed:
            if not careful:
                await pause()  # tell the server first
            subscribed.remove("ship")
            await pause()

    async def later() -> None:
        await pause(3)
        await unsubscribe()

    await together(unsubscribe(), later())


async def check_then_act() -> None:
    await _two_unsubscribe(careful=False)


async def check_then_act_twin() -> None:
    await _two_unsubscribe(careful=True)


async def _mailbox(*, careful: bool) -> None:
    """Each delivery is a task of its own; the handler must look at its own message, not at the latest."""
    latest = ""
    shipped: list[str] = []

    async def deliver(order: str, after: int) -> None:
        nonlocal latest
        await pause(after)
        latest = order
        await pause()
        shipped.append(order if careful else latest)

    await together(deliver("A", 0), deliver("B", 3))
    assert sorted(shipped) == ["A", "B"], f"shipped {shipped}"


async def stale_read() -> None:
    await _mailbox(careful=False)


async def stale_read_twin() -> None:
    await _mailbox(careful=True)


async def _count_in_threads(*, careful: bool) -> None:
    count = 0
    lock = asyncio.Lock()

    async def add() -> None:
        nonlocal count
        seen = count
        count = await asyncio.to_thread(lambda: seen + 1)

    async def add_alone() -> None:
        async with lock:
            await add()

    async def later() -> None:
        await pause(5)
        await (add_alone if careful else add)()

    await together((add_alone if careful else add)(), later())
    assert count == 2, f"counted {count} of 2"


async def lost_update_over_a_thread() -> None:
    await _count_in_threads(careful=False)


async def lost_update_over_a_thread_twin() -> None:
    await _count_in_threads(careful=True)


async def _seats(*, careful: bool) -> None:
    """One seat, three who want it, and each asks twice before it takes it."""
    free, taken = 1, 0

    async def take(after: int) -> None:
        nonlocal free, taken
        await pause(after)
        if free > 0:
            await pause()
            if not careful or free > 0:
                free -= 1
                taken += 1

    await together(take(0), take(3), take(6))
    assert taken <= 1, f"{taken} took the one seat"


async def oversold() -> None:
    await _seats(careful=False)


async def oversold_twin() -> None:
    await _seats(careful=True)


SPECIMENS = [
    Specimen(lost_update_near, lost_update_near_twin, AssertionError),
    Specimen(lost_update_far, lost_update_far_twin, AssertionError),
    Specimen(loaded_twice, loaded_twice_twin, AssertionError),
    Specimen(check_then_act, check_then_act_twin, KeyError),
    Specimen(stale_read, stale_read_twin, AssertionError),
    Specimen(lost_update_over_a_thread, lost_update_over_a_thread_twin, AssertionError),
    Specimen(oversold, oversold_twin, AssertionError),
]
