"""Make a failing schedule small: delta debugging over its tasks, then over its deviations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias

from ._ready import FIFO_KEY
from ._schedule import Chooser, Schedule, as_far_as_it_fits, keep_order

Deviations: TypeAlias = tuple[tuple[int, int], ...]

_MOST_ALONE = 80
_MOST_RUNS = 800
_FEW = 3


class Attempt(Protocol):
    """A run: the deviations that it really made if it failed in the same way, else None. *log* takes the keys of its steps."""

    def __call__(self, chooser: Chooser, log: list[int] | None = None) -> Deviations | None: ...


def smallest_deviations(found: Schedule, attempts: Callable[[], Attempt]) -> Deviations:
    """Deviations that still fail, and of which none can be left out, as far as the budget of *attempts* allows.

    First the tasks whose order the failure needs are found, then one late step of theirs is tried, then the deviations are
    left out one by one.
    """
    attempt = attempts()
    order: list[int] = []
    attempt(as_far_as_it_fits(found), order)
    tasks, of_few = _necessary_tasks(sorted({key for key in order if key >= 0}), order, attempt)
    heads: list[
        int
    ] = []  # the choices of FIFO at which it is the turn of one of these, or of something that is no task

    def fifo(choice: int, keys: Sequence[int]) -> int:
        if keys[0] in tasks or keys[0] < FIFO_KEY:
            heads.append(choice)
        return 0

    attempt(fifo)
    best = _shrink(of_few or found.deviations, attempt, heads[:_MOST_ALONE])
    if of_few and len(best) > _FEW:  # to begin elsewhere may well end elsewhere
        best = min(best, _shrink(found.deviations, attempts(), heads[:_MOST_ALONE]), key=len)
    return best


def _necessary_tasks(tasks: Sequence[int], order: Sequence[int], attempt: Attempt) -> tuple[Sequence[int], Deviations]:
    """No more of the *tasks* than those whose *order* the failure needs, and the deviations of a run with these.

    No deviations if it does not fail by their order alone. Of a hundred tasks few have to do with a failure, and to leave
    out the others one by one is cheaper than to leave out what each of them did.
    """

    def fails(fewer: Sequence[int]) -> Deviations | None:
        log: list[int] = []
        return attempt(keep_order(frozenset(fewer), order, log), log)

    best = fails(tasks)
    size = len(tasks) // 2
    while size and best:
        start = 0
        while start < len(tasks):
            fewer = (*tasks[:start], *tasks[start + size :])
            made = fails(fewer)
            if made:
                tasks, best = fewer, made
            else:
                start += size
        size //= 2
    return tasks, best or ()


def _shrink(deviations: Deviations, attempt: Attempt, alone: Sequence[int]) -> Deviations:
    """Fewer deviations: one at one of the choices *alone* if that will do, else as few as can be found.

    Leaving out a deviation changes what comes after it, so the deviations of the run are taken over, not those asked for.
    """
    state = _Shrinking(deviations, attempt)
    state.one_of(alone, 1)
    state.without_chunks()
    while len(state.best) > 1 and (state.shifted() or state.earlier()) and state.without_chunks():
        pass
    state.one_of(alone, 2)
    state.earlier()
    return state.best


class _Shrinking:
    def __init__(self, deviations: Deviations, attempt: Attempt) -> None:
        self.best = deviations
        self._attempt = attempt
        self._budget = _MOST_RUNS
        self._tried: set[Deviations] = {deviations}

    def _better(self, candidate: Deviations) -> bool:
        if candidate in self._tried or self._budget <= 0:
            return False
        self._tried.add(candidate)
        self._budget -= 1
        made = self._attempt(as_far_as_it_fits(Schedule(candidate)))
        if made is None or _weight(made) >= _weight(self.best):
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
                if not self._better(self.best[:start] + self.best[start + size :]):
                    start += size
            size //= 2
        return self.best != before

    def shifted(self) -> bool:
        """Leave out one or some, and move those behind: there are more choices without them, or fewer; whether it helped."""
        before = self.best
        for width in (1, 2, 3, 4):
            position = 0
            while position + width < len(self.best):
                head, tail = self.best[:position], self.best[position + width :]
                if not any(
                    self._better((*head, *((choice + by, candidate) for choice, candidate in tail)))
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
            self._better(((choice, candidate),))

    def earlier(self) -> bool:
        """Prefer the second candidate over the third; whether that made it simpler."""
        before = self.best
        for position in range(len(before)):
            while position < len(self.best) and self.best[position][1] > 1:
                choice, candidate = self.best[position]
                if not self._better((*self.best[:position], (choice, candidate - 1), *self.best[position + 1 :])):
                    break
        return self.best != before


def _weight(deviations: Deviations) -> tuple[int, int, int]:
    return len(deviations), sum(candidate for _, candidate in deviations), sum(choice for choice, _ in deviations)
