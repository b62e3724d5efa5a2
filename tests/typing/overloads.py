"""The overloads of `on` and its like differ in little and repeat the same options, so they are written here.

    python tests/typing/overloads.py     writes them into the package

A test fails when the package holds anything else.
"""

import re
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final, TypeAlias

PACKAGE: Final = Path(__file__).resolve().parent.parent.parent / "pyventus_typed"
MOST: Final = 8  # events that are told apart; of more, the rest has one type

Overload: TypeAlias = tuple[list[str], str]  # its parameters, and what it returns

_WIDTH: Final = 120
_REPLACE: Final = "replace: Only[bool] = False"
_CALLED: Final = ["timeout: Only[float | None] = None", "in_thread: Only[bool] = False"]
_SUBSCRIBED: Final = ["once: Only[bool] = False", "priority: Only[int] = 0", *_CALLED, _REPLACE]
_EVENT: Final = "EventClass[E_contra, {}]"
PLACE: Final = re.compile(
    r"(?P<begin>^(?P<indent> *)# -- overloads of (?P<name>\w+):.*?$\n)(?P<body>.*?)(?P<end>^ *# -- end of overloads)",
    re.DOTALL | re.MULTILINE,
)


def _counts(event: str = _EVENT) -> Iterator[tuple[int, list[str], str]]:
    """How many, the parameters for them, and their union. The last is for any number more: one variable takes them all."""
    for count in range(1, MOST + 2):
        parameters = [f"e{n}: {event.format(f'T{n}')}" for n in range(1, min(count, MOST) + 1)]
        more = "*" if count <= MOST else f"*more: {event.format(f'T{count}')}"
        yield count, [*parameters, "/", more], _union("T{}", count)


def _union(one: str, count: int) -> str:
    return " | ".join(one.format(n) for n in range(1, count + 1))


def _on() -> Iterator[Overload]:
    for count, events, union in _counts():
        head = ["self", *events]
        when, failure = f"when: When[{union}] = None", f"on_failure: OnFailure[{union}] = None"
        if count == 1:
            # The most used form has no on_success, so that what a checker says of a wrong handler is short. In the other one
            # a lambda for on_success takes `Any`: mypy and pyright meet it before they know the handler.
            yield [*head, when, failure, *_SUBSCRIBED], f"On[{union}, object]"
            success, result = "on_success: OnSuccess[A_any] | None", "A_any"
        else:
            # `object`, because with `Any` ty would refuse an overloaded handler.
            success, result = "on_success: OnSuccess[A_obj] | None = None", "A_obj"
        yield [*head, success, when, failure, *_SUBSCRIBED], f"On[{union}, Answer[{result}]]"
    for owner, event, union in _variables("Linker"):
        if owner != "self":
            continue  # at each `linker.on` mypy and zuban would compare `Event` with hundreds of members: zuban for 50 seconds
        # Where the family is meant itself there is no on_failure: each time it is named costs mypy, at every `linker.on`.
        options = _filtered(union)[:1] if union == "E_contra" else _filtered(union)
        yield [owner, event, "/", "*", *options, *_SUBSCRIBED], f"On[{union}, object]"


def _subscribe() -> Iterator[Overload]:
    known = "event: EventClass[E_contra, T]"
    options = [*_filtered("T"), *_SUBSCRIBED]
    told = ["/", "*", "on_success: OnSuccess[R]", *options]
    yield ["self", known, "handler: Callable[[T], object]", "/", "*", *options], "Subscription[T]"
    yield ["self", known, "handler: Callable[[T], Coroutine[Any, Any, R]]", *told], "Subscription[T]"
    yield ["self", known, "handler: Callable[[T], R]", *told], "Subscription[T]"
    for owner, event, union in _variables("Linker"):
        handler = "handler: Handler[E_contra]" if union == "E_contra" else f"handler: Callable[[{union}], object]"
        yield [owner, event, handler, "/", "*", *_filtered(union), *_SUBSCRIBED], f"Subscription[{union}]"


def _handles() -> Iterator[Overload]:
    for _, events, union in _counts("Only[type[{}]]"):
        yield [*events, f"when: When[{union}] = None", "priority: Only[int] = 0", *_CALLED], f"Handles[{union}]"


