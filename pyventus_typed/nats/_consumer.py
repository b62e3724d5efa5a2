"""The consumers of a group: one for what has no order, one for each lane."""

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeAlias

from nats.aio.client import Client
from nats.js import api
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy
from nats.js.errors import NotFoundError

from pyventus_typed import Event, Linker
from pyventus_typed.nats._log import logger
from pyventus_typed.nats._names import again_subject, consumer_name, event_subject
from pyventus_typed.nats._publisher import JetStream
from pyventus_typed.nats.errors import NothingToDo, NoWireName, Refused, WouldLoop

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
        if not subjects <= before:
            change |= {"filter_subjects": sorted(subjects | before), "filter_subject": None}
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
