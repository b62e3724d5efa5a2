"""Any callable that takes the event is a handler, and what it returns is awaited if it can be (E8)."""

import asyncio
import functools
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Generator, Iterator
from contextlib import nullcontext
from typing import Any, TypeVar
from unittest.mock import AsyncMock, MagicMock, Mock, create_autospec

import pytest

from pyventus_typed import Completed, Emitter, Event, Failed, Linker, Status
from pyventus_typed.errors import NotAHandler, NotAnEvent
from tests.events import OrderPlaced, untyped

T = TypeVar("T")


class Desk:
    """Handlers of every kind that an object can offer."""

    def __init__(self) -> None:
        self.seen: list[object] = []

    def plain(self, event: OrderPlaced) -> None:
        self.seen.append(event)

    async def later(self, event: OrderPlaced) -> None:
        await asyncio.sleep(0)
        self.seen.append(event)

    def with_more(self, event: OrderPlaced, more: int = 0, *rest: object, flag: bool = False) -> None:
        self.seen.append(event)

    def variadic(*everything: object) -> None:
        untyped(everything[0]).seen.append(everything[1])

    def generate(self, event: OrderPlaced) -> Iterator[int]:
        yield event.order

    def __call__(self, event: OrderPlaced) -> None:
        self.seen.append(event)


class Slow:
    """A callable object whose call is async."""

    def __init__(self) -> None:
        self.seen: list[object] = []

    async def __call__(self, event: OrderPlaced) -> None:
        await asyncio.sleep(0)
        self.seen.append(event)


class Promise:
    """Awaitable, and no coroutine."""

    def __init__(self, seen: list[object], event: object) -> None:
        self.seen, self.event = seen, event

    def __await__(self) -> Generator[None, None, None]:
        yield from asyncio.sleep(0).__await__()
        self.seen.append(self.event)


def generator(event: OrderPlaced) -> Iterator[int]:
    yield 1


async def async_generator(event: OrderPlaced) -> AsyncIterator[int]:
    yield 1


def nothing() -> None: ...


def two(event: OrderPlaced, other: int) -> None: ...


def keyword(*, event: OrderPlaced) -> None: ...


def keyword_too(event: OrderPlaced, *, limit: int) -> None: ...


async def asynchronous(event: OrderPlaced) -> None: ...


def synchronous(event: OrderPlaced) -> None: ...


class Service:
    """What a test puts a mock in place of."""

    def told(self, event: OrderPlaced) -> None: ...

    async def told_later(self, event: OrderPlaced) -> None: ...

    @staticmethod
    def static(event: OrderPlaced) -> None: ...

    def two(self, event: OrderPlaced, other: int) -> None: ...

    def __call__(self, event: OrderPlaced) -> None: ...


def mocked(mock: Any, desk: Desk) -> Any:  # Any: a mock has every type
    """*mock*, which notes its event at *desk*."""
    mock.side_effect = lambda event: desk.seen.append(event)
    return mock


def kinds(desk: Desk) -> dict[str, Callable[[OrderPlaced], object]]:
    """A callable of each kind; each notes its event at *desk* once it has really run."""

    async def run(seen: list[object], event: OrderPlaced) -> None:
        await asyncio.sleep(0)
        seen.append(event)

    @functools.wraps(run)
    def wrapped(event: OrderPlaced) -> Awaitable[None]:
        return run(desk.seen, event)

    slow = Slow()
    slow.seen = desk.seen
    return {
        "bound method": desk.plain,
        "async bound method": desk.later,
        "defaults": desk.with_more,
        "star arguments": desk.variadic,
        "callable object": desk,
        "async callable object": slow,
        "lambda": lambda event: desk.seen.append(event),
        "lambda that returns a coroutine": lambda event: run(desk.seen, event),
        "lambda that returns an awaitable": lambda event: Promise(desk.seen, event),
        "lambda that returns a future": lambda event: asyncio.ensure_future(run(desk.seen, event)),
        "partial": functools.partial(lambda seen, event: seen.append(event), desk.seen),
        "partial of an async def": functools.partial(run, desk.seen),
        "partial of a partial": functools.partial(functools.partial(run), desk.seen),
        "wrapper of an async def": wrapped,
        "builtin": desk.seen.append,
        "AsyncMock": AsyncMock(side_effect=lambda event: desk.seen.append(event)),
        "Mock": mocked(Mock(), desk),
        "Mock of a function": mocked(Mock(spec=synchronous), desk),
        "Mock of an async def": mocked(Mock(spec=asynchronous), desk),
        "MagicMock of a function": mocked(MagicMock(spec=synchronous), desk),
        "MagicMock of a generator function": mocked(MagicMock(spec=generator), desk),
        "partial of a Mock": functools.partial(mocked(Mock(spec=synchronous), desk)),
        "partial of a MagicMock": functools.partial(mocked(MagicMock(spec=synchronous), desk)),
        "autospecced function": mocked(create_autospec(synchronous), desk),
        "autospecced async def": mocked(create_autospec(asynchronous), desk),
        "autospecced method": mocked(create_autospec(Service, instance=True).told, desk),
        "autospecced async method": mocked(create_autospec(Service, instance=True).told_later, desk),
        "autospecced static method": mocked(create_autospec(Service).static, desk),
        "autospecced instance": mocked(create_autospec(Service(), instance=True), desk),
        "static method": staticmethod(lambda event: desk.seen.append(event)),
    }


