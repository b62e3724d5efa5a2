"""How things are written in messages and logs: one way only."""

import functools

import pytest
from typing_extensions import override

from pyventus_typed._spelling import several, spell, spell_event
from tests.events import OrderPlaced


class Callable_:
    def __call__(self, event: object) -> None: ...

    def method(self, event: object) -> None: ...

    @classmethod
    def made(cls, event: object) -> None: ...


class Long:
    @override
    def __repr__(self) -> str:
        return "x" * 10_000


class Broken:
    @override
    def __repr__(self) -> str:
        raise ZeroDivisionError


@pytest.mark.parametrize(
    ("thing", "text"),
    [
        (OrderPlaced, "OrderPlaced"),
        (int, "int"),
        (print, "builtins.print"),
        (Callable_().method, f"{__name__}.Callable_.method"),
        (Callable_.made, f"{__name__}.Callable_.made"),
        (Callable_(), f"{__name__}.Callable_ object"),
        (functools.partial(print, 1), "partial(builtins.print)"),
        (lambda: None, f"{__name__}.<lambda>"),
        ("text", "'text'"),
        (OrderPlaced(1), "OrderPlaced(order=1)"),
        (Broken(), "<Broken whose repr raised ZeroDivisionError>"),
    ],
)
def test_a_thing_is_written_as_its_reader_knows_it(thing: object, text: str) -> None:
    assert spell(thing) == text


def test_a_local_thing_is_written_without_its_surroundings() -> None:
    class Local: ...

    def function() -> None: ...

    assert spell(Local) == "Local"
    assert spell(function) == f"{__name__}.function"


def test_a_long_repr_does_not_bury_the_message() -> None:
    assert len(spell_event(Long())) == 200
    assert spell_event(Long()).endswith("…")


def test_an_event_that_can_be_called_is_written_as_an_event() -> None:
    assert spell_event(Callable_()).startswith("<")


def test_nouns_have_their_number() -> None:
    assert (several(1, "emission"), several(2, "emission")) == ("1 emission", "2 emissions")
