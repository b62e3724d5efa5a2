"""What cannot work is refused at once, with the value, the rule and the way out."""

import asyncio
import re
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pytest
from nats.aio.client import Client
from nats.js.api import AckPolicy, ConsumerConfig

from pyventus_typed import Linker
from pyventus_typed._install import install_command
from pyventus_typed.errors import InvalidOption
from pyventus_typed.nats import JetStream, LocalServer, Server, StreamSettings, Worker, errors, local_server, received
from pyventus_typed.nats._local_server import find_server
from pyventus_typed.nats.errors import (
    AccessDenied,
    AlreadyRunning,
    NatsError,
    NoJetStream,
    NoServer,
    NoStream,
    NothingToDo,
    NotOpen,
    NoWireName,
    PayloadTooLarge,
    Refused,
    ServerTooOld,
    StreamDiffers,
    StreamFull,
    WouldLoop,
)
from tests.edges.nats.conftest import eventually, free_port, run_server
from tests.edges.nats.shop import OrderPaid, OrderPlaced, ShopEvent, codec, customer
from tests.programs import ROOT


async def test_no_server_is_said_at_once_and_without_the_password() -> None:
    port = free_port()
    with pytest.raises(NoServer, match=rf"No NATS server answers at nats://127.0.0.1:{port} .*local_server") as caught:
        async with JetStream(f"nats://joe:secret@127.0.0.1:{port}", codec, stream="SHOP"):
            pass
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "not a url",
        "http://127.0.0.1:4222",
        "nats://host:port",
        "nats://",
        "nats://a,nats://b",
        ["nats://a", "b c"],
        [],
    ],
)
def test_what_is_no_address_is_refused_before_anything_is_opened(url: str | list[str]) -> None:
    with pytest.raises(ValueError, match="is not the address of a NATS server: use nats://host:port"):
        Server(url)


@pytest.mark.parametrize(
    "url",
    ["localhost", "127.0.0.1:4222", "nats://joe:p@ss@host:4222", "tls://host", "nats://[::1]:4222", "wss://host/nats"],
)
def test_every_way_to_write_an_address_is_taken(url: str) -> None:
    assert Server(url).urls == url


async def test_wrong_credentials_are_an_error_of_their_own(tmp_path: Path) -> None:
    process, where = await run_server(
        tmp_path, f'authorization {{ user: joe, password: right }}\njetstream {{ store_dir: "{tmp_path}/js" }}\n'
    )
    try:
        with pytest.raises(AccessDenied, match=rf"The server at nats://{where} refuses these credentials") as caught:
            async with JetStream(f"nats://joe:wrong@{where}", codec, stream="SHOP"):
                pass
        assert isinstance(caught.value, PermissionError)
        async with JetStream(f"nats://joe:right@{where}", codec, stream="SHOP") as stream:
            await stream.publish(OrderPlaced(1))
    finally:
        process.kill()
        await process.wait()


async def test_a_refusal_is_heard_from_a_server_that_hangs_up_at_once() -> None:
    # What a client sends before it has read the answer meets a closed socket, and the reset hides the answer.
    early: list[bytes] = []

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b'INFO {"server_id":"X","version":"2.10.0","auth_required":true,"max_payload":1048576}\r\n')
        assert (await reader.readline()).startswith(b"CONNECT")
        with suppress(TimeoutError):
            early.append(await asyncio.wait_for(reader.readline(), 0.1))
        if not any(early):
            writer.write(b"-ERR 'Authorization Violation'\r\n")
        writer.transport.abort() if any(early) else writer.close()

    refuser = await asyncio.start_server(refuse, "127.0.0.1", 0)
    async with refuser:
        port = refuser.sockets[0].getsockname()[1]
        with pytest.raises(AccessDenied, match="refuses these credentials .*Authorization Violation"):
            async with JetStream(f"nats://joe:wrong@127.0.0.1:{port}", codec, stream="SHOP"):
                pass


