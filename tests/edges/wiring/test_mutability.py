"""Which fields count as mutable, and which do not."""

import array
import collections
import re
import typing
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, make_dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple, NewType, Optional, TypeVar

import pytest
from typing_extensions import TypeAliasType, TypedDict

from pyventus_typed import Event, Linker
from pyventus_typed.wiring import Rule, check

Bound = TypeVar("Bound", bound="Loose")
Free = TypeVar("Free")
Shelf = NewType("Shelf", list[int])
Lists = TypeAliasType("Lists", "list[int]")
Tree = TypeAliasType("Tree", "tuple[Tree, ...] | int")
Looping = TypeAliasType("Looping", "Looping")  # type: ignore[misc]  # on purpose, and legal until it is looked at


@dataclass
class Loose:
    count: int


@dataclass(frozen=True)
class Tight:
    count: int
    inner: "Tight | None" = None


@dataclass(frozen=True)
class Holder:
    names: "list[Elsewhere]"  # type: ignore[name-defined]  # noqa: F821  # as under TYPE_CHECKING


@dataclass(frozen=True)
class Node:
    before: "Node"


class Point(NamedTuple):
    x: int
    y: "int"


class Options(TypedDict):
    gift: bool


class Lines(list[str]): ...


def faults(annotation: object) -> list[tuple[Rule, str]]:
    event: Any = make_dataclass("Made", [("held", annotation)], bases=(Event,), frozen=True)  # Any: made at run time
    event.__module__ = __name__
    linker = Linker()
    linker.subscribe(event, lambda _: None)
    return [(fault.rule, fault.message) for fault in check(linker, family=event).faults]


@pytest.mark.parametrize(
    ("annotation", "names"),
    [
        (list, "a list"),
        (list[int], "a list"),
        ("list[int]", "a list"),
        ("typing.List[int]", "a list"),
        ("list[Nowhere]", "a list"),
        ("Nowhere | dict[str, int]", "a dict"),
        (set[int], "a set"),
        (dict[str, int], "a dict"),
        (bytearray, "a bytearray"),
        (collections.deque[int], "a deque"),
        (collections.defaultdict[str, int], "a defaultdict"),
        (array.array, "an array"),
        (typing.MutableMapping[str, int], "a MutableMapping"),
        (Lines, "a Lines"),
        (Loose, "a Loose"),
        (tuple[int, tuple[list[int], ...]], "a list"),
        (frozenset[Loose], "a Loose"),
        (Optional[list[int]], "a list"),  # noqa: UP045 - the old form is what is tried
        (int | str | set[int], "a set"),
        (Mapping[str, list[int]], "a list"),
        (typing.Annotated[list[int], "sorted"], "a list"),
        (Holder, r"a list, .*\(in Holder.names\)"),
        (Options, "an Options, which is a dict"),
        (Shelf, "a list"),
        (Lists, "a list"),
        (Bound, "a Loose"),
        (tuple["list[int]", int], "a list"),
    ],
)
def test_a_field_that_can_change_is_a_fault(annotation: object, names: str) -> None:
    ((rule, message),) = faults(annotation)
    assert rule is Rule.MUTABLE
    assert re.match(f"Made.held holds {names}", message)


@pytest.mark.parametrize(
    "annotation",
    [
        int,
        "int",
        "Nowhere",
        "not even python",
        None,
        Any,
        object,
        tuple[int, ...],
        frozenset[str],
        bytes,
        Sequence[int],
        Mapping[str, int],
        AbstractSet[int],
        Tight,
        Node,
        Point,
        Tree,
        Looping,
        Free,
        Literal["list", "set"],
        Callable[[list[int]], dict[str, int]],
        type[list[int]],
        ClassVar[list[int]],
    ],
)
def test_a_field_that_cannot_change_or_is_unknown_is_none(annotation: object) -> None:
    assert faults(annotation) == []


def test_a_field_that_is_called_like_its_type_does_not_hide_it() -> None:
    @dataclass(frozen=True)
    class Measured(Event):
        set: "set[int]" = ()  # type: ignore[assignment]  # what it holds is not the question

    linker = Linker()
    linker.subscribe(Measured, lambda event: None)
    (fault,) = check(linker).faults
    assert fault.message.startswith("Measured.set holds a set")


def test_an_inherited_field_is_reported_once_at_the_class_that_has_it() -> None:
    @dataclass(frozen=True)
    class Base(Event):
        lines: list[str]  # here

    @dataclass(frozen=True)
    class Left(Base): ...

    @dataclass(frozen=True)
    class Right(Base): ...

    linker = Linker()
    linker.subscribe(Base, lambda event: None)
    (fault,) = check(linker, family=Left | Right).faults
    assert fault.message.startswith("Base.lines holds a list")
    assert fault.place is not None
    assert "# here" in Path(__file__).read_text().splitlines()[fault.place.line - 1]
