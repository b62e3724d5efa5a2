from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Generic, NamedTuple, NewType, Optional, TypedDict, TypeVar

from pyventus_typed import Event, Request

if TYPE_CHECKING:
    from decimal import Decimal

T = TypeVar("T")


class OrderEvent(Event):
    """The base of the family."""


@dataclass(frozen=True)
class OrderPlaced(OrderEvent):
    order: int
    lines: list[str]  # fault: mutable


@dataclass(frozen=True)
class OrderPaid(OrderEvent):
    order: int
    amount: Decimal


@dataclass(frozen=True)
class OrderLost(OrderEvent):  # fault: unhandled
    order: int


@dataclass
class Basket:
    items: tuple[str, ...] = ()


@dataclass(frozen=True)
class Crate:
    label: str
    contents: tuple[Basket | None, ...] = ()


class Row(NamedTuple):
    name: str
    amounts: set[int]


class Options(TypedDict):
    gift: bool


Tags = NewType("Tags", dict[str, str])


@dataclass(frozen=True)
class Box(Generic[T]):
    content: T


@dataclass(frozen=True, slots=True)
class OrderPacked(OrderEvent):
    basket: Basket  # fault: mutable
    crate: Crate  # fault: mutable
    row: Row  # fault: mutable
    options: Options  # fault: mutable
    tags: Optional[Tags]  # fault: mutable  # noqa: UP045 - the old form is tested
    box: Box[bytearray]  # fault: mutable
    prices: tuple[tuple[list[Decimal], ...], ...]  # fault: mutable
    checked: Annotated[set[int], "by hand"] = field(default_factory=set)  # fault: mutable

    def weight(self) -> int:
        return super().__sizeof__()  # this cell keeps the class alive that slots=True made a copy of


@dataclass(frozen=True)
class OrderShipped(OrderEvent):
    order: int
    carrier: str | None = None
    stops: tuple[str, ...] = ()
    parents: frozenset[int] = frozenset()


class OrderArchived(OrderEvent):  # fault: undecorated, unhandled by nobody's choice: it cannot be emitted
    order: int


class OrderReviewed(OrderEvent):
    """A base that nobody has derived from."""


class OrderAudited(OrderEvent, ABC):
    @abstractmethod
    def auditor(self) -> str: ...


@dataclass(frozen=True)
class PriceOf(Request[int], OrderEvent):
    order: int


@dataclass(frozen=True)
class StockOf(Request[int], OrderEvent):  # fault: unanswered
    order: int


@dataclass(frozen=True)
class Newsletter(Event):
    text: str
