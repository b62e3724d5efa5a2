"""A run in words: each step, who was late, what went wrong, and which lines conflict."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Sequence
from contextvars import Context
from types import CodeType, FrameType
from typing import Protocol

from pyventus_typed import Emission, Event, current_emission
from pyventus_typed._libraries import is_in_library
from pyventus_typed._spelling import several, short_name

from ._conflicts import LineTracer, conflict_of, text_of_line
from ._names import (
    EMITTER,
    Names,
    caller,
    is_users,
    name_of_callback,
    place,
    place_of,
    source_line,
)
from ._ready import SLEEP_IS_OVER, Entry, Timer
from ._schedule import Fault, Step, join_names
from ._tasks import number_of, task_of
from ._threads import ThreadStep

_RUN = __name__.rpartition(".")[0] + "._run"
_MOST_SENTENCES = 8
_TIME = "time"


class ToldLoop(Protocol):
    """What a story needs to know of the loop whose steps it tells."""

    @property
    def names(self) -> Names: ...
    @property
    def steps(self) -> int: ...
    def time(self) -> float: ...
    def ready(self) -> list[Entry | Timer]: ...


def emission_in(context: Context) -> Emission[Event] | None:
    """The emission that *context* belongs to, even if it is settled: then it is nobody's current one any more."""
    found = (value for variable, value in context.items() if variable.name == "pyventus_typed.current_emission")
    return next(found, None)


class _Calls:
    """The functions of the user's that library code calls in one step.

    A handler may begin and end in the first step of its task, so before that step the task's coroutine does not know it
    yet, and after it no longer. A profile function sees the call itself, whatever is between it and the loop.
    """

    _MOST = 5

    def __init__(self) -> None:
        self.codes: list[CodeType] = []
        self.emission: Emission[Event] | None = None
        self._before = sys.getprofile()

    def begin(self) -> None:
        self._before = sys.getprofile()
        if self._before is None or callable(self._before):  # a profiler in C could not be set again
            sys.setprofile(self)

    def end(self) -> None:
        if isinstance(sys.getprofile(), _Calls):
            sys.setprofile(self._before)

    def __call__(self, frame: FrameType, event: str, _: object) -> None:
        if event != "call":
            return
        code = frame.f_code
        if self.emission is None:
            self.emission = current_emission()  # once it is settled it is nobody's current one any more
        if len(self.codes) >= self._MOST or code in self.codes or is_in_library(frame):
            return
        if (back := frame.f_back) is None or is_in_library(back):
            self.codes.append(code)

    def handler(self) -> CodeType | None:
        """What a task was made for: the handler of its emission, or else what was called first."""
        if self.emission is not None:
            handlers = [delivery.subscription.handler for delivery in self.emission.deliveries]
            codes = {getattr(getattr(one, "__func__", one), "__code__", None) for one in handlers}
            for code in self.codes:
                if code in codes:
                    return code
        return self.codes[0] if self.codes else None

    def name_of_mock(self) -> str:
        """A handler that is not the user's code, such as a mock, if there is no other."""
        if self.emission is None or len(deliveries := self.emission.deliveries) != 1:
            return ""
        handler = deliveries[0].subscription.handler
        return short_name(str(getattr(handler, "__qualname__", None) or type(handler).__qualname__))


class _Note:
    """One step, as long as what it is called is still open."""

    __slots__ = (
        "ahead_of", "behind", "caller", "code", "number", "slept_longer", "time", "visit", "what", "where", "who",
    )  # fmt: skip

    def __init__(self, number: int, time: float, who: int | str, what: str) -> None:
        self.slept_longer = False
        self.number = number
        self.time = time
        self.who = who
        self.what = what
        self.where = self.code = self.caller = ""
        self.ahead_of: Sequence[int | str] = ()
        self.behind: Sequence[int | str] = ()
        self.visit = -1


