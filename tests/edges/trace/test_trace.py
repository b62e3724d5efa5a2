"""What a trace records, and what it leaves alone."""

import asyncio
import gc
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from typing_extensions import override

from pyventus_typed import Emitter, Event, Linker, Ordering, SyncProcessor, asyncio_emitter
from pyventus_typed.errors import InvalidOption
from pyventus_typed.testing import VirtualLoop
from pyventus_typed.trace import Timeline, Trace


@dataclass(frozen=True)
class Ordered(Event):
    n: int


@dataclass(frozen=True)
class Paid(Event):
    n: int


def record(
    main: Callable[[Emitter[Event]], Any], linker: Linker[Event], *, ordering: Any = Ordering.CONCURRENT
) -> Timeline:
    """What happens in *main*, in virtual time."""
    loop = VirtualLoop()
    with Trace(clock=loop.time) as trace, asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(main(asyncio_emitter(linker, ordering=ordering, on_discard=lambda _: None)))
    return trace.timeline


def test_a_delivery_waits_and_runs_and_says_how_it_ended() -> None:
    linker = Linker[Event]()

    @linker.on(Ordered)
    async def ship(event: Ordered) -> str:
        await asyncio.sleep(2)
        if event.n == 2:
            raise ValueError("none left")
        return "shipped"

    async def main(emitter: Emitter[Event]) -> None:
        for n in (1, 2, 3):
            emitter.emit(Ordered(n))
        await asyncio.sleep(3)
        emitter.emit(Ordered(4)).cancel()
        await emitter.wait_for_tasks()

    timeline = record(main, linker, ordering=Ordering.MAILBOX)
    (first, second, third, fourth) = [own for one in timeline.emissions for own in one.deliveries]
    assert (first.started, first.ended, first.outcome, first.said) == (0, 2, "completed", "'shipped'")
    assert (second.started, second.ended, second.outcome, second.said) == (2, 4, "failed", "ValueError: none left")
    assert 'raise ValueError("none left")' in second.traceback
    assert (third.started, third.ended) == (4, 6)
    assert (fourth.started, fourth.ended, fourth.outcome, fourth.said) == (None, None, "discarded", "cancelled")
    assert [(one.accepted, one.settled, one.status) for one in timeline.emissions] == [
        (0, 2, "completed"),
        (0, 4, "failed"),
        (0, 6, "completed"),
        (3, 3, "discarded"),
    ]
    assert timeline.summary() == "4 emissions, 4 deliveries: 2 completed, 1 failed, 1 discarded"


def test_an_emission_says_by_which_one_it_was_caused() -> None:
    linker = Linker[Event]()

    async def main(emitter: Emitter[Event]) -> None:
        linker.subscribe(Ordered, lambda ordered: emitter.emit(Paid(ordered.n)))
        emitter.emit(Ordered(1))
        emitter.emit(Ordered(2))
        await emitter.wait_for_tasks()

    emissions = record(main, linker).emissions
    ids = {one.id: one.event for one in emissions}
    assert {one.event: ids.get(one.parent or 0) for one in emissions} == {
        "Ordered(n=1)": None,
        "Ordered(n=2)": None,
        "Paid(n=1)": "Ordered(n=1)",
        "Paid(n=2)": "Ordered(n=2)",
    }


def test_what_the_end_of_a_loop_cuts_off_ends_there() -> None:
    linker = Linker[Event]()

    @linker.on(Ordered)
    async def ship(event: Ordered) -> None:
        await asyncio.sleep(10)

    async def main(emitter: Emitter[Event]) -> None:
        emitter.emit(Ordered(1))
        await asyncio.sleep(1)
        emitter.emit(Ordered(2))

    first, second = (one.deliveries[0] for one in record(main, linker, ordering=Ordering.SERIAL).emissions)
    assert (first.outcome, first.started, first.ended) == ("cancelled", 0, 1)
    assert (second.outcome, second.started, second.said) == ("discarded", None, "loop closed")


def test_a_trace_of_an_emitter_records_what_came_through_it_and_one_of_none_all() -> None:
    linker = Linker[Event]()
    one, two = asyncio_emitter(linker), asyncio_emitter(linker)
    with Trace(one) as ones, Trace(one, two) as both, Trace() as all_of_them:
        one.emit(Ordered(1))
        two.emit(Ordered(2))
        asyncio_emitter(linker).emit(Ordered(3))
    one.emit(Ordered(4))
    assert [[int(e.event[-2]) for e in trace.timeline.emissions] for trace in (ones, both, all_of_them)] == [
        [1],
        [1, 2],
        [1, 2, 3],
    ]


def test_a_trace_can_be_read_inside_of_its_block_and_entered_again() -> None:
    emitter = asyncio_emitter(Linker[Event]())
    trace = Trace(emitter)
    with trace:
        emitter.emit(Ordered(1))
        assert len(trace.timeline.emissions) == 1
        with pytest.raises(RuntimeError, match="recording already"):
            trace.__enter__()
    emitter.emit(Ordered(2))
    with trace:
        emitter.emit(Ordered(3))
    assert [one.event for one in trace.timeline.emissions] == ["Ordered(n=1)", "Ordered(n=3)"]


def test_a_trace_keeps_nothing_of_the_program_alive() -> None:
    class Value:
        pass

    linker, emitter = Linker[Event](), None
    emitter = asyncio_emitter(linker)
    values: list[weakref.ref[object]] = []

    @linker.on(Ordered)
    def answer(event: Ordered) -> object:
        value = Value()
        values.append(weakref.ref(value))
        return value

    with Trace() as trace:
        emission = weakref.ref(emitter.emit(Ordered(1)))
        gc.collect()
        assert emission() is None
        assert values[0]() is None
    assert trace.timeline.emissions[0].deliveries[0].said.startswith("<")


def test_a_repr_that_raises_harms_nothing() -> None:
    @dataclass(frozen=True, repr=False)
    class Odd(Event):
        @override
        def __repr__(self) -> str:
            raise LookupError

    emitter = asyncio_emitter(Linker[Event]())
    with Trace() as trace:
        emitter.emit(Odd())
    assert trace.timeline.emissions[0].event == "<Odd whose repr raised LookupError>"


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda: Trace(Linker()), "Trace takes emitters"),  # type: ignore[arg-type]  # wrong on purpose
        (lambda: Trace(Emitter(Linker[Event](), SyncProcessor())), "cannot be observed"),
        (lambda: Trace(unit="h"), "unit='h' is none of 's', 'steps'"),  # type: ignore[arg-type]  # wrong on purpose
        (lambda: Trace(clock=3), "clock=3 cannot be called"),  # type: ignore[arg-type]  # wrong on purpose
    ],
)
def test_what_cannot_be_traced_is_refused_at_once(wrong: Callable[[], object], says: str) -> None:
    with pytest.raises(InvalidOption, match=says):
        wrong()


def test_what_is_cut_off_where_its_loop_is_closed_by_hand_ends_there() -> None:
    linker = Linker[Event]()

    @linker.on(Ordered)
    async def ship(event: Ordered) -> None:
        await asyncio.sleep(10)

    async def main() -> None:
        asyncio_emitter(linker, on_discard=lambda _: None).emit(Ordered(1))
        await asyncio.sleep(1)

    loop = VirtualLoop()
    with Trace(clock=loop.time) as trace:
        loop.run_until_complete(main())
        loop.close()
    (delivery,) = trace.timeline.emissions[0].deliveries
    assert (delivery.outcome, delivery.said) == ("discarded", "loop closed")
    assert (delivery.started, delivery.ended) == (0, 1)
