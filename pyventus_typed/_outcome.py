"""What became of a delivery and of an emission, and the counts of emissions."""

import enum
from dataclasses import dataclass
from typing import Final, TypeAlias


@dataclass(frozen=True, slots=True)
class Completed:
    """The handler returned *value*, and so did its callback, if it has one."""

    value: object


@dataclass(frozen=True, slots=True)
class Failed:
    """*error* left the handler, its predicate or its callback; a timeout is ``Failed(TimeoutError())``."""

    error: Exception


@dataclass(frozen=True, slots=True)
class Cancelled:
    """``CancelledError`` left the handler."""


@dataclass(frozen=True, slots=True)
class Discarded:
    """Cut off: the handler was not seen to return or to raise an exception.

    *reason* is ``"capacity"``, ``"cancelled"``, ``"loop closed"``, ``"loop lost"``, or the exception that cut it off.
    *started* is false if not one instruction of the handler ran.
    """

    reason: str
    started: bool


NOTHING: Final = Completed(None)
"""What most handlers return, shared."""
CANCELLED_BEFORE_START: Final = Discarded("cancelled", started=False)
"""Of what was cancelled while it waited."""

Outcome: TypeAlias = Completed | Failed | Cancelled | Discarded


class Status(enum.Enum):
    """The status of an emission: pending while a delivery is open, then the worst of its deliveries. The last one
    here is the worst."""

    PENDING = "pending"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    FAILED = "failed"
    DISCARDED = "discarded"


@dataclass(frozen=True, slots=True)
class Tally:
    """Counts of emissions: ``accepted == pending + completed + failed + cancelled + discarded``, at any moment."""

    accepted: int
    pending: int
    completed: int
    failed: int
    cancelled: int
    discarded: int
    rejected: int  # refused by emit(), therefore never accepted
