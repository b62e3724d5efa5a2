"""Classes whose methods are handlers: bound in the order of definition, all of them or none (S4)."""

import asyncio
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from typing_extensions import override

from pyventus_typed import Emitter, Event, Linker, Request, Subscriber, answers, handles
from pyventus_typed.errors import (
    DefinitionError,
    ForeignEvent,
    InvalidOption,
    NoHandler,
    NotAHandler,
    NotAnEvent,
    SeveralHandlers,
    TooManySubscriptions,
)
from tests.events import OrderPaid, OrderPlaced, OrderRefunded, Shipped, ShopEvent, Visited, untyped


class Clerk(Subscriber[ShopEvent]):
    def __init__(self) -> None:
        self.log: list[str] = []

    @handles(Shipped)
    def third_by_name(self, event: Shipped) -> None:
        self.log.append(f"Clerk.shipped {event.order}")

    @handles(OrderPlaced, OrderPaid)
    async def first_by_name(self, event: OrderPlaced | OrderPaid) -> None:
        self.log.append(f"Clerk.order {event.order}")
        await asyncio.sleep(0)

    def no_handler(self, event: OrderPlaced) -> None:
        self.log.append("never")


class Chief(Clerk):
    @handles(OrderPlaced, priority=0)
    def before(self, event: OrderPlaced) -> None:
        self.log.append("Chief.before")

    @override
    def third_by_name(self, event: Shipped) -> None:
        self.log.append(f"Chief.shipped {event.order}")


# ---------------------------------------------------------------- order
def test_methods_are_bound_in_the_order_of_definition() -> None:
    linker = Linker[ShopEvent]()
    clerk = Clerk()
    subscriptions = linker.bind(clerk)
    assert [one.handler for one in subscriptions] == [clerk.third_by_name, clerk.first_by_name]
    assert [one.events for one in subscriptions] == [(Shipped,), (OrderPlaced, OrderPaid)]
    assert linker.subscriptions() == subscriptions


def test_base_classes_come_first_and_an_overriding_method_takes_the_place() -> None:
    linker, chief = Linker[ShopEvent](), Chief()
    names = [one.handler.__name__ for one in linker.bind(chief)]
    assert names == ["third_by_name", "first_by_name", "before"]
    Emitter(linker).emit(Shipped(4))
    Emitter(linker).emit(OrderPlaced(5))
    assert chief.log == ["Chief.shipped 4", "Clerk.order 5", "Chief.before"]


def test_an_overriding_method_may_be_marked_anew() -> None:
    class Picky(Clerk):
        @override
        @handles(OrderRefunded)
        def third_by_name(self, event: Shipped | OrderRefunded) -> None:
            self.log.append("refunded")

    linker, picky = Linker[ShopEvent](), Picky()
    assert [one.events for one in linker.bind(picky)] == [(OrderRefunded,), (OrderPlaced, OrderPaid)]
    assert linker.unhandled(Shipped) == {Shipped}


def test_of_two_bases_the_farther_one_comes_first() -> None:
    class Left(Subscriber[OrderPlaced]):
        @handles(OrderPlaced)
        def left(self, event: OrderPlaced) -> None: ...

    class Right(Subscriber[OrderPlaced]):
        @handles(OrderPlaced)
        def right(self, event: OrderPlaced) -> None: ...

    class Both(Left, Right): ...

    assert [one.handler.__name__ for one in Linker().bind(untyped(Both)())] == ["right", "left"]


def test_two_instances_are_two_sets_of_subscriptions() -> None:
    linker, one, other = Linker[ShopEvent](), Clerk(), Clerk()
    linker.bind(one)
    for subscription in linker.bind(other):
        subscription.unsubscribe()
    Emitter(linker).emit(Shipped(1))
    assert (one.log, other.log) == (["Clerk.shipped 1"], [])


def test_the_options_of_a_mark_are_those_of_the_subscription() -> None:
    class Careful(Subscriber[OrderPaid]):
        @handles(OrderPaid, when=lambda event: event.cents > 5, priority=2, timeout=3.0)
        async def paid(self, event: OrderPaid) -> None: ...

        @handles(OrderPaid, in_thread=True)
        def block(self, event: OrderPaid) -> None: ...

    first, second = Linker().bind(untyped(Careful)())
    assert (first.priority, first.timeout, first.when is not None) == (2, 3.0, True)
    assert second.in_thread
    assert not first.in_thread


def test_a_marked_method_is_still_the_method() -> None:
    clerk = Clerk()
    clerk.third_by_name(Shipped(9))
    assert clerk.log == ["Clerk.shipped 9"]


