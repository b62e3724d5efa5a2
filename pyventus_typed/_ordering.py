"""Who may start now: concurrent, mailbox, serial, per key. Pure: no loop, no thread, no time.

`Ordering.CONCURRENT` has no gate. `Ordering.SERIAL` and `PerKey` are gates for emissions, and `Ordering.MAILBOX` is one
for each delivery.
"""

import enum
from collections import deque
from collections.abc import Callable, Hashable, Iterator
from typing import Any, Generic, final

from typing_extensions import TypeVar, override

from ._errors import InvalidOption
from ._event import Event
from ._family import Family, members
from ._handler import check_function
from ._spelling import spell

_T_contra = TypeVar("_T_contra", contravariant=True)


class Ordering(enum.Enum):
    """What waits for what: how closely handlers follow the order in which a queue accepted the emissions."""

    CONCURRENT = "concurrent"
    """Deliveries to one subscription start in acceptance order, and finish in any order."""
    MAILBOX = "mailbox"
    """Each subscription has one delivery at a time, in acceptance order."""
    SERIAL = "serial"
    """Each emission starts after the one before it is settled."""


class KeyedOrdering:
    """The type of a `PerKey`, for code that does not need to know its family."""

    __slots__ = ()

    def chosen(self, event: Event) -> tuple[Hashable] | None:
        """The key of *event*; ``None`` if *event* is outside the family."""
        raise TypeError(f"{self!r} is not an ordering, and has no key for {event!r}. Use PerKey(family, key).")


@final
class PerKey(KeyedOrdering, Generic[_T_contra]):
    """Handles emissions of one family with an equal key one at a time, in order; others concurrently.

    Events outside the family are not ordered. ``key(event)`` is called once for each emission that has receivers,
    inside ``emit``. If it raises, or if the key cannot be hashed, all deliveries of that emission fail with that
    error.
    """

    __slots__ = ("family", "key")

    def __init__(self, family: type[_T_contra], key: Callable[[_T_contra], Hashable], /) -> None:
        found = members(family)
        if found is None:
            raise InvalidOption(
                f"PerKey({family!r}, ...) names no event class. Give an event class, or a union of them.", family
            )
        check_function("key", key, "the event")
        self.family: Family = found
        self.key: Callable[[Any], Hashable] = key  # Any: called only with events of the family

    @override
    def chosen(self, event: Event) -> tuple[Hashable] | None:
        """The key of *event*; ``None`` if *event* is outside the family."""
        return (self.key(event),) if isinstance(event, self.family) else None

    @override
    def __repr__(self) -> str:
        return f"PerKey({' | '.join(map(spell, self.family))}, {spell(self.key)})"


class Row:
    """What has an equal key: the first one has its turn, the others wait behind it."""

    __slots__ = ("entering", "entries", "key", "number")

    def __init__(self, key: Hashable, number: int) -> None:
        self.key = key
        self.number = number  # the hash of the key
        self.entries: deque[tuple[object, object]] = deque()
        self.entering = 0  # how many are about to enter: it is not forgotten meanwhile


class Gate:
    """One emission at a time for each key. What enters is a *place*, and what is given back when its turn comes.

    The user's code, the key function and the comparing of keys, runs in `prepare` alone: from there to `enter`, and in
    `leave`, nothing is called that could emit.
    """

    __slots__ = ("_choose", "_places", "_rows", "_single")

    def __init__(self, choose: Callable[[Event], tuple[Hashable] | None] | None) -> None:
        """*choose* gives the key of an event, or ``None`` for one that waits for nobody; without it all wait for all."""
        self._choose = choose
        self._single = Row(None, 0)
        self._rows: dict[int, tuple[Row, ...]] = {}  # by the hash of their key
        self._places: dict[object, Row] = {}

    def key(self, event: Event) -> tuple[Hashable, int] | None:
        """The key of *event* and its hash; ``None`` if it waits for nobody. Raises what the key function raises."""
        chosen = None if self._choose is None else self._choose(event)
        return None if chosen is None else (chosen[0], hash(chosen[0]))

    def prepare(self, key: tuple[Hashable, int] | None) -> Row | None:
        """The row of *key*, which is made if need be: whoever calls this then calls `enter`, and `settled` after it."""
        if self._choose is None:
            return self._single
        if key is None:
            return None
        value, number = key
        rows = self._rows
        while True:
            before = rows[number] if number in rows else ()  # noqa: SIM401 - get would be a call, after which a signal handler may run
            row = next((one for one in before if one.key is value or one.key == value), None)
            fresh = Row(value, number) if row is None else None
            after = before if fresh is None else (*before, fresh)
            # What was compared may have emitted. From here on nothing is called.
            if (rows[number] if number in rows else ()) is before:  # noqa: SIM401 - get would be a call
                if fresh is not None:
                    rows[number] = after
                    row = fresh
                assert row is not None
                row.entering += 1
                return row

    def settled(self, row: Row) -> None:
        """Whoever called `prepare` for *row* has entered it, or will not."""
        if row is not self._single:
            row.entering -= 1
            self._forget(row)

    def enter(self, row: Row, place: object, entry: object) -> bool:
        """Take the last place; whether it is its turn."""
        pair = (place, entry)
        self._places[place] = row
        row.entries.append(pair)
        return row.entries[0] is pair

    def leave(self, place: object) -> object | None:
        """*place* is over, or will never have its turn; return the entry that has its turn because of that, if there is one."""
        row = self._places.pop(place, None)
        if row is None or row.entries[0][0] is not place:
            return None  # what waited is passed over when it comes first
        entries = row.entries
        entries.popleft()
        while entries:
            if entries[0][0] in self._places:
                return entries[0][1]
            entries.popleft()
        self._forget(row)
        return None

    def ahead(self, place: object) -> Iterator[object]:
        """The places that *place* must wait for."""
        row = self._places.get(place)
        for before, _ in () if row is None else [*row.entries]:
            if before is place:
                return
            if before in self._places:
                yield before

    def _forget(self, row: Row) -> None:
        """An idle key costs nothing."""
        while True:
            before = self._rows[row.number] if row.number in self._rows else ()  # noqa: SIM401 - get would be a call
            after = tuple([one for one in before if one is not row])
            # From here on nothing is called.
            if row.entries or row.entering:
                return
            if (self._rows[row.number] if row.number in self._rows else ()) is before:  # noqa: SIM401 - get would be a call
                if after:
                    self._rows[row.number] = after
                elif before:
                    del self._rows[row.number]
                return


def gate_of(ordering: Ordering | KeyedOrdering) -> Gate | None:
    """The gate for emissions of *ordering*, for a new queue, if it has one."""
    if isinstance(ordering, KeyedOrdering):
        return Gate(ordering.chosen)
    return Gate(None) if ordering is Ordering.SERIAL else None


def check_ordering(found: object) -> Ordering | KeyedOrdering:
    """*found*, if it is an ordering."""
    if isinstance(found, Ordering | KeyedOrdering):
        return found
    raise InvalidOption(
        f"ordering={found!r} is not an ordering. Use Ordering.CONCURRENT, MAILBOX, SERIAL, or PerKey(family, key).",
        found,
    )
