"""Programs, run as their user runs them: an own process, its output, its exit code and its time."""

import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

HOUSE = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class Ended:
    """A program that has ended."""

    code: int
    stdout: str
    stderr: str
    seconds: float


def run_python(*arguments: str, env: Mapping[str, str] | None = None, cwd: Path = HOUSE) -> Ended:
    """Run this interpreter with *arguments*, in the root of the house if not told otherwise, without a terminal."""
    command: Sequence[str] = (sys.executable, *arguments)
    began = time.monotonic()
    ended = subprocess.run(
        command,
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    return Ended(ended.returncode, ended.stdout, ended.stderr, time.monotonic() - began)