async def test_a_server_that_hangs_up_without_a_word_is_no_server() -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b'INFO {"server_id":"X","version":"2.10.0","max_payload":1048576}\r\n')
        await reader.readline()
        writer.close()

    rude = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    async with rude:
        port = rude.sockets[0].getsockname()[1]
        with pytest.raises(NoServer, match=rf"No NATS server answers at nats://127.0.0.1:{port}"):
            async with JetStream(f"nats://127.0.0.1:{port}", codec, stream="SHOP"):
                pass


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (None, "The file '.*joe.creds' cannot be read: .*No such file"),
        ("joe:right", "holds no credentials: a .creds file has a user JWT and a seed"),
        ("-----BEGIN NATS USER JWT-----\n-----BEGIN USER NKEY SEED-----", r"Run: pip install 'nats-py\[nkeys\]'"),
    ],
)
async def test_a_credentials_file_that_cannot_be_used_is_named(
    server: LocalServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | None, complaint: str
) -> None:
    monkeypatch.setattr("pyventus_typed.nats._connection.find_spec", lambda _name: None)
    path = tmp_path / "joe.creds"
    if text is not None:
        path.write_text(text)
    with pytest.raises(AccessDenied, match=complaint):
        async with JetStream(Server(server.url, credentials=path), codec, stream="SHOP"):
            pass


async def test_an_account_that_may_not_publish_the_event_is_told_so(tmp_path: Path) -> None:
    config = (
        "authorization { users: [{ user: joe, password: right, permissions: "
        '{ publish: ["$JS.>", "SHOP.any.shop.order_paid.v1"], subscribe: "_INBOX.>" } }] }\n'
        f'jetstream {{ store_dir: "{tmp_path}/js" }}\n'
    )
    process, where = await run_server(tmp_path, config)
    try:
        async with JetStream(f"nats://joe:right@{where}", codec, stream="SHOP", patience=2) as stream:
            await stream.publish(OrderPaid(1, 250))
            with pytest.raises(
                AccessDenied, match=r"does not let us publish shop.order_placed.v1: .*permissions violation"
            ):
                await stream.publish(OrderPlaced(1))
            await stream.publish(OrderPaid(2, 250))
    finally:
        process.kill()
        await process.wait()


async def test_an_account_that_may_not_use_jetstream_is_told_which_permissions_it_lacks(tmp_path: Path) -> None:
    config = (
        'authorization { users: [{ user: joe, password: right, permissions: { publish: "shop.>" } }] }\n'
        f'jetstream {{ store_dir: "{tmp_path}/js" }}\n'
    )
    process, where = await run_server(tmp_path, config)
    try:
        with pytest.raises(AccessDenied, match=r"may not publish to \$JS\.API\.>"):
            async with JetStream(f"nats://joe:right@{where}", codec, stream="SHOP"):
                pass
    finally:
        process.kill()
        await process.wait()


async def test_a_server_that_keeps_nothing_is_refused(tmp_path: Path) -> None:
    process, where = await run_server(tmp_path, "")
    try:
        with pytest.raises(NoJetStream, match="has no JetStream for this account"):
            async with JetStream(f"nats://{where}", codec, stream="SHOP"):
                pass
    finally:
        process.kill()
        await process.wait()


@pytest.mark.parametrize("version", ["2.9.25", "1.4.1"])
async def test_a_server_older_than_2_10_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    # No wheel carries a server that old, so two programs speak for it: one says its version, one greets with it.
    old = tmp_path / "bin" / "nats-server"
    old.parent.mkdir()
    old.write_text(f"#!/bin/sh\necho nats-server: v{version}\n")
    old.chmod(0o755)
    monkeypatch.setenv("PATH", str(old.parent))
    monkeypatch.setattr("sysconfig.get_path", lambda _name: str(tmp_path))
    with pytest.raises(ServerTooOld, match=rf"nats-server {version} at {old} is too old: 2.10 or later is needed"):
        find_server()

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        info = f'{{"server_id":"X","version":"{version}","headers":true,"max_payload":1048576,"proto":1}}'
        writer.write(f"INFO {info}\r\n".encode())
        while line := await reader.readline():
            if line.startswith(b"CONNECT") and b'"verbose": true' in line:
                writer.write(b"+OK\r\n")
            if line.startswith(b"PING"):
                writer.write(b"PONG\r\n")
        writer.close()

    greeter = await asyncio.start_server(greet, "127.0.0.1", 0)
    async with greeter:
        port = greeter.sockets[0].getsockname()[1]
        with pytest.raises(ServerTooOld, match=rf"nats-server {version} at nats://127.0.0.1:{port}"):
            async with JetStream(f"nats://127.0.0.1:{port}", codec, stream="SHOP"):
                pass


