"""Put a run into the page about speed: its tables and its plots.

python -m benchmarks --json figures.json
python -m benchmarks.page figures.json
"""

import argparse
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from . import plots
from .contenders import HAND, LIMIT, PEERS, US
from .figures import Figures, Line, read
from .plots import OURS, ROWS
from .report import number

PAGE = Path(__file__).parents[1] / "docs" / "explanation" / "speed.md"
GROWTH = ("types", "others", "cold", "depth", "pending", "threads")


def table(figures: Figures) -> Iterator[str]:
    """Every row: by hand, us, and the peers that have an entry, the fastest first, and those that are ahead of us in bold."""
    yield f"| what is done, x the limit | the limit | by hand | {OURS} | peers |"
    yield "|---|--:|--:|--:|---|"
    for name in ROWS:
        if name not in figures.lines:
            continue
        line = figures.lines[name]
        ratios = line.ratios
        us = ratios[US]
        figures_of_peers = {peer: ratio.median for peer, ratio in ratios.items() if peer in PEERS}
        theirs = ", ".join(
            f"**{peer} {number(median)}**" if median < us.median else f"{peer} {number(median)}"
            for peer, median in figures_of_peers.items()
        )
        hand = number(ratios[HAND].median) if HAND in ratios else ""
        spread = f"{number(us.low)}-{number(us.high)}"
        ours = f"**{number(us.median)}** ({spread})"
        yield f"| {line.what} | {per_unit(line)} | {hand} | {ours} | {theirs or 'none'} |"


def per_unit(line: Line) -> str:
    seconds = line.seconds(LIMIT)
    return f"{seconds * 1e9:,.0f} ns" if seconds < 1e-6 else f"{seconds * 1e6:.1f} µs"


def growing(figures: Figures) -> Iterator[str]:
    """The rows whose contenders differ by how much is registered."""
    yield "| what grows | x the first |"
    yield "|---|---|"
    for name in GROWTH:
        if name in figures.lines:
            line = figures.lines[name]
            ratios = line.ratios
            cells = [f"{spell(one)}: {number(ratios[one].median)}" for one in sorted(ratios, key=size)]
            yield f"| {line.what} | {', '.join(cells)} |"


def spell(contender: str) -> str:
    """What is left to say of "us 100", in a table where nearly all are ours."""
    name, _, count = contender.partition(" ")
    return count if name == US else f"the limit with {count}"


def size(contender: str) -> tuple[str, int]:
    name, _, count = contender.partition(" ")
    return name, int(count.replace(",", ""))


def memory(figures: Figures) -> Iterator[str]:
    yield "| bytes for each | |"
    yield "|---|---|"
    for what, sizes in figures.memory.items():
        cells = [
            f"{plots.label(name)}: {bytes_:,.0f}" for name, bytes_ in sorted(sizes.items(), key=lambda one: one[1])
        ]
        yield f"| {what} | {', '.join(cells)} |"


def machine(figures: Figures) -> Iterator[str]:
    versions = ", ".join(f"{PEERS[name]} {version}" for name, version in figures.versions.items() if name in PEERS)
    yield f"{figures.python}. {versions}."


PARTS = {"machine": machine, "table": table, "growth": growing, "memory": memory}


def filled(page: str, figures: Figures) -> str:
    """*page* with each part between its two comments replaced."""
    for name, part in PARTS.items():
        pieces = re.split(rf"(<!-- (?:end of )?{name} -->)", page)
        if len(pieces) != 5:
            raise ValueError(f"The page has no place for {name!r}: it needs two comments of that name.")
        before, start, _, end, after = pieces
        page = "\n".join([f"{before}{start}", "", *part(figures), "", f"{end}{after}"])
    return page


def main(words: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.page", description="Put a run into the page about speed."
    )
    parser.add_argument("figures", type=Path, help="what `python -m benchmarks --json` wrote")
    wanted = parser.parse_args(words)
    try:
        figures = read(wanted.figures)
    except (OSError, ValueError) as error:
        parser.error(f"{wanted.figures}: {error}")
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8"), figures), encoding="utf-8")
    plots.write(figures, PAGE.parent)


if __name__ == "__main__":
    main(sys.argv[1:])
