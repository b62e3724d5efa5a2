"""check(): the facts, judged by every rule, as one report; and handlers that trigger each other."""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence

from pyventus_typed import Event

from ._facts import AnyLinker, Facts, Link
from ._report import Cycle, Finding, Place, Report, Rule, WiredEvent, WiredHandler
from ._rules import RULES
from ._types import is_emittable


def check(
    linker: AnyLinker, /, *linkers: AnyLinker, family: object = None, sources: Iterable[str] | None = None
) -> Report:
    """Check the wiring of one or more linkers together. An event is handled if any of them handles it.

    *family* says which events exist: a base class (with all of its imported subclasses), a union, an alias of one, or a
    tuple of these. It is typed as ``object`` because no type that all checkers know covers these forms. Without it, the
    family is that of the linkers if it is known at run time, as for ``Linker[A | B]()`` or a subclass of
    ``Linker[A | B]``. Otherwise it is what the handlers are subscribed to and what they emit.

    *sources* are names of packages and modules, such as ``["shop"]``. The check reads what their code emits outside of
    handlers, and also finds events that nothing emits. It does not import them.

    Nothing is emitted, no handler is called and nothing is changed. The source code of the handlers is read and not run;
    annotations that are strings are evaluated. Raises ``NotALinker``, ``NotAFamily``, and ``NotLoaded`` if a source cannot
    be found. Findings are not raised: they are in the report. ::

        def test_the_wiring() -> None:
            report = check(linker)
            assert not report.faults, report
            assert not report.cycles, report
    """
    return _report(Facts([linker, *linkers], family, sources))


def _report(facts: Facts) -> Report:
    findings = [finding for rule in RULES for finding in rule(facts)]
    events, handlers = _wired_events(facts), _wired_handlers(facts)
    cycles = tuple(_cycles(events, handlers))
    for cycle in cycles:
        first, last = cycle.steps[0], cycle.steps[-1]
        place = next((each.place for each in last[1].emits if each.event is first[0].type), last[1].place)
        findings.append(Finding(Rule.CYCLE, f"these trigger each other: {cycle}", place, first[0].type, first[1].name))
    findings.sort(key=_by_place)
    return Report(
        faults=tuple(finding for finding in findings if finding.rule.is_fault),
        notes=tuple(finding for finding in findings if not finding.rule.is_fault),
        events=events,
        handlers=handlers,
        cycles=cycles,
        code=facts.code.emitting,
    )


def _by_place(finding: Finding) -> tuple[bool, str, int, str]:
    place = finding.place or Place("", 0)
    return finding.place is None, place.file, place.line, finding.message


def _wired_events(facts: Facts) -> tuple[WiredEvent, ...]:
    return tuple(
        WiredEvent(
            type=event,
            name=facts.name(event),
            place=facts.sources.place_of_class(event),
            in_family=event in facts.family,
            emittable=is_emittable(event),
            receivers=tuple(facts.links.index(link) for link in _receivers(facts, event)),
        )
        for event in facts.events
    )


def _wired_handlers(facts: Facts) -> tuple[WiredHandler, ...]:
    return tuple(
        WiredHandler(
            handler=link.handler,
            name=link.name,
            place=link.place,
            events=link.events,
            receives=tuple(event for event in facts.events if link in _receivers(facts, event)),
            emits=link.emissions.emits,
            answers=link.answers,
        )
        for link in facts.links
    )


def _receivers(facts: Facts, event: type[Event]) -> tuple[Link, ...]:
    return facts.receivers(event) if is_emittable(event) else ()


def _cycles(events: Sequence[WiredEvent], handlers: Sequence[WiredHandler]) -> list[Cycle]:
    by_type = {event.type: event for event in events}
    edges = {
        number: [
            other
            for other, receiver in enumerate(handlers)
            if any(each.event in receiver.receives for each in handler.emits)
        ]
        for number, handler in enumerate(handlers)
    }
    found: list[Cycle] = []
    for path in shortest_cycles(edges):
        steps: list[tuple[WiredEvent, WiredHandler]] = []
        for number, handler in enumerate(handlers[each] for each in path):
            before = handlers[path[number - 1]]
            event = next(each.event for each in before.emits if each.event in handler.receives)
            steps.append((by_type[event], handler))
        found.append(Cycle(tuple(steps)))
    return found


Edges = Mapping[int, Sequence[int]]


def shortest_cycles(edges: Edges) -> list[list[int]]:
    """One shortest cycle for each knot of nodes that all reach each other, each starting with its smallest node."""
    cycles: list[list[int]] = []
    done: set[int] = set()
    for start in sorted(edges):
        if start in done:
            continue
        cycle = _path_back(start, edges)
        if cycle is None:
            continue
        forward, backward = _reachable(start, edges), _reachable(start, _reversed(edges))
        done |= forward & backward
        cycles.append(cycle)
    return cycles


def _path_back(start: int, edges: Edges) -> list[int] | None:
    """The shortest way from *start* to itself, *start* given once; None if there is none."""
    came_from: dict[int, int] = {}
    waiting = deque([start])
    while waiting:
        node = waiting.popleft()
        for successor in edges.get(node, ()):
            if successor == start:
                path = [node]
                while path[-1] != start:
                    path.append(came_from[path[-1]])
                return path[::-1]
            if successor not in came_from:
                came_from[successor] = node
                waiting.append(successor)
    return None


def _reachable(start: int, edges: Edges) -> set[int]:
    found, waiting = {start}, [start]
    while waiting:
        for successor in edges.get(waiting.pop(), ()):
            if successor not in found:
                found.add(successor)
                waiting.append(successor)
    return found


def _reversed(edges: Edges) -> Edges:
    backward: dict[int, list[int]] = {}
    for node, successors in edges.items():
        for successor in successors:
            backward.setdefault(successor, []).append(node)
    return backward
