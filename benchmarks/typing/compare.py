"""How many of 22 typical mistakes each library lets each type checker find.

    python benchmarks/typing/compare.py            the tables, as Markdown
    python benchmarks/typing/compare.py --write    the same, put into the page of the documentation

`libraries/` holds one file for each library, used as its own documentation does. A statement marked `# C07 wrong`
makes mistake C07; `# C07 right` is its correct twin; `# C07 none: why` says that nobody can make this mistake there.
A catch counts only if the checker accepts the twin.
"""

import argparse
import re
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).resolve().parent
ROOT: Final = HERE.parent.parent
LIBRARIES: Final = HERE / "libraries"
PAGE: Final = ROOT / "docs" / "explanation" / "comparison-typing.md"

sys.path.insert(0, str(ROOT / "tests" / "typing"))  # the runner of the typing cases does the checking here too

from checkers import CHECKERS, CheckerUnusable, Diagnostic, Job, run  # noqa: E402 - found by the line above
from expectations import spans_of  # noqa: E402 - found by the line above

MISTAKES: Final[Mapping[str, str]] = {
    "C01": "sync handler takes another event's type",
    "C02": "async handler takes another event's type",
    "C03": "handler takes no argument",
    "C04": "handler needs two arguments",
    "C05": "handler takes an int",
    "C06": "handler takes the event keyword-only",
    "C07": "subscribe to a thing that is no event",
    "C08": "subscribe to an event outside of the channel",
    "C09": "one handler on two events accepts only one",
    "C10": "bound method takes another event's type",
    "C11": "filter uses a field that the event lacks",
    "C12": "register something that is not callable",
    "C13": "emit an event that the channel does not carry",
    "C14": "payload field of the wrong type",
    "C15": "payload field missing",
    "C16": "emit something that is no event",
    "C17": "change a field of the event in a handler",
    "C18": "success callback takes the wrong result",
    "C19": "failure callback has the wrong parameters",
    "C20": "request handler returns the wrong type",
    "C21": "answer assigned to the wrong type",
    "C22": "an event of the channel has no handler",
}

# A file cannot be called like the package that it imports, so each name ends in an underscore.
ORDER: Final = (
    "pyventus_typed",
    "pyventus",
    "bubus",
    "psygnal",
    "pyee",
    "blinker",
    "typed-event",
    "mediary",
    "pymediate",
)
COLUMNS: Final = ("mypy", "mypy, following untyped imports", "pyright", "basedpyright", "pyrefly", "ty", "zuban")
_LETTERS: Final = dict(zip(COLUMNS, ("m", "(m)", "p", "b", "r", "t", "z"), strict=True))

_MARK: Final = re.compile(r"#\s*(C\d\d)\s+(right|wrong)\s*$")
_NONE: Final = re.compile(r"^#\s*(C\d\d)\s+none:\s*(\S.*)$")


class NotComparable(Exception):
    """A library is not installed, or its file does not say something about every mistake."""


@dataclass(frozen=True, slots=True)
class Idiom:
    """One library's file: for each mistake that can be made there, the lines of its statements."""

    library: str
    path: Path
    wrong: Mapping[str, frozenset[int]]
    right: Mapping[str, frozenset[int]]
    none: Mapping[str, str]

    def catches(self, diagnostics: Iterable[Diagnostic]) -> frozenset[str]:
        lines = {found.line for found in diagnostics if found.path == self.path}
        return frozenset(
            mistake for mistake in self.wrong if lines & self.wrong[mistake] and not lines & self.right[mistake]
        )


def read_idiom(library: str, folder: Path = LIBRARIES) -> Idiom:
    path = folder / f"{library.replace('-', '_')}_.py"
    source = path.read_text(encoding="utf-8")
    spans = [(first, last) for first, last, _ in spans_of(source)]
    marked: dict[str, dict[str, set[int]]] = {"right": {}, "wrong": {}}
    none: dict[str, str] = {}
    for number, line in enumerate(source.splitlines(), start=1):
        if (absent := _NONE.match(line)) is not None:
            none[absent[1]] = absent[2]
        if (mark := _MARK.search(line)) is not None:
            first, last = next(span for span in spans if span[0] <= number <= span[1])
            marked[mark[2]].setdefault(mark[1], set()).update(range(first, last + 1))
    right, wrong = (
        {mistake: frozenset(lines) for mistake, lines in marked[kind].items()} for kind in ("right", "wrong")
    )
    if not right.keys() == wrong.keys() == MISTAKES.keys() - none.keys():
        odd = sorted((right.keys() ^ wrong.keys()) | (MISTAKES.keys() ^ (wrong.keys() | none.keys())))
        raise NotComparable(f"{path.name} needs both twins, or 'none: why', for {', '.join(odd)}")
    return Idiom(library, path, wrong, right, none)


