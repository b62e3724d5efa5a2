"""Who may start now: concurrent, mailbox, serial, per key. Pure: no loop, no thread, no time.

A *place* is an emission in a line. It *enters* when the emission is accepted, and each of its deliveries *leaves* when it
has given up its turn. Both answer with the deliveries that may start now, in order; the engine obeys.
"""

import enum
from collections import deque
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Any, Generic, Protocol, final

from typing_extensions import TypeVar, override

from ._event import Event
from ._family import Family, members
from ._spelling import spell
from ._subscription import Subscription
from .errors import InvalidOption

_T_contra = TypeVar("_T_contra", contravariant=True)


class Ordering(enum.Enum):
    """What waits for what. Emissions have one acceptance order in each line; these say how much of it handlers see."""

    CONCURRENT = "concurrent"
    """Deliveries to one subscription start in acceptance order, and finish in any order."""
    MAILBOX = "mailbox"
    """Each subscription has one delivery at a time, in acceptance order."""
    SERIAL = "serial"
    """Each emission starts after the one before it is settled."""


class KeyedOrdering:
    """What `PerKey` is to those who need not know its family."""

    __slots__ = ()

    def chosen(self, event: Event) -> tuple[Hashable] | None:
        """The key of *event*; ``None`` if it is none of its family's."""
        raise TypeError(f"{self!r} is no ordering, and has no key for {event!r}. Use PerKey(family, key).")


@final
class PerKey(KeyedOrdering, Generic[_T_contra]):
    """Emissions of one family with an equal key go one at a time, in order; other keys go on meanwhile.

    Events outside of the family are concurrent. ``key(event)`` is called once for each emission that has receivers,
    inside ``emit``. If it raises, or its value cannot be hashed, all deliveries of that emission fail with that error.
    """

    __slots__ = ("family", "key")

    def __init__(self, family: type[_T_contra], key: Callable[[_T_contra], Hashable], /) -> None:
        found = members(family)
        if found is None:
            raise InvalidOption(
                f"PerKey({family!r}, ...) names no event class. Give an event class, or a union of them.", family
            )
        if not callable(key):
            raise InvalidOption(f"PerKey(..., {key!r}): the key cannot be called. Give a function of the event.", key)
        self.family: Family = found
        self.key: Callable[[Any], Hashable] = key  # Any: called only with events of the family

    @override
    def chosen(self, event: Event) -> tuple[Hashable] | None:
        """The key of *event*; ``None`` if it is none of its family's."""
        return (self.key(event),) if isinstance(event, self.family) else None

    @override
    def __repr__(self) -> str:
        return f"PerKey({' | '.join(map(spell, self.family))}, {spell(self.key)})"


class Row(deque["Place"]):
    """The places of one key; it is the first one's turn."""

    __slots__ = ("_key", "_rows")

    def __init__(self, key: Hashable, rows: "dict[Hashable, Row]") -> None:
        super().__init__()
        self._key = key
        self._rows = rows
        rows[key] = self

    def forget_if_idle(self) -> None:
        """Nobody stands here: an idle key costs nothing."""
        if not self:
            self._rows.pop(self._key, None)


class Place:
    """An emission in a line: who receives it, how many of its deliveries have not left, and the row it stands in."""

    __slots__ = ("gone", "held", "row", "subscriptions")

    def __init__(self, subscriptions: Sequence[Subscription[Event]], row: Row | None = None) -> None:
        self.subscriptions = subscriptions
        self.held = len(subscriptions)
        self.row = row
        self.gone: set[int] | None = None  # deliveries that left while they stood behind another


Turn = tuple[Place, int]


class Turns(Protocol):
    """An ordering at work in one line."""

    def row(self, event: Event, /) -> Row | None:
        """The row that *event* belongs in. Calls a stranger's code, the key function; raises what that raises."""
        ...

    def enter(self, place: Place, /) -> Sequence[Turn]:
        """Take the last place; which of its deliveries may start at once."""
        ...

    def leave(self, place: Place, index: int, /) -> Sequence[Turn]:
        """A delivery is over, or will never start; whose turn it is now."""
        ...

    def ahead(self, place: Place, /) -> Iterator[Place]:
        """The places that something in *place* must wait for."""
        ...


