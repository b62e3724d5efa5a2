"""The settings that the page names are enough: with them each checker reports the mistakes of the tutorial, run as a user does."""

import re
import subprocess
from pathlib import Path
from typing import Final

import pytest
from checkers import CHECKERS, ERRORS_FOUND, Checker, program

ROOT: Final = Path(__file__).resolve().parent.parent.parent
TUTORIAL: Final = (ROOT / "docs" / "tutorial" / "2-typed-handlers.md").read_text(encoding="utf-8")
PAGE: Final = (ROOT / "docs" / "how-to" / "set-up-a-type-checker.md").read_text(encoding="utf-8")

pytestmark = pytest.mark.timeout(100)


def _blocks(language: str, page: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)


def _settings() -> dict[str, str]:
    _, *parts = re.split(r"^\*\*(\w+)\*\*", PAGE, flags=re.MULTILINE)
    return {name: "".join(_blocks("toml", text)) for name, text in zip(parts[::2], parts[1::2], strict=True)}


def _reported(checker: Checker, settings: str, folder: Path) -> tuple[list[range], set[int]]:
    """The lines of each mistake of the tutorial, and the lines that *checker* reports."""
    (folder / "pyventus_typed").symlink_to(ROOT / "pyventus_typed")
    (folder / "pyproject.toml").write_text(settings, encoding="utf-8")
    mistakes: list[range] = []
    source = "\n".join(_blocks("python", TUTORIAL))
    for mistake in _blocks("py", TUTORIAL):
        start = source.count("\n") + 1
        source += mistake
        mistakes.append(range(start, source.count("\n") + 1))
    assert len(mistakes) == 5
    (folder / "shop.py").write_text(source, encoding="utf-8")
    task = ["check"] if checker in ("pyrefly", "ty", "zuban") else []
    command = [*program(checker), *task, "shop.py"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode in (0, ERRORS_FOUND), done.stderr
    return mistakes, {int(line) for line in re.findall(r"shop\.py:(\d+)", done.stdout)}


@pytest.mark.parametrize("checker", CHECKERS)
def test_with_these_settings_each_mistake_of_the_tutorial_is_reported_and_nothing_else(
    checker: Checker, tmp_path: Path
) -> None:
    mistakes, reported = _reported(checker, _settings()[checker], tmp_path)
    assert [lines for lines in mistakes if not reported & {*lines}] == []
    assert reported <= {line for lines in mistakes for line in lines}


def test_pyrefly_without_settings_reports_none_of_them(tmp_path: Path) -> None:
    assert _reported("pyrefly", "", tmp_path)[1] == set()


def test_the_page_speaks_of_every_checker() -> None:
    assert _settings().keys() == {*CHECKERS}
