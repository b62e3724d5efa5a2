"""The works that contenders do. A contender offers a work by a function that takes handlers and returns a batch.

A batch called with `n` does the work `n` times and returns when every handler has ended. All contenders of a row get
handlers of the same kind, and one event, made beforehand.
"""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any, Generic, TypeAlias, TypeVar

Handler: TypeAlias = Callable[
    ..., Any
]  # Any: blinker and bubus call it otherwise than the rest, and results are ignored
Batch: TypeAlias = Callable[[int], None]
BatchInLoop: TypeAlias = Callable[[int], Awaitable[None]]

B = TypeVar("B", Batch, BatchInLoop)


@dataclass(frozen=True, slots=True)
class Handlers:
    """The handlers of a row, all of one kind."""

    functions: tuple[Handler, ...]
    turns: int
    """How many turns of a loop one takes in a task of its own; 0 for plain functions."""
    closing: AsyncExitStack = field(default_factory=AsyncExitStack)
    """What contenders leave behind in a loop, ended with the row."""

    @property
    def are_async(self) -> bool:
        return self.turns > 0

    def __iter__(self) -> Iterator[Handler]:
        return iter(self.functions)


@dataclass
class Work(Generic[B]):
    """One work and who offers it."""

    what: str
    contenders: dict[str, Callable[[Handlers], B | None]] = field(default_factory=dict)

    def of(self, contender: str) -> Callable[[Callable[[Handlers], B | None]], Callable[[Handlers], B | None]]:
        """Register the decorated function as how *contender* does this work; it returns `None` if it cannot."""

        def register(make: Callable[[Handlers], B | None]) -> Callable[[Handlers], B | None]:
            self.contenders[contender] = make
            return make

        return register


@dataclass(frozen=True, slots=True)
class Ping:
    """The event of every contender that does not bring a class of its own."""

    number: int
    text: str


PING = Ping(1, "ping")

EMIT = Work[Batch]("no loop is running: emit, until done")
AROUND = Work[Batch]("no loop is running: emit, until done; each handler inside of a context manager")
CHURN = Work[Batch]("no loop is running: subscribe one more handler, emit, unsubscribe it")
BURST = Work[BatchInLoop]("in a loop: emit n times in a row, then wait until all is done")
PASS = Work[BatchInLoop]("in a loop: emit n times in a row, and another task reads them and calls the handlers")
EACH = Work[BatchInLoop]("in a loop: n times, emit and wait until it is done; each async handler in a task")
MAILBOX = Work[BatchInLoop]("in a loop: as a burst, and each handler takes one event at a time")
PUBLISH = Work[BatchInLoop]("in a loop: handlers awaited one after the other, in the caller's own task")
