"""The store of subscriptions, through the linker: from any thread, from a destructor, from a signal handler (E10, S1, S2)."""

import contextlib
import gc
import os
import signal
from types import FrameType
from typing import Any

import pytest

from pyventus_typed import Emitter, Event, Linker, Subscription
from pyventus_typed.errors import TooManySubscriptions
from tests.events import OrderPaid, OrderPlaced, Shipped
from tests.instants import Action, at_every_instant


def nothing(event: Event) -> None:
    """A handler."""


# ---------------------------------------------------------------- a stranger's code in the middle of a change
class Bench:
    """A linker with three subscriptions, and what a destructor or a signal handler may do to it."""

    def __init__(self) -> None:
        self.linker = Linker(max_subscriptions=4)
        self.seen: list[object] = []
        self.old: list[Subscription[Any]] = [self.linker.subscribe(OrderPlaced, self.seen.append) for _ in range(3)]
        self.doomed = self.linker.subscribe(OrderPaid, nothing)
        self.new: Subscription[OrderPlaced] | None = None
        self.second: Subscription[OrderPlaced] | None = None

    def subscribe(self) -> None:
        self.new = self.linker.subscribe(OrderPlaced, self.seen.append)

    def try_another(self) -> None:
        try:
            self.second = self.linker.subscribe(OrderPlaced, self.seen.append)
        except TooManySubscriptions:
            self.second = None

    def emit(self) -> None:
        Emitter(self.linker).emit(OrderPlaced(1))

    def check(self, expected: int) -> None:
        """Everybody agrees on who receives."""
        assert len(self.linker.receivers(OrderPlaced)) == expected
        assert sum(one.active for one in self.linker.subscriptions() if OrderPlaced in one.events) == expected
        self.seen.clear()
        self.emit()
        assert len(self.seen) == expected


@pytest.mark.parametrize("interruption", ["unsubscribe", "subscribe", "emit", "receivers", "clear"])
@pytest.mark.parametrize("change", ["subscribe", "unsubscribe", "emit"])
def test_a_signal_handler_may_come_at_any_instant_of_a_change(change: str, interruption: str) -> None:
    bench = Bench()

    def prepare() -> Action:
        nonlocal bench
        if bench.new is not None or change != "subscribe":
            verify()
        bench = Bench()
        return {"subscribe": bench.subscribe, "unsubscribe": bench.old[0].unsubscribe, "emit": bench.emit}[change]

    def verify() -> None:
        gained = {"subscribe": bench.new is not None, "unsubscribe": False, "emit": False}[change]
        active = [one for one in (*bench.old, bench.new, bench.second) if one is not None and one.active]
        bench.check(len(active))
        if interruption == "unsubscribe" and change == "subscribe" and gained and not bench.old[1].active:
            assert len(active) == 3

    actions: dict[str, Action] = {
        "unsubscribe": lambda: bench.old[1].unsubscribe(),
        "subscribe": lambda: bench.try_another() if change != "subscribe" else bench.linker.subscribe(Shipped, nothing),
        "emit": lambda: bench.emit(),
        "receivers": lambda: bench.linker.receivers(OrderPlaced),
        "clear": lambda: bench.linker.clear(),
    }
    assert at_every_instant(actions[interruption], prepare) >= 3
    verify()


def test_a_limit_bears_that_all_seats_become_free_while_it_is_judged() -> None:
    linker = Linker(max_subscriptions=1)

    def prepare() -> Action:
        nonlocal linker
        linker = Linker(max_subscriptions=1)
        linker.subscribe(OrderPlaced, nothing)
        return take

    def take() -> None:
        with contextlib.suppress(TooManySubscriptions):
            linker.subscribe(OrderPlaced, nothing)

    at_every_instant(lambda: linker.clear(), prepare)


def test_the_last_seat_goes_to_one_of_two_also_when_one_interrupts_the_other() -> None:
    outcomes: set[tuple[bool, bool]] = set()
    linker = Linker(max_subscriptions=1)
    taken = [False, False]

    def take(seat: int) -> None:
        try:
            linker.subscribe(OrderPlaced, nothing)
            taken[seat] = True
        except TooManySubscriptions:
            taken[seat] = False

    def prepare() -> Action:
        nonlocal linker
        if linker.subscriptions():
            outcomes.add((taken[0], taken[1]))
            assert len(linker.subscriptions()) == 1
        linker = Linker(max_subscriptions=1)
        taken[:] = [False, False]
        return lambda: take(0)

    at_every_instant(lambda: take(1), prepare)
    assert outcomes == {(True, False), (False, True)}


