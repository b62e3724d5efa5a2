"""Two plots as SVG, for light pages and for dark ones, from the raw figures; log scales, and no library.

`python -m benchmarks.page figures.json` draws them beside the page.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

from .contenders import HAND, LIMIT, US
from .figures import Figures, Line
from .report import number

ROWS = (
    "none",
    "sync-1",
    "sync-10",
    "sync-100",
    "burst",
    "churn",
    "task-1",
    "task-10",
    "publish-1",
    "publish-10",
    "fresh-loop",
    "mailbox",
)
COUNTS = {"sync-1": 1, "sync-10": 10, "sync-100": 100, "sync-1000": 1000}
OURS = "pyventus_typed"
YARDSTICKS = frozenset({LIMIT, HAND})
RADIUS = {US: 7, HAND: 8}
WIDTH = 860
LEFT, RIGHT = 310, 50
STEP = 34


@dataclass(frozen=True, slots=True)
class Theme:
    """Colours of one kind of page. Those of the contenders can be told apart by the colour-blind (Okabe and Ito)."""

    name: str
    ink: str
    faint: str
    us: str
    others: dict[str, str]


MARKS = {
    "pyventus": "#0072b2", "blinker": "#56b4e9", "pyee": "#009e73", "psygnal": "#cc79a7", "eventkit": "#e69f00",
    "bubus": "#999999", "aiosignal": "#8c6bb1", "pydispatch": "#b08968", "pymitter": "#7f9f3f",
}  # fmt: skip
THEMES = (
    Theme("light", "#1f2328", "#d0d7de", "#d1242f", MARKS),
    Theme("dark", "#e6edf3", "#3d444d", "#ff6b62", {**MARKS, "pyventus": "#58a6ff"}),
)


class Drawing:
    """Lines of SVG, with one scale: powers of ten along the width."""

    def __init__(self, theme: Theme, height: int, low: float, high: float, title: str) -> None:
        self.theme = theme
        self.height = height
        self.low, self.high = math.floor(math.log10(low)), math.ceil(math.log10(high))
        self.parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
            f'role="img" font-family="system-ui, sans-serif" font-size="13"><title>{escape(title)}</title>'
        ]

    def x(self, value: float) -> float:
        share = (math.log10(value) - self.low) / (self.high - self.low)
        return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)

    def text(
        self, x: float, y: float, words: str, *, anchor: str = "start", color: str = "", weight: str = "normal"
    ) -> None:
        fill = color or self.theme.ink
        self.parts.append(
            f'<text x="{x}" y="{y}" text-anchor="{anchor}" fill="{fill}" font-weight="{weight}">{escape(words)}</text>'
        )

    def line(self, x1: float, y1: float, x2: float, y2: float, color: str, width: float = 1) -> None:
        self.parts.append(f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="{color}" stroke-width="{width}"/>')

    def path(self, points: Iterable[tuple[float, float]], contender: str) -> None:
        corners = " ".join(f"{x},{y}" for x, y in points)
        width = 3 if contender == US else 1.5
        dashes = ' stroke-dasharray="6 4"' if contender == HAND else ""
        self.parts.append(
            f'<polyline points="{corners}" fill="none" stroke="{self.color(contender)}" stroke-width="{width}"{dashes}/>'
        )

    def mark(self, x: float, y: float, contender: str, radius: float, words: str) -> None:
        """A dot; what is no library but a yardstick is an open diamond."""
        title = f"<title>{escape(words)}</title>"
        color = self.color(contender)
        if contender == HAND:
            corners = f"{x},{y - radius} {x + radius},{y} {x},{y + radius} {x - radius},{y}"
            self.parts.append(
                f'<polygon points="{corners}" fill="none" stroke="{color}" stroke-width="1.5">{title}</polygon>'
            )
        else:
            self.parts.append(f'<circle cx="{x}" cy="{y}" r="{radius}" fill="{color}">{title}</circle>')

    def color(self, contender: str) -> str:
        if contender == US:
            return self.theme.us
        return self.theme.ink if contender in YARDSTICKS else self.theme.others[contender]

    def legend(self, y: float, names: Sequence[str]) -> None:
        x = 14.0
        for name in names:
            words = label(name)
            self.mark(x, y - 4, name, 5, words)
            self.text(x + 9, y, words, weight="bold" if name == US else "normal")
            x = round(x + 24 + (8.4 if name == US else 6.9) * len(words), 1)

    def done(self) -> str:
        return "\n".join([*self.parts, "</svg>", ""])


def label(contender: str) -> str:
    return {US: OURS, LIMIT: "the limit", HAND: "by hand"}.get(contender, contender)


def present(lines: Iterable[Line]) -> list[str]:
    names = {name for line in lines for name in line.ratios}
    return [name for name in (US, HAND, LIMIT, *MARKS) if name in names]


def peers(figures: Figures, theme: Theme) -> str:
    """Each row a line, each contender a dot: how many times as long as the limit."""
    lines = [figures.lines[name] for name in ROWS if name in figures.lines]
    values = [one.median for line in lines for one in line.ratios.values()]
    bottom = 60 + STEP * len(lines)
    drawing = Drawing(theme, bottom + 45, min(values), max(values), "How many times as long as the limit; log scale")
    names = present(lines)
    drawing.legend(22, [name for name in names if name not in YARDSTICKS])
    for power in range(drawing.low, drawing.high + 1):
        x = drawing.x(10**power)
        drawing.line(x, 45, x, bottom, theme.ink if power == 0 else theme.faint, 1.5 if power == 0 else 1)
        drawing.text(x, bottom + 18, f"{10**power:,} x" if power >= 0 else f"{10.0**power:g} x", anchor="middle")
    drawing.text(LEFT, bottom + 36, "times as long as the limit (log scale; left is faster)")
    if HAND in names:
        drawing.mark(WIDTH - RIGHT - 68, bottom + 32, HAND, RADIUS[HAND], label(HAND))
        drawing.text(WIDTH - RIGHT, bottom + 36, label(HAND), anchor="end")
    for index, line in enumerate(lines):
        y = 62 + STEP * index
        drawing.text(LEFT - 14, y + 4, SHORT.get(line.name, line.name), anchor="end")
        drawing.line(LEFT, y, WIDTH - RIGHT, y, theme.faint, 0.6)
        for name in sorted(line.ratios, key=(US, HAND).__contains__):
            if name != LIMIT:
                ratio = line.ratios[name].median
                drawing.mark(drawing.x(ratio), y, name, RADIUS.get(name, 5), f"{label(name)}: {number(ratio)} x")
    return drawing.done()


def growth(figures: Figures, theme: Theme) -> str:
    """Time of one emission against the number of handlers; both scales are logarithmic."""
    lines = {COUNTS[name]: figures.lines[name] for name in COUNTS if name in figures.lines}
    names = present(lines.values())
    times = {
        name: {n: line.seconds(LIMIT) * line.ratios[name].median for n, line in lines.items() if name in line.ratios}
        for name in names
    }
    every = [time for one in times.values() for time in one.values()]
    low, high = math.floor(math.log10(min(every))), math.ceil(math.log10(max(every)))
    top, bottom = 45, 465
    # The axis across is the number of handlers, so it starts further left than the one of the rows.
    drawing = Drawing(theme, bottom + 45, 1, 1000, "Time of one emission by number of handlers; log scales")
    drawing.legend(22, [name for name in names if name != HAND])  # its line is a dashed one, and named at its end
    left = 90

    def x(count: float) -> float:
        return round(left + math.log10(count) / 3 * (WIDTH - left - 130), 1)

    def y(time: float) -> float:
        return round(bottom - (math.log10(time) - low) / (high - low) * (bottom - top), 1)

    for power in range(low, high + 1):
        drawing.line(left, y(10.0**power), WIDTH - 130, y(10.0**power), theme.faint)
        drawing.text(left - 8, y(10.0**power) + 4, unit(power), anchor="end")
    for count in (1, 10, 100, 1000):
        drawing.line(x(count), top, x(count), bottom, theme.faint)
        drawing.text(x(count), bottom + 18, f"{count:,}", anchor="middle")
    drawing.text(left, bottom + 36, "sync handlers of the event (log scale)")
    taken: list[float] = []
    for name in sorted(names, key=lambda name: -max(times[name].values())):
        drawing.path(((x(count), y(time)) for count, time in times[name].items()), name)
        last = max(times[name])
        place = max([y(times[name][last]) + 4, *(other + 14 for other in taken[-1:])])
        taken.append(place)
        drawing.text(
            x(last) + 8, place, label(name), color=drawing.color(name), weight="bold" if name == US else "normal"
        )
    return drawing.done()


def unit(power: int) -> str:
    """Ten to the *power* seconds."""
    for name, size in (("s", 0), ("ms", -3), ("µs", -6), ("ns", -9)):
        if power >= size:
            return f"{10 ** (power - size):,} {name}"
    return f"{10.0 ** (power + 9):g} ns"


SHORT = {
    "sync-1": "1 sync handler",
    "sync-10": "10 sync handlers",
    "sync-100": "100 sync handlers",
    "burst": "in a loop: burst, 1 sync handler",
    "churn": "subscribe, emit, unsubscribe",
    "task-1": "in a loop: 1 async handler",
    "task-10": "in a loop: 10 async handlers that suspend",
    "publish-1": "await publish, 1 async handler",
    "publish-10": "await publish, 10 async handlers",
    "fresh-loop": "no loop, 1 async handler",
    "mailbox": "in a loop: one event at a time",
}


def write(figures: Figures, folder: Path) -> None:
    for theme in THEMES:
        for name, draw in (("peers", peers), ("growth", growth)):
            (folder / f"speed-{name}-{theme.name}.svg").write_text(draw(figures, theme), encoding="utf-8")
