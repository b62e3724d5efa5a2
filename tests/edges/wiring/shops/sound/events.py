from dataclasses import dataclass
from typing import TypeAlias

from pyventus_typed import Event, Request


@dataclass(frozen=True, slots=True)
class Placed(Event):
    order: int
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Paid(Event):
    order: int


@dataclass(frozen=True, slots=True)
class Shipped(Event):
    order: int


@dataclass(frozen=True)
class PriceOf(Request[int]):
    line: str


Family: TypeAlias = Placed | Paid | Shipped | PriceOf
