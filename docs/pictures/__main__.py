"""Draw the pictures of the documentation: ``python -m docs.pictures [FOLDER]``, from the root of the checkout."""

import sys
from collections.abc import Callable
from pathlib import Path

from .paper import LETTER, Paper
from .runs import ENDS, ORDERINGS, ORDERS, Bar, ending, under, ways

_SECOND = 62.0
_ROW = 22.0
_NAMES = 128.0  # left of the time line
_OF_CUSTOMER = {"ada": "blue", "bob": "orange"}
_OF_OUTCOME = {"Completed": "green", "Failed": "red", "Cancelled": "purple", "Discarded": "grey"}


def _bar(paper: Paper, x: float, y: float, bar: Bar, until: float) -> None:
    """A delivery: dashed while it waits, a box while its handler runs."""
    began = until if bar.began is None else bar.began
    if began:
        paper.line(x, y + _ROW / 2, x + began * _SECOND, y + _ROW / 2, "wait")
    if bar.began is not None and bar.ended is not None:
        width = (bar.ended - bar.began) * _SECOND
        paper.box(x + began * _SECOND, y + 3, width, _ROW - 6, _OF_CUSTOMER[bar.order.customer])


def _seconds(paper: Paper, x: float, top: float, bottom: float, count: int) -> None:
    for second in range(count + 1):
        paper.line(x + second * _SECOND, top, x + second * _SECOND, bottom, "grid")
        paper.text(x + second * _SECOND, bottom + 14, f"{second} s", "small", anchor="middle")


def orderings() -> str:
    """The same three orders under each ordering."""
    panel, last = 6 * _ROW + 62, 7
    paper = Paper("The four orderings on a time line", _NAMES + last * _SECOND + 150, 56 + panel * len(ORDERINGS))
    x = 20 + _NAMES
    for index, order in enumerate(ORDERS):
        left = 20 + index * 175
        paper.box(left, 14, 16, 14, _OF_CUSTOMER[order.customer])
        paper.text(left + 24, 26, f"order {order.number}, of {order.customer}")
    for index, (name, ordering) in enumerate(ORDERINGS.items()):
        top = 64 + index * panel
        bars = under(ordering)
        paper.text(20, top - 8, name, "title")
        _seconds(paper, x, top, top + len(bars) * _ROW, last)
        for row, bar in enumerate(bars):
            y = top + row * _ROW
            paper.text(20, y + 15, f"order {bar.order.number}: {bar.handler}")
            _bar(paper, x, y, bar, last)
        over = max(bar.ended or 0 for bar in bars)
        paper.text(x + over * _SECOND + 8, top + len(bars) * _ROW - 6, f"done after {over:g} s", "small")
    return paper.svg()


def ends() -> str:
    """The same three emissions at each end of their loop."""
    panel, last = 3 * _ROW + 92, 6
    outcomes = 46 * LETTER
    paper = Paper(
        "What happens at each end of a loop", 20 + _NAMES + last * _SECOND + outcomes + 40, 26 + panel * len(ENDS)
    )
    x = 20 + _NAMES
    for index, (name, end) in enumerate(ENDS.items()):
        top = 62 + index * panel
        ended = ending(end)
        told = "nothing to report" if ended.reported is None else f"on_discard is told of {ended.reported} emissions"
        paper.text(20, top - 30, name, "title")
        paper.text(x + last * _SECOND + 30, top - 10, told, "small")
        _seconds(paper, x, top, top + 3 * _ROW, last)
        for row, bar in enumerate(ended.bars):
            y = top + row * _ROW
            paper.text(20, y + 15, f"order {bar.order.number}: {bar.handler}")
            _bar(paper, x, y, bar, 1)
            paper.text(x + last * _SECOND + 30, y + 15, bar.outcome)
        paper.line(x + _SECOND, top - 6, x + _SECOND, top + 3 * _ROW, "end")
        paper.text(x + _SECOND, top - 10, "main is over", "small", anchor="middle")
    return paper.svg()


def life() -> str:
    """Every way through the states of a delivery, and why it is taken."""
    taken = ways()
    paper = Paper("The life of an emission", 970, 450)
    outcomes = list(_OF_OUTCOME)
    height = {"rejected": 60.0}
    y = 120.0
    for outcome in outcomes:
        height[outcome] = y + 22
        y += 34 + 19 * sum(way.where == outcome for way in taken)

    def state(x: float, y: float, words: str, style: str = "box") -> None:
        paper.box(x, y - 17, 106, 34, style)
        paper.text(x + 53, y + 4, words, anchor="middle")

    middle = height["Failed"] + 12
    state(20, middle, "emit(event)")
    state(196, middle, "accepted")
    state(372, height["Completed"] + 10, "started")
    state(572, height["rejected"], "rejected", "red")
    paper.arrow(126, middle, 196, middle)
    paper.line(73, middle - 17, 73, height["rejected"])
    paper.arrow(73, height["rejected"], 572, height["rejected"])
    paper.arrow(302, middle - 6, 372, height["Completed"] + 10)
    paper.text(20, 26, "A delivery, from emit to its outcome", "title")
    paper.text(
        20,
        432,
        "The status of an emission: pending while a delivery is open, then that of its worst delivery.",
        "small",
    )
    for outcome in outcomes:
        state(572, height[outcome], outcome, _OF_OUTCOME[outcome])
        for started in sorted({way.started for way in taken if way.where == outcome}, reverse=True):
            start = (478, height["Completed"] + 10) if started else (302, middle + 6)
            paper.arrow(*start, 572, height[outcome] + (-5 if started else 5))
    for where, at in height.items():
        for index, way in enumerate(way for way in taken if way.where == where):
            paper.text(
                692, at + 4 + 19 * index, way.why + (" *" if way.started and where != "Completed" else ""), "small"
            )
    paper.text(20, 412, "* its handler had started", "small")
    return paper.svg()


PICTURES: dict[str, Callable[[], str]] = {"life": life, "orderings": orderings, "ends": ends}


def main(folder: Path) -> None:
    """Write all of them to *folder*."""
    for name, draw in PICTURES.items():
        (folder / f"{name}.svg").write_text(draw(), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if sys.argv[1:] else Path(__file__).parent)
