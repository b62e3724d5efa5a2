"""Run a body under many schedules, and report the smallest one that breaks it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from ._loop import Reorder
from ._ready import MAX_OVERTAKES
from ._report import Example, report
from ._run import Body, Ending, LeakDetector, Options, Reached, Run, run_once
from ._schedule import FIFO, POLICIES, Chooser, Schedule, Step, as_far_as_it_fits, portfolio
from ._shrink import Attempt, Deviations, smallest_deviations
from ._story import Story
from ._threads import Threads
from .errors import NonDeterminismError, NotABody, ScheduleError, StateLeakError

_MOST_EXHAUSTIVE = 200_000
_MOST_STEPS_OF_SHRINKING = 50_000


@dataclass(frozen=True, slots=True)
class Exploration:
    """What an exploration without a failure has seen."""

    schedules: int
    """Schedules tried, FIFO among them. 1 if the program has no choices."""
    choices: int
    """Choices of the FIFO run."""
    reached: frozenset[str]
    """The ``sometimes`` that were true at least once."""


def explore(
    body: Body[object],
    *,
    schedules: int = 1_000,
    seed: int = 0,
    exhaustive: int | None = None,
    first: Iterable[Schedule | str] = (),
    reach: Iterable[str] = (),
    reorder: Reorder = "resume",
    max_steps: int = 100_000,
    threads: Threads = "real",
    ending: Ending = "cancel",
) -> Exploration:
    """Run ``body()`` under many schedules; raise ``InterleavingError`` with the smallest one that breaks it.

    FIFO comes first, then those of *first*, as far as they fit the program (paste there what a report told you), then a
    fixed portfolio of policies that depends on *seed* alone, until there were *schedules* in all, and FIFO once more. With
    ``exhaustive=d`` instead of the portfolio: every schedule with at most *d* delays (taking the third candidate is two
    delays), for tiny programs; ``ScheduleError`` when that would be more than 200,000.

    *body* must make all its state anew. Where the first run and its repetition differ, ``StateLeakError`` or
    ``NonDeterminismError`` names the step. ``UnreachedError`` if a ``sometimes`` (or a name in *reach*) was never true.
    The other parameters are those of `run`, and so are the errors, each as the ``__cause__`` of the ``InterleavingError``.
    """
    if schedules < 1:
        raise ValueError(f"schedules is the number of schedules to try, at least 1, not {schedules}.")
    if exhaustive is not None and exhaustive < 0:
        raise ValueError(f"exhaustive is the number of delays allowed, at least 0, not {exhaustive}.")
    if isinstance(first, str | Schedule):
        raise ScheduleError(f"first is a list of schedules. Did you mean first=[{first!r}]?")
    search = Search(body, Options(reorder, max_steps, threads, ending))
    with Reached(reach) as reached, search.leaks:
        fifo = search.fifo_twice()
        pinned = [Schedule.of(schedule) for schedule in first]
        for schedule in pinned:
            search.attempt(as_far_as_it_fits(schedule), "a schedule given as first=")
        if exhaustive is not None:
            search.exhaust(exhaustive)
        elif fifo.choices:
            for index in range(schedules - 1):
                search.attempt(portfolio(seed, index, fifo.choices), POLICIES[index % len(POLICIES)])
        search.fifo_again()
        reached.require_all(search.runs)
        return Exploration(search.runs, fifo.choices, frozenset(reached.names))


class Search:
    """One exploration of one body. Its leak detector must be entered."""

    def __init__(
        self,
        body: Body[object],
        options: Options,
        *,
        example: Callable[[], Example] | None = None,
        final: bool = True,
    ) -> None:
        self.body = body
        self.options = options
        self._asked = options
        self.leaks = LeakDetector()
        self.runs = 0
        self._example = example
        self._final = final
        self._fifo: tuple[Run[object], list[Step]] | None = None

    def attempt(self, chooser: Chooser, policy: str) -> Run[object]:
        """One run; if it fails, shrink its schedule and raise the report."""
        self.runs += 1
        result = run_once(self.body, self.options, self.leaks, chooser=chooser)
        if result.error is not None:
            self.fail(result, policy)
        return result

    def fail(self, result: Run[object], policy: str) -> None:
        """Raise what *result* found: an `InterleavingError` for the smallest schedule that fails in the same way."""
        error = result.error
        assert error is not None
        if not _is_finding(error):
            raise error
        wanted = _signature(error)
        smallest = Schedule(result.deviations)
        if self._final and smallest:
            smallest = Schedule(smallest_deviations(smallest, lambda: self._failing_as(wanted)))
        last, story = self._observe(smallest)
        if last.error is None or _signature(last.error) != wanted:
            outcome = "passed" if last.error is None else f"raised {last.error!r}"
            raise NonDeterminismError(
                f"Under the schedule '{smallest}' the body raised {error!r}, and under the same schedule once more it {outcome}. "
                "It depends on something that the schedule does not decide: the clock, random numbers, the order of a set of "
                "objects that hash by address, or state that outlives the body.",
                len(story.trace),
            ) from error
        raise report(
            self.body,
            self._asked,
            last.error,
            smallest,
            story,
            runs=self.runs,
            policy=policy,
            found=len(result.deviations),
            example=None if self._example is None else self._example(),
        ) from last.error

    def _failing_as(self, wanted: tuple[object, ...]) -> Attempt:
        """An attempt that says whether a run fails in the same way, until it has made more steps than it may."""
        steps = 0

        def attempt(chooser: Chooser, log: list[int] | None = None) -> Deviations | None:
            nonlocal steps
            if steps > _MOST_STEPS_OF_SHRINKING:
                return None
            again = run_once(self.body, self.options, self.leaks, chooser=chooser, log=log)
            steps += again.steps
            if again.error is None or _signature(again.error) != wanted:
                return None
            return again.deviations

        return attempt

    def fifo_once(self) -> Run[object]:
        """The FIFO run, which must not fail."""
        self.runs += 1
        result, story = self._observe(FIFO)
        if result.error is not None:
            self.fail(result, "fifo")
        self._fifo = result, story.trace
        # Who busily waits for somebody who is held spins as often as patience allows, and no more: more is a livelock.
        self.options = replace(
            self.options, max_steps=min(self.options.max_steps, 2 * MAX_OVERTAKES * result.steps + 1_000)
        )
        return result

    def fifo_twice(self) -> Run[object]:
        """The FIFO run, and its repetition, which must not differ."""
        result = self.fifo_once()
        self.fifo_again()
        return result

    def fifo_again(self) -> None:
        """Run FIFO once more: nothing may have changed since the first time."""
        assert self._fifo is not None
        first, trace = self._fifo
        again, story = self._observe(FIFO)
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
        difference = (
            f"at step {step}: first {before!r}, then {now!r}"
            if step < max(len(trace), len(story.trace))
            else f"in the result: first {first.value!r}, then {again.error or again.value!r}"
        )
        # What has leaked stays, or piles up; what is random comes and goes.
        lengths = [one.steps for one in (first, *repeated)]
        settled = all(_same(again, one) for one in repeated) or (
            len(set(lengths)) == len(lengths)
            and lengths
            in (
                sorted(lengths),
                sorted(lengths, reverse=True),
            )
        )
        if not settled:
            raise NonDeterminismError(
                f"Two runs under the same schedule differed {difference}. The body depends on something that the schedule "
                "does not decide: the clock, random numbers, or the order of a set of objects that hash by address.",
                step,
            ) from again.error
        raise StateLeakError(
            f"The first schedule went another way when it was run again, {difference}. Something outlived its schedule, "
            "a global or an object made outside of the body (or else the body is not deterministic). "
            "Make all state inside the body.",
            step,
        ) from again.error

    def exhaust(self, delays: int) -> None:
        """Every schedule with at most *delays* delays."""
        result = run_once(self.body, self.options, self.leaks, chooser=_Counting(()))
        stack: list[Deviations] = [()]
        while stack:
            deviations = stack.pop()
            if self.runs >= _MOST_EXHAUSTIVE:
                raise ScheduleError(
                    f"exhaustive={delays} needs more than {_MOST_EXHAUSTIVE} schedules for this program, which has "
                    f"{result.choices} choices. It is for tiny programs: make the program or the number of delays smaller, or "
                    "leave it out."
                )
            counting = _Counting(deviations)
            self.attempt(counting, f"exhaustive={delays}")
            spent = sum(candidate for _, candidate in deviations)
            begin = deviations[-1][0] + 1 if deviations else 0
            for choice in range(len(counting.sizes) - 1, begin - 1, -1):
                most = min(counting.sizes[choice] - 1, delays - spent)
                stack.extend((*deviations, (choice, candidate)) for candidate in range(most, 0, -1))

    def _observe(self, schedule: Schedule) -> tuple[Run[object], Story]:
        story = Story()
        return run_once(self.body, self.options, self.leaks, chooser=as_far_as_it_fits(schedule), story=story), story


class _Counting:
    """Follows deviations and notes how many candidates each choice had."""

    def __init__(self, deviations: Deviations) -> None:
        self._wanted = dict(deviations)
        self.sizes: list[int] = []

    def __call__(self, choice: int, keys: Sequence[int]) -> int:
        size = len(keys)
        self.sizes.append(size)
        index = self._wanted.get(choice, 0)
        return index if index < size else 0


def _same(one: Run[object], other: Run[object]) -> bool:
    if one.log != other.log or other.error is not None:
        return False
    # Results of other classes may well be equal in all that matters and still not compare equal.
    return not isinstance(one.value, int | str | bytes | float) or one.value == other.value


def _is_finding(error: BaseException) -> bool:
    """Whether *error* says that the body is wrong; what steers a test runner must reach it untouched."""
    kind = type(error)
    if isinstance(error, NotABody) or kind.__module__.startswith("hypothesis."):
        return False
    return isinstance(error, Exception) or (kind.__module__ == "_pytest.outcomes" and kind.__name__ == "Failed")


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
