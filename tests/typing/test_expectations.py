"""The comparison between markers and reports can fail, in every way in which it should."""

from pathlib import Path
from textwrap import dedent

import pytest
from checkers import CHECKERS, Checker, Diagnostic
from expectations import CaseFile, Kind, MarkerError, find_suppressions, judge, read_cases


@pytest.fixture
def case(tmp_path: Path, request: pytest.FixtureRequest) -> CaseFile:
    """The source that the test is parametrized with, as a case file."""
    return _case(tmp_path, request.param)


def _case(folder: Path, source: str) -> CaseFile:
    path = folder / "case.py"
    path.write_text(dedent(source), encoding="utf-8")
    return read_cases(path)


def _at(case: CaseFile, *lines: int) -> list[Diagnostic]:
    return [Diagnostic(case.path, line, "rule", "message") for line in lines]


def test_a_reported_error_satisfies_its_marker(tmp_path: Path) -> None:
    case = _case(tmp_path, "good()\nbad()  # E: why\n")
    assert [judge(case, checker, _at(case, 2)) for checker in CHECKERS] == [[]] * len(CHECKERS)


def test_several_errors_in_one_marked_statement_are_one_finding(tmp_path: Path) -> None:
    case = _case(tmp_path, "bad(  # E: why\n    1,\n)\n")
    assert judge(case, "mypy", _at(case, 1, 2, 2)) == []


def test_a_silent_checker_is_a_problem(tmp_path: Path) -> None:
    case = _case(tmp_path, "bad()  # E: why\n")
    (problem,) = judge(case, "ty", [])
    assert problem == "case.py:1: ty is silent, but should report an error here"


def test_an_error_in_a_right_statement_is_a_problem(tmp_path: Path) -> None:
    case = _case(tmp_path, "good()\nbad()  # E: why\n")
    (problem,) = judge(case, "mypy", _at(case, 1, 2))
    assert problem == "case.py:1: this statement is right, but mypy says [rule] message"


@pytest.mark.parametrize("checker", CHECKERS)
def test_a_marker_with_names_means_exactly_these(tmp_path: Path, checker: Checker) -> None:
    case = _case(tmp_path, "bad()  # E[mypy,ty]: why\n")
    named = checker in ("mypy", "ty")
    assert (judge(case, checker, _at(case, 1)) == []) is named
    assert (judge(case, checker, []) == []) is not named


@pytest.mark.parametrize("checker", CHECKERS)
def test_a_false_positive_means_exactly_these(tmp_path: Path, checker: Checker) -> None:
    case = _case(tmp_path, "good()  # FP[pyrefly]: why\n")
    named = checker == "pyrefly"
    assert (judge(case, checker, _at(case, 1)) == []) is named
    assert (judge(case, checker, []) == []) is not named


def test_a_gap_that_somebody_closes_is_a_problem(tmp_path: Path) -> None:
    case = _case(tmp_path, "bad()  # GAP: why\n")
    assert judge(case, "pyright", []) == []
    (problem,) = judge(case, "pyright", _at(case, 1))
    assert "the marker is out of date" in problem


def test_an_older_checker_may_report_more_of_what_is_wrong_and_nothing_else(tmp_path: Path) -> None:
    case = _case(tmp_path, "good()\nbad()  # E[ty]: why\nworse()  # GAP: why\nfine()  # FP[ty]: why\n")
    assert judge(case, "mypy", _at(case, 2, 3), exact=False) == []
    assert len(judge(case, "mypy", _at(case, 1, 4), exact=False)) == 2
    assert len(judge(case, "ty", [], exact=False)) == 2


def test_an_error_outside_of_every_statement_is_a_problem(tmp_path: Path) -> None:
    case = _case(tmp_path, "# a comment\nbad()  # E: why\n")
    (problem,) = judge(case, "mypy", _at(case, 1, 2))
    assert problem.endswith("outside of every statement")


@pytest.mark.parametrize("line", [1, 2, 3, 4])
def test_a_marker_stands_for_decorators_and_header(tmp_path: Path, line: int) -> None:
    case = _case(tmp_path, "@one\n@two(\n    3)\ndef f(x: int) -> None:  # E: why\n    pass\n")
    assert judge(case, "mypy", _at(case, line)) == []


