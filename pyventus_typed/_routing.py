"""From an event's class to those who receive it: computed once for each class, until the linker changes."""

from collections.abc import Callable
from operator import attrgetter
from typing import Self

from ._event import Event, Request
from ._outcome import DONE, NOTHING, Completed
from ._subscription import PLAIN, Subscription

_handler: Callable[[Subscription[Event]], Callable[..., object]] = attrgetter("_handler")


def _urgency(subscription: Subscription[Event]) -> int:
    return -subscription._options.priority  # sorted by it the order is stable: higher first, then as subscribed


class Route:
    """The receivers of one event class, or of one event, in the order of delivery: higher priority first, then as
    subscribed.
    """

    __slots__ = (
        "answer",
        "call",
        "calls",
        "choosy",
        "count",
        "done",
        "errors",
        "is_async",
        "is_bare",
        "is_plain",
        "receivers",
        "waiting",
    )

    receivers: tuple[Subscription[Event], ...]
    """Those who are told of an event."""
    errors: tuple[Exception | None, ...] | None
    """Of one event: what the predicate of each of them has raised, or the key of the event; ``None`` if nothing was."""
    answer: Subscription[Event] | None
    """Who answers, if the event is a request."""
    choosy: bool
    """Whether a receiver has a predicate, or takes one emission only."""
    is_bare: bool
    """Whether an event needs nothing but its receivers, each without options."""
    is_plain: bool
    """Whether, besides, a call of each of them is all."""
    is_async: bool
    """Whether, besides, each of them is an ``async def``."""
    count: int
    """How many receivers there are."""
    calls: tuple[Callable[..., object], ...]
    """The receivers' handlers."""
    call: Callable[..., object] | None
    """The only one of them, where there is one."""
    waiting: tuple[None, ...]
    """The states of an emission's deliveries before the first call; all of them share it."""
    done: tuple[Completed, ...]
    """Their outcomes when every call has returned ``None``; likewise."""

    @classmethod
    def of(cls, kind: type[Event], found: list[Subscription[Event]]) -> Self:
        """Order what was *found* for *kind* and its bases, which comes in the order of subscribing."""
        asyncs, have_options = 0, False
        for one in found:
            if one._is_async:
                asyncs += 1
            if one._options is not PLAIN:
                have_options = True
        self = cls()
        self.errors = self.answer = None
        self.choosy = False
        is_bare = not issubclass(kind, Request)
        if have_options:
            found = self._split(kind, found)
            self.choosy = any(one._options.when is not None or one._options.once for one in found)
            is_bare = is_bare and not self.choosy and all(one._options.is_plain for one in found)
        self.receivers = tuple(found)
        self.calls = tuple(map(_handler, found))
        self.count = count = len(found)
        self.call = self.calls[0] if count == 1 else None
        self.waiting = (None,) * count
        self.done = DONE if count == 1 else (NOTHING,) * count
        self.is_bare = is_bare = is_bare and count > 0
        self.is_plain = is_bare and asyncs == 0
        self.is_async = is_bare and asyncs == count
        return self

    @classmethod
    def chosen(
        cls, receivers: tuple[Subscription[Event], ...], errors: tuple[Exception | None, ...] | None = None
    ) -> Self:
        """Of one event only. It says nothing else, so its emission goes the long way."""
        self = cls()
        self.receivers, self.errors = receivers, errors
        self.done = ()
        self.is_bare = self.is_plain = self.is_async = False
        return self

    def _split(self, kind: type[Event], found: list[Subscription[Event]]) -> list[Subscription[Event]]:
        """Tell who answers *kind*, or its bases, from those who are told; these, in order."""
        answers = {one._events[0]: one for one in found if one._options.answers}
        # The answer to a class stands in for its bases: the nearest one in the class's own order of inheritance.
        self.answer = next((answers[base] for base in kind.__mro__ if base in answers), None)
        return sorted((one for one in found if not one._options.answers), key=_urgency)

    def choose(self, event: Event) -> "Route":
        """Evaluate every predicate, in order: who is to receive *event*. Calls a stranger's code."""
        chosen: list[Subscription[Event]] = []
        errors: list[Exception | None] = []
        for one in self.receivers:
            error = None
            if one.when is not None:
                try:
                    if not one.when(event):
                        continue
                except Exception as raised:  # noqa: BLE001 - it is this delivery's outcome, not the emitter's problem
                    error = raised
            chosen.append(one)
            errors.append(error)
        return Route.chosen(tuple(chosen), tuple(errors) if any(error is not None for error in errors) else None)


class RouteTable:
    """Routes by class. Dropped as a whole when the linker changes, which is O(1) and leaves a reader his old table."""

    __slots__ = ("_find", "table")

    def __init__(self, find: Callable[[type[Event]], Route]) -> None:
        self._find = find
        self.table: dict[type, Route] = {}

    def drop(self) -> None:
        """Forget every route: the next look at a class computes it anew."""
        self.table = {}

    def add(self, kind: type[Event]) -> Route:
        """Compute the route of *kind*, and keep it until the linker changes."""
        # The table is taken before the store is read: what is computed from an old store goes into an old table.
        table = self.table
        route = table[kind] = self._find(kind)
        return route
