"""One run of each checker for the whole test session, however many processes share it."""

import fcntl
import os
import pickle
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))  # the case runner is plain modules beside the tests

from checkers import CHECKERS, Checker, CheckerUnusable, Job, Report, run  # noqa: E402 - found by the line above
from reading_errors import PAGE, write_examples  # noqa: E402 - found by the line above

ROOT = HERE.parent.parent
CASES = HERE / "cases"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--older-checkers", action="store_true", help="the checkers are older than those that are pinned")


@pytest.fixture(scope="session")
def exact(request: pytest.FixtureRequest) -> bool:
    """Whether the checkers are those for which the markers are written."""
    return not request.config.getoption("--older-checkers", default=False)


@pytest.fixture(scope="session")
def cases_job(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Job:
    """The folder of cases, against the package of this checkout, and the examples of the page about errors: one run for both."""
    # In pytest's cache, so that mypy does not start from nothing each time; unless that is turned off.
    kept: pytest.Cache | None = getattr(request.config, "cache", None)
    scratch = tmp_path_factory.mktemp("checkers") if kept is None else Path(kept.mkdir("typing"))
    return Job(targets=(CASES, scratch / "examples"), roots=(ROOT, CASES), scratch=scratch)


@pytest.fixture(scope="session")
def reports(cases_job: Job, tmp_path_factory: pytest.TempPathFactory) -> dict[Checker, Future[Report]]:
    """The report of each checker. All start at once; a test waits for the one that it asks for."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent  # the one directory that all workers of this session have in common
    with (shared / "examples.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (shared / "examples.written").exists():
            write_examples(PAGE.read_text(encoding="utf-8"), cases_job.targets[1])
            (shared / "examples.written").touch()
    pool = ThreadPoolExecutor(len(CHECKERS))
    try:
        return {checker: pool.submit(_run_once, checker, cases_job, shared) for checker in CHECKERS}
    finally:
        pool.shutdown(wait=False)


def _run_once(checker: Checker, job: Job, shared: Path) -> Report:
    """Run *checker*, or take the report of the worker that did."""
    finished = shared / f"{checker}.report"
    with (shared / f"{checker}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if finished.exists():
            outcome: Report | CheckerUnusable = pickle.loads(finished.read_bytes())
        else:
            try:
                outcome = run(checker, Job(job.targets, job.roots, job.scratch / checker))
            except CheckerUnusable as unusable:
                outcome = unusable
            finished.write_bytes(pickle.dumps(outcome))
    if isinstance(outcome, CheckerUnusable):
        raise outcome
    return outcome
