"""Which events there are, and annotations as objects, even if a name in them exists for type checkers only."""

import ast
import builtins
import functools
import inspect
import sys
import typing
from collections.abc import Callable, Iterable, Iterator
from types import CodeType, FunctionType, UnionType
from typing import Annotated, ForwardRef, TypeVar, Union, get_args, get_origin

from typing_extensions import Format, TypeIs, get_annotations

from pyventus_typed import Event, Request
from pyventus_typed.errors import DefinitionError

from ._source import function_of


class _Placeholder(type):
    def __getattr__(cls, name: str) -> type:
        if name.startswith("__"):  # Python and typing ask for these, and must be told the truth
            raise AttributeError(name)
        return cls


class Unknown(metaclass=_Placeholder):
    """Stands for a name that could not be looked up, so that the rest of the annotation can still be read.

    ``lines: "list[Line]"`` is a list, whatever ``Line`` is: imported under ``TYPE_CHECKING``, or local to a function.
    """

    def __class_getitem__(cls, _arguments: object) -> type:
        return cls


class Scope(dict[str, object]):
    """The names that an annotation may use."""

    def __missing__(self, name: str) -> type:
        return Unknown


def scope_of_class(cls: type) -> Scope:
    scope = _scope_of_module(cls.__module__)
    # Of the names in the class body only classes count: a field called ``date`` must not hide the type ``date``.
    scope.update((name, value) for name, value in vars(cls).items() if isinstance(value, type))
    scope.setdefault(cls.__name__, cls)
    _add_type_parameters(scope, cls)
    return scope


def scope_of_function(function: FunctionType) -> Scope:
    scope = Scope({**vars(builtins), **function.__globals__})
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            scope[name] = cell.cell_contents
        except ValueError:  # not assigned yet
            continue
    _add_type_parameters(scope, function)
    return scope


def scope_of_handler(handler: Callable[..., object]) -> Scope:
    function = function_of(handler)
    return Scope(vars(builtins)) if function is None else scope_of_function(function)


def annotations_of(owner: type[object] | FunctionType) -> dict[str, object]:
    """The annotations of a class or a function; what cannot be evaluated yet, or ever, is text or a ``ForwardRef``."""
    return get_annotations(owner, format=Format.FORWARDREF)


def signature_of(handler: Callable[..., object]) -> inspect.Signature:
    """``inspect.signature``, with annotations that cannot be evaluated left as they are: since 3.14 it evaluates them."""
    if sys.version_info >= (3, 14):
        return inspect.signature(handler, annotation_format=Format.FORWARDREF)
    else:  # noqa: RET505 - else the newest Python's checkers call it unreachable
        return inspect.signature(handler)


def annotation_text(annotation: object) -> str | None:
    """An annotation that is text, or a reference to what cannot be evaluated, as it was written; else None."""
    if isinstance(annotation, ForwardRef):
        if sys.version_info >= (3, 14):
            return annotation.evaluate(format=Format.STRING)
        else:  # noqa: RET505 - else the newest Python's checkers call it unreachable
            return annotation.__forward_arg__
    return annotation if isinstance(annotation, str) else None


def resolve(annotation: object, scope: Scope) -> object:
    """The object that an annotation stands for: text is evaluated, aliases, ``Annotated`` and ``NewType`` are undone.

    What cannot be evaluated is ``Unknown``. Type arguments are left as they are: resolve them in turn.
    """
    for _ in range(100):  # ``type X = X`` is legal until it is evaluated
        if isinstance(annotation, ForwardRef):
            annotation = _evaluate_reference(annotation, scope)
        elif isinstance(annotation, str):
            annotation = _evaluate(annotation, scope)
        elif isinstance(annotation, typing.NewType):
            annotation = annotation.__supertype__
        elif get_origin(annotation) in _TRANSPARENT:
            annotation = get_args(annotation)[0]
        elif is_alias(annotation):
            annotation = alias_value(annotation)
        else:
            return annotation
    return Unknown


