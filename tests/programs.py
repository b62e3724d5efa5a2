"""Programs, run as their user runs them: an own process, its output, its exit code and its time."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class Ended:
    """A program that has ended."""

    code: int
    stdout: str
    stderr: str


def hear_ctrl_c() -> None:
    """For ``preexec_fn``: a shell that starts us in the background has made us, and whom we start, deaf to Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def run_python(*arguments: str, env: Mapping[str, str] | None = None, cwd: Path = ROOT) -> Ended:
    """Run this interpreter with *arguments*, without a terminal, in the root of the project unless told otherwise.

    What *env* names is added to the environment. The package is that of the checkout; if it has none, because
    the tests were taken out of the checkout, it is the installed one.
    """
    ended = subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), **(env or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    return Ended(ended.returncode, ended.stdout, ended.stderr)
