"""Programs in which the end of a wait and the end of the work fall together; and two that no schedule can judge."""

import asyncio
import random
import time

from pyventus_typed.testing import NonDeterminismError, StateLeakError

from .specimen import Specimen
from .updates import pause, together


async def _retry(*, careful: bool) -> None:
    """A payment that is tried again although the first attempt went through."""
    charged: list[str] = []

    async def charge(key: str) -> None:
        await asyncio.sleep(1.0)
        if not careful or key not in charged:
            charged.append(key)
        await pause()  # the answer is on its way

    for _ in range(2):
        try:
            async with asyncio.timeout(1.0):
                await charge("order 1")
            break
        except TimeoutError:
            continue
    else:
        charged.append("order 1") if not charged else None
    assert len(charged) == 1, f"charged {len(charged)} times"


async def double_processing_on_a_retry() -> None:
    await _retry(careful=False)


async def double_processing_on_a_retry_twin() -> None:
    await _retry(careful=True)


async def _take_with_timeout(*, careful: bool) -> None:
    """Who has taken an item when its time is up loses it."""
    items = ["order"]
    kept: list[str] = []

    async def take() -> None:
        if careful:
            await asyncio.sleep(1.0)
            kept.append(items.pop())
            return
        item = items.pop()
        await asyncio.sleep(1.0)
        kept.append(item)

    task = asyncio.create_task(take())
    await pause()
    await asyncio.wait({task}, timeout=1.0)
    task.cancel()
    await asyncio.wait({task})
    assert len(items) + len(kept) == 1, "the order is in neither list"


async def timeout_against_completion() -> None:
    await _take_with_timeout(careful=False)


async def timeout_against_completion_twin() -> None:
    await _take_with_timeout(careful=True)


async def _two_timers(*, careful: bool) -> None:
    """Two timers that end at the same time, and a program that counts on the first one being first."""
    order: list[str] = []
    loop = asyncio.get_running_loop()
    loop.call_later(1.0, order.append, "expire")
    loop.call_later(1.0, order.append, "renew")
    await asyncio.sleep(2.0)
    assert order[-1] == "renew" or careful, f"the lease went as {order}"


async def timers_that_tie() -> None:
    await _two_timers(careful=False)


async def timers_that_tie_twin() -> None:
    await _two_timers(careful=True)


async def _heartbeats(*, careful: bool) -> None:
    """It is taken for dead if it is silent for little more than one period, and both have the same one, so that they tie."""
    last = time.monotonic()
    silent: list[float] = []

    async def beat() -> None:
        nonlocal last
        for _ in range(4):
            await asyncio.sleep(0.05)
            last = time.monotonic()

    async def watch() -> None:
        for _ in range(4):
            await asyncio.sleep(0.05)
            silent.append(time.monotonic() - last)

    await together(beat(), watch())
    assert max(silent) < (0.2 if careful else 0.09), f"taken for dead after {max(silent):g} s"


async def heartbeat_that_ties_with_its_watcher() -> None:
    await _heartbeats(careful=False)


async def heartbeat_that_ties_with_its_watcher_twin() -> None:
    await _heartbeats(careful=True)


_seen: list[str] = []


async def leak_between_schedules() -> None:
    """It remembers in a global what it has seen, and so it has more to do each time."""
    _seen.append("order 1")
    await pause(len(_seen))


async def dice() -> None:
    """Nothing leaks, but nothing repeats either."""

    async def roll() -> None:
        await pause(1 + int(random.SystemRandom().random() * 2))

    await together(roll(), roll(), roll(), roll(), roll(), roll())


SPECIMENS = [
    Specimen(double_processing_on_a_retry, double_processing_on_a_retry_twin, AssertionError),
    Specimen(timeout_against_completion, timeout_against_completion_twin, AssertionError),
    Specimen(timers_that_tie, timers_that_tie_twin, AssertionError),
    Specimen(heartbeat_that_ties_with_its_watcher, heartbeat_that_ties_with_its_watcher_twin, AssertionError),
    Specimen(leak_between_schedules, None, StateLeakError),
    Specimen(dice, None, NonDeterminismError),
]
