"""Code that is no handler and emits: read from whole packages, and what nothing in them emits."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyventus_typed.cli import main
from pyventus_typed.wiring import NotLoaded, Report, Rule, check, render

EVENTS = """
from dataclasses import dataclass
from pyventus_typed import Emitter, Event, Linker, Request

@dataclass(frozen=True)
class BookEvent(Event):
    isbn: str = ""

@dataclass(frozen=True)
class Ordered(BookEvent): ...

@dataclass(frozen=True)
class Printed(BookEvent): ...

@dataclass(frozen=True)
class Sold(BookEvent): ...

@dataclass(frozen=True)
class Pulped(BookEvent): ...

@dataclass(frozen=True)
class StockOf(Request[int]):
    isbn: str

@dataclass(frozen=True)
class Elsewhere(Event): ...

linker = Linker[BookEvent | StockOf]()
emitter = Emitter(linker)

@linker.on(Ordered)
def print_it(ordered: Ordered) -> None:
    emitter.emit(Printed(ordered.isbn))

@linker.on(BookEvent)
def log(event: BookEvent) -> None: ...

@linker.answer(StockOf)
def stock(request: StockOf) -> int:
    return 0
"""
# Nothing imports this one.
WEB = """
from .events import *
from . import events as facts
import somewhere_else_that_is_not_there

class Checkout:
    async def post(self, isbn):
        def later():
            self.bus.emit(facts.Sold(isbn))
        if await self.bus.ask(StockOf(isbn)):
            self.bus.emit(Ordered(isbn))
        self.log.emit("no event")

    class Admin:
        def post(self, event: Sold):
            emitter.emit(event)

def other():
    elsewhere.emit(facts.Elsewhere())

