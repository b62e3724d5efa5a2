"""A run in words: what tasks and places are called, each step, who was late, and who waits for what."""

from __future__ import annotations

import asyncio
import linecache
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import CodeType, FrameType
from typing import Protocol

from pyventus_typed import Emission, Event, current_emission
from pyventus_typed._libraries import is_in_library, is_library

from ._conflicts import LineTracer, conflict_of, text_of_line
from ._holders import Holders
from ._ready import SLEEP_IS_OVER, Entry, Timer
from ._schedule import Fault, Step, count_of, join_names
from ._tasks import number_of, task_of
from ._threads import ThreadStep
from .errors import DeadlockError, SimulationBoundaryError

_PACKAGE = __name__.partition(".")[0]
_RUN = __name__.rpartition(".")[0] + "._run"
_DEFAULT_NAME = re.compile(rf"Task-\d+|{_PACKAGE}.*")
_ADDRESS = re.compile(r" (object )?at 0x[0-9a-f]+")
_EMITTER = "the emitter"
MACHINERY = "asyncio"
"""Who runs callbacks of libraries: they are part of the run, and nothing that a reader has written."""
_MOST_SENTENCES = 8
_DEEPEST = 1_000  # awaits in one another; a coroutine may even await itself


# ---------------------------------------------------------------- places
def await_stack(coro: object) -> Iterator[tuple[CodeType, FrameType | None]]:
    """The frames of what *coro* waits in, outermost first."""
    seen = 0
    while coro is not None and seen < _DEEPEST:
        seen += 1
        for prefix, follow in (("cr_", "cr_await"), ("gi_", "gi_yieldfrom"), ("ag_", "ag_await")):
            code = getattr(coro, prefix + "code", None)
            if code is not None:
                yield code, getattr(coro, prefix + "frame", None)
                coro = getattr(coro, follow, None)
                break
        else:
            return


def is_users(code: CodeType) -> bool:
    """Whether *code* is what a reader of a report has written."""
    return not is_library(code.co_filename)


def place_of(path: str, line: int) -> str:
    """``shop.py:11``."""
    return f"{path.replace(chr(92), '/').rpartition('/')[2]}:{line}"


def line_of(frame: FrameType) -> str:
    """The text of the line at which *frame* stands, without its comment."""
    return linecache.getline(frame.f_code.co_filename, frame.f_lineno).partition("  #")[0].strip()


def place(coro: object) -> str:
    """Where *coro* stands, as ``shop.py:11``: the innermost line that is the user's, or nothing."""
    found = ""
    for code, frame in await_stack(coro):
        if is_users(code):
            found = place_of(code.co_filename, code.co_firstlineno if frame is None else frame.f_lineno)
    return found


def source_line(coro: object) -> str:
    """The text of the line at which *coro* stands, or nothing."""
    text = ""
    for code, frame in await_stack(coro):
        if frame is not None and is_users(code):
            text = line_of(frame)
    return text


def caller(coro: object) -> str:
    """The line at which the outermost function of the user's stands, if that is not the innermost one."""
    users = [frame for code, frame in await_stack(coro) if frame is not None and is_users(code)]
    if len(users) < 2:  # noqa: PLR2004  # one function calls nobody
        return ""
    return f"{place_of(users[0].f_code.co_filename, users[0].f_lineno)}: {line_of(users[0])}"


def waits_in_sleep(coro: object) -> bool:
    """Whether *coro* waits in an `asyncio.sleep`, which stands for input and output in a test."""
    return any(code is asyncio.sleep.__code__ for code, _ in await_stack(coro))


def is_users_task(task: asyncio.Task[object]) -> bool:
    """Whether a function of the user's runs in *task*."""
    return any(is_users(code) for code, _ in await_stack(task.get_coro()))


# ---------------------------------------------------------------- names
def short(qualname: str) -> str:
    """The name of a function, without the functions that it is defined in."""
    return qualname.rpartition("<locals>.")[2]


