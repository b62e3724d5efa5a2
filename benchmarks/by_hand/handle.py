"""What every row gives to whoever emits: a handle for each emission, and books in which it is found."""

import asyncio
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from contextvars import Context, ContextVar
from threading import local
from typing import Any, Final, TypeAlias
from weakref import ref

from typing_extensions import override

from ..workloads import Handler, Ping


class Returned:
    """The outcome of a handler that ended."""

    __slots__ = ("value",)

    def __init__(self, value: object) -> None:
        self.value = value


class Raised:
    """The outcome of a handler that did not get to its end."""

    __slots__ = ("error",)

    def __init__(self, error: BaseException) -> None:
        self.error = error


Outcome: TypeAlias = Returned | Raised
NOTHING: Final = Returned(None)


class Route:
    """Who receives a class of events, and the outcomes that nearly all of its emissions share."""

    __slots__ = ("count", "done", "handler", "receivers", "waiting")

    def __init__(self, receivers: tuple[Handler, ...]) -> None:
        self.receivers = receivers
        self.handler = receivers[0]
        self.count = len(receivers)
        self.waiting: tuple[Outcome | None, ...] = (None,) * self.count
        self.done: tuple[Outcome | None, ...] = (NOTHING,) * self.count


class Handle:
    """One emission. It has no `__init__`, which would cost as much as a handler: whoever makes one fills its slots."""

    __slots__ = ("__weakref__", "context", "event", "keeper", "outcomes", "parent", "route", "watchers")

    event: Ping
    route: Route
    outcomes: Sequence[Outcome | None]
    keeper: "ref[Books]"
    parent: "ref[Handle] | None"
    watchers: "list[asyncio.Future[Handle]] | None"
    context: Context
    """What its handlers will run in; only where it waits in a queue."""

    @property
    def receivers(self) -> tuple[Handler, ...]:
        return self.route.receivers

    @property
    def open(self) -> int:
        """How many handlers have no outcome."""
        return self.outcomes.count(None)

    @property
    def failure(self) -> BaseExceptionGroup[BaseException] | None:
        """What handlers raised."""
        errors = [one.error for one in self.outcomes if isinstance(one, Raised)]
        return BaseExceptionGroup(f"{len(errors)} of {self.route.count} handlers failed", errors) if errors else None

    def __await__(self) -> Generator[Any, None, "Handle"]:  # Any: between a loop and its futures
        future: asyncio.Future[Handle] = asyncio.Future(loop=running_loop())
        if self.watchers is None:
            self.watchers = [future]
        else:
            self.watchers.append(future)
        if not self.open:
            self.tell()
        return future.__await__()  # which ends with the handle, so no generator of our own is needed

    def tell(self) -> None:
        """It is settled: those who wait for it get it, or what its handlers raised."""
        failure = self.failure
        for future in self.watchers or ():
            if future.done():
                continue  # its waiter was cancelled, or told before
            if failure is None:
                future.set_result(self)
            else:
                future.set_exception(failure)


class InTurn(Handle):
    """Its handlers are called one after the other, by one loop over them."""

    __slots__ = ("rest",)

    rest: Iterator[Handler]

    @property
    @override
    def open(self) -> int:
        return super().open and 1 + left(self.rest)


class Spread(Handle):
    """Each of its handlers has a task."""

    __slots__ = ("left", "states")

    left: int
    states: list[Outcome | None]
    """Its outcomes while it is pending, as what they are: a list."""

    @property
    @override
    def open(self) -> int:
        return self.left


class Books:
    """What one thread or one loop has accepted: what is pending is found here, what is settled is counted."""

    __slots__ = ("__weakref__", "completed", "current", "failed", "itself", "published", "queue", "tasks", "waiter")

    def __init__(self) -> None:
        self.completed = 0
        self.failed = 0
        self.queue: deque[Handle] = deque()
        self.current: Handle | None = None  # taken from the queue, and not settled
        self.tasks: dict[Handle, object] = {}
        self.published: set[Handle] = set()
        self.waiter: asyncio.Future[None] | None = None  # of whoever waits until nothing is pending
        self.itself = ref(self)

    @property
    def pending(self) -> list[Handle]:
        current = () if self.current is None else (self.current,)
        return [*self.published, *self.tasks, *current, *self.queue]

    @property
    def accepted(self) -> int:
        """Right at each moment, though nobody counts it."""
        return self.completed + self.failed + len(self.pending)

    def settle(self, handle: Handle, *outcomes: Outcome | None) -> None:
        """The end of an emission that is not like the others: a handler returned a value or raised, or somebody waits."""
        self.current = None
        handle.outcomes = outcomes
        if handle.failure is None:
            self.completed += 1
        else:
            self.failed += 1
        handle.tell()

    async def drained(self) -> None:
        """Wait until nothing is pending. One at a time can."""
        if self.pending:
            self.waiter = asyncio.Future(loop=running_loop())
            await self.waiter

    def nothing_pends(self) -> None:
        """Said by whoever settles the last one."""
        if self.waiter is not None and not self.waiter.done():
            self.waiter.set_result(None)


def left(rest: Iterator[Handler]) -> int:
    """How many an iterator over a tuple has not given yet."""
    count: int = rest.__length_hint__()  # type: ignore[attr-defined]  # those of tuples have it, and it is exact
    return count


current: Final[ContextVar[Handle | None]] = ContextVar("current", default=None)
running_loop = asyncio._get_running_loop
here: Final[Any] = local()  # Any: with a class of its own, which could say what it holds, it would be slower


def books_here() -> Books:
    """Those of this thread, for when it runs no loop."""
    try:
        found: Books = here.books
    except AttributeError:
        found = here.books = Books()
    return found


def current_emission() -> Handle | None:
    """The one whose handler is running here."""
    return current.get() or books_here().current


def misplaced() -> RuntimeError:
    return RuntimeError("What is written by hand for one row is run in another: it wants another loop, or none.")
