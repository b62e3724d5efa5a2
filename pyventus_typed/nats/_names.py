"""The names that go over the wire: streams, groups, subjects. Pure functions.

``<stream>.any.<wire name>``            an event without an ordering key
``<stream>.<lane>.<wire name>``         an event with one; the lane is a number, derived from the key
``<stream>.again.<group>.<wire name>``  a dead letter that was sent again: only its group asks for it
"""

import re
import zlib
from dataclasses import dataclass
from typing import Final

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
