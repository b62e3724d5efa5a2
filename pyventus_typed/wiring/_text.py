"""The report for reading: findings first, then who receives and who emits what."""

from collections.abc import Iterator

from ._report import Report


def text_of(report: Report) -> str:
    """Findings as ``file:line: rule: message``, which editors and CI systems turn into links; then the wiring."""
    return "\n".join([*_wiring(report), *([""] if report.events else []), str(report)]) + "\n"


def findings_of(report: Report) -> str:
    """The findings alone, to go beside a graph."""
    return f"{report}\n"


def _wiring(report: Report) -> Iterator[str]:
    shown = [event for event in report.events if event.emittable]
    for event in shown:
        yield _beside(event.name, event.place)
        receivers = report.receivers(event.type)
        if not receivers:
            yield "  (no receiver)"
        for handler in receivers:
            verb = "answered by" if handler.answers and event.type in handler.events else "->"
            emitted = ", ".join(dict.fromkeys(_name(report, each.event) for each in handler.emits))
            yield _beside(f"  {verb} {handler.name}", handler.place) + (f", emits {emitted}" if emitted else "")


def _beside(left: str, place: object) -> str:
    return f"{left:<44}  {place or '(no source)'}"


def _name(report: Report, event: type) -> str:
    return next(each.name for each in report.events if each.type is event)
