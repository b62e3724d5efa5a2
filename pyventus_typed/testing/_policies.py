"""Policies: who goes next where more than one thing could, and what goes wrong.

A chooser is called at each choice with its number and the keys of the candidates, oldest first, and returns an index.
No single policy finds everything, so `portfolio` takes them in turn: PCT finds bugs of a known depth (2, or "deep": 3 to 5),
walks find the ones that need many small changes, bursts the ones that need one task to get far ahead, holds the ones that
need one task to stay far behind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from random import Random
from typing import Final, Protocol, TypeAlias, overload

from typing_extensions import override

from ._schedule import PLACES, Fault, FaultKind, Place, Schedule, ScheduleError

Chooser: TypeAlias = Callable[[int, Sequence[int]], int]

POLICIES = ("pct2", "walk", "bursts", "deep", "holds")

FEW = 64
"""Of so many candidates a policy looks at each."""
_LOOKED_AT = 8


class Candidate(Protocol):
    """What is ready; ``key`` is that of its task."""

    key: int


class ManyKeys(Sequence[int]):
    """The keys of more than `FEW` candidates: those that are free, one that stays in its order, those that are kept back.

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
    def __getitem__(self, index: int, /) -> int: ...
    @overload
    def __getitem__(self, index: slice, /) -> Sequence[int]: ...
    @override
    def __getitem__(self, index: int | slice, /) -> int | Sequence[int]:
        if isinstance(index, int):
            if not 0 <= index < self._size:
                raise IndexError(index)
            return self[index : index + 1][0]
        start, stop, _ = index.indices(self._size)
        of_free = self.newest
        keys = [one.key for one in self._free[start : min(stop, of_free)]]
        if self._head is not None:
            if start <= of_free < stop:
                keys.append(self._head.key)
            of_free += 1
        if stop > of_free:
            keys += [one.key for one in self._kept[max(start - of_free, 0) : stop - of_free]]
        return keys


def replay(schedule: Schedule) -> Chooser:
    """Exactly *schedule*; ``ScheduleError`` at a choice that has not that many candidates."""
    wanted = dict(schedule.deviations)

    def choose(choice: int, keys: Sequence[int]) -> int:
        index = wanted.get(choice, 0)
        if index >= len(keys):
            raise ScheduleError(
                f"The schedule '{schedule}' does not fit this program: it takes candidate {index} at choice {choice}, "
                f"where there are only {len(keys)} (0 to {len(keys) - 1}). The program has changed since the schedule "
                "was found: explore again, or give it as explore(..., first=[...]), which uses what still fits."
            )
        return index

    return choose


def as_far_as_it_fits(schedule: Schedule) -> Chooser:
    """*schedule*, with FIFO wherever it does not fit: for shrinking, and for a program that has changed since."""
    wanted = dict(schedule.deviations)

    def choose(choice: int, keys: Sequence[int]) -> int:
        index = wanted.get(choice, 0)
        return index if index < len(keys) else 0

    return choose


def keep_order(tasks: frozenset[int], order: Sequence[int], log: Sequence[int]) -> Chooser:
    """Let the steps of *tasks* go in the order that they have in *order*, a log of keys; everything else is FIFO.

    *log* is that of the run itself. Unlike a deviation, the order of two tasks means the same whatever others do.
    """
    kept = [key for key in order if key in tasks]
    held: set[int] = set()
    seen = made = 0

    def choose(_: int, keys: Sequence[int]) -> int:
        nonlocal seen, made
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

    def choose(_: int, keys: Sequence[int]) -> int:
        nonlocal current
        size = len(keys)
        start = 0
        some = keys
        if isinstance(keys, ManyKeys):  # what ran last is one of those that have become ready last
            start = max(keys.newest - _LOOKED_AT, 0)
            some = keys[start : keys.newest]
        if current in some and draw() < stay:
            return start + some.index(current)
        index = int(draw() * size)
        current = keys[index]
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

    def choose(choice: int, keys: Sequence[int]) -> int:
        nonlocal lowest
        start = 0
        some = keys
        if isinstance(keys, ManyKeys):
            start = int(draw() * (len(keys) - _LOOKED_AT))
            some = keys[start : start + _LOOKED_AT]
        ranks = [priorities[key] for key in some]
        best = ranks.index(max(ranks))
        if choice in changes:
            lowest -= 1.0
            priorities[some[best]] = lowest
            changes.discard(choice)
            return choose(choice, keys)
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

    def choose(choice: int, keys: Sequence[int]) -> int:
        for index, key in enumerate(keys[:_LOOKED_AT] if isinstance(keys, ManyKeys) else keys):
            if held.get(key, -1) >= choice:
                continue
            if draw() < rate:
                held[key] = choice + 1 + int(draw() ** 2 * 2 * horizon)
                continue
            return index
        return 0

    return choose


def portfolio(seed: int, index: int, horizon: int) -> Chooser:
    """The chooser of schedule *index* of an exploration; *horizon* is how many choices a FIFO run has.

    Well beyond that it leaves everything to FIFO: a program that is then still not done is stuck, and not just kept busy
    by a scheduler that is never fair.
    """
    random = Random(seed * 1_000_003 + index)  # noqa: S311  # nothing secret: it must be repeatable
    horizon = max(horizon, 4)
    choose = _policy(POLICIES[index % len(POLICIES)], random, horizon)
    end = 3 * horizon + 32
    return lambda choice, keys: choose(choice, keys) if choice < end else 0


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
_NOWHERE: frozenset[Place] = frozenset()


class Faults:
    """Says at each place whether something goes wrong there: here, what a schedule names."""

    def __init__(self, faults: Iterable[Fault] = (), kinds: Iterable[FaultKind] = ()) -> None:
        self._planned = {(PLACES[fault.kind], fault.number): fault for fault in faults}
        self.made: list[Fault] = []
        wanted = {*kinds, *(fault.kind for fault in faults)}
        self.at: Final = frozenset(PLACES[kind] for kind in wanted) if wanted else _NOWHERE
        """The places at which it wants to be asked."""
        self.kinds: Final[Mapping[Place, tuple[FaultKind, ...]]] = {
            place: tuple(kind for kind in PLACES if kind in wanted and PLACES[kind] == place) for place in self.at
        }
        self.counts: dict[Place, int] = dict.fromkeys(self.at, 0)

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


class RandomFaults(Faults):
    """One or two faults, wherever they fall; *horizon* is how many places of each kind a run without faults has."""

    def __init__(self, random: Random, kinds: Iterable[FaultKind], horizon: Mapping[Place, int]) -> None:
        super().__init__((), kinds)
        self._random = random
        total = sum(horizon.get(place, 0) for place in self.at)
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
