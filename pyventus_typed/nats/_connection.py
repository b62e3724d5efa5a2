"""One connection to NATS: opened with clear errors, checked, kept open; requests over it, and what refusals mean."""

import asyncio
import logging
import re
import ssl
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
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
from nats.js.errors import APIError, NoStreamResponseError, NotFoundError
from typing_extensions import override

from pyventus_typed.nats._wire import read_header_block, size_of_headers
from pyventus_typed.nats.errors import AccessDenied, NatsError, NoJetStream, NoServer, Refused, ServerTooOld, StreamFull

logger = logging.getLogger("pyventus_typed.nats")


FULL = frozenset({10002, 10023, 10047, 10048, 10077})  # the server's codes for "no room", of the stream or the account
_TOO_LARGE = 10054


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
        raise Refused(f"The server does not create the stream {config.name!r}: {error.description}.") from error


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
_PING: Final = 20  # seconds; a connection that died without a word is noticed after two of them


@dataclass(frozen=True, slots=True)
class Server:
    """Where the server is and how to get in. For anything else, connect a nats-py client yourself and hand it over.

    *urls* may hold user and password (``nats://user:password@host:4222``). *credentials* is the path
    of a ``.creds`` file. *connect_timeout* is in seconds, for each address.
    """

    urls: str | Sequence[str] = "nats://127.0.0.1:4222"
    credentials: str | Path | None = None
    tls: ssl.SSLContext | None = None
    connect_timeout: float = 2.0

    def __post_init__(self) -> None:
        for url in _listed(self.urls) or [""]:
            _check_url(url)


def redact(urls: str | Sequence[str]) -> str:
    """The addresses without their passwords, for messages."""
    return ", ".join(url if "@" not in url else f"nats://{url.rpartition('@')[2]}" for url in _listed(urls))


def _listed(urls: str | Sequence[str]) -> Sequence[str]:
    return [urls] if isinstance(urls, str) else urls


def _check_url(url: str) -> None:
    if not _URL.fullmatch(url):
        raise ValueError(
            f"{redact(url)!r} is no address of a NATS server: use nats://host:port, or tls, ws or wss in place of nats."
        )


async def connect(server: Server, *, name: str, on_silence: Callable[[], None] = lambda: None) -> Client:
    """Open a connection that reconnects for as long as it lives. Raises at once if nobody answers now.

    *on_silence* is called whenever questions that were asked may never be answered: the connection was lost,
    or the server told of a missing permission.
    """
    # nats-py has one setting for the first connection and for all later ones: either a missing server
    # is reported at once, or a lost one is waited for. We want both, so the first attempt is a probe.
    probe = await _open(server, name=f"{name} (probe)", stay=False)
    await shut(probe)
    client = await _open(server, name=name, stay=True, on_silence=on_silence)
    try:
        await check(client, where=redact(server.urls))
    except BaseException:
        await shut(client)
        raise
    return client


async def check(client: Client, *, where: str) -> None:
    """Refuse servers that are too old or keep nothing."""
    version = client.connected_server_version
    if (version.major, version.minor) < OLDEST:
        raise ServerTooOld(f"{version.major}.{version.minor}.{version.patch}", where)
    before = client.last_error
    requester = asyncio.ensure_future(client.jetstream().account_info())
    try:
        # The server tells of a missing permission aside, and leaves the question without an answer.
        while not requester.done() and (client.last_error is before or VIOLATION not in str(client.last_error)):
            await asyncio.wait({requester}, timeout=0.05)
        if not requester.done():
            raise nats.errors.TimeoutError
        requester.result()
    except nats.errors.TimeoutError as error:
        raise AccessDenied(
            f"The server at {where} does not answer questions about JetStream. It does so where an account "
            "may not publish to $JS.API.> or subscribe to _INBOX.>: give it these permissions."
        ) from error
    except (NoStreamResponseError, nats.errors.NoRespondersError, APIError) as error:
        raise NoJetStream(
            f"The server at {where} has no JetStream for this account, so it would keep nothing. "
            "Start it with jetstream enabled (nats-server -js), or use local_server()."
        ) from error
    finally:
        requester.cancel()


async def shut(client: Client) -> None:
    """Close *client*. One whose server is lost may fail to say goodbye, and that is no news."""
    try:
        await client.close()
    except Exception as error:  # noqa: BLE001  # nats-py writes to a lost transport, and each asyncio has its own word for that
        logger.debug("nats: %r", error)


class _Client(Client):
    """nats-py's client, which must not fall silent because of what a stranger wrote into a message.

    It decodes subjects and headers in its reading task, and there an exception ends the reading: nothing arrives any
    more, without an error. A client that was handed over is used as it is.
    """

    @override
    async def _process_headers(self, headers: bytes | None) -> dict[str, str] | None:
        return (read_header_block(headers) or None) if headers else None

    @override
    def _build_message(
        self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: dict[str, str] | None
    ) -> Msg:
        text = subject.decode("utf-8", "replace").encode()
        msg: Msg = super()._build_message(sid, text, reply, data, headers)
        return msg


