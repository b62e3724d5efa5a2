"""What is said to whoever reads the log: that a handler failed, and what the end of a loop cut off: once, and never lost."""

import logging
import warnings
from contextlib import suppress

from .._emission import AnyEmission, Emission
from .._event import Event
from .._ledger import Ledger, Started
from .._outcome import Discarded
from .._spelling import several, spell, spell_event
from ..errors import DiscardedEmissionsWarning
from ._settings import OnDiscard

log = logging.getLogger("pyventus_typed")
_LISTED = 20


class Loss:
    """The emissions of one line that its end has cut off. It refers to no loop, so that it can outlive a lost one."""

    __slots__ = ("_ledger", "_tell", "emissions")

    def __init__(self, ledger: Ledger, tell: OnDiscard | None) -> None:
        self._ledger = ledger
        self._tell = tell
        self.emissions: list[Emission[Event]] = []

    def settle(self, reason: str) -> None:
        """Discard what is still open."""
        for entry in [*self._ledger.open]:
            for index, outcome in enumerate(entry._outcomes):
                if outcome is None or isinstance(outcome, Started):
                    self._ledger.settle(entry, index, Discarded(reason, started=outcome is not None))
            assert isinstance(entry, Emission)  # nothing else is in our books
            self.emissions.append(entry)

    def report(self, when: str) -> None:
        """Tell ``on_discard``, or log and warn; nothing is raised here, because a loop must be able to close."""
        lost = tuple(self.emissions)
        self.emissions.clear()
        if not lost:
            return
        if self._tell is not None:
            try:
                self._tell(lost)
            except Exception:
                log.exception("on_discard failed for %s", _text(lost, when))
            return
        text = _text(lost, when)
        log.warning("%s", text)
        with suppress(DiscardedEmissionsWarning):  # a filter made an error of it: the log has it, and the close goes on
            warnings.warn(text, DiscardedEmissionsWarning, stacklevel=2)


def lost(losses: list[Loss], *, report: bool) -> None:
    """A loop was dropped without being closed."""
    for loss in tuple(losses):
        loss.settle("loop lost")
        if report:
            loss.report("when their event loop was lost")


def log_failure(emission: AnyEmission, index: int, error: Exception) -> None:
    """A handler failed."""
    name, event = spell(emission._subscriptions[index].handler), spell_event(emission._event)
    log.error("%s failed for %s", name, event, exc_info=error)


def _text(emissions: tuple[Emission[Event], ...], when: str) -> str:
    which = ", ".join(f"{spell_event(one.event)} ({one.status.value})" for one in emissions[:_LISTED])
    more = f" and {len(emissions) - _LISTED} more" if len(emissions) > _LISTED else ""
    return (
        f"{several(len(emissions), 'emission')} cut off {when}: {which}{more}. "
        "Wait for them with await emitter.wait_for_tasks(), or use async with emitter."
    )
