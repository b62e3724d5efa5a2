"""The consumers of a group, and how messages are pulled from one."""

import asyncio
import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, TypeAlias

import nats.errors
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.js import JetStreamContext, api
from nats.js.api import AckPolicy, ConsumerConfig, ConsumerInfo, DeliverPolicy
from nats.js.errors import NotFoundError, ServiceUnavailableError

from pyventus_typed import Event, Linker
from pyventus_typed.nats._connection import logger, patiently
from pyventus_typed.nats._options import check_fields
from pyventus_typed.nats._stream import JetStream, Opened, side_by_side
from pyventus_typed.nats._wire import again_subject, consumer_name, covers, event_subject
from pyventus_typed.nats.errors import NoServer, NothingToDo, NoWireName, Refused, WouldLoop

Start: TypeAlias = Literal["first", "new"] | datetime

_UNORDERED_PENDING = 10_000  # messages of a group that wait for a retry or run; beyond it the group gets no new ones
_WAITING = 10_000  # requests of workers that are open; each of theirs may be for one message
_NANO_ROUNDING = 1e-6  # seconds; the server counts in whole nanoseconds
# The server's codes for "somebody was quicker": there is one with another configuration, there is none any more.
_OVERTAKEN = {"create": frozenset({10013, 10105, 10148}), "update": frozenset({10149})}


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """What a group is on the server."""

    name: str
    start: Start
    ack_wait: float
    max_ack_pending: int | None
    replicas: int | None

    def __post_init__(self) -> None:
        check_fields(self)
        if self.ack_wait < 0.5:  # noqa: PLR2004  # below it the server would give events away while they run
            raise ValueError(f"ack_wait={self.ack_wait} must be half a second or more.")
        if isinstance(self.start, datetime) and self.start.tzinfo is None:
            raise ValueError(
                f"start={self.start!r} has no time zone. Say which: start.replace(tzinfo=UTC), for example."
            )
        if self.replicas not in {None, 1, 3, 5}:
            raise ValueError(f"replicas={self.replicas} must be 1, 3 or 5: an even number survives no more losses.")


@dataclass(frozen=True, slots=True)
class GroupConsumer:
    """A consumer of a group: for what has no order (*lane* is ``None``), or for one lane."""

    name: str
    lane: int | None
    created: datetime


def wanted_names(
    names: Mapping[str, type[Event]],
    linker: Linker[Any],  # Any: only asked for classes, whatever the family
    stream: str,
) -> frozenset[str]:
    """The wire names that *linker* has handlers for. Refuses a linker that cannot work here."""
    for subscription in linker.subscriptions():
        owner = getattr(subscription.handler, "__self__", None)
        if isinstance(owner, JetStream) and owner.stream == stream:
            raise WouldLoop(
                f"This linker publishes into the stream {stream!r}, and a worker would feed it from there: each event "
                "would come back without end. Give the worker a linker of its own, without the publisher."
            )
        for event in subscription.events:
            if not any(issubclass(known, event) for known in names.values()):
                raise NoWireName(
                    f"The linker has a handler for {event.__qualname__}, and the codec has no wire name for it, "
                    "so it would never be called. Add a Wire for it to the codec."
                )
    wanted = frozenset(name for name, event in names.items() if linker.receivers(event))
    if not wanted:
        raise NothingToDo("The linker has no handler, so a worker has nothing to do. Subscribe handlers first.")
    return wanted


async def ensure_consumers(
    opened: Opened, stream: str, group: Group, names: Collection[str], *, patience: float
) -> list[GroupConsumer]:
    """Create or update the consumers of *group*, side by side. Each is tried for *patience* seconds."""
    made: dict[int | None, GroupConsumer] = {}

    async def ensure(lane: int | None) -> None:
        subjects = {event_subject(stream, name, lane) for name in names}
        if lane is None:
            subjects |= {again_subject(stream, group.name, name) for name in names}
        created = await patiently(lambda: _ensure(opened, stream, _config(group, lane), subjects), patience)
        made[lane] = GroupConsumer(consumer_name(group.name, lane), lane, created)

    places = tuple(_places(opened.lanes))
    await side_by_side(places, ensure)
    return [made[lane] for lane in places]


@dataclass(frozen=True, slots=True)
class GroupState:
    """A group, as its server sees it."""

    missing: Sequence[str]
    """Consumers of it that do not exist."""
    lanes: Mapping[int | None, int]
    """For each lane, and for what has no order (``None``): how many events wait, or are in hand."""
    asked: bool
    """Whether a worker asks for events, or has some in hand."""

    @property
    def lag(self) -> int:
        return sum(self.lanes.values())


