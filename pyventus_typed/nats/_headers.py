"""Headers: CloudEvents in NATS' binary mode, and what a dead letter says about itself. Pure functions."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Final
from urllib.parse import quote, unquote

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


def without_obituary(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers of a dead letter as they were before it died."""
    return {key: value for key, value in headers.items() if not key.startswith("Pyventus-")}
