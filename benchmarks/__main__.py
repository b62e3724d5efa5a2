"""The command: see `python -m benchmarks --help`."""

import argparse
import json
import random
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from . import __doc__ as usage
from . import footprint
from .contenders import HAND, LIMIT, PEERS, US, load
from .measuring import Pace, Rounds
from .report import build, lines
from .rows import IN_LOOP, ROWS, measure, measure_in_loop

QUICK = 15
EXTRA = {"memory": footprint.memory, "imports": footprint.imports}


def main(words: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=usage, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--rows", nargs="+", metavar="NAME", choices=(*ROWS, *EXTRA), help="only these rows; see --list"
    )
    parser.add_argument(
        "--only", nargs="+", metavar="NAME", choices=(LIMIT, HAND, US, *PEERS), help="only these contenders"
    )
    parser.add_argument("--quick", action="store_true", help=f"{QUICK} rounds in place of {Pace().rounds}")
    parser.add_argument("--list", action="store_true", help="print the names of the rows, and stop")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the raw figures")
    wanted = parser.parse_args(words)
    if wanted.list:
        for row in ROWS.values():
            print(f"{row.name:<12}{row.what}")
        print("memory      bytes for each subscription, pending and settled emission")
        print("imports     what an import loads, and how long it takes")
        return

    only = None if wanted.only is None else frozenset(wanted.only) | {LIMIT}
    versions = load(only)
    python = build()
    pace = Pace(QUICK) if wanted.quick else Pace()
    print(python)
    print(
        f"{pace.rounds} rounds; median of the paired ratios, their quartiles, least CPU time over least CPU time, wall time"
    )
    if versions:
        print(", ".join(f"{PEERS[name]} {found}" for name, found in versions.items()))
    figures: dict[str, Any] = {"python": python, "versions": versions, "rows": {}}  # Any: it becomes JSON
    # First: the tasks of the rows leave their marks in asyncio's own tables.
    for name, take in EXTRA.items():
        if wanted.rows is None or name in wanted.rows:
            figures[name] = take(only)
            print("", *footprint.lines(name, figures[name]), sep="\n", flush=True)
    for name, row in ROWS.items():
        if wanted.rows is not None and name not in wanted.rows:
            continue
        seed = random.SystemRandom().randrange(1 << 32)
        rounds = (measure_in_loop if row in IN_LOOP else measure)(row, pace, seed, only)
        print("", *lines(row, rounds), sep="\n", flush=True)
        figures["rows"][name] = {
            "what": row.what, "goal": row.goal, "baseline": row.baseline, "by_cpu": row.by_cpu, "rounds": raw(rounds)
        }  # fmt: skip
    if wanted.json is not None:
        wanted.json.write_text(json.dumps(figures, separators=(",", ":")) + "\n", encoding="utf-8")


def raw(rounds: Rounds) -> list[dict[str, tuple[float, float]]]:
    return [{name: (one.wall, one.cpu) for name, one in timings.items()} for timings in rounds]


if __name__ == "__main__":
    main(sys.argv[1:])
