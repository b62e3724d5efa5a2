"""A context manager around handlers: what makes it, and how it is registered."""

import inspect
from contextlib import asynccontextmanager, contextmanager
from types import FunctionType, MethodType
from typing import Final, NoReturn, TypeVar

from typing_extensions import override

from ._errors import NotAManager
from ._handler import check_no_method, flags_of, spell_callee, takes, unwrapped
from ._spelling import is_class, spell
from ._subscription import Call, Registration, Store

_T_co = TypeVar("_T_co", covariant=True)
_WAY_OUT: Final = (
    "Write a function that takes the delivery and yields once, below @contextmanager or @asynccontextmanager."
)


@contextmanager
def _plain():  # type: ignore[no-untyped-def]  # noqa: ANN202 - for the code of what the decorator returns
    yield


@asynccontextmanager
async def _async():  # type: ignore[no-untyped-def]  # noqa: ANN202 - for the code of what the decorator returns
    yield


_PLAIN_CODE, _ASYNC_CODE = _plain.__code__, _async.__code__


class Surrounding(Registration[_T_co]):
    """One context manager around the handlers of one or more event types, from ``surround`` until ``unsubscribe``.

    In a ``with`` statement, it ends with the block. The linker keeps a strong reference to it and to the manager, so
    it continues even if you drop this object.
    """

    __slots__ = ("_is_async", "_manager")

    def __init__(self, events: tuple[type[_T_co], ...], manager: Call, store: Store) -> None:
        self._is_async = check_manager(manager)  # as far as that is known before the first call
        self._events = events
        self._manager = manager
        self._store = store
        self._place = 0

    @property
    def manager(self) -> Call:
        """The callable that was passed: it takes the delivery and makes the context manager."""
        return self._manager

    @override
    def __repr__(self) -> str:
        events = ", ".join(map(spell, self._events))
        return f"<Surrounding {spell(self._manager)} of {events}{'' if self.active else ', ended'}>"


def check_manager(callee: object) -> bool:
    """Whether *callee* surely makes managers that are async and nothing else; `NotAManager` if it makes none, or takes no
    delivery.

    ``False`` promises nothing: what it returns decides.
    """

    def refuse(reason: str) -> NoReturn:
        raise NotAManager(f"{spell_callee(callee)} {reason}", callee)

    check_no_method(
        callee, refuse, "delivery", "Pass the method of an instance: linker.surround(instance.method, ...)."
    )
    if is_class(callee):
        is_plain, is_async = hasattr(callee, "__enter__"), hasattr(callee, "__aenter__")
        if not is_plain and not is_async:
            refuse(f"is a class whose instances are not context managers. {_WAY_OUT}")
    elif not callable(callee):
        if hasattr(type(callee), "__enter__") or hasattr(type(callee), "__aenter__"):
            refuse("is one context manager, and each delivery needs its own. Pass what makes it: lambda delivery: ...")
        refuse(f"cannot be called. {_WAY_OUT}")
    else:
        flags = flags_of(unwrapped(callee))
        if flags & inspect.CO_GENERATOR:
            refuse("is a generator function: calling it makes no context manager. Put @contextmanager above it.")
        if flags & inspect.CO_ASYNC_GENERATOR:
            refuse(
                "is an async generator function: calling it makes no context manager. Put @asynccontextmanager above it."
            )
        if flags & inspect.CO_COROUTINE:
            refuse(
                "is async: calling it makes a coroutine and no context manager. Let it yield once, below @asynccontextmanager."
            )
        is_plain, is_async = False, _code_of(callee) is _ASYNC_CODE
    if not takes(_inner(callee), 1):
        refuse(
            "cannot be called with one positional argument, the delivery. Take it first and give everything else a default."
        )
    return is_async and not is_plain


def _code_of(callee: object) -> object:
    inner = unwrapped(callee)
    function = inner.__func__ if type(inner) is MethodType else inner
    return function.__code__ if type(function) is FunctionType else None


def _inner(callee: object) -> object:
    """The generator function that contextlib has decorated, which says what it takes; else *callee*."""
    if type(callee) is MethodType:
        inner = _inner(callee.__func__)
        return MethodType(inner, callee.__self__) if inner is not callee.__func__ and callable(inner) else callee
    if type(callee) is FunctionType and callee.__code__ in (_PLAIN_CODE, _ASYNC_CODE):
        return getattr(callee, "__wrapped__", callee)
    return callee
