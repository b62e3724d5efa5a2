"""A span for each delivery: whose child it is, what it says, and that it ends once, whatever happens."""

import asyncio
import gc
import logging
import threading
import warnings
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from time import time_ns

import pytest
from opentelemetry.context import Context
from opentelemetry.sdk.trace import Span, SpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import SpanKind, StatusCode, get_current_span
from typing_extensions import override

from pyventus_typed import (
    AsyncIOProcessor,
    Cancelled,
    Completed,
    Delivery,
    Discarded,
    Emitter,
    Event,
    Failed,
    Linker,
    Ordering,
    Request,
    Status,
    SyncProcessor,
)
from pyventus_typed.errors import InvalidOption
from pyventus_typed.opentelemetry import instrument
from tests.edges.opentelemetry.sdk import Heard, Sdk
from tests.events import untyped


@dataclass(frozen=True)
class Placed(Event):
    order: int = 1


@dataclass(frozen=True)
class Paid(Event):
    order: int = 1


@dataclass(frozen=True)
class PriceOf(Request[int]):
    order: int = 1


class Shop:
    """A linker and an emitter, and handlers of each kind."""

    def __init__(self, sdk: Sdk, processor: AsyncIOProcessor | SyncProcessor | None = None) -> None:
        self.sdk = sdk
        self.linker = Linker[Event]()
        self.emitter = Emitter(self.linker, processor)

    def link(self, kind: str, event: type[Event], then: Callable[[Event], object] = lambda event: None) -> None:
        """A handler of this kind, which does *then*, in a span of its own."""

        def do(event: Event) -> None:
            with self.sdk.tracer.start_as_current_span(f"{kind} works"):
                then(event)

        def plain(event: Event) -> None:
            do(event)

        async def coroutine(event: Event) -> None:
            await asyncio.sleep(0)
            do(event)

        def thread(event: Event) -> None:
            assert threading.current_thread() is not threading.main_thread()
            do(event)

        handler = {"plain": plain, "coroutine": coroutine, "thread": thread}[kind]
        self.linker.subscribe(event, handler, in_thread=kind == "thread")


KINDS = ("plain", "coroutine", "thread")


def name(event: str, kind: str) -> str:
    return f"process {event} ({__name__}.{kind})"


@contextmanager
def without_complaints() -> Iterator[None]:
    """OpenTelemetry has logged nothing."""
    heard, log = Heard(), logging.getLogger("opentelemetry")
    log.addHandler(heard)
    try:
        yield
    finally:
        log.removeHandler(heard)
    assert heard.texts == []


# ---------------------------------------------------------------- parents
@pytest.mark.parametrize("inner", KINDS)
@pytest.mark.parametrize("outer", KINDS)
async def test_a_delivery_is_a_child_of_the_span_in_which_its_event_was_emitted(
    sdk: Sdk, outer: str, inner: str
) -> None:
    shop = Shop(sdk)
    shop.link(outer, Placed, lambda event: shop.emitter.emit(Paid()))
    shop.link(inner, Paid)
    with sdk.instrument(shop.linker, shop.emitter), without_complaints():
        async with shop.emitter:
            with sdk.tracer.start_as_current_span("request"):
                shop.emitter.emit(Placed())
    works = sorted([(f"{outer} works", name("Placed", outer)), (f"{inner} works", name("Paid", inner))])
    assert sdk.tree == sorted(
        [
            *works,
            ("request", None),
            (name("Placed", outer), "request"),
            (name("Paid", inner), f"{outer} works"),
        ]
    )


@pytest.mark.parametrize("ordering", Ordering)
async def test_siblings_are_children_of_the_same_span_under_each_ordering(sdk: Sdk, ordering: Ordering) -> None:
    shop = Shop(sdk, AsyncIOProcessor(ordering=ordering))
    for kind in KINDS:
        shop.link(kind, Placed)
    with sdk.instrument(shop.linker), without_complaints():
        for number in (1, 2):
            with sdk.tracer.start_as_current_span(f"request {number}"):
                shop.emitter.emit(Placed(number))
        await shop.emitter.wait_for_tasks()
    parents = {pair for pair in sdk.tree if pair[0].startswith("process")}
    assert parents == {(name("Placed", kind), f"request {n}") for kind in KINDS for n in (1, 2)}
    assert {pair for pair in sdk.tree if pair[0].endswith("works")} == {
        (f"{kind} works", name("Placed", kind)) for kind in KINDS
    }


