"""The shop of these tests. An order says how its handler is to behave, so that processes need no other script."""

from dataclasses import dataclass
from typing import Literal

from pyventus_typed import Event
from pyventus_typed.nats import JsonCodec, Wire

Behaviour = Literal["well", "raises", "raises once", "raises twice", "dies", "exits"]


class ShopEvent(Event):
    """Everything that happens in the shop."""


@dataclass(frozen=True)
class OrderPlaced(ShopEvent):
    number: int
    customer: str = ""
    behaviour: Behaviour = "well"
    seconds: float = 0.0


@dataclass(frozen=True)
class OrderPaid(ShopEvent):
    number: int
    cents: int


codec = JsonCodec[ShopEvent](Wire("shop.order_placed.v1", OrderPlaced), Wire("shop.order_paid.v1", OrderPaid))


def customer(event: ShopEvent) -> str | None:
    """The ordering key: orders of one customer are handled in order, those without one in any."""
    return event.customer or None if isinstance(event, OrderPlaced) else None
