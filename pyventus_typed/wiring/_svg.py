"""The graph as an SVG document that needs nothing else: no script, no font, no network.

One row for each event, from left to right: who emits it, the event, its handlers, and what those emit. An event is in
its row, and elsewhere a link to that. So the page is as wide as the names are long and as high as there are events; a
drawing of nodes with edges between all of them is a tangle from thirty events on, however it is laid out.
"""

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby

from ._graph import EdgeKind, Graph, Kind, Node

_LETTER = 7.9  # of a monospaced font of 13 px; a little more than most have, so that text never leaves its box
_HEIGHT = 28.0
_LINE = 34.0  # from one box to the one below it
_PADDING = 13.0
_GAP = 48.0  # between two columns, for the arrows
_BESIDE = 8.0  # between two boxes of one line
_BLOCK = 8.0  # between two rows
_HEADING = 34.0
_MARGIN = 20.0
_LEGEND = 44.0
_WRAP = 400.0  # what a handler emits is broken into lines of about this width
_NARROWEST = 560.0  # for the legend

_STYLE = """
svg { color-scheme: light dark; }
text { font: 13px ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; }
.page { fill: #ffffff; }
.event rect { fill: #ddf4ff; stroke: #0969da; }
.request rect { fill: #fbefff; stroke: #8250df; }
.base rect { fill: #ffffff; stroke: #0969da; stroke-dasharray: 5 3; }
.handler rect { fill: #f6f8fa; stroke: #6e7781; }
.code rect { fill: #fff8c5; stroke: #9a6700; }
.faulty rect { stroke: #cf222e; stroke-width: 2.5; }
.badge { fill: #cf222e; }
.mark { fill: #ffffff; font-weight: bold; }
text { fill: #1f2328; }
.legend { fill: #59636e; font-size: 12px; }
.heading { fill: #59636e; font-weight: bold; }
g:target rect { stroke-width: 3.5; }
path { fill: none; stroke: #6e7781; stroke-width: 1.4; }
.emits { stroke: #bc4c00; }
.belongs { stroke: #0969da; stroke-dasharray: 2 4; }
marker path { stroke: none; fill: #6e7781; }
marker.emits path { fill: #bc4c00; }
marker.belongs path { fill: #0969da; }
@media (prefers-color-scheme: dark) {
  .page { fill: #0d1117; }
  .event rect { fill: #121d2f; stroke: #4493f8; }
  .request rect { fill: #211830; stroke: #ab7df8; }
  .base rect { fill: #0d1117; stroke: #4493f8; }
  .handler rect { fill: #212830; stroke: #9198a1; }
  .code rect { fill: #2b2311; stroke: #d29922; }
  .faulty rect { stroke: #f85149; }
  .badge { fill: #f85149; }
  .mark { fill: #0d1117; }
  text { fill: #f0f6fc; }
  .legend { fill: #9198a1; }
  .heading { fill: #9198a1; }
  path { stroke: #9198a1; }
  .emits { stroke: #f0883e; }
  .belongs { stroke: #4493f8; }
  marker path { fill: #9198a1; }
  marker.emits path { fill: #f0883e; }
  marker.belongs path { fill: #4493f8; }
}
""".strip()

_MEANING = {
    EdgeKind.RECEIVES: "event to handler",
    EdgeKind.EMITS: "emits event",
    EdgeKind.BELONGS: "received by its base",
}


@dataclass(frozen=True, slots=True)
class _Receiver:
    """What is to the right of an event: a handler, or the base by which alone it is received."""

    node: Node
    by: EdgeKind
    emits: tuple[tuple[Node, ...], ...]  # in lines

    @property
    def lines(self) -> int:
        return max(len(self.emits), 1)


@dataclass(frozen=True, slots=True)
class _Row:
    emitters: tuple[Node, ...]
    event: Node
    receivers: tuple[_Receiver, ...]

    @property
    def lines(self) -> int:
        return max(len(self.emitters), sum(each.lines for each in self.receivers), 1)