def test_without_a_loop_parents_are_the_same(sdk: Sdk) -> None:
    for processor in (AsyncIOProcessor(), SyncProcessor()):
        sdk.exporter.clear()
        shop = Shop(sdk, processor)
        shop.link("plain", Placed, lambda event, shop=shop: shop.emitter.emit(Paid()))  # type: ignore[misc]  # bound at once
        shop.link("plain", Paid)
        with sdk.instrument(shop.linker, shop.emitter), sdk.tracer.start_as_current_span("main"):
            shop.emitter.emit(Placed())
        assert [pair for pair in sdk.tree if pair[0].startswith("process")] == [
            (name("Paid", "plain"), "plain works"),
            (name("Placed", "plain"), "main"),
        ]


async def test_an_answer_and_what_is_published_are_children_too(sdk: Sdk) -> None:
    shop = Shop(sdk)

    @shop.linker.answer(PriceOf)
    async def price(request: PriceOf) -> int:
        await shop.emitter.publish(Paid())
        return 5

    shop.link("coroutine", Paid)
    with sdk.instrument(shop.emitter), sdk.tracer.start_as_current_span("request"):
        assert await shop.emitter.ask(PriceOf()) == 5
    asked = name("PriceOf", "price")
    assert [pair for pair in sdk.tree if pair[0].startswith("process")] == [
        (name("Paid", "coroutine"), asked),
        (asked, "request"),
    ]


async def test_the_span_is_over_for_what_comes_after_the_handler(sdk: Sdk) -> None:
    shop = Shop(sdk)
    shop.link("plain", Placed)
    seen = []
    shop.linker.subscribe(Placed, lambda event: None, on_success=lambda _: seen.append(get_current_span()))
    with sdk.instrument(shop.linker), sdk.tracer.start_as_current_span("request") as request:
        await shop.emitter.emit(Placed())
        assert get_current_span() is request
    assert seen == [request], "callbacks are outside of the span"


# ---------------------------------------------------------------- what becomes of it
class Oops(Exception):
    """Raised by whatever is around a handler."""


@contextmanager
def transparent(delivery: Delivery[Event]) -> Iterator[None]:
    yield


@contextmanager
def failing(delivery: Delivery[Event]) -> Iterator[None]:
    yield
    raise Oops("commit")


@asynccontextmanager
async def failing_async(delivery: Delivery[Event]) -> AsyncIterator[None]:
    yield
    await asyncio.sleep(0)
    raise Oops("commit")


@contextmanager
def forgiving(delivery: Delivery[Event]) -> Iterator[None]:
    with suppress(Exception):
        yield


@asynccontextmanager
async def forgiving_async(delivery: Delivery[Event]) -> AsyncIterator[None]:
    with suppress(Exception):
        yield


def ignore(*_facts: object) -> None: ...


def oops(*_facts: object) -> None:
    raise Oops("callback")


async def oops_async(*_facts: object) -> None:
    await asyncio.sleep(0)
    raise Oops("callback")


OUTCOMES = {Completed: "completed", Failed: "failed", Cancelled: "cancelled", Discarded: "discarded"}


