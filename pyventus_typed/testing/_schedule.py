"""A schedule: where a run departs from first come, first served; its steps; and policies that make schedules up.

A chooser is called at each choice with its number and the keys of the candidates, oldest first, and returns an index.
No single policy finds everything, so `portfolio` takes them in turn: PCT finds bugs of a known depth (2, or "deep": 3 to 5),
walks find the ones that need many small changes, bursts the ones that need one task to get far ahead, holds the ones that
need one task to stay far behind.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Final, Literal, TypeAlias

from typing_extensions import override

from pyventus_typed.errors import PyventusError

Chooser: TypeAlias = Callable[[int, Sequence[int]], int]

POLICIES = ("pct2", "walk", "bursts", "deep", "holds")

_DEVIATION = re.compile(r"\s*(\d+)\s*:\s*(\d+)\s*", re.ASCII)
_FAULT = re.compile(r"\s*([a-z-]+)\s*@\s*(\d+)\s*", re.ASCII)
_MOST_NAMES = 5
FEW = 64
"""Of so many candidates a policy looks at each."""
_LOOKED_AT = 16


class ScheduleError(PyventusError, ValueError):
    """A schedule does not parse, or does not fit the program that it is replayed with."""


FaultKind: TypeAlias = Literal["cancel", "cancel-late", "raise", "drop", "double", "collect"]
Place: TypeAlias = Literal["await", "emit", "step"]

PLACES: Final[Mapping[FaultKind, Place]] = {
    "cancel": "await",
    "cancel-late": "await",
    "raise": "await",
    "drop": "emit",
    "double": "emit",
    "collect": "step",
}
"""Where each kind of fault happens: places of one kind are numbered from 0 in each run, in the order of time."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that goes wrong in a run: ``cancel@3`` cancels the task that is the fourth to wait in an ``await``.

    - ``cancel``: while it waits; ``cancel-late``: when what it waits for has happened, and before it goes on.
    - ``raise``: the ``asyncio.sleep`` that it waits in raises.
    - ``drop``, ``double``: an emission is cancelled before it begins, as by a crash, or made twice, as by a redelivery.
    - ``collect``: the garbage collector runs after a step.
    """

    kind: FaultKind
    number: int

    @override
    def __str__(self) -> str:
        return f"{self.kind}@{self.number}"


_KINDS: Final[Mapping[str, FaultKind]] = {kind: kind for kind in PLACES}

Deviation: TypeAlias = "tuple[int, int] | Fault"


@dataclass(frozen=True, slots=True)
class Schedule:
    """The deviations of one run from FIFO; ``str`` of it is what a test replays.

    A *choice* is a moment at which more than one thing could go next; choices are numbered from 0. ``(5, 2)`` says: at
    choice 5 candidate 2 goes, where candidate 0 has been ready longest. Candidates 0 and 1, to which it was preferred, are
    *held*: from then on they are the last candidates, so that they go when nothing else can or when a deviation takes
    them. Everything else is FIFO. ``faults`` are what goes wrong besides.
    """

    deviations: tuple[tuple[int, int], ...] = ()
    faults: tuple[Fault, ...] = ()

    def __post_init__(self) -> None:
        last = -1
        for choice, candidate in self.deviations:
            if choice <= last:
                raise ScheduleError(
                    f"Choice {choice} stands behind choice {last} in {self.deviations!r}. "
                    "A schedule names each choice once, in rising order."
                )
            if candidate < 1:
                raise ScheduleError(
                    f"'{choice}:{candidate}' is no deviation: candidate 0 is the one that FIFO takes. Leave it out."
                )
            last = choice

    @classmethod
    def parse(cls, text: str) -> Schedule:
        """The schedule that *text* spells: ``"fifo"``, or deviations such as ``"2:1,5:1,cancel@3"``. Else ``ScheduleError``."""
        if text.strip() in {"", "fifo"}:
            return cls()
        deviations: list[tuple[int, int]] = []
        faults: list[Fault] = []
        for part in text.split(","):
            if match := _DEVIATION.fullmatch(part):
                deviations.append((int(match[1]), int(match[2])))
            elif (match := _FAULT.fullmatch(part)) and (kind := _KINDS.get(match[1])) is not None:
                faults.append(Fault(kind, int(match[2])))
            else:
                raise ScheduleError(
                    f"{text!r} is no schedule: {part!r} is neither of the form choice:candidate nor a fault "
                    f"({', '.join(_KINDS)}) with its number. "
                    "Write 'fifo', or deviations such as '2:1,5:1' or '2:1,cancel@3', as a failure report prints them."
                )
        return cls(tuple(deviations), tuple(faults))

    @classmethod
    def of(cls, schedule: Schedule | str | Iterable[Deviation]) -> Schedule:
        """*schedule* itself, what its text spells, or the one with these deviations."""
        if isinstance(schedule, Schedule):
            return schedule
        if isinstance(schedule, str):
            return cls.parse(schedule)
        given: object = schedule  # what the annotation says is what a caller may get wrong
        if not isinstance(given, tuple):
            raise ScheduleError(f"A schedule is a Schedule or its text, such as '2:1,5:1', and not {given!r}.")
        faults = [one for one in given if isinstance(one, Fault)]
        return cls(tuple(one for one in given if not isinstance(one, Fault)), tuple(faults))

    @property
    def all(self) -> tuple[Deviation, ...]:
        """Its deviations and its faults."""
        return (*self.deviations, *self.faults)

    @property
    def delays(self) -> int:
        """How far it is from FIFO: taking the third candidate is two delays, and a fault is one."""
        return sum(candidate for _, candidate in self.deviations) + len(self.faults)

    @override
    def __str__(self) -> str:
        order = [f"{choice}:{candidate}" for choice, candidate in self.deviations]
        return ",".join([*order, *map(str, self.faults)]) or "fifo"

    @override
    def __repr__(self) -> str:
        return f"Schedule.parse({str(self)!r})"

    def __len__(self) -> int:
        return len(self.deviations) + len(self.faults)


FIFO = Schedule()


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a run: who ran, from where on, and whom it overtook.

    ``where`` and ``code`` are the innermost line of the program; ``caller`` is the task's own, where that is another one.
    """

    number: int
    time: float
    who: str
    what: str
    where: str
    code: str = ""
    caller: str = ""
    ahead_of: tuple[str, ...] = ()
    late: int = 0
    behind: tuple[str, ...] = ()

    @override
    def __str__(self) -> str:
        text = f"{self.number:4} {self.who} {self.what}"
        if self.where:
            text += f" at {self.where}"
        if self.ahead_of:
            text += f", ahead of {join_names(self.ahead_of)}"
        if self.code:
            text += f": {self.code}"
        if self.caller:
            text += f", for {self.caller}"
        return text

    def without_number(self) -> str:
        """What it says, whenever it was."""
        return str(self)[5:]


