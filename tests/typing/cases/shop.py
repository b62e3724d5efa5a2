"""The events of the cases: one small shop."""

from dataclasses import dataclass

from pyventus_typed import Event, Request


class ShopEvent(Event):
    """The family of everything that happens in the shop. Never emitted itself."""


@dataclass(frozen=True, slots=True)
class OrderPlaced(ShopEvent):
    order: int
    total: float


@dataclass(frozen=True, slots=True)
class OrderPaid(ShopEvent):
    order: int


@dataclass(frozen=True, slots=True)
class OrderShipped(ShopEvent):
    order: int
    tracking: str


@dataclass(frozen=True, slots=True)
class ExpressShipped(OrderShipped):
    """A kind of `OrderShipped`, with a field of its own."""

    courier: str


@dataclass(frozen=True, slots=True)
class UserSignedUp(Event):
    """Not of the shop."""

    name: str


@dataclass(frozen=True)
class PriceOf(Request[float]):
    item: str


@dataclass(frozen=True)
class StockOf(Request[int]):
    item: str
