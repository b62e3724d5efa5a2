"""The drawings: what is on them, that they are sound, and that nothing on them hides anything else."""

import itertools
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, make_dataclass
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyventus_typed import Emitter, Event, Linker, Request
from pyventus_typed.errors import InvalidOption
from pyventus_typed.wiring import Emits, Place, Report, WiredEvent, WiredHandler, check, render

SVG = "{http://www.w3.org/2000/svg}"


class Order(Event): ...


@dataclass(frozen=True)
class Placed(Order): ...


@dataclass(frozen=True)
class Paid(Order):
    notes: list[str]


@dataclass(frozen=True)
class Lost(Order): ...


@dataclass(frozen=True)
class PriceOf(Request[int]): ...


@dataclass(frozen=True)
class Orphan(Event): ...


@pytest.fixture(scope="module")
def report() -> Report:
    linker = Linker()
    emitter = Emitter(linker)

    @linker.on(Placed)
    def pay(event: Placed) -> None:
        emitter.emit(Paid([]))

    @linker.on(Paid)
    def again(event: Paid) -> None:
        emitter.emit(Placed())

    @linker.on(Order)
    def audit(event: Order) -> None: ...

    @linker.answer(PriceOf)
    def price(request: PriceOf) -> int:
        return 1

    return check(linker, family=Order | PriceOf | Orphan)


def test_json_holds_the_whole_report(report: Report) -> None:
    document = json.loads(render(report, "json"))
    assert document["version"] == 1
    assert [each["rule"] for each in document["faults"]] == [fault.rule for fault in report.faults]
    assert {each["place"]["file"] for each in document["handlers"]} == {"tests/edges/wiring/test_graphs.py"}
    events = {each["name"]: each for each in document["events"]}
    names = [each["name"] for each in document["handlers"]]
    assert [names[number] for number in events["Lost"]["receivers"]] == ["audit"]
    assert document["handlers"][names.index("pay")]["emits"][0]["event"] == "Paid"
    assert document["cycles"] == [[{"event": "Placed", "handler": "pay"}, {"event": "Paid", "handler": "again"}]]


def test_text_says_who_receives_and_who_emits(report: Report) -> None:
    text = render(report, "text")
    assert re.search(r"^Placed  .*\n  -> pay .*, emits Paid\n  -> audit ", text, re.MULTILINE)
    assert re.search(r"^PriceOf  .*\n  answered by price ", text, re.MULTILINE)
    assert re.search(r"^Orphan  .*, no handler receives it$", text, re.MULTILINE)
    assert text.endswith(f"{report}\n")


def test_mermaid_draws_what_the_handlers_are_linked_to(report: Report) -> None:
    lines = [line.strip() for line in render(report, "mermaid").splitlines()]
    keys = {match[2]: match[1] for line in lines if (match := re.fullmatch(r'(\w+)[\[({]+"(.*?)"[\])}]+', line))}
    assert set(keys) == {"Placed", "Paid", "Lost", "PriceOf", "Orphan", "any Order", "pay", "again", "audit", "price"}
    edges = {
        (source, arrow, target)
        for line in lines
        if (found := re.fullmatch(r"(\w+) (-->|==>|-\.->) (\w+)", line))
        for source, arrow, target in [found.groups()]
    }
    assert edges == {
        (keys["Placed"], "-->", keys["pay"]),
        (keys["pay"], "==>", keys["Paid"]),
        (keys["Paid"], "-->", keys["again"]),
        (keys["again"], "==>", keys["Placed"]),
        (keys["Lost"], "-.->", keys["any Order"]),
        (keys["any Order"], "-->", keys["audit"]),
        (keys["PriceOf"], "-->", keys["price"]),
    }
    assert f"class {keys['Paid']},{keys['Orphan']} faulty" in lines


def test_an_svg_needs_nothing_from_outside_and_no_script(report: Report) -> None:
    svg = render(report, "svg")
    root = ET.fromstring(svg)
    assert not [each for each in root.iter() if each.tag in (f"{SVG}script", f"{SVG}image", f"{SVG}foreignObject")]
    assert re.findall(r"https?://[^\"' ]+", svg) == ["http://www.w3.org/2000/svg"]
    assert not re.search(r"@import|url\((?!#)", svg)


