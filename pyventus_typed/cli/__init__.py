"""The command line: `python -m pyventus_typed COMMAND`."""

from pyventus_typed.cli._main import main

__all__ = ["main"]
