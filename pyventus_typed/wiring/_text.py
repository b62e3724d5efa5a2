"""The report for reading: who receives and who emits what, and the findings last, where a terminal shows them."""

from collections.abc import Iterator

from ._report import Place, Report

Row = tuple[str, Place | None, str]


def text_of(report: Report) -> str:
    """The wiring as a table; then findings as ``file:line: rule: message``, which editors and CI turn into links."""
    rows = list(_rows(report))
    width = max((len(left) for left, _, _ in rows), default=0)
    lines = [f"{left:<{width}}  {place or '(no source)'}{more}" for left, place, more in rows]
    return "\n".join([*lines, *([""] if lines else []), str(report)]) + "\n"


def _rows(report: Report) -> Iterator[Row]:
    names = {event.type: event.name for event in report.events}
    for event in report.events:
        if not event.emittable:
            continue
        yield event.name, event.place, "" if event.receivers else ", nobody receives it"
        for code in report.code:
            for place in dict.fromkeys(each.place for each in code.emits if each.event is event.type):
                yield f"  <- {code.name}", place, ""
        for handler in report.receivers(event.type):
            verb = "answered by" if handler.answers and event.type in handler.events else "->"
            emitted = ", ".join(dict.fromkeys(names[each.event] for each in handler.emits))
            yield f"  {verb} {handler.name}", handler.place, f", emits {emitted}" if emitted else ""
