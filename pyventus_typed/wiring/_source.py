"""Where things are defined: the file and line of a class, a field, a handler, and the syntax tree of a function."""

import ast
import functools
import inspect
import linecache
import sys
from collections.abc import Callable, Iterator
from types import CodeType, FunctionType, MethodType, ModuleType

from pyventus_typed._spelling import short_name, spell, text_attribute

from ._report import Place

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


def spell_handler(handler: Callable[..., object]) -> str:
    if isinstance(handler, functools.partial):
        return f"partial({spell_handler(handler.func)})"
    name = text_attribute(handler, "__qualname__")
    if name is None:  # a callable object
        return spell(type(handler))
    name = short_name(name)
    return "lambda" if name == "<lambda>" else name


def function_of(handler: object) -> FunctionType | None:
    """The Python function that a call of *handler* runs in the end, or None where there is no such thing."""
    for _ in range(100):  # decorators can be stacked; a ``__wrapped__`` that leads back to itself must end
        if isinstance(handler, functools.partial):
            handler = handler.func
        elif isinstance(handler, MethodType):
            handler = handler.__func__
        elif isinstance(handler, FunctionType):
            wrapped = handler.__dict__.get("__wrapped__")
            if not callable(wrapped):
                return handler
            handler = wrapped
        elif (wrapped := inspect.getattr_static(handler, "__wrapped__", None)) is not None:
            handler = wrapped
        else:
            handler = inspect.getattr_static(type(handler), "__call__", None)
    return None


def bound_arguments(handler: object) -> tuple[object, ...]:
    """What a handler's function gets before the event: ``self``, and the positional arguments of a ``partial``."""
    if isinstance(handler, functools.partial):
        return (*bound_arguments(handler.func), *handler.args)
    if isinstance(handler, MethodType):
        return (handler.__self__,)
    return () if isinstance(handler, FunctionType) else (handler,)


class Sources:
    """The source files that one check has read, each parsed once."""

    def __init__(self) -> None:
        self._files: dict[str, _File | None] = {}

    def place_of_class(self, cls: type, field: str | None = None) -> Place | None:
        """The line of *cls*, or of the field in its body; None where there is no source."""
        module = sys.modules.get(cls.__module__)
        name = getattr(module, "__file__", None)
        if module is None or name is None or (file := self._read(name, module)) is None:
            return None
        node = file.classes.get(cls.__qualname__)
        if node is None:
            return None
        line = node.lineno
        for statement in node.body:
            if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
                line = statement.lineno if statement.target.id == field else line
        return Place(name, line)

    def place_of_handler(self, handler: Callable[..., object]) -> Place | None:
        function = function_of(handler)
        if function is None:
            return self.place_of_class(type(handler))
        node = self.node_of(function.__code__)
        return None if node is None else Place(function.__code__.co_filename, node.lineno)

    def node_of(self, code: CodeType) -> FunctionNode | None:
        """The definition of a function; None where the source is missing, or is not what was compiled."""
        file = self._read(code.co_filename, None)
        if file is None:
            return None
        if code.co_name != "<lambda>":
            return file.functions.get((code.co_name, code.co_firstlineno))
        # Several lambdas may share a line; the instruction that returns covers exactly the body of one.
        spans = set(code.co_positions())
        for node in file.lambdas:
            body = node.body
            if (body.lineno, body.end_lineno, body.col_offset, body.end_col_offset) in spans:
                return node
        return None

    def _read(self, name: str, module: ModuleType | None) -> "_File | None":
        if name not in self._files:
            linecache.checkcache(name)
            text = "".join(linecache.getlines(name, None if module is None else vars(module)))
            self._files[name] = _File.parse(text)
        return self._files[name]


class _File:
    """The definitions of one source file, by the names that Python gives them at run time."""

    def __init__(self, tree: ast.Module) -> None:
        self.classes: dict[str, ast.ClassDef] = {}
        self.functions: dict[tuple[str, int], FunctionNode] = {}
        self.lambdas: list[ast.Lambda] = []
        for scope, node in _definitions(tree, ""):
            match node:
                case ast.ClassDef():
                    self.classes[f"{scope}{node.name}"] = node
                case ast.FunctionDef() | ast.AsyncFunctionDef():
                    first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
                    self.functions[node.name, first] = node
                case ast.Lambda():
                    self.lambdas.append(node)

    @classmethod
    def parse(cls, text: str) -> "_File | None":
        try:
            return cls(ast.parse(text)) if text else None
        except (SyntaxError, ValueError):  # edited since it was imported, or no Python at all
            return None


def _definitions(tree: ast.AST, scope: str) -> Iterator[tuple[str, ast.ClassDef | FunctionNode]]:
    for child in ast.iter_child_nodes(tree):
        inner = scope
        if isinstance(child, ast.ClassDef):
            yield scope, child
            inner = f"{scope}{child.name}."
        elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield scope, child
            inner = f"{scope}{child.name}.<locals>."
        elif isinstance(child, ast.Lambda):
            yield scope, child
            inner = f"{scope}<lambda>.<locals>."
        yield from _definitions(child, inner)
