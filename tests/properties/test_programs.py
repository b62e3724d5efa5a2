"""Random programs of emissions, on real loops, to every end: the books are closed, and they tell the truth."""

import asyncio
import gc
import logging
from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.processors.ends import CASES, DROP, End, LoopFactory, no_complaints
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

HITS: Counter[str] = Counter()
"""What the programs of one ordering have come to: a generator that never gets there proves nothing."""


@pytest.fixture(autouse=True)
def _quick_collections() -> Iterator[None]:
    logging.getLogger("pyventus_typed").disabled = True  # handlers fail all the time here
    gc.collect()
    gc.freeze()  # each example ends with a collection, which need not look at all of pytest
    yield
    gc.unfreeze()
    logging.getLogger("pyventus_typed").disabled = False


def _scripts(steps: st.SearchStrategy[Step]) -> st.SearchStrategy[Script]:
    return st.builds(Script, st.integers(0, 2), st.integers(0, 1), st.lists(steps, max_size=4).map(tuple))


LEAVES: st.SearchStrategy[Step] = st.one_of(
    st.builds(Turns, st.integers(1, 3)),
    st.sampled_from([Raise(), RaiseCancelled(), Hang(), Absorb(), Await(), Wait(), CancelLast()]),
)
STEPS: st.SearchStrategy[Step] = st.recursive(
    LEAVES,
    lambda steps: st.one_of(LEAVES, st.builds(Emit, _scripts(steps)), st.builds(Late, _scripts(steps))),
    max_leaves=8,
)
SCRIPTS = _scripts(STEPS)
# Directed, because chance does not get there often enough: emissions inside of handlers, and while the loop ends.
NESTED = st.builds(
    lambda kind, key, inner, after: Script(kind, key, (Emit(inner), *after)),
    st.integers(0, 2), st.integers(0, 1), SCRIPTS, st.lists(STEPS, max_size=2),
)  # fmt: skip
LATE = st.builds(
    lambda key, inner, end: Script(1, key, (Late(inner), Late(inner), end)),
    st.integers(0, 1),
    SCRIPTS,
    st.sampled_from([Hang(), Absorb()]),
)
MAIN = st.lists(
    st.one_of(
        st.builds(Emit, SCRIPTS),
        st.builds(Emit, NESTED),
        st.builds(Emit, LATE),
        st.builds(Leave, SCRIPTS),
        st.builds(Turns, st.integers(1, 6)),
        st.sampled_from([Wait(), Await(), CancelLast(), Raise()]),
    ),
    min_size=1,
    max_size=8,
)


@pytest.mark.parametrize("ordering", ORDERINGS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    steps=MAIN,
    case=st.sampled_from([one for one in CASES if one[0] is not DROP]),
    capacity=st.sampled_from([None, None, None, 1, 3]),
)
def test_every_program_is_accounted_for_at_every_end(
    ordering: str, steps: list[Step], case: tuple[End, LoopFactory], capacity: int | None
) -> None:
    end, factory = case
    world = World(ordering, capacity)
    with no_complaints():
        end.bring(world.main(steps), factory)
        world.check(cancels=end.cancels)
        HITS.update(world.hits)
        HITS[ordering] += 1
        world.check_nothing_more_happens()
