"""Who receives what, in what order, for random class hierarchies and histories, against a small model (E1, E3-E7)."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from typing_extensions import override

from pyventus_typed import Emission, Emitter, Event, Failed, Linker, Subscription

PREDICATES = ("none", "true", "false", "even", "raises")


@dataclass
class Row:
    """What the model knows of a subscription."""

    number: int
    kinds: tuple[type[Event], ...]
    priority: int
    once: bool
    when: str
    active: bool = True


def holds(when: str, number: int) -> bool:
    """Whether a predicate lets the event with this number through; one that raises is a (failed) delivery."""
    return when in ("none", "true", "raises") or (when == "even" and number % 2 == 0)


def predicate(when: str) -> Any:  # Any: one for each kind
    """The predicate itself."""

    def evaluate(event: Any) -> bool:  # Any: of a class made at random
        if when == "raises":
            raise LookupError(when)
        return holds(when, event.number)

    return None if when == "none" else evaluate


@dataclass
class Model:
    """The model."""

    rows: list[Row] = field(default_factory=list)

    def receivers(self, kind: type[Event]) -> list[Row]:
        found = [row for row in self.rows if row.active and issubclass(kind, row.kinds)]
        return sorted(found, key=lambda row: (-row.priority, row.number))

    def emit(self, kind: type[Event], number: int) -> list[Row]:
        accepted = [row for row in self.receivers(kind) if holds(row.when, number)]
        for row in accepted:
            row.active = not row.once
        return accepted


@st.composite
def hierarchies(draw: st.DrawFn) -> tuple[type[Event], ...]:
    """Up to eight event classes, some with several bases, two of them with one name."""
    made: list[type[Event]] = []
    for index in range(draw(st.integers(1, 8))):
        wanted = draw(st.lists(st.sampled_from(made), unique=True, max_size=3)) if made else []
        # Most derived first, and no base that another one brings: what Python can linearise.
        bases = tuple(one for one in wanted if not any(other is not one and issubclass(other, one) for other in wanted))
        name = draw(st.sampled_from(("Same", f"Kind{index}")))
        try:
            kind = type(name, bases or (Event,), {"__annotations__": {"number": int}, "__module__": __name__})
        except TypeError:  # two orders of inheritance that contradict each other
            continue
        made.append(dataclass(frozen=True)(kind))
    return tuple(made)


class RoutingMachine(RuleBasedStateMachine):
    """Any history of one linker; emitted without a loop, in a loop, and published."""

    @initialize(kinds=hierarchies())
    def begin(self, kinds: tuple[type[Event], ...]) -> None:
        self.kinds = kinds
        self.model, self.linker = Model(), Linker[Any]()
        self.emitter = Emitter(self.linker)
        self.loop = asyncio.new_event_loop()
        self.made: list[Subscription[Any]] = []
        self.log: list[tuple[int, int]] = []
        self.emitted = 0

    def kind(self, data: st.DataObject) -> type[Event]:
        return data.draw(st.sampled_from((*self.kinds, Event)))

    @rule(
        data=st.data(),
        count=st.integers(1, 3),
        priority=st.integers(-1, 1),
        once=st.booleans(),
        when=st.sampled_from(PREDICATES),
    )
    def subscribe(self, data: st.DataObject, count: int, priority: int, once: bool, when: str) -> None:
        number = len(self.made)
        kinds = tuple(dict.fromkeys(self.kind(data) for _ in range(count)))
        options: dict[str, Any] = {"priority": priority, "once": once, "when": predicate(when)}
        options["on_failure"] = lambda event, error: None

        def handler(event: Any) -> None:  # Any: of a class made at random
            self.log.append((number, event.number))

        self.linker.on(*kinds, **options)(handler)
        self.made.append(self.linker.subscriptions()[-1])
        self.model.rows.append(Row(number, kinds, priority, once, when))

    @precondition(lambda self: self.made)
    @rule(data=st.data())
    def unsubscribe(self, data: st.DataObject) -> None:
        row = data.draw(st.sampled_from(self.model.rows))
        assert self.made[row.number].unsubscribe() is row.active
        row.active = False

    @rule()
    def clear(self) -> None:
        self.linker.clear()
        for row in self.model.rows:
            row.active = False

    @rule(data=st.data(), how=st.sampled_from(("alone", "in a loop", "published", "then unsubscribed")))
    def emit(self, data: st.DataObject, how: str) -> None:
        kind: Any = data.draw(st.sampled_from(self.kinds))  # Any: made at random
        number = self.emitted = self.emitted + 1
        expected = self.model.emit(kind, number)
        self.log.clear()
        emission = (
            self.alone(kind(number)) if how == "alone" else self.loop.run_until_complete(self.within(kind(number), how))
        )
        assert self.log == [(row.number, number) for row in expected if row.when != "raises"]
        assert [one.subscription for one in emission.deliveries] == [self.made[row.number] for row in expected]
        failed = [isinstance(one.outcome, Failed) for one in emission.deliveries]
        assert failed == [row.when == "raises" for row in expected]

    def alone(self, event: Event) -> Emission[Any]:
        return self.emitter.emit(event)

    async def within(self, event: Event, how: str) -> Emission[Any]:
        if how == "published":
            try:
                return await self.emitter.publish(event)
            except BaseExceptionGroup as group:
                found: Emission[Any] = getattr(group, "emission")  # noqa: B009  # EmissionFailed has it
                return found
        emission = self.emitter.emit(event)
        if how == "then unsubscribed":  # E6: it keeps its receivers
            self.clear()
        await emission.wait()
        return emission

    @invariant()
    def everybody_agrees_on_who_receives(self) -> None:
        for kind in self.kinds:
            expected = tuple(self.made[row.number] for row in self.model.receivers(kind))
            assert self.linker.receivers(kind) == expected
            assert (kind in self.linker.unhandled(*self.kinds)) is not bool(expected)
        active = [self.made[row.number] for row in self.model.rows if row.active]
        assert self.linker.subscriptions() == tuple(active)
        assert [one.active for one in self.made] == [row.active for row in self.model.rows]

    @override
    def teardown(self) -> None:
        if hasattr(self, "loop"):
            self.loop.close()
            tally = self.emitter.tally
            assert (tally.pending, tally.accepted) == (0, self.emitted)


TestRouting = RoutingMachine.TestCase
TestRouting.settings = settings(stateful_step_count=25)  # histories that tell something are short
