"""What a system that is no POSIX lacks, taken away from this interpreter: a program that a test runs imports it first.

The rest is real: loops, processes, sockets, the server. What only a Windows can show is not shown by this.
"""

import asyncio
import os
import subprocess
import sys
from typing import Any

for _module in ("fcntl", "grp", "pwd", "resource", "termios"):
    sys.modules[_module] = None  # type: ignore[assignment]  # the documented way to say that a module is not there
for _name in ("fork", "register_at_fork", "setsid", "killpg", "getuid"):
    delattr(os, _name)

subprocess.CREATE_NEW_PROCESS_GROUP = 0x200  # type: ignore[attr-defined, unused-ignore]  # of Windows alone
_start: Any = subprocess.Popen.__init__  # Any: its many arguments are handed on


def _start_as_on_windows(self: "subprocess.Popen[bytes]", *args: Any, **options: Any) -> None:  # Any: as above
    if options.pop("pass_fds", ()):
        raise ValueError("pass_fds not supported on Windows.")
    if options.pop("preexec_fn", None) is not None:
        raise ValueError("preexec_fn is not supported on Windows platforms")
    options.pop("start_new_session", None)  # ignored there: Ctrl-C in the terminal reaches the child...
    if options.pop("creationflags", 0) & 0x200:
        options["start_new_session"] = True  # ...unless it is in a group of its own
    _start(self, *args, **options)


subprocess.Popen.__init__ = _start_as_on_windows  # type: ignore[method-assign, assignment]  # on purpose


def _no_signal_handler(_self: object, *_: object) -> None:
    raise NotImplementedError


class Loop(asyncio.SelectorEventLoop):
    """A loop without signal handlers, as those of Windows are."""

    add_signal_handler: Any = _no_signal_handler  # Any: of whatever signature
    remove_signal_handler: Any = _no_signal_handler  # Any: as above
