"""One connection to NATS: opened with clear errors, checked, kept open; requests over it, and what refusals mean."""

import asyncio
import logging
import re
import ssl
from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import KW_ONLY, dataclass, fields
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import Any, Final, Self

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.js import JetStreamContext, api
from nats.js.api import StreamConfig, StreamInfo
from nats.js.errors import APIError, NoStreamResponseError, NotFoundError, ServiceUnavailableError
from nats.protocol.command import hpub_cmd
from typing_extensions import TypeVar, override

from pyventus_typed.nats._options import check_fields
from pyventus_typed.nats._wire import WrittenHeaders, read_header_block, size_of_headers
from pyventus_typed.nats.errors import (
    AccessDenied,
    NatsError,
    NoJetStream,
    NoServer,
    NotSecure,
    Refused,
    ServerTooOld,
    StreamFull,
)

logger = logging.getLogger("pyventus_typed.nats")


FULL = frozenset({10002, 10023, 10047, 10048, 10077})  # the server's codes for "no room", of the stream or the account
_NO_JETSTREAM = frozenset({10039, 10076})
_TOO_LARGE = 10054
_PAUSE = 0.25  # seconds between two questions to a server that starts up

_R = TypeVar("_R")


def refusal(error: APIError, *, stream: str, name: str, event_id: str, size: int) -> NatsError:
    """The error for an event that the server does not store."""
    what = error.description or str(error)
    if error.err_code in FULL:
        return StreamFull(
            f"The stream {stream!r} is full ({what}), so {name} ({event_id}) was not stored. "
            "Raise max_bytes, or let the stream forget: max_age, or retention='interest'."
        )
    if error.err_code == _TOO_LARGE:
        return Refused(f"The stream {stream!r} takes no message of {size} bytes: {what}.")
    return Refused(f"The stream {stream!r} refuses {name} ({event_id}): {what}.")


async def create_stream(js: JetStreamContext, config: StreamConfig) -> StreamInfo:
    """Create a stream. Raises ``Refused`` with the server's reason."""
    try:
        return await js.add_stream(config)
    except APIError as error:
        if is_temporary(error):
            raise
        raise Refused(f"The server does not create the stream {config.name!r}: {error.description}.") from error


def is_temporary(error: Exception) -> bool:
    """Whether it may pass without anybody's help: a server that starts up, a cluster that elects a leader."""
    if isinstance(error, ServiceUnavailableError):
        return error.err_code not in FULL | _NO_JETSTREAM
    return isinstance(error, nats.errors.TimeoutError | nats.errors.NoRespondersError | NoStreamResponseError)


