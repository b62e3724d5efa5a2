"""Which events an expression in a function's source may be, without running it."""

import ast
import asyncio
import copy
import dataclasses
import functools
import inspect
import sys
from collections.abc import AsyncIterable, Iterable, Iterator
from types import FunctionType, MemberDescriptorType, MethodType, UnionType
from typing import Final, Union, get_args, get_origin

from pyventus_typed import Event, Request

from ._source import FunctionNode
from ._types import Scope, Unknown, annotations_of, is_class, is_event_class, resolve, scope_of_class, scope_of_function

Classes = frozenset[type[Event]]
Annotation = tuple[object, Scope]
NO_EVENT: Final[Classes] = frozenset()
_NO_NAMES: Final = frozenset[str]()
_COPIES: tuple[object, ...] = (dataclasses.replace, copy.copy, copy.deepcopy)
_SAME_ELEMENTS: tuple[object, ...] = (list, tuple, set, frozenset, sorted, reversed, iter)


class Frame:
    """One function as it is read: the names around it, its parameters, and what is assigned in its body.

    *bound* is what its first parameters are known to be, and *event* which events the next one may be.
    """

    def __init__(
        self, scope: Scope, package: str, node: FunctionNode, bound: tuple[object, ...], event: Classes | None
    ) -> None:
        self._scope = scope
        self._assigned = assignments(node)
        self._annotations = annotations(node)
        parameters = [each.arg for each in (*node.args.posonlyargs, *node.args.args)]
        self._local = {*parameters, *(each.arg for each in node.args.kwonlyargs), *self._assigned}
        self._values = dict(imports(node, package))
        self._values.update(zip(parameters, bound, strict=False))
        self._event: dict[str, Classes] = {}
        if event is not None and len(bound) < len(parameters):
            self._event[parameters[len(bound)]] = event

    @classmethod
    def of(
        cls, function: FunctionType, node: FunctionNode, bound: tuple[object, ...], event: Classes | None
    ) -> "Frame":
        """That of a function that is there, with its globals and its closure."""
        package = function.__globals__.get("__package__") or ""
        return cls(scope_of_function(function), package, node, bound, event)

    def look_up(self, expression: ast.expr) -> object:
        """The object that a name or an attribute stands for, or ``Missing``. No property of the user's is run."""
        match expression:
            case ast.Name(id=name) if name in self._values:
                return known(self._values[name])
            case ast.Name(id=name):
                return Missing if name in self._local else known(self._scope.get(name, Missing))
            case ast.Attribute(value=owner, attr=name):
                return known(attribute_of(self.look_up(owner), name))
            case ast.Subscript(value=generic):
                found = self.look_up(generic)
                return found if isinstance(found, type) else Missing
            case _:
                return Missing

    def is_method(self, expression: ast.expr, names: frozenset[str]) -> bool:
        """Whether the expression is an attribute of one of these names, or a local name for one."""
        match expression:
            case ast.Attribute(attr=name):
                return name in names
            case ast.Name(id=name):
                values = self._assigned.get(name, ())
                return any(isinstance(value, ast.Attribute) and value.attr in names for value in values)
            case _:
                return False

    def events_of(  # noqa: PLR0911 - one case for each form that an expression may have
        self, expression: ast.expr | None, tried: frozenset[str] = _NO_NAMES
    ) -> Classes | None:
        """The event classes that the value may have; none for what is not an event; None where only a run can tell."""
        match expression:
            case ast.Constant() | ast.JoinedStr() | ast.Dict() | ast.List() | ast.Set() | ast.Tuple():
                return NO_EVENT
            case ast.Call():
                return self._events_of_call(expression, tried)
            case ast.IfExp(body=left, orelse=right):
                return _either([self.events_of(left, tried), self.events_of(right, tried)])
            case ast.BoolOp(values=values):
                return _either(self.events_of(value, tried) for value in values)
            case ast.NamedExpr(value=value) | ast.Await(value=value):
                return self.events_of(value, tried)
            case ast.Starred(value=iterable):
                return self._elements_of(iterable, tried)
            case ast.Name(id=name):
                return self._events_of_name(expression, name, tried)
            case ast.Attribute():
                return _events_of_object(self.look_up(expression))
            case _:
                return None

    def _events_of_name(self, expression: ast.expr, name: str, tried: frozenset[str]) -> Classes | None:
        if name in tried:
            return NO_EVENT  # ``event = event or ...``: the other assignments say what it is
        if name in self._event:
            return self._event[name]
        found: Classes | None = None
        if name in self._assigned:
            found = _either(self.events_of(value, tried | {name}) for value in self._assigned[name])
        elif name not in self._annotations:
            found = _events_of_object(self.look_up(expression))
        if found is None and name in self._annotations:
            return events_of_type(ast.unparse(self._annotations[name]), self._scope)
        return found

    def _events_of_call(self, call: ast.Call, tried: frozenset[str]) -> Classes | None:
        called = self.look_up(call.func)
        if is_event_class(called):
            return frozenset({called})
        if isinstance(called, type):
            return NO_EVENT
        if is_one_of(called, _COPIES) and call.args:
            return self.events_of(call.args[0], tried)
        if isinstance(called, MethodType) and is_event_class(called.__self__):
            return frozenset({called.__self__})  # ``Paid.for_order(...)``: a constructor by another name
        result = self._result_of(call)
        return None if result is None else events_of_type(*result)

    def _elements_of(  # noqa: PLR0911 - one case for each form
        self, iterable: ast.expr | None, tried: frozenset[str]
    ) -> Classes | None:
        match iterable:
            case ast.Tuple(elts=elements) | ast.List(elts=elements) | ast.Set(elts=elements):
                return _either(self.events_of(element, tried) for element in elements)
            case ast.BoolOp(values=choices):  # ``found or ()``
                return _either(self._elements_of(choice, tried) for choice in choices)
            case ast.ListComp(elt=element) | ast.SetComp(elt=element) | ast.GeneratorExp(elt=element):
                return self.events_of(element, tried)
            case ast.Call(args=[argument, *_]) if is_one_of(self.look_up(iterable.func), _SAME_ELEMENTS):
                return self._elements_of(argument, tried)
            case ast.Await(value=value):
                return self._elements_of(value, tried)
            case ast.Call():
                result = self._result_of(iterable)
                return None if result is None else elements_of_type(*result)
            case ast.Name(id=name) if name in self._annotations:
                return elements_of_type(ast.unparse(self._annotations[name]), self._scope)
            case ast.Name(id=name) if name in self._assigned and name not in tried:
                values = self._assigned[name]
                return _either(self._elements_of(value, tried | {name}) for value in values)
            case _:
                return None

    def _result_of(self, call: ast.Call) -> Annotation | None:
        """The annotation of what a call returns: the function's, or the answer's of ``ask(Price())``."""
        called = self.look_up(call.func)
        if called is asyncio.to_thread and call.args:
            called = self.look_up(call.args[0])
        if self.is_method(call.func, frozenset({"ask"})) and call.args:
            asked = self.events_of(call.args[0]) or NO_EVENT
            return _answer_of(next(iter(asked))) if len(asked) == 1 else None
        function = called.__func__ if isinstance(called, MethodType) else called
        if not isinstance(function, FunctionType):
            return None
        annotations = annotations_of(function)
        return (annotations["return"], scope_of_function(function)) if "return" in annotations else None


