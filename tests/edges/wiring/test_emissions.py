"""What can be read from the source of a handler about the events that it emits."""

import asyncio
import copy
import dataclasses
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from pyventus_typed import Emitter, Event, Linker, Request, Subscriber, handles
from pyventus_typed.wiring import Report, Rule, check


@dataclass(frozen=True)
class Start(Event):
    n: int = 0


@dataclass(frozen=True)
class A(Event):
    n: int = 0

    @classmethod
    def of(cls, start: Start) -> "A":
        return cls(start.n)


@dataclass(frozen=True)
class B(Event):
    n: int = 0


@dataclass(frozen=True)
class Ask(Request[int]): ...


@dataclass(frozen=True)
class AskOne(Request[A]): ...


@dataclass(frozen=True)
class AskMany(Request[tuple[B, ...]]): ...


linker = Linker()
emitter = Emitter(linker)
constant = A(1)


def make_b() -> B:
    return B()


async def later() -> A:
    return A()


def helper(event):
    emitter.emit(A())
    helper(event)  # reading must end


class Desk:
    def __init__(self) -> None:
        self.emitter = emitter

    def handle(self, event: Start) -> None:
        self.step()

    def step(self) -> None:
        self.emitter.emit(B())

    def __call__(self, event: Start) -> None:
        self.emitter.try_emit(A())


def direct(event):
    emitter.emit(A())


def local(event):
    x = A()
    y = x
    emitter.emit(y)


def branch(event):
    emitter.emit(A() if event.n else B())


def walrus(event):
    return emitter.emit(event := A()), event


def retried(event):
    found = None
    found = found or A()
    emitter.emit(found)


def many() -> "list[A] | tuple[B, ...]":
    return []


async def stream() -> "AsyncIterator[A]":
    yield A()


def of_a_function(event):
    for each in many():
        emitter.emit(each)


async def of_a_thread(event):
    for each in sorted(await asyncio.to_thread(many)):
        emitter.emit(each)


async def of_an_answer(event):
    for each in await emitter.ask(AskMany()):
        emitter.emit(each)
    emitter.emit(await emitter.ask(AskOne()))


async def of_a_stream(event):
    async for each in stream():
        emitter.emit(each)


def of_a_parameter(event, extra: "list[A | B]" = ()):
    for each in extra:
        emitter.emit(each)


def of_a_comprehension(event):
    found = [A() for _ in range(3)]
    for each in found:
        emitter.emit(each)


def annotated_local(event):
    found: A = event.found
    emitter.emit(found)


def replaced(event):
    emitter.emit(dataclasses.replace(constant, n=2))


def copied(event):
    emitter.emit(copy.copy(constant))


def named(event):
    emitter.emit(constant)


def named_constructor(event):
    emitter.emit(A.of(event))


def factory(event):
    emitter.emit(make_b())


def calls(event):
    helper(event)


def loops(event):
    for each in (A(), B()):
        emitter.emit(each)


def in_lambda(event):
    return [emitter.emit(A()) for _ in range(3)]


def scheduled(event):
    asyncio.get_running_loop().call_later(1, emitter.emit, A())


def aliased(event):
    send = emitter.emit
    send(A())


def imported(event):
    from dataclasses import replace  # noqa: PLC0415 - this is what is tried

    emitter.emit(replace(constant))


def annotated(event, extra: A | B = constant):
    emitter.emit(extra)


def unpacked(event):
    first, second = A(), B()
    emitter.emit(first)
    return second


def unrelated(event):
    "A()".strip()
    [].append(A())
    event.signal.emit("text")


def reemits(event):
    emitter.emit(event)


async def awaits(event):
    await emitter.emit(await later())


async def waits(event):
    await emitter.emit_wait(A())
    await emitter.publish(B())


async def asks(event):
    await emitter.ask(Ask())


def bound_first(first, event):
    emitter.emit(event)


@pytest.mark.parametrize(
    ("handler", "events"),
    [
        (direct, {A}), (local, {A}), (branch, {A, B}), (walrus, {A}), (retried, {A}), (of_a_function, {A, B}),
        (of_a_thread, {A, B}), (of_an_answer, {A, B, AskOne, AskMany}), (of_a_stream, {A}), (of_a_parameter, {A, B}),
        (of_a_comprehension, {A}), (annotated_local, {A}), (replaced, {A}), (copied, {A}), (named, {A}),
        (named_constructor, {A}), (factory, {B}), (calls, {A}), (loops, {A, B}), (in_lambda, {A}), (scheduled, {A}),
        (aliased, {A}), (imported, {A}), (annotated, {A, B}), (unpacked, {A}), (unrelated, set()), (reemits, {Start}),
        (awaits, {A}), (waits, {A, B}), (asks, {Ask}), (Desk().handle, {B}), (Desk(), {A}),
        (partial(bound_first, 1), {Start}), (lambda event: emitter.emit(B()), {B}),
        ([lambda event: emitter.emit(A()), lambda event: emitter.emit(B())][1], {B}),
    ],
)  # fmt: skip
def test_emissions_are_read_from_the_source(handler: Callable[[Start], object], events: set[type[Event]]) -> None:
    report = wire(handler)
    (found,) = report.handlers
    assert {each.event for each in found.emits} == events
    assert all(re.search(r"emit|ask|publish|send", line(each.place)) for each in found.emits)
    assert not [note for note in report.notes if note.rule is Rule.UNREAD]


def wire(handler: Callable[[Start], object]) -> Report:
    mine = Linker()
    mine.subscribe(Start, handler)
    return check(mine, family=(Start, A, B, Ask, AskOne, AskMany))


def line(place) -> str:
    return Path(place.file).read_text().splitlines()[place.line - 1]


def test_an_event_that_only_a_run_can_tell_is_a_note_at_its_line() -> None:
    def guess(event: Start, table: dict[str, Event]) -> None:
        emitter.emit(table["now"])  # here

    (note,) = [note for note in wire(partial(guess, table={})).notes if note.rule is Rule.UNREAD]
    assert "# here" in line(note.place)


def test_an_event_that_is_known_as_a_base_alone_is_a_note() -> None:
    class Some(Event): ...

    def forward(event: Start, extra: Some | None = None) -> None:
        emitter.emit(extra)

    report = wire(forward)
    assert report.handlers[0].emits == ()
    assert [note.rule for note in report.notes] == [Rule.UNREAD]


def test_publish_of_another_library_is_no_emission() -> None:
    def tell(event: Start, redis: object = None) -> None:
        redis.publish("channel", event.n)
        redis.publish(event.n)

    report = wire(tell)
    assert report.handlers[0].emits == ()
    assert [note for note in report.notes if note.rule is Rule.UNREAD] == []


def test_an_emission_outside_of_the_family_is_a_note() -> None:
    mine = Linker()
    mine.subscribe(Start, direct)
    report = check(mine, family=Start)
    assert [(note.rule, note.event) for note in report.notes] == [(Rule.OUTSIDE, A)]
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
    assert [note.rule for note in report.notes] == [Rule.CYCLE]


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
