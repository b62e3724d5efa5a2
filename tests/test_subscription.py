"""Who listens to what: its options, its end, and how it shows itself."""

import functools
import inspect
import math
import re
from collections.abc import AsyncIterator, Callable, Iterator
from unittest.mock import AsyncMock, MagicMock, Mock

import pytest
from typing_extensions import override

from pyventus_typed import Emitter, Event, Linker, Request, Subscriber, Subscription, handles
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


# ---------------------------------------------------------------- every option arrives where it was meant to
def yes(event: OrderPlaced) -> bool:
    return True


def tell(result: object) -> None: ...


def warn(event: Event, error: Exception) -> None: ...


# A value for each option that no other option has, so that one that lands in the place of another shows.
VALUES: dict[str, object] = {
    "when": yes,
    "once": True,
    "priority": 3,
    "on_success": tell,
    "on_failure": warn,
    "timeout": 2.5,
    "in_thread": True,
}
SAID = tuple(name for name in dir(Subscription) if isinstance(getattr(Subscription, name), property))


def options_of(function: object) -> list[str]:
    """The keywords that say how the handler is called; ``replace`` says what becomes of an older one."""
    return [
        each.name
        for each in inspect.signature(untyped(function)).parameters.values()
        if each.kind is each.KEYWORD_ONLY and each.name != "replace"
    ]


class Ask(Request[int]): ...


def link(function: str, handler: Callable[..., object], options: dict[str, object]) -> Subscription[Event]:
    linker = Linker()
    if function == "subscribe":
        untyped(linker.subscribe)(OrderPlaced, handler, **options)
    elif function == "handles":
        method = untyped(handles)(OrderPlaced, **options)(lambda self, event: handler(event))
        linker.bind(type("Made", (Subscriber,), {"method": method})())
    else:
        untyped(getattr(linker, function))(Ask if function == "answer" else OrderPlaced, **options)(handler)
    return linker.subscriptions()[0]


FUNCTIONS: dict[str, object] = {
    "on": Linker.on,
    "subscribe": Linker.subscribe,
    "answer": Linker.answer,
    "handles": handles,
}


@pytest.mark.parametrize(
    ("function", "option"), [(function, each) for function in FUNCTIONS for each in options_of(FUNCTIONS[function])]
)
def test_every_option_of_every_function_arrives_and_no_other_one_changes(function: str, option: str) -> None:
    handler = blocking if option == "in_thread" else lambda event: None
    before, after = link(function, handler, {}), link(function, handler, {option: VALUES[option]})
    changed = {
        name for name in SAID if name not in {"events", "handler"} and getattr(before, name) != getattr(after, name)
    }
    assert changed == {option}
    assert getattr(after, option) is VALUES[option]


def test_every_option_can_be_given_and_be_read() -> None:
    assert set(options_of(Linker.on)) == set(options_of(Linker.subscribe)) == VALUES.keys()
    assert {"events", "handler", "active", "answers"} ^ set(SAID) == VALUES.keys()


@pytest.mark.parametrize("option", VALUES)
def test_every_option_is_checked(option: str) -> None:
    with pytest.raises(InvalidOption, match=f"{option}=.*is n|{option}=.*cannot be called"):
        untyped(Linker().subscribe)(OrderPlaced, handler, **{option: object()})


@pytest.mark.parametrize("option", ["once", "on_success", "on_failure", "answers"])
def test_an_option_that_handles_does_not_have_is_refused_there(option: str) -> None:
    with pytest.raises(TypeError, match=rf"handles\(\).*{option}"):
        untyped(handles)(OrderPlaced, **{option: True})


class Everything:
    """A predicate of a query language, where == makes an expression, which is true."""

    __hash__ = None  # type: ignore[assignment]  # as the language has it

    @override
    def __eq__(self, other: object) -> bool:
        return True

    def __call__(self, event: OrderPlaced) -> bool:
        return event.order > 1


def test_a_predicate_that_equals_everything_is_still_asked() -> None:
    linker, seen = Linker(), list[object]()
    linker.subscribe(OrderPlaced, seen.append, when=Everything())
    emitter = Emitter(linker)
    emitter.emit(OrderPlaced(1))
    emitter.emit(OrderPlaced(2))
    assert seen == [OrderPlaced(2)]


# ---------------------------------------------------------------- options that have no meaning
@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("when", 1, "when=1 cannot be called. Pass a function, or leave it out."),
        ("on_success", "x", "on_success='x' cannot be called. Pass a function, or leave it out."),
        ("on_failure", [], "on_failure=[] cannot be called. Pass a function, or leave it out."),
        ("once", 1, "once=1 is neither True nor False."),
        ("once", 0, "once=0 is neither True nor False."),
        ("in_thread", None, "in_thread=None is neither True nor False."),
        ("priority", 1.5, "priority=1.5 is not an int; a higher one goes first."),
        ("priority", None, "priority=None is not an int; a higher one goes first."),
        ("priority", False, "priority=False is not an int; a higher one goes first."),
        ("timeout", 0, "timeout=0 is not a number of seconds: more than 0, or None for no limit."),
        ("timeout", -1, "timeout=-1 is not a number of seconds: more than 0, or None for no limit."),
        ("timeout", math.nan, "timeout=nan is not a number of seconds: more than 0, or None for no limit."),
        ("timeout", math.inf, "timeout=inf is not a number of seconds: more than 0, or None for no limit."),
        ("timeout", "1", "timeout='1' is not a number of seconds: more than 0, or None for no limit."),
        ("timeout", True, "timeout=True is not a number of seconds: more than 0, or None for no limit."),
    ],
)
@pytest.mark.parametrize("function", ["on", "subscribe"])
def test_an_option_without_a_meaning_is_refused(function: str, option: str, value: object, message: str) -> None:
    linker = Linker()
    with pytest.raises(InvalidOption, match=re.escape(message)) as caught:
        if function == "on":
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