def events_of_type(annotation: object, scope: Scope) -> Classes | None:
    """The event classes that an annotation names; none if it names other things; None if it cannot tell."""
    resolved = resolve(annotation, scope)
    if get_origin(resolved) in (Union, UnionType):
        return _either(events_of_type(member, scope) for member in get_args(resolved))
    cls = get_origin(resolved) or resolved
    if is_event_class(cls):
        return frozenset({cls})
    return NO_EVENT if (is_class(cls) and cls not in (Unknown, object)) or cls is None else None


def elements_of_type(annotation: object, scope: Scope) -> Classes | None:
    """The same for what such an iterable holds."""
    resolved = resolve(annotation, scope)
    origin, arguments = get_origin(resolved), get_args(resolved)
    if origin in (Union, UnionType):
        return _either(elements_of_type(member, scope) for member in arguments if member is not type(None))
    if not is_class(origin) or not issubclass(origin, (Iterable, AsyncIterable)) or not arguments:
        return None
    members = arguments if origin is tuple else arguments[:1]
    return _either(events_of_type(member, scope) for member in members if member is not ...)


def _answer_of(request: type[Event]) -> Annotation | None:
    for cls in request.__mro__:
        for base in cls.__dict__.get("__orig_bases__", ()):
            if get_origin(base) is Request:
                return get_args(base)[0], scope_of_class(cls)
    return None


def _events_of_object(value: object) -> Classes | None:
    if value is Missing:
        return None
    return frozenset({type(value)}) if isinstance(value, Event) else NO_EVENT


