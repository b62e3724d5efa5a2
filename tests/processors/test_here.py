"""Which queue an emission goes to: the caller's thread, its loop, or the home loop (R1, R2, R3, R6, R7)."""

import asyncio
import contextvars
import os
import threading
import warnings
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest
import trio

from pyventus_typed import (
    AsyncIOProcessor,
    Completed,
    Emission,
    Emitter,
    Event,
    Linker,
    Status,
    asyncio_emitter,
    current_emission,
)
from pyventus_typed.errors import DefinitionError, DiscardedEmissionsWarning
from tests.events import OrderPaid, OrderPlaced, Shipped
from tests.instants import Action, at_every_instant
from tests.programs import run_python


class LoopProbe(asyncio.SelectorEventLoop):
    """A loop that counts how many of its kind were made."""

    made = 0

    def __init__(self) -> None:
        super().__init__()
        type(self).made += 1


# ---------------------------------------------------------------- R1
def test_sync_handlers_without_a_loop_run_in_the_caller_without_any_loop() -> None:
    linker, seen = Linker(), list[tuple[int, bool]]()

    def handler(event: Event) -> None:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            seen.append((threading.get_ident(), False))

    def no_loop() -> asyncio.AbstractEventLoop:
        raise AssertionError("nobody needs a loop")

    linker.subscribe(OrderPlaced, handler)
    linker.subscribe(OrderPlaced, handler, on_success=lambda result: handler(OrderPlaced()))
    emission = asyncio_emitter(linker, loop_factory=no_loop).emit(OrderPlaced())
    assert emission.status is Status.COMPLETED
    assert seen == [(threading.get_ident(), False)] * 3


def test_emit_returns_when_all_that_it_led_to_is_settled() -> None:
    linker, log = Linker(), list[str]()
    emitter, over = Emitter(linker), asyncio.Event()

    @linker.on(OrderPlaced)
    async def placed(event: OrderPlaced) -> None:
        child = emitter.emit(OrderPaid())
        assert child.status is Status.PENDING
        await asyncio.sleep(0)
        log.append("placed")
        over.set()

    @linker.on(OrderPaid)
    async def paid(event: OrderPaid) -> None:
        await over.wait()
        for _ in range(10):  # nothing else is under way
            await asyncio.sleep(0)
        emitter.emit(Shipped())
        log.append("paid")

    linker.subscribe(Shipped, lambda event: log.append("shipped"))
    emitter.emit(OrderPlaced())
    assert log == ["placed", "paid", "shipped"]
    assert emitter.tally.pending == 0


def test_what_a_handler_emits_goes_behind_what_was_accepted_whatever_emitter_it_uses() -> None:
    linker, log = Linker(), list[str]()
    one, other = Emitter(linker), Emitter(linker)
    linker.subscribe(OrderPlaced, lambda event: log.append(f"{other.emit(OrderPaid()).status.value}"))
    linker.subscribe(OrderPlaced, lambda event: log.append("second"))
    linker.subscribe(OrderPaid, lambda event: log.append("paid"))
    one.emit(OrderPlaced())
    assert log == ["pending", "second", "paid"]


def test_one_fresh_loop_serves_the_rest_of_the_queue_and_is_closed() -> None:
    linker, loops = Linker(), list[asyncio.AbstractEventLoop]()
    LoopProbe.made = 0
    emitter = asyncio_emitter(linker, loop_factory=LoopProbe)

    @linker.on(OrderPlaced)
    async def handler(event: OrderPlaced) -> None:
        loops.append(asyncio.get_running_loop())
        if event.order < 3:
            emitter.emit(OrderPlaced(event.order + 1))
        await asyncio.sleep(0)

    emitter.emit(OrderPlaced())
    assert len(loops) == 4
    assert len(set(loops)) == LoopProbe.made == 1
    assert loops[0].is_closed()


def test_the_threads_current_event_loop_is_left_as_it_was_found() -> None:
    linker = Linker()
    linker.subscribe(OrderPlaced, lambda event: asyncio.sleep(0))
    mine = asyncio.new_event_loop()
    asyncio.set_event_loop(mine)
    try:
        Emitter(linker).emit(OrderPlaced())
        assert asyncio.get_event_loop() is mine
        assert not mine.is_closed()
    finally:
        asyncio.set_event_loop(None)
        mine.close()


