"""Every kind of callable is a handler, and each is checked."""

from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar, assert_type, overload

from shop import OrderPaid, OrderPlaced, ShopEvent, UserSignedUp

from pyventus_typed import Event, Linker, Subscription

linker = Linker()
E = TypeVar("E", bound=Event)


class Mailer:
    """Handlers of every kind in a class."""

    def send(self, event: OrderPlaced) -> None: ...

    async def send_later(self, event: OrderPlaced) -> None: ...

    @classmethod
    def for_class(cls, event: OrderPlaced) -> None: ...

    @staticmethod
    def static(event: OrderPlaced) -> None: ...

    @property
    def as_property(self) -> Callable[[OrderPlaced], None]:
        return self.send

    def with_subject(self, subject: str, event: OrderPlaced) -> None: ...

    def nothing(self) -> None: ...


class Counter:
    """A callable object."""

    def __call__(self, event: ShopEvent) -> int:
        return 1


class AsyncCounter:
    async def __call__(self, event: OrderPlaced) -> int:
        return 1


@dataclass
class NotCallable:
    count: int = 0


@overload
def overloaded(event: OrderPlaced) -> int: ...
@overload
def overloaded(event: OrderPaid) -> str: ...
def overloaded(event: OrderPlaced | OrderPaid) -> int | str:
    return event.order


def generic(event: E) -> E:
    return event


def ship(courier: str, event: OrderPlaced) -> None: ...


async def ship_async(courier: str, event: OrderPlaced) -> None: ...


def as_coroutine(event: OrderPlaced) -> Coroutine[Any, Any, None]:
    return ship_async("dhl", event)


def as_awaitable(event: OrderPlaced) -> Awaitable[None]:
    return ship_async("dhl", event)


mailer = Mailer()

# Bound methods
linker.on(OrderPlaced)(mailer.send)
linker.on(OrderPlaced)(mailer.send_later)
linker.on(OrderPlaced)(Mailer.for_class)
linker.on(OrderPlaced)(Mailer.static)
linker.on(OrderPlaced)(mailer.as_property)
linker.subscribe(OrderPlaced, mailer.send)
linker.subscribe(OrderPlaced, mailer.send_later)
linker.subscribe(OrderPlaced, Mailer.static)
linker.on(OrderPaid)(mailer.send)  # E: a bound method of another event
linker.on(OrderPaid)(mailer.send_later)  # E: a bound async method of another event
linker.on(OrderPaid)(Mailer.for_class)  # E: a class method of another event
linker.on(OrderPaid)(Mailer.static)  # E: a static method of another event
linker.on(OrderPaid)(mailer.as_property)  # E: a property that gives a handler of another event
linker.on(OrderPlaced)(Mailer.send)  # E: unbound, it wants its self first
linker.on(OrderPlaced)(mailer.nothing)  # E: a method that takes no event
linker.on(OrderPlaced)(mailer.with_subject)  # E: a method that wants more than the event
linker.on(OrderPlaced)(mailer)  # E: an object that is not callable
linker.subscribe(OrderPaid, mailer.send)  # E: a bound method of another event
linker.subscribe(OrderPaid, mailer.send_later)  # E: a bound async method of another event
linker.subscribe(OrderPaid, Mailer.for_class)  # E: a class method of another event
linker.subscribe(OrderPlaced, Mailer.send)  # E: unbound, it wants its self first
linker.subscribe(OrderPlaced, mailer.nothing)  # E: a method that takes no event

# Callable objects
linker.on(OrderPlaced)(Counter())
linker.on(OrderPlaced)(AsyncCounter())
linker.subscribe(OrderPlaced, Counter())
linker.subscribe(OrderPlaced, AsyncCounter())
linker.on(UserSignedUp)(Counter())  # E: a callable object of another family
linker.on(OrderPaid)(AsyncCounter())  # E: an async callable object of another event
linker.subscribe(UserSignedUp, Counter())  # E: a callable object of another family
linker.on(OrderPlaced)(NotCallable())  # E: an object without __call__
linker.subscribe(OrderPlaced, NotCallable())  # E: an object without __call__

