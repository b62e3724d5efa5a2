"""Every example of every page, run, and what it prints; and read by mypy."""

import logging
import re
from pathlib import Path

import pytest

from tests.docs.pages import DOCS, PAGES, Page, wrong_blocks
from tests.programs import ROOT, run_python

# These run in processes of their own, with a server, pyventus or Django: tests/edges/nats/test_pages.py, test_migration.py,
# test_frameworks.py.
OTHERS = {
    "how-to/go-beyond-one-process.md",
    "how-to/outbox.md",
    "how-to/move-from-pyventus.md",
    "how-to/django.md",
}
# Sentry stays in the process where it was started: in its logging, and in the hooks for exceptions that nobody catches.
ALONE = {"how-to/structured-logging.md"}
# All checkers judge this one, in tests/typing.
JUDGED = {"explanation/reading-errors.md"}
WITH_MISTAKES = [page for page in PAGES if page not in JUDGED and wrong_blocks(page)]
WITH_EXAMPLES = [page for page in PAGES if page not in OTHERS and "```python" in (DOCS / page).read_text("utf-8")]


@pytest.mark.parametrize("page", [page for page in WITH_EXAMPLES if page not in ALONE])
def test_the_examples_of_a_page_run_and_print_what_it_says(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    with caplog.at_level(logging.CRITICAL, logger="asyncio"):
        caplog.handler.setLevel(logging.ERROR)  # what is less than that, a program without logging does not show
        Page(page).run()
    text = (DOCS / page).read_text(encoding="utf-8")
    logged = [record.getMessage() for record in caplog.records]
    assert [one for one in logged if one not in text] == [], (
        "a reader sees this on stderr, and the page does not say so"
    )


@pytest.mark.parametrize("page", sorted(ALONE))
def test_the_examples_of_a_page_that_changes_its_process_run_and_print_what_it_says(page: str, tmp_path: Path) -> None:
    program = f"from tests.docs.pages import Page; Page({page!r}).run()"
    ended = run_python("-c", program, cwd=tmp_path)
    text = (DOCS / page).read_text(encoding="utf-8")
    said = [line for line in ended.stderr.splitlines() if not line.startswith(("Traceback", " "))]
    assert ([line for line in said if line not in text], ended.code) == ([], 0)


def mypy(folder: Path, *modules: str) -> str:
    options = ("--strict", "--no-error-summary", "--hide-error-context", "--cache-dir", str(folder / "cache"))
    ended = run_python("-m", "mypy", *options, *modules, cwd=folder, env={"MYPYPATH": str(ROOT)})
    assert ended.stderr == ""
    return ended.stdout


@pytest.mark.timeout(300)  # it reads all pages at once
def test_mypy_has_nothing_to_say_about_the_examples_of_any_page(tmp_path: Path) -> None:
    modules = []
    for page in WITH_EXAMPLES:
        modules.append(re.sub(r"\W+", "_", f"page_{page.removesuffix('.md')}") + ".py")
        (tmp_path / modules[-1]).write_text(Page(page).program, encoding="utf-8")
    assert mypy(tmp_path, *modules) == ""


@pytest.mark.parametrize("page", WITH_MISTAKES)
def test_mypy_says_of_each_mistake_what_the_page_says(page: str, tmp_path: Path) -> None:
    mistakes = wrong_blocks(page)
    modules = [f"mistake_{number}.py" for number in range(len(mistakes))]
    for module, (wrong, _) in zip(modules, mistakes, strict=True):
        (tmp_path / module).write_text(f"{Page(page).program}\n\n{wrong}", encoding="utf-8")
    said = mypy(tmp_path, *modules)
    for module, (_, message) in zip(modules, mistakes, strict=True):
        assert "".join(re.findall(rf"^{module}:\d+: (error: .*\n)", said, re.MULTILINE)) == message
