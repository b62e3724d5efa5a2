"""What a signal handler or a destructor does in the middle of us: it emits, looks and cancels wherever something is called."""

import asyncio
import gc
import sys
import warnings
import weakref
from collections.abc import Callable
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass
from types import FrameType

import pytest

from pyventus_typed import (
    Discarded,
    Emission,
    Emitter,
    Event,
    Linker,
    Ordering,
    PerKey,
    Request,
    Status,
    asyncio_emitter,
)
from pyventus_typed.errors import EmitterClosed
from tests.events import OrderPaid, OrderPlaced

SOON = 10  # seconds after which a test gives up; nothing waits for so long


class Between:
    """Calls *foreign* once: at the beginning of the *number*-th call of a function of the package.

    There, at the end of a call, and where a loop jumps back CPython lets signal handlers and destructors run.
    """

    def __init__(self, number: int, foreign: Callable[[], object]) -> None:
        self.left = number
        self.foreign = foreign

    def __call__(self, frame: FrameType, what: str, _value: object) -> None:
        if what == "call" and "/pyventus_typed/" in frame.f_code.co_filename.replace("\\", "/"):
            self.left -= 1
            if not self.left:
                sys.settrace(None)
                self.foreign()


async def pass_by(event: OrderPlaced) -> None:
    """Receive it, and no more."""


async def interrupted(number: int, ordering: Ordering, act: str, heard: list[object], *, looks: bool) -> bool:
    """Emit a few times, with something foreign in between; whether there was such a call."""
    asyncio.get_running_loop().set_exception_handler(lambda _, context: heard.append(context))
    linker, log = Linker[Event](), list[int]()
    running = 0

    @linker.on(OrderPlaced)
    async def place(event: OrderPlaced) -> None:
        nonlocal running
        running += 1
        assert running == 1 or ordering is Ordering.CONCURRENT
        log.append(event.order)
        if event.order % 2:
            await asyncio.sleep(0)
        elif event.order == 2:  # its task is to end with it, and says so nowhere but in itself
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
            task.uncancel()
        running -= 1

    emitter = asyncio_emitter(linker, ordering=ordering)
    await emitter.emit(OrderPlaced(0))  # makes the queue; what comes next need not look for it
    emissions: list[Emission[OrderPlaced]] = []

    def foreign() -> None:
        match act:
            case "emit":
                emissions.append(emitter.emit(OrderPlaced(101)))
            case "emit to one with options":
                linker.subscribe(OrderPlaced, lambda event: None, on_success=lambda value: None)
                emissions.append(emitter.emit(OrderPlaced(101)))
            case "emit to two":  # each of which has a task at once
                linker.subscribe(OrderPlaced, pass_by)
                emissions.append(emitter.emit(OrderPlaced(101)))
            case "look":
                for emission in emissions:
                    if emission.status is not Status.PENDING:
                        emission.raise_failures()
                    assert emission.deliveries[0].subscription.handler is place
                    _ = emission.deliveries[0].started
            case _:
                for emission in emissions[:1]:
                    emission.cancel()

    between = Between(number, foreign)
    before = sys.gettrace()
    sys.settrace(between)
    try:
        emissions.extend(emitter.emit(OrderPlaced(order)) for order in (1, 2, 4, 6, 7))
        if looks:
            assert not emissions[1].deliveries[0].started
        await emitter.wait_for_tasks()
    finally:
        sys.settrace(before)
    assert await emitter.wait_for_tasks(SOON)
    assert all(emission.status is not Status.PENDING for emission in emissions)
    if act != "cancel":
        assert sorted(log) == sorted([0, 1, 2, 4, 6, 7, *([101] if len(emissions) == 6 else [])])
        assert emitter.tally.completed == emitter.tally.accepted
    assert [order for order in log if order < 100] == sorted(order for order in log if order < 100)
    return between.left <= 0


