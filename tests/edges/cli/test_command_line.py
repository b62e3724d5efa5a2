"""The command line as a whole."""

import re
import subprocess
import sys
from pathlib import Path

from tests.programs import ROOT, run_python


def test_without_a_command_it_says_which_there_are() -> None:
    ended = run_python("-m", "pyventus_typed")
    assert ended.code == 2
    assert "required: COMMAND" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_help_names_the_commands() -> None:
    ended = run_python("-m", "pyventus_typed", "--help")
    assert (ended.code, ended.stderr) == (0, "")
    assert "demo" in ended.stdout
    assert "check" in ended.stdout


def test_the_wiring_of_the_demo_passes_its_own_check() -> None:
    demo = "pyventus_typed.cli.demo"
    family = ("--family", f"{demo}.events:ScanEvent")
    ended = run_python("-m", "pyventus_typed", "check", f"{demo}.handlers:linker", *family)
    assert (ended.code, ended.stderr) == (0, ""), ended.stdout


def test_the_picture_in_the_readme_is_what_the_check_draws() -> None:
    demo = "pyventus_typed.cli.demo"
    command = ("check", f"{demo}.handlers:linker", "--source", demo, "--format", "svg")
    drawn = run_python("-m", "pyventus_typed", *command).stdout
    kept = (ROOT / "docs" / "pictures" / "demo-wiring.svg").read_text(encoding="utf-8")
    # Where the files stand depends on where the package is installed, and their lines on everything.
    assert re.sub(r"\(\S+:\d+\)", "", kept) == re.sub(r"\(\S+:\d+\)", "", drawn)


def test_output_that_cannot_be_written_is_one_line_of_complaint() -> None:
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(
            [sys.executable, "-m", "pyventus_typed", "demo", "docs/examples"],
            cwd=ROOT,
            stdout=full,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            check=False,
        )
    assert ended.returncode == 1
    assert ended.stderr == "python -m pyventus_typed: No space left on device\n"
