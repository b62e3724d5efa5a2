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
_NANO_ROUNDING = 1e-6  # seconds; the server counts in whole nanoseconds
_EXISTS = frozenset({10013, 10105, 10148})  # the server's codes for "there is one with another configuration"


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
            config.filter_subjects = sorted(subjects)
            await _write(client, stream, config, "create")
            continue
        before = set(found.filter_subjects or ([found.filter_subject] if found.filter_subject else []))
        waits = abs((found.ack_wait or 0.0) - (config.ack_wait or 0.0)) < _NANO_ROUNDING
        same = waits and found.max_ack_pending == config.max_ack_pending
        if subjects <= before and same:
            break
        config.filter_subjects = sorted(subjects | before)
        # Where a group started is history: the server does not let it change.
        config.deliver_policy, config.opt_start_time = found.deliver_policy, found.opt_start_time
        await _write(client, stream, config, "update")
        subjects = subjects | before
    if before - subjects:
        logger.warning(
            "consumer %s still asks for %s, which no handler of this worker takes", name, ", ".join(before - subjects)
        )


async def _write(client: Client, stream: str, config: ConsumerConfig, action: Literal["create", "update"]) -> None:
    # nats-py's add_consumer creates or overwrites, and two workers that start together would overwrite each other.
    request = {"stream_name": stream, "config": config.as_dict(), "action": action}
    subject = f"{api.DEFAULT_PREFIX}.CONSUMER.CREATE.{stream}.{config.name}"
    answer = json.loads((await client.request(subject, json.dumps(request).encode(), timeout=5)).data)
    if (error := answer.get("error")) is not None and error.get("err_code") not in _EXISTS:
        raise Refused(f"The server refuses the consumer {config.name!r} of {stream!r}: {error.get('description')}.")
