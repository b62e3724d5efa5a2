"""Events into a stream: stored, or an error that says so."""

import asyncio
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Generic, Self, final

import nats.errors
from nats.aio.client import Client
from nats.js import JetStreamContext
from nats.js.errors import APIError, NoStreamResponseError, ServiceUnavailableError
from typing_extensions import TypeVar

from pyventus_typed import Event
from pyventus_typed.nats._codec import Codec, Encoded
from pyventus_typed.nats._connection import Server, check, connect
from pyventus_typed.nats._dead import DeadLetters
from pyventus_typed.nats._headers import HEADROOM, check_extra, cloud_event
from pyventus_typed.nats._names import check_token, event_subject, lane_of
from pyventus_typed.nats._settings import StreamSettings, ensure_stream, lanes_of
from pyventus_typed.nats.errors import NatsError, NotOpen, NotStored, PayloadTooLarge, Refused, StreamFull

_E = TypeVar("_E", bound=Event)

_ONE_TRY = 5.0  # seconds to wait for one acknowledgement before the same id is sent again
_FULL = frozenset({10002, 10023, 10047, 10048, 10077})  # the server's codes for "no room", of the stream or the account
_TOO_LARGE = 10054


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
        client = given if isinstance(given, Client) else await connect(given, name=f"pyventus_typed {self.stream}")
        try:
            if isinstance(given, Client):
                await check(client, where="the given client")
            js = client.jetstream()
            info = await ensure_stream(js, self.stream, self._settings)
            self._check_window(info.config.duplicate_window)
            if self._key is not None and not lanes_of(info):
                raise ValueError(f"The stream {self.stream!r} has no lanes, so an ordering key cannot be kept.")
        except BaseException:
            if client is not given:
                await client.close()
            raise
        created = int(info.created.timestamp()) if info.created is not None else 0
        self._open = Opened(
            client, js, lanes_of(info), created, asyncio.get_running_loop(), info.config.num_replicas or 1
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        opened, self._open = self._open, None
        if opened is not None and opened.client is not self._server:
            # Not drain(): with nats-py 2.16 it hangs after pull requests. Everything awaited is already through.
            await opened.client.close()

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
        limit = opened.client.max_payload - HEADROOM
        if len(outgoing.data) > limit:
            raise PayloadTooLarge(outgoing.name, len(outgoing.data), limit)
        subject = event_subject(self.stream, outgoing.name, outgoing.lane)
        deadline = opened.loop.time() + self._patience
        pause = 0.02
        last: Exception | None = None
        while (left := deadline - opened.loop.time()) > 0:
            try:
                # While the connection is lost nats-py would queue each try and send all of them later.
                if opened.client.is_connected:
                    ack = await opened.js.publish(
                        subject,
                        outgoing.data,
                        timeout=min(left, _ONE_TRY),
                        stream=self.stream,
                        headers=dict(outgoing.headers),
                    )
                    return Stored(ack.stream, ack.seq, outgoing.id, bool(ack.duplicate))
            except NoStreamResponseError as error:
                last = error  # a server that starts up answers so until the stream is there
            except APIError as error:
                if not isinstance(error, ServiceUnavailableError) or error.err_code in _FULL:
                    raise _refusal(self.stream, outgoing, error) from error
                last = error
            except nats.errors.MaxPayloadError as error:
                raise PayloadTooLarge(outgoing.name, len(outgoing.data), limit) from error
            except nats.errors.ConnectionClosedError as error:
                raise NotStored(outgoing.name, outgoing.id, self._patience, error) from error
            except nats.errors.Error as error:
                last = error
            await asyncio.sleep(min(pause, max(0.0, deadline - opened.loop.time())))
            pause = min(pause * 2, 0.5)
        raise NotStored(outgoing.name, outgoing.id, self._patience, last) from last

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
    lanes: int
    created: int
    loop: asyncio.AbstractEventLoop
    replicas: int


def _refusal(stream: str, outgoing: Outgoing, error: APIError) -> NatsError:
    what = error.description or str(error)
    if error.err_code in _FULL:
        return StreamFull(
            f"The stream {stream!r} is full ({what}), so {outgoing.name} ({outgoing.id}) was not stored. "
            "Raise max_bytes, or let the stream forget: max_age, or retention='interest'."
        )
    if error.err_code == _TOO_LARGE:
        return Refused(f"The stream {stream!r} takes no message of {len(outgoing.data)} bytes: {what}.")
    return Refused(f"The stream {stream!r} refuses {outgoing.name} ({outgoing.id}): {what}.")
