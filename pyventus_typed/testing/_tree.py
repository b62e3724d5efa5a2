"""All schedules of a program, those with few delays first: what can be tried completely, and what has been."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from typing_extensions import override

from ._policies import Faults
from ._schedule import Deviation, Fault, FaultKind, Place, Schedule

_Point: TypeAlias = tuple[int, int, tuple[FaultKind, ...]]
"""The number of a choice, how many candidates it had, and (); or of a place, 1, and the faults that are possible there."""


class Recording(Faults):
    """Follows a schedule, as a chooser and as faults, and notes in the order of time all that could have been otherwise."""

    def __init__(self, schedule: Schedule, kinds: Iterable[FaultKind] = ()) -> None:
        super().__init__(schedule.faults, kinds)
        self._wanted = dict(schedule.deviations)
        self.points: list[_Point] = []

    def __call__(self, choice: int, keys: Sequence[int]) -> int:
        size = len(keys)
        self.points.append((choice, size, ()))
        index = self._wanted.get(choice, 0)
        return index if index < size else 0

    @override
    def choose(self, place: Place, number: int, possible: Sequence[FaultKind]) -> Fault | None:
        if possible:
            self.points.append((number, 1, tuple(possible)))
        return super().choose(place, number, possible)


@dataclass(frozen=True, slots=True)
class Node:
    """A schedule, and where in its run those that go further begin: behind its last deviation."""

    schedule: Schedule
    begin: int


@dataclass(slots=True)
class _Known:
    """A node that has been run, and what could have been otherwise in its run."""

    node: Node
    delays: int
    points: list[_Point]
    largest: int
    """The most delays that one more deviation may add."""


class Tree:
    """Hands out each schedule once, by growing numbers of delays. After running one, call `add`."""

    def __init__(self) -> None:
        self._known: list[_Known] = []
        self.delays = -1
        """Every schedule with at most so many delays has been handed out."""
        self.exhausted = False
        """There are no others."""

    def add(self, node: Node, points: list[_Point]) -> None:
        """*node* has been run, and these are its *points*."""
        largest = max((size - 1 if not kinds else 1 for _, size, kinds in points[node.begin :]), default=0)
        self._known.append(_Known(node, node.schedule.delays, points, largest))

    def __iter__(self) -> Iterator[Node]:
        yield Node(Schedule(), 0)
        self.delays = 0
        while any(known.delays + known.largest > self.delays for known in self._known):
            wanted = self.delays + 1
            for known in [one for one in self._known if one.delays < wanted]:
                yield from _further(known, wanted - known.delays)
            self.delays = wanted
        self.exhausted = True


def _further(known: _Known, delays: int) -> Iterator[Node]:
    """The schedules with one deviation more than *known* that add exactly so many *delays*."""
    deviations = known.node.schedule.all
    if delays > known.largest:
        return
    for position in range(known.node.begin, len(known.points)):
        number, size, kinds = known.points[position]
        more: tuple[Deviation, ...] = ()
        if not kinds:
            more = ((number, delays),) if delays < size else ()
        elif delays == 1:
            more = tuple(Fault(kind, number) for kind in kinds)
        for deviation in more:
            yield Node(Schedule.of((*deviations, deviation)), position + 1)
