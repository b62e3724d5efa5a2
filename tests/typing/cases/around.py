"""A context manager around handlers takes the typed delivery, and makes a context manager, plain or async."""

from collections.abc import AsyncGenerator, Generator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager, nullcontext
from types import TracebackType
from typing import assert_type

from shop import OrderPaid, OrderPlaced, ShopEvent, UserSignedUp

from pyventus_typed import Delivery, Event, Linker, Surrounding

linker = Linker()
shop = Linker[ShopEvent]()


# -- right
@linker.around(OrderPlaced)
@contextmanager
def plain(delivery: Delivery[OrderPlaced]) -> Generator[None, None, None]:
    assert_type(delivery.event, OrderPlaced)
    assert_type(delivery.event.order, int)
    yield


@linker.around(OrderPlaced)
@asynccontextmanager
async def asynchronous(delivery: Delivery[OrderPlaced]) -> AsyncGenerator[None, None]:
    yield


@linker.around(OrderPlaced, OrderPaid)
@contextmanager
def of_two(delivery: Delivery[OrderPlaced | OrderPaid]) -> Generator[None, None, None]:
    assert_type(delivery.event, OrderPlaced | OrderPaid)
    yield


@linker.around(OrderPlaced, OrderPaid)
@contextmanager
def of_their_base(delivery: Delivery[ShopEvent]) -> Generator[None, None, None]:
    yield


@linker.around()
@contextmanager
def of_all(delivery: Delivery[Event]) -> Generator[None, None, None]:
    yield


@linker.around(OrderPaid, replace=True)
@contextmanager
def of_a_reloaded_module(delivery: Delivery[OrderPaid]) -> Generator[None, None, None]:
    assert_type(delivery.event, OrderPaid)
    yield


linker.surround(of_a_reloaded_module, OrderPaid, replace=True)
linker.surround(of_all, replace=True)


@shop.around(OrderPaid)
class Timer:
    def __init__(self, delivery: Delivery[OrderPaid]) -> None: ...

    def __enter__(self) -> None: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


@linker.around(OrderPaid)
def returns_one(delivery: Delivery[OrderPaid]) -> AbstractContextManager[object]:
    return nullcontext()


assert_type(linker.surround(plain, OrderPlaced), Surrounding[OrderPlaced])
assert_type(linker.surround(of_two, OrderPlaced, OrderPaid), Surrounding[OrderPlaced | OrderPaid])
linker.surround(of_all)
linker.surround(of_all, OrderPaid)
linker.surround(asynchronous, OrderPlaced)
linker.surround(lambda delivery: nullcontext(delivery.event.order), OrderPaid)
with linker.surround(of_their_base, OrderPaid, OrderPlaced):
    pass


def undecorated(delivery: Delivery[OrderPaid]) -> Generator[None, None, None]:
    yield


@contextmanager
def of_some_paid(delivery: Delivery[OrderPaid]) -> Generator[None, None, None]:
    yield


# -- wrong
@linker.around(OrderPaid)  # E: it takes deliveries of another event
@contextmanager
def of_another(delivery: Delivery[OrderPlaced]) -> Generator[None, None, None]:
    yield


@linker.around(OrderPlaced, OrderPaid)  # E: one of the two is missing
@contextmanager
def of_one_of_two(delivery: Delivery[OrderPaid]) -> Generator[None, None, None]:
    yield


@linker.around()  # E: around all handlers there are deliveries of all events
@contextmanager
def of_some(delivery: Delivery[OrderPaid]) -> Generator[None, None, None]:
    yield


@linker.around(OrderPaid)  # E: a generator function without @contextmanager
def bare(delivery: Delivery[OrderPaid]) -> Generator[None, None, None]:
    yield


@linker.around(OrderPaid)  # E: an async generator function without @asynccontextmanager
async def bare_async(delivery: Delivery[OrderPaid]) -> AsyncGenerator[None, None]:
    yield


@linker.around(OrderPaid)  # E: an async def makes a coroutine
async def coroutine(delivery: Delivery[OrderPaid]) -> None: ...


@linker.around(OrderPaid)  # E: it takes the event, and not the delivery
@contextmanager
def of_the_event(event: OrderPaid) -> Generator[None, None, None]:
    yield


@linker.around(OrderPaid)  # E: it takes nothing
@contextmanager
def of_nothing() -> Generator[None, None, None]:
    yield


@shop.around(UserSignedUp)  # E: outside of the family
@contextmanager
def of_a_stranger(delivery: Delivery[UserSignedUp]) -> Generator[None, None, None]:
    yield


linker.surround(plain, OrderPaid)  # E: it takes deliveries of another event
linker.surround(plain)  # E: around all handlers there are deliveries of all events
linker.surround(undecorated, OrderPaid)  # E: a generator function
linker.surround(of_some_paid, OrderPlaced, OrderPaid)  # E: one of the two is missing
linker.surround(nullcontext(), OrderPaid)  # E: a context manager, and not what makes one
shop.surround(of_all, UserSignedUp)  # E: outside of the family
shop.surround(of_all, replace="yes")  # E: neither True nor False
linker.around(OrderPaid, replace=1)  # E: as above
