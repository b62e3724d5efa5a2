"""What emit accepts and what it refuses: predicates, once, capacity, closed emitters, no receiver (E5-E7, E9, L1, Q3, W5)."""

import asyncio
import inspect
import re
from collections.abc import Iterator
from contextlib import suppress
from traceback import format_exception

import pytest
from typing_extensions import override

from pyventus_typed import (
    AsyncIOProcessor,
    Completed,
    Emission,
    Emitter,
    EmitterState,
    Event,
    Failed,
    Linker,
    PerKey,
    Status,
    Tally,
    asyncio_emitter,
)
from pyventus_typed.errors import DefinitionError, EmitterClosed, InvalidOption, NoRoom, NotAnEvent
from tests.events import OrderPaid, OrderPlaced, Price, Shipped, untyped


def tally(accepted: int, **others: int) -> Tally:
    names = ("pending", "completed", "failed", "cancelled", "discarded", "rejected")
    return Tally(accepted, *(others.get(name, 0) for name in names))


# ---------------------------------------------------------------- E5
def test_predicates_are_evaluated_in_order_inside_emit_before_any_handler() -> None:
    linker, log = Linker(), list[str]()

    def when(tag: str, *, answer: bool) -> bool:
        log.append(f"when {tag}")
        return answer

    linker.subscribe(OrderPlaced, lambda event: log.append("a"), when=lambda event: when("a", answer=True))
    linker.subscribe(OrderPlaced, lambda event: log.append("b"), when=lambda event: when("b", answer=False))
    linker.subscribe(OrderPlaced, lambda event: log.append("c"), when=lambda event: when("c", answer=True), priority=1)
    emission = Emitter(linker).emit(OrderPlaced())
    assert log == ["when c", "when a", "when b", "c", "a"]
    assert len(emission.deliveries) == 2


async def test_predicates_are_evaluated_in_emit_also_in_a_loop() -> None:
    linker, log = Linker(), list[OrderPlaced]()

    def when(event: OrderPlaced) -> bool:
        log.append(event)
        return True

    linker.subscribe(OrderPlaced, lambda event: None, when=when)
    emission = Emitter(linker).emit(OrderPlaced(1))
    assert log == [OrderPlaced(1)]
    await emission


@pytest.mark.parametrize("once", [False, True])
def test_a_predicate_that_raises_is_a_failed_delivery(once: bool) -> None:
    linker, ran = Linker(), list[object]()
    error = LookupError("no such order")

    def when(event: OrderPlaced) -> bool:
        raise error

    linker.subscribe(OrderPlaced, ran.append, when=when, once=once, on_failure=lambda event, error: None)
    linker.subscribe(OrderPlaced, ran.append)
    emission = Emitter(linker).emit(OrderPlaced(1))
    assert [delivery.outcome for delivery in emission.deliveries] == [Failed(error), Completed(None)]
    assert [delivery.started for delivery in emission.deliveries] == [False, True]
    assert ran == [OrderPlaced(1)]
    assert len(linker.subscriptions()) == (1 if once else 2)


def test_a_predicate_that_raises_is_told_to_on_failure() -> None:
    linker, told = Linker(), list[object]()
    linker.subscribe(
        OrderPlaced,
        lambda event: None,
        when=lambda event: event.order // 0 == 1,
        on_failure=lambda event, error: told.append((event, type(error))),
    )
    Emitter(linker).emit(OrderPlaced(1))
    assert told == [(OrderPlaced(1), ZeroDivisionError)]


def test_what_is_no_exception_leaves_emit_and_nothing_is_accepted() -> None:
    linker = Linker()

    def when(event: OrderPlaced) -> bool:
        raise KeyboardInterrupt

    linker.subscribe(OrderPlaced, lambda event: None, when=when, once=True)
    emitter = Emitter(linker)
    with pytest.raises(KeyboardInterrupt):
        emitter.emit(OrderPlaced())
    assert emitter.tally == tally(0)
    assert len(linker.subscriptions()) == 1