def test_a_machine_without_a_server_is_told_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("sysconfig.get_path", lambda _name: str(tmp_path))
    with pytest.raises(NoServer, match=re.escape(f"Run: {install_command('nats-server')},")):
        find_server()


async def test_two_servers_never_share_a_store(server: LocalServer) -> None:
    with pytest.raises(NoServer, match="Another server uses the store"):
        async with local_server(store=server.store):
            pass


async def test_a_port_that_is_taken_is_said_in_the_servers_words(server: LocalServer, tmp_path: Path) -> None:
    with pytest.raises(NoServer, match="address already in use"):
        async with local_server(store=tmp_path / "other", port=server.port):
            pass


async def test_a_full_stream_is_a_loud_error_and_keeps_what_it_has(server: LocalServer) -> None:
    async with JetStream(server.url, codec, stream="SHOP", settings=StreamSettings(max_bytes=2000)) as stream:
        with pytest.raises(StreamFull, match=r"The stream 'SHOP' is full .*shop.order_placed.v1 .* was not stored"):
            for number in range(100):
                await stream.publish(OrderPlaced(number))
        assert (await stream.opened.js.stream_info("SHOP")).state.messages == number
        assert (await stream.opened.js.stream_info("SHOP")).state.first_seq == 1


async def test_an_event_above_the_servers_limit_is_refused_before_it_is_sent(stream: JetStream[ShopEvent]) -> None:
    with pytest.raises(
        PayloadTooLarge, match=r"is 1100\d\d\d bytes with its headers, and 1040384 is the limit"
    ) as caught:
        await stream.publish(OrderPlaced(1, customer="x" * 1_100_000))
    assert caught.value.limit == 1040384
    await stream.publish(OrderPlaced(2, customer="x" * 1_000_000))


async def test_an_existing_stream_with_other_settings_is_left_alone_and_the_differences_are_named(
    stream: JetStream[ShopEvent], server: LocalServer
) -> None:
    other = StreamSettings(lanes=8, max_bytes=5000)
    with pytest.raises(StreamDiffers, match=r"lanes is '4', not '8'; max_bytes is 100000000, not 5000") as caught:
        async with JetStream(server.url, codec, stream="SHOP", settings=other):
            pass
    assert set(caught.value.differences) == {"lanes", "max_bytes"}
    async with JetStream(server.url, codec, stream="SHOP", settings=None) as same:
        assert same.opened.lanes == 4


async def test_a_stream_that_would_drop_events_or_answer_nothing_is_refused(server: LocalServer) -> None:
    async with JetStream(server.url, codec, stream="SHOP") as stream:
        config = (await stream.opened.js.stream_info("SHOP")).config
        await stream.opened.js.update_stream(config, max_msgs_per_subject=1, max_msgs=10, no_ack=True)
    with pytest.raises(StreamDiffers) as caught:
        async with JetStream(server.url, codec, stream="SHOP"):
            pass
    assert set(caught.value.differences) == {"max_msgs_per_subject", "max_msgs", "no_ack"}


async def test_a_missing_stream_is_created_only_with_settings(server: LocalServer) -> None:
    with pytest.raises(NoStream, match="There is no stream 'SHOP'"):
        async with JetStream(server.url, codec, stream="SHOP", settings=None):
            pass


async def test_a_stream_that_is_not_open_or_open_elsewhere_says_so(server: LocalServer) -> None:
    stream = JetStream(server.url, codec, stream="SHOP")
    with pytest.raises(NotOpen, match="use it inside 'async with'"):
        await stream.publish(OrderPlaced(1))
    async with stream:
        with pytest.raises(NotOpen, match="open already"):
            await stream.__aenter__()
        with pytest.raises(NotOpen, match="another event loop"):
            await asyncio.to_thread(asyncio.run, stream.publish(OrderPlaced(1)))


