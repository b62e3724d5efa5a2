"""What users' checkers need of the package beyond its signatures."""

import json
import os
import subprocess
import sys
from concurrent.futures import Future
from pathlib import Path

import overloads
import pytest
from checkers import Checker, Job, Report
from mutants import MUTANTS, Mutant, MutantNotFound
from reading_errors import PAGE, SHOWN, with_messages

pytestmark = pytest.mark.timeout(400)

ROOT = Path(__file__).resolve().parent.parent.parent


def test_every_public_name_has_a_complete_type() -> None:
    command = [sys.executable, "-m", "pyright", "--outputjson", "--ignoreexternal", "--verifytypes", "pyventus_typed"]
    done = subprocess.run(
        command, cwd=ROOT, env=_with_package(), capture_output=True, text=True, timeout=300, check=False
    )
    report = json.loads(done.stdout)["typeCompleteness"]
    vague = [
        f"{symbol['name']}: {problem['message']}"
        for symbol in report["symbols"]
        if symbol["isExported"]
        for problem in symbol["diagnostics"]
        if problem["severity"] == "error"  # a missing docstring is a warning
    ]
    assert vague == []
    assert (report["completenessScore"], done.returncode) == (1, 0)
    assert report["exportedSymbolCounts"]["withKnownType"] >= 100


def _with_package() -> dict[str, str]:
    # Here pyright takes no --pythonpath: it asks the first `python` of PATH where packages are, and so learns PYTHONPATH.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return os.environ | {"PATH": path, "PYTHONPATH": str(ROOT), "PYRIGHT_PYTHON_IGNORE_WARNINGS": "1"}


def test_our_stubs_agree_with_the_packages_that_they_describe() -> None:
    stubs = ROOT / "stubs"
    described = sorted(path.name for path in stubs.iterdir())
    assert described
    done = subprocess.run(
        # Partial stubs: what they leave out is no fault.
        [sys.executable, "-m", "mypy.stubtest", "--concise", "--ignore-missing-stub", *described],
        cwd=ROOT / "tests" / "typing",  # away from the settings of the project
        env=os.environ | {"MYPYPATH": str(stubs)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert (done.stdout + done.stderr, done.returncode) == ("", 0)


def test_the_page_of_error_messages_says_what_the_checkers_say(
    cases_job: Job, reports: dict[Checker, Future[Report]]
) -> None:
    page = PAGE.read_text(encoding="utf-8")
    found = [reports[checker].result() for checker in SHOWN]
    assert with_messages(page, cases_job.targets[1], found) == page, "run: python tests/typing/reading_errors.py"


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_the_text_that_a_mutant_weakens_is_in_the_package(mutant: Mutant) -> None:
    found = sum(path.read_text(encoding="utf-8").count(mutant.old) for path in (ROOT / "pyventus_typed").rglob("*.py"))
    assert found == mutant.times
    assert mutant.new != mutant.old


def test_there_are_many_mutants_and_no_two_of_a_name() -> None:
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS) >= 30


def test_a_mutant_changes_the_text_and_brings_what_it_needs(tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    module.write_text('"""Docstring."""\n\nfrom typing import Final\n\nx: Final[int] = 1\n', encoding="utf-8")
    Mutant("x", "Final[int]", "Any").apply(tmp_path)
    assert module.read_text(encoding="utf-8") == (
        '"""Docstring."""\n\nfrom typing import Any\nfrom typing import Final\n\nx: Any = 1\n'
    )


@pytest.mark.parametrize("times", [0, 2])
def test_a_mutant_whose_text_is_not_there_fails(tmp_path: Path, times: int) -> None:
    (tmp_path / "module.py").write_text("x: int = 1\n" * times, encoding="utf-8")
    with pytest.raises(MutantNotFound, match=f"'x is vague': the package holds this text {times} times, not 1"):
        Mutant("x is vague", "x: int", "x: object").apply(tmp_path)


@pytest.mark.parametrize("path", overloads.files(), ids=lambda path: path.stem)
def test_the_overloads_are_what_the_script_writes(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    assert overloads.rewritten(source) == source, "run: python tests/typing/overloads.py"


def test_every_form_of_overloads_has_a_place_in_the_package() -> None:
    marks = [overloads.PLACE.findall(path.read_text(encoding="utf-8")) for path in overloads.files()]
    assert sorted(name for found in marks for _, _, name, _, _ in found) == sorted(overloads.FORMS)
