"""What is counted and measured, and that it agrees with the counts of the emitter."""

import asyncio
import threading
from contextlib import ExitStack
from dataclasses import dataclass

import pytest
from opentelemetry.sdk.metrics.export import HistogramDataPoint
from typing_extensions import override

from pyventus_typed import AsyncIOProcessor, Emitter, Event, Linker, Ordering, SyncProcessor, Tally
from pyventus_typed.errors import NoRoom
from tests.edges.opentelemetry.sdk import Sdk

SETTLED = "pyventus_typed.emissions.settled"
PENDING = "pyventus_typed.emissions.pending"
REJECTED = "pyventus_typed.emissions.rejected"
WAIT = "pyventus_typed.deliveries.wait_time"
DURATION = "messaging.process.duration"
STATUS, OUTCOME, HANDLER = "pyventus_typed.status", "pyventus_typed.outcome", "code.function.name"


@dataclass(frozen=True)
class Placed(Event):
    order: int = 1


def histogram(sdk: Sdk, name: str) -> HistogramDataPoint:
    (point,) = sdk.points(name).values()
    assert isinstance(point, HistogramDataPoint)
    return point


# ---------------------------------------------------------------- counts
async def test_emissions_are_counted_by_status_and_while_they_are_pending(sdk: Sdk) -> None:
    linker = Linker[Event]()
    emitter = Emitter(linker, AsyncIOProcessor(capacity=3))
    go_on = asyncio.Event()

    @linker.on(Placed)
    async def handle(event: Placed) -> None:
        await go_on.wait()
        if event.order == 2:
            raise ValueError

    with sdk.instrument(linker, emitter):
        for order in (1, 2, 3):
            last = emitter.emit(Placed(order))
        with pytest.raises(NoRoom):
            emitter.emit(Placed(4))
        await asyncio.sleep(0)
        assert sdk.sums(PENDING) == {None: 3}
        last.cancel()
        go_on.set()
        await emitter.wait_for_tasks()
        assert sdk.sums(SETTLED, by=STATUS) == {"completed": 1, "failed": 1, "cancelled": 1}
        assert sdk.sums(PENDING) == {}
        assert sdk.sums(REJECTED) == {None: 1}
        assert sdk.sums(DURATION, by=OUTCOME) == {"completed": 1, "failed": 1, "cancelled": 1}


def test_what_was_before_is_not_counted_and_what_was_counted_stays(sdk: Sdk) -> None:
    linker = Linker[Event](on_failure=lambda event, error: None)
    emitter = Emitter(linker)

    @linker.on(Placed)
    def handle(event: Placed) -> None:
        if event.order == 2:
            raise ValueError

    def emit() -> None:
        emitter.emit(Placed(1))
        emitter.emit(Placed(2))

    emit()
    with sdk.instrument(emitter):
        emit()
        emit()
    emit()
    assert sdk.sums(SETTLED, by=STATUS) == {"completed": 2, "failed": 2}
    with sdk.instrument(emitter):
        emit()
        assert sdk.sums(SETTLED, by=STATUS) == {"completed": 3, "failed": 3}


def test_a_processor_that_emitters_share_is_counted_once_until_the_last_of_them_goes(sdk: Sdk) -> None:
    processor = SyncProcessor()
    one, other = Emitter(Linker[Event](), processor), Emitter(Linker[Event](), processor)
    with sdk.instrument(one):
        with sdk.instrument(one, other):
            one.emit(Placed())
            other.emit(Placed())
        other.emit(Placed())
        assert sdk.sums(SETTLED, by=STATUS) == {"completed": 3}
    other.emit(Placed())
    assert sdk.sums(SETTLED, by=STATUS) == {"completed": 3}


def test_a_processor_is_counted_once_over_all_meter_providers_and_by_each_in_its_turn(sdk: Sdk) -> None:
    linker, later = Linker[Event](), Sdk()
    linker.subscribe(Placed, lambda event: None)
    emitter = Emitter(linker, SyncProcessor())
    with sdk.instrument(emitter, attributes={"who": "first"}):
        later_one = later.instrument(emitter, attributes={"who": "later"})
        for _ in range(2):
            emitter.emit(Placed())
        assert sdk.sums(SETTLED, by="who") == sdk.sums(DURATION, by="who") == {"first": 2}
        assert later.sums(SETTLED) == later.sums(DURATION) == {}
    with sdk.instrument(emitter, attributes={"who": "again"}):
        emitter.emit(Placed())
        assert sdk.sums(SETTLED, by="who") == sdk.sums(DURATION, by="who") == {"first": 2}
        assert later.sums(SETTLED, by="who") == later.sums(DURATION, by="who") == {"later": 1}
        later_one.uninstrument()
        emitter.emit(Placed())
        assert sdk.sums(SETTLED, by="who") == sdk.sums(DURATION, by="who") == {"first": 2, "again": 1}
    emitter.emit(Placed())
    assert later.sums(SETTLED, by="who") == {"later": 1}
    assert sdk.sums(SETTLED) == {None: 3}


