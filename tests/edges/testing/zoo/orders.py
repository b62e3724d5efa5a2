"""Programs that count on an order which nobody promised."""

import asyncio

from .specimen import Specimen
from .updates import pause, together


async def _completion(depth: int, *, careful: bool) -> None:
    """It breaks if *depth* things happen just so: the worse half of the writers overtakes at each of them."""
    log: list[str] = []

    async def writer(name: str, steps: int) -> None:
        for turn in range(steps):
            await pause(2)
            log.append(f"{name}{turn}")

    await together(writer("slow", depth), writer("late", depth))
    if careful:
        assert len(log) == 2 * depth
        return
    # FIFO writes slow0 late0 slow1 late1 ...; the program breaks when they swap in turn.
    wrong = [f"{'late' if turn % 2 == 0 else 'slow'}{turn}" for turn in range(depth)]
    right = [f"{'slow' if turn % 2 == 0 else 'late'}{turn}" for turn in range(depth)]
    assert not all(log.index(w) < log.index(r) for w, r in zip(wrong, right, strict=True)), f"written as {log}"


async def wrong_order_of_depth_2() -> None:
    await _completion(2, careful=False)


async def wrong_order_of_depth_2_twin() -> None:
    await _completion(2, careful=True)


async def wrong_order_of_depth_3() -> None:
    await _completion(3, careful=False)


async def wrong_order_of_depth_3_twin() -> None:
    await _completion(3, careful=True)


async def wrong_order_of_depth_4() -> None:
    await _completion(4, careful=False)


async def wrong_order_of_depth_4_twin() -> None:
    await _completion(4, careful=True)


async def _wait_for_all(*, careful: bool) -> None:
    """A handler starts more work; who waits for what there was when it looked misses it."""
    work: set[asyncio.Task[None]] = set()
    done: list[str] = []

    def start(name: str, steps: int, then: str | None = None) -> None:
        async def go() -> None:
            await pause(steps)
            done.append(name)
            if then:
                start(then, 1)

        task = asyncio.create_task(go(), name=name)
        work.add(task)
        task.add_done_callback(work.discard)

    async def wait() -> None:
        await pause(6)
        if careful:
            while work:
                await asyncio.wait(work)
        elif work:
            await asyncio.wait(set(work))

    start("outer", 2, then="inner")
    await wait()
    assert done == ["outer", "inner"], f"the wait was over, and done was {done}"


async def missed_nested_work() -> None:
    await _wait_for_all(careful=False)


async def missed_nested_work_twin() -> None:
    await _wait_for_all(careful=True)


async def _drain(*, careful: bool) -> None:
    """The producer closes when it has put everything; the consumer may not have taken it yet."""
    queue: asyncio.Queue[int] = asyncio.Queue()
    taken: list[int] = []

    async def consume() -> None:
        while True:
            item = await queue.get()
            await pause()
            taken.append(item)
            queue.task_done()

    consumer = asyncio.create_task(consume())
    for item in range(3):
        await queue.put(item)
        await pause(3)
    if careful:
        await queue.join()
    consumer.cancel()
    assert taken == [0, 1, 2], f"closed after {taken}"


async def closed_before_drained() -> None:
    await _drain(careful=False)


async def closed_before_drained_twin() -> None:
    await _drain(careful=True)


async def _heartbeat(*, careful: bool) -> None:
    """The watcher takes a peer for dead that was only slow."""
    beats = 0
    declared_dead = False

    async def beat() -> None:
        nonlocal beats
        for _ in range(8):
            await pause()
            beats += 1

    async def watch() -> None:
        nonlocal declared_dead
        for _ in range(4):
            before = beats
            await pause(6)
            if beats == before and before < 8:
                declared_dead = not careful
                return

    await together(beat(), watch())
    assert not declared_dead, f"declared dead after {beats} beats"


async def starvation() -> None:
    await _heartbeat(careful=False)


async def starvation_twin() -> None:
    await _heartbeat(careful=True)


SPECIMENS = [
    Specimen(wrong_order_of_depth_2, wrong_order_of_depth_2_twin, AssertionError),
    Specimen(wrong_order_of_depth_3, wrong_order_of_depth_3_twin, AssertionError),
    Specimen(wrong_order_of_depth_4, wrong_order_of_depth_4_twin, AssertionError, most=7),
    Specimen(missed_nested_work, missed_nested_work_twin, AssertionError),
    Specimen(closed_before_drained, closed_before_drained_twin, AssertionError),
    Specimen(starvation, starvation_twin, AssertionError),
]
