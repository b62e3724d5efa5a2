"""The options of `on` and `subscribe`: filters, callbacks, and the plain ones."""

from typing import assert_type

from shop import OrderPaid, OrderPlaced, ShopEvent, UserSignedUp

from pyventus_typed import Event, Linker, Subscription

linker = Linker()
shop = Linker[ShopEvent]()


def count(event: OrderPlaced) -> int:
    return event.order


async def count_async(event: OrderPlaced) -> int:
    return event.order


def maybe(event: OrderPlaced) -> int | None:
    return None


def nothing(event: OrderPlaced) -> None: ...


def takes_int(result: int) -> None: ...


def takes_float(result: float) -> None: ...


def takes_text(result: str) -> None: ...


def takes_maybe(result: int | None) -> None: ...


async def takes_int_async(result: int) -> None: ...


def large(event: OrderPlaced) -> bool:
    return event.total > 100


def any_large(event: ShopEvent) -> bool:
    return True


def paid(event: OrderPaid) -> bool:
    return True


def failed(event: OrderPlaced, error: Exception) -> None: ...


def failed_base(event: Event, error: BaseException) -> None: ...


async def failed_async(event: OrderPlaced, error: Exception) -> None: ...


def failed_other(event: OrderPaid, error: Exception) -> None: ...


def failed_narrow(event: OrderPlaced, error: ValueError) -> None: ...


def only_the_error(error: Exception) -> None: ...


# Filters
linker.on(OrderPlaced, when=lambda event: event.total > 100)(nothing)
linker.on(OrderPlaced, when=large)(nothing)
linker.on(OrderPlaced, when=any_large)(nothing)
linker.on(OrderPlaced, when=None)(nothing)
linker.on(OrderPlaced, OrderPaid, when=lambda event: event.order > 1)(print)
linker.on(OrderPlaced, OrderPaid, UserSignedUp, when=lambda event: True)(print)
linker.subscribe(OrderPlaced, nothing, when=lambda event: event.total > 100)
linker.subscribe(OrderPlaced, nothing, when=large)
linker.on(
    OrderPlaced, when=lambda event: event.tracking == ""
)  # E[mypy,pyright,basedpyright,pyrefly,ty]: OrderPlaced has no tracking
linker.on(OrderPlaced, when=paid)  # E: a filter of another event
linker.on(OrderPlaced, when=lambda event: "yes")  # E: a filter answers with a bool
linker.on(OrderPlaced, when=lambda: True)  # E: a filter takes the event
linker.on(OrderPlaced, when=lambda event, other: True)  # E: a filter takes nothing but the event
linker.on(OrderPlaced, when=True)  # E: a filter is a function
linker.on(
    OrderPlaced, OrderPaid, when=lambda event: event.total > 1
)  # E[mypy,pyright,basedpyright,pyrefly,ty]: OrderPaid has no total
linker.on(OrderPlaced, OrderPaid, when=large)  # E: a filter for one of two events
linker.on(OrderPlaced, OrderPaid, UserSignedUp, when=any_large)  # E: a filter without the third event
linker.subscribe(OrderPlaced, nothing, when=paid)  # E: a filter of another event
linker.subscribe(
    OrderPlaced, nothing, when=lambda event: event.tracking == ""
)  # E[mypy,pyright,basedpyright,pyrefly,ty]: OrderPlaced has no tracking
linker.subscribe(OrderPlaced, nothing, when=lambda event: "yes")  # E: a filter answers with a bool

