"""An emission in its line."""

import asyncio
from contextvars import Context
from typing import TYPE_CHECKING

from .._emission import AnyEmission, Emission
from .._event import Event
from .._ledger import STARTED
from .._ordering import Concurrent, Place, Row, Turns
from .._routing import Route
from .._subscription import Subscription
from ._in_thread import Claim

if TYPE_CHECKING:
    from ._line import Line

AT_ONCE = Concurrent()
"""The order of requests, and of what nobody has to wait for, whatever the line's own."""


class Job(Place):
    """An emission in its line: what the handle must not hold, because it would keep a loop alive."""

    __slots__ = (
        "awaits",
        "claims",
        "context",
        "cut",
        "emission",
        "granted",
        "kept",
        "line",
        "runner",
        "turns",
        "untold",
        "waker",
    )

    def __init__(
        self, line: "Line", emission: Emission[Event], context: Context, turns: Turns, row: Row | None
    ) -> None:
        # What Place.__init__ does, without the call: this is made for most emissions.
        self.subscriptions = emission._subscriptions
        self.held = len(self.subscriptions)
        self.row = row
        self.gone = None
        self.line = line
        self.emission = emission
        self.context = context
        self.turns = turns
        self.claims: dict[int, Claim] | None = None  # of those that wait for a worker thread
        self.kept: set[int] | None = None  # settled, but still in its place: a thread that has not returned
        self.awaits: list[Emission[Event]] | None = None  # what its handlers wait for, each in its own task
        # Of an emission that its emitter runs or waits for:
        self.runner: asyncio.Task[object] | None = None  # whose task its handlers run in
        self.granted: set[int] | None = None  # the deliveries whose turn it is; None if the stage runs them
        self.waker: asyncio.Future[None] | None = None
        self.cut = False  # the handler that runs there was cancelled, not its caller
        self.untold: dict[int, Exception] | None = None  # failures that are the caller's to hear

    @property
    def is_request(self) -> bool:
        """Whether somebody asks: it takes no room."""
        return self.granted is not None and self.turns is AT_ONCE

    def is_async(self, index: int) -> bool:
        """Whether this delivery runs nothing before it has a task."""
        return self.subscriptions[index]._is_async and self.emission._route.errors is None

    def withdraw(self, index: int) -> bool:
        """See that a delivery that waits never starts; ``False`` if a thread has begun it."""
        claim = None if self.claims is None else self.claims.get(index)
        return claim is None or claim.take()

    def claim(self, index: int) -> Claim:
        """This delivery goes to a worker thread."""
        claims = self.claims = {} if self.claims is None else self.claims
        return claims.setdefault(index, Claim())

    def is_settled(self, index: int) -> bool:
        """Whether this delivery has its outcome."""
        outcome = self.emission._outcomes[index]
        return outcome is not None and outcome is not STARTED

    def keep(self, index: int) -> None:
        """Its outcome does not give up the place of this delivery: its thread has not returned."""
        self.kept = {index, *(self.kept or ())}
        self.line.stage.late += 1


class Awaiting:
    """A wait, known to whoever judges another one. A plain class: a generator's context manager costs five times as much."""

    __slots__ = ("_emission", "_job", "_waiting")

    def __init__(self, waiting: "set[asyncio.Future[None]]", job: Job | None, emission: AnyEmission) -> None:
        self._waiting = waiting
        self._job = job
        self._emission = emission

    def __enter__(self) -> "set[asyncio.Future[None]]":
        if self._job is not None:
            self._job.awaits = [*(self._job.awaits or ()), self._emission]
        return self._waiting

    def __exit__(self, *_error: object) -> None:
        if self._job is not None and self._job.awaits is not None:
            self._job.awaits.remove(self._emission)


def wake(waker: "asyncio.Future[None] | None") -> None:
    if waker is not None and not waker.done():
        waker.set_result(None)


def use_up(emission: Emission[Event]) -> None:
    """Use up the ``once`` of those who receive it: a subscription that another emission took meanwhile is no receiver."""
    subscriptions: tuple[Subscription[Event], ...] = emission._subscriptions
    for one in subscriptions:
        if one._options.once:
            break
    else:
        return
    kept = [index for index, one in enumerate(subscriptions) if not one._options.once or one.unsubscribe()]
    if len(kept) < len(subscriptions):
        errors = emission._route.errors
        emission._route = Route.chosen(
            tuple(subscriptions[index] for index in kept), errors and tuple(errors[index] for index in kept)
        )
        emission._outcomes = [None] * len(kept)
        emission._open = len(kept)
