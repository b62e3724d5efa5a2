"""The lines that conflict in a race: what a task looked at, and who changed it before that task went on."""

from __future__ import annotations

import bdb
import dis
import linecache
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from types import CodeType, FrameType
from typing import Any, TypeAlias

from pyventus_typed._libraries import is_in_library

from ._names import place_of

Line: TypeAlias = tuple[CodeType, int]

_SHARED = {"LOAD_DEREF", "LOAD_GLOBAL", "LOAD_NAME", "LOAD_ATTR", "LOAD_METHOD", "LOAD_FAST"}
_STORED = {"STORE_DEREF", "STORE_GLOBAL", "STORE_ATTR", "DELETE_DEREF", "DELETE_GLOBAL", "DELETE_ATTR"}
_STORED_IN = {"STORE_SUBSCR", "DELETE_SUBSCR"}
_CHANGING = {
    "add", "append", "appendleft", "clear", "discard", "extend", "insert", "pop", "popitem", "popleft", "put_nowait", "remove",
    "setdefault", "update",
}  # fmt: skip


@dataclass(slots=True)
class Visit:
    """The lines of the user's that one step of a task went through. *who* is the number of the task."""

    who: int
    lines: list[Line] = field(default_factory=list)


class LineTracer:
    """Notes the lines of each step; for the one run that is put into words."""

    def __init__(self) -> None:
        self.visits: list[Visit] = []
        self._before: Any = None  # Any: a trace function
        self._active = False

    def begin(self) -> None:
        """Trace, unless a debugger does."""
        self._before = sys.gettrace()
        if not isinstance(getattr(self._before, "__self__", None), bdb.Bdb):
            self._active = True
            sys.settrace(self._enter)

    def end(self) -> None:
        """Leave everything as it was."""
        if self._active:
            self._active = False
            sys.settrace(self._before)

    def step(self, who: int) -> None:
        """From here on it is a step of the task *who*."""
        self.visits.append(Visit(who))

    def _enter(self, frame: FrameType, _: str, __: object) -> Any:  # Any: itself, as the protocol of tracing has it
        if not self.visits or is_in_library(frame):
            return None
        self.visits[-1].lines.append((frame.f_code, frame.f_lineno))  # of a coroutine, the line at which it goes on
        return self._line

    def _line(self, frame: FrameType, event: str, _: object) -> Any:
        if event == "line":
            self.visits[-1].lines.append((frame.f_code, frame.f_lineno))
        return self._line


@dataclass(frozen=True, slots=True)
class Conflict:
    """*late* had to do with *name* at *before*, *other* changed it at *changed*, and *late* used it at *after*."""

    name: str
    late: int
    other: int
    before: Line | None
    changed: Line
    after: Line


def conflict_of(visits: Sequence[Visit], late: int, index: int) -> Conflict | None:
    """What the step at *index*, in which *late* went on after it had been held, is likely to be about."""
    last = max((place for place in range(index) if visits[place].who == late), default=-1)
    between = visits[last + 1 : index]
    if last < 0 or not between:
        return None
    used = [visit for visit in visits[: last + 1] if visit.who == late]
    later = [visit for visit in visits[index:] if visit.who == late]
    best: Conflict | None = None
    for visit in between:
        for changed in visit.lines:
            for name in sorted(_accesses(*changed)[1]):
                before = _last(used, name)
                after = _first(later, name)
                if after is not None and (best is None or (before is not None and best.before is None)):
                    best = Conflict(name, late, visit.who, before, changed, after)
    if best is not None and best.before is not None:
        return best
    return _changed_too_late(visits, between, late, index) or best


def _changed_too_late(visits: Sequence[Visit], between: Sequence[Visit], late: int, index: int) -> Conflict | None:
    """What somebody who went first had looked at before *late* changed it, and went on to use."""
    for changed in visits[index].lines:
        for name in sorted(_accesses(*changed)[1]):
            for visit in between:
                before = _last([visit], name)
                after = _first([one for one in visits[index + 1 :] if one.who == visit.who], name)
                if visit.who not in {late, -1} and before is not None and after is not None:
                    return Conflict(name, visit.who, late, before, changed, after)
    return None


def text_of_line(line: Line) -> str:
    """``shop.py:11: stock -= 1``."""
    code, number = line
    text = linecache.getline(code.co_filename, number).partition("  #")[0].strip()
    return f"{place_of(code.co_filename, number)}: {text}"


def _last(visits: Sequence[Visit], name: str) -> Line | None:
    found = None
    for line in _lines(visits):
        if name in _accesses(*line)[0] | _accesses(*line)[1]:
            found = line
    return found


def _first(visits: Sequence[Visit], name: str) -> Line | None:
    return next((line for line in _lines(visits) if name in _accesses(*line)[0] | _accesses(*line)[1]), None)


def _lines(visits: Sequence[Visit]) -> Iterator[Line]:
    for visit in visits:
        yield from visit.lines


@lru_cache(maxsize=10_000)
def _accesses(code: CodeType, line: int) -> tuple[frozenset[str], frozenset[str]]:
    """The names that a line reads and those that it changes, as far as others may see them too."""
    reads: set[str] = set()
    writes: set[str] = set()
    last, current = "", None
    cells = {*code.co_cellvars, *code.co_freevars}
    for instruction in dis.get_instructions(code):
        number = instruction.positions.lineno if instruction.positions is not None else None
        current = number if number is not None else current
        if current != line:
            continue
        name = instruction.argval if isinstance(instruction.argval, str) else ""
        if instruction.opname in _SHARED and name:
            if name in _CHANGING and last:
                writes.add(last)
            elif instruction.opname != "LOAD_FAST" or name in cells:
                reads.add(name)
            last = name
        elif instruction.opname in _STORED and name:
            writes.add(name)
        elif instruction.opname in _STORED_IN:
            writes |= reads | ({last} if last else set())
    return frozenset(reads), frozenset(writes)