async def read_group(js: JetStreamContext, stream: str, group: str, lanes: int) -> GroupState:
    """Ask the server about *group*. Raises what nats-py raises."""
    found: dict[str, ConsumerInfo] = {}
    offset = 0
    while page := await js.consumers_info(stream, offset=offset):
        found |= {info.name: info for info in page}
        offset += len(page)
    places = {lane: consumer_name(group, lane) for lane in _places(lanes)}
    here = {lane: found[name] for lane, name in places.items() if name in found}
    return GroupState(
        missing=tuple(name for name in places.values() if name not in found),
        lanes={lane: (info.num_pending or 0) + (info.num_ack_pending or 0) for lane, info in here.items()},
        asked=any(info.num_waiting or info.num_ack_pending for info in here.values()),
    )


def _places(lanes: int) -> Iterator[int | None]:
    yield None
    yield from range(lanes)


def _config(group: Group, lane: int | None) -> ConsumerConfig:
    config = ConsumerConfig(
        name=consumer_name(group.name, lane),
        durable_name=consumer_name(group.name, lane),
        ack_policy=AckPolicy.EXPLICIT,
        ack_wait=group.ack_wait,
        # The worker counts attempts itself: at the server's limit a message would just stop coming.
        max_deliver=-1,
        # A message that waits for its next attempt still counts as pending, so its lane waits with it.
        max_ack_pending=(group.max_ack_pending or _UNORDERED_PENDING) if lane is None else 1,
        num_replicas=group.replicas,
        max_waiting=_WAITING,
    )
    match group.start:
        case "first":
            config.deliver_policy = DeliverPolicy.ALL
        case "new":
            config.deliver_policy = DeliverPolicy.NEW
        case moment:
            config.deliver_policy = DeliverPolicy.BY_START_TIME
            config.opt_start_time = moment
    return config


async def _ensure(opened: Opened, stream: str, config: ConsumerConfig, subjects: set[str]) -> datetime:
    """Make the consumer ask for *subjects*, and for whatever it asked for before.

    Only ever more: while versions roll, an old worker that starts again must not take away what a new one needs.
    The server has no compare-and-set for consumers, so what was written is read again until it holds.
    """
    name = config.name or ""
    while True:
        try:
            info = await opened.js.consumer_info(stream, name)
        except NotFoundError:
            await _write(opened, stream, config.evolve(filter_subjects=sorted(subjects)), "create")
            continue
        found = info.config
        if found.ack_policy != AckPolicy.EXPLICIT or found.deliver_subject:
            raise Refused(
                f"The stream {stream!r} has a consumer {name!r} that no worker made: it pushes, or asks for no "
                "acknowledgement. Give the group another name, or delete that consumer."
            )
        before = set(found.filter_subjects or ([found.filter_subject] if found.filter_subject else []))
        change = _change(found, config)
        # An operator may have widened it with wildcards, and the server refuses filters that overlap.
        missing = {subject for subject in subjects if not any(covers(pattern, subject) for pattern in before)}
        if missing:
            change |= {"filter_subjects": sorted(missing | before), "filter_subject": None}
        if not change:
            break
        await _write(opened, stream, found.evolve(**change), "update")
    if before - subjects:
        logger.warning(
            "consumer %s still asks for %s, which no handler of this worker takes",
            name,
            ", ".join(sorted(before - subjects)),
        )
    if (found.ack_wait or 0.0) > (config.ack_wait or 0.0) + _NANO_ROUNDING:
        logger.warning(
            "consumer %s keeps its ack_wait of %g s, because other workers may rely on it; to shorten it use: "
            "nats consumer edit",
            name,
            found.ack_wait,
        )
    created: datetime = info.created
    return created


def _change(found: ConsumerConfig, wanted: ConsumerConfig) -> dict[str, Any]:  # Any: values of the configuration
    """What must be otherwise for our promises to hold. The rest is the operator's, where a group started also."""
    change: dict[str, Any] = {}
    # Never shorter: the heartbeats of a worker that runs are as far apart as its own *ack_wait* allows.
    if (found.ack_wait or 0.0) + _NANO_ROUNDING < (wanted.ack_wait or 0.0):
        change["ack_wait"] = wanted.ack_wait
    if found.max_deliver not in {None, 0, -1}:
        change["max_deliver"] = -1
    if found.backoff:
        change["backoff"] = None
    if found.inactive_threshold:
        change["inactive_threshold"] = None
    # An operator's own value stays, unless the worker was given one.
    if wanted.max_ack_pending not in {_UNORDERED_PENDING, found.max_ack_pending}:
        change["max_ack_pending"] = wanted.max_ack_pending
    if wanted.num_replicas is not None and found.num_replicas != wanted.num_replicas:
        change["num_replicas"] = wanted.num_replicas
    return change