class Names:
    """``ship#2`` for the second task that runs ``ship``. A name once given stays."""

    def __init__(self) -> None:
        self._given: dict[int, str] = {}
        self._count: dict[str, int] = {}

    def of_task(self, task: asyncio.Task[object], runs: str = "") -> str:
        """The name of *task*; *runs*: the function of the user's that it has called, where that is known."""
        number = number_of(task)
        if number not in self._given:
            plain = _plain_name(task, runs)
            self._count[plain] = ordinal = self._count.get(plain, 0) + 1
            self._given[number] = f"{plain}#{ordinal}" if plain != "body" else plain
        return self._given[number]

    def of_number(self, number: int) -> str:
        """The name of the task of that number, if it has one."""
        return self._given.get(number, f"task {number}")

    def of_entry(self, entry: Entry | Timer) -> str:
        """What is ready, by the name of its task or of its callback."""
        task = task_of(entry._callback)  # type: ignore[union-attr]  # what the entry is, is in its callback
        return self.of_task(task) if task is not None else _name_of_callback(entry)

    def of_entries(self, entries: Iterable[Entry | Timer]) -> str:
        """All of these, the first eight by name."""
        names = dict.fromkeys(self.of_entry(entry) for entry in entries)
        return ", ".join(list(names)[:8]) + (", ..." if len(names) > 8 else "")  # noqa: PLR2004  # enough to see the pattern


def _plain_name(task: asyncio.Task[object], runs: str) -> str:
    """What the user would call *task*: the name given to it, else the function or the handler that it runs."""
    if not _DEFAULT_NAME.fullmatch(name := task.get_name()):
        return name
    outermost: CodeType | None = None
    for code, _ in await_stack(task.get_coro()):
        if is_users(code):
            return short(code.co_qualname)
        outermost = outermost or code
    if runs:
        return runs
    if outermost is None:
        return "task"
    return _EMITTER if _is_ours(outermost.co_filename) else short(outermost.co_qualname)


def _is_ours(file: str) -> bool:
    return f"{_PACKAGE}/" in file.replace(chr(92), "/") and is_library(file)


def _name_of_callback(entry: Entry | Timer) -> str:
    callback: object = entry._callback  # type: ignore[union-attr]  # what the entry is, is in its callback
    if isinstance(callback, ThreadStep):
        return f"the thread of {short(callback.name)}"
    name = getattr(callback, "__qualname__", None) or type(callback).__qualname__
    module = str(getattr(callback, "__module__", None) or type(getattr(callback, "__self__", None)).__module__)
    if module.partition(".")[0] == _PACKAGE:
        return _EMITTER
    code = getattr(callback, "__code__", None)
    if module.partition(".")[0] in {"asyncio", "_asyncio"} or (code is not None and not is_users(code)):
        if isinstance(entry, Timer):
            return "the end of a sleep" if callback is SLEEP_IS_OVER else "a time-out"
        return MACHINERY
    return f"the callback {short(name)}"


# ---------------------------------------------------------------- who waits for what
class StuckLoop(Protocol):
    """What the account of a deadlock needs to know of a loop."""

    @property
    def names(self) -> Names: ...
    @property
    def steps(self) -> int: ...
    def time(self) -> float: ...
    def unfinished(self) -> list[asyncio.Task[object]]: ...
    def foreign_thread(self) -> SimulationBoundaryError | None: ...
    @property
    def holders(self) -> Holders | None: ...


def nothing_to_do(loop: StuckLoop) -> DeadlockError | SimulationBoundaryError:
    """Why *loop* cannot go on."""
    foreign = loop.foreign_thread()
    if foreign is not None:
        return foreign
    tasks = loop.unfinished()
    names, holders = loop.names, loop.holders or Holders()
    waiting = [_account(task, names, holders) for task in tasks]
    circle = _circle(tasks, holders)
    what = "1 task waits" if len(waiting) == 1 else f"{len(waiting)} tasks wait"
    if len(circle) == 1:
        each_other = f"{names.of_task(circle[0])} waits for itself.\n"
    else:
        each_other = f"{join_names([names.of_task(one) for one in circle])} wait for each other.\n" if circle else ""
    return DeadlockError(
        f"Deadlock at {loop.time():g} s of virtual time, after {loop.steps} steps: nothing is ready, no timer is set, "
        f"and {what}:\n" + each_other + "\n".join(waiting),
        waiting,
    )