def test_a_predicate_may_emit_and_its_emission_comes_first() -> None:
    linker, seen = Linker(), list[int]()
    emitter = Emitter(linker)

    def when(event: OrderPlaced) -> bool:
        if event.order:
            emitter.emit(OrderPlaced(event.order - 1))
        return True

    linker.subscribe(OrderPlaced, lambda event: seen.append(event.order), when=when)
    emitter.emit(OrderPlaced(3))
    assert seen == [0, 1, 2, 3]


# ---------------------------------------------------------------- E7
def test_once_is_used_up_by_one_emission() -> None:
    linker, seen = Linker(), list[object]()
    subscription = linker.subscribe(OrderPlaced, seen.append, once=True)
    emitter = Emitter(linker)
    for number in range(3):
        emitter.emit(OrderPlaced(number))
    assert seen == [OrderPlaced(0)]
    assert not subscription.active


async def test_once_is_used_up_when_the_emission_is_accepted_not_when_it_runs() -> None:
    linker, seen = Linker(), list[object]()
    linker.subscribe(OrderPlaced, seen.append, once=True)
    emitter = Emitter(linker)
    first, second = emitter.emit(OrderPlaced(1)), emitter.emit(OrderPlaced(2))
    assert (len(first.deliveries), len(second.deliveries)) == (1, 0)
    await emitter.wait_for_tasks()
    assert seen == [OrderPlaced(1)]


def test_a_false_predicate_does_not_use_up_once() -> None:
    linker, seen = Linker(), list[object]()
    linker.subscribe(OrderPlaced, seen.append, once=True, when=lambda event: event.order == 2)
    emitter = Emitter(linker)
    for number in range(4):
        emitter.emit(OrderPlaced(number))
    assert seen == [OrderPlaced(2)]


def test_once_is_used_up_by_what_a_predicate_emits_and_not_by_the_emission_that_asked_it() -> None:
    linker, seen = Linker(), list[object]()
    emitter = Emitter(linker)

    def when(event: OrderPlaced) -> bool:
        if event.order == 1:
            emitter.emit(OrderPlaced(2))
        return True

    linker.subscribe(OrderPlaced, seen.append, once=True, when=when)
    assert emitter.emit(OrderPlaced(1)).deliveries == ()
    assert seen == [OrderPlaced(2)]


def test_an_emission_of_a_once_handler_to_itself_finds_it_used_up() -> None:
    linker, seen = Linker(), list[object]()
    emitter = Emitter(linker)

    @linker.on(OrderPlaced, once=True)
    def handler(event: OrderPlaced) -> None:
        seen.append(event)
        emitter.emit(OrderPlaced(event.order + 1))

    emitter.emit(OrderPlaced(0))
    assert seen == [OrderPlaced(0)]


async def test_a_rejected_emission_does_not_use_up_once() -> None:
    linker, seen = Linker(), list[object]()
    linker.subscribe(OrderPlaced, seen.append, once=True)
    linker.subscribe(Shipped, lambda event: asyncio.sleep(0))
    full = asyncio_emitter(linker, capacity=1)
    full.emit(Shipped())
    with pytest.raises(
        NoRoom, match=r"OrderPlaced\(order=1\) was not emitted: as many emissions are pending as capacity allows"
    ):
        full.emit(OrderPlaced(1))
    assert full.try_emit(OrderPlaced(2)) is None
    closed = Emitter(linker)
    await closed.aclose()
    with pytest.raises(EmitterClosed, match=r"OrderPlaced\(order=3\) was refused: the emitter is closed"):
        closed.emit(OrderPlaced(3))
    await full.wait_for_tasks()
    assert seen == []
    await full.emit(OrderPlaced(4))
    assert seen == [OrderPlaced(4)]


