"""What the names in a function's source stand for, without running it."""

import ast
import copy
import dataclasses
import functools
import inspect
import sys
from collections.abc import Iterable, Iterator
from types import FunctionType, MemberDescriptorType, MethodType, ModuleType, UnionType
from typing import Final, Union, get_args, get_origin

from pyventus_typed import Event

from ._family import is_event_class
from ._hints import Unknown, resolve, scope_of_function
from ._source import FunctionNode

Classes = frozenset[type[Event]]
NO_EVENT: Final[Classes] = frozenset()
_OF_THE_CLASS: tuple[type[object], ...] = (classmethod, staticmethod)
_COMPUTED: tuple[type[object], ...] = (property, functools.cached_property)
_COPIES: tuple[object, ...] = (dataclasses.replace, copy.copy, copy.deepcopy)


class Missing:
    """Stands for a name of which only a run can tell what it is."""


class Frame:
    """One function as it is read: its globals, its closure, its parameters, and what is assigned in its body."""

    def __init__(
        self, function: FunctionType, node: FunctionNode, bound: tuple[object, ...], event: Classes | None
    ) -> None:
        self._scope = scope_of_function(function)
        self._function = function
        self._assigned = _assignments(node)
        self._values: dict[str, object] = dict(_local_imports(node, function.__module__))
        parameters = [*node.args.posonlyargs, *node.args.args]
        self._parameters = {each.arg: each.annotation for each in [*parameters, *node.args.kwonlyargs]}
        self._event: dict[str, Classes] = {}
        self._values.update(zip((each.arg for each in parameters), bound, strict=False))
        if event is not None and len(bound) < len(parameters):
            self._event[parameters[len(bound)].arg] = event

    def look_up(self, expression: ast.expr) -> object:
        """The object that a name or an attribute stands for, or ``Missing``. No property of the user's is run."""
        match expression:
            case ast.Name(id=name) if name in self._values:
                return self._values[name]
            case ast.Name(id=name) if name in self._assigned or name in self._parameters:
                return Missing
            case ast.Name(id=name):
                return self._scope.get(name, Missing)
            case ast.Attribute(value=owner, attr=name):
                return _attribute(self.look_up(owner), name)
            case ast.Subscript(value=generic):
                found = self.look_up(generic)
                return found if isinstance(found, type) else Missing
            case _:
                return Missing

    def events_of(  # noqa: C901, PLR0911 - one case for each form that an expression may have
        self, expression: ast.expr | None, tried: frozenset[str] = frozenset()
    ) -> Classes | None:
        """The event classes that the value may have; none for what is no event; None where only a run can tell."""
        match expression:
            case ast.Constant() | ast.JoinedStr() | ast.Dict() | ast.List() | ast.Set():
                return NO_EVENT
            case ast.Call():
                return self._events_of_call(expression, tried)
            case ast.IfExp(body=left, orelse=right):
                return _either([self.events_of(left, tried), self.events_of(right, tried)])
            case ast.BoolOp(values=values):
                return _either(self.events_of(value, tried) for value in values)
            case ast.NamedExpr(value=value) | ast.Await(value=value):
                return self.events_of(value, tried)
            case ast.Name(id=name) if name in tried:
                return NO_EVENT  # ``event = event or ...``: the other assignments say what it is
            case ast.Name(id=name) if name in self._assigned and name not in self._event:
                return _either(self.events_of(value, tried | {name}) for value in self._assigned[name])
            case ast.Name(id=name) if name in self._event:
                return self._event[name]
            case ast.Name(id=name) if self._parameters.get(name) is not None:
                return self._events_of_annotation(self._parameters[name])
            case ast.Name() | ast.Attribute():
                found = self.look_up(expression)
                if found is Missing:
                    return None
                return frozenset({type(found)}) if isinstance(found, Event) else NO_EVENT
            case _:
                return None

    def methods_named(self, expression: ast.expr, names: frozenset[str]) -> bool:
        """Whether the expression is an attribute of one of these names, or a local name for one."""
        match expression:
            case ast.Attribute(attr=name):
                return name in names
            case ast.Name(id=name):
                values = self._assigned.get(name, ())
                return any(isinstance(value, ast.Attribute) and value.attr in names for value in values)
            case _:
                return False

    def _events_of_call(self, call: ast.Call, tried: frozenset[str]) -> Classes | None:
        called = self.look_up(call.func)
        if is_event_class(called):
            return frozenset({called})
        if isinstance(called, type):
            return NO_EVENT
        if called in _COPIES and call.args:
            return self.events_of(call.args[0], tried)
        if isinstance(called, MethodType) and is_event_class(called.__self__):
            return frozenset({called.__self__})  # ``Paid.for_order(...)``: a constructor by another name
        function = called.__func__ if isinstance(called, MethodType) else called
        if isinstance(function, FunctionType) and "return" in function.__annotations__:
            return _events_of_type(function.__annotations__["return"], function)
        return None

    def _events_of_annotation(self, annotation: ast.expr | None) -> Classes | None:
        return None if annotation is None else _events_of_type(ast.unparse(annotation), self._function)


