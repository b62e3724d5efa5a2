"""One run of a body under one schedule, what it claims, and what goes wrong in it where nobody looks."""

from __future__ import annotations

import asyncio
import gc
import inspect
import logging
import sys
import types
import warnings
from collections.abc import Callable, Collection, Coroutine, Generator, Iterable, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, ClassVar, Generic, Literal, TypeAlias, TypeVar

from pyventus_typed import Emission, Emitter, Event, current_emission
from pyventus_typed.errors import DiscardedEmissionsWarning

from ._clock import Clock
from ._holders import Holders
from ._loop import LATENCY, Reorder, VirtualLoop, check_latency, check_reorder
from ._ready import Entry, Timer
from ._schedule import FIFO, Chooser, FaultKind, Faults, Schedule
from ._story import Story, is_users, place, short
from ._threads import Threads, check_threads
from .errors import BackgroundError, NotABody, SimulationBoundaryError, UnreachedError

_T = TypeVar("_T")

Body: TypeAlias = Callable[[], Coroutine[Any, Any, _T]]  # Any: what a coroutine yields and takes is the loop's business
Ending: TypeAlias = Literal["cancel", "close", "lost"]

_STEPS_TO_END = 10_000
_MOST_STEPS = 200_000
_MOST_STEPS_AT_ONCE = 100_000

_collector: dict[str, bool] | None = None


# ---------------------------------------------------------------- what goes wrong where nobody looks
def _set_in_order(members: Iterable[Any] = ()) -> Collection[Any]:  # Any: as the built-in
    """For `asyncio.as_completed`, which puts its coroutines into a set: that would give them tasks in the order of addresses."""
    members = tuple(members)
    return dict.fromkeys(members) if any(map(asyncio.iscoroutine, members)) else set(members)


