"""The code map shows every file of the core, in the order in which they are to be read."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pyventus_typed
from tests.docs.pages import DOCS
from tests.programs import ROOT

MAP = (DOCS / "contributing" / "map.md").read_text(encoding="utf-8")
LINES = (ROOT / "tests" / "architecture" / "order.txt").read_text(encoding="utf-8").splitlines()


def test_the_map_names_the_files_of_the_core_from_top_to_bottom() -> None:
    core = [line for line in LINES if line and not line.startswith("#") and "." not in line]
    floors = MAP[MAP.index("| Ground") : MAP.index("| Edges")]
    assert [name for name in re.findall(r"`(\w+)`", floors) if name != "__init__"] == core


def test_the_map_names_the_files_of_the_engine_from_top_to_bottom() -> None:
    engine = [line.removeprefix("processors.") for line in LINES if line.startswith("processors.")]
    table = MAP[MAP.index("| Files of `pyventus_typed/processors/`") : MAP.index("### How an emission travels")]
    assert re.findall(r"`(_\w+)`", table) == engine


def private_names(source: str) -> Iterator[str]:
    """What a file of the core takes of asyncio, a loop or a task that has an underscore."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Attribute(value=ast.Name(id="asyncio" | "loop" | "task"), attr=name):
                yield name
            case ast.Attribute(value=ast.Attribute(value=ast.Name(id="asyncio")), attr=name):
                yield name
            case ast.Call(
                func=ast.Name(id="getattr" | "setattr"),
                args=[
                    ast.Name(id="asyncio" | "loop" | "task") | ast.Attribute(attr="task"),
                    ast.Constant(value=str(name)),
                    *_,
                ],
            ):
                yield name
            case _:
                pass


def test_the_map_names_all_that_the_core_takes_from_inside_asyncio_and_one_file_takes_each_in_one_place() -> None:
    core = Path(pyventus_typed.__file__).parent
    found = [
        (name, file.stem)
        for file in [*core.glob("*.py"), *(core / "processors").glob("*.py")]
        for name in private_names(file.read_text(encoding="utf-8"))
        if name.startswith("_") and not name.startswith("__")
    ]
    table = MAP[MAP.index("### Private names of asyncio") : MAP.index("Two names are looked for")]
    named = [name for row in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)]
    assert sorted(named) == sorted(name for name, _ in found)
    assert {file for _, file in found} == {"_loops"}


def test_the_map_names_the_files_of_the_command_line() -> None:
    files = {
        line.removeprefix("cli.").replace("demo.", "demo/").partition("/")[0]
        for line in LINES
        if line.startswith("cli.")
    }
    table = MAP[MAP.index("| Files of `pyventus_typed/cli/`") : MAP.index("The commands `check`")]
    assert set(re.findall(r"`(_\w+|nats|demo)/?`", table)) == files


def test_the_map_names_the_files_of_the_wiring_check_from_top_to_bottom() -> None:
    wiring = [line.removeprefix("wiring.") for line in LINES if line.startswith("wiring.")]
    table = MAP[MAP.index("| Files of `pyventus_typed/wiring/`") : MAP.index("## The timeline")]
    assert re.findall(r"`(_\w+)`", table) == wiring


def test_the_map_names_the_files_of_opentelemetry_from_top_to_bottom() -> None:
    telemetry = [line.removeprefix("opentelemetry.") for line in LINES if line.startswith("opentelemetry.")]
    table = MAP[MAP.index("| Files of `pyventus_typed/opentelemetry/`") : MAP.index("## NATS")]
    assert re.findall(r"^\| `(_\w+)`", table, re.MULTILINE) == telemetry


def test_the_map_names_the_files_of_the_timeline_from_top_to_bottom() -> None:
    trace = [line.removeprefix("trace.") for line in LINES if line.startswith("trace.")]
    table = MAP[MAP.index("| Files of `pyventus_typed/trace/`") : MAP.index("## OpenTelemetry")]
    assert re.findall(r"`(_\w+)`", table) == trace


def test_the_map_names_the_files_of_nats_from_top_to_bottom() -> None:
    nats = [line.removeprefix("nats.") for line in LINES if line.startswith("nats.")]
    table = MAP[MAP.index("| Files of `pyventus_typed/nats/`") : MAP.index("## The engine")]
    names = [
        name for cell in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE) for name in re.findall(r"`(\w+)`", cell)
    ]
    assert names == nats


def test_the_map_names_the_files_of_the_testing_kit_from_top_to_bottom() -> None:
    kit = [line.removeprefix("testing.") for line in LINES if line.startswith("testing.")]
    table = MAP[MAP.index("| Files of `pyventus_typed/testing/`") : MAP.index("A loop that decides")]
    assert re.findall(r"`(\w+)`", table) == kit
