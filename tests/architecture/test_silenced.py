"""A rule of a linter or a type checker that is silenced says why, on its line."""

import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

import pyventus_typed
from tests.programs import ROOT

PACKAGE = Path(pyventus_typed.__file__).parent
FOLDERS = [PACKAGE, *(ROOT / name for name in ("tests", "docs", "benchmarks", "stubs"))]
CASES = ROOT / "tests" / "typing" / "cases"  # wrong on purpose, and judged by markers of their own
FILES = sorted(
    file
    for folder in FOLDERS
    for file in folder.rglob("*.py*")
    if file.suffix in {".py", ".pyi"} and CASES not in file.parents
) + [ROOT / "noxfile.py", ROOT / "hatch_build.py"]

CODES = r"[\w-]+(?:, ?[\w-]+)*"
SILENCES = re.compile(
    r"#\s*(?:ruff:\s*)?(?:noqa|type:\s*ignore|(?:based)?pyright:\s*ignore|mypy:|pragma:)", re.IGNORECASE
)
WITH_CODES = re.compile(rf"#\s*(?:(?:ruff:\s*)?noqa: {CODES}|(?:type|pyright): ?ignore\[{CODES}\]|pragma: no cover)")


def silenced(comment: str) -> str | None:
    """What is wrong with a comment that silences a rule, or None."""
    if SILENCES.search(comment) is None:
        return None
    rest = WITH_CODES.sub("", comment)
    if SILENCES.search(rest):
        return "it names no rule"
    if re.search(r"\bas above\b|\bsee (above|below)\b|\blikewise\b", rest):
        return "its reason is elsewhere"
    return None if len(re.findall(r"\w\w+", rest)) > 1 else "it gives no reason"


def comments(file: Path) -> Iterator[tuple[int, str]]:
    with tokenize.open(file) as source:
        yield from (
            (token.start[0], token.string)
            for token in tokenize.generate_tokens(source.readline)
            if token.type == tokenize.COMMENT
        )


def test_a_silenced_rule_has_its_reason_on_its_line() -> None:
    wrong = [
        f"{file}:{line}: {why}: {comment}"
        for file in FILES
        for line, comment in comments(file)
        if (why := silenced(comment))
    ]
    assert len(FILES) > 300, "all of them are read"
    assert wrong == []


def test_a_rule_that_ruff_is_not_to_apply_has_its_reason_on_its_line() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    tables = text[text.index("[tool.ruff.lint]") : text.index("[tool.pytest")]
    rules = re.findall(r'^    "([A-Z]+\d*)",? *(.*)$', tables, re.MULTILINE)
    assert ("CPY001", "# one LICENSE, no header in each file") in rules
    assert [code for code, reason in rules if not re.match(r"# (\S+ ){2}", reason)] == []
    one_line = [line for line in tables.splitlines() if re.search(r'= \["', line)]
    assert one_line == ['select = ["ALL"]'], "each rule is on a line of its own"


@pytest.mark.parametrize(
    ("comment", "why"),
    [
        ("# noqa: S603", "it gives no reason"),
        ("# noqa", "it names no rule"),
        ("# noqa: S603 - why", "it gives no reason"),
        ("# type: ignore", "it names no rule"),
        ("# type: ignore[misc]", "it gives no reason"),
        ("# type: ignore[misc]  # noqa: S603", "it gives no reason"),
        ("# pyright: ignore[reportPrivateUsage, reportAny]", "it gives no reason"),
        ("# pragma: no cover", "it gives no reason"),
        ("# noqa: BLE001 - see below", "its reason is elsewhere"),
        ("# noqa: S603, PLC0415 - no shell is run", None),
        ("# type: ignore[misc]  # noqa: S603  # no shell", None),
        ("# an ordinary comment", None),
    ],
)
def test_what_counts_as_a_reason(comment: str, why: str | None) -> None:
    assert silenced(comment) == why
