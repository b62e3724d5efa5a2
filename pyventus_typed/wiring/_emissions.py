"""What a handler emits, as far as it can be read from its source and from that of the functions that it calls."""

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import FunctionType, MethodType

from pyventus_typed import Emitter, Event

from ._family import is_emittable, is_event_class
from ._frame import Classes, Frame
from ._lookup import Missing
from ._report import Emits, Place
from ._source import FunctionNode, Sources, bound_arguments, function_of, is_library

_EMITTING = frozenset({"emit", "try_emit", "emit_wait", "publish", "ask"})
# Other libraries publish and ask, too: these alone say that something of ours was emitted.
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
    return Emissions(
        tuple(sorted(reading.emits, key=lambda each: (*_order(each.place), each.event.__qualname__))),
        tuple(sorted(reading.unread, key=_order)),
    )


def _order(place: Place) -> tuple[str, int]:
    return place.file, place.line


class _Reading:
    """The reading of one handler: what was found, and what was read already, for functions that call each other."""

    def __init__(self, home: str, sources: Sources) -> None:
        self.emits: set[Emits] = set()
        self.unread: set[Place] = set()
        self._home = home
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
        if function is not None and _is_users(function, self._home):
            self.read(function, bound_arguments(called), None)


def emissions_in(
    node: FunctionNode, frame: Frame, file: str, *, is_certain: Callable[[ast.expr, Frame], bool]
) -> Emissions:
    """The same for one function, without what it calls. Where it *is_certain* that an emitter of ours is called, an
    event that cannot be read is worth a note.
    """
    emits: dict[Emits, None] = {}
    unread: dict[Place, None] = {}
    for call in calls_in(node):
        for method, argument in _candidates(call, frame):
            place = Place(file, call.lineno)
            events = frame.events_of(argument)
            # A base that cannot be emitted stands for a subclass, and only a run can tell which.
            emits.update(dict.fromkeys(Emits(each, place) for each in events or () if is_emittable(each)))
            if (events is None or not all(map(is_emittable, events))) and is_certain(method, frame):
                unread[place] = None
    return Emissions(tuple(emits), tuple(unread))


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


def _is_users(function: FunctionType, home: str) -> bool:
    """Whether to follow a call into *function*: it is no library's, or the handler is of the same library."""
    ours, theirs = home.split("."), function.__module__.split(".")
    if ours[0] == theirs[0] != "pyventus_typed" or (len(ours) > 1 and ours[:-1] == theirs[:-1]):
        return True
    return not is_library(function.__code__.co_filename)