@pytest.mark.parametrize("raises", [False, True], ids=["returns", "raises"])
@pytest.mark.parametrize("callback", [None, ignore, oops, oops_async], ids=lambda one: getattr(one, "__name__", "none"))
@pytest.mark.parametrize("kind", [*KINDS, "sync processor"])
@pytest.mark.parametrize("is_before", [True, False], ids=["before", "after"])
async def test_the_outcome_of_a_span_and_of_its_duration_is_that_of_the_delivery(
    sdk: Sdk, kind: str, callback: Callable[..., object] | None, *, is_before: bool, raises: bool
) -> None:
    for manager in (transparent, failing, failing_async, forgiving, forgiving_async):
        is_sync = kind == "sync processor"
        if is_sync and "async" in f"{manager.__name__} {getattr(callback, '__name__', '')}":
            continue
        shop = Shop(sdk, SyncProcessor() if is_sync else None)
        handlers: dict[str, Callable[[Event], object]] = {
            "plain": lambda event: oops() if raises else None,
            "sync processor": lambda event: oops() if raises else None,
            "thread": lambda event: oops() if raises else None,
            "coroutine": lambda event: oops_async() if raises else asyncio.sleep(0),
        }
        if is_before:
            shop.linker.surround(manager)
        with sdk.instrument(shop.linker):
            if not is_before:
                shop.linker.surround(manager)
            shop.linker.subscribe(
                Placed,
                untyped(handlers[kind]),
                in_thread=kind == "thread",
                on_success=untyped(callback),
                on_failure=callback or ignore,
            )
            emission = shop.emitter.emit(Placed())
            await emission.wait()
        (delivery,) = emission.deliveries
        (span,) = sdk.spans
        assert delivery.outcome is not None
        expected = OUTCOMES[type(delivery.outcome)]
        attributes = span.attributes or {}
        assert attributes["pyventus_typed.outcome"] == expected
        if isinstance(delivery.outcome, Failed):
            assert span.status.description == f"Oops: {delivery.outcome.error}"
            assert span.status.status_code is StatusCode.ERROR
            assert attributes["error.type"] == f"{__name__}.Oops"
        else:
            assert (span.status.status_code, span.events) == (StatusCode.UNSET, ())
        assert sdk.sums("messaging.process.duration", by="pyventus_typed.outcome") == {expected: 1}
        sdk = Sdk()


async def test_a_delivery_that_is_cancelled_in_its_callback_is_cancelled_in_its_span(sdk: Sdk) -> None:
    shop, began = Shop(sdk), asyncio.Event()

    async def report(_result: object) -> None:
        began.set()
        await asyncio.Event().wait()

    shop.linker.subscribe(Placed, ignore, on_success=report)
    with sdk.instrument(shop.linker):
        emission = shop.emitter.emit(Placed())
        await began.wait()
        assert sdk.spans == []
        emission.cancel()
        await emission.wait()
    (span,) = sdk.spans
    assert (span.attributes or {})["pyventus_typed.outcome"] == "cancelled"
    assert span.status.status_code is StatusCode.UNSET
    assert sdk.counting.started == sdk.counting.ended


async def test_the_time_of_a_span_ends_before_the_callbacks(sdk: Sdk) -> None:
    shop, times = Shop(sdk), list[int]()
    shop.linker.subscribe(Placed, ignore, on_success=lambda _: times.append(time_ns()))
    with sdk.instrument(shop.linker):
        await shop.emitter.emit(Placed())
    (span,) = sdk.spans
    assert span.end_time is not None
    assert span.end_time <= times[0]


# ---------------------------------------------------------------- what it says
async def test_a_span_says_what_was_delivered_to_whom(sdk: Sdk) -> None:
    shop = Shop(sdk)
    shop.link("plain", Placed)
    with sdk.instrument(shop.linker, shop.emitter, attributes={"shop.part": "orders"}):
        emission = await shop.emitter.emit(Placed())
    span = sdk.one(name("Placed", "plain"))
    assert dict(span.attributes or {}) == {
        "messaging.system": "pyventus_typed",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": "Placed",
        "messaging.message.id": str(emission.id),
        "code.function.name": f"{__name__}.plain",
        "pyventus_typed.outcome": "completed",
        "shop.part": "orders",
    }
    assert span.kind is SpanKind.INTERNAL
    assert (span.status.status_code, [*span.events]) == (StatusCode.UNSET, [])
    assert span.instrumentation_scope is not None
    assert span.instrumentation_scope.name == "pyventus_typed"


async def test_what_a_handler_raises_is_recorded_and_stays_what_it_is(sdk: Sdk) -> None:
    shop = Shop(sdk)
    error = ValueError("no stock")

    def fail(event: Event) -> None:
        raise error

    shop.linker.subscribe(Placed, fail)
    with sdk.instrument(shop.linker):
        emission = await shop.emitter.emit(Placed()).wait()
    assert emission.deliveries[0].outcome == Failed(error)
    span = sdk.one(name("Placed", "fail"))
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, "ValueError: no stock")
    assert (span.attributes or {})["error.type"] == "ValueError"
    assert (span.attributes or {})["pyventus_typed.outcome"] == "failed"
    (event,) = span.events
    assert event.name == "exception"
    assert (event.attributes or {})["exception.message"] == "no stock"
    assert "raise error" in str((event.attributes or {})["exception.stacktrace"])


