"""Whether a handler's annotation agrees with the event that it is linked to, as a type checker would see it."""

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin

from pyventus_typed import Event
from pyventus_typed.wiring._hints import Scope, Unknown, bounds, resolve, scope_of_handler


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a handler's annotation says that it takes."""

    annotation: object
    scope: Scope

    def takes(self, event: type[Event]) -> bool | None:
        """Whether every instance of *event* is welcome; None where the annotation cannot be read."""
        return _takes(self.annotation, event, self.scope)

    def __str__(self) -> str:
        if isinstance(self.annotation, str):
            return self.annotation
        spelled = self.annotation.__qualname__ if type(self.annotation) is type else repr(self.annotation)
        return re.sub(r"(?:\w+\.|<locals>\.)+(?=\w)", "", spelled)


def expectation_of(handler: Callable[..., object]) -> Expectation | None:
    """The annotation of the parameter that gets the event; None where there is none."""
    try:
        parameters = inspect.signature(handler).parameters.values()
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
    if isinstance(annotation, str) and annotation.rpartition(".")[2] == event.__name__:
        named = resolve(annotation, scope)
        # A name for type checkers only, but it is the right one.
        return True if named is Unknown else _takes_resolved(named, event, scope)
    return _takes_resolved(resolve(annotation, scope), event, scope)


def _takes_resolved(annotation: object, event: type[Event], scope: Scope) -> bool | None:
    if annotation in (Unknown, Any):
        return None if annotation is Unknown else True
    origin = get_origin(annotation)
    if isinstance(annotation, TypeVar):
        allowed = bounds(annotation)
        return _takes_any(allowed, event, scope) if allowed else True
    if origin is Union or origin is UnionType:
        return _takes_any(get_args(annotation), event, scope)
    cls = annotation if origin is None else origin
    if not isinstance(cls, type):
        return False if annotation is None or origin is not None else None
    if getattr(cls, "_is_protocol", False):
        return True  # which attributes it asks for is a type checker's to judge
    return issubclass(event, cls)


def _takes_any(annotations: tuple[object, ...], event: type[Event], scope: Scope) -> bool | None:
    answers = [_takes(each, event, scope) for each in annotations]
    return True if True in answers else None if None in answers else False
