"""The face of registry and routing: what it takes, whom it names, and whose settings are whose (S1-S6)."""

import gc
import re
import weakref
from collections.abc import Callable
from typing import Annotated, Any, TypeAlias, Union

import pytest

from pyventus_typed import Emitter, Event, Linker, Request, Routes, route
from pyventus_typed.errors import DefinitionError, ForeignEvent, InvalidOption, NotAHandler, NotAnEvent, SeveralHandlers
from tests.events import OrderPaid, OrderPlaced, OrderRefunded, Price, SalePrice, Shipped, ShopEvent, Visited, untyped

Family: TypeAlias = OrderPlaced | OrderPaid


def nothing(event: Event) -> None:
    """A handler."""


class Orders(Linker[Family]):
    """Fixes its family."""


class Late(Orders):
    """Inherits it."""


FAMILIES: dict[str, Callable[[], Linker[Any]]] = {  # Any: of several families
    "an alias of the linker": lambda: Linker[Family](),
    "a union": lambda: Linker[Union[OrderPlaced, OrderPaid]](),  # noqa: UP007  # the older spelling
    "an annotated union": lambda: Linker[Annotated[Family, "orders"]](),
    "a subclass": Orders,
    "a subclass of a subclass": Late,
    "routes": lambda: Linker.of(route(OrderPlaced, nothing) | route(OrderPaid, nothing)),
}


# ---------------------------------------------------------------- the family, where it is known at run time (E2)
@pytest.mark.parametrize("made", FAMILIES)
def test_an_event_outside_of_the_family_is_refused(made: str) -> None:
    linker = untyped(FAMILIES[made]())
    message = (
        "Visited is outside of this linker's family, OrderPlaced | OrderPaid. Add it to the family, or leave it out."
    )
    for function in (
        lambda: linker.on(Visited),
        lambda: linker.on(OrderPlaced, Visited),
        lambda: linker.subscribe(Visited, nothing),
        lambda: Emitter(linker).emit(Visited()),
        lambda: linker.subscribe(Event, nothing),
    ):
        with pytest.raises(ForeignEvent, match=r"is outside of this linker's family, OrderPlaced \| OrderPaid\."):
            function()
    with pytest.raises(ForeignEvent, match=re.escape(message)):
        linker.on(Visited)


@pytest.mark.parametrize("made", FAMILIES)
def test_a_subclass_of_a_member_is_in_the_family(made: str) -> None:
    linker = untyped(FAMILIES[made]())
    linker.subscribe(OrderRefunded, nothing)
    assert Emitter(linker).emit(OrderRefunded()).deliveries


@pytest.mark.parametrize("made", FAMILIES)
def test_a_linker_tells_its_family(made: str) -> None:
    assert FAMILIES[made]().family == (OrderPlaced, OrderPaid)


def test_a_linker_without_a_family_takes_any_event() -> None:
    linker = Linker()
    assert linker.family is None
    linker.subscribe(Visited, nothing)


@pytest.mark.parametrize("function", ["publish", "emit_wait"])
async def test_a_foreign_event_is_not_awaited_either(function: str) -> None:
    with pytest.raises(ForeignEvent, match="Visited is outside"):
        await untyped(getattr(Emitter(Orders()), function))(Visited())


async def test_a_foreign_request_is_neither_answered_nor_asked() -> None:
    with pytest.raises(ForeignEvent, match="Price is outside"):
        untyped(Orders()).answer(Price)
    with pytest.raises(ForeignEvent, match="Price is outside"):
        await untyped(Emitter(Orders())).ask(Price())


# ---------------------------------------------------------------- who would receive (S3)
def test_receivers_are_named_for_a_class_that_was_never_emitted() -> None:
    linker = Linker()
    base, own = linker.subscribe(ShopEvent, nothing), linker.subscribe(OrderPaid, nothing, priority=1)
    assert linker.receivers(OrderPaid) == (own, base)
    assert linker.receivers(OrderRefunded) == (own, base)
    assert linker.receivers(ShopEvent) == (base,)
    assert linker.receivers(Visited) == ()


def test_a_handler_of_a_base_counts_for_unhandled() -> None:
    linker = Linker()
    linker.subscribe(OrderPaid, nothing)
    assert linker.unhandled(OrderPaid, OrderRefunded, Shipped, ShopEvent) == frozenset({Shipped, ShopEvent})
    assert linker.unhandled() == frozenset()


def test_a_predicate_does_not_make_a_handler_less_of_one() -> None:
    linker = Linker()
    linker.subscribe(OrderPaid, nothing, when=lambda event: False)
    assert linker.unhandled(OrderPaid) == frozenset()


def test_whoever_answers_is_the_first_receiver() -> None:
    linker = Linker()
    watcher = linker.subscribe(Price, nothing, priority=9)
    linker.answer(Price)(lambda request: 1)
    answer, told = linker.receivers(Price)
    assert answer.answers
    assert told is watcher


def test_subscriptions_are_listed_in_the_order_of_subscribing() -> None:
    linker = Linker()
    made = [
        linker.subscribe(kind, nothing, priority=priority)
        for kind, priority in ((OrderPaid, 0), (OrderPlaced, 7), (OrderPaid, 9))
    ]
    assert linker.subscriptions() == tuple(made)
    assert repr(linker) == "<Linker with 3 subscriptions>"
    assert repr(Orders()) == "<Orders with 0 subscriptions>"


