"""events(): Hypothesis strategies from event dataclasses."""

from __future__ import annotations

import dataclasses
import sys
import typing
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar, get_args, get_origin

from .errors import NoStrategy

try:
    import hypothesis
    import hypothesis.control
    import hypothesis.errors
    import hypothesis.stateful
    import hypothesis.strategies
except (
    ImportError
) as error:  # pragma: no cover  # the tests of it run without hypothesis, in an interpreter of their own
    from pyventus_typed._install import install_command

    raise ImportError(
        f"events, given_interleavings and EventMachine need Hypothesis. Run: {install_command('testing')}. "
        "VirtualLoop, run and explore work without it."
    ) from error

__all__ = ["SearchStrategy", "events", "hypothesis", "untraced"]

st = hypothesis.strategies
SearchStrategy = st.SearchStrategy

_T = TypeVar("_T")

_ENOUGH_REFUSALS = 200


def events(
    *types: type[_T],
    **overrides: SearchStrategy[Any],  # Any: of whatever type the field is
) -> SearchStrategy[_T]:
    """Instances of the event classes *types*, each as likely as the others.

    A field gets values of its type, and its default now and then; *overrides* names strategies for fields, for each of the
    classes that has a field of that name. A generic event may be given with its arguments (``Changed[int]``); an undecorated
    base of a family stands for its subclasses. A class for which a strategy is registered with Hypothesis is drawn from that.

    A ``ValueError`` from a ``__post_init__`` rejects the example. ``NoStrategy`` says at once what is not an event class, which
    override fits no field, or which field has no strategy, and, when examples are drawn, which class refuses them all.
    """
    if not types:
        raise NoStrategy("events() needs at least one event class: events(OrderPlaced, OrderPaid).")
    for name, strategy in overrides.items():
        if not isinstance(strategy, st.SearchStrategy):
            raise NoStrategy(
                f"{name}={strategy!r} is not a strategy. For one fixed value write {name}=st.just({strategy!r})."
            )
    concrete = [one for kind in types for one in _family(kind)]
    known = {field.name for kind in concrete for field in dataclasses.fields(get_origin(kind) or kind) if field.init}
    if unknown := sorted(overrides.keys() - known):
        raise NoStrategy(
            f"No field is called {', '.join(map(repr, unknown))} in {', '.join(_name(kind) for kind in concrete)}. "
            f"Their fields: {', '.join(sorted(known)) or 'none'}."
        )
    return st.one_of([_strategy(kind, overrides) for kind in concrete])


def _name(kind: object) -> str:
    return getattr(kind, "__qualname__", None) or str(kind)


def _family(kind: Any) -> list[Any]:  # Any: a class or a generic alias, which have no common type
    """*kind* itself, or the decorated subclasses of an undecorated base."""
    origin = get_origin(kind) or kind
    if not isinstance(origin, type):
        raise NoStrategy(f"events() takes event classes, and {kind!r} is none. Did you mean {type(kind).__name__}?")
    if not dataclasses.is_dataclass(origin):
        raise NoStrategy(
            f"events() takes event classes, and {_name(kind)} is not a dataclass: decorate it with @dataclass(frozen=True)."
        )
    if "__dataclass_fields__" in vars(origin):
        return [kind]
    members = [one for sub in origin.__subclasses__() for one in _family(sub)]
    if not members:
        raise NoStrategy(
            f"{_name(kind)} is undecorated and has no subclasses, so there is no event of it. Decorate it."
        )
    return members


def _registered(kind: object) -> bool:
    # Hypothesis has no public way to ask; `from_type` would not say whether it was registered or inferred.
    from hypothesis.strategies._internal.types import _global_type_lookup  # noqa: PLC0415 - private: without it, only this fails

    return kind in _global_type_lookup


def _strategy(kind: Any, overrides: Mapping[str, SearchStrategy[Any]]) -> SearchStrategy[Any]:
    origin = get_origin(kind) or kind
    if not overrides.keys() & {field.name for field in dataclasses.fields(origin)}:
        if kind not in _cache or _registered(kind):
            _cache[kind] = st.from_type(kind) if _registered(kind) else _build(kind, {})
        return _cache[kind]
    return _build(kind, overrides)


_cache: dict[Any, SearchStrategy[Any]] = {}


