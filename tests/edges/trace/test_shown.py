"""The ways to show a timeline: each holds all of it, and nothing of it can break out."""

import json
import re
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from pyventus_typed.trace import DeliveryRecord, EmissionRecord, StepRecord, Timeline
from pyventus_typed.trace._records import MOST_ROWS, pack

EVIL = "</script><script>alert(1)</script><!-- &lt; \u2028 '\""


def emission(number: int, *deliveries: DeliveryRecord, parent: int | None = None, event: str = "") -> EmissionRecord:
    return EmissionRecord(
        id=number,
        parent=parent,
        event=event or f"Event({number})",
        accepted=number,
        settled=number + 9,
        status="failed" if any(one.outcome == "failed" for one in deliveries) else "completed",
        deliveries=deliveries,
    )


RAN = DeliveryRecord(handler="shop.ship", started=3, ended=4, outcome="completed", said="'ok'")
FAILED = DeliveryRecord(
    handler="shop.bill", started=2, ended=5, outcome="failed", said=EVIL, traceback=f"Traceback {EVIL}"
)
NEVER = DeliveryRecord(handler="shop.ship", started=None, ended=None, outcome="discarded", said="cancelled")
TIMELINE = Timeline(
    emissions=(emission(1, RAN, FAILED), emission(2, NEVER, parent=1, event=EVIL), emission(3, parent=2), emission(4)),
    title=f"A shop {EVIL}",
)


