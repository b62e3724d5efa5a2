"""What can be read from the source of a handler about the events that it emits."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from pyventus_typed import Emitter, Event, Linker, Subscriber, handles
from pyventus_typed.wiring import Place, Report, Rule, check
from tests.edges.wiring.notes import own_notes

samples: Any = import_module("emitting.handlers")  # Any: no type checker looks into it
emitter = Emitter(Linker())


@dataclass(frozen=True)
class Start(Event):
    n: int = 0


@dataclass(frozen=True)
class A(Event): ...


@dataclass(frozen=True)
class B(Event): ...


class Some(Event): ...


def direct(event: Event) -> None:
    emitter.emit(A())


@pytest.mark.parametrize(("handler", "events"), samples.EMITTED)
def test_emissions_are_read_from_the_source(handler: Callable[[Event], object], events: set[type[Event]]) -> None:
    linker = Linker()
    linker.subscribe(samples.Start, handler)
    report = check(linker)
    (found,) = report.handlers
    assert {each.event for each in found.emits} == events
    assert all(re.search(r"emit|ask|publish|send", line(each.place)) for each in found.emits)
    assert not [note for note in report.notes if note.rule is Rule.UNREAD]


@pytest.mark.parametrize("handler", samples.UNREAD)
def test_names_that_are_bound_by_something_else_are_not_guessed(handler: Callable[[Event], object]) -> None:
    linker = Linker()
    linker.subscribe(samples.Start, handler)
    assert Rule.UNREAD in [note.rule for note in check(linker).notes]


def wire(handler: Callable[[Start], object]) -> Report:
    mine = Linker()
    mine.subscribe(Start, handler)
    return check(mine)


def line(place: Place | None) -> str:
    assert place is not None
    return Path(place.file).read_text().splitlines()[place.line - 1]


def test_an_event_that_only_a_run_can_tell_is_a_note_at_its_line() -> None:
    def guess(event: Start, table: dict[str, Event]) -> None:
        emitter.emit(table["now"])  # here

    (note,) = [note for note in wire(partial(guess, table={})).notes if note.rule is Rule.UNREAD]
    assert "# here" in line(note.place)


def test_a_parameter_hides_what_is_called_like_it_outside() -> None:
    first = A()

    def outside(event: Start) -> None:
        emitter.emit(first)

    def hidden(event: Start, first=None) -> None:  # type: ignore[no-untyped-def]  # so that nothing is known of it
        emitter.emit(first)

    assert [each.event for each in wire(outside).handlers[0].emits] == [A]
    assert wire(hidden).handlers[0].emits == ()


def test_an_event_that_is_known_as_a_base_alone_is_a_note() -> None:
    def forward(event: Start, extra: Some | None = None) -> None:
        if extra is not None:
            emitter.emit(extra)

    report = wire(forward)
    assert report.handlers[0].emits == ()
    assert [note.rule for note in own_notes(report)] == [Rule.UNREAD]


def test_objects_that_resist_are_left_alone() -> None:
    # As a proxy outside of a request, and as an array: asking what it is, or whether it is equal, raises.
    answers = {"__class__": property(lambda self: 1 / 0), "__eq__": lambda self, other: 1 / 0, "__hash__": None}
    proxy: Any = type("Proxy", (), answers)()

    def resist(event: Start) -> None:
        for each in proxy(event):
            proxy.emit(each)
        proxy.emit(proxy(event))
        emitter.emit(A())

    (handler,) = wire(resist).handlers
    assert [each.event for each in handler.emits] == [A]


def test_publish_of_another_library_is_no_emission() -> None:
    class Signal:
        def emit(self, value: object) -> None: ...

    signal = Signal()

    def tell(event: Start, redis: Any = None) -> None:
        signal.emit(redis.get(event.n))
        redis.publish("channel", event.n)
        redis.publish(event.n)

    report = wire(tell)
    assert report.handlers[0].emits == ()
    assert [note for note in report.notes if note.rule is Rule.UNREAD] == []


def test_an_emission_outside_of_the_family_is_a_note() -> None:
    mine = Linker()
    mine.subscribe(Start, direct)
    report = check(mine, family=Start)
    assert [(note.rule, note.event) for note in own_notes(report)] == [(Rule.OUTSIDE, A)]
    assert report.faults == ()


def test_an_event_that_is_emitted_and_received_by_nobody_is_a_fault_where_the_family_is_open() -> None:
    mine = Linker()
    mine.subscribe(Start, direct)
    (fault,) = check(mine).faults
    assert (fault.rule, fault.event) == (Rule.UNHANDLED, A)


def test_a_cycle_names_the_whole_way_round_and_is_no_fault() -> None:
    mine = Linker()

    @mine.on(A)
    def there(event: A) -> None:
        emitter.emit(B())

    @mine.on(B)
    def back(event: B) -> None:
        emitter.emit(A())

    report = check(mine)
    assert report.faults == ()
    (cycle,) = report.cycles
    assert str(cycle) == "A -> there -> B -> back -> A"
    assert [note.rule for note in own_notes(report)] == [Rule.CYCLE]


def test_a_handler_of_a_base_that_emits_a_subclass_sets_itself_off() -> None:
    mine = Linker()
    mine.subscribe(Event, direct)
    (cycle,) = check(mine, family=(Start, A)).cycles
    assert str(cycle) == "A -> direct -> A"


def test_a_chain_is_no_cycle_and_two_knots_are_two() -> None:
    mine = Linker()
    mine.subscribe(Start, direct)
    assert check(mine).cycles == ()
    mine.subscribe(A, lambda event: emitter.emit(A()))
    mine.subscribe(B, lambda event: emitter.emit(B()))
    assert len(check(mine).cycles) == 2


def test_a_method_of_a_bound_subscriber_is_read_with_its_instance() -> None:
    class Counter(Subscriber[Event]):
        def __init__(self) -> None:
            self.out = emitter

        @handles(Start)
        def start(self, event: Start) -> None:
            self._next()

        def _next(self) -> None:
            self.out.emit(A())

    mine = Linker()
    mine.bind(Counter())
    (handler,) = check(mine, family=(Start, A)).handlers
    assert [each.event for each in handler.emits] == [A]
