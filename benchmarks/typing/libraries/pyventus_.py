"""pyventus: classes (or names) as events, a linker class, decorators."""

# C08 none: a linker has no family
# C11 none: no filters
# C13 none: a linker has no family
# C20 none: no requests
# C21 none: no requests
# C22 none: a linker has no family

from dataclasses import dataclass

from pyventus.events import AsyncIOEventEmitter, EventLinker


@dataclass
class OrderPlaced:
    order: int
    total: float


@dataclass
class OrderPaid:
    order: int


@dataclass
class UserSignedUp:
    name: str


emitter = AsyncIOEventEmitter()


class Desk:
    def place(self, event: OrderPlaced) -> None: ...

    def pay(self, event: OrderPaid) -> None: ...


def place(event: OrderPlaced) -> None: ...


def count(event: OrderPlaced) -> int:
    return 1


def takes_int(result: int) -> None: ...


def takes_text(result: str) -> None: ...


def failed(error: Exception) -> None: ...


def failed_wrong(event: OrderPlaced, error: Exception) -> None: ...


@EventLinker.on(OrderPlaced)
def c01_right(event: OrderPlaced) -> None: ...  # C01 right


@EventLinker.on(OrderPlaced)
def c01_wrong(event: OrderPaid) -> None: ...  # C01 wrong


@EventLinker.on(OrderPlaced)
async def c02_right(event: OrderPlaced) -> None: ...  # C02 right


@EventLinker.on(OrderPlaced)
async def c02_wrong(event: OrderPaid) -> None: ...  # C02 wrong


@EventLinker.on(OrderPlaced)
def c03_right(event: OrderPlaced) -> None: ...  # C03 right


@EventLinker.on(OrderPlaced)
def c03_wrong() -> None: ...  # C03 wrong


@EventLinker.on(OrderPlaced)
def c04_right(event: OrderPlaced, retries: int = 3) -> None: ...  # C04 right


@EventLinker.on(OrderPlaced)
def c04_wrong(event: OrderPlaced, retries: int) -> None: ...  # C04 wrong


@EventLinker.on(OrderPlaced)
def c05_right(event: object) -> None: ...  # C05 right


@EventLinker.on(OrderPlaced)
def c05_wrong(event: int) -> None: ...  # C05 wrong


@EventLinker.on(OrderPlaced)
def c06_right(event: OrderPlaced, *, loud: bool = False) -> None: ...  # C06 right


@EventLinker.on(OrderPlaced)
def c06_wrong(*, event: OrderPlaced) -> None: ...  # C06 wrong


EventLinker.subscribe(OrderPlaced, event_callback=place)  # C07 right
EventLinker.subscribe(42, event_callback=place)  # C07 wrong


@EventLinker.on(OrderPlaced, OrderPaid)
def c09_right(event: OrderPlaced | OrderPaid) -> None: ...  # C09 right


@EventLinker.on(OrderPlaced, OrderPaid)
def c09_wrong(event: OrderPlaced) -> None: ...  # C09 wrong


EventLinker.subscribe(OrderPlaced, event_callback=Desk().place)  # C10 right
EventLinker.subscribe(OrderPlaced, event_callback=Desk().pay)  # C10 wrong
EventLinker.subscribe(OrderPlaced, event_callback=count)  # C12 right
EventLinker.subscribe(OrderPlaced, event_callback="count")  # C12 wrong
emitter.emit(OrderPlaced(1, 2.0))  # C14 right
emitter.emit(OrderPlaced("1", 2.0))  # C14 wrong
emitter.emit(OrderPlaced(order=1, total=2.0))  # C15 right
emitter.emit(OrderPlaced(order=1))  # C15 wrong
emitter.emit(OrderPaid(1))  # C16 right
emitter.emit(42)  # C16 wrong


@EventLinker.on(OrderPlaced)
def changes(event: OrderPlaced) -> None:
    print(event.total + 1)  # C17 right
    event.total += 1  # C17 wrong


EventLinker.subscribe(OrderPlaced, event_callback=count, success_callback=takes_int)  # C18 right
EventLinker.subscribe(OrderPlaced, event_callback=count, success_callback=takes_text)  # C18 wrong
EventLinker.subscribe(OrderPlaced, event_callback=place, failure_callback=failed)  # C19 right
EventLinker.subscribe(OrderPlaced, event_callback=place, failure_callback=failed_wrong)  # C19 wrong
