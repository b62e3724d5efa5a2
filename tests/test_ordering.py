"""Orderings as the caller sees them: O1 to O7, and what a bad ordering is told."""

import asyncio
import gc
import sys
from collections.abc import Callable, Hashable
from dataclasses import dataclass

import pytest
from typing_extensions import override

from pyventus_typed import (
    AsyncIOProcessor,
    Emission,
    Emitter,
    Event,
    Failed,
    KeyedOrdering,
    Linker,
    Ordering,
    PerKey,
    Status,
)
from pyventus_typed._ordering import Gate, gate_of
from pyventus_typed.errors import InvalidOption
from tests.events import untyped


@dataclass(frozen=True)
class Parcel(Event):
    """Something to deliver, to a house."""

    n: int
    house: Hashable = 0


@dataclass(frozen=True)
class Letter(Event):
    """Something else."""

    n: int = 0


ALL: list[Ordering | KeyedOrdering] = [*Ordering, PerKey(Parcel, lambda parcel: parcel.house)]


@pytest.mark.parametrize("bad", ["serial", None, 3, KeyedOrdering])
def test_what_is_no_ordering_is_refused_by_name(bad: object) -> None:
    with pytest.raises(InvalidOption, match=r"ordering=.* is not an ordering. Use Ordering.CONCURRENT"):
        AsyncIOProcessor(ordering=bad)  # type: ignore[arg-type]  # that is the point  # pyright: ignore[reportArgumentType]


def test_a_key_that_cannot_be_called_and_a_family_that_is_none_are_refused() -> None:
    wrong: list[tuple[object, str]] = [
        ("house", "key='house' cannot be called. Pass a function"),
        (lambda: 1, "cannot be called with one positional argument, the event"),
        (asyncio.sleep, "is async, and its result is used at once"),
        (lambda event: (yield event), "is a generator function: calling it runs none of it"),
    ]
    for key, message in wrong:
        with pytest.raises(InvalidOption, match=message):
            untyped(PerKey)(Parcel, key)
    assert PerKey(Parcel, str).chosen(Parcel(3)) == (str(Parcel(3)),)
    with pytest.raises(InvalidOption, match="'house'.* cannot be called"):
        PerKey(Parcel, "house")  # type: ignore[arg-type]  # that is the point  # pyright: ignore[reportArgumentType]
    with pytest.raises(InvalidOption, match="names no event class"):
        PerKey(int, lambda number: number)


@pytest.mark.parametrize("ordering", ALL, ids=str)
async def test_what_a_handler_emits_goes_behind_what_was_accepted_before(ordering: Ordering) -> None:
    linker = Linker[Event]()
    emitter = Emitter(linker, AsyncIOProcessor(ordering=ordering))
    seen: list[int] = []

    @linker.on(Parcel)
    def again(parcel: Parcel) -> None:
        seen.append(parcel.n)
        if parcel.n < 10:
            emitter.emit(Parcel(10 * parcel.n + 10))
            emitter.emit(Parcel(10 * parcel.n + 11))

    for n in range(3):
        emitter.emit(Parcel(n))
    await emitter.wait_for_tasks()
    assert seen == [0, 1, 2, 10, 11, 20, 21, 30, 31]


@pytest.mark.parametrize("ordering", ALL, ids=str)
def test_without_a_loop_too(ordering: Ordering) -> None:
    linker = Linker[Event]()
    emitter = Emitter(linker, AsyncIOProcessor(ordering=ordering))
    seen: list[int] = []

    @linker.on(Letter)
    def start(_: Letter) -> None:
        for n in range(3):
            emitter.emit(Parcel(n))

    @linker.on(Parcel)
    async def again(parcel: Parcel) -> None:
        seen.append(parcel.n)
        if parcel.n < 10:
            emitter.emit(Parcel(parcel.n + 10))

    emitter.emit(Letter())
    assert seen == [0, 1, 2, 10, 11, 12]