def test_a_marker_does_not_stand_for_the_body(tmp_path: Path) -> None:
    case = _case(tmp_path, "@one\ndef f(x: int) -> None:  # E: why\n    pass\n")
    assert len(judge(case, "mypy", _at(case, 2, 3))) == 1
    assert len(judge(case, "mypy", _at(case, 3))) == 2


def test_a_compound_statement_on_one_line_is_one_statement(tmp_path: Path) -> None:
    case = _case(tmp_path, "@one\ndef f(x: int) -> None: ...  # E: why\n\n\ngood()\n")
    assert judge(case, "mypy", _at(case, 1)) == []
    assert judge(case, "mypy", _at(case, 2)) == []
    assert [(each.first, each.last) for each in case.statements] == [(1, 2), (5, 5)]


@pytest.mark.parametrize(
    ("source", "spans"),
    [
        ("with a() as b:\n    c()\n", [(1, 1), (2, 2)]),
        ("if a():\n    b()\nelse:\n    c()\n", [(1, 1), (2, 2), (4, 4)]),
        ("try:\n    a()\nexcept E:\n    b()\n", [(1, 1), (2, 2), (3, 3), (4, 4)]),
        ("match a:\n    case B(\n        c\n    ):\n        d()\n    case _:\n        e()\n", None),
        ("class A(\n    B\n):\n    @c\n    def d(self): ...\n", [(1, 3), (4, 5)]),
        ("async def a():\n    async for b in c:\n        d()\n", [(1, 1), (2, 2), (3, 3)]),
    ],
)
def test_no_line_belongs_to_two_statements(tmp_path: Path, source: str, spans: list[tuple[int, int]] | None) -> None:
    found = [(each.first, each.last) for each in _case(tmp_path, source).statements]
    assert found == (spans or [(1, 1), (2, 4), (5, 5), (6, 6), (7, 7)])


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("bad()  # E", "gives its reason"),
        ("bad()  # E:   ", "gives its reason"),
        ("bad()  # E[mypy]", "gives its reason"),
        ("bad()  # E[mypi]: why", r"\[mypi\] must be names out of"),
        ("bad()  # E[mypy,mypy]: why", "each once"),
        ("bad()  # E[]: why", "must be names out of"),
        (f"bad()  # E[{','.join(CHECKERS)}]: why", "name no checker where all of them are meant"),
        ("good()  # FP: why", "FP names the checkers that are mistaken"),
        ("bad()  # GAP[mypy]: why", "it takes no names"),
        ("# E: why\nbad()", "at the end of a line of its statement"),
        ("bad(  # E: why\n    1,  # E: again\n)", "belongs to no statement, or to one that has one"),
    ],
)
def test_a_marker_that_could_mislead_is_refused(tmp_path: Path, source: str, message: str) -> None:
    with pytest.raises(MarkerError, match=message):
        _case(tmp_path, source + "\n")


def test_a_comment_in_a_string_is_no_marker(tmp_path: Path) -> None:
    case = _case(tmp_path, 'text = "# E: why"\n# Every comment may start with a capital E\ngood()\n')
    assert {each.kind for each in case.statements} == {Kind.RIGHT}


@pytest.mark.parametrize(
    "line",
    [
        "bad()  # type: ignore",
        "bad()  # type:ignore[arg-type]",
        "bad()  # pyright: ignore",
        "# pyright: basic",
        "# mypy: ignore-errors",
        "bad()  # pyrefly: ignore",
        "bad()  # ty: ignore[x]",
        "bad()  # noqa",
        "@no_type_check",
        "if TYPE_CHECKING:",
    ],
)
def test_a_silencing_line_is_found(line: str) -> None:
    assert find_suppressions(f"good()\n{line}\n") == [2]


def test_a_marker_silences_nobody() -> None:
    assert find_suppressions("bad()  # E[mypy,ty]: the type is wrong\nparty: int = 3  # a count\n") == []


def test_what_teaches_nothing_is_not_counted(tmp_path: Path) -> None:
    source = '''
        """Docstring."""
        import x

        def helper(a: int) -> None:
            return None

        @x.decorated
        def handler(a: int) -> None: ...

        x.call()
        x.wrong()  # E: why
    '''
    case = _case(tmp_path, source)
    assert (case.count(Kind.RIGHT), case.count(Kind.WRONG)) == (2, 1)
