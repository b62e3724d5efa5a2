"""The file that `--json` writes, read back."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .measuring import Rounds, Timing
from .ratios import Ratio, ratio, typical


@dataclass(frozen=True)
class Line:
    """One row as it was measured."""

    name: str
    what: str
    goal: float | None
    baseline: str
    by_cpu: bool
    rounds: Rounds

    @property
    def ratios(self) -> dict[str, Ratio]:
        """By contender, the fastest first."""
        names = {name for timings in self.rounds for name in timings}
        ratios = {name: ratio(self.rounds, name, self.baseline, by_cpu=self.by_cpu) for name in names}
        return dict(sorted(ratios.items(), key=lambda one: one[1].median))

    def seconds(self, contender: str) -> float:
        return typical(self.rounds, contender)


@dataclass(frozen=True)
class Figures:
    """One run."""

    python: str
    versions: dict[str, str]
    lines: dict[str, Line]
    memory: dict[str, dict[str, float]]
    imports: dict[str, dict[str, Any]]  # Any: a number, and names of modules


def read(file: Path) -> Figures:
    """Raises `OSError` or `ValueError` for what is no such file."""
    found = json.loads(file.read_text(encoding="utf-8"))
    if not isinstance(found, dict) or "rows" not in found:
        raise ValueError(f"it holds no figures. Make them: python -m benchmarks --json {file}")
    lines = {
        name: Line(
            name,
            row["what"],
            row["goal"],
            row["baseline"],
            row["by_cpu"],
            [{one: Timing(*timing) for one, timing in timings.items()} for timings in row["rounds"]],
        )
        for name, row in found["rows"].items()
    }
    return Figures(found["python"], found["versions"], lines, found.get("memory", {}), found.get("imports", {}))
