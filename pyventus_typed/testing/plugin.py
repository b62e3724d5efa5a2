"""Fixtures for pytest, for a suite that asks for them: ``pytest_plugins = ["pyventus_typed.testing.plugin"]``.

It is no entry point: who installs the package gets no fixtures that they did not ask for.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pyventus_typed import Emitter, Event, Linker, asyncio_emitter

from ._loop import VirtualLoop
from ._recorder import Recorder


@pytest.fixture
def linker() -> Linker[Event]:
    """An empty linker for any event."""
    return Linker()


@pytest.fixture
def emitter(linker: Linker[Event]) -> Emitter[Event]:
    """An emitter of the fixture ``linker``, with an `AsyncIOProcessor` of its own."""
    return asyncio_emitter(linker)


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
