"""A schedule: where a run departs from first come, first served, what goes wrong in it, and its steps."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from typing_extensions import override

from pyventus_typed.errors import PyventusError

_DEVIATION = re.compile(r"\s*(\d+)\s*:\s*(\d+)\s*", re.ASCII)
_FAULT = re.compile(r"\s*([a-z-]+)\s*@\s*(\d+)\s*", re.ASCII)
_MOST_NAMES = 5


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
                    f"Choice {choice} comes after choice {last} in {self.deviations!r}. "
                    "A schedule names each choice once, in rising order."
                )
            if candidate < 1:
                raise ScheduleError(
                    f"'{choice}:{candidate}' is not a deviation: candidate 0 is the one that FIFO takes. Leave it out."
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
                    f"{text!r} is not a schedule: {part!r} is neither of the form choice:candidate nor a fault "
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
        number = "" if self.who == "time" else self.number  # no step is made while it passes
        text = f"{number:4} {self.who} {self.what}"
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