emitter.emit(Sold("1"))
"""


@pytest.fixture
def books(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    package = tmp_path / "bookshop"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "events.py").write_text(EVENTS)
    (package / "web.py").write_text(WEB)
    (package / "not-a-module.py").write_text("1 / 0")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield package
    for name in [name for name in sys.modules if name.partition(".")[0] in {"bookshop", "booktool"}]:
        del sys.modules[name]


def report(*sources: str) -> Report:
    events = __import__("bookshop.events").events
    return check(events.linker, sources=sources or None)


def found(report: Report, rule: Rule) -> list[str]:
    return [str(finding) for finding in (*report.faults, *report.notes) if finding.rule is rule]


@pytest.mark.usefixtures("books")
def test_functions_methods_and_the_top_of_a_module_are_read() -> None:
    code = {one.name: [(each.event.__name__, each.place.line) for each in one.emits] for one in report("bookshop").code}
    assert code == {
        "bookshop.web": [("Sold", 21)],
        "Checkout.post": [("Sold", 9), ("StockOf", 10), ("Ordered", 11)],
        "Checkout.Admin.post": [("Sold", 16)],
    }


@pytest.mark.usefixtures("books")
def test_what_is_read_is_not_imported() -> None:
    report("bookshop")
    assert "bookshop.web" not in sys.modules


@pytest.mark.usefixtures("books")
def test_what_a_handler_emits_is_its_own_and_not_counted_twice() -> None:
    assert not any(each.event.__name__ == "Printed" for one in report("bookshop").code for each in one.emits)


def test_events_of_one_line_stand_in_the_order_of_their_names(books: Path) -> None:
    (books / "jobs.py").write_text(
        "from .events import *\ndef run(event: 'Sold | Pulped | Ordered | Printed'): emitter.emit(event)\n"
    )
    (jobs,) = [one for one in report("bookshop").code if one.name == "run"]
    assert [each.event.__name__ for each in jobs.emits] == ["Ordered", "Printed", "Pulped", "Sold"]


def test_a_file_that_was_imported_through_a_link_is_the_same_file(books: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (books.parent / "link").symlink_to(books.parent, target_is_directory=True)
    events = __import__("bookshop.events").events
    code = events.print_it.__code__.replace(co_filename=str(books.parent / "link" / "bookshop" / "events.py"))
    monkeypatch.setattr(events.print_it, "__code__", code)
    assert not any(each.event.__name__ == "Printed" for one in report("bookshop").code for each in one.emits)


@pytest.mark.usefixtures("books")
def test_events_of_other_emitters_are_nobodys_business_here() -> None:
    assert "Elsewhere" not in {event.name for event in report("bookshop").events}


@pytest.mark.usefixtures("books")
def test_an_event_that_nothing_emits_is_a_note_once_the_code_is_read() -> None:
    assert found(report("bookshop"), Rule.UNEMITTED) == [
        "bookshop/events.py:19: unemitted: nothing that was read emits Pulped, or makes one"
    ]
    assert found(report(), Rule.UNEMITTED) == []


def test_an_event_that_is_made_may_be_emitted_where_nobody_can_read_it(books: Path) -> None:
    (books / "jobs.py").write_text("from .events import Pulped\ndef clear(bus): bus.hand_over(Pulped())\n")
    assert found(report("bookshop"), Rule.UNEMITTED) == []


def test_an_event_that_only_other_code_emits_and_nobody_receives_says_where(books: Path) -> None:
    (books / "events.py").write_text(EVENTS.replace("@linker.on(BookEvent)", ""))
    assert (
        "bookshop/events.py:16: unhandled: no handler receives Sold; bookshop.web emits it at bookshop/web.py:21"
        in found(report("bookshop"), Rule.UNHANDLED)
    )


def test_a_file_that_is_no_python_and_an_event_that_a_run_must_tell_are_notes(books: Path) -> None:
    (books / "broken.py").write_text("\nx = = 1\n")
    (books / "generic.py").write_text("from .events import emitter\ndef hand_over(event): emitter.emit(event)\n")
    assert found(report("bookshop"), Rule.UNREAD) == [
        "bookshop/broken.py:2: unread: this file cannot be read: SyntaxError",
        "bookshop/generic.py:2: unread: hand_over emits an event here that cannot be read from the source",
    ]


def test_a_single_module_is_read_alone(books: Path) -> None:
    (books.parent / "booktool.py").write_text("from bookshop.events import *\nemitter.emit(Pulped())\n")
    assert [one.name for one in report("booktool").code] == ["booktool"]


@pytest.mark.usefixtures("books")
def test_every_form_shows_the_code() -> None:
    shown = report("bookshop")
    text = render(shown, "text")
    assert "Sold            bookshop/events.py:16\n  <- bookshop.web  bookshop/web.py:21\n".replace(
        " ", ""
    ) in text.replace(" ", "")
    assert json.loads(render(shown, "json"))["code"][0] == {
        "name": "bookshop.web",
        "place": {"file": "bookshop/web.py", "line": 1},
        "emits": [{"event": "Sold", "place": {"file": "bookshop/web.py", "line": 21}}],
    }
    assert '[/"Checkout.post"/]' in render(shown, "mermaid")
    assert "Checkout.post emits Sold." in render(shown, "svg")


@pytest.mark.parametrize("name", ["nothing_of_that_name", "book-shop", "bookshop.nothing", "sys"])
@pytest.mark.usefixtures("books")
def test_a_source_that_is_not_there_is_an_error(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(NotLoaded, match=f"^{name}: th"):
        report(name)
    assert main(["check", "bookshop.events:linker", "--source", name]) == 2
    assert capsys.readouterr().err.startswith(f"python -m pyventus_typed check: {name}: th")


@pytest.mark.usefixtures("books")
def test_the_command_reads_the_sources_that_it_is_given(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "bookshop.events:linker", "--source", "bookshop"]) == 0
    out = capsys.readouterr().out
    assert "bookshop/events.py:19: note: nothing that was read emits Pulped, or makes one\n" in out
