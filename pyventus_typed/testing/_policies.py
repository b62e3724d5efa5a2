"""Policies: who goes next where more than one thing could, and what goes wrong.

A chooser is called at each choice with its number and the candidates, oldest first, and returns an index.
No single policy finds everything, so `portfolio` takes them in turn: PCT finds bugs of a known depth (2, or "deep": 3 to 5),
walks find the ones that need many small changes, bursts the ones that need one task to get far ahead, holds the ones that
need one task to stay far behind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from random import Random
from typing import Final, NamedTuple, Protocol, TypeAlias, overload

from typing_extensions import override

from ._schedule import PLACES, Deviation, Fault, FaultKind, Place, Schedule, ScheduleError

POLICIES = ("pct2", "walk", "bursts", "deep", "holds")

FEW = 64
"""Of so many candidates a policy looks at each."""
_LOOKED_AT = 8


class Candidate(Protocol):
    """What is ready; ``key`` is that of its task."""

    @property
    def key(self) -> int: ...


Chooser: TypeAlias = Callable[[int, Sequence[Candidate]], int]


class Key(NamedTuple):
    """A candidate that is nothing but its key."""

    key: int


class Many(Sequence[Candidate]):
    """More than `FEW` candidates: those that are free, one that stays in its order, those that are kept back.

    There is no list of them, or a step would cost in proportion to what is ready.
    """

    def __init__(
        self,
        free: Sequence[Candidate],
        of_free: int,
        head: Candidate | None,
        kept: Sequence[Candidate],
        size: int,
    ) -> None:
        self._free, self._head, self._kept = free, head, kept
        self._size = size
        self.newest: int = of_free
        """The place behind the one that has become ready last, of those that are not kept back."""

    @override
    def __len__(self) -> int:
        return self._size

    @overload
    def __getitem__(self, index: int, /) -> Candidate: ...
    @overload
    def __getitem__(self, index: slice, /) -> Sequence[Candidate]: ...
    @override
    def __getitem__(self, index: int | slice, /) -> Candidate | Sequence[Candidate]:
        if isinstance(index, int):
            if not 0 <= index < self._size:
                raise IndexError(index)
            return self[index : index + 1][0]
        start, stop, _ = index.indices(self._size)
        of_free = self.newest
        some = [*self._free[start : min(stop, of_free)]]
        if self._head is not None:
            if start <= of_free < stop:
                some.append(self._head)
            of_free += 1
        if stop > of_free:
            some += self._kept[max(start - of_free, 0) : stop - of_free]
        return some


def replay(schedule: Schedule) -> Chooser:
    """Exactly *schedule*; ``ScheduleError`` at a choice that has not that many candidates."""
    wanted = dict(schedule.deviations)

    def choose(choice: int, candidates: Sequence[Candidate]) -> int:
        index = wanted.get(choice, 0)
        if index >= len(candidates):
            raise ScheduleError(
                f"The schedule '{schedule}' does not fit this program: it takes candidate {index} at choice {choice}, "
                f"where there are only {len(candidates)} (0 to {len(candidates) - 1}). The program has changed since the "
                "schedule was found: explore again, or give it as explore(..., first=[...]), which uses what still fits."
            )
        return index

    return choose


def as_far_as_it_fits(schedule: Schedule) -> Chooser:
    """*schedule*, with FIFO wherever it does not fit: for shrinking, and for a program that has changed since."""
    wanted = dict(schedule.deviations)

    def choose(choice: int, candidates: Sequence[Candidate]) -> int:
        index = wanted.get(choice, 0)
        return index if index < len(candidates) else 0

    return choose


def keep_order(tasks: frozenset[int], order: Sequence[int], log: Sequence[int]) -> Chooser:
    """Let the steps of *tasks* go in the order that they have in *order*, a log of keys; everything else is FIFO.

    *log* is that of the run itself. Unlike a deviation, the order of two tasks means the same whatever others do.
    """
    kept = [key for key in order if key in tasks]
    held: set[int] = set()
    seen = made = 0

    def choose(_: int, candidates: Sequence[Candidate]) -> int:
        nonlocal seen, made
        keys = [one.key for one in candidates]
        for key in log[seen:]:
            held.discard(key)
            made += key in tasks
        seen = len(log)
        expected = kept[made] if made < len(kept) else None
        if expected in held and expected in keys:
            return keys.index(expected)
        index = next((index for index, key in enumerate(keys) if key not in tasks or key == expected), 0)
        if keys[index] not in held:
            held.update(keys[:index])
        return index

    return choose


def walk(random: Random, stay: float) -> Chooser:
    """Stay with what ran last while it is ready, with the probability *stay*; else a uniform choice."""
    draw = random.random
    current: int | None = None

    def choose(_: int, candidates: Sequence[Candidate]) -> int:
        nonlocal current
        size = len(candidates)
        start = 0
        some = candidates
        if type(candidates) is Many:  # what ran last is one of those that have become ready last
            start = max(candidates.newest - _LOOKED_AT, 0)
            some = candidates[start : candidates.newest]
        for index, one in enumerate(some, start):
            if one.key == current:
                if draw() < stay:
                    return index
                break
        index = int(draw() * size)
        current = candidates[index].key
        return index

    return choose


def pct(random: Random, depth: int, horizon: int) -> Chooser:
    """Probabilistic concurrency testing (Burckhardt et al., 2010): the highest of random priorities goes first.

    At ``depth - 1`` random choices among *horizon* the one that would go falls behind all others. A bug that needs
    *depth* ordered events is found with a probability that is known, and not tiny. Of very many candidates only some are
    looked at, or a step would cost in proportion to them.
    """
    draw = random.random
    priorities = _Priorities(draw)
    changes = {int(draw() * horizon) for _ in range(depth - 1)}
    lowest = 0.0

    def choose(choice: int, candidates: Sequence[Candidate]) -> int:
        nonlocal lowest
        start = 0
        some = candidates
        if type(candidates) is Many:
            start = int(draw() * (len(candidates) - _LOOKED_AT))
            some = candidates[start : start + _LOOKED_AT]
        ranks = [priorities[one.key] for one in some]
        best = ranks.index(max(ranks))
        if choice in changes:
            lowest -= 1.0
            priorities[some[best].key] = lowest
            changes.discard(choice)
            return choose(choice, candidates)
        return start + best

    return choose


class _Priorities(dict[int, float]):
    """The priority of each task; who has none yet draws one."""

    def __init__(self, draw: Callable[[], float]) -> None:
        super().__init__()
        self._draw = draw

    def __missing__(self, key: int) -> float:
        self[key] = priority = self._draw()
        return priority


def holds(random: Random, horizon: int) -> Chooser:
    """FIFO, but now and then the one whose turn it is must wait, for a few choices or for very long."""
    draw = random.random
    rate = (1 + int(draw() * 3)) / horizon
    held: dict[int, int] = {}

    def choose(choice: int, candidates: Sequence[Candidate]) -> int:
        for index, one in enumerate(candidates[:_LOOKED_AT] if type(candidates) is Many else candidates):
            if held.get(one.key, -1) >= choice:
                continue
            if draw() < rate:
                held[one.key] = choice + 1 + int(draw() ** 2 * 2 * horizon)
                continue
            return index
        return 0

    return choose


def portfolio(random: Random, index: int, horizon: int) -> Chooser:
    """The chooser of schedule *index* of an exploration; *horizon* is how many choices a FIFO run has.

    Well beyond that it leaves everything to FIFO: a program that is then still not done is stuck, and not just kept busy
    by a scheduler that is never fair.
    """
    horizon = max(horizon, 4)
    choose = _policy(POLICIES[index % len(POLICIES)], random, horizon)
    end = 3 * horizon + 32
    return lambda choice, candidates: choose(choice, candidates) if choice < end else 0


def _policy(name: str, random: Random, horizon: int) -> Chooser:
    match name:
        case "pct2":
            return pct(random, 2, horizon)
        case "walk":
            return walk(random, random.random())
        case "bursts":
            return walk(random, 7 / 8)
        case "deep":
            return pct(random, 3 + int(random.random() * 3), horizon)
        case _:
            return holds(random, horizon)


# ---------------------------------------------------------------- faults
@cache
def _by_place(kinds: frozenset[FaultKind]) -> Mapping[Place, tuple[FaultKind, ...]]:
    wanted = [kind for kind in PLACES if kind in kinds]
    return {place: tuple(kind for kind in wanted if PLACES[kind] == place) for place in map(PLACES.__getitem__, wanted)}


class Faults:
    """Says at each place whether something goes wrong there: here, what a schedule names."""

    def __init__(self, faults: Iterable[Fault] = (), kinds: Iterable[FaultKind] = ()) -> None:
        self._planned = {(PLACES[fault.kind], fault.number): fault for fault in faults}
        self.made: list[Fault] = []
        self.kinds: Final = _by_place(frozenset((*kinds, *(fault.kind for fault in faults))))
        """The places at which it wants to be asked, and what for."""
        self.counts: dict[Place, int] = dict.fromkeys(self.kinds, 0)

    def ask(self, place: Place, possible: Sequence[FaultKind]) -> Fault | None:
        """What goes wrong at the next *place* of its kind, of what is *possible* there."""
        number = self.counts[place]
        self.counts[place] = number + 1
        fault = self.choose(place, number, possible)
        if fault is None or fault.kind not in possible:
            return None
        self.made.append(fault)
        return fault

    def choose(self, place: Place, number: int, possible: Sequence[FaultKind]) -> Fault | None:  # noqa: ARG002  # other policies use it
        """The fault at the place of that number, if any."""
        return self._planned.get((place, number))


def faults_of(schedule: Schedule) -> Faults | None:
    """What goes wrong in *schedule*, if anything does."""
    return Faults(schedule.faults) if schedule.faults else None


class RandomFaults(Faults):
    """One or two faults, wherever they fall; *horizon* is how many places of each kind a run without faults has."""

    def __init__(self, random: Random, kinds: Iterable[FaultKind], horizon: Mapping[Place, int]) -> None:
        super().__init__((), kinds)
        self._random = random
        total = sum(horizon.get(place, 0) for place in self.kinds)
        self._rate = 1.5 / max(total, 2)

    @override
    def choose(self, place: Place, number: int, possible: Sequence[FaultKind]) -> Fault | None:
        if not possible or self._random.random() >= self._rate:
            return None
        return Fault(possible[int(self._random.random() * len(possible))], number)


class AlwaysCollect(Faults):
    """The garbage collector runs after every step, or after every *nth* of a long run."""

    def __init__(self, nth: int) -> None:
        super().__init__((), ("collect",))
        self._nth = nth

    @override
    def choose(self, place: Place, number: int, possible: Sequence[FaultKind]) -> Fault | None:
        return Fault("collect", number) if place == "step" and number % self._nth == 0 else None


# ---------------------------------------------------------------- all schedules, those with few delays first
_Point: TypeAlias = tuple[int, int, tuple[FaultKind, ...]]
"""The number of a choice, how many candidates it had, and (); or of a place, 1, and the faults that are possible there."""


class Recording(Faults):
    """Follows a schedule, as a chooser and as faults, and notes in the order of time all that could have been otherwise."""

    def __init__(self, schedule: Schedule, kinds: Iterable[FaultKind] = ()) -> None:
        super().__init__(schedule.faults, kinds)
        self._wanted = dict(schedule.deviations)
        self.points: list[_Point] = []

    def __call__(self, choice: int, candidates: Sequence[Candidate]) -> int:
        size = len(candidates)
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
