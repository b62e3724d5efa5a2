"""The ordering and waiting bugs of pyventus 0.8, found in the real library by the default settings.

Each body states what a user expects. `test_promises.py` states the same of this package.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from pyventus_typed.testing import DeadlockError, InterleavingError, explore

pytest.importorskip("pyventus", reason="pyventus, in which these bugs are found, is not installed")

import contextlib

from pyventus.core.processing.asyncio import AsyncIOProcessingService
from pyventus.events import EventEmitter, EventLinker

# pyventus announces itself and its failures on stdout; that is none of our business here.


async def pause(steps: int = 1) -> None:
    for _ in range(steps):
        await asyncio.sleep(0)


async def the_second_waiter_waits_too() -> None:
    service = AsyncIOProcessingService()
    done: list[str] = []

    async def job() -> None:
        await pause(5)
        done.append("job")

    async def wait(after: int) -> None:
        await pause(after)
        await service.wait_for_tasks()
        assert done == ["job"], "the wait was over before the job"

    service.submit(job)
    await asyncio.gather(wait(0), wait(2))


async def a_wait_that_times_out_cancels_nothing() -> None:
    service = AsyncIOProcessingService()
    outcome: list[str] = []

    async def job() -> None:
        try:
            await asyncio.sleep(1)
            outcome.append("done")
        except asyncio.CancelledError:
            outcome.append("cancelled")
            raise

    service.submit(job)
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(service.wait_for_tasks(), 0.05)
    await asyncio.sleep(2)
    assert outcome == ["done"], f"the job was {outcome}"


async def one_failing_job_does_not_end_the_wait_for_the_others() -> None:
    service = AsyncIOProcessingService()
    done: list[str] = []

    async def fails() -> None:
        await pause()
        raise ValueError("one job")

    async def slow() -> None:
        await pause(5)
        done.append("slow")

    service.submit(fails)
    service.submit(slow)
    for _ in range(2):
        with contextlib.suppress(ValueError):
            await service.wait_for_tasks()
    assert done == ["slow"], "the wait was over and the slow job was not"


async def a_job_that_waits_for_all_jobs_does_not_hang() -> None:
    service = AsyncIOProcessingService()

    async def job() -> None:
        await pause()
        await service.wait_for_tasks()

    service.submit(job)
    await pause(3)
    await service.wait_for_tasks()


async def ordered_mode_survives_an_exception() -> None:
    service = AsyncIOProcessingService(enforce_submission_order=True)
    done: list[str] = []

    async def bad() -> None:
        await pause()
        raise ValueError("bad")

    async def good() -> None:
        done.append("good")

    service.submit(bad)
    await pause(4)
    service.submit(good)
    with contextlib.suppress(ValueError):
        await service.wait_for_tasks()
    await pause(10)
    assert done == ["good"], "nothing ran after the exception"


async def nested_submissions_keep_their_order() -> None:
    service = AsyncIOProcessingService(enforce_submission_order=True)
    done: list[str] = []

    def job(name: str, *then: str) -> Callable[[], Coroutine[Any, Any, None]]:
        async def run() -> None:
            done.append(name)
            for one in then:
                service.submit(job(one))
            await pause()

        return run

    service.submit(job("outer", "inner1", "inner2", "inner3"))
    service.submit(job("next"))
    await service.wait_for_tasks()
    inner = [name for name in done if name.startswith("inner")]
    assert inner == ["inner1", "inner2", "inner3"], f"done in the order {done}"


async def nested_events_go_before_what_follows() -> None:
    """pyventus promises that what a callback submits runs before what was submitted after the callback."""

    class Linker(EventLinker): ...

    service = AsyncIOProcessingService(enforce_submission_order=True)
    emitter = EventEmitter(event_linker=Linker, event_processor=service)
    done: list[str] = []

    @Linker.on("outer")
    async def outer() -> None:
        done.append("outer")
        emitter.emit("inner")
        await pause()

    @Linker.on("inner")
    async def inner() -> None:
        done.append("inner")

    @Linker.on("next")
    async def following() -> None:
        done.append("next")

    emitter.emit("outer")
    emitter.emit("next")
    await service.wait_for_tasks()
    assert done == ["outer", "inner", "next"], f"done in the order {done}"


async def the_guard_protects_the_result_of_its_body() -> None:
    service = AsyncIOProcessingService()

    async def fails() -> None:
        await pause()
        raise ValueError("a background job")

    @AsyncIOProcessingService.guard
    async def body() -> int:
        service.submit(fails)
        return 42

    assert await body() == 42


async def an_ordered_handler_may_wait_for_what_it_emitted() -> None:
    class Linker(EventLinker): ...

    service = AsyncIOProcessingService(enforce_submission_order=True)
    emitter = EventEmitter(event_linker=Linker, event_processor=service)
    seen = asyncio.Event()

    @Linker.on("outer")
    async def outer() -> None:
        emitter.emit("inner")
        await seen.wait()

    @Linker.on("inner")
    async def inner() -> None:
        seen.set()

    emitter.emit("outer")
    await service.wait_for_tasks()


async def handlers_start_in_the_order_of_subscribing() -> None:
    class Linker(EventLinker): ...

    service = AsyncIOProcessingService()
    emitter = EventEmitter(event_linker=Linker, event_processor=service)
    called: list[int] = []

    def handler(number: int) -> None:
        async def handle() -> None:
            called.append(number)

        Linker.on("event")(handle)

    for number in range(8):
        handler(number)
    emitter.emit("event")
    await service.wait_for_tasks()
    assert called == list(range(8)), f"called in the order {called}"


@pytest.mark.parametrize(
    ("body", "shows_as"),
    [
        (the_second_waiter_waits_too, AssertionError),
        (a_wait_that_times_out_cancels_nothing, AssertionError),
        (one_failing_job_does_not_end_the_wait_for_the_others, AssertionError),
        (a_job_that_waits_for_all_jobs_does_not_hang, RecursionError),
        (ordered_mode_survives_an_exception, AssertionError),
        (nested_submissions_keep_their_order, AssertionError),
        (nested_events_go_before_what_follows, AssertionError),
        (the_guard_protects_the_result_of_its_body, ValueError),
        (an_ordered_handler_may_wait_for_what_it_emitted, DeadlockError),
        (handlers_start_in_the_order_of_subscribing, AssertionError),
    ],
)
def test_the_claim_does_not_hold_in_pyventus_and_that_is_found(
    body: Callable[[], Coroutine[Any, Any, None]], shows_as: type[Exception]
) -> None:
    with pytest.raises(InterleavingError, match=rf"It fails .*: {shows_as.__name__}") as caught:
        explore(body)
    assert isinstance(caught.value.__cause__, shows_as)
