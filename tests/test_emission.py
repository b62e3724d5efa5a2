"""The handle: its event, its deliveries, its end, who emitted it, and what it raises (F2, S7)."""

import asyncio
import gc
import pickle
import threading
import weakref
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass

import pytest
from typing_extensions import override

from pyventus_typed import (
    AsyncIOProcessor,
    Cancelled,
    Completed,
    Delivery,
    Discarded,
    Emission,
    Emitter,
    Event,
    Linker,
    Ordering,
    Status,
    asyncio_emitter,
    current_emission,
)
from pyventus_typed._loops import HAS_GIL
from pyventus_typed.errors import EmissionFailed, EmissionPending
from tests.events import OrderPaid, OrderPlaced, Price, Shipped
from tests.instants import Action, at_every_instant
from tests.loops import LOOPS, LoopFactory

WITHHELD_AT_ONCE = pytest.mark.skipif(
    not HAS_GIL, reason="without a GIL a cancellation from another thread takes effect when the loop takes it"
)


def raising(error: Exception) -> Callable[[Event], None]:
    def handler(event: Event) -> None:
        raise error

    return handler


# ---------------------------------------------------------------- what it says
def test_the_event_of_an_emission_is_the_very_one() -> None:
    event = OrderPlaced(1)
    assert Emitter(Linker()).emit(event).event is event


def test_ctrl_c_at_any_instant_of_a_first_look_leaves_nothing_that_another_thread_waits_for() -> None:
    emitter = Emitter(Linker[OrderPlaced]())

    def interrupt() -> None:
        raise KeyboardInterrupt

    def look() -> Action:
        emission, other = emitter.emit(OrderPlaced()), emitter.emit(OrderPlaced())

        def run() -> None:
            with suppress(KeyboardInterrupt):
                _ = emission.id
            found = list[int]()
            thread = threading.Thread(target=lambda: found.extend((emission.id, other.id)), daemon=True)
            thread.start()
            thread.join(10)
            assert len(set(found)) == 2

        return run

    assert at_every_instant(interrupt, look) > 1


def test_an_id_is_unique_and_stays() -> None:
    emitter = Emitter(Linker())
    emissions = [emitter.emit(OrderPlaced(number)) for number in range(5)]
    ids = [emission.id for emission in emissions]
    assert len(set(ids)) == 5
    assert [emission.id for emission in reversed(emissions)] == ids[::-1]
    assert repr(emissions[2]) == f"<Emission {ids[2]} of OrderPlaced(order=2): completed>"


@pytest.mark.parametrize("what", ["ask", "wait"])
async def test_an_id_that_a_signal_handler_has_read_stays(what: str) -> None:
    linker, gate = Linker(), asyncio.Event()
    emitter, told, waits = Emitter(linker), list[tuple[Emission[Event], int]](), list[Coroutine[object, None, object]]()

    @linker.on(OrderPlaced)
    async def slow(event: OrderPlaced) -> None:
        await gate.wait()

    def prepare() -> Action:
        emission = emitter.emit(OrderPlaced())
        emissions.append(emission)
        waits.append(wait := emission.wait())
        return (lambda: emission.id) if what == "ask" else (lambda: wait.send(None))

    emissions = list[Emission[Event]]()
    assert at_every_instant(lambda: told.append((emissions[-1], emissions[-1].id)), prepare) > 1
    assert [emission.id for emission, _ in told] == [number for _, number in told]
    for wait in waits:
        wait.close()
    gate.set()
    await emitter.wait_for_tasks()


async def test_an_emission_is_pending_until_its_last_delivery_has_ended() -> None:
    linker, gate = Linker(), asyncio.Event()
    linker.subscribe(OrderPlaced, lambda event: None)

    @linker.on(OrderPlaced)
    async def slow(event: OrderPlaced) -> str:
        await gate.wait()
        return "done"

    emission = Emitter(linker).emit(OrderPlaced())
    assert [(delivery.started, delivery.outcome) for delivery in emission.deliveries] == [(False, None), (False, None)]
    assert repr(emission.deliveries[0]).endswith("waiting>")
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert emission.status.value == "pending"
    assert [(delivery.started, delivery.outcome) for delivery in emission.deliveries] == [
        (True, Completed(None)),
        (True, None),
    ]
    assert repr(emission.deliveries[1]).endswith("slow: started>")
    gate.set()
    assert await emission is emission
    assert emission.status is Status.COMPLETED
    assert emission.deliveries[1].outcome == Completed("done")
    assert repr(emission).endswith("of OrderPlaced(order=0): completed>")


