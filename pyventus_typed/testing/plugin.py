"""Fixtures and options for pytest, for a suite that asks for them: ``pytest_plugins = ["pyventus_typed.testing.plugin"]``.

It is not an entry point: whoever installs the package gets no fixtures that they did not ask for.

``--schedules=N`` lets every exploration try N schedules; ``--replay=SCHEDULE`` runs that one alone. Schedules that have failed
are kept in pytest's cache and are tried first the next time. ``--timelines=DIR`` draws each failing run as a page.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pyventus_typed import Emitter, Event, Linker, asyncio_emitter

from ._loop import VirtualLoop
from ._recorder import Recorder
from ._schedule import Schedule, ScheduleError
from ._search import settings

_CACHE = "pyventus_typed/schedules"


@pytest.fixture
def linker() -> Linker[Event]:
    """An empty linker for any event."""
    return Linker()


@pytest.fixture
def emitter(linker: Linker[Event]) -> Emitter[Event]:
    """An emitter of the fixture ``linker``, with an `AsyncIOProcessor` of its own.

    Where no loop runs, what its handlers await is awaited on a `VirtualLoop`, so no test waits for a ``sleep``.
    """
    return asyncio_emitter(linker, loop_factory=VirtualLoop)


@pytest.fixture
def recorder() -> Recorder:
    """An empty recorder, subscribed to nothing."""
    return Recorder()


@pytest.fixture
def virtual_loop() -> Iterator[VirtualLoop]:
    """A `VirtualLoop` in FIFO order, to be turned by hand; closed at the end if the test has not closed it."""
    loop = VirtualLoop()
    try:
        yield loop
    finally:
        loop.close()


# ---------------------------------------------------------------- options
def pytest_addoption(parser: pytest.Parser) -> None:
    """Say how many schedules, or which one."""
    group = parser.getgroup("pyventus_typed", "schedules of async tests")
    group.addoption(
        "--schedules", type=int, metavar="N", help="try N schedules in every explore and given_interleavings"
    )
    group.addoption("--timelines", metavar="DIR", help="draw each failing run as a page in this directory")
    group.addoption("--replay", metavar="SCHEDULE", help="run this schedule alone, as '2:1,5:1' of a report")


def pytest_configure(config: pytest.Config) -> None:
    """Take the options over, and what is known of schedules that have failed."""
    schedules, replay = config.getoption("--schedules"), config.getoption("--replay")
    if schedules is not None and schedules < 1:
        raise pytest.UsageError(f"--schedules is the number of schedules to try, at least 1, not {schedules}.")
    try:
        settings.replay = None if replay is None else Schedule.parse(replay)
    except ScheduleError as error:
        raise pytest.UsageError(f"--replay: {error}") from error
    timelines = config.getoption("--timelines")
    if timelines is not None and Path(timelines).exists() and not Path(timelines).is_dir():
        raise pytest.UsageError(f"--timelines is a directory for pages, and {timelines!r} is none.")
    settings.timelines = None if timelines is None else Path(timelines)
    settings.schedules = schedules
    cache = getattr(config, "cache", None)  # there is none with `-p no:cacheprovider`
    settings.memory = None if cache is None else dict(cache.get(_CACHE, {}))


def pytest_unconfigure(config: pytest.Config) -> None:
    """Keep the schedules that have failed."""
    cache = getattr(config, "cache", None)
    if cache is not None and settings.memory is not None:
        stored = {**cache.get(_CACHE, {}), **settings.memory}  # other processes of the same run may have kept some
        cache.set(_CACHE, {key: kept for key, kept in stored.items() if kept})
    settings.memory = settings.replay = settings.schedules = settings.timelines = None


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Name the test that is running; and let a test of `given_interleavings` have our fixtures, which it clears."""
    settings.test = item.nodeid
    test = getattr(item, "obj", None)
    if hasattr(test, "hypothesis") and hasattr(test, "body"):
        from ._given import with_fixtures  # noqa: PLC0415  # this test has imported Hypothesis already, others need not

        with_fixtures(test)