def _account(task: asyncio.Task[object], names: Names, holders: Holders) -> str:
    """What *task* waits for, and its await stack, innermost last; only the user's lines, if there are any."""
    coro = task.get_coro()
    at = f" at {where}: {source_line(coro)}" if (where := place(coro)) else ""
    lines = [f"- {names.of_task(task)} waits for {_what(task, names, holders)}{at}"]
    stack = [(code, frame) for code, frame in await_stack(coro) if frame is not None]
    for code, frame in [one for one in stack if is_users(one[0])] or stack:
        lines.append(f"    {short(code.co_qualname)} ({place_of(code.co_filename, frame.f_lineno)})")
    return "\n".join(lines)


def _what(task: asyncio.Task[object], names: Names, holders: Holders) -> str:
    waiter = getattr(task, "_fut_waiter", None)
    if isinstance(waiter, asyncio.Task):
        return f"the task {names.of_task(waiter)}"
    children = getattr(waiter, "_children", None)  # of `asyncio.gather`
    if children:
        return "all of " + ", ".join(
            names.of_task(child) for child in children if isinstance(child, asyncio.Task) and not child.done()
        )
    frame = _innermost(task)
    if frame is None or is_users(frame.f_code):
        return "a future" if waiter is not None else "nothing that can be seen"
    owner = frame.f_locals.get("self")
    if not type(owner).__module__.startswith("asyncio."):
        return f"{_called(task)}()"
    made = holders.made(owner)
    called = f"the {type(owner).__name__} made at {made}" if made else _ADDRESS.sub("", repr(owner))
    held = [_holder(number, line, names) for number, line in holders.of(owner)]
    return f"{frame.f_code.co_qualname}() of {called}{f' (held by {join_names(held)})' if held else ''}"


def _called(task: asyncio.Task[object]) -> str:
    """The function of a library that the user's code has called, and that *task* waits in."""
    name = ""
    for code, _ in await_stack(task.get_coro()):
        if is_users(code):
            name = ""
        elif not name:
            name = short(code.co_qualname)
    return name


def _innermost(task: asyncio.Task[object]) -> FrameType | None:
    innermost = None
    for _, innermost in await_stack(task.get_coro()):  # noqa: B007  # the last one is wanted
        pass
    return innermost


def _holder(number: int, line: str, names: Names) -> str:
    task = next((one for one in asyncio.all_tasks(asyncio._get_running_loop()) if number_of(one) == number), None)
    return f"a task that took it at {line} and is over" if task is None else f"{names.of_task(task)} since {line}"


def _circle(tasks: Sequence[asyncio.Task[object]], holders: Holders) -> list[asyncio.Task[object]]:
    """Tasks of which each waits for what the next one holds, the first one among them, or none."""
    by_number = {number_of(task): task for task in tasks}
    for first in tasks:
        path = [first]
        while (following := _waits_for(path[-1], holders, by_number)) is not None:
            if following in path:
                return path[path.index(following) :]
            path.append(following)
    return []


def _waits_for(
    task: asyncio.Task[object], holders: Holders, by_number: Mapping[int, asyncio.Task[object]]
) -> asyncio.Task[object] | None:
    waiter = getattr(task, "_fut_waiter", None)
    if isinstance(waiter, asyncio.Task):
        return waiter
    frame = _innermost(task)
    owner = None if frame is None else frame.f_locals.get("self")
    if not isinstance(owner, asyncio.Lock):  # of a semaphore others may be held, and released
        return None
    return next((by_number[one] for one, _ in holders.of(owner) if one in by_number), None)


