"""A timeline as Chrome's trace events."""

from __future__ import annotations

import json

from ._records import Recording
from ._tracks import Bar, tracks

_RUNNING, _WAITING, _STEPS = 1, 2, 3


def chrome(timeline: Recording) -> str:
    """One JSON object. Each row of a handler is a "thread", because events of one thread must not overlap."""
    scale = 1e6 if timeline.unit == "s" else 1e3
    events: list[dict[str, object]] = []
    names: dict[tuple[int, str, int], int] = {}

    def add(process: int, track: str, row: int, name: str, begin: float, end: float, args: dict[str, object]) -> None:
        thread = names.setdefault((process, track, row), len(names) + 1)
        span = {"ts": begin * scale, "dur": max(end - begin, 0) * scale}
        events.append({"name": name, "ph": "X", "pid": process, "tid": thread, **span, "args": args})

    for track in tracks(timeline):
        for bar in track.bars:
            if bar.step is not None:
                add(_STEPS, track.name, bar.row, bar.step.what, bar.queued, bar.end, {"late": bar.step.late})
                continue
            args = _arguments(timeline, bar)
            name = timeline.emissions[bar.emission].event
            if bar.started is not None:
                add(_RUNNING, track.name, bar.row, name, bar.started, bar.end, args)
            add(_WAITING, track.name, bar.row, name, bar.queued, bar.end if bar.started is None else bar.started, args)
    processes = {_RUNNING: "running", _WAITING: "waiting", _STEPS: "steps"}
    said: list[dict[str, object]] = [
        {"name": "process_name", "ph": "M", "pid": process, "args": {"name": name}}
        for process, name in processes.items()
        if any(key[0] == process for key in names)
    ]
    said += [
        {"name": "thread_name", "ph": "M", "pid": process, "tid": thread, "args": {"name": _numbered(track, row)}}
        for (process, track, row), thread in names.items()
    ]
    return json.dumps({"traceEvents": said + events, "displayTimeUnit": "ms"})


def _numbered(track: str, row: int) -> str:
    return track if not row else f"{track} ({row + 1})"


def _arguments(timeline: Recording, bar: Bar) -> dict[str, object]:
    emission = timeline.emissions[bar.emission]
    assert bar.delivery is not None  # a bar is of a delivery, or of a step
    texts = {"said": bar.delivery.said, "traceback": bar.delivery.traceback}
    return {
        "emission": emission.id,
        "parent": emission.parent,
        "outcome": bar.delivery.outcome,
        **{key: text for key, text in texts.items() if text},
    }