async def patiently(ask: Callable[[], Awaitable[_R]], seconds: float) -> _R:
    """The answer, asked for again while it fails for a reason that may pass, for so many *seconds*."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while True:
        try:
            return await ask()
        except nats.errors.Error as error:
            if not is_temporary(error) or loop.time() + _PAUSE > deadline:
                raise
        await asyncio.sleep(_PAUSE)


@contextmanager
def answered(what: str) -> Generator[None]:
    """Around questions to the server: what nats-py raises becomes ``Refused`` or ``NoServer``, and says *what* was asked.

    ``NotFoundError`` passes: that is an answer.
    """
    try:
        yield
    except NotFoundError:
        raise
    except APIError as error:
        raise Refused(f"The server refuses {what}: {error.description or error}.") from error
    except nats.errors.Error as error:
        raise NoServer(
            f"The server does not answer, so there is no {what} ({error}). Try again when it is back."
        ) from error


OLDEST: Final = (2, 10)
_URL: Final = re.compile(r"((nats|tls|ws|wss)://)?(\S+@)?(\[[0-9A-Fa-f:.]+\]|[^@:/\s]+)(:\d{1,5})?(/\S*)?")
VIOLATION: Final = "permissions violation"  # in what the server says of a missing permission, as nats-py writes it
_INBOX: Final = re.compile(r"[^\s.*>]+(\.[^\s.*>]+)*")
_CLOSE: Final = 1.0  # seconds
_SECOND_CONNECT: Final = 10.0  # seconds
_PING: Final = 20  # seconds; a connection that breaks without a notice is found out after two of them


@dataclass(frozen=True, slots=True, repr=False)
class Server:
    """Where the server is and how to authenticate. Times in seconds.

    For anything else, connect a nats-py client yourself and pass it to ``JetStream`` instead.
    """

    urls: str | Sequence[str] = "nats://127.0.0.1:4222"
    """One address or several. Each may hold user and password: ``nats://user:password@host:4222``. With ``tls`` or
    ``wss`` in place of ``nats`` nothing is sent, above all no password, before the connection is encrypted."""
    _: KW_ONLY
    user: str | None = None
    """Goes with *password*; a password in the address must be percent-encoded, here it need not."""
    password: str | None = None
    token: str | None = None
    """In place of user and password."""
    nkey: str | Path | None = None
    """Path of a file with the seed of a user NKEY, in place of a password."""
    credentials: str | Path | None = None
    """Path of a ``.creds`` file, in place of a password."""
    tls: ssl.SSLContext | None = None
    """Whom to trust, and the client's certificate. Given, it also demands an encrypted connection."""
    tls_first: bool = False
    """Encrypt before the server says anything, for one that is set to ``handshake_first``."""
    tls_hostname: str | None = None
    """The name that the server's certificate must have, where it is not the host of the address."""
    inbox_prefix: str = "_INBOX"
    """Where answers come in, for an account that may not subscribe to ``_INBOX.>``."""
    connect_timeout: float = 2.0
    """How long to wait for one address."""
    reconnect_wait: float = 0.2
    """How long to wait before a lost server is tried again, without end."""
    start_patience: float = 0.0
    """How long to keep trying to reach a server at the start. 0 raises ``NoServer`` at once."""

    def __post_init__(self) -> None:
        check_fields(self)
        for url in listed(self.urls) or [""]:
            _check_url(url)
        if (self.user is None) != (self.password is None):
            raise ValueError("user and password belong together: give both, or neither.")
        ways = {
            "user": self.user is not None,
            "token": self.token is not None,
            "nkey": self.nkey is not None,
            "credentials": self.credentials is not None,
            "a password in the address": any("@" in url for url in listed(self.urls)),
        }
        if len(given := [way for way, is_given in ways.items() if is_given]) > 1:
            raise ValueError(
                f"Several ways to authenticate were given, and only one can be used: {', '.join(given)}. Give one."
            )
        if self.tls_first and any(url.startswith(("ws:", "wss:")) for url in listed(self.urls)):
            raise ValueError("tls_first is for nats and tls addresses: a wss address is encrypted from the start.")
        if not _INBOX.fullmatch(self.inbox_prefix):
            raise ValueError(f"inbox_prefix={self.inbox_prefix!r} must be a subject without wildcards: '_INBOX.shop'.")
        if self.connect_timeout <= 0 or self.reconnect_wait <= 0 or self.start_patience < 0:
            raise ValueError(
                f"connect_timeout={self.connect_timeout} and reconnect_wait={self.reconnect_wait} must be positive, "
                f"and start_patience={self.start_patience} not negative."
            )

    @property
    def must_encrypt(self) -> bool:
        """Whether nothing may be sent unencrypted."""
        secure = any(url.startswith(("tls:", "wss:")) for url in listed(self.urls))
        return secure or self.tls is not None or self.tls_first

    @override
    def __repr__(self) -> str:
        """Without secrets: what is written into logs must not let anybody in."""
        own = [f"{redact(self.urls)!r}"]
        for each in fields(self)[1:]:
            value = getattr(self, each.name)
            if value != each.default:
                own.append(f"{each.name}={'***' if each.name in {'password', 'token'} else repr(value)}")
        return f"Server({', '.join(own)})"


def redact(urls: str | Sequence[str]) -> str:
    """The addresses without their passwords, for messages."""
    return ", ".join(re.sub(r"(?<=//)\S*@|^(?!\w+://)\S*@", "", url) for url in listed(urls))


def listed(urls: str | Sequence[str]) -> Sequence[str]:
    return [urls] if isinstance(urls, str) else urls


def _check_url(url: str) -> None:
    if not _URL.fullmatch(url):
        raise ValueError(
            f"{redact(url)!r} is not the address of a NATS server: use nats://host:port, or tls, ws or wss in place of nats."
        )


async def connect(server: Server, *, name: str, on_silence: Callable[[], None] = lambda: None) -> Client:
    """Open a connection that reconnects for as long as it lives. Raises at once if no server answers now.

    *on_silence* is called whenever questions that were asked may never be answered: the connection was lost,
    or the server reported a missing permission.
    """
    # nats-py has one setting for the first connection and for all later ones: either a missing server
    # is reported at once, or a lost one is waited for. We want both, so the first attempt is a probe.
    if any(url.startswith(("ws:", "wss:")) for url in listed(server.urls)) and find_spec("aiohttp") is None:
        raise NoServer("A ws or wss address needs the package 'aiohttp'. Run: pip install 'nats-py[aiohttp]'.")
    loop = asyncio.get_running_loop()
    deadline = loop.time() + server.start_patience
    while True:
        try:
            await shut(await _open(server, name=f"{name} (probe)", stay=False))
            break
        except NoServer:
            if loop.time() + server.reconnect_wait > deadline:
                raise
        await asyncio.sleep(server.reconnect_wait)
    return await _open(server, name=name, stay=True, on_silence=on_silence)


