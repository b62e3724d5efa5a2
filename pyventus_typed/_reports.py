"""Log records and warnings: that a handler failed, and what the end of a loop has cut off.

Nothing that is called in order to say it, a log filter or ``showwarning`` or ``on_discard``, can do harm: what it raises
goes to ``sys.unraisablehook``.
"""

import logging
import sys
import traceback
import warnings
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from types import SimpleNamespace
from typing import Any, Protocol, TypeAlias

from ._errors import DiscardedEmissionsWarning
from ._loops import here
from ._outcome import Status
from ._spelling import several, spell, spell_event

log = logging.getLogger("pyventus_typed")
_LISTED = 20
Tell: TypeAlias = Callable[[Sequence[Any]], object]  # Any: emissions, of whatever events


class Reported(Protocol):
    """An emission, as far as a report says something about it."""

    @property
    def event(self) -> Any: ...  # Any: of whatever class
    @property
    def status(self) -> Status: ...
    @property
    def id(self) -> int: ...
    @property
    def parent_id(self) -> int | None: ...


def guarded(call: Callable[..., object], *arguments: Any) -> None:  # Any: whatever it takes
    """Call what must do no harm: an `Exception` out of it goes to ``sys.unraisablehook``."""
    try:
        call(*arguments)
    except Exception as error:  # noqa: BLE001 - whatever it raises, it must do no harm
        unraisable(error, call)


def unraisable(error: Exception, where: object) -> None:
    """Give *error* to ``sys.unraisablehook``, or write what Python's own would; it came out of *where*."""
    args: Any = SimpleNamespace(  # Any: the hook reads attributes, and the real class cannot be made
        exc_type=type(error), exc_value=error, exc_traceback=error.__traceback__, err_msg=None, object=where
    )
    try:
        sys.unraisablehook(args)
    except Exception:  # noqa: BLE001 - Python's own takes its own class alone, and another one may fail or ask that
        with suppress(Exception):  # stderr may be closed, and nobody else is left to tell
            print(f"Exception ignored in: {where!r}", file=sys.stderr)  # noqa: T201 - as the hook would
            traceback.print_exception(error)


def log_failure(emission: Reported, handler: Callable[..., object], error: Exception) -> None:
    """A handler failed, and nothing else reports the error."""
    guarded(_log_failure, emission, handler, error)


def _log_failure(emission: Reported, handler: Callable[..., object], error: Exception) -> None:
    name, event = spell(handler), spell_event(emission.event)
    fields = {
        "event_type": spell(type(emission.event)),
        "event_repr": event,
        "handler": name,
        "emission_id": emission.id,
        "parent_id": emission.parent_id,
    }
    log.error("%s failed for %s", name, event, exc_info=error, extra=fields)


def warn_late(handler: Callable[..., object], event: object, result: object) -> None:
    """A thread has returned after its timeout."""
    text = "%s came late for %s, after its timeout: %s is ignored"
    guarded(log.warning, text, spell(handler), spell_event(event), spell_event(result))


def report_lost(lost: Iterable[tuple[Tell | None, Reported]], when: str) -> None:
    """Say what the end of a loop has cut off: to each ``on_discard``, and of the rest in one record and one warning."""
    unleft, here.unleft = here.unleft, ()
    groups: dict[int, tuple[Tell | None, list[Reported]]] = {}
    for tell, emission in lost:
        groups.setdefault(id(tell), (tell, []))[1].append(emission)
    for tell, emissions in groups.values():
        if tell is not None:
            try:
                tell(tuple(emissions))
            except Exception:  # noqa: BLE001 - a loop must be able to close
                guarded(log.exception, "on_discard failed for %s", _text(emissions, when))
            continue
        text = _text(emissions, when)
        if unleft:
            text += f" Async context managers were left no further than to their first await: {', '.join(unleft[:_LISTED])}."
        if log.hasHandlers():
            guarded(log.warning, "%s", text)
        # Without a registry the report of each loop is shown. A filter may make an error of it, which goes to the hook.
        guarded(warnings.warn_explicit, text, DiscardedEmissionsWarning, "<pyventus_typed>", 0)


def _text(emissions: Sequence[Reported], when: str) -> str:
    which = ", ".join(f"{spell_event(one.event)} ({one.status.value})" for one in emissions[:_LISTED])
    more = f" and {len(emissions) - _LISTED} more" if len(emissions) > _LISTED else ""
    return (
        f"{several(len(emissions), 'emission')} cut off {when}: {which}{more}. "
        "Wait for them with await emitter.wait_for_tasks(), or use async with emitter."
    )