@pytest.mark.parametrize("looks", [True, False])
@pytest.mark.parametrize("act", ["emit", "emit to one with options", "emit to two", "look", "cancel"])
@pytest.mark.parametrize("ordering", [Ordering.CONCURRENT, Ordering.MAILBOX])
def test_nothing_is_lost_or_run_twice_whatever_comes_in_between(ordering: Ordering, act: str, looks: bool) -> None:
    number, heard = 1, list[object]()
    while asyncio.run(interrupted(number, ordering, act, heard, looks=looks)):
        number += 1
    assert number > 50  # else the trace saw nothing of it
    gc.collect()  # then asyncio speaks of the tasks that failed
    assert not heard


async def interrupted_between_two_mailboxes(number: int) -> bool:
    """Emit to two receivers; an emission to one of them comes in between."""
    linker, log = Linker[Event](), list[int]()

    @linker.on(OrderPlaced, OrderPaid)
    async def hear(event: OrderPlaced | OrderPaid) -> None:
        log.append(event.order)
        await asyncio.sleep(0)
        log.append(-event.order)

    async def file(event: OrderPaid) -> None:
        """Receive it: two have it then."""

    linker.subscribe(OrderPaid, file)
    emitter = asyncio_emitter(linker, ordering=Ordering.MAILBOX)
    await emitter.emit(OrderPlaced(1))  # makes the queue; what comes next need not look for it
    log.clear()
    between = Between(number, lambda: emitter.emit(OrderPlaced(2)))
    before = sys.gettrace()
    sys.settrace(between)
    try:
        emitter.emit(OrderPaid(3))
    finally:
        sys.settrace(before)
    emitter.emit(OrderPlaced(4))
    assert await emitter.wait_for_tasks(SOON)
    first = log[::2]
    assert log == [step for order in first for step in (order, -order)]  # one at a time
    assert sorted(first) == sorted([2, 3, 4] if between.left <= 0 else [3, 4]) and first[-1] == 4
    return between.left <= 0


def test_a_mailbox_has_one_delivery_at_a_time_whatever_comes_between() -> None:
    number = 1
    while asyncio.run(interrupted_between_two_mailboxes(number)):
        number += 1
    assert number > 30  # as above


@dataclass(frozen=True)
class Price(Request[int]):
    """Somebody answers it."""


@pytest.mark.parametrize("looks", [True, False])
async def test_a_request_under_way_stands_in_no_mailbox(looks: bool) -> None:
    linker, go = Linker[Event](), asyncio.Event()

    @linker.answer(Price)
    async def price(_: Price) -> int:
        await go.wait()
        return 7

    @linker.on(OrderPlaced)
    async def place(event: OrderPlaced) -> None:
        await go.wait()

    emitter = asyncio_emitter(linker, ordering=Ordering.MAILBOX)
    emitter.emit(OrderPaid())  # makes the queue
    first, second = emitter.emit(OrderPlaced(1)), emitter.emit(OrderPlaced(2))
    asked = asyncio.create_task(emitter.ask(Price()))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    if looks:
        assert not second.deliveries[0].started
    else:
        assert second.cancel()
    go.set()
    assert (await asked, (await first).status) == (7, Status.COMPLETED)
    assert (await second).status is (
        Status.COMPLETED if looks else Status.CANCELLED if second.deliveries[0].started else Status.DISCARDED
    )


async def test_a_mailbox_keeps_its_order_beside_a_request_and_before_a_handler_with_options() -> None:
    linker, go, log = Linker[Event](), asyncio.Event(), list[int]()

    @linker.answer(Price)
    async def price(_: Price) -> int:
        await go.wait()
        return 7

    async def place(event: OrderPlaced) -> None:
        log.append(event.order)
        await go.wait()
        log.append(-event.order)

    linker.subscribe(OrderPlaced, place)
    emitter = asyncio_emitter(linker, ordering=Ordering.MAILBOX)
    emitter.emit(OrderPaid())  # makes the queue
    emitter.emit(OrderPlaced(1))
    asked = asyncio.create_task(emitter.ask(Price()))
    await asyncio.sleep(0)
    emitter.emit(OrderPlaced(2))  # its mailbox takes it, whoever asks beside it
    other = linker.subscribe(OrderPlaced, lambda event: None, on_success=lambda value: None)
    emitter.emit(OrderPlaced(3))
    other.unsubscribe()
    emitter.emit(OrderPlaced(4))
    go.set()
    assert await asked == 7
    assert await emitter.wait_for_tasks(SOON)
    assert log == [1, -1, 2, -2, 3, -3, 4, -4]