# ---------------------------------------------------------------- what is refused, before anything is subscribed
def test_a_foreign_event_is_refused_when_the_class_is_defined() -> None:
    message = (
        "Nosy.visited handles Visited, which is outside of its family, OrderPlaced | OrderPaid. "
        "Add it to the family, or leave it out."
    )
    with pytest.raises(ForeignEvent, match=re.escape(message)) as caught:

        class Nosy(Subscriber[OrderPlaced | OrderPaid]):
            @handles(Visited)
            def visited(self, event: Visited) -> None: ...

    assert caught.value.found is Visited


def test_a_subscriber_of_another_family_is_not_bound_at_all() -> None:
    class Mixed(Subscriber[Event]):
        @handles(OrderPlaced)
        def placed(self, event: OrderPlaced) -> None: ...

        @handles(Visited)
        def visited(self, event: Visited) -> None: ...

    linker = Linker[ShopEvent]()
    with pytest.raises(ForeignEvent, match=r"Visited is outside of this linker's family, ShopEvent\."):
        linker.bind(untyped(Mixed()))
    assert linker.subscriptions() == ()


def test_a_method_that_cannot_handle_keeps_all_of_them_out() -> None:
    class Broken(Subscriber[Event]):
        @handles(OrderPlaced)
        def placed(self, event: OrderPlaced) -> None: ...

        def paid(self) -> None: ...

        untyped(handles(OrderPaid))(paid)  # as @handles(OrderPaid) would, were it not for the checkers

    linker = Linker()
    with pytest.raises(NotAHandler, match=r"Broken\.paid cannot be called with one positional argument"):
        linker.bind(Broken())
    assert linker.subscriptions() == ()


def test_a_generator_method_is_refused() -> None:
    class Lazy(Subscriber[Event]):
        @handles(OrderPlaced)
        def placed(self, event: OrderPlaced) -> Iterator[int]:
            yield 1

    with pytest.raises(NotAHandler, match=r"Lazy\.placed is a generator function"):
        Linker().bind(Lazy())


def test_a_full_event_type_keeps_all_of_them_out() -> None:
    linker = Linker[ShopEvent](max_subscriptions=1)
    linker.subscribe(OrderPaid, print)
    with pytest.raises(TooManySubscriptions, match="OrderPaid has 1 subscription already"):
        linker.bind(Clerk())
    assert len(linker.subscriptions()) == 1
    assert linker.unhandled(Shipped, OrderPlaced) == {Shipped, OrderPlaced}


@pytest.mark.parametrize(
    ("thing", "message"),
    [
        (Clerk, "Clerk is a class, and bind takes an instance. Did you mean Clerk()?"),
        (42, "42 is not a Subscriber. Derive its class from Subscriber[...]."),
        (print, "is not a Subscriber. Derive its class from Subscriber[...]."),
        (
            Subscriber(),
            "Subscriber has no method marked with @handles(...) or @answers(...), so there is nothing to bind.",
        ),
    ],
)
def test_what_is_no_subscriber_is_not_bound(thing: object, message: str) -> None:
    with pytest.raises(DefinitionError, match=re.escape(message)):
        Linker().bind(untyped(thing))


def test_an_option_without_a_meaning_is_refused_where_it_is_written() -> None:
    with pytest.raises(InvalidOption, match="timeout=0 is not a number of seconds"):
        handles(OrderPlaced, timeout=0)


@pytest.mark.parametrize("wrap", [staticmethod, classmethod, property])
def test_handles_stands_above_a_plain_function(wrap: type) -> None:
    with pytest.raises(
        NotAHandler, match=r"is not a function of a class body, and @handles\(\.\.\.\) belongs above one"
    ):
        untyped(handles(OrderPlaced))(wrap(lambda self, event: None))


@pytest.mark.parametrize("wrap", [staticmethod, classmethod])
def test_a_mark_below_a_static_or_class_method_is_not_forgotten(wrap: type) -> None:
    with pytest.raises(DefinitionError, match="odd"):

        class Odd(Subscriber[Event]):
            @handles(OrderPaid)
            def paid(self, event: OrderPaid) -> None: ...

            odd = wrap(untyped(handles(OrderPlaced))(lambda *arguments: None))

        assert len(Linker().bind(Odd())) == 2
        raise DefinitionError("odd is bound, which is as good")


def test_the_linkers_callbacks_are_called_for_methods_too() -> None:
    told: list[str] = []

    class Broken(Subscriber[Event]):
        @handles(OrderPlaced)
        def placed(self, event: OrderPlaced) -> None:
            raise LookupError("mine")

        @handles(OrderPaid)
        def paid(self, event: OrderPaid) -> int:
            return 7

    linker = Linker(
        on_failure=lambda event, error: told.append(f"{event} {error}"),
        on_success=lambda value: told.append(f"{value}"),
    )
    linker.bind(Broken())
    Emitter(linker).emit(OrderPlaced(1))
    Emitter(linker).emit(OrderPaid(2))
    assert told == ["OrderPlaced(order=1) mine", "7"]