class LeakDetector:
    """While it is entered, what Python only mentions in passing is collected, and garbage is collected only when asked.

    The collector runs at moments that depend on everything that was ever allocated; a finaliser that runs in the middle
    of a schedule would make two equal runs differ.
    """

    _depth: ClassVar[int] = 0

    def __init__(self) -> None:
        self.problems: list[Exception] = []
        self.clock = Clock()

    def __enter__(self) -> LeakDetector:
        if (running := asyncio._get_running_loop()) is not None:
            raise SimulationBoundaryError(
                f"A test under schedules turns a loop of its own, and in this thread {running!r} is running. Call run(), "
                "explore() or the test from a plain function, or await the body here."
            )
        self._unraisable_before = sys.unraisablehook
        # The interpreter calls it; a warnings filter could not be swapped for each of 5,000 runs a second.
        self._unawaited_before = vars(warnings)["_warn_unawaited_coroutine"]
        self._collected_before = gc.isenabled()
        self._set_before = vars(asyncio.tasks).get("set", set)
        vars(asyncio.tasks)["set"] = _set_in_order
        sys.unraisablehook = self._unraisable
        setattr(warnings, "_warn_unawaited_coroutine", self._unawaited)  # noqa: B010  # it is private
        gc.disable()
        self.clock.enter()
        LeakDetector._depth += 1
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        LeakDetector._depth -= 1
        self.clock.leave()
        if not LeakDetector._depth:
            gc.unfreeze()
        sys.unraisablehook = self._unraisable_before
        vars(asyncio.tasks)["set"] = self._set_before
        setattr(warnings, "_warn_unawaited_coroutine", self._unawaited_before)  # noqa: B010  # it is private
        if self._collected_before:
            gc.enable()

    def begin(self) -> None:
        """Set aside all that is alive, so that `end` looks only at what this schedule made; once before each schedule."""
        gc.freeze()
        self.problems.clear()

    def end(self) -> BackgroundError | None:
        """Collect the garbage of the schedule, and return what it and the schedule complained about."""
        gc.collect()
        if not self.problems:
            return None
        problems = tuple(self.problems)
        self.problems.clear()
        what = "; ".join(f"{type(problem).__name__}: {problem}" for problem in problems[:3])
        return BackgroundError(f"The body returned, but nobody took care of this: {what}", problems)

    def handle(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:  # Any: as in asyncio
        """The exception handler of the loop."""
        error = context.get("exception")
        text = str(context.get("message", "Unhandled exception in the event loop")).replace("VirtualTask", "Task")
        task = context.get("task", context.get("future"))
        if isinstance(task, asyncio.Task):
            name = short(getattr(task.get_coro(), "__qualname__", repr(task)))
            if text.startswith("Task was destroyed"):
                at = f" ({where})" if (where := place(task.get_coro())) else ""
                text = (
                    f"{text} Nobody held the task of {name}{at} while it waited, so the garbage collector took it. Keep what "
                    "create_task returns, or use a TaskGroup"
                )
            else:
                text = f"{text} ({name})"
        self._note(error, text)

    def _unraisable(self, found: sys.UnraisableHookArgs) -> None:
        # The object itself must not be kept: that would bring it back to life.
        self._note(found.exc_value, f"{found.err_msg or 'Exception ignored in'} {found.object!r}")

    def _unawaited(self, coroutine: Any) -> None:  # Any: whatever the interpreter takes for a coroutine
        code = coroutine.cr_code
        name = coroutine.__qualname__.rpartition("<locals>.")[2]
        place = f"{code.co_filename.rpartition('/')[2]}:{code.co_firstlineno}"
        self.problems.append(RuntimeWarning(f"the coroutine {name} ({place}) was never awaited"))

    def _note(self, error: BaseException | None, text: str) -> None:
        if isinstance(error, Exception):
            error.add_note(text)
            self.problems.append(error)
        else:
            problem = RuntimeError(text)
            problem.__cause__ = error
            self.problems.append(problem)


# ---------------------------------------------------------------- the run
@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How a body is run, whatever the schedule."""

    reorder: Reorder = "resume"
    latency: float = LATENCY
    max_steps: int | None = None
    threads: Threads = "real"
    ending: Ending = "cancel"
    cancel: bool = False
    fail: bool | type[Exception] = False
    drop: bool = False
    double: bool = False

    def __post_init__(self) -> None:
        check_reorder(self.reorder)
        check_latency(self.latency)
        check_threads(self.threads)
        if self.max_steps is not None and self.max_steps < 1:
            raise ValueError(
                f"max_steps is the number of steps that a run may take, at least 1, not {self.max_steps!r}."
            )
        if self.ending not in {"cancel", "close", "lost"}:
            raise ValueError(f"ending is 'cancel', 'close' or 'lost', not {self.ending!r}.")
        for name in ("cancel", "drop", "double"):
            if not isinstance(value := getattr(self, name), bool):
                raise TypeError(f"{name} is True or False, not {value!r}.")
        given: object = self.fail  # what the annotation says is what a caller may get wrong
        if not isinstance(given, bool) and not (isinstance(given, type) and issubclass(given, Exception)):
            raise TypeError(f"fail is True, False or the class of the exception to raise, not {self.fail!r}.")

    @property
    def faults(self) -> tuple[FaultKind, ...]:
        """The kinds of faults that it asks for."""
        kinds: list[FaultKind] = ["cancel", "cancel-late"] if self.cancel else []
        kinds += ["raise"] if self.fail else []
        kinds += ["drop"] if self.drop else []
        kinds += ["double"] if self.double else []
        return tuple(kinds)

    def error(self) -> Exception:
        """What an await that fails raises."""
        kind = self.fail if isinstance(self.fail, type) else ConnectionError
        return kind("raised by the schedule")


@dataclass(slots=True)
class Run(Generic[_T]):
    """What one run did."""

    value: _T | None = None
    error: BaseException | None = None
    schedule: Schedule = FIFO
    """What it really deviated in."""
    interrupted: bool = False
    """It ended with an exception that the schedule had put into it: that is no failure, and there is no value."""
    choices: int = 0
    steps: int = 0
    time: float = 0.0
    log: list[int] = field(default_factory=list)


def run(
    body: Body[_T],
    *,
    schedule: Schedule | str = FIFO,
    reorder: Reorder = "resume",
    latency: float = LATENCY,
    max_steps: int | None = None,
    threads: Threads = "real",
    ending: Ending = "cancel",
    fail: bool | type[Exception] = False,
) -> _T:
    """Run ``body()`` in virtual time under *schedule*, and return what it returns or raise what it raises.

    *body* is called here, so all state that it makes is new. When it is done the loop ends as *ending* says: ``"cancel"``
    as `asyncio.run` ends it (what is left is cancelled and awaited, oldest first), ``"close"`` closes it at once, ``"lost"``
    drops it. *reorder*, *latency* and *threads* are those of `VirtualLoop`; more than 200,000 steps, or 100,000 while no
    time passes, are a livelock, unless *max_steps* says another number. *fail*: what a ``raise`` in *schedule* raises.
    ``time.time()``, ``monotonic()`` and ``perf_counter()`` move with the loop, where your modules call them.

    Raises also ``NotABody``, ``ScheduleError`` when *schedule* does not parse or fit, ``DeadlockError``,
    ``LivelockError``, ``SimulationBoundaryError``, and ``BackgroundError`` when the body returned but a task's exception
    was never taken, a coroutine was never awaited, or a callback or a finaliser raised.
    """
    options = Options(reorder=reorder, latency=latency, max_steps=max_steps, threads=threads, ending=ending, fail=fail)
    __tracebackhide__ = True
    with LeakDetector() as leaks:
        result = run_once(body, options, leaks, schedule=Schedule.of(schedule), explain=True)
    if result.error is not None:
        raise result.error.with_traceback(users_traceback(result.error))
    return result.value  # type: ignore[return-value]  # ty: ignore[invalid-explicit-return]  # without an error there is a result


def users_traceback(error: BaseException) -> TracebackType | None:
    """The traceback of *error* from the first line of the user's on: how a loop comes to run it is no part of the story."""
    trace = error.__traceback__
    while trace is not None and not is_users(trace.tb_frame.f_code):
        trace = trace.tb_next
    return trace


def run_once(  # noqa: C901, PLR0912, PLR0915  # one run, from its making to its end, in the order of time
    body: Body[_T],
    options: Options,
    leaks: LeakDetector,
    *,
    schedule: Schedule = FIFO,
    chooser: Chooser | None = None,
    faults: Faults | None = None,
    story: Story | None = None,
    log: list[int] | None = None,
    most_at_once: int | None = None,
    explain: bool = False,
) -> Run[_T]:
    """Run *body* once, in the order of *chooser* and with *faults* if given, else by *schedule*, which then must fit.

    *log* takes the key of each step, before it is made. With *explain* a deadlock says who holds what.
    """
    leaks.begin()
    result: Run[_T] = Run()
    loop = VirtualLoop(
        schedule,
        reorder=options.reorder,
        latency=options.latency,
        max_steps=options.max_steps or _MOST_STEPS,
        threads=options.threads,
        chooser=chooser,
        faults=faults,
    )
    leaks.clock.follow(loop)
    loop.set_exception_handler(leaks.handle)
    loop.log = log
    loop.fails_with = options.error
    if options.max_steps is None:
        loop.most_at_once = most_at_once or _MOST_STEPS_AT_ONCE
    if story is not None:
        story.begin(loop)
        loop.observer = story
        loop.log = result.log
    main: asyncio.Task[_T] | None = None
    try:
        with (
            nullcontext() if loop.faults is None else faults_of_libraries(loop, loop.faults, story),
            _look_at_holders(loop) if explain or story else nullcontext(),
        ):
            main = loop.main = loop.create_task(_coroutine(body), name="body")
            main.add_done_callback(_stop)
            loop.run_forever()
        if not main.done():
            raise RuntimeError("The loop was stopped before the body was done: loop.stop() is for who runs the loop.")
        result.value = main.result()
        if chooser is None:
            loop.require_fit()
        if loop.foreign is not None:  # a thread that called in, and was refused there
            raise loop.foreign
    except KeyboardInterrupt:
        if story is not None:
            story.end()
        end(loop, "cancel")
        leaks.clock.follow(None)
        raise
    except BaseException as error:  # noqa: BLE001  # the caller decides what to do with it
        result.error = error
        if main is not None:
            main.remove_done_callback(_stop)  # it is about to be cancelled, which must not stop the loop again
    made = () if loop.faults is None else tuple(loop.faults.made)
    result.schedule = Schedule(tuple(loop.deviations), made)
    result.choices, result.steps, result.time = loop.choices, loop.steps, loop.time()
    injected, cancels = loop.injected, loop.cancels
    if story is not None:
        story.end()
        loop.observer = None  # how the loop ends is not part of the story
        loop.log = None
    loop.checks.clear()
    loop.faults = loop.main = None
    if result.error is not None:
        for problem in leaks.problems:  # it may well be the reason
            result.error.add_note(f"before that: {problem}")
    last_checks = loop.last_checks
    result.interrupted = _is_injected(result.error, injected, cancels=cancels)
    try:
        if result.error is None:
            end(loop, options.ending)
        else:
            with _unreported():
                end(loop, "cancel")
    except Exception as error:  # noqa: BLE001  # a program that is stuck may well be unable to end; why it stuck comes first
        result.error = result.error or error
        loop.close()
    leaks.clock.follow(None)
    del loop, main
    background = leaks.end()
    if result.interrupted:
        result.error = None
    if result.error is None and not _is_injected(background, injected, cancels=cancels):
        result.error = background
    try:
        while last_checks and result.error is None:
            last_checks.pop(0)()
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001  # the caller decides what to do with it
        result.error = error
    return result


def _is_injected(error: BaseException | None, injected: Sequence[BaseException], *, cancels: bool) -> bool:
    """Whether *error* is nothing but what the schedule put into the program: that it comes out again is no failure."""
    if isinstance(error, asyncio.CancelledError):
        return cancels
    if isinstance(error, BaseExceptionGroup):
        return all(_is_injected(member, injected, cancels=cancels) for member in error.exceptions)
    if error is not None and type(error) is RuntimeError and error.__cause__ is not None:  # as a leak is told
        return _is_injected(error.__cause__, injected, cancels=cancels)
    return any(error is one for one in injected)


@contextmanager
def _look_at_holders(loop: VirtualLoop) -> Generator[None, None, None]:
    loop.holders = Holders()
    with loop.holders.entered():
        yield


@contextmanager
def faults_of_libraries(loop: VirtualLoop, faults: Faults, story: Story | None) -> Generator[None, None, None]:
    """Where the *faults* of *loop* need it, make ``sleep(0)`` able to raise, and `Emitter.emit` able to lose and to repeat."""
    emit, pause = Emitter.emit, vars(asyncio.tasks)["__sleep0"]

    def emit_with_faults(
        emitter: Emitter[Event], event: Event, *args: Any, **options: Any
    ) -> Emission[Event]:  # Any: its own
        emission = emit(emitter, event, *args, **options)
        fault = faults.ask("emit", faults.kinds["emit"]) if asyncio._get_running_loop() is loop else None
        if fault is not None:
            if story is not None:
                story.emits(fault, event)
            if fault.kind == "double":
                emit(emitter, event, *args, **options)
            else:
                emission.cancel()
        return emission

    @types.coroutine
    def pause_or_fail() -> Generator[None, None, None]:
        yield
        error = loop.pop_error(asyncio.current_task())
        if error is not None:
            raise error

    if "raise" in faults.kinds.get("await", ()):
        vars(asyncio.tasks)["__sleep0"] = pause_or_fail
    if "emit" in faults.at:
        setattr(Emitter, "emit", emit_with_faults)  # noqa: B010  # a checker would not have it
    try:
        yield
    finally:
        setattr(Emitter, "emit", emit)  # noqa: B010  # as above
        vars(asyncio.tasks)["__sleep0"] = pause


def _coroutine(body: Body[_T]) -> Coroutine[Any, Any, _T]:
    given: object = body  # what the annotation says is what a caller may get wrong
    if inspect.iscoroutine(given):
        given.close()
        raise NotABody(given, "Pass the function itself, without calling it: each schedule needs a new coroutine.")
    if not callable(given):
        raise NotABody(given, "Pass the function itself.")
    try:
        coro = body()
    except TypeError as error:
        if (
            error.__traceback__ is not None and error.__traceback__.tb_next is None
        ):  # the call itself, not what it called
            raise NotABody(
                body, f"{error}. Bind what it needs: lambda: {getattr(body, '__name__', 'body')}(...)."
            ) from None
        raise
    if not inspect.iscoroutine(coro):
        raise NotABody(body, f"It returned {coro!r}. Make it an `async def`, or a function that returns a coroutine.")
    if coro.cr_frame is None:
        raise NotABody(body, "It returned a coroutine that has run before. Make a new one each time.")
    return coro


@contextmanager
def _unreported() -> Generator[None, None, None]:
    """Nobody needs to be told that a run which failed was cut off: the failure is told, and shrinking repeats it often."""
    log = logging.getLogger("pyventus_typed")
    before = log.disabled
    log.disabled = True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DiscardedEmissionsWarning)
            yield
    finally:
        log.disabled = before


