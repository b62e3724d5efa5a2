"""What a message looks like: its subject, its headers, and what a handler can read of it.

``<stream>.any.<wire name>``            an event without an ordering key
``<stream>.<lane>.<wire name>``         an event with one; the lane is a number, derived from the key
``<stream>.again.<group>.<wire name>``  a dead letter that was sent again: only its group asks for it
"""

import re
import zlib
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Final
from urllib.parse import quote, unquote

from nats.aio.msg import Msg

from pyventus_typed.nats.errors import BadWire

ANY: Final = "any"
AGAIN: Final = "again"

_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,64}")
_WIRE_NAME = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")
_LONGEST = 200  # the server takes more, but a consumer repeats the names of all of its events


def check_token(kind: str, value: str) -> str:
    """Return *value* if it can be the name of a stream or a group."""
    if not _TOKEN.fullmatch(value):
        raise ValueError(f"{value!r} cannot name a {kind}: use 1 to 64 letters, digits, '_' or '-'.")
    return value


def check_wire_name(name: str) -> str:
    """Return *name* if it can be a wire name."""
    if len(name) > _LONGEST or not _WIRE_NAME.fullmatch(name):
        raise BadWire(
            f"{name!r} cannot be a wire name: use letters, digits, '_' and '-', in parts joined by dots, "
            f"at most {_LONGEST} characters, with the version last: 'shop.order_placed.v1'."
        )
    return name


def lane_of(key: str, lanes: int) -> int:
    """The lane of *key*. It never changes while the number of lanes stays the same."""
    return zlib.crc32(key.encode()) % lanes


def event_subject(stream: str, name: str, lane: int | None) -> str:
    return f"{stream}.{ANY if lane is None else lane}.{name}"


def again_subject(stream: str, group: str, name: str) -> str:
    return f"{stream}.{AGAIN}.{group}.{name}"


def dead_stream(stream: str) -> str:
    return f"{stream}-dead"


def dead_subject(stream: str, group: str, name: str) -> str:
    return f"{dead_stream(stream)}.{group}.{name}"


def attempts_bucket(stream: str) -> str:
    return f"{stream}-attempts"


def consumer_name(group: str, lane: int | None) -> str:
    # '@' cannot be part of a group, so no group can take the name of another one's lane.
    return group if lane is None else f"{group}@{lane}"


@dataclass(frozen=True, slots=True)
class Address:
    """A subject, read back."""

    name: str
    lane: int | None


def read_subject(stream: str, subject: str) -> Address:
    """What *subject*, which a consumer of *stream* delivered, says about its message."""
    place, _, rest = subject.removeprefix(f"{stream}.").partition(".")
    if place == AGAIN:
        return Address(rest.partition(".")[2], None)
    return Address(rest, int(place) if place.isdecimal() else None)


MSG_ID: Final = "Nats-Msg-Id"
ID: Final = "ce-id"
TYPE: Final = "ce-type"
SOURCE: Final = "ce-source"
TIME: Final = "ce-time"

GROUP: Final = "Pyventus-Group"
ORIGIN: Final = "Pyventus-Subject"
SEQUENCE: Final = "Pyventus-Sequence"
ATTEMPTS: Final = "Pyventus-Attempts"
REASON: Final = "Pyventus-Reason"
DIED: Final = "Pyventus-Time"

HEADROOM: Final = 8192  # what a dead letter adds to an event must still fit below the server's max_payload
_LONGEST_REASON = 2000

_NAME = re.compile(r"[!-9;-~]+")  # printable ASCII without space and ':'
_VALUE = re.compile(r"[ -~]*")
_KEPT = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in '"%')


def escape(text: str) -> str:
    """*text* as CloudEvents wants it in a header: printable ASCII, the rest percent-encoded UTF-8."""
    return quote(text, safe=_KEPT)


def unescape(value: str) -> str:
    return unquote(value)


def cloud_event(*, event_id: str, name: str, source: str, time: datetime, content_type: str) -> dict[str, str]:
    """The headers of one event. They also carry the id by which JetStream recognises a second copy."""
    return {
        MSG_ID: event_id,
        "ce-specversion": "1.0",
        ID: escape(event_id),
        TYPE: name,
        SOURCE: escape(source),
        TIME: time.isoformat(),
        "ce-datacontenttype": content_type,
    }


def check_extra(extra: Mapping[str, str]) -> Mapping[str, str]:
    """Return *extra* if a user may add it: what we and the server use is not theirs."""
    for key, value in extra.items():
        if key.lower().startswith(("ce-", "nats-", "pyventus-")):
            raise ValueError(f"The header {key!r} is taken: names with ce-, Nats- and Pyventus- are ours.")
        if not _NAME.fullmatch(key):
            raise ValueError(f"{key!r} cannot name a header: use printable ASCII without spaces or ':'.")
        if not _VALUE.fullmatch(value):
            raise ValueError(f"The header {key!r} cannot have the value {value!r}: use printable ASCII, or quote it.")
    return extra


def dead_letter(
    original: Mapping[str, str], *, group: str, subject: str, sequence: int, attempts: int, reason: str, time: datetime
) -> dict[str, str]:
    """The headers of a dead letter: those of the message, and who gave it up, when and why.

    ``Nats-`` headers are orders to the server, for the stream that they were written for: they do not travel.
    """
    short = reason if len(reason) <= _LONGEST_REASON else reason[:_LONGEST_REASON] + " [...]"
    return {
        **{key: value for key, value in original.items() if not key.lower().startswith("nats-")},
        GROUP: group,
        ORIGIN: subject,
        SEQUENCE: str(sequence),
        ATTEMPTS: str(attempts),
        REASON: escape(short)[: HEADROOM // 2],
        DIED: time.isoformat(),
    }


def original_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers of a dead letter as they were before it died."""
    return {key: value for key, value in headers.items() if not key.startswith("Pyventus-")}


@dataclass(frozen=True, slots=True)
class Received:
    """One delivery of one message to one group.

    *id* is CloudEvents' ``id``: the same for every delivery, to every group, and when a dead letter is sent
    again. It is the key for an inbox table, by which a handler makes its effect happen once.
    *time* is when the stream stored it. *attempt* counts from 1.
    """

    id: str
    name: str
    source: str
    time: datetime
    stream: str
    sequence: int
    group: str
    attempt: int
    headers: Mapping[str, str]


_current: ContextVar[Received] = ContextVar("pyventus_typed_nats_received")


def received() -> Received:
    """The message whose handlers run in this context. Raises ``LookupError`` outside of a worker's handler."""
    try:
        return _current.get()
    except LookupError:
        raise LookupError("received() is for handlers that a Worker runs: no message is being handled here.") from None


def set_received(message: Received) -> None:
    _current.set(message)


def read(msg: Msg, *, stream: str, group: str, attempt: int) -> Received:
    headers = MappingProxyType(dict(msg.headers or {}))
    sequence = msg.metadata.sequence.stream
    return Received(
        id=unescape(headers.get(ID, "")) or headers.get(MSG_ID) or f"{stream}:{sequence}",
        name=read_subject(stream, msg.subject).name,
        source=unescape(headers.get(SOURCE, "")),
        time=msg.metadata.timestamp,
        stream=stream,
        sequence=sequence,
        group=group,
        attempt=attempt,
        headers=headers,
    )