def data_of(page: str) -> dict[str, Any]:  # Any: what the page holds
    (text,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    data: dict[str, Any] = json.loads(text)  # Any: as above
    return data


def test_the_page_holds_everything_and_needs_no_network() -> None:
    page = TIMELINE.html()
    data = data_of(page)
    assert [(row[1], row[2], row[5]) for row in data["emissions"]] == [
        (0, "Event(1)", "failed"),
        (1, EVIL, "completed"),
        (2, "Event(3)", "completed"),
        (0, "Event(4)", "completed"),
    ]
    bars = [bar for track in data["tracks"] for bar in track["bars"]]
    assert [bar[5:7] for bar in bars] == [["completed", "'ok'"], ["discarded", "cancelled"], ["failed", EVIL]]
    assert page.count("<script") == 2
    assert "alert(1)" not in page.replace("\\u003c/script>\\u003cscript>alert(1)", "").replace(
        "&lt;script&gt;alert(1)", ""
    )
    assert not re.search(r"https?:|//\w|\bsrc=|\bhref=|@import|fetch\(", page.replace(EVIL, ""))
    assert "default-src 'none'" in page


def test_ten_thousand_emissions_are_one_page_of_a_few_megabytes() -> None:
    many = replace(TIMELINE, emissions=tuple(emission(n, RAN, FAILED, parent=n - 1 or None) for n in range(1, 10_001)))
    page = many.html()
    assert len(data_of(page)["emissions"]) == 10_000
    assert len(page) < 8_000_000


def test_chrome_events_of_one_thread_do_not_overlap_and_hold_waiting_apart() -> None:
    events = json.loads(TIMELINE.chrome())["traceEvents"]
    names = {(one["pid"], one.get("tid")): one["args"]["name"] for one in events if one["ph"] == "M"}
    spans = [
        (names[one["pid"], None], names[one["pid"], one["tid"]], one["ts"], one["dur"])
        for one in events
        if one["ph"] == "X"
    ]
    assert sorted(spans) == [
        ("running", "shop.bill", 2e6, 3e6),
        ("running", "shop.ship", 3e6, 1e6),
        ("waiting", "shop.bill", 1e6, 1e6),
        ("waiting", "shop.ship", 1e6, 2e6),
        ("waiting", "shop.ship (2)", 2e6, 9e6),
    ]
    assert [one["args"]["said"] for one in events if one["name"] == EVIL] == ["cancelled"]


def test_chrome_events_of_one_thread_do_not_overlap_as_readers_count_however_many_wait_and_run_at_once() -> None:
    clock = Random(7)
    instants = sorted(
        clock.uniform(0, 0.001) for _ in range(300)
    )  # many are what one ends with, and another begins with
    deliveries = [
        replace(RAN, started=instants[n + clock.randrange(40)], ended=instants[n + clock.randrange(40, 60)])
        for n in range(200)
    ]
    busy = Timeline(
        emissions=tuple(replace(emission(n, one), accepted=instants[n]) for n, one in enumerate(deliveries))
    )
    events = [one for one in json.loads(busy.chrome())["traceEvents"] if one["ph"] == "X"]
    ends: dict[int, int] = {}
    rows: dict[int, set[int]] = {1: set(), 2: set()}
    for one in sorted(events, key=lambda one: (one["tid"], one["ts"])):
        begin, lasts = int(one["ts"] * 1000), int(one["dur"] * 1000)  # as Perfetto does: cut off, to nanoseconds
        assert begin >= ends.get(one["tid"], 0)
        assert (begin, lasts) == (one["ts"] * 1000, one["dur"] * 1000)  # nothing is cut off
        ends[one["tid"]] = begin + lasts
        rows[one["pid"]].add(one["tid"])
    assert all(len(tids) > MOST_ROWS for tids in rows.values())  # the page has no more, and lets them cross
    assert rows[1].isdisjoint(rows[2])
    assert {1, 2, 3}.isdisjoint(ends)
    running = [one for one in events if one["pid"] == 1]
    assert sorted(one["args"]["emission"] for one in running) == [*range(200)]
    for one in running:
        delivery = deliveries[one["args"]["emission"]]
        assert delivery.started is not None
        assert abs(one["ts"] - delivery.started * 1e6) <= 0.0625


def test_who_does_not_wait_has_no_chrome_event_of_waiting() -> None:
    at_once = Timeline(emissions=(emission(3, RAN),))
    assert [one["pid"] for one in json.loads(at_once.chrome())["traceEvents"] if one["ph"] == "X"] == [1]


def test_the_tree_shows_causes_and_outcomes_by_signs() -> None:
    console = Console(width=120, color_system=None)
    with console.capture() as shown:
        console.print(
            replace(
                TIMELINE, emissions=(*TIMELINE.emissions[:1], emission(2, NEVER, parent=1), *TIMELINE.emissions[2:])
            ).tree()
        )
    assert shown.get().replace(EVIL.replace("\u2028", r"\u2028"), "...").splitlines() == [
        "4 emissions, 3 deliveries: 1 completed, 1 failed, 1 discarded",
        "├── Event(1) at 1 s",
        "│   ├── ✓ shop.ship waited 2 s, ran 1 s: 'ok'",
        "│   ├── ✗ shop.bill waited 1 s, ran 3 s, failed: ...",
        "│   └── Event(2) at 2 s",
        "│       ├── - shop.ship discarded: cancelled",
        "│       └── Event(3) at 3 s no handler receives it",
        "└── Event(4) at 4 s no handler receives it",
    ]


def test_what_a_terminal_takes_for_a_command_is_shown_with_escapes() -> None:
    hostile = "\x1b[2J\x07 \x00 \x9b1m \u202e two\nlines \udcff"
    failed = replace(FAILED, said=hostile, handler=hostile)
    console = Console(width=200, color_system=None)
    with console.capture() as shown:
        console.print(Timeline(emissions=(emission(1, failed, event=hostile),)).tree())
    lines = shown.get().splitlines()
    escaped = r"\x1b[2J\x07 \x00 \x9b1m \u202e two\nlines \udcff"
    assert lines[1:] == [
        f"└── {escaped} at 1 s",
        f"    └── ✗ {escaped} waited 1 s, ran 3 s, failed: {escaped}",
    ]


def test_a_long_chain_of_causes_stays_in_the_line() -> None:
    chain = replace(TIMELINE, emissions=tuple(emission(n, parent=n - 1 or None) for n in range(1, 2_000)))
    console = Console(width=100, color_system=None)
    with console.capture() as shown:
        console.print(chain.tree())
    assert all(f"Event({n})" in shown.get() for n in range(1, 2_000))
    assert max(row[1] for row in data_of(chain.html())["emissions"]) == 1_998


def test_steps_are_drawn_by_task_and_passing_time_across() -> None:
    steps = (
        StepRecord(number=1, who="body", what="starts", time=0),
        StepRecord(number=1, who="time", what="passes: it is 2 s", time=2),
        StepRecord(number=2, who="ship#1", what="resumes", time=2, late=True),
    )
    data = data_of(replace(TIMELINE, unit="steps", steps=steps).html())
    tracks = {track["name"]: track for track in data["tracks"]}
    assert set(tracks) == {"shop.ship", "shop.bill", "body", "ship#1"}
    assert tracks["ship#1"]["late"] == [0]
    assert data["passes"] == [[1, 2]]


def test_an_empty_timeline_can_be_shown() -> None:
    empty = Timeline(emissions=())
    assert data_of(empty.html())["emissions"] == []
    assert json.loads(empty.chrome())["traceEvents"] == []
    assert empty.summary() == "0 emissions, 0 deliveries"


def test_write_goes_by_the_ending(tmp_path: Path) -> None:
    TIMELINE.write(tmp_path / "a.html")
    TIMELINE.write(str(tmp_path / "a.json"))
    assert (tmp_path / "a.html").read_text("utf-8") == TIMELINE.html()
    assert (tmp_path / "a.json").read_text("utf-8") == TIMELINE.chrome()
    with pytest.raises(ValueError, match=r"ends neither in \.html"):
        TIMELINE.write(tmp_path / "a.svg")


def test_what_overlaps_gets_rows_of_its_own_up_to_a_limit() -> None:
    assert pack([(0, 2), (1, 3), (2, 4), (3, 5)]) == [0, 1, 0, 1]
    assert set(pack([(n, 1_000) for n in range(500)])) == set(range(MOST_ROWS))


SPAN = st.tuples(st.integers(0, 50), st.integers(0, 5))


@given(ran=st.lists(SPAN, max_size=30), never=st.integers(0, 40))
def test_what_runs_has_its_place_in_a_row_however_many_wait(ran: list[tuple[int, int]], never: int) -> None:
    deliveries = [
        DeliveryRecord(handler="shop.ship", started=begin, ended=begin + length, outcome="completed", said="")
        for begin, length in ran
    ]
    emissions = [
        replace(emission(n, one), accepted=0, settled=100) for n, one in enumerate((*deliveries, *[NEVER] * never))
    ]
    page = data_of(Timeline(emissions=tuple(emissions), title="").html())
    bars = [bar for track in page["tracks"] for bar in track["bars"]]
    assert len(bars) == len(emissions)
    at_once = max((sum(one.started <= now < one.ended for one in deliveries) for now in range(60)), default=0)  # type: ignore[operator]  # all were started
    if at_once <= MOST_ROWS:
        for row in range(MOST_ROWS):
            mine = sorted((bar[3], bar[4]) for bar in bars if bar[1] == row and bar[3] is not None)
            assert all(end <= begin for (_, end), (begin, _) in zip(mine, mine[1:], strict=False))
    # They are drawn from left to right: of what falls on one pixel only the first is drawn.
    for row in range(MOST_ROWS):
        mine = [bar[4] if bar[3] is None else bar[3] for bar in bars if bar[1] == row]
        assert mine == sorted(mine)
