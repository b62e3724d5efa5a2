"""The judgements: each rule is one function from the facts to its findings."""

import dataclasses
import inspect
import re
from collections.abc import Callable, Iterator, MutableMapping, MutableSequence, MutableSet
from dataclasses import dataclass
from types import UnionType
from typing import Any, ClassVar, Literal, ParamSpecArgs, TypeVar, Union, get_args, get_origin

from typing_extensions import is_typeddict, override

from pyventus_typed import Event, Subscriber
from pyventus_typed._spelling import spell, with_article

from ._facts import Facts, Link
from ._report import Finding, Rule
from ._source import bound_arguments
from ._types import (
    ROOTS,
    Scope,
    Unknown,
    annotation_text,
    annotations_of,
    bounds,
    has_own_fields,
    is_class,
    is_decorated,
    is_emittable,
    is_event_class,
    is_request,
    resolve,
    scope_of_class,
    scope_of_handler,
    signature_of,
)


def events_without_receiver(facts: Facts) -> Iterator[Finding]:
    for event in facts.family:
        if not is_emittable(event):
            continue
        name, place = facts.name(event), facts.sources.place_of_class(event)
        receivers = facts.receivers(event)
        emitters = facts.emitters_of(event)
        origin = f"; {emitters[0][0]} emits it at {emitters[0][1]}" if emitters else ""
        asks = is_request(event)
        if asks and any(link.answers for link in receivers):
            continue
        if receivers and not asks:
            continue
        if facts.is_base(event) and not emitters:
            message = f"{name} has no receiver of its own; it is taken for the base of its subclasses"
            yield Finding(Rule.BASE, message, place, event)
        elif asks:
            handled = (
                f"; {receivers[0].name} handles it, and only linker.answer and @answers answer" if receivers else ""
            )
            yield Finding(Rule.UNANSWERED, f"no handler answers {name}{handled}{origin}", place, event)
        else:
            yield Finding(Rule.UNHANDLED, f"no handler receives {name}{origin}", place, event)


def undecorated_events(facts: Facts) -> Iterator[Finding]:
    for event in facts.events:
        if event not in ROOTS and not is_decorated(event) and has_own_fields(event):
            message = f"{facts.name(event)} has fields but no @dataclass(frozen=True), so no emitter takes it"
            yield Finding(Rule.UNDECORATED, message, facts.sources.place_of_class(event), event)


def unreachable_handlers(facts: Facts) -> Iterator[Finding]:
    for link in facts.links:
        for event in link.events:
            if reason := _why_unreachable(facts, link, event):
                message = f"{link.name} is subscribed to {facts.name(event)}, which can never arrive: {reason}"
                yield Finding(Rule.UNREACHABLE, message, link.place, event, link.name)


def _why_unreachable(facts: Facts, link: Link, event: type[Event]) -> str | None:
    if event in ROOTS:
        return None if facts.family else "the family is empty"
    emittable = [cls for cls in facts.family if issubclass(cls, event) and is_emittable(cls)]
    if any(link in facts.receivers(cls) for cls in emittable):
        return None
    if emittable:
        return "each request that it could answer has an answer of its own"
    if facts.closed and not any(issubclass(cls, event) for cls in facts.family):
        return "it is not in the family"
    kind = "abstract" if inspect.isabstract(event) else "not decorated with @dataclass(frozen=True)"
    return f"it is {kind}, and no subclass of it can be emitted"


def mutable_events(facts: Facts) -> Iterator[Finding]:
    seen: set[tuple[type, str]] = set()
    for event in facts.events:
        for field in mutable_fields(event):
            if (field.owner, field.name) not in seen:
                seen.add((field.owner, field.name))
                owner = facts.name(field.owner) if is_event_class(field.owner) else spell(field.owner)
                place = facts.sources.place_of_class(field.owner, field.name)
                yield Finding(Rule.MUTABLE, f"{owner}.{field.name} {field.reason}", place, event)


def disagreeing_annotations(facts: Facts) -> Iterator[Finding]:
    for link in facts.links:
        expected = expectation_of(link.handler)
        if expected is None:
            continue
        for event in link.events:
            name = facts.name(event)
            match expected.takes(event):
                case False:
                    message = f"{link.name} is subscribed to {name}, but its annotation takes {expected}"
                    if module := expected.is_namesake_of(event):
                        message += f": two classes, of {event.__module__} and of {module}; was a module loaded twice?"
                    yield Finding(Rule.ANNOTATION, message, link.place, event, link.name)
                case None:
                    message = f"{link.name} is subscribed to {name}; its annotation, {expected}, cannot be evaluated"
                    yield Finding(Rule.UNRESOLVED, message, link.place, event, link.name)
                case _:
                    pass


