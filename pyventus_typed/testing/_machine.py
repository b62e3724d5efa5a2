"""EventMachine: a state machine for Hypothesis that owns a loop, emits, waits, cancels, restarts, and checks the promises."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Hashable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from random import Random
from typing import Any, ClassVar, TypeVar

from typing_extensions import override

from pyventus_typed import (
    AsyncIOProcessor,
    Emission,
    Emitter,
    Event,
    KeyedOrdering,
    Linker,
    Ordering,
    PerKey,
    Status,
    current_emission,
)
from pyventus_typed.errors import WouldDeadlock

from ._events import SearchStrategy, hypothesis, untraced
from ._loop import VirtualLoop
from ._outside import LeakDetector
from ._policies import portfolio
from ._run import Ending, end
from ._schedule import Schedule

st = hypothesis.strategies
_stateful = hypothesis.stateful

_E = TypeVar("_E", bound=Event)

_CHOICES = 50  # over so many choices the policies spread their deviations
_LONG = 1e6  # seconds after which whatever is still pending is stuck


@dataclass(frozen=True)
class _Carrier(Event):
    """Brings an event into a handler, which emits it."""

    event: Event


@dataclass(frozen=True)
class _WaitForAll(Event):
    """Its handler waits for everything, itself included."""


@dataclass(eq=False)
class _Waiter:
    task: asyncio.Task[bool] | None = None
    covers: list[Emission[Event]] = field(default_factory=list)


class EventMachine(_stateful.RuleBasedStateMachine):
    """Rules that drive an emitter on a `VirtualLoop`, under a schedule that Hypothesis draws, and the promises as invariants.

    A subclass sets ``events``, the strategy for what is emitted, and ``ordering``, and subscribes its handlers in `wire`.
    Handlers emit with ``self.emit``, so that what they emit is checked too. Add rules and invariants as to any
    ``RuleBasedStateMachine``; rules are plain functions and find ``self.loop`` stopped. Run it as ``ShopMachine.TestCase``.

    After every rule: the counts add up (L2), deliveries start in the order of acceptance and one at a time where the
    ordering says so (O2 to O6), waits cover what they must (W1), raise nothing (W3) and change nothing (W2), and a handler
    that waits for itself gets an error (W4). When a loop ends nothing of it stays pending (L4); at the end nothing is stuck (O7).
    """

    events: ClassVar[SearchStrategy[Event]]
    ordering: ClassVar[Ordering | KeyedOrdering] = Ordering.CONCURRENT

    def __init__(self) -> None:
        super().__init__()
        if not isinstance(getattr(type(self), "events", None), st.SearchStrategy):
            raise TypeError(
                f"{type(self).__qualname__} needs a strategy for its events: events = events(OrderPlaced, ...)"
            )
        self.linker: Linker[Event] = Linker()
        self.discarded: list[Emission[Event]] = []
        processor = AsyncIOProcessor(ordering=self.ordering, on_discard=self.discarded.extend)
        self.emitter: Emitter[Event] = Emitter(self.linker, processor)
        self.emissions: list[Emission[Event]] = []
        self.told_of_deadlock: list[bool] = []
        self._waiters: list[_Waiter] = []
        self._never_started: list[Emission[Event]] = []
        self._seed = 0
        self._leaks = LeakDetector()
        self._leaks.__enter__()
        # Or Hypothesis, to explain a failure, would trace each line of each step of the loop.
        self._untraced = untraced()
        self._untraced.__enter__()
        self._leaks.begin()
        self.loop: VirtualLoop = self._new_loop()
        self.linker.subscribe(_Carrier, self._emit_from_handler)
        self.linker.subscribe(_WaitForAll, self._wait_for_itself)
        self.wire()

    @classmethod
    @override
    @cache  # as Hypothesis has it: settings are put on the class, which so must stay the same
    def _to_test_case(cls) -> Any:  # Any: a class that only Hypothesis knows
        """What is ``TestCase``: it leaves the phase out in which Hypothesis tries to explain a failure.

        That runs each part of the smallest example hundreds of times, and says of a state machine next to nothing.
        """
        test_case: Any = super()._to_test_case()  # Any: Hypothesis makes it at run time
        phases = hypothesis.Phase

        class WithoutExplaining(test_case):  # type: ignore[misc]  # a base made at run time
            @override
            def runTest(self) -> None:
                asked = self.settings
                kept = [phase for phase in asked.phases if phase is not phases.explain]
                _stateful.run_state_machine_as_test(cls, settings=hypothesis.settings(asked, phases=kept))

        WithoutExplaining.__name__ = WithoutExplaining.__qualname__ = test_case.__name__
        WithoutExplaining.__module__ = cls.__module__
        return WithoutExplaining

    def wire(self) -> None:
        """Subscribe the handlers under test to ``self.linker``. The default subscribes none."""

    def emit(self, event: _E) -> Emission[_E]:
        """Emit *event*; from a handler, or from a rule through ``self.loop.call_in_loop``."""
        parent = current_emission()
        emitter: Emitter[_E] = self.emitter
        emission = emitter.emit(event)
        self.emissions.append(emission)
        for waiter in self._waiters:
            if parent is not None and parent.status is Status.PENDING and parent in waiter.covers:
                waiter.covers.append(emission)
        return emission

    # ------------------------------------------------------------------ rules
    @_stateful.initialize(seed=st.integers(0, 2**16))
    def choose_schedule(self, seed: int) -> None:
        """The schedule of every loop of this run."""
        self._seed = seed
        self.restart("cancel")

    @_stateful.rule(event=st.runner().flatmap(lambda machine: machine.events))
    def emit_event(self, event: Event) -> None:
        self.loop.call_in_loop(lambda: self.emit(event))

    @_stateful.rule(event=st.runner().flatmap(lambda machine: machine.events))
    def emit_from_a_handler(self, event: Event) -> None:
        self.loop.call_in_loop(lambda: self.emit(_Carrier(event)))

    @_stateful.rule(steps=st.integers(1, 30))
    def let_run(self, steps: int) -> None:
        self.loop.run_steps(steps)

    @_stateful.rule(seconds=st.sampled_from([0.0, 0.5, 1.0, 60.0]))
    def advance_time(self, seconds: float) -> None:
        self.loop.advance(seconds)

    @_stateful.rule(timeout=st.sampled_from([None, 0.0, 1.0]))
    def wait(self, timeout: float | None) -> None:
        waiter = _Waiter()

        async def wait() -> bool:
            waiter.covers = [one for one in self.emissions if one.status is Status.PENDING]
            return await self.emitter.wait_for_tasks(timeout)

        waiter.task = self.loop.create_task(wait(), name="waiter")
        self._waiters.append(waiter)

    @_stateful.precondition(lambda self: self._waiters)
    @_stateful.rule(index=st.integers(0))
    def cancel_a_waiter(self, index: int) -> None:
        waiter = self._waiters.pop(index % len(self._waiters))
        before = [one.status for one in self.emissions]
        assert waiter.task is not None
        waiter.task.cancel()
        assert before == [one.status for one in self.emissions], "W2: cancelling a waiter changed an emission"

    @_stateful.precondition(lambda self: self.emissions)
    @_stateful.rule(index=st.integers(0))
    def cancel_an_emission(self, index: int) -> None:
        self.loop.call_in_loop(self.emissions[index % len(self.emissions)].cancel)

    @_stateful.rule()
    def wait_for_itself(self) -> None:
        self.loop.call_in_loop(lambda: self.emit(_WaitForAll()))

    @_stateful.rule(ending=st.sampled_from(["cancel", "close", "lost"]))
    def restart(self, ending: Ending) -> None:
        """End the loop, in one of three ways, and go on in a new one."""
        if ending != "cancel":
            # A waiter is a task of the test's own, which must not be lost together with the loop.
            self._cancel_waiters()
            self.loop.run_until_idle()
        self._waiters.clear()
        end(self.loop, ending)
        self.loop = self._new_loop()  # the last reference to the old one is gone
        self._complain()
        pending = [one for one in self.emissions if one.status is Status.PENDING]
        assert not pending, f"L4: pending after the end of their loop ({ending}): {pending}"
        self._never_started = [
            one for one in self.emissions if not any(delivery.started for delivery in one.deliveries)
        ]

    @override
    def teardown(self) -> None:
        """Nothing may be stuck, and nothing may have been lost on the way."""
        failure = sys.exc_info()[1]
        try:
            if failure is not None:  # that is to be told, and not what comes of it
                failure.add_note(f"The loop ran under the schedule '{Schedule(tuple(self.loop.deviations))}'.")
                self._waiters.clear()
                with suppress(Exception):  # what else goes wrong comes of that
                    end(self.loop, "cancel")
                return
            finished = self.loop.create_task(self.emitter.wait_for_tasks(_LONG), name="the end")
            assert self.loop.run_until_complete(finished), f"O7: stuck: {self._pending()}"
            self.check_promises()
            end(self.loop, "cancel")
            del self.loop
            self._complain()
        finally:
            self._untraced.__exit__(None, None, None)
            self._leaks.__exit__(None, None, None)
            super().teardown()

    # ------------------------------------------------------------------ invariants
    @_stateful.invariant()
    def check_promises(self) -> None:
        """All promises that can be read from the emissions and the counts."""
        tally = self.emitter.tally
        settled = tally.completed + tally.failed + tally.cancelled + tally.discarded
        assert tally.accepted == tally.pending + settled, f"L2: the counts do not add up: {tally}"
        self._check_order()
        for one in self._never_started:
            assert not any(delivery.started for delivery in one.deliveries), f"L6: started after its loop: {one}"
        for waiter in [one for one in self._waiters if one.task is not None and one.task.done()]:
            self._waiters.remove(waiter)
            assert waiter.task is not None
            assert waiter.task.exception() is None, f"W3: a wait raised {waiter.task.exception()!r}"
            open_ = [one for one in waiter.covers if one.status is Status.PENDING]
            assert not (waiter.task.result() and open_), f"W1: the wait is over, and these are pending: {open_}"
        assert all(self.told_of_deadlock), "W4: a handler that waits for itself was not told so"

    def _check_order(self) -> None:
        waits: dict[tuple[object, Hashable], Emission[Event]] = {}
        runs: dict[tuple[object, Hashable], Emission[Event]] = {}
        for emission in self.emissions:
            row = self._row(emission)
            for delivery in emission.deliveries:
                place = (delivery.subscription, row)
                if delivery.started:
                    assert place not in waits, f"O2: {emission} started before {waits[place]}"
                    lane = place if self.ordering is Ordering.MAILBOX else (None, row)
                    if lane in runs and runs[lane] is not emission and self._one_at_a_time(emission):
                        raise AssertionError(f"O3 to O5: {emission} started while {runs[lane]} was not over")
                    if delivery.outcome is None:
                        runs[lane] = emission
                elif delivery.outcome is None:
                    waits.setdefault(place, emission)

    def _row(self, emission: Emission[Event]) -> Hashable:
        return self.ordering.chosen(emission.event) if isinstance(self.ordering, PerKey) else None

    def _one_at_a_time(self, emission: Emission[Event]) -> bool:
        if isinstance(self.ordering, PerKey):
            return self.ordering.chosen(emission.event) is not None
        return self.ordering is not Ordering.CONCURRENT

    # ------------------------------------------------------------------ internal
    async def _emit_from_handler(self, carrier: _Carrier) -> None:
        await asyncio.sleep(0)
        self.emit(carrier.event)

    async def _wait_for_itself(self, _: _WaitForAll) -> None:
        try:
            async with asyncio.timeout(_LONG / 2):
                await self.emitter.wait_for_tasks()
        except WouldDeadlock:
            self.told_of_deadlock.append(True)
        except TimeoutError:
            self.told_of_deadlock.append(False)

    def _cancel_waiters(self) -> None:
        for waiter in self._waiters:
            assert waiter.task is not None
            waiter.task.cancel()

    def _new_loop(self) -> VirtualLoop:
        random = Random(self._seed)  # noqa: S311  # nothing secret: it must be repeatable
        loop = VirtualLoop(chooser=portfolio(random, self._seed, _CHOICES))
        loop.set_exception_handler(self._leaks.handle)
        self._leaks.clock.follow(loop)
        return loop

    def _complain(self) -> None:
        background = self._leaks.end()
        if background is not None:
            raise background

    def _pending(self) -> list[Emission[Any]]:
        return [one for one in self.emissions if one.status is Status.PENDING]
