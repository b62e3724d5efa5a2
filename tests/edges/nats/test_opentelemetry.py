"""Traces and metrics across NATS, with a real server and the real SDK."""

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import baggage
from opentelemetry.context import Context, attach, detach
from opentelemetry.propagate import get_global_textmap, set_global_textmap
from opentelemetry.propagators.textmap import TextMapPropagator
from opentelemetry.sdk.metrics.export import NumberDataPoint
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind, StatusCode, format_span_id, format_trace_id
from typing_extensions import override

from pyventus_typed import Emitter, Linker
from pyventus_typed.nats import JetStream, LocalServer, Outbox, Relay, Worker, received
from pyventus_typed.nats._tracing import Tracing, find_tracing
from pyventus_typed.nats._wire import lane_of
from pyventus_typed.nats.errors import NotFaithful, NotStored
from pyventus_typed.opentelemetry._nats import Carrier
from tests.edges.nats.conftest import eventually
from tests.edges.nats.shop import OrderPaid, OrderPlaced, ShopEvent, codec
from tests.edges.opentelemetry.sdk import Dimensions, Sdk

DESTINATION = "SHOP.shop.order_placed.v1"


@pytest.fixture
def sdk() -> Iterator[Sdk]:
    yield Sdk()
    assert find_tracing() is None, "the next test would find something instrumented"


@asynccontextmanager
async def working(
    stream: JetStream[ShopEvent], linker: Linker[ShopEvent], **options: Any
) -> AsyncIterator[Worker[ShopEvent]]:
    worker = Worker(stream, linker, group="billing", **options)
    running = asyncio.create_task(worker.run(stop_on=()))
    try:
        yield worker
    finally:
        worker.stop()
        await asyncio.wait_for(running, 20)


def handling(handler: Callable[[OrderPlaced], object], *, in_thread: bool = False) -> Linker[ShopEvent]:
    linker = Linker[ShopEvent]()
    linker.subscribe(OrderPlaced, handler, in_thread=in_thread)
    return linker


def attributes(span: ReadableSpan) -> Mapping[str, object]:
    return span.attributes or {}


def context(span: ReadableSpan) -> tuple[int, int]:
    assert span.context is not None
    return span.context.trace_id, span.context.span_id


def parent(span: ReadableSpan) -> tuple[int, int]:
    assert span.parent is not None
    return span.parent.trace_id, span.parent.span_id


# ---------------------------------------------------------------- traces
@pytest.mark.parametrize("in_thread", [False, True])
async def test_a_handler_in_a_worker_is_a_descendant_of_who_emitted_in_another_process(
    sdk: Sdk, stream: JetStream[ShopEvent], in_thread: bool
) -> None:
    """Two linkers, as two processes have them, each of which sees the headers alone."""
    seen: list[Mapping[str, str]] = []
    publishing = Linker[ShopEvent]()
    publishing.subscribe(ShopEvent, stream.publish)
    emitter = Emitter(publishing)

    def bill(event: OrderPlaced) -> None:
        with sdk.tracer.start_as_current_span("bill works"):
            seen.append(received().headers)

    handlers = handling(bill, in_thread=in_thread)
    with sdk.instrument(publishing, emitter, handlers):
        with sdk.tracer.start_as_current_span("request"):
            await emitter.emit(OrderPlaced(1))
        async with working(stream, handlers) as worker:
            await eventually(lambda: worker.counts.handled == 1)
    published = "process OrderPlaced (pyventus_typed.nats._stream.JetStream.publish)"
    assert sdk.tree == sorted(
        [
            ("request", None),
            (published, "request"),
            (f"send {DESTINATION}", published),
            (f"process {DESTINATION}", f"send {DESTINATION}"),
            (f"process OrderPlaced ({__name__}.bill)", f"process {DESTINATION}"),
            ("bill works", f"process OrderPlaced ({__name__}.bill)"),
        ]
    )
    trace, sent = context(sdk.one(f"send {DESTINATION}"))
    assert seen[0]["traceparent"].startswith(f"00-{format_trace_id(trace)}-{format_span_id(sent)}-")


