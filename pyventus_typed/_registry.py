"""The store of subscriptions, and of managers: add, remove, read; from any thread, a destructor, a signal handler.

It takes no lock, so nothing can wait for one: a ``__del__`` that the garbage collector runs in the middle of a
change may itself unsubscribe. Each change is made visible by *one* operation on *one* dict, whose keys are ints or types: an
item set, or popped. Such an operation is done as a whole before another one on the same dict begins: with a GIL, because it
calls no Python code; without one, because a dict has a lock of its own, which each operation takes, and copying one, or
extending a list by its keys or values, is one operation. No step needs two dicts at the same moment: everything around the
one operation is arranged so that the moments before and after it are both right. Who reads a bucket while another thread
changes it gets it as it was before, or after. ``next`` of a ``count`` is one step, too, so no two have one place.
"""

from collections.abc import Callable, Iterable
from itertools import count
from operator import attrgetter
from typing import Generic, TypeVar

from ._errors import TooManySubscriptions
from ._event import Event
from ._spelling import several, spell
from ._subscription import AnyRegistration, Registration

_places = count(1)  # one sequence for all linkers: next() is atomic, and the order of subscribing is the order of E4

_R = TypeVar("_R", bound=Registration[Event])
_place: Callable[[AnyRegistration], int] = attrgetter("_place")


class Registry(Generic[_R]):
    """Registrations by event type, in the order in which they were added."""

    __slots__ = ("_buckets", "_has_several", "_limit", "_on_change")

    def __init__(self, limit: int | None, on_change: Callable[[], None]) -> None:
        self._limit = limit
        self._has_several = False  # whether there ever was a registration for several events
        self._on_change = on_change  # called after each change, before the caller of add or remove goes on
        # Buckets are never deleted: a thread may be about to add to one that has just become empty.
        self._buckets: dict[type[Event], dict[int, _R]] = {}

    def add(self, registration: _R, *, first: bool = False) -> None:
        """Hold *registration*, or raise `TooManySubscriptions` and hold nothing.

        With *first* it comes before all that were, and will be, added without. It is active from the moment it is in the
        bucket of its first event type, which is filled last.
        """
        place = next(_places)
        registration._place = place = -place if first else place  # the store decides its place
        events = registration._events
        if len(events) > 1:
            self._has_several = True
        for event in reversed(events):
            bucket = self._buckets.setdefault(event, {})
            bucket[place] = registration
            # Of several threads that race for the last seat, those behind it are refused.
            if self._limit is not None and place in _counted(bucket.copy())[self._limit :]:
                self._forget(registration)
                raise TooManySubscriptions(
                    f"{spell(event)} has {several(self._limit, 'subscription')} already, as many as max_subscriptions allows. "
                    "Unsubscribe one, or raise the limit.",
                    event,
                )
        self._on_change()

    def remove(self, registration: AnyRegistration, /) -> bool:
        """Remove *registration*; of several callers exactly one gets ``True``."""
        events = registration._events
        first = self._buckets.get(events[0], {})
        if first.pop(registration._place, None) is None:
            return False
        if len(events) > 1:
            self._forget(registration)
        self._on_change()
        return True

    def holds(self, registration: AnyRegistration, /) -> bool:
        """Whether *registration* is active."""
        return registration._place in self._buckets.get(registration._events[0], ())

    def of(self, events: Iterable[type]) -> list[_R]:
        """The active subscriptions to any of *events*, each once, in the order of adding."""
        found: list[_R] = []
        if not self._buckets:
            return found
        for event in events:
            bucket = self._buckets.get(event)
            if bucket:
                found += bucket.values()  # in one step: another thread may change it meanwhile
        if self._has_several:
            # A registration for several events is active as long as it is with its first one.
            found = [one for one in dict.fromkeys(found) if self.holds(one)]
        found.sort(key=_place)
        return found

    def all(self) -> list[_R]:
        """Every active registration, in the order of adding."""
        return self.of([*self._buckets])  # in one step, which tuple() would not be without a GIL

    def _forget(self, registration: AnyRegistration) -> None:
        for event in registration._events:
            self._buckets.get(event, {}).pop(registration._place, None)


def _counted(bucket: dict[int, _R]) -> list[int]:
    """The places of handlers: a stream comes and goes with who reads it, and takes nobody's."""
    return [place for place, one in bucket.items() if one._source is None]