def test_a_destructor_that_unsubscribes_during_a_collection_stops_nobody() -> None:
    linker = Linker()

    class Screen:
        def __init__(self) -> None:
            self.me = self  # a cycle: only the collector ends it
            self.subscription = linker.subscribe(OrderPlaced, nothing)

        def __del__(self) -> None:
            ended.append(self.subscription.unsubscribe())
            linker.subscribe(OrderPaid, nothing).unsubscribe()

    ended: list[bool] = []
    before = gc.get_threshold()
    gc.set_threshold(1)  # the collector runs in the middle of everything
    try:
        for _ in range(300):
            Screen()
            linker.receivers(OrderPlaced)
            Emitter(linker).emit(OrderPlaced())
    finally:
        gc.set_threshold(*before)
    gc.collect()
    assert ended == [True] * 300
    assert linker.subscriptions() == ()


def test_a_real_signal_handler_that_links_and_emits_deadlocks_with_nothing() -> None:
    linker = Linker()
    emitter = Emitter(linker)
    seen: list[object] = []
    linker.subscribe(OrderPaid, seen.append)
    rang = 0

    def ring(signum: int, frame: FrameType | None) -> None:
        nonlocal rang
        rang += 1
        number = rang  # a signal handler may be interrupted by the next one
        with linker.subscribe(OrderPaid, nothing):
            emitter.emit(OrderPaid(number))

    emitted = 0
    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
    try:
        while rang < 200:
            linker.subscribe(OrderPlaced, nothing).unsubscribe()
            emitter.emit(OrderPlaced(1))
            emitted += 1
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    emitter.emit(OrderPaid(0))  # and whatever the last signal left in the queue
    assert sorted(event.order for event in seen if isinstance(event, OrderPaid)) == list(range(rang + 1))
    tally = emitter.tally
    assert (tally.accepted, tally.completed, tally.pending) == (emitted + rang + 1, emitted + rang + 1, 0)


# ---------------------------------------------------------------- limits and ends
def test_one_subscription_too_many_names_type_and_limit_and_registers_nothing() -> None:
    linker = Linker(max_subscriptions=2)
    linker.subscribe(OrderPlaced, nothing)
    linker.subscribe(OrderPlaced, nothing)
    linker.subscribe(OrderPaid, nothing)
    message = r"OrderPlaced has 2 subscriptions already, as many as max_subscriptions allows\. Unsubscribe one, or raise the limit\."
    with pytest.raises(TooManySubscriptions, match=message) as caught:
        linker.on(OrderPaid, OrderPlaced)(nothing)
    assert caught.value.found is OrderPlaced
    assert len(linker.subscriptions()) == 3
    assert len(linker.receivers(OrderPaid)) == 1


def test_a_limit_counts_for_each_event_type_and_for_active_ones() -> None:
    linker = Linker(max_subscriptions=1)
    first = linker.subscribe(OrderPlaced, nothing)
    linker.subscribe(OrderPaid, nothing)
    first.unsubscribe()
    linker.subscribe(OrderPlaced, nothing)


def test_clear_ends_all_of_them() -> None:
    linker = Linker()
    made = [linker.subscribe(kind, nothing) for kind in (OrderPlaced, OrderPaid, Event)]
    linker.clear()
    assert not any(one.active for one in made)
    assert linker.subscriptions() == ()
    assert made[0].unsubscribe() is False
    linker.clear()


# Whoever runs the tests may have threads, as xdist has.
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_linker_survives_a_fork() -> None:
    linker, seen = Linker(), list[object]()
    linker.subscribe(OrderPlaced, seen.append)
    child = os.fork()
    if not child:
        linker.subscribe(OrderPlaced, seen.append)
        Emitter(linker).emit(OrderPlaced())
        os._exit(len(seen))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 2
