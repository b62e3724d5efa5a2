"""The search for a schedule that breaks a body, the smallest such schedule, and what no schedule can be blamed for."""

from __future__ import annotations

import asyncio
import re
import unittest
from collections.abc import Callable, Iterable, Iterator, MutableMapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from random import Random
from typing import NoReturn

from typing_extensions import override

from pyventus_typed._loops import HAS_GIL
from pyventus_typed._spelling import several
from pyventus_typed.trace import StepRecord, Timeline, Trace

from ._names import MACHINERY
from ._outside import LeakDetector, Outside
from ._policies import (
    AlwaysCollect,
    Chooser,
    Faults,
    Node,
    RandomFaults,
    Recording,
    Tree,
    as_far_as_it_fits,
    faults_of,
    portfolio,
)
from ._ready import MAX_OVERTAKES
from ._report import Example, first_line, report
from ._run import Body, Options, Run, run_once, users_traceback
from ._schedule import FIFO, Fault, Place, Schedule, Step
from ._shrink import Attempt, smallest_schedule
from ._story import Story
from .errors import (
    BackgroundError,
    InterleavingError,
    LivelockError,
    NonDeterminismError,
    NotABody,
    ScheduleError,
    SimulationBoundaryError,
    StateLeakError,
)

_MOST_EXHAUSTIVE = 200_000
_MOST_STEPS_OF_SHRINKING = 50_000
_DELAYS_OF_THE_SMALLEST = 2
_FIRST = 64
"""Schedules with few delays that are tried before the policies of the portfolio take turns with them."""
_MOST_DELAYS = 20
"""A program that tries again after each fault has schedules of any length, each longer than the one before."""
_MOST_COLLECTIONS = 1_000
_MOST_REMEMBERED = 10
_MOST_COMPARED = 5_000
"""Steps of FIFO that are put into words, in case that a second run differs."""
_MOST_OF_A_LIVELOCK = 500
_MOST_UNCOLLECTED = 63
"""On a build without a GIL a collection walks over the whole heap, ``gc.freeze`` or not: milliseconds, more than a run takes."""


@dataclass(slots=True)
class Settings:
    """What the command line of pytest says about all explorations."""

    schedules: int | None = None
    """The number of schedules, in place of what each exploration says."""
    replay: Schedule | None = None
    """The only schedule to run."""
    memory: MutableMapping[str, list[str]] | None = None
    """Schedules that have failed, by test and body."""
    test: str = ""
    """The test that is running."""
    timelines: Path | None = None
    """The directory for the pictures of failing runs."""


settings = Settings()


@dataclass(frozen=True, slots=True)
class Exploration:
    """What an exploration without a failure has seen. As a text it says how much that proves."""

    schedules: int
    """Different schedules tried, FIFO among them."""
    choices: int
    """Choices of the FIFO run."""
    reached: frozenset[str]
    """The ``sometimes`` that were true at least once."""
    delays: int
    """Every schedule with at most so many delays was tried."""
    complete: bool
    """Every schedule was tried: there are no others."""

    @override
    def __str__(self) -> str:
        how_far = "complete" if self.complete else f"complete up to {several(self.delays, 'delay')}"
        return f"{several(self.schedules, 'schedule')}, {how_far}"