def test_attributes_tell_emitters_apart_and_without_them_they_are_added(sdk: Sdk) -> None:
    emitters = [Emitter(Linker[Event]()) for _ in range(4)]
    with ExitStack() as stack:
        for emitter, name in zip(emitters, ("orders", "mails", None, None), strict=True):
            stack.enter_context(sdk.instrument(emitter, attributes=None if name is None else {"emitter": name}))
        for times, emitter in enumerate(emitters, 1):
            for _ in range(times):
                emitter.emit(Placed())
    assert sdk.sums(SETTLED, by="emitter") == {"orders": 1, "mails": 2, None: 7}


def test_where_the_counts_cannot_be_read_nothing_is_instrumented(sdk: Sdk) -> None:
    class Odd(SyncProcessor):
        @property
        @override
        def tally(self) -> Tally:
            raise OSError("no counts")

    linker = Linker[Event]()
    linker.subscribe(Placed, lambda event: None)
    emitter = Emitter(linker, Odd())
    with pytest.raises(OSError, match="no counts"):
        sdk.instrument(linker, emitter)
    emitter.emit(Placed())
    assert sdk.spans == []


# ---------------------------------------------------------------- durations
async def test_a_duration_is_that_of_the_handler_in_seconds(sdk: Sdk) -> None:
    linker = Linker[Event]()
    emitter = Emitter(linker)

    @linker.on(Placed)
    async def sleep(event: Placed) -> None:
        await asyncio.sleep(0.05)

    with sdk.instrument(linker):
        await emitter.emit(Placed())
    point = histogram(sdk, DURATION)
    assert 0.05 <= point.sum < 5
    assert point.explicit_bounds[0] < 0.001
    assert dict(point.attributes or {}) == {
        "messaging.system": "pyventus_typed",
        "messaging.operation.name": "process",
        "messaging.destination.name": "Placed",
        HANDLER: f"{__name__}.sleep",
        OUTCOME: "completed",
    }, "nothing of which each event has another one"


async def test_a_wait_is_that_for_the_turn_and_not_for_the_handler(sdk: Sdk) -> None:
    linker = Linker[Event]()
    emitter = Emitter(linker, AsyncIOProcessor(ordering=Ordering.SERIAL))

    @linker.on(Placed)
    async def sleep(event: Placed) -> None:
        await asyncio.sleep(0.05)

    with sdk.instrument(emitter):
        for _ in range(3):
            emitter.emit(Placed())
        await emitter.wait_for_tasks()
    point = histogram(sdk, WAIT)
    assert point.count == 3
    assert point.sum >= 0.05 + 0.10
    assert point.min < 0.05
    assert dict(point.attributes or {}) == {
        "messaging.system": "pyventus_typed",
        "messaging.destination.name": "Placed",
        HANDLER: f"{__name__}.sleep",
    }


async def test_waits_are_those_of_the_emitter_that_is_instrumented_each_once(sdk: Sdk) -> None:
    linker = Linker[Event]()
    linker.subscribe(Placed, lambda event: None)
    ours, other = Emitter(linker), Emitter(linker)
    with sdk.instrument(ours), sdk.instrument(linker, ours):
        await ours.emit(Placed())
        await other.emit(Placed())
    await ours.emit(Placed())
    assert sdk.sums(WAIT) == {None: 1}
    assert sdk.sums(DURATION) == {None: 2}


async def test_a_stream_and_the_next_event_are_no_handlers(sdk: Sdk) -> None:
    linker = Linker[Event]()
    emitter = Emitter(linker)
    with sdk.instrument(emitter):
        async with emitter.stream(Placed) as events:
            following = emitter.expect(Placed)
            emitter.emit(Placed())
            assert [await anext(events), await following] == [Placed(), Placed()]
        await emitter.wait_for_tasks()
        assert sdk.sums(SETTLED, by=STATUS) == {"completed": 1}
    assert sdk.spans == []
    assert sdk.points(WAIT) == sdk.points(DURATION) == {}


def test_the_value_of_a_duration_has_the_span_of_its_handler_for_an_example(sdk: Sdk) -> None:
    linker = Linker[Event]()
    linker.subscribe(Placed, lambda event: None)
    with sdk.instrument(linker):
        Emitter(linker, SyncProcessor()).emit(Placed())
    (exemplar,) = histogram(sdk, DURATION).exemplars
    context = sdk.spans[0].context
    assert context is not None
    assert exemplar.span_id == context.span_id


def test_emissions_from_many_threads_are_counted(sdk: Sdk) -> None:
    linker = Linker[Event]()
    linker.subscribe(Placed, lambda event: None)
    emitter = Emitter(linker)
    with sdk.instrument(emitter):
        threads = [threading.Thread(target=lambda: [emitter.emit(Placed()) for _ in range(50)]) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sdk.sums(SETTLED, by=STATUS) == {"completed": 400}
    assert sdk.sums(DURATION) == sdk.sums(WAIT) == {None: 400}
    assert set(sdk.counting.ended.values()) == {1}
