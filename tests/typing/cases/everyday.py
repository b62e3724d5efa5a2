"""Code as somebody else writes it: decorated handlers, protocols, `NewType`, generic events, an alias as the family."""

import functools
from asyncio import Future
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, NewType, ParamSpec, Protocol, TypeVar, assert_type

from typing_extensions import TypeAliasType

from pyventus_typed import (
    Around,
    Completed,
    Delivery,
    Emission,
    Emitter,
    Event,
    Failed,
    Linker,
    On,
    Outcome,
    PerKey,
    Request,
    Routes,
    Status,
    Stream,
    Subscriber,
    Subscription,
    Surrounding,
    Tally,
    answers,
    current_emission,
    errors,
    handles,
    observe,
    route,
)

P = ParamSpec("P")
R = TypeVar("R")
V = TypeVar("V")
UserId = NewType("UserId", int)
OrderId = NewType("OrderId", int)


class Base(Event): ...


@dataclass(frozen=True)
class Joined(Base):
    user: UserId


@dataclass(frozen=True)
class Left(Base):
    user: UserId
    reason: str = ""


@dataclass(frozen=True)
class Bought(Event):
    order: OrderId
    price: float


@dataclass(frozen=True)
class Box(Event, Generic[V]):
    value: V


@dataclass(frozen=True)
class IntBox(Box[int]):
    label: str = ""


@dataclass(frozen=True)
class AgeOf(Request[int]):
    user: UserId


@dataclass(frozen=True)
class NamesOf(Request[list[str]]):
    users: tuple[UserId, ...]


class HasUser(Protocol):
    @property
    def user(self) -> UserId: ...


class HasOrder(Protocol):
    @property
    def order(self) -> OrderId: ...


Family = TypeAliasType("Family", Joined | Left | AgeOf)

linker = Linker()
family = Linker[Family]()
loose: Linker[Any] = Linker()
emitter = Emitter(linker)
fam_emitter = Emitter(family)


def logged(function: Callable[P, R]) -> Callable[P, R]:
    @functools.wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        return function(*args, **kwargs)

    return wrapper


def retried(times: int) -> Callable[[Callable[P, Awaitable[R]]], Callable[P, Awaitable[R]]]:
    def decorate(function: Callable[P, Awaitable[R]]) -> Callable[P, Awaitable[R]]:
        return function

    return decorate


# ---- decorated functions
@linker.on(Joined)
@logged
def welcome(event: Joined) -> int:
    return event.user


@linker.on(Joined)
@logged
def welcome_wrong(event: Left) -> int:  # E: another event under a decorator
    return event.user


@linker.on(Joined)
@retried(3)
async def welcome_later(event: Joined) -> None: ...


@linker.on(Joined)
@retried(3)
async def welcome_later_wrong(event: Bought) -> None: ...  # E: another event under a decorator with arguments


@linker.on(Joined)
@functools.lru_cache
def cached(event: Joined) -> int:
    return 1


@linker.on(Joined, Left)
@logged
def both_wrong(event: Joined) -> int:  # E: one of two under a decorator
    return 1


# ---- decorated methods
class Desk(Subscriber[Joined | Left]):
    greeting: ClassVar[str] = "hello"

    @handles(Joined)
    @logged
    def joined(self, event: Joined) -> int:
        return 1

    @handles(Joined)
    @logged
    def joined_wrong(self, event: Bought) -> int:  # E: a decorated method of another event
        return 1

    @handles(Joined, Left, when=lambda event: event.user > 3)
    def either(self, event: Joined | Left) -> None: ...

    @handles(
        Left, when=lambda event: event.reason
    )  # E[mypy,pyright,basedpyright,pyrefly,ty]: a filter answers with a bool
    def left_filtered(self, event: Left) -> None: ...

    @handles(Left, on_success=print)  # E: a marked method has no callbacks
    def left_told(self, event: Left) -> None: ...

    @handles(Joined)
    async def joined_later(self, event: Left) -> None: ...  # E: an async method of another event

    @handles(Box)
    def opened(self, event: HasOrder) -> None: ...  # E: a Box has no order


