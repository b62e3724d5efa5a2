"""The books, one call at a time."""

import gc
import threading
import weakref
from collections.abc import Callable, Generator
from contextlib import contextmanager

import pytest

from pyventus_typed import Cancelled, Completed, Discarded, Failed, Status, Tally
from pyventus_typed._ledger import Books, Entry, Ledger


def test_an_entry_without_deliveries_is_completed_by_accepting_it() -> None:
    ledger, told = Ledger(), list[str]()
    entry = Entry.of(0)
    ledger.accept(entry)
    entry.watch(lambda: told.append("told"))
    assert (entry.status, told) == (Status.COMPLETED, ["told"])
    assert ledger.tally == Tally(1, 0, 1, 0, 0, 0, 0)


@pytest.mark.parametrize(
    ("outcomes", "status"),
    [
        ((Completed(1), Completed(2)), Status.COMPLETED),
        ((Completed(1), Cancelled()), Status.CANCELLED),
        ((Cancelled(), Failed(ValueError())), Status.FAILED),
        ((Failed(ValueError()), Discarded("loop closed", started=True)), Status.DISCARDED),
    ],
)
def test_the_worst_of_its_deliveries_is_the_status_in_any_order(
    outcomes: tuple[Completed | Cancelled | Failed | Discarded, ...], status: Status
) -> None:
    for order in (outcomes, outcomes[::-1]):
        ledger, entry = Ledger(), Entry.of(2)
        ledger.accept(entry)
        for index, outcome in enumerate(order):
            assert entry.status is Status.PENDING
            ledger.start(entry, index)
            ledger.settle(entry, index, outcome)
        assert entry.status is status


def test_the_books_are_closed_before_anybody_is_told() -> None:
    ledger, entry, seen = Ledger(), Entry.of(1), list[tuple[Status, Tally]]()
    ledger.accept(entry)
    entry.watch(lambda: seen.append((entry.status, ledger.tally)))
    ledger.start(entry, 0)
    ledger.settle(entry, 0, Completed(None))
    assert seen == [(Status.COMPLETED, Tally(1, 0, 1, 0, 0, 0, 0))]


def test_a_watcher_that_is_forgotten_is_not_called() -> None:
    ledger, entry, told = Ledger(), Entry.of(1), list[str]()

    def watcher() -> None:
        told.append("told")

    ledger.accept(entry)
    entry.watch(watcher)
    entry.unwatch(watcher)
    entry.unwatch(watcher)
    ledger.settle(entry, 0, Cancelled())
    assert told == []


def test_a_second_wait_does_not_wait_for_what_came_after_the_first_in_its_place() -> None:
    ledger, first, second = Ledger(), Entry.of(1), Entry.of(1)
    ledger.accept(first)
    one = ledger.seal()
    ledger.accept(second)
    both = ledger.seal()
    ledger.settle(first, 0, Cancelled())
    assert [any(wave.open for wave in waves) for waves in (one, both)] == [False, True]
    ledger.settle(second, 0, Cancelled())
    assert ledger.seal() == ()


def test_what_was_only_counted_is_waited_for_as_soon_as_it_stands_in_the_books() -> None:
    ledger, entry = Ledger(), Entry.of(1)
    ledger.accepted += 1  # as it is done for what will be over before anybody can look
    assert ledger.seal() == ()
    ledger.reopen(entry)
    (wave,) = ledger.seal()
    assert wave.open == 1
    ledger.complete(entry, (Completed(None),))
    assert wave.open == 0


def test_a_wait_is_not_held_up_by_what_others_emit() -> None:
    ledger = Ledger()
    member, stranger, child, late = (Entry.of(1) for _ in range(4))
    ledger.accept(member)
    (wave,) = ledger.seal()
    ledger.accept(stranger)
    ledger.accept(child, member)
    ledger.accept(late, stranger)
    ledger.complete(member, (Completed(None),))
    assert wave.open
    ledger.complete(child, (Completed(None),))
    assert not wave.open


class Kept(Entry):
    """An entry that says when it is gone."""

    __slots__ = ("__weakref__",)


