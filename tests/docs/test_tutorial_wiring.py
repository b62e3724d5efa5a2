"""The shop of the tutorial passes the check that the docs recommend for everybody's CI."""

from pathlib import Path

import pytest

from tests.docs.pages import Page
from tests.programs import run_python

CHAPTERS = ("1-first-event", "2-typed-handlers", "3-failures", "4-ordering", "5-requests")


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_the_shop_of_each_chapter_is_wired_without_a_fault(chapter: str, tmp_path: Path) -> None:
    program = Page(f"tutorial/{chapter}.md").program.replace(
        "linker.clear()", "..."
    )  # a chapter shows what is missing then
    (tmp_path / "shop.py").write_text(program)
    done = run_python("-m", "pyventus_typed", "check", "shop:linker", cwd=tmp_path)
    assert (done.code, "0 faults" in done.stderr + done.stdout) == (0, True), done.stdout + done.stderr
