"""pyventus_typed: classes as events, a linker with a family."""

from dataclasses import dataclass

from pyventus_typed import Emitter, Event, Linker, Request, Routes, route


@dataclass(frozen=True, slots=True)
class OrderPlaced(Event):
    order: int
    total: float


@dataclass(frozen=True, slots=True)
class OrderPaid(Event):
    order: int


@dataclass(frozen=True, slots=True)
class UserSignedUp(Event):
    name: str


@dataclass(frozen=True)
class PriceOf(Request[float]):
    item: str


linker = Linker()
orders = Linker[OrderPlaced | OrderPaid]()
emitter = Emitter(linker)
order_emitter = Emitter(orders)


class Desk:
    def place(self, event: OrderPlaced) -> None: ...

    def pay(self, event: OrderPaid) -> None: ...


def place(event: OrderPlaced) -> None: ...


def pay(event: OrderPaid) -> None: ...


def count(event: OrderPlaced) -> int:
    return 1


def takes_int(result: int) -> None: ...


def takes_text(result: str) -> None: ...


def failed(event: OrderPlaced, error: Exception) -> None: ...


def failed_alone(error: Exception) -> None: ...


@linker.on(OrderPlaced)
def c01_right(event: OrderPlaced) -> None: ...  # C01 right


@linker.on(OrderPlaced)
def c01_wrong(event: OrderPaid) -> None: ...  # C01 wrong


@linker.on(OrderPlaced)
async def c02_right(event: OrderPlaced) -> None: ...  # C02 right


@linker.on(OrderPlaced)
async def c02_wrong(event: OrderPaid) -> None: ...  # C02 wrong


@linker.on(OrderPlaced)
def c03_right(event: OrderPlaced) -> None: ...  # C03 right


@linker.on(OrderPlaced)
def c03_wrong() -> None: ...  # C03 wrong


@linker.on(OrderPlaced)
def c04_right(event: OrderPlaced, retries: int = 3) -> None: ...  # C04 right


@linker.on(OrderPlaced)
def c04_wrong(event: OrderPlaced, retries: int) -> None: ...  # C04 wrong


@linker.on(OrderPlaced)
def c05_right(event: object) -> None: ...  # C05 right


@linker.on(OrderPlaced)
def c05_wrong(event: int) -> None: ...  # C05 wrong


@linker.on(OrderPlaced)
def c06_right(event: OrderPlaced, *, loud: bool = False) -> None: ...  # C06 right


@linker.on(OrderPlaced)
def c06_wrong(*, event: OrderPlaced) -> None: ...  # C06 wrong


linker.subscribe(OrderPlaced, print)  # C07 right
linker.subscribe(int, print)  # C07 wrong
orders.subscribe(OrderPlaced, print)  # C08 right
orders.subscribe(UserSignedUp, print)  # C08 wrong


@linker.on(OrderPlaced, OrderPaid)
def c09_right(event: OrderPlaced | OrderPaid) -> None: ...  # C09 right


@linker.on(OrderPlaced, OrderPaid)
def c09_wrong(event: OrderPlaced) -> None: ...  # C09 wrong


linker.subscribe(OrderPlaced, Desk().place)  # C10 right
linker.subscribe(OrderPlaced, Desk().pay)  # C10 wrong
linker.subscribe(OrderPlaced, place, when=lambda event: event.total > 1)  # C11 right
linker.subscribe(OrderPaid, pay, when=lambda event: event.total > 1)  # C11 wrong
linker.on(OrderPlaced)(place)  # C12 right
linker.on(OrderPlaced)("place")  # C12 wrong
order_emitter.emit(OrderPaid(1))  # C13 right
order_emitter.emit(UserSignedUp("ann"))  # C13 wrong
emitter.emit(OrderPlaced(1, 2.0))  # C14 right
emitter.emit(OrderPlaced("1", 2.0))  # C14 wrong
emitter.emit(OrderPlaced(order=1, total=2.0))  # C15 right
emitter.emit(OrderPlaced(order=1))  # C15 wrong
emitter.emit(OrderPaid(1))  # C16 right
emitter.emit(42)  # C16 wrong


@linker.on(OrderPlaced)
def changes(event: OrderPlaced) -> None:
    print(event.total + 1)  # C17 right
    event.total += 1  # C17 wrong


linker.subscribe(OrderPlaced, count, on_success=takes_int)  # C18 right
linker.subscribe(OrderPlaced, count, on_success=takes_text)  # C18 wrong
linker.subscribe(OrderPlaced, place, on_failure=failed)  # C19 right
linker.subscribe(OrderPlaced, place, on_failure=failed_alone)  # C19 wrong


@linker.answer(PriceOf)
def c20_right(request: PriceOf) -> float:  # C20 right
    return 1.0


@linker.answer(PriceOf)
def c20_wrong(request: PriceOf) -> str:  # C20 wrong
    return "1.0"


async def ask() -> None:
    price: float = await emitter.ask(PriceOf("tea"))  # C21 right
    name: str = await emitter.ask(PriceOf("tea"))  # C21 wrong
    print(price, name)


complete: Routes[OrderPlaced | OrderPaid] = route(OrderPlaced, place) | route(OrderPaid, pay)  # C22 right
incomplete: Routes[OrderPlaced | OrderPaid] = route(OrderPlaced, place)  # C22 wrong
