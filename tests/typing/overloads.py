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
MOST: Final = 8  # events of one handler

Overload: TypeAlias = tuple[list[str], str]  # its parameters, and what it returns

_WIDTH: Final = 120
_REPLACE: Final = "replace: bool = False"
_CALLED: Final = ["timeout: float | None = None", "in_thread: bool = False"]
_SUBSCRIBED: Final = ["once: bool = False", "priority: int = 0", *_CALLED, _REPLACE]
PLACE: Final = re.compile(
    r"(?P<begin>^(?P<indent> *)# -- overloads of (?P<name>\w+):.*?$\n)(?P<body>.*?)(?P<end>^ *# -- end of overloads)",
    re.DOTALL | re.MULTILINE,
)


def _unions() -> Iterator[tuple[int, str]]:
    for count in range(1, MOST + 1):
        yield count, " | ".join(f"T{n}" for n in range(1, count + 1))


def _on() -> Iterator[Overload]:
    for count, union in _unions():
        head = ["self", *(f"e{n}: EventClass[E_contra, T{n}]" for n in range(1, count + 1)), "/", "*"]
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


def _subscribe() -> Iterator[Overload]:
    known = "event: EventClass[E_contra, T]"
    options = ["when: When[T] = None", "on_failure: OnFailure[T] = None", *_SUBSCRIBED]
    plain = ["handler: Callable[[T], object]", "/", "*", *options]
    told = ["/", "*", "on_success: OnSuccess[R]", *options]
    yield ["self", known, *plain], "Subscription[T]"
    yield ["self", known, "handler: Callable[[T], Coroutine[Any, Any, R]]", *told], "Subscription[T]"
    yield ["self", known, "handler: Callable[[T], R]", *told], "Subscription[T]"
    # For generic code, where the class is a `type[E]`: the first for pyrefly and ty, the others for mypy and zuban.
    yield ["self", "event: AnyClass[..., E_contra, T]", *plain], "Subscription[T]"
    yield ['self: "Linker[Event]"', "event: ClassVariable[T]", *plain], "Subscription[T]"
    options = ["when: Filter[E_contra] | None = None", "on_failure: Failure[E_contra] | None = None", *_SUBSCRIBED]
    handler = "handler: Handler[E_contra]"
    yield ["self", "event: ClassVariable[E_contra]", handler, "/", "*", *options], "Subscription[E_contra]"


def _handles() -> Iterator[Overload]:
    for count, union in _unions():
        events = [f"e{n}: type[T{n}]" for n in range(1, count + 1)]
        yield [*events, "/", "*", f"when: When[{union}] = None", "priority: int = 0", *_CALLED], f"Handles[{union}]"


def _around() -> Iterator[Overload]:
    yield ["self", "*", _REPLACE], "Around[Event]"
    for count, union in _unions():
        yield (
            ["self", *(f"e{n}: EventClass[E_contra, T{n}]" for n in range(1, count + 1)), "/", "*", _REPLACE],
            f"Around[{union}]",
        )


def _surround() -> Iterator[Overload]:
    yield ["self", "manager: Callable[[Delivery[Event]], Manager]", "/", "*", _REPLACE], "Surrounding[Event]"
    for count, union in _unions():
        events = [f"e{n}: EventClass[E_contra, T{n}]" for n in range(1, count + 1)]
        # Of `Delivery[T1 | T2]`, which stands before the events, pyright would make `Delivery[T2]`.
        each = " | ".join(f"Delivery[T{n}]" for n in range(1, count + 1))
        yield ["self", f"manager: Callable[[{each}], Manager]", *events, "/", "*", _REPLACE], f"Surrounding[{union}]"
    for owner, event, union in _variables("Linker"):
        yield (
            [owner, f"manager: Callable[[Delivery[{union}]], Manager]", event, "/", "*", _REPLACE],
            f"Surrounding[{union}]",
        )


def _stream() -> Iterator[Overload]:
    for head, union in _reading():
        yield [*head, "maxsize: int = 100", 'overflow: StreamOverflow = "wait"'], f"Stream[{union}]"


def _expect() -> Iterator[Overload]:
    for head, union in _reading():
        yield [*head, "timeout: float | None = None"], f"Future[{union}]"


def _reading() -> Iterator[tuple[list[str], str]]:
    for count, union in _unions():
        events = [f"e{n}: EventClass[E_contra, T{n}]" for n in range(1, count + 1)]
        yield ["self", *events, "/", "*", f"when: When[{union}] = None"], union
    for owner, event, union in _variables("Emitter"):
        when = f"Filter[{union}] | None" if union == "E_contra" else f"When[{union}]"
        yield [owner, event, "/", "*", f"when: {when} = None"], union


def _variables(owner: str) -> Iterator[tuple[str, str, str]]:
    """For generic code, where the class is a ``type[E]``: the first for pyrefly and ty, the others for mypy and zuban."""
    yield "self", "event: AnyClass[..., E_contra, T]", "T"
    yield f'self: "{owner}[Event]"', "event: ClassVariable[T]", "T"
    yield "self", "event: ClassVariable[E_contra]", "E_contra"


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
