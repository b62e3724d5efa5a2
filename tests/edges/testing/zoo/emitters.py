"""Programs in which handlers of an emitter get into each other's way."""

import asyncio
from dataclasses import dataclass

from pyventus_typed import Emitter, Event, Linker, Ordering, asyncio_emitter
from pyventus_typed.testing import DeadlockError

from .specimen import Specimen
from .updates import pause, together


@dataclass(frozen=True, slots=True)
class Placed(Event):
    order: int


@dataclass(frozen=True, slots=True)
class Paid(Event):
    order: int


def shop(ordering: Ordering) -> tuple[Linker[Event], Emitter[Event]]:
    linker: Linker[Event] = Linker()
    return linker, asyncio_emitter(linker, ordering=ordering)


async def _stock(ordering: Ordering) -> None:
    """Two orders for one copy, and a handler that asks the bank between looking and taking."""
    linker, emitter = shop(ordering)
    stock = 1

    @linker.on(Placed)
    async def ship(_: Placed) -> None:
        nonlocal stock
        if stock > 0:
            await pause()
            stock -= 1

    async def customer(order: int, after: int) -> None:
        await pause(after)
        emitter.emit(Placed(order))

    await together(customer(1, 0), customer(2, 5))
    await emitter.wait_for_tasks()
    assert stock == 0, f"{stock} copies left"


async def handlers_that_oversell() -> None:
    await _stock(Ordering.CONCURRENT)


async def handlers_that_oversell_twin() -> None:
    await _stock(Ordering.MAILBOX)


async def _projection(ordering: Ordering) -> None:
    """What was written last must be the latest; handlers of different length end in any order."""
    linker, emitter = shop(ordering)
    shown = 0

    @linker.on(Placed)
    async def show(event: Placed) -> None:
        nonlocal shown
        await pause(2)
        shown = event.order

    for order in (1, 2, 3):
        emitter.emit(Placed(order))
        await pause(4)
    await emitter.wait_for_tasks()
    assert shown == 3, f"shows order {shown}"


async def projection_that_goes_back() -> None:
    await _projection(Ordering.CONCURRENT)


async def projection_that_goes_back_twin() -> None:
    await _projection(Ordering.MAILBOX)


async def _wait_by_counting(*, careful: bool) -> None:
    """Some turns of the loop are no wait: a handler, and what it emits, takes as long as it takes."""
    linker, emitter = shop(Ordering.CONCURRENT)
    paid: list[int] = []

    @linker.on(Placed)
    async def pay(event: Placed) -> None:
        await pause(2)
        emitter.emit(Paid(event.order))

    @linker.on(Paid)
    def book(event: Paid) -> None:
        paid.append(event.order)

    emitter.emit(Placed(1))
    if careful:
        await emitter.wait_for_tasks()
    else:
        await pause(8)
    assert paid == [1], f"paid is {paid}"
    await emitter.wait_for_tasks()


async def wait_that_counts_turns() -> None:
    await _wait_by_counting(careful=False)


async def wait_that_counts_turns_twin() -> None:
    await _wait_by_counting(careful=True)


async def _two_locks(*, careful: bool) -> None:
    """Two handlers take the same two locks; one of them the other way round."""
    linker, emitter = shop(Ordering.CONCURRENT)
    stock, ledger = asyncio.Lock(), asyncio.Lock()

    @linker.on(Placed)
    async def reserve(_: Placed) -> None:
        async with stock:
            await pause()
            async with ledger:
                await pause()

    @linker.on(Paid)
    async def settle(_: Paid) -> None:
        async with stock if careful else ledger:
            await pause()
            async with ledger if careful else stock:
                await pause()

    emitter.emit(Placed(1))
    await pause(6)
    emitter.emit(Paid(1))
    await emitter.wait_for_tasks()


async def handlers_that_lock_each_other_out() -> None:
    await _two_locks(careful=False)


async def handlers_that_lock_each_other_out_twin() -> None:
    await _two_locks(careful=True)


async def _once(*, careful: bool) -> None:
    """A message that is delivered twice; the handler remembers it only after the work."""
    linker, emitter = shop(Ordering.CONCURRENT)
    seen: set[int] = set()
    charged: list[int] = []

    @linker.on(Paid)
    async def charge(event: Paid) -> None:
        if event.order in seen:
            return
        if careful:
            seen.add(event.order)
        await pause()
        seen.add(event.order)
        charged.append(event.order)

    emitter.emit(Paid(1))
    await pause(4)
    emitter.emit(Paid(1))
    await emitter.wait_for_tasks()
    assert charged == [1], f"charged {charged}"


async def redelivery_that_charges_twice() -> None:
    await _once(careful=False)


async def redelivery_that_charges_twice_twin() -> None:
    await _once(careful=True)


SPECIMENS = [
    Specimen(handlers_that_oversell, handlers_that_oversell_twin, AssertionError),
    Specimen(projection_that_goes_back, projection_that_goes_back_twin, AssertionError),
    Specimen(wait_that_counts_turns, wait_that_counts_turns_twin, AssertionError),
    Specimen(handlers_that_lock_each_other_out, handlers_that_lock_each_other_out_twin, DeadlockError),
    Specimen(redelivery_that_charges_twice, redelivery_that_charges_twice_twin, AssertionError),
]