async def test_a_dropped_emission_does_not_use_up_once() -> None:
    linker, seen = Linker(), list[object]()
    linker.subscribe(OrderPlaced, seen.append, once=True)
    linker.subscribe(Shipped, lambda event: asyncio.sleep(0))
    emitter = asyncio_emitter(linker, capacity=1, overflow="drop_new")
    emitter.emit(Shipped())
    assert emitter.emit(OrderPlaced(1)).status is Status.DISCARDED
    await emitter.wait_for_tasks()
    await emitter.emit(OrderPlaced(2))
    assert seen == [OrderPlaced(2)]


async def test_once_is_used_up_by_a_publication_and_only_by_one() -> None:
    linker, seen = Linker(), list[object]()
    linker.subscribe(OrderPlaced, seen.append, once=True)
    emitter = Emitter(linker)
    await asyncio.gather(*(emitter.publish(OrderPlaced(number)) for number in range(4)))
    assert seen == [OrderPlaced(0)]


# ---------------------------------------------------------------- E9
async def test_an_event_that_nobody_handles_is_completed_at_once() -> None:
    keys: list[object] = []
    emitter: Emitter[Event] = asyncio_emitter(Linker(), capacity=1, ordering=PerKey(OrderPlaced, keys.append))
    emissions = [emitter.emit(OrderPlaced(number)) for number in range(5)]
    assert {emission.status for emission in emissions} == {Status.COMPLETED}
    assert [emission.deliveries for emission in emissions] == [()] * 5
    assert keys == []
    assert emitter.tally == tally(5, completed=5)
    assert await emissions[0] is emissions[0]
    assert (await emitter.publish(OrderPlaced())).deliveries == ()


def test_an_event_that_every_predicate_declines_is_completed_at_once() -> None:
    linker = Linker()
    linker.subscribe(OrderPlaced, lambda event: None, when=lambda event: False)
    emission = Emitter(linker).emit(OrderPlaced())
    assert (emission.status, emission.deliveries) == (Status.COMPLETED, ())


# ---------------------------------------------------------------- closed (W5, L6)
async def test_a_closed_emitter_refuses_by_name_and_counts_it() -> None:
    linker, seen = Linker(), list[object]()
    linker.subscribe(OrderPlaced, seen.append)
    linker.answer(Price)(lambda request: 1)
    async with Emitter(linker) as emitter:
        emitter.emit(OrderPlaced(1))
    message = re.escape("OrderPlaced(order=2) was refused: the emitter is closed.")
    with pytest.raises(EmitterClosed, match=message) as caught:
        emitter.emit(OrderPlaced(2))
    assert caught.value.event == OrderPlaced(2)
    for refused in (emitter.publish(OrderPlaced(2)), emitter.emit_wait(OrderPlaced(2))):
        with pytest.raises(EmitterClosed, match=message):
            await refused
    with pytest.raises(EmitterClosed, match="Price"):
        await emitter.ask(Price())
    with pytest.raises(EmitterClosed, match=message):
        emitter.try_emit(OrderPlaced(2))
    assert seen == [OrderPlaced(1)]
    assert emitter.tally == tally(1, completed=1, rejected=5)


async def test_a_closed_emitter_is_not_entered_again() -> None:
    emitter = Emitter(Linker())
    async with emitter:
        pass
    with pytest.raises(EmitterClosed, match=r"^This emitter is closed, and closing is final\. Make a new one\.$"):
        async with emitter:
            pass
    assert repr(emitter) == "<Emitter of <Linker with 0 subscriptions>, closed>"


async def test_closing_waits_for_what_is_emitted_by_what_is_pending() -> None:
    linker, seen = Linker(), list[object]()
    emitter = Emitter(linker)
    linker.subscribe(OrderPaid, seen.append)

    @linker.on(OrderPlaced)
    async def placed(event: OrderPlaced) -> None:
        await asyncio.sleep(0)
        emitter.emit(OrderPaid(event.order))

    emitter.emit(OrderPlaced(1))
    assert await emitter.aclose() is True
    assert seen == [OrderPaid(1)]


