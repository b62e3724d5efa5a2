"""The event loops in which the core is tested; also asyncio's for Windows, over a proactor that works everywhere.

What asks the kernel of Windows is missing there; how such a loop runs, stops and closes is asyncio's own code. `ProactorEventLoop`
adds to it that it listens to itself while it runs, and that a callback is left when it stops. Both are repeated here.
"""

import asyncio
import selectors
import socket
from asyncio.proactor_events import BaseProactorEventLoop
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from importlib.util import find_spec
from typing import TypeAlias

from typing_extensions import override

LoopFactory: TypeAlias = Callable[[], asyncio.AbstractEventLoop]


class Proactor:
    """Completes a future when bytes have arrived, as far as a loop needs it that is woken from other threads."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._loop: asyncio.AbstractEventLoop | None = None

    def set_loop(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def recv(self, sock: socket.socket, size: int) -> "asyncio.Future[bytes]":
        assert self._loop is not None
        future: asyncio.Future[bytes] = self._loop.create_future()
        with suppress(KeyError):
            self._selector.unregister(sock)  # of a future that was cancelled
        self._selector.register(sock, selectors.EVENT_READ, (future, size))
        return future

    def select(self, timeout: float | None = None) -> list[object]:
        for key, _ in self._selector.select(timeout):
            future, size = key.data
            self._selector.unregister(key.fileobj)
            if not future.done():
                future.set_result(key.fileobj.recv(size))  # type: ignore[union-attr]  # only sockets are registered
        return []

    def close(self) -> None:
        self._selector.close()
        self._loop = None


class ProactorLoop(BaseProactorEventLoop):
    """Runs as `ProactorEventLoop` does on every Python."""

    _self_reading_future: "asyncio.Future[bytes] | None"

    def __init__(self) -> None:
        super().__init__(Proactor())

    @override
    def run_forever(self) -> None:
        try:
            assert self._self_reading_future is None
            self.call_soon(self._loop_self_reading)  # type: ignore[attr-defined]  # unknown to its stubs
            super().run_forever()
        finally:
            if self._self_reading_future is not None:
                self._self_reading_future.cancel()
                self._self_reading_future = None


# There is none for PyPy and for Windows.
UVLOOP: tuple[LoopFactory, ...] = (import_module("uvloop").new_event_loop,) if find_spec("uvloop") else ()
LOOPS: tuple[LoopFactory, ...] = (asyncio.new_event_loop, ProactorLoop, *UVLOOP)
