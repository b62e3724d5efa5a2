"""Whether a handler's annotation agrees with the event that it is linked to, as a type checker would see it."""

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from types import UnionType
from typing import Any, Literal, ParamSpecArgs, TypeVar, Union, get_args, get_origin

from typing_extensions import override

from pyventus_typed import Event

from ._hints import Scope, Unknown, bounds, is_class, resolve, scope_of_handler, signature_of, text_of


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a handler's annotation says that it takes."""

    annotation: object
    scope: Scope

    def takes(self, event: type[Event]) -> bool | None:
        """Whether every instance of *event* is welcome; None where the annotation cannot be read."""
        try:
            return _takes(self.annotation, event, self.scope)
        except Exception:  # noqa: BLE001 - a stranger's metaclass is asked whether the event is a subclass
            return None

    def is_namesake_of(self, event: type[Event]) -> str | None:
        """The module of what it takes, if that is another class of the event's name: a module that was loaded twice."""
        resolved = resolve(self.annotation, self.scope)
        cls = get_origin(resolved) or resolved
        is_other = is_class(cls) and cls is not event and cls.__qualname__ == event.__qualname__
        return cls.__module__ if is_other else None

    @override
    def __str__(self) -> str:
        text = text_of(self.annotation)
        if text is not None:
            return text
        spelled = self.annotation.__qualname__ if type(self.annotation) is type else repr(self.annotation)
        return re.sub(r"(?:\w+\.|<locals>\.)+(?=\w)", "", spelled)


def expectation_of(handler: Callable[..., object]) -> Expectation | None:
    """The annotation of the parameter that gets the event; None where there is none."""
    try:
        parameters = signature_of(handler).parameters.values()
    except (TypeError, ValueError):  # built in
        return None
    first = next((each for each in parameters if each.kind in _POSITIONAL), None)
    if first is None or first.annotation is inspect.Parameter.empty:
        return None
    return Expectation(first.annotation, scope_of_handler(handler))


_POSITIONAL = (
    inspect.Parameter.POSITIONAL_ONLY,
    inspect.Parameter.POSITIONAL_OR_KEYWORD,
    inspect.Parameter.VAR_POSITIONAL,
)


def _takes(annotation: object, event: type[Event], scope: Scope) -> bool | None:
    resolved = resolve(annotation, scope)
    if resolved is Unknown:  # a name for type checkers only: if it is that of the event, it is the right one
        return True if (text_of(annotation) or "").rpartition(".")[2] == event.__name__ else None
    # Any comes before all, for it is a class since Python 3.11; ``*args: P.args`` is whatever the wrapped function takes.
    if resolved is Any or isinstance(resolved, ParamSpecArgs):
        return True
    origin, arguments = get_origin(resolved), get_args(resolved)
    if isinstance(resolved, TypeVar):
        allowed = bounds(resolved)
        return _takes_any(allowed, event, scope) if allowed else True
    if origin is Union or origin is UnionType:
        return _takes_any(arguments, event, scope)
    cls = resolved if origin is None else origin
    if is_class(cls):
        # Which attributes a protocol asks for is a type checker's to judge.
        return getattr(cls, "_is_protocol", False) or issubclass(event, cls)
    return False if resolved is None or origin is Literal else None


def _takes_any(annotations: tuple[object, ...], event: type[Event], scope: Scope) -> bool | None:
    answers = [_takes(each, event, scope) for each in annotations]
    return True if True in answers else None if None in answers else False