async def test_the_status_is_the_worst_of_the_outcomes() -> None:
    async def cancel_myself(event: Event) -> None:
        raise asyncio.CancelledError

    async def emit_with(*handlers: Callable[[Event], object]) -> Status:
        linker = Linker()
        for handler in handlers:
            linker.subscribe(OrderPlaced, handler, on_failure=lambda event, error: None)
        return (await Emitter(linker).emit(OrderPlaced()).wait()).status

    fine, broken = lambda event: None, raising(ValueError("x"))  # noqa: E731  # three of a kind
    assert await emit_with(fine, fine) is Status.COMPLETED
    assert await emit_with(fine, cancel_myself) is Status.CANCELLED
    assert await emit_with(fine, cancel_myself, broken) is Status.FAILED


def test_deliveries_compare_by_emission_and_place() -> None:
    linker = Linker()
    linker.subscribe(OrderPlaced, lambda event: None)
    linker.subscribe(OrderPlaced, lambda event: None)
    emission = Emitter(linker).emit(OrderPlaced())
    assert emission.deliveries[0] == emission.deliveries[0]
    assert emission.deliveries[0] != emission.deliveries[1]
    assert len({*emission.deliveries, *emission.deliveries}) == 2


# ---------------------------------------------------------------- where it came from
async def test_a_handler_sees_its_emission_and_that_one_its_parent() -> None:
    linker = Linker()
    emitter = Emitter(linker)
    found: list[Emission[Event] | None] = []
    children: list[Emission[OrderPaid]] = []
    linker.subscribe(OrderPlaced, lambda event: children.append(emitter.emit(OrderPaid())))

    @linker.on(OrderPaid)
    async def paid(event: OrderPaid) -> None:
        await asyncio.sleep(0)
        found.append(current_emission())
        found.append(children[0].parent)

    assert current_emission() is None
    parent = emitter.emit(OrderPlaced())
    await emitter.wait_for_tasks()
    assert found == [children[0], parent]
    assert parent.parent is None
    assert current_emission() is None


@pytest.mark.parametrize("factory", LOOPS)
def test_what_is_emitted_in_a_loop_that_a_handler_runs_is_its_child(factory: LoopFactory) -> None:
    linker, loop = Linker(), factory()
    emitter, parents = Emitter(linker), list[object]()
    linker.subscribe(OrderPaid, lambda event: None)

    def emit() -> None:
        parents.append(emitter.emit(OrderPaid()).parent)
        loop.stop()

    @linker.on(Shipped)
    def run_a_loop(event: Shipped) -> None:
        loop.call_soon(emit)
        loop.run_forever()

    async def emit_outside() -> None:
        parents.append((await emitter.emit(OrderPaid())).parent)

    loop.run_until_complete(emit_outside())  # the processor knows the loop, and nobody's handler runs it
    emissions = [emitter.emit(Shipped()) for _ in range(2)]
    loop.run_until_complete(emit_outside())
    loop.close()
    assert parents == [None, *emissions, None]


def test_tasks_and_threads_that_a_handler_starts_see_its_emission_where_they_take_its_context() -> None:
    linker, found = Linker(), list[Emission[Event] | None]()

    @linker.on(OrderPlaced)
    async def handler(event: OrderPlaced) -> None:
        async def look() -> None:
            found.append(current_emission())

        await asyncio.create_task(look())
        await asyncio.to_thread(lambda: found.append(current_emission()))

    emission = Emitter(linker).emit(OrderPlaced())
    assert found == [emission, emission]


# ---------------------------------------------------------------- EmissionFailed (F2)
@dataclass(frozen=True)
class Frozen(Exception):
    code: int


def failed(*errors: Exception) -> Emission[OrderPlaced]:
    linker = Linker()
    for error in errors:
        linker.subscribe(OrderPlaced, raising(error), on_failure=lambda event, error: None)
    return Emitter(linker).emit(OrderPlaced(7))