def test_a_thread_without_a_current_event_loop_still_has_none_afterwards() -> None:
    linker, found = Linker(), list[object]()
    linker.subscribe(OrderPlaced, lambda event: asyncio.sleep(0))

    def work() -> None:
        Emitter(linker).emit(OrderPlaced())
        try:
            found.append(asyncio.get_event_loop())
        except RuntimeError:
            found.append(None)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [None]


def test_a_loop_factory_that_fails_is_heard_of_and_the_next_emission_runs() -> None:
    linker, broken = Linker(), [True]

    def factory() -> asyncio.AbstractEventLoop:
        if broken.pop() if broken else False:
            raise OSError("no file descriptors left")
        return asyncio.new_event_loop()

    linker.subscribe(OrderPlaced, lambda event: asyncio.sleep(0, event.order))
    emitter = asyncio_emitter(linker, loop_factory=factory, on_discard=lambda emissions: None)
    with warnings.catch_warnings(), pytest.raises(OSError, match="no file descriptors left"):
        warnings.simplefilter("ignore", RuntimeWarning)
        emitter.emit(OrderPlaced(1))
    assert emitter.tally.pending == 0
    assert emitter.emit(OrderPlaced(2)).deliveries[0].outcome == Completed(2)


# ---------------------------------------------------------------- R2
async def test_emit_runs_no_handler_before_it_returns() -> None:
    linker, seen = Linker(), list[object]()
    linker.subscribe(OrderPlaced, seen.append)

    @linker.on(OrderPlaced)
    async def handler(event: OrderPlaced) -> None:
        seen.append(event)

    emission = Emitter(linker).emit(OrderPlaced())
    assert seen == []
    await emission
    assert seen == [OrderPlaced()] * 2