# ---------------------------------------------------------------- requests are asked
@pytest.mark.parametrize("method", ["emit", "try_emit", "publish", "emit_wait"])
async def test_a_request_is_not_emitted(method: str) -> None:
    linker, asked = Linker(), list[object]()
    linker.subscribe(Price, asked.append, once=True)
    message = "Price(article='pen') is a request, and emit has nobody to answer to. Ask it: await emitter.ask(...)."
    emitter = Emitter(linker)
    with pytest.raises(DefinitionError, match=re.escape(message)):
        result = untyped(getattr(emitter, method))(Price("pen"))
        await result
    assert asked == []
    assert len(linker.subscriptions()) == 1


# ---------------------------------------------------------------- how it is made
def test_the_factory_makes_emitter_and_processor_in_one_step() -> None:
    emitter = asyncio_emitter(Linker(), capacity=3)
    assert isinstance(emitter.processor, AsyncIOProcessor)
    assert emitter.tally == tally(0)


def test_the_factory_takes_each_option_of_the_processor_by_name_and_hands_it_on() -> None:
    taken = inspect.signature(asyncio_emitter).parameters
    options = inspect.signature(AsyncIOProcessor).parameters
    assert [*taken] == ["linker", *options]
    wrong: dict[str, object] = dict.fromkeys(options, b"wrong")
    for name, option in options.items():
        assert option.kind is taken[name].kind is inspect.Parameter.KEYWORD_ONLY
        assert taken[name].default == option.default
        with pytest.raises(DefinitionError, match=name):
            untyped(asyncio_emitter)(Linker(), **{name: wrong[name]})


async def waits(_: object = None) -> None: ...


def generates(_: object = None) -> Iterator[int]:
    yield 1


@pytest.mark.parametrize(
    ("option", "wrong", "message"),
    [
        ("on_discard", generates, "is a generator function: calling it runs none of it"),
        ("on_discard", waits, "is async, and no loop is left to run it"),
        ("on_discard", list, "is a class; calling it would make an instance"),
        ("on_discard", lambda: None, "cannot be called with one positional argument, the emissions"),
        ("on_discard", 7, "cannot be called. Pass a function, or leave it out."),
        ("loop_factory", generates, "is a generator function: calling it runs none of it"),
        ("loop_factory", waits, "is async, and its result is used at once"),
        ("loop_factory", lambda policy: policy, "cannot be called without arguments"),
        ("loop_factory", 7, "cannot be called. Pass a function, or leave it out."),
        ("debug", 3, "3 is neither True nor False"),
        ("debug", "no", "'no' is neither True nor False"),
    ],
)
def test_an_option_of_the_processor_that_would_fail_when_it_is_used_is_refused_at_once(
    option: str, wrong: object, message: str
) -> None:
    with pytest.raises(InvalidOption, match=f"^{option}=.*{re.escape(message)}") as caught:
        untyped(AsyncIOProcessor)(**{option: wrong})
    assert caught.value.found == wrong


def test_a_loop_factory_may_be_a_class() -> None:
    linker, ran = Linker[Event](), list[asyncio.AbstractEventLoop]()

    @linker.on(OrderPlaced)
    async def place(event: OrderPlaced) -> None:
        ran.append(asyncio.get_running_loop())

    Emitter(linker, AsyncIOProcessor(loop_factory=asyncio.SelectorEventLoop)).emit(OrderPlaced())
    assert type(ran[0]) is asyncio.SelectorEventLoop


def test_two_emitters_may_share_a_processor_and_its_books() -> None:
    processor = AsyncIOProcessor()
    linker = Linker()
    one, other = Emitter(linker, processor), Emitter(linker, processor)
    one.emit(OrderPlaced())
    assert other.tally == processor.tally == tally(1, completed=1)


