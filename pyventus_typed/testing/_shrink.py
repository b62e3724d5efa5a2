"""Make a failing schedule small: delta debugging over its deviations."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

Deviations: TypeAlias = tuple[tuple[int, int], ...]

Attempt: TypeAlias = "Callable[[Deviations], Deviations | None]"
"""Run with these deviations as far as they fit: those that it really made if it failed in the same way, else None."""


def shrink(deviations: Deviations, attempt: Attempt, *, budget: int = 600) -> Deviations:
    """A schedule that still fails, and from which no single deviation can be left out, as far as *budget* runs allow.

    Leaving out a deviation changes what comes after it, so the deviations of the run are taken over, not those asked for.
    """
    state = _Shrinking(deviations, attempt, budget)
    state.without_chunks()
    while state.earlier() or state.without_chunks():
        pass
    return state.best


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
