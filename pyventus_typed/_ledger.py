"""The books of one line: a state machine without a loop, a thread or a clock.

A delivery waits, is started, and is settled by an outcome; or is settled while it waits. An emission is pending while
one of its deliveries is open. Everything that can happen to an emission is a call of one of these methods, so every
race is a sequence of calls that a test can permute. Whoever holds the ledger calls it from one thread at a time; the
counts may be read from any.
"""

import enum
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import islice
from threading import RLock
from typing import Final, Self, TypeAlias

from ._outcome import Cancelled, Completed, Discarded, Failed, Outcome, Status, Tally

Watcher: TypeAlias = Callable[[], object]


class Started(enum.Enum):
    """The state between waiting (``None``) and an outcome."""

    STARTED = "started"


STARTED: Final = Started.STARTED
SINGLE: Final = (STARTED,)
"""The state of an emission to one receiver: shared."""
NEVER_RAN: Final = Cancelled()
"""The one `Cancelled` of a delivery that was not started; told from others by identity."""

_STATUS: Final[dict[type, Status]] = {
    Completed: Status.COMPLETED,
    Cancelled: Status.CANCELLED,
    Failed: Status.FAILED,
    Discarded: Status.DISCARDED,
}
_adding = RLock()


# A list; or one tuple for all emissions that are alike, which nobody may change.
States: TypeAlias = "list[Outcome | Started | None] | tuple[Outcome | Started | None, ...]"


class Aside:
    """What few emissions have."""

    __slots__ = ("id", "site", "watchers")

    def __init__(self) -> None:
        self.watchers: list[Watcher] = []
        self.id: int | None = None  # once somebody has asked
        self.site: str | None = None  # the line of code that emitted


class Entry:
    """One emission in the books: the state of each of its deliveries."""

    __slots__ = ("_aside", "_open", "_outcomes")

    _outcomes: States
    _open: int
    _aside: Aside | None

    @classmethod
    def of(cls, deliveries: int) -> Self:
        """An entry with so many deliveries. No ``__init__``: an emission is made in line, where each call counts."""
        self = cls()
        self._outcomes, self._open = [None] * deliveries, deliveries
        self._aside = None
        return self

    @property
    def status(self) -> Status:
        """Pending while a delivery is open, then the worst of its deliveries: discarded, failed, cancelled, completed."""
        return Status.PENDING if self._open else _worst(self._outcomes)

    def watch(self, watcher: Watcher) -> None:
        """Call *watcher* once when this is settled, by whoever settles it; at once if it is. From any thread."""
        self.aside.watchers.append(watcher)
        # Whoever settled it in between has read the list before or after the line above: the watcher bears two calls.
        if not self._open:
            watcher()

    def unwatch(self, watcher: Watcher) -> None:
        """Forget *watcher*."""
        with suppress(ValueError):
            self.aside.watchers.remove(watcher)

    def tell(self) -> None:
        """Call the watchers: it is settled."""
        if self._aside is not None:
            _call(self._aside.watchers)

    @property
    def aside(self) -> Aside:
        """What few have: made for whoever wants it first, in whatever thread."""
        if self._aside is None:
            made = Aside()  # not between the look and the writing: a signal handler could come there
            with _adding:  # two threads must not make two; what they do with it is one step of CPython
                if self._aside is None:
                    self._aside = made
        return self._aside


def put(entry: Entry, index: int, state: Outcome | Started) -> None:
    """Write down the state of one delivery."""
    states = entry._outcomes
    if type(states) is not list:
        states = entry._outcomes = [*states]
    states[index] = state


class Wave:
    """What a wait found pending, and all that it emits from then on while it is pending.

    Only its own pending members can add to it, so unrelated traffic does not hold up who waits for it. It watches one
    member at a time, and passes over those that were settled meanwhile: a member does not know of it.
    """

    __slots__ = ("_found", "_head", "_members", "_most", "_rest", "open", "watchers")

    def __init__(self) -> None:
        self.open = True  # whether it has a pending member
        self.watchers: list[Watcher] = []
        self._head: Entry | None = None  # the one that it watches
        self.begin([])

    def begin(self, found: list[Entry]) -> None:
        """These are its members. Newest first: mostly the newest one is settled last, and then all others are."""
        self._found = found
        self._rest = iter(found)  # those that come late are appended, so that it comes to them, too
        self._members: set[Entry] | None = None  # made for the first one that comes late
        self._most = 2 * len(found) + 100

    def go_on(self) -> None:
        """Watch the next one that is pending; without one it is over. Bears being called again."""
        if self._head is not None and self._head._open:
            return
        self._head = None
        for entry in self._rest:
            if entry._open:
                self._head = entry
                entry.watch(self.go_on)
                return
        if self.open:
            self.open = False
            self.begin([])  # who keeps one handle keeps nobody else's
            _call(self.watchers)

    def join(self, entry: Entry, parent: Entry) -> None:
        """*parent* has emitted *entry*: if it is a member, so is that."""
        if self._members is None:
            members = {*self._found} if self._head is None else {*self._found, self._head}
            if self._members is None:  # else a destructor has emitted in between
                self._members = members
        if parent in self._members and parent._open:
            self._members.add(entry)
            self._found.append(entry)
            if len(self._found) > self._most:  # let go of those that are settled
                self.begin([one for one in self._rest if one._open])


