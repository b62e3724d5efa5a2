"""Each program in docs/examples, run as it stands."""

import functools

import pytest

from tests.programs import ROOT, Ended, run_python

EXAMPLES = ROOT / "docs" / "examples"

PRINTED = {
    "manual_configuration": ["Order 1 is on its way."],
    "one_step": ["Order 1 is on its way."],
    "sync_context": ["Starting...", "Done!", "Done!", "Done!", "Done!", "Closing..."],
    "async_context": ["Starting...", "Closing...", "Done!", "Done!", "Done!", "Done!"],
    "without_waiting": ["Starting...", "Closing..."],
}
WARNS = {"without_waiting"}


@functools.cache
def ran(name: str) -> Ended:
    return run_python(f"docs/examples/{name}.py")


def test_every_example_has_its_expected_output_here() -> None:
    assert {path.stem for path in EXAMPLES.glob("*.py")} == PRINTED.keys()


@pytest.mark.parametrize("name", PRINTED)
def test_the_example_prints_what_it_should_and_ends_well(name: str) -> None:
    example = ran(name)
    assert (example.stdout.splitlines(), example.code) == (PRINTED[name], 0), example.stderr


@pytest.mark.parametrize("name", [name for name in PRINTED if name not in WARNS])
def test_the_example_has_nothing_to_complain_about(name: str) -> None:
    assert ran(name).stderr == ""


# From "Starting..." on: how long the interpreter takes to start says nothing about the example.
STOPWATCH = """
import builtins, runpy, sys, time
first, show = [], print
builtins.print = lambda *words: first.append(time.monotonic())
runpy.run_path(sys.argv[1], run_name="__main__")
show(time.monotonic() - first[0])
"""


@functools.cache
def seconds(name: str) -> float:
    return float(run_python("-c", STOPWATCH, f"docs/examples/{name}.py").stdout)


def test_without_a_loop_the_emissions_run_one_after_the_other() -> None:
    assert seconds("sync_context") >= 2 * 1.5


def test_in_a_loop_the_emissions_run_together() -> None:
    assert 1.5 <= seconds("async_context") < 2 * 1.5


def test_without_a_wait_nothing_hangs() -> None:
    assert seconds("without_waiting") < 1.5


def test_without_a_wait_one_warning_says_how_many_emissions_were_lost_and_which() -> None:
    (warning,) = ran("without_waiting").stderr.splitlines()
    assert "2 emissions" in warning
    assert "Ping" in warning
