"""Ways in: encryption, passwords, tokens, keys, and a server that is not there yet."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path

import nats
import nkeys  # type: ignore[import-untyped]  # it has no annotations
import pytest
import trustme
from nats.aio.client import Client

from pyventus_typed.nats import JetStream, LocalServer, Server
from pyventus_typed.nats.errors import AccessDenied, NoServer, NotSecure
from tests.edges.nats.conftest import free_port, run_server
from tests.edges.nats.shop import OrderPlaced, codec


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@asynccontextmanager
async def server_with(tmp_path: Path, config: str) -> AsyncIterator[str]:
    process, where = await run_server(tmp_path, f'{config}\njetstream {{ store_dir: "{tmp_path}/js" }}\n')
    try:
        yield where
    finally:
        process.kill()
        await process.wait()


def tls_block(tmp_path: Path, authority: trustme.CA, host: str = "127.0.0.1", more: str = "") -> str:
    own = authority.issue_cert(host)
    own.private_key_pem.write_to_path(tmp_path / "key.pem")
    own.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    return f'tls {{ cert_file: "{tmp_path}/cert.pem", key_file: "{tmp_path}/key.pem" {more} }}'


def trusting(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


async def use(server: Server) -> bool:
    """Store an event there; whether the connection is encrypted."""
    async with asyncio.timeout(10), JetStream(server, codec, stream="SHOP") as stream:
        await stream.publish(OrderPlaced(1))
        transport = stream.opened.client._transport
        assert transport is not None
        return transport._io_writer.get_extra_info("ssl_object") is not None  # type: ignore[attr-defined]  # it is TCP


async def test_a_certificate_of_an_unknown_authority_is_refused_at_once_and_a_known_one_is_taken(
    tmp_path: Path, authority: trustme.CA
) -> None:
    async with server_with(tmp_path, tls_block(tmp_path, authority)) as where:
        with pytest.raises(
            NotSecure, match=rf"server at tls://{where} cannot be made secure .*CERTIFICATE_VERIFY_FAILED"
        ):
            await use(Server(f"tls://{where}"))
        assert await use(Server(f"nats://{where}", tls=trusting(authority)))


async def test_a_certificate_for_another_host_is_refused_unless_its_name_is_given(
    tmp_path: Path, authority: trustme.CA
) -> None:
    async with server_with(tmp_path, tls_block(tmp_path, authority, "nats.example.org")) as where:
        with pytest.raises(NotSecure, match="If it is for another host name"):
            await use(Server(f"tls://{where}", tls=trusting(authority)))
        assert await use(Server(f"tls://{where}", tls=trusting(authority), tls_hostname="nats.example.org"))


async def test_no_password_is_sent_to_a_server_that_offers_no_tls_where_tls_was_asked_for() -> None:
    sent: list[bytes] = []

    async def ask_for_everything(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b'INFO {"server_id":"X","version":"2.10.0","auth_required":true,"max_payload":1048576}\r\n')
        sent.append(await reader.read(1000))
        writer.close()

    thief = await asyncio.start_server(ask_for_everything, "127.0.0.1", 0)
    async with thief:
        port = thief.sockets[0].getsockname()[1]
        for server in (
            Server(f"tls://joe:secret@127.0.0.1:{port}"),
            Server(f"nats://127.0.0.1:{port}", user="joe", password="secret", tls=ssl.create_default_context()),
        ):
            with pytest.raises(NotSecure, match="offers no TLS, so nothing was sent to it"):
                await use(server)
    assert b"".join(sent) == b""


async def test_tls_that_a_server_offers_and_does_not_demand_is_taken_up_where_it_was_asked_for(
    tmp_path: Path, authority: trustme.CA
) -> None:
    async with server_with(tmp_path, f"{tls_block(tmp_path, authority)}\nallow_non_tls: true") as where:
        assert await use(Server(f"tls://{where}", tls=trusting(authority)))
        assert not await use(Server(f"nats://{where}"))


async def test_a_server_that_encrypts_before_its_first_word_is_reached_with_tls_first(
    tmp_path: Path, authority: trustme.CA
) -> None:
    async with server_with(tmp_path, tls_block(tmp_path, authority, more=", handshake_first: true")) as where:
        assert await use(Server(f"tls://{where}", tls=trusting(authority), tls_first=True))


def an_nkey(tmp_path: Path) -> tuple[str, Path]:
    seed = nkeys.encode_seed(b"\x07" * 32, nkeys.PREFIX_BYTE_USER)
    (tmp_path / "joe.nk").write_bytes(seed)
    return nkeys.from_seed(seed).public_key.decode(), tmp_path / "joe.nk"


async def test_an_account_is_let_in_by_password_token_or_nkey_and_others_are_not(tmp_path: Path) -> None:
    async with server_with(tmp_path, 'authorization { user: joe, password: "p@ss:w/rd" }') as where:
        await use(Server(where, user="joe", password="p@ss:w/rd"))
        with pytest.raises(AccessDenied, match="refuses these credentials"):
            await use(Server(where, user="joe", password="secret"))
    async with server_with(tmp_path, "authorization { token: opensesame }") as where:
        await use(Server(where, token="opensesame"))
        with pytest.raises(AccessDenied, match="refuses these credentials"):
            await use(Server(where, token="open"))
    public, path = an_nkey(tmp_path)
    async with server_with(tmp_path, f"authorization {{ users: [ {{ nkey: {public} }} ] }}") as where:
        await use(Server(where, nkey=path))
        (tmp_path / "joe.nk").write_text("nothing")
        with pytest.raises(AccessDenied, match=r"joe.nk' holds no credentials: .* an NKEY file a seed"):
            await use(Server(where, nkey=path))


async def test_an_account_with_an_inbox_of_its_own_names_it(tmp_path: Path) -> None:
    users = '{ user: joe, password: right, permissions: { publish: [">"], subscribe: ["_INBOX_joe.>"] } }'
    async with server_with(tmp_path, f"authorization {{ users: [ {users} ] }}") as where:
        with pytest.raises(AccessDenied, match="or set inbox_prefix"):
            await use(Server(where, user="joe", password="right"))
        await use(Server(where, user="joe", password="right", inbox_prefix="_INBOX_joe"))


async def test_start_patience_waits_for_a_server_that_is_not_there_yet(tmp_path: Path) -> None:
    port = free_port()
    with pytest.raises(NoServer):
        await use(Server(f"nats://127.0.0.1:{port}"))
    opening = asyncio.create_task(use(Server(f"nats://127.0.0.1:{port}", start_patience=20)))
    await asyncio.sleep(0.3)
    async with LocalServer(tmp_path / "late", port=port):
        await opening


def test_a_server_is_written_without_its_secrets() -> None:
    server = Server("tls://joe:secret@host:4222", connect_timeout=3)
    assert repr(server) == "Server('tls://host:4222', connect_timeout=3)"
    assert repr(Server("host", user="joe", password="secret")) == "Server('host', user='joe', password=***)"
    assert repr(Server("joe:secret@host", tls_first=True)) == "Server('host', tls_first=True)"


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda: Server("host", user="joe"), "user and password belong together"),
        (
            lambda: Server("nats://joe:p@host", token="t"),
            "Several ways to authenticate were given, .*token, a password in the address",
        ),
        (lambda: Server("wss://host", tls_first=True), "tls_first is for nats and tls addresses"),
        (lambda: Server("host", inbox_prefix="a.*"), "inbox_prefix='a.*' must be a subject without wildcards"),
        (lambda: Server("host", reconnect_wait=0), "reconnect_wait=0 must be positive"),
    ],
)
def test_ways_in_that_contradict_each_other_are_refused(make: Callable[[], Server], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        make()


@pytest.mark.skipif(find_spec("aiohttp") is not None, reason="aiohttp is installed, so there is nothing to say")
async def test_a_websocket_address_without_the_package_for_it_is_told_so_at_once() -> None:
    server = Server("wss://127.0.0.1:1", start_patience=60)
    with pytest.raises(NoServer, match=r"needs the package 'aiohttp'\. Run: pip install 'nats-py\[aiohttp\]'"):
        async with asyncio.timeout(5), JetStream(server, codec, stream="SHOP"):
            pass


async def test_a_client_that_is_not_connected_is_refused(server: LocalServer) -> None:
    closed = await nats.connect(server.url)
    await closed.close()
    for given in (Client(), closed):
        with pytest.raises(NoServer, match="The given client is not connected: connect it before the block"):
            async with JetStream(given, codec, stream="SHOP"):
                pass
