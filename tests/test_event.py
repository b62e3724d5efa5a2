"""What counts as an event: the key is the class object (E1), and what types cannot see is refused (E2)."""

import copy
import pickle
import re
from collections.abc import Callable
from dataclasses import dataclass, field, make_dataclass
from typing import Any, ClassVar

import pytest
from typing_extensions import override

from pyventus_typed import Emitter, Event, Linker, PerKey, handles, route
from pyventus_typed.errors import DefinitionError, NotAnEvent
from tests.events import Changed, OrderPaid, OrderPlaced, Price, ShopEvent, untyped

Function = Callable[[Any], object]  # Any: hostile input


def nothing(event: Event) -> None:
    """A handler."""


class Undecorated(Event):
    order: int


@dataclass(frozen=True)
class Decorated(Event):
    order: int = 0


class Nested(Decorated):
    """Adds no field, so it may stay undecorated; then it is a base."""


def make_event() -> OrderPlaced:
    return OrderPlaced()


CLASS_FUNCTIONS: dict[str, Function] = {
    "on": lambda found: Linker().on(found),
    "subscribe": lambda found: Linker().subscribe(found, nothing),
    "answer": lambda found: Linker().answer(found),
    "handles": lambda found: handles(found),
    "route": lambda found: route(found, nothing),
    "receivers": lambda found: Linker().receivers(found),
    "unhandled": lambda found: Linker().unhandled(found),
}


# ---------------------------------------------------------------- E1
def test_two_classes_with_one_name_are_two_events() -> None:
    def shop() -> type[Event]:
        return make_dataclass("OrderPlaced", [("order", int)], bases=(Event,), frozen=True)

    mine, theirs = shop(), shop()
    assert mine.__qualname__ == theirs.__qualname__
    linker, seen = Linker(), list[object]()
    linker.subscribe(untyped(mine), seen.append)
    Emitter(linker).emit(untyped(theirs)(1))
    assert seen == []
    Emitter(linker).emit(untyped(mine)(1))
    assert len(seen) == 1


def test_an_event_compares_and_hashes_as_it_likes() -> None:
    @dataclass(frozen=True)
    class Odd(Event):
        @override
        def __eq__(self, other: object) -> bool:
            raise RuntimeError("do not compare me")

        @override
        def __hash__(self) -> int:
            raise RuntimeError("do not hash me")

        def __bool__(self) -> bool:
            raise RuntimeError("do not ask me")

    linker, seen = Linker(), list[int]()
    linker.subscribe(Odd, lambda event: seen.append(id(event)))
    event = Odd()
    emission = Emitter(linker).emit(event)
    assert seen == [id(event)]
    assert emission.event is event


def test_the_base_adds_nothing_to_an_instance() -> None:
    assert Event.__slots__ == ()

    @dataclass(frozen=True, slots=True)
    class Slim(Event):
        order: int

    assert not hasattr(Slim(1), "__dict__")


# ---------------------------------------------------------------- E2, where a class is needed
@pytest.mark.parametrize("function", CLASS_FUNCTIONS)
def test_a_forgotten_dataclass_decorator_is_refused(function: str) -> None:
    message = "Undecorated has fields but is not a dataclass. Decorate it with @dataclass(frozen=True)."
    with pytest.raises(NotAnEvent, match=re.escape(message)) as caught:
        CLASS_FUNCTIONS[function](Undecorated)
    assert caught.value.found is Undecorated


@pytest.mark.parametrize("function", CLASS_FUNCTIONS)
def test_a_class_that_is_no_event_is_refused(function: str) -> None:
    message = "int is not an event class. Derive it: @dataclass(frozen=True) class int(Event)."
    with pytest.raises(NotAnEvent, match=re.escape(message)):
        CLASS_FUNCTIONS[function](int)


@pytest.mark.parametrize("function", CLASS_FUNCTIONS)
def test_an_instance_where_a_class_is_meant_is_refused(function: str) -> None:
    message = "OrderPlaced(order=7) is an event, but an event class is needed. Did you mean OrderPlaced?"
    with pytest.raises(NotAnEvent, match=re.escape(message)):
        CLASS_FUNCTIONS[function](OrderPlaced(7))


