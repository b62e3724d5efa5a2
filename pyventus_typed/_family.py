"""Which events a ``Linker[A | B]`` or a ``Subscriber[A]`` is for, as far as that is known at run time."""

import types
import typing
from typing import Annotated, Union, get_args, get_origin

import typing_extensions

from ._event import Event
from ._spelling import spell
from .errors import ForeignEvent

# typing_extensions has a class of its own where the standard library's is too old for it.
_ALIASES = tuple(module.TypeAliasType for module in (typing, typing_extensions) if hasattr(module, "TypeAliasType"))
Family = tuple[type[Event], ...]


def members(form: object) -> Family | None:
    """The event classes that a type expression names; ``None`` if it holds something that only a checker knows."""
    origin = get_origin(form)
    for alias in (form, origin):
        if isinstance(alias, _ALIASES):
            return members(getattr(alias, "__value__"))  # noqa: B009 - of either class
    if origin is Annotated:
        return members(get_args(form)[0])
    if origin is Union or origin is types.UnionType:
        parts = [members(part) for part in get_args(form)]
        return tuple(kind for part in parts if part for kind in part) if all(parts) else None
    kind = origin or form
    return (kind,) if isinstance(kind, type) and issubclass(kind, Event) else None


def fixed(kind: type, generic: type) -> Family | None:
    """The family that the class *kind* fixes for its base *generic*: ``(A, B)`` for ``class Orders(Linker[A | B])``."""
    for ancestor in kind.__mro__:
        for base in ancestor.__dict__.get("__orig_bases__", ()):
            origin = get_origin(base)
            if isinstance(origin, type) and issubclass(origin, generic):
                found = members(get_args(base)[0])
                if found is not None:
                    return found
    return None


def holds(family: Family | None, kind: type[Event]) -> bool:
    """Whether *kind* belongs to a *family*; to an unknown one everything does."""
    return family is None or issubclass(kind, family)


def foreign(kind: type[Event], family: Family | None, what: str) -> ForeignEvent:
    """The error that says *what* is outside of *family*."""
    names = " | ".join(map(spell, family or ()))
    return ForeignEvent(f"{what}, {names}. Widen the family, or keep it out.", kind)