# Success callbacks
linker.on(OrderPlaced, on_success=takes_int)(count)
linker.on(OrderPlaced, on_success=takes_int)(count_async)
linker.on(OrderPlaced, on_success=takes_float)(count)
linker.on(OrderPlaced, on_success=takes_maybe)(maybe)
linker.on(OrderPlaced, on_success=takes_maybe)(count)
linker.on(OrderPlaced, on_success=takes_int_async)(count)
linker.on(OrderPlaced, on_success=print)(nothing)
linker.on(OrderPlaced, OrderPaid, on_success=takes_int)(
    lambda event: event.order
)  # FP[pyright,basedpyright]: no parameter type through a decorator
linker.subscribe(OrderPlaced, count, on_success=takes_int)
linker.subscribe(OrderPlaced, count_async, on_success=takes_int)
linker.subscribe(OrderPlaced, count, on_success=takes_float)
linker.subscribe(OrderPlaced, maybe, on_success=takes_maybe)
linker.subscribe(OrderPlaced, nothing, on_success=print)
linker.subscribe(OrderPlaced, count, on_success=lambda result: print(result + 1))
linker.subscribe(OrderPlaced, count_async, on_success=lambda result: print(result + 1))
linker.on(OrderPlaced, on_success=takes_text)(count)  # E: the result is an int
linker.on(OrderPlaced, on_success=takes_text)(count_async)  # E: the awaited result is an int
linker.on(OrderPlaced, on_success=takes_int)(maybe)  # E: the result may be None
linker.on(OrderPlaced, on_success=takes_int)(nothing)  # E: the result is None
linker.on(OrderPlaced, on_success=lambda: None)  # E: a success callback takes the result
linker.on(OrderPlaced, on_success=42)  # E: a callback is a function
linker.on(OrderPlaced, OrderPaid, on_success=takes_text)(
    lambda event: event.order
)  # E[pyright,basedpyright,pyrefly]: the result is an int
linker.on(OrderPlaced, OrderPaid, on_success=takes_int)(count)  # E: with a callback too, both events are accepted
linker.subscribe(OrderPlaced, count, on_success=takes_text)  # E: the result is an int
linker.subscribe(OrderPlaced, count_async, on_success=takes_text)  # E: the awaited result is an int
linker.subscribe(OrderPlaced, maybe, on_success=takes_int)  # E: the result may be None
linker.subscribe(OrderPaid, count, on_success=takes_int)  # E: with a callback too, the handler takes its event
linker.subscribe(OrderPlaced, count, on_success=lambda: None)  # E: a success callback takes the result


@linker.on(OrderPlaced, on_success=lambda result: print(result))  # FP[pyrefly]: the handler comes after the lambda
def any_result(event: OrderPlaced) -> int:
    return 1


@linker.on(
    OrderPlaced, on_success=lambda result: print(result + 1)
)  # FP[pyright,basedpyright,pyrefly]: the handler comes after the lambda
def added_result(event: OrderPlaced) -> int:
    return 1


@linker.on(OrderPlaced, on_success=lambda result: print(result))
def any_result_of_another(event: OrderPaid) -> int:  # E: a lambda as the callback hides no wrong handler
    return 1


linker.on(OrderPlaced, on_success=None)(count)
linker.on(OrderPlaced, OrderPaid, on_success=None)(print)


@linker.on(OrderPlaced, on_success=takes_int)
def returns_int(event: OrderPlaced) -> int:
    return 1


@linker.on(OrderPlaced, on_success=takes_int)
async def returns_int_async(event: OrderPlaced) -> int:
    return 1


@linker.on(OrderPlaced, OrderPaid, UserSignedUp, on_success=takes_int)
def three_return_int(event: Event) -> int:
    return 1


@linker.on(OrderPlaced, OrderPaid, UserSignedUp, OrderPlaced, on_success=takes_int)
def four_return_int(event: Event) -> int:
    return 1


@linker.on(OrderPlaced, on_success=takes_int)
def returns_text(event: OrderPlaced) -> str:  # E: the callback takes an int
    return ""


@linker.on(OrderPlaced, on_success=takes_int)
async def returns_text_async(event: OrderPlaced) -> str:  # E: the callback takes an int
    return ""


@linker.on(OrderPlaced, OrderPaid, UserSignedUp, on_success=takes_int)
def three_return_text(event: Event) -> str:  # E: the callback takes an int
    return ""


