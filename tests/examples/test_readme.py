"""What README.md says, tried."""

import re
from pathlib import Path

from tests.programs import HOUSE, run_python

README = (HOUSE / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, flags=re.DOTALL | re.MULTILINE)


EXAMPLE, WRONG_HANDLER = blocks("python")
PRINTED, MYPY_SAYS = blocks("text")


def mypy(folder: Path, program: str) -> str:
    (folder / "shop.py").write_text(program, encoding="utf-8")
    options = ("--strict", "--no-error-summary", "--cache-dir", str(folder / "cache"))
    ended = run_python("-m", "mypy", *options, "shop.py", cwd=folder, env={"MYPYPATH": str(HOUSE)})
    assert ended.stderr == ""
    return ended.stdout


def test_the_example_prints_what_the_readme_says(tmp_path: Path) -> None:
    shop = tmp_path / "shop.py"
    shop.write_text(EXAMPLE, encoding="utf-8")
    example = run_python(str(shop))
    assert (example.stdout, example.stderr, example.code) == (PRINTED, "", 0)


def test_mypy_has_nothing_to_say_about_the_example(tmp_path: Path) -> None:
    assert mypy(tmp_path, EXAMPLE) == ""


def test_mypy_says_of_the_wrong_handler_what_the_readme_says(tmp_path: Path) -> None:
    assert mypy(tmp_path, f"{EXAMPLE}\n\n{WRONG_HANDLER}") == MYPY_SAYS


def test_the_readme_has_one_command_to_run_it_and_one_to_test_it() -> None:
    assert len(blocks("sh")) == 2
    assert all(command.count("\n") == 1 for command in blocks("sh"))
