"""The ledgers alone, under every sequence of calls: the counts add up, and each wait ends when what it waits for has.

The same model is kept by several clerks at once, who write in whatever order a schedule lets them.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from itertools import count
from typing import TypeAlias

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from pyventus_typed import Status, Tally
from pyventus_typed._ledger import Epoch, Ledger, Totals
from pyventus_typed.testing import always, given_interleavings, sometimes

ENDS = st.sampled_from([Status.COMPLETED, Status.FAILED, Status.CANCELLED, Status.DISCARDED])
Entry: TypeAlias = int


class Wait:
    """One wait: what it must wait for, and how often it was called."""

    def __init__(self, epoch: Epoch, awaited: set[Entry], *, is_over: bool) -> None:
        self.epoch = epoch
        self.awaited = awaited  # and what that emits while it is pending
        self.is_over = is_over  # from the beginning: then nobody waits
        self.registered = False
        self.calls = 0

    def register(self) -> None:
        """Begin to wait: perhaps some time after the epoch was ended."""
        self.registered = True
        if self.is_over or self.epoch.is_over:
            self.is_over = True
        else:
            self.epoch.wait(self.called)

    def called(self) -> None:
        self.calls += 1


class Clerks(RuleBasedStateMachine):
    """The model: of each entry its queue, what it belongs to, and what became of it. There are two queues."""

    def __init__(self) -> None:
        super().__init__()
        self.numbers = count(1)
        self.totals = Totals()
        self.ledgers = (Ledger(next(self.numbers)), Ledger(next(self.numbers)))
        for ledger in self.ledgers:
            self.totals.add(ledger)
        self.queue: dict[Entry, int] = {}
        self.belongs: dict[Entry, set[int]] = {}  # to its own queue, and to those of its pending ancestors
        self.status: dict[Entry, Status] = {}
        self.waits: list[Wait] = []
        self.rejected = 0

    @property
    def open(self) -> list[Entry]:
        return [entry for entry, status in self.status.items() if status is Status.PENDING]

    def an_open_one(self, which: int) -> Entry | None:
        """One of the open entries, counted from the last."""
        found = self.open
        return found[-1 - which % len(found)] if found else None

    @initialize(queue=st.integers(0, 1))
    def one_is_there(self, queue: int) -> None:
        self.accept(queue)

    @rule(queue=st.integers(0, 1))
    def accept(self, queue: int) -> None:
        self._accept(queue, None)

    @rule(queue=st.integers(0, 1), which=st.integers(0, 5))
    def accept_nested(self, queue: int, which: int) -> None:
        self._accept(queue, self.an_open_one(which))

    def _accept(self, queue: int, parent: Entry | None) -> None:
        entry = len(self.status)
        ledger = self.ledgers[queue]
        ledger.accept(entry, () if parent is None else self.ledgers[self.queue[parent]].open[parent])
        self.queue[entry], self.status[entry] = queue, Status.PENDING
        self.belongs[entry] = {queue} if parent is None else {queue, *self.belongs[parent]}
        for wait in self.waits:
            if parent in wait.awaited:
                wait.awaited.add(entry)

    @rule()
    def reject(self) -> None:
        self.totals.reject()
        self.rejected += 1

    @rule(which=st.integers(0, 5), status=ENDS)
    def settle(self, which: int, status: Status) -> None:
        entry = self.an_open_one(which)
        if entry is None:
            return
        ledger = self.ledgers[self.queue[entry]]
        epochs = ledger.settle(entry, status)
        self.status[entry] = status
        for epoch in epochs:
            epoch.check()
        with pytest.raises(KeyError):
            ledger.settle(entry, status)

    @rule(queue=st.integers(0, 1), at_once=st.booleans())
    def wait(self, queue: int, at_once: bool) -> None:
        epoch = self.ledgers[queue].end_epoch(next(self.numbers))
        awaited = {entry for entry in self.open if queue in self.belongs[entry]}
        is_over = not epoch.has_ended or epoch.is_over
        assert is_over is not bool(awaited)
        wait = Wait(epoch, awaited, is_over=is_over)
        self.waits.append(wait)
        if at_once:
            wait.register()

    @precondition(lambda self: not all(wait.registered for wait in self.waits))
    @rule()
    def begin_to_wait(self) -> None:
        next(wait for wait in self.waits if not wait.registered).register()

    @precondition(lambda self: any(wait.registered for wait in self.waits))
    @rule(which=st.integers(0, 5))
    def give_up(self, which: int) -> None:
        registered = [wait for wait in self.waits if wait.registered]
        wait = registered[-1 - which % len(registered)]
        wait.epoch.waiters.pop(wait.called, None)
        self.waits.remove(wait)

    @rule(queue=st.integers(0, 1))
    def fold(self, queue: int) -> None:
        """The queue is gone, if nothing of it is open; a new one takes its place."""
        ledger = self.ledgers[queue]
        if not ledger.open and any(queue in self.belongs[entry] for entry in self.open):
            return  # somebody still belongs to its epochs
        self.totals.fold(ledger)
        if not ledger.open:
            fresh = Ledger(next(self.numbers))
            self.totals.add(fresh)
            self.ledgers = (fresh, self.ledgers[1]) if queue == 0 else (self.ledgers[0], fresh)

    @invariant()
    def the_counts_add_up_and_are_right(self) -> None:
        status = Counter(self.status.values())
        ends = (Status.COMPLETED, Status.FAILED, Status.CANCELLED, Status.DISCARDED)
        pending = status[Status.PENDING]
        completed, failed, cancelled, discarded = (status[one] for one in ends)
        expected = Tally(len(self.status), pending, completed, failed, cancelled, discarded, self.rejected)
        assert self.totals.tally == expected
        assert sum(len(ledger.open) for ledger in self.ledgers) == pending

    @invariant()
    def each_open_entry_belongs_to_one_epoch_of_its_own_queue_and_of_those_that_it_descends_from(self) -> None:
        for entry in self.open:
            epochs = self.ledgers[self.queue[entry]].open[entry]
            kinds = [next(n for n in (0, 1) if one.waiters is self.ledgers[n].epoch.waiters) for one in epochs]
            assert sorted(kinds) == sorted(self.belongs[entry])

    @invariant()
    def who_waits_is_called_once_and_exactly_when_what_it_waits_for_has_ended(self) -> None:
        for wait in self.waits:
            has_ended = not any(self.status[entry] is Status.PENDING for entry in wait.awaited)
            assert (wait.is_over or wait.epoch.is_over) is has_ended
            if wait.registered and not wait.is_over:
                assert wait.calls == int(has_ended)

    @invariant()
    def epochs_that_are_over_are_not_kept(self) -> None:
        for ledger in self.ledgers:
            chain, epoch = 0, ledger.epoch._before
            while epoch is not None:
                assert epoch.open
                chain, epoch = chain + 1, epoch._before
            assert chain <= len(self.open)
            assert all(epoch.has_ended and not epoch.is_over for epoch in ledger.epoch.waiters.values())


TestClerks = Clerks.TestCase


# One page of a clerk: what to do, in which queue, on which entry counted from the last, with what in the end.
Page: TypeAlias = tuple[str, int, int, Status]
PAGES: st.SearchStrategy[list[Page]] = st.lists(
    st.tuples(
        st.sampled_from(["accept", "nest", "nest", "reject", "settle", "settle", "wait", "wait later", "begin"]),
        st.integers(0, 1),
        st.integers(0, 5),
        ENDS,
    ),
    max_size=12,
)


@settings(max_examples=max(5, settings().max_examples // 4))
@given_interleavings(clerks=st.lists(PAGES, min_size=2, max_size=4))
async def test_the_ledgers_are_right_whoever_writes_first(clerks: list[list[Page]]) -> None:
    model = Clerks()
    model.accept(0)  # which all of them know
    invariants: list[Callable[[], None]] = [
        model.the_counts_add_up_and_are_right,
        model.each_open_entry_belongs_to_one_epoch_of_its_own_queue_and_of_those_that_it_descends_from,
        model.who_waits_is_called_once_and_exactly_when_what_it_waits_for_has_ended,
        model.epochs_that_are_over_are_not_kept,
    ]
    for holds in invariants:
        always(holds)

    async def clerk(pages: list[Page]) -> None:
        for what, queue, which, status in pages:
            before = len(model.status)
            await asyncio.sleep(0)  # somebody else may write in between
            sometimes("another clerk has written since", len(model.status) > before)
            match what:
                case "accept":
                    model.accept(queue)
                case "nest":
                    model.accept_nested(queue, which)
                case "reject":
                    model.reject()
                case "settle":
                    model.settle(which, status)
                case "begin":
                    for wait in model.waits:
                        if not wait.registered:
                            wait.register()
                case _:
                    model.wait(queue, at_once=what == "wait")

    await asyncio.gather(*(clerk(pages) for pages in clerks))
    sometimes("a wait goes on", any(wait.registered and not wait.calls and not wait.is_over for wait in model.waits))
