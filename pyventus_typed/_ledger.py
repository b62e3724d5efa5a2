"""The counts of one queue, and what of it is open: a state machine without a loop, a thread or a clock.

Whoever holds a ledger changes it from one thread; it may be read from any. How many were accepted is not counted: it is
how many are open, and how many were settled.
"""

from collections.abc import Callable, Iterator
from threading import RLock
from typing import TypeAlias

from ._outcome import Status, Tally

Waiter: TypeAlias = Callable[[], object]


class Epoch:
    """What was accepted between two waits, and what that has emitted while it was pending.

    A wait ends the current epoch and is over when that one and all before it have nothing open. What is emitted later
    belongs to a later epoch, so unrelated traffic does not hold up who waits.
    """

    __slots__ = ("_after", "_before", "has_ended", "number", "open", "waiters")

    def __init__(self, number: int, waiters: "dict[Waiter, Epoch]", before: "Epoch | None" = None) -> None:
        self.number = number
        self.waiters = waiters  # of all epochs of one ledger, which is known by this dict
        self.open = 0  # how many of it are pending
        self.has_ended = False
        self._before = before  # one that is not over
        self._after: Epoch | None = None

    @property
    def is_over(self) -> bool:
        """Whether it has ended, and nothing of it, or before it, is open."""
        epoch: Epoch | None = self
        while epoch is not None and epoch.has_ended and not epoch.open:
            epoch = epoch._before
        return epoch is None

    def wait(self, waiter: Waiter) -> None:
        """Have *waiter* called when it is over, unless somebody takes it out of `waiters` before."""
        epoch = self
        while not epoch.open and epoch._before is not None:
            epoch = epoch._before  # one that is empty is in no chain any more: nobody checks it
        self.waiters[waiter] = epoch

    def end(self, number: int) -> "Epoch":
        """End it; what is accepted from now on belongs to the epoch that this returns."""
        self._after = Epoch(number, self.waiters, self if self.open or self._before is not None else None)
        self.has_ended = True
        return self._after

    def check(self) -> None:
        """Something of it was settled: if it is over by that, call those who wait for it, and for those after it."""
        epoch: Epoch | None = self
        while epoch is not None and epoch.has_ended and not epoch.open:
            before, after = epoch._before, epoch._after
            waiting = [waiter for waiter, wanted in [*self.waiters.items()] if wanted is epoch]
            if after is not None:
                after._before = before
            if before is not None:  # who waits for it waits for the one before, so that a long wait keeps no chain
                before._after = after
                self.waiters.update(dict.fromkeys(waiting, before))
                return
            for waiter in waiting:
                self.waiters.pop(waiter, None)
                waiter()
            epoch = after


Epochs: TypeAlias = tuple[Epoch, ...]


class Ledger:
    """Counts and open entries of one queue. An entry is an emission; here it may be anything."""

    __slots__ = ("alone", "cancelled", "completed", "discarded", "epoch", "failed", "open")

    def __init__(self, number: int = 0) -> None:
        self.completed = self.failed = self.cancelled = self.discarded = 0
        # With the epochs that each belongs to, at most one for each queue; none as long as it is only handed over.
        self.open: dict[object, Epochs] = {}
        self.epoch = Epoch(number, {})
        self.alone: Epochs = (self.epoch,)  # what nobody's handler has emitted belongs to

    def accept(self, entry: object, inherited: Epochs = ()) -> None:
        """Enter *entry*. *inherited* are the epochs of its parent, if that is pending in the same scheduler."""
        epochs = self.epochs_for(inherited)
        # From here on nothing is called.
        self.open[entry] = epochs
        for epoch in epochs:
            epoch.open += 1

    def epochs_for(self, inherited: Epochs) -> Epochs:
        """The epochs of what is accepted now: those of its parent, and one of this queue."""
        if not inherited:
            return self.alone
        waiters = self.epoch.waiters
        return inherited if any(epoch.waiters is waiters for epoch in inherited) else (*inherited, self.epoch)

    def settle(self, entry: object, status: Status) -> Epochs:
        """From open to *status*; the epochs that it belonged to, which somebody may wait for: they want a `check`."""
        # Nothing is called between the first and the last of these statements, so that the counts add up at every instant.
        epochs = self.open[entry]
        del self.open[entry]
        if status is Status.COMPLETED:
            self.completed += 1
        elif status is Status.FAILED:
            self.failed += 1
        elif status is Status.CANCELLED:
            self.cancelled += 1
        else:
            self.discarded += 1
        for epoch in epochs:
            epoch.open -= 1
        return epochs

    def end_epoch(self, number: int) -> Epoch:
        """What is accepted from now on belongs to an epoch with this *number*; the one that has ended, or is over."""
        ended = self.epoch
        if ended.open:
            after = ended.end(number)
            self.epoch, self.alone = after, (after,)
            return ended
        ended.number = number  # nobody belongs to it yet
        return ended._before or ended

    @property
    def tally(self) -> Tally:
        """The counts. Read from another thread they may be a moment old, and still they add up."""
        completed, failed, cancelled, discarded = self.completed, self.failed, self.cancelled, self.discarded
        pending = len(self.open)
        accepted = pending + completed + failed + cancelled + discarded
        return Tally(accepted, pending, completed, failed, cancelled, discarded, 0)


class Totals:
    """The ledgers of one processor, and the totals of those whose queue is gone. From any thread."""

    __slots__ = ("_lock", "_rejected", "_state")

    def __init__(self) -> None:
        self._lock = RLock()  # re-entrant: a destructor that emits may run in the middle of a change
        self._state: tuple[Tally, tuple[Ledger, ...]] = (Tally(0, 0, 0, 0, 0, 0, 0), ())
        self._rejected = 0

    def add(self, ledger: Ledger) -> None:
        """*ledger* is of a new queue."""
        with self._lock:
            self._change(lambda state: (state[0], (*state[1], ledger)))

    def fold(self, ledger: Ledger) -> None:
        """The queue of *ledger* is gone: take over its counts, unless something of it is still open. What it counts later,
        because a thread was a moment too late, is taken over by another call.
        """
        with self._lock:
            if not ledger.open:
                self._change(lambda state: (_sum(state[0], ledger.tally), tuple(_without(state[1], ledger))))
                ledger.completed = ledger.failed = ledger.cancelled = ledger.discarded = 0

    def _change(self, change: "Callable[[tuple[Tally, tuple[Ledger, ...]]], tuple[Tally, tuple[Ledger, ...]]]") -> None:
        while True:
            before = self._state
            after = change(before)
            if self._state is before:  # else a destructor has changed it in between
                self._state = after
                return

    def reject(self) -> None:
        """Count an emission that was refused."""
        with self._lock:
            self._rejected += 1

    @property
    def tally(self) -> Tally:
        """The sum over all queues, those that are gone included."""
        with self._lock:
            while True:
                state = self._state
                total, ledgers = state
                for ledger in ledgers:
                    total = _sum(total, ledger.tally)
                if self._state is state:  # else a destructor has folded one in between
                    return _sum(total, Tally(0, 0, 0, 0, 0, 0, self._rejected))


def _without(ledgers: tuple[Ledger, ...], gone: Ledger) -> Iterator[Ledger]:
    return (one for one in ledgers if one is not gone)


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