def _events_of_type(annotation: object, function: FunctionType) -> Classes | None:
    scope = scope_of_function(function)
    resolved = resolve(annotation, scope)
    members = get_args(resolved) if get_origin(resolved) in (Union, UnionType) else (resolved,)
    classes = [get_origin(member) or member for member in (resolve(each, scope) for each in members)]
    if Unknown in classes or not all(isinstance(cls, type | None) for cls in classes):
        return None
    return frozenset(filter(is_event_class, classes))


def _either(choices: Iterable[Classes | None]) -> Classes | None:
    found = NO_EVENT
    for choice in choices:
        if choice is None:
            return None
        found |= choice
    return found


def _attribute(owner: object, name: str) -> object:  # noqa: PLR0911 - one for each kind of owner
    if owner is Missing:
        return Missing
    if isinstance(owner, ModuleType):
        return vars(owner).get(name, Missing)
    try:
        if isinstance(owner, type):
            found = inspect.getattr_static(owner, name)
            return getattr(owner, name) if isinstance(found, _OF_THE_CLASS) else found
        found = inspect.getattr_static(owner, name)
        if isinstance(found, MemberDescriptorType):  # a slot
            return getattr(owner, name)
    except AttributeError:
        return Missing
    if isinstance(found, FunctionType) and name not in getattr(owner, "__dict__", {}):
        return MethodType(found, owner)
    if isinstance(found, _OF_THE_CLASS):
        return getattr(type(owner), name)
    return Missing if isinstance(found, _COMPUTED) else found


def _assignments(node: FunctionNode) -> dict[str, list[ast.expr | None]]:
    """What each local name is assigned from. None stands for a value that cannot be read, such as a ``with`` target."""
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
                if isinstance(each.iter, ast.Tuple | ast.List | ast.Set):
                    yield from ((each.target, element) for element in each.iter.elts)
                else:
                    yield each.target, None
            case ast.AugAssign(target=target):
                yield target, None
            case ast.withitem(optional_vars=ast.expr() as target):
                yield target, None
            case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                yield ast.Name(name, ast.Store()), None
            case _:
                pass


def _local_imports(node: FunctionNode, module: str) -> Iterator[tuple[str, object]]:
    """Names that the body imports, as far as they are loaded already. Nothing is imported for them."""
    package = sys.modules.get(module)
    for each in ast.walk(node):
        if isinstance(each, ast.ImportFrom):
            source = each.module or ""
            if each.level:
                parent = (getattr(package, "__package__", None) or "").split(".")
                parent = parent[: len(parent) + 1 - each.level]
                source = ".".join([*parent, source] if source else parent)
            loaded = sys.modules.get(source)
            for alias in each.names:
                yield alias.asname or alias.name, getattr(loaded, alias.name, Missing)
        elif isinstance(each, ast.Import):
            for alias in each.names:
                name = alias.name if alias.asname else alias.name.partition(".")[0]
                yield alias.asname or name, sys.modules.get(name, Missing)