async def test_the_class_of_an_error_is_written_with_its_module(sdk: Sdk) -> None:
    class NoStock(Exception): ...

    shop = Shop(sdk)

    async def fail(event: Event) -> None:
        raise NoStock

    shop.linker.subscribe(Placed, fail)
    with sdk.instrument(shop.linker):
        await shop.emitter.emit(Placed()).wait()
    assert (sdk.one(name("Placed", "fail")).attributes or {})["error.type"] == f"{__name__}.{NoStock.__qualname__}"


@pytest.mark.parametrize("kind", ["coroutine", "thread"])
async def test_a_time_out_is_an_error_of_the_span(sdk: Sdk, kind: str) -> None:
    shop = Shop(sdk)
    go_on = threading.Event()

    async def coroutine(event: Event) -> None:
        await asyncio.Event().wait()

    def thread(event: Event) -> None:
        go_on.wait(10)

    shop.linker.subscribe(
        Placed, coroutine if kind == "coroutine" else thread, timeout=0.01, in_thread=kind == "thread"
    )
    with sdk.instrument(shop.linker), without_complaints():
        await shop.emitter.emit(Placed()).wait()
        span = sdk.one(name("Placed", kind))
        go_on.set()
        await shop.emitter.wait_for_tasks()
    assert span.status.status_code is StatusCode.ERROR
    assert (span.attributes or {})["error.type"] == "TimeoutError"
    assert len(sdk.spans) == 1


async def test_to_be_cancelled_is_no_error(sdk: Sdk) -> None:
    shop = Shop(sdk)
    began = asyncio.Event()

    async def hang(event: Event) -> None:
        began.set()
        await asyncio.Event().wait()

    shop.linker.subscribe(Placed, hang)
    with sdk.instrument(shop.linker), without_complaints():
        emission = shop.emitter.emit(Placed())
        await began.wait()
        emission.cancel()
        await emission.wait()
    span = sdk.one(name("Placed", "hang"))
    assert (span.status.status_code, [*span.events]) == (StatusCode.UNSET, [])
    assert (span.attributes or {})["pyventus_typed.outcome"] == "cancelled"


async def test_what_never_starts_has_no_span(sdk: Sdk) -> None:
    shop = Shop(sdk, AsyncIOProcessor(capacity=1, overflow="drop_new"))
    shop.link("coroutine", Placed)
    with sdk.instrument(shop.linker, shop.emitter):
        shop.emitter.emit(Placed(1))
        dropped = shop.emitter.emit(Placed(2))
        await shop.emitter.wait_for_tasks()
        cancelled = shop.emitter.emit(Placed(3))
        cancelled.cancel()
        await shop.emitter.wait_for_tasks()
    assert dropped.status is cancelled.status is Status.DISCARDED
    assert [span.name for span in sdk.spans if span.name.startswith("process")] == [name("Placed", "coroutine")]


def test_ctrl_c_in_a_handler_ends_its_span(sdk: Sdk) -> None:
    shop = Shop(sdk, AsyncIOProcessor(on_discard=lambda _: None))

    def interrupt(event: Event) -> None:
        raise KeyboardInterrupt

    shop.linker.subscribe(Placed, interrupt)
    with sdk.instrument(shop.linker), pytest.raises(KeyboardInterrupt), without_complaints():
        shop.emitter.emit(Placed())
    span = sdk.one(name("Placed", "interrupt"))
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, "cut off by KeyboardInterrupt")
    assert (span.attributes or {})["pyventus_typed.outcome"] == "discarded"


# The collector may close the sockets of a loop before the loop itself, whose own destructor then raises a ValueError.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_handler_whose_loop_is_lost_ends_its_span_when_it_is_closed(sdk: Sdk) -> None:
    shop = Shop(sdk, AsyncIOProcessor(on_discard=lambda _: None))

    async def hang(event: Event) -> None:
        await asyncio.Event().wait()

    shop.linker.subscribe(Placed, hang)

    async def main() -> Delivery[Placed]:
        (delivery,) = shop.emitter.emit(Placed()).deliveries
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return delivery

    with sdk.instrument(shop.linker), warnings.catch_warnings(), without_complaints():
        warnings.simplefilter("ignore", ResourceWarning)  # asyncio's own: the loop is not closed
        loop = asyncio.new_event_loop()
        delivery = loop.run_until_complete(main())
        del loop
        gc.collect()
    assert isinstance(delivery.outcome, Discarded)
    span = sdk.one(name("Placed", "hang"))
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, "cut off by GeneratorExit")
    assert sdk.counting.started == sdk.counting.ended


