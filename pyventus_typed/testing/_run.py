"""One run of a body under one schedule."""

from __future__ import annotations

import asyncio
import inspect
import logging
import types
import warnings
from collections.abc import Callable, Coroutine, Generator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Generic, Literal, TypeAlias, TypeVar

from pyventus_typed import Emission, Emitter, Event
from pyventus_typed._loops import get_running_loop
from pyventus_typed.errors import DiscardedEmissionsWarning

from ._deadlock import Holders
from ._loop import LATENCY, Reorder, VirtualLoop, check_latency, check_reorder
from ._names import is_users
from ._outside import LeakDetector
from ._policies import Chooser, Faults
from ._schedule import FIFO, FaultKind, Schedule
from ._story import Story
from ._threads import Threads, check_threads
from .errors import NotABody

_T = TypeVar("_T")

Body: TypeAlias = Callable[[], Coroutine[Any, Any, _T]]  # Any: what a coroutine yields and takes is the loop's business
Ending: TypeAlias = Literal["cancel", "close", "lost"]

_NOTHING = nullcontext()
_STEPS_TO_END = 10_000
_MOST_STEPS = 200_000
_MOST_STEPS_AT_ONCE = 100_000


def check_flag(name: str, value: object) -> None:
    """``TypeError`` if *value* is neither True nor False."""
    if not isinstance(value, bool):
        raise TypeError(f"{name} is True or False, not {value!r}.")


def check_count(text: str, value: object, least: int = 1) -> None:
    """``ValueError``, beginning with *text*, if *value* is not an int of at least so much."""
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ValueError(f"{text}, at least {least}, not {value!r}.")


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
        if self.max_steps is not None:
            check_count("max_steps is the number of steps that a run may take", self.max_steps)
        if self.ending not in {"cancel", "close", "lost"}:
            raise ValueError(f"ending is 'cancel', 'close' or 'lost', not {self.ending!r}.")
        for name in ("cancel", "drop", "double"):
            check_flag(name, getattr(self, name))
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
    """It ended with an exception that the schedule had put into it: that is not a failure, and there is no value."""
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

    *body* is called here, so that all state which it creates is new. When it has ended, the loop ends as *ending* says:
    ``"cancel"``, as in `asyncio.run`, cancels and awaits the remaining tasks, oldest first; ``"close"`` closes the loop
    immediately; ``"lost"`` drops it without closing it. *reorder*, *latency* and *threads* are those of `VirtualLoop`. More
    than *max_steps* steps are a livelock; the default is 200,000, or 100,000 while no time passes. *fail* is the exception
    that a ``raise`` in *schedule* raises. In your modules, ``time.time()``, ``monotonic()`` and ``perf_counter()`` return
    virtual time.

    Also raises ``NotABody``, ``ScheduleError`` if *schedule* cannot be parsed or does not fit, ``DeadlockError``,
    ``LivelockError``, ``SimulationBoundaryError``, and ``BackgroundError`` if the body returned but the exception of a task
    was never retrieved, a coroutine was never awaited, or a callback or a finalizer raised.
    """
    options = Options(reorder=reorder, latency=latency, max_steps=max_steps, threads=threads, ending=ending, fail=fail)
    __tracebackhide__ = True
    with LeakDetector() as leaks:
        result = run_once(body, options, leaks, schedule=Schedule.of(schedule), explain=True)
    if result.error is not None:
        raise result.error.with_traceback(users_traceback(result.error))
    return result.value  # type: ignore[return-value]  # ty: ignore[invalid-explicit-return]  # without an error there is a result


def users_traceback(error: BaseException) -> TracebackType | None:
    """The traceback of *error* from the first line of the user's on: how a loop comes to run it does not belong into it."""
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
    collect: bool = True,
) -> Run[_T]:
    """Run *body* once, in the order of *chooser* and with *faults* if given, else by *schedule*, which then must fit.

    *log* takes the key of each step, before it is made. With *explain* a deadlock says who holds what.
    Unless *collect*, its garbage is left to a later run.
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
            _NOTHING if loop.faults is None else faults_of_libraries(loop, loop.faults, story),
            _look_at_holders(loop) if explain or story else _NOTHING,
        ):
            main = loop.main = loop.create_task(_coroutine(body), name="body")
            main.add_done_callback(_stop)
            loop.run_forever()
        if not main.done():
            raise RuntimeError(
                "The loop was stopped before the body was done: only the code that runs the loop may stop it."
            )
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
    background = leaks.end(collect=collect)
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
    """Whether *error* is nothing but what the schedule put into the program: that it comes out again is not a failure."""
    if error is None:
        return False
    if isinstance(error, asyncio.CancelledError):
        return cancels
    if isinstance(error, BaseExceptionGroup):
        return all(_is_injected(member, injected, cancels=cancels) for member in error.exceptions)
    if type(error) is RuntimeError and error.__cause__ is not None:  # as a leak is told
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
    emit, pause = Emitter.emit, vars(asyncio.tasks).get("__sleep0")

    def emit_with_faults(
        emitter: Emitter[Event], event: Event, *args: Any, **options: Any
    ) -> Emission[Event]:  # Any: its own
        emission = emit(emitter, event, *args, **options)
        fault = faults.ask("emit", faults.kinds["emit"]) if get_running_loop() is loop else None
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
    if "emit" in faults.kinds:
        setattr(Emitter, "emit", emit_with_faults)  # noqa: B010  # a checker would not have it
    try:
        yield
    finally:
        setattr(Emitter, "emit", emit)  # noqa: B010  # a checker would not have it
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
    """Report nothing of what a failed run cuts off: the failure is reported, and shrinking repeats the run often."""
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


def _cancel_all_tasks(loop: VirtualLoop) -> None:
    """As asyncio's own function of this name, by which a processor knows that the loop ends."""
    left = loop.unfinished()
    if not left:
        return
    for task in left:
        task.cancel()
    loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
    for task in left:
        if not task.cancelled() and (error := task.exception()) is not None:
            loop.call_exception_handler(
                {"message": "a task failed while the loop ended", "exception": error, "task": task}
            )


def end(loop: VirtualLoop, ending: Ending) -> None:
    """End *loop*: as `asyncio.run` does, by closing it at once, or by leaving it."""
    if ending == "lost":
        loop.lost = True
        return
    if ending == "cancel":
        loop.max_steps, loop.most_at_once = loop.steps + _STEPS_TO_END, None
        _cancel_all_tasks(loop)
        # Without generators it is a task less to run; but a processor may have put its own hook there.
        if loop._asyncgens or "shutdown_asyncgens" in vars(loop):
            loop.run_until_complete(loop.shutdown_asyncgens())
        if loop._threads:
            loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()