# ---------------------------------------------------------------- step by step
class ToldLoop(Protocol):
    """What a story needs to know of the loop whose steps it tells."""

    @property
    def names(self) -> Names: ...
    @property
    def steps(self) -> int: ...
    def time(self) -> float: ...
    def ready(self) -> list[Entry | Timer]: ...


class _Calls:
    """The functions of the user's that library code calls in one step.

    A handler may begin and end in the first step of its task, so before that step the task's coroutine does not know it
    yet, and after it no longer. A profile function sees the call itself, whatever stands between it and the loop.
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
        """A handler that is no code of the user's, such as a mock, if there is no other."""
        if self.emission is None or len(deliveries := self.emission.deliveries) != 1:
            return ""
        handler = deliveries[0].subscription.handler
        return short(str(getattr(handler, "__qualname__", None) or type(handler).__qualname__))


class _Note:
    """One step, as long as what it is called is still open."""

    __slots__ = ("ahead_of", "behind", "caller", "code", "late", "number", "time", "visit", "what", "where", "who")

    def __init__(self, number: int, time: float, who: int | str, what: str) -> None:
        self.number = number
        self.time = time
        self.who = who
        self.what = what
        self.where = self.code = self.caller = ""
        self.ahead_of: Sequence[int | str] = ()
        self.late = 0
        self.behind: Sequence[int | str] = ()
        self.visit = -1


