"""Programs that cancel, and programs that go on beside what failed."""

import asyncio

from .specimen import Specimen
from .updates import pause, together


async def _poll(*, careful: bool) -> None:
    """It takes its own cancellation for one more failed attempt."""
    swallowed = False

    async def poll() -> None:
        nonlocal swallowed
        for _ in range(3):
            try:
                await pause(2)
            except asyncio.CancelledError:
                if careful:
                    raise
                swallowed = True

    task = asyncio.create_task(poll())
    await pause(9)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert not swallowed, "the cancellation was swallowed"


async def cancellation_that_is_swallowed() -> None:
    await _poll(careful=False)


async def cancellation_that_is_swallowed_twin() -> None:
    await _poll(careful=True)


async def _shield(*, careful: bool) -> None:
    """A shield protects the work, and not who waits for it: that one is gone before the work is done."""
    saved: list[str] = []

    async def save() -> None:
        await pause(3)
        saved.append("row")

    async def request() -> None:
        task = asyncio.ensure_future(save())
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            if careful:
                await task
            raise

    answer = asyncio.create_task(request())
    await pause(6)
    answer.cancel()
    await asyncio.gather(answer, return_exceptions=True)
    assert saved == ["row"], "answered before it was saved"


async def shield_that_nobody_waits_for() -> None:
    await _shield(careful=False)


async def shield_that_nobody_waits_for_twin() -> None:
    await _shield(careful=True)


async def _siblings(*, careful: bool) -> None:
    """`gather` hands on the first exception, and the others go on behind the back of who called it."""
    open_ = True

    async def write() -> None:
        await pause(3)
        assert open_, "written after the end"

    async def fail() -> None:
        await pause(6)
        raise ConnectionError("the other one")

    tasks = [asyncio.create_task(write()), asyncio.create_task(fail())]
    try:
        await asyncio.gather(*tasks)
    except ConnectionError:
        if careful:
            await asyncio.wait(tasks)
    open_ = False
    await tasks[0]


async def sibling_that_is_left_running() -> None:
    await _siblings(careful=False)


async def sibling_that_is_left_running_twin() -> None:
    await _siblings(careful=True)


async def _first_of_two(*, careful: bool) -> None:
    """Both may be done when `wait` returns; who takes one of them loses what the other one has taken."""
    left: asyncio.Queue[str] = asyncio.Queue()
    right: asyncio.Queue[str] = asyncio.Queue()
    got: list[str] = []

    async def feed(queue: asyncio.Queue[str], item: str, after: int) -> None:
        await pause(after)
        queue.put_nowait(item)

    async def select() -> None:
        while len(got) < 2:
            both = [asyncio.create_task(left.get()), asyncio.create_task(right.get())]
            done, pending = await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            for task in pending:
                task.cancel()
            if pending:
                await asyncio.wait(pending)  # one may have taken something after all
            finished = [task for task in both if not task.cancelled()]
            got.extend(task.result() for task in (finished if careful else list(done)[:1]))

    async with asyncio.timeout(5.0):
        await together(feed(left, "left", 2), feed(right, "right", 14), select())


async def first_completed_of_two() -> None:
    await _first_of_two(careful=False)


async def first_completed_of_two_twin() -> None:
    await _first_of_two(careful=True)


SPECIMENS = [
    Specimen(cancellation_that_is_swallowed, cancellation_that_is_swallowed_twin, AssertionError),
    Specimen(shield_that_nobody_waits_for, shield_that_nobody_waits_for_twin, AssertionError),
    Specimen(sibling_that_is_left_running, sibling_that_is_left_running_twin, AssertionError),
    Specimen(first_completed_of_two, first_completed_of_two_twin, TimeoutError),
]
