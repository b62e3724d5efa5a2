"""Defining events: frozen dataclasses under `Event`, in all the shapes that dataclasses have."""

from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar, assert_type

from shop import ExpressShipped, OrderPaid, OrderPlaced, OrderShipped, ShopEvent, UserSignedUp

from pyventus_typed import Emission, Emitter, Event, Linker

T = TypeVar("T")


@dataclass(frozen=True)
class WithoutSlots(Event):
    number: int


@dataclass(frozen=True, kw_only=True)
class KeywordOnly(Event):
    number: int
    note: str = ""


@dataclass(frozen=True, slots=True)
class WithFactory(Event):
    lines: tuple[str, ...] = field(default_factory=tuple)


@dataclass(frozen=True)
class Changed(Event, Generic[T]):
    before: T
    after: T


@dataclass(frozen=True)
class PriceChanged(Changed[float]):
    item: str


class Family(Event):
    """A base without fields needs no decorator."""


@dataclass(frozen=True, slots=True)
class Member(Family):
    number: int

    def doubled(self) -> int:
        return 2 * self.number


@dataclass
class Mutable(Event):  # E: a dataclass that is not frozen cannot inherit from a frozen one
    number: int


@dataclass(frozen=False, slots=True)
class MutableWithSlots(Event):  # E: the same, spelled out
    number: int


@dataclass
class MutableGrandchild(OrderPlaced):  # E: an event's event is frozen too
    note: str


@dataclass
class MutableMember(
    Family
):  # E[mypy,pyrefly,zuban]: a base without fields is frozen as well; the others look at direct bases
    number: int


@dataclass(frozen=True)
class NarrowsWrongly(OrderPlaced):
    order: str  # E: an inherited field keeps its type


@dataclass(frozen=True)
class DefaultsFirst(Event):
    note: str = ""
    number: int  # E: a field without default cannot follow one that has one


placed = OrderPlaced(1, 9.5)
assert_type(placed.order, int)
assert_type(placed.total, float)
assert_type(PriceChanged(1.0, 2.0, "tea").after, float)
assert_type(Changed(1, 2), Changed[int])
assert_type(Changed("a", "b").after, str)
assert_type(replace(placed, total=3.0), OrderPlaced)
assert_type(ExpressShipped(1, "t", "c").tracking, str)
assert_type(Member(3).doubled(), int)
keyword_only = KeywordOnly(number=3)
with_factory = WithFactory()
with_lines = WithFactory(("a", "b"))
base: Event = placed
family: ShopEvent = OrderPaid(1)
shipped: OrderShipped = ExpressShipped(1, "t", "c")

OrderPlaced(1)  # E: a field is missing
OrderPlaced(1, 9.5, 3)  # E: one argument too many
OrderPlaced("1", 9.5)  # E: a field of the wrong type
OrderPlaced(order=1, sum=9.5)  # E: there is no such field
KeywordOnly(3)  # E: its fields are keyword-only
PriceChanged("a", "b", "tea")  # E: the type argument is fixed to float
WithFactory(["a"])  # E: a list is no tuple

placed.order = 2  # E: events are frozen
keyword_only.note = "no"  # E: keyword-only events are frozen as well
PriceChanged(1.0, 2.0, "tea").item = "milk"  # E: an event with a generic base is frozen
ExpressShipped(1, "t", "c").tracking = "x"  # E: an inherited field is frozen
placed.totl  # E: a misspelled field
with_factory.lines.append("c")  # E: a tuple cannot grow
del placed.order  # E[pyright,basedpyright,pyrefly,ty]: a field of a frozen event cannot be deleted

other_family: ShopEvent = UserSignedUp("ann")  # E: an event of another family
not_express: ExpressShipped = OrderShipped(1, "t")  # E: a base is not its subclass

linker = Linker()
emitter = Emitter(linker)


@linker.on(Changed)
def any_change(event: Changed[int]) -> None: ...  # FP[pyrefly]: it takes the bare class for Changed[T]


@linker.on(PriceChanged)
def price_changed(event: PriceChanged) -> None:
    assert_type(event.before, float)
    event.before = 1.0  # E: a handler cannot change its event


@linker.on(PriceChanged)
def any_float_change(event: Changed[float]) -> None: ...


@linker.on(PriceChanged)
def any_text_change(event: Changed[str]) -> None: ...  # E: PriceChanged is a Changed[float]


@linker.on(KeywordOnly)
def keyword_only_handler(event: KeywordOnly) -> None: ...


@linker.on(WithoutSlots)
def wrong_for_without_slots(event: KeywordOnly) -> None: ...  # E: the handler of another event


@linker.on(WithFactory)
def lines(event: WithFactory) -> None:
    assert_type(event.lines, tuple[str, ...])


assert_type(emitter.emit(Changed(1, 2)), Emission[Changed[int]])
assert_type(emitter.emit(PriceChanged(1.0, 2.0, "tea")), Emission[PriceChanged])
assert_type(emitter.emit(Member(1)).event.number, int)
assert_type(emitter.emit(KeywordOnly(number=1)), Emission[KeywordOnly])
