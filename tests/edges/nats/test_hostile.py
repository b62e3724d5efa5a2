"""Messages and errors that were made to stop a worker: none does, and none touches a neighbour."""

import asyncio
import logging
import os
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nats.aio.msg import Msg
from typing_extensions import override

from pyventus_typed import Linker
from pyventus_typed.nats import DeadLetter, JetStream, LocalServer, Server, StreamSettings, Worker
from pyventus_typed.nats._connection import connect, shut
from pyventus_typed.nats.errors import PayloadTooLarge
from tests.edges.nats.conftest import eventually
from tests.edges.nats.raw import RawClient, header_block
from tests.edges.nats.shop import OrderPlaced, ShopEvent, codec, customer

PLACED = "SHOP.any.shop.order_placed.v1"
LARGEST = 1 << 20  # the server's max_payload


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    """Megabytes of tracebacks are not kept, nor lone surrogates, which xdist cannot send from a worker."""
    caplog.set_level(logging.CRITICAL, "pyventus_typed")


class Billing:
    """A group in this process: what it handled, and what its handler raises for which order."""

    def __init__(self, stream: JetStream[ShopEvent], **options: object) -> None:
        self.handled: list[int] = []
        self.errors: dict[int, Callable[[], BaseException]] = {}
        linker = Linker[ShopEvent]()

        @linker.on(OrderPlaced)
        async def handle(event: OrderPlaced) -> None:
            if event.number in self.errors:
                make = self.errors[event.number]
                raise make()
            self.handled.append(event.number)

        given = {"attempts": 2, "backoff": (0.0,), "ack_wait": 2.0, **options}
        self.worker = Worker(stream, linker, group="billing", **given)  # type: ignore[arg-type]  # options of each test

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Billing"]:
        running = asyncio.create_task(self.worker.run(stop_on=()))
        try:
            yield self
        except TimeoutError:
            if running.done():
                await running  # what ended it says more than that it ended
            running.cancel()
            raise
        self.worker.stop()
        await asyncio.wait_for(running, 20)


async def letters(stream: JetStream[ShopEvent], count: int) -> list[DeadLetter]:
    """The dead letters, once there are *count*."""
    found: list[DeadLetter] = []

    async def enough() -> bool:
        found[:] = [letter async for letter in stream.dead_letters.all()]
        return len(found) >= count

    await eventually(enough, 15)
    return found


async def neighbours(stream: JetStream[ShopEvent], first: int = 100) -> list[int]:
    numbers = list(range(first, first + 10))
    for number in numbers:
        await stream.publish(OrderPlaced(number))
    return numbers


async def test_a_message_that_leaves_no_room_for_the_reason_is_a_dead_letter_with_its_bytes_and_headers(
    stream: JetStream[ShopEvent], server: LocalServer
) -> None:
    headers = header_block(b"ce-id: huge", b"X-Kept: yes")
    body = b"x" * (LARGEST - len(headers))  # to the last byte
    async with RawClient(server.port) as raw:
        await raw.publish(PLACED, body, headers)
        await raw.publish(PLACED, b"y" * LARGEST)
    expected = await neighbours(stream)
    async with Billing(stream).running() as billing:
        await eventually(lambda: sorted(billing.handled) == expected)
        found = await letters(stream, 2)
    assert [letter.data for letter in found] == [body, b"y" * LARGEST]
    assert [letter.id for letter in found] == ["huge", ""]
    assert found[0].headers["X-Kept"] == "yes"
    assert all("are not a 'shop.order_placed.v1'" in letter.reason for letter in found)
    # Both can be sent again, although the id of the second sending is one more header.
    for letter in found:
        await stream.dead_letters.send_again(letter)
    async with Billing(stream).running():
        again = await letters(stream, 2)
    assert [letter.data for letter in again] == [body, b"y" * LARGEST]


async def test_an_event_just_below_the_limit_with_a_large_header_and_a_long_error_is_a_dead_letter(
    server: LocalServer,
) -> None:
    large = OrderPlaced(1, customer="x" * 1_035_000)
    async with JetStream(server.url, codec, stream="SHOP", headers=lambda _event: {"X-Large": "h" * 4000}) as stream:
        await stream.publish(large)
        expected = await neighbours(stream)
        billing = Billing(stream)
        billing.errors[1] = lambda: ValueError("why\n" * 50_000)
        async with billing.running():
            await eventually(lambda: sorted(billing.handled) == expected)
            [letter] = await letters(stream, 1)
        assert codec.decode(letter.name, letter.data) == large
        assert letter.headers["X-Large"] == "h" * 4000
        assert letter.reason.startswith("ValueError: why\n")


async def test_headers_count_for_the_limit_and_what_is_too_large_does_not_close_the_connection(
    server: LocalServer,
) -> None:
    size = {"bytes": 9_000}
    async with JetStream(
        server.url, codec, stream="SHOP", headers=lambda _event: {"X-Large": "h" * size["bytes"]}
    ) as stream:
        with pytest.raises(PayloadTooLarge, match=r"is \d+ bytes with its headers"):
            await stream.publish(OrderPlaced(1, customer="x" * 1_039_000))
        size["bytes"] = 70_000
        with pytest.raises(PayloadTooLarge, match=r"7\d+ bytes of headers, and 57343 is the limit"):
            await stream.publish(OrderPlaced(1))
        size["bytes"] = 100
        await stream.publish(OrderPlaced(1))
        assert stream.opened.client.is_connected


