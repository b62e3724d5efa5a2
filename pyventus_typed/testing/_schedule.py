"""A schedule: where a run departs from first come, first served; its steps; and policies that make schedules up.

A chooser is called at each choice with its number and the keys of the candidates, oldest first, and returns an index.
No single policy finds everything, so `portfolio` takes them in turn: PCT finds bugs of a known depth (2, or "deep": 3 to 5),
walks find the ones that need many small changes, bursts the ones that need one task to get far ahead, holds the ones that
need one task to stay far behind.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

from typing_extensions import override

from pyventus_typed.errors import PyventusError

Chooser = Callable[[int, Sequence[int]], int]

POLICIES = ("pct2", "walk", "bursts", "deep", "holds")

_DEVIATION = re.compile(r"\s*(\d+)\s*:\s*(\d+)\s*", re.ASCII)
_MOST_NAMES = 5


class ScheduleError(PyventusError, ValueError):
    """A schedule does not parse, or does not fit the program that it is replayed with."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """The deviations of one run from FIFO; ``str`` of it is what a test replays.

    A *choice* is a moment at which more than one thing could go next; choices are numbered from 0. ``(5, 2)`` says: at
    choice 5 candidate 2 goes, where candidate 0 has been ready longest. Candidates 0 and 1, to which it was preferred, are
    *held*: from then on they are the last candidates, so that they go when nothing else can or when a deviation takes
    them. Everything else is FIFO.
    """

    deviations: tuple[tuple[int, int], ...] = ()

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
        """The schedule that *text* spells: ``"fifo"``, or deviations such as ``"2:1,5:1"``. Else ``ScheduleError``."""
        if text.strip() in {"", "fifo"}:
            return cls()
        deviations: list[tuple[int, int]] = []
        for part in text.split(","):
            match = _DEVIATION.fullmatch(part)
            if match is None:
                raise ScheduleError(
                    f"{text!r} is no schedule: {part!r} is not of the form choice:candidate. "
                    "Write 'fifo', or deviations such as '2:1,5:1', as a failure report prints them."
                )
            deviations.append((int(match[1]), int(match[2])))
        return cls(tuple(deviations))

    @classmethod
    def of(cls, schedule: Schedule | str) -> Schedule:
        """*schedule* itself, or what its text spells."""
        if isinstance(schedule, Schedule):
            return schedule
        given: object = schedule  # what the annotation says is what a caller may get wrong
        if not isinstance(given, str):
            raise ScheduleError(f"A schedule is a Schedule or its text, such as '2:1,5:1', and not {given!r}.")
        return cls.parse(schedule)

    @override
    def __str__(self) -> str:
        return ",".join(f"{choice}:{candidate}" for choice, candidate in self.deviations) or "fifo"

    @override
    def __repr__(self) -> str:
        return f"Schedule.parse({str(self)!r})"

    def __len__(self) -> int:
        return len(self.deviations)


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
        if current in keys and draw() < stay:
            return keys.index(current)
        index = int(draw() * len(keys))
        current = keys[index]
        return index

    return choose


def pct(random: Random, depth: int, horizon: int) -> Chooser:
    """Probabilistic concurrency testing (Burckhardt et al., 2010): the highest of random priorities goes first.

    At ``depth - 1`` random choices among *horizon* the one that would go falls behind all others. A bug that needs
    *depth* ordered events is found with a probability that is known, and not tiny.
    """
    draw = random.random
    priorities: dict[int, float] = {}
    changes = {int(draw() * horizon) for _ in range(depth - 1)}
    lowest = 0.0

    def choose(choice: int, keys: Sequence[int]) -> int:
        nonlocal lowest
        best, highest = 0, -(2.0**62)
        for index, key in enumerate(keys):
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
