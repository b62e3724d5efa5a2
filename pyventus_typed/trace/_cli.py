"""``python -m pyventus_typed trace``: run a function, and show what it emitted."""

import argparse
import asyncio
import inspect
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from dataclasses import replace
from importlib import import_module
from pathlib import Path

from pyventus_typed._install import needing
from pyventus_typed.cli._parsing import NotLoaded, Subparsers, complain, describe_error, load_function, refuse

from ._timeline import Timeline, check_suffix
from ._trace import Trace

_ABOUT = """\
Call a function, and record every emission of every emitter with an AsyncIOProcessor while it runs: which handlers received
the event, how long each waited and ran, how it ended, and which handler emitted the event. A coroutine function is run with
asyncio.run.
"""
_CODES = "exit codes: 0 recorded, 1 the function failed or emitted nothing, 2 nothing could be run"


def add_parser(subparsers: Subparsers) -> None:
    """Add the command ``trace``, whose default ``run`` takes what was parsed."""
    parser = subparsers.add_parser(
        "trace", help="run a function and show what it emits", description=_ABOUT, epilog=_CODES
    )
    parser.add_argument(
        "function",
        metavar="MODULE:FUNCTION",
        help="the function to call, without arguments, such as shop.main:run",
    )
    parser.add_argument(
        "-o",
        dest="file",
        metavar="FILE",
        help="the file to write: a web page (FILE.html), or Chrome trace events for Perfetto (FILE.json); without it, a tree "
        "is printed, which needs the extra cli",
    )
    parser.set_defaults(run=run, program=parser.prog)


def run(arguments: argparse.Namespace) -> int:
    """Run what ``add_parser`` parsed, show what was recorded, and return the exit code."""
    program: str = arguments.program
    target: str = arguments.function
    file = None if arguments.file is None else Path(arguments.file)
    try:
        _check_file(file)
        function = load_function(target)
    except (NotLoaded, ValueError) as error:
        return refuse(program, error)
    failure: BaseException | None = None
    with Trace() as trace:
        try:
            _call(function)
        except BaseException as error:  # noqa: BLE001 - whatever ended it, what was recorded is shown
            failure = error
    timeline = replace(trace.timeline, title=target)
    code = _show(program, timeline, file) if timeline.emissions else 0
    if isinstance(failure, _NotRun):
        return refuse(
            program, f"{target} returned {failure}, and nothing of that was run. Name a function that runs it."
        )
    if isinstance(failure, KeyboardInterrupt):
        code = 130
    elif isinstance(failure, SystemExit) and isinstance(failure.code, int | None):
        code = 1 if failure.code else code
    elif failure is not None:
        code = complain(program, f"{target} failed: {describe_error(failure)}")
    if not timeline.emissions:
        nothing = complain(program, f"{target} emitted nothing to an AsyncIOProcessor, so there is nothing to show.")
        return code or nothing
    return code


def _check_file(file: Path | None) -> None:
    """Raise `ValueError` where what is recorded could not be shown, before the function has run for an hour."""
    if file is None:
        try:
            with needing("rich", "the tree", extra="cli"):
                import_module("rich")
        except ModuleNotFoundError as missing:
            if missing.name != "rich":
                raise
            raise ValueError(f"{missing}, or write a page with -o FILE.html.") from missing
        return
    check_suffix(file)
    if not file.parent.is_dir():
        raise ValueError(f"{str(file)!r} cannot be written: there is no directory {str(file.parent)!r}.")
    if file.is_dir():
        raise ValueError(f"{str(file)!r} cannot be written: it is a directory.")
    is_there = file.exists()
    try:
        file.open("ab").close()
        if not is_there:
            file.unlink()
    except OSError as error:
        raise ValueError(f"{str(file)!r} cannot be written: {error.strerror}.") from error


class _NotRun(Exception):
    """The function has only made what would run."""


def _call(function: Callable[[], object]) -> None:
    result = function()
    if inspect.isawaitable(result):
        asyncio.run(_awaited(result))
    elif isinstance(result, Generator | AsyncGenerator):
        raise _NotRun("a generator" if isinstance(result, Generator) else "an async generator")


async def _awaited(what: Awaitable[object]) -> None:
    await what


def _show(program: str, timeline: Timeline, file: Path | None) -> int:
    """Show it, and return the exit code."""
    if file is not None:
        try:
            timeline.write(file)
        except OSError as error:  # a disk that is full
            return complain(program, f"{str(file)!r} cannot be written: {error.strerror}. {timeline.summary()}")
        sys.stdout.write(f"{file}: {timeline.summary()}\n")
        return 0
    from rich.console import Console  # noqa: PLC0415 - rich is an extra

    Console(highlight=False).print(timeline.tree())
    return 0