class Search:
    """One exploration of one body. Its leak detector must be entered."""

    def __init__(
        self,
        body: Body[object],
        options: Options,
        *,
        example: Callable[[], Example] | None = None,
        final: bool = True,
        blames: bool = True,
        earlier: Search | None = None,
    ) -> None:
        self.body = body
        self.options = options
        self.leaks = LeakDetector()
        self.runs = 0
        self.seen: set[Schedule] = set()
        """The schedules of all its runs, as they really were."""
        self.tree = Tree()
        self._untried: Iterator[Node] = iter(self.tree)
        self._example = example
        self._final = self._shrinks = final
        self._blames = blames
        self._earlier = earlier
        self._outside = Outside(body)
        self._uncollected: list[Schedule] = []
        """Of runs whose garbage is still to be collected."""
        self._fifo: tuple[Run[object], list[Step]] | None = None
        self._places: dict[Place, int] = {}
        self._most_at_once: int | None = None
        self._random = Random(0)  # noqa: S311  # nothing secret: it must be repeatable
        self.has_choices = False
        self.failed: Schedule | None = None
        """The schedule that has failed, as it was found."""

    # ------------------------------------------------------------------ runs
    def attempt(self, chooser: Chooser, origin: str = "", faults: Faults | None = None) -> Run[object]:
        """One run; if it fails, shrink its schedule and raise the report. *origin*: of a schedule that was known before."""
        __tracebackhide__ = True
        self.runs += 1
        is_last = HAS_GIL or len(self._uncollected) == _MOST_UNCOLLECTED
        result = self._run(chooser, faults, collect=is_last)
        self.seen.add(result.schedule)
        if is_last:
            self._find_whose_garbage(result.error)
        else:
            self._uncollected.append(result.schedule)
        if result.error is not None:
            self.fail(result, origin)
        return result

    def _find_whose_garbage(self, error: BaseException | None) -> None:
        """*error* is of a collection that took the garbage of several runs: run them again, each with one of its own."""
        __tracebackhide__ = True
        earlier, self._uncollected = self._uncollected, []
        for schedule in earlier if isinstance(error, BackgroundError) else ():
            again = self._run(as_far_as_it_fits(schedule), faults_of(schedule))
            if again.error is not None:
                self.fail(again)

    def _run(
        self,
        chooser: Chooser,
        faults: Faults | None = None,
        *,
        story: Story | None = None,
        log: list[int] | None = None,
        collect: bool = True,
    ) -> Run[object]:
        return run_once(
            self.body,
            self.options,
            self.leaks,
            chooser=chooser,
            faults=faults,
            story=story,
            log=log,
            most_at_once=self._most_at_once,
            collect=collect,
        )

    def _observe(
        self, schedule: Schedule, *, lines: bool = False, most: int | None = None
    ) -> tuple[Run[object], Story]:
        story = Story(lines=lines, most=most)
        return self._run(as_far_as_it_fits(schedule), faults_of(schedule), story=story), story

    def try_schedule(self, schedule: Schedule, origin: str = "") -> Run[object]:
        """Run *schedule*, as far as it fits."""
        __tracebackhide__ = True
        return self.attempt(as_far_as_it_fits(schedule), origin, faults_of(schedule))

    def try_node(self, node: Node) -> Run[object]:
        """Run a schedule of the tree."""
        __tracebackhide__ = True
        recording = Recording(node.schedule, self.options.faults)
        result = self.attempt(recording, faults=recording if recording.kinds else None)
        self.tree.add(node, recording.points)
        return result

    def try_policy(self, seed: int, index: int, choices: int) -> Run[object]:
        """Run a schedule of the portfolio."""
        __tracebackhide__ = True
        random = self._random  # to make one costs twice as much as to seed it
        random.seed(seed * 1_000_003 + index)
        kinds = self.options.faults
        faults = RandomFaults(random, kinds, self._places) if kinds else None
        return self.attempt(portfolio(random, index, choices), faults=faults)

    def replay(self, schedule: Schedule) -> Exploration:
        """Run *schedule* alone, which must fit, and report it as it is if it fails."""
        __tracebackhide__ = True
        self.runs = 1
        self._shrinks = False
        result = run_once(self.body, self.options, self.leaks, schedule=schedule)
        if isinstance(result.error, ScheduleError):
            raise result.error
        if result.error is not None:
            self.fail(result, "given as --replay")
        return Exploration(1, result.choices, frozenset(), 0, complete=False)

    def repeat_failures(self) -> None:
        """Try what has failed before, in earlier runs of this test; forget what has been repaired."""
        __tracebackhide__ = True
        memory, key = settings.memory, self._key
        for text in list((memory or {}).get(key, ())):
            self.try_schedule(Schedule.parse(text), "it has failed before")
            if memory is not None:
                memory[key] = [one for one in memory[key] if one != text]

    @property
    def _name(self) -> str:
        return getattr(getattr(self.body, "func", self.body), "__qualname__", "body")

    @property
    def _key(self) -> str:
        return f"{settings.test} {self._name}"

    def _remember(self, schedule: Schedule) -> None:
        if settings.memory is not None and schedule:
            kept = [text for text in settings.memory.get(self._key, ()) if text != str(schedule)]
            settings.memory[self._key] = [str(schedule), *kept][:_MOST_REMEMBERED]

    # ------------------------------------------------------------------ the search
    def fifo_once(self) -> Run[object]:
        """The FIFO run, which must not fail."""
        __tracebackhide__ = True
        self.runs += 1
        result, story = self._observe(FIFO, most=_MOST_COMPARED)
        self.seen.add(FIFO)
        if result.error is not None:
            self.fail(result)
        self._fifo = result, story.trace
        # Who busily waits for somebody who is held spins as often as patience allows, and no more: more is a livelock.
        self._most_at_once = 2 * MAX_OVERTAKES * result.steps + 1_000
        return result

    def fifo_twice(self) -> Run[object]:
        """The FIFO run, and its repetition, which must not differ."""
        __tracebackhide__ = True
        result = self.fifo_once()
        self.fifo_again()
        return result

    def search(self, schedules: int, seed: int, *, first: int = _FIRST) -> None:
        """Try schedules until there were so many runs, or until there are no others.

        *first*: how many schedules with few delays come before the portfolio.
        """
        __tracebackhide__ = True
        self.begin_tree()
        assert self._fifo is not None
        choices = self._fifo[0].choices
        if choices > _FIRST:
            first = 0  # there are too many for it to get far with them
        index = tried = 0
        while self.runs < schedules:
            if tried <= index + first and self.tree.delays < _MOST_DELAYS:
                node = next(self._untried, None)
                if node is None:
                    return  # there are no others
                self.try_node(node)
                tried += 1
            else:
                self.try_policy(seed, index, choices)
                index += 1

    def begin_tree(self) -> None:
        """Run FIFO once more, and note what could have been otherwise."""
        __tracebackhide__ = True
        node = next(self._untried)
        recording = Recording(node.schedule, self.options.faults)
        result = self._run(recording, recording if recording.kinds else None)
        self.tree.add(node, recording.points)
        self._places = dict(recording.counts)
        self.has_choices = bool(recording.points)
        if result.error is not None:
            self._blame_state(result.error)

    def collect_garbage(self) -> None:
        """FIFO, with garbage collections at moments that any allocation could bring about."""
        __tracebackhide__ = True
        assert self._fifo is not None
        faults = AlwaysCollect(1 + self._fifo[0].steps // _MOST_COLLECTIONS)
        result = self._run(as_far_as_it_fits(FIFO), faults)
        if result.error is not None:
            self.fail(result)

    def exhaust(self, delays: int) -> None:
        """Every schedule with at most *delays* delays."""
        __tracebackhide__ = True
        self.begin_tree()
        while self.tree.delays < delays and (node := next(self._untried, None)) is not None:
            if node.schedule.delays > delays:
                return
            if self.runs >= _MOST_EXHAUSTIVE:
                assert self._fifo is not None
                raise ScheduleError(
                    f"exhaustive={delays} needs more than {_MOST_EXHAUSTIVE} schedules for this program, which has "
                    f"{self._fifo[0].choices} choices. It is for tiny programs: make the program or the number of delays "
                    "smaller, or leave it out."
                )
            self.try_node(node)

    # ------------------------------------------------------------------ failures
    def fail(self, result: Run[object], origin: str = "") -> None:
        """Raise what *result* found: an `InterleavingError` for the smallest schedule that fails in the same way."""
        __tracebackhide__ = True
        error = result.error
        assert error is not None
        verdict = _verdict(error)
        if verdict is not None:
            if result.schedule and verdict is error and isinstance(error, SimulationBoundaryError):
                error.add_note(f"It happened under the schedule '{result.schedule}'.")
            raise verdict
        self.failed = smallest = result.schedule
        if self._blames:
            self._blame_state(error)
        if not self._final:  # nobody will read it, and only what was raised and where must be the same as in the end
            raise InterleavingError(
                str(smallest),
                schedule=smallest,
                trace=(),
                reproducer="",
                runs=self.runs,
                draw=partial(self._draw, smallest, ""),
            ) from error
        wanted = _signature(error)
        if self._shrinks and smallest:
            smallest = smallest_schedule(smallest, lambda: self._failing_as(wanted))
            smallest = self._with_fewer_delays(smallest, wanted)
        # Of a livelock the end looks as the middle does, and there are a hundred thousand steps between.
        most = _MOST_OF_A_LIVELOCK if isinstance(error, LivelockError) else None
        last, story = self._observe(smallest, lines=bool(smallest.deviations), most=most)
        if last.error is None or _signature(last.error) != wanted:
            outcome = "passed" if last.error is None else f"raised {_shown(last.error)}"
            raise NonDeterminismError(
                f"Under the schedule '{smallest}' the body raised {_shown(error)}, and under the same schedule once more it "
                f"{outcome}. It depends on something that the schedule does not decide: the clock, random numbers, the order "
                f"of a set of objects that hash by address, or state that outlives the body.{self._changes()}",
                len(story.trace),
            ) from error
        self._remember(smallest)
        last.error.with_traceback(users_traceback(last.error))
        found = report(
            self.body,
            self.options,
            last.error,
            smallest,
            story,
            runs=self.runs,
            origin=origin,
            found=len(result.schedule),
            example=None if self._example is None else self._example(),
            outside=[] if smallest else self._outside.changes(),
            draw=partial(self._draw, smallest, f"{type(last.error).__name__}: {first_line(last.error)}"),
        )
        if settings.timelines is not None:
            found.add_note(f"As a picture: {_written(found.timeline, settings.timelines)}")
        raise found from last.error

    def _draw(self, schedule: Schedule, error: str) -> Timeline:
        """Run the body under *schedule* once more, and record what is emitted, by the number of the step."""
        search, story = Search(self.body, self.options), Story()
        search._most_at_once = self._most_at_once
        with search.leaks, Trace(clock=lambda: story.step, unit="steps") as trace:
            search._run(as_far_as_it_fits(schedule), faults_of(schedule), story=story)
        steps = tuple(
            StepRecord(
                number=step.number,
                who=step.who,
                what=str(step).split(maxsplit=1)[1].removeprefix(f"{step.who} "),
                time=step.time,
                late=bool(step.behind),
                ahead=bool(step.ahead_of),
            )
            for step in story.trace
            if step.who != MACHINERY
        )
        return replace(trace.timeline, title=f"{self._name} under schedule '{schedule}': {error}", steps=steps)

    def _failing_as(self, wanted: tuple[object, ...]) -> Attempt:
        """An attempt that says whether a run fails in the same way, until it has made more steps than it may."""
        steps = 0

        def attempt(chooser: Chooser, faults: Iterable[Fault] = (), log: list[int] | None = None) -> Schedule | None:
            nonlocal steps
            if steps > _MOST_STEPS_OF_SHRINKING:
                return None
            faults = tuple(faults)
            again = self._run(chooser, Faults(faults) if faults else None, log=log)
            steps += again.steps
            if again.error is None or _signature(again.error) != wanted:
                return None
            return again.schedule

        return attempt

    def _with_fewer_delays(self, smallest: Schedule, wanted: tuple[object, ...]) -> Schedule:
        """A schedule with at most two delays that fails in the same way, if *smallest* has more than that one."""
        attempt = self._failing_as(wanted)
        known = _kinds(smallest)
        if known - {*self.options.faults}:
            return smallest  # its faults are not of those that the tree makes
        if self._fifo is None:
            return smallest
        if not self.has_choices:
            self.begin_tree()
        for node in self._untried:
            if node.schedule.delays >= min(smallest.delays, _DELAYS_OF_THE_SMALLEST + 1):
                break
            recording = Recording(node.schedule, self.options.faults)
            made = attempt(recording, node.schedule.faults)
            if made is not None and made.delays < smallest.delays:
                return made
            if not recording.points:
                break  # the attempt has used up its steps
            self.tree.add(node, recording.points)
        return smallest

    # ------------------------------------------------------------------ what outlives a run
    def _blame_state(self, error: BaseException) -> None:
        """``StateLeakError`` if FIFO, which has passed before, fails now."""
        __tracebackhide__ = True
        search = self if self._fifo is not None else self._earlier
        if search is None or search._fifo is None:
            return
        again = search._run(as_far_as_it_fits(FIFO))
        if again.error is not None and _verdict(again.error) is None:
            _refuse_state(
                f"The first schedule passed once, and {several(self.runs, 'schedule')} later the same one failed with "
                f"{_shown(again.error)}",
                search._changes(),
                0,
                error,
            )

    def _changes(self) -> str:
        changes = self._outside.changes()
        return f" Since the beginning {'; '.join(changes[:3])}." if changes else ""

    def fifo_again(self) -> None:
        """Run FIFO once more: nothing may have changed since the first time."""
        __tracebackhide__ = True
        assert self._fifo is not None
        if self._uncollected:
            self._find_whose_garbage(self.leaks.end())
        first, trace = self._fifo
        again, story = self._observe(FIFO, most=_MOST_COMPARED)
        if _same(first, again):
            return
        if isinstance(again.error, NotABody):  # it makes a coroutine once, and not again
            raise again.error
        repeated = [again, *(self._observe(FIFO)[0] for _ in range(3))]
        step = next(
            (i for i, (a, b) in enumerate(zip(trace, story.trace, strict=False)) if a != b),
            min(len(trace), len(story.trace)),
        )
        before, now = (str(t[step]).strip() if step < len(t) else "the end" for t in (trace, story.trace))
        if step < max(len(trace), len(story.trace)):
            difference = f"at step {step}: first {before!r}, then {now!r}"
        elif first.log != again.log:
            difference = f"after step {trace[-1].number}"
        else:
            result = _shown(again.error) if again.error else repr(again.value)
            difference = f"in the result: first {first.value!r}, then {result}"
        if not _has_leaked(first, repeated):
            raise NonDeterminismError(
                f"Two runs under the same schedule differed {difference}. The body depends on something that the schedule "
                "does not decide: the clock, random numbers, or the order of a set of objects that hash by address."
                f"{self._changes()}",
                step,
            ) from again.error
        _refuse_state(
            f"The first schedule went another way when it was run again, {difference}",
            self._changes(),
            step,
            again.error,
        )


def _written(timeline: Timeline, directory: Path) -> Path:
    """The file that *timeline* is written to, named after the test."""
    name = re.sub(r"[^\w.-]+", "-", settings.test.replace("::", "-").replace("/", "-")).strip("-") or "timeline"
    directory.mkdir(parents=True, exist_ok=True)
    file = directory / f"{name}.html"
    timeline.write(file)
    return file


def _refuse_state(what: str, changes: str, step: int, cause: BaseException | None) -> NoReturn:
    __tracebackhide__ = True
    # Raised in one place: Hypothesis takes errors of two places for two bugs.
    raise StateLeakError(
        f"{what}. Something outlived its schedule, a global or an object made outside of the body.{changes} "
        "Make all state inside the body.",
        step,
    ) from cause


def _has_leaked(first: Run[object], repeated: list[Run[object]]) -> bool:
    """Whether what differs is there to stay, or piles up; what is random comes and goes."""
    again = repeated[0]
    if again.error is not None:
        return all(one.error is not None and _signature(one.error) == _signature(again.error) for one in repeated)
    lengths = [one.steps for one in (first, *repeated)]
    return all(_same(again, one) for one in repeated) or (
        len(set(lengths)) == len(lengths) and lengths in (sorted(lengths), sorted(lengths, reverse=True))
    )


def _same(one: Run[object], other: Run[object]) -> bool:
    if one.log != other.log or other.error is not None:
        return False
    # Results of other classes may well be equal in all that matters and still not compare equal.
    return not isinstance(one.value, int | str | bytes | float) or one.value == other.value


def _kinds(schedule: Schedule) -> set[str]:
    return {fault.kind for fault in schedule.faults}


def _shown(error: BaseException) -> str:
    """*error* in one line, whatever its own `repr` does."""
    try:
        return repr(error)
    except Exception as raised:  # noqa: BLE001  # what it is must be told all the same
        return f"{type(error).__name__} (whose repr raised {type(raised).__name__})"


def _verdict(error: BaseException) -> BaseException | None:
    """What must be raised as it is, because it is not a finding about the order of things: None if *error* is one.

    What steers a test runner must reach it untouched, and that real I/O was used has nothing to do with a
    schedule. `CancelledError` and `SystemExit` out of a body are findings.
    """
    if isinstance(error, BaseExceptionGroup):
        verdicts = [_verdict(member) for member in error.exceptions]
        return verdicts[0] if all(verdicts) else None
    kind = type(error)
    if isinstance(error, NotABody | SimulationBoundaryError | unittest.SkipTest) or kind.__module__.startswith(
        "hypothesis."
    ):
        return error
    is_finding = isinstance(error, Exception | asyncio.CancelledError | SystemExit)
    return None if is_finding or (kind.__module__ == "_pytest.outcomes" and kind.__name__ == "Failed") else error


def _signature(error: BaseException) -> tuple[object, ...]:
    """What makes two failures the same one: the class, the innermost line, and for a group those of its members."""
    if isinstance(error, BaseExceptionGroup):
        return type(error), frozenset(_signature(member) for member in error.exceptions)
    if isinstance(error, RecursionError):  # where the stack ends is chance
        return (RecursionError,)
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return type(error), (trace.tb_frame.f_code.co_filename, trace.tb_lineno) if trace is not None else None