def count_of(count: int, noun: str) -> str:
    """``1 step``, ``2 steps``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def join_names(names: Sequence[str]) -> str:
    names = list(dict.fromkeys(names))
    if len(names) <= 1:
        return "".join(names)
    if len(names) > _MOST_NAMES:
        names[_MOST_NAMES - 1 :] = [f"{len(names) - _MOST_NAMES + 1} others"]
    return f"{', '.join(names[:-1])} and {names[-1]}"


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

    def choose(choice: int, keys: Sequence[int]) -> int:
        nonlocal lowest
        best, highest = 0, -(2.0**62)
        size = len(keys)
        looked_at = range(size) if size <= FEW else sorted({int(draw() * size) for _ in range(_LOOKED_AT)})
        for index in looked_at:
            key = keys[index]
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
class Faults:
    """Says at each place whether something goes wrong there: here, what a schedule names."""

    def __init__(self, faults: Iterable[Fault] = (), kinds: Iterable[FaultKind] = ()) -> None:
        self._planned = {(PLACES[fault.kind], fault.number): fault for fault in faults}
        self.made: list[Fault] = []
        wanted = {*kinds, *(fault.kind for fault in faults)}
        self.at: Final = frozenset(PLACES[kind] for kind in wanted)
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

    def choose(self, place: Place, number: int, possible: Sequence[FaultKind]) -> Fault | None:  # noqa: ARG002  # for others
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
