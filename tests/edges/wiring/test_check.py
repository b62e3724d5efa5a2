"""The check as a whole: what it finds in a package with planted faults, and that it finds nothing in a sound one."""

import importlib
import re
import sys
from abc import ABC, abstractmethod
from collections import Counter
from dataclasses import dataclass, make_dataclass
from pathlib import Path

import pytest
from typing_extensions import TypeAliasType

import pyventus_typed.wiring
from pyventus_typed import Emitter, Event, Linker, Request, Subscriber, answers, handles
from pyventus_typed.wiring import Finding, NotAFamily, NotALinker, Report, Rule, check
from tests.edges.wiring.notes import own_notes
from tests.programs import ROOT


@pytest.fixture(scope="module")
def faulty() -> Report:
    wiring, events = importlib.import_module("faulty.wiring"), importlib.import_module("faulty.events")
    return check(wiring.linker, family=events.OrderEvent)


def where(finding: Finding) -> tuple[str, int, str]:
    assert finding.place is not None
    return Path(finding.place.file).name, finding.place.line, finding.rule.value


def marks(shops: Path, word: str) -> Counter[tuple[str, int, str]]:
    found = Counter[tuple[str, int, str]]()
    for file in (shops / "faulty").glob("*.py"):
        for number, line in enumerate(file.read_text().splitlines(), 1):
            found.update((file.name, number, rule) for rule in re.findall(rf"# {word}: (\w+)", line))
    return found


def test_every_planted_fault_is_found_at_its_line_and_nothing_else_is(faulty: Report, shops: Path) -> None:
    found = Counter(map(where, faulty.faults))
    assert found == marks(shops, "fault")
    assert {rule for _, _, rule in found} == {rule.value for rule in Rule if rule.is_fault}


def test_notes_stand_at_their_lines_and_are_no_faults(faulty: Report, shops: Path) -> None:
    assert Counter(map(where, faulty.notes)) == marks(shops, "note")


def test_a_sound_shop_has_neither_faults_nor_notes_when_its_linkers_are_checked_together() -> None:
    wiring = importlib.import_module("sound.wiring")
    report = check(wiring.orders, wiring.mail)
    assert (report.faults, report.notes, report.cycles) == ((), (), ())
    assert {event.name for event in report.events} == {"Placed", "Paid", "Shipped", "PriceOf"}


def test_an_event_that_only_an_absent_linker_handles_is_unhandled() -> None:
    wiring, events = importlib.import_module("sound.wiring"), importlib.import_module("sound.events")
    (fault,) = check(wiring.orders).faults
    assert (fault.rule, fault.event) == (Rule.UNHANDLED, events.Shipped)
    assert "ship emits it at" in fault.message


def test_two_checks_of_one_wiring_are_equal(faulty: Report) -> None:
    wiring, events = importlib.import_module("faulty.wiring"), importlib.import_module("faulty.events")
    assert check(wiring.linker, wiring.linker, family=events.OrderEvent) == faulty


def test_a_report_reads_as_the_list_of_its_findings(faulty: Report) -> None:
    lines = str(faulty).splitlines()
    assert len(lines) == len(faulty.faults) + len(faulty.notes) + 1
    assert re.fullmatch(r".*faulty/events\.py:\d+: mutable: OrderPlaced\.lines holds a list.*", lines[0])
    assert lines[-1].startswith("16 faults, 2 notes")


@dataclass(frozen=True)
class Opened(Event):
    door: int


@dataclass(frozen=True)
class Closed(Event):
    door: int


@dataclass(frozen=True)
class Slammed(Closed):
    pass


@dataclass(frozen=True)
class WidthOf(Request[int]):
    door: int


def rules(report: Report) -> list[tuple[Rule, type[Event] | None]]:
    return [(fault.rule, fault.event) for fault in report.faults]