KINDS = tuple(kinds(Desk()))


@pytest.mark.parametrize("kind", KINDS)
async def test_any_callable_is_a_handler_in_a_loop(kind: str) -> None:
    desk, linker = Desk(), Linker()
    linker.subscribe(OrderPlaced, kinds(desk)[kind])
    emission = await Emitter(linker).emit(OrderPlaced(1))
    assert desk.seen == [OrderPlaced(1)]
    assert emission.status is Status.COMPLETED


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "lambda that returns a future"])
def test_any_callable_is_a_handler_without_a_loop(kind: str) -> None:
    desk, linker = Desk(), Linker()
    linker.subscribe(OrderPlaced, kinds(desk)[kind])
    emission = Emitter(linker).emit(OrderPlaced(1))
    assert desk.seen == [OrderPlaced(1)]
    assert emission.status is Status.COMPLETED


@pytest.mark.parametrize("kind", KINDS)
async def test_any_callable_is_a_handler_when_published(kind: str) -> None:
    desk, linker = Desk(), Linker()
    linker.subscribe(OrderPlaced, kinds(desk)[kind])
    await Emitter(linker).publish(OrderPlaced(1))
    assert desk.seen == [OrderPlaced(1)]


async def test_an_async_mock_is_awaited_and_not_only_called() -> None:
    mock, linker = AsyncMock(), Linker()
    linker.subscribe(OrderPlaced, mock)
    await Emitter(linker).emit(OrderPlaced(1))
    mock.assert_awaited_once_with(OrderPlaced(1))


async def test_what_a_handler_in_a_thread_returns_is_awaited_too() -> None:
    seen: list[object] = []

    async def run(event: OrderPlaced) -> int:
        seen.append(event)
        return 7

    made: list[Coroutine[Any, Any, int]] = []  # Any: asyncio's business

    def start(event: OrderPlaced) -> Awaitable[int]:
        made.append(run(event))
        return made[0]

    linker = Linker()
    linker.subscribe(OrderPlaced, start, in_thread=True)
    emission = await Emitter(linker).emit(OrderPlaced(1))
    made[0].close()
    assert seen == [OrderPlaced(1)]
    assert emission.deliveries[0].outcome == Completed(7)


async def test_an_emission_that_a_handler_returns_is_not_awaited() -> None:
    linker = Linker()
    emitter = Emitter(linker)
    linker.subscribe(OrderPlaced, lambda event: None if event.order else emitter.emit(OrderPlaced(1)))
    emission = await emitter.emit(OrderPlaced())
    assert isinstance(emission.deliveries[0].outcome, Completed)


async def test_a_future_of_another_loop_is_a_failure_and_no_hang() -> None:
    other = asyncio.new_event_loop()
    future = other.create_future()
    linker = Linker()
    linker.subscribe(OrderPlaced, lambda event: future)
    emission = await Emitter(linker).emit(OrderPlaced()).wait()
    assert isinstance(emission.deliveries[0].outcome, Failed)
    other.close()


