"""Events into a stream: stored, or an error that says so."""

import asyncio
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Generic, Self, final

import msgspec
import nats.errors
from nats.aio.client import Client
from nats.js import JetStreamContext
from nats.js.errors import APIError, ServiceUnavailableError
from typing_extensions import TypeVar

from pyventus_typed import Event
from pyventus_typed.nats._asking import Asking
from pyventus_typed.nats._codec import Codec, Encoded
from pyventus_typed.nats._connection import VIOLATION, Server, check, connect, shut
from pyventus_typed.nats._dead import DeadLetters
from pyventus_typed.nats._headers import HEADROOM, check_extra, cloud_event
from pyventus_typed.nats._names import check_token, event_subject, lane_of
from pyventus_typed.nats._refusal import FULL, answered, refusal
from pyventus_typed.nats._settings import StreamSettings, ensure_stream, lanes_of
from pyventus_typed.nats.errors import AccessDenied, NatsError, NotOpen, NotStored, PayloadTooLarge

_E = TypeVar("_E", bound=Event)

_ONE_TRY = 5.0  # seconds to wait for one acknowledgement before the same id is sent again


@dataclass(frozen=True, slots=True)
class Stored:
    """Where an event is now. *duplicate*: it was there already, from an earlier try with the same id."""

    stream: str
    sequence: int
    id: str
    duplicate: bool


@dataclass(frozen=True, slots=True)
class Outgoing:
    """An event on its way: everything that a later try must repeat exactly."""

    id: str
    name: str
    lane: int | None
    data: bytes
    headers: Mapping[str, str]


class _Ack(msgspec.Struct):
    """The server's answer to a message."""

    stream: str = ""
    seq: int = 0
    duplicate: bool = False
    error: dict[str, Any] | None = None  # Any: nats-py makes its exception of it


_read_ack = msgspec.json.Decoder(_Ack).decode


