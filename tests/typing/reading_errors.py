"""The messages in `docs/explanation/reading-errors.md`, taken from the checkers.

    python tests/typing/reading_errors.py     writes them into the page

A test takes them again, so the page stays true.
"""

# ruff: noqa: T201 - what it prints is its output

import itertools
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from checkers import CHECKERS, Checker, CheckerUnusable, Diagnostic, Job, Report, run

ROOT: Final = Path(__file__).resolve().parent.parent.parent
PAGE: Final = ROOT / "docs" / "explanation" / "reading-errors.md"

# `py` and not `python`: these examples are wrong on purpose, so what runs the examples of the documentation leaves
# them alone.
_EXAMPLE: Final = re.compile(
    r"```py\n(?P<code>[^`]*)```\n\n<!-- messages -->\n(?P<messages>.*?)<!-- end -->", re.DOTALL
)
_PREAMBLE: Final = re.compile(r"```py\n(?P<code>[^`]*)```\n")
# That a type is unknown afterwards, of a decorated function for example, follows from the mistake, and does not name it.
_ECHO: Final = re.compile(r"untyped-decorator|dynamic-function-decorator-return|reportUnknown\w+")
# basedpyright says what pyright says.
SHOWN: Final = tuple(checker for checker in CHECKERS if checker != "basedpyright")
_LINES: Final = 4
_WIDTH: Final = 320


def write_examples(page: str, folder: Path) -> None:
    """Write each example of *page* into *folder*, with the code that all share before it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for number, match in enumerate(_EXAMPLE.finditer(page)):
        (folder / _name(number)).write_text(f"{_shared(page)}\n\n{match['code']}", encoding="utf-8")


def with_messages(page: str, folder: Path, reports: Sequence[Report]) -> str:
    """*page* with what *reports* say of the examples in *folder*."""
    start = _shared(page).count("\n")  # what is said of the shared code, such as an unused import, is not the example's
    numbers = itertools.count()
    return _EXAMPLE.sub(
        lambda match: (
            f"```py\n{match['code']}```\n\n<!-- messages -->\n"
            f"{_spell(reports, folder / _name(next(numbers)), start)}<!-- end -->"
        ),
        page,
    )


def _shared(page: str) -> str:
    first = _PREAMBLE.search(page)
    assert first is not None, "the page starts with the code that all its examples share"
    return first["code"]


def _name(number: int) -> str:
    return f"example_{number}.py"


def _spell(reports: Sequence[Report], path: Path, start: int) -> str:
    found = [[each for each in report.of(path) if each.line > start] for report in reports]
    blocks = [_block(report.checker, each) for report, each in zip(reports, found, strict=True)]
    return "\n".join([*blocks, ""])


def _block(checker: Checker, found: Sequence[Diagnostic]) -> str:
    telling = [each.message for each in found if not _ECHO.fullmatch(each.rule)]
    if not telling:
        return f"{checker} says nothing.\n"
    quoted = "\n".join(_cut("\n".join(telling)))
    return f"{checker}\n\n```text\n{quoted}\n```\n"


def _cut(message: str) -> Iterator[str]:
    lines = message.replace("\xa0", " ").rstrip().splitlines()
    for number, line in enumerate(lines):
        if number == _LINES or len(line) > _WIDTH:
            yield "…"
            return
        yield line


def main() -> int:
    try:
        with tempfile.TemporaryDirectory() as temporary, ThreadPoolExecutor(len(SHOWN)) as pool:
            scratch, page = Path(temporary).resolve(), PAGE.read_text(encoding="utf-8")
            folder = scratch / "examples"
            write_examples(page, folder)
            jobs = [Job((folder,), (ROOT,), scratch / checker) for checker in SHOWN]
            page = with_messages(page, folder, list(pool.map(run, SHOWN, jobs)))
    except CheckerUnusable as error:
        print(error, file=sys.stderr)
        return 2
    PAGE.write_text(page, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
