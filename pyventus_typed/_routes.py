"""A table of routes whose type says which events it covers: leaving one out is an error to the type checker."""

from collections.abc import Callable
from typing import Any, Generic

from typing_extensions import override

from ._errors import DefinitionError
from ._event import Event, check_event_class
from ._handler import check_handler
from ._spelling import several, spell_event
from ._typing import A, RouteClass, T, T_contra

Pair = tuple[type[Event], Callable[..., object]]


class Routes(Generic[T_contra]):
    """``route(A, f) | route(B, g)`` is a ``Routes[A | B]``, which is not a ``Routes[A | B | C]``.

    So a type checker reports ``routes: Routes[A | B | C] = route(A, f) | route(B, g)``, and ``Linker.of(routes)``
    makes a linker that handles its family completely.
    """

    __slots__ = ("pairs",)

    def __init__(self, *pairs: Pair) -> None:
        """Use `route`."""
        self.pairs: tuple[Pair, ...] = pairs

    def __or__(self, other: "Routes[A]", /) -> "Routes[T_contra | A]":
        """These routes, and behind them those of *other*."""
        return Routes(*self.pairs, *check_routes(other).pairs)

    @override
    def __repr__(self) -> str:
        return f"<Routes with {several(len(self.pairs), 'route')}>"


def route(event: RouteClass[T], handler: Callable[[T], object], /) -> Routes[T]:
    """One event type and its handler. Join routes with ``|``, and pass the result to ``Linker.of``."""
    check_handler(handler)
    return Routes((check_event_class(event), handler))


def check_routes(value: object) -> "Routes[Any]":  # Any: of whatever events; the caller knows
    """*value*, if it is what ``route`` and ``|`` make."""
    if not isinstance(value, Routes):
        raise DefinitionError(
            f"{spell_event(value)} is not a route. Write route(Event, handler) | route(Other, handler).", value
        )
    return value
