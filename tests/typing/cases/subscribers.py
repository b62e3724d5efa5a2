"""`Subscriber` classes: methods that are handlers, bound to a linker together."""

from collections.abc import Awaitable
from typing import Any, assert_type

from shop import ExpressShipped, OrderPaid, OrderPlaced, OrderShipped, PriceOf, ShopEvent, StockOf, UserSignedUp

from pyventus_typed import Event, Linker, Request, Subscriber, Subscription, answers, handles

linker = Linker()
shop = Linker[ShopEvent]()
payments = Linker[OrderPlaced | OrderPaid]()


def large(event: OrderPlaced) -> bool:
    return True


class Warehouse(Subscriber[OrderPlaced | OrderPaid]):
    def __init__(self, name: str) -> None:
        self.name = name

    @handles(OrderPlaced)
    def reserve(self, event: OrderPlaced) -> int:
        return event.order

    @handles(OrderPaid)
    async def ship(self, event: OrderPaid) -> None: ...

    @handles(OrderPlaced, OrderPaid)
    def both(self, event: OrderPlaced | OrderPaid) -> None: ...

    @handles(OrderPlaced, OrderPaid)
    def by_the_base(self, event: ShopEvent) -> None: ...

    @handles(OrderPlaced, when=lambda event: event.total > 100, priority=3, timeout=2.5)
    async def large_only(self, event: OrderPlaced) -> None: ...

    @handles(OrderPlaced, when=large, in_thread=True)
    def in_a_thread(self, event: OrderPlaced) -> None: ...

    @handles(OrderPlaced)
    def with_default(self, event: OrderPlaced, retries: int = 3) -> None: ...

    @handles(OrderPlaced)
    def other_event(self, event: OrderPaid) -> None: ...  # E: the handler of another event

    @handles(OrderPaid)
    async def other_event_async(self, event: OrderPlaced) -> None: ...  # E: the async handler of another event

    @handles(OrderPlaced, OrderPaid)
    def only_one_of_two(self, event: OrderPlaced) -> None: ...  # E: OrderPaid is not accepted

    @handles(OrderPlaced)
    def no_event(self) -> None: ...  # E: a handler takes the event

    @handles(OrderPlaced)
    def two_events(self, event: OrderPlaced, other: OrderPaid) -> None: ...  # E: one event at a time

    @handles(OrderPlaced)
    def keyword_only(self, *, event: OrderPlaced) -> None: ...  # E: the event is passed by position

    @handles(OrderPlaced)
    def a_field(self, order: int) -> None: ...  # E: the event, not its fields

    @handles(
        OrderPlaced, when=lambda event: event.tracking == ""
    )  # E[mypy,pyright,basedpyright,pyrefly,ty]: OrderPlaced has no tracking
    def wrong_filter(self, event: OrderPlaced) -> None: ...

    @handles(OrderPaid, when=large)  # E: a filter of another event
    def filter_of_another(self, event: OrderPaid) -> None: ...

    @handles(OrderPlaced, priority="high")  # E: a priority is an int
    def wrong_priority(self, event: OrderPlaced) -> None: ...

    @handles(OrderPlaced, once=True)  # E: there is no such option
    def wrong_option(self, event: OrderPlaced) -> None: ...


class Audit(Subscriber[Event]):
    @handles(Event)
    def everything(self, event: Event) -> None: ...

    @handles(OrderPlaced, OrderPaid, UserSignedUp)
    def three(self, event: OrderPlaced | OrderPaid | UserSignedUp) -> None: ...

    @handles(OrderPlaced, OrderPaid, OrderShipped, UserSignedUp)
    def four(self, event: Event) -> None: ...

    @handles(OrderPlaced, OrderPaid, OrderShipped, ExpressShipped, UserSignedUp)
    def five(self, event: ShopEvent | UserSignedUp) -> None: ...

    @handles(OrderPlaced, OrderPaid, OrderShipped, ExpressShipped, UserSignedUp, OrderPaid)
    def six(self, event: ShopEvent | UserSignedUp) -> None: ...

    @handles(OrderPlaced, OrderPaid, OrderShipped, ExpressShipped, UserSignedUp, OrderPaid, OrderPlaced)
    def seven(self, event: ShopEvent | UserSignedUp) -> None: ...

    @handles(OrderPlaced, OrderPaid, OrderShipped, ExpressShipped, UserSignedUp, OrderPaid, OrderPlaced, OrderShipped)
    def eight(self, event: ShopEvent | UserSignedUp) -> None: ...

    @handles(OrderPlaced, OrderPaid, UserSignedUp)
    def two_of_three(self, event: OrderPlaced | OrderPaid) -> None: ...  # E: UserSignedUp is not accepted

    @handles(OrderPlaced, OrderPaid, OrderShipped, UserSignedUp)
    def three_of_four(self, event: ShopEvent) -> None: ...  # E: UserSignedUp is not accepted

    @handles(OrderPlaced, OrderPaid, OrderShipped, ExpressShipped, UserSignedUp)
    def four_of_five(self, event: ShopEvent) -> None: ...  # E: UserSignedUp is not accepted

    @handles(OrderPlaced, OrderPaid, OrderShipped, ExpressShipped, OrderPaid, UserSignedUp)
    def five_of_six(self, event: ShopEvent) -> None: ...  # E: UserSignedUp is not accepted

    @handles(OrderPlaced, OrderPaid, OrderShipped, ExpressShipped, OrderPaid, OrderPlaced, UserSignedUp)
    def six_of_seven(self, event: ShopEvent) -> None: ...  # E: UserSignedUp is not accepted

    @handles(OrderPlaced, OrderPaid, OrderShipped, ExpressShipped, OrderPaid, OrderPlaced, OrderShipped, UserSignedUp)
    def seven_of_eight(self, event: ShopEvent) -> None: ...  # E: UserSignedUp is not accepted


