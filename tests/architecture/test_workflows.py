"""What CI runs is what nox knows: a session that is renamed, or a Python that is added, is missed nowhere."""

import re

import pytest

from tests.programs import ROOT, run_python

WORKFLOWS = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / ".github" / "workflows").glob("*.yml")}
PROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")


def test_each_session_that_ci_runs_is_one_of_nox() -> None:
    ci = WORKFLOWS["ci.yml"]
    listed = re.search(r"session: \[(.*)\]", ci)
    assert listed is not None
    named = {*listed[1].split(", "), *re.findall(r"nox -s (\w+)", ci)}
    known = set(re.findall(r"^[*-] (\w+)", run_python("-m", "nox", "-l").stdout, re.MULTILINE))
    assert named - known == set()
    default = {"lint", "types", "tests", "cover", "docs"}
    assert default <= named


def test_ci_runs_the_tests_on_each_python_that_is_declared() -> None:
    (listed,) = re.findall(r"python: \[(.*)\]", WORKFLOWS["ci.yml"])
    assert re.findall(r"3\.\d+", listed) == re.findall(r"Python :: (3\.\d+)\"", PROJECT)


@pytest.mark.parametrize(
    ("page", "line"),
    [
        ("README.md", r"^- \*\*Versions:\*\* CPython (.*?) on Linux"),
        ("docs/reference/pythons.md", r"^\| CPython (.*?) on"),
    ],
)
def test_a_page_about_versions_names_each_python_that_is_declared(page: str, line: str) -> None:
    named = ", ".join(re.findall(line, (ROOT / page).read_text(encoding="utf-8"), re.MULTILINE))
    assert re.findall(r"3\.\d+", named) == re.findall(r"Python :: (3\.\d+)\"", PROJECT)


def test_every_action_is_pinned_to_a_commit_and_says_which_version_that_is() -> None:
    used = [
        line for text in WORKFLOWS.values() for line in re.findall(r"uses: (.*)", text) if not line.startswith("./")
    ]
    assert len(used) > 5
    assert [line for line in used if not re.fullmatch(r"[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line)] == []