# Partials
linker.on(OrderPlaced)(partial(ship, "dhl"))
linker.on(OrderPlaced)(partial(ship_async, "dhl"))
linker.subscribe(OrderPlaced, partial(ship, "dhl"))
linker.subscribe(OrderPlaced, partial(ship_async, "dhl"))
linker.subscribe(OrderPlaced, partial(mailer.with_subject, "hello"))
linker.on(OrderPaid)(partial(ship, "dhl"))  # E[pyright,basedpyright,pyrefly,ty]: a partial of another event
linker.subscribe(OrderPaid, partial(ship, "dhl"))  # E[pyright,basedpyright,pyrefly,ty]: a partial of another event
linker.subscribe(
    OrderPaid, partial(ship_async, "dhl")
)  # E[pyright,basedpyright,pyrefly,ty]: an async partial of another event
linker.subscribe(OrderPlaced, partial(ship))  # E[pyright,basedpyright,pyrefly,ty]: a partial without its first argument
linker.on(OrderPlaced)(partial(ship, 3))  # E[mypy,pyright,basedpyright,pyrefly,ty]: a partial with a wrong argument
linker.on(OrderPlaced)(partial(ship, "dhl", OrderPlaced(1, 2.0)))  # E[pyrefly,ty]: a partial that has its event already

# Lambdas
linker.on(OrderPlaced)(
    lambda event: print(event.total)
)  # FP[pyright,basedpyright]: no parameter type through a decorator
linker.on(OrderPlaced)(lambda event: ship_async("dhl", event))  # FP[pyright,basedpyright]: nor here
linker.subscribe(OrderPlaced, lambda event: print(event.total))
linker.subscribe(OrderPlaced, lambda event: ship_async("dhl", event))
linker.on(OrderPlaced)(
    lambda event: print(event.tracking)
)  # E[pyright,basedpyright,pyrefly]: OrderPlaced has no tracking
linker.on(OrderPlaced, OrderPaid)(
    lambda event: print(event.total)
)  # E[pyright,basedpyright,pyrefly]: OrderPaid has no total
linker.on(OrderPlaced, OrderPaid)(
    lambda event: event.tracking
)  # E[pyright,basedpyright,pyrefly]: neither has one; to the others the parameter of a lambda is unknown here
linker.on(OrderPlaced)(lambda: None)  # E: a lambda without parameter
linker.on(OrderPlaced)(lambda event, courier: None)  # E: a lambda with two parameters
linker.subscribe(
    OrderPlaced, lambda event: print(event.tracking)
)  # E[mypy,pyright,basedpyright,pyrefly,ty]: OrderPlaced has no tracking
linker.subscribe(OrderPlaced, lambda: None)  # E: a lambda without parameter
linker.subscribe(OrderPlaced, lambda event, courier: None)  # E: a lambda with two parameters

# Overloads and generics
linker.on(OrderPlaced)(overloaded)
linker.on(OrderPaid)(overloaded)
linker.subscribe(OrderPlaced, overloaded)
linker.on(OrderPlaced)(generic)
linker.on(OrderPlaced, OrderPaid)(generic)
linker.subscribe(OrderPlaced, generic)
linker.on(UserSignedUp)(overloaded)  # E: no overload takes it
linker.subscribe(UserSignedUp, overloaded)  # E: no overload takes it

# Coroutines by hand
linker.on(OrderPlaced)(as_coroutine)
linker.on(OrderPlaced)(as_awaitable)
linker.subscribe(OrderPlaced, as_coroutine)
linker.on(OrderPaid)(as_coroutine)  # E: a coroutine factory of another event
linker.subscribe(OrderPlaced, as_coroutine(OrderPlaced(1, 2.0)))  # E: a coroutine is not callable

# Builtins and classes
linker.subscribe(OrderPlaced, print)
linker.subscribe(OrderPlaced, [OrderPlaced(1, 2.0)].append)
linker.subscribe(OrderPaid, [OrderPlaced(1, 2.0)].append)  # E: a list of other events


@linker.on(OrderPlaced)  # FP[pyrefly]: its type variable is not solved
def decorated_generic(event: E) -> E:
    return event


class Registers:
    """Subscribing in `__init__` is how an object's methods become handlers."""

    def __init__(self, linker: Linker[OrderPlaced]) -> None:
        self.subscription = linker.subscribe(OrderPlaced, self.handle)
        linker.subscribe(OrderPlaced, self.other)  # E: a method of another event
        linker.on(OrderPlaced)(self.handle)
        linker.on(OrderPlaced)(self.other)  # E: a method of another event

    def handle(self, event: OrderPlaced) -> None: ...

    def other(self, event: OrderPaid) -> None: ...


assert_type(Registers(linker).subscription, Subscription[OrderPlaced])
