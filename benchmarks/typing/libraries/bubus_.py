"""bubus: pydantic models as events, a bus with `on` and `dispatch`."""

# C08 none: a bus has no family
# C11 none: no filters at `on`
# C13 none: a bus has no family
# C18 none: no callbacks
# C19 none: no callbacks
# C22 none: a bus has no family

from bubus import BaseEvent, EventBus


class OrderPlaced(BaseEvent[int]):
    order: int
    total: float


class OrderPaid(BaseEvent[int]):
    order: int


class PriceOf(BaseEvent[float]):
    item: str


bus = EventBus()


class Desk:
    def place(self, event: OrderPlaced) -> int:
        return 1

    def pay(self, event: OrderPaid) -> int:
        return 1


def c01_right(event: OrderPlaced) -> int:
    return 1


def c01_wrong(event: OrderPaid) -> int:
    return 1


async def c02_right(event: OrderPlaced) -> int:
    return 1


async def c02_wrong(event: OrderPaid) -> int:
    return 1


def c03_wrong() -> int:
    return 1


def c04_right(event: OrderPlaced, retries: int = 3) -> int:
    return 1


def c04_wrong(event: OrderPlaced, retries: int) -> int:
    return 1


def c05_right(event: BaseEvent[int]) -> int:
    return 1


def c05_wrong(event: int) -> int:
    return 1


def c06_right(event: OrderPlaced, *, loud: bool = False) -> int:
    return 1


def c06_wrong(*, event: OrderPlaced) -> int:
    return 1


def both(event: OrderPlaced | OrderPaid) -> int:
    return 1


def c20_right(event: PriceOf) -> float:
    return 1.0


def c20_wrong(event: PriceOf) -> str:
    return "1.0"


bus.on(OrderPlaced, c01_right)  # C01 right
bus.on(OrderPlaced, c01_wrong)  # C01 wrong
bus.on(OrderPlaced, c02_right)  # C02 right
bus.on(OrderPlaced, c02_wrong)  # C02 wrong
bus.on(OrderPlaced, c01_right)  # C03 right
bus.on(OrderPlaced, c03_wrong)  # C03 wrong
bus.on(OrderPlaced, c04_right)  # C04 right
bus.on(OrderPlaced, c04_wrong)  # C04 wrong
bus.on(OrderPlaced, c05_right)  # C05 right
bus.on(OrderPlaced, c05_wrong)  # C05 wrong
bus.on(OrderPlaced, c06_right)  # C06 right
bus.on(OrderPlaced, c06_wrong)  # C06 wrong
bus.on(OrderPlaced, c01_right)  # C07 right
bus.on(42, c01_right)  # C07 wrong
bus.on(OrderPlaced, both)  # C09 right
bus.on(OrderPaid, both)  # C09 right
bus.on(OrderPlaced, c01_right)  # C09 wrong
bus.on(OrderPaid, c01_right)  # C09 wrong
bus.on(OrderPlaced, Desk().place)  # C10 right
bus.on(OrderPlaced, Desk().pay)  # C10 wrong
bus.on(OrderPlaced, c01_right)  # C12 right
bus.on(OrderPlaced, "c01_right")  # C12 wrong
bus.dispatch(OrderPlaced(order=1, total=2.0))  # C14 right
bus.dispatch(OrderPlaced(order="1", total=2.0))  # C14 wrong
bus.dispatch(OrderPlaced(order=1, total=2.0))  # C15 right
bus.dispatch(OrderPlaced(order=1))  # C15 wrong
bus.dispatch(OrderPaid(order=1))  # C16 right
bus.dispatch(42)  # C16 wrong


def changes(event: OrderPlaced) -> int:
    print(event.total + 1)  # C17 right
    event.total += 1  # C17 wrong
    return 1


bus.on(PriceOf, c20_right)  # C20 right
bus.on(PriceOf, c20_wrong)  # C20 wrong


async def ask() -> None:
    price: float | None = await bus.dispatch(PriceOf(item="tea")).event_result()  # C21 right
    name: str | None = await bus.dispatch(PriceOf(item="tea")).event_result()  # C21 wrong
    print(price, name)
