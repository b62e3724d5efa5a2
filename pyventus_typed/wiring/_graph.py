"""The report as a graph: events and handlers are nodes, receiving and emitting are edges."""

import enum
from dataclasses import dataclass

from pyventus_typed import Event, Request

from ._report import Place, Report, Rule, WiredEvent, WiredHandler


class Kind(enum.StrEnum):
    EVENT = "event"
    REQUEST = "request"
    BASE = "base"  # stands for all of its subclasses
    HANDLER = "handler"
    CODE = "code"  # emits, and is not a handler


class EdgeKind(enum.StrEnum):
    RECEIVES = "receives"  # event -> handler
    EMITS = "emits"  # handler or other code -> event
    BELONGS = "belongs"  # event -> base, through which alone it is received


@dataclass(frozen=True, slots=True)
class Node:
    key: str
    kind: Kind
    label: str
    place: Place | None
    faults: tuple[str, ...]
    members: tuple[str, ...] = ()  # of a base: the events that it stands for
    group: str = ""  # of an event: its nearest base, or else its module


@dataclass(frozen=True, slots=True)
class Edge:
    source: str
    target: str
    kind: EdgeKind


@dataclass(frozen=True, slots=True)
class Graph:
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]


def graph_of(report: Report) -> Graph:
    """A handler is drawn behind what it is subscribed to. A base that a handler is subscribed to is a node, "any Base".

    Only events without a handler of their own have an edge to their base: with an edge from every member the drawing
    of a large family is a tangle, and so an event without any edge out of it is one that no handler receives.
    """
    event_keys = {event.type: f"e{number}" for number, event in enumerate(report.events)}
    shown = [event for event in report.events if event.emittable or _is_used(report, event)]
    bases = [event for event in shown if _is_base(report, event)]
    nodes = [_event_node(report, event, event_keys[event.type], is_base=event in bases) for event in shown]
    edges: list[Edge] = []
    for number, handler in enumerate(report.handlers):
        key = f"h{number}"
        faults = tuple(fault.message for fault in report.faults if _is_of(fault.handler, fault.place, handler))
        nodes.append(Node(key, Kind.HANDLER, handler.name, handler.place, faults))
        edges += [Edge(event_keys[event], key, EdgeKind.RECEIVES) for event in handler.events]
        emitted = dict.fromkeys(each.event for each in handler.emits)
        edges += [Edge(key, event_keys[event], EdgeKind.EMITS) for event in emitted]
    for number, code in enumerate(report.code):
        nodes.append(Node(f"c{number}", Kind.CODE, code.name, code.place, ()))
        emitted = dict.fromkeys(each.event for each in code.emits)
        edges += [Edge(f"c{number}", event_keys[event], EdgeKind.EMITS) for event in emitted]
    for event in shown:
        if event not in bases and not any(event.type in handler.events for handler in report.handlers):
            edges += [
                Edge(event_keys[event.type], event_keys[base.type], EdgeKind.BELONGS)
                for base in bases
                if issubclass(event.type, base.type)
            ]
    return Graph(tuple(nodes), tuple(edges))


def _is_used(report: Report, event: WiredEvent) -> bool:
    return any(
        event.type in handler.events or any(each.event is event.type for each in handler.emits)
        for handler in report.handlers
    ) or any(each.event is event.type for code in report.code for each in code.emits)


def _is_base(report: Report, event: WiredEvent) -> bool:
    linked = any(event.type in handler.events for handler in report.handlers)
    below = any(each.emittable and each is not event and issubclass(each.type, event.type) for each in report.events)
    return linked and (below or event.type in (Event, Request))


def _event_node(report: Report, event: WiredEvent, key: str, *, is_base: bool) -> Node:
    of_events = (Rule.UNHANDLED, Rule.UNANSWERED, Rule.MUTABLE, Rule.UNDECORATED)
    faults = tuple(fault.message for fault in report.faults if fault.event is event.type and fault.rule in of_events)
    if is_base:
        members = (each for each in report.events if each.emittable and issubclass(each.type, event.type))
        names, group = tuple(each.name for each in members), _group_of(report, event)
        return Node(key, Kind.BASE, f"any {event.name}", event.place, faults, names, group)
    kind = Kind.REQUEST if issubclass(event.type, Request) else Kind.EVENT
    return Node(key, kind, event.name, event.place, faults, group=_group_of(report, event))


def _group_of(report: Report, event: WiredEvent) -> str:
    if any(each is not event and issubclass(each.type, event.type) for each in report.events):
        return event.name
    bases = (base for base in event.type.__mro__[1:] if issubclass(base, Event) and base not in (Event, Request))
    return next((base.__qualname__ for base in bases), event.type.__module__)


def _is_of(name: str | None, place: Place | None, handler: WiredHandler) -> bool:
    return name == handler.name and place == handler.place
