"""SVG that is readable in light and in dark and needs nothing else: no script, no font, no network."""

from html import escape

LETTER = 7.3  # the width of a letter of 12 px; a little more than most fonts have

_STYLE = """
svg { color-scheme: light dark; }
text { font: 12px ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; fill: #1f2328; }
.title { font-weight: bold; font-size: 14px; }
.small { fill: #59636e; }
.page { fill: #ffffff; }
.box { fill: #f6f8fa; stroke: #6e7781; }
.line { stroke: #8c959f; fill: none; stroke-width: 1.3; }
.wait { stroke: #8c959f; stroke-width: 1.6; stroke-dasharray: 2 4; }
.grid { stroke: #d1d9e0; }
.end { stroke: #cf222e; stroke-width: 2; }
.head { fill: #8c959f; }
.blue { fill: #b6e3ff; stroke: #0969da; }
.orange { fill: #ffd8b5; stroke: #bc4c00; }
.green { fill: #dafbe1; stroke: #1a7f37; }
.red { fill: #ffebe9; stroke: #cf222e; }
.purple { fill: #fbefff; stroke: #8250df; }
.grey { fill: #eaeef2; stroke: #6e7781; }
@media (prefers-color-scheme: dark) {
  text { fill: #f0f6fc; }
  .small { fill: #9198a1; }
  .page { fill: #0d1117; }
  .box { fill: #212830; stroke: #9198a1; }
  .line { stroke: #9198a1; }
  .wait { stroke: #9198a1; }
  .grid { stroke: #2f3742; }
  .end { stroke: #f85149; }
  .head { fill: #9198a1; }
  .blue { fill: #0c4a80; stroke: #4493f8; }
  .orange { fill: #6b3410; stroke: #f0883e; }
  .green { fill: #12361f; stroke: #3fb950; }
  .red { fill: #4c1519; stroke: #f85149; }
  .purple { fill: #33204d; stroke: #ab7df8; }
  .grey { fill: #2a313c; stroke: #9198a1; }
}
""".strip()


class Drawing:
    """A picture under construction; lengths in pixels, the origin at the top left."""

    def __init__(self, title: str, width: float, height: float) -> None:
        self._title, self._size, self._parts = title, (width, height), list[str]()

    def text(self, x: float, y: float, words: str, style: str = "", *, anchor: str = "start") -> None:
        """*words* on the base line *y*, from *x*, around it (``middle``) or up to it (``end``)."""
        self._parts.append(f'<text x="{x:g}" y="{y:g}" class="{style}" text-anchor="{anchor}">{escape(words)}</text>')

    def box(self, x: float, y: float, width: float, height: float, style: str = "box") -> None:
        """A rectangle with round corners."""
        self._parts.append(f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="4" class="{style}"/>')

    def line(self, x1: float, y1: float, x2: float, y2: float, style: str = "line") -> None:
        """A straight line."""
        self._parts.append(f'<line x1="{x1:g}" y1="{y1:g}" x2="{x2:g}" y2="{y2:g}" class="{style}"/>')

    def arrow(self, x1: float, y1: float, x2: float, y2: float) -> None:
        """A line in three pieces, level at both ends, with its head at the second point."""
        middle = (x1 + x2) / 2
        self._parts.append(
            f'<path d="M{x1:g} {y1:g} C{middle:g} {y1:g} {middle:g} {y2:g} {x2 - 7:g} {y2:g}" class="line"/>'
        )
        self._parts.append(f'<path d="M{x2:g} {y2:g} l-8 -4 v8 z" class="head"/>')

    def svg(self) -> str:
        """The document."""
        width, height = self._size
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}" '
            f'height="{height:g}" role="img"><title>{escape(self._title)}</title>'
        )
        page = '<rect width="100%" height="100%" class="page"/>'
        return "\n".join([head, f"<style>{_STYLE}</style>", page, *self._parts, "</svg>", ""])
