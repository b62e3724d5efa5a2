"""Names that are imported for type checkers only: as text on every Python, and as they stand since 3.14 (PEP 649)."""

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from pyventus_typed import Event, Linker
from pyventus_typed.cli._parsing import NotLoaded, load_function
from pyventus_typed.errors import InvalidOption, NotAHandler, NotAnEvent
from pyventus_typed.nats._options import check_callback
from pyventus_typed.wiring import Report, Rule, check
from tests.edges.wiring.notes import own_notes
from tests.events import untyped

HEAD = """
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar
from pyventus_typed import Emitter, Event, Linker, Request
if TYPE_CHECKING:
    import somewhere
    from somewhere import Later
linker = Linker()
"""
FORMS = pytest.mark.parametrize(
    "first_line",
    [
        "from __future__ import annotations",
        pytest.param(
            "", marks=pytest.mark.skipif(sys.version_info < (3, 14), reason="evaluated at once before Python 3.14")
        ),
    ],
    ids=["text", "lazy"],
)
pytestmark = FORMS
Run = Callable[[str], Any]  # Any: a module, whose names no checker knows


@pytest.fixture
def run(first_line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    def load(source: str) -> ModuleType:
        module = ModuleType("lazy_shop")
        file = tmp_path / "lazy_shop.py"
        file.write_text(f"{first_line}\n{HEAD}\n{source}")
        module.__file__ = str(file)
        monkeypatch.setitem(sys.modules, module.__name__, module)
        exec(compile(file.read_text(), str(file), "exec", dont_inherit=True), vars(module))
        return module

    return load


def messages(report: Report, rule: Rule) -> list[str]:
    return [finding.message for finding in (*report.faults, *own_notes(report)) if finding.rule is rule]


# ---------------------------------------------------------------- the core
def test_a_base_whose_class_variables_name_it_can_be_subscribed_to(run: Run) -> None:
    shop = run("class Family(Event):\n    known: ClassVar[dict[str, Later]] = {}")
    Linker().subscribe(shop.Family, print)


def test_a_forgotten_decorator_is_still_what_is_wrong(run: Run) -> None:
    shop = run("class Paid(Event):\n    receipt: Later")
    with pytest.raises(NotAnEvent, match=r"Paid has fields but is not a dataclass\. Decorate it"):
        Linker().subscribe(shop.Paid, print)


def test_what_a_partial_wraps_is_still_counted(run: Run) -> None:
    shop = run("import functools\ndef two(event: Later, other: Later) -> Later: ...\nhandler = functools.partial(two)")
    with pytest.raises(NotAHandler, match="cannot be called with one positional argument"):
        Linker().subscribe(Event, shop.handler)


# ---------------------------------------------------------------- other edges
def test_a_command_calls_a_function_whose_annotations_cannot_be_evaluated(run: Run) -> None:
    run("def main() -> Later:\n    return 7\ndef of(later: Later) -> Later: ...")
    assert load_function("lazy_shop:main")() == 7
    with pytest.raises(NotLoaded, match="missing a required argument: 'later'"):
        load_function("lazy_shop:of")


def test_a_callback_of_jetstream_is_still_counted(run: Run) -> None:
    shop = run("def one(event: Later) -> Later: ...\ndef two(event: Later, other: Later) -> Later: ...")
    check_callback("key", shop.one)
    with pytest.raises(InvalidOption, match=r"key=lazy_shop\.two cannot be called with one positional argument"):
        check_callback("key", shop.two)


def test_a_test_under_schedules_may_name_what_is_not_there(run: Run) -> None:
    shop = run("""
from hypothesis import settings, strategies
from pyventus_typed.testing import given_interleavings
drawn = []

@settings(deadline=None)
@given_interleavings(strategies.integers(), expect_choices=False)
async def test(number: Later) -> Later:
    drawn.append(number)
""")
    shop.test()
    assert shop.drawn
    assert {type(number) for number in shop.drawn} == {int}


# ---------------------------------------------------------------- the check
def test_a_field_of_a_type_that_is_not_there_is_no_fault(run: Run) -> None:
    shop = run("""
@dataclass(frozen=True)
class Paid(Event):
    receipt: Later
    maybe: Later | None
    many: tuple[Later, ...]
    dotted: somewhere.Later

@linker.on(Paid)
def ship(paid: Paid) -> None: ...
""")
    report = check(shop.linker)
    assert (report.faults, own_notes(report)) == ((), [])


@pytest.mark.parametrize(
    "annotation", ["list[Later]", "list[int] | Later", "Later | list[int]", "tuple[list[int] | Later]"]
)
def test_what_can_be_read_beside_it_is_read(run: Run, annotation: str) -> None:
    shop = run(f"@dataclass(frozen=True)\nclass Paid(Event):\n    lines: {annotation}\n")
    assert messages(check(Linker(), family=shop.Paid), Rule.MUTABLE) == [
        "Paid.lines holds a list, which can change; a tuple cannot"
    ]


def test_a_class_of_the_same_module_is_found_beside_it(run: Run) -> None:
    shop = run("""
@dataclass
class Box:
    size: int

@dataclass(frozen=True)
class Paid(Event):
    box: Box | Later
""")
    (message,) = messages(check(Linker(), family=shop.Paid), Rule.MUTABLE)
    assert message == "Paid.box holds a Box, which is a dataclass that is not frozen"


def test_a_field_without_a_decorator_is_the_fault(run: Run) -> None:
    shop = run("class Paid(Event):\n    receipt: Later\n    known: ClassVar[Later]\n")
    (message,) = messages(check(Linker(), family=shop.Paid), Rule.UNDECORATED)
    assert "Paid has fields but no @dataclass" in message


def test_a_handler_whose_annotation_is_the_events_name_agrees(run: Run) -> None:
    shop = run("def ship(paid: Later) -> Later: ...\n")

    class Later(Event): ...

    linker = Linker()
    linker.subscribe(Later, shop.ship)
    assert messages(check(linker), Rule.UNRESOLVED) == []


def test_a_handler_of_what_is_not_there_is_quoted_as_it_was_written(run: Run) -> None:
    shop = run("""
class Paid(Event): ...

@linker.on(Paid)
def ship(paid: Later | list[int]) -> None: ...
""")
    assert messages(check(shop.linker), Rule.UNRESOLVED) == [
        "ship is subscribed to Paid; its annotation, Later | list[int], cannot be evaluated"
    ]


def test_what_a_helper_returns_is_read_although_it_also_takes_it(run: Run) -> None:
    shop = run("""
@dataclass(frozen=True)
class Paid(Event): ...

@dataclass(frozen=True)
class Shipped(Event): ...

emitter = Emitter(linker)

def make(later: Later) -> Shipped:
    return Shipped()

@linker.on(Paid)
def ship(paid: Paid) -> None:
    emitter.emit(make(paid))
""")
    (handler,) = check(shop.linker).handlers
    assert [each.event for each in handler.emits] == [shop.Shipped]


@pytest.mark.skipif(sys.version_info < (3, 12), reason="the statement came with Python 3.12")
def test_an_alias_and_a_bound_that_cannot_be_evaluated_are_unknown(run: Run) -> None:
    shop = run("""
@dataclass(frozen=True)
class Paid[T: Later](Event):
    item: T

type Family = Paid | Later

@linker.on(Paid)
def ship[T: Later](paid: T) -> None: ...
""")
    assert untyped(Linker)[shop.Family]().family is None
    assert check(shop.linker).faults == ()
