"""The report for programs. Paths are relative to the current directory, so that the output can be kept and compared."""

import json

from pyventus_typed import Event

from ._report import Finding, Place, Report

VERSION = 1  # raised when a key goes or changes its meaning, not when one is added

Json = dict[str, object]


def json_of(report: Report) -> str:
    names = {event.type: event.name for event in report.events}
    document: Json = {
        "version": VERSION,
        "faults": [_finding(each, names) for each in report.faults],
        "notes": [_finding(each, names) for each in report.notes],
        "events": [
            {
                "name": event.name,
                "module": event.type.__module__,
                "place": _place(event.place),
                "in_family": event.in_family,
                "emittable": event.emittable,
                "receivers": list(event.receivers),
            }
            for event in report.events
        ],
        "handlers": [
            {
                "name": handler.name,
                "place": _place(handler.place),
                "answers": handler.answers,
                "events": [names[event] for event in handler.events],
                "receives": [names[event] for event in handler.receives],
                "emits": [{"event": names[each.event], "place": _place(each.place)} for each in handler.emits],
            }
            for handler in report.handlers
        ],
        "code": [
            {
                "name": code.name,
                "place": _place(code.place),
                "emits": [{"event": names[each.event], "place": _place(each.place)} for each in code.emits],
            }
            for code in report.code
        ],
        "cycles": [
            [{"event": event.name, "handler": handler.name} for event, handler in cycle.steps]
            for cycle in report.cycles
        ],
    }
    return json.dumps(document, indent=2) + "\n"


def _finding(finding: Finding, names: dict[type[Event], str]) -> Json:
    return {
        "rule": finding.rule.value,
        "message": finding.message,
        "place": _place(finding.place),
        "event": None if finding.event is None else names.get(finding.event, finding.event.__qualname__),
        "handler": finding.handler,
    }


def _place(place: Place | None) -> Json | None:
    return None if place is None else {"file": place.path, "line": place.line}
