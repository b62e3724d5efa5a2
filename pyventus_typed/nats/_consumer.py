"""The consumers of a group, and how messages are pulled from one."""

import asyncio
import json
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, TypeAlias

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.js import api
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy
from nats.js.errors import NotFoundError

from pyventus_typed import Event, Linker
from pyventus_typed.nats._connection import logger
from pyventus_typed.nats._stream import JetStream
from pyventus_typed.nats._wire import again_subject, consumer_name, covers, event_subject
from pyventus_typed.nats.errors import NoServer, NothingToDo, NoWireName, Refused, WouldLoop

Start: TypeAlias = Literal["first", "new"] | datetime

_UNORDERED_PENDING = 10_000  # messages of a group that wait for a retry or run; beyond it the group gets no new ones
_WAITING = 10_000  # requests of workers that are open; each of theirs may be for one message
_NANO_ROUNDING = 1e-6  # seconds; the server counts in whole nanoseconds
# The server's codes for "somebody was quicker": there is one with another configuration, there is none any more.
_OVERTAKEN = {"create": frozenset({10013, 10105, 10148}), "update": frozenset({10149})}


@dataclass(frozen=True, slots=True)
class Group:
    """What a group is on the server."""

    name: str
    start: Start
    ack_wait: float


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
                "would come back for ever. Give the worker a linker of its own, without the publisher."
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
    client: Client, stream: str, lanes: int, group: Group, names: Collection[str]
) -> list[tuple[str, int | None]]:
    """Create or update the consumers of *group*; their names and lanes."""
    made: list[tuple[str, int | None]] = []
    for lane in _places(lanes):
        subjects = {event_subject(stream, name, lane) for name in names}
        if lane is None:
            subjects |= {again_subject(stream, group.name, name) for name in names}
        await _ensure(client, stream, _config(group, lane), subjects)
        made.append((consumer_name(group.name, lane), lane))
    return made


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
        max_ack_pending=_UNORDERED_PENDING if lane is None else 1,
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


async def _ensure(client: Client, stream: str, config: ConsumerConfig, subjects: set[str]) -> None:
    """Make the consumer ask for *subjects*, and for whatever it asked for before.

    Only ever more: while versions roll, an old worker that starts again must not take away what a new one needs.
    The server has no compare-and-set for consumers, so what was written is read again until it holds.
    """
    js = client.jetstream()
    name = config.name or ""
    while True:
        try:
            found = (await js.consumer_info(stream, name)).config
        except NotFoundError:
            await _write(client, stream, config.evolve(filter_subjects=sorted(subjects)), "create")
            continue
        if found.ack_policy != AckPolicy.EXPLICIT or found.deliver_subject:
            raise Refused(
                f"The stream {stream!r} has a consumer {name!r} that is none of ours: it pushes, or asks for no "
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
        await _write(client, stream, found.evolve(**change), "update")
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


def _change(found: ConsumerConfig, wanted: ConsumerConfig) -> dict[str, Any]:  # Any: values of the configuration
    """What must be otherwise for our promises to hold. The rest is the operator's, where a group started also."""
    change: dict[str, Any] = {}
    # Never shorter: the heartbeats of a worker that runs are as far apart as the time that it was told allows.
    if (found.ack_wait or 0.0) + _NANO_ROUNDING < (wanted.ack_wait or 0.0):
        change["ack_wait"] = wanted.ack_wait
    if found.max_deliver not in {None, 0, -1}:
        change["max_deliver"] = -1
    if found.backoff:
        change["backoff"] = None
    if found.inactive_threshold:
        change["inactive_threshold"] = None
    if wanted.max_ack_pending == 1 and found.max_ack_pending != 1:
        change["max_ack_pending"] = 1
    return change


async def _write(client: Client, stream: str, config: ConsumerConfig, action: Literal["create", "update"]) -> None:
    # nats-py's add_consumer creates or overwrites, and two workers that start together would overwrite each other.
    request = {"stream_name": stream, "config": config.as_dict(), "action": action}
    subject = f"{api.DEFAULT_PREFIX}.CONSUMER.CREATE.{stream}.{config.name}"
    answer = json.loads((await client.request(subject, json.dumps(request).encode(), timeout=5)).data)
    error = answer.get("error")
    if error is not None and error.get("err_code") not in _OVERTAKEN[action]:
        raise Refused(f"The server refuses the consumer {config.name!r} of {stream!r}: {error.get('description')}.")


_EXPIRES: Final = 30.0  # seconds that the server keeps a request open
_BEAT: Final = 5.0  # seconds after which it says that it still knows of a request
_SILENCE: Final = 2.5 * _BEAT
_LOOK: Final = 0.25  # seconds between two looks at the connection
_GATHER: Final = 0.002  # seconds in which places that become free are asked for together
_QUIET: Final = 0.02  # seconds without a message after which none is expected
_DRAIN: Final = 2.0  # seconds to wait for what is on its way
_GONE: Final = ("consumer deleted", "consumer not found", "no responders", "stream deleted")


class Puller:
    """Asks the server for as many messages as there is room, and hands each to *take* as it arrives.

    ``fetch`` of nats-py waits until a whole batch is there or the time is up. Here requests stay open and are
    topped up whenever *take*'s message is ``done``: nothing waits in a local queue, where a crash would
    count a delivery for it, and no room stands empty.
    """

    def __init__(
        self, client: Client, stream: str, consumer: str, *, room: int, take: Callable[["Puller", Msg], None]
    ) -> None:
        self._client = client
        self._next = f"{api.DEFAULT_PREFIX}.CONSUMER.MSG.NEXT.{stream}.{consumer}"
        self._consumer = consumer
        self._room = room
        self._take = take
        self._inbox = client.new_inbox()
        self._asked = 0
        self._held = 0
        self._heard = 0.0
        self._wake = asyncio.Event()
        self._soon: asyncio.TimerHandle | None = None
        self._subscription: Subscription | None = None
        self._gone: str | None = None
        self._refused = False
        self._closed = False

    @property
    def _free(self) -> int:
        return self._room - self._held - self._asked

    def done(self) -> None:
        """A message that was taken is settled."""
        self._held -= 1
        # A request for each place would cost as much as the acknowledgement, so neighbours that end soon share one.
        if 2 * self._free >= self._room:
            self._wake.set()
        elif self._soon is None:
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
                    f"The consumer {self._consumer!r} is gone ({self._gone}): somebody deleted it or its stream."
                )
            if self._client.is_closed:
                raise NoServer(f"The connection was closed while the consumer {self._consumer!r} was being read.")
            if reconnects != self._client.stats["reconnects"] or loop.time() - self._heard > _SILENCE:
                # The server that we asked is gone, or forgot: what it still owed will not come.
                reconnects, self._asked, self._heard = self._client.stats["reconnects"], 0, loop.time()
            if self._free > 0 and self._client.is_connected:
                await self._ask(self._free)
            await self._rest()

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
            self._held += 1
            self._take(self, msg)
            return
        status = headers.get(api.Header.STATUS.value)
        if status == "100":  # the server still knows of a request
            return
        said = str(headers.get(api.Header.DESCRIPTION.value, "")).lower()
        unanswered = headers.get("Nats-Pending-Messages")
        self._asked = max(0, self._asked - int(unanswered)) if unanswered is not None else 0
        self._refused = unanswered is None
        if any(word in said for word in _GONE):
            self._gone = said
        elif status != "408":
            logger.debug("consumer %s: %s %s", self._consumer, status, said)
        self._wake.set()
