"""Random programs of emissions, to every end: nothing is pending then, and the counts are right.

The same programs are compared with the same counts on real loops, and under many schedules of a virtual one.
"""

import asyncio
import gc
import logging
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pyventus_typed import Tally
from pyventus_typed.testing import Ending, afterwards, always, given_interleavings, sometimes
from tests.loops import LoopFactory
from tests.processors.ends import CASES, DROP, End, no_complaints
from tests.processors.world import (
    ORDERINGS,
    Absorb,
    Await,
    CancelLast,
    Emit,
    Hang,
    Late,
    Leave,
    Raise,
    RaiseCancelled,
    Script,
    Step,
    Turns,
    Wait,
    World,
)

ALIVE = [(end, factory) for end, factory in CASES if end is not DROP]
"""A dropped loop has its own tests: to collect it takes too long for a hundred programs."""


@pytest.fixture(autouse=True)
def _quick_collections() -> Iterator[None]:
    logging.getLogger("pyventus_typed").disabled = True  # handlers fail all the time here
    gc.collect()
    gc.freeze()  # each example ends with a collection, which need not look at all of pytest
    yield
    gc.unfreeze()
    logging.getLogger("pyventus_typed").disabled = False


QUIET: list[Step] = [Turns(1), Turns(2), Raise(), RaiseCancelled(), Await(), Wait(), CancelLast()]
HANGING: list[Step] = [Hang(), Absorb()]


# Composites, not st.builds: Hypothesis would write every nested call twice in its report, to the power of the depth.
@st.composite
def _scripts(draw: st.DrawFn, depth: int = 3) -> Script:
    steps = [draw(_steps(depth)) for _ in range(draw(st.integers(0, 3)))]
    return Script(draw(st.integers(0, 2)), draw(st.integers(0, 1)), tuple(steps))


@st.composite
def _steps(draw: st.DrawFn, depth: int) -> Step:
    match draw(st.integers(0, 7 if depth else 4)):
        case 0 | 1 | 2 | 3:
            return draw(st.sampled_from(QUIET))
        case 4:
            return draw(st.sampled_from(HANGING))
        case 5:
            return Late(draw(_scripts(depth - 1)))
        case _:
            return Emit(draw(_scripts(depth - 1)))


# Directed, because chance does not get there often enough: emissions inside of handlers, and while the loop ends.
@st.composite
def _nested(draw: st.DrawFn) -> Step:
    children = tuple(Emit(draw(_scripts(1))) for _ in range(draw(st.integers(1, 2))))
    return Emit(Script(draw(st.integers(0, 2)), draw(st.integers(0, 1)), (*children, draw(_steps(1)))))


@st.composite
def _late(draw: st.DrawFn) -> Step:
    steps = (Late(draw(_scripts(1))), Late(draw(_scripts(1))), draw(st.sampled_from(HANGING)))
    return Emit(Script(1, draw(st.integers(0, 1)), steps))


@st.composite
def _left(draw: st.DrawFn) -> Step:
    return Leave(draw(_scripts(1)))


@st.composite
def _calls(draw: st.DrawFn) -> Step:
    return Emit(draw(_scripts()))


def _can_end(script: Script) -> Script:
    """*script*, which waits for nothing more that never comes once it has absorbed a cancellation: a runner of asyncio cancels
    each task once, and then waits for it for good, with or without us.
    """
    at = next((at for at, step in enumerate(script.steps) if isinstance(step, Absorb)), len(script.steps))
    kept = (step for n, step in enumerate(script.steps) if n <= at or not isinstance(step, Hang | Absorb))
    return replace(script, steps=tuple(map(_can_end_in, kept)))


def _can_end_in(step: Step) -> Step:
    return replace(step, script=_can_end(step.script)) if isinstance(step, Emit | Late | Leave) else step


MAIN: st.SearchStrategy[list[Step]] = st.lists(
    st.one_of(
        _calls(),
        _calls(),
        _nested(),
        _late(),
        _left(),
        st.sampled_from(list[Step]([Turns(1), Turns(3), Turns(6), Wait(), Await(), CancelLast(), Raise()])),
    ),
    min_size=1,
    max_size=8,
).map(lambda steps: [*map(_can_end_in, steps)])


@pytest.mark.parametrize("ordering", ORDERINGS)
def test_every_program_is_accounted_for_at_every_end(ordering: str) -> None:
    hits: Counter[str] = Counter()

    @settings(max_examples=max(10, settings().max_examples // 2), suppress_health_check=[HealthCheck.too_slow])
    @given(steps=MAIN, case=st.sampled_from(ALIVE), capacity=st.sampled_from([None, None, None, 1, 3]))
    def run(steps: list[Step], case: tuple[End, LoopFactory], capacity: int | None) -> None:
        end, factory = case
        world = World(ordering, capacity)
        with no_complaints():
            end.bring(world.main(steps), factory)
            world.check(cancels=end.cancels)
            hits.update(world.hits)
            world.check_nothing_more_happens()

    run()
    # A generator that never gets there proves nothing.
    for where in ("from outside", "inside a handler", "during shutdown"):
        assert hits[where] >= 10, hits


def balances(tally: Tally) -> bool:
    return tally.accepted == tally.pending + tally.completed + tally.failed + tally.cancelled + tally.discarded


@pytest.mark.parametrize("ending", ["cancel", "close"])
@pytest.mark.parametrize("ordering", ORDERINGS)
def test_every_program_is_accounted_for_under_every_schedule(ordering: str, ending: Ending) -> None:
    @settings(max_examples=max(10, settings().max_examples // 4), suppress_health_check=[HealthCheck.too_slow])
    @given_interleavings(MAIN, st.sampled_from([None, None, None, 1, 3]), endings=[ending])
    async def run(steps: list[Step], capacity: int | None) -> None:
        world = World(ordering, capacity)

        def check() -> None:
            world.check(cancels=ending == "cancel")
            for where in ("from outside", "inside a handler", "during shutdown"):
                sometimes(where, world.hits[where] > 0)

        always(lambda: balances(world.emitter.tally), "L2")
        afterwards(check)
        # An emitter that meets a loop only in its shutdown, in a generator that was left open, cannot know that it ends.
        await world.main([Emit(Script(0)), *steps])()
        # Waiters that gave up are the test's own tasks, and must not be lost together with the loop.
        waiters = [task for task in asyncio.all_tasks() if "wait_for_tasks" in repr(task.get_coro())]
        await asyncio.gather(*waiters, return_exceptions=True)

    run()
