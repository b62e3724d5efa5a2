"""The fixtures, in suites of their own: one on plain pytest, one on pytest-asyncio."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.timeout(200)  # each starts a pytest, or several

EVENTS = """
from dataclasses import dataclass
from pyventus_typed import Event

@dataclass(frozen=True)
class Paid(Event):
    order_id: int
"""

PLAIN = (
    EVENTS
    + """
def test_without_a_loop(linker, emitter, recorder):
    linker.subscribe(Paid, recorder)
    emitter.emit(Paid(1))
    assert recorder == [Paid(1)]

def test_with_a_loop_turned_by_hand(linker, emitter, recorder, virtual_loop):
    linker.subscribe(Paid, recorder)
    virtual_loop.call_later(60, lambda: emitter.emit(Paid(1)))
    virtual_loop.advance(59)
    assert recorder == []
    virtual_loop.advance(1)
    assert recorder == [Paid(1)]
"""
)

ASYNCIO = (
    EVENTS
    + """
import asyncio

async def test_an_hour_passes(linker, emitter, recorder):
    linker.subscribe(Paid, recorder)
    await asyncio.sleep(3600)
    await emitter.emit(Paid(1))
    assert recorder == [Paid(1)]
    assert asyncio.get_running_loop().time() == 3600
"""
)


def run_suite(folder: Path, conftest: str, tests: str, *options: str) -> str:
    (folder / "conftest.py").write_text(conftest)
    (folder / "test_it.py").write_text(tests)
    (folder / "pytest.ini").write_text("[pytest]\n")
    command = [
        sys.executable,
        "-W",
        "error",
        "-W",
        "default::DeprecationWarning:anyio.pytest_plugin",  # pytest loads it wherever anyio is installed
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:anyio",  # it warns, as of 4.14, about pytest itself, and here warnings are errors
        "--rootdir",
        str(folder),
        str(folder),
    ]
    root = Path(__file__).parents[3]
    # On a machine for CI pytest shows the whole of each difference.
    env = {name: value for name, value in os.environ.items() if name not in {"CI", "BUILD_NUMBER"}}
    done = subprocess.run(
        [*command, *options], capture_output=True, text=True, check=False, cwd=root, timeout=50, env=env
    )
    return done.stdout + done.stderr


OPT_IN = 'pytest_plugins = ["pyventus_typed.testing.plugin"]\n'


def test_the_fixtures_work_with_plain_pytest(tmp_path: Path) -> None:
    assert "2 passed" in run_suite(tmp_path, OPT_IN, PLAIN, "-p", "no:asyncio")


def test_the_virtual_loop_is_a_loop_factory_of_pytest_asyncio(tmp_path: Path) -> None:
    pytest.importorskip("pytest_asyncio")
    factories = (
        "from pyventus_typed.testing import VirtualLoop\n"
        "def pytest_asyncio_loop_factories(config, item):\n"
        "    return {'virtual': VirtualLoop}\n"
    )
    output = run_suite(
        tmp_path,
        OPT_IN + factories,
        ASYNCIO,
        "--asyncio-mode=auto",
        "-o",
        "asyncio_default_fixture_loop_scope=function",
    )
    assert "1 passed" in output, output


def test_a_suite_that_does_not_ask_gets_no_fixtures(tmp_path: Path) -> None:
    output = run_suite(tmp_path, "", PLAIN, "-p", "no:asyncio")
    assert "fixture 'linker' not found" in output
    assert "2 errors" in output


# ---------------------------------------------------------------- the page, followed to the letter
def page_blocks() -> list[str]:
    page = Path(__file__).parents[3] / "docs" / "how-to" / "pytest.md"
    blocks = re.findall(r"^```(\w*)\n(.*?)^```$", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    return [text for language, text in blocks if not language]


def test_the_page_on_pytest_works_with_plain_pytest(tmp_path: Path) -> None:
    conftest, tests, _, _, _ = page_blocks()
    output = run_suite(tmp_path, conftest, tests, "-p", "no:asyncio", "--durations=1", "--durations-min=2.5")
    assert "1 passed" in output
    assert "s call" not in output, "the handler sleeps for three seconds, and the test took as long"


def test_a_linker_that_is_there_already_is_tested_as_the_page_on_pytest_says(tmp_path: Path) -> None:
    conftest, _, _, _, tests = page_blocks()
    assert "1 passed" in run_suite(tmp_path, conftest, tests, "-p", "no:asyncio")


def test_the_page_on_pytest_works_with_pytest_asyncio_in_its_strict_mode(tmp_path: Path) -> None:
    pytest.importorskip("pytest_asyncio")
    _, _, conftest, tests, _ = page_blocks()
    output = run_suite(tmp_path, conftest, tests, "-o", "asyncio_default_fixture_loop_scope=function")
    assert "1 passed" in output, output


# ---------------------------------------------------------------- explorations
RACE = """
import asyncio
from pyventus_typed.testing import explore

