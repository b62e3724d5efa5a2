"""Processor instructions for each unit of work, counted by valgrind: the same on a busy machine as on an idle one.

    python -m benchmarks.instructions            count, and compare with the baseline; exit code 1 if a row got worse
    python -m benchmarks.instructions --write    make what is counted the new baseline

The difference of two runs with different loop counts leaves out the start of the interpreter and all that is done once.
Counts hold for one build of Python, so a baseline of another build is not compared with.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from .contenders import LIMIT, US
from .report import build
from .rows import ROWS

BASELINE = Path(__file__).with_name("instructions.json")
CORE = ("sync-1", "sync-10", "burst", "task-1", "publish-1")
FEW, MORE = 200, 1200
TOLERANCE = 0.03
"""Runs of the same code differ by less than a third of this."""

Counts = dict[str, dict[str, int]]


class NoValgrind(RuntimeError):
    """The instrument is missing."""


def count(rows: Sequence[str], contenders: Sequence[str]) -> Counts:
    """Instructions for one unit of work of each row."""
    jobs = [(row, contender) for row in rows for contender in contenders]
    words = [f"{row}:{contender}:1" for row, contender in jobs]
    subprocess.run([sys.executable, "-m", "benchmarks.alone", *words], check=True)  # compiles what is not compiled yet
    loads = [dict.fromkeys(jobs, FEW), *({**dict.fromkeys(jobs, FEW), job: MORE} for job in jobs)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        few, *more = pool.map(total, loads)
    counts: Counts = {row: {} for row in rows}
    for (row, contender), found in zip(jobs, more, strict=True):
        counts[row][contender] = round((found - few) / (MORE - FEW))
    return counts


def total(jobs: dict[tuple[str, str], int]) -> int:
    """Instructions of a process that does all of *jobs*, so many units of each."""
    valgrind = shutil.which("valgrind")
    if valgrind is None:
        raise NoValgrind(
            "valgrind counts the instructions, and it is not on the PATH. Install it (apt install valgrind)."
        )
    words = [f"{row}:{contender}:{times}" for (row, contender), times in jobs.items()]
    instrument = ("--tool=cachegrind", "--cache-sim=no", "--branch-sim=no", "--cachegrind-out-file=/dev/null")
    command = (valgrind, *instrument, sys.executable, "-m", "benchmarks.alone", *words)
    # The order of sets, and so the path taken, hangs on the seed of hashes.
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    answer = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    found = re.search(r"I\s+refs:\s+([\d,]+)", answer.stderr)
    if answer.returncode or found is None:
        raise RuntimeError(f"{' '.join(command)} failed:\n{answer.stderr}")
    return int(found[1].replace(",", ""))


def compare(counts: Counts, baseline: Counts) -> list[str]:
    """Print all rows; return those that got worse by more than the tolerance."""
    worse = []
    print(f"{'':<12}{'instructions':>14}{'baseline':>12}{'change':>9}{'x limit':>9}")
    for row, now in counts.items():
        before = baseline.get(row)
        limit = now.get(LIMIT) or (before or {}).get(LIMIT)
        change = "" if before is None else f"{now[US] / before[US] - 1:+.1%}"
        known = "" if before is None else f"{before[US]:,}"
        times = "" if limit is None else f"{now[US] / limit:.2f}"
        print(f"{row:<12}{now[US]:>14,}{known:>12}{change:>9}{times:>9}")
        if before is not None and now[US] > before[US] * (1 + TOLERANCE):
            worse.append(row)
    return worse


def main(words: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.instructions", description="Count and compare.")
    parser.add_argument("--rows", nargs="+", choices=tuple(ROWS), default=CORE, metavar="NAME")
    parser.add_argument("--write", action="store_true", help="make it the new baseline")
    wanted = parser.parse_args(words)
    try:
        counts = count(wanted.rows, (US, LIMIT) if wanted.write else (US,))
    except NoValgrind as error:
        print(error, file=sys.stderr)
        return 2
    known: dict[str, Any] = json.loads(BASELINE.read_text(encoding="utf-8")) if BASELINE.exists() else {}  # Any: JSON
    same = known.get("python") == build()
    worse = compare(counts, known["rows"] if same else {})
    if wanted.write:
        rows = {**(known["rows"] if same else {}), **counts}
        BASELINE.write_text(
            json.dumps({"python": build(), "rows": rows}, indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
        )
        return 0
    if not same:
        print(f"Nothing to compare with: the baseline is of {known.get('python')}, this is {build()}.", file=sys.stderr)
        return 0
    for row in worse:
        print(f"{row} takes more than {TOLERANCE:.0%} more instructions than the baseline.", file=sys.stderr)
    return 1 if worse else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
