"""Policies: who goes next where more than one thing could, and what goes wrong.

A chooser is called at each choice with its number and the keys of the candidates, oldest first, and returns an index.
No single policy finds everything, so `portfolio` takes them in turn: PCT finds bugs of a known depth (2, or "deep": 3 to 5),
walks find the ones that need many small changes, bursts the ones that need one task to get far ahead, holds the ones that
need one task to stay far behind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from random import Random
from typing import Final, TypeAlias

from typing_extensions import override

from ._schedule import PLACES, Fault, FaultKind, Place, Schedule, ScheduleError

Chooser: TypeAlias = Callable[[int, Sequence[int]], int]

POLICIES = ("pct2", "walk", "bursts", "deep", "holds")

FEW = 64
"""Of so many candidates a policy looks at each."""
_LOOKED_AT = 16


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
        if size > FEW:  # what ran last is ready again as one of the last
            for index in range(size - 1, size - 1 - _LOOKED_AT, -1):
                if keys[index] == current and draw() < stay:
                    return index
        elif current in keys and draw() < stay:
            return keys.index(current)
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
    priorities: dict[int, float] = {}
    changes = {int(draw() * horizon) for _ in range(depth - 1)}
    lowest = 0.0

    def some_of(keys: Sequence[int]) -> list[tuple[int, int]]:
        places = sorted({int(draw() * len(keys)) for _ in range(_LOOKED_AT)})
        return [(place, keys[place]) for place in places]

    def choose(choice: int, keys: Sequence[int]) -> int:
        nonlocal lowest
        best, highest = 0, -(2.0**62)
        candidates: Iterable[tuple[int, int]] = enumerate(keys) if len(keys) <= FEW else some_of(keys)
        for index, key in candidates:
            priority = priorities.get(key)
            if priority is None:
                priority = priorities[key] = draw()
            if priority > highest:
                best, highest = index, priority
        if choice in changes:
            lowest -= 1.0
            priorities[keys[best]] = lowest
            changes.discard(choice)
            return choose(choice, keys)
        return best

    return choose


def holds(random: Random, horizon: int) -> Chooser:
    """FIFO, but now and then the one whose turn it is must wait, for a few choices or for very long."""
    draw = random.random
    rate = (1 + int(draw() * 3)) / horizon
    held: dict[int, int] = {}

    def choose(choice: int, keys: Sequence[int]) -> int:
        for index, key in enumerate(keys):
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
