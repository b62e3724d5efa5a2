"""Which policy finds which bug of the zoo, in how many schedules: ``python tests/edges/testing/zoo_table.py``."""
# ruff: noqa: E402, T201  # a script, which finds its own modules first, and whose table is its output

import sys
import time
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[3])]

from pyventus_typed.testing import InterleavingError, explore
from pyventus_typed.testing._outside import LeakDetector
from pyventus_typed.testing._policies import POLICIES, portfolio
from pyventus_typed.testing._run import Options, run_once

if TYPE_CHECKING:  # a checker knows the zoo by its path from the root of the project, a script by what lies beside it
    from tests.edges.testing.zoo import SPECIMENS
    from tests.edges.testing.zoo.specimen import Specimen
else:
    from zoo import SPECIMENS
    from zoo.specimen import Specimen

TRIES = 400


def schedules_of(policy: int, specimen: Specimen) -> str:
    """How many schedules *policy* alone needs."""
    options = Options(max_steps=5_000, **specimen.options)
    with LeakDetector() as leaks:
        fifo = run_once(specimen.bug, options, leaks)
        if fifo.error is not None:
            return "FIFO"
        for tries in range(TRIES):
            index = policy + tries * len(POLICIES)
            chooser = portfolio(Random(index), index, fifo.choices)
            if run_once(specimen.bug, options, leaks, chooser=chooser).error is not None:
                return str(tries + 1)
    return "-"


def row(specimen: Specimen) -> list[str]:
    before = time.perf_counter()
    try:
        explore(specimen.bug, **specimen.options)
    except InterleavingError as error:
        found = [str(error.runs), f"`{error.schedule}`"]
    except Exception as error:
        return [
            specimen.name,
            *("" for _ in POLICIES),
            type(error).__name__,
            "",
            f"{1000 * (time.perf_counter() - before):.0f}",
        ]
    spent = f"{1000 * (time.perf_counter() - before):.0f}"
    return [specimen.name, *(schedules_of(policy, specimen) for policy in range(len(POLICIES))), *found, spent]


def main() -> None:
    print(f"Schedules until the bug is found, by each policy alone (of {TRIES}) and by the default settings.\n")
    print("| bug | " + " | ".join(POLICIES) + " | all | smallest schedule | ms |")
    print("|---" * (len(POLICIES) + 4) + "|")
    for specimen in SPECIMENS:
        print("| " + " | ".join(row(specimen)) + " |")


if __name__ == "__main__":
    main()
