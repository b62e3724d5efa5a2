"""pymediate: classes as messages, classes as handlers. Its documentation uses frozen dataclasses."""

# C01 none: all handlers of one mediator are sync, or all are async; the async ones are shown
# C08 none: a mediator has no family
# C09 none: one handler class has one message
# C10 none: a handler is a class
# C11 none: no filters
# C13 none: a mediator has no family
# C18 none: no callbacks
# C19 none: no callbacks
# C22 none: a mediator has no family

from dataclasses import dataclass

from pymediate import Mediator, Notification, NotificationHandler, Request, RequestHandler, Services


@dataclass(frozen=True)
class OrderPlaced(Notification):
    order: int
    total: float


@dataclass(frozen=True)
class OrderPaid(Notification):
    order: int


@dataclass(frozen=True)
class PriceOf(Request[float]):
    item: str


class C02Right(NotificationHandler[OrderPlaced]):
    async def __call__(self, notification: OrderPlaced) -> None: ...  # C02 right


class C02Wrong(NotificationHandler[OrderPlaced]):
    async def __call__(self, notification: OrderPaid) -> None: ...  # C02 wrong


class C03Right(NotificationHandler[OrderPlaced]):
    async def __call__(self, notification: OrderPlaced) -> None: ...  # C03 right


class C03Wrong(NotificationHandler[OrderPlaced]):
    async def __call__(self) -> None: ...  # C03 wrong


class C04Right(NotificationHandler[OrderPlaced]):
    async def __call__(self, notification: OrderPlaced, retries: int = 3) -> None: ...  # C04 right


class C04Wrong(NotificationHandler[OrderPlaced]):
    async def __call__(self, notification: OrderPlaced, retries: int) -> None: ...  # C04 wrong


class C05Right(NotificationHandler[OrderPlaced]):
    async def __call__(self, notification: OrderPlaced) -> None: ...  # C05 right


class C05Wrong(NotificationHandler[OrderPlaced]):
    async def __call__(self, notification: int) -> None: ...  # C05 wrong


class C06Right(NotificationHandler[OrderPlaced]):
    async def __call__(self, notification: OrderPlaced, *, loud: bool = False) -> None: ...  # C06 right


class C06Wrong(NotificationHandler[OrderPlaced]):
    async def __call__(self, *, notification: OrderPlaced) -> None: ...  # C06 wrong


class C07Right(NotificationHandler[OrderPlaced]):  # C07 right
    async def __call__(self, notification: OrderPlaced) -> None: ...


class C07Wrong(NotificationHandler[int]):  # C07 wrong
    async def __call__(self, notification: int) -> None: ...


mediator = Mediator(Services(C02Right()))  # C12 right
Mediator(Services("C02Right"))  # C12 wrong


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


class Changes(NotificationHandler[OrderPlaced]):
    async def __call__(self, notification: OrderPlaced) -> None:
        print(notification.total + 1)  # C17 right
        notification.total += 1  # C17 wrong


class C20Right(RequestHandler[PriceOf]):
    async def __call__(self, request: PriceOf) -> float:  # C20 right
        return 1.0


class C20Wrong(RequestHandler[PriceOf]):
    async def __call__(self, request: PriceOf) -> str:  # C20 wrong
        return "1.0"
