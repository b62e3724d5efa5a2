import asyncio
import random
import re
import weakref
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from hypothesis import strategies as st

from pyventus_typed import Event, Linker, asyncio_emitter
from pyventus_typed.testing import (
    BackgroundError,
    Ending,
    InterleavingError,
    NonDeterminismError,
    NothingToExplore,
    ScheduleError,
    SimulationBoundaryError,
    StateLeakError,
    UnreachedError,
    _search,
    afterwards,
    always,
    explore,
    given_interleavings,
    run,
    sometimes,
)
from tests.events import untyped


@dataclass(frozen=True)
class Placed(Event):
    order: int


@dataclass(frozen=True)
class Packed(Event):
    order: int


async def pause(steps: int = 1) -> None:
    for _ in range(steps):
        await asyncio.sleep(0)


async def oversell() -> None:
    """Two customers, one copy."""
    stock = 1

    async def buy() -> None:
        nonlocal stock
        if stock:
            await pause()
            stock -= 1

    async def second() -> None:
        await pause(3)
        await buy()

    await asyncio.gather(buy(), second())
    assert stock >= 0, f"the stock is {stock}"


# ---------------------------------------------------------------- what a failure tells
def test_the_report_tells_what_broke_who_was_late_each_step_and_how_to_keep_it() -> None:
    with pytest.raises(InterleavingError, match="AssertionError: the stock is -1") as caught:
        explore(oversell)
    report = str(caught.value)
    lines = report.splitlines()
    assert lines[0].startswith("It fails when things happen in another order (found in ")
    assert lines[0].endswith("AssertionError: the stock is -1")
    assert "  AssertionError: the stock is -1" in lines
    assert "in oversell: assert stock >= 0" in report
    late = r"buy#1 resumed \d+ steps late at test_explore\.py:\d+ \(await asyncio.*, for test_explore.py:\d+: await pause\(\)\)"
    assert re.search(late + ": second#1 went first", report)
    assert "second#1 resumes at test_explore.py:" in report
    assert ", ahead of buy#1" in report
    assert isinstance(caught.value.__cause__, AssertionError)
    assert [step.who for step in caught.value.trace][:3] == ["body", "buy#1", "second#1"]


def test_the_reproducer_is_a_complete_test_that_fails_until_the_bug_is_gone() -> None:
    with pytest.raises(InterleavingError, match="AssertionError: the stock is -1") as caught:
        explore(oversell)
    source = caught.value.reproducer.replace(f"from {__name__} import oversell", "")
    names: dict[str, Callable[[], object]] = {"oversell": oversell}
    exec(compile(source, "pasted", "exec"), names)
    test = names["test_oversell_in_the_order_that_broke_it"]
    with pytest.raises(InterleavingError, match="AssertionError: the stock is -1") as again:
        test()
    assert again.value.schedule == caught.value.schedule
    assert again.value.runs == 2, "the pinned schedule is the first after FIFO"


def test_a_program_that_fails_in_the_ordinary_order_needs_no_schedule() -> None:
    async def body() -> None:
        raise ValueError("always")

    with pytest.raises(InterleavingError, match="fails even in the ordinary order.*ValueError: always") as caught:
        explore(body)
    assert not caught.value.schedule
    assert "run(body)" in caught.value.reproducer


def test_the_parent_chain_of_the_emission_that_failed_is_told() -> None:
    async def body() -> None:
        linker: Linker[Event] = Linker()
        emitter = asyncio_emitter(linker)
        packed = []

        @linker.on(Placed)
        async def pack(event: Placed) -> None:
            await pause()
            packed.append(emitter.emit(Packed(event.order)))
            await pause(3)

        @linker.on(Packed)
        async def label(event: Packed) -> None:
            raise LookupError(f"no address for {event.order}")

        emitter.emit(Placed(7))
        while not packed:
            await pause()
        await packed[0]

    with pytest.raises(
        InterleavingError, match=r"EmissionFailed: 1 of 1 handler failed for Packed\(order=7\)"
    ) as caught:
        explore(body)
    report = str(caught.value)
    assert "The emission, and the emissions whose handlers emitted it" in report
    packed, placed = report.split("emitted it\n")[1].splitlines()[:2]
    assert "Packed(order=7)" in packed
    assert "Placed(order=7)" in placed
    assert "LookupError: no address for 7" in report


