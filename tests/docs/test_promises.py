"""The page of the promises: each has its number once, and names tests that exist."""

import ast
import re

import pytest

from tests.programs import ROOT

PAGE = (ROOT / "docs" / "explanation" / "promises.md").read_text(encoding="utf-8")
PROMISES = re.findall(r"^### ([A-Z]\d+): .*?\n(.*?)(?=^##|\Z)", PAGE, re.MULTILINE | re.DOTALL)
HOW_MANY = {"E": 10, "R": 8, "O": 7, "F": 6, "L": 7, "W": 5, "C": 2, "Q": 4, "A": 4, "T": 3, "S": 8}
"""The promises of each chapter. One more needs a page entry, and this line says so."""


def test_every_promise_is_on_the_page_once_and_in_order() -> None:
    expected = [f"{chapter}{number}" for chapter, most in HOW_MANY.items() for number in range(1, most + 1)]
    assert [number for number, _ in PROMISES] == expected


@pytest.mark.parametrize(("number", "text"), PROMISES, ids=[number for number, _ in PROMISES])
def test_a_promise_names_tests_and_all_of_them_exist(number: str, text: str) -> None:
    proofs = re.findall(r"^- `([^`]+)::(\w+)`$", text, re.MULTILINE)
    assert len(proofs) == text.count("::") > 0, f"{number} names no test, or one in another form"
    for path, name in proofs:
        tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
        found = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
        assert name in found, f"{number}: {path} has no {name}"