class Ages(Subscriber[AgeOf]):
    @answers(AgeOf)
    @logged
    def age(self, request: AgeOf) -> int:
        return 3

    @answers(AgeOf)
    @logged
    def age_wrong(self, request: AgeOf) -> str:  # E: a decorated answer of another type
        return ""

    @answers(NamesOf)
    async def names(self, request: NamesOf) -> list[int]:  # E: a list of something else
        return []


family.bind(Desk())
family.bind(Ages())
Linker[Joined]().bind(Desk())  # E: it handles Left too
family.bind([Desk()])  # E: one subscriber, no list


# ---- partials, lambdas, callable objects
def charge(account: str, event: Bought) -> float:
    return event.price


class Meter(Generic[V]):
    def __call__(self, event: V) -> None: ...


class Chain:
    def __call__(self, first: Bought, second: Bought) -> None: ...


linker.subscribe(Bought, functools.partial(charge, "shop"))
linker.subscribe(Bought, functools.partial(charge))  # E[pyright,basedpyright,pyrefly,ty]: the account is missing
linker.subscribe(Bought, functools.partial(charge, 3))  # E[mypy,pyright,basedpyright,pyrefly,ty]: the account is text
linker.subscribe(Joined, functools.partial(charge, "shop"))  # E[pyright,basedpyright,pyrefly,ty]: of another event
linker.subscribe(Joined, Meter[Joined]())
linker.subscribe(Joined, Meter[Base]())
linker.subscribe(Joined, Meter[Left]())  # E: a meter of another event
linker.on(Joined)(Meter[Left]())  # E: a meter of another event
linker.subscribe(Bought, Chain())  # E: it takes two
linker.subscribe(Bought, lambda: None)  # E: a handler takes the event
linker.subscribe(Bought, lambda event, more: None)  # E: a handler takes one event
linker.subscribe(Bought, lambda event: event.user)  # E[mypy,pyright,basedpyright,pyrefly,ty]: Bought has no user
linker.subscribe(
    Bought, lambda event: event.price + "x"
)  # E[mypy,pyright,basedpyright,pyrefly,ty]: a price is a number
linker.subscribe(Bought, [charge])  # E: a list is not callable
linker.subscribe(Bought, charge)  # E: it takes the account first
linker.subscribe(Bought, Chain)  # E: its class takes no event


# ---- protocols
def note_user(event: HasUser) -> None: ...


def note_order(event: HasOrder) -> None: ...


linker.subscribe(Joined, note_user)  # FP[zuban]: it takes the protocol for the event, which it is not
linker.on(Joined, Left)(note_user)
linker.subscribe(Joined, note_order)  # E: Joined has no order
linker.on(Joined, Bought)(note_user)  # E: Bought has no user
linker.on(HasUser)  # E[mypy,pyright,basedpyright,ty,zuban]: a protocol is no event class
emitter.emit(note_user)  # E: a function is no event


# ---- NewType fields
emitter.emit(Joined(UserId(3)))
emitter.emit(Joined(3))  # E: an int is no UserId
emitter.emit(Joined(OrderId(3)))  # E: an OrderId is no UserId
assert_type(emitter.emit(Joined(UserId(3))).event.user, UserId)
wrong_id: OrderId = emitter.emit(Joined(UserId(3))).event.user  # E: a UserId is no OrderId
linker.subscribe(
    Joined, lambda event: note_order(event)
)  # E[mypy,pyright,basedpyright,pyrefly,ty]: Joined has no order
PerKey(Joined, lambda event: event.user)
PerKey(Joined, lambda event: event.order)  # E: Joined has no order