@pytest.mark.parametrize("left", [0, 2])
async def test_the_task_of_a_mailbox_may_be_cancelled_between_two_turns(left: int) -> None:
    linker, log, heard = Linker[Event](), list[int](), list[dict[str, object]]()
    asyncio.get_running_loop().set_exception_handler(lambda _, context: heard.append(context))

    @linker.on(OrderPlaced)
    async def place(event: OrderPlaced) -> None:
        log.append(event.order)

    emitter = asyncio_emitter(linker, ordering=Ordering.MAILBOX)
    emitter.emit(OrderPaid())  # makes the queue
    in_one_turn = 100
    emissions = [emitter.emit(OrderPlaced(number)) for number in range(in_one_turn + left)]
    while len(log) < in_one_turn:
        assert not log
        await asyncio.sleep(0)
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()
    emissions.append(emitter.emit(OrderPlaced(1000)))
    assert await emitter.wait_for_tasks(SOON)
    cut_off = [one for one in emissions if one.status is not Status.COMPLETED]
    assert [one.event.order for one in cut_off] == ([100] if left else [])  # which this task was to run next, if any
    assert all(one.deliveries[0].outcome == Discarded("cancelled", started=False) for one in cut_off)
    assert log == [*range(100), *([101] if left else []), 1000]
    assert not heard


@pytest.mark.parametrize("ordering", [Ordering.CONCURRENT, Ordering.MAILBOX])
@pytest.mark.parametrize("is_async", [True, False])
def test_a_handle_that_is_kept_keeps_no_dropped_loop_by_its_context(ordering: Ordering, is_async: bool) -> None:
    linker, variable = Linker[Event](), ContextVar[object]("variable")

    async def place(event: OrderPlaced) -> None: ...

    linker.subscribe(OrderPlaced, place if is_async else lambda event: None)
    emitter = asyncio_emitter(linker, ordering=ordering, on_discard=lambda _: None)

    async def main() -> list[Emission[OrderPlaced]]:
        await emitter.emit(OrderPlaced(0))
        variable.set(asyncio.get_running_loop())
        return [emitter.emit(OrderPlaced(1)), emitter.emit(OrderPlaced(2))]

    def drop() -> tuple["weakref.ref[object]", list[Emission[OrderPlaced]]]:
        loop = asyncio.new_event_loop()
        task = loop.create_task(main())
        task.add_done_callback(lambda _: loop.stop())
        loop.run_forever()
        found = task.result()
        return weakref.ref(loop), found

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # of the loop, which is dropped on purpose
        loop, kept = drop()
        gc.collect()
    assert loop() is None
    assert all(emission.status is not Status.PENDING for emission in kept)


def test_an_emitter_that_is_closed_in_the_middle_of_emit_stays_closed() -> None:
    linker = Linker[Event]()
    linker.subscribe(OrderPlaced, lambda event: None)
    number, closes = 1, True

    async def main() -> None:
        nonlocal closes
        emitter: Emitter[Event] = Emitter(linker)
        emitter.emit(OrderPlaced(0))  # makes the queue; what comes next need not look for it

        def close() -> None:
            with suppress(StopIteration):  # nothing is pending, so one step is all
                emitter.aclose().send(None)

        between = Between(number, close)
        sys.settrace(between)
        try:
            emitter.emit(OrderPlaced(1))
        except EmitterClosed:
            pass
        finally:
            sys.settrace(None)
        closes = between.left <= 0
        if closes:
            with pytest.raises(EmitterClosed, match="the emitter is closed"):
                emitter.emit(OrderPlaced(2))

    while closes:
        asyncio.run(main())
        number += 1
    assert number > 3  # else the trace saw nothing of it


# ---------------------------------------------------------------- at every call and return, under every ordering
EVERY_ORDERING = [*Ordering, PerKey(OrderPlaced, lambda event: 0)]


