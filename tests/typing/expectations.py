"""What the cases claim, and whether a checker agrees.

A marker is a comment at the end of a statement, with its reason:

    # E: why             wrong code; every checker reports an error in this statement
    # E[mypy,ty]: why    wrong code; exactly these report one
    # FP[pyrefly]: why   right code; exactly these report an error all the same
    # GAP: why           wrong code that none of them can report

A statement without a marker is right and must be clean. A marker stands for its whole statement, which for a `def`, a
`class`, a `with` and the like is decorators and header, because the checkers differ on the line of an error.
"""

import ast
import io
import re
import tokenize
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Final

from checkers import CHECKERS, Checker, Diagnostic


class MarkerError(Exception):
    """A case file that cannot be judged as it is written."""


class Kind(Enum):
    WRONG = "E"
    FALSE_POSITIVE = "FP"
    GAP = "GAP"
    RIGHT = ""


@dataclass(frozen=True, slots=True)
class Statement:
    """A stretch of lines, first and last included, and who must report an error in it."""

    first: int
    last: int
    kind: Kind
    reporters: frozenset[Checker]
    counts: bool  # False: an import, a docstring, a `pass`: right, but nothing is learned from it


@dataclass(frozen=True, slots=True)
class CaseFile:
    path: Path
    statements: tuple[Statement, ...]

    def at(self, line: int) -> Statement | None:
        return next((each for each in self.statements if each.first <= line <= each.last), None)

    def count(self, kind: Kind) -> int:
        return sum(each.kind is kind and each.counts for each in self.statements)


_MARKER: Final = re.compile(r"#\s*(?P<kind>E|FP|GAP)\b(?:\[(?P<names>[^\]]*)\])?(?P<why>.*)")
_SUPPRESSION: Final = re.compile(
    r"(?i)#.*\b(type:\s*ignore|pyright:|mypy:|pyrefly:|ty:|pyre-|noqa|zuban:)|no_type_check|TYPE_CHECKING"
)


def read_cases(path: Path) -> CaseFile:
    """The statements of one file with their markers. Raises `MarkerError` for a marker that could mislead."""
    source = path.read_text(encoding="utf-8")
    spans = sorted(spans_of(source))
    markers = dict(_markers(source, path))
    statements = tuple(_statement(first, last, counts, markers, path) for first, last, counts in spans)
    if markers:
        raise MarkerError(f"{path.name}:{min(markers)}: this marker belongs to no statement, or to one that has one")
    return CaseFile(path, statements)


def find_suppressions(source: str) -> list[int]:
    """The lines that would silence a checker: a case must be judged as it stands."""
    lines = source.splitlines()
    return [number for number, line in enumerate(lines, start=1) if _SUPPRESSION.search(line)]


def judge(case: CaseFile, checker: Checker, reported: Iterable[Diagnostic], *, exact: bool = True) -> list[str]:
    """Where *checker* and the markers of *case* disagree: one sentence for each statement, none if they agree.

    The markers are written for the versions that the project pins. Not *exact* is for older ones: they may report more
    of what is wrong than the markers name, but may miss nothing, and may not report what is right.
    """
    problems: list[str] = []
    met: set[Statement] = set()
    for found in sorted(reported, key=lambda each: each.line):
        statement = case.at(found.line)
        place = f"{case.path.name}:{found.line}"
        said = f"{checker} says [{found.rule}] {found.message}"
        if statement is None:
            problems.append(f"{place}: {said}, outside of every statement")
        elif not exact and statement.kind in (Kind.WRONG, Kind.GAP):
            pass
        elif checker not in statement.reporters and statement not in met:
            problems.append(f"{place}: {_should_be_silent(statement)}, but {said}")
        if statement is not None:
            met.add(statement)
    problems.extend(
        f"{case.path.name}:{statement.first}: {checker} is silent, but should report an error here"
        for statement in case.statements
        if checker in statement.reporters and statement not in met
    )
    return problems


def _should_be_silent(statement: Statement) -> str:
    match statement.kind:
        case Kind.RIGHT:
            return "this statement is right"
        case Kind.GAP:
            return "nobody was able to report this so far: the marker is out of date"
        case Kind.WRONG | Kind.FALSE_POSITIVE:
            return "the marker does not name this checker"


