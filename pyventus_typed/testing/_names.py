"""Names and places: what tasks, callbacks and lines are called in a report."""

from __future__ import annotations

import asyncio
import linecache
import re
from collections.abc import Iterable, Iterator
from functools import partial
from types import CodeType, FrameType

from pyventus_typed._libraries import is_library
from pyventus_typed._spelling import short_name

from ._ready import SLEEP_IS_OVER, Entry, Timer
from ._tasks import number_of, task_of
from ._threads import ThreadStep

_PACKAGE = __name__.partition(".")[0]
_DEFAULT_NAME = re.compile(rf"Task-\d+|{_PACKAGE}.*")
EMITTER = "the emitter"
MACHINERY = "asyncio"
"""Who runs callbacks of libraries: they are part of the run, and nothing that a reader has written."""
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


def file_of(path: str) -> str:
    """``shop.py``: the last part of *path*, of whichever system that is."""
    return path.replace("\\", "/").rpartition("/")[2]


def place_of(path: str, line: int) -> str:
    """``shop.py:11``."""
    return f"{file_of(path)}:{line}"


def line_of(frame: FrameType) -> str:
    """The text of the line at which *frame* is, without its comment."""
    return linecache.getline(frame.f_code.co_filename, frame.f_lineno).partition("  #")[0].strip()


def place(coro: object) -> str:
    """Where *coro* is, as ``shop.py:11``: the innermost line that is the user's, or nothing."""
    found = ""
    for code, frame in await_stack(coro):
        if is_users(code):
            found = place_of(code.co_filename, code.co_firstlineno if frame is None else frame.f_lineno)
    return found


def source_line(coro: object) -> str:
    """The text of the line at which *coro* is, or nothing."""
    text = ""
    for code, frame in await_stack(coro):
        if frame is not None and is_users(code):
            text = line_of(frame)
    return text


def caller(coro: object) -> str:
    """The line at which the outermost function of the user's is, if that is not the innermost one."""
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
            self._given[number] = plain if plain in {"body", EMITTER} else f"{plain}#{ordinal}"
        return self._given[number]

    def of_number(self, number: int) -> str:
        """The name of the task of that number, if it has one."""
        return self._given.get(number, f"task {number}")

    def of_entry(self, entry: Entry | Timer) -> str:
        """What is ready, by the name of its task or of its callback."""
        task = task_of(entry._callback)
        return self.of_task(task) if task is not None else name_of_callback(entry)

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
            return short_name(code.co_qualname)
        outermost = outermost or code
    if runs:
        return runs
    if outermost is None:
        return "task"
    return EMITTER if _is_ours(outermost.co_filename) else short_name(outermost.co_qualname)


def _is_ours(file: str) -> bool:
    return f"{_PACKAGE}/" in file.replace(chr(92), "/") and is_library(file)


def name_of_callback(entry: Entry | Timer) -> str:
    callback: object = entry._callback
    while isinstance(callback, partial):  # as `wait_for` in 3.11 has it
        callback = callback.func
    if isinstance(callback, ThreadStep):
        return f"thread {callback.number} ({callback.name})"
    name = getattr(callback, "__qualname__", None) or type(callback).__qualname__
    module = str(getattr(callback, "__module__", None) or type(getattr(callback, "__self__", None)).__module__)
    if module.partition(".")[0] == _PACKAGE:
        return EMITTER
    code = getattr(callback, "__code__", None)
    if module.partition(".")[0] in {"asyncio", "_asyncio"} or (code is not None and not is_users(code)):
        if isinstance(entry, Timer):
            return "the end of a sleep" if callback is SLEEP_IS_OVER else "a timeout"
        return MACHINERY
    return f"the callback {short_name(name)}"
