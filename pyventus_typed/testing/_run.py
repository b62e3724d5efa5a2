"""One run of a body under one schedule."""

from __future__ import annotations

import asyncio
import inspect
import logging
import warnings
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeAlias, TypeVar

from pyventus_typed.errors import DiscardedEmissionsWarning

from ._errors import NotABody
from ._loop import Reorder, VirtualLoop
from ._schedule import FIFO, Schedule
from ._watch import Watch

if TYPE_CHECKING:
    from ._policies import Chooser
    from ._threads import Threads
    from ._trace import Observer

_T = TypeVar("_T")

Body: TypeAlias = Callable[[], Coroutine[Any, Any, _T]]  # Any: what a coroutine yields and takes is the loop's business
Ending: TypeAlias = Literal["cancel", "close", "lost"]

_STEPS_TO_END = 10_000


@dataclass(frozen=True, slots=True)
class Options:
    """How a body is run, whatever the schedule."""

    reorder: Reorder = "resume"
    max_steps: int = 100_000
    threads: Threads = "baton"
    ending: Ending = "cancel"

    def __post_init__(self) -> None:
        if self.ending not in {"cancel", "close", "lost"}:
            raise ValueError(f"ending is 'cancel', 'close' or 'lost', not {self.ending!r}.")


@dataclass(slots=True)
class Run(Generic[_T]):
    """What one run did."""

    result: _T | None = None
    error: BaseException | None = None
    deviations: tuple[tuple[int, int], ...] = ()
    choices: int = 0
    steps: int = 0
    time: float = 0.0
    log: list[int] = field(default_factory=list)


def run(
    body: Body[_T],
    *,
    schedule: Schedule | str = FIFO,
    reorder: Reorder = "resume",
    max_steps: int = 100_000,
    threads: Threads = "baton",
    ending: Ending = "cancel",
) -> _T:
    """Run ``body()`` in virtual time under *schedule*, and return what it returns or raise what it raises.

    *body* is called here, so all state that it makes is new. When it is done the loop ends as *ending* says: ``"cancel"``
    as `asyncio.run` ends it (what is left is cancelled and awaited, oldest first), ``"close"`` closes it at once, ``"lost"``
    drops it. *reorder*, *max_steps* and *threads* are those of `VirtualLoop`.

    Raises also ``NotABody``, ``ScheduleError`` when *schedule* does not parse or fit, ``DeadlockError``,
    ``LivelockError``, ``SimulationBoundaryError``, and ``BackgroundError`` when the body returned but a task's exception
    was never taken, a coroutine was never awaited, or a callback or a finaliser raised.
    """
    options = Options(reorder, max_steps, threads, ending)
    with Watch() as watch:
        done = perform(body, options, watch, schedule=Schedule.of(schedule))
    if done.error is not None:
        raise done.error
    return done.result  # type: ignore[return-value]  # ty: ignore[invalid-explicit-return]  # without an error there is a result


def perform(  # noqa: C901, PLR0912, PLR0915  # one run, from its making to its end, in the order of time
    body: Body[_T],
    options: Options,
    watch: Watch,
    *,
    schedule: Schedule = FIFO,
    chooser: Chooser | None = None,
    observer: Observer | None = None,
    log: list[int] | None = None,
) -> Run[_T]:
    """Run *body* once, in the order of *chooser* if given, else of *schedule*, which then must fit.

    *log* takes the key of each step, before it is made.
    """
    watch.begin()
    done: Run[_T] = Run()
    loop = VirtualLoop(
        schedule, reorder=options.reorder, max_steps=options.max_steps, threads=options.threads, chooser=chooser
    )
    loop.set_exception_handler(watch.handle)
    loop.log = log
    if observer is not None:
        loop.observer = observer
        loop.log = done.log
    main: asyncio.Task[_T] | None = None
    try:
        main = loop.create_task(_coroutine(body), name="body")
        main.add_done_callback(_stop)
        loop.run_forever()
        if not main.done():
            raise RuntimeError("The loop was stopped before the body was done: loop.stop() is for who runs the loop.")
        done.result = main.result()
        if chooser is None:
            loop.require_fit()
        if loop.foreign is not None:  # a thread that called in, and was refused there
            raise loop.foreign
    except (KeyboardInterrupt, SystemExit):
        end(loop, "cancel")
        raise
    except BaseException as error:  # noqa: BLE001  # the caller decides what to do with it
        done.error = error
        if main is not None:
            main.remove_done_callback(_stop)  # it is about to be cancelled, which must not stop the loop again
    done.deviations = tuple(loop.deviations)
    done.choices, done.steps, done.time = loop.choices, loop.steps, loop.time()
    if observer is not None:
        observer.ends(loop)
        loop.observer = None  # how the loop ends is not part of the story
        loop.log = None
    loop.checks.clear()
    last_checks = loop.last_checks
    try:
        if done.error is None:
            end(loop, options.ending)
        else:
            with _unreported():
                end(loop, "cancel")
    except Exception as error:  # noqa: BLE001  # a program that is stuck may well be unable to end; why it stuck comes first
        done.error = done.error or error
        loop.close()
    del loop, main
    background = watch.end()
    if done.error is None:
        done.error = background
    try:
        while last_checks and done.error is None:
            last_checks.pop(0)()
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # noqa: BLE001  # the caller decides what to do with it
        done.error = error
    return done


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


def _cancel_all_tasks(loop: VirtualLoop) -> None:
    # Its name is that of asyncio's own function: by that a processor knows that the loop ends, and that what it cancels
    # is not cancelled by hand.
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
        loop.max_steps = loop.steps + _STEPS_TO_END
        _cancel_all_tasks(loop)
        # Without generators it is a task less to run; but a processor may have put its own hook there.
        if loop._asyncgens or "shutdown_asyncgens" in vars(loop):
            loop.run_until_complete(loop.shutdown_asyncgens())
        if loop._threads:
            loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()