async def test_the_spans_of_a_message_say_what_the_conventions_name(sdk: Sdk, stream: JetStream[ShopEvent]) -> None:
    handlers = handling(lambda event: None)
    with sdk.instrument(attributes={"shop.part": "orders"}):
        stored = await stream.publish(OrderPlaced(1))
        async with working(stream, handlers) as worker:
            await eventually(lambda: worker.counts.handled == 1)
    sent, processed = sdk.one(f"send {DESTINATION}"), sdk.one(f"process {DESTINATION}")
    size = len(codec.encode(OrderPlaced(1)).data)
    common = {
        "messaging.system": "nats",
        "messaging.destination.name": DESTINATION,
        "messaging.message.id": stored.id,
        "pyventus_typed.outcome": "completed",
        "shop.part": "orders",
    }
    assert sent.kind is SpanKind.PRODUCER
    assert attributes(sent) == {
        **common,
        "messaging.operation.name": "send",
        "messaging.operation.type": "send",
        "messaging.message.body.size": size,
    }
    assert processed.kind is SpanKind.CONSUMER
    assert attributes(processed) == {
        **common,
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.consumer.group.name": "billing",
        "pyventus_typed.nats.sequence": stored.sequence,
        "pyventus_typed.nats.attempt": 1,
    }
    assert len(sdk.spans) == 2, "the linker of the worker is not instrumented"
    assert sdk.sums("messaging.client.operation.duration") == {None: 1}
    assert sdk.sums("messaging.process.duration", by="messaging.system") == {"nats": 1}


async def test_each_attempt_is_a_child_of_who_published_and_a_failed_one_an_error(
    sdk: Sdk, stream: JetStream[ShopEvent]
) -> None:
    def fail(event: OrderPlaced) -> None:
        if received().attempt == 1:
            raise ValueError("no stock")

    with sdk.instrument():
        await stream.publish(OrderPlaced(1))
        async with working(stream, handling(fail), backoff=[0.01]) as worker:
            await eventually(lambda: worker.counts.handled == 1)
    first, second = (span for span in sdk.spans if span.name == f"process {DESTINATION}")
    sent = sdk.one(f"send {DESTINATION}")
    assert [attributes(span)["pyventus_typed.nats.attempt"] for span in (first, second)] == [1, 2]
    assert parent(first) == parent(second) == context(sent)
    assert first.status.status_code is StatusCode.ERROR
    assert attributes(first)["error.type"] == "pyventus_typed.errors.EmissionFailed"
    assert "no stock" in str((first.events[0].attributes or {})["exception.stacktrace"])
    assert second.status.status_code is StatusCode.UNSET


async def test_a_message_without_a_trace_begins_one_and_not_that_of_who_started_the_worker(
    sdk: Sdk, stream: JetStream[ShopEvent]
) -> None:
    await stream.publish(OrderPlaced(1))
    with sdk.instrument(), sdk.tracer.start_as_current_span("start"):
        async with working(stream, handling(lambda event: None)) as worker:
            await eventually(lambda: worker.counts.handled == 1)
    assert sdk.one(f"process {DESTINATION}").parent is None


@pytest.mark.parametrize(
    "headers",
    [
        {"traceparent": "00-zz-zz-01", "tracestate": "=,=,="},
        {"traceparent": "", "baggage": "%%%=%,;;="},
        {"traceparent": "f" * 4000},
    ],
)
async def test_a_hostile_header_begins_a_trace_and_stops_nobody(
    sdk: Sdk, server: LocalServer, headers: Mapping[str, str]
) -> None:
    async with JetStream(server.url, codec, stream="SHOP", headers=lambda event: headers) as stream:
        await stream.publish(OrderPlaced(1))
        with sdk.instrument():
            async with working(stream, handling(lambda event: None)) as worker:
                await eventually(lambda: worker.counts.handled == 1)
    assert sdk.one(f"process {DESTINATION}").parent is None


async def test_a_propagator_that_raises_stops_neither_a_publisher_nor_a_worker(
    sdk: Sdk, stream: JetStream[ShopEvent]
) -> None:
    class Broken(TextMapPropagator):
        @override
        def extract(self, *_: object, **__: object) -> Context:
            raise OSError

        @override
        def inject(self, *_: object, **__: object) -> None:
            raise OSError

        @property
        @override
        def fields(self) -> set[str]:
            return set()

    before = get_global_textmap()
    set_global_textmap(Broken())
    try:
        with sdk.instrument(), sdk.tracer.start_as_current_span("start"):
            await stream.publish(OrderPlaced(1))
            async with working(stream, handling(lambda event: None)) as worker:
                await eventually(lambda: worker.counts.handled == 1)
    finally:
        set_global_textmap(before)
    assert sdk.one(f"process {DESTINATION}").parent is None


