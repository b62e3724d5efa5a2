"""How often the handlers of a message were started, and what came of it.

The server counts deliveries. That is not the same: when a process dies, everything that it held counts one
more, also what had not started. So a worker keeps its own record of a message, from its first failure on.
"""

import contextlib
from dataclasses import dataclass

import msgspec
from nats.js import JetStreamContext
from nats.js.api import KeyValueConfig
from nats.js.errors import BucketNotFoundError, KeyNotFoundError
from nats.js.kv import KeyValue

_KEEP = 30 * 24 * 3600.0  # seconds; records of messages that were deleted before they were settled


@dataclass(frozen=True, slots=True)
class Record:
    """*started* attempts; *open* while nobody knows how the last one ended; *reason*: the last failure."""

    started: int
    open: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do with a delivery: the number of this attempt, or why there is none."""

    attempt: int
    alone: bool = False
    give_up: str | None = None


def plan(delivered: int, record: Record | None, attempts: int) -> Plan:
    """Decide about the message that the server delivers for the *delivered*-th time."""
    if delivered <= 1:
        return Plan(attempt=1)
    # Delivered before, and nobody wrote down a failure: the process was killed, or the server lost the answer.
    known = record or Record(started=1, open=True)
    if known.started >= attempts:
        died = f"The process ended while it was handled, {known.started} times."
        reason = known.reason if not known.open else f"{died} {known.reason}".rstrip()
        return Plan(known.started, give_up=reason)
    return Plan(known.started + 1, alone=known.open)


class Records:
    """The records of one group, in a key-value bucket beside the stream."""

    def __init__(self, bucket: KeyValue, prefix: str) -> None:
        self._bucket = bucket
        self._prefix = prefix

    @classmethod
    async def open(cls, js: JetStreamContext, bucket: str, prefix: str, replicas: int) -> "Records":
        try:
            kv = await js.key_value(bucket)
        except BucketNotFoundError:
            kv = await js.create_key_value(KeyValueConfig(bucket=bucket, ttl=_KEEP, replicas=replicas))
        return cls(kv, prefix)

    async def read(self, sequence: int) -> Record | None:
        try:
            entry = await self._bucket.get(f"{self._prefix}.{sequence}")
        except KeyNotFoundError:  # also what a deleted key raises
            return None
        return None if not entry.value else msgspec.json.decode(entry.value, type=Record)

    async def write(self, sequence: int, record: Record) -> None:
        await self._bucket.put(f"{self._prefix}.{sequence}", msgspec.json.encode(record))

    async def forget(self, sequence: int) -> None:
        with contextlib.suppress(KeyNotFoundError):
            await self._bucket.purge(f"{self._prefix}.{sequence}")