def svg_of(graph: Graph) -> str:
    """A complete document, readable on light and dark pages; the title of each box is its place and its faults."""
    groups = [(name, tuple(rows)) for name, rows in groupby(_rows(graph), key=lambda row: row.event.group)]
    page = _Page([row for _, rows in groups for row in rows])
    body: list[str] = []
    top = 0.0
    for name, rows in groups:
        if len(groups) > 1:
            body.append(f'<text class="heading" x="0" y="{top + 16:.1f}">{escape(name)}</text>')
            top += _HEADING
        for row in rows:
            body += page.draw(row, top)
            top += row.lines * _LINE + _BLOCK
    width, height = max(page.width, _NARROWEST) + 2 * _MARGIN, top + 2 * _MARGIN + _LEGEND
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}"',
        f'viewBox="0 0 {width:.0f} {height:.0f}" role="img" aria-labelledby="wiring-title wiring-summary">',
        '<title id="wiring-title">Events and their handlers</title>',
        f'<desc id="wiring-summary">{escape(_summary(graph))}</desc>',
        f"<style>\n{_STYLE}\n</style>",
        "<defs>",
        *(_marker(kind) for kind in EdgeKind),
        "</defs>",
        f'<rect class="page" width="{width:.0f}" height="{height:.0f}"/>',
        f'<g transform="translate({_MARGIN:.0f} {_MARGIN:.0f})">',
        *body,
        "</g>",
        *_legend(graph, height - _MARGIN - 4),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _rows(graph: Graph) -> list[_Row]:
    """A row for each event; those of one group are together, where its first one is, and begin with their base."""
    nodes = {node.key: node for node in graph.nodes}
    after: dict[tuple[str, EdgeKind], list[Node]] = {}
    before: dict[tuple[str, EdgeKind], list[Node]] = {}
    for edge in graph.edges:
        after.setdefault((edge.source, edge.kind), []).append(nodes[edge.target])
        before.setdefault((edge.target, edge.kind), []).append(nodes[edge.source])
    events = [node for node in graph.nodes if node.kind not in (Kind.HANDLER, Kind.CODE)]
    groups = list(dict.fromkeys(node.group for node in events))
    return [
        _Row(
            emitters=tuple(before.get((event.key, EdgeKind.EMITS), ())),
            event=event,
            receivers=tuple(
                _Receiver(node, kind, _wrapped(after.get((node.key, EdgeKind.EMITS), ())))
                for kind in (EdgeKind.RECEIVES, EdgeKind.BELONGS)
                for node in after.get((event.key, kind), ())
            ),
        )
        for event in sorted(events, key=lambda node: (groups.index(node.group), node.kind is not Kind.BASE))
    ]


def _wrapped(nodes: Sequence[Node]) -> tuple[tuple[Node, ...], ...]:
    lines: list[list[Node]] = []
    used = 0.0
    for node in nodes:
        used += _width(node) + _BESIDE
        if not lines or used > _WRAP:
            lines.append([])
            used = _width(node) + _BESIDE
        lines[-1].append(node)
    return tuple(map(tuple, lines))


class _Page:
    """The columns, as wide as their widest box."""

    def __init__(self, rows: Sequence[_Row]) -> None:
        receivers = [receiver for row in rows for receiver in row.receivers]
        self._emitters = max((_width(node) for row in rows for node in row.emitters), default=0.0)
        self._event = self._emitters + (_GAP if self._emitters else 0.0)
        self._event_width = max((_width(row.event) for row in rows), default=0.0)
        self._receiver = self._event + self._event_width + _GAP
        self._emits = self._receiver + max((_width(receiver.node) for receiver in receivers), default=0.0) + _GAP
        right = [self._emits + _line_width(line) for receiver in receivers for line in receiver.emits]
        self.width = max(right, default=self._emits - _GAP)

    def draw(self, row: _Row, top: float) -> Iterator[str]:
        """The row, whose event is in its first line."""
        yield f'<g class="row" id="wiring-{row.event.key}">'
        middle = top + _HEIGHT / 2
        for number, node in enumerate(row.emitters):
            y = top + number * _LINE
            yield _arrow(
                EdgeKind.EMITS, (self._emitters, y + _HEIGHT / 2), (self._event, middle), self._event - _GAP / 2
            )
            yield from _box(node, self._emitters - _width(node), y)  # it ends where the arrow begins
        yield from _box(row.event, self._event, top)
        start = self._event + _width(row.event), middle
        y = top
        for receiver in row.receivers:
            end = self._receiver, y + _HEIGHT / 2
            yield _arrow(receiver.by, start, end, self._receiver - _GAP / 2)
            yield from _box(receiver.node, self._receiver, y, is_link=receiver.by is EdgeKind.BELONGS)
            for number, nodes in enumerate(receiver.emits):
                yield from self._emitted(receiver.node, y, nodes, y + number * _LINE)
            y += receiver.lines * _LINE
        yield "</g>"

    def _emitted(self, handler: Node, y: float, nodes: Sequence[Node], line: float) -> Iterator[str]:
        start = self._receiver + _width(handler), y + _HEIGHT / 2
        yield _arrow(EdgeKind.EMITS, start, (self._emits, line + _HEIGHT / 2), self._emits - _GAP / 2)
        x = self._emits
        for node in nodes:
            yield from _box(node, x, line, is_link=True)
            x += _width(node) + _BESIDE