def test_failures_are_raised_as_a_group_with_the_emission_in_the_order_of_deliveries() -> None:
    first, second = ValueError("first"), LookupError("second")
    emission = failed(first, second)
    with pytest.raises(EmissionFailed, match=r"2 of 2 handlers failed for OrderPlaced\(order=7\)") as caught:
        emission.raise_failures()
    assert caught.value.exceptions == (first, second)
    assert caught.value.emission is emission


def test_each_member_carries_a_note_with_event_and_handler() -> None:
    error = ValueError("x")
    with pytest.raises(EmissionFailed, match="1 of 1 handler failed for OrderPlaced"):
        failed(error).raise_failures()
    (note,) = error.__notes__
    assert "OrderPlaced(order=7)" in note
    assert "raising.<locals>.handler" in note or "handler" in note


def test_an_error_that_is_raised_again_and_again_does_not_collect_notes() -> None:
    error = ValueError("x")
    emission = failed(error)
    for _ in range(3):
        with pytest.raises(EmissionFailed, match="1 of 1 handler failed for OrderPlaced"):
            emission.raise_failures()
    assert len(error.__notes__) == 1


def test_an_error_that_takes_no_notes_is_raised_all_the_same() -> None:
    error = Frozen(3)
    with pytest.raises(EmissionFailed, match="1 of 1 handler failed for OrderPlaced") as caught:
        failed(error).raise_failures()
    assert caught.value.exceptions == (error,)


def test_split_and_subgroup_keep_class_and_emission() -> None:
    emission = failed(ValueError("v"), LookupError("l"))
    with pytest.raises(EmissionFailed, match="2 of 2 handlers failed for OrderPlaced") as caught:
        emission.raise_failures()
    match, rest = caught.value.split(ValueError)
    assert isinstance(match, EmissionFailed)
    assert isinstance(rest, EmissionFailed)
    assert match.emission is rest.emission is emission
    subgroup = caught.value.subgroup(LookupError)
    assert isinstance(subgroup, EmissionFailed)
    assert subgroup.emission is emission


def test_except_star_keeps_class_and_emission() -> None:
    emission = failed(ValueError("v"), LookupError("l"))
    found: list[BaseExceptionGroup[Exception]] = []
    try:
        emission.raise_failures()
    except* ValueError as group:
        found.append(group)
    except* LookupError as group:
        found.append(group)
    assert [type(group) for group in found] == [EmissionFailed, EmissionFailed]
    assert all(isinstance(group, EmissionFailed) and group.emission is emission for group in found)


class Unpicklable(Exception):
    def __init__(self, left: object, right: object) -> None:
        super().__init__(f"{left} {right}")
        self.hook = lambda: left


async def test_failures_inside_of_failures_are_pickled_once_each() -> None:
    linker, depth, pickled = Linker[Event](), 20, list[int]()
    emitter = Emitter(linker)

    class Counted(Exception):
        @override
        def __reduce__(self) -> tuple[type[Exception], tuple[object, ...]]:
            pickled.append(1)
            return ValueError, self.args

    async def publishes(event: OrderPlaced) -> None:
        if event.order == depth:
            raise Counted(depth)
        await emitter.publish(OrderPlaced(event.order + 1))

    linker.subscribe(OrderPlaced, publishes)
    with pytest.raises(EmissionFailed) as caught:
        await emitter.publish(OrderPlaced(0))
    again: BaseException = pickle.loads(pickle.dumps(caught.value))
    for _ in range(depth):
        assert isinstance(again, EmissionFailed)
        (again,) = again.exceptions
    assert isinstance(again, EmissionFailed)
    assert repr(again.exceptions) == "(ValueError(20),)"
    assert len(pickled) < 5


def test_failures_can_be_pickled_with_texts_and_notes_and_those_errors_that_can() -> None:
    with pytest.raises(EmissionFailed, match="2 of 2 handlers failed for OrderPlaced") as caught:
        failed(ValueError("first"), Unpicklable("not", "this")).raise_failures()
    caught.value.add_note("of the whole")
    twin = pickle.loads(pickle.dumps(caught.value))
    assert type(twin) is EmissionFailed
    assert str(twin) == str(caught.value)
    assert twin.__notes__ == ["of the whole"]
    first, second = twin.exceptions
    assert (type(first), str(first)) == (ValueError, "first")
    assert type(second) is RuntimeError
    assert "Unpicklable" in str(second) and "not this" in str(second)
    assert [len(error.__notes__) for error in twin.exceptions] == [1, 1]
    with pytest.raises(AttributeError, match="stayed in the process that raised"):
        _ = twin.emission
    assert isinstance(twin.subgroup(ValueError), EmissionFailed)