def _stop(task: asyncio.Task[object]) -> None:
    task.get_loop().stop()


def end(loop: VirtualLoop, ending: Ending) -> None:
    """End *loop*: as `asyncio.run` does, by closing it at once, or by leaving it."""
    if ending == "lost":
        loop.lost = True
        return
    if ending == "cancel":
        loop.max_steps, loop.most_at_once = loop.steps + _STEPS_TO_END, None
        if left := loop.unfinished():
            for task in left:
                task.cancel()
            loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
            for task in left:
                if not task.cancelled() and (error := task.exception()) is not None:
                    loop.call_exception_handler(
                        {"message": "a task failed while the loop ended", "exception": error, "task": task}
                    )
        # Without generators it is a task less to run; but a processor may have put its own hook there.
        if loop._asyncgens or "shutdown_asyncgens" in vars(loop):
            loop.run_until_complete(loop.shutdown_asyncgens())
        if loop._threads:
            loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()


# ---------------------------------------------------------------- claims
def always(check: Callable[[], object], name: str | None = None) -> None:
    """Call *check* now and after every step of this run; it says no by returning ``False`` or by raising.

    The run then ends at once with that error (``AssertionError`` for ``False``), and a note says after which step. Call it
    in the body of a test, on a `VirtualLoop`. A check that changes anything, or returns an awaitable, is a mistake.
    """
    loop = _running_loop("always(...) looks after every step, and {} has no steps to show.")
    label = name or _label(check)

    def look(entry: Entry | Timer) -> None:
        _evaluate("always", check, label, f"after step {loop.steps}, in which {loop.names.of_entry(entry)} ran", entry)

    _evaluate("always", check, label, "from the beginning", None)
    loop.checks.append(look)


