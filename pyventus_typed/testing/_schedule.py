"""A schedule: where a run departs from first come, first served."""

from __future__ import annotations

import re
from dataclasses import dataclass

from typing_extensions import override

from ._errors import ScheduleError

_DEVIATION = re.compile(r"\s*(\d+)\s*:\s*(\d+)\s*", re.ASCII)


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
