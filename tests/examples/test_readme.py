"""What README.md says, tried."""

import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from hatch_build import PLACEHOLDER, with_absolute_links
from tests.docs.test_promises import PROMISES
from tests.edges.testing.zoo import SPECIMENS
from tests.programs import ROOT, run_python

README = (ROOT / "README.md").read_text(encoding="utf-8")
TEXT = re.sub(r"\s+", " ", README)
LINKS = re.findall(r"\]\(([^)]+)\)", README)


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, flags=re.DOTALL | re.MULTILINE)


EXAMPLE, WRONG_HANDLER = blocks("python")
PRINTED, MYPY_SAYS = blocks("text")


def mypy(folder: Path, program: str) -> str:
    (folder / "shop.py").write_text(program, encoding="utf-8")
    options = ("--strict", "--no-error-summary", "--cache-dir", str(folder / "cache"))
    ended = run_python("-m", "mypy", *options, "shop.py", cwd=folder, env={"MYPYPATH": str(ROOT)})
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


# ---------------------------------------------------------------- its numbers
def docs(name: str) -> str:
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def test_the_mistakes_that_checkers_find_are_those_of_the_comparison() -> None:
    rows = [
        [cell.strip() for cell in row.strip("|").split("|")]
        for row in re.findall(r"^\|.*\|$", docs("explanation/comparison-typing.md").split("\n\n\n")[0], re.MULTILINE)
    ]
    header, _, us, *others = (row for row in rows if len(row) == 9)
    possible, *ours = map(int, us[1:])
    caught = dict(zip(header[2:], ours, strict=True))
    all_of_them = [name for name, number in caught.items() if number == possible and "," not in name]
    peers = [[int(number) for number in row[2:]] for row in others if row[1].isdigit()]
    assert len(peers) == 8
    assert (
        f"Of {possible} typical mistakes {', '.join(all_of_them[:-1])} and {all_of_them[-1]} report all {possible}, and "
        f"zuban {caught['zuban']}, without a plugin. In the eight other libraries that we tried, no checker reports more "
        f"than {max(map(max, peers))}."
    ) in TEXT


def test_the_promises_and_the_bugs_are_as_many_as_it_says() -> None:
    assert (
        f"[{len(PROMISES)} numbered guarantees](docs/explanation/promises.md), each with the tests that prove it"
        in TEXT
    )
    assert f"finds each of the {len(SPECIMENS)} bugs in our collection in under a second" in TEXT  # test_zoo.py


def test_the_demo_over_nats_emits_and_kills_as_many_as_it_says() -> None:
    told = run_python("-m", "pyventus_typed", "nats", "demo", "--help").stdout
    orders, kills = re.search(r"publish \(default: (\d+)\)", told), re.search(r"kill \(default: (\d+)\)", told)
    assert orders is not None
    assert kills is not None
    assert (
        f"The demo emits {int(orders[1]):,} orders while it kills {kills[1]} workers and the server, and loses none."
        in TEXT
    )


def test_the_versions_are_those_that_the_package_declares() -> None:
    declared = re.findall(r"Python :: (3\.\d+)\"", (ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert f"CPython {', '.join(declared[:-1])} and {declared[-1]} on" in TEXT


# ---------------------------------------------------------------- its picture
def shown() -> list[str]:
    picture = ET.fromstring(docs("pictures/demo-terminal.svg"))
    lines: dict[float, str] = {}
    for piece in picture.iter("{http://www.w3.org/2000/svg}text"):
        y = float(piece.attrib["y"])
        lines[y] = f"{lines.get(y, '')} {piece.text or ''}"
    return [" ".join(lines[y].split()) for y in sorted(lines)]


def test_the_picture_of_the_terminal_shows_what_the_demo_prints(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("def :\n")
    (tmp_path / "works.py").write_text("import os\n")
    printed = run_python("-m", "pyventus_typed", "demo", str(tmp_path), env={"COLUMNS": "92"}).stdout.splitlines()
    fixed = {" ".join(line.split()) for line in printed if line and not re.search(r"\d|broken|os|─", line)}
    assert len(fixed) >= 7
    assert fixed - set(shown()) == set(), "python -m docs.pictures.terminal"


def test_the_counts_in_the_picture_add_up() -> None:
    (sums,) = (line for line in shown() if re.fullmatch(r"[\d, ]+= [\d, +]+", line))
    accepted, *ends = (int(number.replace(",", "")) for number in re.findall(r"[\d,]+", sums))
    assert accepted == sum(ends) > 10_000


def test_the_picture_needs_no_network() -> None:
    picture = docs("pictures/demo-terminal.svg")
    fetched = re.findall(r"https?:[^\"]*|url\((?!#)[^\"]*|@import|href", picture)
    assert set(fetched) == {"http://www.w3.org/2000/svg"}


# ---------------------------------------------------------------- its links
@pytest.mark.parametrize("link", sorted({link for link in LINKS if not re.match("[a-z]+:", link)}))
def test_what_it_links_to_is_there(link: str) -> None:
    path, _, anchor = link.partition("#")
    assert (ROOT / path).exists()
    assert not anchor, "the anchors of a Markdown file are not the same everywhere"


def test_away_from_the_repository_its_links_are_addresses() -> None:
    absolute = with_absolute_links(README, "https://example.org/us/it", "v1")
    links = re.findall(r"\]\(([^)]+)\)", absolute)
    assert len(links) == len(LINKS)
    assert {link.partition("/v1/")[0] for link in links} == {
        f"https://example.org/us/it/{kind}" for kind in ("blob", "raw")
    }
    assert "![" in absolute
    assert "](https://example.org/us/it/raw/v1/docs/pictures/demo-wiring.svg)" in absolute
    assert with_absolute_links(absolute, "https://elsewhere.org", "v2") == absolute
    assert 'pip install "pyventus-typed @ git+https://example.org/us/it"' in absolute


def test_the_pages_show_one_address_of_the_repository_and_whoever_builds_replaces_that_one() -> None:
    pages = [page for page in (ROOT / "docs").rglob("*.md") if "_build" not in page.parts]
    shown = [re.findall(r"https://host/[\w/-]+", page.read_text(encoding="utf-8")) for page in pages]
    assert {address for addresses in shown for address in addresses} == {PLACEHOLDER}
    assert f'"{PLACEHOLDER}"' in (ROOT / "docs" / "conf.py").read_text(encoding="utf-8")
