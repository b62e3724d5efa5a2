"""The ends that a loop can come to, and what none of them may leave behind."""

import asyncio
import gc
import logging
import sys
import threading
import warnings
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import product
from typing import Any, TypeAlias

from typing_extensions import override

from tests.loops import LOOPS, LoopFactory, ProactorLoop

Main: TypeAlias = Callable[[], Coroutine[Any, Any, object]]  # Any: what a loop and its futures say to each other


class Boom(Exception):
    """Leaves a main."""


@dataclass(frozen=True)
class End:
    """How a loop that ran a main comes to its end."""

    name: str
    bring: Callable[[Main, LoopFactory], None]
    cancels: bool
    """Whether tasks see a cancellation; else the loop just does not turn any more."""

    @override
    def __str__(self) -> str:
        return self.name


def _run(main: Main, factory: LoopFactory) -> None:
    if factory is asyncio.new_event_loop:
        asyncio.run(main())
    else:
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(main())


def _runner(main: Main, factory: LoopFactory) -> None:
    async def little() -> None:
        await asyncio.sleep(0)

    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(little())
        runner.run(main())
        runner.run(little())


def _exception(main: Main, factory: LoopFactory) -> None:
    _raise(main, factory, Boom())


def _system_exit(main: Main, factory: LoopFactory) -> None:
    _raise(main, factory, SystemExit(3))


def _raise(main: Main, factory: LoopFactory, error: BaseException) -> None:
    async def raising() -> None:
        await main()
        raise error

    with suppress(type(error)):
        _run(raising, factory)


def _close(main: Main, factory: LoopFactory) -> None:
    loop = factory()
    loop.run_until_complete(main())
    loop.close()


def _drop(main: Main, factory: LoopFactory) -> None:
    loop = factory()
    loop.run_until_complete(main())
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "unclosed event loop", ResourceWarning)  # asyncio's own, and quite right
        del loop
        gc.collect()


def _stop_elsewhere(main: Main, factory: LoopFactory) -> None:
    loop = factory()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    asyncio.run_coroutine_threadsafe(main(), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)
    loop.close()


RUN = End("asyncio.run", _run, cancels=True)
CLOSE = End("loop.close", _close, cancels=False)
DROP = End("dropped", _drop, cancels=False)
ENDS = (
    RUN,
    End("Runner, several runs", _runner, cancels=True),
    End("exception out of main", _exception, cancels=True),
    End("SystemExit out of main", _system_exit, cancels=True),
    CLOSE,
    End("stopped in another thread", _stop_elsewhere, cancels=False),
)
# A dropped uvloop is never collected, with or without us: it does not take part in garbage collection.
CASES = [*product(ENDS, LOOPS), (DROP, asyncio.new_event_loop), (DROP, ProactorLoop)]


def named(part: End | LoopFactory) -> str:
    """What a case is called: the same in each process that collects it."""
    return part.name if isinstance(part, End) else part.__module__.partition(".")[0]


@contextmanager
def no_complaints() -> Iterator[None]:
    """Nothing through ``sys.unraisablehook``, and nothing in asyncio's log, up to a collection after the block."""
    heard: list[str] = []

    class Listener(logging.Handler):
        @override
        def emit(self, record: logging.LogRecord) -> None:
            if record.levelno >= logging.WARNING:
                heard.append(record.getMessage())

    gc.collect()  # what others left behind is not ours
    listener, log = Listener(), logging.getLogger("asyncio")
    log.addHandler(listener)
    before, sys.unraisablehook = sys.unraisablehook, lambda seen: heard.append(f"unraisable: {seen.exc_value!r}")
    try:
        yield
        gc.collect()
    finally:
        sys.unraisablehook = before
        log.removeHandler(listener)
    assert heard == [], heard