def test_the_family_of_a_typed_linker_is_judged_without_being_named() -> None:
    linker = Linker[Opened | Closed]()
    linker.subscribe(Closed, lambda event: None)
    assert rules(check(linker)) == [(Rule.UNHANDLED, Opened)]


def test_a_linker_without_a_family_is_judged_by_what_is_linked_and_emitted() -> None:
    linker = Linker()
    linker.subscribe(Closed, lambda event: None)
    assert rules(check(linker)) == []


@pytest.mark.parametrize(
    "family", [Opened | Closed, (Opened, Closed), ((Opened,), Closed | Opened)], ids=["union", "tuple", "nested"]
)
def test_a_family_may_be_a_union_or_a_tuple(family: object) -> None:
    assert rules(check(Linker(), family=family)) == [
        (Rule.UNHANDLED, Opened),
        (Rule.UNHANDLED, Slammed),
    ]


def test_a_base_that_can_be_emitted_itself_is_a_note_unless_a_handler_emits_it() -> None:
    linker = Linker()
    linker.subscribe(Slammed, lambda event: None)
    report = check(linker, family=Closed)
    assert report.faults == ()
    assert [(note.rule, note.event) for note in own_notes(report)] == [(Rule.BASE, Closed)]


def test_a_family_may_be_an_alias() -> None:
    assert rules(check(Linker(), family=TypeAliasType("Family", Opened | Closed))) == [
        (Rule.UNHANDLED, Opened),
        (Rule.UNHANDLED, Slammed),
    ]


@pytest.mark.skipif(sys.version_info < (3, 12), reason="the statement came with Python 3.12")
def test_a_family_may_be_a_type_statement() -> None:
    names = {"Opened": Opened, "Closed": Closed}
    exec("type Family = Opened | Doors\ntype Doors = Closed", names)
    assert [event for _, event in rules(check(Linker(), family=names["Family"]))] == [Opened, Slammed]


def test_a_base_that_a_handler_emits_needs_a_receiver() -> None:
    linker = Linker()
    emitter = Emitter(linker)
    linker.subscribe(Slammed, lambda event: emitter.emit(Closed(event.door)))
    assert rules(check(linker, family=Closed)) == [(Rule.UNHANDLED, Closed)]


def test_an_abstract_dataclass_is_not_emitted_and_so_a_handler_of_it_alone_is_unreachable() -> None:
    @dataclass(frozen=True)
    class Moved(Event, ABC):
        @abstractmethod
        def angle(self) -> int: ...

    linker = Linker()
    linker.subscribe(Moved, lambda event: None)
    (fault,) = check(linker, family=Moved).faults
    assert fault.rule is Rule.UNREACHABLE
    assert fault.message.endswith("it is abstract, and no subclass of it can be emitted")


def test_the_answer_to_a_base_is_unreachable_if_every_request_below_has_its_own() -> None:
    class Query(Request[int]): ...

    @dataclass(frozen=True)
    class Near(Query): ...

    linker = Linker()
    linker.answer(Query)(lambda request: 1)
    assert rules(check(linker, family=Query)) == []
    linker.answer(Near)(lambda request: 2)
    assert rules(check(linker, family=Query)) == [(Rule.UNREACHABLE, Query)]


def test_receivers_come_in_the_order_of_delivery() -> None:
    linker = Linker()

    @linker.on(Event)
    def last(event: Event) -> None: ...

    @linker.on(Opened, priority=9)
    def first(event: Opened) -> None: ...

    assert [each.name for each in check(linker).receivers(Opened)] == ["first", "last"]


@pytest.mark.parametrize("family", [int, Linker(), (), "Opened", Opened | int, None | int])
def test_what_is_no_family_is_refused_by_name(family: object) -> None:
    with pytest.raises(NotAFamily, match="A family is an event class"):
        check(Linker(), family=family)


def test_what_is_no_linker_is_refused_by_name() -> None:
    with pytest.raises(NotALinker, match="The wiring of a Linker is checked, and 3 is not a Linker"):
        check(3)  # type: ignore[arg-type]  # which a type checker tells, too


