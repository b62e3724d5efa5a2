"""Virtual threads: what asyncio hands to a thread begins and ends at moments that the schedule chooses."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import sys
import threading
from collections.abc import Callable
from functools import partial
from typing import Any, Literal, TypeAlias, TypeVar

from typing_extensions import TypeVarTuple, Unpack, override

from pyventus_typed._libraries import is_library
from pyventus_typed._spelling import short_name

from ._tasks import NumberingLoop
from .errors import SimulationBoundaryError

_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")

Threads: TypeAlias = Literal["inline", "real"]

_THREAD_SECONDS = 10.0


def check_threads(threads: Threads) -> None:
    """``ValueError`` if there are no such threads."""
    if threads not in {"inline", "real"}:
        raise ValueError(f"threads is 'inline' or 'real', not {threads!r}.")


class ThreadStep:
    """What is ready of a virtual thread: its function may run, or the loop may hear that it *ends*."""

    __slots__ = ("_step", "ends", "function", "number")

    def __init__(
        self, step: Callable[[], object], function: Callable[..., object], number: int, *, ends: bool = False
    ) -> None:
        self._step = step
        self.number = number
        self.ends = ends
        while isinstance(function, partial):  # `asyncio.to_thread` binds the context of its caller
            inner = function.args[0] if function.args and getattr(function.func, "__name__", "") == "run" else None
            function = inner if callable(inner) else function.func
        self.function: Callable[..., object] = function

    def __call__(self) -> None:
        self._step()

    @property
    def name(self) -> str:
        """What the thread was started for."""
        return short_name(str(getattr(self.function, "__qualname__", None) or type(self.function).__qualname__))


class NeverBlocks(concurrent.futures.Future[_T]):
    """The future of `run_coroutine_threadsafe`: to wait for it in a virtual thread would stop the loop that must set it."""

    @override
    def result(self, timeout: float | None = None) -> _T:
        self._refuse("result")
        return super().result(timeout)

    @override
    def exception(self, timeout: float | None = None) -> BaseException | None:
        self._refuse("exception")
        return super().exception(timeout)

    def _refuse(self, method: str) -> None:
        if not self.done():
            raise SimulationBoundaryError(
                f"run_coroutine_threadsafe(...).{method}() would never return: the loop that runs the coroutine waits for "
                "this thread. Make the function async and await the coroutine, or run this test on an ordinary loop."
            )


def _fail(future: asyncio.Future[_T], error: BaseException) -> None:
    # asyncio refuses a StopIteration, which would end whoever awaits it.
    future.set_exception(
        RuntimeError("StopIteration raised in a thread") if isinstance(error, StopIteration) else error
    )


class LoopWithThreads(NumberingLoop):
    """The part of a `VirtualLoop` that knows about threads."""

    # What we use of BaseEventLoop and typeshed leaves out.
    _thread_id: int | None
    _executor_shutdown_called: bool
    _check_callback: Callable[[object, str], None]

    # What a loop begins with; as attributes of the class they cost a new loop nothing.
    foreign: SimulationBoundaryError | None = None
    _real_thread: int | None = None
    _threads: int = 0
    _threads_so_far: int = 0
    _threads_ended: asyncio.Future[None] | None = None

    def free_entry(self, callback: Callable[[], object]) -> None:
        """Make *callback* ready as something that nothing orders, as the progress of a thread."""
        raise NotImplementedError

    def init_threads(self, mode: Threads) -> None:
        check_threads(mode)
        self._in_real_threads = mode == "real"
        # Threads that were there before (of a debugger, of pytest-timeout) do not matter.
        self._older_threads = threading.enumerate()

    @override
    def run_in_executor(
        self,
        executor: concurrent.futures.Executor | None,
        func: Callable[[Unpack[_Ts]], _T],
        *args: *_Ts,
    ) -> asyncio.Future[_T]:
        """Run ``func(*args)`` as a virtual thread, even if *executor* is a pool of threads; other pools are refused."""
        if self.is_closed():
            raise RuntimeError("Event loop is closed")
        if self._executor_shutdown_called:
            raise RuntimeError("Executor shutdown has been called")
        if self.get_debug():
            self._check_callback(func, "run_in_executor")
        if executor is not None and not isinstance(executor, concurrent.futures.ThreadPoolExecutor):
            raise SimulationBoundaryError(
                f"loop.run_in_executor() got {executor!r}, and only threads can be simulated. Pass None or a "
                "ThreadPoolExecutor, or run this test on an ordinary loop."
            )
        future: asyncio.Future[_T] = self.create_future()
        self._threads += 1
        self._threads_so_far = number = self._threads_so_far + 1

        # Two moments are the schedule's: when the function runs, and when the loop hears of its result.
        work = partial(self._work, future, func, partial(func, *args), number)
        self.free_entry(ThreadStep(work, func, number))
        return future

    def _work(
        self, future: asyncio.Future[_T], function: Callable[..., object], call: Callable[[], _T], number: int
    ) -> None:
        if future.cancelled():  # while it was still queued: then it never runs
            self.thread_ended()
            return
        settle: Callable[[], object]
        try:
            settle = partial(future.set_result, self.in_thread(call))
        except (KeyboardInterrupt, SystemExit):
            self.thread_ended()
            raise
        except BaseException as error:  # noqa: BLE001  # whatever it is, it belongs to the future
            settle = partial(_fail, future, error)
        self.free_entry(ThreadStep(partial(self.deliver, future, settle), function, number, ends=True))

    def deliver(self, future: asyncio.Future[_T], settle: Callable[[], object]) -> None:
        """The loop hears of the end of a thread."""
        self.thread_ended()
        if not future.cancelled():
            settle()

    def thread_ended(self) -> None:
        self._threads -= 1
        if not self._threads and self._threads_ended is not None and not self._threads_ended.done():
            self._threads_ended.set_result(None)

    def in_thread(self, func: Callable[[], _T]) -> _T:
        """What ``func()`` returns or raises, called as it would be in a thread."""
        if self._in_real_threads:
            return self._in_real_thread(func)
        asyncio._set_running_loop(None)  # public to authors of loops, which we are
        try:
            # An empty context, as in a new thread; `asyncio.to_thread` brings its own.
            return contextvars.Context().run(func)
        finally:
            asyncio._set_running_loop(self)

    def _in_real_thread(self, func: Callable[[], _T]) -> _T:
        outcome: concurrent.futures.Future[_T] = concurrent.futures.Future()

        def work() -> None:
            self._real_thread = threading.get_ident()
            try:
                outcome.set_result(func())
            except BaseException as error:  # noqa: BLE001  # it is raised again in the loop's thread
                outcome.set_exception(error)
            finally:
                self._real_thread = None

        thread = threading.Thread(target=work, name="virtual thread", daemon=True)
        thread.start()
        thread.join(_THREAD_SECONDS)
        if thread.is_alive():
            raise SimulationBoundaryError(
                f"A function did not come back from its thread within {_THREAD_SECONDS:g} s, and the loop waits for it. "
                "It probably waits for what only the loop can do: make it async, or give its wait a timeout. If it "
                'is slow, threads="inline" has no limit.'
            )
        return outcome.result()

    @override
    async def shutdown_default_executor(
        self, timeout: float | None = None
    ) -> None:  # asyncio's signature; virtual threads all end
        """Wait until all virtual threads have ended."""
        self._executor_shutdown_called = True
        if self._threads:
            self._threads_ended = self.create_future()
            await self._threads_ended

    def refuse_foreign_thread(self, callback: Any) -> None:  # Any: whatever is to be called
        """Let pass what comes from the loop's own thread or from a virtual one, and see that these never block."""
        here = threading.get_ident()
        if self._thread_id is not None and here not in {self._thread_id, self._real_thread}:
            thread = threading.current_thread()
            self.foreign = SimulationBoundaryError(
                f"{_described(thread)} called the loop, and no schedule can decide when such a thread runs. {_way_out(thread)}"
            )
            raise self.foreign
        if getattr(callback, "__qualname__", "") == "run_coroutine_threadsafe.<locals>.callback":
            for cell in callback.__closure__:
                if type(cell.cell_contents) is concurrent.futures.Future:
                    cell.cell_contents.__class__ = NeverBlocks

    def foreign_thread(self) -> SimulationBoundaryError | None:
        """Why the simulation cannot know what comes next, if a thread that it did not start is alive or has called."""
        if self.foreign is not None:
            return self.foreign
        for thread in threading.enumerate():
            if thread not in self._older_threads:
                return SimulationBoundaryError(
                    f"Nothing is ready, and the{_described(thread)[3:]}, which the program started, is still alive: no "
                    f"schedule can decide when it calls back. {_way_out(thread)}"
                )
        return None


_INSTEAD = {
    "anyio": "In place of anyio.to_thread.run_sync(...) call asyncio.to_thread(...)",
    "aiosqlite": "In place of aiosqlite use sqlite3 in asyncio.to_thread(...)",
}


def _owner(thread: threading.Thread) -> str:
    """The package whose thread it is, or nothing where that is the program itself or Python."""
    target = getattr(thread, "_target", None)
    module = type(thread).__module__ if target is None else str(getattr(target, "__module__", ""))
    package = module.partition(".")[0]
    file = getattr(sys.modules.get(package), "__file__", None)
    return package if package not in sys.stdlib_module_names and file is not None and is_library(file) else ""


def _described(thread: threading.Thread) -> str:
    owner = _owner(thread)
    return f"The thread {thread.name!r}{f' of {owner}' if owner else ''}"


def _way_out(thread: threading.Thread) -> str:
    instead = _INSTEAD.get(_owner(thread), "Start it with asyncio.to_thread(...)")
    return f"{instead}, which is simulated, or run this test on an ordinary loop."
