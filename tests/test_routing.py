"""From an event's class to those who receive it: bases, one delivery each, priority, snapshots (E3, E4, E6, E10)."""

import asyncio
import subprocess
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import pytest

from pyventus_typed import Emitter, Event, Linker
from tests.events import OrderPaid, OrderPlaced, OrderRefunded, Shipped, ShopEvent, Visited

T = TypeVar("T")


# ---------------------------------------------------------------- E3
def test_a_handler_of_a_base_receives_every_subclass() -> None:
    linker, seen = Linker(), list[Event]()
    linker.subscribe(OrderPaid, seen.append)
    emitter = Emitter(linker)
    emitter.emit(OrderRefunded(1))
    emitter.emit(OrderPaid(2))
    emitter.emit(OrderPlaced(3))
    assert seen == [OrderRefunded(1), OrderPaid(2)]


def test_a_handler_of_event_receives_everything() -> None:
    linker, seen = Linker(), list[Event]()
    linker.subscribe(Event, seen.append)
    emitter = Emitter(linker)
    for event in (OrderPlaced(1), Visited("/"), OrderRefunded(2)):
        emitter.emit(event)
    assert seen == [OrderPlaced(1), Visited("/"), OrderRefunded(2)]


def test_a_handler_of_a_subclass_does_not_receive_the_base() -> None:
    linker, seen = Linker(), list[Event]()
    linker.subscribe(OrderRefunded, seen.append)
    Emitter(linker).emit(OrderPaid(1))
    assert seen == []


def test_a_subscription_that_matches_in_several_ways_gets_one_delivery() -> None:
    linker, seen = Linker(), list[Event]()
    linker.on(OrderRefunded, OrderPaid, ShopEvent, Event)(seen.append)
    emission = Emitter(linker).emit(OrderRefunded(1))
    assert seen == [OrderRefunded(1)]
    assert len(emission.deliveries) == 1


def test_a_class_with_two_bases_is_delivered_once_to_a_handler_of_both() -> None:
    @dataclass(frozen=True)
    class Both(OrderPlaced, Visited): ...

    linker, seen = Linker(), list[Event]()
    linker.on(Visited, OrderPlaced)(seen.append)
    linker.subscribe(Event, seen.append)
    Emitter(linker).emit(Both())
    assert seen == [Both(), Both()]


def test_a_class_made_after_the_first_emission_is_routed_too() -> None:
    linker, seen = Linker(), list[Event]()
    linker.subscribe(OrderPlaced, seen.append)
    Emitter(linker).emit(OrderPlaced())

    @dataclass(frozen=True)
    class Express(OrderPlaced): ...

    Emitter(linker).emit(Express())
    assert seen == [OrderPlaced(), Express()]


# ---------------------------------------------------------------- E4
def names(linker: Linker[Any], kind: type[Event]) -> list[str]:
    return [one.handler.__name__ for one in linker.receivers(kind)]


def noting(log: list[T], tag: T) -> Callable[[Event], None]:
    """A plain handler that notes *tag*."""
    return lambda event: log.append(tag)


def calling(start: Callable[[int, Event], Awaitable[None]], number: int) -> Callable[[Event], Awaitable[None]]:
    """A plain function that returns a coroutine."""
    return lambda event: start(number, event)


def tagged(log: list[str], *tags: tuple[str, int]) -> Linker[Event]:
    linker = Linker()
    for tag, priority in tags:
        linker.subscribe(OrderPlaced, noting(log, tag), priority=priority)
    return linker


def test_higher_priority_goes_first_and_then_the_order_of_subscribing() -> None:
    log: list[str] = []
    linker = tagged(log, ("a", 0), ("b", 5), ("c", -3), ("d", 5), ("e", 0), ("f", 10**30))
    Emitter(linker).emit(OrderPlaced())
    assert log == ["f", "b", "d", "a", "e", "c"]


def test_a_handler_of_a_base_keeps_its_place_among_those_of_the_class() -> None:
    log: list[str] = []
    linker = Linker()
    linker.subscribe(OrderPaid, lambda event: log.append("class"))
    linker.subscribe(Event, lambda event: log.append("root"))
    linker.subscribe(OrderPaid, lambda event: log.append("class again"))
    linker.subscribe(ShopEvent, lambda event: log.append("base"))
    Emitter(linker).emit(OrderPaid())
    assert log == ["class", "root", "class again", "base"]


def test_the_deliveries_of_an_emission_stand_in_that_order() -> None:
    linker = Linker()
    low = linker.subscribe(OrderPlaced, lambda event: None)
    high = linker.subscribe(ShopEvent, lambda event: None, priority=1)
    emission = Emitter(linker).emit(OrderPlaced())
    assert [delivery.subscription for delivery in emission.deliveries] == [high, low]
    assert linker.receivers(OrderPlaced) == (high, low)


