from faulty.events import (
    Newsletter,
    OrderAudited,
    OrderEvent,
    OrderPacked,
    OrderPaid,
    OrderPlaced,
    OrderReviewed,
    OrderShipped,
    PriceOf,
    StockOf,
)
from pyventus_typed import Emitter, Linker, Subscriber, handles

linker = Linker()
emitter = Emitter(linker)


@linker.on(OrderPlaced)
def pay(event: OrderPlaced) -> None:
    emitter.emit(OrderPaid(event.order, 1))


@linker.on(OrderPaid)
def pack(event: OrderPlaced) -> None:  # fault: annotation
    _seal(event.order)


def _seal(order):
    emitter.emit(OrderPacked((), (), (), (), (), (), (), ()))


@linker.on(OrderPacked)
def ship(event: "OrderPacked | OrderPaid") -> None:
    shipped = OrderShipped(1)
    emitter.emit(shipped)


class Furniture(Subscriber[OrderEvent]):
    """The base of a class that is bound: nothing to note."""


class Desk(Furniture):
    @handles(OrderShipped)
    def close(self, event: OrderEvent) -> None:
        self.reopen(event)

    def reopen(self, event: OrderEvent) -> None:
        emitter.emit(OrderPlaced(1, []))  # note: cycle


linker.bind(Desk())


class Forgotten(Subscriber[OrderEvent]):  # note: unbound
    @handles(OrderShipped)
    def forget(self, event: OrderShipped) -> None: ...


@linker.on(Newsletter)
def read(event: Newsletter) -> None:  # fault: unreachable
    ...


@linker.on(OrderReviewed)
def thank(event: OrderReviewed) -> None:  # fault: unreachable
    ...


@linker.on(OrderAudited)
def file(event: OrderAudited) -> None:  # fault: unreachable
    ...


@linker.answer(PriceOf)
def price(request: PriceOf) -> int:
    return 1


@linker.on(StockOf)
def count(request: StockOf) -> None: ...
