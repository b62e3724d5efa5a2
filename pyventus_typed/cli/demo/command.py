"""`python -m pyventus_typed demo [PATH]`: its arguments, and what it says if it cannot run."""

import os
import stat
from pathlib import Path

from pyventus_typed._install import needing
from pyventus_typed.cli._parsing import Subparsers, refuse
from pyventus_typed.cli.demo import source
from pyventus_typed.cli.demo.events import DirectoryFound, Found


def add_parser(subparsers: Subparsers) -> None:
    """Add `demo` to the command line."""
    parser = subparsers.add_parser(
        "demo",
        help="read many Python files; each step is an event",
        description="Read every Python file below PATH; each step is an event. Then show the largest modules, the most imported"
        " ones, what failed and why, and the tally, which says how all events ended.",
    )
    parser.add_argument(
        "path",
        metavar="PATH",
        nargs="?",
        help="a directory or a Python file (default: the standard library of this Python)",
    )
    parser.set_defaults(run=lambda options: run(options.path, program=parser.prog))


def run(path: str | None, *, program: str) -> int:
    """Scan *path*, or the standard library, and return the exit code. Complaints go to stderr, after *program*."""
    try:
        # From here on rich is needed, an extra; and no other command pays for these.
        with needing("rich", "the tables", extra="cli"):
            from pyventus_typed.cli.demo import scan  # noqa: PLC0415 - needs rich
            from pyventus_typed.cli.demo.handlers import report  # noqa: PLC0415 - comes with scan
    except ModuleNotFoundError as missing:
        if missing.name != "rich":
            raise
        return refuse(program, missing)
    try:
        root, places = _given(path) if path is not None else (source.STANDARD_LIBRARY, source.standard_library())
    except OSError as error:
        return refuse(program, f"{path!r}: {error.strerror}. Name a directory or a Python file, or leave PATH out.")
    complete = scan.read(places)
    if complete and not report.files:
        unread = "".join(f"\n  {str(failure.found.path)!r}: {failure.reason}" for failure in report.failures)
        return refuse(program, f"{path!r} holds no Python file.{unread}")
    scan.show(root)
    return 0 if complete else 130


def _given(path: str) -> tuple[Path, list[Found]]:
    """Return the directory from which paths are shown, and what to read; raise OSError if there is no such path."""
    given = Path(path)
    if stat.S_ISDIR(os.stat(path).st_mode):  # noqa: PTH116  Path("") would be the current directory
        return given, [DirectoryFound(given)]
    found = source.look_at(given)
    return given.parent, [found] if found is not None else []