# ---------------------------------------------------------------- answers (Q1)
@dataclass(frozen=True)
class StockOf(Request[int]):
    item: str


class Prices(Subscriber[Event]):
    @answers(StockOf)
    async def stock(self, request: StockOf) -> int:
        await asyncio.sleep(0)
        return len(request.item)

    @handles(StockOf)
    def hear(self, request: StockOf) -> int:
        return -1


async def test_a_marked_method_answers_and_one_that_handles_does_not() -> None:
    linker = Linker()
    answer, heard = linker.bind(Prices())
    assert (answer.answers, heard.answers) == (True, False)
    assert await Emitter(linker).ask(StockOf("tea")) == 3


async def test_a_request_that_is_only_handled_is_answered_by_nobody() -> None:
    class Hears(Subscriber[Event]):
        @handles(StockOf)
        def hear(self, request: StockOf) -> int:
            return 3

    linker = Linker()
    linker.bind(Hears())
    with pytest.raises(NoHandler):
        await Emitter(linker).ask(StockOf("tea"))


async def test_an_overriding_method_answers_in_place_of_the_marked_one() -> None:
    class Empty(Prices):
        @override
        async def stock(self, request: StockOf) -> int:
            return 0

    linker = Linker()
    linker.bind(Empty())
    assert await Emitter(linker).ask(StockOf("tea")) == 0


def test_the_options_of_an_answer_are_those_of_its_subscription() -> None:
    class Slow(Subscriber[Event]):
        @answers(StockOf, timeout=2.5, in_thread=True)
        def stock(self, request: StockOf) -> int:
            return 0

    (answer,) = Linker(on_failure=lambda event, error: None).bind(Slow())
    assert (answer.timeout, answer.in_thread, answer.on_failure) == (2.5, True, None)


def test_a_second_answer_keeps_all_methods_out() -> None:
    linker = Linker()
    first = linker.bind(Prices())
    with pytest.raises(SeveralHandlers, match=r"StockOf is answered by .*Prices\.stock already"):
        linker.bind(Prices())
    assert linker.subscriptions() == first


def test_a_later_method_that_answers_too_keeps_all_of_them_out() -> None:
    class Twice(Subscriber[Event]):
        @handles(OrderPaid)
        def paid(self, event: OrderPaid) -> None: ...

        @answers(StockOf)
        def one(self, request: StockOf) -> int:
            return 1

        @answers(StockOf)
        def other(self, request: StockOf) -> int:
            return 2

    linker = Linker()
    with pytest.raises(SeveralHandlers, match=r"StockOf is answered by .*Twice\.one already"):
        linker.bind(Twice())
    assert linker.subscriptions() == ()


def test_a_request_outside_of_the_family_is_refused_when_the_class_is_defined() -> None:
    with pytest.raises(ForeignEvent, match=r"Nosy\.stock answers StockOf, which is outside of its family, OrderPaid\."):

        class Nosy(Subscriber[OrderPaid]):
            @answers(StockOf)
            def stock(self, request: StockOf) -> int:
                return 0


@pytest.mark.parametrize(
    ("thing", "message"),
    [
        (OrderPaid, "OrderPaid is not a request. Derive it from Request[...], or use @handles(OrderPaid)."),
        (int, "int is not an event class."),
        (StockOf("tea"), "is an event, but an event class is needed. Did you mean StockOf?"),
    ],
)
def test_what_is_no_request_has_no_answer(thing: object, message: str) -> None:
    with pytest.raises(NotAnEvent, match=re.escape(message)):
        untyped(answers)(thing)


@pytest.mark.parametrize(("first", "second"), [(handles, answers), (answers, handles), (handles, handles)])
def test_a_second_mark_does_not_take_the_first_one_away(
    first: Callable[..., object], second: Callable[..., object]
) -> None:
    def method(self: object, request: StockOf) -> None: ...

    untyped(first)(StockOf)(method)
    name = untyped(second).__name__
    with pytest.raises(NotAHandler, match=rf"method is already marked, and @{name}\(\.\.\.\) would replace that mark"):
        untyped(second)(StockOf)(method)


def test_answers_stands_above_a_plain_function() -> None:
    with pytest.raises(NotAHandler, match=r"@answers\(\.\.\.\) belongs above one"):
        untyped(answers(StockOf))(staticmethod(lambda self, request: 1))
