"""Weaken one signature at a time, and demand that each type checker notices.

    python tests/typing/mutate.py                 every mutant
    python tests/typing/mutate.py "part of name"  some of them

A checker notices a mutant when its report on the cases no longer agrees with their markers. An error inside the changed
package does not count: users do not see those.
"""

# ruff: noqa: T201 - what it prints is its output

import argparse
import shutil
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from checkers import CHECKERS, Checker, CheckerUnusable, Job, run
from expectations import CaseFile, judge, read_cases
from mutants import MUTANTS, Mutant, MutantNotFound

HERE: Final = Path(__file__).resolve().parent
ROOT: Final = HERE.parent.parent


def disagreements(job: Job, cases: Sequence[CaseFile]) -> dict[Checker, list[str]]:
    """For each checker, where it disagrees with the markers: an empty list is a checker that noticed nothing."""
    with ThreadPoolExecutor(len(CHECKERS)) as pool:
        return dict(zip(CHECKERS, pool.map(lambda checker: _of_one(checker, job, cases), CHECKERS), strict=True))


def _of_one(checker: Checker, job: Job, cases: Sequence[CaseFile]) -> list[str]:
    report = run(checker, Job(job.targets, job.roots, job.scratch / checker))
    return [problem for case in cases for problem in judge(case, checker, report.of(case.path))]


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="mutate.py", description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("name", nargs="?", default="", help="only mutants whose name contains this")
    parser.add_argument("--package", type=Path, default=ROOT, help="the directory that holds pyventus_typed")
    options = parser.parse_args(arguments)
    chosen = [mutant for mutant in MUTANTS if options.name in mutant.name]
    if not chosen:
        parser.error(f"no mutant is called like {options.name!r}")
    with tempfile.TemporaryDirectory() as scratch:
        try:
            return _run(chosen, options.package / "pyventus_typed", Path(scratch))
        except (CheckerUnusable, MutantNotFound) as error:
            print(error, file=sys.stderr)
            return 2


def _run(chosen: Sequence[Mutant], package: Path, scratch: Path) -> int:
    folder = HERE / "cases"
    cases = [read_cases(path) for path in sorted(folder.glob("*.py"))]
    # One place for every copy: mypy keeps what it knows about everything but the package.
    copy = scratch / "copy" / "pyventus_typed"
    job = Job((folder,), (copy.parent, folder), scratch)

    shutil.copytree(package, copy, ignore=shutil.ignore_patterns("__pycache__"))
    for checker, problems in disagreements(job, cases).items():
        if problems:
            print(f"{checker} disagrees with the cases without any mutant; first:\n{problems[0]}", file=sys.stderr)
            return 2

    survivors = 0
    for mutant in chosen:
        shutil.rmtree(copy)
        shutil.copytree(package, copy, ignore=shutil.ignore_patterns("__pycache__"))
        mutant.apply(copy)
        noticed = disagreements(job, cases)
        blind = [checker for checker, problems in noticed.items() if not problems]
        survivors += bool(blind)
        counts = ", ".join(f"{checker} {len(problems)}" for checker, problems in noticed.items())
        print(f"{'SURVIVES ' + '+'.join(blind) if blind else 'noticed':<24} {mutant.name} ({counts})", flush=True)
    print(f"{len(chosen)} mutants, {survivors} of them not noticed by every checker")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
