from pyventus_typed import Emitter, Event, Linker
from sound.events import Family, Paid, Placed, PriceOf, Shipped

orders = Linker[Family]()
mail = Linker[Family]()
emitter = Emitter(orders)


@orders.on(Placed)
async def pay(event: Placed) -> None:
    await emitter.ask(PriceOf(event.lines[0]))
    emitter.emit(Paid(event.order))


@orders.on(Paid)
def ship(event: Event) -> None:
    emitter.emit(Shipped(1))


@orders.answer(PriceOf)
def price(request: PriceOf) -> int:
    return len(request.line)


@mail.on(Shipped)
def tell(event: Paid | Shipped) -> None: ...
