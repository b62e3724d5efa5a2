"""From an event's class to those who receive it: computed once for each class, until the linker changes."""

import os
from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from typing import NoReturn, Self

from ._composed import Composed, Managers, compose
from ._event import Event, Request
from ._reports import guarded, log
from ._subscription import Call, Options, Subscription

_NO_TIMEOUTS = "PYVENTUS_NO_TIMEOUTS"  # an environment variable: who starts a debugger need not change the program


@cache
def _say_that_timeouts_are_off() -> None:
    guarded(log.warning, "%s is set: no handler of this process is cut off by its timeout", _NO_TIMEOUTS)


def _call_of(subscription: Subscription[Event], managers: Managers) -> Call:
    """What is called for *subscription*: composed once, and kept there, unless there are *managers* around it."""
    if subscription._source is not None:
        managers = ()  # a stream has no handler to be around
    if subscription._call is not None and not managers:
        return subscription._call
    options = subscription._options
    if options.timeout is not None and os.environ.get(_NO_TIMEOUTS):
        _say_that_timeouts_are_off()
        options = replace(options, timeout=None)
    call = compose(subscription._handler, options, is_async=subscription._is_async, managers=managers)
    if not managers:
        subscription._call = call
    return call


def _by_priority(subscription: Subscription[Event]) -> int:
    return -subscription._options.priority  # sorted by it the order is stable: higher first, then as subscribed


class Route:
    """The receivers of one event class, or of one event, in the order of delivery: higher priority first, then as
    subscribed.
    """

    __slots__ = (
        "_by_source",
        "answer",
        "answer_call",
        "calls",
        "errors",
        "has_conditions",
        "has_once",
        "is_async",
        "is_direct",
        "is_request",
        "receivers",
        "share",
    )

    receivers: tuple[Subscription[Event], ...]
    """Those who are notified of an event."""
    calls: tuple[Call, ...]
    """What is called for each of them."""
    share: int
    """How much of an emission is unfinished before the first call: 1, or 0 if there is none."""
    errors: tuple[Exception | None, ...] | None
    """Of one event: what the predicate of each of them has raised, or the key of the event; ``None`` if nothing was."""
    answer: Subscription[Event] | None
    """Who answers, if the event is a request."""
    answer_call: Call | None
    """What is called for that."""
    has_conditions: bool
    """Whether a receiver has a predicate, or takes one emission only."""
    has_once: bool
    """Whether a receiver takes one emission only."""
    is_direct: bool
    """Whether an event can be emitted as it is: it is not a request, and no receiver has conditions."""
    is_request: bool
    """Whether it is of one event that somebody asks: that waits for nobody, and takes no capacity."""
    is_async: bool
    """Whether each of the receivers needs a task before anything of it runs."""
    _by_source: "dict[object, Route] | None"
    """Where somebody receives from one emitter only: the routes of what such an emitter emits, by its state."""

    def __init__(
        self,
        receivers: tuple[Subscription[Event], ...],
        calls: tuple[Call, ...],
        errors: tuple[Exception | None, ...] | None = None,
    ) -> None:
        self.receivers = receivers
        self.calls = calls
        self.share = 1 if calls else 0
        self.errors = errors
        self.answer = self.answer_call = None
        self._by_source = None
        self.has_conditions = self.is_direct = self.is_request = False
        self.has_once = any(one._options.once for one in receivers)
        self.is_async = bool(calls) and all(type(call) is Composed and call.is_async for call in calls)

    @classmethod
    def of(cls, kind: type[Event], found: list[Subscription[Event]], managers: Managers) -> Self:
        """Order what was *found* for *kind* and its bases, which comes in the order of subscribing."""
        self = cls._ordered(kind, found, managers)
        sources = {one._source: None for one in found if one._source is not None}
        if sources:
            self._by_source = {
                source: cls._ordered(kind, [one for one in found if one._source in (None, source)], managers)
                for source in (None, *sources)
            }
            self.is_direct = False
        return self

    @classmethod
    def _ordered(cls, kind: type[Event], found: list[Subscription[Event]], managers: Managers) -> Self:
        answers = {one._events[0]: one for one in found if one._options.answers}
        receivers = tuple(sorted((one for one in found if not one._options.answers), key=_by_priority))
        self = cls(receivers, tuple(_call_of(one, managers) for one in receivers))
        # The answer to a class stands in for its bases: the nearest one in the class's own order of inheritance.
        self.answer = next((answers[base] for base in kind.__mro__ if base in answers), None) if answers else None
        self.answer_call = None if self.answer is None else _call_of(self.answer, managers)
        self.has_conditions = self.has_once or any(one._options.when is not None for one in receivers)
        self.is_direct = not self.has_conditions and not issubclass(kind, Request)
        return self

    def seen_from(self, source: object) -> "Route":
        """The receivers of what one emitter emits: *source* is its state."""
        routes = self._by_source
        return self if routes is None else routes.get(source) or routes[None]

    def choose(self, event: Event, *, asked: bool = False) -> "Route":
        """Evaluate every predicate, in order: who is to receive *event*; if it is *asked*, the answer first.

        Calls the user's code.
        """
        chosen: list[Subscription[Event]] = []
        calls: list[Call] = []
        errors: list[Exception | None] = []
        if asked and self.answer is not None and self.answer_call is not None:
            chosen, calls, errors = [self.answer], [self.answer_call], [None]
        for one, call in zip(self.receivers, self.calls, strict=True):
            error = None
            if one.when is not None:
                try:
                    if not one.when(event):
                        continue
                except Exception as raised:  # noqa: BLE001 - it is this delivery's outcome, not the emitter's problem
                    error = raised
            chosen.append(one)
            calls.append(call if error is None else _failing(one, error))
            errors.append(error)
        found = Route(
            tuple(chosen), tuple(calls), tuple(errors) if any(error is not None for error in errors) else None
        )
        found.is_request = asked
        return found

    def failed(self, error: Exception) -> "Route":
        """The same receivers, each of whose deliveries fails with *error*."""
        calls = tuple(_failing(one, error) for one in self.receivers)
        return Route(self.receivers, calls, (error,) * len(self.receivers))

    def without(self, gone: set[int]) -> "Route":
        """The receivers but for those at the places *gone*."""
        kept = [index for index in range(len(self.receivers)) if index not in gone]
        errors = self.errors and tuple(self.errors[index] for index in kept)
        left = Route(tuple(self.receivers[index] for index in kept), tuple(self.calls[index] for index in kept), errors)
        left.is_request = self.is_request
        return left


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


def _failing(subscription: Subscription[Event], error: Exception) -> Call:
    """The call of a delivery that fails without a call of its handler."""
    options = Options(on_failure=subscription._options.on_failure)
    return compose(partial(_raise, error), options, is_async=False)


def _raise(error: Exception, _event: object) -> NoReturn:
    raise error
