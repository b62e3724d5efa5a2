"""A Python that is declared and is not there: named where nox starts, and an error where the machine is meant to have it."""

import os
import re
import shutil
from pathlib import Path

import pytest

from tests.programs import ROOT, Ended, run_python

NEWEST = '    "Programming Language :: Python :: Implementation :: CPython",\n'


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """The noxfile beside a project that declares a Python that nobody has."""
    shutil.copy(ROOT / "noxfile.py", tmp_path)
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    declared = project.replace(NEWEST, f'    "Programming Language :: Python :: 3.99",\n{NEWEST}')
    assert declared != project
    (tmp_path / "pyproject.toml").write_text(declared, encoding="utf-8")
    return tmp_path


def nox(house: Path, monkeypatch: pytest.MonkeyPatch, *arguments: str, promised: str | None) -> Ended:
    for name in ("PYVENTUS_PYTHONS", "NOXSESSION", "NOXPYTHON"):
        monkeypatch.delenv(name, raising=False)
    env = {} if promised is None else {"PYVENTUS_PYTHONS": promised}
    return run_python("-m", "nox", *arguments, cwd=house, env={**env, "PYTHONPATH": os.pathsep})


def test_a_missing_python_is_named_and_has_no_session(house: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ended = nox(house, monkeypatch, "-l", promised=None)
    assert ended.code == 0, ended.stderr
    assert "not found here as pythonX.Y: Python" in ended.stderr
    assert re.search(r"Python .*\b3\.99, .*\b3\.99t\. Nothing is tested on it", ended.stderr)
    assert "others-3.99" not in ended.stdout


def test_a_missing_python_that_the_machine_is_meant_to_have_is_an_error(
    house: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "* others-3.99" in nox(house, monkeypatch, "-l", promised="3.12 3.99").stdout
    ended = nox(house, monkeypatch, "-s", "others-3.99", promised="3.12 3.99")
    assert ended.code == 1
    assert "Python interpreter 3.99 not found" in ended.stderr


@pytest.mark.parametrize("promised", ["3.98", "3.12,py399", "3.99 3.98t"])
def test_a_python_that_the_machine_is_meant_to_have_and_that_is_not_declared_is_an_error(
    house: Path, monkeypatch: pytest.MonkeyPatch, promised: str
) -> None:
    ended = nox(house, monkeypatch, "-l", promised=promised)
    assert ended.code == 1
    wrong = promised.replace(",", " ").split()[-1]
    assert f"names {wrong}, and pyproject.toml declares 3.11, 3.12," in ended.stderr


def test_a_free_threaded_python_that_the_machine_is_meant_to_have_is_an_error_too(
    house: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = nox(house, monkeypatch, "-s", "stress", promised="3.99t")
    assert ended.code == 1
    assert "Python interpreter 3.99t not found" in ended.stderr