async def test_a_client_that_was_handed_over_stays_open(server: LocalServer) -> None:
    client = Client()
    await client.connect(server.url)
    async with JetStream(client, codec, stream="SHOP") as stream:
        await stream.publish(OrderPlaced(1))
    assert client.is_connected
    await client.close()


async def test_settings_that_contradict_each_other_are_refused_before_anything_is_opened() -> None:
    with pytest.raises(ValueError, match="An ordering key needs lanes"):
        JetStream("nats://127.0.0.1:1", codec, stream="SHOP", key=customer)
    with pytest.raises(ValueError, match="patience=30 must be shorter than the stream's duplicates window of 20 s"):
        JetStream("nats://127.0.0.1:1", codec, stream="SHOP", settings=StreamSettings(duplicates=20))
    with pytest.raises(ValueError, match="'A.B' cannot name a stream"):
        JetStream("nats://127.0.0.1:1", codec, stream="A.B")


@dataclass(frozen=True)
class OrderLost(ShopEvent):
    number: int


async def test_a_worker_refuses_a_linker_that_cannot_work(stream: JetStream[ShopEvent]) -> None:
    linker = Linker[ShopEvent]()
    with pytest.raises(NothingToDo, match="The linker has no handler"):
        await Worker(stream, linker, group="billing").run()
    linker.subscribe(OrderPlaced, stream.publish)
    with pytest.raises(WouldLoop, match="publishes into the stream 'SHOP'.*come back without end"):
        await Worker(stream, linker, group="billing").run()
    linker.clear()
    linker.subscribe(OrderLost, print)
    with pytest.raises(NoWireName, match="handler for OrderLost, and the codec has no wire name for it"):
        await Worker(stream, linker, group="billing").run()


async def asked(stream: JetStream[ShopEvent]) -> bool:
    found = await stream.opened.js.consumers_info("SHOP")
    return any(consumer.name == "billing" and consumer.num_waiting for consumer in found)


async def test_a_worker_whose_group_is_deleted_ends_with_an_error(stream: JetStream[ShopEvent]) -> None:
    linker = Linker[ShopEvent]()
    linker.subscribe(OrderPlaced, print)
    running = asyncio.create_task(Worker(stream, linker, group="billing").run(stop_on=()))
    await eventually(lambda: asked(stream))
    await stream.opened.js.delete_consumer("SHOP", "billing")
    with pytest.raises(Refused, match="The consumer 'billing' is gone"):
        await asyncio.wait_for(running, 10)


async def test_a_worker_whose_connection_is_closed_ends_with_an_error(stream: JetStream[ShopEvent]) -> None:
    linker = Linker[ShopEvent]()
    linker.subscribe(OrderPlaced, print)
    running = asyncio.create_task(Worker(stream, linker, group="billing").run(stop_on=()))
    await eventually(lambda: asked(stream))
    await stream.opened.client.close()
    with pytest.raises(NoServer, match="The connection was closed while the consumer .* was being read"):
        await asyncio.wait_for(running, 10)


async def test_a_worker_that_starts_while_the_server_is_away_says_so(
    stream: JetStream[ShopEvent], server: LocalServer
) -> None:
    linker = Linker[ShopEvent]()
    linker.subscribe(OrderPlaced, print)
    async with JetStream(server.url, codec, stream="SHOP", settings=None, patience=1) as hasty:
        await server.kill()
        with pytest.raises(NoServer, match="does not answer, so there is no group 'billing' of the stream 'SHOP'"):
            await Worker(hasty, linker, group="billing").run(stop_on=())


async def test_a_consumer_of_the_groups_name_that_is_none_of_ours_is_refused(stream: JetStream[ShopEvent]) -> None:
    linker = Linker[ShopEvent]()
    linker.subscribe(OrderPlaced, print)
    theirs = ConsumerConfig(durable_name="billing", ack_policy=AckPolicy.NONE)
    await stream.opened.js.add_consumer("SHOP", theirs)
    with pytest.raises(Refused, match="has a consumer 'billing' that no worker made"):
        await Worker(stream, linker, group="billing").run(stop_on=())


