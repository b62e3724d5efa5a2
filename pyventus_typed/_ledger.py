"""The books of one line: a state machine without a loop, a thread or a clock.

A delivery waits, is started, and is settled by an outcome; or is settled while it waits. An emission is pending while
one of its deliveries is open. Everything that can happen to an emission is a call of one of these methods, so every
race is a sequence of calls that a test can permute. Whoever holds the ledger calls it from one thread at a time; the
counts may be read from any.
"""

import enum
from collections.abc import Callable
from contextlib import suppress
from threading import RLock
from typing import Final, Self, TypeAlias

from ._outcome import Cancelled, Completed, Discarded, Failed, Outcome, Status, Tally

Watcher: TypeAlias = Callable[[], object]


class Started(enum.Enum):
    """The state between waiting (``None``) and an outcome."""

    STARTED = "started"


STARTED: Final = Started.STARTED
NEVER_RAN: Final = Cancelled()
"""The one `Cancelled` of a delivery that was not started; told from others by identity."""

_STATUS: Final[dict[type, Status]] = {
    Completed: Status.COMPLETED,
    Cancelled: Status.CANCELLED,
    Failed: Status.FAILED,
    Discarded: Status.DISCARDED,
}
_watching = RLock()


# A list; or one tuple for all emissions that are alike, which nobody may change.
States: TypeAlias = "list[Outcome | Started | None] | tuple[Outcome | Started | None, ...]"


class Entry:
    """One emission in the books: the state of each of its deliveries."""

    __slots__ = ("_open", "_outcomes", "_watchers", "_wave")

    _outcomes: States
    _open: int
    _wave: "Wave | None"
    _watchers: list[Watcher] | None

    @classmethod
    def of(cls, deliveries: int) -> Self:
        """An entry with so many deliveries. No ``__init__``: an emission is made in line, where each call counts."""
        self = cls()
        self._outcomes, self._open = [None] * deliveries, deliveries
        self._wave = self._watchers = None
        return self

    @property
    def status(self) -> Status:
        """Pending while a delivery is open, then the worst of its deliveries: discarded, failed, cancelled, completed."""
        return Status.PENDING if self._open else _worst(self)

    def watch(self, watcher: Watcher) -> None:
        """Call *watcher* once when this is settled, by whoever settles it; at once if it is. From any thread."""
        if self._watchers is None:
            with _watching:  # two threads must not make two lists; everything else is one step of CPython
                if self._watchers is None:
                    self._watchers = []
        self._watchers.append(watcher)
        # Whoever settled it in between has read the list before or after the line above: the watcher bears two calls.
        if not self._open:
            watcher()

    def unwatch(self, watcher: Watcher) -> None:
        """Forget *watcher*."""
        if self._watchers:
            with suppress(ValueError):
                self._watchers.remove(watcher)

    def tell(self) -> None:
        """Call the watchers: it is settled."""
        if self._watchers:
            _call(self._watchers)


def put(entry: Entry, index: int, state: Outcome | Started) -> None:
    """Write down the state of one delivery."""
    states = entry._outcomes
    if type(states) is not list:
        states = entry._outcomes = [*states]
    states[index] = state


class Wave:
    """What was accepted between two waits, and all that it emitted while it was pending.

    Once sealed, only its own pending members can add to it: it is waited for by waiting for its count to reach zero,
    at no cost for each emission but an addition, and unrelated traffic goes to the next wave.
    """

    __slots__ = ("open", "watchers")

    def __init__(self) -> None:
        self.open = 0
        self.watchers: list[Watcher] = []