@pytest.mark.parametrize("wrong", [Linker, None, 7, "linker"])
def test_an_emitter_wants_a_linker(wrong: object) -> None:
    with pytest.raises(DefinitionError, match=re.escape(f"{wrong!r} is not a linker. Make one: Emitter(Linker()).")):
        untyped(Emitter)(wrong)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (7, "7 is not a processor. Use AsyncIOProcessor(), or leave it out."),
        ("fast", "'fast' is not a processor. Use AsyncIOProcessor(), or leave it out."),
        (AsyncIOProcessor, "AsyncIOProcessor is a class. Did you mean AsyncIOProcessor()?"),
    ],
)
def test_an_emitter_wants_a_processor(wrong: object, message: str) -> None:
    with pytest.raises(DefinitionError, match=re.escape(message)):
        untyped(Emitter)(Linker(), wrong)


@pytest.mark.parametrize("grace", [-1, float("nan"), "1", True])
async def test_a_grace_is_a_number_of_seconds(grace: object) -> None:
    emitter = Emitter(Linker())
    with pytest.raises(DefinitionError, match=re.escape(f"grace={grace!r} is not a number of seconds: at least 0")):
        await emitter.aclose(grace=untyped(grace))
    emitter.emit(OrderPlaced())  # not closed by a slip


@pytest.mark.parametrize("timeout", [-1, float("nan"), "1"])
async def test_a_timeout_of_a_wait_is_a_number_of_seconds(timeout: object) -> None:
    with pytest.raises(DefinitionError, match=re.escape(f"timeout={timeout!r} is not a number of seconds: at least 0")):
        await Emitter(Linker()).wait_for_tasks(untyped(timeout))