# ---------------------------------------------------------------- what is refused, with the reason
class InBody:
    def method(self) -> None:
        """Called with the event as self, it would even fit."""

    @staticmethod
    def static(event: OrderPlaced) -> None: ...


ARGUMENTS = (
    "cannot be called with one positional argument, the event. Take the event first and give everything else a default."
)
GENERATOR = "is a generator function: calling it runs none of it. Use a plain or an async def, without yield."


@pytest.mark.parametrize(
    ("handler", "message"),
    [
        (Desk, "Desk is a class; calling it would make an instance. Subscribe a function or a method."),
        (generator, f"test_handler.generator {GENERATOR}"),
        (async_generator, f"test_handler.async_generator {GENERATOR}"),
        (Desk().generate, f"test_handler.Desk.generate {GENERATOR}"),
        (functools.partial(generator), f"generator) {GENERATOR}"),
        (nothing, f"test_handler.nothing {ARGUMENTS}"),
        (two, f"test_handler.two {ARGUMENTS}"),
        (keyword, f"test_handler.keyword {ARGUMENTS}"),
        (keyword_too, f"test_handler.keyword_too {ARGUMENTS}"),
        (functools.partial(synchronous, OrderPlaced()), f"synchronous) {ARGUMENTS}"),
        (lambda: None, f"<lambda> {ARGUMENTS}"),
        (create_autospec(Service, instance=True).two, f"object {ARGUMENTS}"),
        ("ship", "'ship' cannot be called. A handler is any callable that takes the event."),
        (None, "None cannot be called. A handler is any callable that takes the event."),
        (
            InBody.method,
            "test_handler.InBody.method is a function of a class body: it would be called with the event as self. "
            "Derive the class from Subscriber, decorate the method with @handles(...) and use linker.bind(instance).",
        ),
        (
            Desk.plain,
            "test_handler.Desk.plain is a function of a class body: it would be called with the event as self. ",
        ),
    ],
)
@pytest.mark.parametrize("function", ["subscribe", "on"])
def test_what_cannot_handle_an_event_is_refused_with_the_reason(function: str, handler: object, message: str) -> None:
    linker = Linker()

    def link() -> None:
        if function == "on":
            linker.on(OrderPlaced)(untyped(handler))
        else:
            linker.subscribe(OrderPlaced, untyped(handler))

    with pytest.raises(NotAHandler, match=re.escape(message)) as caught:
        link()
    assert caught.value.found == handler
    assert linker.subscriptions() == ()


def test_a_method_decorated_in_a_class_body_is_refused_there() -> None:
    linker = Linker()

    def on_placed(method: T) -> T:  # what a checker thinks of a decorator that nobody typed
        return untyped(linker.on(OrderPlaced))(method)  # type: ignore[no-any-return]  # nobody typed it

    with pytest.raises(
        NotAHandler, match=r"Orders\.placed is a function of a class body.*Derive the class from Subscriber"
    ):

        class Orders:
            @on_placed
            def placed(self) -> None: ...

    with pytest.raises(NotAHandler, match=r"Orders\.placed is a function of a class body"):

        class Orders:  # type: ignore[no-redef]  # once more, async
            @on_placed
            async def placed(self) -> None: ...

    with pytest.raises(
        NotAHandler, match=r"Orders\.placed is a function of a class body.*decorate the method with @handles"
    ):

        class Orders:  # type: ignore[no-redef]  # and in the form that comes naturally
            @on_placed
            def placed(self, event: OrderPlaced) -> None: ...

    with pytest.raises(
        NotAHandler, match=r"is a class method that belongs to no class yet\. Derive the class from Subs"
    ):

        class Orders:  # type: ignore[no-redef]  # and a third form
            @on_placed
            @classmethod
            def placed(cls, event: OrderPlaced) -> None: ...

    assert linker.subscriptions() == ()


def test_a_static_method_of_a_class_is_a_plain_function() -> None:
    Linker().subscribe(OrderPlaced, InBody.static)


def test_a_function_inside_a_function_is_no_method() -> None:
    class Maker:
        def make(self) -> Callable[[OrderPlaced], None]:
            def handler(event: OrderPlaced) -> None: ...

            return handler

    Linker().subscribe(OrderPlaced, Maker().make())


