"""The commands of the extra ``nats``, or the line that installs it."""

import argparse

from pyventus_typed.cli._parsing import Subparsers, refuse


def add_parser(subparsers: Subparsers) -> None:
    """Add ``nats``. Without its extra the command is there, and says what it needs."""
    try:
        from pyventus_typed.nats import _cli  # noqa: PLC0415 - it may not be installed
    except ImportError as missing:
        reason = str(missing)
        parser = subparsers.add_parser("nats", help="send events between processes (needs the extra nats)")
        parser.add_argument("rest", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
        parser.set_defaults(run=lambda _options: refuse(parser.prog, reason))
    else:
        _cli.add_parser(subparsers)