async def test_headers_of_other_clients_may_have_capitals(sdk: Sdk, stream: JetStream[ShopEvent]) -> None:
    trace, span = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    await stream.opened.js.publish(
        "SHOP.any.shop.order_placed.v1", b'{"number":1}', headers={"Traceparent": f"00-{trace}-{span}-01"}
    )
    with sdk.instrument():
        async with working(stream, handling(lambda event: None)) as worker:
            await eventually(lambda: worker.counts.handled == 1)
    assert parent(sdk.one(f"process {DESTINATION}")) == (int(trace, 16), int(span, 16))


async def test_what_the_users_own_hook_writes_has_precedence(sdk: Sdk, server: LocalServer) -> None:
    own = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    seen: list[Mapping[str, str]] = []
    async with JetStream(server.url, codec, stream="SHOP", headers=lambda event: {"traceparent": own}) as stream:
        with sdk.instrument():
            await stream.publish(OrderPlaced(1))
            async with working(stream, handling(lambda event: seen.append(received().headers))) as worker:
                await eventually(lambda: worker.counts.handled == 1)
    assert [headers["traceparent"] for headers in seen] == [own]


async def test_baggage_travels_along(sdk: Sdk, stream: JetStream[ShopEvent]) -> None:
    seen: list[object] = []
    with sdk.instrument():
        token = attach(baggage.set_baggage("customer", "Zoë"))
        try:
            await stream.publish(OrderPlaced(1))
        finally:
            detach(token)
        async with working(stream, handling(lambda event: seen.append(baggage.get_baggage("customer")))) as worker:
            await eventually(lambda: worker.counts.handled == 1)
    assert seen == ["Zoë"]


async def test_each_event_of_a_batch_has_a_span_of_its_own(sdk: Sdk, stream: JetStream[ShopEvent]) -> None:
    with sdk.instrument(), sdk.tracer.start_as_current_span("batch"):
        await stream.publish_all([OrderPlaced(1), OrderPaid(1, 5), OrderPlaced(2)])
    assert sdk.tree == [
        ("batch", None),
        ("send SHOP.shop.order_paid.v1", "batch"),
        (f"send {DESTINATION}", "batch"),
        (f"send {DESTINATION}", "batch"),
    ]


async def test_an_event_that_is_not_stored_is_an_error_of_its_span(sdk: Sdk, server: LocalServer) -> None:
    async with JetStream(server.url, codec, stream="SHOP", patience=0.2) as stream:
        with sdk.instrument():
            with pytest.raises(NotFaithful):
                await stream.publish(OrderPlaced(1, seconds=float("nan")))
            assert sdk.spans == [], "it was not sent"
            await server.stop()
            with pytest.raises(NotStored):
                await stream.publish(OrderPlaced(1))
    (span,) = sdk.spans
    assert span.status.status_code is StatusCode.ERROR
    assert attributes(span)["error.type"] == "pyventus_typed.nats.errors.NotStored"


async def test_the_outbox_remembers_in_which_span_a_row_was_added(
    sdk: Sdk, stream: JetStream[ShopEvent], tmp_path: Path
) -> None:
    outbox = Outbox(codec, source="shop")
    file = tmp_path / "shop.db"
    with sdk.instrument():
        connection = sqlite3.connect(file)
        outbox.create(connection)
        with sdk.tracer.start_as_current_span("transaction") as transaction, connection:
            connection.execute("CREATE TABLE orders (number)")
            connection.execute("INSERT INTO orders VALUES (1)")
            outbox.add(connection, OrderPlaced(1))
        connection.close()
        assert await Relay(outbox, stream, lambda: sqlite3.connect(file)).flush() == 1
        async with working(stream, handling(lambda event: None)) as worker:
            await eventually(lambda: worker.counts.handled == 1)
    expected = transaction.get_span_context()
    assert parent(sdk.one(f"process {DESTINATION}")) == (expected.trace_id, expected.span_id)


async def test_without_an_instrumentation_no_header_is_added(sdk: Sdk, stream: JetStream[ShopEvent]) -> None:
    with sdk.instrument():
        pass
    with sdk.tracer.start_as_current_span("request"):
        outgoing = stream.prepare(OrderPlaced(1))
        await stream.publish(OrderPlaced(1))
    message = await stream.opened.js.get_msg("SHOP", seq=1)
    assert set(message.headers or {}) == {*outgoing.headers, "Nats-Expected-Stream"}
    assert [span.name for span in sdk.spans] == ["request"]
    assert find_tracing() is None


