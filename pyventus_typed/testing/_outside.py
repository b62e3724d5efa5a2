"""What a body could change outside of itself: globals, closures and attributes of classes, as far as its code names them."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Iterator
from types import CodeType, FunctionType, MethodType

from pyventus_typed._libraries import is_library
from pyventus_typed._spelling import short_name

from ._names import file_of

_MOST_NAMES = 500
_LONGEST = 60


class Outside:
    """A look at what is outside of a body; a later look says what has changed."""

    def __init__(self, body: object) -> None:
        self._body = body
        self._before = dict(_values(body))

    def changes(self) -> list[str]:
        """``seen (in shop.py) was [] and is ['order 1']``, for each that differs from the first look."""
        now = dict(_values(self._body))
        return [
            f"{name} was {before} and is {now[name]}"
            for name, before in self._before.items()
            if name in now and now[name] != before
        ]


def _values(body: object) -> Iterator[tuple[str, str]]:
    """Where each value is, and what it looks like."""
    todo: list[object] = [body]
    seen: set[int] = set()
    while todo and len(seen) < _MOST_NAMES:
        one = todo.pop()
        if isinstance(one, functools.partial):
            todo += [one.func, *one.args, *one.keywords.values()]
        elif isinstance(one, MethodType):
            todo.append(one.__func__)
        elif id(one) not in seen:
            seen.add(id(one))
            for name, value in _parts(one):
                yield from _look_at(name, value, todo)


def _parts(one: object) -> Iterator[tuple[str, object]]:
    """What a function or a class of the user's refers to."""
    if isinstance(one, FunctionType):
        function = inspect.unwrap(one)
        if isinstance(function, FunctionType) and not is_library(function.__code__.co_filename):
            yield from _named_by(function)
    elif isinstance(one, type):
        for name, value in list(vars(one).items()):
            if not name.startswith("__"):
                yield f"{short_name(one.__qualname__)}.{name}", value


def _look_at(name: str, value: object, todo: list[object]) -> Iterator[tuple[str, str]]:
    if isinstance(value, FunctionType | type):
        module = getattr(value, "__module__", None)
        if module is not None and not str(module).startswith(("pyventus_typed", "asyncio")):
            todo.append(value)
    elif (text := _text(value)) is not None:
        yield name, text


def _named_by(function: FunctionType) -> Iterator[tuple[str, object]]:
    file = file_of(function.__code__.co_filename)
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            yield f"{name} (around {function.__name__})", cell.cell_contents
        except ValueError:  # it is still empty
            continue
    for name in sorted(_names(function.__code__)):
        if name in function.__globals__:
            yield f"{name} (in {file})", function.__globals__[name]


def _names(code: CodeType) -> set[str]:
    names = set(code.co_names)
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            names |= _names(inner)
    return names


def _text(value: object) -> str | None:
    """What *value* looks like, or None where that cannot be told without running code of the user's."""
    if isinstance(value, bool | int | float | str | bytes | None):
        return repr(value)[:_LONGEST]
    if type(value) in {list, tuple, dict, set, frozenset} or type(value).__module__ in {"collections", "itertools"}:
        try:
            text = repr(value)
        except Exception as error:  # noqa: BLE001  # what the values in it do is theirs
            text = f"<its repr raised {type(error).__name__}>"
        return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}… ({_length(value)})"
    return None


def _length(value: object) -> str:
    length = getattr(value, "__len__", None)
    return f"{length()} of them" if length is not None else "long"
