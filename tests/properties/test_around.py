"""Managers around the handlers of random programs, to every end: each is left once if it was entered, inside out."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import AsyncGenerator, Generator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typing_extensions import override

from pyventus_typed import Completed, Delivery, Discarded
from pyventus_typed.testing import Ending, afterwards, given_interleavings
from tests.loops import LoopFactory
from tests.processors.ends import End, no_complaints
from tests.processors.world import ORDERINGS, Emit, Errand, Script, Step, World
from tests.properties.test_programs import ALIVE, MAIN

Mark = tuple[int, str]  # which manager, and what happened to it
KINDS = ("plain", "async", "hidden async")


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    logging.getLogger("pyventus_typed").disabled = True  # handlers fail all the time here
    yield
    logging.getLogger("pyventus_typed").disabled = False


@dataclass
class Surrounded(World):
    """A world with managers of these kinds around both handlers, the first one outermost."""

    kinds: Sequence[str] = ()
    marks: dict[Delivery[Errand], list[Mark]] = field(default_factory=lambda: defaultdict(list))

    @override
    def __post_init__(self) -> None:
        super().__post_init__()
        for number, kind in enumerate(self.kinds):
            plain, asynchronous = self._managers(number)
            make: Any = {
                "plain": plain,
                "async": asynchronous,
                "hidden async": lambda delivery, at=asynchronous: at(delivery),
            }
            self.linker.surround(make[kind])

    def _managers(self, number: int) -> tuple[Any, Any]:  # Any: of either kind
        @contextmanager
        def plain(delivery: Delivery[Errand]) -> Generator[None]:
            self.marks[delivery].append((number, "entered"))
            try:
                yield
            finally:
                self.marks[delivery].append((number, "left"))

        @asynccontextmanager
        async def asynchronous(delivery: Delivery[Errand]) -> AsyncGenerator[None]:
            await asyncio.sleep(0)  # who is cut off here has not entered it
            self.marks[delivery].append((number, "entered"))
            try:
                yield
            finally:
                self.marks[delivery].append((number, "left"))
                await asyncio.sleep(0)  # where the loop does not turn any more, it is left up to here

        return plain, asynchronous

    def check_managers(self) -> None:
        for emission in self.emissions:
            for delivery in emission.deliveries:
                marks = self.marks[delivery]
                entered = [number for number, what in marks if what == "entered"]
                left = [number for number, what in marks if what == "left"]
                assert entered == list(range(len(entered))), (delivery, marks)
                assert left == entered[::-1], (delivery, marks)
                if isinstance(delivery.outcome, Discarded) and not delivery.outcome.started:
                    assert marks == [], (delivery, marks)


KINDS_AROUND = st.lists(st.sampled_from(KINDS), min_size=1, max_size=3)


@pytest.mark.parametrize("ordering", ORDERINGS)
def test_each_manager_that_was_entered_is_left_once_at_every_end(ordering: str) -> None:
    entered = 0
    examples = max(10, settings().max_examples // 2)

    @settings(max_examples=examples, suppress_health_check=[HealthCheck.too_slow])
    @given(steps=MAIN, case=st.sampled_from(ALIVE), kinds=KINDS_AROUND)
    def run(steps: list[Step], case: tuple[End, LoopFactory], kinds: list[str]) -> None:
        nonlocal entered
        end, factory = case
        world = Surrounded(ordering, kinds=kinds)
        with no_complaints():
            end.bring(world.main(steps), factory)
            if set(kinds) == {"plain"}:
                world.check(cancels=end.cancels)  # a manager that lets everything through changes nothing
            else:
                world.check_counts()
            world.check_managers()
        entered += sum(map(len, world.marks.values()))

    run()
    assert entered > examples, "a generator that never gets there proves nothing"


@pytest.mark.parametrize("ordering", ORDERINGS)
def test_none_is_around_a_stream_and_that_gets_what_handlers_with_managers_get_at_every_end(ordering: str) -> None:
    got = 0
    examples = max(10, settings().max_examples // 2)

    @settings(max_examples=examples, suppress_health_check=[HealthCheck.too_slow])
    @given(
        steps=MAIN, case=st.sampled_from(ALIVE), kinds=KINDS_AROUND, maxsize=st.integers(1, 3), more=st.integers(0, 20)
    )
    def run(steps: list[Step], case: tuple[End, LoopFactory], kinds: list[str], maxsize: int, more: int) -> None:
        nonlocal got
        end, factory = case
        world, read = Surrounded(ordering, kinds=kinds), list[int]()
        events = world.emitter.stream(Errand, maxsize=maxsize)

        async def consume() -> None:
            async for errand in events:
                read.append(errand.n)

        async def main() -> None:
            async with events:
                reading = asyncio.create_task(consume())
                await asyncio.sleep(0)  # it begins to read before the block may end
                await world.main(steps)()
                for _ in range(more):
                    await asyncio.sleep(0)
            await reading

        with no_complaints():
            end.bring(main, factory)
            world.check_counts()
            world.check_managers()
        arrived = set[int]()
        for emission in world.emissions:
            for delivery in emission.deliveries:
                if getattr(delivery.subscription.handler, "__self__", None) is events:
                    assert world.marks.get(delivery, []) == []
                    if isinstance(delivery.outcome, Completed):
                        arrived.add(emission.event.n)
        assert len(read) == len(set(read)), "an event comes once"
        assert set(read) <= arrived
        assert len(arrived - set(read)) <= maxsize, "no more than these were left unread"
        if ordering != "per key":
            assert read == sorted(read)
        got += len(read)

    run()
    assert got > examples // 4, "a stream that gets nothing proves nothing"


@pytest.mark.parametrize("ending", ["cancel", "close"])
@pytest.mark.parametrize("ordering", ORDERINGS)
def test_each_manager_that_was_entered_is_left_once_under_every_schedule(ordering: str, ending: Ending) -> None:
    @settings(max_examples=max(10, settings().max_examples // 4), suppress_health_check=[HealthCheck.too_slow])
    # Under MAILBOX one task may serve all: then there is nothing to choose.
    @given_interleavings(MAIN, KINDS_AROUND, endings=[ending], expect_choices=ordering != "mailbox")
    async def run(steps: list[Step], kinds: list[str]) -> None:
        world = Surrounded(ordering, kinds=kinds)

        def check() -> None:
            world.check_counts()
            world.check_managers()

        afterwards(check)
        await world.main([Emit(Script(1)), Emit(Script(1)), *steps])()
        waiters = [task for task in asyncio.all_tasks() if "wait_for_tasks" in repr(task.get_coro())]
        await asyncio.gather(*waiters, return_exceptions=True)

    run()
