"""What counts as an event, and what is asked."""

import inspect
from dataclasses import dataclass
from typing import Generic, Self, get_origin

from typing_extensions import Format, TypeVar, get_annotations

from ._errors import NotAnEvent
from ._spelling import is_class, spell, spell_event

_E_co = TypeVar("_E_co", covariant=True)
_R_co = TypeVar("_R_co", covariant=True)
_E = TypeVar("_E")


class Member(Generic[_E_co]):
    """An event, as type checkers see it: what `Event.__event__` gives. At run time there is none.

    It is a class, because mypy compares two bare unions pair by pair whenever it infers something, and two of them inside
    a class not at all. A family is a union, and an application has hundreds of events.
    """

    __slots__ = ()


class Exactly(Generic[_E]):
    """As `Member`, of this very class: where it is wanted, a type checker does not take a class for a wider one."""

    __slots__ = ()

    def __exact__(self, event: _E, /) -> _E:
        """Let a type checker see that the class goes in and comes out. Nobody calls it."""
        return event


@dataclass(frozen=True, slots=True)
class Event:
    """The base class of every event: a frozen dataclass. Handlers are found by its class, not by its name.

    Derive a class, decorate it with ``@dataclass(frozen=True)`` and give it fields. `Event` adds nothing to an
    instance. A class without fields need not be decorated if it is only the base of a family: you can subscribe to
    it, but not emit it. ::

        class OrderEvent(Event):
            pass

        @dataclass(frozen=True)
        class OrderShipped(OrderEvent):
            order: int
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

    @classmethod
    def __exact__(cls) -> Exactly[Self]:
        """The same, for what a route covers: this class, and nothing wider that its handler would take. Nobody calls it."""
        return Exactly()


# A frozen class with slots gets these for its own instances; inherited, they would copy and pickle nothing but fields.
for _name in {"__getstate__", "__setstate__"} & vars(Event).keys():
    delattr(Event, _name)


@dataclass(frozen=True)
class Request(Event, Generic[_R_co]):
    """An event with exactly one answer, of type ``R``.

    `Emitter.ask` returns the result of the handler that was registered with `Linker.answer`. ::

        @dataclass(frozen=True)
        class PriceOf(Request[int]):
            item: str

        @linker.answer(PriceOf)
        def price_of(request: PriceOf) -> int:
            return {"tea": 350}[request.item]

        price = await emitter.ask(PriceOf("tea"))
    """

    def __answer__(self) -> _R_co:
        """Let a type checker see the answer's type. Nobody calls it."""
        raise TypeError(f"{spell_event(self)} does not know its answer. Ask it: await emitter.ask(...).")


def check_event_class(value: object) -> type[Event]:
    """*value*, if it can be subscribed to; else `NotAnEvent` in a sentence that names it and the cure."""
    if is_class(value):
        if not issubclass(value, Event):
            raise NotAnEvent(
                f"{spell(value)} is not an event class. Derive it: @dataclass(frozen=True) class {value.__name__}(Event).",
                value,
            )
        if not is_decorated(value) and _has_fields(value):
            raise NotAnEvent(
                f"{spell(value)} has fields but is not a dataclass. Decorate it with @dataclass(frozen=True).", value
            )
        return value
    origin = get_origin(value)
    if isinstance(origin, type) and issubclass(origin, Event):
        name = spell(origin)
        raise NotAnEvent(
            f"{value!r} cannot be told from {name} at run time, where the class is the key. "
            f"Subclass it: class My{name}({_argument_form(value)}), and use that.",
            value,
        )
    if isinstance(value, Event):
        name = spell(type(value))
        raise NotAnEvent(f"{spell_event(value)} is an event, but an event class is needed. Did you mean {name}?", value)
    if inspect.isroutine(value):
        raise NotAnEvent(
            f"{spell(value)} is a function, but an event class is needed. Name the class that it returns.", value
        )
    raise NotAnEvent(
        f"{spell_event(value)} is not an event class. Events are frozen dataclasses that derive from Event.", value
    )


def check_request_class(kind: type[Event], instead: str) -> None:
    """Refuse an event class that is not a request; *instead* is the decorator for those."""
    if not issubclass(kind, Request):
        raise NotAnEvent(f"{spell(kind)} is not a request. Derive it from Request[...], or use {instead}.", kind)


def check_event(value: object) -> type[Event]:
    """The class of *value*, if it can be emitted; else `NotAnEvent` in a sentence that names it and the cure."""
    if isinstance(value, Event):
        kind = check_event_class(type(value))
        if not is_decorated(kind):
            name = spell(kind)
            raise NotAnEvent(
                f"{name} is not a dataclass, so it can be subscribed to, not emitted. "
                "Decorate it with @dataclass(frozen=True).",
                value,
            )
        return kind
    if is_class(value) and issubclass(value, Event):
        raise NotAnEvent(f"{spell(value)} is a class, but an event is needed. Did you mean {spell(value)}(...)?", value)
    raise NotAnEvent(
        f"Events are instances of frozen dataclasses that derive from Event, and {spell_event(value)} is not. "
        "Wrap it in one.",
        value,
    )


def is_decorated(kind: type) -> bool:
    """Whether *kind* itself is a dataclass, and does not only derive from one."""
    return "__dataclass_params__" in kind.__dict__


def _has_fields(kind: type) -> bool:
    # A ClassVar is not a field. As text or reference, because a name may exist for type checkers only, and Python 3.14 looks it
    # up when it is asked for.
    annotations = get_annotations(kind, format=Format.FORWARDREF)
    return any("ClassVar" not in str(annotation) for annotation in annotations.values())


def _argument_form(alias: object) -> str:
    text = repr(alias)
    head, bracket, rest = text.partition("[")
    return head.rpartition(".")[2] + bracket + rest
