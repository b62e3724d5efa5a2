"""The ledger and its epochs, one call at a time."""

import gc
import sys
import threading
import weakref
from collections.abc import Callable, Generator
from contextlib import contextmanager
from itertools import count
from types import FrameType

import pytest

from pyventus_typed import Status, Tally
from pyventus_typed._ledger import Epoch, Ledger, Totals

ENDS = (Status.COMPLETED, Status.FAILED, Status.CANCELLED, Status.DISCARDED)


def settle(ledger: Ledger, entry: object, status: Status = Status.COMPLETED) -> None:
    """Settle *entry* as its queue does: then those who wait for its epochs are called."""
    for epoch in ledger.settle(entry, status):
        epoch.check()


def waits_for(epoch: Epoch) -> list[str]:
    """What is called when *epoch* is over, as a list that is filled by then."""
    called: list[str] = []
    epoch.wait(lambda: called.append("called"))
    return called


# ---------------------------------------------------------------- counts
@pytest.mark.parametrize("status", ENDS)
def test_a_settled_entry_is_counted_by_its_status_and_open_no_more(status: Status) -> None:
    ledger = Ledger()
    for entry in ("one", "two"):
        ledger.accept(entry)
    assert ledger.tally == Tally(2, 2, 0, 0, 0, 0, 0)
    settle(ledger, "one", status)
    completed, failed, cancelled, discarded = (int(status is one) for one in ENDS)
    assert ledger.tally == Tally(2, 1, completed, failed, cancelled, discarded, 0)
    assert [*ledger.open] == ["two"]


def test_an_entry_is_settled_once() -> None:
    ledger = Ledger()
    ledger.accept("one")
    settle(ledger, "one")
    with pytest.raises(KeyError, match="one"):
        ledger.settle("one", Status.FAILED)
    assert ledger.tally == Tally(1, 0, 1, 0, 0, 0, 0)


@pytest.mark.parametrize("status", ENDS)
def test_a_signal_handler_finds_an_entry_either_open_or_counted_as_settled(status: Status) -> None:
    ledger, found = Ledger(), list[Tally]()
    ledger.accept("one")

    def look(_frame: FrameType, what: str, _argument: object) -> None:
        if what in ("call", "c_return"):  # where CPython runs signal handlers
            sys.setprofile(None)
            found.append(ledger.tally)
            sys.setprofile(look)

    sys.setprofile(look)
    try:
        ledger.settle("one", status)
    finally:
        sys.setprofile(None)
    assert found
    assert {tally.accepted for tally in found} == {1}


def test_a_tally_adds_up_whenever_it_is_read_from_another_thread() -> None:
    ledger, stop, wrong = Ledger(), threading.Event(), list[Tally]()

    def read() -> None:
        while not stop.is_set():
            tally = ledger.tally
            ended = tally.completed + tally.failed + tally.cancelled + tally.discarded
            # One entry is open at most, and one may be settled between two looks.
            if tally.pending not in (0, 1) or tally.accepted != tally.pending + ended or ended > ledger.completed:
                wrong.append(tally)

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(20_000):
        ledger.accept(number)
        settle(ledger, number)
    stop.set()
    reader.join()
    assert wrong == []
    assert ledger.tally == Tally(20_000, 0, 20_000, 0, 0, 0, 0)


# ---------------------------------------------------------------- epochs
def test_a_wait_for_nothing_is_over_at_once() -> None:
    ledger = Ledger(1)
    epoch = ledger.end_epoch(2)
    assert not epoch.has_ended or epoch.is_over
    ledger.accept("one")
    settle(ledger, "one")
    epoch = ledger.end_epoch(3)
    assert not epoch.has_ended or epoch.is_over


