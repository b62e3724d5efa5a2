"""given_interleavings: Hypothesis chooses the events, a portfolio chooses the schedules."""

from __future__ import annotations

import functools
import inspect
import re
import zlib
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol, cast

from typing_extensions import ParamSpec

from pyventus_typed import Linker
from pyventus_typed._signature import call_signature

from ._claims import Reached, check_names
from ._events import SearchStrategy, hypothesis, untraced
from ._loop import LATENCY, Reorder
from ._recorder import Recorder
from ._report import Example, Source
from ._run import Ending, Options, check_count, check_flag
from ._schedule import Schedule
from ._search import Search, settings
from ._threads import Threads
from .errors import InterleavingError, NotABody, NothingToExplore

_P = ParamSpec("_P")

_ADDRESS = re.compile(r" at 0x[0-9a-f]+")


class InterleavedTest(Protocol[_P]):
    """What `given_interleavings` makes of an async test: a plain function, which Hypothesis fills and schedules run."""

    @property
    def body(self) -> Callable[_P, Coroutine[Any, Any, object]]:  # Any: what a coroutine yields is the loop's business
        """The async test as it was, for `run` and `explore` with events of your own choice."""

    def __call__(self, *args: Any, **kwargs: Any) -> None:  # Any: Hypothesis and pytest give what it needs
        """Run the test."""


def given_interleavings(
    *strategies: SearchStrategy[Any],  # Any: of whatever type the parameter is
    schedules: int = 16,
    endings: Sequence[Ending] = ("cancel",),
    reorder: Reorder = "resume",
    latency: float = LATENCY,
    cancel: bool = False,
    fail: bool | type[Exception] = False,
    drop: bool = False,
    double: bool = False,
    max_steps: int | None = None,
    threads: Threads = "real",
    reach: Iterable[str] = (),
    expect_choices: bool = True,
    **named: SearchStrategy[Any],
) -> Callable[[Callable[_P, Coroutine[Any, Any, object]]], InterleavedTest[_P]]:
    """`hypothesis.given` for an async test: each example runs under *schedules* schedules, and in each of the *endings*.

    Pass strategies as to ``@given``. Fixtures of pytest may fill the other parameters, but all schedules share them (a
    `Recorder` and a `Linker` are cleared before each schedule). All other state must be created in the test. A failure
    raises ``InterleavingError`` with the smallest events and the smallest schedule. ``@settings`` may be above or below.
    Raises ``UnreachedError`` if a ``sometimes`` (or a name in *reach*) was true in no schedule of any example, and
    ``NothingToExplore`` if no example has more than one schedule, unless ``expect_choices=False``. No deadline of
    Hypothesis counts, unless ``@settings`` gives one of its own. The attribute ``body`` is the original test. The other
    parameters are those of `explore`.
    """
    _check_counts(schedules, endings)
    first = Options(
        reorder=reorder,
        latency=latency,
        cancel=cancel,
        fail=fail,
        drop=drop,
        double=double,
        max_steps=max_steps,
        threads=threads,
    )
    options = [replace(first, ending=ending) for ending in endings]

    declared = check_names(reach)
    check_flag("expect_choices", expect_choices)

    def decorate(test: Callable[_P, Coroutine[Any, Any, object]]) -> InterleavedTest[_P]:
        if not inspect.iscoroutinefunction(test):
            raise NotABody(test, "given_interleavings is for `async def` tests; for others there is hypothesis.given.")
        progress = _Progress()
        signature = call_signature(test)

        @functools.wraps(test)
        def under_schedules(*args: Any, **kwargs: Any) -> None:  # Any: what the strategies make
            drawn = signature.bind(*args, **kwargs).arguments
            spelled_test = getattr(test, "__name__", "test")

            def example() -> Example:
                source = Source()
                values = {name: source.of(value) for name, value in drawn.items()}
                call = ", ".join(f"{name}={value}" for name, value in values.items())
                return Example(values, f"lambda: {spelled_test}.body({call})", source.imports)

            __tracebackhide__ = True
            shared = [one for one in (*args, *kwargs.values()) if isinstance(one, Recorder | Linker)]

            def begin() -> Coroutine[Any, Any, object]:  # Any: what a coroutine yields
                for one in shared:  # of a fixture: no schedule may see what another one has left in it
                    one.clear()
                return test(*args, **kwargs)

            is_final = _is_final()
            for option in options:
                body = functools.update_wrapper(begin, test) if shared else functools.partial(test, *args, **kwargs)
                search = Search(
                    body,
                    option,
                    example=example,
                    final=is_final,
                    blames=is_final or not progress.failed,
                    earlier=progress.first,
                )
                with untraced():
                    _try_schedules(search, _seed_of(drawn), schedules, progress, is_final=is_final)
                progress.add(search)

        under_schedules.__signature__ = signature.replace(return_annotation=None)  # type: ignore[attr-defined]  # pytest's own attribute
        # given() takes strategies by position or by name, not both.
        names = list(signature.parameters)[-len(strategies) :] if strategies else []
        by_name = dict(zip(names, strategies, strict=True))
        decorated = hypothesis.given(**by_name, **named)(under_schedules)

        @functools.wraps(decorated)
        def judged(*args: Any, **kwargs: Any) -> None:  # Any: what the strategies make
            __tracebackhide__ = True
            _without_deadline(judged)
            progress.begin()
            with Reached(declared) as reached:
                decorated(*args, **kwargs)
            if expect_choices and not progress.has_choices:
                raise NothingToExplore
            reached.require_all(progress.runs)

        # Hypothesis keeps its settings on the function that it decorates: `@settings` must find it through ours.
        parameters_left = call_signature(decorated)
        judged.__dict__ = vars(decorated)
        vars(judged)["__signature__"] = parameters_left  # for pytest, which fills the parameters that are left
        vars(judged)["body"] = test  # for the regression tests that reports print
        return cast("InterleavedTest[_P]", judged)  # a function has no attribute `body` that a checker could see

    return decorate


