"""Annotations as objects, also where a name in them exists for type checkers only."""

import ast
import builtins
import functools
import inspect
import sys
import typing
from collections.abc import Callable
from types import CodeType, FunctionType
from typing import Annotated, ForwardRef, TypeVar, get_args, get_origin

from typing_extensions import Format, TypeIs, get_annotations

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
    # Of what stands in the class body only classes count: a field called ``date`` must not hide the type ``date``.
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
    """``inspect.signature``, with annotations as above: since Python 3.14 it evaluates them."""
    if sys.version_info >= (3, 14):
        return inspect.signature(handler, annotation_format=Format.FORWARDREF)
    return inspect.signature(handler)


def text_of(annotation: object) -> str | None:
    """An annotation that is text, or a reference to what cannot be evaluated, as it was written; else None."""
    if isinstance(annotation, ForwardRef):
        if sys.version_info >= (3, 14):
            return annotation.evaluate(format=Format.STRING)
        return annotation.__forward_arg__
    return annotation if isinstance(annotation, str) else None


def resolve(annotation: object, scope: Scope) -> object:
    """The object that an annotation stands for: text is evaluated, aliases, ``Annotated`` and ``NewType`` are undone.

    What cannot be evaluated is ``Unknown``. Type arguments are left as they stand: resolve them in turn.
    """
    for _ in range(100):  # ``type X = X`` is legal until somebody looks
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


def is_class(found: object) -> TypeIs[type[object]]:
    """``isinstance(found, type)``, of which type checkers know what kind of type it is."""
    return isinstance(found, type)


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
        # An annotation is code of the module that was imported a moment ago; typing.get_type_hints does the same.
        # The builtins must be there: typing imports something while it subscripts, and asks them how.
        return eval(_compile(text), {"__builtins__": builtins}, scope)  # noqa: S307
    except Exception:  # noqa: BLE001 - whatever a stranger's annotation raises, it cannot be read
        return Unknown


def _evaluate_reference(reference: ForwardRef, scope: Scope) -> object:
    text = reference.__forward_arg__
    if sys.version_info >= (3, 14):
        # The text may hold names that only the reference knows, for the parts of it that could be evaluated.
        try:
            names = {node.id for node in ast.walk(ast.parse(text, mode="eval")) if isinstance(node, ast.Name)}
            return reference.evaluate(locals={name: scope[name] for name in names})
        except Exception:  # noqa: BLE001 - as above
            return Unknown
    return text


def _scope_of_module(name: str) -> Scope:
    module = sys.modules.get(name)
    return Scope({**vars(builtins), **({} if module is None else vars(module))})


def _add_type_parameters(scope: Scope, owner: object) -> None:
    for parameter in getattr(owner, "__type_params__", ()):
        scope[parameter.__name__] = parameter