class Ledger:
    """Counts and open entries of one line."""

    __slots__ = (
        "_cancelled",
        "_discarded",
        "_failed",
        "_sealed",
        "_waves",
        "accepted",
        "completed",
        "open",
        "rejected",
    )

    def __init__(self) -> None:
        self.accepted = self.completed = self._failed = self._cancelled = self._discarded = self.rejected = 0
        self.open: dict[Entry, None] = {}
        self._waves: list[Wave] = []
        self._sealed = 0  # how many were accepted before the last wait: each of them is in a wave, or was settled then

    def accept(self, entry: Entry, parent: Entry | None = None) -> None:
        """Enter *entry*: with its *parent*, if that is pending here, else on its own. Without deliveries it is complete."""
        if not entry._open:
            self.accepted += 1
            self.completed += 1
            entry.tell()
            return
        self.enter(entry)
        if parent is not None:
            self.join(entry, parent)

    def join(self, entry: Entry, parent: Entry) -> None:
        """*entry*, which *parent* has emitted, is waited for as that is."""
        for wave in self._waves:
            wave.join(entry, parent)

    def enter(self, entry: Entry) -> None:
        """The same for what has deliveries, and no parent."""
        self.accepted += 1
        self.open[entry] = None

    def complete(self, entry: Entry, outcomes: States) -> None:
        """From pending to completed in one step, for an entry whose deliveries were all just calls."""
        del self.open[entry]
        self.completed += 1
        entry._outcomes = outcomes
        entry._open = 0
        if entry._aside is not None:
            _call(entry._aside.watchers)

    def reopen(self, entry: Entry) -> None:
        """Hold an entry as pending that was only counted."""
        self._sealed -= 1  # the next wait is its first, if one came in between
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
        if entry._open > 1:
            put(entry, index, outcome)
            entry._open -= 1
            return False
        outcomes = [*entry._outcomes]
        outcomes[index] = outcome
        status = _worst(outcomes)
        # The books are closed before anybody can see that it is settled; and without a call in between, which is where
        # Ctrl-C comes.
        entry._outcomes = outcomes
        del self.open[entry]
        match status:
            case Status.COMPLETED:
                self.completed += 1
            case Status.FAILED:
                self._failed += 1
            case Status.CANCELLED:
                self._cancelled += 1
            case _:
                self._discarded += 1
        entry._open = 0
        entry.tell()
        return True

    def seal(self) -> tuple[Wave, ...]:
        """The waves to wait for: what is pending now, and what it will emit. What comes later is in none of them."""
        wave = Wave()
        self._waves = [*(one for one in self._waves if one.open), wave]
        # Those that came since the last wait stand at the end, and each is found by one wait only.
        while True:
            found = self.accepted
            with suppress(RuntimeError):  # a signal handler has emitted or cancelled in between
                wave.begin([*islice(reversed(self.open), found - self._sealed)])
                if found == self.accepted:
                    break
        self._sealed = found
        wave.go_on()
        return tuple(one for one in self._waves if one.open)

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
            if ledger not in self._ledgers:
                return
            counts = ledger.tally
            while True:
                before = self._gone
                total = _sum(before, counts)
                if before is self._gone:  # else the collector has folded another one in between
                    break
            self._gone = total
            del self._ledgers[ledger]

    @property
    def tally(self) -> Tally:
        """The sum over all lines, those that are gone included."""
        with self._lock:
            while True:
                total = before = self._gone
                for ledger in [*self._ledgers]:
                    total = _sum(total, ledger.tally)
                if before is self._gone:  # else the collector has folded one in between
                    return total


def _worst(outcomes: Sequence[Outcome | Started | None]) -> Status:
    if len(outcomes) == 1:  # by far the most common
        return _STATUS[type(outcomes[0])]
    found = {type(outcome) for outcome in outcomes}
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
