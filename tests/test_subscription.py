"""Who listens to what: its options, its end, and how it shows itself."""

import math
import re

import pytest

from pyventus_typed import Emitter, Linker, Subscription
from pyventus_typed.errors import DefinitionError, InvalidOption
from tests.events import OrderPaid, OrderPlaced, untyped


async def handler(event: OrderPlaced) -> None: ...


def blocking(event: OrderPlaced) -> None: ...


async def never(event: OrderPlaced) -> bool:
    return False


# ---------------------------------------------------------------- its end (S2)
def test_unsubscribe_says_whether_it_was_active() -> None:
    subscription = Linker().subscribe(OrderPlaced, handler)
    found = [subscription.active, subscription.unsubscribe(), subscription.active, subscription.unsubscribe()]
    assert found == [True, True, False, False]


def test_a_subscription_ends_with_its_block() -> None:
    linker, seen = Linker(), list[object]()
    emitter = Emitter(linker)
    with linker.subscribe(OrderPlaced, seen.append) as subscription:
        assert isinstance(subscription, Subscription)
        emitter.emit(OrderPlaced(1))
    emitter.emit(OrderPlaced(2))
    assert seen == [OrderPlaced(1)]


def test_a_subscription_ends_with_its_block_also_when_that_raises() -> None:
    linker = Linker()
    with pytest.raises(LookupError, match="mine"), linker.subscribe(OrderPlaced, handler) as subscription:
        raise LookupError("mine")
    assert not subscription.active
    assert linker.subscriptions() == ()


def test_a_block_may_end_a_subscription_that_has_ended() -> None:
    with Linker().subscribe(OrderPlaced, handler) as subscription:
        subscription.unsubscribe()
    assert not subscription.active


def test_the_same_handler_twice_is_two_subscriptions() -> None:
    linker, seen = Linker(), list[object]()
    first, second = linker.subscribe(OrderPlaced, seen.append), linker.subscribe(OrderPlaced, seen.append)
    Emitter(linker).emit(OrderPlaced(1))
    assert seen == [OrderPlaced(1), OrderPlaced(1)]
    first.unsubscribe()
    assert second.active
    Emitter(linker).emit(OrderPlaced(2))
    assert seen[2:] == [OrderPlaced(2)]


def test_an_ended_subscription_to_several_events_ends_for_all_of_them() -> None:
    linker = Linker()
    linker.on(OrderPlaced, OrderPaid)(lambda event: None)
    (subscription,) = linker.subscriptions()
    subscription.unsubscribe()
    assert linker.unhandled(OrderPlaced, OrderPaid) == {OrderPlaced, OrderPaid}


# ---------------------------------------------------------------- what it says of itself
def test_a_subscription_tells_what_it_was_made_of() -> None:
    linker = Linker()
    subscription = linker.subscribe(OrderPlaced, handler, once=True, priority=3, timeout=2.5)
    assert subscription.events == (OrderPlaced,)
    assert subscription.handler is handler
    assert (subscription.once, subscription.priority, subscription.timeout) == (True, 3, 2.5)
    assert (subscription.in_thread, subscription.when, subscription.answers) == (False, None, False)


def test_the_handler_is_the_very_bound_method_that_was_given() -> None:
    seen: list[object] = []
    method = seen.append
    assert Linker().subscribe(OrderPlaced, method).handler is method


def test_a_subscription_is_written_with_its_handler_and_events() -> None:
    linker = Linker()
    linker.on(OrderPlaced, OrderPaid)(print)
    (subscription,) = linker.subscriptions()
    assert repr(subscription) == "<Subscription builtins.print to OrderPlaced, OrderPaid>"
    subscription.unsubscribe()
    assert repr(subscription) == "<Subscription builtins.print to OrderPlaced, OrderPaid, ended>"


def test_an_event_type_named_twice_counts_once() -> None:
    linker = Linker()
    linker.on(OrderPlaced, OrderPlaced)(print)
    assert linker.subscriptions()[0].events == (OrderPlaced,)


# ---------------------------------------------------------------- options that have no meaning
@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("when", 1, "when=1 cannot be called. Pass a function, or leave it out."),
        ("on_success", "x", "on_success='x' cannot be called. Pass a function, or leave it out."),
        ("on_failure", [], "on_failure=[] cannot be called. Pass a function, or leave it out."),
        ("once", 1, "once=1 is neither True nor False."),
        ("in_thread", None, "in_thread=None is neither True nor False."),
        ("priority", 1.5, "priority=1.5 is no int; a higher one goes first."),
        ("priority", None, "priority=None is no int; a higher one goes first."),
        ("timeout", 0, "timeout=0 is no number of seconds: more than 0, or None for no limit."),
        ("timeout", -1, "timeout=-1 is no number of seconds: more than 0, or None for no limit."),
        ("timeout", math.nan, "timeout=nan is no number of seconds: more than 0, or None for no limit."),
        ("timeout", math.inf, "timeout=inf is no number of seconds: more than 0, or None for no limit."),
        ("timeout", "1", "timeout='1' is no number of seconds: more than 0, or None for no limit."),
        ("timeout", True, "timeout=True is no number of seconds: more than 0, or None for no limit."),
    ],
)
@pytest.mark.parametrize("door", ["on", "subscribe"])
def test_an_option_without_a_meaning_is_refused(door: str, option: str, value: object, message: str) -> None:
    linker = Linker()
    with pytest.raises(InvalidOption, match=re.escape(message)) as caught:
        if door == "on":
            untyped(linker.on)(OrderPlaced, **{option: value})(handler)
        else:
            untyped(linker.subscribe)(OrderPlaced, handler, **{option: value})
    assert caught.value.found is value
    assert isinstance(caught.value, DefinitionError | ValueError)
    assert linker.subscriptions() == ()


@pytest.mark.parametrize("option", ["prio", "answers"])
def test_an_option_that_does_not_exist_is_refused_by_the_name_of_what_was_called(option: str) -> None:
    with pytest.raises(TypeError, match=rf"on\(\).*{option}"):
        untyped(Linker().on)(OrderPlaced, **{option: True})


def test_an_async_predicate_is_refused() -> None:
    with pytest.raises(InvalidOption, match="when=.*async"):
        untyped(Linker().subscribe)(OrderPlaced, blocking, when=never)
