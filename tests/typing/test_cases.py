"""Six checkers agree with every statement of `cases/`: one test for each file and checker."""

import functools
from concurrent.futures import Future
from pathlib import Path
from typing import TypeAlias

import pytest
from checkers import CHECKERS, ERRORS_FOUND, Checker, Job, Report
from expectations import CaseFile, Kind, find_suppressions, judge, read_cases

pytestmark = pytest.mark.timeout(400)  # the first test waits for a checker that may start without a cache

CASES = Path(__file__).parent / "cases"
# The events that the cases share: nothing in there is wrong, so it needs no marker.
FILES = sorted(path for path in CASES.glob("*.py") if path.name != "shop.py")

Reports: TypeAlias = dict[Checker, Future[Report]]


@functools.cache
def _case(path: Path) -> CaseFile:
    return read_cases(path)


@pytest.mark.parametrize("checker", CHECKERS)
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_checker_reports_what_is_marked_and_nothing_else(
    path: Path, checker: Checker, reports: Reports, exact: bool
) -> None:
    problems = judge(_case(path), checker, reports[checker].result().of(path), exact=exact)
    assert not problems, "\n".join(["", *problems])


@pytest.mark.parametrize("checker", CHECKERS)
def test_the_checker_finds_errors_in_the_cases_only(
    checker: Checker, reports: Reports, cases_job: Job, exact: bool
) -> None:
    report = reports[checker].result()
    assert report.status == ERRORS_FOUND
    if not exact:
        return  # an older mypy calls some of the package's reasons to ignore unused
    examples = cases_job.targets[1]  # of the page about errors, each of them wrong
    assert [found for found in report.diagnostics if found.path not in FILES and found.path.parent != examples] == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_each_file_holds_an_error_that_all_report(path: Path) -> None:
    # Else a file that no checker reads would pass. That it is reported is for the test above to say.
    assert any(each.kind is Kind.WRONG and len(each.reporters) == len(CHECKERS) for each in _case(path).statements)


@pytest.mark.parametrize("path", [*FILES, CASES / "shop.py"], ids=lambda path: path.stem)
def test_no_case_silences_a_checker(path: Path) -> None:
    assert find_suppressions(path.read_text(encoding="utf-8")) == []


def test_the_cases_are_many() -> None:
    cases = [_case(path) for path in FILES]
    assert sum(case.count(Kind.WRONG) for case in cases) >= 150
    assert sum(case.count(Kind.RIGHT) for case in cases) >= 200
