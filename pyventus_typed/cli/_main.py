"""Where every command starts and ends. No command ends in a traceback."""

import argparse
import io
import os
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeAlias

from pyventus_typed.cli import nats
from pyventus_typed.cli.demo import command as demo
from pyventus_typed.wiring import _cli as check

if TYPE_CHECKING:
    Subparsers: TypeAlias = argparse._SubParsersAction[argparse.ArgumentParser]

PROGRAM = "python -m pyventus_typed"

# A command adds its parser, whose default `run` takes the parsed options and returns the exit code.
COMMANDS: "Sequence[Callable[[Subparsers], None]]" = (demo.add_parser, check.add_parser, nats.add_parser)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 1 a complaint, 2 a command that makes no sense, 130 Ctrl-C."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A name that the terminal cannot show is written with escapes: half a table helps nobody.
            stream.reconfigure(errors="backslashreplace")
    parser = argparse.ArgumentParser(prog=PROGRAM, description="Typed events for Python.")
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for add_parser in COMMANDS:
        add_parser(subparsers)
    options = parser.parse_args(arguments)
    run: Callable[[argparse.Namespace], int] = options.run
    try:
        code = run(options)
        if sys.stdout is not None:
            sys.stdout.flush()
    except KeyboardInterrupt:
        return 130
    except OSError as error:
        if not isinstance(error, BrokenPipeError):  # the reader has gone, as `head` does: nobody is left to tell
            sys.stderr.write(f"{PROGRAM}: {error.strerror or error}\n")
        # What is still in the buffer would fail once more, with a traceback, when the interpreter ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return code