def find_api(domain: str | None, api_prefix: str | None) -> str:
    """Where JetStream's API is."""
    if domain is not None and api_prefix is not None:
        raise ValueError(f"domain={domain!r} and api_prefix={api_prefix!r} say the same thing twice: give one of them.")
    return f"$JS.{domain}.API" if domain is not None else api_prefix or api.DEFAULT_PREFIX


async def check(client: Client, js: JetStreamContext, *, where: str, patience: float) -> None:
    """Refuse servers that are too old or keep nothing."""
    version = client.connected_server_version
    if (version.major, version.minor) < OLDEST:
        raise ServerTooOld(f"{version.major}.{version.minor}.{version.patch}", where)
    denied = (
        f"The server at {where} does not answer questions about JetStream. It does so where an account "
        "may not publish to $JS.API.> or subscribe to _INBOX.>: give it these permissions, or set inbox_prefix."
    )

    async def ask() -> None:
        before = client.last_error
        asking = asyncio.ensure_future(js.account_info())
        try:
            # The server reports a missing permission by an error of its own, and does not answer the request.
            while not asking.done() and (client.last_error is before or VIOLATION not in str(client.last_error)):
                await asyncio.wait({asking}, timeout=0.05)
            if not asking.done():
                raise AccessDenied(denied) from client.last_error
            asking.result()
        except ServiceUnavailableError as error:
            if error.err_code is None:  # nobody listens: no server has JetStream
                raise NoJetStream(no_jetstream) from error
            raise
        finally:
            asking.cancel()

    no_jetstream = (
        f"The server at {where} has no JetStream for this account, so it would keep nothing. "
        "Start it with jetstream enabled (nats-server -js), or use local_server()."
    )
    try:
        await patiently(ask, patience)
    except nats.errors.TimeoutError as error:
        raise NoServer(
            f"JetStream at {where} does not answer ({patience:g} s). "
            "A cluster does not answer while most of its servers are down."
        ) from error
    except APIError as error:
        if is_temporary(error):
            raise NoServer(f"JetStream at {where} is not available: {error.description}. Try again later.") from error
        raise NoJetStream(no_jetstream) from error


async def shut(client: Client) -> None:
    """Close *client*. That may fail where its server is lost, which is logged for debugging only."""
    try:
        # After a handshake that failed nats-py waits without end for the end of a transport that has no protocol.
        async with asyncio.timeout(_CLOSE):
            await client.close()
    except Exception as error:  # noqa: BLE001  # nats-py writes to a lost transport, and each asyncio has its own word for that
        logger.debug("nats: %r", error)


class _Client(Client):
    """nats-py's client, which must not fall silent because of what another program wrote into a message.

    It decodes subjects and headers in its reading task, and there an exception ends the reading: nothing arrives any
    more, without an error. Nor may it send a password in the clear where encryption was asked for.
    A client that was handed over is used as it is.
    """

    def __init__(self, *, must_encrypt: bool) -> None:
        super().__init__()
        self._must_encrypt = must_encrypt

    @override
    async def _process_info(self, info: dict[str, Any], initial_connection: bool = False) -> None:
        if self._must_encrypt and info.get("tls_available"):  # offered and not demanded: nats-py would not take it up
            info["tls_required"] = True
        await super()._process_info(info, initial_connection)

    @override
    def _connect_command(self) -> bytes:
        # The last moment before user and password are sent. nats-py encrypts what a server asks it to, and no more.
        server = self._current_server
        encrypted = self._server_info.get("tls_required") or self.options["tls_handshake_first"]
        if self._must_encrypt and not encrypted and (server is None or server.uri.scheme != "wss"):
            raise nats.errors.SecureConnWantedError
        return super()._connect_command()

    @override
    async def _process_headers(self, headers: bytes | None) -> dict[str, str] | None:
        return (read_header_block(headers) or None) if headers else None

    @override
    def _build_message(
        self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: dict[str, str] | None
    ) -> Msg:
        msg: Msg
        try:
            msg = super()._build_message(sid, subject, reply, data, headers)
        except UnicodeDecodeError:
            msg = super()._build_message(sid, subject.decode("utf-8", "replace").encode(), reply, data, headers)
        return msg

    @override
    async def _send_publish(
        self, subject: str, reply: str, payload: bytes, payload_size: int, headers: dict[str, str] | None
    ) -> None:
        # nats-py strips, checks, translates and encodes each header by itself: of eight that costs more than all the rest
        # of sending. Ours are checked where they are made.
        if not isinstance(headers, WrittenHeaders):
            await super()._send_publish(subject, reply, payload, payload_size, headers)
            return
        self.stats["out_msgs"] += 1
        self.stats["out_bytes"] += payload_size
        await self._send_command(hpub_cmd(subject, reply, headers.block, payload))
        if self._flush_queue is not None and self._flush_queue.empty():
            await self._flush_pending()


