"""The state machine against the real emitter, and against emitters that break a promise each."""

import asyncio
import re
from dataclasses import dataclass

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import invariant, run_state_machine_as_test
from typing_extensions import override

from pyventus_typed import Emission, Emitter, Event, Ordering, PerKey
from pyventus_typed.testing import EventMachine, events

QUICK = settings(
    max_examples=25,
    stateful_step_count=25,
    deadline=None,
    database=None,
    phases=[Phase.generate, Phase.shrink],
    report_multiple_bugs=False,  # an emitter that lies is found out in several places, and one of them is enough
)


@dataclass(frozen=True)
class Placed(Event):
    order: int


@dataclass(frozen=True)
class Paid(Event):
    order: int


class Shop(EventMachine):
    events = events(Placed, Paid)

    @override
    def wire(self) -> None:
        @self.linker.on(Placed)
        async def slow(event: Placed) -> None:
            await asyncio.sleep(event.order % 3)
            if event.order % 4 == 3:
                raise asyncio.CancelledError
            await asyncio.sleep(0)

        @self.linker.on(Placed, Paid, priority=1)
        async def quick(event: Placed | Paid) -> None:
            await asyncio.sleep(0)

        @self.linker.on(Paid)
        def plain(event: Paid) -> None:
            if event.order > 0:
                self.emit(Placed(0))


@pytest.mark.parametrize("ordering", [*Ordering, PerKey(Placed, lambda event: event.order % 2)], ids=str)
def test_the_emitter_keeps_its_promises(ordering: Ordering | PerKey[Placed]) -> None:
    run_state_machine_as_test(type("Ordered", (Shop,), {"ordering": ordering}), settings=QUICK)


def test_a_machine_without_events_says_what_it_needs() -> None:
    class Empty(EventMachine): ...

    with pytest.raises(TypeError, match="Empty needs a strategy for its events"):
        Empty()


class Forgetful(Shop):
    """Its books say CONCURRENT, and it is judged as a mailbox."""

    @override
    def _one_at_a_time(self, emission: Emission[Event]) -> bool:
        return True


def test_an_ordering_that_is_not_kept_is_found() -> None:
    with pytest.raises(AssertionError, match="O3 to O5: .* started while .* was not over"):
        run_state_machine_as_test(Forgetful, settings=QUICK)


class Impatient(Emitter[Event]):
    @override
    async def wait_for_tasks(self, timeout: float | None = None) -> bool:
        return True


def test_a_wait_that_is_over_too_early_is_found() -> None:
    class Lies(Shop):
        @override
        def wire(self) -> None:
            super().wire()
            self.emitter = Impatient(self.linker, self.emitter.processor)

    with pytest.raises(AssertionError, match="W1: the wait is over, and these are pending"):
        run_state_machine_as_test(Lies, settings=QUICK)


def test_an_emission_that_is_lost_is_found() -> None:
    class Loses(Shop):
        @override
        def wire(self) -> None:
            @self.linker.on(Placed)
            async def never(event: Placed) -> None:
                await asyncio.get_running_loop().create_future()

    with pytest.raises(AssertionError, match="O7: stuck"):
        run_state_machine_as_test(Loses, settings=QUICK)


class Counter(EventMachine):
    """A shop whose handler can oversell, with an invariant of the user's that says so."""

    events = events(Placed)

    @override
    def wire(self) -> None:
        self.stock = 2

        @self.linker.on(Placed)
        async def sell(_: Placed) -> None:
            if self.stock > 0:
                await asyncio.sleep(0)
                self.stock -= 1

    @invariant()
    def never_negative(self) -> None:
        assert self.stock >= 0, f"stock is {self.stock}"


@pytest.mark.timeout(200)  # hundreds of examples, each with a loop of its own
def test_a_failure_shows_the_schedule_of_the_loop_and_takes_a_few_hundred_examples() -> None:
    made = 0

    class Counted(Counter):
        def __init__(self) -> None:
            nonlocal made
            made += 1
            super().__init__()

    case = Counted.TestCase
    case.settings = settings(database=None, deadline=None, derandomize=True)
    with pytest.raises(AssertionError, match="stock is -1") as caught:
        case("runTest").runTest()
    assert any(re.match(r"The loop ran under the schedule '[\d:,fifo]+'", note) for note in caught.value.__notes__)
    assert made < 700, "Hypothesis explains what it found with as many examples as it took to find it"
