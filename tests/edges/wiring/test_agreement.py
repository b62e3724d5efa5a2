"""When the annotation of a handler disagrees with the event that it is subscribed to."""

import typing  # noqa: F401 - for an annotation that is text
from collections.abc import Callable
from dataclasses import dataclass, make_dataclass
from functools import partial, wraps
from typing import TYPE_CHECKING, Annotated, Any, Generic, Literal, ParamSpec, Protocol, TypeVar
from unittest.mock import AsyncMock

import pytest
from typing_extensions import override

from pyventus_typed import Event, Linker
from pyventus_typed.wiring import Rule, check
from tests.events import untyped

if TYPE_CHECKING:
    from somewhere import Hidden, Renamed  # type: ignore[import-not-found]  # noqa: F401  # for annotations that are text

Bound = TypeVar("Bound", bound="Order")
Either = TypeVar("Either", int, "Lost")
Free = TypeVar("Free")
P = ParamSpec("P")


class Mixin: ...


class Order(Event): ...


@dataclass(frozen=True)
class Paid(Order, Mixin): ...


@dataclass(frozen=True)
class Lost(Order): ...


T = TypeVar("T")


@dataclass(frozen=True)
class Changed(Event, Generic[T]): ...


@dataclass(frozen=True)
class PriceChanged(Changed[int]): ...


class Shaped(Protocol):
    order: int


def found(handler: Any, event: type[Event] = Paid) -> list[tuple[Rule, str]]:
    linker = Linker()
    linker.subscribe(event, handler)
    report = check(linker)
    return [(each.rule, each.message) for each in (*report.faults, *report.notes) if each.event is event]


def annotated(annotation: object) -> Any:  # Any: what the annotation says, a type checker would refuse
    def handle(event: object) -> None: ...

    handle.__annotations__["event"] = annotation
    return handle


@pytest.mark.parametrize(
    "annotation",
    [
        Paid, "Paid", Order, Event, object, Any, Mixin, Shaped, Free, Bound,
        Paid | Lost, Lost | Order, "Lost | Paid",
        "typing.Union[Lost, Order]", "Lost | Hidden | Order", Annotated[Paid, "once"],
    ],
)  # fmt: skip
def test_a_handler_of_the_event_a_base_or_a_union_that_holds_it_agrees(annotation: object) -> None:
    assert found(annotated(annotation)) == []


@pytest.mark.parametrize(
    "annotation", [Lost, "Lost", int, None, "None", type[Paid], Lost | int, Either, list[Paid], Literal[1]]
)
def test_a_handler_of_something_else_is_a_fault(annotation: object) -> None:
    ((rule, message),) = found(annotated(annotation))
    assert rule is Rule.ANNOTATION
    assert "subscribed to Paid, but its annotation takes" in message


@pytest.mark.parametrize(
    "annotation", ["Hidden", "Lost | Hidden", "Renamed", "Hidden[int]", "hidden.Event", "1 +", "1 / 0"]
)
def test_an_annotation_that_cannot_be_evaluated_is_a_note(annotation: str) -> None:
    ((rule, message),) = found(annotated(annotation))
    assert rule is Rule.UNRESOLVED
    assert f"its annotation, {annotation}, cannot be evaluated" in message


def test_a_name_for_type_checkers_only_agrees_if_it_is_that_of_the_event() -> None:
    @dataclass(frozen=True)
    class Hidden(Event): ...

    assert found(annotated("Hidden"), Hidden) == []


def test_a_class_that_refuses_to_be_compared_is_a_note() -> None:
    class Meta(type):
        @override
        def __subclasscheck__(cls, other: type) -> bool:
            raise ValueError(other)

    class Picky(metaclass=Meta): ...

    ((rule, _),) = found(annotated(Picky))
    assert rule is Rule.UNRESOLVED


def test_a_base_is_not_handled_by_a_handler_of_one_subclass() -> None:
    ((rule, _),) = found(annotated(Paid), Order)
    assert rule is Rule.ANNOTATION


def test_a_generic_event_is_compared_by_its_class() -> None:
    assert found(annotated(Changed[int]), PriceChanged) == []


def test_methods_partials_callable_objects_and_wrapped_functions_are_looked_through() -> None:
    class Desk:
        def take(self, event: Lost) -> None: ...

        def __call__(self, event: Lost) -> None: ...

    def sort(box: Paid, event: Lost) -> None: ...

    @wraps(sort)
    def wrapped(*args: object) -> None: ...

    for handler in (Desk().take, Desk(), partial(sort, Paid()), partial(wrapped, Paid()), lambda *events: None):
        expected = [] if getattr(handler, "__name__", "") == "<lambda>" else [Rule.ANNOTATION]
        assert [rule for rule, _ in found(handler)] == expected


def test_a_decorator_that_takes_what_the_function_takes_agrees() -> None:
    def logged(function: Callable[P, None]) -> Callable[P, None]:
        def wrapper(*args: P.args, **kwargs: P.kwargs) -> None:
            function(*args, **kwargs)

        return wrapper

    assert found(logged(annotated(Paid))) == []


def test_handlers_without_a_signature_of_their_own_are_no_finding() -> None:
    assert found(AsyncMock()) == []
    assert found([].append) == []


def test_each_event_of_a_handler_is_judged_on_its_own() -> None:
    linker = Linker()
    linker.on(Paid, Lost)(annotated(Lost))
    (fault,) = check(linker).faults
    assert (fault.rule, fault.event) == (Rule.ANNOTATION, Paid)


def test_two_classes_of_one_name_are_told_apart() -> None:
    twin = make_dataclass("Paid", [], bases=(Event,), frozen=True)
    twin.__module__, twin.__qualname__ = "elsewhere", Paid.__qualname__
    linker = Linker()
    linker.subscribe(twin, untyped(takes_paid))
    (fault,) = [fault for fault in check(linker).faults if fault.rule is Rule.ANNOTATION]
    assert fault.message == (
        "takes_paid is subscribed to Paid, but its annotation takes Paid: "
        f"two classes, of elsewhere and of {__name__}; was a module loaded twice?"
    )


def takes_paid(event: Paid) -> None: ...
