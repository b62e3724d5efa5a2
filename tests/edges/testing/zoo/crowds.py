"""Programs whose bug hides among many tasks, or many steps."""

import asyncio

from .specimen import Specimen
from .updates import pause, together


async def _crowd(*, careful: bool) -> None:
    """Fifty tasks, and two of them share something."""
    balance, lock = 0, asyncio.Lock()

    async def noise() -> None:
        await pause(8)

    async def deposit(after: int) -> None:
        nonlocal balance
        await pause(after)
        async with lock if careful else asyncio.Lock():
            seen = balance
            await pause()
            balance = seen + 1

    await together(*(noise() for _ in range(48)), deposit(3), deposit(7))
    assert balance == 2, f"the balance is {balance}, not 2"


async def two_of_fifty() -> None:
    await _crowd(careful=False)


async def two_of_fifty_twin() -> None:
    await _crowd(careful=True)


async def _long(*, careful: bool) -> None:
    """Two things must go wrong, each far from the other, among two hundred steps."""
    log: list[str] = []

    async def open_and_write() -> None:
        await pause(30)
        log.append("open")
        await pause(60)
        log.append("write")

    async def read() -> None:
        await pause(45)
        log.append("look")
        await pause(50)
        log.append("read")

    async def other() -> None:
        await pause(20)
        log.append("other")

    await together(open_and_write(), read(), other())
    at = log.index
    wrong = at("look") < at("open") and at("write") < at("read")
    assert careful or not wrong, f"went as {log}"


async def far_apart_in_a_long_run() -> None:
    await _long(careful=False)


async def far_apart_in_a_long_run_twin() -> None:
    await _long(careful=True)


SPECIMENS = [
    Specimen(two_of_fifty, two_of_fifty_twin, AssertionError),
    Specimen(far_apart_in_a_long_run, far_apart_in_a_long_run_twin, AssertionError),
]