@linker.on(OrderPlaced, OrderPaid, UserSignedUp, OrderPlaced, on_success=takes_int)
def four_return_text(event: Event) -> str:  # E: the callback takes an int
    return ""


@linker.on(OrderPlaced, on_success=takes_int)
def with_callback_wrong_event(event: OrderPaid) -> int:  # E: the handler of another event
    return 1


assert_type(returns_int(OrderPlaced(1, 2.0)), int)

# Failure callbacks
linker.on(OrderPlaced, on_failure=failed)(nothing)
linker.on(OrderPlaced, on_failure=failed_base)(nothing)
linker.on(OrderPlaced, on_failure=failed_async)(nothing)
linker.on(OrderPlaced, on_failure=lambda event, error: print(event.total, error.args))(nothing)
linker.on(OrderPlaced, OrderPaid, on_failure=lambda event, error: print(event.order, error))(print)
linker.subscribe(OrderPlaced, nothing, on_failure=failed)
linker.subscribe(OrderPlaced, count, on_success=takes_int, on_failure=failed)
linker.on(OrderPlaced, on_failure=failed_other)  # E: the failure of another event
linker.on(OrderPlaced, on_failure=failed_narrow)  # E: not every error is a ValueError
linker.on(OrderPlaced, on_failure=only_the_error)  # E: a failure callback takes event and error
linker.on(OrderPlaced, on_failure=lambda error: None)  # E: a failure callback takes event and error
linker.on(
    OrderPlaced, on_failure=lambda event, error: event.tracking
)  # E[mypy,pyright,basedpyright,pyrefly,ty]: OrderPlaced has no tracking
linker.on(OrderPlaced, OrderPaid, on_failure=failed)  # E: the failure of only one of two events
linker.on(OrderPlaced, OrderPaid, UserSignedUp, on_failure=failed)  # E: the failure of only one of three events
linker.subscribe(OrderPlaced, nothing, on_failure=failed_other)  # E: the failure of another event
linker.subscribe(OrderPlaced, nothing, on_failure=only_the_error)  # E: a failure callback takes event and error
linker.subscribe(OrderPlaced, count, on_success=takes_int, on_failure=failed_other)  # E: the failure of another event

# The plain ones
linker.on(OrderPlaced, once=True, priority=-1, timeout=2.5, in_thread=True)(nothing)
linker.on(OrderPlaced, OrderPaid, once=True, priority=1, timeout=2, in_thread=False)(print)
linker.subscribe(OrderPlaced, nothing, once=True, priority=10, timeout=None, in_thread=True)
assert_type(linker.subscribe(OrderPlaced, count, on_success=takes_int, priority=3), Subscription[OrderPlaced])
linker.on(OrderPlaced, once="yes")  # E: once is a bool
linker.on(OrderPlaced, priority="high")  # E: a priority is an int
linker.on(OrderPlaced, priority=1.5)  # E: a priority is an int
linker.on(OrderPlaced, timeout="2s")  # E: a timeout is in seconds
linker.on(OrderPlaced, in_thread=3)  # E: in_thread is a bool
linker.on(OrderPlaced, replace=True)(nothing)
linker.subscribe(OrderPlaced, nothing, replace=True)
linker.on(OrderPlaced, replace=3)  # E: replace is a bool
linker.subscribe(OrderPlaced, nothing, replace="yes")  # E: replace is a bool
linker.on(OrderPlaced, prioriy=3)  # E: a misspelled option
linker.on(OrderPlaced, True)  # E: options are keywords
linker.on(OrderPlaced, OrderPaid, priority="high")  # E: a priority is an int, with two events as well
linker.subscribe(OrderPlaced, nothing, once="yes")  # E: once is a bool
linker.subscribe(OrderPlaced, nothing, priority="high")  # E: a priority is an int
linker.subscribe(OrderPlaced, nothing, timeout="2s")  # E: a timeout is in seconds
linker.subscribe(OrderPlaced, nothing, prioriy=3)  # E: a misspelled option
linker.subscribe(OrderPlaced, nothing, 3)  # E: options are keywords