def _width(node: Node) -> float:
    letters = sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in node.label)
    return _LETTER * letters + 2 * _PADDING


def _line_width(nodes: Sequence[Node]) -> float:
    return sum(map(_width, nodes)) + _BESIDE * (len(nodes) - 1)


def _summary(graph: Graph) -> str:
    """The drawing in words, for those who cannot see it."""
    labels = {node.key: node.label for node in graph.nodes}
    words = {EdgeKind.RECEIVES: "goes to", EdgeKind.EMITS: "emits", EdgeKind.BELONGS: "is received by"}
    sentences = [f"{labels[edge.source]} {words[edge.kind]} {labels[edge.target]}." for edge in graph.edges]
    sentences += [f"Fault: {fault}." for node in graph.nodes for fault in node.faults]
    return " ".join(sentences) or "There is nothing to show."


def _marker(kind: EdgeKind) -> str:
    return (
        f'<marker id="wiring-{kind}" class="{kind}" viewBox="0 0 8 8" refX="7.4" refY="4" markerWidth="8" '
        'markerHeight="8" markerUnits="userSpaceOnUse" orient="auto"><path d="M0 .6 8 4 0 7.4z"/></marker>'
    )


def _arrow(kind: EdgeKind, start: tuple[float, float], end: tuple[float, float], corner: float) -> str:
    """A straight line, or one that goes up or down at *corner*."""
    (x, y), (to_x, to_y) = start, end
    path = f"M{x:.1f} {y:.1f}" + ("" if y == to_y else f"H{corner:.1f}V{to_y:.1f}") + f"H{to_x:.1f}"
    return f'<path class="{kind}" marker-end="url(#wiring-{kind})" d="{path}"/>'


def _box(node: Node, x: float, y: float, *, is_link: bool = False) -> Iterator[str]:
    """A node, or an event that has its row elsewhere: a link to that."""
    width = _width(node)
    radius = 3 if node.kind in (Kind.HANDLER, Kind.CODE) else _HEIGHT / 2
    members = [f"any of {', '.join(node.members)}"] if node.members else []
    title = "\n".join([f"{node.label} ({node.place or 'no source'})", *members, *node.faults])
    if is_link:
        yield f'<a href="#wiring-{node.key}">'
    yield f'<g class="{node.kind}{" faulty" if node.faults else ""}"><title>{escape(title)}</title>'
    yield f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{_HEIGHT:.1f}" rx="{radius:.0f}"/>'
    label = escape(node.label)
    yield f'<text x="{x + width / 2:.1f}" y="{y + _HEIGHT / 2 + 4.5:.1f}" text-anchor="middle">{label}</text>'
    if node.faults:  # colour alone says nothing to many people
        right = x + width - 4
        yield f'<circle class="badge" cx="{right:.1f}" cy="{y + 2:.1f}" r="8"/>'
        yield f'<text class="mark" x="{right:.1f}" y="{y + 6.5:.1f}" text-anchor="middle">!</text>'
    yield "</g>"
    if is_link:
        yield "</a>"


def _legend(graph: Graph, y: float) -> Iterator[str]:
    x = _MARGIN
    drawn = {edge.kind for edge in graph.edges}
    for kind, meaning in _MEANING.items():
        if kind in drawn:
            yield f'<path class="{kind}" marker-end="url(#wiring-{kind})" d="M{x:.0f} {y - 4:.0f}h28"/>'
            yield f'<text class="legend" x="{x + 36:.0f}" y="{y:.0f}">{meaning}</text>'
            x += 36 + 7.4 * len(meaning) + 22
    if any(node.faults for node in graph.nodes):
        yield f'<circle class="badge" cx="{x + 6:.0f}" cy="{y - 4:.0f}" r="7"/>'
        yield f'<text class="mark" x="{x + 6:.0f}" y="{y:.0f}" text-anchor="middle">!</text>'
        yield f'<text class="legend" x="{x + 20:.0f}" y="{y:.0f}">fault</text>'