@pytest.mark.parametrize(
    "status",
    [b" 100 Idle Heartbeat", b" 408 Request Timeout", b" 409 Consumer Deleted", b" 404 No Messages", b" 503"],
)
async def test_a_stored_message_that_looks_like_a_status_of_the_server_is_a_message(
    stream: JetStream[ShopEvent], server: LocalServer, status: bytes
) -> None:
    async with RawClient(server.port) as raw:
        await raw.publish(PLACED, b"", header_block(status=status))
        await raw.publish(
            PLACED, b"", header_block(b"Status:" + status.partition(b" 0")[0], b"Nats-Pending-Messages: 9")
        )
    expected = await neighbours(stream)
    async with Billing(stream, concurrency=1).running() as billing:
        await eventually(lambda: sorted(billing.handled) == expected)
        assert [letter.data for letter in await letters(stream, 2)] == [b"", b""]


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param([b"X: " + b"v" * 65_000], id="no room for one more"),
        pytest.param([b"X\x01Y: 1"], id="a control byte in a name"),
        pytest.param([b"X\xff: 1"], id="a name that is no text"),
        pytest.param([b"X: \xff\xfe"], id="a value that is no text"),
        pytest.param([b"X: \x00\x1b[2J"], id="control bytes in a value"),
        pytest.param([b"no colon", b": no name", b""], id="no header at all"),
        pytest.param([b"Pyventus-Sequence: many", b"Pyventus-Group: *"], id="ours, by somebody else"),
        pytest.param([b"ce-id: %ff%00", b"Nats-Msg-Id: \xff"], id="an id that is no text"),
    ],
)
async def test_headers_that_cannot_be_written_again_are_a_dead_letter_with_the_bytes(
    stream: JetStream[ShopEvent], server: LocalServer, lines: list[bytes]
) -> None:
    async with RawClient(server.port) as raw:
        await raw.publish(PLACED, b"{", header_block(*lines))
    expected = await neighbours(stream)
    async with Billing(stream).running() as billing:
        await eventually(lambda: sorted(billing.handled) == expected)
        [letter] = await letters(stream, 1)
        assert (letter.data, letter.sequence, letter.group) == (b"{", 1, "billing")
        await stream.dead_letters.send_again(letter)
        [letter] = await letters(stream, 1)
        assert letter.data == b"{"


async def test_a_subject_and_a_status_that_are_no_text_do_not_make_the_connection_deaf(server: LocalServer) -> None:
    client = await connect(Server(server.url), name="test")
    arrived: list[Msg] = []

    async def take(msg: Msg) -> None:
        arrived.append(msg)

    await client.subscribe("hostile.>", cb=take)
    await client.flush()
    async with RawClient(server.port) as raw:
        # JetStream of today's server removes the status of what it stores; that of an older one need not.
        for status in (b" 503 \xff", b" \xff\xff\xff", b" 5"):
            await raw.publish("hostile.status", b"", header_block(status=status))
        await raw.publish(b"hostile.\xff\xfe", b"")
        await raw.publish("hostile.last", b"")
    await eventually(lambda: len(arrived) == 5, 5)
    assert arrived[-1].subject == "hostile.last"
    await shut(client)


class NoText(Exception):
    @override
    def __str__(self) -> str:
        raise RuntimeError("no text")


class Strange(BaseException):
    pass


class NoTraceback(Exception):
    @override
    def with_traceback(self, tb: object) -> "NoTraceback":
        raise RuntimeError("no traceback")


class NoAttributes(Exception):
    def __getattr__(self, name: str) -> object:
        raise RuntimeError(name)


class NoClass(Exception):
    @property  # type: ignore[misc]  # it can be assigned elsewhere, and that is the point
    @override
    def __class__(self) -> type:
        raise RuntimeError("no class")


class NoParts(ExceptionGroup[ValueError]):
    @property
    @override
    def exceptions(self) -> tuple[ValueError, ...]:
        raise RuntimeError("no parts")


def with_note(note: object) -> Exception:
    error = ValueError("noted")
    error.__notes__ = [note]  # type: ignore[list-item]  # not a text, and that is the point
    return error