def _statement(first: int, last: int, counts: bool, markers: dict[int, re.Match[str]], path: Path) -> Statement:
    lines = [line for line in range(first, last + 1) if line in markers]
    if not lines:
        return Statement(first, last, Kind.RIGHT, frozenset(), counts)
    marker = markers.pop(lines[0])
    kind, names, why = Kind(marker["kind"]), marker["names"], marker["why"]
    place = f"{path.name}:{lines[0]}"
    if not re.match(r":\s*\S", why):
        raise MarkerError(f"{place}: a marker gives its reason after a colon")
    if kind is Kind.GAP and names is not None:
        raise MarkerError(f"{place}: GAP means that nobody reports it; it takes no names")
    if kind is Kind.FALSE_POSITIVE and names is None:
        raise MarkerError(f"{place}: FP names the checkers that are mistaken")
    return Statement(first, last, kind, _reporters(kind, names, place), counts=True)


def _reporters(kind: Kind, names: str | None, place: str) -> frozenset[Checker]:
    if kind is Kind.GAP:
        return frozenset()
    if names is None:
        return frozenset(CHECKERS)
    given = [name.strip() for name in names.split(",")]
    known: frozenset[Checker] = frozenset(checker for checker in CHECKERS if checker in given)
    if len(known) != len(given):
        raise MarkerError(f"{place}: [{names}] must be names out of {', '.join(CHECKERS)}, each once")
    if len(known) == len(CHECKERS):
        raise MarkerError(f"{place}: name no checker where all of them are meant")
    return known


def _markers(source: str, path: Path) -> Iterator[tuple[int, re.Match[str]]]:
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type != tokenize.COMMENT:
            continue
        found = _MARKER.match(token.string)
        if found is not None:
            if token.line[: token.start[1]].strip() == "":
                raise MarkerError(
                    f"{path.name}:{token.start[0]}: a marker stands at the end of a line of its statement"
                )
            yield token.start[0], found


def spans_of(source: str) -> Iterator[tuple[int, int, bool]]:
    """First line, last line, and whether it counts, of each statement; of a compound one, decorators and header."""
    lines = source.splitlines()
    tree = ast.parse(source)
    inside_one_liner: set[ast.AST] = set()
    for node in ast.walk(tree):  # parents come before their children
        body = _block(node)
        if isinstance(node, ast.Module) or node in inside_one_liner:
            continue
        if not body:
            if isinstance(node, ast.stmt):
                yield node.lineno, node.end_lineno or node.lineno, _teaches(node)
            continue
        start = body[0]
        # `class A(B): ...` on one line is one statement.
        if isinstance(start, ast.stmt) and lines[_first_line(start) - 1][: start.col_offset].strip():
            inside_one_liner.update(body)
            yield _first_line(node), getattr(body[-1], "end_lineno", start.lineno), _teaches(node)
        else:
            yield _first_line(node), _first_line(start) - 1, _teaches(node)


def _block(node: ast.AST) -> list[ast.stmt] | list[ast.match_case]:
    match node:
        case ast.Match():
            return node.cases
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef() | ast.ExceptHandler() | ast.match_case():
            return node.body
        case ast.With() | ast.AsyncWith() | ast.For() | ast.AsyncFor() | ast.While() | ast.If():
            return node.body
        case ast.Try() | ast.TryStar():
            return node.body
        case _:
            return []


def _first_line(node: ast.AST) -> int:
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            return min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
        case ast.match_case():
            return node.pattern.lineno
        case ast.stmt() | ast.ExceptHandler():
            return node.lineno
        case _:
            raise AssertionError(f"no statement: {ast.dump(node)}")


def _teaches(node: ast.AST) -> bool:
    """Whether a right statement says something about the package: no import, no docstring, no bare field."""
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            return bool(node.decorator_list)
        case ast.ClassDef():
            return bool(node.bases)
        case ast.Expr():
            return not isinstance(node.value, ast.Constant)
        case ast.Assign() | ast.AnnAssign() | ast.Return():
            return isinstance(node.value, (ast.Call, ast.Await, ast.Attribute, ast.Name, ast.Subscript))
        case ast.With() | ast.AsyncWith():
            return True
        case _:
            return False
