"""What counts as an event, and what is asked."""

import inspect
from dataclasses import dataclass
from typing import Generic, Self, get_origin

from typing_extensions import TypeVar

from ._spelling import spell, spell_event
from .errors import NotAnEvent

_E_co = TypeVar("_E_co", covariant=True)
_R_co = TypeVar("_R_co", covariant=True)


class Member(Generic[_E_co]):
    """An event, as type checkers see it: what `Event.__event__` gives. At run time nobody has one.

    It is a class, because mypy compares two bare unions pair by pair whenever it infers something, and two of them inside
    a class not at all. A family is a union, and an application has hundreds of events.
    """

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Event:
    """The base of every event: a frozen dataclass whose class, not its name, is the key.

    Derive, decorate with ``@dataclass(frozen=True)`` and give it fields. The base adds nothing to an instance.
    A class without fields of its own may stay undecorated as the base of a family; it can be subscribed to,
    not emitted.
    """

    # Written out, because pyrefly and ty take the generated one, in a subclass without a decorator, for a constructor
    # of `Event`, and would reject `on(Family)`.
    def __init__(self) -> None:
        """Make an event without fields; a decorated subclass has its own."""

    def __event__(self) -> Member[Self]:
        """Let a type checker see, at once, the event's own class and whether it belongs to a family. Nobody calls it."""
        return Member()

    @classmethod
    def __kind__(cls) -> Member[Self]:
        """Let a type checker see the same of a class that is a ``type[E]`` in generic code. Nobody calls it."""
        return Member()


@dataclass(frozen=True)
class Request(Event, Generic[_R_co]):
    """An event with exactly one answer of type ``R``: ``class Price(Request[int])``, then ``await emitter.ask(...)``."""

    def __answer__(self) -> _R_co:
        """Let a type checker see the answer's type. Nobody calls it."""
        raise TypeError(f"{spell_event(self)} does not know its answer. Ask it: await emitter.ask(...).")


def check_event_class(found: object) -> type[Event]:
    """*found*, if it can be subscribed to; else `NotAnEvent` in a sentence that names it and the cure."""
    if isinstance(found, type):
        if not issubclass(found, Event):
            raise NotAnEvent(
                f"{spell(found)} is no event class. Derive it: @dataclass(frozen=True) class {found.__name__}(Event).",
                found,
            )
        if not is_decorated(found) and _has_fields(found):
            raise NotAnEvent(
                f"{spell(found)} has fields but is no dataclass. Decorate it with @dataclass(frozen=True).", found
            )
        return found
    origin = get_origin(found)
    if isinstance(origin, type) and issubclass(origin, Event):
        name = spell(origin)
        raise NotAnEvent(
            f"{found!r} cannot be told from {name} at run time, where the class is the key. "
            f"Subclass it: class My{name}({_argument_form(found)}), and use that.",
            found,
        )
    if isinstance(found, Event):
        name = spell(type(found))
        raise NotAnEvent(f"{spell_event(found)} is an event, and its class is meant. Did you mean {name}?", found)
    if inspect.isroutine(found):
        raise NotAnEvent(
            f"{spell(found)} is a function, and an event class is meant. Name the class that it returns.", found
        )
    raise NotAnEvent(
        f"{spell_event(found)} is no event class. Events are frozen dataclasses that derive from Event.", found
    )


def check_event(found: object) -> type[Event]:
    """The class of *found*, if it can be emitted; else `NotAnEvent` in a sentence that names it and the cure."""
    if isinstance(found, Event):
        kind = check_event_class(type(found))
        if not is_decorated(kind):
            name = spell(kind)
            raise NotAnEvent(
                f"{name} is no dataclass, so it can be subscribed to, not emitted. "
                "Decorate it with @dataclass(frozen=True).",
                found,
            )
        return kind
    if isinstance(found, type) and issubclass(found, Event):
        raise NotAnEvent(f"{spell(found)} is a class, and an event is meant. Did you mean {spell(found)}(...)?", found)
    raise NotAnEvent(
        f"Events are instances of frozen dataclasses that derive from Event, and {spell_event(found)} is not. "
        "Wrap it in one.",
        found,
    )


def is_decorated(kind: type) -> bool:
    """Whether *kind* itself is a dataclass, and does not only derive from one."""
    return "__dataclass_params__" in kind.__dict__


def _has_fields(kind: type) -> bool:
    # A ClassVar is no field; with postponed annotations it is a text.
    return any("ClassVar" not in str(annotation) for annotation in inspect.get_annotations(kind).values())


def _argument_form(alias: object) -> str:
    text = repr(alias)
    head, bracket, rest = text.partition("[")
    return head.rpartition(".")[2] + bracket + rest
