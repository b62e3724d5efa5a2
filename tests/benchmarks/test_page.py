"""From the raw figures to the page: made-up runs, the real page."""

import json
import re
from pathlib import Path
from xml.etree.ElementTree import fromstring

import pytest

from benchmarks.figures import Figures, read
from benchmarks.page import PAGE, filled
from benchmarks.plots import THEMES, Theme, growth, peers

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def figures(tmp_path: Path) -> Figures:
    """A run in which by hand takes twice the limit, we take three times, and pyee six times, at every number of handlers."""
    rounds = [{"limit": (1e-7, 1e-7), "hand": (2e-7, 2e-7), "us": (3e-7, 3e-7), "pyee": (6e-7, 6e-7)}] * 3
    rows = {
        name: {"what": f"work {name}", "goal": 4.5, "baseline": "limit", "by_cpu": False, "rounds": rounds}
        for name in ("sync-1", "sync-10", "sync-100", "sync-1000")
    }
    memory = {"subscription": {"us": 200.0, "limit": 8.0}}
    run = {"python": "Python 3.11", "versions": {"pyee": "13.0"}, "rows": rows, "memory": memory, "imports": {}}
    file = tmp_path / "figures.json"
    file.write_text(json.dumps(run), encoding="utf-8")
    return read(file)


def test_the_page_gets_the_ratios_of_the_run(figures: Figures) -> None:
    page = filled(PAGE.read_text(encoding="utf-8"), figures)
    assert "| work sync-1 | 100 ns | 2.00 | **3.00** (3.00-3.00) | pyee 6.00 |" in page
    assert "| subscription | the limit: 8, pyventus_typed: 200 |" in page
    assert "Python 3.11. pyee 13.0." in page


def test_filling_the_page_again_changes_nothing(figures: Figures) -> None:
    once = filled(PAGE.read_text(encoding="utf-8"), figures)
    assert filled(once, figures) == once


def test_a_page_without_a_place_for_the_table_is_refused(figures: Figures) -> None:
    page = PAGE.read_text(encoding="utf-8").replace("<!-- end of table -->", "")
    with pytest.raises(ValueError, match="no place for 'table'"):
        filled(page, figures)


@pytest.mark.parametrize("theme", THEMES, ids=lambda theme: theme.name)
def test_the_slower_one_is_drawn_further_right(figures: Figures, theme: Theme) -> None:
    drawing = fromstring(peers(figures, theme))
    places = {dot.findtext(f"{SVG}title"): float(dot.attrib["cx"]) for dot in drawing.iter(f"{SVG}circle")}
    assert places["pyventus_typed: 3.00 x"] < places["pyee: 6.00 x"]


@pytest.mark.parametrize("theme", THEMES, ids=lambda theme: theme.name)
def test_what_is_written_by_hand_is_not_drawn_as_a_library(figures: Figures, theme: Theme) -> None:
    drawing = fromstring(peers(figures, theme))
    assert {mark.findtext(f"{SVG}title") for mark in drawing.iter(f"{SVG}polygon")} == {"by hand", "by hand: 2.00 x"}
    assert "by hand" not in {mark.findtext(f"{SVG}title") for mark in drawing.iter(f"{SVG}circle")}


@pytest.mark.parametrize("theme", THEMES, ids=lambda theme: theme.name)
def test_the_growth_plot_has_a_line_for_every_contender(figures: Figures, theme: Theme) -> None:
    drawing = growth(figures, theme)
    lines = fromstring(drawing).findall(f"{SVG}polyline")
    assert [len(line.attrib["points"].split()) for line in lines] == [4, 4, 4, 4]
    looks = re.findall(r'<polyline [^>]*stroke="(#\w+)"[^>]*?( stroke-dasharray="[^"]+")?/>', drawing)
    assert len(set(looks)) == 4