async def _open(server: Server, *, name: str, stay: bool, on_silence: Callable[[], None] = lambda: None) -> Client:
    where = redact(server.urls)
    if server.credentials is not None:
        await asyncio.to_thread(_check_key_file, server.credentials, "NATS USER JWT", "USER NKEY SEED")
    if server.nkey is not None:
        await asyncio.to_thread(_check_key_file, server.nkey, "SU")
    client = _Client(must_encrypt=server.must_encrypt)
    callbacks = _Callbacks(client, where, stay=stay, on_silence=on_silence)
    # Any: annotated as int by nats-py, which hands them to asyncio as they are.
    seconds: dict[str, Any] = {"connect_timeout": server.connect_timeout, "reconnect_time_wait": server.reconnect_wait}
    try:
        # One that stays tries without end, even if the server is lost between the probe and now.
        async with asyncio.timeout(_SECOND_CONNECT + server.start_patience if stay else None):
            await client.connect(
                servers=list(listed(server.urls)),
                name=name,
                user=server.user,
                password=server.password,
                token=server.token,
                nkeys_seed=None if server.nkey is None else str(server.nkey),
                user_credentials=None if server.credentials is None else str(server.credentials),
                tls=server.tls,
                tls_hostname=server.tls_hostname,
                tls_handshake_first=server.tls_first,
                inbox_prefix=server.inbox_prefix,
                # Verbose makes nats-py wait for the answer to CONNECT. Otherwise it sends PING at once, and where the
                # server has refused us and hung up by then, the answer is a reset, and asyncio does not read the refusal.
                verbose=not stay,
                allow_reconnect=stay,
                max_reconnect_attempts=-1 if stay else 1,
                ping_interval=_PING,
                error_cb=callbacks.error,
                disconnected_cb=callbacks.loss if stay else None,
                reconnected_cb=callbacks.back if stay else None,
                **seconds,
            )
        if not stay and not client.is_connected:  # nats-py takes a hang-up in place of an answer for a success
            raise ConnectionError("it closed the connection without an answer")
    except (OSError, nats.errors.Error, TimeoutError) as error:
        await shut(client)
        raise _why_not(callbacks.heard or error, where) from error
    except BaseException:
        await shut(client)
        raise
    return client


def _why_not(error: Exception, where: str) -> NatsError:
    """The error for a connection that cannot be opened."""
    match error:
        case _ if _is_denial(error):
            return AccessDenied(f"The server at {where} refuses these credentials ({error}).")
        case nats.errors.SecureConnWantedError():
            return NotSecure(
                f"The server at {where} offers no TLS, so nothing was sent to it. Set it up there, or, where the network "
                "can be trusted, use nats:// and no tls."
            )
        case ssl.SSLError():
            return NotSecure(
                f"The connection to the server at {where} cannot be made secure ({error}). If its certificate is of an "
                "authority of your own: Server(..., tls=ssl.create_default_context(cafile='ca.pem')). If it is for "
                "another host name: Server(..., tls_hostname='...')."
            )
        case _:
            return NoServer(
                f"No NATS server answers at {where} ({str(error) or type(error).__name__}). Start one there, "
                "or use local_server() for a server of your own on this machine."
            )


class _Callbacks:
    """What nats-py calls while it connects and later."""

    def __init__(self, client: Client, where: str, *, stay: bool, on_silence: Callable[[], None]) -> None:
        self._client = client
        self._where = where
        self._stay = stay
        self._on_silence = on_silence
        self.heard: Exception | None = None  # what nats-py raises in the end is "no servers", without saying why

    async def error(self, error: Exception) -> None:
        news = str(self.heard) != str(error)
        self.heard = error
        if not isinstance(error, (OSError, nats.errors.Error, TimeoutError)):  # what a callback raised
            logger.error("nats: %r", error, exc_info=error)
        elif self._stay and news and (_is_denial(error) or VIOLATION in str(error)):
            logger.error("the NATS server at %s refuses us: %s", self._where, error)  # trying again will not help
        else:
            logger.debug("nats: %s", error)
        if VIOLATION in str(error):  # some question has no answer, and the server does not say which
            self._on_silence()

    async def loss(self) -> None:
        self._on_silence()
        if not self._client.is_closed:
            logger.warning("lost the NATS server at %s; trying to reach it again", self._where)

    async def back(self) -> None:
        logger.warning("reached the NATS server at %s again", self._where)