ASYNC_IN_THREAD = "is async, and in_thread=True is for handlers that block. Leave it out."
SYNC_TIMEOUT = "is not async, so no timeout can cut it off. Make it async, or add in_thread=True."


@pytest.mark.parametrize(
    "handler",
    [
        asynchronous,
        Slow(),
        AsyncMock(),
        Mock(spec=asynchronous),
        create_autospec(Service, instance=True).told_later,
        functools.partial(asynchronous),
        Desk().later,
    ],
)
def test_an_async_handler_does_not_run_in_a_thread(handler: Callable[[OrderPlaced], object]) -> None:
    with pytest.raises(NotAHandler, match=re.escape(ASYNC_IN_THREAD)):
        Linker().subscribe(OrderPlaced, handler, in_thread=True)


@pytest.mark.parametrize("handler", [synchronous, Desk(), functools.partial(synchronous), Desk().plain, print])
def test_a_sync_handler_has_no_timeout_unless_it_runs_in_a_thread(handler: Callable[[OrderPlaced], object]) -> None:
    with pytest.raises(NotAHandler, match=re.escape(SYNC_TIMEOUT)):
        Linker().subscribe(OrderPlaced, handler, timeout=1)
    Linker().subscribe(OrderPlaced, handler, timeout=1, in_thread=True)


def test_a_lambda_may_return_a_coroutine_so_it_may_have_a_timeout() -> None:
    Linker().subscribe(OrderPlaced, lambda event: asynchronous(event), timeout=1)


def passed_on(function: Callable[[OrderPlaced], object]) -> Callable[..., object]:
    """A decorator that does not say what it is around."""

    def wrapper(*args: Any, **kwargs: Any) -> object:  # Any: whatever the function takes
        return function(*args, **kwargs)

    return wrapper


class PassedOn:
    """The same, as a class."""

    def __init__(self, function: Callable[[OrderPlaced], object]) -> None:
        self.function = function

    def __call__(self, *args: Any, **kwargs: Any) -> object:  # Any: as above
        return self.function(*args, **kwargs)


async def never_ends(event: OrderPlaced) -> None:
    await asyncio.Event().wait()


@pytest.mark.parametrize(
    "handler",
    [
        passed_on(never_ends),
        PassedOn(never_ends),
        create_autospec(never_ends, side_effect=never_ends),
        Mock(side_effect=never_ends),
    ],
)
async def test_what_stands_for_an_async_handler_may_have_a_timeout(handler: Callable[[OrderPlaced], object]) -> None:
    linker = Linker()
    linker.subscribe(OrderPlaced, handler, timeout=0.01)
    (delivery,) = (await Emitter(linker).emit(OrderPlaced()).wait()).deliveries
    assert isinstance(delivery.outcome, Failed)
    assert isinstance(delivery.outcome.error, TimeoutError)


def test_a_decorated_handler_is_the_very_function() -> None:
    def handler(event: Event) -> str:
        return "called"

    decorated = Linker().on(OrderPlaced)(handler)
    assert decorated is handler
    assert decorated(OrderPlaced()) == "called"


def test_a_mock_that_claims_to_be_a_class_is_none() -> None:
    linker = Linker()
    for mock in (Mock(spec=type), MagicMock(spec=OrderPlaced)):
        for wrong in (linker.on, linker.receivers, linker.unhandled, linker.around):
            with pytest.raises(NotAnEvent, match="Mock"):
                untyped(wrong)(mock)
        with pytest.raises(NotAnEvent, match="Mock"):
            linker.subscribe(mock, synchronous)
        with pytest.raises(NotAnEvent, match="Mock"):
            Emitter(linker).emit(mock)
    linker.surround(Mock(spec=type, return_value=nullcontext()), OrderPlaced)
    linker.subscribe(OrderPlaced, Mock(spec=type), on_success=Mock(spec=type), when=Mock(spec=type))
    assert Emitter(linker).emit(OrderPlaced()).status is Status.COMPLETED


def test_a_builtin_that_tells_nobody_what_it_takes_shows_it_when_called() -> None:
    linker = Linker()
    handler: Any = getattr  # Any: it takes two
    linker.subscribe(OrderPlaced, handler)
    emission = Emitter(linker, None).emit(OrderPlaced())
    assert isinstance(emission.deliveries[0].outcome, Failed)
