"""Who listens to what, and how it ends."""

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite
from types import TracebackType
from typing import Any, Generic, Protocol, Self, TypeAlias

from typing_extensions import TypeVar, override

from ._handler import check_handler
from ._spelling import spell
from .errors import InvalidOption, NotAHandler

_T_co = TypeVar("_T_co", covariant=True)
Call = Callable[..., object]  # of the caller's own signature: checked where it was passed, called with what it takes


@dataclass(frozen=True, slots=True)
class Options:
    """How a handler is called. Checked once, where it is subscribed."""

    when: Callable[..., bool] | None = None
    once: bool = False
    priority: int = 0
    on_success: Call | None = None
    on_failure: Call | None = None
    timeout: float | None = None
    in_thread: bool = False
    answers: bool = False

    def __post_init__(self) -> None:
        for name in ("when", "on_success", "on_failure"):
            value = getattr(self, name)
            if value is not None and not callable(value):
                raise InvalidOption(f"{name}={value!r} cannot be called. Pass a function, or leave it out.", value)
        if inspect.iscoroutinefunction(self.when):
            raise InvalidOption(
                f"when={spell(self.when)} is async, and emit does not wait. Use a plain function.", self.when
            )
        for name in ("once", "in_thread"):
            value = getattr(self, name)
            if not isinstance(value, bool):
                raise InvalidOption(f"{name}={value!r} is neither True nor False.", value)
        if not isinstance(self.priority, int):
            raise InvalidOption(f"priority={self.priority!r} is no int; a higher one goes first.", self.priority)
        if self.timeout is not None:
            check_seconds("timeout", self.timeout, least=None)


def check_seconds(name: str, value: object, *, least: float | None = 0) -> None:
    """Refuse what is no finite number of seconds: at least *least*, or more than nothing if that is ``None``."""
    good = isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
    if not good or value < (least or 0) or (least is None and value == 0):  # type: ignore[operator]  # good says that it is a number
        bound = "more than 0" if least is None else f"at least {least}"
        raise InvalidOption(f"{name}={value!r} is no number of seconds: {bound}, or None for no limit.", value)


PLAIN = Options()
"""Shared by every subscription without options, so that it costs a reference."""


class Store(Protocol):
    """What a subscription needs of the store that holds it."""

    def remove(self, subscription: "AnySubscription", /) -> bool: ...
    def holds(self, subscription: "AnySubscription", /) -> bool: ...


class Subscription(Generic[_T_co]):
    """One handler linked to one or more event types, from ``subscribe`` until ``unsubscribe``.

    As a context manager it unsubscribes on exit. The linker holds it, and with it the handler, strongly;
    letting go of this object changes nothing.
    """

    __slots__ = ("__weakref__", "_call", "_events", "_handler", "_is_async", "_options", "_place", "_store")

    def __init__(self, events: tuple[type[_T_co], ...], handler: Call, options: Options, store: Store) -> None:
        self._is_async = is_async = check_handler(handler)
        if options is not PLAIN:
            _check_options(handler, options, is_async=is_async)
        self._events = events
        self._handler = handler
        self._options = options
        self._store = store
        self._place = 0
        self._call: Call | None = None  # with its options: composed for the first route

    @property
    def events(self) -> tuple[type[_T_co], ...]:
        """The event types, as they were given."""
        return self._events

    @property
    def handler(self) -> Call:
        """The very callable that was given."""
        return self._handler

    @property
    def active(self) -> bool:
        """Whether emissions from now on would be delivered to it."""
        return self._store.holds(self)

    @property
    def priority(self) -> int:
        """Higher goes first."""
        return self._options.priority

    @property
    def once(self) -> bool:
        """Whether one accepted emission uses it up."""
        return self._options.once

    @property
    def when(self) -> Callable[..., bool] | None:
        """The predicate, if it has one."""
        return self._options.when

    @property
    def on_success(self) -> Call | None:
        """What is told the handler's result, its own or the linker's."""
        return self._options.on_success

    @property
    def on_failure(self) -> Call | None:
        """What is told the event and the error, its own or the linker's."""
        return self._options.on_failure

    @property
    def timeout(self) -> float | None:
        """Seconds from the start of the handler until it is cancelled."""
        return self._options.timeout

    @property
    def in_thread(self) -> bool:
        """Whether the handler runs in a worker thread when a loop is running."""
        return self._options.in_thread

    @property
    def answers(self) -> bool:
        """Whether it was made by ``linker.answer``."""
        return self._options.answers

    def unsubscribe(self) -> bool:
        """End it, from any thread; return whether it was active: of several callers, one is told ``True``.

        Emissions accepted before are still delivered.
        """
        return self._store.remove(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.unsubscribe()

    @override
    def __repr__(self) -> str:
        events = ", ".join(map(spell, self._events))
        return f"<Subscription {spell(self._handler)} to {events}{'' if self.active else ', ended'}>"


AnySubscription: TypeAlias = Subscription[Any]  # Any: to whatever events; a store does not care


def _check_options(handler: Call, options: Options, *, is_async: bool) -> None:
    """Refuse *options* that do not go with *handler*."""
    if is_async and options.in_thread:
        raise NotAHandler(
            f"{spell(handler)} is async, and in_thread=True is for handlers that block. Leave it out.", handler
        )
    if options.timeout is not None and not (is_async or options.in_thread) and _surely_sync(handler):
        raise NotAHandler(
            f"{spell(handler)} is not async, so no timeout can cut it off. Make it async, or add in_thread=True.",
            handler,
        )


def _surely_sync(handler: Call) -> bool:
    # A lambda may return a coroutine, and so may what is wrapped around a coroutine function.
    while isinstance(handler, functools.partial):
        handler = handler.func
    return getattr(handler, "__name__", "") != "<lambda>" and not inspect.iscoroutinefunction(inspect.unwrap(handler))
