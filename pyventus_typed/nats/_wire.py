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

from pyventus_typed._spelling import spell_event
from pyventus_typed.errors import InvalidOption
from pyventus_typed.nats._options import check_option
from pyventus_typed.nats.errors import BadWire, PayloadTooLarge

ANY: Final = "any"
AGAIN: Final = "again"

_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,64}")
_WIRE_NAME = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")
_LONGEST = 200  # the server takes more, but a consumer repeats the names of all of its events


def check_token(kind: str, value: str) -> str:
    """Return *value* if it can be the name of a stream or a group."""
    check_option(kind, value, str)
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


def check_event_id(event_id: str) -> str:
    """Return *event_id* if it can identify an event."""
    check_option("event_id", event_id, str)
    if not event_id:
        raise InvalidOption("event_id='' identifies no event: give a text, or None for a new UUID.", event_id)
    try:
        event_id.encode()
    except UnicodeEncodeError as error:
        raise InvalidOption(f"event_id={event_id!r} cannot be written as UTF-8: {error.reason}.", event_id) from None
    return event_id


def check_key(key: object) -> str | None:
    """The ordering key of an event, as text. Refuses what may be another text in another process."""
    if key is None:
        return None
    if not isinstance(key, str | int):
        raise InvalidOption(f"key= returned {spell_event(key)}, and an ordering key is a str, an int, or None.", key)
    return str(key)


def lane_of(key: str, lanes: int) -> int:
    """The lane of *key*. It never changes while the number of lanes stays the same."""
    return zlib.crc32(key.encode(errors="surrogatepass")) % lanes


def event_subject(stream: str, name: str, lane: int | None) -> str:
    return f"{stream}.{ANY if lane is None else lane}.{name}"


def again_subject(stream: str, group: str, name: str) -> str:
    return f"{stream}.{AGAIN}.{group}.{name}"


def dead_stream(stream: str) -> str:
    return f"{stream}-dead"


def dead_subject(stream: str, group: str, name: str) -> str:
    # A consumer that an operator widened delivers subjects that nobody could publish a letter to.
    return f"{dead_stream(stream)}.{group}.{name if _WIRE_NAME.fullmatch(name) else '_'}"


def parts_subject(stream: str) -> str:
    """Where the bytes of a letter are that does not fit into one message. No group can have this name."""
    return f"{dead_stream(stream)}.@part"


def attempts_bucket(stream: str) -> str:
    return f"{stream}-attempts"


def consumer_name(group: str, lane: int | None) -> str:
    # '@' cannot be part of a group, so no group can take the name of another one's lane.
    return group if lane is None else f"{group}@{lane}"


def covers(pattern: str, subject: str) -> bool:
    """Whether *pattern*, which may hold ``*`` and ``>``, is also for *subject*."""
    wanted, given = pattern.split("."), subject.split(".")
    for place, part in enumerate(wanted):
        if part == ">":
            return len(given) > place
        if place >= len(given) or part not in {"*", given[place]}:
            return False
    return len(wanted) == len(given)


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
PARTS: Final = "Pyventus-Parts"

MOST_HEADERS: Final = 65_535  # bytes; the server stores no message with more
# What a dead letter, or sending one again, adds to an event must fit below both limits.
HEADROOM: Final = 8192
_LONGEST_REASON: Final = 4096  # bytes, escaped
_SHORTEST_REASON: Final = 200  # bytes; a letter without room for these goes in parts

_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")  # a token, as HTTP has it: nats-py writes no other name
_VALUE = re.compile(r"[ -~]*")
_SPACE = re.compile(r"\s")
_KEPT = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in '"%')
_NEEDS_NO_ESCAPE = re.compile(f"[{re.escape(_KEPT)}]*")


def escape(text: str) -> str:
    """*text* as CloudEvents wants it in a header: printable ASCII, the rest percent-encoded UTF-8."""
    if _NEEDS_NO_ESCAPE.fullmatch(text):
        return text
    return quote(text, safe=_KEPT, errors="backslashreplace")


def unescape(value: str) -> str:
    return unquote(value)


def cloud_event(*, event_id: str, name: str, source: str, time: datetime, content_type: str) -> dict[str, str]:
    """The headers of one event. They also carry the id by which JetStream recognises a second copy."""
    # Escaped there too: JetStream compares what is written, and of "a" and "a " the first one would be written twice.
    written_id = escape(event_id)
    return {
        MSG_ID: written_id,
        "ce-specversion": "1.0",
        ID: written_id,
        TYPE: name,
        SOURCE: escape(source),
        TIME: time.isoformat(),
        "ce-datacontenttype": content_type,
    }