@pytest.mark.parametrize("function", CLASS_FUNCTIONS)
def test_a_function_that_returns_an_event_is_refused(function: str) -> None:
    with pytest.raises(NotAnEvent, match=r"make_event is a function, but an event class is needed\."):
        CLASS_FUNCTIONS[function](make_event)


@pytest.mark.parametrize("function", CLASS_FUNCTIONS)
def test_a_generic_alias_is_refused_with_the_subclass_to_write(function: str) -> None:
    with pytest.raises(
        NotAnEvent, match=r"Changed\[int\] cannot be told from Changed at run time.*class MyChanged\(Changed\[int\]\)"
    ):
        CLASS_FUNCTIONS[function](Changed[int])


@pytest.mark.parametrize("thing", ["OrderPlaced", 42, None, ..., OrderPaid | OrderPlaced, lambda: None])
@pytest.mark.parametrize("function", CLASS_FUNCTIONS)
def test_anything_else_is_refused_too(function: str, thing: object) -> None:
    with pytest.raises(NotAnEvent, match=r"event class"):
        CLASS_FUNCTIONS[function](thing)


@pytest.mark.parametrize("thing", [[], {}])
@pytest.mark.parametrize("function", CLASS_FUNCTIONS)
def test_what_cannot_be_hashed_is_refused_as_well(function: str, thing: object) -> None:
    with pytest.raises(NotAnEvent, match=r"is not an event class"):
        CLASS_FUNCTIONS[function](thing)


def test_nothing_is_subscribed_by_what_is_refused() -> None:
    linker = Linker()
    for wrong in (Undecorated, int, OrderPlaced(), make_event, Changed[int], "OrderPlaced"):
        with pytest.raises(DefinitionError, match="is not an event class|is not a dataclass|is needed|cannot be told"):
            linker.on(OrderPaid, untyped(wrong))(nothing)
    assert linker.subscriptions() == ()


def test_a_refusal_is_a_type_error_too() -> None:
    with pytest.raises(TypeError, match="is not an event class"):
        Linker().subscribe(untyped(int), nothing)


@pytest.mark.parametrize("function", ["on", "handles"])
def test_no_event_at_all_is_refused(function: str) -> None:
    with pytest.raises(NotAnEvent, match=rf"{function}\(\) names no event\. Name at least one"):
        {"on": untyped(Linker().on), "handles": untyped(handles)}[function]()


def test_answer_wants_a_request() -> None:
    message = "OrderPlaced is not a request. Derive it from Request[...], or use on(OrderPlaced)."
    with pytest.raises(NotAnEvent, match=re.escape(message)):
        Linker().answer(untyped(OrderPlaced))


def test_a_class_variable_is_no_field() -> None:
    class Base(Event):
        version: ClassVar[int] = 1

    Linker().subscribe(Base, nothing)


def test_a_family_base_without_fields_is_subscribed_to_and_not_emitted() -> None:
    linker, seen = Linker(), list[Event]()
    linker.subscribe(ShopEvent, seen.append)
    emitter = Emitter(linker)
    message = "ShopEvent is not a dataclass, so it can be subscribed to, not emitted. Decorate it with @dataclass(frozen=True)."
    with pytest.raises(NotAnEvent, match=re.escape(message)):
        emitter.emit(ShopEvent())
    emitter.emit(OrderPlaced(1))
    assert seen == [OrderPlaced(1)]


def test_an_undecorated_subclass_of_an_event_is_not_emitted() -> None:
    with pytest.raises(NotAnEvent, match="Nested is not a dataclass"):
        Emitter(Linker()).emit(Nested(1))


def test_a_mutable_subclass_is_a_type_error_where_it_is_defined() -> None:
    with pytest.raises(TypeError, match="cannot inherit non-frozen dataclass from a frozen one"):
        untyped(dataclass)(type("Mutable", (Event,), {"__annotations__": {"order": int}}))


