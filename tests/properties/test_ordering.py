"""What may start, after each entering and leaving, is what ten lines of model say.

One property, tried on the gates alone, where an ordering has one; on an emitter in a plain loop; and on the same emitter
under many schedules.
"""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typing_extensions import override

from pyventus_typed import Emission, Event, KeyedOrdering, Linker, Ordering, PerKey, asyncio_emitter
from pyventus_typed._ordering import Gate, gate_of
from pyventus_typed.testing import VirtualLoop, given_interleavings, sometimes
from tests.processors.world import Errand, Script


class Key:
    """Keys of different emissions are equal, and not identical; all of them have the same hash."""

    meddle: Callable[[], object] | None = None
    """What a stranger does while keys are compared."""

    def __init__(self, number: int) -> None:
        self.number = number

    @override
    def __hash__(self) -> int:
        return 1

    @override
    def __eq__(self, other: object) -> bool:
        if Key.meddle is not None:
            Key.meddle()
        return isinstance(other, Key) and self.number == other.number


ORDERINGS: dict[str, Ordering | KeyedOrdering] = {
    "concurrent": Ordering.CONCURRENT,
    "mailbox": Ordering.MAILBOX,
    "serial": Ordering.SERIAL,
    "per key": PerKey(Errand, lambda errand: Key(errand.script.key)),
}
GATED = ("serial", "per key")
Delivery = tuple[int, int]  # of which emission, to which subscription


def may_start(ordering: str, inside: list[tuple[int, int | None, set[int]]]) -> set[Delivery]:
    """The model. *inside*: each emission that has not left, its key, and the subscriptions it has yet to leave."""
    free: set[Delivery] = set()
    for at, (n, key, held) in enumerate(inside):
        before = inside[:at]
        for one in held:
            blocked = {
                "concurrent": False,
                "mailbox": any(one in others for _, _, others in before),
                "serial": any(others for _, _, others in before),
                "per key": key is not None and any(others for _, other, others in before if other == key),
            }[ordering]
            if not blocked:
                free.add((n, one))
    return free


class Door(Protocol):
    """Where emissions enter and deliveries leave. ``started``: the deliveries that had their turn, as they had it."""

    started: list[Delivery]

    def enter(self, n: int, receivers: set[int], key: int | None) -> None: ...

    def leave(self, delivery: Delivery) -> None: ...

    async def settle(self) -> None:
        """Until everything that may start has started."""

    async def rest(self) -> None:
        """A moment in which something may start."""


class Alone:
    """The gate itself: whatever may start does so at once."""

    def __init__(self, ordering: str) -> None:
        gate = gate_of(ORDERINGS[ordering])
        assert gate is not None
        self.gate = gate
        self.held: dict[int, set[int]] = {}
        self.started: list[Delivery] = []

    def enter(self, n: int, receivers: set[int], key: int | None) -> None:
        event: Event = Event() if key is None else Errand(n, Script(0, key))
        self.held[n] = set(receivers)
        row = self.gate.prepare(self.gate.key(event))
        if row is None or self.gate.enter(row, n, n):
            self._start(n)
        if row is not None:
            self.gate.settled(row)

    def leave(self, delivery: Delivery) -> None:
        n, one = delivery
        self.held[n].discard(one)
        if not self.held[n]:
            following = self.gate.leave(n)
            if following is not None:
                assert isinstance(following, int)
                self._start(following)

    def _start(self, n: int) -> None:
        self.started.extend((n, one) for one in sorted(self.held[n]))

    async def settle(self) -> None:
        """Nothing is under way."""

    async def rest(self) -> None:
        """Nothing is under way."""

    def require_idle(self) -> None:
        """Nothing is kept of a key that is idle."""
        assert self.gate._rows == {}
        assert self.gate._places == {}


@dataclass(frozen=True)
class Unkeyed(Event):
    """An errand outside of the family of `PerKey`."""

    n: int


