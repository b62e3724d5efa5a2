"""The report of a failure: what broke, in which order things went, and a test to keep."""

from __future__ import annotations

import dataclasses
import enum
import inspect
import math
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from pyventus_typed import Emission
from pyventus_typed._libraries import is_library
from pyventus_typed._spelling import several
from pyventus_typed.trace import Timeline

from ._names import MACHINERY, place_of
from ._run import Body, Options
from ._schedule import Schedule, Step
from ._story import Story, sentences
from .errors import BackgroundError, InterleavingError

_MOST_STEPS = 40
_MOST_CONFLICTS = 2


class Source:
    """Spells values, and collects the imports that their classes need."""

    def __init__(self) -> None:
        self._from: dict[str, set[str]] = {}
        self._modules: set[str] = set()

    @property
    def imports(self) -> list[str]:
        """The lines of import, sorted."""
        named = [f"from {module} import {', '.join(sorted(names))}" for module, names in sorted(self._from.items())]
        return [*(f"import {module}" for module in sorted(self._modules)), *named]

    def of(self, value: object) -> str:  # noqa: C901, PLR0911  # one branch for each kind of value
        """*value* as an expression; its `repr` where nothing better is known."""
        kind = type(value)
        if isinstance(value, enum.Enum):
            members = value.name.split("|") if isinstance(value, enum.Flag) and value.name else [value.name]
            if all(members):
                return " | ".join(f"{self._named(kind)}.{member}" for member in members)
        if dataclasses.is_dataclass(value) and not isinstance(value, type) and "__repr__" in vars(kind):
            fields = [one.name for one in dataclasses.fields(value) if one.init and hasattr(value, one.name)]
            return f"{self._named(kind)}({', '.join(f'{one}={self.of(getattr(value, one))}' for one in fields)})"
        if kind is list:
            return f"[{self._all(value)}]"
        if kind is tuple:
            return f"({self._all(value)}{',' if value and len(value) == 1 else ''})"  # type: ignore[arg-type]  # it is a tuple
        if kind is set and value:
            return f"{{{self._all(value)}}}"
        if kind is frozenset and value:
            return f"frozenset({{{self._all(value)}}})"
        if kind is dict:
            pairs: Mapping[object, object] = value  # type: ignore[assignment]  # it is a dict
            return f"{{{', '.join(f'{self.of(key)}: {self.of(one)}' for key, one in pairs.items())}}}"
        if isinstance(value, float) and not math.isfinite(value):
            return f"float({str(value)!r})"
        if isinstance(value, type):
            return self._named(value)
        spelled = repr(value)
        if spelled.startswith(f"{kind.__module__}."):  # as the classes of `datetime` do
            self._modules.add(kind.__module__)
        elif spelled.startswith(f"{kind.__qualname__}("):
            self._named(kind)
        return spelled

    def _all(self, values: object) -> str:
        return ", ".join(self.of(value) for value in values)  # type: ignore[attr-defined]  # it is a collection

    def _named(self, kind: type[object]) -> str:
        if "<locals>" in kind.__qualname__:
            return kind.__name__  # no import can bring it
        if kind.__module__ not in {"builtins", "__main__"}:
            self._from.setdefault(kind.__module__, set()).add(kind.__qualname__.partition(".")[0])
        return kind.__qualname__


@dataclass(frozen=True, slots=True)
class Example:
    """What a body was given, as source code: each value, the body with all of them, and the imports that they need."""

    values: Mapping[str, str]
    body: str
    imports: Sequence[str]


def report(
    body: Body[object],
    options: Options,
    error: BaseException,
    schedule: Schedule,
    story: Story,
    *,
    runs: int,
    origin: str,
    found: int,
    example: Example | None = None,
    outside: Sequence[str] = (),
    draw: Callable[[], Timeline],
) -> InterleavingError:
    """The error for *error*, which *body* raises under *schedule*; *example*: the events it was given, if any.

    *origin*: where the schedule comes from, if it was known before.
    """
    reproducer = regression_test(body, options, schedule, example)
    lines = [_headline(error, schedule, runs), ""]
    if example is not None and example.values:
        lines += ["With", *(f"  {name} = {value}" for name, value in example.values.items()), ""]
    lines += ["What went wrong", *(f"  {line}" for line in _failure(error)), ""]
    emission = getattr(error, "emission", None)
    chain = story.parents(emission) if isinstance(emission, Emission) else []
    if chain:
        lines += ["The emission, and the emissions whose handlers emitted it", *(f"  {line}" for line in chain), ""]
    if schedule:
        shrunk = f", shrunk from {found}" if found > len(schedule) else ""
        origin = f"; {origin}" if origin else ""
        differs = f"schedule '{schedule}', {several(len(schedule), 'deviation')}{shrunk}{origin}"
        lines += [f"How it differs from first come, first served ({differs})"]
        lines += [*(f"  {sentence}" for sentence in sentences(story)), ""]
    for about, *places in story.conflicts[:_MOST_CONFLICTS]:
        lines += [f"The lines that conflict over {about}, in the order of time", *(f"  {one}" for one in places), ""]
    if outside:
        lines += [
            "Outside of the body it changed, so by itself or run first it may pass",
            *(f"  {one}" for one in outside),
            "",
        ]
    lines += [
        "Step by step, without what asyncio does in between",
        *_steps(story),
        "",
        "To keep it from coming back",
        *(f"  {line}".rstrip() for line in reproducer.splitlines()),
    ]
    return InterleavingError(
        "\n".join(lines), schedule=schedule, trace=story.trace, reproducer=reproducer, runs=runs, draw=draw
    )