async def _write(opened: Opened, stream: str, config: ConsumerConfig, action: Literal["create", "update"]) -> None:
    # nats-py's add_consumer creates or overwrites, and two workers that start together would overwrite each other.
    request = {"stream_name": stream, "config": config.as_dict(), "action": action}
    subject = f"{opened.api_prefix}.CONSUMER.CREATE.{stream}.{config.name}"
    answer = json.loads((await opened.client.request(subject, json.dumps(request).encode(), timeout=5)).data)
    error = answer.get("error")
    if error is not None and error.get("err_code") not in _OVERTAKEN[action]:
        if error.get("code") == _UNAVAILABLE:  # a cluster without a leader: the caller tries again
            raise ServiceUnavailableError(**error)
        raise Refused(f"The server refuses the consumer {config.name!r} of {stream!r}: {error.get('description')}.")


_EXPIRES: Final = 30.0  # seconds that the server keeps a request open
_BEAT: Final = 5.0  # seconds after which it says that it still knows of a request
_SILENCE: Final = 2.5 * _BEAT
_LOOK: Final = 0.25  # seconds between two looks at the connection
_GATHER: Final = 0.002  # seconds in which places that become free are asked for together
_QUIET: Final = 0.02  # seconds without a message after which none is expected
_DRAIN: Final = 2.0  # seconds to wait for what is on its way
_GONE: Final = ("consumer deleted", "consumer not found", "stream deleted")
_NO_CONSUMER: Final = frozenset({"404", "503"})  # or a server that starts up, and does not know it yet
_DOUBT: Final = 1.0  # seconds between two questions whether the consumer exists
_MISSED: Final = 3  # answers in a row that say no, before we believe it
_UNAVAILABLE: Final = 503


