"""The page shows what ``--help`` says."""

import re

import pytest

from tests.docs.pages import DOCS
from tests.programs import run_python

PAGE = (DOCS / "reference" / "command-line.md").read_text(encoding="utf-8")
SHOWN = re.findall(
    r"^```console\n\$ python (-m pyventus_typed [^\n]+ --help)\n```\n\n```text\n(.*?)^```$",
    PAGE,
    re.DOTALL | re.MULTILINE,
)


@pytest.mark.parametrize(("command", "help_text"), SHOWN)
def test_the_page_shows_the_help_of_a_command(command: str, help_text: str) -> None:
    # Words, not lines: each Python breaks them in its own places.
    assert run_python(*command.split(), env={"COLUMNS": "80"}).stdout.split() == help_text.split()


def test_the_page_shows_every_command() -> None:
    offered = re.findall(
        r"^    (\w[\w-]*)  ", run_python("-m", "pyventus_typed", "--help", env={"COLUMNS": "80"}).stdout, re.MULTILINE
    )
    assert {command.split()[2] for command, _ in SHOWN} == set(offered)
