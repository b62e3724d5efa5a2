"""The messages in `docs/explanation/reading-errors.md`, taken from the checkers.

    python tests/typing/reading_errors.py     writes them into the page

A test takes them again, so the page stays true.
"""

# ruff: noqa: T201 - what it prints is its output

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
_SHOWN: Final = tuple(checker for checker in CHECKERS if checker != "basedpyright")
_LINES: Final = 4
_WIDTH: Final = 240


def refresh(page: str, scratch: Path, root: Path = ROOT) -> str:
    """*page* with the messages that the checkers give now. *root* is the directory that holds the package."""
    first = _PREAMBLE.search(page)
    assert first is not None, "the page starts with the code that all its examples share"
    examples = [match["code"] for match in _EXAMPLE.finditer(page)]
    folder = scratch / "examples"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    paths = [folder / f"example_{number}.py" for number in range(len(examples))]
    for path, example in zip(paths, examples, strict=True):
        path.write_text(f"{first['code']}\n\n{example}", encoding="utf-8")
    with ThreadPoolExecutor(len(_SHOWN)) as pool:
        reports = list(pool.map(lambda checker: run(checker, Job((folder,), (root,), scratch / checker)), _SHOWN))
    start = first["code"].count("\n")  # what is said of the shared code, such as an unused import, is not the example's
    spelled = iter([_spell(reports, path, start) for path in paths])
    return _EXAMPLE.sub(
        lambda match: f"```py\n{match['code']}```\n\n<!-- messages -->\n{next(spelled)}<!-- end -->", page
    )


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
        with tempfile.TemporaryDirectory() as scratch:
            page = refresh(PAGE.read_text(encoding="utf-8"), Path(scratch))
    except CheckerUnusable as error:
        print(error, file=sys.stderr)
        return 2
    PAGE.write_text(page, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