# ---------------------------------------------------------------- metrics
def values(points: Mapping[Dimensions, object], by: str) -> dict[object, float]:
    return {
        dict(dimensions)[by]: point.value for dimensions, point in points.items() if isinstance(point, NumberDataPoint)
    }


async def test_what_a_worker_did_and_its_lag_by_lane(sdk: Sdk, stream: JetStream[ShopEvent]) -> None:
    go_on = asyncio.Event()

    async def handle(event: OrderPlaced) -> None:
        await go_on.wait()
        if event.number == 3:
            raise ValueError

    for number, customer in ((1, ""), (2, "Ada"), (3, "Ada")):
        await stream.publish(OrderPlaced(number, customer))

    async def read(name: str, by: str) -> dict[object, float]:
        return values(await asyncio.to_thread(sdk.points, name), by)  # as an exporter does, in a thread of its own

    with sdk.instrument():
        async with working(stream, handling(handle), attempts=2, backoff=[0.01]) as worker:
            await eventually(lambda: worker.counts.taken == 2)
            lanes = await read("pyventus_typed.nats.lag", "pyventus_typed.nats.lane")
            assert {lane: lag for lane, lag in lanes.items() if lag} == {"any": 1, str(lane_of("Ada", 4)): 2}
            assert set(lanes) == {"any", "0", "1", "2", "3"}
            healthy = await asyncio.to_thread(sdk.points, "pyventus_typed.nats.healthy_workers")
            assert [{**dict(dimensions)} for dimensions in healthy] == [
                {"pyventus_typed.nats.stream": "SHOP", "messaging.consumer.group.name": "billing"}
            ]
            assert sdk.sums("pyventus_typed.nats.healthy_workers") == {None: 1}
            go_on.set()
            await eventually(lambda: worker.counts.dead == 1)
            did = await read("pyventus_typed.nats.messages", "pyventus_typed.outcome")

            async def is_idle() -> bool:
                return set((await read("pyventus_typed.nats.lag", "pyventus_typed.nats.lane")).values()) == {0}

            await eventually(is_idle)
            assert did == {"handled": 2, "failed": 2, "dead": 1}
    assert sdk.points("pyventus_typed.nats.lag") == sdk.points("pyventus_typed.nats.healthy_workers") == {}
    assert values(sdk.points("pyventus_typed.nats.messages"), "pyventus_typed.outcome") == did, (
        "a counter does not fall"
    )


async def test_several_workers_of_a_group_are_counted_and_their_lag_is_not_added(
    sdk: Sdk, stream: JetStream[ShopEvent]
) -> None:
    go_on = asyncio.Event()

    async def handle(event: OrderPlaced) -> None:
        await go_on.wait()

    await stream.publish(OrderPlaced(1))
    before = time.time()
    with sdk.instrument():
        async with working(stream, handling(handle)) as one, working(stream, handling(handle)) as other:
            await eventually(lambda: one.counts.taken + other.counts.taken == 1)
            await asyncio.to_thread(sdk.points, "pyventus_typed.nats.lag")
            assert sdk.sums("pyventus_typed.nats.lag") == {None: 1}
            assert sdk.sums("pyventus_typed.nats.healthy_workers") == {None: 2}
            assert sdk.points("pyventus_typed.nats.last_settled") == {}
            go_on.set()
            await eventually(lambda: one.counts.handled + other.counts.handled == 1)
            (settled,) = sdk.sums("pyventus_typed.nats.last_settled").values()
            assert before - 1 < settled < time.time() + 1


async def test_an_exporter_in_the_loop_of_the_worker_sees_the_last_answer_and_waits_for_none(
    sdk: Sdk, stream: JetStream[ShopEvent]
) -> None:
    go_on = asyncio.Event()

    async def handle(event: OrderPlaced) -> None:
        await go_on.wait()

    await stream.publish(OrderPlaced(1))
    with sdk.instrument():
        async with working(stream, handling(handle)):
            await eventually(lambda: sdk.sums("pyventus_typed.nats.lag") == {None: 1})
            assert sdk.sums("pyventus_typed.nats.healthy_workers") == {None: 1}
            go_on.set()
            await eventually(lambda: sdk.sums("pyventus_typed.nats.lag") == {})


def test_what_is_looked_for_is_what_is_there(sdk: Sdk) -> None:
    with sdk.instrument():
        found = find_tracing()
        assert isinstance(found, Carrier)
        has_what_nats_needs: Tracing = found  # judged by mypy
        assert has_what_nats_needs.headers() == {}