# ---------------------------------------------------------------- requests (Q1)
def test_a_second_answer_is_refused_where_it_is_decorated() -> None:
    linker = Linker()
    linker.answer(Price)(lambda request: 1)
    with pytest.raises(
        SeveralHandlers,
        match=r"^Price is answered by tests\.test_linker\.<lambda> already\. End that one first, or use on\(\.\.\.\)\.$",
    ):
        linker.answer(Price)(lambda request: 2)
    assert len(linker.subscriptions()) == 1


def test_the_seat_of_an_ended_answer_is_free() -> None:
    linker = Linker()
    linker.answer(Price)(lambda request: 1)
    linker.subscriptions()[0].unsubscribe()
    linker.answer(Price)(lambda request: 2)


def test_a_subclass_of_a_request_may_have_an_answer_of_its_own() -> None:
    linker = Linker()
    linker.answer(Price)(lambda request: 1)
    linker.answer(SalePrice)(lambda request: 2)
    assert len(linker.subscriptions()) == 2


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: 1, "cannot be called with one positional argument, the event"),
        (int, "int is a class; calling it would make an instance"),
        ("x", "'x' cannot be called"),
    ],
)
def test_an_answer_that_cannot_take_the_request_is_refused(wrong: object, message: str) -> None:
    linker = Linker()
    with pytest.raises(NotAHandler, match=message):
        untyped(linker.answer(Price))(wrong)
    assert linker.subscriptions() == ()


def test_request_itself_is_a_base_that_can_be_listened_to() -> None:
    linker, seen = Linker(), list[object]()
    linker.subscribe(Request, seen.append)
    assert linker.unhandled(Price) == frozenset()


# ---------------------------------------------------------------- settings (S5, S6)
def test_settings_of_a_linker_are_its_own() -> None:
    one, other = Linker(max_subscriptions=1), Linker()
    for _ in range(3):
        other.subscribe(OrderPlaced, nothing)
    one.subscribe(OrderPlaced, nothing)


@pytest.mark.parametrize("most", [0, -1, 1.5, True, "3"])
def test_a_limit_is_a_number_of_at_least_one(most: object) -> None:
    with pytest.raises(
        InvalidOption, match=re.escape(f"max_subscriptions={most!r} is not an int of at least 1, nor None.")
    ):
        untyped(Linker)(max_subscriptions=most)


@pytest.mark.parametrize("option", ["on_success", "on_failure"])
def test_a_callback_that_cannot_be_called_is_refused(option: str) -> None:
    with pytest.raises(InvalidOption, match=f"{option}=7 cannot be called"):
        untyped(Linker)(**{option: 7})


def test_a_linker_holds_its_handlers_strongly_and_releases_them_at_the_end() -> None:
    class Screen:
        def show(self, event: OrderPlaced) -> None: ...

    linker = Linker()
    screen = Screen()
    known = weakref.ref(screen)
    subscription = linker.subscribe(OrderPlaced, screen.show)
    del screen
    gc.collect()
    assert known() is not None
    subscription.unsubscribe()
    del subscription
    Emitter(linker).emit(OrderPlaced())
    gc.collect()
    assert known() is None


# ---------------------------------------------------------------- routes
def test_routes_make_a_linker_with_one_subscription_each_in_their_order() -> None:
    log: list[str] = []
    routes: Routes[OrderPlaced | OrderPaid | Shipped] = (
        route(OrderPaid, lambda event: log.append("paid"))
        | route(OrderPlaced, lambda event: log.append("placed"))
        | route(Shipped, lambda event: log.append("shipped"))
    )
    linker = Linker.of(routes)
    assert [one.events for one in linker.subscriptions()] == [(OrderPaid,), (OrderPlaced,), (Shipped,)]
    assert linker.unhandled(OrderPlaced, OrderPaid, Shipped) == frozenset()
    emitter = Emitter(linker)
    emitter.emit(OrderPlaced())
    emitter.emit(OrderPaid())
    assert log == ["placed", "paid"]
    assert repr(routes) == "<Routes with 3 routes>"


def test_routes_are_values_that_two_linkers_can_be_made_of() -> None:
    routes = route(OrderPlaced, nothing) | route(OrderPaid, nothing)
    one, other = Linker.of(routes), Linker.of(routes)
    one.clear()
    assert len(other.subscriptions()) == 2


def test_what_is_no_route_is_not_joined() -> None:
    with pytest.raises(
        DefinitionError, match=r"7 is not a route\. Write route\(Event, handler\) \| route\(Other, handler\)\."
    ):
        untyped(route(OrderPlaced, nothing)) | 7


@pytest.mark.parametrize("wrong", [7, None, OrderPlaced, [route(OrderPlaced, nothing)]])
def test_a_linker_is_made_of_routes_only(wrong: object) -> None:
    with pytest.raises(DefinitionError, match="route"):
        untyped(Linker.of)(wrong)


def test_a_route_to_something_that_is_no_handler_is_refused() -> None:
    with pytest.raises(NotAHandler, match="7 cannot be called"):
        Linker.of(route(OrderPlaced, untyped(7)))
    with pytest.raises(NotAnEvent, match="int is not an event class"):
        route(untyped(int), nothing)
