"""What every delivery in a task needs, however it runs."""

from collections.abc import Coroutine
from typing import Any, Final, TypeAlias

from .._emission import Emission

Deliver: TypeAlias = Coroutine[Any, Any, None]  # Any: what a loop and its futures say to each other
_PACKAGE = __name__.partition(".")[0] + "."


class _Own:
    __await__ = (None,).__iter__  # awaiting it gives that iterator, which yields once, and no code of ours is run


OWN: Final[Any] = _Own()  # Any: no checker knows an __await__ that is a bound method
"""Awaited where a delivery wants a task of its own: up to there anybody may step it."""


def must_await(value: object) -> bool:
    """Whether what a call returned is awaited: everything awaitable is, but for an emission.

    ``lambda event: emitter.emit(Other(...))`` emits; it does not wait for what would be ordered behind it.
    """
    return hasattr(type(value), "__await__") and not isinstance(value, Emission)


def trim(error: Exception) -> None:
    """Take our own frames off the traceback: shorter to read."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_globals.get("__name__", "").startswith(_PACKAGE):
        trace = trace.tb_next
    error.with_traceback(trace)  # an assignment would ask an exception that is a frozen dataclass