async def test_nobody_takes_the_silence_of_a_pending_emission_for_success() -> None:
    linker = Linker()
    linker.subscribe(OrderPlaced, raising(ValueError("x")), on_failure=lambda event, error: None)
    emission = Emitter(linker).emit(OrderPlaced(3))
    with pytest.raises(EmissionPending, match=r"OrderPlaced\(order=3\) is pending: .* Await the emission") as caught:
        emission.raise_failures()
    assert caught.value.emission is emission
    await emission.wait()
    with pytest.raises(EmissionFailed, match="1 of 1 handler failed"):
        emission.raise_failures()


def test_nothing_is_raised_where_nothing_failed() -> None:
    failed().raise_failures()


@pytest.mark.parametrize("debug", [True, False])
def test_with_debug_a_note_says_where_the_event_was_emitted(debug: bool) -> None:
    linker, error = Linker(), ValueError("x")
    linker.subscribe(OrderPlaced, raising(error), on_failure=lambda event, error: None)
    emission = Emitter(linker, AsyncIOProcessor(debug=debug)).emit(OrderPlaced())
    with pytest.raises(EmissionFailed, match="1 of 1 handler failed for OrderPlaced"):
        emission.raise_failures()
    assert any(f"emitted at {__file__}" in note for note in error.__notes__) is debug


def test_the_debug_mode_of_the_loop_has_the_same_effect() -> None:
    linker, error = Linker(), ValueError("x")
    linker.subscribe(OrderPlaced, raising(error), on_failure=lambda event, error: None)

    async def main() -> None:
        with pytest.raises(EmissionFailed, match="1 of 1 handler failed for OrderPlaced"):
            await Emitter(linker).emit(OrderPlaced())

    asyncio.run(main(), debug=True)
    assert any(f"emitted at {__file__}" in note for note in error.__notes__)


async def test_awaiting_raises_and_wait_does_not() -> None:
    linker = Linker()
    linker.subscribe(OrderPlaced, raising(ValueError("x")), on_failure=lambda event, error: None)
    emission = Emitter(linker).emit(OrderPlaced())
    assert await emission.wait() is emission
    for _ in range(2):  # as often as one likes
        with pytest.raises(EmissionFailed, match="1 of 1 handler failed for OrderPlaced"):
            await emission


async def test_a_wait_that_was_closed_keeps_no_failure_from_the_log(caplog: pytest.LogCaptureFixture) -> None:
    linker, gate = Linker(), asyncio.Event()

    @linker.on(OrderPlaced)
    async def fails(event: OrderPlaced) -> None:
        await gate.wait()
        raise ValueError(event.order)

    async def wait(emission: Emission[OrderPlaced]) -> None:
        await emission

    emitter = Emitter(linker)
    for number in range(3):  # the first one makes the queue, and the others need not look for it
        gate.clear()
        emission = emitter.emit(OrderPlaced(number))
        waiting = wait(emission)
        waiting.send(None)
        waiting.close()
        gate.set()
        await emission.wait()
        assert emission.status is Status.FAILED
        del waiting, emission
    gc.collect()
    assert [(one.name, one.exc_info and str(one.exc_info[1])) for one in caplog.records] == [
        ("pyventus_typed", str(number)) for number in range(3)
    ]


class Incomparable:
    """As arrays are."""

    __hash__ = None  # type: ignore[assignment]  # so that nobody keeps it in a set either

    @override
    def __eq__(self, other: object) -> bool:
        raise ValueError("It is neither true nor false.")