# ---------------------------------------------------------------- callbacks are looked at as handlers are (E8)
def one(result: object) -> None: ...


def two(event: Event, error: Exception) -> None: ...


def three(event: Event, error: Exception, more: object) -> None: ...


def keyword(result: object, *, limit: int) -> None: ...


def generate(event: Event, error: Exception | None = None) -> Iterator[int]:
    yield 1


async def generate_later(event: Event, error: Exception | None = None) -> AsyncIterator[int]:
    yield 1


class Told:
    def __init__(self, event: object = None, error: object = None) -> None: ...

    def generate(self, event: Event, error: Exception | None = None) -> Iterator[int]:
        yield 1

    def is_large(self, event: Event) -> bool:
        return True

    def failed(self, event: Event, error: Exception) -> None: ...

    def __call__(self, event: Event, error: Exception) -> None: ...


ONE = "cannot be called with one positional argument, {}. Take it first and give everything else a default."
TWO = "cannot be called with 2 positional arguments, the event and the error. Take them first and give everything else a default."
IN_CLASS = "It is a function of a class body: pass the method of an instance, or decorate it with @staticmethod."
NEVER_RUNS = "is a generator function: calling it runs none of it. Use a plain or an async def, without yield."
CLASS = "Told is a class; calling it would make an instance. Pass a function or a method."


REFUSED: list[tuple[str, object, str]] = [
    ("when", two, "test_subscription.two " + ONE.format("the event")),
    ("on_success", two, "test_subscription.two " + ONE.format("the result")),
    ("on_success", keyword, "test_subscription.keyword " + ONE.format("the result")),
    ("on_success", Told(), "Told object " + ONE.format("the result")),
    ("on_success", lambda: None, "<lambda> " + ONE.format("the result")),
    ("on_failure", one, f"test_subscription.one {TWO}"),
    ("on_failure", three, f"test_subscription.three {TWO}"),
    ("on_failure", functools.partial(two, OrderPlaced()), f"partial(tests.test_subscription.two) {TWO}"),
    ("when", Told.is_large, f"Told.is_large cannot be called with one positional argument, the event. {IN_CLASS}"),
    (
        "on_failure",
        Told.failed,
        f"Told.failed cannot be called with 2 positional arguments, the event and the error. {IN_CLASS}",
    ),
    *((option, Told, CLASS) for option in ("when", "on_success", "on_failure")),
    *(
        (option, callback, f"{name} {NEVER_RUNS}")
        for option in ("when", "on_success", "on_failure")
        for callback, name in (
            (generate, "test_subscription.generate"),
            (generate_later, "test_subscription.generate_later"),
            (Told().generate, "test_subscription.Told.generate"),
            (functools.partial(generate), "partial(tests.test_subscription.generate)"),
        )
    ),
]


@pytest.mark.parametrize(("option", "callback", "message"), REFUSED)
@pytest.mark.parametrize("function", ["on", "subscribe"])
def test_a_callback_that_could_not_be_called_is_refused_where_it_is_given(
    function: str, option: str, callback: object, message: str
) -> None:
    with pytest.raises(InvalidOption, match=re.escape(message)) as caught:
        link(function, lambda event: None, {option: callback})
    assert caught.value.found is callback


@pytest.mark.parametrize(("option", "callback", "message"), [each for each in REFUSED if each[0] != "when"])
def test_a_callback_of_a_linker_is_looked_at_in_the_same_way(option: str, callback: object, message: str) -> None:
    with pytest.raises(InvalidOption, match=re.escape(message)):
        untyped(Linker)(**{option: callback})


@pytest.mark.parametrize("when", [AsyncMock(), functools.partial(never)])
def test_a_predicate_that_is_async_underneath_is_refused(when: object) -> None:
    with pytest.raises(InvalidOption, match="when=.*async"):
        untyped(Linker().subscribe)(OrderPlaced, blocking, when=when)


@pytest.mark.parametrize("make", [Mock, MagicMock, AsyncMock])
@pytest.mark.parametrize("spec", [None, two])
def test_a_mock_is_a_callback(make: Callable[..., Mock], spec: object) -> None:
    told, linker = make(spec=spec), Linker()

    @linker.on(OrderPlaced, on_failure=told)
    def fail(event: OrderPlaced) -> None:
        raise LookupError("mine")

    Emitter(linker).emit(OrderPlaced(1))
    assert [str(error) for _, error in (call.args for call in told.call_args_list)] == ["mine"]