def measure(idioms: Sequence[Idiom], scratch: Path) -> dict[str, dict[str, frozenset[str]]]:
    """What is caught: library -> column -> mistakes."""
    targets = tuple(idiom.path for idiom in idioms)

    def diagnostics(column: str) -> tuple[Diagnostic, ...]:
        into_untyped = column not in CHECKERS
        checker = next(each for each in CHECKERS if column.startswith(each))
        folder = scratch / column.replace(", ", "-").replace(" ", "-")
        return run(checker, Job(targets, (ROOT,), folder, into_untyped=into_untyped)).diagnostics

    with ThreadPoolExecutor(len(COLUMNS)) as pool:
        found = dict(zip(COLUMNS, pool.map(diagnostics, COLUMNS), strict=True))
    return {idiom.library: {column: idiom.catches(found[column]) for column in COLUMNS} for idiom in idioms}


def spell_tables(idioms: Sequence[Idiom], caught: Mapping[str, Mapping[str, frozenset[str]]]) -> str:
    lines = [
        f"| library | mistakes that can be made | {' | '.join(COLUMNS)} |",
        "|---|" + "---:|" * (len(COLUMNS) + 1),
    ]
    for idiom in idioms:
        counts = " | ".join(str(len(caught[idiom.library][column])) for column in COLUMNS)
        lines.append(f"| {_name(idiom.library)} | {len(idiom.wrong)} | {counts} |")
    lines += [
        "",
        (
            "Who catches what: m is mypy, (m) mypy only when it follows untyped imports, p pyright, b basedpyright, r pyrefly, t ty, "
            "z zuban; `-` is nobody, and an empty cell a mistake that cannot be made there."
        ),
        "",
        f"| mistake | {' | '.join(_name(idiom.library) for idiom in idioms)} |",
        "|---|" + "---|" * len(idioms),
    ]
    for mistake, text in MISTAKES.items():
        cells = (_cell(idiom, mistake, caught[idiom.library]) for idiom in idioms)
        lines.append(f"| {mistake} {text} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(idiom: Idiom, mistake: str, caught: Mapping[str, frozenset[str]]) -> str:
    if mistake in idiom.none:
        return ""
    columns = [column for column in COLUMNS if mistake in caught[column]]
    if COLUMNS[0] in columns and COLUMNS[1] in columns:
        columns.remove(COLUMNS[1])  # what mypy finds anyway
    return " ".join(_LETTERS[column] for column in columns) or "`-`"


def _name(library: str) -> str:
    return library if library == "pyventus_typed" else f"{library} {version(library)}"


def _installed(library: str) -> bool:
    try:
        return library == "pyventus_typed" or bool(version(library))
    except PackageNotFoundError:
        return False


def _put_into_page(tables: str) -> None:
    begin, end = "<!-- tables: written by benchmarks/typing/compare.py -->", "<!-- end of tables -->"
    before, found, rest = PAGE.read_text(encoding="utf-8").partition(begin)
    _, closed, after = rest.partition(end)
    if not (found and closed):
        raise NotComparable(f"{PAGE} has lost the comments between which the tables stand: {begin} and {end}")
    PAGE.write_text(f"{before}{begin}\n\n{tables}\n\n{end}{after}", encoding="utf-8")


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="compare.py", description="The table of 22 mistakes, measured here and now.")
    parser.add_argument("--write", action="store_true", help=f"put the tables into {PAGE.relative_to(ROOT)}")
    options = parser.parse_args(arguments)
    try:
        missing = [library for library in ORDER if not _installed(library)]
        if missing:
            raise NotComparable(
                f"not installed: {', '.join(missing)}. Install the dependency group 'peers' "
                f"(pip install --group peers) on Python 3.12 or newer, which pymediate needs."
            )
        idioms = [read_idiom(library) for library in ORDER]
        with tempfile.TemporaryDirectory() as scratch:
            tables = spell_tables(idioms, measure(idioms, Path(scratch)))
        if options.write:
            _put_into_page(tables)
        else:
            print(tables)
    except (NotComparable, CheckerUnusable) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