# ---------------------------------------------------------------- always and sometimes
def test_always_is_looked_at_after_every_step_and_names_the_one_that_broke_it() -> None:
    async def body() -> None:
        level = 5

        async def drain() -> None:
            nonlocal level
            for _ in range(7):
                await pause()
                level -= 1

        always(lambda: level >= 0, "the level is never negative")
        await drain()

    with pytest.raises(AssertionError, match="'the level is never negative' no longer held") as caught:
        run(body)
    assert "was broken after step 7, in which body ran" in caught.value.__notes__[0]


def test_always_names_the_emission_in_whose_handler_it_broke() -> None:
    async def body() -> None:
        linker: Linker[Event] = Linker()
        emitter = asyncio_emitter(linker)
        stock = 1

        @linker.on(Placed)
        async def take(event: Placed) -> None:
            nonlocal stock
            stock -= 1

        always(lambda: stock >= 0, "stock")
        emitter.emit(Placed(1))
        emitter.emit(Placed(2))
        await emitter.wait_for_tasks()

    with pytest.raises(InterleavingError, match="AssertionError: 'stock' no longer held") as caught:
        explore(body)
    assert "Placed(order=2) (emission" in str(caught.value)


def test_always_takes_no_coroutine_function() -> None:
    async def body() -> None:
        always(pause)

    with pytest.raises(TypeError, match="always.. takes a plain function"):
        run(body)


def test_always_needs_a_loop_with_steps() -> None:
    async def body() -> None:
        always(lambda: True)

    with pytest.raises(SimulationBoundaryError, match=r"Run the test with run\(\)"):
        asyncio.run(body())


@pytest.mark.parametrize("ending", ["cancel", "close", "lost"])
def test_afterwards_looks_when_the_loop_has_ended_and_names_what_was_broken(ending: Ending) -> None:
    async def body() -> None:
        loop = weakref.ref(asyncio.get_running_loop())
        tidy: list[str] = []

        async def work() -> None:
            try:
                await asyncio.sleep(10)
            finally:
                tidy.append("up")

        def closed() -> bool:
            left = loop()
            return left is None or left.is_closed()

        keep.append(asyncio.create_task(work()))
        await pause(2)
        afterwards(closed, "the loop is closed")
        afterwards(lambda: tidy == ["down"], "tidied")

    keep: list[asyncio.Task[None]] = []
    with pytest.raises((AssertionError, BackgroundError)) as caught:
        run(body, ending=ending)
    if ending == "cancel":
        assert "'tidied' no longer held" in str(caught.value)
        assert "afterwards: 'tidied' was broken after the end of the loop" in caught.value.__notes__


def test_afterwards_is_not_asked_when_the_run_has_failed_before() -> None:
    asked: list[int] = []

    async def body() -> None:
        afterwards(lambda: asked.append(1))
        raise ValueError("before")

    with pytest.raises(ValueError, match="before"):
        run(body)
    assert asked == []


def test_what_is_broken_afterwards_is_found_under_a_schedule() -> None:
    async def body() -> None:
        log: list[str] = []

        async def go(name: str) -> None:
            await pause()
            log.append(name)

        afterwards(lambda: log == ["a", "b"], "the order of the log")
        await asyncio.gather(go("a"), go("b"))

    with pytest.raises(InterleavingError, match="'the order of the log' no longer held") as caught:
        explore(body)
    assert len(caught.value.schedule) == 1


def test_what_is_reached_sometimes_is_told() -> None:
    async def body() -> None:
        log: list[str] = []

        async def go(name: str, steps: int) -> None:
            await pause(steps)
            log.append(name)

        await asyncio.gather(go("a", 1), go("b", 3))
        sometimes("b first", log == ["b", "a"])

    assert explore(body, schedules=50).reached == {"b first"}


