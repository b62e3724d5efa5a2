"""Classes whose methods are handlers: ``Subscriber[E]``, ``@handles`` and ``@answers``."""

from collections.abc import Callable, Iterator
from types import FunctionType
from typing import Any, Generic, overload

from typing_extensions import override

from ._errors import DefinitionError, NotAHandler, NotAnEvent
from ._event import Event, check_event_class, check_request_class
from ._family import declared_family, holds, outside_family_error
from ._spelling import is_class, spell, spell_apart
from ._subscription import Options
from ._typing import (
    T1,
    T2,
    T3,
    T4,
    T5,
    T6,
    T7,
    T8,
    T9,
    A,
    Answer,
    M_co,
    MethodOf,
    Only,
    P,
    R,
    RequestType,
    T,
    T_co,
    T_contra,
    When,
)

_MARK = "__pyventus_handles__"


class Mark:
    """What ``@handles`` or ``@answers`` notes on a function: the event types, and how to call it."""

    __slots__ = ("events", "options")

    def __init__(self, events: tuple[type[Event], ...], options: Options) -> None:
        self.events: tuple[type[Event], ...] = events
        self.options: Options = options


class Subscriber(Generic[T_co]):
    """A class whose methods handle events of a family: ``class Shipping(Subscriber[Paid | Refunded])``.

    Mark methods with ``@handles`` or ``@answers``, then call ``linker.bind(Shipping())``. Marked methods are
    inherited; a method that overrides a marked one takes its place. A method that is marked for an event outside the
    family is refused when the class is defined. ::

        class Shipping(Subscriber[OrderPaid]):
            @handles(OrderPaid)
            async def ship(self, event: OrderPaid) -> None:
                print(f"order {event.order} is on its way")

        linker.bind(Shipping())
    """

    @override
    def __init_subclass__(cls, **options: Any) -> None:  # Any: for the next class by inheritance
        super().__init_subclass__(**options)
        family = declared_family(cls, Subscriber)
        for name, mark in _marks(cls).items():
            verb = "answers" if mark.options.answers else "handles"
            for event in mark.events:
                if not holds(family, event):
                    raise outside_family_error(
                        event,
                        family,
                        f"{spell(cls)}.{name} {verb} {spell_apart(event, family)}, which is outside of its family",
                    )


class Handles(Generic[T_contra, M_co]):
    """The decorator that ``handles`` and ``answers`` return; it gives back the very function it was given."""

    __slots__ = ("_mark",)

    def __init__(self, mark: Mark) -> None:
        self._mark = mark

    def __call__(self, method: MethodOf[T_contra, M_co, P, R], /) -> Callable[P, R]:
        """Mark *method*, and return it unchanged."""
        name = "answers" if self._mark.options.answers else "handles"
        if not isinstance(method, FunctionType):
            raise NotAHandler(
                f"{spell(method)} is not a function of a class body, and @{name}(...) belongs above one.", method
            )
        if hasattr(method, _MARK):
            raise NotAHandler(
                f"{spell(method)} is already marked, and @{name}(...) would replace that mark. Name all events in one "
                "@handles(...), and let an answer be a method of its own.",
                method,
            )
        setattr(method, _MARK, self._mark)
        return method