def test_an_svg_has_colours_for_light_and_for_dark(report: Report) -> None:
    style = ET.fromstring(render(report, "svg")).findtext(f"{SVG}style") or ""
    light, _, dark = style.partition("@media (prefers-color-scheme: dark)")
    coloured = re.compile(r"^\s*(\S.*?) \{ .*#[0-9a-f]{6}", re.MULTILINE)
    assert set(coloured.findall(light)) == set(coloured.findall(dark))


def test_an_svg_tells_faults_without_colour_and_in_words(report: Report) -> None:
    root = ET.fromstring(render(report, "svg"))
    titles = {
        (node.findtext(f"{SVG}text"), "!" in [text.text for text in node.findall(f"{SVG}text")])
        for node in root.iter(f"{SVG}g")
        if "faulty" in node.get("class", "")
    }
    assert titles == {("Paid", True), ("Orphan", True)}
    words = root.findtext(f"{SVG}desc") or ""
    assert "pay emits Paid." in words
    assert "Fault: no handler receives Orphan." in words


def test_another_format_is_refused_by_name(report: Report) -> None:
    with pytest.raises(InvalidOption, match="'png' is not a format of a report. Take one of text, json, mermaid, svg."):
        render(report, "png")  # type: ignore[arg-type]  # which a type checker tells, too


def test_names_are_escaped() -> None:
    event = make_dataclass("Evil", [], bases=(Event,), frozen=True)
    event.__qualname__ = "<b>\"&#']]>"
    report = check(Linker(), family=event)
    root = ET.fromstring(render(report, "svg"))
    assert event.__qualname__ in [text.text for text in root.iter(f"{SVG}text")]
    assert '["#lt;b#gt;#quot;&#35;\']]#gt;"]' in render(report, "mermaid")


# ---------------------------------------------------------------- the rows of an SVG
def rows_of(svg: str) -> list[list[str]]:
    """The labels of each row, from left to right and from top to bottom."""
    rows = [row for row in ET.fromstring(svg).iter(f"{SVG}g") if row.get("class") == "row"]
    return [[text.text or "" for text in row.iter(f"{SVG}text") if text.text != "!"] for row in rows]


def test_a_row_is_who_emits_an_event_the_event_its_handlers_and_what_they_emit(report: Report) -> None:
    assert rows_of(render(report, "svg")) == [
        ["any Order", "audit"],
        ["again", "Placed", "pay", "Paid"],
        ["pay", "Paid", "again", "Placed"],
        ["Lost", "any Order"],
        ["PriceOf", "price"],
        ["Orphan"],
    ]


def test_rows_stand_below_the_name_of_their_base_or_module(report: Report) -> None:
    root = ET.fromstring(render(report, "svg"))
    assert [text.text for text in root.iter(f"{SVG}text") if text.get("class") == "heading"] == ["Order", __name__]


def test_an_event_that_stands_elsewhere_is_a_link_to_its_row(report: Report) -> None:
    root = ET.fromstring(render(report, "svg"))
    rows = {row.get("id"): row for row in root.iter(f"{SVG}g") if row.get("class") == "row"}
    links = [
        (link.get("href", "").removeprefix("#"), next(link.iter(f"{SVG}text")).text) for link in root.iter(f"{SVG}a")
    ]
    assert [label for _, label in links] == ["Paid", "Placed", "any Order"]
    assert all(label in [text.text for text in rows[key].iter(f"{SVG}text")] for key, label in links)


def test_a_page_is_as_wide_as_names_are_long_and_not_as_events_are_many() -> None:
    def width(count: int) -> float:
        events = tuple(make_dataclass(f"Happened{100 + n}", [], bases=(Event,), frozen=True) for n in range(count))
        handlers = tuple(
            WiredHandler(
                print, f"handler{100 + n}", PLACE, (event,), (event,), tuple(Emits(e, PLACE) for e in after), False
            )
            for n, event in enumerate(events)
            for after in [events[n + 1 : n + 9]]
        )
        wired = tuple(WiredEvent(e, e.__name__, PLACE, in_family=True, emittable=True, receivers=()) for e in events)
        return float(ET.fromstring(render(Report((), (), wired, handlers, ()), "svg")).attrib["width"])

    assert width(84) == width(10) < 1200


