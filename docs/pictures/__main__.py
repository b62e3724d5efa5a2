"""Draw the pictures of the documentation: ``python -m docs.pictures [FOLDER]``, from the root of the checkout."""

import sys
from collections.abc import Callable
from pathlib import Path

from .drawing import LETTER, Drawing
from .runs import ENDS, ORDERINGS, ORDERS, Bar, ending, under, ways

_SECOND = 62.0
_ROW = 22.0
_NAMES = 128.0  # left of the time axis
_OF_CUSTOMER = {"ada": "blue", "bob": "orange"}
_OF_OUTCOME = {"Completed": "green", "Failed": "red", "Cancelled": "purple", "Discarded": "grey"}


def _bar(drawing: Drawing, x: float, y: float, bar: Bar, until: float) -> None:
    """A delivery: dashed while it waits, a box while its handler runs."""
    began = until if bar.began is None else bar.began
    if began:
        drawing.line(x, y + _ROW / 2, x + began * _SECOND, y + _ROW / 2, "wait")
    if bar.began is not None and bar.ended is not None:
        width = (bar.ended - bar.began) * _SECOND
        drawing.box(x + began * _SECOND, y + 3, width, _ROW - 6, _OF_CUSTOMER[bar.order.customer])


def _seconds(drawing: Drawing, x: float, top: float, bottom: float, count: int) -> None:
    for second in range(count + 1):
        drawing.line(x + second * _SECOND, top, x + second * _SECOND, bottom, "grid")
        drawing.text(x + second * _SECOND, bottom + 14, f"{second} s", "small", anchor="middle")


def orderings() -> str:
    """The same three orders under each ordering."""
    panel, last = 6 * _ROW + 62, 7
    drawing = Drawing("The four orderings on a time axis", _NAMES + last * _SECOND + 150, 56 + panel * len(ORDERINGS))
    x = 20 + _NAMES
    for index, order in enumerate(ORDERS):
        left = 20 + index * 175
        drawing.box(left, 14, 16, 14, _OF_CUSTOMER[order.customer])
        drawing.text(left + 24, 26, f"order {order.number}, of {order.customer}")
    for index, (name, ordering) in enumerate(ORDERINGS.items()):
        top = 64 + index * panel
        bars = under(ordering)
        drawing.text(20, top - 8, name, "title")
        _seconds(drawing, x, top, top + len(bars) * _ROW, last)
        for row, bar in enumerate(bars):
            y = top + row * _ROW
            drawing.text(20, y + 15, f"order {bar.order.number}: {bar.handler}")
            _bar(drawing, x, y, bar, last)
        over = max(bar.ended or 0 for bar in bars)
        drawing.text(x + over * _SECOND + 8, top + len(bars) * _ROW - 6, f"done after {over:g} s", "small")
    return drawing.svg()


def ends() -> str:
    """The same three emissions at each end of their loop."""
    panel, x = 3 * _ROW + 92, 20 + _NAMES
    drawing = Drawing(
        "What happens at each end of a loop", 20 + _NAMES + 6 * _SECOND + 11 * LETTER, 26 + panel * len(ENDS)
    )
    for index, (name, end) in enumerate(ENDS.items()):
        top = 62 + index * panel
        ended = ending(end)
        reported = "nothing to report" if ended.reported is None else f"on_discard gets {ended.reported} emissions"
        drawing.text(20, top - 30, name, "title")
        drawing.text(x + 2 * _SECOND, top - 10, reported, "small")
        _seconds(drawing, x, top, top + 3 * _ROW, round(max(bar.ended or 0 for bar in ended.bars)))
        for row, bar in enumerate(ended.bars):
            y = top + row * _ROW
            drawing.text(20, y + 15, f"order {bar.order.number}: {bar.handler}")
            _bar(drawing, x, y, bar, 1)
            drawing.text(x + (bar.ended or 1) * _SECOND + 8, y + 15, bar.outcome)
        drawing.line(x + _SECOND, top - 6, x + _SECOND, top + 3 * _ROW, "end")
        drawing.text(x + _SECOND, top - 10, "main is over", "small", anchor="middle")
    return drawing.svg()


def life() -> str:
    """Every way through the states of a delivery, and why it is taken."""
    taken = ways()
    places = dict.fromkeys(["rejected", *_OF_OUTCOME], 0.0)
    below = 62.0
    for where in places:
        places[where] = below
        below += 58 + 18 * sum(way.where == where for way in taken)
    drawing = Drawing("The life of an emission", 690, below + 30)
    start, done = places["Completed"] + 20, 420

    def state(x: float, y: float, words: str, style: str = "box") -> None:
        drawing.box(x, y - 17, 96, 34, style)
        drawing.text(x + 48, y + 4, words, anchor="middle")

    middle = places["Failed"] + 12
    state(20, middle, "emit(event)")
    state(150, middle, "accepted")
    state(280, start, "started")
    drawing.arrow(116, middle, 150, middle)
    drawing.line(68, middle - 17, 68, places["rejected"])
    drawing.arrow(68, places["rejected"], done, places["rejected"])
    drawing.arrow(246, middle - 6, 280, start)
    drawing.text(20, 26, "A delivery, from emit to its outcome", "title")
    for where, at in places.items():
        state(done, at, where, _OF_OUTCOME.get(where, "red"))
        here = [way for way in taken if way.where == where]
        for started in sorted({way.started for way in here if where in _OF_OUTCOME}, reverse=True):
            drawing.arrow(*((376, start) if started else (246, middle + 6)), done, at + (-5 if started else 5))
        for index, way in enumerate(here):
            drawing.text(done + 2, at + 34 + 18 * index, way.why + (" *" if way.started else ""), "small")
    drawing.text(20, below - 10, "* its handler had started", "small")
    drawing.text(
        20,
        below + 10,
        "An emission is pending while a delivery is open; then its status is that of the worst.",
        "small",
    )
    return drawing.svg()


PICTURES: dict[str, Callable[[], str]] = {"life": life, "orderings": orderings, "ends": ends}


def main(folder: Path) -> None:
    """Write all of them to *folder*."""
    for name, draw in PICTURES.items():
        (folder / f"{name}.svg").write_text(draw(), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if sys.argv[1:] else Path(__file__).parent)