class Watchful(AsyncIOProcessor):
    """Whoever stands between an emitter and the processor sees whatever passes."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, Event, EmitterState]] = []

    @override
    def submit(self, emission: Emission[Event], state: EmitterState, /) -> None:
        self.seen.append(("submit", emission.event, state))
        super().submit(emission, state)

    @override
    async def submit_wait(self, emission: Emission[Event], state: EmitterState, /) -> None:
        self.seen.append(("submit_wait", emission.event, state))
        await super().submit_wait(emission, state)

    @override
    async def publish(self, emission: Emission[Event], state: EmitterState, /) -> None:
        self.seen.append(("publish", emission.event, state))
        await super().publish(emission, state)

    @override
    async def ask(self, emission: Emission[Event], state: EmitterState, /) -> object:
        self.seen.append(("ask", emission.event, state))
        return await super().ask(emission, state)


async def test_a_processor_of_ones_own_is_given_every_emission() -> None:
    linker, processor = Linker(), Watchful()
    linker.subscribe(OrderPlaced, lambda event: None)
    linker.answer(Price)(lambda request: 7)
    emitter = Emitter(linker, processor)
    for number in range(2):
        await emitter.emit(OrderPlaced(number))
        emitter.try_emit(OrderPlaced(number))
        await emitter.emit_wait(OrderPlaced(number))
        await emitter.publish(OrderPlaced(number))
        assert await emitter.ask(Price()) == 7
    methods = [(method, type(event)) for method, event, _ in processor.seen]
    once = [("submit", OrderPlaced)] * 2 + [("submit_wait", OrderPlaced), ("publish", OrderPlaced), ("ask", Price)]
    assert methods == once * 2
    assert await emitter.wait_for_tasks()
    assert emitter.tally == tally(10, completed=10)


async def test_each_emission_comes_with_the_state_of_its_emitter_which_says_whether_that_is_closed() -> None:
    linker, processor = Linker(), Watchful()
    linker.subscribe(OrderPlaced, lambda event: None)
    one, other = Emitter(linker, processor), Emitter(linker, processor)
    for emitter in (one, other, one):
        emitter.emit(OrderPlaced())
    states = [state for _, _, state in processor.seen]
    assert states[0] is states[2] is not states[1]
    assert [state.closed for state in states] == [False] * 3
    await one.aclose()
    assert [state.closed for state in states] == [True, False, True]
    with pytest.raises(EmitterClosed, match="the emitter is closed"):
        one.emit(OrderPlaced())
    await other.emit(OrderPlaced())
    assert processor.tally == tally(4, completed=4, rejected=1)


async def test_a_closed_emitter_asks_no_predicate() -> None:
    linker, asked = Linker(), list[object]()

    def when(event: OrderPlaced) -> bool:
        asked.append(event)
        return True

    linker.subscribe(OrderPlaced, lambda event: None, when=when)
    emitter = Emitter(linker)
    await emitter.aclose()
    with pytest.raises(EmitterClosed, match="the emitter is closed"):
        emitter.emit(OrderPlaced())
    assert asked == []
    assert emitter.tally == tally(0, rejected=1)


async def test_an_emitter_that_its_own_predicate_closes_refuses() -> None:
    linker, emitter = Linker(), Emitter[Event](Linker())

    def when(event: OrderPlaced) -> bool:
        with pytest.raises(StopIteration):
            emitter.aclose().__await__().send(None)
        return True

    linker.subscribe(OrderPlaced, lambda event: None, when=when, once=True)
    emitter = Emitter(linker)
    await emitter.emit(Shipped())  # makes the queue
    with pytest.raises(EmitterClosed, match="the emitter is closed"):
        emitter.emit(OrderPlaced())
    assert len(linker.subscriptions()) == 1
    assert emitter.tally == tally(1, completed=1, rejected=1)


async def test_an_emitter_that_has_just_closed_refuses_what_it_accepted_a_moment_ago() -> None:
    linker = Linker()
    linker.subscribe(OrderPlaced, lambda event: None)
    emitter = Emitter(linker)
    await emitter.publish(OrderPlaced(0))
    await emitter.emit(OrderPlaced(1))
    await emitter.aclose()
    with pytest.raises(EmitterClosed, match="the emitter is closed"):
        emitter.emit(OrderPlaced(2))
    with pytest.raises(EmitterClosed, match="the emitter is closed"):
        await emitter.publish(OrderPlaced(3))
    assert emitter.tally == tally(2, completed=2, rejected=2)


async def test_what_is_no_event_is_said_without_what_was_tried_before() -> None:
    emitter: Emitter[Event] = Emitter(Linker())
    raised: list[BaseException] = []
    try:
        emitter.emit(3)  # type: ignore[call-overload]  # what is tested
    except NotAnEvent as error:
        raised.append(error)
    try:
        await emitter.publish(3)  # type: ignore[call-overload]  # what is tested
    except NotAnEvent as error:
        raised.append(error)
    assert ["KeyError" in "".join(format_exception(error)) for error in raised] == [False, False]


async def test_after_an_aclose_that_gave_up_the_block_does_not_wait_again() -> None:
    linker, end = Linker(), asyncio.Event()

    @linker.on(OrderPlaced)
    async def stubborn(event: OrderPlaced) -> None:
        while not end.is_set():
            with suppress(asyncio.CancelledError):
                await end.wait()

    async with asyncio.timeout(10):
        async with Emitter(linker) as emitter:
            emission = emitter.emit(OrderPlaced())
            await asyncio.sleep(0)
            assert not await emitter.aclose(grace=0)
    assert emission.status is Status.PENDING
    end.set()
    assert await emitter.aclose()


class Stubborn(Exception):
    @override
    def with_traceback(self, tb: object) -> "Stubborn":
        raise RuntimeError("no other traceback")


@pytest.mark.parametrize("is_async", [True, False])
async def test_an_error_that_refuses_a_new_traceback_is_the_outcome_all_the_same(*, is_async: bool) -> None:
    """Its delivery stayed pending."""

    async def fail(event: OrderPlaced) -> None:
        raise Stubborn

    def fail_at_once(event: OrderPlaced) -> None:
        raise Stubborn

    linker = Linker[OrderPlaced]()
    linker.subscribe(OrderPlaced, fail if is_async else fail_at_once)
    async with asyncio.timeout(5):
        emission = await Emitter(linker, AsyncIOProcessor()).emit(OrderPlaced()).wait()
    (delivery,) = emission.deliveries
    assert isinstance(delivery.outcome, Failed)
    assert type(delivery.outcome.error) is Stubborn
