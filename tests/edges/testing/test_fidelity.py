"""CPython's own tests of asyncio, on a `VirtualLoop` that may do only what a FIFO loop may."""

import asyncio
import gc
import importlib
import signal
import unittest
import warnings
from typing import Protocol

import pytest

from pyventus_typed.testing import VirtualLoop

MODULES = [
    "test_locks", "test_queues", "test_taskgroups", "test_timeouts", "test_futures", "test_futures2", "test_tasks",
    "test_waitfor", "test_runners", "test_pep492", "test_threads", "test_context",
]  # fmt: skip

BLOCKS = "it blocks a thread on run_coroutine_threadsafe(...).result(), which is refused with SimulationBoundaryError"
CLOCK = "it asks where the clock of asyncio's own test loop stands after a stop(); that clock is moved by a generator"

EXCEPTIONS = {
    "RunCoroutineThreadsafeTests.test_run_coroutine_threadsafe": BLOCKS,
    "RunCoroutineThreadsafeTests.test_run_coroutine_threadsafe_task_cancelled": BLOCKS,
    "RunCoroutineThreadsafeTests.test_run_coroutine_threadsafe_task_factory_exception": BLOCKS,
    "RunCoroutineThreadsafeTests.test_run_coroutine_threadsafe_with_exception": BLOCKS,
    "RunCoroutineThreadsafeTests.test_run_coroutine_threadsafe_with_timeout": BLOCKS,
    **{
        f"{variant}.test_stop_while_run_in_complete": CLOCK
        for variant in (
            "CTask_CFuture_Tests", "CTask_CFuture_SubclassTests", "CTaskSubclass_PyFuture_Tests", "CTask_PyFuture_Tests",
            "PyTask_CFutureSubclass_Tests", "PyTask_CFuture_Tests", "PyTask_PyFuture_Tests", "PyTask_PyFuture_SubclassTests",
        )
    },
}  # fmt: skip


class ForCPython(VirtualLoop):
    """Some of these tests move the clock of their loop by hand."""

    def advance_time(self, seconds: float) -> None:
        self._now += seconds


class CaseOfAsyncio(Protocol):
    def set_event_loop(self, loop: asyncio.AbstractEventLoop) -> None: ...


def new_test_loop(case: CaseOfAsyncio, gen: object = None) -> VirtualLoop:
    loop = ForCPython(reorder="strict")
    case.set_event_loop(loop)
    return loop


@pytest.mark.parametrize("module", MODULES)
def test_what_asyncio_promises_holds_on_a_virtual_loop(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    utils = pytest.importorskip("test.test_asyncio.utils", reason="this distribution leaves CPython's own tests out")
    tests = importlib.import_module(f"test.test_asyncio.{module}")
    monkeypatch.setattr(utils.TestCase, "new_test_loop", new_test_loop)
    result = unittest.TestResult()
    with warnings.catch_warnings():
        # These tests leave loops open and coroutines unawaited on purpose.
        warnings.simplefilter("ignore")
        # What asyncio makes where nobody says which loop. A policy of our own would say it, too, and warn since 3.14.
        asyncio.set_event_loop_policy(None)
        kind = type(asyncio.get_event_loop_policy())
        monkeypatch.setattr(kind, "_loop_factory", staticmethod(lambda: ForCPython(reorder="strict")))
        # A shell that starts us in the background has made us deaf to Ctrl-C: those that wait for it would not end.
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        gc.freeze()  # these tests collect garbage hundreds of times; what pytest holds is not theirs
        try:
            unittest.defaultTestLoader.loadTestsFromModule(tests).run(result)
        finally:
            asyncio.set_event_loop_policy(None)  # some of these tests set their own
            signal.signal(signal.SIGINT, before)
            gc.collect()
            gc.unfreeze()
    failed = {case.id().partition(f"{module}.")[2]: trace for case, trace in result.failures + result.errors}
    assert result.testsRun > 0
    expected = {name for name in EXCEPTIONS if hasattr(tests, name.partition(".")[0])}
    assert set(failed) == expected, "\n".join(trace for name, trace in failed.items() if name not in expected)