def check_extra(extra: Mapping[str, str]) -> Mapping[str, str]:
    """Return *extra* if a user may add it: what we and the server use is not theirs."""
    if not isinstance(extra, Mapping):
        raise InvalidOption(
            f"headers= returned {spell_event(extra)}, and it must return a mapping of str to str.", extra
        )
    for key, value in extra.items():
        if not all(isinstance(part, str) for part in (key, value)):
            raise InvalidOption(f"The header {key!r}: {spell_event(value)} is not a pair of str and str.", value)
        if key.lower().startswith(("ce-", "nats-", "pyventus-")):
            raise ValueError(f"The header {key!r} is taken: names with ce-, Nats- and Pyventus- are ours.")
        if not _NAME.fullmatch(key):
            raise ValueError(f"{key!r} cannot name a header: use ASCII letters, digits and any of !#$%&'*+-.^_`|~")
        if not _VALUE.fullmatch(value):
            raise ValueError(f"The header {key!r} cannot have the value {value!r}: use printable ASCII, or quote it.")
    return extra


def check_content_type(value: str) -> str:
    """Return *value* if it can be CloudEvents' ``datacontenttype``."""
    check_option("content_type", value, str)
    if not value or not _VALUE.fullmatch(value):
        raise InvalidOption(
            f"content_type={value!r} must be a media type, in printable ASCII: 'application/json'.", value
        )
    return value


def check_size(name: str, data: bytes, headers: Mapping[str, str], max_payload: int) -> None:
    """Refuse an event for which, or for whose dead letter, the server has no room: its limit counts headers too."""
    block = size_of_headers(headers)
    if block > MOST_HEADERS - HEADROOM:
        raise PayloadTooLarge(name, block, MOST_HEADERS - HEADROOM, "of headers")
    if block + len(data) > max_payload - HEADROOM:
        raise PayloadTooLarge(name, block + len(data), max_payload - HEADROOM, "with its headers")


def size_of_headers(headers: Mapping[str, str]) -> int:
    """How many bytes *headers* are on the wire: as many as ``header_block`` makes, without making it."""
    if isinstance(headers, WrittenHeaders):
        return len(headers.block)
    if not headers:
        return 0
    text = "".join((*headers, *headers.values()))
    size = len(text) if text.isascii() else len(text.encode(errors="backslashreplace"))
    return size + len(headers) * len(": \r\n") + len("NATS/1.0\r\n\r\n")


def header_block(headers: Mapping[str, str]) -> bytes:
    """*headers* as they are on the wire, whatever they hold."""
    return "\r\n".join(("NATS/1.0", *map(": ".join, headers.items()), "", "")).encode(errors="backslashreplace")


class WrittenHeaders(dict[str, str]):
    """Headers that were checked, and the *block* that they are on the wire, made once for all tries."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        super().__init__(headers)
        self.block = header_block(headers)


def read_header_block(block: bytes) -> dict[str, str]:
    """The headers that *block* holds. It may come from anywhere: what is not text is replaced, and nothing raises.

    A status line becomes the headers ``Status`` and ``Description``, as it does in nats-py.
    """
    first, *lines = block.decode("utf-8", "replace").split("\r\n")
    found: dict[str, str] = {}
    status, _, description = first.removeprefix("NATS/1.0").strip().partition(" ")
    if status.isdecimal():
        found["Status"] = status
        if description:
            found["Description"] = description
    for line in lines:
        key, colon, value = line.partition(":")
        if colon and (key := key.strip()) and not _SPACE.search(key):
            found[key] = value.strip()
    return found


def writable(headers: Mapping[str, str]) -> Mapping[str, str]:
    """Those of *headers* that can be written; others come from a propagator that does not know of NATS."""
    return {key: value for key, value in headers.items() if _NAME.fullmatch(key) and _VALUE.fullmatch(value)}


def can_be_written(headers: Mapping[str, str]) -> bool:
    """Whether nats-py writes *headers* as they are, and the server stores them."""
    return size_of_headers(headers) <= MOST_HEADERS and all(
        _NAME.fullmatch(key) and "\r" not in value and "\n" not in value for key, value in headers.items()
    )


def dead_letter(
    original: Mapping[str, str],
    *,
    group: str,
    subject: str,
    sequence: int,
    attempts: int,
    reason: str,
    time: datetime,
    room: int,
) -> dict[str, str] | None:
    """The headers of a dead letter: those of the message, and who gave it up, when and why.

    ``Nats-`` headers are orders to the server, for the stream that they were written for: they do not travel.
    The reason is cut to what *room* bytes leave for it. ``None`` if that is nothing, or a header cannot be written.
    """
    headers = {
        **original_headers({key: value for key, value in original.items() if not key.lower().startswith("nats-")}),
        GROUP: group,
        ORIGIN: escape(subject),
        SEQUENCE: str(sequence),
        ATTEMPTS: str(attempts),
        DIED: time.isoformat(),
        REASON: "",
    }
    left = min(room, MOST_HEADERS) - size_of_headers(headers)
    if left < _SHORTEST_REASON or not can_be_written(headers):
        return None
    headers[REASON] = _cut(escape(reason), min(left, _LONGEST_REASON))
    return headers


def _cut(escaped: str, room: int) -> str:
    more = " [...]"
    return escaped if len(escaped) <= room else re.sub(r"%.?$", "", escaped[: room - len(more)]) + more


def original_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers of a dead letter as they were before it died."""
    return {key: value for key, value in headers.items() if not key.lower().startswith("pyventus-")}


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
