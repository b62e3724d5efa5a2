"""``emitter.stream`` and ``emitter.expect``: what one emitter emits, read where it is needed (T1, T2, T3)."""

import asyncio
import gc
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from weakref import ref

import pytest

from pyventus_typed import (
    Cancelled,
    Completed,
    Discarded,
    Emission,
    Emitter,
    Event,
    Failed,
    Linker,
    Ordering,
    Status,
    Stream,
    SyncProcessor,
    asyncio_emitter,
)
from pyventus_typed.errors import (
    DefinitionError,
    EmissionFailed,
    EmitterClosed,
    InvalidOption,
    NotAnEvent,
    TooManySubscriptions,
    WouldDeadlock,
)
from pyventus_typed.testing import explore, sometimes
from tests.events import OrderPaid, OrderPlaced, OrderRefunded, Price, Shipped, untyped
from tests.loops import LoopFactory
from tests.processors.ends import CASES, End, named, no_complaints

CLOSED = Discarded("stream closed", started=True)


async def turns(count: int = 3) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def read(stream: Stream[OrderPlaced], count: int) -> list[int]:
    """The orders of the next *count* events."""
    return [(await anext(stream)).order for _ in range(count)]


async def read_all(stream: Stream[OrderPlaced]) -> list[int]:
    return [event.order async for event in stream]


def emit(emitter: Emitter[Event], *orders: int) -> list[Emission[OrderPlaced]]:
    return [emitter.emit(OrderPlaced(order)) for order in orders]


def states(emissions: list[Emission[OrderPlaced]]) -> str:
    """The first letter of each status."""
    return "".join(emission.status.value[0] for emission in emissions)


# ---------------------------------------------------------------- T1: what comes, and from where
async def test_a_stream_gets_the_events_of_its_types_and_their_subclasses_each_once_and_in_order() -> None:
    emitter = Emitter(Linker())
    async with emitter.stream(OrderPaid, OrderPlaced, OrderRefunded) as events:
        for event in (OrderPlaced(1), Shipped(2), OrderRefunded(3), OrderPaid(4)):
            emitter.emit(event)
        await turns()
        assert [await anext(events) for _ in range(3)] == [OrderPlaced(1), OrderRefunded(3), OrderPaid(4)]


async def test_a_stream_gets_only_what_its_own_emitter_emits() -> None:
    linker = Linker()
    mine, other = Emitter(linker), Emitter(linker)
    async with mine.stream(OrderPlaced) as events:
        foreign = other.emit(OrderPlaced(1))
        own = mine.emit(OrderPlaced(2))
        assert await read(events, 1) == [2]
    assert (len(foreign.deliveries), len(own.deliveries)) == (0, 1)
    assert (await foreign.wait()).status is Status.COMPLETED


async def test_a_stream_and_handlers_are_notified_in_the_order_of_subscribing() -> None:
    linker, log = Linker(), list[str]()
    emitter = Emitter(linker)
    before = linker.subscribe(OrderPlaced, lambda event: log.append("before"))
    async with emitter.stream(OrderPlaced) as events:
        after = linker.subscribe(OrderPlaced, lambda event: log.append("after"), priority=1)
        emission = emitter.emit(OrderPlaced())
        *_, (stream) = receivers = linker.receivers(OrderPlaced)
        assert receivers == (after, before, stream)
        assert [delivery.subscription for delivery in emission.deliveries] == [after, before, stream]
        assert await read(events, 1) == [0]
    assert log == ["after", "before"]


async def test_receivers_shows_a_stream_and_unhandled_does_not_count_it() -> None:
    linker = Linker()
    emitter = Emitter(linker)
    assert linker.receivers(OrderPlaced) == ()
    async with emitter.stream(OrderPlaced):
        (subscription,) = linker.receivers(OrderPlaced)
        assert repr(subscription) == "<Subscription emitter.stream(OrderPlaced) to OrderPlaced>"
        assert linker.unhandled(OrderPlaced) == {OrderPlaced}
        linker.subscribe(OrderPlaced, print)
        assert linker.unhandled(OrderPlaced) == frozenset()
    assert [one.handler for one in linker.receivers(OrderPlaced)] == [print]


