"""A stream: its settings, the check that an existing one has them, and events into it."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Final, Generic, Literal, Self, final

import msgspec
import nats.errors
from nats.aio.client import Client
from nats.js import JetStreamContext
from nats.js.api import Placement, StreamConfig, StreamInfo
from nats.js.errors import APIError, NotFoundError, ServiceUnavailableError
from typing_extensions import TypeVar

from pyventus_typed import Event
from pyventus_typed._spelling import spell_event
from pyventus_typed.errors import InvalidOption
from pyventus_typed.nats._codec import Codec, Encoded, check_codec
from pyventus_typed.nats._connection import (
    FULL,
    VIOLATION,
    Requester,
    Server,
    answered,
    check,
    connect,
    create_stream,
    find_api,
    patiently,
    redact,
    refusal,
    shut,
)
from pyventus_typed.nats._dead_letters import DeadLetters
from pyventus_typed.nats._options import check_callback, check_fields, check_option
from pyventus_typed.nats._tracing import find_tracing
from pyventus_typed.nats._wire import (
    WrittenHeaders,
    check_content_type,
    check_event_id,
    check_extra,
    check_key,
    check_size,
    check_token,
    check_wire_name,
    cloud_event,
    dead_stream,
    event_subject,
    lane_of,
    writable,
)
from pyventus_typed.nats.errors import (
    AccessDenied,
    NatsError,
    NoServer,
    NoStream,
    NotAllStored,
    NotOpen,
    NotStored,
    Refused,
    StreamDiffers,
)

_E = TypeVar("_E", bound=Event)
_T = TypeVar("_T")

_LANES: Final = "pyventus-lanes"
_WINDOW: Final = 64  # publishes that are on their way at a time
_ONE_TRY: Final = 5.0  # seconds to wait for one acknowledgement before the same id is sent again


def _setting(default: _T, *, server: str, key: str | None = None, none: object = None, dead: bool = False) -> _T:
    """A setting: what the server calls it (*key*: in which entry of that), and what it says for ``None``.

    *dead*: it is one of the stream of the dead letters.
    """
    return field(default=default, metadata={"server": server, "key": key, "none": none, "dead": dead})


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamSettings:
    """How a stream stores events. Sizes are in bytes, times in seconds.

    A stream that exists with different settings is never changed: opening it raises ``StreamDiffers``.
    """

    lanes: int = _setting(0, server="metadata", key=_LANES)
    """How many events with different ordering keys one group handles at the same time; 0 if nothing is ordered.
    It is fixed for the life of the stream."""
    retention: Literal["limits", "interest"] = _setting("limits", server="retention")
    """``"limits"`` keeps events until a limit is reached, so that a new group can start from the first one;
    ``"interest"`` deletes an event when every group that exists has handled it."""
    max_bytes: int | None = _setting(1 << 30, server="max_bytes", none=-1)
    """How much it holds. A full stream refuses new events (``StreamFull``); nothing is deleted to make room.
    ``None`` leaves the limit to the disk."""
    max_msgs: int | None = _setting(None, server="max_msgs", none=-1)
    """How many events it holds; the same rule."""
    max_age: float | None = _setting(None, server="max_age", none=0.0)
    """Events older than this are deleted, handled or not. ``None`` keeps them."""
    duplicates: float = _setting(120.0, server="duplicate_window")
    """How long the server remembers the ids of events, so that a repeated publish is stored once."""
    replicas: int = _setting(1, server="num_replicas")
    """On how many servers of a cluster each event is stored: 1, 3 or 5. Dead letters have as many."""
    storage: Literal["file", "memory"] = _setting("file", server="storage")
    """``"memory"`` loses everything when the server stops."""
    compression: Literal["none", "s2"] = _setting("none", server="compression")
    """How the server compresses what is on the disk."""
    placement: Placement | None = _setting(None, server="placement")  # noqa: RUF009  # nats-py's class is not frozen, and None is
    """On which servers: ``nats.js.api.Placement(cluster=..., tags=[...])``. ``None`` leaves it to the cluster."""
    description: str | None = _setting(None, server="description", none="")
    """What ``nats stream ls`` shows."""
    dead_max_bytes: int | None = _setting(None, server="max_bytes", none=-1, dead=True)
    """How much the stream of the dead letters holds. Beyond it the oldest letters are deleted: one that was refused
    would hold up its lane. ``None`` keeps them all."""
    dead_max_age: float | None = _setting(None, server="max_age", none=0.0, dead=True)
    """Dead letters older than this are deleted. ``None`` keeps them."""

    def __post_init__(self) -> None:
        check_fields(self)
        if not 0 <= self.lanes <= 1024:  # noqa: PLR2004  # each lane is a consumer of every group
            raise ValueError(f"lanes={self.lanes} is not between 0 and 1024.")
        for name in ("max_bytes", "max_msgs", "max_age", "dead_max_bytes", "dead_max_age"):
            if (value := getattr(self, name)) is not None and value <= 0:
                raise ValueError(f"{name}={value} must be positive; None sets no limit.")
        if self.duplicates <= 0:
            raise ValueError(f"duplicates={self.duplicates} must be positive: without it a retry is stored twice.")
        if self.max_age is not None and self.max_age < self.duplicates:
            raise ValueError(f"max_age={self.max_age} must not be below duplicates={self.duplicates}.")
        if self.replicas not in {1, 3, 5}:
            raise ValueError(f"replicas={self.replicas} must be 1, 3 or 5: an even number survives no more losses.")

    def config(self, stream: str) -> StreamConfig:
        return StreamConfig(name=stream, subjects=[f"{stream}.>"], **_FIXED, **self._values(dead=False))

    def dead_config(self, stream: str, replicas: int) -> StreamConfig:
        return StreamConfig(
            name=dead_stream(stream),
            subjects=[f"{dead_stream(stream)}.>"],
            num_replicas=replicas,
            **_FIXED_DEAD,
            **self._values(dead=True),
        )

    def _values(self, *, dead: bool) -> dict[str, Any]:  # Any: each field of the configuration has its own type
        values: dict[str, Any] = {}  # Any: the same
        for setting in fields(self):
            name, key, none = (setting.metadata[part] for part in ("server", "key", "none"))
            if setting.metadata["dead"] is dead:
                value = getattr(self, setting.name)
                written = none if value is None else value
                values[name] = written if key is None else {key: str(written)}
        return values


# What no setting changes, and what would break a promise where somebody else changed it.
_FIXED: Final[Mapping[str, Any]] = {  # Any: each field of the configuration has its own type
    "discard": "new",
    "max_msgs_per_subject": -1,
    "max_msg_size": -1,
    "no_ack": False,
}
_FIXED_DEAD: Final[Mapping[str, Any]] = {  # Any: the same
    **_FIXED,
    "discard": "old",
    "retention": "limits",
    # A worker that dies between the letter and the end of the message is followed by one that writes it again,
    # after ack_wait.
    "duplicate_window": 3600.0,
}


async def ensure_stream(js: JetStreamContext, stream: str, settings: StreamSettings | None) -> StreamInfo:
    """The stream, created if it is missing and *settings* say how. Raises ``StreamDiffers``, ``NoStream``."""
    try:
        info = await js.stream_info(stream)
    except NotFoundError:
        if settings is None:
            raise NoStream(f"There is no stream {stream!r}, and settings=None says not to create one.") from None
        try:
            return await create_stream(js, settings.config(stream))
        except Refused as refused:
            try:
                info = await js.stream_info(stream)  # another process was quicker, with other settings
            except NotFoundError:
                raise refused from None
    if settings is not None:
        _compare(info.config, settings.config(stream), settings, _FIXED, dead=False)
    return info


async def ensure_dead_stream(js: JetStreamContext, stream: str, replicas: int, settings: StreamSettings | None) -> None:
    """The stream of the dead letters. Raises ``StreamDiffers`` if *settings* name other limits than it has."""
    wanted = (settings or StreamSettings()).dead_config(stream, replicas)
    try:
        info = await js.stream_info(wanted.name or "")
    except NotFoundError:
        await create_stream(js, wanted)
        return
    if settings is not None:
        _compare(info.config, wanted, settings, {}, dead=True)


def lanes_of(info: StreamInfo) -> int:
    return int((info.config.metadata or {}).get(_LANES, "0"))


def _compare(
    found: StreamConfig, wanted: StreamConfig, settings: StreamSettings, fixed: Mapping[str, object], *, dead: bool
) -> None:
    own = [each for each in fields(settings) if each.metadata["dead"] is dead]
    facts = [
        *((name, name, None, value) for name, value in fixed.items()),
        *((each.name, each.metadata["server"], each.metadata["key"], each.metadata["none"]) for each in own),
    ]
    different: dict[str, tuple[object, object]] = {}
    for name, server, key, none in (("subjects", "subjects", None, None), *facts):
        one, other = (_value_of(config, server, key, none) for config in (found, wanted))
        if one != other:
            different[name] = (one, other)
    if different:
        raise StreamDiffers(wanted.name or "", different)


def _value_of(config: StreamConfig, name: str, key: str | None, none: object) -> object:
    value = getattr(config, name)
    if key is not None:
        value = (value or {}).get(key, "0")
    return none if value is None or (none == -1 and value == 0) else value  # the server writes -1 for a limit of 0


@dataclass(frozen=True, slots=True)
class Stored:
    """Where an event was stored. *duplicate*: an earlier attempt with the same id had stored it already."""

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
    """One stream of events of one family: publishers write to it, and workers read from it.

    ``async with`` opens the connection, and creates the stream or checks its settings. The end of the block closes the
    connection, unless it is a nats-py client that you passed. Use it only in the event loop that entered the block.

    - *key* returns the ordering key of an event. Each group handles events with an equal key one after the other, in the
      order of publishing; ``None`` means no order. It needs ``StreamSettings(lanes=...)``.
    - *source* is the ``source`` of CloudEvents (default: the name of the stream).
    - *headers* is called for each event in the publisher's context and returns more headers, for example the tenant.
      ``traceparent`` and ``tracestate`` are added if `pyventus_typed.opentelemetry` instruments anything.
    - *patience* is the number of seconds for which ``publish`` tries before it raises ``NotStored``. At the start,
      requests about a stream and its consumers are repeated for the same time; a worker does so, too.
    - *domain* is the JetStream domain, if the server is a leaf node.
    - *api_prefix* replaces ``$JS.API``, if another account exports its API under a different prefix.

    ::

        stream = JetStream("nats://127.0.0.1:4222", codec, stream="SHOP")
        async with stream:
            await stream.publish(OrderPaid(7))
    """

    def __init__(
        self,
        server: str | Server | Client,
        codec: Codec[_E],
        /,
        *,
        stream: str,
        settings: StreamSettings | None = StreamSettings(),  # frozen
        key: Callable[[_E], str | int | None] | None = None,
        source: str | None = None,
        headers: Callable[[_E], Mapping[str, str]] | None = None,
        patience: float = 30.0,
        domain: str | None = None,
        api_prefix: str | None = None,
    ) -> None:
        if not isinstance(server, str | Server | Client):
            raise InvalidOption(
                f"{spell_event(server)} is not a server: give an address, a Server, or a connected nats-py client.",
                server,
            )
        check_option("settings", settings, StreamSettings | None)
        check_callback("key", key)
        check_option("source", source, str | None)
        check_callback("headers", headers)
        check_option("patience", patience, float)
        if patience <= 0:
            raise InvalidOption(f"patience={patience} must be positive.", patience)
        check_option("domain", domain, str | None)
        check_option("api_prefix", api_prefix, str | None)
        self.stream: str = check_token("stream", stream)
        self.codec = codec
        self._content_type = check_content_type(check_codec(codec).content_type)
        self._server = Server(server) if isinstance(server, str) else server
        self.settings = settings
        self._key = key
        self._source = source or stream
        self._headers = headers
        self.patience = patience
        self._api_prefix = find_api(domain, api_prefix)
        self._open: Opened | None = None
        if settings is not None:
            self._check_window(settings.duplicates)
            if key is not None and settings.lanes == 0:
                raise ValueError("An ordering key needs lanes: give settings=StreamSettings(lanes=8), for example.")

    async def __aenter__(self) -> Self:
        if self._open is not None:
            raise NotOpen("This JetStream is open already: it is one connection in one loop.")
        given = self._server
        if isinstance(given, Client) and not (given.is_connected or given.is_reconnecting):
            raise NoServer("The given client is not connected: connect it before the block, and close it after that.")
        client = given if isinstance(given, Client) else await self._connect(given)
        try:
            js = client.jetstream(prefix=self._api_prefix)
            where = "the given client" if isinstance(given, Client) else redact(given.urls)
            await check(client, js, where=where, patience=self.patience)
            with answered(f"stream {self.stream!r}"):
                info = await patiently(lambda: ensure_stream(js, self.stream, self.settings), self.patience)
            self._check_window(info.config.duplicate_window)
            if self._key is not None and not lanes_of(info):
                raise ValueError(f"The stream {self.stream!r} has no lanes, so an ordering key cannot be kept.")
            requester = await Requester(client).start()
        except BaseException:
            if client is not given:
                await shut(client)
            raise
        created = int(info.created.timestamp()) if info.created is not None else 0
        loop = asyncio.get_running_loop()
        self._open = Opened(
            client, js, self._api_prefix, requester, lanes_of(info), created, loop, info.config.num_replicas or 1
        )
        return self

    async def _connect(self, server: Server) -> Client:
        def on_silence() -> None:
            if self._open is not None:
                self._open.requester.end_all()

        return await connect(server, name=f"pyventus_typed {self.stream}", on_silence=on_silence)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        opened, self._open = self._open, None
        if opened is None:
            return
        await opened.requester.close()
        if opened.client is not self._server:
            # Not drain(): with nats-py 2.16 it hangs after pull requests. Everything awaited is already through.
            await shut(opened.client)

    @property
    def opened(self) -> "Opened":
        """The connection, for other parts of this package. Raises ``NotOpen``."""
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
        """The messages that groups of this stream gave up on. Raises ``NotOpen``."""
        return DeadLetters(self.opened.client, self.stream, api_prefix=self._api_prefix)

    def prepare(self, event: _E, /, *, event_id: str | None = None) -> Outgoing:
        """Encode *event* and determine its id, subject and headers, without sending it. Raises what the codec raises."""
        encoded = self.codec.encode(event)
        event_id = str(uuid.uuid4()) if event_id is None else check_event_id(event_id)
        return self._address(event, encoded, event_id, self.opened.lanes)

    def _address(self, event: _E, encoded: Encoded, event_id: str, lanes: int) -> Outgoing:
        key = None if self._key is None else check_key(self._key(event))
        headers = cloud_event(
            event_id=event_id,
            name=encoded.name,
            source=self._source,
            time=datetime.now(UTC),
            content_type=self._content_type,
        )
        if self._headers is not None:
            headers.update(check_extra(self._headers(event)))
        lane = None if key is None else lane_of(key, lanes)
        return Outgoing(event_id, check_wire_name(encoded.name), lane, encoded.data, headers)

    async def publish(self, event: _E, /, *, event_id: str | None = None) -> Stored:
        """Store *event* in the stream. When it returns, the server has confirmed the event.

        It is an ordinary handler: ``linker.subscribe(ShopEvent, stream.publish)``. Events published one after the other
        are stored in that order; concurrent ones in any order.

        It waits up to *patience* seconds through lost connections and restarts of the server. All attempts have the
        same id, so the event is stored once. *event_id* is that id, and the ``id`` of CloudEvents (default: a new UUID).

        Raises ``NoWireName`` and ``NotFaithful`` (never sent), ``StreamFull``, ``PayloadTooLarge`` and ``Refused`` (not
        stored), ``NotStored`` (it is not known whether the event is stored).
        """
        return await self._send_traced(self.prepare(event, event_id=event_id))

    async def publish_all(
        self, events: Iterable[_E], /, *, event_ids: Sequence[str] | None = None
    ) -> tuple[Stored, ...]:
        """Store *events*, many at a time. When it returns, the server has confirmed each of them.

        Events with an equal key are stored in their order, others concurrently. All are encoded before the first is sent,
        so if one raises ``NoWireName`` or ``NotFaithful``, nothing is sent.

        Raises ``NotAllStored`` if some were not stored: an event that fails holds back the later ones of its lane, but
        no others. To try again, publish all of them with the ``ids`` of that error as *event_ids*. Events that are
        already stored are not stored twice within the duplicate window of the stream.
        """
        batch = list(events)
        check_option("event_ids", event_ids, Sequence[str] | None)
        ids = [str(uuid.uuid4()) for _ in batch] if event_ids is None else list(event_ids)
        if len(set(ids)) != len(batch):
            raise ValueError(
                f"There are {len(batch)} events and {len(set(ids))} different event_ids: give one for each."
            )
        stored: list[Stored | None] = [None] * len(batch)
        errors: list[NatsError] = []
        chains: dict[object, list[tuple[int, Outgoing]]] = {}
        for place, (event, event_id) in enumerate(zip(batch, ids, strict=True)):
            outgoing = self.prepare(event, event_id=event_id)
            chains.setdefault(("lane", outgoing.lane) if outgoing.lane is not None else place, []).append(
                (place, outgoing)
            )

        async def send(chain: Sequence[tuple[int, Outgoing]]) -> None:
            try:
                for place, outgoing in chain:
                    stored[place] = await self._send_traced(outgoing)
            except NatsError as error:
                errors.append(error)

        await side_by_side(chains.values(), send)
        confirmed = tuple(one for one in stored if one is not None)
        if errors:
            raise NotAllStored(stored, ids, errors) from errors[0]
        return confirmed

    async def _send_traced(self, outgoing: Outgoing) -> Stored:
        tracing = find_tracing()
        if tracing is None:
            return await self.send(outgoing)
        with tracing.sending(self.stream, outgoing.name, outgoing.id, len(outgoing.data)) as headers:
            return await self.send(replace(outgoing, headers={**writable(headers), **outgoing.headers}))

    async def send(self, outgoing: Outgoing, /) -> Stored:
        """Store the result of ``prepare``. Repeated calls store it once within the duplicate window of the stream."""
        opened = self.opened
        subject = event_subject(self.stream, outgoing.name, outgoing.lane)
        headers = WrittenHeaders({**outgoing.headers, "Nats-Expected-Stream": self.stream})
        deadline = opened.loop.time() + self.patience
        pause = 0.02
        last: Exception | None = None
        while (left := deadline - opened.loop.time()) > 0:
            check_size(outgoing.name, outgoing.data, headers, opened.client.max_payload)
            # While the connection is lost nats-py would queue each try and send all of them later.
            if opened.client.is_connected:
                try:
                    answer = await opened.requester.ask(
                        subject, outgoing.data, timeout=min(left, _ONE_TRY), headers=headers
                    )
                    ack = _read_ack(answer.data)
                    if ack.error is not None:
                        APIError.from_error(ack.error)  # raises it
                    return Stored(ack.stream, ack.seq, outgoing.id, ack.duplicate)
                except nats.errors.Error as error:
                    last = error
                final = self._final(outgoing, subject, last)
                if final is not None:
                    raise final from last
            else:
                last = ConnectionError("there is no connection")
            await asyncio.sleep(min(pause, max(0.0, deadline - opened.loop.time())))
            pause = min(pause * 2, 0.5)
        raise NotStored(outgoing.name, outgoing.id, self.patience, last) from last

    def _final(self, outgoing: Outgoing, subject: str, error: Exception) -> NatsError | None:
        """What to raise for *error*; ``None`` if it may pass: a server that starts up has no stream, no room, no answer."""
        size = len(outgoing.data)
        match error:
            case nats.errors.ConnectionClosedError():
                return NotStored(outgoing.name, outgoing.id, self.patience, error)
            case ServiceUnavailableError() if error.err_code not in FULL:
                return None
            case APIError():
                return refusal(error, stream=self.stream, name=outgoing.name, event_id=outgoing.id, size=size)
            case _:
                # The server reports a missing permission by an error of its own, and does not answer the publish.
                said = str(self.opened.client.last_error)
                if VIOLATION in said and f'"{subject.lower()}"' in said:
                    return AccessDenied(f"The server does not let us publish {outgoing.name}: {said}.")
                return None

    def _check_window(self, duplicates: float) -> None:
        if duplicates <= self.patience:
            raise ValueError(
                f"patience={self.patience:g} must be shorter than the stream's duplicates window of {duplicates:g} s: "
                "a retry after the window would be stored a second time."
            )


async def side_by_side(chains: Collection[_T], send: Callable[[_T], Awaitable[None]]) -> None:
    """Call *send* for each of *chains*, for so many at a time as keep the server busy. One that raises ends the others."""
    waiting = iter(chains)

    async def take() -> None:
        for chain in waiting:
            await send(chain)

    try:
        async with asyncio.TaskGroup() as tasks:
            for _ in range(min(_WINDOW, len(chains))):
                tasks.create_task(take())
    except ExceptionGroup as several:
        raise several.exceptions[0] from None


@dataclass(frozen=True, slots=True)
class Opened:
    """An open stream: the connection, and what the server says about the stream."""

    client: Client
    js: JetStreamContext
    api_prefix: str
    requester: Requester
    lanes: int
    created: int
    loop: asyncio.AbstractEventLoop
    replicas: int