def _check_key_file(path: str | Path, *parts: str) -> None:
    """nats-py reads the file while it connects, and would report what is wrong with it as a lost connection."""
    try:
        text = Path(path).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise AccessDenied(f"The file {str(path)!r} cannot be read: {error}.") from error
    if not all(part in text for part in parts):
        raise AccessDenied(
            f"The file {str(path)!r} holds no credentials: a .creds file has a user JWT and a seed, an NKEY file a seed "
            "that begins with SU. Make one with: nsc generate creds, or nsc generate nkey --user."
        )
    if find_spec("nkeys") is None:
        raise AccessDenied("Credentials and NKEYs need the package 'nkeys'. Run: pip install 'nats-py[nkeys]'.")


def _is_denial(error: Exception) -> bool:
    """Whether the server refused the credentials: nats-py has a class for that, and does not always use it."""
    said = str(error).lower()
    return "authorization" in said or "authentication" in said


_NO_RESPONDERS: Final = "503"
_LOOK: Final = 0.05  # seconds between two looks for questions whose time is up


class Requester:
    """What ``Client.request`` of nats-py does, with three differences, and at half the price.

    A question ends when its answer cannot come any more, because the connection is lost, and not when its time is up.
    A question that is cancelled ends, also on Python 3.11, whose ``wait_for`` loses a cancellation that comes together
    with the answer. And the inbox of one ``Requester`` is closed with it, on a client that others go on using.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._inbox = client.new_inbox()
        self._tokens = map(str, count())
        self._open: dict[str, tuple[asyncio.Future[Msg | Exception], float]] = {}
        self._subscription: Subscription | None = None
        self._next_look: asyncio.TimerHandle | None = None

    async def start(self) -> Self:
        self._subscription = await self._client.subscribe(f"{self._inbox}.*", cb=self._arrive)
        return self

    async def close(self) -> None:
        self.end_all()
        if self._next_look is not None:
            self._next_look.cancel()
        if self._subscription is not None and not self._client.is_closed:
            await self._subscription.unsubscribe()

    async def ask(self, subject: str, data: bytes, *, timeout: float, headers: dict[str, str] | None = None) -> Msg:
        """Send *data* and return the answer. Raises what nats-py raises, its ``TimeoutError`` also for a lost connection.

        *timeout* is in seconds, and may be exceeded by ``_LOOK``.
        """
        # nats-py looks at the data alone, and the server closes the connection of who sends too much.
        if len(data) + size_of_headers(headers or {}) > self._client.max_payload:
            raise nats.errors.MaxPayloadError
        loop = asyncio.get_running_loop()
        token = next(self._tokens)
        answer: asyncio.Future[Msg | Exception] = loop.create_future()
        self._open[token] = (answer, loop.time() + timeout)
        if self._next_look is None:
            self._next_look = loop.call_later(_LOOK, self._end_late)
        try:
            await self._client.publish(subject, data, reply=f"{self._inbox}.{token}", headers=headers)
            came = await answer
        finally:
            del self._open[token]
        if isinstance(came, Exception):
            raise came
        if not came.data and came.headers and came.headers.get(api.Header.STATUS.value) == _NO_RESPONDERS:
            raise nats.errors.NoRespondersError
        return came

    def end_all(self) -> None:
        """End every open question with a ``TimeoutError``."""
        for answer, _ in self._open.values():
            _end(answer)

    def _end_late(self) -> None:
        # One timer for all questions: each of its own would cost as much as the question.
        loop = asyncio.get_running_loop()
        for answer, deadline in self._open.values():
            if deadline <= loop.time():
                _end(answer)
        self._next_look = loop.call_later(_LOOK, self._end_late) if self._open else None

    async def _arrive(self, msg: Msg) -> None:
        answer, _ = self._open.get(msg.subject.rpartition(".")[2], (None, 0.0))
        if answer is not None and not answer.done():
            answer.set_result(msg)


def _end(answer: "asyncio.Future[Msg | Exception]") -> None:
    if not answer.done():
        answer.set_result(nats.errors.TimeoutError())  # a result: nobody may be there yet to take an exception
