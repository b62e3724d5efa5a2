"""A large family does not make the checking slow. What it costs is measured in processor time, in a process of its own."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parent.parent.parent / "benchmarks" / "typing" / "scale.py"

pytestmark = pytest.mark.timeout(200)


def test_a_union_of_126_events_costs_mypy_at_most_twice_what_no_family_costs() -> None:
    options = ["--checker", "mypy", "--family", "union", "--family", "event", "--sizes", "126", "--runs", "1"]
    done = subprocess.run([sys.executable, str(SCRIPT), *options], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    union, event = map(float, re.findall(r"^\|.*\| ([\d.]+) \|$", done.stdout, re.MULTILINE))
    assert union <= 2 * event, done.stdout