def _build(kind: Any, overrides: Mapping[str, SearchStrategy[Any]]) -> SearchStrategy[Any]:
    origin = get_origin(kind) or kind
    try:
        hints = typing.get_type_hints(origin, include_extras=True)
    except NameError as error:
        raise NoStrategy(
            f"The annotations of {_name(kind)} cannot be read: {error}. Import the name where the class is defined, outside "
            "of `if TYPE_CHECKING`, or register a strategy for the class."
        ) from error
    meant = _arguments(kind)
    fields: dict[str, SearchStrategy[Any]] = {}
    for field in dataclasses.fields(origin):
        if not field.init:
            continue
        if field.name in overrides:
            fields[field.name] = overrides[field.name]
            continue
        strategy = _for_field(_substitute(hints[field.name], meant), kind, field.name)
        if field.default is not dataclasses.MISSING:
            strategy = st.just(field.default) | strategy
        elif field.default_factory is not dataclasses.MISSING:
            strategy = st.builds(field.default_factory) | strategy
        fields[field.name] = strategy
    return st.fixed_dictionaries(fields).map(_Maker(origin))


def _for_field(hint: Any, kind: object, name: str) -> SearchStrategy[Any]:
    if dataclasses.is_dataclass(get_origin(hint) or hint) and isinstance(get_origin(hint) or hint, type):
        return st.deferred(lambda: _strategy(hint, {}))  # deferred: it may contain itself
    strategy = st.from_type(hint)
    try:
        strategy.validate()
    except hypothesis.errors.ResolutionFailed as error:
        raise NoStrategy(
            f"Hypothesis knows no values for {_name(kind)}.{name}: {hint}. Give events(..., {name}=<a strategy>), or register "
            "one with hypothesis.strategies.register_type_strategy."
        ) from error
    return strategy


class _Maker:
    """Calls a class, and turns its refusals into rejections."""

    def __init__(self, kind: type[object]) -> None:
        self._kind = kind
        self._made = self._refused = 0

    def __call__(self, fields: dict[str, object]) -> object:
        try:
            made = self._kind(**fields)
        except ValueError as error:
            self._refused += 1
            if not self._made and self._refused >= _ENOUGH_REFUSALS:
                raise NoStrategy(
                    f"{self._kind.__qualname__} refused all of {self._refused} drawn examples, the last with: {error}. Narrow "
                    f"its fields: events({self._kind.__qualname__}, {next(iter(fields), 'field')}=<a strategy>)."
                ) from error
            hypothesis.event(f"{self._kind.__qualname__} refused: {error}")
            hypothesis.reject()
        self._made += 1
        return made


def _arguments(kind: Any) -> dict[object, object]:
    """What the type variables of *kind* and of its bases stand for."""
    origin = get_origin(kind) or kind
    meant: dict[object, object] = dict(zip(getattr(origin, "__parameters__", ()), get_args(kind), strict=False))
    for base in getattr(origin, "__orig_bases__", ()):
        parameters = getattr(get_origin(base), "__parameters__", ())
        meant.update(zip(parameters, (_substitute(one, meant) for one in get_args(base)), strict=False))
        for variable, value in _arguments(base).items():
            meant.setdefault(variable, value)
    return meant


def _substitute(hint: Any, meant: Mapping[object, object]) -> Any:
    if isinstance(hint, TypeVar):
        return meant.get(hint, hint)
    parameters = getattr(hint, "__parameters__", ())
    if parameters and any(one in meant for one in parameters):
        return hint[tuple(meant.get(one, one) for one in parameters)]
    return hint


@contextmanager
def untraced() -> Generator[None, None, None]:
    """Keep Hypothesis from tracing lines, with which it explains failures: thousands of schedules would take 20 s for 1.

    It would only find our lines. The tracers of others (of coverage, of a debugger) stay.
    """
    tracer = sys.gettrace()
    if tracer is not None and type(getattr(tracer, "__self__", None)).__module__.startswith("hypothesis."):
        sys.settrace(None)
        try:
            yield
        finally:
            sys.settrace(tracer)
        return
    monitoring = vars(sys).get("monitoring")  # from Python 3.12 on
    if monitoring is None:
        yield
        return
    events = [(one, monitoring.get_events(one)) for one in range(6) if monitoring.get_tool(one) == "scrutineer"]
    for one, _ in events:
        monitoring.set_events(one, 0)
    try:
        yield
    finally:
        for one, event in events:
            monitoring.set_events(one, event)
