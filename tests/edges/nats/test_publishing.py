"""What of an event reaches the server: ids, keys, headers; and what is refused before it is sent."""

import asyncio
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import nats
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pyventus_typed import Linker
from pyventus_typed.errors import InvalidOption
from pyventus_typed.nats import JetStream, JsonCodec, LocalServer, Outbox, StreamSettings, Wire, Worker, received
from pyventus_typed.nats import _stream as stream_module
from tests.edges.nats.conftest import eventually
from tests.edges.nats.shop import OrderPaid, OrderPlaced, ShopEvent, codec

ALIKE = ["a", "a ", " a", "a\n", "\na", "a\r\nX: y", "a b", "a\nb", "a\tb", "%61", "a%20", "A", "é", "e\u0301", "a\0"]


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(ids=st.lists(st.text(st.characters(codec="utf-8"), min_size=1), max_size=30))
def test_events_with_different_ids_are_all_stored_however_alike_these_are(
    ids: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """JetStream compares the bytes of a header: what a client strips or translates there makes two ids one."""
    different = list(dict.fromkeys([*ALIKE, *ids]))
    seen: list[str] = []
    linker = Linker[ShopEvent]()
    linker.subscribe(OrderPaid, lambda event: seen.append(received().id))

    async def main() -> None:
        async with (
            LocalServer(tmp_path_factory.mktemp("server")) as server,
            JetStream(server.url, codec, stream="SHOP") as stream,
        ):
            events = [OrderPaid(number, 1) for number in range(len(different))]
            stored = await stream.publish_all(events, event_ids=different)
            assert [one.id for one in stored if one.duplicate] == []
            again = await stream.publish_all(events, event_ids=different)
            assert [one.id for one in again if not one.duplicate] == []
            worker = Worker(stream, linker, group="mail")
            running = asyncio.create_task(worker.run(stop_on=()))
            await eventually(lambda: worker.counts.handled == len(different))
            worker.stop()
            await running

    asyncio.run(main())
    assert sorted(seen) == sorted(different)


async def test_a_client_of_the_users_writes_the_same_message_as_our_own(server: LocalServer) -> None:
    client = await nats.connect(server.url)
    for where in (server.url, client):
        async with JetStream(where, codec, stream="SHOP", headers=lambda event: {"X-Tenant": "north"}) as stream:
            await stream.publish(OrderPaid(1, 250), event_id=f"order {where is client}")
            await stream.publish(OrderPaid(2, 250))
    js = client.jetstream()
    one, other = [(await js.get_msg("SHOP", seq=seq)).headers or {} for seq in (1, 3)]
    assert [*one] == [*other]
    differ = {name for name in one if one[name] != other[name]}
    assert differ == {"Nats-Msg-Id", "ce-id", "ce-time"}
    assert one["Nats-Msg-Id"] == "order%20False"
    assert one["X-Tenant"] == "north"
    await client.close()


@pytest.mark.parametrize(
    ("event_id", "complaint"),
    [
        (7, "event_id=7 must be str."),
        ("", "event_id='' identifies no event"),
        ("\ud800", "event_id='\\ud800' cannot be written as UTF-8"),
    ],
)
async def test_an_id_that_identifies_nothing_is_refused(
    stream: JetStream[ShopEvent], event_id: str, complaint: str
) -> None:
    with pytest.raises(InvalidOption, match=re.escape(complaint)):
        await stream.publish(OrderPaid(1, 250), event_id=event_id)
    with pytest.raises(InvalidOption, match=re.escape("event_ids='ab' must be a sequence")):
        await stream.publish_all([OrderPaid(1, 250), OrderPaid(2, 250)], event_ids="ab")


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"key": lambda event: [event.number]}, "key= returned [1], and an ordering key is a str, an int, or None."),
        ({"key": lambda event: 1.0}, "key= returned 1.0, and"),
        ({"headers": lambda event: None}, "headers= returned None, and it must return a mapping"),
        ({"headers": lambda event: {"X": 1}}, "The header 'X': 1 is not a pair of str and str."),
        ({"headers": lambda event: {1: "X"}}, "The header 1: 'X' is not a pair of str and str."),
    ],
)
async def test_a_key_and_headers_that_cannot_be_written_are_refused_with_the_event(
    server: LocalServer, options: dict[str, Callable[[ShopEvent], object]], complaint: str
) -> None:
    async with JetStream(server.url, codec, stream="SHOP", settings=StreamSettings(lanes=2), **options) as stream:  # type: ignore[arg-type]  # wrong on purpose
        with pytest.raises(InvalidOption, match=re.escape(complaint)):
            await stream.publish(OrderPaid(1, 250))
        assert (await stream.opened.js.stream_info("SHOP")).state.messages == 0
    outbox = Outbox(codec, source="shop", **options)  # type: ignore[arg-type]  # wrong on purpose
    with pytest.raises(InvalidOption, match=re.escape(complaint)):
        outbox._values(OrderPaid(1, 250))


async def test_a_key_of_any_text_has_a_lane(server: LocalServer) -> None:
    keys: Iterator[str | int] = iter(("", "\ud800", "é\n", "\0", 7))
    async with JetStream(
        server.url, codec, stream="SHOP", settings=StreamSettings(lanes=2), key=lambda event: next(keys)
    ) as stream:
        for number in range(5):
            await stream.publish(OrderPlaced(number))
        state = (await stream.opened.js.stream_info("SHOP", subjects_filter="SHOP.>")).state
    assert sum((state.subjects or {}).values()) == 5
    assert not any(".any." in subject for subject in state.subjects or {})


class Xml(JsonCodec[ShopEvent]):
    def __init__(self, content_type: str) -> None:
        super().__init__(Wire("shop.order_paid.v1", OrderPaid))
        self.content_type = content_type


@pytest.mark.parametrize(
    "make", [lambda codec: JetStream("127.0.0.1", codec, stream="S"), lambda codec: Outbox(codec, source="s")]
)
def test_what_is_no_codec_is_refused(make: Callable[[object], object]) -> None:
    with pytest.raises(InvalidOption, match=re.escape("'json' is not a codec: it has no content_type, names")):
        make("json")
    for content_type in ("", "text/xml\r\nNats-Rollup: all", "text/é"):
        with pytest.raises(InvalidOption, match="content_type=.* must be a media type"):
            make(Xml(content_type))
    make(Xml("text/xml"))


class ForeignTracing:
    """A propagator that knows of no headers of NATS."""

    def headers(self) -> Mapping[str, str]:
        return {"x-fits": "yes", "x y": "no", "x-lines": "a\r\nNats-Rollup: all"}

    @contextmanager
    def sending(self, stream: str, name: str, event_id: str, size: int) -> Iterator[Mapping[str, str]]:
        yield self.headers()


async def test_trace_headers_that_cannot_be_written_do_not_stop_the_event(
    stream: JetStream[ShopEvent], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_module, "find_tracing", ForeignTracing)
    await stream.publish(OrderPaid(1, 250))
    headers = (await stream.opened.js.get_msg("SHOP", seq=1)).headers or {}
    assert {name: value for name, value in headers.items() if name.startswith(("x", "Nats-R"))} == {"x-fits": "yes"}