async def test_an_async_handler_starts_between_the_plain_ones_even_if_they_emit() -> None:
    linker = Linker[Event]()
    emitter = Emitter(linker)
    seen: list[str] = []

    @linker.on(Parcel)
    def first(parcel: Parcel) -> None:
        seen.append(f"first {parcel.n}")
        emitter.emit(Letter())

    @linker.on(Parcel)
    async def second(parcel: Parcel) -> None:
        seen.append(f"second {parcel.n}")

    @linker.on(Parcel)
    def third(parcel: Parcel) -> None:
        seen.append(f"third {parcel.n}")

    linker.subscribe(Letter, lambda _: None)
    emitter.emit(Parcel(1))
    emitter.emit(Parcel(2))
    await emitter.wait_for_tasks()
    assert seen == [f"{which} {n}" for n in (1, 2) for which in ("first", "second", "third")]


@pytest.mark.parametrize("ordering", ALL, ids=str)
def test_without_a_loop_an_async_handler_starts_between_the_plain_ones_too(ordering: Ordering) -> None:
    linker, seen = Linker[Event](), list[str]()
    emitter = Emitter(linker, AsyncIOProcessor(ordering=ordering))
    linker.subscribe(Parcel, lambda parcel: seen.append(f"first {parcel.n}"))

    @linker.on(Parcel)
    async def second(parcel: Parcel) -> None:
        seen.append(f"second {parcel.n}")

    linker.subscribe(Parcel, lambda parcel: seen.append(f"third {parcel.n}"))
    for n in range(3):  # the first one makes the queue
        emitter.emit(Parcel(n))
    assert seen == [f"{which} {n}" for n in range(3) for which in ("first", "second", "third")]


@pytest.mark.parametrize("ordering", ALL, ids=str)
async def test_an_async_handler_starts_between_the_plain_ones_of_the_emissions_beside_it(ordering: Ordering) -> None:
    linker, seen = Linker[Event](), list[Event]()
    emitter = Emitter(linker, AsyncIOProcessor(ordering=ordering))
    linker.subscribe(Letter, seen.append)

    @linker.on(Parcel)
    async def start(parcel: Parcel) -> None:
        seen.append(parcel)

    emitted = [one for n in range(3) for one in (Letter(n), Parcel(n, house=n))]
    for _ in range(2):  # the first one makes the queue
        seen.clear()
        for event in emitted:
            emitter.emit(event)
        await emitter.wait_for_tasks()
        assert seen == emitted


async def test_an_async_handler_behind_a_plain_one_starts_in_the_same_turn() -> None:
    linker, log = Linker[Event](), list[str]()
    tasks: list[asyncio.Task[None]] = []

    async def beside() -> None:
        await asyncio.sleep(0)
        log.append("a turn later")

    linker.subscribe(Parcel, lambda event: tasks.append(asyncio.create_task(beside())))

    @linker.on(Letter)
    async def start(event: Letter) -> None:
        log.append("started")

    emitter = Emitter(linker)
    for _ in range(3):  # the first one makes the queue
        log.clear()
        emitter.emit(Parcel(1))
        emitter.emit(Letter())
        await emitter.wait_for_tasks()
        await asyncio.wait(tasks)
        assert log == ["started", "a turn later"]


