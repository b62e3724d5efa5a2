"""The comparison counts what it says: a catch needs the mistake reported and its correct twin accepted."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from checkers import Diagnostic

SCRIPT = Path(__file__).resolve().parent.parent.parent / "benchmarks" / "typing" / "compare.py"


@pytest.fixture(scope="module")
def compare() -> ModuleType:
    specification = importlib.util.spec_from_file_location("compare", SCRIPT)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules["compare"] = module  # its dataclasses look themselves up there
    specification.loader.exec_module(module)
    return module


def _idiom(compare: ModuleType, folder: Path, body: str) -> Any:  # Any: the script is loaded by its path
    missing = "\n".join(f"# {mistake} none: not here" for mistake in compare.MISTAKES if mistake != "C07")
    (folder / "some_.py").write_text(f"{body}\n{missing}\n", encoding="utf-8")
    return compare.read_idiom("some", folder)


@pytest.mark.parametrize(
    ("lines", "caught"),
    [((2,), True), ((3,), True), ((1, 2), False), ((1,), False), ((), False)],
)
def test_a_catch_is_a_mistake_reported_and_a_twin_accepted(
    compare: ModuleType, tmp_path: Path, lines: tuple[int, ...], caught: bool
) -> None:
    idiom = _idiom(compare, tmp_path, "right()  # C07 right\nwrong(\n)  # C07 wrong")
    reported = [Diagnostic(tmp_path / "some_.py", line, "rule", "message") for line in lines]
    assert idiom.catches(reported) == ({"C07"} if caught else set())


@pytest.mark.parametrize("body", ["right()  # C07 right", "wrong()  # C07 wrong", ""])
def test_a_mistake_without_its_twin_is_refused(compare: ModuleType, tmp_path: Path, body: str) -> None:
    with pytest.raises(compare.NotComparable, match="needs both twins, or 'none: why', for C07"):
        _idiom(compare, tmp_path, body)


def test_every_library_speaks_of_every_mistake(compare: ModuleType) -> None:
    idioms = [compare.read_idiom(library) for library in compare.ORDER]
    assert len({idiom.path for idiom in idioms}) == len(list(compare.LIBRARIES.glob("*.py")))
    assert idioms[0].none == {}, "ours can make every mistake"
