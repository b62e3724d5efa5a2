"""What happened in a run, step by step, in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from typing_extensions import override

from ._entries import Timer
from ._tasks import caller, is_users, number_of, place, source_line, task_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pyventus_typed import Emission, Event

    from ._entries import Entry
    from ._loop import VirtualLoop
    from ._order import OrderedLoop

_OURS = __name__.rpartition(".")[0] + "._run"
_MOST_SENTENCES = 8
_MOST_NAMES = 5


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
            text += f", ahead of {_and(self.ahead_of)}"
        if self.code:
            text += f": {self.code}"
        if self.caller:
            text += f", for {self.caller}"
        return text

    def without_number(self) -> str:
        """What it says, whenever it was."""
        return str(self)[5:]


class Observer:
    """Writes a run down; for the few runs that somebody will read."""

    def __init__(self) -> None:
        self.trace: list[Step] = []
        self.still_waiting: list[str] = []
        self._overtook: dict[int, tuple[str, ...]] = {}
        self._behind: dict[int, list[str]] = {}
        self._started: set[int] = set()
        self._emissions: dict[int, tuple[str, int | None]] = {}

    def overtakes(self, loop: OrderedLoop, chosen: Entry | Timer, older: Sequence[Entry | Timer]) -> None:
        self._overtook[id(chosen)] = tuple(loop.names.of_entry(entry) for entry in older)
        for entry in older:
            self._behind.setdefault(id(entry), []).append(loop.names.of_entry(chosen))

    def begins(self, loop: VirtualLoop, entry: Entry | Timer) -> None:
        if getattr(entry._callback, "__module__", None) == _OURS:  # type: ignore[union-attr]
            return  # how a run is stopped is no part of its story
        what, where = self._doing(entry)
        task = task_of(entry._callback)  # type: ignore[union-attr]
        if task is not None:
            self._started.add(number_of(task))
        resumed = task.get_coro() if task is not None and what == "resumes" else None
        self.trace.append(
            Step(
                number=loop.steps,
                time=loop.time(),
                who=loop.names.of_entry(entry),
                what=what,
                where=where,
                code=source_line(resumed),
                caller=caller(resumed),
                ahead_of=self._overtook.pop(id(entry), ()),
                late=entry.passed,
                behind=tuple(dict.fromkeys(self._behind.pop(id(entry), ()))),
            )
        )

    def made(self, entry: Entry | Timer) -> None:
        """The step of *entry* has been made. Only now it is known whose it was: a handler may end in its first step."""
        self._remember_emission(entry)

    def time_passes(self, loop: VirtualLoop) -> None:
        self.trace.append(Step(loop.steps, loop.time(), "time", f"passes: it is {loop.time():g} s", ""))

    def ends(self, loop: VirtualLoop) -> None:
        """Note who was still kept waiting."""
        for entry in loop.ready():
            if entry.passed:
                what, where = self._doing(entry)
                verb = {"resumes": "resume", "starts": "start"}.get(what, "run")
                at = f" at {where}" if where else ""
                self.still_waiting.append(
                    f"{loop.names.of_entry(entry)} was ready to {verb}{at}, and was still kept waiting at the end, "
                    f"{_steps(entry.passed)} later."
                )

    def parents(self, emission: Emission[Event]) -> list[str]:
        """*emission* and those whose handlers emitted it, the first one last, as far as this run has met them."""
        said = [f"{emission.event!r} (emission {emission.id}, {emission.status.value})"]
        known = self._emissions.get(emission.id)
        while known is not None and known[1] is not None:
            parent = known[1]
            known = self._emissions.get(parent)
            if known is not None:
                said.append(f"{known[0]} (emission {parent})")
        return said

    def _remember_emission(self, entry: Entry | Timer) -> None:
        # Only what will be said of it: an emission that is kept would look like a leak of the program.
        from pyventus_typed import current_emission  # noqa: PLC0415  # the loop is useful before the core has been loaded

        emission = entry._context.run(current_emission)  # type: ignore[union-attr]  # a handle keeps its context
        while emission is not None and emission.id not in self._emissions:
            parent = emission.parent
            self._emissions[emission.id] = repr(emission.event), None if parent is None else parent.id
            emission = parent

    def _doing(self, entry: Entry | Timer) -> tuple[str, str]:
        callback = entry._callback  # type: ignore[union-attr]  # what the entry is, is in its callback
        task = task_of(callback)
        if task is not None:
            return ("resumes" if number_of(task) in self._started else "starts"), place(task.get_coro())
        code = getattr(callback, "__code__", None)
        where = (
            f"{code.co_filename.rpartition('/')[2]}:{code.co_firstlineno}"
            if code is not None and is_users(code)
            else ""
        )
        return ("falls due" if isinstance(entry, Timer) else "runs"), where


def sentences(observer: Observer) -> list[str]:
    """The deviations of a run, one sentence for each who was late."""
    said = []
    for step in observer.trace:
        if step.behind:
            verb = {"resumes": "resumed", "starts": "started", "runs": "ran", "falls due": "fell due"}[step.what]
            at = f" at {step.where}" if step.where else ""
            code = f" ({step.code}{', for ' if step.caller else ''}{step.caller})" if step.code else ""
            # Machinery went first, too, but that is rarely the point.
            ahead = [name for name in step.behind if "#" in name] or step.behind
            said.append(f"{step.who} {verb} {_steps(step.late or 1)} late{at}{code}: {_and(ahead)} went first.")
    said += observer.still_waiting
    if len(said) > _MOST_SENTENCES:
        said[_MOST_SENTENCES - 1 :] = [f"... and {len(said) - _MOST_SENTENCES + 1} more were late."]
    return said


def _steps(count: int) -> str:
    return "1 step" if count == 1 else f"{count} steps"


def _and(names: Sequence[str]) -> str:
    names = list(dict.fromkeys(names))
    if len(names) <= 1:
        return "".join(names)
    if len(names) > _MOST_NAMES:
        names[_MOST_NAMES - 1 :] = [f"{len(names) - _MOST_NAMES + 1} others"]
    return f"{', '.join(names[:-1])} and {names[-1]}"
