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
    assert re.search(r"^Orphan  .*, nobody receives it$", text, re.MULTILINE)
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
    assert "Fault: nobody receives Orphan." in words


def test_another_format_is_refused_by_name(report: Report) -> None:
    with pytest.raises(InvalidOption, match="'png' is no format of a report. Take one of text, json, mermaid, svg."):
        render(report, "png")  # type: ignore[arg-type]  # which a type checker tells, too


def test_names_are_escaped() -> None:
    event = make_dataclass("Evil", [], bases=(Event,), frozen=True)
    event.__qualname__ = "<b>\"&#']]>"
    report = check(Linker(), family=event)
    root = ET.fromstring(render(report, "svg"))
    assert event.__qualname__ in [text.text for text in root.iter(f"{SVG}text")]
    assert '["#lt;b#gt;#quot;&#35;\']]#gt;"]' in render(report, "mermaid")


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


def boxes(root: ET.Element) -> Iterator[tuple[float, float, float, float]]:
    for node in root.iter(f"{SVG}g"):
        if node.get("class"):
            (rect,) = node.findall(f"{SVG}rect")
            x, y, width, height = (float(rect.attrib[name]) for name in ("x", "y", "width", "height"))
            yield x, y, x + width, y + height


@settings(max_examples=50)  # each draws a whole page
@given(reports())
def test_no_node_hides_another_and_every_edge_ends_at_its_nodes(report: Report) -> None:
    svg = render(report, "svg")
    assert svg == render(report, "svg")
    root = ET.fromstring(svg)
    found = list(boxes(root))
    assert len(found) == len(report.events) + len(report.handlers)
    for (left, top, right, bottom), (x, y, to_x, to_y) in itertools.combinations(found, 2):
        assert right < x or to_x < left or bottom < y or to_y < top
    group = next(root.iter(f"{SVG}g"))
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    assert all(x >= 0 and y >= 0 and to_x + 40 <= width + 1 and to_y + 40 <= height for x, y, to_x, to_y in found)
    paths = group.findall(f"{SVG}path")
    assert len(paths) == sum(len(each.events) + len(each.emits) for each in report.handlers)
    box = dict(zip([*(event.type for event in report.events), *map(id, report.handlers)], found, strict=True))
    ends: list[tuple[object, object]] = []
    for handler in report.handlers:
        ends += [(event, id(handler)) for event in handler.events]
        ends += [(id(handler), each.event) for each in handler.emits]
    for path, (source, target) in zip(paths, ends, strict=True):
        numbers = [float(number) for number in re.findall(r"-?[\d.]+", path.attrib["d"])]
        assert numbers[-4:-2] != numbers[-2:], "an arrow without a direction"
        assert touches(numbers[:2], box[source]), "an edge that does not leave its source"
        assert touches(numbers[-2:], box[target]), "an edge that does not reach its target"


def touches(point: list[float], box: tuple[float, float, float, float]) -> bool:
    (x, y), (left, top, right, bottom) = point, box
    return min(abs(x - left), abs(x - right)) < 0.2 and top <= y <= bottom


@settings(max_examples=50)  # each draws a whole page
@given(reports())
def test_no_two_edges_lie_on_each_other(report: Report) -> None:
    root = ET.fromstring(render(report, "svg"))
    drawn = [
        tuple(re.findall(r"-?[\d.]+", path.attrib["d"])) for path in next(root.iter(f"{SVG}g")).findall(f"{SVG}path")
    ]
    ends = [frozenset([each[:2], each[-2:]]) for each in drawn]
    assert len(set(ends)) == len(ends)


def points_of(path: str) -> Iterator[tuple[float, float]]:
    """Points along a path of lines and of curves that leave and enter horizontally."""
    x = y = 0.0
    for letter, text in re.findall(r"([MLC])([^MLC]*)", path):
        numbers = [float(number) for number in text.split()]
        to_x, to_y = numbers[-2:]
        for step in range(21) if letter != "M" else ():
            part = step / 20
            if letter == "L":
                yield x + part * (to_x - x), y + part * (to_y - y)
            else:
                bend = numbers[0]
                along = (1 - part) ** 3 * x + 3 * part * (1 - part) * bend + part**3 * to_x
                yield along, y + (3 * part**2 - 2 * part**3) * (to_y - y)
        x, y = to_x, to_y


@settings(max_examples=50)  # each draws a whole page
@given(reports())
def test_no_edge_runs_behind_a_node(report: Report) -> None:
    root = ET.fromstring(render(report, "svg"))
    found = list(boxes(root))
    for path in next(root.iter(f"{SVG}g")).findall(f"{SVG}path"):
        for x, y in points_of(path.attrib["d"]):
            inside = [box for box in found if box[0] + 1 < x < box[2] - 1 and box[1] + 1 < y < box[3] - 1]
            assert inside == []