@pytest.mark.parametrize("kind", ["plain", "async", "mixed", "published"])
@pytest.mark.parametrize("act", ["emit", "cancel"])
@pytest.mark.parametrize("ordering", EVERY_ORDERING, ids=str)
def test_a_signal_handler_may_emit_and_cancel_at_every_call_and_return(ordering: Ordering, act: str, kind: str) -> None:
    linker, log, emissions = Linker[Event](), list[int](), list[Emission[OrderPlaced]]()
    running = most = 0

    async def later(event: OrderPlaced) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        log.append(event.order)
        try:
            await asyncio.sleep(0)
        finally:
            running -= 1

    def plain(event: OrderPlaced) -> None:
        log.append(event.order)

    if kind in ("plain", "mixed"):
        linker.subscribe(OrderPlaced, plain)
    if kind != "plain":
        linker.subscribe(OrderPlaced, later)
    receivers = len(linker.subscriptions())
    emitter = asyncio_emitter(linker, ordering=ordering)
    loop = asyncio.new_event_loop()
    places = 0

    async def main(number: int) -> bool:
        """Emit, with something in between at the *number*-th place; whether there was such a place."""
        log.clear()
        emissions.clear()
        left = number

        def watch(frame: FrameType, what: str, argument: object) -> None:
            nonlocal left
            if what in ("call", "c_return") and "/pyventus_typed/" in frame.f_code.co_filename.replace("\\", "/"):
                left -= 1
                if left < 0:
                    sys.setprofile(None)
                    if act == "emit":
                        emissions.append(emitter.emit(OrderPlaced(9)))
                    elif emissions:
                        cancelled.append((emissions[-1], emissions[-1].cancel()))

        cancelled: list[tuple[Emission[OrderPlaced], bool]] = []
        sys.setprofile(watch)
        try:
            for order in range(2):
                if kind == "published":
                    publishing = asyncio.ensure_future(emitter.publish(OrderPlaced(order)))
                    await asyncio.sleep(0)
                    emissions.append(await publishing)
                else:
                    emissions.append(emitter.emit(OrderPlaced(order)))
            assert await emitter.wait_for_tasks(SOON)
        finally:
            sys.setprofile(None)
        assert await emitter.wait_for_tasks(SOON)
        assert [one for one in emissions if one.status is Status.PENDING] == []
        assert emitter.tally.pending == 0
        if ordering is not Ordering.CONCURRENT:
            assert most <= 1
        for emission in emissions:
            began = sum(delivery.started for delivery in emission.deliveries)
            assert log.count(emission.event.order) == began, (emission, emission.deliveries, log)
        if act == "emit":
            assert len(log) == receivers * len(emissions)
        return left < 0

    try:
        while loop.run_until_complete(main(places)):
            places += 1
    finally:
        sys.setprofile(None)
        loop.close()
    assert places > 30  # else nothing was seen of it


async def waits_while_something_is_cancelled(number: int, how: str) -> bool:
    """Wait while an earlier wait goes on; what was emitted since is cancelled by a signal handler in the middle of that."""
    linker, go = Linker[Event](), asyncio.Event()

    @linker.on(OrderPlaced)
    async def stay(event: OrderPlaced) -> None:
        await go.wait()

    emitter = asyncio_emitter(linker)
    emitter.emit(OrderPlaced(1))
    earlier = asyncio.create_task(emitter.wait_for_tasks())
    await asyncio.sleep(0)
    later = asyncio.create_task(emitter.wait_for_tasks() if how == "wait" else emitter.aclose())
    second = emitter.emit(OrderPlaced(2))  # its task begins behind that
    between = Between(number, second.cancel)
    before = sys.gettrace()
    sys.settrace(between)
    try:
        await asyncio.sleep(0)
    finally:
        sys.settrace(before)
    assert not earlier.done()
    assert not later.done()
    go.set()
    done, _ = await asyncio.wait([earlier, later], timeout=SOON)
    assert done == {earlier, later}
    assert [await earlier, await later] == [True, True]
    return between.left <= 0


@pytest.mark.parametrize("how", ["wait", "close"])
def test_a_wait_is_over_whatever_is_cancelled_while_it_begins(how: str) -> None:
    number = 1
    while asyncio.run(waits_while_something_is_cancelled(number, how)):
        number += 1
    assert number > 5