# ---------------------------------------------------------------- E2, where an event is needed
@pytest.mark.parametrize(
    ("thing", "message"),
    [
        (OrderPlaced, "OrderPlaced is a class, but an event is needed. Did you mean OrderPlaced(...)?"),
        (Undecorated(), "Undecorated has fields but is not a dataclass. Decorate it with @dataclass(frozen=True)."),
        (42, "Events are instances of frozen dataclasses that derive from Event, and 42 is not. Wrap it in one."),
        ("OrderPlaced", "Events are instances of frozen dataclasses that derive from Event, and 'OrderPlaced' is not."),
        (ValueError("x"), "and ValueError('x') is not. Wrap it in one."),
        (None, "and None is not"),
        ([], "and [] is not"),
        (make_event, "is not. Wrap it in one."),
        (int, "is not. Wrap it in one."),
    ],
)
@pytest.mark.parametrize("function", ["emit", "try_emit"])
def test_what_is_no_event_is_not_emitted(function: str, thing: object, message: str) -> None:
    emitter = Emitter(Linker())
    with pytest.raises(NotAnEvent, match=re.escape(message)):
        untyped(getattr(emitter, function))(thing)
    assert emitter.tally.accepted == 0


@pytest.mark.parametrize("function", ["emit_wait", "publish", "ask"])
async def test_what_is_no_event_is_not_awaited_either(function: str) -> None:
    emitter = Emitter(Linker())
    things: tuple[object, ...] = (OrderPlaced, 42, "x", None, [], Undecorated())
    for thing in things:
        with pytest.raises(NotAnEvent, match="is needed|that derive from Event|is not a dataclass"):
            await untyped(getattr(emitter, function))(thing)
    assert emitter.tally.accepted == 0


async def test_an_event_that_is_no_request_is_not_asked() -> None:
    message = "OrderPlaced(order=1) is not a request, so nobody answers it. Use emit."
    with pytest.raises(NotAnEvent, match=re.escape(message)):
        await Emitter(Linker()).ask(untyped(OrderPlaced(1)))


def test_an_event_whose_repr_raises_is_still_named() -> None:
    class Hostile:
        @override
        def __repr__(self) -> str:
            raise RuntimeError("no")

    with pytest.raises(NotAnEvent, match="<Hostile whose repr raised RuntimeError> is not"):
        Emitter(Linker()).emit(untyped(Hostile()))


def test_a_family_of_keys_is_made_of_events() -> None:
    with pytest.raises(DefinitionError, match=r"PerKey\(<class 'int'>, \.\.\.\) names no event class"):
        PerKey(int, lambda number: number)


def test_a_request_does_not_know_its_own_answer() -> None:
    with pytest.raises(TypeError, match=re.escape("Price(article='pen') does not know its answer. Ask it:")):
        Price("pen").__answer__()


def test_names_for_type_checkers_alone_are_not_looked_up() -> None:
    class Family(Event):
        known: "ClassVar[dict[str, Absent]]"  # type: ignore[name-defined]  # noqa: F821  # as under TYPE_CHECKING

    class Forgotten(Family):
        value: "Absent"  # type: ignore[name-defined]  # noqa: F821  # as under TYPE_CHECKING

    Linker().subscribe(Family, print)
    with pytest.raises(NotAnEvent, match=r"Forgotten has fields but is not a dataclass\."):
        Linker().subscribe(Forgotten, print)


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda event: pickle.loads(pickle.dumps(event))])
def test_a_copy_of_an_event_has_all_that_a_copy_of_any_frozen_dataclass_has(again: Callable[[Any], Any]) -> None:
    assert vars(again(WithMore(3))) == {"n": 3, "more": 6}
    assert again(WithSlots(3)) == WithSlots(3)


@dataclass(frozen=True)
class WithMore(Event):
    """What is set in ``__post_init__`` is no field, and ``late`` is never set."""

    n: int
    late: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "more", 2 * self.n)


@dataclass(frozen=True, slots=True)
class WithSlots(Event):
    """It has no ``__dict__``."""

    n: int