class Story:
    """Writes a run down; for the few runs that somebody will read. Of its steps at most the first *most*."""

    def __init__(self, *, lines: bool = False, most: int | None = None) -> None:
        self._most = sys.maxsize if most is None else most
        self.trace: list[Step] = []
        self.conflicts: list[tuple[str, ...]] = []
        """What it is about, and the lines in the order of time, each with its task."""
        self._lines = LineTracer() if lines else None
        self.still_waiting: list[str] = []
        self._notes: list[_Note] = []
        self._loop: ToldLoop | None = None
        self._overtook: dict[int, list[int | str]] = {}
        self._behind: dict[int, list[int | str]] = {}
        self._started: set[int] = set()
        self._slept_longer: set[int] = set()
        self._emissions: dict[int, tuple[str, int | None]] = {}
        self._calls = _Calls()
        self._listens = False
        self._said: list[tuple[str, list[int | str]]] = []
        self.faults: list[str] = []

    def begin(self, loop: ToldLoop) -> None:
        """From here on it is *loop* whose steps are made."""
        self._loop = loop
        if self._lines is not None:
            self._lines.begin()

    @property
    def step(self) -> int:
        """The number of the step that is made; at the end the one behind the last."""
        if self._loop is not None:
            return self._loop.steps
        return self.trace[-1].number + 1 if self.trace else 0

    @property
    def is_full(self) -> bool:
        """Whether it writes nothing down any more."""
        return len(self._notes) >= self._most

    def overtakes(self, chosen: Entry | Timer, older: Sequence[Entry | Timer]) -> None:
        if self.is_full:
            return
        self._overtook[id(chosen)] = [_who(entry) for entry in older]
        for entry in older:
            self._behind.setdefault(id(entry), []).append(_who(chosen))

    def postpones(self, sleep: Timer, until: float, other: Timer | None) -> None:
        assert self._loop is not None
        task = _sleeper(sleep)
        if task is None:
            return
        self._slept_longer.add(number_of(task))
        text = f"The sleep of {{}} at {place(task.get_coro())} ({source_line(task.get_coro())})"
        if other is None:
            self._said.append(
                (f"{text} ended when the others that ended at {until:g} s had gone on.", [number_of(task)])
            )
            return
        before, now = sleep.when() - sleep.began, until - sleep.began
        after = _sleeper(other) if other._callback is SLEEP_IS_OVER else None
        what = "that of {}" if after is not None else "{}"
        who: int | str = number_of(after) if after is not None else name_of_callback(other)
        text += f" took {now:g} s instead of {before:g} s"
        self._said.append((f"{text}, until {what} was over.", [number_of(task), who]))

    def suffers(self, fault: Fault, entry: Entry | Timer | None, error: Exception | None = None) -> None:
        assert self._loop is not None
        task = None if entry is None else task_of(entry._callback)
        if task is None:
            self._said.append((f"The garbage collector ran after step {self._loop.steps} ({fault}).", []))
            return
        at = f"at {place(task.get_coro())} ({source_line(task.get_coro())})"
        text = {
            "cancel": f"{{}} was cancelled while it waited {at}",
            "cancel-late": f"{{}} was cancelled {at}, when what it waited for had happened and it had not gone on",
        }.get(fault.kind, f"What {{}} waited for {at} failed with {type(error).__name__}")
        self._said.append((f"{text} ({fault}).", [number_of(task)]))

    def emits(self, fault: Fault, event: object) -> None:
        """An emission of *event* suffers *fault*."""
        what = "twice, as by a redelivery" if fault.kind == "double" else "and lost before it began, as by a crash"
        self._said.append((f"{event!r} was emitted {what} ({fault}).", []))

    def begins(self, entry: Entry | Timer) -> None:
        assert self._loop is not None
        if getattr(entry._callback, "__module__", None) == _RUN:
            return  # how a run is stopped does not belong into its story
        if self.is_full:
            if self._lines is not None:
                self._lines.end()
            return
        note = _Note(self._loop.steps, self._loop.time(), _who(entry), self._verb(entry))
        note.where = _where(entry)
        task = task_of(entry._callback)
        if task is not None:
            if note.what == "resumes":
                note.code, note.caller = source_line(task.get_coro()), caller(task.get_coro())
            self._started.add(number := number_of(task))
            if number in self._slept_longer:
                self._slept_longer.discard(number)
                note.slept_longer = True
        note.ahead_of = self._overtook.pop(id(entry), ())
        note.behind = self._behind.pop(id(entry), ())
        self._notes.append(note)
        if self._lines is not None:
            note.visit = len(self._lines.visits)
            self._lines.step(note.who if isinstance(note.who, int) else -1)
        if note.what != "resumes":
            self._calls = _Calls()
            self._listens = True
            self._calls.begin()

    def made(self, entry: Entry | Timer) -> None:
        """The step of *entry* has been made. Only now it is known whose it was: a handler may end in its first step."""
        if self._listens:
            self._listens = False
            self._calls.end()
            assert self._loop is not None
            note, calls = self._notes[-1], self._calls
            task = task_of(entry._callback)
            if task is not None:
                code = calls.handler()
                if not note.where and code is not None:
                    note.where = place_of(code.co_filename, code.co_firstlineno)
                self._loop.names.of_task(task, calls.name_of_mock() if code is None else short_name(code.co_qualname))
            elif note.who == EMITTER and calls.codes:
                note.what = f"runs {join_names([short_name(code.co_qualname) for code in calls.codes])}"
                note.where = place_of(calls.codes[0].co_filename, calls.codes[0].co_firstlineno)
            self._remember(calls.emission)
            calls.emission = None  # what is held here would not be collected
        if not self.is_full:
            self._remember(emission_in(entry._context))

    def time_passes(self) -> None:
        assert self._loop is not None
        if self._notes and self._notes[-1].who == _TIME:
            self._notes.pop()  # nothing has happened at that moment
        if self.is_full:
            return
        now = self._loop.time()
        self._notes.append(_Note(self._loop.steps, now, _TIME, f"passes: it is {now:g} s"))

    def end(self) -> None:
        """Note who was still kept waiting, and put it all into words."""
        loop = self._loop
        assert loop is not None
        if self._listens:  # the step has raised
            self._calls.end()
        if self._lines is not None:
            self._lines.end()
        names = loop.names
        for entry in loop.ready():
            if passed := len(self._behind.get(id(entry), ())):
                verb = {"resumes": "resume", "starts": "start", "is over": "end"}.get(self._verb(entry), "run")
                at = f" at {where}" if (where := _where(entry)) else ""
                self.still_waiting.append(
                    f"{names.of_entry(entry)} was ready to {verb}{at}, and was still kept waiting at the end, "
                    f"{several(passed, 'step')} later."
                )

        def name(who: int | str) -> str:
            return names.of_number(who) if isinstance(who, int) else who

        def all_of(several: Sequence[int | str]) -> tuple[str, ...]:
            return tuple(dict.fromkeys(name(who) for who in several))

        self.trace += [
            Step(
                note.number,
                note.time,
                name(note.who),
                note.what,
                note.where,
                note.code,
                note.caller,
                all_of(note.ahead_of),
                len(note.behind),
                all_of(note.behind),
            )
            for note in self._notes
        ]
        self._find_conflicts(name)
        self.faults += [text.format(*map(name, who)) for text, who in self._said]
        self._notes.clear()
        self._loop = None

    def _find_conflicts(self, name: Callable[[int | str], str]) -> None:
        """Say for each who was late what others changed meanwhile, of what it had looked at and went on to use."""
        if self._lines is None:
            return
        for note in self._notes:
            if not (note.behind or note.slept_longer) or not isinstance(note.who, int):
                continue
            found = conflict_of(self._lines.visits, note.who, note.visit)
            if found is None or found.other < 0:
                continue
            lines = [(found.other, found.changed), (found.late, found.after)]
            if found.before is not None:
                lines.insert(0, (found.late, found.before))
            said = (found.name, *(f"{name(who)} at {text_of_line(line)}" for who, line in lines))
            if said not in self.conflicts:
                self.conflicts.append(said)
        self.conflicts.sort(key=len, reverse=True)  # what somebody had looked at before says most

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

    def _remember(self, emission: Emission[Event] | None) -> None:
        # Only what will be said of it: an emission that is kept would look like a leak of the program.
        while emission is not None and emission.id not in self._emissions:
            parent = emission.parent
            self._emissions[emission.id] = repr(emission.event), None if parent is None else parent.id
            emission = parent

    def _verb(self, entry: Entry | Timer) -> str:
        task = task_of(entry._callback)
        if task is not None:
            return "resumes" if number_of(task) in self._started else "starts"
        callback: object = entry._callback
        if isinstance(callback, ThreadStep):
            return "is over" if callback.ends else "runs"
        return "falls due" if isinstance(entry, Timer) else "runs"


