"""Claims about a whole run: what always holds, what must happen sometimes, what is true afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Self

from ._loop import VirtualLoop
from ._names import place_of
from ._ready import Entry, Timer
from ._story import emission_in
from .errors import SimulationBoundaryError, UnreachedError

_collector: dict[str, bool] | None = None


def always(check: Callable[[], object], name: str | None = None) -> None:
    """Call *check* now and after every step of this run; it fails by returning ``False`` or by raising.

    The run then ends immediately with that error (``AssertionError`` for ``False``), and a note says after which step. Call
    it in the body of a test, on a `VirtualLoop`. A check must not change anything or return an awaitable.
    """
    loop = _running_loop("always(...) looks after every step, and {} has no steps to show.")
    label = name or _label(check)

    def look(entry: Entry | Timer) -> None:
        _evaluate("always", check, label, f"after step {loop.steps}, in which {loop.names.of_entry(entry)} ran", entry)

    _evaluate("always", check, label, "from the beginning", None)
    loop.checks.append(look)


def afterwards(check: Callable[[], object], name: str | None = None) -> None:
    """Call *check* once after this run, when its loop has ended; it fails by returning ``False`` or by raising.

    By then the loop has ended as ``ending=`` says, and garbage has been collected. It is not called if the run failed before.
    Call it in the body of a test, on a `VirtualLoop` under `run`, `explore` or `given_interleavings`; checks are called in
    the order in which they were given. A check that refers to the loop keeps it from being ``"lost"``.
    """
    loop = _running_loop("afterwards(...) looks when the run has ended, and {} does not say when.")
    label = name or _label(check)
    loop.last_checks.append(lambda: _evaluate("afterwards", check, label, "after the end of the loop", None))


def _running_loop(refusal: str) -> VirtualLoop:
    loop = asyncio.get_running_loop()
    if not isinstance(loop, VirtualLoop):
        raise SimulationBoundaryError(
            f"{refusal.format(repr(loop))} Run the test with run(), explore() or given_interleavings()."
        )
    return loop


def _label(check: Callable[[], object]) -> str:
    label = str(getattr(check, "__name__", check))
    code = getattr(check, "__code__", None)
    if label == "<lambda>" and code is not None:
        return f"the lambda of {place_of(code.co_filename, code.co_firstlineno)}"
    return label


def _evaluate(what: str, check: Callable[[], object], label: str, when: str, entry: Entry | Timer | None) -> None:
    try:
        verdict = check()
        if verdict is False:
            raise AssertionError(f"{label!r} no longer held")  # handled with what the check itself raises
        if asyncio.iscoroutine(verdict):
            verdict.close()
            raise TypeError(
                f"{what}() takes a plain function, and {label} returned a coroutine: it could not be awaited."
            )
    except Exception as error:
        error.add_note(f"{what}: {label!r} was broken {when}")
        _remember_emission(error, entry)
        raise


def _remember_emission(error: Exception, entry: Entry | Timer | None) -> None:
    """Note in whose emission the step ran, for the report."""
    if entry is not None:
        emission = emission_in(entry._context)
        if emission is not None:
            error.__dict__["emission"] = emission


def sometimes(name: str, condition: bool = True) -> None:  # noqa: FBT001, FBT002  # reads as "sometimes X, if Y"
    """Claim that *condition* is true here in at least one schedule of an exploration.

    A call with a false condition only declares *name*. If it was never true, `explore`, or a test of `given_interleavings`
    after all of its examples, raises ``UnreachedError``. Elsewhere this does nothing.
    """
    if _collector is not None:
        _collector[name] = bool(condition) or _collector.get(name, False)


def check_names(names: Iterable[str]) -> tuple[str, ...]:
    """The names that were given as ``reach``; ``TypeError`` if it is one text, or something else."""
    given: object = names  # what the annotation says is what a caller may get wrong
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise TypeError(f"reach is a list of names. Did you mean reach=[{names!r}]?")
    return tuple(names)


class Reached:
    """Collects the `sometimes` of one exploration."""

    def __init__(self, names: Iterable[str]) -> None:
        self.names = dict.fromkeys(names, False)

    def require_all(self, schedules: int) -> None:
        """``UnreachedError`` if one was never true in *schedules* schedules."""
        missed = [name for name, seen in self.names.items() if not seen]
        if missed:
            raise UnreachedError(missed, schedules)

    def __enter__(self) -> Self:
        global _collector  # noqa: PLW0603  # the code under test calls sometimes() from wherever it is, threads included
        self._before = _collector
        _collector = self.names
        return self

    def __exit__(self, *_: object) -> None:
        global _collector  # noqa: PLW0603  # as found in __enter__
        _collector = self._before
