"""Every place where a signal handler may run."""

import gc
import sys
from collections.abc import Callable
from types import FrameType

Action = Callable[[], object]


def at_every_instant(interrupt: Action, run: Callable[[], Action]) -> int:
    """Call *interrupt* once in the middle of what *run* returns, at each place where CPython could run a signal handler.

    These are the entry of a function and the return of a builtin. *run* prepares afresh for each place.
    """
    places = 0
    while True:
        action, left = run(), places

        def watch(frame: FrameType, what: str, argument: object) -> None:
            nonlocal left
            if what in ("call", "c_return") and "pyventus_typed" in frame.f_code.co_filename:
                left -= 1
                if left < 0:
                    sys.setprofile(None)
                    interrupt()

        # The garbage of earlier tests is not collected meanwhile: what is raised in its finalizers goes to nobody.
        collects = gc.isenabled()
        gc.disable()
        sys.setprofile(watch)
        try:
            action()
        finally:
            sys.setprofile(None)
            if collects:
                gc.enable()
        if left >= 0:
            return places
        places += 1