def test_one_handler_of_several_events_is_one_handler() -> None:
    class Door:
        def turn(self, event: Event) -> None: ...

    door, linker = Door(), Linker()
    linker.subscribe(Opened, door.turn)
    linker.subscribe(Closed, door.turn)
    (handler,) = check(linker).handlers
    assert handler.events == (Opened, Closed)
    assert handler.receives == (Opened, Closed, Slammed)


def test_a_request_needs_an_answer_and_not_a_listener() -> None:
    linker = Linker()
    linker.subscribe(WidthOf, lambda request: None)
    assert rules(check(linker, family=WidthOf)) == [(Rule.UNANSWERED, WidthOf)]
    linker.answer(WidthOf)(lambda request: 3)
    assert rules(check(linker, family=WidthOf)) == []


def test_a_request_that_methods_only_handle_is_unanswered_until_one_answers() -> None:
    @dataclass(frozen=True)
    class DepthOf(Request[int]):
        box: str

    class Hears(Subscriber[Event]):
        @handles(DepthOf)
        def hear(self, request: DepthOf) -> int:
            return 3

    class Answers(Hears):
        @answers(DepthOf)
        def depth(self, request: DepthOf) -> int:
            return 3

    linker = Linker()
    linker.bind(Hears())
    (fault,) = check(linker).faults
    assert (fault.rule, fault.event) == (Rule.UNANSWERED, DepthOf)
    assert (
        fault.message == "no handler answers DepthOf; Hears.hear handles it, and only linker.answer and @answers answer"
    )
    linker.bind(Answers())
    assert check(linker).faults == ()


def test_two_events_of_one_name_are_told_apart_by_their_modules() -> None:
    twin = make_dataclass("Opened", [], bases=(Event,), frozen=True)
    twin.__module__ = "elsewhere"
    report = check(Linker(), family=(Opened, twin))
    assert {event.name for event in report.events} == {f"{__name__}.Opened", "elsewhere.Opened"}


def test_what_has_no_source_comes_last_and_says_so() -> None:
    made = make_dataclass("Aaa", [("a", list[int])], bases=(Event,), frozen=True)
    report = check(Linker(), family=(made, Opened))
    assert [fault.event for fault in report.faults] == [Opened, made, made]
    assert str(report).splitlines()[1].startswith("(no source): mutable: Aaa.a holds a list")


def test_nothing_is_called_while_it_is_checked() -> None:
    calls: list[object] = []

    def judge(event: Opened) -> bool:
        calls.append(event)
        return True

    linker = Linker()
    linker.subscribe(Opened, calls.append, when=judge)
    check(linker)
    assert calls == []


@pytest.mark.parametrize("rule", Rule)
def test_the_page_says_of_each_rule_whether_it_is_a_fault_or_a_note(rule: Rule) -> None:
    page = (ROOT / "docs" / "how-to" / "check-the-wiring.md").read_text(encoding="utf-8")
    faults, _, notes = page.partition("## Notes")
    assert f"| `{rule}` |" in (faults if rule.is_fault else notes)


def test_every_function_of_a_rule_is_run_and_every_rule_has_one() -> None:
    folder = Path(pyventus_typed.wiring.__file__).parent
    source = (folder / "_rules.py").read_text(encoding="utf-8")
    functions = set(re.findall(r"^def (\w+)\(facts: Facts\) -> Iterator\[Finding\]:", source, re.MULTILINE))
    (run,) = re.findall(r"^RULES = \(\n(.*?)^\)", source, re.MULTILINE | re.DOTALL)
    assert functions == set(re.findall(r"\w+", run))
    found = set(re.findall(r"Finding\(\s*Rule\.(\w+)", source + (folder / "_check.py").read_text(encoding="utf-8")))
    assert found == {rule.name for rule in Rule}