async def _open(server: Server, *, name: str, stay: bool, on_silence: Callable[[], None] = lambda: None) -> Client:
    where = redact(server.urls)
    if server.credentials is not None:
        await asyncio.to_thread(_check_credentials, server.credentials)
    client = _Client()
    callbacks = _Callbacks(client, where, stay=stay, on_silence=on_silence)
    # Any: annotated as int by nats-py, which hands them to asyncio as they are.
    seconds: dict[str, Any] = {"connect_timeout": server.connect_timeout, "reconnect_time_wait": 0.2}
    try:
        await client.connect(
            servers=list(_listed(server.urls)),
            name=name,
            user_credentials=None if server.credentials is None else str(server.credentials),
            tls=server.tls,
            # Verbose makes nats-py wait for the answer to CONNECT. Otherwise it sends PING at once, and where the server
            # has refused us and hung up by then, the answer is a reset, after which asyncio does not read the refusal.
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
            raise ConnectionError("it hung up without a word")
    except (OSError, nats.errors.Error, TimeoutError) as error:
        await shut(client)
        why = callbacks.heard or error
        if _is_denial(why):
            raise AccessDenied(f"The server at {where} refuses these credentials ({why}).") from error
        raise NoServer(
            f"No NATS server answers at {where} ({str(why) or type(why).__name__}). Start one there, "
            "or use local_server() for a server of your own on this machine."
        ) from error
    return client


class _Callbacks:
    """What nats-py tells while it connects and later."""

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


def _check_credentials(path: str | Path) -> None:
    """nats-py reads the file while it connects, and would report what is wrong with it as a lost connection."""
    try:
        text = Path(path).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise AccessDenied(f"The credentials file {str(path)!r} cannot be read: {error}.") from error
    if "BEGIN NATS USER JWT" not in text or "BEGIN USER NKEY SEED" not in text:
        raise AccessDenied(
            f"The file {str(path)!r} holds no credentials: a .creds file has a user JWT and a seed. "
            "Make one with: nsc generate creds."
        )
    if find_spec("nkeys") is None:
        raise AccessDenied("A credentials file needs the package 'nkeys'. Run: pip install 'nats-py[nkeys]'.")


def _is_denial(error: Exception) -> bool:
    """Whether the server refused the credentials: nats-py has a class for that, and does not always use it."""
    said = str(error).lower()
    return "authorization" in said or "authentication" in said


_NO_RESPONDERS = "503"


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
        self._open: dict[str, asyncio.Future[Msg | Exception]] = {}
        self._subscription: Subscription | None = None

    async def start(self) -> Self:
        self._subscription = await self._client.subscribe(f"{self._inbox}.*", cb=self._arrive)
        return self

    async def close(self) -> None:
        self.end_all()
        if self._subscription is not None and not self._client.is_closed:
            await self._subscription.unsubscribe()

    async def ask(self, subject: str, data: bytes, *, timeout: float, headers: Mapping[str, str] | None = None) -> Msg:
        """Send *data* and return the answer. Raises what nats-py raises, its ``TimeoutError`` also for a lost connection.

        *timeout* is in seconds.
        """
        # nats-py looks at the data alone, and the server closes the connection of who sends too much.
        if len(data) + size_of_headers(headers or {}) > self._client.max_payload:
            raise nats.errors.MaxPayloadError
        loop = asyncio.get_running_loop()
        token = next(self._tokens)
        answer: asyncio.Future[Msg | Exception] = loop.create_future()
        self._open[token] = answer
        late = loop.call_later(timeout, _end, answer)
        try:
            given = None if headers is None else dict(headers)
            await self._client.publish(subject, data, reply=f"{self._inbox}.{token}", headers=given)
            came = await answer
        finally:
            late.cancel()
            del self._open[token]
        if isinstance(came, Exception):
            raise came
        if not came.data and came.headers and came.headers.get(api.Header.STATUS.value) == _NO_RESPONDERS:
            raise nats.errors.NoRespondersError
        return came

    def end_all(self) -> None:
        """End every open question with a ``TimeoutError``."""
        for answer in self._open.values():
            _end(answer)

    async def _arrive(self, msg: Msg) -> None:
        answer = self._open.get(msg.subject.rpartition(".")[2])
        if answer is not None and not answer.done():
            answer.set_result(msg)


def _end(answer: "asyncio.Future[Msg | Exception]") -> None:
    if not answer.done():
        answer.set_result(nats.errors.TimeoutError())  # a result: nobody may be there yet to take an exception
