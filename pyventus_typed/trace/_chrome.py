"""A timeline as Chrome's trace events."""

from __future__ import annotations

import json
from dataclasses import dataclass
from heapq import heappop, heappush

from ._records import Recording
from ._tracks import Bar, tracks

_RUNNING, _WAITING, _STEPS = 1, 2, 3
_PROCESSES = {_RUNNING: "running", _WAITING: "waiting", _STEPS: "steps"}
_PARTS = 8


@dataclass(frozen=True, slots=True)
class _Span:
    """From *begin* to *end*, in parts of a microsecond."""

    begin: int
    end: int
    name: str
    args: dict[str, object]


def chrome(timeline: Recording) -> str:
    """One JSON object. A handler has as many "threads" as it needs: what overlaps in one of them, readers drop or cross."""
    # Times are whole eighths of a microsecond. Readers add them as floats and cut them to nanoseconds; of these no digit
    # is lost, while sums of others overlap what comes next by a nanosecond.
    scale = _PARTS * (1e6 if timeline.unit == "s" else 1e3)
    spans: dict[tuple[int, str], list[_Span]] = {}

    def add(process: int, track: str, name: str, begin: float, end: float, args: dict[str, object]) -> None:
        span = _Span(round(begin * scale), round(max(begin, end) * scale), name, args)
        if process != _WAITING or span.begin < span.end:  # most wait no time at all
            spans.setdefault((process, track), []).append(span)

    for track in tracks(timeline):
        for bar in track.bars:
            if bar.step is not None:
                add(_STEPS, track.name, bar.step.what, bar.queued, bar.end, {"late": bar.step.late})
                continue
            args = _arguments(timeline, bar)
            name = timeline.emissions[bar.emission].event
            add(_WAITING, track.name, name, bar.queued, bar.end if bar.started is None else bar.started, args)
            if bar.started is not None:
                add(_RUNNING, track.name, name, bar.started, bar.end, args)
    said: list[dict[str, object]] = [
        {"name": "process_name", "ph": "M", "pid": process, "args": {"name": name}}
        for process, name in _PROCESSES.items()
        if any(key[0] == process for key in spans)
    ]
    events: list[dict[str, object]] = []
    thread = max(_PROCESSES)  # no thread has the number of a process: to some readers that is the process's first one
    for (process, handler), own in spans.items():
        for number, row in enumerate(_rows(own), start=1):
            thread += 1
            place = {"pid": process, "tid": thread}
            name = handler if number == 1 else f"{handler} ({number})"
            said.append({"name": "thread_name", "ph": "M", **place, "args": {"name": name}})
            events += [{"name": one.name, "ph": "X", **place, **_times(one), "args": one.args} for one in row]
    return json.dumps({"traceEvents": said + events, "displayTimeUnit": "ms"})


def _rows(spans: list[_Span]) -> list[list[_Span]]:
    """*spans* in as few rows as are needed, so that those of one row do not overlap, in the order of their begins."""
    rows: list[list[_Span]] = []
    ends: list[tuple[int, int]] = []  # a heap: when a row is free, and which one
    for span in sorted(spans, key=lambda one: (one.begin, one.end)):
        if ends and ends[0][0] <= span.begin:
            row = heappop(ends)[1]
        else:
            row = len(rows)
            rows.append([])
        rows[row].append(span)
        heappush(ends, (span.end, row))
    return rows


def _times(span: _Span) -> dict[str, float]:
    return {"ts": span.begin / _PARTS, "dur": (span.end - span.begin) / _PARTS}


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
