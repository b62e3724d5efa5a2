"""Programs that get stuck, and programs that something is cut off from."""

import asyncio

from pyventus_typed.testing import BackgroundError, DeadlockError, LivelockError

from .specimen import Specimen
from .updates import pause, together


async def _transfers(*, careful: bool) -> None:
    one, two = asyncio.Lock(), asyncio.Lock()

    async def transfer(source: asyncio.Lock, target: asyncio.Lock, after: int) -> None:
        await pause(after)
        async with source:
            await pause()
            async with target:
                await pause()

    await together(transfer(one, two, 0), transfer(one, two, 4) if careful else transfer(two, one, 4))


async def abba_deadlock() -> None:
    await _transfers(careful=False)


async def abba_deadlock_twin() -> None:
    await _transfers(careful=True)


async def _cancelled_inside(*, careful: bool) -> None:
    lock = asyncio.Lock()

    async def work() -> None:
        await lock.acquire()
        if careful:
            try:
                await pause(2)
            finally:
                lock.release()
        else:
            await pause(2)
            lock.release()

    async def impatient() -> None:
        task = asyncio.create_task(work())
        await pause(6)
        task.cancel()
        await asyncio.wait([task])

    await impatient()
    await work()


async def cancelled_in_a_critical_section() -> None:
    await _cancelled_inside(careful=False)


async def cancelled_in_a_critical_section_twin() -> None:
    await _cancelled_inside(careful=True)


async def _wake_up(*, careful: bool) -> None:
    """Look, then wait: who is told in between sleeps for ever."""
    ready = asyncio.Event()
    items: list[str] = []

    async def consume() -> str:
        await pause()
        if not items:
            await pause()  # log that there is nothing yet
            if not careful:
                ready.clear()
            await ready.wait()
        return items.pop()

    async def produce() -> None:
        await pause(5)
        items.append("order")
        ready.set()

    await together(consume(), produce())


async def lost_wake_up() -> None:
    await _wake_up(careful=False)


async def lost_wake_up_twin() -> None:
    await _wake_up(careful=True)


async def _after_you(*, careful: bool) -> None:
    """Two who are both too polite: each lets the other go first."""
    wants = {"one": False, "two": False}

    async def enter(me: str, other: str, after: int) -> None:
        await pause(after)
        wants[me] = True
        await pause()
        while wants[other]:
            if careful and me < other:
                await pause()
                continue
            if careful:
                wants[me] = False
            await pause()
            if careful:
                wants[me] = not wants[other]
        await pause()
        wants[me] = False

    await together(enter("one", "two", 0), enter("two", "one", 4))


async def livelock() -> None:
    await _after_you(careful=False)


async def _forgotten(*, careful: bool) -> None:
    told: list[str] = []
    stock = 1

    async def tell(what: str) -> None:
        told.append(what)

    async def buy(after: int) -> None:
        nonlocal stock
        await pause(after)
        if stock:
            await pause()
            if stock:
                stock -= 1
                return
            # Only who lost the race gets here.
            if careful:
                await tell("sold out")
            else:
                tell("sold out")  # type: ignore[unused-coroutine]  # this is the bug

    await together(buy(0), buy(3))


async def forgotten_await() -> None:
    await _forgotten(careful=False)


async def forgotten_await_twin() -> None:
    await _forgotten(careful=True)


async def _background(*, careful: bool) -> None:
    """The task is started, kept, and never asked how it went."""
    open_ = True

    async def write() -> None:
        await pause(2)
        if not open_:
            raise ConnectionError("the connection is closed")

    task = asyncio.create_task(write())
    await pause(5)
    if careful:
        await task
    open_ = False
    while not task.done():
        await pause()


async def exception_that_nobody_took() -> None:
    await _background(careful=False)


async def exception_that_nobody_took_twin() -> None:
    await _background(careful=True)


SPECIMENS = [
    Specimen(abba_deadlock, abba_deadlock_twin, DeadlockError),
    Specimen(cancelled_in_a_critical_section, cancelled_in_a_critical_section_twin, DeadlockError),
    Specimen(lost_wake_up, lost_wake_up_twin, DeadlockError),
    Specimen(livelock, None, LivelockError),
    Specimen(forgotten_await, forgotten_await_twin, BackgroundError),
    Specimen(exception_that_nobody_took, exception_that_nobody_took_twin, BackgroundError),
]