def _either(choices: Iterable[Classes | None]) -> Classes | None:
    found = NO_EVENT
    for choice in choices:
        if choice is None:
            return None
        found |= choice
    return found


def assignments(node: FunctionNode) -> dict[str, list[ast.expr | None]]:
    """What each local name is assigned from.

    None stands for a value that cannot be read, such as a ``with`` target, and ``*each`` for one element of ``each``.
    """
    found: dict[str, list[ast.expr | None]] = {}
    for target, value in _bindings(node):
        match target, value:
            case ast.Name(id=name), _:
                found.setdefault(name, []).append(value)
            case (
                (ast.Tuple(elts=targets) | ast.List(elts=targets)),
                (ast.Tuple(elts=values) | ast.List(elts=values)),
            ) if len(targets) == len(values):
                for each, element in zip(targets, values, strict=True):
                    if isinstance(each, ast.Name):
                        found.setdefault(each.id, []).append(element)
            case _:
                for part in ast.walk(target):
                    if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
                        found.setdefault(part.id, []).append(None)
    return found


def _bindings(node: FunctionNode) -> Iterator[tuple[ast.expr, ast.expr | None]]:
    for each in ast.walk(node):
        match each:
            case ast.Assign(targets=targets, value=value):
                yield from ((target, value) for target in targets)
            case ast.AnnAssign(target=target, value=value) | ast.NamedExpr(target=target, value=value):
                yield target, value
            case ast.For() | ast.AsyncFor() | ast.comprehension():
                yield each.target, ast.Starred(each.iter, ast.Load())
            case ast.AugAssign(target=target):
                yield target, None
            case ast.withitem(optional_vars=ast.expr() as target):
                yield target, None
            case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                yield ast.Name(name, ast.Store()), None
            case _:
                pass


def annotations(node: FunctionNode) -> dict[str, ast.expr]:
    """The annotations of parameters and local names."""
    arguments = node.args
    found = {
        each.arg: each.annotation
        for each in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)
        if each.annotation is not None
    }
    for each in ast.walk(node):
        if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name):
            found[each.target.id] = each.annotation
    return found


def imports(node: ast.AST, package: str) -> Iterator[tuple[str, object]]:
    """Names that a function or a module of *package* imports, as far as they are loaded already. Nothing is imported."""
    for each in ast.walk(node):
        if isinstance(each, ast.ImportFrom):
            source = each.module or ""
            if each.level:
                parent = package.split(".")
                parent = parent[: len(parent) + 1 - each.level]
                source = ".".join([*parent, source] if source else parent)
            loaded = sys.modules.get(source)
            names = {} if loaded is None else vars(loaded)
            for alias in each.names:
                if alias.name == "*":
                    yield from names.items()
                elif alias.name in names:
                    yield alias.asname or alias.name, names[alias.name]
        elif isinstance(each, ast.Import):
            for alias in each.names:
                name = alias.name if alias.asname else alias.name.partition(".")[0]
                if name in sys.modules:
                    yield alias.asname or name, sys.modules[name]


_OF_THE_CLASS: tuple[type[object], ...] = (classmethod, staticmethod)
_COMPUTED: tuple[type[object], ...] = (property, functools.cached_property)


class Missing:
    """Stands for what only a run can tell."""


def known(value: object) -> object:
    """*value*, or ``Missing`` for a proxy that raises when it is asked what it is."""
    try:
        isinstance(value, Missing)
    except Exception:  # noqa: BLE001 - the proxy is a user's code
        return Missing
    return value


def is_one_of(value: object, those: tuple[object, ...]) -> bool:
    """Whether *value* is one of *those* itself. ``in`` would call a user's ``__eq__``."""
    return any(value is each for each in those)


def attribute_of(owner: object, name: str) -> object:  # noqa: PLR0911 - one for each kind of owner
    """What ``owner.name`` is, a method bound to its owner; ``Missing`` if it is not there, or is computed."""
    if owner is Missing:
        return Missing
    try:
        found = inspect.getattr_static(owner, name)
        if isinstance(owner, type):
            return getattr(owner, name) if isinstance(found, _OF_THE_CLASS) else found
        if isinstance(found, MemberDescriptorType):  # a slot
            return getattr(owner, name)
    except AttributeError:
        return Missing
    if isinstance(found, FunctionType) and name not in getattr(owner, "__dict__", {}):
        return MethodType(found, owner)
    if isinstance(found, _OF_THE_CLASS):
        return getattr(type(owner), name)
    return Missing if isinstance(found, _COMPUTED) else found
