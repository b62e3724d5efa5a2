"""Where every command starts and ends. No command ends in a traceback."""

import argparse
import io
import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module

from pyventus_typed.cli._parsing import PROGRAM, Subparsers, complain

# The module of each command has `add_parser`: it adds the parser of the command, whose default `run` takes the parsed
# options and returns the exit code. No command waits for the imports of another one.
COMMANDS = {
    "demo": "pyventus_typed.cli.demo.command",
    "check": "pyventus_typed.wiring._cli",
    "trace": "pyventus_typed.trace._cli",
    "nats": "pyventus_typed.cli.nats",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0 success, 1 a problem was found, 2 invalid arguments, 130 Ctrl-C."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A name that the terminal cannot show is written with escapes: half a table helps nobody.
            stream.reconfigure(errors="backslashreplace")
    try:
        options = _parse(sys.argv[1:] if arguments is None else arguments)
        run: Callable[[argparse.Namespace], int] = options.run
        code = run(options)
        if sys.stdout is not None:
            sys.stdout.flush()
    except KeyboardInterrupt:
        return 130
    except OSError as error:
        if not isinstance(error, BrokenPipeError):  # the reader has gone, as `head` does, so there is nobody to tell
            where = "" if error.filename is None else f"{error.filename}: "
            complain(PROGRAM, f"{where}{error.strerror or error}")
        # What is still in the buffer would fail once more, with a traceback, when the interpreter ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return code


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=PROGRAM, description="Typed events for Python.")
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    named = [name for name in arguments[:1] if name in COMMANDS]
    for name in named or COMMANDS:  # all of them for --help, and to say which there are
        add_parser: Callable[[Subparsers], None] = import_module(COMMANDS[name]).add_parser
        add_parser(subparsers)
    return parser.parse_args(arguments)
