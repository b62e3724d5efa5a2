"""Which events a ``Linker[A | B]`` or a ``Subscriber[A]`` is for, as far as that is known at run time."""

import os
import sys
import types
import typing
from typing import Annotated, Union, get_args, get_origin

import typing_extensions

from ._errors import ForeignEvent
from ._event import Event
from ._spelling import is_class, spell, spell_apart

# typing_extensions has a class of its own where the standard library's is too old for it.
_ALIASES = tuple(module.TypeAliasType for module in (typing, typing_extensions) if hasattr(module, "TypeAliasType"))
Family = tuple[type[Event], ...]


def members(form: object) -> Family | None:
    """The event classes that a type expression names; ``None`` if it holds something that only a checker knows."""
    origin = get_origin(form)
    for alias in (form, origin):
        if isinstance(alias, _ALIASES):
            try:
                return members(getattr(alias, "__value__"))  # noqa: B009 - of either class
            except NameError:  # one of its names is imported for type checkers only, and was never looked up before
                return None
    if origin is Annotated:
        return members(get_args(form)[0])
    if origin is Union or origin is types.UnionType:
        parts = [members(part) for part in get_args(form)]
        return tuple(kind for part in parts if part for kind in part) if all(parts) else None
    kind = origin or form
    return (kind,) if is_class(kind) and issubclass(kind, Event) else None


def declared_family(kind: type, generic: type) -> Family | None:
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


def outside_family_error(kind: type[Event], family: Family | None, what: str) -> ForeignEvent:
    """The error that says *what* is outside of *family*."""
    kinds = family or ()
    names = " | ".join(spell_apart(member, kind.__mro__) for member in kinds)
    way_out = why_there_are_two(kind, kinds) or "Add it to the family, or leave it out."
    return ForeignEvent(f"{what}, {names}. {way_out}", kind)


def why_there_are_two(kind: type[Event], family: Family) -> str | None:
    """What to do about a class, or a base of it, that is one of the family but for having been made twice."""
    for ancestor in kind.__mro__:
        for member in family:
            if ancestor is member or ancestor.__qualname__ != member.__qualname__:
                continue
            name, module, other = spell(ancestor), ancestor.__module__, member.__module__
            if module == other:
                return (
                    f"There are two classes {module}.{name}: that module was loaded twice, or the class was defined again. "
                    "Make the linker again as well, or define the class once."
                )
            file = _file_of(module)
            if file is not None and file == _file_of(other):
                return (
                    f"There are two classes {name}: {file.rpartition(os.sep)[2]} was loaded twice, as {other} and as {module}. "
                    "Import it under one name, and import nothing from what is run as a script."
                )
    return None


def _file_of(module: str) -> str | None:
    file = getattr(sys.modules.get(module), "__file__", None)
    return os.path.realpath(file) if isinstance(file, str) else None
