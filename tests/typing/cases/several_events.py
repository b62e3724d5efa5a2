"""A handler for two, three and more events accepts every one of them."""

from typing import assert_type

from shop import ExpressShipped, OrderPaid, OrderPlaced, OrderShipped, ShopEvent, UserSignedUp

from pyventus_typed import Event, Linker

linker = Linker()
shop = Linker[ShopEvent]()


@linker.on(OrderPlaced, OrderPaid)
def two(event: OrderPlaced | OrderPaid) -> int:
    return event.order


@linker.on(OrderPlaced, OrderPaid)
async def two_async(event: OrderPlaced | OrderPaid) -> int:
    return event.order


@linker.on(OrderPlaced, OrderPaid)
def two_by_their_base(event: ShopEvent) -> None: ...


@linker.on(OrderPlaced, OrderPaid)
def two_of_three(event: OrderPlaced | OrderPaid | OrderShipped) -> None: ...


@linker.on(OrderPlaced, OrderPaid, UserSignedUp)
def three(event: OrderPlaced | OrderPaid | UserSignedUp) -> None:
    if isinstance(event, UserSignedUp):
        assert_type(event.name, str)
    else:
        assert_type(event.order, int)


@linker.on(OrderPlaced, OrderPaid, UserSignedUp)
async def three_async(event: Event) -> None: ...


@linker.on(OrderPlaced, OrderPaid, OrderShipped, UserSignedUp)
def four(event: OrderPlaced | OrderPaid | OrderShipped | UserSignedUp) -> None: ...


@linker.on(OrderPlaced, OrderPaid, OrderShipped, ExpressShipped, UserSignedUp)
def five(event: ShopEvent | UserSignedUp) -> None: ...


@linker.on(OrderPlaced, OrderPaid, OrderShipped, ExpressShipped, UserSignedUp, ShopEvent)
def six(event: Event) -> None: ...


@linker.on(OrderPlaced, OrderPaid, OrderShipped, ExpressShipped, UserSignedUp, OrderPlaced, OrderPaid)
def seven(event: ShopEvent | UserSignedUp) -> None: ...


@linker.on(OrderPlaced, OrderPaid, OrderShipped, ExpressShipped, UserSignedUp, OrderPlaced, OrderPaid, OrderShipped)
def eight(event: ShopEvent | UserSignedUp) -> None: ...


@linker.on(
    OrderPlaced, OrderPaid, OrderShipped, ExpressShipped, OrderPlaced, OrderPaid, OrderShipped, ShopEvent, UserSignedUp
)
def nine(event: ShopEvent | UserSignedUp) -> None: ...


@shop.on(
    OrderShipped,
    OrderShipped,
    OrderShipped,
    OrderShipped,
    OrderShipped,
    OrderShipped,
    OrderShipped,
    OrderShipped,
    OrderPlaced,
    OrderPaid,
)
def ten_by_their_base(event: ShopEvent) -> None: ...


@shop.on(
    OrderShipped,
    OrderShipped,
    OrderShipped,
    OrderShipped,
    OrderShipped,
    OrderShipped,
    OrderShipped,
    OrderShipped,
    OrderPlaced,
    OrderPaid,
)
def ten_by_their_union(
    event: OrderShipped | OrderPlaced | OrderPaid,
) -> None: ...  # FP[mypy]: of the ninth and tenth it makes their base


@shop.on(OrderPlaced, OrderPaid, OrderShipped)
def three_of_the_family(event: ShopEvent) -> None: ...


@linker.on(OrderPlaced, OrderPaid)
def only_the_first(event: OrderPlaced) -> None: ...  # E: OrderPaid is not accepted


@linker.on(OrderPlaced, OrderPaid)
def only_the_second(event: OrderPaid) -> None: ...  # E: OrderPlaced is not accepted


@linker.on(OrderPlaced, OrderPaid)
async def only_the_first_async(event: OrderPlaced) -> None: ...  # E: OrderPaid is not accepted


@linker.on(OrderPlaced, OrderPaid)
def two_arguments(placed: OrderPlaced, paid: OrderPaid) -> None: ...  # E: one event at a time


@linker.on(OrderPlaced, UserSignedUp)
def only_the_family(event: ShopEvent) -> None: ...  # E: UserSignedUp is not of the shop


@linker.on(OrderPlaced, OrderPaid, UserSignedUp)
def two_of_the_three(event: OrderPlaced | OrderPaid) -> None: ...  # E: UserSignedUp is not accepted


@linker.on(OrderPlaced, OrderPaid, UserSignedUp)
async def without_the_first(event: OrderPaid | UserSignedUp) -> None: ...  # E: OrderPlaced is not accepted


@linker.on(OrderPlaced, OrderPaid, UserSignedUp)
def without_the_second(event: OrderPlaced | UserSignedUp) -> None: ...  # E: OrderPaid is not accepted


@linker.on(OrderPlaced, OrderPaid, OrderShipped, UserSignedUp)
def three_of_the_four(event: OrderPlaced | OrderPaid | OrderShipped) -> None: ...  # E: UserSignedUp is not accepted


