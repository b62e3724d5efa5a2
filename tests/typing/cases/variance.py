"""Which way every public generic may be widened or narrowed."""

from shop import ExpressShipped, OrderPaid, OrderShipped, PriceOf, ShopEvent, StockOf

from pyventus_typed import Delivery, Emission, Emitter, Event, Linker, PerKey, Request, Routes, Subscriber, Subscription


def linkers(shop: Linker[ShopEvent], shipped: Linker[OrderShipped], everything: Linker) -> None:
    a: Linker[OrderShipped] = shop
    b: Linker[ExpressShipped] = shipped
    c: Linker[OrderPaid | OrderShipped] = shop
    d: Linker[ShopEvent] = everything
    e: Linker[ShopEvent] = shipped  # E: it does not take the whole family
    f: Linker = shop  # E: it does not take everything
    g: Linker[OrderPaid] = shipped  # E: it takes something else
    print(a, b, c, d, e, f, g)


def emitters(shop: Emitter[ShopEvent], shipped: Emitter[OrderShipped], everything: Emitter) -> None:
    a: Emitter[OrderShipped] = shop
    b: Emitter[ExpressShipped] = shipped
    c: Emitter[ShopEvent] = everything
    d: Emitter[ShopEvent] = shipped  # E: it does not take the whole family
    e: Emitter = shop  # E: it does not take everything
    f: Emitter[OrderPaid] = shipped  # E: it takes something else
    print(a, b, c, d, e, f)


def emissions(shop: Emission[ShopEvent], shipped: Emission[OrderShipped]) -> None:
    a: Emission[ShopEvent] = shipped
    b: Emission[Event] = shop
    c: Emission[object] = shop
    d: Emission[OrderShipped] = shop  # E: a base is not its subclass
    e: Emission[OrderPaid] = shipped  # E: of another event
    print(a, b, c, d, e)


def deliveries(shop: Delivery[ShopEvent], shipped: Delivery[OrderShipped]) -> None:
    a: Delivery[ShopEvent] = shipped
    b: Delivery[Event] = shop
    c: Delivery[OrderShipped] = shop  # E: a base is not its subclass
    print(a, b, c)


def subscriptions(shop: Subscription[ShopEvent], shipped: Subscription[OrderShipped]) -> None:
    a: Subscription[ShopEvent] = shipped
    b: Subscription[Event] = shop
    c: Subscription[OrderShipped] = shop  # E: a base is not its subclass
    print(a, b, c)


def routes(shop: Routes[ShopEvent], shipped: Routes[OrderShipped]) -> None:
    a: Routes[OrderShipped] = shop
    b: Routes[ExpressShipped] = shipped
    c: Routes[ShopEvent] = shipped  # E: the rest of the family has no handler
    print(a, b, c)


def subscribers(shop: Subscriber[ShopEvent], shipped: Subscriber[OrderShipped]) -> None:
    a: Subscriber[ShopEvent] = shipped
    b: Subscriber[Event] = shop
    c: Subscriber[OrderShipped] = shop  # E: it may handle more
    print(a, b, c)


def requests(price: PriceOf, stock: StockOf) -> None:
    a: Request[float] = price
    b: Request[float] = stock
    c: Request[object] = price
    d: Request[int] = price  # E: a float is no int
    e: Request[str] = stock  # E: an int is no str
    print(a, b, c, d, e)


def orderings(shop: PerKey[ShopEvent], shipped: PerKey[OrderShipped]) -> None:
    a: PerKey[OrderShipped] = shop
    b: PerKey[ShopEvent] = shipped  # E: its key function does not take the whole family
    print(a, b)
