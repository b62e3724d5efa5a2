"""mediary: decorated dataclasses as messages, a mediator with `register`, `publish` and `send`."""

# C08 none: a mediator has no family
# C11 none: no filters
# C13 none: a mediator has no family
# C18 none: no callbacks
# C19 none: no callbacks
# C22 none: a mediator has no family

from dataclasses import dataclass

from mediary import Mediator, Returns, notification, request


@notification
@dataclass
class OrderPlaced:
    order: int
    total: float


@notification
@dataclass
class OrderPaid:
    order: int


@request
@dataclass
class PriceOf(Returns[float]):
    item: str


mediator = Mediator()


class Desk:
    def place(self, event: OrderPlaced) -> None: ...

    def pay(self, event: OrderPaid) -> None: ...


def c01_right(event: OrderPlaced) -> None: ...


def c01_wrong(event: OrderPaid) -> None: ...


async def c02_right(event: OrderPlaced) -> None: ...


async def c02_wrong(event: OrderPaid) -> None: ...


def c03_wrong() -> None: ...


def c05_right(event: object) -> None: ...


def c05_wrong(event: int) -> None: ...


def c06_wrong(*, event: OrderPlaced) -> None: ...


def both(event: OrderPlaced | OrderPaid) -> None: ...


async def c20_right(request: PriceOf) -> float:
    return 1.0


async def c20_wrong(request: PriceOf) -> str:
    return "1.0"


mediator.register(OrderPlaced, c01_right)  # C01 right
mediator.register(OrderPlaced, c01_wrong)  # C01 wrong
mediator.register(OrderPlaced, c02_right)  # C02 right
mediator.register(OrderPlaced, c02_wrong)  # C02 wrong
mediator.register(OrderPlaced, c01_right)  # C03 right
mediator.register(OrderPlaced, c03_wrong)  # C03 wrong
# C04 none: a second parameter is a dependency
mediator.register(OrderPlaced, c05_right)  # C05 right
mediator.register(OrderPlaced, c05_wrong)  # C05 wrong
mediator.register(OrderPlaced, c01_right)  # C06 right
mediator.register(OrderPlaced, c06_wrong)  # C06 wrong
mediator.register(OrderPlaced, c01_right)  # C07 right
mediator.register(42, c01_right)  # C07 wrong
mediator.register(OrderPlaced, both)  # C09 right
mediator.register(OrderPaid, both)  # C09 right
mediator.register(OrderPlaced, c01_right)  # C09 wrong
mediator.register(OrderPaid, c01_right)  # C09 wrong
mediator.register(OrderPlaced, Desk().place)  # C10 right
mediator.register(OrderPlaced, Desk().pay)  # C10 wrong
mediator.register(OrderPlaced, c01_right)  # C12 right
mediator.register(OrderPlaced, "c01_right")  # C12 wrong


async def emit() -> None:
    await mediator.publish(OrderPlaced(1, 2.0))  # C14 right
    await mediator.publish(OrderPlaced("1", 2.0))  # C14 wrong
    await mediator.publish(OrderPlaced(order=1, total=2.0))  # C15 right
    await mediator.publish(OrderPlaced(order=1))  # C15 wrong
    await mediator.publish(OrderPaid(1))  # C16 right
    await mediator.publish(42)  # C16 wrong
    price: float = await mediator.send(PriceOf("tea"))  # C21 right
    name: str = await mediator.send(PriceOf("tea"))  # C21 wrong
    print(price, name)


def changes(event: OrderPlaced) -> None:
    print(event.total + 1)  # C17 right
    event.total += 1  # C17 wrong


mediator.register(PriceOf, c20_right)  # C20 right
mediator.register(PriceOf, c20_wrong)  # C20 wrong
