"""Make a failing schedule small: delta debugging over its deviations."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Deviations: TypeAlias = tuple[tuple[int, int], ...]

Attempt: TypeAlias = "Callable[[Deviations], Deviations | None]"
"""Run with these deviations as far as they fit: those that it really made, if it failed in the same way; else None."""


def shrink(deviations: Deviations, attempt: Attempt, *, alone: Sequence[int], budget: int = 800) -> Deviations:
    """A schedule that still fails, and from which no single deviation can be left out, as far as *budget* runs allow.

    Leaving out a deviation changes what comes after it, so the deviations of the run are taken over, not those asked for.
    A failure that needs one deviation, at one of the choices *alone*, is told with one.
    """
    state = _Shrinking(deviations, attempt, budget)
    state.one_of(alone, 1)
    state.without_chunks()
    while len(state.best) > 1 and (state.shifted() or state.earlier()) and state.without_chunks():
        pass
    state.one_of(alone, 2)
    state.earlier()
    return state.best


def shrink_tasks(
    tasks: Sequence[int], fails: Callable[[Sequence[int]], Deviations | None]
) -> tuple[Sequence[int], Deviations]:
    """No more of the *tasks* than those whose order the failure needs, and the deviations of a run with these.

    No deviations if it does not fail by their order alone. Of a hundred tasks few have to do with a failure, and to leave
    out the others one by one is cheaper than to leave out what each of them did.
    """
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


class _Shrinking:
    def __init__(self, deviations: Deviations, attempt: Attempt, budget: int) -> None:
        self.best = deviations
        self._attempt = attempt
        self._budget = budget
        self._tried: set[Deviations] = {deviations}

    def _better(self, candidate: Deviations) -> bool:
        if candidate in self._tried or self._budget <= 0:
            return False
        self._tried.add(candidate)
        self._budget -= 1
        made = self._attempt(candidate)
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