def is_class(value: object) -> TypeIs[type[object]]:
    """``isinstance(value, type)``, of which type checkers know what kind of type it is."""
    return isinstance(value, type)


def is_alias(form: object) -> bool:
    """Whether *form* is a ``type X = ...`` alias, Python's own or that of typing_extensions, also ``X[int]``."""
    return type(form).__name__ == "TypeAliasType" or type(get_origin(form)).__name__ == "TypeAliasType"


def alias_value(alias: object) -> object:
    """What an alias stands for; ``Unknown`` where its names cannot be looked up."""
    try:
        return getattr(get_origin(alias) or alias, "__value__", Unknown)
    except Exception:  # noqa: BLE001 - the alias is the user's code, and is run here for the first time
        return Unknown


def bounds(variable: TypeVar) -> tuple[object, ...]:
    """The types that a type variable may stand for; none if it is free."""
    try:
        constraints, bound = variable.__constraints__, variable.__bound__
    except Exception:  # noqa: BLE001 - ``class Box[T: Later]`` is evaluated here for the first time
        return (Unknown,)
    return constraints or (() if bound is None else (bound,))


_TRANSPARENT: tuple[object, ...] = (Annotated, typing.Final, typing.Required, typing.NotRequired)


@functools.lru_cache(maxsize=1024)
def _compile(text: str) -> CodeType:
    return compile(text.strip(), "<annotation>", "eval")


def _evaluate(text: str, scope: Scope) -> object:
    try:
        # The builtins must be there: typing imports something while it subscripts, and asks them how.
        return eval(_compile(text), {"__builtins__": builtins}, scope)  # noqa: S307 - code of an imported module, as in get_type_hints
    except Exception:  # noqa: BLE001 - whatever a user's annotation raises, it cannot be read
        return Unknown


def _evaluate_reference(reference: ForwardRef, scope: Scope) -> object:
    text = reference.__forward_arg__
    if sys.version_info >= (3, 14):
        # The text may hold names that only the reference knows, for the parts of it that could be evaluated.
        try:
            names = {node.id for node in ast.walk(ast.parse(text, mode="eval")) if isinstance(node, ast.Name)}
            return reference.evaluate(locals={name: scope[name] for name in names})
        except Exception:  # noqa: BLE001 - whatever a user's annotation raises, it cannot be read
            return Unknown
    else:
        return text


def _scope_of_module(name: str) -> Scope:
    module = sys.modules.get(name)
    return Scope({**vars(builtins), **({} if module is None else vars(module))})


def _add_type_parameters(scope: Scope, owner: object) -> None:
    for parameter in getattr(owner, "__type_params__", ()):
        scope[parameter.__name__] = parameter


ROOTS: frozenset[type[Event]] = frozenset({Event, Request})


class NotAFamily(DefinitionError):
    """The family is neither an event class nor a union of event classes nor an alias of one."""

    def __init__(self, family: object) -> None:
        super().__init__(
            f"A family is an event class, a union of event classes, or an alias of one, and {family!r} is none of them. "
            "Give a base class (its subclasses belong to the family), `A | B`, or a tuple of these.",
            family,
        )


def roots_of(family: object) -> tuple[type[Event], ...]:
    """The event classes that a family is written with: aliases, unions, tuples and ``Changed[int]`` undone."""
    return tuple(dict.fromkeys(_unfold(family, 0)))


def _unfold(form: object, depth: int) -> Iterator[type[Event]]:
    origin = get_origin(form)
    if depth > 100:  # noqa: PLR2004 - ``type X = X`` never ends
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


def is_tuple(value: object) -> TypeIs[tuple[object, ...]]:
    return isinstance(value, tuple)


def is_event_class(value: object) -> TypeIs[type[Event]]:
    return is_class(value) and issubclass(value, Event)


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