EVENTS = tuple(make_dataclass(f"E{'x' * 4 * n}", [], bases=(Event,), frozen=True) for n in range(9))
PLACE = Place("shop.py", 1)


@st.composite
def reports(draw: st.DrawFn) -> Report:
    """Any wiring: cycles, orphans, handlers of several events, handlers that emit what they receive."""
    count = draw(st.integers(0, len(EVENTS)))
    some = st.lists(st.sampled_from(EVENTS[:count]), max_size=4, unique=True) if count else st.just([])
    handlers = [
        WiredHandler(
            print,
            f"h{'y' * 40 * (number % 2)}",
            PLACE,
            tuple(events),
            tuple(events),
            tuple(Emits(e, PLACE) for e in emits),
            False,
        )
        for number, (events, emits) in enumerate(draw(st.lists(st.tuples(some, some), max_size=8)))
    ]
    events = tuple(
        WiredEvent(event, event.__name__, PLACE, in_family=True, emittable=True, receivers=())
        for event in EVENTS[:count]
    )
    return Report((), (), events, tuple(handlers), ())


Box = tuple[float, float, float, float]


def boxes(root: ET.Element) -> Iterator[Box]:
    for rect in root.iter(f"{SVG}rect"):
        if rect.get("class") != "page":
            x, y, width, height = (float(rect.attrib[name]) for name in ("x", "y", "width", "height"))
            yield x, y, x + width, y + height


def corners(path: str) -> list[tuple[float, float]]:
    """The points of a path of horizontal and vertical lines."""
    start, *moves = re.findall(r"([MHV])([-\d. ]+)", path)
    x, y = map(float, start[1].split())
    found = [(x, y)]
    for letter, number in moves:
        x, y = (float(number), y) if letter == "H" else (x, float(number))
        found.append((x, y))
    return found


@settings(max_examples=50)  # each draws a whole page
@given(reports())
def test_rows_hold_what_the_report_holds(report: Report) -> None:
    names = {event.type: event.name for event in report.events}
    expected = [
        [
            *(each.name for each in report.handlers if any(emits.event is event.type for emits in each.emits)),
            event.name,
            *(
                label
                for each in report.handlers
                if event.type in each.events
                for label in (each.name, *(names[emits.event] for emits in each.emits))
            ),
        ]
        for event in report.events
    ]
    svg = render(report, "svg")
    assert svg == render(report, "svg")
    assert rows_of(svg) == expected


@settings(max_examples=50)  # each draws a whole page
@given(reports())
def test_no_box_hides_another_and_all_of_them_are_on_the_page(report: Report) -> None:
    root = ET.fromstring(render(report, "svg"))
    found = list(boxes(root))
    for (left, top, right, bottom), (x, y, to_x, to_y) in itertools.combinations(found, 2):
        assert right < x or to_x < left or bottom < y or to_y < top
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    assert all(x >= 0 and y >= 0 and to_x + 40 <= width + 1 and to_y + 40 <= height for x, y, to_x, to_y in found)


@settings(max_examples=50)  # each draws a whole page
@given(reports())
def test_every_arrow_leads_from_one_box_to_another_and_behind_none(report: Report) -> None:
    root = ET.fromstring(render(report, "svg"))
    for row in (each for each in root.iter(f"{SVG}g") if each.get("class") == "row"):
        found = list(boxes(row))
        for arrow in row.findall(f"{SVG}path"):
            points = corners(arrow.attrib["d"])
            assert points[-1][0] - points[-2][0] > 8, "no room for its head"
            assert sum(is_at(points[0], box, side=2) for box in found) == 1, "an arrow that leaves no box"
            assert sum(is_at(points[-1], box, side=0) for box in found) == 1, "an arrow that reaches no box"
            for (x, y), (to_x, to_y) in itertools.pairwise(points):
                for left, top, right, bottom in found:
                    outside = max(x, to_x) <= left + 1 or min(x, to_x) >= right - 1
                    assert outside or max(y, to_y) <= top or min(y, to_y) >= bottom, "an arrow behind a box"


def is_at(point: tuple[float, float], box: Box, *, side: int) -> bool:
    return abs(point[0] - box[side]) < 0.2 and box[1] < point[1] < box[3]
