"""One small shop, used by every test that needs events."""

from dataclasses import dataclass
from typing import Any, Generic

from typing_extensions import TypeVar

from pyventus_typed import Event, Request

T = TypeVar("T")


class ShopEvent(Event):
    """The base of the family: no fields, no decorator, so it can be subscribed to and not emitted."""


@dataclass(frozen=True)
class OrderPlaced(ShopEvent):
    order: int = 0


@dataclass(frozen=True)
class OrderPaid(ShopEvent):
    order: int = 0
    cents: int = 100


@dataclass(frozen=True)
class OrderRefunded(OrderPaid):
    """A payment too, of a negative amount."""


@dataclass(frozen=True)
class Shipped(ShopEvent):
    order: int = 0


@dataclass(frozen=True)
class Visited(Event):
    """Something of another family."""

    page: str = "/"


@dataclass(frozen=True)
class Changed(Event, Generic[T]):
    value: T


@dataclass(frozen=True)
class Price(Request[int]):
    """How many cents an article costs."""

    article: str = "book"


@dataclass(frozen=True)
class SalePrice(Price):
    percent: int = 50


def untyped(thing: object) -> Any:  # Any: that is the point
    """*thing* as code that nobody type-checks passes it."""
    return thing
