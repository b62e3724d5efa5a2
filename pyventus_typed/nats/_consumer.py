"""The consumers of a group: one for what has no order, one for each lane."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeAlias

from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy
from nats.js.errors import APIError, NotFoundError

from pyventus_typed import Event, Linker
from pyventus_typed.nats._log import logger
from pyventus_typed.nats._names import again_subject, consumer_name, event_subject
from pyventus_typed.nats._publisher import JetStream
from pyventus_typed.nats.errors import NothingToDo, NoWireName, Refused, WouldLoop

Start: TypeAlias = Literal["first", "new"] | datetime

_UNORDERED_PENDING = 10_000  # messages of a group that wait for a retry or run; beyond it the group gets no new ones


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
    js: JetStreamContext, stream: str, lanes: int, group: Group, names: Collection[str]
) -> list[tuple[str, int | None]]:
    """Create or update the consumers of *group*; their names and lanes."""
    made: list[tuple[str, int | None]] = []
    for lane in _places(lanes):
        subjects = {event_subject(stream, name, lane) for name in names}
        if lane is None:
            subjects |= {again_subject(stream, group.name, name) for name in names}
        await _ensure(js, stream, group, lane, subjects)
        made.append((consumer_name(group.name, lane), lane))
    return made


def _places(lanes: int) -> Iterator[int | None]:
    yield None
    yield from range(lanes)


async def _ensure(js: JetStreamContext, stream: str, group: Group, lane: int | None, subjects: set[str]) -> None:
    config = ConsumerConfig(
        name=consumer_name(group.name, lane),
        durable_name=consumer_name(group.name, lane),
        ack_policy=AckPolicy.EXPLICIT,
        ack_wait=group.ack_wait,
        # The worker counts attempts itself: at the server's limit a message would just stop coming.
        max_deliver=-1,
        # A message that waits for its next attempt still counts as pending, so its lane waits with it.
        max_ack_pending=_UNORDERED_PENDING if lane is None else 1,
        filter_subjects=sorted(subjects),
    )
    match group.start:
        case "first":
            config.deliver_policy = DeliverPolicy.ALL
        case "new":
            config.deliver_policy = DeliverPolicy.NEW
        case moment:
            config.deliver_policy = DeliverPolicy.BY_START_TIME
            config.opt_start_time = moment
    try:
        found = (await js.consumer_info(stream, config.name or "")).config
    except NotFoundError:
        found = None
    if found is not None:
        before = set(found.filter_subjects or ([found.filter_subject] if found.filter_subject else []))
        # Only ever more: while versions roll, an old worker that starts again must not take away what a new one needs.
        config.filter_subjects = sorted(subjects | before)
        if before - subjects:
            logger.warning(
                "group %s still asks for %s, which no handler of this worker takes",
                group.name,
                ", ".join(sorted(before - subjects)),
            )
        # Where a group started is history: the server does not let it change.
        config.deliver_policy, config.opt_start_time = found.deliver_policy, found.opt_start_time
    try:
        await js.add_consumer(stream, config)
    except APIError as error:
        raise Refused(f"The server refuses the consumer {config.name!r} of {stream!r}: {error.description}.") from error
