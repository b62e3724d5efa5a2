"""Random programs, traced and measured, to every end: each span that began has ended once, and the sums are the counts."""

import asyncio
import logging
from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typing_extensions import override

from pyventus_typed import Cancelled, Completed, Discarded, Failed
from pyventus_typed.testing import Ending, afterwards, given_interleavings
from tests.edges.opentelemetry.sdk import Sdk
from tests.loops import LoopFactory
from tests.processors.ends import End, no_complaints
from tests.processors.world import ORDERINGS, Emit, Script, Step, World
from tests.properties.test_programs import ALIVE, MAIN

OUTCOMES = {Completed: "completed", Failed: "failed", Cancelled: "cancelled", Discarded: "discarded"}


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    logging.getLogger("pyventus_typed").disabled = True  # handlers fail all the time here
    yield
    logging.getLogger("pyventus_typed").disabled = False


class Traced(World):
    """A world whose linker and emitter are instrumented."""

    @override
    def __post_init__(self) -> None:
        super().__post_init__()
        self.sdk = Sdk()
        self.instrumentation = self.sdk.instrument(self.linker, self.emitter)

    def check_telemetry(self) -> None:
        sdk, tally = self.sdk, self.emitter.tally
        self.instrumentation.uninstrument()
        assert sdk.counting.started == sdk.counting.ended
        assert set(sdk.counting.ended.values()) <= {1}
        started = [one for emission in self.emissions for one in emission.deliveries if one.started]
        expected = Counter(OUTCOMES[type(one.outcome)] for one in started)
        assert Counter((span.attributes or {})["pyventus_typed.outcome"] for span in sdk.spans) == expected
        assert sdk.sums("messaging.process.duration", by="pyventus_typed.outcome") == expected
        assert sdk.sums("pyventus_typed.deliveries.wait_time") == ({None: len(started)} if started else {})
        counts = {status: getattr(tally, status) for status in OUTCOMES.values()}
        settled = sdk.sums("pyventus_typed.emissions.settled", by="pyventus_typed.status")
        assert settled == {status: count for status, count in counts.items() if count}
        assert sdk.sums("pyventus_typed.emissions.pending") == {}
        assert sdk.sums("pyventus_typed.emissions.rejected") == {}
        # The parent of a span is that of the delivery that emitted its event.
        emitted_by = {str(one.id): None if one.parent_id is None else str(one.parent_id) for one in self.emissions}
        messages = {
            span.context.span_id: (span.attributes or {})["messaging.message.id"]
            for span in sdk.spans
            if span.context is not None
        }
        for span in sdk.spans:
            parent = None if span.parent is None else messages[span.parent.span_id]
            assert parent == emitted_by[str((span.attributes or {})["messaging.message.id"])]


@pytest.mark.parametrize("capacity", [None, 2])
@pytest.mark.parametrize("ordering", ORDERINGS)
def test_at_every_end_each_span_has_ended_once_and_the_sums_are_the_counts(ordering: str, capacity: int | None) -> None:
    spans = 0
    examples = max(10, settings().max_examples // 4)

    @settings(max_examples=examples, suppress_health_check=[HealthCheck.too_slow])
    @given(steps=MAIN, case=st.sampled_from(ALIVE))
    def run(steps: list[Step], case: tuple[End, LoopFactory]) -> None:
        nonlocal spans
        end, factory = case
        world = Traced(ordering, capacity)
        with no_complaints():
            end.bring(world.main(steps), factory)
            world.check(cancels=end.cancels)  # to be traced changes nothing
        world.check_telemetry()
        spans += len(world.sdk.spans)

    run()
    assert spans > examples, "a generator that never gets there proves nothing"


@pytest.mark.parametrize("ending", ["cancel", "close"])
@pytest.mark.parametrize("ordering", ORDERINGS)
def test_under_every_schedule_each_span_has_ended_once_and_the_sums_are_the_counts(
    ordering: str, ending: Ending
) -> None:
    @settings(max_examples=max(10, settings().max_examples // 8), suppress_health_check=[HealthCheck.too_slow])
    # Under MAILBOX one task may serve all: then there is nothing to choose.
    @given_interleavings(MAIN, endings=[ending], expect_choices=ordering != "mailbox")
    async def run(steps: list[Step]) -> None:
        world = Traced(ordering)
        afterwards(world.check_telemetry)
        await world.main([Emit(Script(1)), Emit(Script(1)), *steps])()
        waiters = [task for task in asyncio.all_tasks() if "wait_for_tasks" in repr(task.get_coro())]
        await asyncio.gather(*waiters, return_exceptions=True)

    run()
