"""Options are checked where they are given: a record by its own annotations, so that no field can be forgotten."""

import functools
import inspect
import math
from collections.abc import Callable, Sequence
from dataclasses import fields
from types import FunctionType, MethodType, UnionType
from typing import Any, Final, Literal, Union, get_args, get_origin, get_type_hints

from pyventus_typed._signature import call_signature
from pyventus_typed._spelling import spell, spell_event
from pyventus_typed.errors import InvalidOption

_SECRETS: Final = frozenset({"password", "token"})
_SECOND_CALL: Final = inspect.CO_COROUTINE | inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR


def check_fields(record: Any) -> None:  # Any: a dataclass, of whatever fields
    """Refuse a field whose value is not what its annotation says."""
    hints = get_type_hints(type(record))
    for each in fields(record):
        check_option(each.name, getattr(record, each.name), hints[each.name])


def check_option(name: str, value: object, form: object) -> None:
    """Refuse a *value* that is none of *form*: a class, a union of them, choices, ``Sequence[...]`` or ``Callable[...]``."""
    if not _fits(value, form):
        shown = "..." if name in _SECRETS else spell_event(value)
        raise InvalidOption(f"{name}={shown} must be {_describe(form)}.", value)


def check_callback(name: str, callback: object) -> None:
    """Refuse what cannot be called with one argument, or whose call would not run it: nobody awaits it."""
    if callback is None:
        return
    if _code_flags(callback) & _SECOND_CALL:
        raise InvalidOption(
            f"{name}={spell(callback)} is async or a generator function, and nobody would await it. Give a plain function.",
            callback,
        )
    if not callable(callback) or not _takes_one(callback):
        raise InvalidOption(f"{name}={spell(callback)} cannot be called with one positional argument.", callback)


def _code_flags(callback: object) -> int:
    # By their types, because a mock claims to be what it has the spec of.
    while type(callback) is functools.partial:
        callback = callback.func
    if type(callback) is MethodType:
        callback = callback.__func__
    function = callback if type(callback) is FunctionType else getattr(type(callback), "__call__", None)  # noqa: B004 - that of the type
    return function.__code__.co_flags if type(function) is FunctionType else 0


def _takes_one(callback: Callable[..., object]) -> bool:
    try:
        signature = call_signature(callback)
    except Exception:  # noqa: BLE001 - a builtin that does not say what it takes, or a mock
        return True
    try:
        signature.bind(None)
    except TypeError:
        return False
    return True


def _fits(value: object, form: object) -> bool:  # noqa: PLR0911 - one line for each kind of form
    origin = get_origin(form)
    if origin is Union or origin is UnionType:
        return any(_fits(value, part) for part in get_args(form))
    if origin is Literal:
        return any(value is choice or (type(value) is type(choice) and value == choice) for choice in get_args(form))
    if origin is Sequence:
        (part,) = get_args(form)
        return (
            isinstance(value, Sequence)
            and not isinstance(value, str | bytes)
            and all(_fits(one, part) for one in value)
        )
    if origin is Callable:
        return callable(value)
    if form is float:
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if form is int:
        return isinstance(value, int) and not isinstance(value, bool)
    kind = type(None) if form is None else origin or form
    return isinstance(value, kind) if isinstance(kind, type) else True


def _describe(form: object) -> str:
    origin = get_origin(form)
    if origin is Union or origin is UnionType:
        return " or ".join(map(_describe, get_args(form)))
    if origin is Literal:
        return f"one of {', '.join(map(repr, get_args(form)))}" if len(get_args(form)) > 1 else repr(get_args(form)[0])
    if origin is Sequence:
        return f"a sequence of which each is {_describe(get_args(form)[0])}"
    if origin is Callable:
        return "a function"
    if form is float:
        return "a finite number"
    return "None" if form is type(None) or form is None else spell(form)
