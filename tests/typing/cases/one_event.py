"""A handler for one event: what it must accept, what it may return, and what becomes of the function."""

from typing import assert_type

from shop import ExpressShipped, OrderPaid, OrderPlaced, OrderShipped, ShopEvent, UserSignedUp

from pyventus_typed import Event, Linker, On

linker = Linker()


@linker.on(OrderPlaced)
def exact(event: OrderPlaced) -> None: ...


@linker.on(OrderPlaced)
async def exact_async(event: OrderPlaced) -> None: ...


@linker.on(OrderPlaced)
def of_the_family(event: ShopEvent) -> None: ...


@linker.on(OrderPlaced)
def of_any_event(event: Event) -> None: ...


@linker.on(OrderPlaced)
def of_any_object(event: object) -> None: ...


@linker.on(OrderPlaced)
def of_a_union(event: OrderPlaced | OrderPaid) -> int:
    return event.order


@linker.on(OrderPlaced)
def with_a_default(event: OrderPlaced, retries: int = 3) -> bool:
    return retries > 0


@linker.on(OrderPlaced)
def with_keyword_default(event: OrderPlaced, *, loud: bool = False) -> None: ...


@linker.on(OrderPlaced)
def with_any_arguments(*arguments: object, **options: object) -> None: ...


@linker.on(OrderPlaced)
def optional_event(event: OrderPlaced | None = None) -> None: ...


@linker.on(OrderPlaced)
def positional_only(event: OrderPlaced, /) -> str:
    return ""


@linker.on(OrderShipped)
def takes_the_base(event: OrderShipped) -> None: ...


@linker.on(ExpressShipped)
def subclass_to_base(event: OrderShipped) -> None: ...


@linker.on(OrderPlaced)
def other_event(event: OrderPaid) -> None: ...  # E: a sync handler of another event


@linker.on(OrderPlaced)
async def other_event_async(event: OrderPaid) -> None: ...  # E: an async handler of another event


@linker.on(OrderPlaced)
def other_family(event: UserSignedUp) -> None: ...  # E: a handler of an event of another family


@linker.on(OrderShipped)
def only_the_subclass(event: ExpressShipped) -> None: ...  # E: not every OrderShipped is express


@linker.on(OrderPlaced)
def no_argument() -> None: ...  # E: a handler takes the event


@linker.on(OrderPlaced)
async def no_argument_async() -> None: ...  # E: an async handler takes the event


@linker.on(OrderPlaced)
def two_arguments(event: OrderPlaced, database: object) -> None: ...  # E: nobody passes a second argument


@linker.on(OrderPlaced)
def keyword_argument_needed(event: OrderPlaced, *, database: object) -> None: ...  # E: nobody passes a keyword


@linker.on(OrderPlaced)
def keyword_only_event(*, event: OrderPlaced) -> None: ...  # E: the event is passed by position


@linker.on(OrderPlaced)
def takes_a_field(order: int) -> None: ...  # E: the handler gets the event, not its fields


@linker.on(OrderPlaced)
def takes_all_fields(order: int, total: float) -> None: ...  # E: fields are not unpacked


@linker.on(OrderPlaced)
def takes_the_class(event: type[OrderPlaced]) -> None: ...  # E: the event, not its class


@linker.on(OrderPlaced)
def takes_a_list(events: list[OrderPlaced]) -> None: ...  # E: one event, not several


@linker.on(OrderPlaced)
def a_union_without_it(event: OrderPaid | UserSignedUp) -> None: ...  # E: the event is not in the union


@linker.on(OrderPlaced)
def numbers_only(*numbers: int) -> None: ...  # E: an event is no int


@linker.on(OrderPlaced)
def nothing_positional(**options: object) -> None: ...  # E: the event is passed by position


@linker.on(OrderPlaced)
class NotAFunction:  # GAP: a class is callable; it is refused when it is subscribed
    def __init__(self, event: OrderPlaced) -> None: ...


linker.on(OrderPlaced)(print)
linker.on(OrderPlaced)(None)  # E: not callable
linker.on(OrderPlaced)("exact")  # E: a name is not a function
linker.on(OrderPlaced)(42)  # E: not callable
linker.on(OrderPlaced)(OrderPlaced(1, 2.0))  # E: an event is not callable
linker.on(OrderPlaced)()  # E: nothing to subscribe
linker.on()  # E: on() needs an event type
linker.on(42)  # E: a number is no event type
linker.on("OrderPlaced")  # E: a name is no event type
linker.on(OrderPlaced(1, 2.0))  # E: an instance where the class is meant
linker.on(int)  # E: a class that is no event
linker.on(object)  # E: not every object is an event
linker.on(Exception)  # E: an exception is no event
linker.on(None)  # E: None is no event type
linker.on([OrderPlaced, OrderPaid])  # E: event types are arguments, not a list


def urgent() -> On[OrderPaid, object]:
    return linker.on(OrderPaid, priority=100)


def urgent_wrong() -> On[OrderPaid, object]:
    return linker.on(OrderPlaced, priority=100)  # E: a decorator for handlers of another event


@urgent()
def with_the_name_of_the_decorator(event: OrderPaid) -> int:
    return 1


@urgent()
def with_the_name_of_the_decorator_wrong(event: OrderPlaced) -> int:  # E: the handler of another event
    return 1


assert_type(with_the_name_of_the_decorator(OrderPaid(1)), int)
linker.on(
    OrderPlaced | OrderPaid
)  # E[mypy,ty,zuban]: several event types are several arguments; to the others it is one class out of two
linker.on(event=OrderPlaced)  # E: event types are passed by position

# The decorator gives the function back as it was, so that it can be called and tested.
exact(OrderPlaced(1, 2.0))
exact(event=OrderPlaced(1, 2.0))
assert_type(of_a_union(OrderPaid(1)), int)
assert_type(with_a_default(OrderPlaced(1, 2.0)), bool)
assert_type(with_a_default(OrderPlaced(1, 2.0), retries=5), bool)
assert_type(
    positional_only(OrderPlaced(1, 2.0)), str
)  # FP[mypy]: it keeps a positional-only handler callable, but loses its result
with_keyword_default(OrderPlaced(1, 2.0), loud=True)

exact(OrderPaid(1))  # E: called directly, it still wants its event
exact()  # E: called directly, it still wants an argument
exact(OrderPlaced(1, 2.0), 3)  # E: called directly, it takes one argument
with_a_default(OrderPlaced(1, 2.0), retries="5")  # E: its other parameters keep their types
with_keyword_default(OrderPlaced(1, 2.0), True)  # E: keyword-only stays keyword-only
positional_only(event=OrderPlaced(1, 2.0))  # E: positional-only stays positional-only
text: str = of_a_union(OrderPaid(1))  # E: the result keeps its type


async def call_them() -> None:
    await exact_async(OrderPlaced(1, 2.0))
    exact_async(
        OrderPlaced(1, 2.0)
    )  # E[mypy,pyright,basedpyright,pyrefly,ty]: the handler is still a coroutine function: somebody must await it
    await exact(OrderPlaced(1, 2.0))  # E: a sync handler has nothing to await