# ---- generic events
assert_type(emitter.emit(Box(1)), Emission[Box[int]])
assert_type(emitter.emit(IntBox(1)).event.value, int)
linker.subscribe(IntBox, lambda event: print(event.value.bit_length(), event.label))
linker.subscribe(
    IntBox, lambda event: event.value.upper()
)  # E[mypy,pyright,basedpyright,pyrefly,ty]: an int has no upper


def of_text(event: Box[str]) -> None: ...


def of_numbers(event: Box[int]) -> None: ...


linker.subscribe(IntBox, of_numbers)
linker.subscribe(IntBox, of_text)  # E: its value is an int
linker.on(IntBox)(of_text)  # E: its value is an int
linker.on(IntBox, Joined)(of_numbers)  # E: Joined is no Box
emitter.emit(Box[int]("x"))  # E: the value is no int
text_box: Emission[Box[str]] = emitter.emit(Box(1))  # E: a box of an int


# ---- Linker[Any]
loose.subscribe(Joined, lambda event: print(event.user))
loose.on(Joined)(note_user)
loose.on(Joined)(note_order)  # E: Joined has no order
loose.on(int)  # E: an int is no event
loose.subscribe(str, print)  # E: a str is no event
loose.on(Joined, when=lambda event: event.price > 3)  # E[mypy,pyright,basedpyright,pyrefly,ty]: Joined has no price
loose.answer(Joined)  # E: not a request


# ---- an alias as the family
family.subscribe(Joined, note_user)  # FP[zuban]: it takes the protocol for the event, which it is not
family.subscribe(Bought, print)  # E: outside of the alias
family.on(Bought)  # E: outside of the alias
family.on(Joined, Bought)  # E: the second is outside of the alias
family.on(Base)  # E: wider than the alias
fam_emitter.emit(Bought(OrderId(1), 2.0))  # E: outside of the alias
fam_emitter.stream(Bought)  # E: outside of the alias
fam_emitter.expect(Joined, Bought)  # E: the second is outside of the alias
family.answer(NamesOf)  # E: outside of the alias


# ---- ask
async def asking() -> None:
    assert_type(await emitter.ask(AgeOf(UserId(1))), int)
    assert_type(await emitter.ask(NamesOf(())), list[str])
    assert_type(emitter.ask_sync(AgeOf(UserId(1))), int)
    await emitter.ask(Joined(UserId(1)))  # E: not a request
    await emitter.ask(AgeOf)  # E: the class
    await emitter.ask(AgeOf(1))  # E: an int is no UserId
    await fam_emitter.ask(NamesOf(()))  # E: outside of the alias
    (await emitter.ask(AgeOf(UserId(1)))).upper()  # E: an int has no upper
    for name in await emitter.ask(AgeOf(UserId(1))):  # E: an int is no list
        pass
    emitter.ask_sync(Joined(UserId(1)))  # E: not a request
    await emitter.ask_sync(AgeOf(UserId(1)))  # E: an int is not awaitable
    await emitter.ask(AgeOf(UserId(1)), timeout=3)  # E: there is no such option


@linker.answer(AgeOf)
def age(request: AgeOf) -> int:
    return 3


@linker.answer(AgeOf)
@logged
def age_as_text(request: AgeOf) -> str:  # E: a decorated answer of another type
    return ""


linker.answer(AgeOf)(lambda request: "three")  # E: an answer of another type
linker.answer(AgeOf, once=True)  # E: an answer is not for once
linker.answer(AgeOf, NamesOf)  # E: one request


# ---- around, surround
@linker.around(Joined)
@contextmanager
def timed(delivery: Delivery[Joined]) -> Generator[None, None, None]:
    assert_type(delivery.event.user, UserId)
    yield


@linker.around(Joined, Left)
@asynccontextmanager
async def timed_later(delivery: Delivery[Base]) -> AsyncGenerator[None, None]:
    yield


@family.around(Joined)  # E: the delivery of another event
@contextmanager
def timed_wrong(delivery: Delivery[Bought]) -> Iterator[None]:
    yield


def manager_of_two(delivery: Delivery[Joined], more: int) -> AbstractContextManager[None]:
    return timed(delivery)


