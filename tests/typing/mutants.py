"""The weaker signatures that every checker must notice: one change of the package each.

A mutant is an exact text of the package and what stands there instead. The text must occur as often as the mutant says,
anywhere in the package, so that a signature that is respelled takes its mutants along.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final


class MutantNotFound(Exception):
    """The package does not hold the text that a mutant replaces."""


@dataclass(frozen=True, slots=True)
class Mutant:
    name: str
    old: str
    new: str
    times: int = 1

    def apply(self, package: Path) -> None:
        """Change the package at *package* in place. Raises `MutantNotFound` if the text is not there *times* times."""
        sources = {path: path.read_text(encoding="utf-8") for path in _modules(package)}
        found = sum(source.count(self.old) for source in sources.values())
        if found != self.times:
            raise MutantNotFound(
                f"mutant {self.name!r}: the package holds this text {found} times, not {self.times}: {self.old!r}. "
                f"Respell the mutant, as the signature was respelled."
            )
        for path, source in sources.items():
            if self.old in source:
                changed = source.replace(self.old, self.new)
                if "Any" in self.new and not re.search(r"^from typing import .*\bAny\b", source, re.MULTILINE):
                    changed = re.sub(
                        r"^(?=from |import )", "from typing import Any\n", changed, count=1, flags=re.MULTILINE
                    )
                path.write_text(changed, encoding="utf-8")


def _modules(package: Path) -> Iterator[Path]:
    yield from sorted([*package.rglob("*.py"), *package.rglob("*.pyi")])


def _respell(name: str, text: str, old: str, new: str, times: int = 1) -> Mutant:
    """The mutant that replaces *old* by *new* inside *text*."""
    if text.count(old) != 1:
        raise MutantNotFound(f"mutant {name!r}: {old!r} must stand once in {text!r}")
    return Mutant(name, text, text.replace(old, new), times)


def _union(count: int) -> str:
    return " | ".join(f"T{number}" for number in range(1, count + 1))


_CHECKED: Final = "def __call__(self, event: T_contra, /) -> A_co: ..."
_CAPTURED: Final = "def __call__(self, handler: HandlerOf[T_co, A_contra, P, R], /) -> Callable[P, R]: ..."
_PLAIN: Final = "def __call__(self, handler: Callable[[T_co], A_contra], /) -> Callable[[T_co], A_contra]: ..."
_EMITS: Final = ("emit", "try_emit", "emit_wait", "publish")

_EVENTS: Final = (
    Mutant("an event's hook gives anything", "def __event__(self) -> Member[Self]:", "def __event__(self) -> Any:"),
    Mutant(
        "an event's hook gives any class", "def __event__(self) -> Member[Self]:", "def __event__(self) -> Member[Any]:"
    ),
    Mutant("the default family is Any", "bound=Event, default=Event)", "bound=Event, default=Any)"),
    Mutant("a family may be of anything", "contravariant=True, bound=Event, default=", "contravariant=True, default="),
    Mutant("on() takes what is no event", 'T1 = TypeVar("T1", bound=Event)', 'T1 = TypeVar("T1")'),
)

_PROTOCOLS: Final = (
    Mutant("a handler takes anything", _CHECKED, _CHECKED.replace("T_contra", "Any")),
    Mutant("a handler gives anything", _CHECKED, _CHECKED.replace("A_co", "object")),
    Mutant("a handler is not checked", _CHECKED, "def __call__(self, *args: Any, **kwargs: Any) -> Any: ..."),
    Mutant("a method takes anything", "owner: Any, event: T_contra, /", "owner: Any, event: Any, /"),
    Mutant("a decorated function takes anything", _CAPTURED, _CAPTURED.replace("Callable[P, R]", "Callable[..., R]")),
    Mutant("a decorated function gives anything", _CAPTURED, _CAPTURED.replace("Callable[P, R]", "Callable[P, Any]")),
    Mutant(
        "on() takes every function",
        _PLAIN,
        _PLAIN.replace("handler: Callable[[T_co], A_contra]", "handler: Callable[..., Any]"),
    ),
    Mutant(
        "on() takes every result",
        _PLAIN,
        _PLAIN.replace("handler: Callable[[T_co], A_contra]", "handler: Callable[[T_co], object]"),
    ),
    _respell(
        "a marked method takes anything",
        "method: MethodOf[T_contra, M_co, P, R], /) -> Callable[P, R]",
        "Callable[P, R]",
        "Callable[..., R]",
    ),
    _respell(
        "a marked method gives anything",
        "method: MethodOf[T_contra, M_co, P, R], /) -> Callable[P, R]",
        "Callable[P, R]",
        "Callable[P, Any]",
    ),
)

_ON: Final = (
    Mutant("on(A) forgets A", "-> On[T1, object]:", "-> On[Any, object]:"),
    Mutant("on(A, on_success=...) forgets A", "-> On[T1, Answer[A_any]]:", "-> On[Any, Answer[A_any]]:"),
    Mutant("on(A, on_success=...) forgets the result", "-> On[T1, Answer[A_any]]:", "-> On[T1, object]:"),
    Mutant("on(A, on_success=...) wants a sync handler", "-> On[T1, Answer[A_any]]:", "-> On[T1, A_any]:"),
    Mutant("on(A, B) forgets A", "-> On[T1 | T2, Answer[A_obj]]:", "-> On[T2, Answer[A_obj]]:"),
    *(
        Mutant(
            f"on() with {n} events forgets the last",
            f"-> On[{_union(n)}, Answer[A_obj]]:",
            f"-> On[{_union(n - 1)}, Answer[A_obj]]:",
        )
        for n in range(2, 10)
    ),
    *(
        Mutant(
            f"on() with {n} events forgets the result",
            f"-> On[{_union(n)}, Answer[A_obj]]:",
            f"-> On[{_union(n)}, object]:",
        )
        for n in range(2, 10)
    ),
    *(
        Mutant(
            f"on() and its like take an event {n} of any family",
            f"e{n}: EventClass[E_contra, T{n}]",
            f"e{n}: EventClass[Event, T{n}]",
            times=46 if n == 1 else 5 * (10 - n),
        )
        for n in range(1, 9)
    ),
    Mutant(
        "on() and its like take a tenth event of any family",
        "*more: EventClass[E_contra, T9]",
        "*more: EventClass[Event, T9]",
        times=5,
    ),
    Mutant("on(event) in generic code forgets the event", "-> On[T, object]:", "-> On[Any, object]:"),
    Mutant("on(event) forgets the family that is meant", "-> On[E_contra, object]:", "-> On[Any, object]:"),
    Mutant("an option may be anything", "T_opt | Impossible[Never]", "T_opt | Impossible[int]"),
    Mutant("on() takes any class", "T_co] | Impossible[Never]", "T_co] | Impossible[int]"),
    Mutant("on(A, when=...) takes a filter of anything", "when: When[T1] =", "when: When[Any] =", 5),
    Mutant("on(A, B, when=...) forgets B", "when: When[T1 | T2] =", "when: When[T1] =", 4),
    Mutant(
        "on(A, on_failure=...) takes a callback of anything",
        "on_failure: OnFailure[T1] =",
        "on_failure: OnFailure[Any] =",
        2,
    ),
    Mutant("on(A, B, on_failure=...) forgets B", "on_failure: OnFailure[T1 | T2] =", "on_failure: OnFailure[T1] ="),
    Mutant("a filter takes what it likes", "= Callable[[T_opt], bool] | None", "= Callable[..., bool] | None"),
    Mutant("a filter gives what it likes", "= Callable[[T_opt], bool] | None", "= Callable[[T_opt], object] | None"),
    Mutant("a success callback takes what it likes", "= Callable[[T_opt], object]\n", "= Callable[..., object]\n"),
    Mutant(
        "a failure callback takes what it likes",
        "= Callable[[T_opt, Exception], object] | None",
        "= Callable[..., object] | None",
    ),
    Mutant(
        "a failure callback takes only some errors",
        "= Callable[[T_opt, Exception], object]",
        "= Callable[[T_opt, Any], object]",
    ),
)

_SUBSCRIBE: Final = (
    Mutant(
        "subscribe() takes every function",
        "handler: Callable[[T], object], /, *,",
        "handler: Callable[..., object], /, *,",
        3,
    ),
    Mutant(
        "subscribe(on_success=...) takes every function",
        "handler: Callable[[T], R], /, *,",
        "handler: Callable[..., R], /, *,",
    ),
    Mutant(
        "subscribe(on_success=...) forgets the result",
        "handler: Callable[[T], R], /, *,",
        "handler: Callable[[T], Any], /, *,",
    ),
    Mutant(
        "subscribe(on_success=...) awaits nothing",
        "handler: Callable[[T], Coroutine[Any, Any, R]]",
        "handler: Callable[[T], list[R]]",
    ),
    Mutant(
        "subscribe() takes an event of any family",
        "event: EventClass[E_contra, T]",
        "event: EventClass[Event, T]",
        3,
    ),
    Mutant(
        "subscribe(when=...), or that of a stream, takes a filter of anything",
        "when: When[T] =",
        "when: When[Any] =",
        10,
    ),
    Mutant(
        "subscribe(on_failure=...) takes a callback of anything",
        "on_failure: OnFailure[T] =",
        "on_failure: OnFailure[Any] =",
        6,
    ),
    Mutant("subscribe() forgets the event", "-> Subscription[T]:", "-> Subscription[Any]:", 5),
    Mutant(
        "a subscription's events are anything",
        "def events(self) -> tuple[type[_T_co], ...]:",
        "def events(self) -> Any:",
    ),
)

_LINKER: Final = (
    Mutant("answer() forgets the answer", "-> On[T, Answer[A]]:", "-> On[T, object]:"),
    Mutant("answer() forgets the request", "-> On[T, Answer[A]]:", "-> On[Any, Answer[A]]:"),
    Mutant(
        "answer() takes a request of any family",
        "request: RequestType[..., E_contra, T, A]",
        "request: RequestType[..., Event, T, A]",
    ),
    Mutant(
        "answer() takes events", "request: RequestType[..., E_contra, T, A]", "request: EventType[..., E_contra, T]"
    ),
    Mutant("bind() takes every subscriber", "subscriber: Subscriber[E_contra]", "subscriber: Subscriber[Any]"),
    Mutant(
        "routes() give a linker of anything",
        'routes: Routes[T], /) -> "Linker[T]":',
        'routes: Routes[T], /) -> "Linker[Any]":',
    ),
    Mutant("of() takes anything", 'routes: Routes[T], /) -> "Linker[T]":', 'routes: Any, /) -> "Linker[T]":'),
    Mutant(
        "receivers() takes anything", "def receivers(self, event: type[Event], /)", "def receivers(self, event: Any, /)"
    ),
    Mutant(
        "unhandled() takes anything", "def unhandled(self, *events: type[Event])", "def unhandled(self, *events: Any)"
    ),
    Mutant("routes forget what they join", '-> "Routes[T_contra | A]":', '-> "Routes[Any]":'),
    Mutant(
        "routes join anything",
        'other: "Routes[A]", /) -> "Routes[T_contra | A]":',
        'other: Any, /) -> "Routes[T_contra | Any]":',
    ),
    Mutant("a route covers what its handler takes", "def route(event: RouteClass[T],", "def route(event: type[T],"),
    Mutant(
        "a route takes every function",
        "handler: Callable[[T], object], /) -> Routes[T]:",
        "handler: Callable[..., object], /) -> Routes[T]:",
    ),
    Mutant(
        "a route forgets its event",
        "handler: Callable[[T], object], /) -> Routes[T]:",
        "handler: Callable[[T], object], /) -> Routes[Any]:",
    ),
    Mutant(
        "a marked answer may be anything",
        "owner: Any, event: T_contra, /) -> A_co",
        "owner: Any, event: T_contra, /) -> object",
    ),
    Mutant("answers() forgets its request", "-> Handles[T, Answer[A]]:", "-> Handles[Any, Answer[A]]:"),
    Mutant("answers() forgets the answer", "-> Handles[T, Answer[A]]:", "-> Handles[T, object]:"),
    Mutant("answers() wants a sync method", "-> Handles[T, Answer[A]]:", "-> Handles[T, A]:"),
    Mutant("handles(A) forgets A", "-> Handles[T1]: ...", "-> Handles[Any]: ..."),
    *(
        Mutant(
            f"handles() with {n} events forgets the last",
            f"-> Handles[{_union(n)}]: ...",
            f"-> Handles[{_union(n - 1)}]: ...",
        )
        for n in range(2, 10)
    ),
)

_EMITTER: Final = (
    Mutant(
        "an emitter forgets its linker's family",
        "linker: Linker[E_contra], processor",
        "linker: Linker[Any], processor",
    ),
    Mutant(
        "asyncio_emitter() forgets the linker's family",
        "def asyncio_emitter(\n    linker: Linker[T],",
        "def asyncio_emitter(\n    linker: Linker[Any],",
    ),
    *(
        _respell(f"{name}() takes anything", f"def {name}(self, event: E_contra, /)", "event: E_contra", "event: Any")
        for name in _EMITS
    ),
    *(
        _respell(
            f"{name}() forgets the event",
            f"def {name}(self, event: EventIn[E_contra, T], /) -> Emission[T]",
            "Emission[T]",
            "Emission[Any]",
        )
        for name in _EMITS
    ),
    *(
        _respell(
            f"{name}() takes an event of any family",
            f"def {name}(self, event: EventIn[E_contra, T], /)",
            "E_contra",
            "Event",
        )
        for name in _EMITS
    ),
    Mutant("try_emit() always finds room", "-> Emission[T] | None:", "-> Emission[T]:", 2),
    _respell("ask() gives anything", "request: RequestIn[E_contra, R], /) -> R:", "-> R", "-> Any", times=2),
    _respell(
        "ask() takes a request of any family", "request: RequestIn[E_contra, R], /) -> R:", "E_contra", "Event", times=2
    ),
    _respell(
        "ask() takes anything", "request: RequestIn[E_contra, R], /) -> R:", "RequestIn[E_contra, R]", "Any", times=2
    ),
)

_EMISSIONS: Final = (
    Mutant("an emission's event is anything", "def event(self) -> _T_co:", "def event(self) -> Any:", times=2),
    Mutant(
        "an emission always has a parent",
        'def parent(self) -> "Emission[Event] | None":',
        'def parent(self) -> "Emission[Event]":',
    ),
    Mutant(
        "there is always a current emission",
        'def current_emission() -> "Emission[Event] | None":',
        'def current_emission() -> "Emission[Event]":',
    ),
    Mutant("deliveries may be changed", "-> Sequence[Delivery[_T_co]]:", "-> list[Delivery[_T_co]]:"),
    Mutant("awaiting an emission gives anything", "-> Generator[Any, None, Self]:", "-> Generator[Any, None, Any]:"),
    Mutant("waiting for an emission gives anything", "async def wait(self) -> Self:", "async def wait(self) -> Any:"),
    Mutant(
        "an outcome is missing",
        "Outcome: TypeAlias = Completed | Failed | Cancelled | Discarded",
        "Outcome: TypeAlias = Completed | Failed | Cancelled",
    ),
    Mutant(
        "an outcome may be anything",
        "Outcome: TypeAlias = Completed | Failed | Cancelled | Discarded",
        "Outcome: TypeAlias = Any",
    ),
    Mutant("a delivery is never open", "def outcome(self) -> Outcome | None:", "def outcome(self) -> Outcome:"),
    Mutant("a failure is anything", "\n    error: Exception\n", "\n    error: Any\n"),
    Mutant("an overflow is any text", 'Literal["refuse", "drop_new", "drop_old"]', "str", 2),
    Mutant("an ordering is anything", "ordering: Ordering | KeyedOrdering =", "ordering: Any =", 2),
    Mutant(
        "a key function takes anything", "key: Callable[[_T_contra], Hashable], /)", "key: Callable[..., Hashable], /)"
    ),
    Mutant(
        "a key may be unhashable", "key: Callable[[_T_contra], Hashable], /)", "key: Callable[[_T_contra], object], /)"
    ),
)

MUTANTS: Final[tuple[Mutant, ...]] = (
    *_EVENTS,
    *_PROTOCOLS,
    *_ON,
    *_SUBSCRIBE,
    *_LINKER,
    *_EMITTER,
    *_EMISSIONS,
)