def test_what_is_never_reached_makes_a_green_run_red() -> None:
    async def body() -> None:
        await asyncio.gather(pause(4), pause(4), pause(4))
        sometimes("pigs fly", False)

    with pytest.raises(
        UnreachedError, match="In 20 schedules the test never reached: 'the moon', 'pigs fly'"
    ) as caught:
        explore(body, schedules=20, reach=["the moon"])
    assert set(caught.value.names) == {"pigs fly", "the moon"}


def test_outside_of_an_exploration_sometimes_claims_nothing() -> None:
    sometimes("pigs fly", False)


# ---------------------------------------------------------------- what cannot be explored
def test_a_leak_is_named_with_the_step_at_which_it_shows() -> None:
    seen: list[int] = []

    async def body() -> None:
        seen.append(1)
        await pause(len(seen))

    with pytest.raises(StateLeakError, match="Make all state inside the body") as caught:
        explore(body)
    assert caught.value.step > 0


def test_a_leak_that_takes_some_schedules_to_show_is_found_at_the_end() -> None:
    seen: list[int] = []

    async def body() -> None:
        seen.append(1)
        await asyncio.gather(pause(4), pause(4), pause(4))
        if len(seen) > 20:
            await pause()

    with pytest.raises(StateLeakError, match="went another way when it was run again"):
        explore(body, schedules=30)


def test_chance_is_told_from_a_leak() -> None:
    dice = random.Random(5)

    async def body() -> None:
        await asyncio.gather(*(pause(dice.randrange(3)) for _ in range(6)))

    with pytest.raises(NonDeterminismError, match="something that the schedule does not decide"):
        explore(body)


def test_a_program_in_which_there_is_nothing_to_choose_proves_nothing_unless_that_is_expected() -> None:
    async def body() -> None:
        await asyncio.sleep(1)
        await pause(3)

    with pytest.raises(NothingToExplore, match=r"never was more than one thing ready.*expect_choices=False"):
        explore(body)
    seen = explore(body, expect_choices=False)
    assert (seen.schedules, seen.complete) == (1, True)


# ---------------------------------------------------------------- how much a green run proves
def test_a_program_with_one_choice_has_two_schedules_and_each_is_run_once() -> None:
    seen: list[str] = []

    async def body() -> None:
        log: list[str] = []

        async def go(name: str) -> None:
            await pause()
            log.append(name)

        await asyncio.gather(go("a"), go("b"))
        seen.append("".join(log))

    exploration = explore(body)
    assert (
        str(exploration) == "4 schedules, complete"
    )  # after "b" there is a choice between "a" and the end of the gather
    # Besides the four: FIFO again at the beginning and at the end, as the root of all others, and with collections.
    assert len(seen) == 4 + 4
    assert set(seen) == {"ab", "ba"}


def test_a_large_program_is_explored_completely_up_to_a_number_of_delays() -> None:
    async def body() -> None:
        await asyncio.gather(*(pause(4) for _ in range(4)))

    exploration = explore(body, schedules=300)
    assert not exploration.complete
    assert exploration.delays == 2
    assert str(exploration) == f"{exploration.schedules} schedules, complete up to 2 delays"


@pytest.mark.parametrize("seed", range(5))
def test_no_schedule_with_fewer_delays_than_the_one_in_the_report_fails(seed: int) -> None:
    async def body() -> None:
        log: list[str] = []

        async def go(name: str) -> None:
            for step in range(3):
                await pause()
                log.append(f"{name}{step}")

        await asyncio.gather(*(go(name) for name in "abc"))
        assert not log.index("c1") < log.index("a0") < log.index("b0") < log.index("c2")

    with pytest.raises(InterleavingError, match="in another order") as caught:
        explore(body, seed=seed)
    delays = caught.value.schedule.delays
    assert delays >= 3
    explore(body, exhaustive=2)


# ---------------------------------------------------------------- what nobody looks at
def test_a_forgotten_await_fails_the_run_and_is_named() -> None:
    async def body() -> None:
        pause(3)  # type: ignore[unused-coroutine]  # forgotten on purpose

    with pytest.raises(BackgroundError, match=r"the coroutine pause \(test_explore.py:\d+\) was never awaited"):
        run(body)


