"""Make a failing schedule small: delta debugging over its tasks, then over its deviations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from ._policies import Candidate, Chooser, as_far_as_it_fits, keep_order
from ._ready import FIFO_KEY
from ._schedule import Deviation, Fault, Schedule

_MOST_ALONE = 80
_MOST_RUNS = 800
_FEW = 3


class Attempt(Protocol):
    """A run: what it really deviated in if it failed in the same way, else None. *log* takes the keys of its steps."""

    def __call__(
        self, chooser: Chooser, faults: Sequence[Fault] = (), log: list[int] | None = None
    ) -> Schedule | None: ...


def smallest_schedule(found: Schedule, attempts: Callable[[], Attempt]) -> Schedule:
    """A schedule that still fails, and of which nothing can be left out, as far as the budget of *attempts* allows.

    First the tasks whose order the failure needs are found, then one late step of theirs is tried, then the deviations are
    left out one by one.
    """
    attempt = attempts()
    order: list[int] = []
    attempt(as_far_as_it_fits(found), found.faults, order)
    tasks, of_few = _necessary_tasks(sorted({key for key in order if key >= 0}), order, found.faults, attempt)
    heads: list[
        int
    ] = []  # the choices of FIFO at which it is the turn of one of these, or of something that is not a task

    def fifo(choice: int, candidates: Sequence[Candidate]) -> int:
        first = candidates[0].key
        if first in tasks or first < FIFO_KEY:
            heads.append(choice)
        return 0

    attempt(fifo)
    best = _shrink(of_few or found, attempt, heads[:_MOST_ALONE])
    # To begin elsewhere may well end elsewhere; and to keep an order may take more delays than what was found.
    if of_few is not None and (len(best) > _FEW or found.delays < best.delays):
        best = min(best, _shrink(found, attempts(), heads[:_MOST_ALONE]), key=weight)
    return best


def weight(schedule: Schedule) -> tuple[int, int, int]:
    """How large *schedule* is: its delays first, which is how far it is from FIFO."""
    places = sum(choice for choice, _ in schedule.deviations) + sum(fault.number for fault in schedule.faults)
    return schedule.delays, len(schedule), places


def _necessary_tasks(
    tasks: Sequence[int], order: Sequence[int], faults: Sequence[Fault], attempt: Attempt
) -> tuple[Sequence[int], Schedule | None]:
    """No more of the *tasks* than those whose *order* the failure needs, and the schedule of a run with these.

    No schedule if it does not fail by their order alone. Of a hundred tasks few have to do with a failure, and to leave
    out the others one by one is cheaper than to leave out what each of them did.
    """

    def fails(fewer: Sequence[int]) -> Schedule | None:
        log: list[int] = []
        return attempt(keep_order(frozenset(fewer), order, log), faults, log)

    best = fails(tasks)
    size = len(tasks) // 2
    while size and best is not None:
        start = 0
        while start < len(tasks):
            fewer = (*tasks[:start], *tasks[start + size :])
            made = fails(fewer)
            if made is not None:
                tasks, best = fewer, made
            else:
                start += size
        size //= 2
    return tasks, best


def _shrink(found: Schedule, attempt: Attempt, alone: Sequence[int]) -> Schedule:
    """Fewer deviations: one at one of the choices *alone* if that will do, else as few as can be found.

    Leaving out a deviation changes what comes after it, so the deviations of the run are taken over, not those asked for.
    """
    state = _Shrinking(found, attempt)
    state.one_of(alone, 1)
    state.without_chunks()
    while len(state.best) > 1 and (state.shifted() or state.earlier()) and state.without_chunks():
        pass
    state.one_of(alone, 2)
    state.earlier()
    return state.best


class _Shrinking:
    def __init__(self, found: Schedule, attempt: Attempt) -> None:
        self.best = found
        self._attempt = attempt
        self._budget = _MOST_RUNS
        self._tried: set[Schedule] = {found}

    def _better(self, *deviations: Deviation) -> bool:
        candidate = Schedule.of(deviations)
        if candidate in self._tried or self._budget <= 0:
            return False
        self._tried.add(candidate)
        self._budget -= 1
        made = self._attempt(as_far_as_it_fits(candidate), candidate.faults)
        if made is None or weight(made) >= weight(self.best):
            return False
        self.best = made
        self._tried.add(made)
        return True

    def without_chunks(self) -> bool:
        """Leave out halves, quarters, ... single deviations; whether that made it smaller."""
        before = self.best
        size = len(self.best)
        while size:
            start = 0
            while start < len(self.best):
                everything = self.best.all
                if not self._better(*everything[:start], *everything[start + size :]):
                    start += size
            size //= 2
        return self.best != before

    def shifted(self) -> bool:
        """Leave out one or some, and move those behind: there are more choices without them, or fewer; whether it helped."""
        before = self.best
        for width in (1, 2, 3, 4):
            position = 0
            while position + width < len(self.best.deviations):
                order, faults = self.best.deviations, self.best.faults
                head, tail = order[:position], order[position + width :]
                if not any(
                    self._better(*head, *((choice + by, candidate) for choice, candidate in tail), *faults)
                    for by in (0, -1, 1, -2, 2, -width)
                    if tail[0][0] + by > (head[-1][0] if head else -1)
                ):
                    position += 1
        return self.best != before

    def one_of(self, choices: Sequence[int], candidate: int) -> None:
        """Look for one deviation that does it, if more are needed so far."""
        for choice in choices:
            if len(self.best) <= 1:
                return
            self._better((choice, candidate))

    def earlier(self) -> bool:
        """Prefer the second candidate over the third; whether that made it simpler."""
        before = self.best
        for position in range(len(before.deviations)):
            while position < len(self.best.deviations) and self.best.deviations[position][1] > 1:
                order, faults = self.best.deviations, self.best.faults
                choice, candidate = order[position]
                if not self._better(*order[:position], (choice, candidate - 1), *order[position + 1 :], *faults):
                    break
        return self.best != before
