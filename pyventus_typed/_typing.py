"""The callback protocols that make the checking possible.

They rest on one rule of the typing specification, "Assignability rules for callables": a callable is assignable to an
overloaded callable if it is assignable to *all* of its overloads. So an overloaded callback protocol is an
intersection: one overload checks what is passed, another captures its exact form for the caller to keep. Checkers
warn that the second overload can never be matched by a call; nobody calls these, they are only matched against.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Never, Protocol, TypeAlias, overload

from typing_extensions import ParamSpec, TypeVar, override

from ._event import Event, Exactly, Member, Request

E_contra = TypeVar("E_contra", contravariant=True, bound=Event, default=Event)
E_co = TypeVar("E_co", covariant=True)
E_inv = TypeVar("E_inv")
T_co = TypeVar("T_co", covariant=True)
T_contra = TypeVar("T_contra", contravariant=True)
A_co = TypeVar("A_co", covariant=True)
A_contra = TypeVar("A_contra", contravariant=True)
R_co = TypeVar("R_co", covariant=True)
P = ParamSpec("P")
R = TypeVar("R")
A = TypeVar("A")
A_any = TypeVar("A_any", default=Any)  # Any: where nobody takes the result, it is not looked at
A_obj = TypeVar("A_obj", default=object)
# Not bound by Event: options are written for T1 | T2 too.
T_opt = TypeVar("T_opt")
T = TypeVar("T", bound=Event)
T1 = TypeVar("T1", bound=Event)
T2 = TypeVar("T2", bound=Event)
T3 = TypeVar("T3", bound=Event)
T4 = TypeVar("T4", bound=Event)
T5 = TypeVar("T5", bound=Event)
T6 = TypeVar("T6", bound=Event)
T7 = TypeVar("T7", bound=Event)
T8 = TypeVar("T8", bound=Event)
T9 = TypeVar("T9", bound=Event)  # and of all that come after it
M_co = TypeVar("M_co", covariant=True, default=object)  # what a marked method gives: anything, or an answer

Answer: TypeAlias = A | Awaitable[A]


class OneOf(Protocol[E_co]):
    """An event of the family ``E``."""

    def __event__(self) -> Member[E_co]: ...


class EventType(Protocol[P, E_co, T_co]):
    """An event class of the family ``E`` (checked) that makes a ``T`` (captured)."""

    @overload
    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> OneOf[E_co]: ...
    @overload
    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> T_co: ...  # type: ignore[overload-cannot-match]  # pyright: ignore[reportOverlappingOverload]  # stands for an intersection of types


class Impossible(Protocol[T_co]):
    """Nothing is an ``Impossible[Never]``: the size of each object is an ``int``."""

    @override
    def __sizeof__(self) -> T_co: ...  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]  # else it would be possible


# Where no overload matches, mypy looks for the first one that does if type arguments are left aside. `Impossible` does then,
# whatever the argument is, so mypy says which argument is wrong and does not list all overloads.
Only: TypeAlias = T_opt | Impossible[Never]
When: TypeAlias = Callable[[T_opt], bool] | None
OnSuccess: TypeAlias = Callable[[T_opt], object]
OnFailure: TypeAlias = Callable[[T_opt, Exception], object] | None
EventClass: TypeAlias = EventType[..., E_co, T_co] | Impossible[Never]


class AnyClass(Protocol[P, E_co, T_co]):
    """As `EventType`, for a ``type[E]`` of generic code, of which pyrefly and ty know no constructor."""

    @overload
    def __kind__(self) -> Member[E_co]: ...
    @overload
    def __kind__(self) -> Member[T_co]: ...  # type: ignore[overload-cannot-match]  # pyright: ignore[reportOverlappingOverload]  # stands for an intersection of types
    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> object: ...


class ExactEvent(Protocol[E_inv]):
    """An event of the very class ``E``."""

    def __exact__(self) -> Exactly[E_inv]: ...


class ExactType(Protocol[P, E_inv, T_co]):
    """The class of an `ExactEvent` (checked) that makes a ``T`` (captured)."""

    @overload
    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> ExactEvent[E_inv]: ...
    @overload
    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> T_co: ...  # type: ignore[overload-cannot-match]  # pyright: ignore[reportOverlappingOverload]  # stands for an intersection of types


class ExactClass(Protocol[P, E_inv]):
    """As `ExactType`, for a ``type[E]`` of generic code, as `AnyClass` is."""

    def __exact__(self) -> Exactly[E_inv]: ...
    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> object: ...


class NoArgument:
    """What no event class is made from."""


# A ``type[E]`` of generic code, and no class that is known: where a function is wanted, mypy and zuban take a ``type[E]``
# without a look at the parameters. Two of them, because `str` and some more can be made from any one object.
ClassOf: TypeAlias = Callable[[NoArgument, NoArgument], T_opt]

# What a route is for. With `type[T]` a checker that wants `Routes[A | B]` would take `route(A, print)` for one: `T` could be the
# union, as `print` takes that as well.
RouteClass: TypeAlias = ExactType[..., T_opt, T_opt] | ExactClass[..., T_opt] | ClassOf[T_opt]


class Handler(Protocol[T_contra]):
    """As a ``Callable``, but a class of its own, which mypy compares quickly when ``T`` is a union of hundreds."""

    def __call__(self, event: T_contra, /) -> object: ...


class Filter(Protocol[T_contra]):
    """The same for ``when``."""

    def __call__(self, event: T_contra, /) -> bool: ...


class Failure(Protocol[T_contra]):
    """The same for ``on_failure``."""

    def __call__(self, event: T_contra, error: Exception, /) -> object: ...


class RequestType(Protocol[P, E_co, T_co, R_co]):
    """An event class as above, whose request is answered by an ``R``."""

    @overload
    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> OneOf[E_co]: ...  # pyright: ignore[reportOverlappingOverload]  # stands for an intersection of types
    @overload
    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> T_co: ...  # type: ignore[overload-cannot-match]  # pyright: ignore[reportOverlappingOverload]  # stands for an intersection of types
    @overload
    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Request[R_co]: ...  # type: ignore[overload-cannot-match]  # pyright: ignore[reportOverlappingOverload]  # stands for an intersection of types


class EventIn(Protocol[E_co, T_co]):
    """An event of the family ``E`` (checked) whose own class is ``T`` (captured)."""

    @overload
    def __event__(self) -> Member[E_co]: ...
    @overload
    def __event__(self) -> Member[T_co]: ...  # type: ignore[overload-cannot-match]  # pyright: ignore[reportOverlappingOverload]  # stands for an intersection of types


class RequestIn(Protocol[E_co, R_co]):
    """A request of the family ``E`` that is answered by an ``R``."""

    def __event__(self) -> Member[E_co]: ...
    def __answer__(self) -> R_co: ...


class HandlerOf(Protocol[T_contra, A_co, P, R_co]):  # pyright: ignore[reportInvalidTypeVarUse]  # P and R are captured
    """A callable that takes a ``T`` and gives an ``A`` (checked), and its own signature (captured)."""

    @overload
    def __call__(self, event: T_contra, /) -> A_co: ...
    @overload
    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co: ...


class MethodOf(Protocol[T_contra, A_co, P, R_co]):  # pyright: ignore[reportInvalidTypeVarUse]  # P and R are captured
    """A function of a class body that takes ``self`` and a ``T`` and gives an ``A`` (checked), and its own signature."""

    @overload
    def __call__(self, owner: Any, event: T_contra, /) -> A_co: ...  # Any: the class does not exist yet
    @overload
    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co: ...