def test_a_wait_lets_go_of_what_came_late_and_was_settled() -> None:
    ledger, root, late = Ledger(), Entry.of(1), list[weakref.ref[Kept]]()
    ledger.accept(root)
    (wave,) = ledger.seal()
    for _ in range(2_000):
        entry = Kept.of(1)
        ledger.accept(entry, root)
        ledger.complete(entry, (Completed(None),))
        late.append(weakref.ref(entry))
    del entry
    assert sum(one() is not None for one in late) < 500
    last = Entry.of(1)
    ledger.accept(last, root)
    ledger.complete(root, (Completed(None),))
    assert wave.open
    ledger.complete(last, (Completed(None),))
    assert not wave.open


def test_after_a_wait_a_handle_keeps_none_of_those_that_were_waited_for_with_it() -> None:
    ledger = Ledger()
    entries = [Kept.of(1) for _ in range(5)]
    others = [weakref.ref(entry) for entry in entries[1:4]]
    for entry in entries:
        ledger.accept(entry)
    (wave,) = ledger.seal()
    gc.disable()  # nothing is left to the collector
    try:
        for entry in reversed(entries):
            ledger.complete(entry, (Completed(None),))
        assert not wave.open
        del wave, entries[1:4], entry
        assert [one() for one in others] == [None] * 3
    finally:
        gc.enable()


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
    """Emits and settles when the collector finds it."""

    def __init__(self, act: Callable[[], None]) -> None:
        self.itself = self
        self.act = act

    def __del__(self) -> None:
        self.act()


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("emits", [1, 0])
@pytest.mark.parametrize("settles", [0, 1])
def test_a_wait_finds_all_whenever_the_collector_emits_or_settles(emits: int, settles: int) -> None:
    for objects in range(1, 25):
        ledger = Ledger()
        entries = [Entry.of(1) for _ in range(5)]
        for entry in entries:
            ledger.accept(entry)
        late = [Entry.of(1) for _ in range(emits)]

        def act(entries: list[Entry] = entries, late: list[Entry] = late, ledger: Ledger = ledger) -> None:
            for entry in entries[:settles]:
                ledger.complete(entry, (Completed(None),))
            for entry in late:
                ledger.accept(entry, entries[2])

        gc.collect()
        gc.disable()
        Late(act)
        with collector_after(objects):
            waves = ledger.seal()
        gc.collect()
        for entry in (*late, *reversed(entries[settles:])):
            assert any(wave.open for wave in waves)
            ledger.complete(entry, (Completed(None),))
        assert not any(wave.open for wave in waves)


def test_totals_keep_what_lines_counted_that_are_gone() -> None:
    books = Books()
    ledger = books.open()
    ledger.accept(Entry.of(0))
    ledger.reject()
    books.fold(ledger)
    books.fold(ledger)  # once is enough
    kept = weakref.ref(threading.Lock())  # a control: this is collected
    gc.collect()
    assert kept() is None
    other = books.open()
    other.accept(Entry.of(1))
    assert books.tally == Tally(2, 1, 1, 0, 0, 0, 1)


def test_a_tally_adds_up_whenever_it_is_read_from_another_thread() -> None:
    ledger, stop, wrong = Ledger(), threading.Event(), list[Tally]()

    def read() -> None:
        while not stop.is_set():
            tally = ledger.tally
            ended = tally.completed + tally.failed + tally.cancelled + tally.discarded
            if tally.pending < 0 or tally.accepted != tally.pending + ended:
                wrong.append(tally)

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(20_000):
        entry = Entry.of(1)
        ledger.accept(entry)
        ledger.settle(entry, 0, Cancelled())
    stop.set()
    reader.join()
    assert wrong == []


class Gone:
    """A line that the collector finds, whenever that is."""

    def __init__(self, books: Books, ledger: Ledger) -> None:
        self.itself = self
        self.books, self.ledger = books, ledger

    def __del__(self) -> None:
        self.books.fold(self.ledger)


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("objects", range(1, 40))
def test_the_totals_are_right_whenever_the_collector_folds_a_ledger(objects: int) -> None:
    books = Books()
    for _ in range(10):
        ledger = books.open()
        ledger.accept(Entry.of(0))
        Gone(books, ledger)
    with collector_after(objects):
        found = [books.tally.accepted for _ in range(20)]
    assert found == [10] * 20
    gc.collect()
    assert books.tally == Tally(10, 0, 10, 0, 0, 0, 0)
