"""The notes of a report that belong to the test that asks: other tests of this process know subscribers of their own."""

from pyventus_typed.wiring import Finding, Report, Rule


def own_notes(report: Report) -> list[Finding]:
    """Its notes, but for those on subscribers elsewhere in the package ``tests``."""
    return [note for note in report.notes if note.rule is not Rule.UNBOUND]
