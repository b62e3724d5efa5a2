"""The command: see `python -m benchmarks --help`."""

import argparse
import sysconfig
import sys
from importlib.metadata import version

from .contenders import LIMIT, PEERS, US, load
from .measuring import Pace, Rounds
from .rows import BLOCKING, IN_LOOP, measure, measure_in_loop
from .statistics import ratio, typical


def build():
    a = sysconfig.get_config_var("CONFIG_ARGS") or ""
    return f"Python {sys.version.split()[0]}, " + ("PGO" if "enable-optimizations" in a else "no PGO")


def show(row, rounds: Rounds) -> None:
    print(f"\n{row.name}: {row.what}" + (f"   (goal <= {row.goal})" if row.goal else ""))
    names = sorted({n for r in rounds for n in r}, key=lambda n: typical(rounds, n))
    for name in names:
        r = ratio(rounds, name, LIMIT)
        print(
            f"  {name:12} {r.median:9.2f}  ({r.low:.2f} - {r.high:.2f})  cpu {r.cpu:9.2f} {' ' if r.agrees else '?'} {typical(rounds, name) * 1e9:12,.0f} ns",
            flush=True,
        )


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--rows", nargs="*")
    p.add_argument("--only", nargs="*")
    p.add_argument("--quick", action="store_true")
    a = p.parse_args()
    only = frozenset(a.only) | {LIMIT} if a.only else None
    load(only)
    pace = Pace(15) if a.quick else Pace()
    print(build())
    for row in BLOCKING:
        if not a.rows or row.name in a.rows:
            show(row, measure(row, pace, 1, only))
    for row in IN_LOOP:
        if not a.rows or row.name in a.rows:
            show(row, measure_in_loop(row, pace, 1, only))


main()