linker.surround(manager_of_two, Joined)  # E: nobody passes a second argument
linker.surround(functools.partial(manager_of_two, more=3), Joined)
linker.surround(timed, Left)  # E: the delivery of another event
linker.surround(timed, Joined, Left)  # E: one of two is missing
linker.surround(Joined, timed)  # E: the manager comes first
linker.surround(
    lambda delivery: delivery.event.price, Bought
)  # E[mypy,pyright,basedpyright,pyrefly,zuban]: a number is no context manager
family.surround(timed, Bought)  # E: outside of the alias
timing: Surrounding[Left] = linker.surround(timed, Joined)  # E: around another event
named: Around[Left] = linker.around(Joined)  # E: around another event
with linker.around(Joined):  # E: a decorator is no context manager
    pass


# ---- stream, expect
async def reading() -> None:
    async with emitter.stream(Joined, Bought, when=lambda event: True) as stream:
        async for event in stream:
            event.user  # E: Bought has no user
        stream.dropped.append(1)  # E: a count
        stream.emit(Joined(UserId(1)))  # E: a stream is read
        more: Stream[Joined] = stream  # E: more comes than that
        print(more)
    async for event in emitter.stream(Joined).events:  # E: there is no such attribute
        pass
    (await emitter.expect(IntBox)).value.upper()  # E: an int has no upper
    later: Future[Bought] = emitter.expect(Joined)  # E: another event is expected
    emitter.expect(
        Joined, when=lambda event: event.price > 1
    )  # E[mypy,pyright,basedpyright,pyrefly,ty]: Joined has no price
    emitter.expect(Joined, when=lambda event: None)  # E: a filter answers with a bool
    emitter.stream(Joined, maxsize=2.5)  # E: a whole number
    emitter.stream(Joined, overflow="drop")  # E: none of the three
    emitter.stream([Joined, Left])  # E: classes are arguments
    print(later)


# ---- outcomes and emissions
emission = emitter.emit(Joined(UserId(1)))


def judge(outcome: Outcome | None) -> str:
    match outcome:
        case Completed(value):
            return value  # E: the value may be anything
        case Failed(error):
            return error  # E: an exception is no text
        case _:
            return ""


emission.deliveries.append(emission.deliveries[0])  # E: a sequence that nobody changes
emission.deliveries[0].outcome = None  # E: not for assignment
emission.deliveries[0].event.price  # E: Joined has no price
emission.status = Status.FAILED  # E: not for assignment
emission.status is Status.DONE  # E: there is no such status
emission.event.user = UserId(2)  # E: frozen
Failed("boom")  # E: an error is an exception
Completed(1).error  # E: a value, no error
current_emission().event  # E: there may be none
emitter.tally.accepted += 1  # E: a tally is frozen
errors.NoHandler.request  # E: there is no such attribute of the class
whole: Emission[Bought] = emission  # E: of another event
tally: Tally = emitter.tally()  # E: a property

# ---- routes
routes: Routes[Joined | Left] = route(Joined, note_user) | route(
    Left, note_user
)  # FP[zuban]: it takes the protocol for the event, which it is not
few: Routes[Joined | Left] = route(Joined, note_user)  # E: Left has no handler
route(Joined, note_order)  # E: Joined has no order
route(Joined)  # E: the handler is missing
Linker.of([routes])  # E: routes, not a list
assert_type(Linker.of(routes), Linker[Joined | Left])
Linker.of(routes).subscribe(Bought, print)  # E: outside of the routes

# ---- the decorator by name
nine: On[Joined, object] = linker.on(Joined)
ten: On[Left, object] = linker.on(Joined)  # E: for handlers of another event
nine(note_order)  # E: Joined has no order
sub: Subscription[Left] = linker.subscribe(Joined, print)  # E: to another event
linker.on(Joined).subscribe(print)  # E: a decorator has no methods
observe(linker)  # E: an observer is called with events of the run
