"""Claims about a whole run: what always holds, and what must happen sometimes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from ._errors import SimulationBoundaryError
from ._loop import VirtualLoop

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._entries import Entry, Timer

_sink: dict[str, bool] | None = None


def always(check: Callable[[], object], name: str | None = None) -> None:
    """Call *check* now and after every step of this run; it says no by returning ``False`` or by raising.

    The run then ends at once with that error (``AssertionError`` for ``False``), and a note says after which step. Call it
    in the body of a test, on a `VirtualLoop`. A check that changes anything, or returns an awaitable, is a mistake.
    """
    loop = asyncio.get_running_loop()
    if not isinstance(loop, VirtualLoop):
        raise SimulationBoundaryError(
            f"always(...) looks after every step, and {loop!r} has no steps to show. Run the test with run(), explore() or "
            "given_interleavings()."
        )
    label = name or str(getattr(check, "__name__", check))
    code = getattr(check, "__code__", None)
    if label == "<lambda>" and code is not None:
        label = f"the lambda of {code.co_filename.rpartition('/')[2]}:{code.co_firstlineno}"

    def look(entry: Entry | Timer) -> None:
        _look(check, label, f"after step {loop.steps}, in which {loop.names.of_entry(entry)} ran", entry)

    _look(check, label, "from the beginning", None)
    loop.checks.append(look)


def _look(check: Callable[[], object], label: str, when: str, entry: Entry | Timer | None) -> None:
    try:
        verdict = check()
        if verdict is False:
            raise AssertionError(f"{label} no longer held")  # handled with what the check itself raises
        if asyncio.iscoroutine(verdict):
            verdict.close()
            raise TypeError(
                f"always() takes a plain function, and {label} returned a coroutine: it could not be awaited."
            )
    except Exception as error:
        error.add_note(f"always: {label} was broken {when}")
        _remember_emission(error, entry)
        raise


def _remember_emission(error: Exception, entry: Entry | Timer | None) -> None:
    """Note in whose emission the step ran, for the report."""
    if entry is not None:
        from pyventus_typed import current_emission  # noqa: PLC0415  # the loop is useful without the core having been loaded

        emission = entry._context.run(current_emission)  # type: ignore[union-attr]  # a handle keeps its context
        if emission is not None:
            error.__dict__["emission"] = emission


def sometimes(name: str, condition: bool = True) -> None:  # noqa: FBT001, FBT002  # reads as "sometimes X, if Y"
    """Claim that *condition* is true here in at least one schedule of an exploration.

    A call with a false condition only declares *name*. When `explore` ends without having seen it true it raises
    ``UnreachedError``. Outside of an exploration this does nothing.
    """
    if _sink is not None:
        _sink[name] = bool(condition) or _sink.get(name, False)


class Reached:
    """Collects the `sometimes` of one exploration."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = dict.fromkeys(names, False)

    def __enter__(self) -> dict[str, bool]:
        global _sink  # noqa: PLW0603  # the code under test calls sometimes() from wherever it is, threads included
        self._before = _sink
        _sink = self.names
        return self.names

    def __exit__(self, *_: object) -> None:
        global _sink  # noqa: PLW0603
        _sink = self._before
