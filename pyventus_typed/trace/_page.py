"""A timeline as one page that needs no network."""

from __future__ import annotations

import html
import json
from pathlib import Path

from ._records import SIGNS, Recording
from ._tracks import last_instant, tracks

_TEMPLATE = Path(__file__).with_name("page.html")


def page(timeline: Recording) -> str:
    """The page, with all that it shows inside."""
    data = {
        "unit": timeline.unit,
        "end": last_instant(timeline),
        "signs": SIGNS,
        "emissions": _emissions(timeline),
        "tracks": [
            {
                "name": track.name,
                "rows": max(bar.row for bar in track.bars) + 1,
                "bars": [
                    [bar.emission, bar.row, _brief(bar.queued), _brief(bar.started), _brief(bar.end), *said]
                    for bar in track.bars
                    for said in [
                        [bar.delivery.outcome, bar.delivery.said, bar.delivery.traceback]
                        if bar.delivery is not None
                        else [None, bar.step.what if bar.step else "", ""]
                    ]
                ],
                "late": [index for index, bar in enumerate(track.bars) if bar.step is not None and bar.step.late],
                "ahead": [index for index, bar in enumerate(track.bars) if bar.step is not None and bar.step.ahead],
            }
            for track in tracks(timeline)
        ],
        "passes": [[step.number, step.time] for step in timeline.steps if step.who == "time"],
    }
    # In a script element only "</script" and "<!--" mean something: there is no "<" in it.
    spelled = json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")
    text = _TEMPLATE.read_text(encoding="utf-8").replace("{{title}}", html.escape(timeline.title))
    return text.replace("{{summary}}", html.escape(timeline.summary())).replace("{{data}}", spelled)


def _emissions(timeline: Recording) -> list[list[object]]:
    """Each with its depth below its cause, every one behind the one that it was emitted by."""
    index_of = {emission.id: index for index, emission in enumerate(timeline.emissions)}
    below: dict[int, list[int]] = {}
    for index, emission in enumerate(timeline.emissions):
        below.setdefault(-1 if emission.parent is None else index_of.get(emission.parent, -1), []).append(index)
    rows: list[list[object]] = []
    left = [(index, 0) for index in reversed(below.get(-1, []))]
    while left:
        index, depth = left.pop()
        one = timeline.emissions[index]
        rows.append(
            [index, depth, one.event, _brief(one.accepted), _brief(one.settled), one.status, one.id, one.parent]
        )
        left += [(child, depth + 1) for child in reversed(below.get(index, []))]
    return rows


def _brief(time: float | None) -> float | None:
    return None if time is None else round(time, 9)
