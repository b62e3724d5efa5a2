"""The message that is being handled, for handlers that want to know more than the event."""

from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from nats.aio.msg import Msg

from pyventus_typed.nats._headers import ID, MSG_ID, SOURCE, unescape
from pyventus_typed.nats._names import read_subject


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
