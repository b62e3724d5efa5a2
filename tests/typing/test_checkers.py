"""A checker that could not do its work is a failure that says why, never a clean report."""

from concurrent.futures import Future
from pathlib import Path

import checkers
import pytest
from checkers import CHECKERS, Checker, CheckerUnusable, Job, Report, run

CANARIES = Path(__file__).parent / "cases" / "canaries.py"

pytestmark = pytest.mark.timeout(400)


def _job(folder: Path, source: str) -> Job:
    target = folder / "checked"
    target.mkdir()
    (target / "module.py").write_text(source, encoding="utf-8")
    return Job((target,), (), folder / "scratch")


@pytest.mark.parametrize("checker", CHECKERS)
def test_an_error_is_found_with_its_place(checker: Checker, reports: dict[Checker, Future[Report]]) -> None:
    text = 'number: int = "one"'
    (line,) = [
        n for n, each in enumerate(CANARIES.read_text(encoding="utf-8").splitlines(), 1) if each.startswith(text)
    ]
    (found,) = [each for each in reports[checker].result().of(CANARIES) if each.line == line]
    assert "int" in found.message


@pytest.mark.parametrize("checker", CHECKERS)
def test_clean_code_is_clean(checker: Checker, tmp_path: Path) -> None:
    report = run(checker, _job(tmp_path, "number: int = 1\n"))
    assert (report.status, report.diagnostics) == (0, ())


@pytest.mark.parametrize("checker", CHECKERS)
def test_a_missing_checker_fails_with_the_way_out(
    checker: Checker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkers, "find_spec", lambda _name: None)
    with pytest.raises(CheckerUnusable, match=rf"{checker} is not installed .*pip install --group types"):
        run(checker, _job(tmp_path, ""))


@pytest.mark.parametrize("checker", CHECKERS)
def test_nothing_to_check_is_no_clean_report(checker: Checker, tmp_path: Path) -> None:
    with pytest.raises(CheckerUnusable, match=checker):
        run(checker, Job((tmp_path / "missing",), (), tmp_path / "scratch"))
