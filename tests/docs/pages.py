"""The pages of the site, their examples, and what these print."""

import io
import re
import sqlite3
from collections.abc import Iterator
from contextlib import redirect_stdout

from sybil import Example
from sybil.document import Document
from sybil.evaluators.python import PythonEvaluator
from sybil.parsers.myst import CodeBlockParser

from tests.programs import ROOT

DOCS = ROOT / "docs"
PAGES = sorted(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md") if "_build" not in path.parts)


class Page:
    """A page whose ``python`` blocks are one program, and whose ``output`` blocks say what has been printed so far.

    Blocks fenced ``py`` are wrong on purpose and are not run.
    """

    def __init__(self, page: str) -> None:
        self._printed = io.StringIO()
        python = CodeBlockParser("python", evaluator=PythonEvaluator())
        output = CodeBlockParser("output", evaluator=self._compare)
        self.document = Document.parse(str(DOCS / page), python, output)
        self.document.namespace["__name__"] = (
            "__main__"  # messages name it, and it is what a reader's program is called
        )

    def __iter__(self) -> Iterator[Example]:
        return iter(self.document)

    @property
    def program(self) -> str:
        """All its examples, each at the line where it stands, for whoever reads them without running them."""
        lines = [""] * (self.document.text.count("\n") + 1)
        for example in self:
            if example.region.evaluator != self._compare:
                for number, line in enumerate(example.parsed.splitlines(), example.line + example.parsed.line_offset):
                    lines[number] = line
        return "\n".join(lines) + "\n"

    def run(self) -> None:
        """Run every example, in the order of the page."""
        try:
            for example in self:
                with redirect_stdout(self._printed):
                    example.evaluate()
        finally:
            for value in self.document.namespace.values():
                if isinstance(value, sqlite3.Connection):  # since 3.13 it complains if it is collected, in a later test
                    value.close()
        left = self._printed.getvalue()
        shows = any(example.region.evaluator == self._compare for example in self)
        assert not (shows and left), f"the page shows what its examples print, but not this: {left!r}"

    def _compare(self, example: Example) -> str | None:
        printed, said = self._printed.getvalue(), str(example.parsed)
        self._printed.seek(0)
        self._printed.truncate()
        return None if printed == said else f"printed:\n{printed}\nthe page says:\n{said}"


def wrong_blocks(page: str) -> list[tuple[str, str]]:
    """Each block fenced ``py`` and the ``text`` that mypy has to say about it."""
    text = (DOCS / page).read_text(encoding="utf-8")
    return re.findall(r"^```py\n(.*?)^```\n\n```text\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