@pytest.mark.parametrize("kinds", ["sas", "ass", "ssa", "aas", "sasas", "lsl", "slsasl", "csc", "scsa"])
async def test_sync_and_async_handlers_start_in_one_order(kinds: str) -> None:
    log: list[int] = []
    linker = Linker()

    async def note(number: int, event: Event) -> None:
        log.append(number)
        await asyncio.sleep(0)

    async def called_back(result: object) -> None:
        await asyncio.sleep(0)

    for number, kind in enumerate(kinds):
        if kind == "s":
            linker.subscribe(OrderPlaced, noting(log, number))
        elif kind == "a":

            @linker.on(OrderPlaced)
            async def handler(event: OrderPlaced, number: int = number) -> None:
                await note(number, event)
        elif kind == "l":
            linker.subscribe(OrderPlaced, calling(note, number))
        else:
            linker.subscribe(OrderPlaced, noting(log, number), on_success=called_back)
    await Emitter(linker).emit(OrderPlaced())
    assert log == list(range(len(kinds)))


@pytest.mark.parametrize("kinds", ["sas", "lsl", "slsasl"])
def test_sync_and_async_handlers_start_in_one_order_without_a_loop_too(kinds: str) -> None:
    log: list[int] = []
    linker = Linker()

    async def note(number: int, event: Event) -> None:
        log.append(number)
        await asyncio.sleep(0)

    for number, kind in enumerate(kinds):
        if kind == "s":
            linker.subscribe(OrderPlaced, noting(log, number))
        else:
            linker.subscribe(OrderPlaced, calling(note, number))
    Emitter(linker).emit(OrderPlaced())
    assert log == list(range(len(kinds)))


def test_the_order_is_the_same_in_every_run() -> None:
    program = (
        "from dataclasses import dataclass; from pyventus_typed import *\n"
        "@dataclass(frozen=True)\nclass E(Event): ...\n"
        "l = Linker()\n"
        "for n in range(20): l.subscribe((E, Event)[n % 2], lambda e, n=n: print(n, end=' '))\n"
        "Emitter(l).emit(E())"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
            check=True,
            capture_output=True,
        ).stdout
        for seed in ("0", "1", "2")
    }
    assert outputs == {(" ".join(map(str, range(20))) + " ").encode()}


# ---------------------------------------------------------------- E6
async def test_an_emission_keeps_its_receivers_whatever_is_unsubscribed_later() -> None:
    linker, seen = Linker(), list[Event]()
    subscription = linker.subscribe(OrderPlaced, seen.append)
    emission = Emitter(linker).emit(OrderPlaced(1))
    subscription.unsubscribe()
    linker.clear()
    linker.subscribe(OrderPlaced, lambda event: seen.append(OrderPlaced(99)))
    await emission
    assert seen == [OrderPlaced(1)]


def test_a_handler_that_unsubscribes_its_neighbour_does_not_stop_its_delivery() -> None:
    linker, log = Linker(), list[str]()

    @linker.on(OrderPlaced)
    def first(event: OrderPlaced) -> None:
        log.append(f"first {second.unsubscribe()}")

    second = linker.subscribe(OrderPlaced, lambda event: log.append("second"))
    Emitter(linker).emit(OrderPlaced())
    Emitter(linker).emit(OrderPlaced())
    assert log == ["first True", "second", "first False"]


def test_a_handler_that_subscribes_is_heard_from_the_next_emission_on() -> None:
    linker, log = Linker(), list[str]()
    linker.subscribe(
        OrderPlaced, lambda event: linker.subscribe(OrderPlaced, lambda event: log.append("new")), once=True
    )
    Emitter(linker).emit(OrderPlaced())
    assert log == []
    Emitter(linker).emit(OrderPlaced())
    assert log == ["new"]


# ---------------------------------------------------------------- E10
def test_receivers_are_computed_once_until_the_linker_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    linker = Linker()
    linker.subscribe(OrderPlaced, lambda event: None)
    emitter = Emitter(linker)
    emitter.emit(OrderPlaced())
    looks: list[type] = []
    find = linker._routes._find

    def look(kind: type[Event]) -> object:
        looks.append(kind)
        return find(kind)

    # No public name tells how often it is computed, so one private one is replaced here.
    monkeypatch.setattr(linker._routes, "_find", look)
    for _ in range(10):
        emitter.emit(OrderPlaced())
    assert looks == []
    linker.subscribe(Shipped, lambda event: None)
    for _ in range(10):
        emitter.emit(OrderPlaced())
    assert looks == [OrderPlaced]


def test_a_class_that_nobody_needs_any_more_is_not_kept_by_an_ended_subscription() -> None:
    linker, seen = Linker(), list[Event]()
    linker.subscribe(OrderPlaced, seen.append).unsubscribe()
    assert linker.receivers(OrderPlaced) == ()
    assert Emitter(linker).emit(OrderPlaced()).deliveries == ()
