"""The books alone, under every sequence of calls: L1 to L3 after each step, only legal transitions, final is final.

The same model is kept by several clerks at once, who write in whatever order a schedule lets them.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import TypeAlias

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, precondition, rule

from pyventus_typed import Cancelled, Completed, Discarded, Failed, Outcome, Status
from pyventus_typed._ledger import STARTED, Entry, Ledger, Wave
from pyventus_typed.testing import always, given_interleavings, sometimes

WORST = (Discarded, Failed, Cancelled, Completed)
ENDS: st.SearchStrategy[Outcome] = st.sampled_from(
    [Completed(1), Failed(ValueError()), Cancelled(), Discarded("loop closed", started=True)]
)
UNSTARTED: st.SearchStrategy[Outcome] = st.sampled_from(
    [Failed(ValueError()), Cancelled(), Discarded("cancelled", started=False)]
)


class Books(RuleBasedStateMachine):
    """The model: a list of states for each entry, the entry that emitted it, and who was told."""

    entries = Bundle("entries")

    def __init__(self) -> None:
        super().__init__()
        self.ledger = Ledger()
        self.model: dict[Entry, list[Outcome | str]] = {}
        self.told: Counter[Entry] = Counter()
        self.watched: set[Entry] = set()
        self.waits: list[tuple[tuple[Wave, ...], set[Entry]]] = []  # what was sealed, and all that it must wait for
        self.rejected = 0

    def open(self, entry: Entry) -> bool:
        return any(isinstance(state, str) for state in self.model[entry])

    @rule(target=entries, deliveries=st.integers(0, 3))
    def accept(self, deliveries: int) -> Entry:
        entry = Entry.of(deliveries)
        self.ledger.accept(entry)
        self.model[entry] = ["waiting"] * deliveries
        return entry

    @rule(target=entries, parent=entries, deliveries=st.integers(0, 3))
    def accept_nested(self, parent: Entry, deliveries: int) -> Entry:
        entry = Entry.of(deliveries)
        self.ledger.accept(entry, parent)
        for _, awaited in self.waits:
            if parent in awaited and self.open(parent):
                awaited.add(entry)
        self.model[entry] = ["waiting"] * deliveries
        return entry

    @rule()
    def reject(self) -> None:
        self.ledger.reject()
        self.rejected += 1

    @rule(entry=entries, index=st.integers(0, 2))
    def start(self, entry: Entry, index: int) -> None:
        if index >= len(self.model[entry]):
            return
        if self.model[entry][index] == "waiting":
            self.ledger.start(entry, index)
            self.model[entry][index] = "started"
        else:
            with pytest.raises(AssertionError):
                self.ledger.start(entry, index)

    @rule(entry=entries, index=st.integers(0, 2), outcome=ENDS, unstarted=UNSTARTED)
    def settle(self, entry: Entry, index: int, outcome: Outcome, unstarted: Outcome) -> None:
        if index >= len(self.model[entry]):
            return
        match self.model[entry][index]:
            case "waiting":
                with pytest.raises(AssertionError):
                    self.ledger.settle(entry, index, Completed(1))  # nobody completes without having started
                self._settle(entry, index, unstarted)
            case "started":
                self._settle(entry, index, outcome)
            case _:
                with pytest.raises(AssertionError):
                    self.ledger.settle(entry, index, outcome)

    def _settle(self, entry: Entry, index: int, outcome: Outcome) -> None:
        self.model[entry][index] = outcome
        assert self.ledger.settle(entry, index, outcome) is not self.open(entry)

    @rule(entry=entries)
    def watch(self, entry: Entry) -> None:
        if entry not in self.watched:
            self.watched.add(entry)
            entry.watch(lambda: self.told.update([entry]))

    @rule()
    def wait(self) -> None:
        self.waits.append((self.ledger.seal(), {entry for entry in self.model if self.open(entry)}))

    def over(self) -> list[tuple[bool, bool]]:
        """Of each wait: whether it is over, and whether all that it must wait for is settled."""
        return [
            (not any(wave.open for wave in waves), not any(self.open(entry) for entry in awaited))
            for waves, awaited in self.waits
        ]

    @rule(entry=consumes(entries))
    def forget(self, entry: Entry) -> None:
        """Shrink the bundle, so that long runs stay interesting; the entry itself stays in the books."""

    @invariant()
    def the_counts_add_up_and_tell_the_truth(self) -> None:
        tally = self.ledger.tally
        status = Counter(entry.status for entry in self.model)
        assert tally.accepted == len(self.model)
        assert tally.pending == self.ledger.pending == status[Status.PENDING] == len(self.ledger.open)
        assert (tally.completed, tally.failed) == (status[Status.COMPLETED], status[Status.FAILED])
        assert (tally.cancelled, tally.discarded) == (status[Status.CANCELLED], status[Status.DISCARDED])
        assert tally.rejected == self.rejected

    @invariant()
    def each_entry_says_what_became_of_it(self) -> None:
        for entry, states in self.model.items():
            assert entry._outcomes == [
                {"waiting": None, "started": STARTED}.get(one, one) if isinstance(one, str) else one for one in states
            ]
            if self.open(entry):
                assert entry.status is Status.PENDING
            else:
                worst = next((kind for kind in WORST if any(isinstance(one, kind) for one in states)), Completed)
                assert entry.status.value == worst.__name__.lower()

    @invariant()
    def who_watches_is_told_when_it_is_settled_and_not_before(self) -> None:
        for entry in self.watched:
            assert bool(self.told[entry]) is not self.open(entry)

    @precondition(lambda self: self.waits)
    @invariant()
    def a_wait_ends_exactly_when_what_it_waits_for_has_ended(self) -> None:
        assert all(over is settled for over, settled in self.over())


TestBooks = Books.TestCase


# One page of a clerk: what to do, on which entry counted from the last, on which delivery, with what in the end.
Page: TypeAlias = tuple[str, int, int, Outcome, Outcome]
PAGES: st.SearchStrategy[list[Page]] = st.lists(
    st.tuples(
        st.sampled_from(["accept", "nest", "reject", "start", "start", "settle", "settle", "watch", "wait"]),
        st.integers(0, 5),
        st.integers(0, 2),
        ENDS,
        UNSTARTED,
    ),
    max_size=12,
)


@settings(max_examples=max(5, settings().max_examples // 4))
@given_interleavings(clerks=st.lists(PAGES, min_size=2, max_size=4))
async def test_the_books_hold_whoever_writes_first(clerks: list[list[Page]]) -> None:
    books = Books()
    entries = [books.accept(1)]  # which all of them know
    invariants: list[Callable[[], None]] = [
        books.the_counts_add_up_and_tell_the_truth,
        books.each_entry_says_what_became_of_it,
        books.who_watches_is_told_when_it_is_settled_and_not_before,
        books.a_wait_ends_exactly_when_what_it_waits_for_has_ended,
    ]
    for holds in invariants:
        always(holds)

    async def clerk(pages: list[Page]) -> None:
        for what, which, index, outcome, unstarted in pages:
            entry = entries[-1 - which % len(entries)]
            before = len(entries)
            await asyncio.sleep(0)  # somebody else may write in between
            sometimes("another clerk has written since", len(entries) > before)
            match what:
                case "accept":
                    entries.append(books.accept(index))
                case "nest":
                    entries.append(books.accept_nested(entry, index))
                case "reject":
                    books.reject()
                case "start":
                    books.start(entry, index)
                case "settle":
                    books.settle(entry, index, outcome, unstarted)
                case "watch":
                    books.watch(entry)
                case _:
                    books.wait()

    await asyncio.gather(*(clerk(pages) for pages in clerks))
    sometimes("a wait goes on", any(not over for over, _ in books.over()))
