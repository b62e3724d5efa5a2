"""The fixtures, in suites of their own: one on plain pytest, one on pytest-asyncio."""

import subprocess
import sys
from pathlib import Path

import pytest

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
    done = subprocess.run([*command, *options], capture_output=True, text=True, check=False, cwd=root, timeout=50)
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
