"""One report, four forms: text, JSON, a Mermaid flowchart, and SVG."""

import json
from collections.abc import Iterator
from typing import Literal, assert_never, get_args

from pyventus_typed import Event
from pyventus_typed.errors import InvalidOption

from ._graph import EdgeKind, Graph, Kind, Node, graph_of
from ._report import Finding, Place, Report
from ._svg import svg_of

Format = Literal["text", "json", "mermaid", "svg"]


def render(report: Report, form: Format, /) -> str:
    """The report as text, JSON, a Mermaid flowchart or a complete SVG document.

    The output for a report is always the same, and paths below the current directory are relative, so that it can be
    committed to a repository. Raises ``InvalidOption`` for any other format. ::

        Path("wiring.svg").write_text(render(check(linker), "svg"), encoding="utf-8")
    """
    if form not in get_args(Format):
        raise InvalidOption(f"{form!r} is not a format of a report. Take one of {', '.join(get_args(Format))}.", form)
    match form:
        case "text":
            return text_of(report)
        case "json":
            return json_of(report)
        case "mermaid":
            return mermaid_of(graph_of(report))
        case "svg":
            return svg_of(graph_of(report))
        case _:
            assert_never(form)


Row = tuple[str, Place | None, str]


def text_of(report: Report) -> str:
    """The wiring as a table; then findings as ``file:line: rule: message``, which editors and CI turn into links."""
    rows = list(_table_rows(report))
    width = max((len(left) for left, _, _ in rows), default=0)
    lines = [f"{left:<{width}}  {place or '(no source)'}{more}" for left, place, more in rows]
    return "\n".join([*lines, *([""] if lines else []), str(report)]) + "\n"


def _table_rows(report: Report) -> Iterator[Row]:
    names = {event.type: event.name for event in report.events}
    for event in report.events:
        if not event.emittable:
            continue
        yield event.name, event.place, "" if event.receivers else ", no handler receives it"
        for code in report.code:
            for place in dict.fromkeys(each.place for each in code.emits if each.event is event.type):
                yield f"  <- {code.name}", place, ""
        for handler in report.receivers(event.type):
            verb = "answered by" if handler.answers and event.type in handler.events else "->"
            emitted = ", ".join(dict.fromkeys(names[each.event] for each in handler.emits))
            yield f"  {verb} {handler.name}", handler.place, f", emits {emitted}" if emitted else ""


VERSION = 1  # raised when a key goes or changes its meaning, not when one is added

Json = dict[str, object]


def json_of(report: Report) -> str:
    names = {event.type: event.name for event in report.events}
    document: Json = {
        "version": VERSION,
        "faults": [_finding(each, names) for each in report.faults],
        "notes": [_finding(each, names) for each in report.notes],
        "events": [
            {
                "name": event.name,
                "module": event.type.__module__,
                "place": _place(event.place),
                "in_family": event.in_family,
                "emittable": event.emittable,
                "receivers": list(event.receivers),
            }
            for event in report.events
        ],
        "handlers": [
            {
                "name": handler.name,
                "place": _place(handler.place),
                "answers": handler.answers,
                "events": [names[event] for event in handler.events],
                "receives": [names[event] for event in handler.receives],
                "emits": [{"event": names[each.event], "place": _place(each.place)} for each in handler.emits],
            }
            for handler in report.handlers
        ],
        "code": [
            {
                "name": code.name,
                "place": _place(code.place),
                "emits": [{"event": names[each.event], "place": _place(each.place)} for each in code.emits],
            }
            for code in report.code
        ],
        "cycles": [
            [{"event": event.name, "handler": handler.name} for event, handler in cycle.steps]
            for cycle in report.cycles
        ],
    }
    return json.dumps(document, indent=2) + "\n"


def _finding(finding: Finding, names: dict[type[Event], str]) -> Json:
    return {
        "rule": finding.rule.value,
        "message": finding.message,
        "place": _place(finding.place),
        "event": None if finding.event is None else names.get(finding.event, finding.event.__qualname__),
        "handler": finding.handler,
    }


def _place(place: Place | None) -> Json | None:
    return None if place is None else {"file": place.path, "line": place.line}


_SHAPES = {
    Kind.EVENT: ('(["', '"])'),
    Kind.REQUEST: ('{{"', '"}}'),
    Kind.BASE: ('(["', '"])'),
    Kind.HANDLER: ('["', '"]'),
    Kind.CODE: ('[/"', '"/]'),
}
_ARROWS = {EdgeKind.RECEIVES: "-->", EdgeKind.EMITS: "==>", EdgeKind.BELONGS: "-.->"}


def mermaid_of(graph: Graph) -> str:
    lines = ["flowchart LR"]
    lines += [f"    {_node(node)}" for node in graph.nodes]
    lines += [f"    {edge.source} {_ARROWS[edge.kind]} {edge.target}" for edge in graph.edges]
    if faulty := [node.key for node in graph.nodes if node.faults]:
        # Only the outline: a fill would have to suit both light and dark text.
        lines += ["    classDef faulty stroke:#d1242f,stroke-width:3px", f"    class {','.join(faulty)} faulty"]
    return "\n".join(lines) + "\n"


def _node(node: Node) -> str:
    left, right = _SHAPES[node.kind]
    # Mermaid has its own entities, written with a hash and no ampersand.
    label = node.label.replace("#", "#35;").replace('"', "#quot;").replace("<", "#lt;").replace(">", "#gt;")
    return f"{node.key}{left}{label}{right}"
