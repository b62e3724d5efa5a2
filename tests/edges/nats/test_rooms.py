"""The files of this edge have one reading order, and names that mean one thing."""

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

import pyventus_typed
from tests.edges.nats.conftest import ROOT

FOLDER = Path(pyventus_typed.__file__).parent / "nats"
LINES = (ROOT / "tests" / "architecture" / "order.txt").read_text().splitlines()
ORDER = [line.removeprefix("nats.") for line in LINES if line.startswith("nats.")]


def imports(path: Path) -> Iterator[str]:
    """The files of this edge that *path* imports, also for a type and inside of a function."""
    for node in ast.walk(ast.parse(path.read_text())):
        modules: list[str] = []
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            modules = [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
        for module in modules:
            name = module.removeprefix("pyventus_typed.nats.")
            if name != module and name in ORDER:
                yield name


def test_every_file_of_nats_has_its_place() -> None:
    assert sorted(ORDER) == sorted(path.stem for path in FOLDER.glob("*.py") if path.stem != "__init__")


@pytest.mark.parametrize("name", ORDER)
def test_a_file_of_nats_imports_only_what_stands_above_it(name: str) -> None:
    assert set(imports(FOLDER / f"{name}.py")) - set(ORDER[: ORDER.index(name)]) == set()


def test_no_class_or_function_of_nats_has_the_name_of_another() -> None:
    names = Counter(
        node.name
        for name in ORDER
        if name != "postgresql"  # its Outbox and Inbox are those of another database
        for node in ast.parse((FOLDER / f"{name}.py").read_text()).body
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
    )
    assert [name for name, count in names.items() if count > 1] == []