@linker.on(OrderPlaced, OrderPaid, OrderShipped, UserSignedUp)
def four_without_the_first(event: OrderPaid | OrderShipped | UserSignedUp) -> None: ...  # E: OrderPlaced is missing


@linker.on(OrderPlaced, OrderPaid, OrderShipped, ExpressShipped, UserSignedUp)
def four_of_the_five(event: ShopEvent) -> None: ...  # E: the last one is not of the shop


@linker.on(UserSignedUp, OrderPlaced, OrderPaid, OrderShipped, ExpressShipped)
def five_without_the_first(event: ShopEvent) -> None: ...  # E: the first one is not of the shop


@linker.on(OrderPlaced, OrderPaid, OrderShipped, ExpressShipped, OrderPaid, UserSignedUp)
def five_of_the_six(event: ShopEvent) -> None: ...  # E: the last one is not of the shop


@linker.on(OrderPlaced, OrderPaid, OrderShipped, ExpressShipped, OrderPaid, OrderPlaced, UserSignedUp)
def six_of_the_seven(event: ShopEvent) -> None: ...  # E: the last one is not of the shop


@linker.on(OrderPlaced, OrderPaid, OrderShipped, ExpressShipped, OrderPaid, OrderPlaced, OrderShipped, UserSignedUp)
def seven_of_the_eight(event: ShopEvent) -> None: ...  # E: the last one is not of the shop


@linker.on(UserSignedUp, OrderPaid, OrderShipped, ExpressShipped, OrderPaid, OrderPlaced, OrderShipped, ShopEvent)
def eight_without_the_first(event: ShopEvent) -> None: ...  # E: the first one is not of the shop


@linker.on(OrderPaid, OrderShipped, OrderPaid, OrderPaid, OrderPlaced, OrderShipped, ShopEvent, OrderPaid, UserSignedUp)
def eight_of_the_nine(event: ShopEvent) -> None: ...  # E: the last one is not of the shop


@linker.on(
    OrderPaid,
    OrderShipped,
    OrderPaid,
    OrderPaid,
    OrderPlaced,
    OrderShipped,
    ShopEvent,
    OrderPaid,
    OrderPaid,
    UserSignedUp,
)
def nine_of_the_ten(event: ShopEvent) -> None: ...  # E: the last one is not of the shop


@linker.on(
    UserSignedUp,
    OrderShipped,
    OrderPaid,
    OrderPaid,
    OrderPlaced,
    OrderShipped,
    ShopEvent,
    OrderPaid,
    OrderPaid,
    OrderPaid,
)
def ten_without_the_first(event: ShopEvent) -> None: ...  # E: the first one is not of the shop


linker.on(OrderPlaced, OrderPaid)(two)
linker.on(OrderPlaced)(two)
linker.on(OrderPlaced, OrderPaid, OrderShipped)(two)  # E: two does not take OrderShipped
linker.on(OrderPlaced, 42)  # E: the second one is no event type
linker.on(OrderPlaced, int)  # E: the second one is no event
linker.on(OrderPlaced, OrderPaid(1))  # E: the second one is an instance
linker.on(OrderPlaced, OrderPaid, "OrderShipped")  # E: the third one is a name
linker.on(OrderPlaced, OrderPaid, OrderShipped, int)  # E: the fourth one is no event
shop.on(OrderPlaced, UserSignedUp)  # E: the second one is outside of the family
shop.on(UserSignedUp, OrderPlaced)  # E: the first one is outside of the family
shop.on(OrderPlaced, OrderPaid, UserSignedUp)  # E: the third one is outside of the family
shop.on(OrderPlaced, UserSignedUp, OrderPaid)  # E: the second of three is outside of the family
shop.on(OrderPlaced, OrderPaid, OrderShipped, UserSignedUp)  # E: the fourth one is outside of the family
shop.on(OrderPlaced, OrderPaid, OrderPlaced, OrderPaid, UserSignedUp)  # E: the fifth one is outside
shop.on(OrderPlaced, OrderPaid, OrderPlaced, OrderPaid, OrderPlaced, UserSignedUp)  # E: the sixth one is outside
shop.on(
    OrderPlaced, OrderPaid, OrderPlaced, OrderPaid, OrderPlaced, OrderPaid, UserSignedUp
)  # E: the seventh is outside
shop.on(
    OrderPlaced, OrderPaid, OrderPlaced, OrderPaid, OrderPlaced, OrderPaid, OrderPaid, UserSignedUp
)  # E: the eighth
shop.on(
    OrderPlaced, OrderPaid, OrderPlaced, OrderPaid, OrderPlaced, OrderPaid, OrderPaid, OrderPaid, UserSignedUp
)  # E: the ninth
shop.on(
    OrderPlaced,
    OrderPaid,
    OrderPlaced,
    OrderPaid,
    OrderPlaced,
    OrderPaid,
    OrderPaid,
    OrderPaid,
    OrderPaid,
    UserSignedUp,
)  # E: the tenth
linker.on(
    OrderPlaced, OrderPaid, OrderPlaced, OrderPaid, OrderPlaced, OrderPaid, OrderPaid, OrderPaid, OrderPaid, int
)  # E: the tenth is no event

assert_type(two(OrderPaid(1)), int)
two(UserSignedUp("ann"))  # E: called directly, it wants one of its events
