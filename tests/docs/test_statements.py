"""Statements of pages that are no examples: about a loop, the errors, the names, the figures, the findings of the check."""

import asyncio
import re
from pathlib import Path

import pytest

import pyventus_typed
from pyventus_typed import Linker, asyncio_emitter, errors
from tests.docs.pages import DOCS, Page
from tests.events import OrderPlaced
from tests.programs import ROOT, run_python


def page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


# ---------------------------------------------------------------- the end of a loop
def test_the_methods_of_a_loop_that_are_wrapped_are_those_that_the_page_names() -> None:
    linker = Linker()
    linker.subscribe(OrderPlaced, lambda event: None)
    emitter = asyncio_emitter(linker)

    async def main() -> None:
        await emitter.emit(OrderPlaced())

    loop = asyncio.new_event_loop()
    before = set(vars(loop))
    loop.run_until_complete(main())
    wrapped = set(vars(loop)) - before
    loop.close()
    text = page("explanation/end-of-a-loop.md")
    sentence = re.search(
        r"it wraps (\w+) methods on that loop's \*instance\*:(.*?)\. The same (\w+) exist", text, re.DOTALL
    )
    assert sentence is not None
    assert set(re.findall(r"`(\w+)`", sentence[2])) == wrapped
    assert {sentence[1], sentence[3]} == {{3: "three", 4: "four", 5: "five"}[len(wrapped)]}
    assert set(vars(loop)) & wrapped == set(), "The three are put back when the loop has closed"


def test_the_warning_of_the_last_chapter_but_one_is_seen_without_catch_warnings_and_not_with_it(tmp_path: Path) -> None:
    program = Page("tutorial/6-the-end-of-a-loop.md").program
    without = re.sub(r"^with warnings.*\n.*\n    (asyncio.run.*\n)print.*\n", r"\1", program, flags=re.MULTILINE)
    assert without != program
    said = "1 emission cut off when their event loop closed: OrderPlaced(order=4) (cancelled)"
    for text, count in ((program, 0), (without, 1)):
        (tmp_path / "shop.py").write_text(text)
        assert run_python("shop.py", cwd=tmp_path).stderr.count(said) == count


# ---------------------------------------------------------------- how to install
def test_no_page_and_no_message_installs_an_extra_from_an_index_that_does_not_have_it() -> None:
    files = [*DOCS.rglob("*.md"), ROOT / "README.md", *Path(pyventus_typed.__file__).parent.rglob("*.py")]
    bare = re.compile(r"pip install [\"']pyventus-typed(\[[\w,-]+\])?[\"']")
    texts = {file.name: file.read_text(encoding="utf-8") for file in files if "_build" not in file.parts}
    assert {name for name, text in texts.items() if bare.search(text)} == {"_install.py"}  # its docstring says why


# ---------------------------------------------------------------- the reference
def test_the_tree_of_errors_is_the_tree_of_errors() -> None:
    (tree,) = re.findall(r"^```text\n(PyventusError .*?)^```", page("reference/errors.md"), re.DOTALL | re.MULTILINE)
    shown, above = set[str](), dict[int, type]()
    for indent, name, builtin in re.findall(r"^([│├└─ ]*)(\w+)(?: +(\w+))?", tree, re.MULTILINE):
        kind = getattr(errors, name)
        if indent:
            assert above[len(indent) - 4] in kind.__mro__, name
        if builtin and builtin[0].isupper():
            assert builtin in {base.__name__ for base in kind.__mro__}, name
        above[len(indent)] = kind
        shown.add(name)
    assert shown == set(errors.__all__)


def test_the_table_of_the_reference_names_what_each_of_its_pages_holds() -> None:
    for name, cell in re.findall(r"^\| \[\]\((\w+\.md)\) \| (.*) \|$", page("reference/index.md"), re.MULTILINE):
        held = set(
            re.findall(r"^\.\. auto(?!module)\w+:: pyventus_typed\.(\w+)$", page(f"reference/{name}"), re.MULTILINE)
        )
        named = {one for one in re.findall(r"`(\w+)`", cell) if hasattr(pyventus_typed, one)} - {"testing", "errors"}
        outcomes = {"Outcome", "Completed", "Failed", "Cancelled", "Discarded"} if "the outcomes" in cell else set()
        assert held == named | outcomes, name


# ---------------------------------------------------------------- the check
def test_what_the_check_prints_is_what_the_page_shows(tmp_path: Path) -> None:
    text = page("how-to/check-the-wiring.md")
    files = re.findall(r"`(shop/\w+\.py)`:\n\n```py\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    shown = re.search(
        r"^\$ python (-m pyventus_typed check shop\S+)\n```\n\n.*?^```text\n(.*?)^```", text, re.DOTALL | re.MULTILINE
    )
    assert shown is not None
    assert len(files) == 2
    (tmp_path / "shop").mkdir()
    for name, program in files:
        (tmp_path / name).write_text(program)
    ended = run_python(*shown[1].split(), cwd=tmp_path)
    assert (ended.code, ended.stderr, ended.stdout) == (1, "", shown[2])


# ---------------------------------------------------------------- speed
ROWS = re.findall(
    r"^\| (.*?) \| [\d,.]+ [nµ]s \| [\d.]* *\| \*\*([\d.]+)\*\* .*? \| (.*) \|$",
    page("explanation/speed.md"),
    re.MULTILINE,
)


def test_every_work_of_the_speed_page_is_compared() -> None:
    assert len(ROWS) == 12


@pytest.mark.parametrize(("what", "ours", "theirs"), ROWS, ids=[what for what, _, _ in ROWS])
def test_who_is_ahead_of_us_is_in_bold(what: str, ours: str, theirs: str) -> None:
    for bold, figure in re.findall(r"(\*\*)?\w+ ([\d,.]*\d)", theirs):
        assert bool(bold) == (float(figure.replace(",", "")) < float(ours))


def test_with_more_handlers_an_emission_costs_less_for_each() -> None:
    growing = [float(ours) for what, ours, _ in ROWS if re.match(r"no loop, \d+ sync", what)]
    assert len(growing) == 3
    assert growing == sorted(growing, reverse=True)