class Foreign(Subscriber[OrderPlaced]):
    @handles(OrderPaid)
    def of_another(self, event: OrderPaid) -> None: ...  # GAP: outside of its family; refused when the class is defined


handles()  # E: an event type is missing
handles(int)  # E: a class that is no event
handles(OrderPlaced(1, 2.0))  # E: an instance where the class is meant
handles(OrderPlaced, 42)  # E: the second one is no event type
handles("OrderPlaced")  # E: a name is no event type


warehouse = Warehouse("north")
audit = Audit()
assert_type(linker.bind(warehouse), tuple[Subscription[Any], ...])
payments.bind(warehouse, replace=True)
shop.bind(warehouse)
linker.bind(audit)
assert_type(warehouse.reserve(OrderPlaced(1, 2.0)), int)
audit.everything(OrderPaid(1))

payments.bind(audit)  # E: the audit handles more than this linker carries
shop.bind(audit)  # E: the audit handles more than this linker carries
linker.bind(Warehouse)  # E: the class where an instance is meant
linker.bind(warehouse, replace=3)  # E: replace is a bool
linker.bind(42)  # E: a number is no subscriber
linker.bind(warehouse, audit)  # E: one subscriber at a time
linker.bind(warehouse.reserve)  # E: a method is not a subscriber
warehouse.reserve(OrderPaid(1))  # E: called directly, it still wants its event
warehouse.reserve()  # E: called directly, it still wants an argument
text: str = warehouse.reserve(OrderPlaced(1, 2.0))  # E: the result keeps its type


class Prices(Subscriber[PriceOf | StockOf]):
    @answers(PriceOf)
    def price(self, request: PriceOf) -> float:
        return 9.5

    @answers(PriceOf)
    async def price_async(self, request: PriceOf) -> float:
        return 9.5

    @answers(PriceOf)
    def price_as_int(self, request: PriceOf) -> int:
        return 9

    @answers(PriceOf)
    def price_later(self, request: PriceOf) -> Awaitable[float]:
        return self.price_async(request)

    @answers(PriceOf, timeout=3, in_thread=True)
    def price_in_thread(self, request: PriceOf) -> float:
        return 9.5

    @answers(PriceOf)
    def price_of_any_request(self, request: Request[float]) -> float:
        return 9.5

    @answers(PriceOf)
    def price_with_default(self, request: PriceOf, currency: str = "EUR") -> float:
        return 9.5

    @handles(PriceOf)
    def hears_of_it(self, request: PriceOf) -> None: ...

    @answers(PriceOf)
    def wrong_answer(self, request: PriceOf) -> str:  # E: the answer is a float
        return ""

    @answers(PriceOf)
    async def wrong_answer_async(self, request: PriceOf) -> str:  # E: the answer is a float
        return ""

    @answers(PriceOf)
    def no_answer(self, request: PriceOf) -> None: ...  # E: the answer is a float

    @answers(PriceOf)
    def other_request(self, request: StockOf) -> float:  # E: the method of another request
        return 9.5

    @answers(PriceOf)
    def no_request(self) -> float:  # E: it takes the request
        return 9.5

    @answers(PriceOf)
    def keyword_only(self, *, request: PriceOf) -> float:  # E: the request is passed by position
        return 9.5

    @answers(PriceOf, priority=1)  # E: there is one answer, so it has no priority
    def wrong_option(self, request: PriceOf) -> float:
        return 9.5


answers()  # E: the request is missing
answers(OrderPlaced)  # E: an event that is no request
answers(PriceOf, StockOf)  # E: one request at a time
answers(int)  # E: a class that is no event


prices = Prices()
assert_type(linker.bind(prices), tuple[Subscription[Any], ...])
assert_type(prices.price(PriceOf("tea")), float)
assert_type(prices.price_as_int(PriceOf("tea")), int)
prices.price_with_default(PriceOf("tea"), "USD")
shop.bind(prices)  # E: the prices answer more than this linker carries
prices.price(StockOf("tea"))  # E: called directly, it still wants its request


class NoEvents(Subscriber[int]):  # GAP: the type argument is not bounded; refused when it is bound
    pass


async def call() -> None:
    await warehouse.ship(OrderPaid(1))
    await warehouse.ship(OrderPlaced(1, 2.0))  # E: called directly, it still wants its event
    warehouse.ship(OrderPaid(1))  # E[mypy,pyright,basedpyright,pyrefly,ty]: nobody awaits it