class Concurrent:
    """Everything may start at once; the engine starts in the order in which it is told."""

    __slots__ = ()

    def row(self, _event: Event, /) -> Row | None:
        """None: nothing waits."""
        return None

    def enter(self, place: Place, /) -> Sequence[Turn]:
        """All."""
        return [(place, index) for index in range(place.held)]

    def leave(self, place: Place, _index: int, /) -> Sequence[Turn]:
        """Nobody waits."""
        place.held -= 1
        return ()

    def ahead(self, _place: Place, /) -> Iterator[Place]:
        """Nobody."""
        return iter(())


class Mailbox:
    """One delivery at a time for each subscription. A box is there while something stands in it."""

    __slots__ = ("_boxes",)

    def __init__(self) -> None:
        self._boxes: dict[Subscription[Event], deque[Turn]] = {}

    def row(self, _event: Event, /) -> Row | None:
        """None: the subscriptions are the keys."""
        return None

    def enter(self, place: Place, /) -> Sequence[Turn]:
        """Those whose subscription is idle."""
        ready: list[Turn] = []
        for index, subscription in enumerate(place.subscriptions):
            box = self._boxes.get(subscription)
            if box is None:
                box = self._boxes[subscription] = deque()
                ready.append((place, index))
            box.append((place, index))
        return ready

    def leave(self, place: Place, index: int, /) -> Sequence[Turn]:
        """The next one in this box, if it was this one's turn."""
        place.held -= 1
        subscription = place.subscriptions[index]
        box = self._boxes[subscription]
        if box[0] != (place, index):
            place.gone = {index, *(place.gone or ())}  # passed over when its turn comes
            return ()
        box.popleft()
        while box:
            next_place, next_index = box[0]
            if next_place.gone is None or next_index not in next_place.gone:
                return (box[0],)
            box.popleft()
        del self._boxes[subscription]
        return ()

    def ahead(self, place: Place, /) -> Iterator[Place]:
        """Who stands before it in a box."""
        for index, subscription in enumerate(place.subscriptions):
            box = self._boxes.get(subscription, ())
            if (place, index) in box:
                for before, _ in box:
                    if before is place:
                        break
                    yield before


class Keyed:
    """One emission at a time in each row. A row is there while something stands in it."""

    __slots__ = ("_choose", "_rows")

    def __init__(self, choose: Callable[[Event], tuple[Hashable] | None]) -> None:
        self._choose = choose
        self._rows: dict[Hashable, Row] = {}

    def row(self, event: Event, /) -> Row | None:
        """The row of the event's key, which is made if need be: whoever does not enter lets it forget itself."""
        chosen = self._choose(event)
        if chosen is None:
            return None
        row = self._rows.get(chosen[0])
        return Row(chosen[0], self._rows) if row is None else row

    def enter(self, place: Place, /) -> Sequence[Turn]:
        """All of it, if nobody is before it."""
        row = place.row
        if row is not None:
            row.append(place)
            if row[0] is not place:
                return ()
        return [(place, index) for index in range(place.held)]

    def leave(self, place: Place, index: int, /) -> Sequence[Turn]:
        """All of the next one that has something to run, if this was the last of the first."""
        place.held -= 1
        row = place.row
        if row is None:
            return ()
        if row[0] is not place:
            place.gone = {index, *(place.gone or ())}
            return ()
        if place.held:
            return ()
        row.popleft()
        while row:
            if row[0].held:
                gone = row[0].gone or ()
                return [(row[0], index) for index in range(len(row[0].subscriptions)) if index not in gone]
            row.popleft()  # it was cancelled while it waited
        row.forget_if_idle()
        return ()

    def ahead(self, place: Place, /) -> Iterator[Place]:
        """Who stands before it in its row."""
        for before in place.row or ():
            if before is place:
                return
            yield before


def turns_of(ordering: Ordering | KeyedOrdering) -> Turns:
    """*ordering* at work, for a new line."""
    if isinstance(ordering, KeyedOrdering):
        return Keyed(ordering.chosen)
    match ordering:
        case Ordering.SERIAL:
            return Keyed(lambda _event: (None,))
        case Ordering.MAILBOX:
            return Mailbox()
        case Ordering.CONCURRENT:
            return Concurrent()


def check_ordering(found: object) -> Ordering | KeyedOrdering:
    """*found*, if it is an ordering."""
    if isinstance(found, Ordering | KeyedOrdering):
        return found
    raise InvalidOption(
        f"ordering={found!r} is no ordering. Use Ordering.CONCURRENT, MAILBOX, SERIAL, or PerKey(family, key).", found
    )