@final
class JetStream(Generic[_E]):
    """One stream of events of one family: where they are published, and what workers read.

    ``async with`` opens the connection, creates the stream or checks its settings, and closes again what
    it opened; a nats-py client that was handed over stays open. Inside the block it belongs to that loop.

    *key* gives events their order: those with an equal key are handled one after the other by each group,
    in the order of publishing. ``None`` means no order. It needs ``StreamSettings(lanes=...)``.
    *source* is CloudEvents' ``source``; the name of the stream, if not given.
    *headers* is called for each event in the publisher's context and may add headers, ``traceparent`` say.
    *patience* is how many seconds ``publish`` tries before it raises ``NotStored``.
    """

    def __init__(
        self,
        server: str | Server | Client,
        codec: Codec[_E],
        /,
        *,
        stream: str,
        settings: StreamSettings | None = StreamSettings(),  # noqa: B008  # frozen
        key: Callable[[_E], str | int | None] | None = None,
        source: str | None = None,
        headers: Callable[[_E], Mapping[str, str]] | None = None,
        patience: float = 30.0,
    ) -> None:
        self.stream: str = check_token("stream", stream)
        self.codec = codec
        self._server = Server(server) if isinstance(server, str) else server
        self._settings = settings
        self._key = key
        self._source = source or stream
        self._headers = headers
        self._patience = patience
        self._open: Opened | None = None
        if settings is not None:
            self._check_window(settings.duplicates)
            if key is not None and settings.lanes == 0:
                raise ValueError("An ordering key needs lanes: give settings=StreamSettings(lanes=8), for example.")

    async def __aenter__(self) -> Self:
        if self._open is not None:
            raise NotOpen("This JetStream is open already: it is one connection in one loop.")
        given = self._server
        client = given if isinstance(given, Client) else await self._connect(given)
        try:
            if isinstance(given, Client):
                await check(client, where="the given client")
            js = client.jetstream()
            with answered(f"stream {self.stream!r}"):
                info = await ensure_stream(js, self.stream, self._settings)
            self._check_window(info.config.duplicate_window)
            if self._key is not None and not lanes_of(info):
                raise ValueError(f"The stream {self.stream!r} has no lanes, so an ordering key cannot be kept.")
            asking = await Asking(client).start()
        except BaseException:
            if client is not given:
                await shut(client)
            raise
        created = int(info.created.timestamp()) if info.created is not None else 0
        loop = asyncio.get_running_loop()
        self._open = Opened(client, js, asking, lanes_of(info), created, loop, info.config.num_replicas or 1)
        return self

    async def _connect(self, server: Server) -> Client:
        def on_silence() -> None:
            if self._open is not None:
                self._open.asking.end_all()

        return await connect(server, name=f"pyventus_typed {self.stream}", on_silence=on_silence)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        opened, self._open = self._open, None
        if opened is None:
            return
        await opened.asking.close()
        if opened.client is not self._server:
            # Not drain(): with nats-py 2.16 it hangs after pull requests. Everything awaited is already through.
            await shut(opened.client)

    @property
    def opened(self) -> "Opened":
        """The connection, for the other parts of this package. Raises ``NotOpen``."""
        if self._open is None:
            raise NotOpen(f"The stream {self.stream!r} is not open: use it inside 'async with'.")
        if self._open.loop is not asyncio.get_running_loop():
            raise NotOpen(
                f"The stream {self.stream!r} was opened in another event loop. Emit in that loop, "
                "or inside 'async with Emitter(...)', which hands events of other threads to it."
            )
        return self._open

    @property
    def dead_letters(self) -> DeadLetters:
        """What groups of this stream gave up. Raises ``NotOpen``."""
        return DeadLetters(self.opened.client, self.stream)

    def prepare(self, event: _E, /, *, event_id: str | None = None) -> Outgoing:
        """Encode *event* and decide everything about it, without sending. Raises what the codec raises."""
        encoded = self.codec.encode(event)
        return self._address(event, encoded, event_id or str(uuid.uuid4()), self.opened.lanes)

    def _address(self, event: _E, encoded: Encoded, event_id: str, lanes: int) -> Outgoing:
        key = None if self._key is None else self._key(event)
        headers = cloud_event(
            event_id=event_id,
            name=encoded.name,
            source=self._source,
            time=datetime.now(UTC),
            content_type=self.codec.content_type,
        )
        if self._headers is not None:
            headers.update(check_extra(self._headers(event)))
        lane = None if key is None else lane_of(str(key), lanes)
        return Outgoing(event_id, encoded.name, lane, encoded.data, headers)

    async def publish(self, event: _E, /, *, event_id: str | None = None) -> Stored:
        """Store *event* in the stream. When it returns, the server has confirmed it; when it raises, see below.

        A handler like any other: ``linker.subscribe(ShopEvent, stream.publish)``. Events published one after
        the other are stored in that order; concurrent ones in any order.

        Lost connections and restarts of the server are waited for up to *patience* seconds, with one id, so
        that the event is stored once. *event_id* is that id and CloudEvents' ``id``; a new UUID if not given.

        Raises ``NoWireName`` and ``NotFaithful`` (never sent), ``StreamFull``, ``PayloadTooLarge`` and
        ``Refused`` (not stored), ``NotStored`` (not known).
        """
        return await self.send(self.prepare(event, event_id=event_id))

    async def send(self, outgoing: Outgoing, /) -> Stored:
        """Store what ``prepare`` made; as often as wanted, it is stored once within the duplicates window."""
        opened = self.opened
        subject = event_subject(self.stream, outgoing.name, outgoing.lane)
        headers = {**outgoing.headers, "Nats-Expected-Stream": self.stream}
        limit = opened.client.max_payload - HEADROOM
        if len(outgoing.data) > limit:
            raise PayloadTooLarge(outgoing.name, len(outgoing.data), limit)
        deadline = opened.loop.time() + self._patience
        pause = 0.02
        last: Exception | None = None
        while (left := deadline - opened.loop.time()) > 0:
            # While the connection is lost nats-py would queue each try and send all of them later.
            if opened.client.is_connected:
                try:
                    answer = await opened.asking.ask(
                        subject, outgoing.data, timeout=min(left, _ONE_TRY), headers=headers
                    )
                    ack = _read_ack(answer.data)
                    if ack.error is None:
                        return Stored(ack.stream, ack.seq, outgoing.id, ack.duplicate)
                    last = APIError.from_error(ack.error)
                except nats.errors.Error as error:
                    last = error
                final = self._final(outgoing, subject, limit, last)
                if final is not None:
                    raise final from last
            else:
                last = ConnectionError("there is no connection")
            await asyncio.sleep(min(pause, max(0.0, deadline - opened.loop.time())))
            pause = min(pause * 2, 0.5)
        raise NotStored(outgoing.name, outgoing.id, self._patience, last) from last

    def _final(self, outgoing: Outgoing, subject: str, limit: int, error: Exception) -> NatsError | None:
        """What to raise for *error*; ``None`` if it may pass: a server that starts up has no stream, no room, no answer."""
        size = len(outgoing.data)
        match error:
            case nats.errors.MaxPayloadError():
                return PayloadTooLarge(outgoing.name, size, limit)
            case nats.errors.ConnectionClosedError():
                return NotStored(outgoing.name, outgoing.id, self._patience, error)
            case ServiceUnavailableError() if error.err_code not in FULL:
                return None
            case APIError():
                return refusal(error, stream=self.stream, name=outgoing.name, event_id=outgoing.id, size=size)
            case _:
                # The server tells of a missing permission aside, and answers nothing.
                said = str(self.opened.client.last_error)
                if VIOLATION in said and f'"{subject.lower()}"' in said:
                    return AccessDenied(f"The server does not let us publish {outgoing.name}: {said}.")
                return None

    def _check_window(self, duplicates: float) -> None:
        if duplicates <= self._patience:
            raise ValueError(
                f"patience={self._patience:g} must be shorter than the stream's duplicates window of {duplicates:g} s: "
                "a retry after the window would be stored a second time."
            )


@dataclass(frozen=True, slots=True)
class Opened:
    """An open stream: the connection, and what the server says about the stream."""

    client: Client
    js: JetStreamContext
    asking: Asking
    lanes: int
    created: int
    loop: asyncio.AbstractEventLoop
    replicas: int
