"""The graph as an SVG document that needs nothing else: no script, no font, no network."""

import unicodedata
from collections.abc import Iterator, Sequence
from html import escape
from itertools import pairwise

from ._graph import Edge, Edging, Graph, Kind, Node
from ._layout import Point, Size, lay_out

_LETTER = 7.9  # of a monospaced font of 13 px; a little more than most have, so that text never leaves its box
_HEIGHT = 30.0
_PADDING = 13.0
_MARGIN = 20.0
_LEGEND = 44.0

_STYLE = """
svg { color-scheme: light dark; }
text { font: 13px ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; }
.page { fill: #ffffff; }
.event rect { fill: #ddf4ff; stroke: #0969da; }
.request rect { fill: #fbefff; stroke: #8250df; }
.base rect { fill: #ffffff; stroke: #0969da; stroke-dasharray: 5 3; }
.handler rect { fill: #f6f8fa; stroke: #6e7781; }
.faulty rect { stroke: #cf222e; stroke-width: 2.5; }
.badge { fill: #cf222e; }
.mark { fill: #ffffff; font-weight: bold; }
text { fill: #1f2328; }
.legend { fill: #59636e; font-size: 12px; }
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
  .faulty rect { stroke: #f85149; }
  .badge { fill: #f85149; }
  .mark { fill: #0d1117; }
  text { fill: #f0f6fc; }
  .legend { fill: #9198a1; }
  path { stroke: #9198a1; }
  .emits { stroke: #f0883e; }
  .belongs { stroke: #4493f8; }
  marker path { fill: #9198a1; }
  marker.emits path { fill: #f0883e; }
  marker.belongs path { fill: #4493f8; }
}
""".strip()

_MEANING = {
    Edging.RECEIVES: "event to handler",
    Edging.EMITS: "handler emits event",
    Edging.BELONGS: "received by its base",
}


def svg_of(graph: Graph) -> str:
    """A complete document, readable on light and dark pages; the title of each node is its place and its faults."""
    sizes = {node.key: Size(_text_width(node.label) + 2 * _PADDING, _HEIGHT) for node in graph.nodes}
    layout = lay_out(sizes, [(edge.source, edge.target) for edge in graph.edges])
    width = max(layout.size.width, 620.0) + 2 * _MARGIN
    height = layout.size.height + 2 * _MARGIN + _LEGEND
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}"',
        f'viewBox="0 0 {width:.0f} {height:.0f}" role="img" aria-labelledby="wiring-title wiring-summary">',
        '<title id="wiring-title">Events and their handlers</title>',
        f'<desc id="wiring-summary">{escape(_summary(graph))}</desc>',
        f"<style>\n{_STYLE}\n</style>",
        "<defs>",
        *(_marker(kind) for kind in Edging),
        "</defs>",
        f'<rect class="page" width="{width:.0f}" height="{height:.0f}"/>',
        f'<g transform="translate({_MARGIN:.0f} {_MARGIN:.0f})">',
        *(_edge(edge, route) for edge, route in zip(graph.edges, layout.routes, strict=True)),
        *(line for node in graph.nodes for line in _node(node, layout.centres[node.key], sizes[node.key])),
        "</g>",
        *_legend(graph, height - _MARGIN - 4),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _text_width(text: str) -> float:
    return sum(_LETTER * (2 if unicodedata.east_asian_width(letter) in "WF" else 1) for letter in text)


def _summary(graph: Graph) -> str:
    """The drawing in words, for those who cannot see it."""
    labels = {node.key: node.label for node in graph.nodes}
    words = {Edging.RECEIVES: "goes to", Edging.EMITS: "emits", Edging.BELONGS: "is received by"}
    sentences = [f"{labels[edge.source]} {words[edge.kind]} {labels[edge.target]}." for edge in graph.edges]
    sentences += [f"Fault: {fault}." for node in graph.nodes for fault in node.faults]
    return " ".join(sentences) or "There is nothing to show."


def _marker(kind: Edging) -> str:
    return (
        f'<marker id="wiring-{kind}" class="{kind}" viewBox="0 0 8 8" refX="7.4" refY="4" markerWidth="8" '
        'markerHeight="8" markerUnits="userSpaceOnUse" orient="auto"><path d="M0 .6 8 4 0 7.4z"/></marker>'
    )


def _edge(edge: Edge, route: Sequence[Point]) -> str:
    return f'<path class="{edge.kind}" marker-end="url(#wiring-{edge.kind})" d="{_curve(route)}"/>'


def _curve(route: Sequence[Point]) -> str:
    """A line that leaves and enters every point horizontally."""
    path = [f"M{route[0][0]:.1f} {route[0][1]:.1f}"]
    for (x, y), (to_x, to_y) in pairwise(route):
        if y == to_y:
            path.append(f"L{to_x:.1f} {to_y:.1f}")
            continue
        middle = (x + to_x) / 2
        path.append(f"C{middle:.1f} {y:.1f} {middle:.1f} {to_y:.1f} {to_x:.1f} {to_y:.1f}")
    return "".join(path)


def _node(node: Node, centre: Point, size: Size) -> Iterator[str]:
    x, y = centre[0] - size.width / 2, centre[1] - size.height / 2
    radius = 3 if node.kind is Kind.HANDLER else size.height / 2
    members = [f"any of {', '.join(node.members)}"] if node.members else []
    title = "\n".join([f"{node.label} ({node.place or 'no source'})", *members, *node.faults])
    yield f'<g class="{node.kind}{" faulty" if node.faults else ""}"><title>{escape(title)}</title>'
    yield f'<rect x="{x:.1f}" y="{y:.1f}" width="{size.width:.1f}" height="{size.height:.1f}" rx="{radius:.0f}"/>'
    yield f'<text x="{centre[0]:.1f}" y="{centre[1] + 4.5:.1f}" text-anchor="middle">{escape(node.label)}</text>'
    if node.faults:  # colour alone says nothing to many people
        right = x + size.width - 4
        yield f'<circle class="badge" cx="{right:.1f}" cy="{y + 2:.1f}" r="8"/>'
        yield f'<text class="mark" x="{right:.1f}" y="{y + 6.5:.1f}" text-anchor="middle">!</text>'
    yield "</g>"


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