def test_who_waits_is_called_once_and_when_the_counts_are_right() -> None:
    ledger, seen = Ledger(), list[Tally]()
    for entry in ("one", "two"):
        ledger.accept(entry)
    ledger.end_epoch(1).wait(lambda: seen.append(ledger.tally))
    settle(ledger, "one")
    assert seen == []
    settle(ledger, "two", Status.FAILED)
    assert seen == [Tally(2, 0, 1, 1, 0, 0, 0)]
    ledger.accept("three")
    settle(ledger, "three")
    assert len(seen) == 1


def test_an_epoch_is_over_when_it_and_those_before_it_have_nothing_open() -> None:
    ledger = Ledger()
    ledger.accept("one")
    first = ledger.end_epoch(1)
    ledger.accept("two")
    second = ledger.end_epoch(2)
    ledger.accept("three")
    waiting = [waits_for(first), waits_for(second)]
    settle(ledger, "two")
    assert [first.is_over, second.is_over] == [False, False]
    assert waiting == [[], []]
    settle(ledger, "one")
    assert [first.is_over, second.is_over] == [True, True]
    assert waiting == [["called"], ["called"]]


def test_a_second_wait_does_not_wait_for_what_came_after_it() -> None:
    ledger = Ledger()
    ledger.accept("one")
    waiting = waits_for(ledger.end_epoch(1))
    ledger.accept("two")
    settle(ledger, "one")
    assert waiting == ["called"]
    assert [*ledger.open] == ["two"]


def test_a_wait_while_nothing_new_was_accepted_waits_for_what_an_earlier_one_waits_for() -> None:
    ledger = Ledger()
    ledger.accept("one")
    first = ledger.end_epoch(1)
    again = ledger.end_epoch(2)
    assert again is first
    ledger.accept("two")
    settle(ledger, "two")
    assert ledger.end_epoch(3) is first


def test_what_a_pending_parent_emits_belongs_to_its_epochs_and_what_others_emit_does_not() -> None:
    ledger = Ledger()
    ledger.accept("parent")
    waiting = waits_for(ledger.end_epoch(1))
    ledger.accept("stranger")
    ledger.accept("child", ledger.open["parent"])
    ledger.accept("grandchild", ledger.open["child"])
    ledger.accept("stranger's child", ledger.open["stranger"])
    for entry in ("parent", "child"):
        settle(ledger, entry)
        assert waiting == []
    settle(ledger, "grandchild")
    assert waiting == ["called"]
    assert [*ledger.open] == ["stranger", "stranger's child"]


def test_a_child_in_another_queue_belongs_to_one_epoch_of_each() -> None:
    numbers = count(1)
    here, there = Ledger(next(numbers)), Ledger(next(numbers))
    here.accept("parent")
    first_here = here.end_epoch(next(numbers))
    there.accept("child", here.open["parent"])
    first_there = there.end_epoch(next(numbers))
    there.accept("grandchild", there.open["child"])
    here.accept("great-grandchild", there.open["grandchild"])
    assert there.open["child"] == (first_here, first_there)
    assert there.open["grandchild"] == (first_here, first_there)
    assert here.open["great-grandchild"] == (first_here, first_there)
    waiting = {"here": waits_for(first_here), "there": waits_for(first_there)}
    settle(here, "parent")
    settle(there, "grandchild")
    settle(there, "child")
    assert waiting == {"here": [], "there": []}
    settle(here, "great-grandchild")
    assert waiting == {"here": ["called"], "there": ["called"]}


def test_a_child_of_an_early_epoch_is_not_of_the_current_one_too() -> None:
    ledger = Ledger(1)
    ledger.accept("parent")
    first = ledger.end_epoch(2)
    ledger.accept("child", ledger.open["parent"])
    assert ledger.open["child"] == (first,)
    assert [first.open, ledger.epoch.open] == [2, 0]


def test_an_epoch_has_the_number_with_which_it_began_or_was_asked_for_while_it_was_empty() -> None:
    ledger = Ledger(3)
    assert ledger.epoch.number == 3
    ledger.end_epoch(5)
    assert ledger.epoch.number == 5  # nobody belonged to it yet
    ledger.accept("one")
    assert ledger.end_epoch(8).number == 5
    assert ledger.epoch.number == 8


