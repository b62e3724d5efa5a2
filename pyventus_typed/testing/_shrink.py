"""Make a failing schedule small: delta debugging over its deviations."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

Deviations: TypeAlias = tuple[tuple[int, int], ...]

Attempt: TypeAlias = "Callable[[Deviations], tuple[Deviations, int] | None]"
"""Run with these deviations as far as they fit: those that it really made, and how many callbacks it held back, if it failed
in the same way; else None."""


def shrink(
    deviations: Deviations, attempt: Attempt, *, choices: int, callbacks_held: int = 0, budget: int = 800
) -> Deviations:
    """A schedule that still fails, and from which no single deviation can be left out, as far as *budget* runs allow.

    Leaving out a deviation changes what comes after it, so the deviations of the run are taken over, not those asked for.
    A failure that needs one deviation in the first *choices* choices is told with one. That a task was late is easier to
    believe than that a callback was, so the former is preferred.
    """
    state = _Shrinking(deviations, attempt, callbacks_held, budget)
    state.without_chunks()
    while len(state.best) > 1 and (state.shifted() or state.earlier()) and state.without_chunks():
        pass
    state.alone(min(choices, _MOST_ALONE))
    state.earlier()
    return state.best


_MOST_ALONE = 60


class _Shrinking:
    def __init__(self, deviations: Deviations, attempt: Attempt, callbacks_held: int, budget: int) -> None:
        self.best = deviations
        self._held = callbacks_held
        self._attempt = attempt
        self._budget = budget
        self._tried: set[Deviations] = {deviations}

    def _better(self, candidate: Deviations) -> bool:
        if candidate in self._tried or self._budget <= 0:
            return False
        self._tried.add(candidate)
        self._budget -= 1
        attempted = self._attempt(candidate)
        if attempted is None:
            return False
        made, held = attempted
        if _weight(made, held) >= _weight(self.best, self._held):
            return False
        self.best, self._held = made, held
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
        """Leave out one, and move those behind it: there are more choices without it, or fewer; whether that helped."""
        before = self.best
        position = 0
        while position < len(self.best):
            head, tail = self.best[:position], self.best[position + 1 :]
            if not any(
                self._better((*head, *((choice + by, candidate) for choice, candidate in tail)))
                for by in (-1, 1, -2, 2)
                if tail and tail[0][0] + by > (head[-1][0] if head else -1)
            ):
                position += 1
        return self.best != before

    def alone(self, choices: int) -> None:
        """Look for one deviation that does it, if more are needed so far, or a callback is late."""
        for candidate in (1, 2):
            for choice in range(choices):
                if len(self.best) <= 1 and not self._held:
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


def _weight(deviations: Deviations, held: int) -> tuple[int, int, int, int]:
    return len(deviations), held, sum(candidate for _, candidate in deviations), sum(choice for choice, _ in deviations)
