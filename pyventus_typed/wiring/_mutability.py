"""Fields whose value can change after the event was emitted: found by their annotations, however deep."""

import dataclasses
from collections.abc import Callable, Iterator, MutableMapping, MutableSequence, MutableSet
from types import UnionType
from typing import ClassVar, Literal, TypeVar, Union, get_args, get_origin

from typing_extensions import is_typeddict

from ._hints import Scope, annotations_of, bounds, is_class, resolve, scope_of_class
from ._source import spell_class, with_article

# Sequence and Mapping are not here: they promise readers only, and say that nobody is meant to change the value.
_MUTABLE = (MutableSequence, MutableSet, MutableMapping)
_CURES = {"list": "tuple", "set": "frozenset", "bytearray": "bytes object"}


@dataclasses.dataclass(frozen=True, slots=True)
class MutableField:
    owner: type[object]  # the class that defines the field: it may be a base of the event
    name: str
    reason: str


def mutable_fields(event: type) -> Iterator[MutableField]:
    """The fields of *event*, inherited ones included, that can hold something mutable; what is unknown is not held."""
    if not dataclasses.is_dataclass(event):
        return
    for field in dataclasses.fields(event):
        owner = next(cls for cls in event.__mro__ if field.name in annotations_of(cls))
        if reason := _why(field.type, scope_of_class(owner), frozenset({event})):
            yield MutableField(owner, field.name, reason)


def _why(annotation: object, scope: Scope, seen: frozenset[object]) -> str | None:
    """Why a value of this type can change: ``holds a list, which can change; a tuple cannot``. None if it cannot."""
    annotation = resolve(annotation, scope)
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (Literal, ClassVar, Callable, type):
        return None
    if origin is not None:
        # ``type Json = int | tuple[Json, ...]`` never ends. Its text is the key: the object may be new each time.
        if repr(annotation) in seen:
            return None
        seen |= {repr(annotation)}
    if isinstance(annotation, TypeVar):
        return _first(bounds(annotation), scope, seen)
    if origin is Union or origin is UnionType:
        return _first(arguments, scope, seen)
    cls = annotation if origin is None else origin
    if not is_class(cls):
        return None
    return _why_class(cls, seen) or _first(arguments, scope, seen)


def _first(annotations: tuple[object, ...], scope: Scope, seen: frozenset[object]) -> str | None:
    return next((reason for each in annotations if (reason := _why(each, scope, seen))), None)


def _why_class(cls: type[object], seen: frozenset[object]) -> str | None:
    name = spell_class(cls)
    held = f"holds {with_article(name)}"
    if cls in seen:
        return None
    if is_typeddict(cls):
        return f"{held}, which is a dict and can change"
    if issubclass(cls, _MUTABLE):
        return f"{held}, which can change" + (f"; a {_CURES[name]} cannot" if name in _CURES else "")
    if _is_thawed(cls):
        return f"{held}, which is a dataclass that is not frozen"
    for part, owner in _parts_of(cls):
        if reason := _why(annotations_of(owner)[part], scope_of_class(owner), seen | {cls}):
            return f"{reason} (in {name}.{part})"
    return None


def _is_thawed(cls: type[object]) -> bool:
    # The parameters are an attribute of every dataclass, but no stub knows them.
    return dataclasses.is_dataclass(cls) and not getattr(cls, "__dataclass_params__").frozen  # noqa: B009


def _parts_of(cls: type[object]) -> Iterator[tuple[str, type[object]]]:
    """The fields of a frozen dataclass or of a named tuple, each with the class that annotates it."""
    for name in _names_of(cls):
        owner = next((base for base in cls.__mro__ if name in annotations_of(base)), None)
        if owner is not None:
            yield name, owner


def _names_of(cls: type[object]) -> tuple[str, ...]:
    if dataclasses.is_dataclass(cls):
        return tuple(field.name for field in dataclasses.fields(cls))
    names: tuple[str, ...] = getattr(cls, "_fields", ())
    return names if any(base is tuple for base in cls.__mro__) else ()