async def two_writers():
    log = []

    async def write(name):
        await asyncio.sleep(0)
        log.append(name)

    await asyncio.gather(write("a"), write("b"))
    print("order", *log)
    assert log == ["a", "b"], "written in the wrong order"

def test_writers():
    explore(two_writers)
"""


def test_a_failure_shows_the_report_and_not_our_source(tmp_path: Path) -> None:
    output = run_suite(tmp_path, OPT_IN, RACE, "-p", "no:asyncio", "--show-capture=no")
    assert "It fails when things happen in another order" in output
    assert 'explore(two_writers, first=["0:1"])' in output
    assert "_explore.py" not in output
    assert "_run.py" not in output
    assert len(output.splitlines()) < 80, output


def test_one_schedule_can_be_replayed_from_the_command_line(tmp_path: Path) -> None:
    output = run_suite(tmp_path, OPT_IN, RACE, "-p", "no:asyncio", "--replay=0:1")
    assert "given as --replay" in output
    assert output.count("order b a") == 2, "once to see it fail, and once to write it down"
    assert "order a b" not in output
    assert "1 passed" in run_suite(tmp_path, OPT_IN, RACE, "-p", "no:asyncio", "--replay=fifo")


def test_a_schedule_that_does_not_fit_is_an_error_of_the_test(tmp_path: Path) -> None:
    output = run_suite(tmp_path, OPT_IN, RACE, "-p", "no:asyncio", "--replay=77:1")
    assert "names choice 77, and this run had only" in output


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("--replay=2", "--replay: '2' is not a schedule"),
        ("--schedules=0", "--schedules is the number of schedules to try, at least 1, not 0."),
    ],
)
def test_an_option_that_makes_no_sense_is_refused_without_a_traceback(
    option: str, message: str, tmp_path: Path
) -> None:
    output = run_suite(tmp_path, OPT_IN, RACE, "-p", "no:asyncio", option)
    assert f"ERROR: {message}" in output
    assert "Traceback" not in output


def test_the_number_of_schedules_is_said_on_the_command_line(tmp_path: Path) -> None:
    tests = RACE.replace('== ["a", "b"]', "or True").replace(
        "explore(two_writers)", "print(explore(two_writers).schedules)"
    )
    assert "\n2\n" in run_suite(tmp_path, OPT_IN, tests, "-p", "no:asyncio", "--schedules=2", "-s")


def test_a_schedule_that_has_failed_is_tried_first_the_next_time_until_it_passes(tmp_path: Path) -> None:
    late = RACE.replace('assert log == ["a", "b"]', 'assert log != ["c", "b", "a"]').replace(
        'write("b"))', 'write("b"), write("c"))'
    )
    cached = ("-p", "no:asyncio", "-p", "cacheprovider", "-o", f"cache_dir={tmp_path / 'cache'}")
    first = run_suite(tmp_path, OPT_IN, late, *cached)
    assert "failed before" not in first
    again = run_suite(tmp_path, OPT_IN, late, *cached)
    assert "(found in 2 schedules)" in again
    assert "it has failed before" in again
    repaired = late.replace("log !=", "True or log !=")
    assert "1 passed" in run_suite(tmp_path, OPT_IN, repaired, *cached)
    assert "failed before" not in run_suite(tmp_path, OPT_IN, late, *cached), "it was forgotten"


WITH_RECORDER = (
    EVENTS
    + """
from hypothesis import settings, strategies as st
from pyventus_typed import asyncio_emitter
from pyventus_typed.testing import events, given_interleavings

@settings(max_examples=5, database=None, deadline=None)
@given_interleavings(batch=st.lists(events(Paid), max_size=3), expect_choices=False)
async def test_all_are_recorded(linker, recorder, batch):
    linker.subscribe(Paid, recorder)
    emitter = asyncio_emitter(linker)
    for paid in batch:
        emitter.emit(paid)
    await emitter.wait_for_tasks()
    assert recorder == batch
"""
)


def test_recorder_and_linker_are_empty_in_each_schedule_of_each_example(tmp_path: Path) -> None:
    output = run_suite(tmp_path, OPT_IN, WITH_RECORDER, "-p", "no:asyncio")
    assert "1 passed" in output, output
