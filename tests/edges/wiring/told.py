"""What a report says of the test that asks: other tests of this process may know subscribers that nobody binds."""

from pyventus_typed.wiring import Finding, Report, Rule


def told(report: Report) -> list[Finding]:
    """Its notes, but for those on subscribers elsewhere in the package ``tests``."""
    return [note for note in report.notes if note.rule is not Rule.UNBOUND]
