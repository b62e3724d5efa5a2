"""Requests: `answer` wants the right result, `ask` gives it."""

from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any, assert_type

from shop import OrderPaid, OrderPlaced, PriceOf, ShopEvent, StockOf

from pyventus_typed import Emitter, Event, Linker, Request

linker = Linker()
emitter = Emitter(linker)


@dataclass(frozen=True)
class FindOrder(Request[OrderPlaced | None]):
    order: int


@dataclass(frozen=True)
class FindSpecial(FindOrder):
    reason: str


@dataclass(frozen=True)
class NameOf(ShopEvent, Request[str]):
    """A request that belongs to the family of the shop."""

    order: int


@dataclass(frozen=True)
class Delete(Request[None]):
    order: int


@dataclass
class MutableRequest(Request[int]):  # E: a request is frozen, like any event
    order: int


shop = Linker[ShopEvent]()
shop_emitter = Emitter(shop)


@linker.answer(PriceOf)
def price(request: PriceOf) -> float:
    return 9.5


@linker.answer(PriceOf)
async def price_async(request: PriceOf) -> float:
    return 9.5


@linker.answer(PriceOf)
def price_as_int(request: PriceOf) -> int:
    return 9


@linker.answer(PriceOf, timeout=3, in_thread=True, replace=True)
def price_in_thread(request: PriceOf) -> float:
    return 9.5


@linker.answer(PriceOf)
def price_of_any_request(request: Request[float]) -> float:
    return 9.5


@linker.answer(FindOrder)
def find(request: FindOrder) -> OrderPlaced | None:
    return None


@linker.answer(FindOrder)
def find_always(request: FindOrder) -> OrderPlaced:
    return OrderPlaced(1, 2.0)


@linker.answer(FindSpecial)
def find_special(request: FindOrder) -> OrderPlaced | None:
    return None


@linker.answer(Delete)
def delete(request: Delete) -> None: ...


@shop.answer(NameOf)
def name(request: NameOf) -> str:
    return "tea"


@linker.on(PriceOf)
def told_of_a_request(event: PriceOf) -> None: ...


@linker.answer(PriceOf)
def price_as_text(request: PriceOf) -> str:  # E: the answer is a float
    return "9.5"


@linker.answer(PriceOf)
async def price_as_text_async(request: PriceOf) -> str:  # E: the answer is a float, async as well
    return "9.5"


@linker.answer(PriceOf)
def price_or_nothing(request: PriceOf) -> float | None:  # E: None is no float
    return None


@linker.answer(PriceOf)
def no_answer(request: PriceOf) -> None: ...  # E: an answer is wanted


@linker.answer(PriceOf)
async def no_answer_async(request: PriceOf) -> None: ...  # E: an answer is wanted


@linker.answer(PriceOf)
def answers_another(request: StockOf) -> float:  # E: the handler of another request
    return 9.5


@linker.answer(PriceOf)
async def answers_another_async(request: StockOf) -> float:  # E: the handler of another request
    return 9.5


@linker.answer(PriceOf)
def no_request() -> float:  # E: the handler takes the request
    return 9.5


@linker.answer(PriceOf)
def two_requests(first: PriceOf, second: PriceOf) -> float:  # E: one request at a time
    return 9.5


@linker.answer(FindOrder)
def finds_the_wrong_thing(request: FindOrder) -> OrderPaid | None:  # E: the answer is an OrderPlaced
    return None


@linker.answer(FindOrder)
def only_the_special(request: FindSpecial) -> OrderPlaced | None:  # E: not every FindOrder is special
    return None


@shop.answer(NameOf)
def number_for_a_name(request: NameOf) -> int:  # E: the answer is a str
    return 1


@shop.answer(PriceOf)  # E: a request outside of the family
def outside(request: PriceOf) -> float:
    return 9.5


linker.answer(OrderPlaced)  # E: an event has no answer
linker.answer(Event)  # E: an event has no answer
linker.answer(int)  # E: no event at all
linker.answer(PriceOf("tea"))  # E: an instance where the class is meant
linker.answer(PriceOf, StockOf)  # E: one request for a handler
linker.answer(PriceOf, once=True)  # E: an answer is not for once
linker.answer(PriceOf, timeout="3")  # E: a timeout is in seconds
linker.answer(PriceOf)(42)  # E: not callable
linker.answer(PriceOf)(lambda request: 9.5)  # FP[pyright,basedpyright]: no parameter type through a decorator
assert_type(price(PriceOf("tea")), float)
assert_type(price_as_int(PriceOf("tea")), int)


async def ask() -> None:
    assert_type(await emitter.ask(PriceOf("tea")), float)
    assert_type(await emitter.ask(StockOf("tea")), int)
    assert_type(await emitter.ask(FindOrder(1)), OrderPlaced | None)
    assert_type(await emitter.ask(FindSpecial(1, "why")), OrderPlaced | None)
    assert_type(await shop_emitter.ask(NameOf(1)), str)
    await emitter.ask(Delete(1))
    price: float = await emitter.ask(PriceOf("tea"))
    price = await emitter.ask(StockOf("tea"))
    count: int = await emitter.ask(PriceOf("tea"))  # E: a float is no int
    text: str = await emitter.ask(StockOf("tea"))  # E: an int is no str
    order: OrderPlaced = await emitter.ask(FindOrder(1))  # E: it may be None
    (await emitter.ask(FindOrder(1))).total  # E: it may be None
    await emitter.ask(OrderPlaced(1, 2.0))  # E: an event has no answer
    await emitter.ask(PriceOf)  # E: an instance, not the class
    await emitter.ask("tea")  # E: no request at all
    await emitter.ask(PriceOf(3))  # E: a field of the wrong type
    await emitter.ask()  # E: nothing to ask
    await emitter.ask(PriceOf("tea"), 3)  # E: one request at a time
    await shop_emitter.ask(PriceOf("tea"))  # E: a request outside of the family
    emitter.ask(PriceOf("tea"))  # E: nobody awaits the answer
    print(price, count, text, order)


def ask_sync() -> None:
    assert_type(emitter.ask_sync(PriceOf("tea")), float)
    assert_type(emitter.ask_sync(FindSpecial(1, "why")), OrderPlaced | None)
    assert_type(shop_emitter.ask_sync(NameOf(1)), str)
    text: str = emitter.ask_sync(StockOf("tea"))  # E: an int is no str
    emitter.ask_sync(OrderPlaced(1, 2.0))  # E: an event has no answer
    emitter.ask_sync(PriceOf)  # E: an instance, not the class
    shop_emitter.ask_sync(PriceOf("tea"))  # E: a request outside of the family
    print(text)


def forgot_async() -> float:
    return emitter.ask(PriceOf("tea"))  # E: a coroutine is no float


async def generic_over_the_answer(request: Request[int]) -> int:
    return await emitter.ask(request)


async def wrong_over_the_answer(request: Request[str]) -> int:
    return await emitter.ask(request)  # E: the answer is a str


covariant: Request[float] = StockOf("tea")
not_covariant: Request[int] = PriceOf("tea")  # E: a float is no int
awaitable: Awaitable[float] = emitter.ask(PriceOf("tea"))
anything: Any = PriceOf("tea")