# ---------------------------------------------------------------- on and off
async def test_after_uninstrument_no_span_begins_and_those_that_have_begun_end(sdk: Sdk) -> None:
    shop = Shop(sdk, AsyncIOProcessor(ordering=Ordering.SERIAL))
    began, go_on = asyncio.Event(), asyncio.Event()

    async def handle(event: Placed) -> None:
        began.set()
        await go_on.wait()

    shop.linker.subscribe(Placed, handle)
    instrumentation = sdk.instrument(shop.linker, shop.emitter)
    shop.emitter.emit(Placed(1))
    shop.emitter.emit(Placed(2))  # accepted with the manager around its handler
    await began.wait()
    instrumentation.uninstrument()
    instrumentation.uninstrument()
    shop.emitter.emit(Placed(3))
    go_on.set()
    await shop.emitter.wait_for_tasks()
    assert [span.name for span in sdk.spans] == [name("Placed", "handle")]
    assert sdk.counting.started == sdk.counting.ended


def test_after_uninstrument_nothing_holds_the_instrumentation_and_it_holds_nothing(sdk: Sdk) -> None:
    shop = Shop(sdk)
    instrumentation = sdk.instrument(shop.linker, shop.emitter)
    shop.emitter.emit(Placed())
    instrumentation.uninstrument()
    shop.emitter.emit(Placed())  # its route is made anew
    gone = weakref.ref(instrumentation)
    del instrumentation
    gc.collect()
    assert gone() is None
    assert [one for one in gc.get_objects() if type(one).__name__ in ("DeliverySpans", "DeliveryWaits")] == [], (
        "around its handlers"
    )
    linker, emitter = weakref.ref(shop.linker), weakref.ref(shop.emitter)
    del shop
    gc.collect()
    assert linker() is None
    assert emitter() is None


async def test_a_linker_that_is_instrumented_twice_has_one_span_for_each_delivery(sdk: Sdk) -> None:
    shop = Shop(sdk)
    other = Emitter(shop.linker)
    shop.link("plain", Placed)
    first = sdk.instrument(shop.linker, shop.emitter, attributes={"who": "first"})
    second = sdk.instrument(shop.linker, other, attributes={"who": "second"})
    whose = []
    for emitter, ended in ((shop.emitter, first), (other, second)):
        await emitter.emit(Placed())
        whose.append([(span.attributes or {})["who"] for span in sdk.spans if span.name.startswith("process")])
        sdk.exporter.clear()
        ended.uninstrument()
    assert whose == [["first"], ["second"]]


async def test_emitters_that_share_a_linker_have_their_own_attributes(sdk: Sdk) -> None:
    shop = Shop(sdk)
    mails, third = Emitter(shop.linker), Emitter(shop.linker)
    shop.link("plain", Placed)
    with ExitStack() as stack:
        for part, queue in ((shop.linker, "any"), (shop.emitter, "orders"), (mails, "mails")):
            stack.enter_context(sdk.instrument(part, attributes={"queue": queue}))
        for emitter in (mails, shop.emitter, mails, third):
            await emitter.emit(Placed())
    spans = [span for span in sdk.spans if span.name.startswith("process")]
    assert [(span.attributes or {})["queue"] for span in spans] == ["mails", "orders", "mails", "any"]
    assert sdk.sums("messaging.process.duration", by="queue") == {"mails": 2, "orders": 1, "any": 1}
    assert sdk.sums("pyventus_typed.deliveries.wait_time", by="queue") == {"mails": 2, "orders": 1}
    assert sdk.sums("pyventus_typed.emissions.settled", by="queue") == {"mails": 2, "orders": 1}