def test_an_exception_that_nobody_takes_fails_the_run_and_is_in_the_group() -> None:
    async def body() -> None:
        async def fail() -> None:
            raise KeyError("lost")

        task = asyncio.create_task(fail())
        await pause(2)
        del task

    with pytest.raises(BackgroundError, match=r"this was left behind: KeyError: 'lost'") as caught:
        run(body)
    assert [type(error) for error in caught.value.exceptions] == [KeyError]


def test_an_exception_in_a_finaliser_fails_the_run() -> None:
    async def body() -> None:
        class Bad:
            def __del__(self) -> None:
                raise OSError("in a finaliser")

        Bad()

    with pytest.raises(BackgroundError, match="in a finaliser"):
        run(body)


def test_an_exception_in_a_callback_fails_the_run() -> None:
    async def body() -> None:
        asyncio.get_running_loop().call_soon(lambda: 1 / 0)
        await pause(2)

    with pytest.raises(BackgroundError, match="division by zero"):
        run(body)


# ---------------------------------------------------------------- a build without a GIL
class Cycle:
    """Refers to itself, so that only a collection of garbage ends it."""

    def __init__(self, future: asyncio.Future[None]) -> None:
        self.itself = self
        self.future = future


@pytest.mark.parametrize("late", [1, 2])
def test_garbage_that_complains_is_found_with_its_schedule_however_many_runs_one_collection_is_for(
    late: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def body() -> None:
        order: list[int] = []

        async def note(number: int) -> None:
            await asyncio.sleep(0)
            order.append(number)

        await asyncio.gather(*map(note, range(4)))
        if order == [*range(late, 4), *range(late)]:  # in few schedules, and not in the last one before a collection
            future = asyncio.get_running_loop().create_future()
            future.set_exception(ValueError("nobody looks"))
            Cycle(future)

    found = list[str]()
    for has_gil in (True, False):
        monkeypatch.setattr(_search, "HAS_GIL", has_gil)
        with pytest.raises(InterleavingError, match="nobody looks") as caught:
            explore(body, schedules=40 if late == 1 else 1_000)
        assert isinstance(caught.value.__cause__, BackgroundError)
        found.append(str(caught.value.schedule))
    assert found == [f"0:{late}", f"0:{late}"]


async def two_tasks(_: object = None) -> None:
    await asyncio.gather(asyncio.sleep(0), asyncio.sleep(0))


SHARED = [
    ("latency", "x", ValueError, "latency says how many times as long a sleep may take, at least 1, and not 'x'."),
    ("latency", True, ValueError, "at least 1, and not True."),
    ("max_steps", 0, ValueError, "max_steps is the number of steps that a run may take, at least 1, not 0."),
    ("max_steps", "x", ValueError, "at least 1, not 'x'."),
    ("cancel", 1, TypeError, "cancel is True or False, not 1."),
    ("reach", "paid", TypeError, "reach is a list of names. Did you mean reach=['paid']?"),
    ("reach", 1, TypeError, "reach is a list of names."),
    ("expect_choices", "no", TypeError, "expect_choices is True or False, not 'no'."),
    ("schedules", "x", ValueError, "at least 1, not 'x'."),
    ("schedules", 0, ValueError, "at least 1, not 0."),
    ("schedules", 2.5, ValueError, "at least 1, not 2.5."),
]


@pytest.mark.parametrize(
    ("name", "value", "error", "message"),
    [
        *SHARED,
        ("exhaustive", "x", ValueError, "exhaustive is the number of delays allowed, at least 0, not 'x'."),
        ("seed", "x", TypeError, "seed is a whole number, not 'x'."),
        ("first", 1, ScheduleError, "first is a list of schedules. Did you mean first=[1]?"),
    ],
)
def test_each_option_of_explore_is_looked_at(name: str, value: object, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=re.escape(message)):
        untyped(explore)(two_tasks, **{name: value})


@pytest.mark.parametrize(
    ("name", "value", "error", "message"),
    [
        *SHARED,
        ("endings", "close", TypeError, "endings is a list. Did you mean endings=['close']?"),
        ("endings", 1, TypeError, "endings is a list."),
    ],
)
def test_each_option_of_given_interleavings_is_looked_at(
    name: str, value: object, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=re.escape(message)):
        untyped(given_interleavings)(st.integers(), **{name: value})
