"""A handler that is subscribed, with its options, and how that ends."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from operator import attrgetter, is_
from sys import float_info, maxsize
from types import TracebackType
from typing import Any, Generic, Protocol, Self, TypeAlias

from typing_extensions import TypeVar, override

from ._errors import InvalidOption, NotAHandler
from ._handler import check_callback, check_handler, is_surely_sync
from ._spelling import spell

_T_co = TypeVar("_T_co", covariant=True)
Call = Callable[..., object]  # of the caller's own signature: checked where it was passed, called with what it takes


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How a handler is called. Every field is checked here, where it is given, and the record is handed on whole."""

    when: Callable[..., bool] | None = None
    once: bool = False
    priority: int = 0
    on_success: Call | None = None
    on_failure: Call | None = None
    timeout: float | None = None
    in_thread: bool = False
    answers: bool = False

    def __post_init__(self) -> None:
        if self.when is not None and check_callback("when", self.when, "the event"):
            raise InvalidOption(
                f"when={spell(self.when)} is async, and emit does not wait. Use a plain function.", self.when
            )
        if self.on_success is not None:
            check_callback("on_success", self.on_success, "the result")
        if self.on_failure is not None:
            check_callback("on_failure", self.on_failure, "the event", "the error")
        check_bool("once", self.once)
        check_bool("in_thread", self.in_thread)
        check_bool("answers", self.answers)
        _check_int("priority", self.priority)
        if self.timeout is not None:
            check_seconds("timeout", self.timeout, above=0)

    def with_callbacks_of(self, linker: "Options") -> "Options":
        """These options, with the callbacks of the *linker* where they name none; its own record if that is all."""
        if all(map(is_, _values(self), _values(PLAIN))):  # not ==: a predicate may have its own, which is true of all
            return linker
        on_success = linker.on_success if self.on_success is None else self.on_success
        on_failure = linker.on_failure if self.on_failure is None else self.on_failure
        if on_success is self.on_success and on_failure is self.on_failure:
            return self
        return replace(self, on_success=on_success, on_failure=on_failure)


_values: Callable[[Options], tuple[object, ...]] = attrgetter(*(field.name for field in fields(Options)))


def check_bool(name: str, value: object) -> None:
    """Refuse what is true or false, and no bool: ``once="no"``."""
    if not isinstance(value, bool):
        raise InvalidOption(f"{name}={value!r} is neither True nor False.", value)


def _check_int(name: str, value: object) -> None:
    if not isinstance(value, int) or isinstance(value, bool):
        raise InvalidOption(f"{name}={value!r} is not an int; a higher one goes first.", value)


def check_seconds(name: str, value: object, *, above: float | None = None) -> None:
    """Refuse anything but a finite number of seconds: more than *above*, or at least 0."""
    good = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= float_info.max  # and no NaN
    if not good or (value < 0 if above is None else value <= above):  # type: ignore[operator]  # good says that it is a number
        bound = "at least 0" if above is None else f"more than {above}"
        raise InvalidOption(f"{name}={value!r} is not a number of seconds: {bound}, or None for no limit.", value)


def check_count(name: str, value: object, rest: str) -> None:
    """Refuse anything but an int of at least 1; *rest* ends the sentence."""
    if type(value) is not int or value < 1:
        raise InvalidOption(f"{name}={value!r} is not an int of at least 1{rest}", value)
    if value > maxsize:
        raise InvalidOption(f"{name} is more than sys.maxsize, which is {maxsize}. Give a smaller one.", value)


def check_choice(name: str, value: object, choices: Sequence[str]) -> None:
    """Refuse what is none of *choices*."""
    if value not in choices:
        raise InvalidOption(f"{name}={value!r} is none of {', '.join(map(repr, choices))}.", value)


PLAIN = Options()
"""Shared by every subscription without options, so that it costs a reference."""


class Store(Protocol):
    """What a registration needs of the store that holds it."""

    def remove(self, registration: "AnyRegistration", /) -> bool: ...
    def holds(self, registration: "AnyRegistration", /) -> bool: ...


class Registration(Generic[_T_co]):
    """What a linker holds for one or more event types, until it is ended. As a context manager it ends with the block."""

    __slots__ = ("__weakref__", "_events", "_place", "_store")

    _events: tuple[type[_T_co], ...]
    _place: int  # its place in its store
    _store: "Store"
    _source: object = None  # of a stream, the state of the one emitter that it receives from; None of all

    @property
    def events(self) -> tuple[type[_T_co], ...]:
        """The event types, as they were given."""
        return self._events

    @property
    def active(self) -> bool:
        """Whether it holds for emissions from now on."""
        return self._store.holds(self)

    def unsubscribe(self) -> bool:
        """End it, from any thread; return whether it was active: of several callers, one gets ``True``.

        Emissions accepted before keep it.
        """
        return self._store.remove(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.unsubscribe()


class Subscription(Registration[_T_co]):
    """One handler that is subscribed to one or more event types, from ``subscribe`` until ``unsubscribe``.

    As a context manager, it unsubscribes on exit. The linker keeps a strong reference to it and to its handler, so
    the subscription continues even if you drop this object.
    """

    __slots__ = ("_call", "_handler", "_is_async", "_options")

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
    def handler(self) -> Call:
        """The callable that was passed."""
        return self._handler

    @property
    def priority(self) -> int:
        """Handlers with a higher priority start first."""
        return self._options.priority

    @property
    def once(self) -> bool:
        """Whether the first accepted emission ends the subscription."""
        return self._options.once

    @property
    def when(self) -> Callable[..., bool] | None:
        """The predicate, if it has one."""
        return self._options.when

    @property
    def on_success(self) -> Call | None:
        """The callback for the handler's result: that of the subscription, or that of the linker."""
        return self._options.on_success

    @property
    def on_failure(self) -> Call | None:
        """The callback for the event and the error: that of the subscription, or that of the linker."""
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

    @override
    def __repr__(self) -> str:
        events = ", ".join(map(spell, self._events))
        return f"<Subscription {spell(self._handler)} to {events}{'' if self.active else ', ended'}>"


AnyRegistration: TypeAlias = Registration[Any]  # Any: for whatever events; a store does not care


def _check_options(handler: Call, options: Options, *, is_async: bool) -> None:
    """Refuse *options* that do not go with *handler*."""
    if is_async and options.in_thread:
        raise NotAHandler(
            f"{spell(handler)} is async, and in_thread=True is for handlers that block. Leave it out.", handler
        )
    if options.timeout is not None and not (is_async or options.in_thread) and is_surely_sync(handler):
        raise NotAHandler(
            f"{spell(handler)} is not async, so no timeout can cut it off. Make it async, or add in_thread=True.",
            handler,
        )
