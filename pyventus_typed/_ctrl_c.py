"""Ctrl-C in the first moments of ``python -m pyventus_typed``, in which Python imports this package.

No code of ours is on the stack then, and so nothing that could catch a `KeyboardInterrupt`. The process ends at once
instead, as programs do that know nothing of Ctrl-C; from `__main__` on it is caught. Who imports the package is not affected.
"""

import signal
import sys


def is_command() -> bool:
    """Whether Python looks for this package in order to run it, and not because somebody imports it."""
    # While it does, "-m" is in the place of the program's name, and the name given to it before the same arguments.
    return sys.argv[0] == "-m" and sys.orig_argv[-len(sys.argv)].removeprefix("-m") == __package__


if is_command() and signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # not where it is ignored
    signal.signal(signal.SIGINT, signal.SIG_DFL)
