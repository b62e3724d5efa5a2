"""Every example of every page, run, and what it prints; and read by mypy."""

import logging
from pathlib import Path

import pytest

from tests.docs.pages import DOCS, PAGES, Page
from tests.programs import HOUSE, run_python

# Two pages are programs with a server; tests/edges/nats/test_pages.py runs them, in processes of their own.
OTHERS = {"how-to/go-beyond-one-process.md", "how-to/outbox.md"}
WITH_EXAMPLES = [page for page in PAGES if page not in OTHERS and "```python" in (DOCS / page).read_text("utf-8")]


@pytest.mark.parametrize("page", WITH_EXAMPLES)
def test_the_examples_of_a_page_run_and_print_what_it_says(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    with caplog.at_level(logging.CRITICAL, logger="asyncio"):
        Page(page).run()


def test_mypy_has_nothing_to_say_about_the_examples_of_any_page(tmp_path: Path) -> None:
    modules = []
    for page in WITH_EXAMPLES:
        modules.append(page.removesuffix(".md").replace("/", "__").replace("-", "_") + ".py")
        (tmp_path / modules[-1]).write_text(Page(page).program, encoding="utf-8")
    options = ("--strict", "--no-error-summary", "--cache-dir", str(tmp_path / "cache"))
    ended = run_python("-m", "mypy", *options, *modules, cwd=tmp_path, env={"MYPYPATH": str(HOUSE)})
    assert (ended.stdout, ended.stderr) == ("", "")
