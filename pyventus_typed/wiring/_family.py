"""Which events there are: the members of a family, their subclasses, and which of them can be emitted."""

import inspect
import sys
from collections.abc import Iterable, Iterator
from types import UnionType
from typing import Annotated, Union, get_args, get_origin

from typing_extensions import TypeIs

from pyventus_typed import Event, Request
from pyventus_typed.errors import DefinitionError

from ._hints import alias_value, annotations_of, is_alias, is_class

ROOTS: frozenset[type[Event]] = frozenset({Event, Request})


class NotAFamily(DefinitionError):
    """The family is no event class, no union of them and no alias of one."""

    def __init__(self, found: object) -> None:
        super().__init__(
            f"A family is an event class, a union of event classes, or an alias of one, and {found!r} is none of them. "
            "Give a base class (its subclasses belong to the family), `A | B`, or a tuple of these.",
            found,
        )


def roots_of(family: object) -> tuple[type[Event], ...]:
    """The event classes that a family is written with: aliases, unions, tuples and ``Changed[int]`` undone."""
    return tuple(dict.fromkeys(_unfold(family, 0)))


def _unfold(form: object, depth: int) -> Iterator[type[Event]]:
    origin = get_origin(form)
    if depth > 100:  # noqa: PLR2004 - ``type X = X``
        raise NotAFamily(form)
    if is_alias(form):
        yield from _unfold(alias_value(form), depth + 1)
    elif origin is Union or origin is UnionType:
        for member in get_args(form):
            yield from _unfold(member, depth + 1)
    elif origin is Annotated:
        yield from _unfold(get_args(form)[0], depth + 1)
    elif is_tuple(form) and form:
        for member in form:
            yield from _unfold(member, depth + 1)
    elif is_event_class(cls := form if origin is None else origin):
        yield cls
    else:
        raise NotAFamily(form)


def is_tuple(found: object) -> TypeIs[tuple[object, ...]]:
    return isinstance(found, tuple)


def is_event_class(found: object) -> TypeIs[type[Event]]:
    return is_class(found) and issubclass(found, Event)


def is_request(event: type[Event]) -> bool:
    return issubclass(event, Request)


def with_subclasses(roots: Iterable[type[Event]]) -> tuple[type[Event], ...]:
    """*roots* and every subclass that is known now, each once, in the order of definition."""
    found: dict[type[Event], None] = {}
    waiting = list(roots)[::-1]
    while waiting:
        cls = waiting.pop()
        if cls not in found and not _is_replaced(cls):
            found[cls] = None
            waiting.extend(reversed(cls.__subclasses__()))
    return tuple(found)


def _is_replaced(cls: type[Event]) -> bool:
    """Whether *cls* is the class that ``@dataclass(slots=True)`` made a copy of, and that nobody can name any more.

    It stays among the subclasses of its base until the garbage collector finds it, and longer if a method says
    ``super()``.
    """
    module = sys.modules.get(cls.__module__)
    if "__slots__" in vars(cls):
        return False
    named: object = module
    for name in cls.__qualname__.split("."):
        named = vars(named).get(name) if isinstance(named, type) else getattr(named, name, None)
    if isinstance(named, type) and named is not cls:
        return "__slots__" in vars(named) and named.__bases__ == cls.__bases__
    # A local class cannot be looked up by its name, but its copy is a sibling.
    return any(_is_copy(sibling, cls) for base in cls.__bases__ for sibling in _children(base))


def _children(cls: type[object]) -> list[type[object]]:
    return cls.__subclasses__()


def _is_copy(twin: type[object], cls: type[Event]) -> bool:
    names = ("__module__", "__qualname__", "__doc__")
    return "__slots__" in vars(twin) and all(getattr(twin, name) == getattr(cls, name) for name in names)


def is_emittable(cls: type[Event]) -> bool:
    """Whether an emitter takes instances of exactly this class: decorated, not abstract, no root."""
    return cls not in ROOTS and is_decorated(cls) and not inspect.isabstract(cls)


def is_decorated(cls: type[Event]) -> bool:
    return "__dataclass_fields__" in vars(cls)


def has_own_fields(cls: type[Event]) -> bool:
    """Whether the class body annotates fields, decorated or not."""
    return any("ClassVar" not in str(annotation) for annotation in annotations_of(cls).values())