class Ledger:
    """Counts and open entries of one line."""

    __slots__ = (
        "_cancelled",
        "_discarded",
        "_failed",
        "_sealed",
        "_wave",
        "accepted",
        "completed",
        "open",
        "rejected",
    )

    def __init__(self) -> None:
        self.accepted = self.completed = self._failed = self._cancelled = self._discarded = self.rejected = 0
        self.open: dict[Entry, None] = {}
        self._wave = Wave()
        self._sealed: list[Wave] = []

    def accept(self, entry: Entry, parent: Entry | None = None) -> None:
        """Enter *entry*: with its *parent*, if that is pending here, else on its own. Without deliveries it is complete."""
        if not entry._open:
            self.accepted += 1
            self.completed += 1
            entry.tell()
            return
        self.enter(entry)
        if parent is not None and parent in self.open and parent._wave is not None:
            self._wave.open -= 1
            entry._wave = parent._wave
            entry._wave.open += 1

    def enter(self, entry: Entry) -> None:
        """The same for what has deliveries, and no parent."""
        self.accepted += 1
        entry._wave = wave = self._wave
        wave.open += 1
        self.open[entry] = None

    def complete(self, entry: Entry, outcomes: States) -> None:
        """From pending to completed in one step, for an entry whose deliveries were all just calls."""
        del self.open[entry]
        self.completed += 1
        entry._outcomes = outcomes
        # As _close, in line: on the short way every call counts.
        entry._open = 0
        wave, entry._wave = entry._wave, None
        if wave is not None:
            wave.open -= 1
            if not wave.open and wave.watchers:
                _call(wave.watchers)
        if entry._watchers:
            _call(entry._watchers)

    def reopen(self, entry: Entry) -> None:
        """Hold an entry as pending that was only counted."""
        self._wave.open += 1
        entry._wave = self._wave
        self.open[entry] = None

    def reject(self) -> None:
        """Count an emission that was not accepted."""
        self.rejected += 1

    def start(self, entry: Entry, index: int) -> None:
        """From waiting to started."""
        assert entry._outcomes[index] is None, entry._outcomes[index]  # our own logic
        put(entry, index, STARTED)

    def settle(self, entry: Entry, index: int, outcome: Outcome) -> bool:
        """From waiting or started to *outcome*, which is final; whether *entry* is settled by it."""
        was = entry._outcomes[index]
        assert was is STARTED or (was is None and type(outcome) is not Completed), was  # our own logic
        put(entry, index, outcome)
        if entry._open > 1:
            entry._open -= 1
            return False
        # The books are closed before anybody can see that it is settled.
        del self.open[entry]
        match _worst(entry):
            case Status.COMPLETED:
                self.completed += 1
            case Status.FAILED:
                self._failed += 1
            case Status.CANCELLED:
                self._cancelled += 1
            case _:
                self._discarded += 1
        self._close(entry)
        return True

    def _close(self, entry: Entry) -> None:
        entry._open = 0
        wave, entry._wave = entry._wave, None
        if wave is not None:
            wave.open -= 1
            if not wave.open and wave.watchers:
                _call(wave.watchers)
        entry.tell()

    def seal(self) -> tuple[Wave, ...]:
        """The waves to wait for: what is pending now, and what it will emit. What comes later is in none of them."""
        if self._wave.open:
            self._sealed.append(self._wave)
            self._wave = Wave()
        self._sealed = [wave for wave in self._sealed if wave.open]
        return tuple(self._sealed)

    @property
    def pending(self) -> int:
        """How many entries are open."""
        return len(self.open)

    @property
    def tally(self) -> Tally:
        """The counts. Read from another thread they may be a moment old, and still they add up."""
        completed, failed, cancelled, discarded = self.completed, self._failed, self._cancelled, self._discarded
        accepted = self.accepted  # read last, so that nothing is settled that was not accepted
        pending = accepted - completed - failed - cancelled - discarded
        return Tally(accepted, pending, completed, failed, cancelled, discarded, self.rejected)


class Books:
    """All ledgers of one processor, and the totals of those whose line is gone. From any thread."""

    def __init__(self) -> None:
        self._lock = RLock()  # re-entrant: a destructor that emits may run in the middle of a change
        self._ledgers: dict[Ledger, None] = {}
        self._gone = Tally(0, 0, 0, 0, 0, 0, 0)

    def open(self) -> Ledger:
        """A new ledger, for a new line."""
        ledger = Ledger()
        with self._lock:
            self._ledgers[ledger] = None
        return ledger

    def fold(self, ledger: Ledger) -> None:
        """Keep the counts of *ledger*, whose line is gone, and let go of the rest."""
        with self._lock:
            if ledger in self._ledgers:
                del self._ledgers[ledger]
                self._gone = _sum(self._gone, ledger.tally)

    @property
    def tally(self) -> Tally:
        """The sum over all lines, those that are gone included."""
        with self._lock:
            total = self._gone
            for ledger in tuple(self._ledgers):
                total = _sum(total, ledger.tally)
            return total


def _worst(entry: Entry) -> Status:
    if len(entry._outcomes) == 1:  # by far the most common
        return _STATUS[type(entry._outcomes[0])]
    found = {type(outcome) for outcome in entry._outcomes}
    return next((_STATUS[kind] for kind in (Discarded, Failed, Cancelled) if kind in found), Status.COMPLETED)


def _call(watchers: list[Watcher]) -> None:
    for watcher in tuple(watchers):
        watcher()


def _sum(one: Tally, other: Tally) -> Tally:
    return Tally(
        one.accepted + other.accepted,
        one.pending + other.pending,
        one.completed + other.completed,
        one.failed + other.failed,
        one.cancelled + other.cancelled,
        one.discarded + other.discarded,
        one.rejected + other.rejected,
    )
