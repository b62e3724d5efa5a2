"""The edge of the simulation: what no schedule can decide is refused where it is used."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NoReturn, TypeVar

from ._errors import SimulationBoundaryError

if TYPE_CHECKING:
    from collections.abc import Callable

_C = TypeVar("_C", bound=type[object])

_REFUSED = {
    "a name look-up": ("getaddrinfo", "getnameinfo"),
    "a connection": (
        "create_connection", "create_unix_connection", "create_datagram_endpoint", "connect_accepted_socket", "start_tls",
    ),
    "a server": ("create_server", "create_unix_server"),
    "a pipe": ("connect_read_pipe", "connect_write_pipe"),
    "a process": ("subprocess_exec", "subprocess_shell"),
    "a signal handler": ("add_signal_handler",),
    "a file descriptor": ("add_reader", "add_writer", "remove_reader", "remove_writer"),
    "a socket": (
        "sock_recv", "sock_recv_into", "sock_recvfrom", "sock_recvfrom_into", "sock_sendall", "sock_sendto",
        "sock_connect", "sock_accept", "sock_sendfile", "sendfile",
    ),
}  # fmt: skip


def _refuse(method: str, what: str) -> Callable[..., NoReturn]:
    def refused(*_: object, **__: object) -> NoReturn:
        raise SimulationBoundaryError(
            f"loop.{method}() needs {what} of the real world, whose timing no schedule can decide. "
            "Give the code under test a stand-in (a queue, a stub with an async method), "
            "or run this test on an ordinary loop."
        )

    refused.__name__ = refused.__qualname__ = method
    return refused


def refuse_the_world(loop: _C) -> _C:
    """Make every method of *loop* that does real input or output raise at the call, not at the await."""
    for what, methods in _REFUSED.items():
        for method in methods:
            setattr(loop, method, _refuse(method, what))
    return loop


class NoSelector:
    """There is nothing to select from; some plugins for virtual time look for a selector none the less."""

    def select(self, timeout: float | None = None) -> list[tuple[object, int]]:  # noqa: ARG002  # the protocol's name
        return []

    def get_map(self) -> dict[int, object]:
        return {}

    def close(self) -> None:
        """Nothing is open."""


def _first_state() -> tuple[dict[str, object], dict[str, Callable[[], object]]]:
    """What `BaseEventLoop.__init__` sets: the values that loops may share, and how to make those that they may not.

    Not the set of async generators: ours is another one.
    """
    loop = asyncio.BaseEventLoop()
    loop.close()
    state = {**vars(loop), "_closed": False, "_executor_shutdown_called": False}
    shared: dict[str, object] = {
        name: value for name, value in state.items() if isinstance(value, int | float | str | None)
    }
    return shared, {name: type(value) for name, value in state.items() if name not in shared and name != "_asyncgens"}


_SHARED, _MADE = _first_state()


def begin_as_a_base_event_loop(loop: asyncio.BaseEventLoop) -> None:
    """Do what `BaseEventLoop.__init__` does, without asking for the clock and the environment thousands of times."""
    state = vars(loop)
    state.update(_SHARED)
    for name, make in _MADE.items():
        state[name] = make()