class Puller:
    """Asks the server for as many messages as there is room, and hands each to *take* as it arrives.

    ``fetch`` of nats-py waits until a whole batch is there or the time is up. Here requests stay open and are
    topped up whenever a message that *take* got is ``handled`` or ``done``: nothing waits in a local queue, where a crash
    would count a delivery for it, and no place is empty, not even while the server answers an acknowledgement.
    """

    def __init__(
        self, opened: Opened, stream: str, consumer: GroupConsumer, *, room: int, take: Callable[["Puller", Msg], None]
    ) -> None:
        self._client = opened.client
        self._js = opened.js
        self._stream = stream
        self._next = f"{opened.api_prefix}.CONSUMER.MSG.NEXT.{stream}.{consumer.name}"
        self._consumer = consumer.name
        self._created = consumer.created
        self._room = room
        self._take = take
        self._inbox = opened.client.new_inbox()
        self._asked = 0
        self._held: set[int] = set()  # by id(): nats-py's messages cannot be hashed
        self._answering: set[int] = set()
        self._heard = 0.0
        self._wake = asyncio.Event()
        self._soon: asyncio.TimerHandle | None = None
        self._subscription: Subscription | None = None
        self._gone: str | None = None
        self._refused = False
        self._doubtful = False
        self._missed = 0
        self._closed = False

    @property
    def _free(self) -> int:
        # Beside those in a place, as many may wait for the server's answer: where none comes, no more is taken.
        return self._room - self._asked - len(self._held) - max(0, len(self._answering) - self._room)

    async def handled(self, msg: Msg) -> None:
        """*msg* is about to be acknowledged: it will only wait for the server's answer, and the next one may have its place.

        It is asked for here, before the acknowledgement: to wake ``run`` up for each message of a lane costs as much as that.
        """
        self._held.remove(id(msg))
        self._answering.add(id(msg))
        may_ask = self._client.is_connected and not (self._closed or self._doubtful or self._refused)
        if may_ask and 2 * self._free >= self._room:
            await self._ask(self._free)
        else:
            self._ask_soon()

    def done(self, msg: Msg) -> None:
        """*msg* is settled."""
        self._held.discard(id(msg))
        self._answering.discard(id(msg))
        self._ask_soon()

    def _ask_soon(self) -> None:
        # A request for each place would cost as much as the acknowledgement, so others that end soon share it.
        free = self._free
        if 2 * free >= self._room:
            self._wake.set()
        elif free > 0 and self._soon is None:
            self._soon = asyncio.get_running_loop().call_later(_GATHER, self._wake.set)

    async def run(self) -> None:
        """Pull until closed. Raises ``Refused`` if the consumer disappears, ``NoServer`` if the client is closed."""
        self._subscription = await self._client.subscribe(self._inbox, cb=self._arrive)
        try:
            await self._keep_asking()
        except BaseException:
            if not self._client.is_closed:  # what comes now would be held by nobody
                with suppress(nats.errors.Error):
                    await self._subscription.unsubscribe()
            raise

    async def _keep_asking(self) -> None:
        loop = asyncio.get_running_loop()
        reconnects = self._client.stats["reconnects"]
        while not self._closed:
            if self._gone is not None:
                raise Refused(
                    f"The consumer {self._consumer!r} is gone ({self._gone}): somebody deleted it or its stream, or the "
                    "server lost its store. Start the worker again: it creates the group again, which begins at start=."
                )
            if self._client.is_closed:
                raise NoServer(f"The connection was closed while the consumer {self._consumer!r} was being read.")
            if reconnects != self._client.stats["reconnects"] or loop.time() - self._heard > _SILENCE:
                # The server that we asked is gone, or forgot: what it had still to send will not come.
                self._doubtful |= self._asked > 0 or reconnects != self._client.stats["reconnects"]
                reconnects, self._asked, self._heard = self._client.stats["reconnects"], 0, loop.time()
            if self._doubtful and self._client.is_connected:
                await self._ask_whether_it_exists()
            if self._free > 0 and self._client.is_connected:
                await self._ask(self._free)
            await self._rest()

    async def _ask_whether_it_exists(self) -> None:
        """A request to a consumer that does not exist is answered by nobody, and looks like an idle stream."""
        try:
            info = await self._js.consumer_info(self._stream, self._consumer)
        except NotFoundError as error:
            self._missed += 1
            if self._missed >= _MISSED:
                self._gone = error.description or "not found"
        except nats.errors.Error as error:  # it starts up, or is lost again
            logger.debug("consumer %s: %r", self._consumer, error)
        else:
            self._doubtful, self._missed = False, 0
            # Sequences count from 1 again in a stream that was made again, and dead letters and attempts go by them.
            if info.created != self._created:
                self._gone = "it was made again"
        if self._doubtful and self._gone is None:
            await asyncio.sleep(_DOUBT)

    async def _ask(self, want: int) -> None:
        self._asked += want
        request = b'{"batch":%d,"expires":%d,"idle_heartbeat":%d}' % (want, _EXPIRES * 1e9, _BEAT * 1e9)
        try:
            await self._client.publish(self._next, request, reply=self._inbox)
        except nats.errors.Error as error:  # lost right now: the next look finds out which
            logger.debug("consumer %s: %r", self._consumer, error)
            self._asked -= want

    async def _rest(self) -> None:
        # Not wait_for: that of Python 3.11 loses a cancellation that comes together with the event.
        with suppress(TimeoutError):
            async with asyncio.timeout(_LOOK):
                await self._wake.wait()
        self._wake.clear()
        if self._soon is not None:
            self._soon.cancel()
            self._soon = None
        if self._refused:  # asking again at once would be refused again
            self._refused = False
            await asyncio.sleep(_LOOK)

    async def close(self) -> None:
        """Ask for nothing more, and return when what the server has sent already is taken."""
        self._closed = True
        self._wake.set()
        if self._subscription is not None and not self._client.is_closed:
            await self._calm()
            # If the server is lost right now there is nothing on its way.
            with suppress(nats.errors.Error, TimeoutError):
                async with asyncio.timeout(_DRAIN):
                    await self._subscription.drain()  # type: ignore[no-untyped-call]  # it has no annotations

    async def _calm(self) -> None:
        """Let the server fill the requests that are open, if it has something for them right now.

        A message that it sends while we unsubscribe reaches nobody, and counts as a delivery all the same.
        """
        before = -1
        for _ in range(round(_DRAIN / _QUIET)):
            if self._asked in {0, before}:
                return
            before = self._asked
            await asyncio.sleep(_QUIET)

    async def _arrive(self, msg: Msg) -> None:
        self._heard = asyncio.get_running_loop().time()
        headers = msg.headers or {}
        # Not by its headers, which are the publisher's: only what the server says itself comes to the inbox.
        if msg.subject != self._inbox:
            self._asked = max(0, self._asked - 1)
            self._held.add(id(msg))
            self._take(self, msg)
            return
        status = headers.get(api.Header.STATUS.value)
        if status == "100":  # the server still knows of a request
            return
        said = str(headers.get(api.Header.DESCRIPTION.value, "")).lower()
        unanswered = headers.get("Nats-Pending-Messages")
        self._asked = max(0, self._asked - int(unanswered)) if unanswered is not None else 0
        self._refused = unanswered is None
        self._doubtful |= status in _NO_CONSUMER
        if any(word in said for word in _GONE):
            self._gone = said
        elif status != "408":
            logger.debug("consumer %s: %s %s", self._consumer, status, said)
        self._wake.set()
