"""What the check found, as values: places, findings, events, handlers, code, cycles, and the report that holds them."""

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from typing_extensions import override

from pyventus_typed import Event
from pyventus_typed._libraries import shown_path
from pyventus_typed._spelling import several


class Rule(enum.StrEnum):
    """What a finding is about. ``is_fault`` says whether it is a fault; a note does not change the exit code."""

    UNHANDLED = "unhandled", True  # an event without a receiver
    UNANSWERED = "unanswered", True  # a request that no handler answers
    UNREACHABLE = "unreachable", True  # a handler subscribed to a class of which no event can arrive
    MUTABLE = "mutable", True  # a field whose value can change after the event was emitted
    ANNOTATION = "annotation", True  # a handler that expects an event other than the one that it is subscribed to
    UNDECORATED = "undecorated", True  # fields, but no @dataclass: no emitter takes it
    CYCLE = "cycle", False  # handlers that trigger each other
    BASE = "base", False  # a base class without a receiver of its own
    OUTSIDE = "outside", False  # an event that is emitted, but is not in the family
    UNBOUND = "unbound", False  # a Subscriber class of which no instance is bound
    UNEMITTED = "unemitted", False  # an event that nothing emits or makes, in the code that was read
    UNREAD = "unread", False  # an emission whose event cannot be read from the source
    UNRESOLVED = "unresolved", False  # an annotation that cannot be evaluated

    is_fault: bool

    def __new__(cls, name: str, is_fault: bool) -> Self:  # noqa: FBT001 - each is beside its name, above
        self = str.__new__(cls, name)
        self._value_ = name
        self.is_fault = is_fault
        return self


@dataclass(frozen=True, slots=True)
class Place:
    """A line of a source file. As text, the path is relative if the file is below the current directory."""

    file: str
    line: int

    @property
    def path(self) -> str:
        return shown_path(self.file)

    @override
    def __str__(self) -> str:
        return f"{self.path}:{self.line}"


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault or one note. ``place`` is None if there is no source, as for a class that was made at run time."""

    rule: Rule
    message: str
    place: Place | None = None
    event: type[Event] | None = None
    handler: str | None = None

    @override
    def __str__(self) -> str:
        return f"{self.place or '(no source)'}: {self.rule}: {self.message}"


@dataclass(frozen=True, slots=True)
class Emits:
    """An emission that was found in the source of a handler, or of a function that it calls."""

    event: type[Event]
    place: Place


@dataclass(frozen=True, slots=True)
class WiredEvent:
    """An event class of the family, or one that a handler is subscribed to or emits."""

    type: type[Event]
    name: str  # unique in the report
    place: Place | None
    in_family: bool
    emittable: bool  # False: a base, of which only subclasses are emitted
    receivers: tuple[int, ...]  # places in ``Report.handlers``, in the order of delivery, linker by linker


@dataclass(frozen=True, slots=True)
class WiredHandler:
    """A handler with all of its subscriptions in the linkers that were checked."""

    handler: Callable[..., object]
    name: str
    place: Place | None
    events: tuple[type[Event], ...]  # what it is subscribed to
    receives: tuple[type[Event], ...]  # the events of the report that reach it, subclasses included
    emits: tuple[Emits, ...]
    answers: bool


@dataclass(frozen=True, slots=True)
class WiredCode:
    """A function, or the top level of a module, that emits something and is not a handler."""

    name: str
    place: Place
    emits: tuple[Emits, ...]


@dataclass(frozen=True, slots=True)
class Cycle:
    """Handlers that trigger each other in a cycle: each step is an event and the handler that it reaches.

    The last handler emits the first event.
    """

    steps: tuple[tuple[WiredEvent, WiredHandler], ...]

    @override
    def __str__(self) -> str:
        round_trip = " -> ".join(f"{event.name} -> {handler.name}" for event, handler in self.steps)
        return f"{round_trip} -> {self.steps[0][0].name}"


@dataclass(frozen=True, slots=True)
class Report:
    """The result of one check, ordered by file and line. The reports of two checks of the same wiring are equal.

    ``str(report)`` lists the findings, so that a test can say ``assert not report.faults, report``.
    """

    faults: tuple[Finding, ...]
    notes: tuple[Finding, ...]
    events: tuple[WiredEvent, ...]
    handlers: tuple[WiredHandler, ...]
    cycles: tuple[Cycle, ...]
    code: tuple[WiredCode, ...] = ()  # of the packages that were named to be read

    @override
    def __str__(self) -> str:
        lines = [str(fault) for fault in self.faults]
        lines += [f"{note.place or '(no source)'}: note: {note.message}" for note in self.notes]
        if not self.handlers:
            lines.append(
                "Nothing is subscribed to what was checked. Import the modules that hold the handlers first "
                "(in a terminal: --import MODULE)."
            )
        lines.append(self.summary)
        return "\n".join(lines)

    @property
    def summary(self) -> str:
        found = f"{several(len(self.faults), 'fault')}, {several(len(self.notes), 'note')}"
        events = several(sum(event.emittable for event in self.events), "event")
        return f"{found}; {events}, {several(len(self.handlers), 'handler')} checked"

    def receivers(self, event: type[Event]) -> tuple[WiredHandler, ...]:
        """The handlers that receive *event*, in the order of delivery, one linker after the other."""
        places = next((each.receivers for each in self.events if each.type is event), ())
        return tuple(self.handlers[place] for place in places)