def _who(entry: Entry | Timer) -> int | str:
    """The number of its task, which may be called something only later; the name of any other callback."""
    task = task_of(entry._callback)
    return number_of(task) if task is not None else name_of_callback(entry)


def _where(entry: Entry | Timer) -> str:
    callback: object = entry._callback
    task = task_of(callback)
    if task is not None:
        return place(task.get_coro())
    if isinstance(callback, ThreadStep):
        callback = None if callback.ends else callback.function
    code = getattr(callback, "__code__", None)
    return place_of(code.co_filename, code.co_firstlineno) if code is not None and is_users(code) else ""


def _sleeper(timer: Timer) -> asyncio.Task[object] | None:
    """The task whose sleep *timer* ends."""
    future = (timer._args or (None,))[0]  # what a handle calls with
    callbacks = getattr(future, "_callbacks", None) if isinstance(future, asyncio.Future) else None
    return next((task for callback, _ in callbacks or () if (task := task_of(callback)) is not None), None)


_PAST = {"resumes": "resumed", "starts": "started", "falls due": "fell due", "is over": "was over"}


def sentences(story: Story) -> list[str]:
    """The deviations of a run: its faults, and one sentence for each who was late."""
    said = list(story.faults)
    for step in story.trace:
        if step.behind:
            verb = _PAST.get(step.what, "ran")
            at = f" at {step.where}" if step.where else ""
            code = f" ({step.code}{', for ' if step.caller else ''}{step.caller})" if step.code else ""
            # Machinery went first, too, but that is rarely the point.
            who = step.who
            if who.startswith(("a ", "the ", "thread ")):
                who = who[0].upper() + who[1:]
            ahead = [name for name in step.behind if "#" in name or name.startswith("thread ")] or step.behind
            said.append(f"{who} {verb} {several(step.late, 'step')} late{at}{code}: {join_names(ahead)} went first.")
    said += story.still_waiting
    if len(said) > _MOST_SENTENCES:
        said[_MOST_SENTENCES - 1 :] = [f"... and {len(said) - _MOST_SENTENCES + 1} more were late."]
    return said
