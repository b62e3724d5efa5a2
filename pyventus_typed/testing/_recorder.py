"""Recorder: a handler that remembers, and says what it missed."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import ClassVar, SupportsIndex, TypeVar, overload

from typing_extensions import override

from pyventus_typed import Event

_E = TypeVar("_E", bound=Event)


class Recorder(Sequence[Event]):
    """A handler that records the events that it receives, in order. It compares like a list of them.

    It may be subscribed to any event, more than once, and be called in any thread. ::

        recorder = Recorder()
        linker.subscribe(OrderPaid, recorder)
        emitter.emit(OrderPaid(7))
        await emitter.wait_for_tasks()
        assert recorder == [OrderPaid(7)]
    """

    __hash__: ClassVar[None] = None  # type: ignore[assignment]  # it is mutable and compares by what it holds

    def __init__(self) -> None:
        self._events: list[Event] = []

    def __call__(self, event: Event, /) -> None:
        """Record *event*."""
        self._events.append(event)

    @property
    def events(self) -> list[Event]:
        """The events that were recorded so far, as a new list."""
        return list(self._events)

    def of(self, kind: type[_E]) -> list[_E]:
        """The events of the class *kind* and its subclasses, in order."""
        return [event for event in self._events if isinstance(event, kind)]

    def clear(self) -> None:
        """Remove all recorded events."""
        self._events.clear()

    def assert_emitted(self, kind: type[_E], /, **fields: object) -> _E:
        """Return the first event of class *kind* with these *fields*. ``AssertionError`` lists the others if there is none."""
        matches = self._matches(kind, fields)
        assert matches, f"No {_wanted(kind, fields)} was recorded.{self._instead(kind)}"  # this is what it is for
        return matches[0]

    def assert_exactly_once(self, kind: type[_E], /, **fields: object) -> _E:
        """Return the only event of class *kind* with these *fields*. ``AssertionError`` if there is none or more than one."""
        matches = self._matches(kind, fields)
        assert len(matches) == 1, (
            f"{_wanted(kind, fields)} was recorded {len(matches)} times, not once.{self._instead(kind)}"
        )
        return matches[0]

    def assert_in_order(self, *expected: Event | type[Event]) -> None:
        """Assert that these events, or events of these classes, were recorded in this order; others may be between them."""
        position = 0
        for number, one in enumerate(expected):
            while position < len(self._events) and not _is(self._events[position], one):
                position += 1
            if position == len(self._events):
                before = f" after {_spell(expected[number - 1])}" if number else ""
                raise AssertionError(f"{_spell(one)} was not recorded{before}.{self._instead(Event)}")
            position += 1

    def _matches(self, kind: type[_E], fields: dict[str, object]) -> list[_E]:
        known = {field.name for field in dataclasses.fields(kind)}
        if unknown := sorted(fields.keys() - known):
            raise TypeError(
                f"{kind.__qualname__} has no field {', '.join(map(repr, unknown))}; "
                f"it has {', '.join(sorted(known)) or 'none'}."
            )
        return [
            event for event in self.of(kind) if all(getattr(event, name) == value for name, value in fields.items())
        ]

    def _instead(self, kind: type[Event]) -> str:
        found = self.of(kind) or self._events
        if not found:
            return " Nothing was recorded at all: is the recorder subscribed, and did you wait for the emission?"
        return " Recorded:" + "".join(f"\n  {event!r}" for event in found)

    @overload
    def __getitem__(self, index: SupportsIndex, /) -> Event: ...
    @overload
    def __getitem__(self, index: slice, /) -> list[Event]: ...
    @override
    def __getitem__(self, index: SupportsIndex | slice, /) -> Event | list[Event]:
        return self._events[index]

    @override
    def __len__(self) -> int:
        return len(self._events)

    @override
    def __iter__(self) -> Iterator[Event]:
        return iter(self._events)

    @override
    def __eq__(self, other: object) -> bool:
        return self._events == list(other) if isinstance(other, Sequence) else NotImplemented

    @override
    def __repr__(self) -> str:
        return f"<Recorder: {self._events!r}>"


def _is(event: Event, expected: Event | type[Event]) -> bool:
    return isinstance(event, expected) if isinstance(expected, type) else event == expected


def _spell(expected: Event | type[Event]) -> str:
    return expected.__qualname__ if isinstance(expected, type) else repr(expected)


def _wanted(kind: type[Event], fields: dict[str, object]) -> str:
    return f"{kind.__qualname__}({', '.join(f'{name}={value!r}' for name, value in fields.items())})"