def test_who_began_to_wait_for_an_epoch_that_was_empty_by_then_is_called_with_those_before_it() -> None:
    ledger = Ledger()
    ledger.accept("one")
    first = ledger.end_epoch(1)
    ledger.accept("two")
    second = ledger.end_epoch(2)
    ledger.accept("three")
    third = ledger.end_epoch(3)
    settle(ledger, "three")
    settle(ledger, "two")
    waiting = [waits_for(third), waits_for(second), waits_for(first)]
    assert [first.is_over, second.is_over, third.is_over] == [False] * 3
    settle(ledger, "one")
    assert waiting == [["called"]] * 3
    assert [first.is_over, second.is_over, third.is_over] == [True] * 3


def test_a_waiter_that_gave_up_is_not_called() -> None:
    ledger, called = Ledger(), list[str]()

    def waiter() -> None:
        called.append("gave up")

    ledger.accept("one")
    epoch = ledger.end_epoch(1)
    epoch.wait(waiter)
    others = waits_for(epoch)
    epoch.waiters.pop(waiter)
    settle(ledger, "one")
    assert (called, others) == ([], ["called"])
    assert epoch.waiters == {}


def test_a_waiter_may_accept_settle_and_wait() -> None:
    ledger, called = Ledger(), list[str]()

    def again() -> None:
        called.append("first")
        ledger.accept("three")
        ledger.end_epoch(3).wait(lambda: called.append("second"))
        settle(ledger, "three")

    ledger.accept("one")
    ledger.end_epoch(1).wait(again)
    ledger.accept("two")
    settle(ledger, "one")
    assert called == ["first"]  # the other one waits for "two" as well
    settle(ledger, "two")
    assert called == ["first", "second"]


def epochs_of(ledger: Ledger) -> int:
    """How many epochs of *ledger* exist."""
    gc.collect()
    return sum(type(one) is Epoch and one.waiters is ledger.epoch.waiters for one in gc.get_objects())


def test_a_long_wait_keeps_no_chain_of_the_epochs_behind_it() -> None:
    ledger, called = Ledger(), list[int]()
    ledger.accept("long")
    ledger.end_epoch(0).wait(lambda: called.append(-1))
    for number in range(1, 200):
        ledger.accept(number)
        ledger.end_epoch(number).wait(lambda number=number: called.append(number))  # type: ignore[misc]  # mypy infers no lambda with a default
        settle(ledger, number)
    assert epochs_of(ledger) == 2  # the long one, and the current one
    settle(ledger, "long")
    assert sorted(called) == [-1, *range(1, 200)]
    assert epochs_of(ledger) == 1


def test_waits_one_after_the_other_keep_no_chain() -> None:
    ledger = Ledger()
    for number in range(200):
        ledger.accept(number)
        ledger.end_epoch(number)
        settle(ledger, number)
    assert epochs_of(ledger) == 1


class Kept:
    """An entry that says when it is gone."""


def test_a_wait_keeps_nothing_of_what_was_settled() -> None:
    ledger, gone = Ledger(), list[weakref.ref[Kept]]()
    ledger.accept("root")
    waiting = waits_for(ledger.end_epoch(1))
    gc.disable()  # nothing is left to the collector
    try:
        for _ in range(100):
            entry = Kept()
            ledger.accept(entry, ledger.open["root"])
            settle(ledger, entry)
            gone.append(weakref.ref(entry))
        del entry
        assert [one() for one in gone] == [None] * 100
    finally:
        gc.enable()
    settle(ledger, "root")
    assert waiting == ["called"]


# ---------------------------------------------------------------- the collector, at any instant
@contextmanager
def collector_after(objects: int) -> Generator[None]:
    """The collector begins after so many objects from now on."""
    before = gc.get_threshold()
    gc.set_threshold(gc.get_count()[0] + objects, 1, 1)
    gc.enable()
    try:
        yield
    finally:
        gc.set_threshold(*before)


