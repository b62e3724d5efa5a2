"""One scan from its first event to its report."""

import asyncio
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from pyventus_typed.cli.demo import tables
from pyventus_typed.cli.demo.events import FileFound, Found, ModuleParsed, ParseFailed
from pyventus_typed.cli.demo.handlers import emitter, report

_console = Console()
_HAS_GIL = "free-threading build" not in sys.version


def read(places: Sequence[Found]) -> bool:
    """Read every Python file at or below *places* into the report. Return False if Ctrl-C cut that off."""
    began = time.perf_counter()
    try:
        with _no_warnings_about_what_is_read():
            # A bar is for somebody who sees it.
            asyncio.run(_emit_and_show(places) if _console.is_interactive else _emit(places))
    except KeyboardInterrupt:
        unread = f"{report.found - report.files:,} of {report.found:,} files found were not read"
        _console.print(f"Interrupted: {unread}, and {report.cut_off:,} events were cut off.\n", highlight=False)
        return False
    finally:
        report.seconds = time.perf_counter() - began
    return True


def show(root: Path) -> None:
    """Print the report, with paths as seen from *root*."""
    shown: list[RenderableType] = [tables.summary(report)]
    shown += [tables.largest_modules(report, root), tables.most_imported(report)]
    if report.failures:
        shown.append(tables.failures(report, root))
    shown.append(tables.counts(emitter.tally, report.seconds))
    for part in shown:
        _console.print(part, highlight=False)
        _console.print()


async def _emit(places: Sequence[Found]) -> None:
    # Parsing holds the GIL: with more threads the loop would seldom get it, and the bar would stand still.
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1 if _HAS_GIL else None))
    async with emitter:
        for place in places:
            emitter.emit(place)


async def _emit_and_show(places: Sequence[Found]) -> None:
    """Show meanwhile how many of the files found so far have been read. Only the latest state matters."""
    columns = (TextColumn("Reading"), BarColumn(), MofNCompleteColumn(), TextColumn("files"), TimeElapsedColumn())
    with Progress(*columns, console=_console, transient=True) as progress:
        reading = progress.add_task("", total=0)
        async with emitter.stream(FileFound, ModuleParsed, ParseFailed, maxsize=1, overflow="drop_old") as steps:
            emitting = asyncio.create_task(_emit(places))
            async for _ in steps:  # until the emitter has closed
                progress.update(reading, completed=report.files, total=report.found)
            await emitting


@contextmanager
def _no_warnings_about_what_is_read() -> Iterator[None]:
    # The compiler warns of doubtful escapes and comparisons in the files; their authors are not here to read it.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)
        warnings.simplefilter("ignore", DeprecationWarning)
        yield