def _around() -> Iterator[Overload]:
    yield ["self", "*", _REPLACE], "Around[Event]"
    for _, events, union in _counts():
        yield ["self", *events, _REPLACE], f"Around[{union}]"


def _surround() -> Iterator[Overload]:
    yield ["self", "manager: Callable[[Delivery[Event]], Manager]", "/", "*", _REPLACE], "Surrounding[Event]"
    for count, events, union in _counts():
        # Of `Delivery[T1 | T2]`, which stands before the events, pyright would make `Delivery[T2]`.
        manager = f"manager: Callable[[{_union('Delivery[T{}]', count)}], Manager]"
        yield ["self", manager, *events, _REPLACE], f"Surrounding[{union}]"
    for owner, event, union in _variables("Linker"):
        yield (
            [owner, f"manager: Callable[[Delivery[{union}]], Manager]", event, "/", "*", _REPLACE],
            f"Surrounding[{union}]",
        )


def _stream() -> Iterator[Overload]:
    for head, union in _reading():
        yield [*head, "maxsize: Only[int] = 100", 'overflow: Only[StreamOverflow] = "wait"'], f"Stream[{union}]"


def _expect() -> Iterator[Overload]:
    for head, union in _reading():
        yield [*head, "timeout: Only[float | None] = None"], f"Future[{union}]"


def _reading() -> Iterator[tuple[list[str], str]]:
    for _, events, union in _counts():
        yield ["self", *events, f"when: When[{union}] = None"], union
    for owner, event, union in _variables("Emitter"):
        yield [owner, event, "/", "*", _filtered(union)[0]], union


def _variables(owner: str) -> Iterator[tuple[str, str, str]]:
    """For generic code, where the class is a ``type[E]``: the first for pyrefly and ty, the others for mypy and zuban."""
    yield "self", "event: AnyClass[..., E_contra, T]", "T"
    yield f'self: "{owner}[Event]"', "event: ClassOf[T]", "T"
    yield "self", "event: ClassOf[E_contra]", "E_contra"


def _filtered(union: str) -> list[str]:
    """``when`` and ``on_failure``; where a family of hundreds is meant itself, as classes that mypy compares quickly."""
    if union == "E_contra":
        return ["when: Filter[E_contra] | None = None", "on_failure: Failure[E_contra] | None = None"]
    return [f"when: When[{union}] = None", f"on_failure: OnFailure[{union}] = None"]


FORMS: Final[Mapping[str, Callable[[], Iterable[Overload]]]] = {
    "on": _on,
    "subscribe": _subscribe,
    "around": _around,
    "surround": _surround,
    "handles": _handles,
    "stream": _stream,
    "expect": _expect,
}


def rewritten(source: str) -> str:
    """*source* with the overloads that belong between its marks."""
    return PLACE.sub(lambda place: place["begin"] + _spell(place["name"], place["indent"]) + place["end"], source)


def _spell(name: str, indent: str) -> str:
    texts = []
    for parameters, result in FORMS[name]():
        lines = textwrap.indent("\n".join(_filled(parameters, _WIDTH - len(indent) - 4)), "    ")
        texts.append(f"@overload\ndef {name}(\n{lines}\n) -> {result}: ...\n")
    return textwrap.indent("".join(texts), indent)


def _filled(parameters: Iterable[str], width: int) -> Iterator[str]:
    """As many *parameters* on a line as fit."""
    line = ""
    for parameter in parameters:
        if line and len(line) + len(parameter) + 2 > width:
            yield line
            line = ""
        *full, line = textwrap.wrap(
            f"{line} {parameter},".lstrip(), width, subsequent_indent="    " if not line else ""
        )
        yield from full
    yield line


def files() -> list[Path]:
    """The files of the package that have such overloads."""
    return [path for path in sorted(PACKAGE.rglob("*.py")) if PLACE.search(path.read_text(encoding="utf-8"))]


if __name__ == "__main__":
    for path in files():
        path.write_text(rewritten(path.read_text(encoding="utf-8")), encoding="utf-8")