@pytest.mark.parametrize("kind", ["plain", "async", "both"])
@pytest.mark.parametrize("ordering", [Ordering.CONCURRENT, Ordering.MAILBOX, Ordering.SERIAL])
async def test_what_a_handler_returns_is_compared_with_nothing(kind: str, ordering: Ordering) -> None:
    linker, value = Linker(), Incomparable()

    async def returns(event: OrderPlaced) -> object:
        return value

    async def returns_nothing(event: OrderPlaced) -> None:
        await asyncio.sleep(0)

    if kind != "plain":
        linker.subscribe(OrderPlaced, returns)
        linker.subscribe(OrderPlaced, returns_nothing)
    if kind != "async":
        linker.subscribe(OrderPlaced, lambda event: value)
        linker.subscribe(OrderPlaced, lambda event: None)
    emitter = asyncio_emitter(linker, ordering=ordering)
    for _ in range(3):  # the first one makes the queue, and the others need not look for it
        for emission in (await emitter.emit(OrderPlaced()), await emitter.publish(OrderPlaced())):
            outcomes = [delivery.outcome for delivery in emission.deliveries]
            found = [outcome.value for outcome in outcomes if isinstance(outcome, Completed)]
            assert [one is value for one in found] == [True, False] * (len(found) // 2)
            assert len(found) == len(outcomes)


@pytest.mark.parametrize("handlers", [1, 2])
async def test_any_number_of_tasks_may_await_one_emission_and_give_up(handlers: int) -> None:
    linker, gate = Linker(), asyncio.Event()

    async def handler(event: OrderPlaced) -> None:
        await gate.wait()
        if event.order:
            raise ValueError(event.order)

    for _ in range(handlers):
        linker.subscribe(OrderPlaced, handler)
    emitter = Emitter(linker)
    for number in (0, 0, 0, 1):  # the first one makes the queue, and the others need not look for it
        gate.clear()
        emission = emitter.emit(OrderPlaced(number))

        async def wait(emission: Emission[OrderPlaced] = emission) -> Emission[OrderPlaced]:
            return await emission

        gives_up, *waiting = [asyncio.create_task(wait()) for _ in range(4)]
        await asyncio.sleep(0)
        gives_up.cancel()
        await asyncio.wait([gives_up])
        waiting.append(asyncio.create_task(wait()))
        await asyncio.sleep(0)
        gate.set()
        found = await asyncio.gather(*waiting, return_exceptions=True)
        if number:
            assert [type(one) for one in found] == [EmissionFailed] * 4
        else:
            assert found == [emission] * 4
        assert gives_up.cancelled()


async def test_awaiting_a_cancelled_emission_returns() -> None:
    linker = Linker()

    @linker.on(OrderPlaced)
    async def handler(event: OrderPlaced) -> None:
        raise asyncio.CancelledError

    emission = await Emitter(linker).emit(OrderPlaced())
    assert emission.status is Status.CANCELLED
    assert emission.deliveries[0].outcome == Cancelled()


# ---------------------------------------------------------------- cancel (S7)
async def test_what_has_not_started_is_discarded_and_what_runs_is_cancelled() -> None:
    linker, runs, log = Linker(), asyncio.Event(), list[str]()

    @linker.on(OrderPlaced)
    async def running(event: OrderPlaced) -> None:
        runs.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            log.append("cancelled")
            raise

    emitter = Emitter(linker)
    begun = emitter.emit(OrderPlaced(1))
    await runs.wait()
    waiting = emitter.emit(OrderPlaced(2))
    assert (begun.cancel(), waiting.cancel()) == (True, True)
    assert waiting.deliveries[0].outcome == Discarded("cancelled", started=False)
    await begun.wait()
    assert log == ["cancelled"]
    assert begun.deliveries[0].outcome == Cancelled()
    assert (begun.cancel(), waiting.cancel()) == (False, False)


@pytest.mark.parametrize("ordering", [Ordering.CONCURRENT, Ordering.MAILBOX])
@pytest.mark.parametrize("handlers", [1, 2])
async def test_who_has_looked_can_still_cancel_what_runs_and_what_waits(ordering: Ordering, handlers: int) -> None:
    linker = Linker()

    async def never_end(event: OrderPlaced) -> None:
        await asyncio.Event().wait()

    for _ in range(handlers):
        linker.subscribe(OrderPlaced, never_end)
    emitter = asyncio_emitter(linker, ordering=ordering)
    emitter.emit(OrderPlaced(0)).cancel()  # makes the queue; what comes next need not look for it
    async with asyncio.timeout(10):
        await emitter.wait_for_tasks()
        first, second = emitter.emit(OrderPlaced(1)), emitter.emit(OrderPlaced(2))
        await asyncio.sleep(0)
        begins_at_once = ordering is Ordering.CONCURRENT
        assert [one.started for one in (*first.deliveries, *second.deliveries)] == (
            [True] * handlers + [begins_at_once] * handlers
        )
        assert first.cancel()
        assert second.cancel()
        await emitter.wait_for_tasks()
    cancelled = [one.outcome for one in (*first.deliveries, *second.deliveries)]
    discarded = Discarded("cancelled", started=False)
    assert cancelled == [Cancelled()] * handlers + [Cancelled() if begins_at_once else discarded] * handlers


async def test_what_was_cancelled_while_it_was_ready_is_not_run() -> None:
    linker, log = Linker(), list[int]()
    linker.subscribe(OrderPlaced, lambda event: log.append(event.order))
    emitter = Emitter(linker)
    await emitter.emit(OrderPlaced(0))
    first, second = emitter.emit(OrderPlaced(1)), emitter.emit(OrderPlaced(2))
    assert first.cancel()
    await second
    assert log == [0, 2]
    assert first.deliveries[0].outcome == Discarded("cancelled", started=False)


@pytest.mark.parametrize("ordering", [Ordering.CONCURRENT, Ordering.MAILBOX])
async def test_a_handler_sees_its_emission_also_if_somebody_looked_before_its_turn(ordering: Ordering) -> None:
    linker, seen = Linker(), list[object]()

    @linker.on(OrderPlaced)
    async def see(event: OrderPlaced) -> None:
        seen.append(current_emission())

    emitter = asyncio_emitter(linker, ordering=ordering)
    emissions = [emitter.emit(OrderPlaced(0))]
    await emitter.wait_for_tasks()
    emissions += [emitter.emit(OrderPlaced(number)) for number in (1, 2, 3)]
    assert not emissions[2].deliveries[0].started
    await emitter.wait_for_tasks()
    assert seen == emissions


async def test_a_mailbox_does_not_overtake_what_another_processor_has_accepted_before() -> None:
    mail, plain, log = Linker(), Linker(), list[str]()

    @mail.on(OrderPlaced)
    async def place(event: OrderPlaced) -> None:
        log.append(f"placed {event.order}")

    plain.subscribe(OrderPaid, lambda event: log.append(f"paid {event.order}"))
    one, other = asyncio_emitter(mail, ordering=Ordering.MAILBOX), asyncio_emitter(plain)
    await one.emit(OrderPlaced(0))
    await other.emit(OrderPaid(0))
    one.emit(OrderPlaced(1))
    other.emit(OrderPaid(2))
    one.emit(OrderPlaced(3))
    await one.wait_for_tasks()
    await other.wait_for_tasks()
    assert log == ["placed 0", "paid 0", "placed 1", "paid 2", "placed 3"]


async def test_a_handler_that_absorbs_the_cancellation_is_completed() -> None:
    linker, begun = Linker(), asyncio.Event()

    @linker.on(OrderPlaced)
    async def stubborn(event: OrderPlaced) -> str:
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return "no"
        return "never"

    emission = Emitter(linker).emit(OrderPlaced())
    await begun.wait()
    assert emission.cancel()
    await emission
    assert emission.deliveries[0].outcome == Completed("no")


async def test_an_emission_is_cancelled_from_another_thread() -> None:
    linker, begun = Linker(), asyncio.Event()

    @linker.on(OrderPlaced)
    async def running(event: OrderPlaced) -> None:
        begun.set()
        await asyncio.Event().wait()

    emission = Emitter(linker).emit(OrderPlaced())
    await begun.wait()
    assert await asyncio.to_thread(emission.cancel)
    await emission.wait()
    assert emission.status is Status.CANCELLED
    assert not await asyncio.to_thread(emission.cancel)


def test_a_handler_may_cancel_what_stands_behind_it() -> None:
    linker, log = Linker(), list[str]()

    @linker.on(Shipped)
    def first(event: Shipped) -> None:
        emission = current_emission()
        assert emission is not None
        assert emission.cancel()

    linker.subscribe(Shipped, lambda event: log.append("second"))
    emission = Emitter(linker).emit(Shipped())
    assert log == []
    assert [delivery.outcome for delivery in emission.deliveries] == [
        Completed(None),
        Discarded("cancelled", started=False),
    ]
    assert emission.status is Status.DISCARDED


def test_a_handler_may_cancel_what_stands_behind_it_in_every_emission_of_a_thread() -> None:
    linker, cancels = Linker(), list[object]()
    linker.subscribe(Shipped, lambda event: cancels.append((emission := current_emission()) and emission.cancel()))
    linker.subscribe(Shipped, cancels.append)
    emitter = Emitter(linker)
    for _ in range(3):  # the first one makes the thread's queue
        assert emitter.emit(Shipped()).status is Status.DISCARDED
    assert cancels == [True] * 3


@WITHHELD_AT_ONCE
def test_in_a_thread_without_a_loop_another_thread_cancels_what_has_not_started() -> None:
    linker, cancels = Linker(), list[object]()

    @linker.on(Shipped)
    def first(event: Shipped) -> None:
        emission = current_emission()
        assert emission is not None
        canceller = threading.Thread(target=lambda: cancels.append(emission.cancel()))
        canceller.start()
        canceller.join()

    linker.subscribe(Shipped, cancels.append)
    emitter = Emitter(linker)
    for _ in range(3):  # the first one makes the thread's queue
        emission = emitter.emit(Shipped())
        assert [delivery.outcome for delivery in emission.deliveries] == [
            Completed(None),
            Discarded("cancelled", started=False),
        ]
    assert cancels == [True] * 3


async def test_a_delivery_that_was_looked_at_before_it_began_is_looked_at_again() -> None:
    linker = Linker()
    seen: list[list[tuple[bool, object]]] = []

    def look(event: Shipped) -> None:
        seen.append([(one.started, one.outcome) for one in deliveries])

    linker.subscribe(Shipped, look)
    linker.subscribe(Shipped, look)
    emitter, deliveries = Emitter(linker), list[Delivery[Shipped]]()
    await emitter.emit(Shipped())  # makes the loop's queue
    seen.clear()
    emission = emitter.emit(Shipped())
    deliveries.extend(emission.deliveries)
    await emission
    assert seen == [[(True, None), (False, None)], [(True, Completed(None)), (True, None)]]


async def test_an_emission_is_awaited_from_a_loop_of_another_thread() -> None:
    linker, gate = Linker(), asyncio.Event()
    linker.subscribe(OrderPlaced, lambda event: gate.wait())
    emission = Emitter(linker).emit(OrderPlaced())
    waiting = threading.Event()

    def elsewhere() -> Status:
        async def wait() -> Status:
            asyncio.get_running_loop().call_soon(waiting.set)
            return (await emission).status

        return asyncio.run(wait())

    other = asyncio.create_task(asyncio.to_thread(elsewhere))
    await asyncio.to_thread(waiting.wait)
    gate.set()
    assert await other is Status.COMPLETED


@pytest.mark.parametrize("again", [pytest.param(False, marks=WITHHELD_AT_ONCE), True])
async def test_what_another_thread_has_cancelled_is_never_said_to_be_complete(again: bool) -> None:
    linker, ran = Linker(), list[object]()
    linker.subscribe(Shipped, ran.append)
    linker.subscribe(Shipped, ran.append)
    emission = Emitter(linker).emit(Shipped())
    seen = list[object]()

    def elsewhere() -> None:
        seen.extend([emission.cancel(), *(one.outcome for one in emission.deliveries)])

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert seen == [True, None, None]  # the loop has not taken it yet
    if again:
        assert emission.cancel()
    assert (await emission).status is Status.DISCARDED
    assert [one.outcome for one in emission.deliveries] == [Discarded("cancelled", started=False)] * 2
    assert ran == []


@pytest.mark.parametrize("ordering", [Ordering.CONCURRENT, Ordering.MAILBOX])
@pytest.mark.parametrize("way", ["await", "wait", "ask", "publish"])
async def test_a_settled_emission_whose_handler_has_waited_for_another_one_is_not_held(
    way: str, ordering: Ordering
) -> None:
    linker = Linker[Event]()
    linker.answer(Price)(lambda request: 3)
    emitter = Emitter(linker, AsyncIOProcessor(ordering=ordering))

    async def waits(event: OrderPlaced) -> None:
        if way == "ask":
            await emitter.ask(Price())
        elif way == "publish":
            await emitter.publish(Shipped())
        else:
            emission = emitter.emit(Shipped())
            await (emission if way == "await" else emission.wait())

    linker.subscribe(OrderPlaced, waits)
    linker.subscribe(Shipped, lambda event: None)
    emissions = [weakref.ref(emitter.emit(OrderPlaced(n))) for n in range(5)]
    assert await emitter.wait_for_tasks()
    await asyncio.sleep(0)
    gc.collect()
    assert [emission() for emission in emissions] == [None] * 5