def _headline(error: BaseException, schedule: Schedule, runs: int) -> str:
    what = f"{type(error).__name__}: {first_line(error)}"
    if not schedule:
        return f"It fails even in the ordinary order, first come, first served: {what}"
    if schedule.deviations:
        when = "things happen in another order"
    elif any(fault.kind == "collect" for fault in schedule.faults):
        when = "the garbage collector runs"
    else:
        when = "something goes wrong on the way"
    return f"It fails when {when} (found in {several(runs, 'schedule')}): {what}"


def first_line(error: BaseException) -> str:
    return next(iter(_message(error).splitlines()), "").removesuffix(":")


def _message(error: BaseException) -> str:
    """What *error* says; an assertion without a message is its own."""
    code = next((frame.line for frame in _users_frames(error)), None) if isinstance(error, AssertionError) else None
    text = error.message if isinstance(error, BackgroundError) else text_of(error)  # its members follow
    return text or code or "(no message)"


def text_of(error: BaseException) -> str:
    """What *error* says, whatever its own `str` does."""
    try:
        return str(error)
    except Exception as raised:  # noqa: BLE001  # an error that cannot say what it is must not hide what happened
        return f"(its text raised {type(raised).__name__})"


def _users_frames(error: BaseException) -> Iterator[traceback.FrameSummary]:
    """The frames of the user's code, innermost first."""
    return (frame for frame in reversed(traceback.extract_tb(error.__traceback__)) if not is_library(frame.filename))


def _failure(error: BaseException) -> Iterator[str]:
    yield from f"{type(error).__name__}: {_message(error)}".splitlines()
    for frame in _users_frames(error):
        code = f": {frame.line}" if frame.line else ""
        yield f"  at {place_of(frame.filename, frame.lineno or 0)} in {frame.name}{code}"
        break
    yield from (f"  {note}" for note in getattr(error, "__notes__", ()))
    if isinstance(error, BaseExceptionGroup):
        for member in error.exceptions:
            yield from (f"  {line}" for line in _failure(member))
    elif error.__cause__ is not None:
        said = text_of(error.__cause__)
        yield f"  caused by {type(error.__cause__).__name__}{': ' if said else ''}{said}"


def _steps(story: Story) -> Iterator[str]:
    trace = [step for step in story.trace if step.who != MACHINERY]
    if len(trace) > _MOST_STEPS:
        # The beginning tells how it started, the end how it broke, and it is about who was late, and who went first.
        late = {step.who for step in trace if step.late}
        theirs = [index for index, step in enumerate(trace) if step.who in late]
        overtaking = [index for index, step in enumerate(trace) if step.ahead_of]
        kept = {*range(8), *theirs[-12:], *overtaking[:12], *range(len(trace) - 12, len(trace))}
    else:
        kept = set(range(len(trace)))
    for shown, indexes in groupby(range(len(trace)), kept.__contains__):
        steps = [trace[index] for index in indexes]
        if shown or len(steps) == 1:
            yield from _in_a_row(steps)
        else:
            yield f"       ... {several(len(steps), 'more step')} ..."


def _in_a_row(steps: Sequence[Step]) -> Iterator[str]:
    """A hundred callbacks of a `gather` in a row are one line."""
    for _, same in groupby(steps, Step.without_number):
        first, *others = same
        if len(others) > 1:
            others, times = [], f" ({len(others) + 1} times)"
        else:
            times = ""
        yield from (f"{'*' if step.ahead_of else ' '} {step}{times}" for step in (first, *others))


def regression_test(body: Body[object], options: Options, schedule: Schedule, example: Example | None = None) -> str:
    """A complete test that fails as long as the bug is there, and goes on exploring when it is not."""
    function = inspect.unwrap(getattr(body, "func", body))
    name = getattr(function, "__name__", "body")
    if not name.isidentifier():
        name = "body"  # a lambda
    lines = [] if example is None else [line for line in example.imports if line.startswith("import ")]
    lines += [f"from pyventus_typed.testing import {'explore' if schedule else 'run'}"]
    lines += [] if example is None else [line for line in example.imports if line.startswith("from ")]
    if "<locals>" in getattr(function, "__qualname__", "<locals>") or getattr(function, "__module__", None) is None:
        lines.append(f"# Beside {name}, which is not at the top of a module.")
    elif function.__module__ != "__main__":
        lines.append(f"from {function.__module__} import {name}")
    spelled = name if example is None else example.body
    differing = "".join(f", {field}={value}" for field, value in _differing(options).items())
    lines += [
        "",
        "",
        f"def test_{name.removeprefix('test_')}_in_the_order_that_broke_it() -> None:",
        f'    explore({spelled}, first=["{schedule}"]{differing})' if schedule else f"    run({spelled}{differing})",
    ]
    return "\n".join(lines)


def _differing(options: Options) -> dict[str, str]:
    default = Options()
    return {
        field.name: value.__name__ if isinstance(value, type) else repr(value)
        for field in dataclasses.fields(Options)
        if (value := getattr(options, field.name)) != getattr(default, field.name)
    }