@pytest.mark.parametrize("ordering", ALL, ids=str)
@pytest.mark.parametrize(
    "how", ["raise", "cancel own task", "time out", "cancelled from outside", "raise CancelledError"]
)
async def test_nothing_that_happens_to_one_emission_stops_the_queue(ordering: Ordering, how: str) -> None:
    linker = Linker[Event]()
    emitter = Emitter(linker, AsyncIOProcessor(ordering=ordering))
    seen: list[int] = []

    @linker.on(Parcel, timeout=0.001 if how == "time out" else None, on_failure=lambda _event, _error: None)
    async def fall(parcel: Parcel) -> None:
        seen.append(parcel.n)
        if parcel.n:
            return
        match how:
            case "raise":
                raise ValueError
            case "raise CancelledError":
                raise asyncio.CancelledError
            case "cancel own task":
                task = asyncio.current_task()
                assert task is not None
                task.cancel()
        await asyncio.Event().wait()

    emissions = [emitter.emit(Parcel(n)) for n in range(3)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    if how == "cancelled from outside":
        emissions[0].cancel()
    assert await emitter.wait_for_tasks(5)
    assert seen == [0, 1, 2]
    assert emissions[0].status in (Status.FAILED, Status.CANCELLED)
    assert [one.status for one in emissions[1:]] == [Status.COMPLETED] * 2


@pytest.mark.parametrize("ordering", ALL[-2:], ids=str)
async def test_what_fails_by_its_predicates_alone_waits_for_its_turn_as_well(ordering: Ordering) -> None:
    linker, log, go = Linker[Event](), list[str](), asyncio.Event()

    def when(parcel: Parcel) -> bool:
        if parcel.n:
            raise ValueError(parcel.n)
        return True

    @linker.on(Parcel, when=when, on_failure=lambda parcel, _: log.append(f"failed {parcel.n}"))
    async def handler(parcel: Parcel) -> None:
        await go.wait()
        log.append(f"end {parcel.n}")

    emitter = Emitter(linker, AsyncIOProcessor(ordering=ordering))
    emissions = [emitter.emit(Parcel(n)) for n in range(2)]
    for _ in range(5):
        await asyncio.sleep(0)
    assert (log, emissions[1].status) == ([], Status.PENDING)
    go.set()
    assert await emitter.wait_for_tasks(5)
    assert log == ["end 0", "failed 1"]


@pytest.mark.parametrize("ordering", ALL, ids=str)
async def test_what_is_cancelled_while_it_waits_is_passed_over(ordering: Ordering) -> None:
    linker = Linker[Event]()
    emitter = Emitter(linker, AsyncIOProcessor(ordering=ordering))
    go, seen = asyncio.Event(), list[int]()

    @linker.on(Parcel)
    async def wait(parcel: Parcel) -> None:
        seen.append(parcel.n)
        await go.wait()

    emissions = [emitter.emit(Parcel(n)) for n in range(5)]
    assert [emissions[n].cancel() for n in (1, 3, 4)] == [True] * 3
    await asyncio.sleep(0)
    go.set()
    await emitter.wait_for_tasks()
    assert seen == [0, 2]
    assert [one.status.value for one in emissions] == ["completed", "discarded", "completed", "discarded", "discarded"]


async def test_other_keys_go_on_while_one_is_busy() -> None:
    linker = Linker[Event]()
    emitter = Emitter(linker, AsyncIOProcessor(ordering=PerKey(Parcel, lambda parcel: parcel.house)))
    go, seen = asyncio.Event(), list[Event]()

    @linker.on(Parcel, Letter)
    async def wait(event: Parcel | Letter) -> None:
        seen.append(event)
        if isinstance(event, Parcel) and event.house == "slow":
            await go.wait()

    events = [Parcel(1, "slow"), Parcel(2, "slow"), Parcel(3, "quick"), Parcel(4, "quick"), Letter(5)]
    for event in events:
        emitter.emit(event)
    for _ in range(10):
        await asyncio.sleep(0)
    assert set(seen) == set(events) - {Parcel(2, "slow")}
    go.set()
    await emitter.wait_for_tasks()
    assert seen[-1] == Parcel(2, "slow")


@pytest.mark.parametrize("house", [[], "raise"], ids=["unhashable", "raises"])
async def test_a_key_that_fails_fails_that_emission_at_once_and_no_other(house: object) -> None:
    def key(parcel: Parcel) -> Hashable:
        if parcel.house == "raise":
            raise LookupError("no such house")
        return parcel.house

    linker = Linker[Event]()
    emitter = Emitter(linker, AsyncIOProcessor(ordering=PerKey(Parcel, key)))
    seen: list[int] = []
    linker.on(Parcel, on_failure=lambda _event, _error: None)(lambda parcel: seen.append(parcel.n))
    linker.on(Parcel, on_failure=lambda _event, _error: None)(lambda parcel: seen.append(parcel.n))
    first = emitter.emit(Parcel(1, "there"))
    bad: Emission[Parcel] = emitter.emit(Parcel(2, house))
    last = emitter.emit(Parcel(3, "there"))
    await emitter.wait_for_tasks()
    assert [one.status.value for one in (first, bad, last)] == ["completed", "failed", "completed"]
    assert all(isinstance(one.outcome, Failed) and not one.started for one in bad.deliveries)
    assert seen == [1, 1, 3, 3]
    tally = emitter.tally
    assert (tally.accepted, tally.completed, tally.failed) == (3, 2, 1)


# ---------------------------------------------------------------- keys are a stranger's code
class Touchy:
    """A key that runs something whenever it is compared, and, if asked to, when it is hashed. All have the same hash."""

    def __init__(self, name: str, then: Callable[[], object], *, on_hash: bool = False) -> None:
        self.name = name
        self.then = then
        self.on_hash = on_hash

    @override
    def __hash__(self) -> int:
        if self.on_hash:
            self.then()
        return 1

    @override
    def __eq__(self, other: object) -> bool:
        if not self.on_hash:
            self.then()
        return isinstance(other, Touchy) and self.name == other.name


def refuse() -> None:
    raise LookupError("no such house")


class Houses:
    """An emitter of parcels, ordered by house, to one handler that takes a turn and must be alone in its house."""

    def __init__(self) -> None:
        linker = Linker[Event]()
        self.ordering = PerKey(Parcel, lambda parcel: parcel.house)
        self.processor = AsyncIOProcessor(ordering=self.ordering)
        self.emitter = Emitter(linker, self.processor)
        self.seen: list[int] = []
        self.inside: list[str] = []

        @linker.on(Parcel, on_failure=lambda _event, _error: None)
        async def enter(parcel: Parcel) -> None:
            self.seen.append(parcel.n)
            assert isinstance(parcel.house, Touchy)
            assert parcel.house.name not in self.inside, "two of one key at once"
            self.inside.append(parcel.house.name)
            await asyncio.sleep(0)
            self.inside.remove(parcel.house.name)

    @property
    def gate(self) -> Gate:
        """The gate of its only queue."""
        (found,) = [
            one
            for one in gc.get_objects()
            if type(one).__name__ == "Queue" and getattr(one, "settings", None) is self.processor._settings
        ]
        gate = found.gate
        assert isinstance(gate, Gate)
        return gate


@pytest.mark.parametrize("on_hash", [False, True], ids=["__eq__", "__hash__"])
async def test_a_key_that_cannot_be_compared_or_hashed_fails_that_emission_and_no_other(on_hash: bool) -> None:
    houses, broken = Houses(), False

    def then() -> None:
        if broken:
            refuse()

    emit = houses.emitter.emit
    first = emit(Parcel(1, Touchy("a", then)))
    broken = True
    bad = emit(Parcel(2, Touchy("a", then, on_hash=on_hash)))
    broken = False
    last = emit(Parcel(3, Touchy("b", then)))
    assert await houses.emitter.wait_for_tasks()
    assert [one.status for one in (first, bad, last)] == [Status.COMPLETED, Status.FAILED, Status.COMPLETED]
    (delivery,) = bad.deliveries
    assert isinstance(delivery.outcome, Failed)
    assert isinstance(delivery.outcome.error, LookupError)
    assert not delivery.started
    assert houses.seen == [1, 3]
    assert houses.gate._rows == {}


async def test_a_key_that_cannot_be_compared_any_more_holds_up_nobody() -> None:
    houses, broken = Houses(), False

    def then() -> None:
        if broken:
            refuse()

    emissions = [houses.emitter.emit(Parcel(n, Touchy(name, then))) for n, name in enumerate("aabbab")]
    broken = True
    assert await houses.emitter.wait_for_tasks()
    assert [one.status for one in emissions] == [Status.COMPLETED] * 6
    assert sorted(houses.seen) == [*range(6)]
    assert houses.gate._rows == {}


@pytest.mark.parametrize("nested", ["a", "b"])
@pytest.mark.parametrize("on_hash", [False, True], ids=["__eq__", "__hash__"])
async def test_a_key_that_emits_while_it_is_looked_at_lets_nobody_overtake(on_hash: bool, nested: str) -> None:
    houses, emissions, is_done = Houses(), list[Emission[Parcel]](), False

    def then() -> None:
        nonlocal is_done
        if not is_done and emissions:
            is_done = True
            emissions.append(emit(Parcel(2, nested_house)))

    emit, nested_house = houses.emitter.emit, Touchy(nested, lambda: None)
    emissions.append(emit(Parcel(1, Touchy("a", lambda: None if on_hash else then()))))
    emissions.append(emit(Parcel(3, Touchy("a", then, on_hash=on_hash))))
    emissions.append(emit(Parcel(4, Touchy("a", lambda: None))))
    assert await houses.emitter.wait_for_tasks()
    assert [one.status for one in emissions] == [Status.COMPLETED] * 4
    assert [n for n in houses.seen if n != 2] == [1, 3, 4]
    assert sorted(houses.seen) == [1, 2, 3, 4]
    assert houses.gate._rows == {}


@pytest.mark.parametrize("ordering", [Ordering.SERIAL, PerKey(Parcel, lambda parcel: parcel.house)], ids=str)
async def test_who_cancels_in_the_middle_of_a_row_lets_only_the_next_one_in(ordering: Ordering) -> None:
    linker, log = Linker[Event](), list[str]()
    emitter = Emitter(linker, AsyncIOProcessor(ordering=ordering))
    go = [asyncio.Event() for _ in range(5)]

    @linker.on(Parcel)
    async def hold(parcel: Parcel) -> None:
        log.append(f"begin {parcel.n}")
        await go[parcel.n].wait()
        log.append(f"end {parcel.n}")

    emissions = [emitter.emit(Parcel(n)) for n in range(5)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert emissions[1].cancel()
    assert emissions[2].cancel()
    go[0].set()
    await emissions[0]
    for _ in range(5):
        await asyncio.sleep(0)
    assert log == ["begin 0", "end 0", "begin 3"]
    go[3].set()
    go[4].set()
    assert await emitter.wait_for_tasks()
    assert log[3:] == ["end 3", "begin 4", "end 4"]


async def test_ten_thousand_idle_keys_cost_nothing() -> None:
    linker = Linker[Event]()
    processor = AsyncIOProcessor(ordering=PerKey(Parcel, lambda parcel: parcel.house))
    emitter = Emitter(linker, processor)
    linker.subscribe(Parcel, lambda _: None)
    for house in range(10_000):
        emitter.emit(Parcel(0, house))
        if house % 1000 == 999:
            await emitter.wait_for_tasks()
    (queue,) = [
        one for one in gc.get_objects() if type(one).__name__ == "Queue" and one.settings is processor._settings
    ]
    assert queue.gate._rows == {}
    assert queue.gate._places == {}
    assert sys.getsizeof(queue.ledger.open) < 100_000


async def test_ten_thousand_idle_receivers_cost_nothing() -> None:
    linker = Linker[Event]()
    processor = AsyncIOProcessor(ordering=Ordering.MAILBOX)
    emitter = Emitter(linker, processor)
    for n in range(10_000):
        with linker.subscribe(Parcel, lambda _: asyncio.sleep(0)):
            emitter.emit(Parcel(n))
        if n % 1000 == 999:
            await emitter.wait_for_tasks()
    (queue,) = [
        one for one in gc.get_objects() if type(one).__name__ == "Queue" and one.settings is processor._settings
    ]
    assert queue.mailboxes == {}


# ---------------------------------------------------------------- the gate alone
def gate(ordering: Ordering | KeyedOrdering) -> Gate:
    """A new gate of *ordering*, which has one."""
    found = gate_of(ordering)
    assert found is not None
    return found


def enter(gate: Gate, parcel: Parcel) -> bool:
    """What a queue does when *parcel* is accepted; whether it is its turn. The entry says the number."""
    row = gate.prepare(gate.key(parcel))
    assert row is not None
    is_its_turn = gate.enter(row, parcel, parcel.n)
    gate.settled(row)
    return is_its_turn


def test_only_orderings_of_emissions_have_a_gate() -> None:
    assert gate_of(Ordering.CONCURRENT) is None
    assert gate_of(Ordering.MAILBOX) is None
    assert gate_of(Ordering.SERIAL) is not None


@pytest.mark.parametrize("ordering", [Ordering.SERIAL, PerKey(Parcel, lambda parcel: parcel.house)], ids=str)
def test_one_place_has_its_turn_and_who_leaves_gives_it_to_the_next(ordering: Ordering) -> None:
    doorway = gate(ordering)
    parcels = [Parcel(n) for n in range(3)]
    assert [enter(doorway, parcel) for parcel in parcels] == [True, False, False]
    assert [*doorway.ahead(parcels[2])] == parcels[:2]
    assert [*doorway.ahead(parcels[0])] == []
    assert [doorway.leave(parcel) for parcel in parcels] == [1, 2, None]
    assert enter(doorway, Parcel(3))


@pytest.mark.parametrize("ordering", [Ordering.SERIAL, PerKey(Parcel, lambda parcel: parcel.house)], ids=str)
def test_a_place_that_was_withdrawn_is_passed_over(ordering: Ordering) -> None:
    doorway = gate(ordering)
    parcels = [Parcel(n) for n in range(6)]
    for parcel in parcels:
        enter(doorway, parcel)
    assert [doorway.leave(parcels[n]) for n in (1, 2, 4, 5)] == [None] * 4
    assert [*doorway.ahead(parcels[3])] == [parcels[0]]
    assert doorway.leave(parcels[0]) == 3
    assert doorway.leave(parcels[3]) is None
    assert doorway._places == {}
    assert enter(doorway, Parcel(6))


def test_who_never_entered_leaves_nothing() -> None:
    doorway = gate(Ordering.SERIAL)
    enter(doorway, Parcel(1))
    assert doorway.leave(Parcel(2)) is None
    assert not enter(doorway, Parcel(3))


def test_keys_of_one_hash_do_not_wait_for_each_other() -> None:
    doorway = gate(PerKey(Parcel, lambda parcel: parcel.house))
    houses = [Touchy(name, lambda: None) for name in "aba"]
    parcels = [Parcel(n, house) for n, house in enumerate(houses)]
    assert [enter(doorway, parcel) for parcel in parcels] == [True, True, False]
    assert doorway.leave(parcels[1]) is None
    assert doorway.leave(parcels[0]) == 2
    assert doorway.leave(parcels[2]) is None
    assert doorway._rows == {}


def test_what_is_outside_of_the_family_waits_for_nobody() -> None:
    doorway = gate(PerKey(Parcel, lambda parcel: parcel.house))
    assert doorway.key(Letter()) is None
    assert doorway.prepare(None) is None


def test_a_row_that_nobody_enters_after_all_is_forgotten() -> None:
    doorway = gate(PerKey(Parcel, lambda parcel: parcel.house))
    row = doorway.prepare(doorway.key(Parcel(1, "there")))
    assert row is not None
    doorway.settled(row)
    assert doorway._rows == {}


def test_a_row_that_somebody_is_about_to_enter_is_not_forgotten_when_it_gets_empty() -> None:
    doorway = gate(PerKey(Parcel, lambda parcel: parcel.house))
    first, second, third = (Parcel(n, "there") for n in range(3))
    enter(doorway, first)
    row = doorway.prepare(doorway.key(second))
    assert row is not None
    doorway.leave(first)
    assert doorway.enter(row, second, 1)
    doorway.settled(row)
    assert not enter(doorway, third)  # in the same row
    assert doorway.leave(second) == 2
    doorway.leave(third)
    assert doorway._rows == {}


def test_two_who_ask_for_a_new_key_in_the_middle_of_each_other_get_one_row() -> None:
    doorway = gate(PerKey(Parcel, lambda parcel: parcel.house))
    inner = Parcel(2, Touchy("a", lambda: None))
    turns: list[bool] = []

    def then() -> None:
        if not turns:
            turns.append(True)
            turns[0] = enter(doorway, inner)

    enter(doorway, Parcel(0, Touchy("b", then)))  # one of this hash, to be compared with
    outer = Parcel(1, Touchy("a", lambda: None))
    turns.append(enter(doorway, outer))
    assert turns == [True, False]
    assert doorway.leave(inner) == 1


def test_a_key_that_raises_while_it_is_compared_leaves_nothing() -> None:
    doorway = gate(PerKey(Parcel, lambda parcel: parcel.house))
    first = Parcel(1, Touchy("a", refuse))
    enter(doorway, first)
    with pytest.raises(LookupError, match="no such house"):
        doorway.prepare(doorway.key(Parcel(2, Touchy("a", lambda: None))))
    assert doorway.leave(first) is None
    assert doorway._rows == {}


def test_keys_are_not_looked_at_again_when_their_turn_is_over() -> None:
    doorway, looks = gate(PerKey(Parcel, lambda parcel: parcel.house)), list[str]()
    parcels = [Parcel(n, Touchy(name, lambda: looks.append("eq"))) for n, name in enumerate("aab")]
    for parcel in parcels:
        enter(doorway, parcel)
    looks.clear()
    for parcel in parcels:
        doorway.leave(parcel)
    assert looks == []
    assert doorway._rows == {}