def nested(depth: int) -> Exception:
    error: Exception = ValueError("the innermost")
    for _ in range(depth):
        error = ExceptionGroup("around", [error])
    return error


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: ValueError("\ud800"), id="a lone surrogate"),
        pytest.param(NoText, id="no text"),
        pytest.param(lambda: with_note(NoText()), id="a note without a text"),
        pytest.param(lambda: nested(5000), id="a deep group"),
        pytest.param(NoTraceback, id="no traceback"),
        pytest.param(NoAttributes, id="no attributes"),
        pytest.param(NoClass, id="no class"),
        pytest.param(lambda: NoParts("around", [ValueError()]), id="a group without parts"),
        pytest.param(lambda: ValueError("\x1b[2J\x00\r\n"), id="orders to a terminal"),
        pytest.param(lambda: ValueError("x" * 5_000_000), id="five megabytes"),
        pytest.param(asyncio.CancelledError, id="cancelled"),
        pytest.param(Strange, id="no Exception"),
    ],
)
async def test_an_error_that_cannot_be_written_down_ends_neither_the_worker_nor_a_neighbour(
    stream: JetStream[ShopEvent], make: Callable[[], BaseException]
) -> None:
    await stream.publish(OrderPlaced(1))
    expected = await neighbours(stream)
    billing = Billing(stream)
    billing.errors[1] = make
    async with billing.running():
        await eventually(lambda: sorted(billing.handled) == expected)
        [letter] = await letters(stream, 1)
    assert letter.attempts == 2
    assert letter.reason
    assert (billing.worker.counts.failed, billing.worker.counts.dead) == (2, 1)


# ---------------------------------------------------------------- everything at once
HEADER_LINES = st.lists(
    st.one_of(
        st.binary(max_size=40),
        st.sampled_from([b"Status: 409", b"Nats-Msg-Id: x", b"Nats-TTL: 1s", b"Pyventus-Parts: 1", b"ce-id: %", b"a:"]),
        st.builds(lambda size: b"X: " + b"v" * size, st.integers(60_000, 65_000)),
    ).map(lambda line: line.replace(b"\r\n", b"")),
    max_size=3,
)
SUBJECTS = st.one_of(
    st.just(PLACED.encode()),
    st.sampled_from(
        [b"SHOP.0.shop.order_placed.v1", b"SHOP.any.unknown.v1", b"SHOP.any", b"SHOP.again.billing.x", b"SHOP.7"]
    ),
    st.binary(min_size=1, max_size=20).map(lambda tail: b"SHOP.any." + re.sub(rb"[\x00-\x20.*>\x7f]", b"_", tail)),
)
BODIES = st.one_of(
    st.binary(max_size=60),
    st.integers(LARGEST - 200, LARGEST).map(lambda size: b"x" * size),
    st.sampled_from([b"", b"null", b'{"number": 1e999}', b"[" * 100_000]),
)
TEXTS = st.one_of(st.text(st.characters(codec=None), max_size=40), st.integers(0, 200_000).map("x\n".__mul__))
ERRORS = st.recursive(
    st.one_of(
        st.builds(ValueError, TEXTS),
        st.builds(NoText),
        st.builds(with_note, TEXTS),
        st.builds(type("\n\x1b", (Exception,), {}), TEXTS),
    ),
    lambda inner: st.builds(ExceptionGroup, TEXTS, st.lists(inner, min_size=1, max_size=3)),
)


@pytest.mark.timeout(120)
@settings(
    max_examples=int(os.environ.get("PYVENTUS_FUZZ", "20")),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    database=None,
)
@given(messages=st.lists(st.tuples(SUBJECTS, BODIES, HEADER_LINES), max_size=4), errors=st.lists(ERRORS, max_size=4))
async def test_whatever_messages_and_errors_hold_every_neighbour_is_handled_and_the_worker_runs_on(
    server: LocalServer,
    messages: list[tuple[bytes, bytes, list[bytes]]],
    errors: list[Exception],
) -> None:
    async with JetStream(
        server.url, codec, stream="SHOP", settings=StreamSettings(lanes=2, max_bytes=None), key=customer
    ) as stream:
        js = stream.opened.js
        await js.purge_stream("SHOP")
        billing = Billing(stream)
        async with billing.running():
            pass  # the group exists now, and an operator widens it
        found = (await js.consumer_info("SHOP", "billing")).config
        await js.add_consumer(
            "SHOP", found.evolve(filter_subjects=["SHOP.any.>", "SHOP.any", "SHOP.again.>", "SHOP.7"])
        )
        hostile = 0
        async with RawClient(server.port) as raw:
            for subject, body, lines in messages:
                with suppress(ConnectionError):  # what the server itself refuses cannot reach a worker
                    await raw.publish(subject, body[: LARGEST - sum(map(len, lines)) - 100], header_block(*lines))
        billing = Billing(stream, concurrency=2)
        for number, error in enumerate(errors):
            billing.errors[number] = partial(lambda error: error, error)
            await stream.publish(OrderPlaced(number, customer="ada" if number % 2 else ""))
        hostile = (await js.stream_info("SHOP")).state.messages
        for number in range(100, 110):
            await stream.publish(OrderPlaced(number, customer="ada" if number % 2 else ""))
        async with billing.running():
            await eventually(lambda: {*range(100, 110)} <= {*billing.handled}, 20)
            await eventually(lambda: billing.worker.counts.dead + len({*billing.handled}) >= hostile + 10, 20)
        assert not (await js.consumer_info("SHOP", "billing")).num_ack_pending
        async for letter in stream.dead_letters.all():
            await stream.dead_letters.delete(letter)