def emissions_outside_of_the_family(facts: Facts) -> Iterator[Finding]:
    for link in facts.links:
        for emission in link.emissions.emits:
            if emission.event not in facts.family:
                message = f"{link.name} emits {facts.name(emission.event)}, which is not in the family"
                yield Finding(Rule.OUTSIDE, message, emission.place, emission.event, link.name)


def events_that_nothing_emits(facts: Facts) -> Iterator[Finding]:
    if not facts.is_code_read:
        return  # other code than the handlers emits, and it was not named
    for event in facts.family:
        if is_emittable(event) and not facts.is_base(event) and not facts.is_emitted(event):
            message = f"nothing that was read emits {facts.name(event)}, or makes one"
            yield Finding(Rule.UNEMITTED, message, facts.sources.place_of_class(event), event)


def unread_emissions(facts: Facts) -> Iterator[Finding]:
    for place, reason in facts.code.unread:
        yield Finding(Rule.UNREAD, reason, place)
    for link in facts.links:
        for place in link.emissions.unread:
            message = f"{link.name} emits an event here that cannot be read from the source"
            yield Finding(Rule.UNREAD, message, place, None, link.name)


def unbound_subscribers(facts: Facts) -> Iterator[Finding]:
    bound = {type(each) for link in facts.links for each in bound_arguments(link.handler)}
    waiting = [*type.__subclasses__(Subscriber)]
    while waiting:
        cls = waiting.pop()
        below = type.__subclasses__(cls)
        waiting += below
        known = "<locals>" not in cls.__qualname__ and cls.__module__.partition(".")[0] in facts.packages
        if known and not below and cls not in bound and not inspect.isabstract(cls):
            message = f"{spell(cls)} is a Subscriber, but no instance of it is bound to a linker that is checked"
            yield Finding(Rule.UNBOUND, message, facts.sources.place_of_class(cls))


RULES = (
    events_without_receiver,
    undecorated_events,
    unreachable_handlers,
    mutable_events,
    disagreeing_annotations,
    emissions_outside_of_the_family,
    events_that_nothing_emits,
    unread_emissions,
    unbound_subscribers,
)


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a handler's annotation says that it takes."""

    annotation: object
    scope: Scope

    def takes(self, event: type[Event]) -> bool | None:
        """Whether every instance of *event* is welcome; None where the annotation cannot be read."""
        try:
            return _takes(self.annotation, event, self.scope)
        except Exception:  # noqa: BLE001 - a user's metaclass is asked whether the event is a subclass
            return None

    def is_namesake_of(self, event: type[Event]) -> str | None:
        """The module of what it takes, if that is another class of the event's name: a module that was loaded twice."""
        resolved = resolve(self.annotation, self.scope)
        cls = get_origin(resolved) or resolved
        is_other = is_class(cls) and cls is not event and cls.__qualname__ == event.__qualname__
        return cls.__module__ if is_other else None

    @override
    def __str__(self) -> str:
        text = annotation_text(self.annotation)
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
        return True if (annotation_text(annotation) or "").rpartition(".")[2] == event.__name__ else None
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


# Sequence and Mapping are not here: they promise reading only, so the value is not meant to change.
_MUTABLE = (MutableSequence, MutableSet, MutableMapping)
_IMMUTABLE_FORM = {"list": "tuple", "set": "frozenset", "bytearray": "bytes object"}


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
    name = spell(cls)
    held = f"holds {with_article(name)}"
    if cls in seen:
        return None
    if is_typeddict(cls):
        return f"{held}, which is a dict and can change"
    if issubclass(cls, _MUTABLE):
        return f"{held}, which can change" + (f"; a {_IMMUTABLE_FORM[name]} cannot" if name in _IMMUTABLE_FORM else "")
    if _is_mutable_dataclass(cls):
        return f"{held}, which is a dataclass that is not frozen"
    for part, owner in _parts_of(cls):
        if reason := _why(annotations_of(owner)[part], scope_of_class(owner), seen | {cls}):
            return f"{reason} (in {name}.{part})"
    return None


def _is_mutable_dataclass(cls: type[object]) -> bool:
    return dataclasses.is_dataclass(cls) and not getattr(cls, "__dataclass_params__").frozen  # noqa: B009 - no stub has it


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