def test_a_workers_numbers_are_checked() -> None:
    stream = JetStream("nats://127.0.0.1:1", codec, stream="SHOP")
    linker = Linker[ShopEvent]()
    with pytest.raises(ValueError, match="no time zone"):
        Worker(stream, linker, group="billing", start=datetime(2026, 1, 1))  # noqa: DTZ001  # a naive time is the point
    with pytest.raises(ValueError, match="attempts=0 must be 1 or more"):
        Worker(stream, linker, group="billing", attempts=0)
    with pytest.raises(ValueError, match="'bil.ling' cannot name a group"):
        Worker(stream, linker, group="bil.ling")


def test_received_outside_of_a_worker_is_refused() -> None:
    with pytest.raises(LookupError, match="for handlers that a Worker runs"):
        received()


@pytest.mark.parametrize("missing", ["msgspec", "nats"])
def test_without_the_extra_the_import_names_the_command_that_installs_it(missing: str) -> None:
    code = f"import sys; sys.modules[{missing!r}] = None; import pyventus_typed.nats"
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1].endswith(f"Run: {install_command('nats')}")


def test_every_error_of_this_edge_is_one_of_its_root() -> None:
    own = [kind for kind in vars(errors).values() if isinstance(kind, type) and kind.__module__ == errors.__name__]
    assert len(own) > 15
    assert [kind for kind in own if not issubclass(kind, NatsError)] == []


async def test_while_acknowledgements_are_not_answered_a_worker_goes_on_with_as_many_again_and_no_further(
    tmp_path: Path,
) -> None:
    config = (
        "authorization { users: [{ user: joe, password: right, permissions: "
        '{ publish: { deny: "$JS.ACK.>" } } }] }\n'
        f'jetstream {{ store_dir: "{tmp_path}/js" }}\n'
    )
    process, where = await run_server(tmp_path, config)
    handled: list[int] = []
    linker = Linker[ShopEvent]()
    linker.subscribe(OrderPlaced, lambda event: handled.append(event.number))
    try:
        async with JetStream(f"nats://joe:right@{where}", codec, stream="SHOP") as stream:
            for number in range(10):
                await stream.publish(OrderPlaced(number))
            worker = Worker(stream, linker, group="billing", concurrency=2)
            running = asyncio.create_task(worker.run(stop_on=()))
            await eventually(lambda: len(handled) == 4)

            async def asks_no_more() -> bool:
                info = await stream.opened.js.consumer_info("SHOP", "billing")
                return bool(info.num_ack_pending == 4 and info.num_waiting == 0)

            await eventually(asks_no_more)
            assert (handled, worker.counts.handled) == ([0, 1, 2, 3], 0)
            running.cancel()
            await asyncio.wait({running})
    finally:
        process.kill()
        await process.wait()


async def test_a_worker_runs_once_at_a_time_and_hears_signals_in_the_main_thread_alone(
    stream: JetStream[ShopEvent],
) -> None:
    linker = Linker[ShopEvent]()
    linker.subscribe(OrderPlaced, print)
    worker = Worker(stream, linker, group="billing")
    running = asyncio.create_task(worker.run(stop_on=()))
    await asyncio.sleep(0)
    with pytest.raises(AlreadyRunning, match="'billing' runs already"):
        await worker.run(stop_on=())
    with pytest.raises(InvalidOption, match="only the main thread hears signals"):
        await asyncio.to_thread(asyncio.run, worker.run())
    with pytest.raises(InvalidOption, match="stop_on=15 must be a sequence of which each is Signals"):
        await worker.run(stop_on=15)  # type: ignore[arg-type]  # wrong on purpose
    worker.stop()
    await running
    await worker.run(stop_on=())  # stopped before, so it returns


async def test_any_thread_may_stop_a_worker(stream: JetStream[ShopEvent]) -> None:
    linker = Linker[ShopEvent]()
    linker.subscribe(OrderPlaced, print)
    worker = Worker(stream, linker, group="billing")
    loop = asyncio.get_running_loop()
    loop.set_debug(True)  # it refuses what another thread does to it
    try:
        running = asyncio.create_task(worker.run(stop_on=()))
        await stream.publish(OrderPlaced(1))
        await eventually(lambda: worker.counts.handled == 1)
        await asyncio.to_thread(worker.stop, at_once=True)
        await running
    finally:
        loop.set_debug(False)
