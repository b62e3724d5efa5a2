"""Apply each mutant to a copy of the package, and demand that the suite kills it: ``python -m tests.mutants.run``.

Words after the command choose the mutants whose names contain them. A text that is not found, or found twice, is a failure:
the core has changed, and the mutant must follow.
"""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from time import monotonic

from tests.mutants.core_mutants import MUTANTS, Mutant

ROOT = Path(__file__).parents[2]
# A mutant may hang: that is noticed, too.
PYTEST = (
    "-m",
    "pytest",
    "-x",
    "-q",
    "--no-header",
    "--tb=no",
    "-p",
    "no:cacheprovider",
    "--hypothesis-profile=quick",
    "--timeout=60",
)


def copy_of_the_house(folder: Path) -> Path:
    """The house without what is made in it."""
    house = folder / "house"
    shutil.copytree(
        ROOT, house, ignore=shutil.ignore_patterns(".*", "__pycache__", "_build", "edges", "typing", "examples")
    )
    return house


def run_tests(house: Path, tests: Iterable[str], limit: float | None = None) -> tuple[bool, str]:
    """Whether *tests* pass in *house*, in *limit* seconds, and which one does not, or else the last thing that pytest said."""
    try:
        ended = subprocess.run(
            [sys.executable, *PYTEST, *tests],
            cwd=house,
            capture_output=True,
            encoding="utf-8",
            timeout=limit,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return False, "ran out of time"
    if ended.returncode not in (0, 1):  # 1: tests failed; anything else is no verdict, but for a crash at the end
        said = f"{ended.stdout}{ended.stderr}"
        if "failed" not in said and "INTERNALERROR" not in said:
            raise SystemExit(f"pytest could not judge: {said}")
    lines = ended.stdout.strip().splitlines() or ["nothing"]
    return ended.returncode == 0, next((line for line in lines if line.startswith(("FAILED ", "ERROR "))), lines[-1])


def kill(mutant: Mutant, house: Path, limit: float) -> str | None:
    """Why *mutant* lives, if it does. One that hangs for *limit* seconds is dead."""
    file = house / "pyventus_typed" / mutant.file
    text = file.read_text(encoding="utf-8")
    found = text.count(mutant.old)
    if found != 1:
        return f"its text stands {found} times in {mutant.file}: the core has changed, so change the mutant"
    file.write_text(text.replace(mutant.old, mutant.new), encoding="utf-8")
    try:
        passed, said = run_tests(house, mutant.tests, limit)
    finally:
        file.write_text(text, encoding="utf-8")
    return f"nobody noticed: {said}" if passed else None


def main(words: list[str]) -> int:
    """Exit code 0 if the tests pass as they are and every chosen mutant is dead."""
    chosen = [mutant for mutant in MUTANTS if all(word in mutant.name for word in words)]
    alive = 0
    with tempfile.TemporaryDirectory(prefix="pyventus-typed-mutants-") as folder:
        house = copy_of_the_house(Path(folder))
        begin = monotonic()
        passed, said = run_tests(house, sorted({test for mutant in chosen for test in mutant.tests}))
        limit = 60 + 2 * (monotonic() - begin)  # longer than all tests together on this machine
        if not passed:
            print(f"The tests fail without any mutant: {said}")
            return 1
        for mutant in chosen:
            why = kill(mutant, house, limit)
            print(f"{'ALIVE' if why else 'dead '}  {mutant.name}{f': {why}' if why else ''}", flush=True)
            alive += why is not None
    print(f"{len(chosen)} mutants, {alive} alive")
    return 1 if alive or not chosen else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
