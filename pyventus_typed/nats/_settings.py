"""What a stream promises: its settings, made explicit, and the check that an existing one has them."""

from dataclasses import dataclass
from typing import Final, Literal

from nats.js import JetStreamContext
from nats.js.api import DiscardPolicy, RetentionPolicy, StorageType, StreamConfig, StreamInfo
from nats.js.errors import APIError, NotFoundError

from pyventus_typed.nats._names import dead_stream
from pyventus_typed.nats.errors import NoStream, Refused, StreamDiffers

_LANES: Final = "pyventus-lanes"
_UNLIMITED: Final = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamSettings:
    """How a stream keeps events. Sizes in bytes, times in seconds.

    *lanes*: how many events with different ordering keys may be handled at the same time by one group;
    0 if nothing is ordered. It is fixed for the life of the stream.
    *retention*: ``"limits"`` keeps events until a limit is reached, so that a new group can start from the
    first one; ``"interest"`` deletes an event when every group that exists has handled it.
    *max_bytes*: a full stream refuses new events (``StreamFull``); nothing is deleted to make room.
    *max_age*: events older than this are deleted, handled or not. ``None`` keeps them.
    *duplicates*: how long the server remembers the ids of events, so that a repeated publish is stored once.
    """

    lanes: int = 0
    retention: Literal["limits", "interest"] = "limits"
    max_bytes: int = 1 << 30
    max_age: float | None = None
    duplicates: float = 120.0
    replicas: int = 1
    storage: Literal["file", "memory"] = "file"

    def __post_init__(self) -> None:
        if not 0 <= self.lanes <= 1024:  # noqa: PLR2004  # each lane is a consumer of every group
            raise ValueError(f"lanes={self.lanes} is not between 0 and 1024.")
        if self.duplicates <= 0:
            raise ValueError(f"duplicates={self.duplicates} must be positive: without it a retry is stored twice.")
        if self.max_age is not None and self.max_age < self.duplicates:
            raise ValueError(f"max_age={self.max_age} must not be below duplicates={self.duplicates}.")

    def config(self, stream: str) -> StreamConfig:
        return StreamConfig(
            name=stream,
            subjects=[f"{stream}.>"],
            retention=RetentionPolicy(self.retention),
            storage=StorageType(self.storage),
            discard=DiscardPolicy.NEW,
            max_bytes=self.max_bytes,
            max_age=self.max_age or 0.0,
            duplicate_window=self.duplicates,
            num_replicas=self.replicas,
            metadata={_LANES: str(self.lanes)},
        )


async def ensure_stream(js: JetStreamContext, stream: str, settings: StreamSettings | None) -> StreamInfo:
    """The stream, created if it is missing and *settings* say how. Raises ``StreamDiffers``, ``NoStream``."""
    try:
        info = await js.stream_info(stream)
    except NotFoundError:
        if settings is None:
            raise NoStream(f"There is no stream {stream!r}, and settings=None says not to create one.") from None
        try:
            return await _create(js, settings.config(stream))
        except Refused:
            info = await js.stream_info(stream)  # another process was quicker, with other settings
    if settings is not None:
        _compare(stream, info.config, settings.config(stream))
    return info


async def ensure_dead_stream(js: JetStreamContext, stream: str, replicas: int) -> None:
    """The stream of the dead letters: no limits, because a letter that is refused would come back for ever."""
    name = dead_stream(stream)
    try:
        await js.stream_info(name)
    except NotFoundError:
        await _create(
            js,
            StreamConfig(
                name=name,
                subjects=[f"{name}.>"],
                retention=RetentionPolicy.LIMITS,
                storage=StorageType.FILE,
                discard=DiscardPolicy.NEW,
                max_bytes=_UNLIMITED,
                num_replicas=replicas,
                # A worker that dies between the letter and the end of the message is followed by one that writes it
                # again, after ack_wait.
                duplicate_window=3600.0,
            ),
        )


def lanes_of(info: StreamInfo) -> int:
    return int((info.config.metadata or {}).get(_LANES, "0"))


async def _create(js: JetStreamContext, config: StreamConfig) -> StreamInfo:
    try:
        return await js.add_stream(config)
    except APIError as error:
        raise Refused(f"The server does not create the stream {config.name!r}: {error.description}.") from error


def _compare(stream: str, found: StreamConfig, wanted: StreamConfig) -> None:
    def facts(config: StreamConfig) -> dict[str, object]:
        return {
            "lanes": (config.metadata or {}).get(_LANES, "0"),
            "subjects": config.subjects,
            "retention": str(RetentionPolicy(config.retention or "limits").value),
            "storage": str(StorageType(config.storage or "file").value),
            "discard": str(DiscardPolicy(config.discard or "old").value),
            "max_bytes": config.max_bytes,
            "max_age": config.max_age or 0.0,
            "duplicates": config.duplicate_window,
            "replicas": config.num_replicas,
            # What we never set, and what would break a promise where somebody else did.
            "max_msgs": _limit(config.max_msgs),
            "max_msgs_per_subject": _limit(config.max_msgs_per_subject),
            "max_msg_size": _limit(config.max_msg_size),
            "no_ack": bool(config.no_ack),
        }

    have, want = facts(found), facts(wanted)
    different = {name: (have[name], want[name]) for name in want if have[name] != want[name]}
    if different:
        raise StreamDiffers(stream, different)


def _limit(value: int | None) -> int:
    return value or _UNLIMITED  # the server writes -1 for what was given as 0 or not at all
