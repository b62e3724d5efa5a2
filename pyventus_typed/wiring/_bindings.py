"""What the names in a function are bound to, as far as the syntax shows it."""

import ast
import sys
from collections.abc import Iterator

from ._source import FunctionNode


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
