"""Programs that wait for what has already been, for what is taken away again, or not long enough."""

import asyncio
from collections.abc import AsyncGenerator

from pyventus_typed.testing import DeadlockError

from .specimen import Specimen
from .updates import pause, together


async def _notify(*, careful: bool) -> None:
    """Who comes to a condition after it was notified waits for ever, unless it looks first."""
    condition, ready = asyncio.Condition(), False

    async def consume() -> None:
        await pause()
        async with condition:
            if careful:
                await condition.wait_for(lambda: ready)
            else:
                await condition.wait()

    async def produce() -> None:
        nonlocal ready
        await pause(4)
        async with condition:
            ready = True
            condition.notify_all()

    await together(consume(), produce())


async def notified_before_the_wait() -> None:
    await _notify(careful=False)


async def notified_before_the_wait_twin() -> None:
    await _notify(careful=True)


async def _barrier(*, careful: bool) -> None:
    """The first who is through the barrier comes back to it before it was closed again."""
    here, gate = 0, asyncio.Event()
    finished = [0, 0]

    async def member() -> None:
        nonlocal here, gate
        for round_ in range(2):
            here += 1
            mine = gate
            if here == 2:
                here = 0
                gate.set()
                if careful:
                    gate = asyncio.Event()
                else:
                    await pause()
                    gate.clear()
            else:
                await mine.wait()
            finished[round_] += 1
            assert not (round_ == 1 and finished[0] < 2), "one is through twice before the other is through once"
            await pause(3)

    await together(member(), member())


async def barrier_that_is_used_twice() -> None:
    await _barrier(careful=False)


async def barrier_that_is_used_twice_twin() -> None:
    await _barrier(careful=True)


async def _shutdown(*, careful: bool) -> None:
    """The worker looks at the flag and not at the queue, so what was put last stays there."""
    queue: asyncio.Queue[int] = asyncio.Queue()
    done: list[int] = []
    stopping = False

    async def work() -> None:
        while not stopping or (careful and not queue.empty()):
            try:
                async with asyncio.timeout(1):
                    item = await queue.get()
            except TimeoutError:
                continue
            await pause()
            done.append(item)

    async def produce() -> None:
        nonlocal stopping
        for item in range(3):
            queue.put_nowait(item)
            await pause(4)
        stopping = True

    await together(work(), produce())
    assert done == [0, 1, 2], f"done is {done}"


async def shutdown_that_loses_the_last() -> None:
    await _shutdown(careful=False)


async def shutdown_that_loses_the_last_twin() -> None:
    await _shutdown(careful=True)


async def _decode(*, careful: bool) -> None:
    """The time-out strikes between the queue and the caller: the item is out of the one and not with the other."""
    queue: asyncio.Queue[str] = asyncio.Queue()
    got: list[str] = []

    async def take() -> str:
        item = await queue.get()
        if not careful:
            await pause()  # decode it
        return item

    async def consume() -> None:
        for _ in range(3):
            try:
                async with asyncio.timeout(1.0):
                    got.append(await take())
            except TimeoutError:
                continue

    async def produce() -> None:
        await asyncio.sleep(1.0)
        queue.put_nowait("order")

    await together(consume(), produce())
    assert got == ["order"], f"got {got}"


async def timeout_that_loses_an_item() -> None:
    await _decode(careful=False)


async def timeout_that_loses_an_item_twin() -> None:
    await _decode(careful=True)


async def _left_rows(*, careful: bool) -> None:
    """A generator that is left by a `break` is closed when the loop gets to it, and not before."""
    open_files = 0

    async def rows() -> AsyncGenerator[int, None]:
        nonlocal open_files
        open_files += 1
        try:
            yield 1
            yield 2
        finally:
            await pause()
            open_files -= 1

    async def first() -> None:
        generator = rows()
        async for _ in generator:
            break
        if careful:
            await generator.aclose()

    await first()
    await pause(6)
    assert open_files == 0, f"{open_files} open files"


async def generator_that_is_closed_late() -> None:
    await _left_rows(careful=False)


async def generator_that_is_closed_late_twin() -> None:
    await _left_rows(careful=True)


SPECIMENS = [
    Specimen(notified_before_the_wait, notified_before_the_wait_twin, DeadlockError),
    Specimen(barrier_that_is_used_twice, barrier_that_is_used_twice_twin, AssertionError),
    Specimen(shutdown_that_loses_the_last, shutdown_that_loses_the_last_twin, AssertionError),
    Specimen(timeout_that_loses_an_item, timeout_that_loses_an_item_twin, AssertionError),
    Specimen(generator_that_is_closed_late, generator_that_is_closed_late_twin, AssertionError),
]