def afterwards(check: Callable[[], object], name: str | None = None) -> None:
    """Call *check* once after this run, when its loop has ended; it says no by returning ``False`` or by raising.

    Whatever ``ending=`` does has been done, and the garbage has been collected. Not called if the run has failed before.
    Call it in the body of a test, on a `VirtualLoop` under `run`, `explore` or `given_interleavings`; checks are called in
    the order in which they were given. A check that refers to the loop keeps it from being ``"lost"``.
    """
    loop = _running_loop("afterwards(...) looks when the run has ended, and {} does not say when.")
    label = name or _label(check)
    loop.last_checks.append(lambda: _evaluate("afterwards", check, label, "after the end of the loop", None))


def _running_loop(refusal: str) -> VirtualLoop:
    loop = asyncio.get_running_loop()
    if not isinstance(loop, VirtualLoop):
        raise SimulationBoundaryError(
            f"{refusal.format(repr(loop))} Run the test with run(), explore() or given_interleavings()."
        )
    return loop


def _label(check: Callable[[], object]) -> str:
    label = str(getattr(check, "__name__", check))
    code = getattr(check, "__code__", None)
    if label == "<lambda>" and code is not None:
        return f"the lambda of {code.co_filename.rpartition('/')[2]}:{code.co_firstlineno}"
    return label


