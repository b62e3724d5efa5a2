"""How a report and its counts are shown."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.table import Table
from rich.text import Text

from pyventus_typed import Tally
from pyventus_typed.cli._parsing import printable
from pyventus_typed.cli.demo.report import Report

ROWS = 10


def summary(report: Report) -> Text:
    counts = {
        "Files": report.files,
        "Lines": report.lines,
        "Classes": report.classes,
        "Functions": report.functions,
        "Failed": len(report.failures),
    }
    return Text("   ".join(f"{name}: {count:,}" for name, count in counts.items()))


def largest_modules(report: Report, root: Path) -> Group:
    rows = [(_below(root, module.path), f"{module.lines:,}") for module in report.largest()]
    return _top("The largest modules", ("File", "Lines"), rows)


def most_imported(report: Report) -> Group:
    rows = [(printable(module), f"{files:,}") for module, files in report.most_imported()]
    return _top("The most imported modules", ("Module", "Files that import it"), rows)


def failures(report: Report, root: Path) -> Group:
    ordered = sorted(report.failures, key=lambda failure: failure.found.path)
    rows = [(_below(root, failure.found.path), printable(failure.reason)) for failure in ordered]
    return _top("What failed, and why", ("File", "Reason"), rows, justify="left")


def counts(tally: Tally, seconds: float) -> Group:
    """Show that every emission that was accepted has ended in one way, and how fast that went."""
    ends = {
        "completed": tally.completed,
        "failed": tally.failed,
        "cancelled": tally.cancelled,
        "discarded": tally.discarded,
    }
    balance = "=" if tally.accepted == sum(ends.values()) else "\N{NOT EQUAL TO}"
    table = Table(box=None)
    cells = [f"{tally.accepted:,}"]
    table.add_column("accepted", justify="right")
    for sign, (name, count) in zip((balance, "+", "+", "+"), ends.items(), strict=True):
        table.add_column(sign)
        table.add_column(name, justify="right")
        cells += [sign, f"{count:,}"]
    table.add_row(*cells)
    return Group(_title("Tally"), table, _note(f"{seconds:.1f} s, {tally.accepted / seconds:,.0f} events per second"))


def _top(
    title: str,
    headings: tuple[str, str],
    rows: Sequence[tuple[str, str]],
    justify: Literal["left", "right"] = "right",
) -> Group:
    table = Table(box=SIMPLE_HEAD, show_edge=False)
    table.add_column(headings[0], overflow="fold")
    table.add_column(headings[1], overflow="fold", justify=justify)
    for first, second in rows[:ROWS]:
        # Text, because a file may be called "[bold]".
        table.add_row(Text(first), Text(second))
    left = len(rows) - ROWS
    return Group(_title(title), table, *([_note(f"and {left:,} more")] if left > 0 else []))


def _title(text: str) -> Text:
    # Not the table's own title, which is broken where a narrow table ends.
    return Text(text, style="bold")


def _note(text: str) -> Text:
    return Text(f" {text}", style="dim")


def _below(root: Path, path: Path) -> str:
    return printable(os.path.relpath(path, root))