async def test_when_is_evaluated_in_emit_and_what_it_raises_is_a_failed_delivery() -> None:
    linker = Linker()
    emitter = Emitter(linker)
    async with emitter.stream(OrderPlaced, when=lambda event: 6 // event.order > 1) as events:
        emissions = emit(emitter, 1, 6, 0, 2)
        assert await read(events, 2) == [1, 2]
    assert [len(emission.deliveries) for emission in emissions] == [1, 0, 1, 1]
    (failed,) = emissions[2].deliveries
    assert isinstance(failed.outcome, Failed)
    assert isinstance(failed.outcome.error, ZeroDivisionError)


async def test_a_request_that_is_asked_comes_to_a_stream_too() -> None:
    linker = Linker()
    emitter = Emitter(linker)

    @linker.answer(Price)
    def price(request: Price) -> int:
        return 7

    async with emitter.stream(Price) as asked:
        assert await emitter.ask(Price("pen")) == emitter.ask_sync(Price("ink")) == 7
        assert [(await anext(asked)).article for _ in range(2)] == ["pen", "ink"]


async def test_what_is_published_comes_to_a_stream_before_publish_returns() -> None:
    emitter = Emitter(Linker())
    async with emitter.stream(OrderPlaced) as events:
        emission = await emitter.publish(OrderPlaced(1))
        assert emission.status is Status.COMPLETED
        assert await read(events, 1) == [1]


async def test_what_was_emitted_before_the_block_does_not_come() -> None:
    emitter = Emitter(Linker())
    stream = emitter.stream(OrderPlaced)
    emit(emitter, 1)
    async with stream as events:
        emit(emitter, 2)
        assert await read(events, 1) == [2]


@pytest.mark.parametrize("has_home", [True, False])
def test_events_from_another_thread_are_read_in_the_loop_of_the_block(has_home: bool) -> None:
    emitter = Emitter(Linker())
    got: list[int] = []

    def elsewhere() -> None:
        for order in range(5):
            emit(emitter, order)

    @asynccontextmanager
    async def home() -> AsyncIterator[None]:
        if has_home:
            async with emitter:
                yield
        else:
            yield

    async def main() -> None:
        async with home():
            # Without a home loop the emissions run in the other thread, and emit waits there for room.
            async with emitter.stream(OrderPlaced, maxsize=2) as events:
                thread = asyncio.create_task(asyncio.to_thread(elsewhere))
                got.extend(await read(events, 5))
                await thread

    asyncio.run(main())
    assert got == [0, 1, 2, 3, 4]
    assert emitter.tally.completed == emitter.tally.accepted == 5


def test_events_from_another_loop_wait_there_for_room_here() -> None:
    emitter = Emitter(Linker())
    entered, counts = threading.Event(), list[int]()

    def elsewhere() -> None:
        async def main() -> None:
            emissions = emit(emitter, *range(5))
            await turns()
            counts.append(sum(emission.status is Status.PENDING for emission in emissions))
            entered.set()
            assert await emitter.wait_for_tasks()

        asyncio.run(main())

    async def main() -> None:
        async with emitter.stream(OrderPlaced, maxsize=2) as events:
            thread = asyncio.create_task(asyncio.to_thread(elsewhere))
            await asyncio.to_thread(entered.wait, 10)
            assert await read(events, 5) == [0, 1, 2, 3, 4]
            await thread

    asyncio.run(main())
    assert counts == [3]


# ---------------------------------------------------------------- T1: a full stream
async def test_with_wait_a_delivery_is_open_until_there_is_room() -> None:
    emitter = Emitter(Linker())
    async with emitter.stream(OrderPlaced, maxsize=2) as events:
        emissions = emit(emitter, 0, 1, 2, 3)
        await turns()
        assert states(emissions) == "ccpp"
        assert await read(events, 1) == [0]
        await turns()
        assert states(emissions) == "cccp"
        assert await read(events, 3) == [1, 2, 3]
        await turns()
        assert states(emissions) == "cccc"
        assert events.dropped == 0


async def test_a_full_stream_holds_up_emit_wait_through_capacity() -> None:
    emitter = asyncio_emitter(Linker(), capacity=2)
    async with emitter.stream(OrderPlaced, maxsize=1) as events:
        done: list[int] = []

        async def feed() -> None:
            for order in range(5):
                await emitter.emit_wait(OrderPlaced(order))
                done.append(order)

        feeding = asyncio.create_task(feed())
        await turns(10)
        assert done == [0, 1, 2]  # one is in the stream, two wait for room
        assert await read(events, 5) == [0, 1, 2, 3, 4]
        await feeding


async def test_under_serial_a_full_stream_holds_up_the_queue() -> None:
    linker, log = Linker(), list[int]()
    emitter = asyncio_emitter(linker, ordering=Ordering.SERIAL)
    async with emitter.stream(OrderPlaced, maxsize=1) as events:
        linker.subscribe(Shipped, lambda event: log.append(event.order))
        emit(emitter, 0, 1)
        emitter.emit(Shipped(2))
        await turns(10)
        assert log == []
        assert await read(events, 2) == [0, 1]
        await turns()
        assert log == [2]


@pytest.mark.parametrize(("overflow", "left"), [("drop_old", [3, 4]), ("drop_new", [0, 1])])
async def test_a_stream_that_drops_counts_what_it_dropped_and_holds_up_nobody(overflow: str, left: list[int]) -> None:
    emitter = Emitter(Linker())
    async with emitter.stream(OrderPlaced, maxsize=2, overflow=untyped(overflow)) as events:
        emissions = emit(emitter, 0, 1, 2, 3, 4)
        assert await emitter.wait_for_tasks()
        assert states(emissions) == "ccccc"
        assert events.dropped == 3
        assert await read(events, 2) == left


async def test_a_delivery_that_is_cancelled_while_it_waits_gives_up_its_place() -> None:
    emitter = Emitter(Linker())
    async with emitter.stream(OrderPlaced, maxsize=1) as events:
        emissions = emit(emitter, 0, 1, 2, 3)
        await turns()
        assert emissions[1].cancel()
        await turns()
        assert await read(events, 3) == [0, 2, 3]
    assert [emission.deliveries[0].outcome for emission in emissions] == [
        Completed(None),
        Cancelled(),
        Completed(None),
        Completed(None),
    ]


async def test_a_delivery_that_is_cancelled_before_its_task_begins_gives_up_its_place() -> None:
    emitter = Emitter(Linker())
    async with emitter.stream(OrderPlaced, maxsize=1) as events:
        emissions = emit(emitter, 0, 1, 2)
        await turns(1)  # the calls were made, their tasks have taken no step
        assert emissions[1].cancel()
        await turns()
        assert await read(events, 2) == [0, 2]
    assert isinstance(emissions[1].deliveries[0].outcome, Cancelled)


async def test_what_is_cancelled_and_what_is_given_room_in_one_turn_is_either_read_or_cancelled() -> None:
    emitter = Emitter(Linker())
    async with emitter.stream(OrderPlaced, maxsize=1) as events:
        emissions = emit(emitter, 0, 1, 2)
        await turns()
        assert await read(events, 1) == [0]
        emissions[1].cancel()
        assert await read(events, 1) == [2]
    assert isinstance(emissions[1].deliveries[0].outcome, Cancelled)


@pytest.mark.parametrize("ordering", list(Ordering))
async def test_when_the_block_ends_what_waits_for_room_is_discarded(ordering: Ordering) -> None:
    linker = Linker()
    emitter = asyncio_emitter(linker, ordering=ordering)
    async with emitter.stream(OrderPlaced, maxsize=1):
        emissions = emit(emitter, 0, 1)
        await turns()
        emissions += emit(emitter, 2)
    assert linker.receivers(OrderPlaced) == ()
    assert await emitter.wait_for_tasks()
    assert [emission.deliveries[0].outcome for emission in emissions] == [Completed(None), CLOSED, CLOSED]


# ---------------------------------------------------------------- T1: a reader that waits for itself
@pytest.mark.parametrize("how", ["wait_for_tasks", "aclose"])
@pytest.mark.parametrize("is_full_before", [True, False])
async def test_the_reader_of_a_full_stream_that_waits_for_it_gets_an_error(how: str, is_full_before: bool) -> None:
    emitter = Emitter(Linker())
    async with emitter.stream(OrderPlaced, maxsize=1) as events:
        emissions = emit(emitter, 0, 1)
        if is_full_before:
            await turns()
        with pytest.raises(
            WouldDeadlock, match=r"waits for room in <Stream of OrderPlaced, \w+>, which is full"
        ) as caught:
            await getattr(emitter, how)()
        assert caught.value.chain == (emissions[1],)
        assert await read(events, 2) == [0, 1]
        assert await emitter.wait_for_tasks()


async def test_the_reader_of_a_stream_with_room_may_wait() -> None:
    emitter = Emitter(Linker())
    async with emitter.stream(OrderPlaced, maxsize=2) as events:
        emit(emitter, 0, 1)
        assert await emitter.wait_for_tasks()
        assert await read(events, 2) == [0, 1]


@pytest.mark.parametrize("is_full_before", [True, False])
async def test_who_entered_the_block_may_wait_while_another_task_reads(is_full_before: bool) -> None:
    emitter = Emitter(Linker())
    async with emitter.stream(OrderPlaced, maxsize=1) as events:
        if is_full_before:
            emit(emitter, 0, 1)
        reading = asyncio.create_task(read_all(events))
        await turns(1)
        if not is_full_before:
            emit(emitter, 0, 1)
        assert await emitter.wait_for_tasks()
        assert await emitter.aclose()
        assert await reading == [0, 1]


async def test_who_entered_the_block_may_wait_for_a_reader_that_is_slow() -> None:
    emitter = Emitter(Linker())
    got: list[int] = []

    async def consume() -> None:
        async for event in events:
            got.append(event.order)
            await turns(5)

    async with emitter.stream(OrderPlaced, maxsize=1) as events:
        emit(emitter, 0, 1, 2, 3)
        await turns()
        consuming = asyncio.create_task(consume())
        await turns(2)
        assert await emitter.wait_for_tasks()
        assert await emitter.aclose()
        await consuming
    assert got == [0, 1, 2, 3]


@pytest.mark.parametrize("turn", range(8))
async def test_a_reader_that_waits_never_gets_a_time_out_that_nobody_set(turn: int) -> None:
    linker: Linker[Event] = Linker()
    linker.subscribe(OrderPlaced, lambda event: turns(20))
    emitter = Emitter(linker)

    async def make_room(emission: Emission[OrderPlaced]) -> None:
        await turns(turn)
        emission.cancel()

    async with emitter.stream(OrderPlaced, maxsize=1):
        _, second = emit(emitter, 0, 1)
        cancelling = asyncio.create_task(make_room(second))
        chain: tuple[Emission[Event], ...] = (second,)
        try:
            assert await emitter.wait_for_tasks()
        except WouldDeadlock as error:
            chain = error.chain
        await cancelling
    assert await emitter.wait_for_tasks()
    assert chain == (second,)


async def test_what_is_emitted_after_the_wait_of_the_reader_began_does_not_concern_it() -> None:
    linker: Linker[Event] = Linker()
    linker.subscribe(OrderPaid, lambda event: turns(10))
    emitter = Emitter(linker)
    async with emitter.stream(OrderPlaced, maxsize=1) as events:
        emitter.emit(OrderPaid())

        async def others() -> None:
            emit(emitter, 0, 1)

        emitting = asyncio.create_task(others())
        assert await emitter.wait_for_tasks()
        await emitting
        assert await read(events, 2) == [0, 1]


WAITS = ["await", "wait", "emit_wait"]


async def wait_for(how: str, emitter: Emitter[Event], emission: Emission[OrderPlaced]) -> object:
    if how == "emit_wait":
        return await emitter.emit_wait(OrderPlaced(9))
    return await (emission if how == "await" else emission.wait())


@pytest.mark.parametrize("how", WAITS)
@pytest.mark.parametrize("is_full_before", [True, False])
@pytest.mark.parametrize("ordering", list(Ordering))
async def test_the_reader_that_waits_for_an_emission_which_waits_for_it_gets_an_error(
    ordering: Ordering, is_full_before: bool, how: str
) -> None:
    emitter = asyncio_emitter(Linker(), ordering=ordering, capacity=2)
    async with emitter.stream(OrderPlaced, maxsize=1) as events:
        emit(emitter, -1)
        async for event in events:
            assert event.order == -1
            break
        await turns()
        emit(emitter, 0)
        await turns()
        emissions = emit(emitter, 1, 2)
        if is_full_before:
            await turns()
        with pytest.raises(WouldDeadlock) as caught:
            await wait_for(how, emitter, emissions[1])
        behind = ", which waits for OrderPlaced(order=1)" if ordering in {Ordering.SERIAL, Ordering.MAILBOX} else ""
        first = (
            f"OrderPlaced(order=2){behind}" if how != "emit_wait" else "capacity, which is held by OrderPlaced(order=1)"
        )
        assert str(caught.value) == (
            f"The reader waits for {first}, and that waits for room in <Stream of OrderPlaced, open>, which is full (1 event) "
            "and has no other reader. Read it in another task, or choose overflow='drop_old' or 'drop_new'."
        )
        assert caught.value.chain[-1] is emissions[1 if how != "emit_wait" and not behind else 0]
        # Nothing was lost, and there is as much room as before.
        assert await read(events, 3) == [0, 1, 2]
        assert await emitter.wait_for_tasks()
        assert [emitter.try_emit(OrderPlaced(order)) is not None for order in range(3)] == [True, True, False]
    assert await emitter.wait_for_tasks()


@pytest.mark.parametrize("how", WAITS)
async def test_a_handler_that_reads_gets_it_too(how: str) -> None:
    linker: Linker[Event] = Linker()
    emitter = asyncio_emitter(linker, capacity=3)
    errors: list[WouldDeadlock] = []

    @linker.on(OrderPaid)
    async def handle(paid: OrderPaid) -> None:
        async with emitter.stream(OrderPlaced, maxsize=1) as events:
            emit(emitter, 0)
            async for _ in events:
                break
            _, second = [emitter.emit(OrderPlaced(1)), emitter.emit(OrderPlaced(2))]
            await turns()
            emit(emitter, 3)
            try:
                await wait_for(how, emitter, second)
            except WouldDeadlock as error:
                errors.append(error)

    await emitter.emit(OrderPaid())
    (error,) = errors
    assert "and that waits for room in <Stream of OrderPlaced" in str(error)


@pytest.mark.parametrize("how", WAITS)
async def test_who_only_entered_the_block_may_wait_for_a_reader_that_begins_later(how: str) -> None:
    emitter = asyncio_emitter(Linker(), capacity=2)
    got: list[int] = []

    async def connect_and_read() -> None:
        await turns(10)
        got.extend(await read_all(events))

    async with emitter.stream(OrderPlaced, maxsize=1) as events:
        reading = asyncio.create_task(connect_and_read())
        emit(emitter, 0)
        await turns()
        emissions = emit(emitter, 1, 2)
        await turns()
        await wait_for(how, emitter, emissions[1])
        await emitter.aclose()
        await reading
    assert got == [0, 1, 2, 9][: 4 if how == "emit_wait" else 3]


@pytest.mark.parametrize("how", [*WAITS, "wait_for_tasks"])
async def test_a_reader_that_has_just_been_made_is_known_in_time(how: str) -> None:
    emitter = asyncio_emitter(Linker(), capacity=2)
    async with emitter.stream(OrderPlaced, maxsize=1) as events:
        emit(emitter, -1)
        assert await read(events, 1) == [-1]
        emit(emitter, 0)
        await turns()
        emissions = emit(emitter, 1, 2)
        await turns()
        reading = asyncio.create_task(read_all(events))
        if how == "wait_for_tasks":
            assert await emitter.wait_for_tasks()
        else:
            await wait_for(how, emitter, emissions[1])
        await emitter.aclose()
        assert (await reading)[:3] == [0, 1, 2]


async def test_a_reader_may_wait_for_capacity_that_somebody_else_gives_back() -> None:
    linker: Linker[Event] = Linker()
    linker.subscribe(OrderPaid, lambda event: turns(10))
    emitter = asyncio_emitter(linker, capacity=2)
    async with emitter.stream(OrderPlaced, maxsize=1) as events:
        emit(emitter, -1)
        assert await read(events, 1) == [-1]
        emitter.emit(OrderPaid())
        emit(emitter, 0)
        await turns()
        emit(emitter, 1)
        await emitter.emit_wait(OrderPlaced(2))
        assert await read(events, 3) == [0, 1, 2]


@pytest.mark.parametrize("is_loop", [True, False])
async def test_a_wait_is_no_concern_of_a_stream_once_another_task_reads_that(is_loop: bool) -> None:
    linker: Linker[Event] = Linker()
    linker.subscribe(OrderPaid, lambda event: turns(10))
    emitter = asyncio_emitter(linker, ordering=Ordering.SERIAL)
    got: list[int] = []

    async def read_slowly() -> None:
        await turns(3)
        if is_loop:
            async for event in events:
                got.append(event.order)
                await turns(10)
        else:
            for _ in range(4):
                got.extend(await read(events, 1))
                await turns(10)

    async with emitter.stream(OrderPlaced, maxsize=1) as events:
        emit(emitter, -2, -1)
        assert await read(events, 1) == [-2]
        emitter.emit(OrderPaid())
        emissions = emit(emitter, 0, 1, 2)
        reading = asyncio.create_task(read_slowly())
        await emissions[2]
        await emitter.aclose()
        await reading
    assert got == [-1, 0, 1, 2]


async def test_a_place_that_a_handler_holds_who_waits_for_one_too_is_stuck_like_the_others() -> None:
    linker: Linker[Event] = Linker()
    emitter = asyncio_emitter(linker, capacity=2)
    linker.subscribe(OrderPaid, lambda event: emitter.emit_wait(OrderPlaced(9)))
    async with emitter.stream(OrderPlaced, maxsize=1) as events:
        emit(emitter, -1, 0)
        assert await read(events, 1) == [-1]
        await turns()
        emitter.emit(OrderPaid())
        emission = emitter.emit(OrderPlaced(1))
        with pytest.raises(WouldDeadlock, match=r"capacity, which is held by OrderPlaced\(order=1\), and") as caught:
            await emitter.emit_wait(OrderPlaced(2))
        assert caught.value.chain == (emission,)
        assert await read(events, 3) == [0, 1, 9]
    assert await emitter.wait_for_tasks()


@pytest.mark.parametrize("turn", range(8))
async def test_who_is_refused_takes_no_place_and_gives_none_whenever_one_becomes_free(turn: int) -> None:
    linker: Linker[Event] = Linker()
    linker.subscribe(OrderPaid, lambda event: None)
    emitter = asyncio_emitter(linker, capacity=2)

    async def make_room(emission: Emission[OrderPlaced]) -> None:
        await turns(turn)
        emission.cancel()

    async with emitter.stream(OrderPlaced, maxsize=1) as events:
        emit(emitter, -1, 0)
        assert await read(events, 1) == [-1]
        await turns()
        cancelling = asyncio.create_task(make_room(emit(emitter, 1, 2)[0]))
        with suppress(WouldDeadlock):
            await emitter.emit_wait(OrderPlaced(3))
        await cancelling
        assert set(await read(events, 2)) >= {0, 2}
    assert await emitter.wait_for_tasks()
    assert [emitter.try_emit(OrderPaid(order)) is not None for order in range(3)] == [True, True, False]
    assert await emitter.wait_for_tasks()


def test_under_every_schedule_a_reader_that_waits_for_its_own_emissions_goes_on_or_gets_an_error() -> None:
    async def main() -> None:
        emitter = asyncio_emitter(Linker(), capacity=2)

        async def others() -> None:
            for emission in [await emitter.emit_wait(OrderPlaced(order)) for order in (10, 11)]:
                emission.cancel()

        async with emitter.stream(OrderPlaced, maxsize=1) as events:
            emitting = asyncio.create_task(others())
            await emitter.emit_wait(OrderPlaced(0))
            refused = False
            async for event in events:
                if event.order == 0:
                    try:
                        await (await emitter.emit_wait(OrderPlaced(1)))
                    except WouldDeadlock:
                        refused = True
                    break
            sometimes("it was refused", refused)
            sometimes("it went on", not refused)
        await emitting
        await emitter.wait_for_tasks()

    explore(main, schedules=300)


async def test_a_reader_that_publishes_into_its_own_full_stream_gets_a_failed_delivery() -> None:
    emitter = Emitter(Linker())
    async with emitter.stream(OrderPlaced, maxsize=1) as events:
        emit(emitter, 0)
        assert await read(events, 1) == [0]
        await emitter.publish(OrderPlaced(1))
        with pytest.raises(ExceptionGroup) as caught:
            await emitter.publish(OrderPlaced(2))
        (error,) = caught.value.exceptions
        assert isinstance(error, WouldDeadlock)
        assert "The reader publishes OrderPlaced(order=2), and that waits for room in <Stream" in str(error)
        assert error.chain == (caught.value.emission,) if isinstance(caught.value, EmissionFailed) else False
        assert await read(events, 1) == [1]
        await emitter.publish(OrderPlaced(3))
        assert await read(events, 1) == [3]


@pytest.mark.parametrize("reads_after", [0, 10])
@pytest.mark.parametrize("maxsize", [1, 100])
async def test_who_entered_the_block_may_publish_more_than_it_holds_while_another_task_reads(
    maxsize: int, reads_after: int
) -> None:
    emitter = Emitter(Linker())

    async def connect_and_read() -> list[int]:
        await turns(reads_after)
        return await read_all(events)

    async with emitter.stream(OrderPlaced, maxsize=maxsize) as events:
        reading = asyncio.create_task(connect_and_read())
        for order in range(maxsize + 50):
            await emitter.publish(OrderPlaced(order))
        await emitter.aclose()
        assert await reading == [*range(maxsize + 50)]


async def test_a_reader_that_has_handed_over_to_a_new_task_may_publish() -> None:
    emitter = Emitter(Linker())
    async with emitter.stream(OrderPlaced, maxsize=1) as events:
        await emitter.publish(OrderPlaced(0))
        assert await read(events, 1) == [0]
        for order in (1, 2):
            reading = asyncio.create_task(read(events, 5))
            emissions = [await emitter.publish(OrderPlaced(order * 10 + one)) for one in range(5)]
            assert states(emissions) == "ccccc"
            assert await reading == [order * 10 + one for one in range(5)]
            await emitter.publish(OrderPlaced(order))
            assert await read(events, 1) == [order]


def test_an_emission_in_the_thread_of_a_loop_that_does_not_run_fails_when_the_stream_is_full() -> None:
    emitter = Emitter(Linker())
    with asyncio.Runner() as runner:
        events = runner.run(emitter.stream(OrderPlaced, maxsize=1).__aenter__())
        (first, second) = emit(emitter, 0, 1)
        assert states([first, second]) == "cf"
        (delivery,) = second.deliveries
        assert isinstance(delivery.outcome, Failed)
        assert isinstance(delivery.outcome.error, WouldDeadlock)
        assert runner.run(read(events, 1)) == [0]


# ---------------------------------------------------------------- T2: how it ends
async def test_nothing_is_lost_between_two_loops_over_a_stream() -> None:
    emitter = Emitter(Linker())
    got: list[int] = []
    async with emitter.stream(OrderPlaced) as events:
        emit(emitter, *range(6))
        await turns()
        for _ in range(3):
            async for event in events:
                got.append(event.order)
                if event.order % 2:
                    break
    assert got == [0, 1, 2, 3, 4, 5]


async def test_a_reader_that_nobody_holds_is_not_collected_while_it_waits() -> None:
    emitter = Emitter(Linker())
    got: list[int] = []

    async def consume() -> None:
        async with emitter.stream(OrderPlaced) as events:
            got.extend(await read(events, 1))

    asyncio.get_running_loop().call_soon(asyncio.ensure_future, consume())
    await turns()
    gc.collect()
    emit(emitter, 1)
    await turns()
    assert got == [1]


async def test_a_reader_that_is_cancelled_loses_nothing() -> None:
    emitter = Emitter(Linker())
    async with emitter.stream(OrderPlaced) as events:
        reading = asyncio.create_task(read_all(events))
        await turns()
        emit(emitter, 1)
        await turns(1)
        reading.cancel()  # it was just woken by the event
        await asyncio.wait([reading])
        assert reading.cancelled()
        assert await read(events, 1) == [1]


async def test_it_ends_when_the_emitter_has_closed_and_what_came_before_has_been_read() -> None:
    emitter = Emitter(Linker())
    async with emitter.stream(OrderPlaced, maxsize=2) as events:
        emissions = emit(emitter, *range(5))
        closing = asyncio.create_task(emitter.aclose())
        assert await read_all(events) == [0, 1, 2, 3, 4]
        assert await closing
        assert await read_all(events) == []
    assert states(emissions) == "ccccc"


async def test_it_gets_what_is_emitted_by_handlers_while_the_emitter_closes() -> None:
    linker, go = Linker(), asyncio.Event()
    emitter = Emitter(linker)

    @linker.on(Shipped)
    async def late(event: Shipped) -> None:
        await go.wait()
        emitter.emit(OrderPlaced(event.order))

    async with emitter.stream(OrderPlaced) as events:
        emitter.emit(Shipped(7))
        closing = asyncio.create_task(emitter.aclose())
        await turns()
        go.set()
        assert await read_all(events) == [7]
        await closing


async def test_it_ends_for_another_task_when_its_block_ends() -> None:
    emitter = Emitter(Linker())
    async with emitter.stream(OrderPlaced) as events:
        reading = asyncio.create_task(read_all(events))
        emit(emitter, 1)
        await turns()
    assert await reading == [1]


async def test_a_grace_that_is_over_ends_it_too() -> None:
    emitter = Emitter(Linker())
    async with emitter.stream(OrderPlaced, maxsize=1) as events:
        emissions = emit(emitter, 0, 1)
        await turns()
        closing = asyncio.create_task(emitter.aclose(grace=0))
        assert await closing is False
        assert await read_all(events) == [0]
    assert isinstance(emissions[1].deliveries[0].outcome, Cancelled)


async def test_a_block_of_the_emitter_that_is_cancelled_ends_its_streams() -> None:
    linker, never = Linker(), asyncio.Event()
    emitter = Emitter(linker)

    @linker.on(Shipped)
    async def hang(event: Shipped) -> None:
        await never.wait()

    async def serve() -> None:
        async with emitter:
            emitter.emit(Shipped())

    async with emitter.stream(OrderPlaced) as events:
        serving = asyncio.create_task(serve())
        reading = asyncio.create_task(read_all(events))
        await turns()
        serving.cancel()
        assert await reading == []
        never.set()
        assert await emitter.wait_for_tasks()


@pytest.mark.filterwarnings("ignore::pyventus_typed.errors.DiscardedEmissionsWarning")
@pytest.mark.parametrize(("end", "factory"), CASES, ids=named)
def test_however_its_loop_ends_it_leaves_no_subscription_and_no_loop(end: End, factory: LoopFactory) -> None:
    linker = Linker()
    emitter = Emitter(linker)
    loops: list[ref[asyncio.AbstractEventLoop]] = []

    async def main() -> None:
        loops.append(ref(asyncio.get_running_loop()))

        async def reader() -> None:
            async with emitter.stream(OrderPlaced, maxsize=1) as events:
                await asyncio.Event().wait()
                await anext(events)

        async def waiter() -> None:
            async with emitter.stream(Shipped) as events:
                async for _ in events:
                    pass

        _tasks = [asyncio.create_task(one) for one in (reader(), waiter(), expecting())]
        await turns()
        emissions = emit(emitter, 0, 1, 2)
        assert len(linker.receivers(OrderPlaced)) == 3
        await turns()
        assert states(emissions) == "cpp"

    async def expecting() -> None:
        expected = [
            emitter.expect(OrderPlaced, when=lambda event: event.order == 9, timeout=timeout)
            for timeout in (None, 3600)
        ]
        await asyncio.gather(*expected)

    end.bring(main, factory)
    gc.collect()
    assert linker.subscriptions() == ()
    tally = emitter.tally
    assert (tally.accepted, tally.pending, tally.completed) == (3, 0, 1)
    if factory is asyncio.new_event_loop:
        assert [loop() for loop in loops] == [None]


def test_a_thread_that_waits_for_room_goes_on_when_the_loop_of_the_stream_is_closed() -> None:
    linker = Linker()
    emitter = Emitter(linker)
    loop = asyncio.new_event_loop()
    events = loop.run_until_complete(emitter.stream(OrderPlaced, maxsize=1).__aenter__())
    emissions: list[Emission[OrderPlaced]] = []
    thread = threading.Thread(target=lambda: emissions.extend(emit(emitter, 0, 1, 2)))
    thread.start()
    while emitter.tally.accepted < 2:
        thread.join(0.001)
    loop.close()
    thread.join(10)
    assert not thread.is_alive()
    # Of the third one it depends whether the subscription had ended before it was emitted.
    assert [emission.deliveries[0].outcome for emission in emissions[:2]] == [Completed(None), CLOSED]
    assert linker.receivers(OrderPlaced) == ()
    assert "over" in repr(events)


async def test_a_dropped_stream_that_was_never_entered_leaves_nothing() -> None:
    linker = Linker()
    stream = Emitter(linker).stream(OrderPlaced)
    assert linker.receivers(OrderPlaced) == ()
    gone = ref(stream)
    del stream
    assert gone() is None


# ---------------------------------------------------------------- T2: wrong uses
async def test_iterating_outside_of_the_block_names_the_block() -> None:
    stream = Emitter(Linker()).stream(OrderPlaced)
    for _ in range(2):
        with pytest.raises(DefinitionError, match=r"async with emitter\.stream"):
            async for _event in stream:
                pass
        with pytest.raises(DefinitionError, match=r"async with emitter\.stream"):
            await anext(stream)
        if "not entered" in repr(stream):
            async with stream:
                pass


async def test_a_stream_is_entered_once() -> None:
    stream = Emitter(Linker()).stream(OrderPlaced)
    async with stream:
        with pytest.raises(DefinitionError, match="was entered before"):
            await stream.__aenter__()
    with pytest.raises(DefinitionError, match="was entered before"):
        await stream.__aenter__()


async def test_two_tasks_that_iterate_one_stream_at_once_get_an_error() -> None:
    emitter = Emitter(Linker())
    async with emitter.stream(OrderPlaced) as events:
        reading = asyncio.create_task(read_all(events))
        await turns()
        with pytest.raises(DefinitionError, match="iterated by two tasks at once"):
            async for _ in events:
                pass
        with pytest.raises(DefinitionError, match="iterated by two tasks at once"):
            await anext(events)
        emit(emitter, 1)
        await turns()
    assert await reading == [1]


@pytest.mark.parametrize("unread", [0, 2])
def test_a_stream_is_read_in_the_loop_that_opened_it_alone_and_loses_nothing_to_another(unread: int) -> None:
    emitter = Emitter(Linker())

    def read_elsewhere(events: Stream[OrderPlaced]) -> None:
        for reading in (read_all(events), read(events, 1)):
            with pytest.raises(DefinitionError, match="opened in another event loop, .* Open one here") as caught:
                asyncio.run(reading)
            assert caught.value.found is events

    async def enter_and_ask() -> Stream[OrderPlaced]:
        events = await emitter.stream(OrderPlaced).__aenter__()
        emit(emitter, *range(unread))
        await turns()
        await asyncio.to_thread(read_elsewhere, events)
        emit(emitter, unread)
        assert await read(events, unread + 1) == [*range(unread + 1)]
        return events

    # The same where the loop that opened it is closed.
    read_elsewhere(asyncio.run(enter_and_ask()))


@pytest.mark.parametrize("maxsize", [0, -1, True, 1.5, None, "2"])
async def test_maxsize_is_an_int_of_at_least_1(maxsize: object) -> None:
    with pytest.raises(InvalidOption, match=f"maxsize={maxsize!r} is not an int of at least 1"):
        Emitter(Linker()).stream(OrderPlaced, maxsize=untyped(maxsize))


async def test_wrong_arguments_are_refused_before_anything_is_subscribed() -> None:
    linker: Linker[Event] = Linker()
    emitter = Emitter(linker)
    with pytest.raises(InvalidOption, match="overflow='refuse' is none of 'wait', 'drop_old', 'drop_new'"):
        emitter.stream(OrderPlaced, overflow=untyped("refuse"))
    for call in (untyped(emitter.stream), untyped(emitter.expect)):
        with pytest.raises(NotAnEvent, match=r"names no event\. Name at least one: emitter\."):
            call()
        with pytest.raises(NotAnEvent, match="int"):
            call(int)
        with pytest.raises(InvalidOption, match="when="):
            call(OrderPlaced, when=3)
    for timeout in (-1, "1", float("nan"), True):
        with pytest.raises(InvalidOption, match="is not a number of seconds"):
            emitter.expect(OrderPlaced, timeout=untyped(timeout))
    assert linker.subscriptions() == ()


async def test_max_subscriptions_counts_handlers_and_neither_streams_nor_expectations() -> None:
    linker = Linker(max_subscriptions=1)
    emitter = Emitter(linker)
    async with emitter.stream(OrderPlaced), emitter.stream(OrderPlaced):
        placed = emitter.expect(OrderPlaced)
        subscription = linker.subscribe(OrderPlaced, print)
        with pytest.raises(TooManySubscriptions, match="1 subscription already"):
            linker.subscribe(OrderPlaced, print)
        with subscription:
            another = emitter.expect(OrderPlaced)
            assert len(linker.receivers(OrderPlaced)) == 5
        linker.subscribe(OrderPlaced, print).unsubscribe()
        assert placed.cancel()
        assert another.cancel()


async def test_clear_ends_handlers_and_leaves_streams_and_expectations_to_who_reads_them() -> None:
    linker = Linker()
    emitter = Emitter(linker)
    linker.subscribe(OrderPlaced, print)
    async with emitter.stream(OrderPlaced) as events:
        placed = emitter.expect(OrderPlaced)
        linker.clear()
        assert linker.unhandled(OrderPlaced) == {OrderPlaced}
        emit(emitter, 1)
        assert await read(events, 1) == [1]
        assert await placed == OrderPlaced(1)
    assert linker.subscriptions() == ()


@pytest.mark.parametrize("is_elsewhere", [False, True])
async def test_whoever_ends_the_subscription_of_a_reader_ends_the_reader(*, is_elsewhere: bool) -> None:
    linker = Linker()
    emitter = Emitter(linker)
    async with emitter.stream(OrderPlaced) as events:
        placed, timed = emitter.expect(OrderPlaced), emitter.expect(OrderPlaced, timeout=3600)
        emit(emitter, 1)
        paid = emitter.expect(OrderPaid)
        await placed
        assert await timed == OrderPlaced(1)
        placed, timed = emitter.expect(OrderPlaced), emitter.expect(OrderPlaced, timeout=3600)

        def end() -> list[bool]:
            return [one.unsubscribe() for one in linker.receivers(OrderPlaced)]

        assert await (asyncio.to_thread(end) if is_elsewhere else asyncio.sleep(0, end())) == [True] * 3
        for future in (placed, timed):
            with pytest.raises(EmitterClosed, match="Its subscription was ended, and no OrderPlaced came before"):
                await future
        assert await read_all(events) == [1]
        assert [one.events for one in linker.subscriptions()] == [(OrderPaid,)]
        assert await emitter.aclose()
        with pytest.raises(EmitterClosed):
            await paid


async def test_streams_and_expectations_are_named_as_they_were_made() -> None:
    linker = Linker()
    emitter = Emitter(linker)
    async with emitter.stream(OrderPlaced, OrderPaid):
        placed = emitter.expect(OrderPlaced)
        emission = emitter.emit(OrderPlaced(1))
        assert [repr(one).partition(" to ")[2] for one in emission.deliveries] == [
            "emitter.stream(OrderPlaced, OrderPaid): waiting>",
            "emitter.expect(OrderPlaced): waiting>",
        ]
        assert await placed == OrderPlaced(1)


async def test_on_a_closed_emitter_nothing_can_come() -> None:
    emitter = Emitter(Linker())
    await emitter.aclose()
    with pytest.raises(EmitterClosed, match="no event can come"):
        await emitter.stream(OrderPlaced).__aenter__()
    with pytest.raises(EmitterClosed, match="no event can come"):
        emitter.expect(OrderPlaced)


@pytest.mark.parametrize("name", ["stream", "expect"])
async def test_sync_processor_has_neither_and_says_so(name: str) -> None:
    with pytest.raises(DefinitionError, match="SyncProcessor has no streams and no expect"):
        getattr(Emitter(Linker(), SyncProcessor()), name)(OrderPlaced)


def test_expect_where_no_loop_runs_is_refused() -> None:
    linker = Linker()
    with pytest.raises(DefinitionError, match="no loop runs here"):
        Emitter(linker).expect(OrderPlaced)
    assert linker.subscriptions() == ()


# ---------------------------------------------------------------- T3: expect
async def test_expect_cannot_miss_what_is_emitted_after_the_call() -> None:
    linker = Linker()
    emitter = Emitter(linker)
    placed = emitter.expect(OrderPlaced)
    assert len(linker.receivers(OrderPlaced)) == 1
    emit(emitter, 1, 2)
    await turns()
    assert linker.receivers(OrderPlaced) == ()
    assert await placed == OrderPlaced(1)


async def test_of_64_at_once_none_is_missed() -> None:
    emitter = Emitter(Linker())

    def expect(order: int) -> asyncio.Future[OrderPlaced]:
        return emitter.expect(OrderPlaced, when=lambda event: event.order == order)

    expected = [expect(order) for order in range(64)]
    emit(emitter, *reversed(range(64)))
    assert [event.order for event in await asyncio.gather(*expected)] == [*range(64)]


async def test_an_emission_that_is_discarded_does_not_use_it_up() -> None:
    emitter = Emitter(Linker())
    placed = emitter.expect(OrderPlaced)
    (first,) = emit(emitter, 1)
    first.cancel()
    await turns()
    assert not placed.done()
    emit(emitter, 2)
    assert await placed == OrderPlaced(2)


async def test_expect_gets_only_what_its_own_emitter_emits_and_takes_several_types() -> None:
    linker = Linker()
    emitter, other = Emitter(linker), Emitter(linker)
    either = emitter.expect(OrderPaid, Shipped)
    other.emit(Shipped(1))
    await turns()
    assert not either.done()
    emitter.emit(OrderRefunded(2))
    assert await either == OrderRefunded(2)


@pytest.mark.parametrize("has_home", [True, False])
def test_what_another_thread_emits_reaches_expect(has_home: bool) -> None:
    emitter = Emitter(Linker())

    async def main() -> OrderPlaced:
        if has_home:
            await emitter.__aenter__()
        placed = emitter.expect(OrderPlaced)
        await asyncio.to_thread(emit, emitter, 1, 2)
        return await asyncio.wait_for(placed, 10)

    assert asyncio.run(main()) == OrderPlaced(1)


def test_timeout_counts_from_the_call_and_the_error_names_the_event() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        linker = Linker()
        began = loop.time()
        placed = Emitter(linker).expect(OrderPlaced, Shipped, timeout=10)
        await asyncio.sleep(7)
        with pytest.raises(TimeoutError, match="No OrderPlaced or Shipped came within 10 seconds"):
            await placed
        assert loop.time() - began == 10
        assert linker.subscriptions() == ()

    explore(main, schedules=1, expect_choices=False, latency=1)


async def test_cancelling_it_unsubscribes_at_once() -> None:
    linker = Linker()
    placed = Emitter(linker).expect(OrderPlaced)
    assert placed.cancel()
    assert linker.subscriptions() == ()
    assert not placed.cancel()


async def test_a_task_that_is_cancelled_while_it_awaits_it_unsubscribes() -> None:
    linker = Linker()

    async def wait() -> OrderPlaced:
        return await Emitter(linker).expect(OrderPlaced)

    waiting = asyncio.create_task(wait())
    await turns()
    waiting.cancel()
    await asyncio.wait([waiting])
    assert linker.subscriptions() == ()


@pytest.mark.parametrize("ends", ["dropped", "timed out", "emitter closed"])
def test_one_that_nobody_awaits_leaves_neither_a_subscription_nor_a_complaint(ends: str) -> None:
    linker = Linker()
    emitter = Emitter(linker)

    async def main() -> None:
        placed = emitter.expect(OrderPlaced, timeout=0.001 if ends == "timed out" else None)
        if ends == "timed out":
            while not placed.done():
                await asyncio.sleep(0.001)
        if ends == "emitter closed":
            await emitter.aclose()
        del placed
        assert linker.subscriptions() == ()

    with no_complaints():
        asyncio.run(main())


async def test_one_that_was_given_up_by_asyncio_wait_and_dropped_leaves_no_subscription() -> None:
    linker = Linker()
    placed = Emitter(linker).expect(OrderPlaced)
    await asyncio.wait([placed], timeout=0)
    assert len(linker.subscriptions()) == 1
    del placed
    assert linker.subscriptions() == ()


async def test_a_task_that_nobody_holds_is_not_collected_while_it_awaits_it() -> None:
    emitter = Emitter(Linker())
    got: list[OrderPlaced] = []

    async def wait() -> None:
        got.append(await emitter.expect(OrderPlaced))

    asyncio.get_running_loop().call_soon(asyncio.ensure_future, wait())
    await turns()
    gc.collect()
    emit(emitter, 1)
    await turns()
    assert got == [OrderPlaced(1)]


async def test_it_raises_that_the_emitter_has_closed() -> None:
    emitter = Emitter(Linker())
    placed = emitter.expect(OrderPlaced)
    assert await emitter.aclose()
    with pytest.raises(EmitterClosed, match="The emitter is closed, and no OrderPlaced came before"):
        await placed


# ---------------------------------------------------------------- under every schedule
@pytest.mark.parametrize("ordering", list(Ordering))
def test_no_schedule_loses_an_event_or_reorders_it_and_the_emitter_closes(ordering: Ordering) -> None:
    async def body() -> None:
        emitter = asyncio_emitter(Linker(), ordering=ordering)
        got: list[int] = []

        async def consume() -> None:
            async with emitter.stream(OrderPlaced, maxsize=2) as events:
                entered.set()
                async for event in events:
                    got.append(event.order)
                    await asyncio.sleep(0)

        entered = asyncio.Event()
        consuming = asyncio.create_task(consume())
        await entered.wait()

        async def client(first: int) -> None:
            for order in range(first, first + 3):
                emit(emitter, order)
                await asyncio.sleep(0)

        await asyncio.gather(client(0), client(10))
        sometimes("the stream is full", emitter.tally.pending > 1)
        await emitter.aclose()
        await consuming
        assert sorted(got) == [0, 1, 2, 10, 11, 12]
        assert [order for order in got if order < 10] == [0, 1, 2]
        assert emitter.tally.completed == 6

    explore(body, schedules=200)


def test_under_every_schedule_what_is_read_is_what_was_delivered_and_cancelled_deliveries_are_not() -> None:
    async def body() -> None:
        emitter = Emitter(Linker())
        got: list[int] = []
        async with emitter.stream(OrderPlaced, maxsize=1) as events:
            emissions = emit(emitter, 0, 1, 2, 3)

            async def cancel() -> None:
                await asyncio.sleep(0)
                emissions[1].cancel()
                await asyncio.sleep(0)
                emissions[2].cancel()

            async def consume() -> None:
                async for event in events:
                    got.append(event.order)
                    await asyncio.sleep(0)

            consuming = asyncio.create_task(consume())
            await asyncio.gather(cancel(), emitter.wait_for_tasks())
            await asyncio.sleep(1)
            consuming.cancel()
        completed = [one.event.order for one in emissions if one.status is Status.COMPLETED]
        assert got == completed
        sometimes("one is cancelled", len(got) < 4)

    explore(body, schedules=300)


def test_explored_expectations_are_met_under_every_schedule() -> None:
    async def body() -> None:
        linker = Linker()
        emitter = Emitter(linker)

        async def one(order: int) -> int:
            placed = emitter.expect(OrderPlaced, when=lambda event: event.order == order, timeout=5)
            await asyncio.sleep(0)
            emit(emitter, order)
            return (await placed).order

        assert await asyncio.gather(*map(one, range(3))) == [0, 1, 2]
        assert linker.subscriptions() == ()

    explore(body, schedules=200)