class Story:
    """Writes a run down; for the few runs that somebody will read."""

    def __init__(self, *, lines: bool = False) -> None:
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

    def overtakes(self, chosen: Entry | Timer, older: Sequence[Entry | Timer]) -> None:
        self._overtook[id(chosen)] = [_who(entry) for entry in older]
        for entry in older:
            self._behind.setdefault(id(entry), []).append(_who(chosen))

    def postpones(self, sleep: Timer, other: Timer) -> None:
        assert self._loop is not None
        task = _sleeper(sleep)
        if task is None:
            return
        at = place(task.get_coro())
        before, now = sleep.when() - sleep.began, other.when() - sleep.began
        after = _sleeper(other) if other._callback is SLEEP_IS_OVER else None  # type: ignore[attr-defined]
        what = "that of {}" if after is not None else "{}"
        who: int | str = number_of(after) if after is not None else _name_of_callback(other)
        text = f"The sleep of {{}} at {at} ({source_line(task.get_coro())}) took {now:g} s instead of {before:g} s"
        self._said.append((f"{text}, until {what} was over.", [number_of(task), who]))

    def suffers(self, fault: Fault, entry: Entry | Timer | None) -> None:
        assert self._loop is not None
        task = None if entry is None else task_of(entry._callback)  # type: ignore[union-attr]
        if task is None:
            self._said.append((f"The garbage collector ran after step {self._loop.steps} ({fault}).", []))
            return
        at = f"at {place(task.get_coro())} ({source_line(task.get_coro())})"
        text = {
            "cancel": f"{{}} was cancelled while it waited {at}",
            "cancel-late": f"{{}} was cancelled {at}, when what it waited for had happened and it had not gone on",
        }.get(fault.kind, f"What {{}} waited for {at} failed")
        self._said.append((f"{text} ({fault}).", [number_of(task)]))

    def emits(self, fault: Fault, event: object) -> None:
        """An emission of *event* suffers *fault*."""
        what = "twice, as by a redelivery" if fault.kind == "double" else "and lost before it began, as by a crash"
        self._said.append((f"{event!r} was emitted {what} ({fault}).", []))

    def begins(self, entry: Entry | Timer) -> None:
        assert self._loop is not None
        if getattr(entry._callback, "__module__", None) == _RUN:  # type: ignore[union-attr]
            return  # how a run is stopped is no part of its story
        note = _Note(self._loop.steps, self._loop.time(), _who(entry), self._verb(entry))
        note.where = _where(entry)
        task = task_of(entry._callback)  # type: ignore[union-attr]
        if task is not None:
            if note.what == "resumes":
                note.code, note.caller = source_line(task.get_coro()), caller(task.get_coro())
            self._started.add(number_of(task))
        note.ahead_of = self._overtook.pop(id(entry), ())
        note.behind = self._behind.pop(id(entry), ())
        note.late = entry.passed
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
            task = task_of(entry._callback)  # type: ignore[union-attr]
            if task is not None:
                code = calls.handler()
                if not note.where and code is not None:
                    note.where = place_of(code.co_filename, code.co_firstlineno)
                self._loop.names.of_task(task, calls.name_of_mock() if code is None else short(code.co_qualname))
            elif note.who == _EMITTER and calls.codes:
                note.what = f"runs {join_names([short(code.co_qualname) for code in calls.codes])}"
                note.where = place_of(calls.codes[0].co_filename, calls.codes[0].co_firstlineno)
            self._remember(calls.emission)
            calls.emission = None  # what is held here would not be collected
        self._remember(entry._context.run(current_emission))  # type: ignore[union-attr]  # a handle keeps its context

    def time_passes(self) -> None:
        assert self._loop is not None
        now = self._loop.time()
        self._notes.append(_Note(self._loop.steps, now, "time", f"passes: it is {now:g} s"))

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
            if entry.passed:
                verb = {"resumes": "resume", "starts": "start"}.get(self._verb(entry), "run")
                at = f" at {where}" if (where := _where(entry)) else ""
                self.still_waiting.append(
                    f"{names.of_entry(entry)} was ready to {verb}{at}, and was still kept waiting at the end, "
                    f"{count_of(entry.passed, 'step')} later."
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
                note.late,
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
            if not note.behind or not isinstance(note.who, int):
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
        task = task_of(entry._callback)  # type: ignore[union-attr]
        if task is not None:
            return "resumes" if number_of(task) in self._started else "starts"
        return "falls due" if isinstance(entry, Timer) else "runs"


def _who(entry: Entry | Timer) -> int | str:
    """The number of its task, which may be called something only later; the name of any other callback."""
    task = task_of(entry._callback)  # type: ignore[union-attr]  # what the entry is, is in its callback
    return number_of(task) if task is not None else _name_of_callback(entry)


def _where(entry: Entry | Timer) -> str:
    callback: object = entry._callback  # type: ignore[union-attr]  # as above
    task = task_of(callback)
    if task is not None:
        return place(task.get_coro())
    if isinstance(callback, ThreadStep):
        callback = callback.function
    code = getattr(callback, "__code__", None)
    return place_of(code.co_filename, code.co_firstlineno) if code is not None and is_users(code) else ""


def _sleeper(timer: Timer) -> asyncio.Task[object] | None:
    """The task whose sleep *timer* ends."""
    future = (timer._args or (None,))[0]  # what a handle calls with
    callbacks = getattr(future, "_callbacks", None) if isinstance(future, asyncio.Future) else None
    return next((task for callback, _ in callbacks or () if (task := task_of(callback)) is not None), None)


def sentences(story: Story) -> list[str]:
    """The deviations of a run: its faults, and one sentence for each who was late."""
    said = list(story.faults)
    for step in story.trace:
        if step.behind:
            verb = {"resumes": "resumed", "starts": "started", "falls due": "fell due"}.get(step.what, "ran")
            at = f" at {step.where}" if step.where else ""
            code = f" ({step.code}{', for ' if step.caller else ''}{step.caller})" if step.code else ""
            # Machinery went first, too, but that is rarely the point.
            who = f"A{step.who[1:]}" if step.who.startswith("a ") else step.who
            ahead = [name for name in step.behind if "#" in name] or step.behind
            said.append(
                f"{who} {verb} {count_of(step.late or 1, 'step')} late{at}{code}: {join_names(ahead)} went first."
            )
    said += story.still_waiting
    if len(said) > _MOST_SENTENCES:
        said[_MOST_SENTENCES - 1 :] = [f"... and {len(said) - _MOST_SENTENCES + 1} more were late."]
    return said