def test_a_linker_is_instrumented_where_it_is_made_and_its_emitter_where_that_is(sdk: Sdk) -> None:
    linker = Linker[Event]()
    at_import = sdk.instrument(linker)
    linker.surround(failing)
    linker.subscribe(Placed, ignore, on_failure=ignore)

    async def lifespan() -> None:
        async with Emitter(linker) as emitter:
            with sdk.instrument(emitter):
                await emitter.emit(Placed()).wait()

    asyncio.run(lifespan())
    asyncio.run(lifespan())
    assert [(span.attributes or {})["pyventus_typed.outcome"] for span in sdk.spans] == ["failed", "failed"]
    assert sdk.sums("pyventus_typed.emissions.settled", by="pyventus_typed.status") == {"failed": 2}
    assert sdk.sums("pyventus_typed.deliveries.wait_time") == {None: 2}
    at_import.uninstrument()


async def test_a_linker_that_was_cleared_can_be_instrumented_again(sdk: Sdk) -> None:
    shop = Shop(sdk)
    before = sdk.instrument(shop.linker)
    shop.linker.clear()
    shop.link("plain", Placed)
    with sdk.instrument(shop.linker):
        await shop.emitter.emit(Placed())
    before.uninstrument()
    assert [span.name for span in sdk.spans] == ["plain works", name("Placed", "plain")]


async def test_a_span_that_is_not_sampled_costs_no_exception(sdk: Sdk) -> None:
    shop = Shop(sdk)
    sdk.tracers.sampler = ALWAYS_OFF
    shop.link("plain", Placed)
    with sdk.instrument(shop.linker), without_complaints():
        assert (await shop.emitter.emit(Placed())).status is Status.COMPLETED
    assert sdk.spans == []


async def test_nothing_that_the_sdk_raises_reaches_a_handler_or_an_emitter(
    sdk: Sdk, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(SpanProcessor):
        @override
        def on_start(self, span: Span, parent_context: Context | None = None) -> None:
            raise OSError("no disk")

    shop = Shop(sdk)
    seen: list[object] = []
    shop.linker.subscribe(Placed, seen.append)
    sdk.tracers.add_span_processor(Broken())
    with sdk.instrument(shop.linker):
        assert (await shop.emitter.emit(Placed())).status is Status.COMPLETED
    assert seen == [Placed()]
    texts = {record.getMessage() for record in caplog.records if record.name == "pyventus_typed"}
    assert texts == {"OpenTelemetry failed, which changes nothing for the events"}


async def test_an_error_without_a_text_is_recorded_all_the_same(sdk: Sdk) -> None:
    class Unspeakable(Exception):
        @override
        def __str__(self) -> str:
            raise RuntimeError("no text")

    shop = Shop(sdk)

    async def fail(event: Event) -> None:
        raise Unspeakable

    shop.linker.subscribe(Placed, fail)
    with sdk.instrument(shop.linker):
        emission = await shop.emitter.emit(Placed()).wait()
    assert emission.status is Status.FAILED
    span = sdk.one(name("Placed", "fail"))
    assert span.status.description == "Unspeakable: (its text raised RuntimeError)"


# ---------------------------------------------------------------- bad input
@pytest.mark.parametrize(
    ("part", "message"),
    [
        (Linker, r"<class '.*Linker'> is neither a linker nor an emitter. Did you mean Linker\(\)\?"),
        (None, r"None is neither a linker nor an emitter. Pass instrument\(linker, emitter\)."),
    ],
)
def test_a_part_that_is_none_is_refused_and_nothing_is_instrumented(sdk: Sdk, part: object, message: str) -> None:
    shop = Shop(sdk)
    shop.link("plain", Placed)
    with pytest.raises(InvalidOption, match=message):
        instrument(shop.linker, part, tracer_provider=sdk.tracers)  # type: ignore[arg-type]  # that is the point
    shop.emitter.emit(Placed())
    assert [span.name for span in sdk.spans] == ["plain works"]


def test_an_attribute_that_cannot_be_exported_is_refused() -> None:
    with pytest.raises(InvalidOption, match=r"'part' has the value \[1\], and values are strings, numbers or booleans"):
        instrument(attributes={"part": [1]})  # type: ignore[dict-item]  # that is the point


def test_an_instrumentation_says_what_it_instruments() -> None:
    with instrument(Linker[Event]()) as instrumentation:
        assert repr(instrumentation) == "<Instrumentation of <Linker with 0 subscriptions>>"
    with instrument() as nothing:
        assert repr(nothing) == "<Instrumentation of NATS alone>"