def eager(loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> asyncio.Task[Any]:  # Any: asyncio's own
    """A task factory as hostile as an eager one: it runs the first step itself."""
    factory = getattr(asyncio, "eager_task_factory", None)
    return factory(loop, coroutine, **options) if factory else asyncio.Task(coroutine, loop=loop, **options)


async def test_an_eager_task_factory_changes_nothing() -> None:
    asyncio.get_running_loop().set_task_factory(eager)
    await test_emit_runs_no_handler_before_it_returns()


async def test_a_task_factory_is_not_asked() -> None:
    linker, made = Linker(), list[object]()

    def factory(loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> asyncio.Task[Any]:  # Any: as above
        made.append(coroutine)
        return asyncio.Task(coroutine, loop=loop, **options)

    asyncio.get_running_loop().set_task_factory(factory)
    linker.subscribe(OrderPlaced, lambda event: asyncio.sleep(0))
    await Emitter(linker).emit(OrderPlaced())
    assert made == []


async def test_a_burst_to_sync_handlers_needs_no_task_each() -> None:
    linker, tasks = Linker(), set[int]()
    linker.subscribe(OrderPlaced, lambda event: tasks.add(len(asyncio.all_tasks())))
    emitter = Emitter(linker)
    for number in range(500):
        emitter.emit(OrderPlaced(number))
    await emitter.wait_for_tasks()
    assert tasks == {1}


async def test_handlers_that_never_stop_emitting_do_not_keep_the_loop_from_turning() -> None:
    linker, stop = Linker(), list[bool]()
    emitter = Emitter(linker)
    linker.subscribe(OrderPlaced, lambda event: None if stop else emitter.emit(event))
    emitter.emit(OrderPlaced())
    for _ in range(50):
        await asyncio.sleep(0)
    stop.append(True)
    assert await emitter.wait_for_tasks()
    assert emitter.tally.completed > 10


# ---------------------------------------------------------------- R3
@pytest.mark.parametrize("in_loop", [False, True])
def test_handlers_see_the_emitters_context_and_leak_nothing(in_loop: bool) -> None:
    user: contextvars.ContextVar[str] = contextvars.ContextVar("user", default="nobody")
    linker, seen = Linker(), list[str]()
    emitter = Emitter(linker)

    def now(event: Event) -> None:
        seen.append(user.get())

    async def then(event: Event) -> None:
        seen.append(user.get())
        user.set("the task's")
        await asyncio.sleep(0)
        assert user.get() == "the task's"

    linker.subscribe(OrderPlaced, now)
    linker.subscribe(OrderPlaced, then)
    linker.subscribe(OrderPlaced, then)
    linker.subscribe(OrderPlaced, lambda event: user.set("a handler's"))

    async def main() -> None:
        user.set("ada")
        emitter.emit(OrderPlaced())
        user.set("bob")
        emitter.emit(OrderPlaced())
        assert user.get() == "bob"
        await emitter.wait_for_tasks()
        assert user.get() == "bob"

    def without() -> None:
        for name in ("ada", "bob"):
            user.set(name)
            emitter.emit(OrderPlaced())
            assert user.get() == name

    contextvars.copy_context().run(lambda: asyncio.run(main()) if in_loop else without())
    assert sorted(seen) == ["ada"] * 3 + ["bob"] * 3
    assert user.get() == "nobody"


@pytest.mark.parametrize("in_loop", [False, True])
def test_what_a_plain_handler_sets_is_seen_by_those_that_start_after_it(in_loop: bool) -> None:
    user: contextvars.ContextVar[str] = contextvars.ContextVar("user", default="nobody")
    linker, seen = Linker(), dict[str, str]()
    emitter = Emitter(linker)

    def plain(event: Event) -> None:
        user.set("the plain handler's")

    async def task(event: Event) -> None:
        seen["task"] = user.get()
        user.set("the task's")

    linker.subscribe(OrderPlaced, lambda event: seen.update(before=user.get()))
    linker.subscribe(OrderPlaced, plain)
    linker.subscribe(OrderPlaced, task, on_success=lambda result: seen.update(callback=user.get()))
    linker.subscribe(OrderPlaced, lambda event: seen.update(thread=user.get()), in_thread=True)
    linker.subscribe(OrderPlaced, lambda event: seen.update(plain=user.get()))

    async def main() -> None:
        await emitter.emit(OrderPlaced())
        seen["emitter"] = user.get()

    contextvars.copy_context().run(lambda: asyncio.run(main()) if in_loop else emitter.emit(OrderPlaced()))
    after = {"task": "the plain handler's", "thread": "the plain handler's", "plain": "the plain handler's"}
    assert seen.pop("emitter", "nobody") == "nobody"
    assert seen == {"before": "nobody", "callback": "the task's", **after}


# ---------------------------------------------------------------- R6
def test_one_emitter_serves_many_loops_one_after_the_other() -> None:
    linker, loops = Linker(), set[int]()
    emitter = Emitter(linker)

    @linker.on(OrderPlaced)
    async def handler(event: OrderPlaced) -> None:
        loops.add(id(asyncio.get_running_loop()))
        await asyncio.sleep(0)

    async def main() -> None:
        emitter.emit(OrderPlaced())
        assert await emitter.wait_for_tasks()

    for _ in range(5):
        asyncio.run(main())
        emitter.emit(OrderPlaced())
    assert emitter.tally.completed == 10


def test_dead_threads_are_folded_into_the_tally() -> None:
    linker = Linker()
    linker.subscribe(OrderPlaced, lambda event: None if event.order else asyncio.sleep(0))
    emitter = Emitter(linker)

    def work() -> None:
        for number in range(10):
            emitter.emit(OrderPlaced(number))

    for _ in range(5):
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    tally = emitter.tally
    assert (tally.accepted, tally.completed, tally.pending) == (50, 50, 0)


# ---------------------------------------------------------------- R7
async def test_an_emission_from_a_thread_is_handed_to_the_home_loop() -> None:
    linker, found = Linker(), list[tuple[object, int]]()

    @linker.on(OrderPlaced)
    async def handler(event: OrderPlaced) -> None:
        found.append((asyncio.get_running_loop(), threading.get_ident()))

    async with Emitter(linker) as emitter:
        emission = await asyncio.to_thread(emitter.emit, OrderPlaced())
        await emission
        # A loop of its own has its own queue.
        await asyncio.to_thread(lambda: asyncio.run(emitter.publish(OrderPlaced(2))).raise_failures())
    home = (asyncio.get_running_loop(), threading.get_ident())
    assert found[0] == home
    assert found[1][1] != home[1]


async def test_the_emission_returned_to_a_thread_is_pending() -> None:
    linker, statuses = Linker(), list[Status]()
    linker.subscribe(OrderPlaced, lambda event: asyncio.sleep(0))
    async with Emitter(linker) as emitter:
        go = threading.Event()

        def work() -> Emission[OrderPlaced]:
            emission = emitter.emit(OrderPlaced())
            statuses.append(emission.status)
            go.set()
            return emission

        thread = threading.Thread(target=work)
        thread.start()
        go.wait(10)  # the loop stands still meanwhile
        thread.join()
    assert statuses == [Status.PENDING]
    assert emitter.tally.completed == 1


async def test_outside_of_the_block_a_thread_runs_its_emissions_itself() -> None:
    linker, threads = Linker(), list[int]()
    linker.subscribe(OrderPlaced, lambda event: threads.append(threading.get_ident()))
    emitter = Emitter(linker)
    await asyncio.to_thread(emitter.emit, OrderPlaced())
    assert threads != [threading.get_ident()]


async def test_endpoints_in_forty_threads_emit_into_one_home_loop_and_nothing_is_lost() -> None:
    """As a web application does: `def` endpoints in threads, `async def` ones in the loop, one resource bound to the loop."""
    linker, seen, emissions = Linker(), list[int](), list[Emission[Any]]()
    lock = asyncio.Lock()  # bound to this loop by its first use

    @linker.on(OrderPlaced)
    async def store(event: OrderPlaced) -> None:
        async with lock:
            await asyncio.sleep(0)
            seen.append(event.order)

    linker.subscribe(OrderPlaced, lambda event: None, in_thread=True)
    linker.subscribe(OrderPaid, lambda event: seen.append(event.order))

    async with Emitter(linker, AsyncIOProcessor()) as emitter:

        def endpoint(number: int) -> None:
            emissions.append(emitter.emit(OrderPlaced(number)))
            emissions.append(emitter.emit(OrderPaid(number)))

        async def async_endpoint(number: int) -> None:
            emissions.append(emitter.emit(OrderPlaced(number)))
            emissions.append(await emitter.emit(OrderPaid(number)))

        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(40) as pool:
            calls: list[Any] = [loop.run_in_executor(pool, endpoint, number) for number in range(400)]
            calls += [async_endpoint(number) for number in range(400, 600)]
            await asyncio.gather(*calls)
    assert sorted(seen) == sorted([*range(600), *range(600)])
    assert {emission.status for emission in emissions} == {Status.COMPLETED}
    tally = emitter.tally
    assert (tally.accepted, tally.completed, tally.pending, tally.rejected) == (1200, 1200, 0, 0)


async def test_emissions_of_one_thread_arrive_in_their_order() -> None:
    linker, seen = Linker(), list[tuple[int, int]]()
    linker.subscribe(OrderPaid, lambda event: seen.append((event.order, event.cents)))
    async with Emitter(linker) as emitter:

        def work(thread: int) -> None:
            for number in range(50):
                emitter.emit(OrderPaid(thread, number))

        await asyncio.gather(*(asyncio.to_thread(work, thread) for thread in range(8)))
    for thread in range(8):
        assert [number for owner, number in seen if owner == thread] == list(range(50))


async def test_the_first_emissions_of_eight_threads_meet_in_one_queue() -> None:
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(8))
    for _ in range(30):
        linker, seen = Linker(), list[object]()
        linker.subscribe(OrderPlaced, seen.append)
        barrier = threading.Barrier(8)
        async with Emitter(linker) as emitter:

            def first(number: int, barrier: threading.Barrier = barrier, emitter: Emitter[Event] = emitter) -> None:
                barrier.wait(10)
                emitter.emit(OrderPlaced(number))

            await asyncio.gather(*(asyncio.to_thread(first, number) for number in range(8)))
            assert await emitter.wait_for_tasks()  # of this queue; two queues would not both be waited for
            assert len(seen) == 8


def test_every_emit_of_a_thread_returns_when_all_that_it_led_to_is_settled() -> None:
    linker, seen = Linker(), list[int]()
    emitter = asyncio_emitter(linker)

    @linker.on(OrderPlaced)
    def pay(event: OrderPlaced) -> None:
        emitter.emit(OrderPaid(event.order))

    linker.subscribe(OrderPaid, lambda event: seen.append(event.order))
    for order in range(3):
        emitter.emit(OrderPlaced(order))
        assert seen == list(range(order + 1))
        assert emitter.tally.pending == 0


FORK = """
import asyncio, os, sys
from dataclasses import dataclass
from pyventus_typed import Event, Linker, asyncio_emitter

@dataclass(frozen=True)
class Placed(Event):
    pass

linker = Linker()
emitter = asyncio_emitter(linker)
linker.subscribe(Placed, lambda event: None)

async def wait_for(emission):
    try:
        async with asyncio.timeout(0.01):
            await emission
    except TimeoutError:
        print("never")

async def main():
    await emitter.emit(Placed())
    await emitter.emit(Placed())
    left = emitter.emit(Placed())
    child = os.fork()
    if not child:
        print(emitter.emit(Placed()).status.value)
        asyncio.run(wait_for(left))
        sys.stdout.flush()
        os._exit(0)
    os.waitpid(child, 0)

asyncio.run(main())
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_process_that_was_forked_inside_a_running_loop_has_no_running_loop() -> None:
    ended = run_python("-W", "ignore", "-c", FORK)
    assert (ended.stdout, ended.stderr) == ("completed\nnever\n", "")


@pytest.mark.parametrize("kind", ["plain", "with a callback", "async", "async with a time-out"])
def test_ctrl_c_at_any_moment_of_an_emit_does_not_disturb_the_next_one(kind: str) -> None:
    linker, seen = Linker(), list[int]()

    async def take(event: OrderPlaced) -> None:
        seen.append(event.order)

    for _ in range(3 if kind == "plain" else 1):
        match kind:
            case "plain":
                linker.subscribe(OrderPlaced, lambda event: seen.append(event.order))
            case "with a callback":
                linker.subscribe(OrderPlaced, lambda event: seen.append(event.order), on_success=lambda _: None)
            case "async":
                linker.subscribe(OrderPlaced, take)
            case _:
                linker.subscribe(OrderPlaced, take, timeout=60)
    emitter = asyncio_emitter(linker)
    emitter.emit(OrderPlaced())  # makes the thread's queue

    def emit() -> None:
        with suppress(KeyboardInterrupt):
            emitter.emit(OrderPlaced(1))

    def press() -> None:
        if asyncio._get_running_loop() is None:  # else it is asyncio's to bear
            raise KeyboardInterrupt

    def look() -> Action:
        assert current_emission() is None
        seen.clear()
        assert emitter.emit(OrderPlaced(2)).status is Status.COMPLETED
        assert seen == [2] * len(linker.subscriptions())
        assert emitter.tally.pending == 0
        return emit

    with warnings.catch_warnings(action="ignore", category=DiscardedEmissionsWarning):
        warnings.filterwarnings("ignore", "coroutine 'deliver' was never awaited")  # cut off where it was made
        assert at_every_instant(press, look) > 5
        look()


@pytest.mark.parametrize("timeout", [None, 60])
@pytest.mark.filterwarnings("ignore::pyventus_typed.errors.DiscardedEmissionsWarning")  # emitted while the loop ends
def test_what_a_signal_handler_emits_at_any_moment_of_an_emit_is_over_when_that_returns(timeout: float | None) -> None:
    linker, seen = Linker(), list[int]()

    @linker.on(OrderPlaced, timeout=timeout)
    async def take(event: OrderPlaced) -> None:
        seen.append(event.order)

    emitter = asyncio_emitter(linker)
    emitter.emit(OrderPlaced())  # makes the thread's queue

    def prepare() -> Action:
        seen.clear()

        def emit() -> None:
            assert emitter.emit(OrderPlaced(1)).status is Status.COMPLETED
            assert sorted(seen) in ([1], [1, 2])
            assert emitter.tally.pending == 0

        return emit

    assert at_every_instant(lambda: emitter.emit(OrderPlaced(2)), prepare) > 10


@pytest.mark.parametrize("timeout", [None, 60])
def test_what_a_signal_handler_cancels_at_any_moment_keeps_no_emit_from_returning(timeout: float | None) -> None:
    linker, emitted = Linker(), list[Emission[OrderPaid]]()
    emitter = asyncio_emitter(linker)

    @linker.on(OrderPlaced)
    def place(event: OrderPlaced) -> None:
        emitted.append(emitter.emit(OrderPaid()))

    @linker.on(OrderPaid, timeout=timeout)
    async def pay(event: OrderPaid) -> None:
        await asyncio.sleep(0)

    def prepare() -> Action:
        emitted.clear()

        def emit() -> None:
            emitter.emit(OrderPlaced())
            assert emitter.tally.pending == 0

        return emit

    assert at_every_instant(lambda: [one.cancel() for one in emitted], prepare) > 20
    assert emitter.tally.cancelled + emitter.tally.discarded > 20


def test_an_async_generator_that_a_handler_left_open_is_closed_before_emit_returns() -> None:
    linker, kept, log = Linker[Event](), list[AsyncGenerator[int]](), list[str]()

    async def numbers() -> AsyncGenerator[int]:
        try:
            yield 1
        finally:
            log.append("closed")

    @linker.on(OrderPlaced)
    async def take_one(event: OrderPlaced) -> None:
        kept.append(numbers())
        await anext(kept[0])

    Emitter(linker).emit(OrderPlaced())
    assert log == ["closed"]


# ---------------------------------------------------------------- inside of another library's loop
@pytest.mark.parametrize(
    "way", ["emit", "emit_wait", "publish", "wait_for_tasks", "aclose", "async with", "stream", "expect"]
)
@pytest.mark.parametrize("seen", [True, False], ids=["the thread emitted before", "the thread did not"])
def test_inside_of_trios_loop_each_way_to_emit_or_wait_is_refused_and_nothing_is_accepted(way: str, seen: bool) -> None:
    linker = Linker[Event]()
    linker.subscribe(OrderPlaced, lambda event: None)
    emitter = Emitter(linker, AsyncIOProcessor())
    if seen:
        emitter.emit(OrderPlaced(0))
    before = emitter.tally

    async def main() -> None:
        match way:
            case "emit":
                emitter.emit(OrderPlaced(1))
            case "emit_wait":
                await emitter.emit_wait(OrderPlaced(1))
            case "publish":
                await emitter.publish(OrderPlaced(1))
            case "wait_for_tasks":
                await emitter.wait_for_tasks()
            case "aclose":
                await emitter.aclose()
            case "stream":
                emitter.stream(OrderPlaced)
            case "expect":
                emitter.expect(OrderPlaced)
            case _:
                async with emitter:
                    pass

    with pytest.raises(DefinitionError, match=r"trio's loop runs here.* SyncProcessor.* trio\.to_thread\.run_sync"):
        trio.run(main)
    assert emitter.tally == before
    assert emitter.emit(OrderPlaced(2)).status is Status.COMPLETED  # trio has been imported, and its loop is over


def test_in_a_thread_beside_trios_loop_an_emission_runs_to_its_end() -> None:
    linker = Linker[Event]()

    @linker.on(OrderPlaced)
    async def place(event: OrderPlaced) -> None:
        await asyncio.sleep(0)

    emitter = Emitter(linker, AsyncIOProcessor())

    async def main() -> Status:
        emission: Emission[Event] = await trio.to_thread.run_sync(emitter.emit, OrderPlaced(1))
        return emission.status

    assert trio.run(main) is Status.COMPLETED


def test_trio_is_not_imported_in_order_to_ask_for_it() -> None:
    program = "import sys; from pyventus_typed import *; Emitter(Linker[Event]()).emit(Event()); assert 'trio' not in sys.modules"
    assert run_python("-c", program).stderr == ""