@dataclass
class OfAnEmitter:
    """The deliveries of an emitter: each handler stays until it is told to leave."""

    ordering: str
    started: list[Delivery] = field(default_factory=list)
    emissions: dict[int, Emission[Event]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        linker: Linker[Event] = Linker()
        self.emitter = asyncio_emitter(linker, ordering=ORDERINGS[self.ordering])
        self.receivers: dict[int, set[int]] = {}
        self.may_leave: dict[Delivery, asyncio.Future[None]] = {}
        for one in range(3):
            linker.on(Errand, Unkeyed, when=partial(self._is_for, one))(partial(self._stay, one))

    def _is_for(self, one: int, event: Errand | Unkeyed) -> bool:
        return one in self.receivers[event.n]

    async def _stay(self, one: int, event: Errand | Unkeyed) -> None:
        delivery = event.n, one
        self.started.append(delivery)
        await self.may_leave.setdefault(delivery, asyncio.get_running_loop().create_future())

    def enter(self, n: int, receivers: set[int], key: int | None) -> None:
        self.receivers[n] = receivers
        self.emissions[n] = self.emitter.emit(Unkeyed(n) if key is None else Errand(n, Script(0, key)))

    def leave(self, delivery: Delivery) -> None:
        self.may_leave[delivery].set_result(None)

    async def settle(self) -> None:
        if isinstance(asyncio.get_running_loop(), VirtualLoop):
            await asyncio.sleep(1)  # time passes when nothing is ready any more
        for _ in range(20):
            await self.rest()

    async def rest(self) -> None:
        await asyncio.sleep(0)


MOVES = st.lists(
    st.one_of(
        st.tuples(st.just("enter"), st.sets(st.integers(0, 2), min_size=1), st.one_of(st.none(), st.integers(0, 2))),
        st.tuples(st.just("leave"), st.integers(0, 50), st.booleans()),
    ),
    max_size=40,
)


async def exactly_what_the_model_says_may_start(
    ordering: str, door: Door, moves: list[tuple[str, object, object]]
) -> None:
    """The property. After a move that is settled, all that may start has started; at no time has anything else."""
    inside: list[tuple[int, int | None, set[int]]] = []
    gone: set[Delivery] = set()
    for n, (move, first, second) in enumerate(moves):
        if move == "enter":
            assert isinstance(first, set)
            key = second if isinstance(second, int) else None
            door.enter(n, first, key)
            inside.append((n, key, set(first)))
        else:
            assert isinstance(first, int)
            # One that runs comes to its end; or (a cancellation) one that waits goes away, where there is such a thing.
            may_go = bool(second) and isinstance(door, Alone)
            candidates = [
                (n, one) for n, _, held in inside for one in sorted(held) if may_go or (n, one) in door.started
            ]
            if not candidates:
                continue
            delivery = candidates[first % len(candidates)]
            gone.add(delivery)
            next(held for n, _, held in inside if n == delivery[0]).discard(delivery[1])
            door.leave(delivery)
        expected = may_start(ordering, inside)
        if second:
            await door.rest()
        else:
            await door.settle()
            assert expected <= set(door.started)
        sometimes("two are under way", len(set(door.started) - gone) > 1)
        assert set(door.started) - gone <= expected
        assert len(door.started) == len(set(door.started)), "each turn comes once"
    for name, each in (("mailbox", True), ("serial", False)):
        if ordering == name:
            for one in range(3) if each else [None]:
                mine = [n for n, to in door.started if one is None or to == one]
                assert mine == sorted(mine)
    # Everything leaves, in an order in which it has its turn.
    while left := [(n, one) for n, _, held in inside for one in sorted(held)]:
        await door.settle()
        running = [delivery for delivery in left if delivery in door.started]
        assert running, f"stuck: {left}"
        delivery = running[0]
        next(held for n, _, held in inside if n == delivery[0]).discard(delivery[1])
        door.leave(delivery)


def at_once(nothing_to_wait_for: Coroutine[Any, Any, None]) -> None:
    """Run to the end without a loop."""
    with suppress(StopIteration):
        nothing_to_wait_for.send(None)
        pytest.fail("it waited for something")


@pytest.mark.parametrize("ordering", GATED)
@given(moves=MOVES)
def test_exactly_what_the_model_says_may_start(ordering: str, moves: list[tuple[str, object, object]]) -> None:
    door = Alone(ordering)
    at_once(exactly_what_the_model_says_may_start(ordering, door, moves))
    door.require_idle()


@pytest.mark.parametrize("ordering", ORDERINGS)
@given(moves=MOVES)
def test_so_it_is_on_a_loop(ordering: str, moves: list[tuple[str, object, object]]) -> None:
    async def body() -> None:
        door = OfAnEmitter(ordering)
        await exactly_what_the_model_says_may_start(ordering, door, moves)
        assert await door.emitter.wait_for_tasks(10)

    asyncio.run(body())


@pytest.mark.parametrize("ordering", ORDERINGS)
@settings(max_examples=max(5, settings().max_examples // 4))
@given_interleavings(moves=MOVES)
async def test_so_it_is_under_every_schedule(ordering: str, moves: list[tuple[str, object, object]]) -> None:
    door = OfAnEmitter(ordering)
    await exactly_what_the_model_says_may_start(ordering, door, moves)
    assert await door.emitter.wait_for_tasks(10)


# ---------------------------------------------------------------- a stranger in the middle
Step = tuple[str, int, int]  # what; which key, or whose place; in how many comparisons from here it happens
STEPS: st.SearchStrategy[list[Step]] = st.lists(
    st.tuples(st.sampled_from(["enter", "enter", "leave", "think better of it"]), st.integers(0, 2), st.integers(0, 3)),
    max_size=25,
)


class Meddled:
    """A gate whose keys do the next steps while they are compared; the model is a list for each key."""

    def __init__(self, steps: list[Step]) -> None:
        gate = gate_of(ORDERINGS["per key"])
        assert isinstance(gate, Gate)
        self.gate = gate
        self.steps = steps[::-1]
        self.nested = 0
        self.count = 0
        self.rows: dict[int, list[int]] = {}
        self.turns: list[int] = []

    def meddle(self) -> None:
        """While keys are compared."""
        if self.steps and self.nested < 3 and not self.steps[-1][2]:
            self.step()
        elif self.steps:
            what, which, wait = self.steps[-1]
            self.steps[-1] = what, which, max(0, wait - 1)

    def step(self) -> None:
        what, which, _ = self.steps.pop()
        self.nested += 1
        try:
            if what == "leave":
                inside = sorted(one for row in self.rows.values() for one in row)
                if inside:
                    self.leave(inside[which % len(inside)])
            else:
                self.enter(which, really=what == "enter")
        finally:
            self.nested -= 1

    def enter(self, key: int, *, really: bool) -> None:
        row = self.gate.prepare((Key(key), 1))
        assert row is not None
        if really:
            place = self.count
            self.count += 1
            places = self.rows.setdefault(key, [])
            places.append(place)
            if self.gate.enter(row, place, place):
                self.turns.append(place)
            assert (place in self.turns) is (places[0] == place)
        self.gate.settled(row)

    def leave(self, place: int) -> None:
        places = next(row for row in self.rows.values() if place in row)
        had_its_turn = places[0] == place
        places.remove(place)
        following = self.gate.leave(place)
        assert following == (places[0] if places and had_its_turn else None)
        if isinstance(following, int):
            self.turns.append(following)


@given(steps=STEPS)
def test_one_of_each_key_has_its_turn_whatever_is_done_while_keys_are_compared(steps: list[Step]) -> None:
    world = Meddled(steps)
    Key.meddle = world.meddle
    try:
        while world.steps:
            world.step()
    finally:
        Key.meddle = None
    assert len(world.turns) == len(set(world.turns)), "each turn comes once"
    for place in sorted(one for row in world.rows.values() for one in row):
        world.leave(place)
    assert world.gate._rows == {}
    assert world.gate._places == {}
