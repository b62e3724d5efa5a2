"""What was recorded, as values: emissions, their deliveries, and the steps of a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from pyventus_typed._spelling import several

Unit: TypeAlias = Literal["s", "steps"]
Outcome: TypeAlias = Literal["pending", "completed", "cancelled", "failed", "discarded"]
SIGNS: dict[Outcome, str] = {"pending": "…", "completed": "✓", "cancelled": "⊘", "failed": "✗", "discarded": "-"}


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryRecord:
    """One delivery: it waited from ``accepted`` of its emission until ``started``, and ran until ``ended``."""

    handler: str
    started: float | None
    """When the handler was called; ``None`` if it was not, or not yet."""
    ended: float | None
    """When it had its outcome; ``None`` if it was not started, or has none yet."""
    outcome: Outcome
    said: str = ""
    """What the handler returned, if that was not ``None``; the error in one line; why it was discarded."""
    traceback: str = ""
    """Of the error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EmissionRecord:
    """One emission, with its deliveries."""

    id: int
    parent: int | None
    """The id of the emission whose handler emitted this one; it may have been made before the recording began."""
    event: str
    accepted: float
    settled: float | None
    """``None`` if it was pending at the end of the recording."""
    status: Outcome
    deliveries: tuple[DeliveryRecord, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRecord:
    """One step of a run of the testing kit: who ran, and what it did."""

    number: int
    who: str
    what: str
    time: float
    """The virtual time, in seconds."""
    late: bool = False
    """Others went first."""
    ahead: bool = False
    """It overtook somebody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """A recording, as values."""

    emissions: tuple[EmissionRecord, ...]
    """In the order of acceptance."""
    title: str = "Trace"
    unit: Unit = "s"
    """Times are in seconds since the first emission, or are numbers of steps."""
    steps: tuple[StepRecord, ...] = field(default=())
    """Of a run of the testing kit."""

    def summary(self) -> str:
        """In one line: how many emissions and deliveries there are, and how they ended."""
        deliveries = [delivery for emission in self.emissions for delivery in emission.deliveries]
        counts = Counter(delivery.outcome for delivery in deliveries)
        how = ", ".join(f"{counts[outcome]} {outcome}" for outcome in SIGNS if counts[outcome])
        said = f"{several(len(self.emissions), 'emission')}, "
        return said + (f"{len(deliveries)} deliver{'y' if len(deliveries) == 1 else 'ies'}{f': {how}' if how else ''}")


def show_time(time: float, unit: Unit) -> str:
    """*time* with its unit, short: ``1.5 ms``."""
    if unit == "steps":
        return several(round(time), "step")
    for factor, name in ((1, "s"), (1e3, "ms"), (1e6, "µs")):
        if time * factor >= 1:
            return f"{time * factor:.3g} {name}"
    return f"{time * 1e6:.2g} µs" if time > 0 else "0"


MOST_ROWS = 12


def pack(spans: Sequence[tuple[float, float]]) -> list[int]:
    """A row for each of the *spans*, which are in the order of their begins, so that those of one row do not overlap.

    There are at most `MOST_ROWS`; what finds none that is free gets the one that is free first.
    """
    ends: list[float] = []
    rows: list[int] = []
    for begin, end in spans:
        row = next((row for row, busy in enumerate(ends) if busy <= begin), len(ends))
        if row == MOST_ROWS:
            row = min(range(MOST_ROWS), key=ends.__getitem__)
        if row == len(ends):
            ends.append(end)
        else:
            ends[row] = max(end, ends[row])
        rows.append(row)
    return rows