# fmt: off
# -- overloads of handles: one for each number of events, written by tests/typing/overloads.py
@overload
def handles(
    e1: Only[type[T1]], /, *, when: When[T1] = None, priority: Only[int] = 0, timeout: Only[float | None] = None,
    in_thread: Only[bool] = False,
) -> Handles[T1]: ...
@overload
def handles(
    e1: Only[type[T1]], e2: Only[type[T2]], /, *, when: When[T1 | T2] = None, priority: Only[int] = 0,
    timeout: Only[float | None] = None, in_thread: Only[bool] = False,
) -> Handles[T1 | T2]: ...
@overload
def handles(
    e1: Only[type[T1]], e2: Only[type[T2]], e3: Only[type[T3]], /, *, when: When[T1 | T2 | T3] = None,
    priority: Only[int] = 0, timeout: Only[float | None] = None, in_thread: Only[bool] = False,
) -> Handles[T1 | T2 | T3]: ...
@overload
def handles(
    e1: Only[type[T1]], e2: Only[type[T2]], e3: Only[type[T3]], e4: Only[type[T4]], /, *,
    when: When[T1 | T2 | T3 | T4] = None, priority: Only[int] = 0, timeout: Only[float | None] = None,
    in_thread: Only[bool] = False,
) -> Handles[T1 | T2 | T3 | T4]: ...
@overload
def handles(
    e1: Only[type[T1]], e2: Only[type[T2]], e3: Only[type[T3]], e4: Only[type[T4]], e5: Only[type[T5]], /, *,
    when: When[T1 | T2 | T3 | T4 | T5] = None, priority: Only[int] = 0, timeout: Only[float | None] = None,
    in_thread: Only[bool] = False,
) -> Handles[T1 | T2 | T3 | T4 | T5]: ...
@overload
def handles(
    e1: Only[type[T1]], e2: Only[type[T2]], e3: Only[type[T3]], e4: Only[type[T4]], e5: Only[type[T5]],
    e6: Only[type[T6]], /, *, when: When[T1 | T2 | T3 | T4 | T5 | T6] = None, priority: Only[int] = 0,
    timeout: Only[float | None] = None, in_thread: Only[bool] = False,
) -> Handles[T1 | T2 | T3 | T4 | T5 | T6]: ...
@overload
def handles(
    e1: Only[type[T1]], e2: Only[type[T2]], e3: Only[type[T3]], e4: Only[type[T4]], e5: Only[type[T5]],
    e6: Only[type[T6]], e7: Only[type[T7]], /, *, when: When[T1 | T2 | T3 | T4 | T5 | T6 | T7] = None,
    priority: Only[int] = 0, timeout: Only[float | None] = None, in_thread: Only[bool] = False,
) -> Handles[T1 | T2 | T3 | T4 | T5 | T6 | T7]: ...
@overload
def handles(
    e1: Only[type[T1]], e2: Only[type[T2]], e3: Only[type[T3]], e4: Only[type[T4]], e5: Only[type[T5]],
    e6: Only[type[T6]], e7: Only[type[T7]], e8: Only[type[T8]], /, *,
    when: When[T1 | T2 | T3 | T4 | T5 | T6 | T7 | T8] = None, priority: Only[int] = 0,
    timeout: Only[float | None] = None, in_thread: Only[bool] = False,
) -> Handles[T1 | T2 | T3 | T4 | T5 | T6 | T7 | T8]: ...
@overload
def handles(
    e1: Only[type[T1]], e2: Only[type[T2]], e3: Only[type[T3]], e4: Only[type[T4]], e5: Only[type[T5]],
    e6: Only[type[T6]], e7: Only[type[T7]], e8: Only[type[T8]], /, *more: Only[type[T9]],
    when: When[T1 | T2 | T3 | T4 | T5 | T6 | T7 | T8 | T9] = None, priority: Only[int] = 0,
    timeout: Only[float | None] = None, in_thread: Only[bool] = False,
) -> Handles[T1 | T2 | T3 | T4 | T5 | T6 | T7 | T8 | T9]: ...
# -- end of overloads
# fmt: on
def handles(
    *events: Any,  # Any, here and below: the overloads say what goes in and comes out
    when: Callable[..., bool] | None = None,
    priority: Any = 0,
    timeout: Any = None,
    in_thread: Any = False,
) -> Handles[Any]:
    """Mark a method of a `Subscriber` as the handler of these event types, with the options of ``Linker.on``."""
    if not events:
        raise NotAnEvent("handles() names no event. Name at least one: @handles(OrderPlaced).")
    options = Options(when=when, priority=priority, timeout=timeout, in_thread=in_thread)
    return Handles(Mark(tuple(dict.fromkeys(map(check_event_class, events))), options))


def answers(
    request: RequestType[..., Event, T, A], /, *, timeout: float | None = None, in_thread: bool = False
) -> Handles[T, Answer[A]]:
    """Mark a method of a `Subscriber` as the one answer to *request*, with the options of ``Linker.answer``.

    It is to ``linker.answer`` what ``handles`` is to ``linker.on``. If there is another answer to the request,
    ``bind`` raises `SeveralHandlers` and binds none of the methods.
    """
    kind = check_event_class(request)
    check_request_class(kind, f"@handles({spell(kind)})")
    return Handles(Mark((kind,), Options(timeout=timeout, in_thread=in_thread, answers=True)))


def methods_of(subscriber: object) -> Iterator[tuple[Callable[..., object], Mark]]:
    """The marked methods of an instance, bound, in the order of definition, base classes first."""
    if is_class(subscriber):
        raise DefinitionError(
            f"{spell(subscriber)} is a class, and bind takes an instance. Did you mean {spell(subscriber)}()?",
            subscriber,
        )
    if not isinstance(subscriber, Subscriber):
        raise DefinitionError(f"{subscriber!r} is not a Subscriber. Derive its class from Subscriber[...].", subscriber)
    marks = _marks(type(subscriber))
    if not marks:
        raise DefinitionError(
            f"{spell(type(subscriber))} has no method marked with @handles(...) or @answers(...), so there is nothing to bind.",
            subscriber,
        )
    for name, mark in marks.items():
        yield getattr(subscriber, name), mark


def _marks(kind: type) -> dict[str, Mark]:
    # A dict keeps the place of a name that is set again: an overriding method comes in place of the overridden one.
    marks: dict[str, Mark] = {}
    for ancestor in reversed(kind.__mro__):
        for name, member in ancestor.__dict__.items():
            if isinstance(member, staticmethod | classmethod) and hasattr(member.__func__, _MARK):
                raise NotAHandler(
                    f"{spell(ancestor)}.{name} is a {type(member).__name__}, and a mark is for methods of an instance. "
                    "Leave that decorator out.",
                    member,
                )
            mark = getattr(member, _MARK, None)
            if isinstance(mark, Mark):
                marks[name] = mark
    return marks
