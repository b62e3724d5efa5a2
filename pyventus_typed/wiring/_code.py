"""What the code of whole packages emits and makes, outside of the handlers: read from its files, without importing any."""

import ast
import builtins
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

from typing_extensions import override

from pyventus_typed import Event

from ._bindings import imports
from ._emissions import classes_made_in, emissions_in, is_emitter
from ._frame import Frame
from ._hints import Scope
from ._report import NotLoaded, Place, WiredCode
from ._source import FunctionNode


@dataclass(frozen=True, slots=True)
class Code:
    """The functions and modules that emit something, every event class that is called anywhere, and what was not read."""

    emitting: tuple[WiredCode, ...] = ()
    made: frozenset[type[Event]] = frozenset()
    unread: tuple[tuple[Place, str], ...] = ()


def read_code(names: Iterable[str]) -> Code:
    """Read the packages and modules of these *names*. Raises ``NotLoaded`` for one that is not there."""
    emitting: list[WiredCode] = []
    made: set[type[Event]] = set()
    unread: list[tuple[Place, str]] = []
    for file, name in dict.fromkeys(found for each in names for found in _files_of(each)):
        try:
            tree = ast.parse(file.read_bytes())
        except (OSError, SyntaxError, ValueError) as error:
            line = error.lineno if isinstance(error, SyntaxError) and error.lineno else 1
            unread.append((Place(str(file), line), f"this file cannot be read: {type(error).__name__}"))
            continue
        package = name if file.name == "__init__.py" else name.rpartition(".")[0]
        scope = _scope_of(name, package, file, tree)
        for title, node in _units_of(tree):
            frame = Frame(scope, package, node, (), None)
            found = emissions_in(node, frame, str(file), is_certain=is_emitter)
            made.update(classes_made_in(node, frame))
            spelled = title or name
            unread += [
                (place, f"{spelled} emits an event here that cannot be read from the source") for place in found.unread
            ]
            if found.emits:
                emitting.append(WiredCode(spelled, Place(str(file), node.lineno), found.emits))
    return Code(tuple(emitting), frozenset(made), tuple(unread))


def _files_of(name: str) -> Iterator[tuple[Path, str]]:
    """The source files of a module, or of all modules of a package, each with the name of its module."""
    folders, origin = _look_for(name)
    if not folders:
        if origin is None or not origin.endswith(".py"):
            raise NotLoaded(name, "this module has no source that could be read.")
        yield Path(origin), name
    for folder in map(Path, folders):
        for file in sorted(folder.rglob("*.py")):
            parts = [*name.split("."), *file.relative_to(folder).with_suffix("").parts]
            if all(part.isidentifier() for part in parts):  # what has another name cannot be imported either
                yield file, ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _look_for(name: str) -> tuple[list[str], str | None]:
    """The folders of a package, or the file of a module; found without running it, unless it is in a package."""
    found: ModuleType | ModuleSpec | None = sys.modules.get(name)
    if found is None:
        try:
            found = find_spec(name) if all(part.isidentifier() for part in name.split(".")) else None
        except (ImportError, ValueError):
            found = None
    if isinstance(found, ModuleType):
        return list(getattr(found, "__path__", ())), getattr(found, "__file__", None)
    if found is None:
        raise NotLoaded(name, f"there is no package or module {name!r} to read; it was looked for where imports are.")
    return list(found.submodule_search_locations or ()), found.origin


def _scope_of(name: str, package: str, file: Path, tree: ast.Module) -> Scope:
    """The names of a module: its own if it is imported, else those of its imports that are."""
    module = sys.modules.get(name)
    if module is not None and Path(getattr(module, "__file__", None) or "").resolve() == file.resolve():
        return Scope({**vars(builtins), **vars(module)})
    return Scope({**vars(builtins), **dict(imports(tree, package))})


def _units_of(tree: ast.Module) -> Iterator[tuple[str, FunctionNode]]:
    """Each function that stands in no other one, with its name, and the rest of the module, without one."""
    rest = _Definitions()
    body = [statement for statement in map(rest.visit, tree.body) if isinstance(statement, ast.stmt)]
    yield "", ast.FunctionDef("", _NO_ARGUMENTS, body, [], lineno=1)
    yield from rest.found


class _Definitions(ast.NodeTransformer):
    """Takes the functions out of a module, whose tree is not needed any more."""

    def __init__(self) -> None:
        self.found: list[tuple[str, FunctionNode]] = []
        self._outer = ""

    @override
    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        outer, self._outer = self._outer, f"{self._outer}{node.name}."
        self.generic_visit(node)
        self._outer = outer
        return node

    @override
    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self.found.append((f"{self._outer}{node.name}", node))

    @override
    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self.found.append((f"{self._outer}{node.name}", node))


_NO_ARGUMENTS = ast.arguments([], [], None, [], [], None, [])
