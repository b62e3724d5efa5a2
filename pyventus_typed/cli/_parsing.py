"""What the commands share: what a command adds its parser to, and how one that makes no sense ends."""

import argparse
import sys
from typing import TypeAlias

Subparsers: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # pyright: ignore[reportPrivateUsage]  # what add_subparsers() returns has no public name


def refuse(program: str, why: str) -> int:
    """Complain in one line on stderr, and return the exit code for it."""
    sys.stderr.write(f"{program}: {why}\n")
    return 2