class _Progress:
    """What is known of a test over all its examples."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """The test is run, once more."""
        self.failed: dict[int, Schedule] = {}
        """The schedules that have failed, by the seed of their example."""
        self.first: Search | None = None
        self.runs = 0
        self.has_choices = settings.replay is not None

    def add(self, search: Search) -> None:
        """*search* has found nothing."""
        self.first = self.first or search
        self.runs += search.runs
        self.has_choices = self.has_choices or search.has_choices


def _check_counts(schedules: int, endings: Sequence[Ending]) -> None:
    check_count("schedules is the number of schedules for each example", schedules)
    given: object = endings  # what the annotation says is what a caller may get wrong
    if isinstance(given, str) or not isinstance(given, Sequence):
        raise TypeError(f"endings is a list. Did you mean endings=[{endings!r}]?")
    if not endings:
        raise ValueError("endings needs at least one of 'cancel', 'close' and 'lost'.")


def _seed_of(drawn: Mapping[str, object]) -> int:
    """A number that belongs to an example: others get other schedules, and the same one gets the same.

    To draw it would be simpler, but Hypothesis would then shrink it, which means nothing and took a thousand runs.
    """
    return zlib.crc32(_ADDRESS.sub("", repr(dict(drawn))).encode("utf-8", "backslashreplace"))


def _try_schedules(search: Search, seed: int, schedules: int, progress: _Progress, *, is_final: bool) -> None:
    __tracebackhide__ = True
    with search.leaks:
        if settings.replay is not None:
            search.try_schedule(settings.replay, "given as --replay")
            return
        schedules = settings.schedules or schedules
        # While Hypothesis shrinks, what failed last fails most often again.
        # Smaller events need other schedules, and it is worth looking for them once there is something to shrink.
        failed = progress.failed
        known = failed.get(seed) or next(reversed(failed.values()), None)
        try:
            if is_final or known is None:
                search.fifo_once()
            if known is not None:
                search.try_schedule(known)
                if not is_final:
                    search.fifo_once()
            search.search(schedules if known is None else 4 * schedules, seed, first=schedules // 2)
        except InterleavingError:
            if search.failed is not None:
                failed[seed] = search.failed
            raise
        search.fifo_again()


def _is_final() -> bool:
    """Whether this is the run of which the user will read the report; before it, shrinking schedules is wasted time."""
    try:
        return bool(hypothesis.control.current_build_context().is_final)
    except (AttributeError, hypothesis.errors.InvalidArgument):
        return True


def with_fixtures(test: Any) -> None:  # Any: a function with attributes of Hypothesis
    """Keep Hypothesis from refusing fixtures of a *test* of ours: those that could leak are cleared before each schedule."""
    given = _settings_of(test)
    suppressed = [*given.suppress_health_check, hypothesis.HealthCheck.function_scoped_fixture]
    test._hypothesis_internal_use_settings = hypothesis.settings(given, suppress_health_check=suppressed)


def _without_deadline(test: Any) -> None:
    """Unless a deadline was asked for: one for a single call says nothing of an example that is run under many schedules."""
    given = _settings_of(test)
    if given.deadline == hypothesis.settings().deadline:
        test._hypothesis_internal_use_settings = hypothesis.settings(given, deadline=None)


def _settings_of(test: Any) -> hypothesis.settings:
    return getattr(test, "_hypothesis_internal_use_settings", None) or hypothesis.settings()