@pytest.fixture
def no_collector() -> Generator[None]:
    """Nothing is collected but where the test wants it; and what is not the test's, never: it takes long to look at."""
    gc.collect()
    gc.freeze()
    gc.disable()
    yield
    gc.enable()
    gc.unfreeze()


class Late:
    """Acts when the collector finds it."""

    def __init__(self, act: Callable[[], object]) -> None:
        self.itself = self
        self.act = act

    def __del__(self) -> None:
        self.act()


# ---------------------------------------------------------------- the totals of a processor
def test_the_books_add_up_all_queues_and_count_what_was_refused() -> None:
    totals, one, other = Totals(), Ledger(), Ledger()
    totals.add(one)
    totals.add(other)
    one.accept("a")
    other.accept("b")
    settle(other, "b", Status.DISCARDED)
    totals.reject()
    assert totals.tally == Tally(2, 1, 0, 0, 0, 1, 1)


def test_totals_keep_the_counts_of_queues_that_are_gone() -> None:
    totals, ledger = Totals(), Ledger()
    totals.add(ledger)
    ledger.accept("one")
    settle(ledger, "one", Status.CANCELLED)
    kept = weakref.ref(gone := Kept())
    ledger.accept(gone)
    settle(ledger, gone)
    del gone
    totals.fold(ledger)
    totals.fold(ledger)  # once is enough
    assert totals.tally == Tally(2, 0, 1, 0, 1, 0, 0)
    assert kept() is None
    assert [one for one in gc.get_referrers(ledger) if isinstance(one, tuple)] == []


def test_a_queue_with_something_open_is_not_folded() -> None:
    totals, ledger = Totals(), Ledger()
    totals.add(ledger)
    ledger.accept("one")
    totals.fold(ledger)
    assert totals.tally == Tally(1, 1, 0, 0, 0, 0, 0)
    settle(ledger, "one", Status.FAILED)
    assert totals.tally == Tally(1, 0, 0, 1, 0, 0, 0)
    totals.fold(ledger)
    assert totals.tally == Tally(1, 0, 0, 1, 0, 0, 0)


def test_no_count_is_lost_where_threads_add_fold_and_refuse() -> None:
    totals = Totals()

    def work() -> None:
        for number in range(300):
            ledger = Ledger()
            totals.add(ledger)
            ledger.accept(number)
            settle(ledger, number)
            totals.reject()
            totals.fold(ledger)

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before)
    assert totals.tally == Tally(1200, 0, 1200, 0, 0, 0, 1200)


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("objects", range(1, 40))
def test_the_totals_are_right_whenever_the_collector_folds_a_ledger(objects: int) -> None:
    totals = Totals()
    for number in range(10):
        ledger = Ledger()
        totals.add(ledger)
        ledger.accept(number)
        settle(ledger, number)
        Late(lambda ledger=ledger: totals.fold(ledger))  # type: ignore[misc]  # mypy infers no lambda with a default
    with collector_after(objects):
        found = [totals.tally.accepted for _ in range(20)]
    assert found == [10] * 20
    gc.collect()
    assert totals.tally == Tally(10, 0, 10, 0, 0, 0, 0)


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("objects", range(1, 40))
def test_a_new_queue_is_counted_whenever_the_collector_folds_another(objects: int) -> None:
    totals = Totals()
    for number in range(3):
        ledger = Ledger()
        totals.add(ledger)
        ledger.accept(number)
        settle(ledger, number)
        Late(lambda ledger=ledger: totals.fold(ledger))  # type: ignore[misc]  # mypy infers no lambda with a default
    with collector_after(objects):
        for number in range(5):
            ledger = Ledger()
            totals.add(ledger)
            ledger.accept(number)
            settle(ledger, number)
    gc.collect()
    assert totals.tally == Tally(8, 0, 8, 0, 0, 0, 0)
    assert len(totals._state[1]) == 5  # nothing is kept of those that are gone
