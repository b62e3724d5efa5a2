"""Two threads, one of them stopped at any bytecode of the package while the other one does something whole.

What goes wrong between two looks at the same attribute is found by that each time, and not by chance.
"""

import asyncio
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import Any

import pytest

from pyventus_typed import (
    AsyncIOProcessor,
    Emission,
    Emitter,
    Event,
    KeyedOrdering,
    Linker,
    Ordering,
    PerKey,
    Status,
    Tally,
)
from pyventus_typed.errors import EmissionFailed, EmissionRejected, EmitterClosed
from tests.events import OrderPlaced
from tests.threads import TIMES

pytestmark = pytest.mark.timeout(300 * TIMES)  # each tries hundreds of places
SOON = 20  # seconds after which something hangs
BLOCKED = 0.01  # seconds after which the other thread waits for a lock that the stopped one holds
# Of the bytecodes of what is long, and of what is short; `nox -s stress` tries each.
FAR, NEAR = max(1, 31 // TIMES), max(1, 3 // TIMES)
ORDERINGS: list[Ordering | KeyedOrdering] = [*Ordering, PerKey(OrderPlaced, lambda event: event.order % 2)]


class Stop:
    """Stops the thread that is in its block once: before the *number*-th bytecode of the package, until the other one has
    acted.
    """

    def __init__(self, number: int, reached: Callable[[], object]) -> None:
        self.left = number
        self.reached = reached
        self.acted = threading.Event()

    def __enter__(self) -> None:
        self._before = sys.gettrace()  # coverage's
        sys.settrace(self._trace)

    def __exit__(self, *_: object) -> None:
        """Say at the end at the latest that the other one may act."""
        sys.settrace(self._before)
        if self.left > 0:
            self.reached()

    def run(self, job: Callable[[], object]) -> None:
        """Do *job* in the block."""
        with self:
            job()

    def _trace(self, frame: FrameType, what: str, _value: object) -> Any:  # Any: a function of this kind, or none
        if "/pyventus_typed/" not in frame.f_code.co_filename.replace("\\", "/"):
            return None
        frame.f_trace_opcodes = True
        if what == "opcode" and self.left:
            self.left -= 1
            if not self.left:
                self.reached()
                self.acted.wait(BLOCKED)
        return self._trace


def at_every_bytecode(attempt: Callable[[int], Stop], *, step: int) -> None:
    """Call *attempt* with each *step*-th number, until its job is over before that is reached."""
    number = 1
    while not attempt(number).left:
        number += step
    assert number > 100  # else it saw nothing of the package


class World:
    """An emitter with a plain receiver and an async one, and what became of what was emitted."""

    def __init__(self, ordering: Ordering | KeyedOrdering = Ordering.CONCURRENT, capacity: int | None = None) -> None:
        self.linker = Linker[Event](on_failure=lambda _event, _error: None)
        self.lost: list[Emission[Event]] = []
        self.emitter = Emitter(
            self.linker, AsyncIOProcessor(ordering=ordering, capacity=capacity, on_discard=self.lost.extend)
        )
        self.seen: list[tuple[str, int]] = []
        self.emissions: list[Emission[OrderPlaced]] = []
        self.refused = 0
        self.errors: list[BaseException] = []
        self.linker.subscribe(OrderPlaced, self.plain)
        self.linker.subscribe(OrderPlaced, self.takes_a_turn)

    def plain(self, event: OrderPlaced) -> None:
        """Receive it."""
        self.seen.append(("plain", event.order))

    async def takes_a_turn(self, event: OrderPlaced) -> None:
        """Receive it, and go on later."""
        self.seen.append(("async", event.order))
        await asyncio.sleep(0)

    def emit(self, order: int) -> None:
        """Emit, or be refused."""
        try:
            self.emissions.append(self.emitter.emit(OrderPlaced(order)))
        except EmissionRejected:  # the emitter is closed, or there is no capacity
            self.refused += 1

    def check(self) -> None:
        """Each emission is settled, once, as its handlers can tell, and the counts say the same."""
        assert not self.errors, self.errors
        found = [one.status for one in self.emissions]
        count = found.count
        assert self.emitter.tally == Tally(
            len(found),
            0,
            count(Status.COMPLETED),
            count(Status.FAILED),
            count(Status.CANCELLED),
            count(Status.DISCARDED),
            self.refused,
        )
        assert len(set(self.seen)) == len(self.seen)
        for emission in self.emissions:
            for name, delivery in zip(("plain", "async"), emission.deliveries, strict=True):
                assert ((name, emission.event.order) in self.seen) == delivery.started, (delivery, self.seen)


def beside(world: World, job: Callable[[], object]) -> threading.Thread:
    """Begin *job* in a thread of its own."""

    def run() -> None:
        try:
            job()
        except BaseException as error:
            world.errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


def join(thread: threading.Thread) -> None:
    """Wait for *thread*."""
    thread.join(SOON)
    assert not thread.is_alive()


@pytest.mark.parametrize("ordering", ORDERINGS, ids=str)
def test_an_emitter_closes_while_another_thread_emits(ordering: Ordering | KeyedOrdering) -> None:
    def attempt(number: int) -> Stop:
        world = World(ordering)

        async def main() -> Stop:
            loop, reached = asyncio.get_running_loop(), asyncio.Event()
            async with world.emitter:
                world.emit(0)
                stop = Stop(number, lambda: loop.call_soon_threadsafe(reached.set))
                thread = beside(world, lambda: stop.run(lambda: world.emit(1)))
                await reached.wait()
            stop.acted.set()
            await asyncio.to_thread(join, thread)
            return stop

        stop = asyncio.run(main())
        world.check()
        assert not world.lost
        return stop

    at_every_bytecode(attempt, step=NEAR if ordering is Ordering.CONCURRENT else FAR)


@pytest.mark.parametrize("ordering", ORDERINGS, ids=str)
def test_a_home_loop_closes_while_another_thread_emits(ordering: Ordering | KeyedOrdering) -> None:
    def attempt(number: int) -> Stop:
        world, reached = World(ordering), threading.Event()
        loop = asyncio.new_event_loop()
        loop.run_until_complete(world.emitter.__aenter__())
        stop = Stop(number, reached.set)
        thread = beside(world, lambda: stop.run(lambda: world.emit(1)))
        assert reached.wait(SOON)
        loop.close()
        stop.acted.set()
        join(thread)
        world.check()
        assert world.lost == [one for one in world.emissions if one.status is Status.DISCARDED]
        return stop

    at_every_bytecode(attempt, step=NEAR if ordering is Ordering.CONCURRENT else FAR)


@pytest.mark.parametrize("ordering", ORDERINGS, ids=str)
def test_a_loop_runs_an_emission_while_another_thread_cancels_it(ordering: Ordering | KeyedOrdering) -> None:
    def attempt(number: int) -> Stop:
        world = World(ordering)

        async def main() -> Stop:
            reached = threading.Event()
            for order in (2, 4):
                world.emit(order)
            stop = Stop(number, reached.set)
            thread = beside(world, lambda: stop.run(lambda: [one.cancel() for one in world.emissions]))
            assert reached.wait(SOON)  # the loop does not turn before
            assert await world.emitter.wait_for_tasks(SOON)
            stop.acted.set()
            await asyncio.to_thread(join, thread)
            assert await world.emitter.wait_for_tasks(SOON)
            return stop

        stop = asyncio.run(main())
        world.check()
        return stop

    at_every_bytecode(attempt, step=NEAR)


def test_a_loop_emits_while_another_thread_subscribes_and_counts() -> None:
    def attempt(number: int) -> Stop:
        world = World()
        late = list[int]()

        def change() -> None:
            one = world.linker.subscribe(OrderPlaced, lambda event: late.append(event.order), once=True)
            assert len(world.linker.subscriptions()) in (2, 3)
            before = world.emitter.tally
            assert before.accepted == before.pending + before.completed
            one.unsubscribe()

        async def main() -> Stop:
            reached = threading.Event()
            stop = Stop(number, reached.set)
            thread = beside(world, lambda: stop.run(change))
            assert reached.wait(SOON)
            for order in (1, 2):
                world.emit(order)
            assert await world.emitter.wait_for_tasks(SOON)
            stop.acted.set()
            await asyncio.to_thread(join, thread)
            return stop

        stop = asyncio.run(main())
        assert late in ([], [1])
        for emission in world.emissions:
            assert emission.status is Status.COMPLETED
            assert len(emission.deliveries) == 2 + (emission.event.order in late)
        assert [one for one in world.seen if one[0] == "plain"] == [("plain", 1), ("plain", 2)]
        return stop

    at_every_bytecode(attempt, step=FAR)


@pytest.mark.parametrize("is_home", [True, False], ids=["handed over", "run in its own thread"])
@pytest.mark.parametrize("overflow", ["wait", "drop_old", "drop_new"])
def test_the_block_of_a_stream_ends_while_another_thread_emits_into_it(overflow: Any, *, is_home: bool) -> None:
    def attempt(number: int) -> Stop:
        emitter, emissions = Emitter(Linker[Event]()), list[Emission[OrderPlaced]]()

        async def main() -> Stop:
            loop, reached = asyncio.get_running_loop(), asyncio.Event()

            async def work() -> Stop:
                async with emitter.stream(OrderPlaced, maxsize=1, overflow=overflow):
                    stop = Stop(number, lambda: loop.call_soon_threadsafe(reached.set))

                    def emit() -> None:
                        with stop:
                            emissions.extend(emitter.emit(OrderPlaced(order)) for order in (1, 2))

                    thread = threading.Thread(target=emit, daemon=True)
                    thread.start()
                    with suppress(TimeoutError):  # it waits for room, which the end of the block gives it
                        async with asyncio.timeout(0.05):
                            await reached.wait()
                stop.acted.set()
                await asyncio.to_thread(join, thread)
                return stop

            if not is_home:
                return await work()
            async with emitter:
                return await work()

        stop = asyncio.run(main())
        assert len(emissions) == 2
        assert emitter.tally.pending == 0
        assert emitter.tally.accepted == 2
        assert {one.status for one in emissions} <= {Status.COMPLETED, Status.DISCARDED}
        return stop

    at_every_bytecode(attempt, step=3 * (NEAR if overflow == "wait" and not is_home else FAR))


def test_a_failure_is_raised_or_logged_whenever_who_waits_in_another_loop_gives_up(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def attempt(number: int) -> Stop:
        linker, waits, ends = Linker[Event](), threading.Event(), list[BaseException]()
        caplog.clear()

        @linker.on(OrderPlaced)
        async def fail(event: OrderPlaced) -> None:
            raise LookupError

        emitter = Emitter(linker)

        async def main() -> Stop:
            async def wait() -> None:
                loop, reached = asyncio.get_running_loop(), asyncio.Event()
                stop.reached = lambda: loop.call_soon_threadsafe(reached.set)
                waiting = asyncio.create_task(_awaited(emission))
                await asyncio.sleep(0)
                waits.set()
                await reached.wait()
                waiting.cancel()
                ends.extend(one for one in await asyncio.gather(waiting, return_exceptions=True) if one is not None)
                stop.acted.set()

            emission = emitter.emit(OrderPlaced(1))
            stop = Stop(number, lambda: None)
            thread = threading.Thread(target=lambda: asyncio.run(wait()), daemon=True)
            thread.start()
            assert waits.wait(SOON)
            with stop:
                assert await emitter.wait_for_tasks(SOON)
            await asyncio.to_thread(join, thread)
            return stop

        stop = asyncio.run(main())
        raised = [type(one) for one in ends] == [EmissionFailed]
        logged = [record for record in caplog.records if "fail failed for" in record.message]
        assert len(logged) == (not raised)
        return stop

    at_every_bytecode(attempt, step=NEAR)


async def _awaited(emission: Emission[OrderPlaced]) -> None:
    await emission


@pytest.mark.parametrize("capacity", [None, 1])
@pytest.mark.parametrize("act", ["emit", "cancel", "close"])
@pytest.mark.parametrize("ordering", ORDERINGS, ids=str)
def test_another_thread_acts_at_any_moment_of_a_loop(
    ordering: Ordering | KeyedOrdering, act: str, capacity: int | None
) -> None:
    def attempt(number: int) -> Stop:
        world, reached = World(ordering, capacity), threading.Event()
        stop = Stop(number, reached.set)

        def other() -> None:
            assert reached.wait(SOON)
            match act:
                case "emit":
                    world.emit(6)
                case "cancel":
                    for one in world.emissions[-1:]:
                        one.cancel()
                case _:
                    asyncio.run(world.emitter.aclose())
            stop.acted.set()

        async def main() -> None:
            with suppress(EmitterClosed):  # the other one was here first
                async with world.emitter:
                    for order in (2, 4):
                        world.emit(order)
                    assert await world.emitter.wait_for_tasks(SOON)

        thread = beside(world, other)
        stop.run(lambda: asyncio.run(main()))
        join(thread)
        world.check()
        return stop

    at_every_bytecode(attempt, step=FAR)
