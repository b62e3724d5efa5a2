"""What handlers, and the code of whole packages, emit: read from their source, without running or importing it."""

import ast
import builtins
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from types import FunctionType, MethodType, ModuleType

from typing_extensions import override

from pyventus_typed import Emitter, Event
from pyventus_typed._libraries import is_library
from pyventus_typed.cli._parsing import NotLoaded

from ._frame import Classes, Frame, Missing, imports
from ._report import Emits, Place, WiredCode
from ._source import FunctionNode, Sources, bound_arguments, function_of
from ._types import Scope, is_emittable, is_event_class

_EMITTING = frozenset({"emit", "try_emit", "emit_wait", "publish", "ask"})
# Other libraries publish and ask, too: only these mean for certain that an `Emitter` emitted.
_OURS = frozenset({"emit", "try_emit", "emit_wait"})


@dataclass(frozen=True, slots=True)
class Emissions:
    """What was read from one handler: the emissions, and the places of those whose event cannot be told."""

    emits: tuple[Emits, ...] = ()
    unread: tuple[Place, ...] = ()


def emissions_of(handler: Callable[..., object], events: tuple[type[Event], ...], sources: Sources) -> Emissions:
    """Read *handler*, which receives *events*. Functions that it calls are followed, those of libraries are not."""
    function = function_of(handler)
    if function is None:
        return Emissions()
    reading = _Reading(function.__module__, sources)
    reading.read(function, bound_arguments(handler), frozenset(events))
    return _sorted(reading.emits, reading.unread)


def _sorted(emits: Iterable[Emits], unread: Iterable[Place]) -> Emissions:
    """Both by file and line: sets of classes have another order in each process."""
    return Emissions(
        tuple(sorted(emits, key=lambda each: (*_by_line(each.place), each.event.__qualname__))),
        tuple(sorted(unread, key=_by_line)),
    )


def _by_line(place: Place) -> tuple[str, int]:
    return place.file, place.line


class _Reading:
    """The reading of one handler: what was found, and what was read already, for functions that call each other."""

    def __init__(self, module: str, sources: Sources) -> None:
        self.emits: set[Emits] = set()
        self.unread: set[Place] = set()
        self._module = module
        self._sources = sources
        # Arguments belong to the key: two instances may call different methods under one name.
        self._done: set[tuple[FunctionType, tuple[int, ...]]] = set()

    def read(self, function: FunctionType, bound: tuple[object, ...], event: Classes | None) -> None:
        key = function, tuple(id(each) for each in bound)
        node = self._sources.node_of(function.__code__)
        if node is None or key in self._done:
            return
        self._done.add(key)
        frame = Frame.of(function, node, bound, event)
        found = emissions_in(node, frame, function.__code__.co_filename, is_certain=_is_ours)
        self.emits.update(found.emits)
        self.unread.update(found.unread)
        for call in calls_in(node):
            self._follow(frame.look_up(call.func))

    def _follow(self, called: object) -> None:
        if not isinstance(called, FunctionType | MethodType):
            return
        function = function_of(called)
        if function is not None and _is_users(function, self._module):
            self.read(function, bound_arguments(called), None)


def emissions_in(
    node: FunctionNode, frame: Frame, file: str, *, is_certain: Callable[[ast.expr, Frame], bool]
) -> Emissions:
    """The same for one function, without what it calls. Where it *is_certain* that an `Emitter` is called, an
    event that cannot be read is worth a note.
    """
    emits: set[Emits] = set()
    unread: set[Place] = set()
    for call in calls_in(node):
        for method, argument in _candidates(call, frame):
            place = Place(file, call.lineno)
            events = frame.events_of(argument)
            # A base that cannot be emitted stands for a subclass, and only a run can tell which.
            emits.update(Emits(each, place) for each in events or () if is_emittable(each))
            if (events is None or not all(map(is_emittable, events))) and is_certain(method, frame):
                unread.add(place)
    return _sorted(emits, unread)


def classes_made_in(node: FunctionNode, frame: Frame) -> Iterator[type[Event]]:
    """The event classes that it calls, or a class method of which it calls."""
    for call in calls_in(node):
        called = frame.look_up(call.func)
        owner = called.__self__ if isinstance(called, MethodType) else called
        if is_event_class(owner):
            yield owner


def calls_in(node: FunctionNode) -> Iterator[ast.Call]:
    # The decorators and defaults of a function run once, when it is defined, and not when the handler is called.
    bodies = [node.body] if isinstance(node, ast.Lambda) else node.body
    for body in bodies:
        for each in ast.walk(body):
            if isinstance(each, ast.Call):
                yield each


def _candidates(call: ast.Call, frame: Frame) -> Iterator[tuple[ast.expr, ast.expr]]:
    """``emitter.emit(Paid())``, and ``loop.call_later(5, emitter.emit, Paid())``: the method and its event."""
    if frame.is_method(call.func, _EMITTING) and call.args:
        yield call.func, call.args[0]
    for method, event in zip(call.args, call.args[1:], strict=False):
        if frame.is_method(method, _EMITTING):
            yield method, event


def _is_ours(method: ast.expr, frame: Frame) -> bool:
    """Whether this is an emission for certain, so that an event that cannot be read is worth a note."""
    receiver = frame.look_up(method.value) if isinstance(method, ast.Attribute) else Missing
    return isinstance(receiver, Emitter) if receiver is not Missing else frame.is_method(method, _OURS)


def is_emitter(method: ast.expr, frame: Frame) -> bool:
    """Whether it is a method of an `Emitter` that is there; other libraries have an ``emit`` of their own."""
    return isinstance(method, ast.Attribute) and isinstance(frame.look_up(method.value), Emitter)


def _is_users(function: FunctionType, module: str) -> bool:
    """Whether to follow a call into *function*: it does not belong to a library, or to that of the handler."""
    if module.partition(".")[0] == function.__module__.partition(".")[0] != "pyventus_typed":
        return True
    return not is_library(function.__code__.co_filename)


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
    """Each function that is not inside another one, with its name, and the rest of the module, without a name."""
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
