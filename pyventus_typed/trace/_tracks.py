"""What is where on the timeline: a track for each handler, in rows that do not overlap."""

from __future__ import annotations

from dataclasses import dataclass

from ._records import MOST_ROWS, DeliveryRecord, Recording, StepRecord, pack


@dataclass(slots=True)
class Bar:
    """A delivery, or a step, on its track."""

    queued: float
    started: float | None
    end: float
    emission: int = -1
    """Its index in the timeline."""
    delivery: DeliveryRecord | None = None
    step: StepRecord | None = None
    row: int = 0


@dataclass(slots=True)
class Track:
    """What happened to one handler, or in one task, in the order of time."""

    name: str
    bars: list[Bar]


def last_instant(timeline: Recording) -> float:
    """When the recording ends."""
    instants = [one.settled if one.settled is not None else one.accepted for one in timeline.emissions]
    instants += [own.ended or own.started or 0 for one in timeline.emissions for own in one.deliveries]
    instants += [step.number + 1 for step in timeline.steps]
    return max(instants, default=0.0)


def tracks(timeline: Recording) -> list[Track]:
    """Handlers in the order in which they were first delivered to, then tasks in the order of their first steps."""
    last = last_instant(timeline)
    handlers: dict[str, Track] = {}
    tasks: dict[str, Track] = {}
    for index, emission in enumerate(timeline.emissions):
        end = last if emission.settled is None else emission.settled
        for own in emission.deliveries:
            bar = Bar(emission.accepted, own.started, end if own.ended is None else own.ended, index, own)
            handlers.setdefault(own.handler, Track(own.handler, [])).bars.append(bar)
    for step in timeline.steps:
        if step.who == "time":
            continue  # a line across all tracks
        bar = Bar(step.number, step.number, step.number + 1, step=step)
        tasks.setdefault(step.who, Track(step.who, [])).bars.append(bar)
    for track in handlers.values():
        _give_rows(track)
    return [*handlers.values(), *tasks.values()]


def _give_rows(track: Track) -> None:
    track.bars.sort(key=lambda bar: bar.queued)
    rows = pack([(bar.queued, bar.end) for bar in track.bars])
    if max(rows) == MOST_ROWS - 1:  # so many wait that their lines may cross other bars; those that run shall not
        track.bars.sort(key=_beginning)
        rows = pack([(_beginning(bar), bar.end) for bar in track.bars])
    for bar, row in zip(track.bars, rows, strict=True):
        bar.row = row


def _beginning(bar: Bar) -> float:
    """Where its bar begins. What never started is a mark at its end."""
    return bar.end if bar.started is None else bar.started