def _evaluate(what: str, check: Callable[[], object], label: str, when: str, entry: Entry | Timer | None) -> None:
    try:
        verdict = check()
        if verdict is False:
            raise AssertionError(f"{label} no longer held")  # handled with what the check itself raises
        if asyncio.iscoroutine(verdict):
            verdict.close()
            raise TypeError(
                f"{what}() takes a plain function, and {label} returned a coroutine: it could not be awaited."
            )
    except Exception as error:
        error.add_note(f"{what}: {label} was broken {when}")
        _remember_emission(error, entry)
        raise


def _remember_emission(error: Exception, entry: Entry | Timer | None) -> None:
    """Note in whose emission the step ran, for the report."""
    if entry is not None:
        emission = entry._context.run(current_emission)  # type: ignore[union-attr]  # a handle keeps its context
        if emission is not None:
            error.__dict__["emission"] = emission


def sometimes(name: str, condition: bool = True) -> None:  # noqa: FBT001, FBT002  # reads as "sometimes X, if Y"
    """Claim that *condition* is true here in at least one schedule of an exploration.

    A call with a false condition only declares *name*. When `explore`, or a test of `given_interleavings` with all its
    examples, ends without having seen it true it raises ``UnreachedError``. Outside of these this does nothing.
    """
    if _collector is not None:
        _collector[name] = bool(condition) or _collector.get(name, False)


class Reached:
    """Collects the `sometimes` of one exploration."""

    def __init__(self, names: Iterable[str]) -> None:
        self.names = dict.fromkeys(names, False)

    def require_all(self, schedules: int) -> None:
        """``UnreachedError`` if one was never true in *schedules* schedules."""
        missed = [name for name, seen in self.names.items() if not seen]
        if missed:
            raise UnreachedError(missed, schedules)

    def __enter__(self) -> Reached:
        global _collector  # noqa: PLW0603  # the code under test calls sometimes() from wherever it is, threads included
        self._before = _collector
        _collector = self.names
        return self

    def __exit__(self, *_: object) -> None:
        global _collector  # noqa: PLW0603
        _collector = self._before
