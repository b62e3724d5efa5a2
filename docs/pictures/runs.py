"""What the pictures show, taken from runs of the library on loops with virtual time."""

import asyncio
import gc
import warnings
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

from pyventus_typed import (
    AsyncIOProcessor,
    Completed,
    Delivery,
    Emission,
    Emitter,
    Event,
    KeyedOrdering,
    Linker,
    Ordering,
    PerKey,
)
from pyventus_typed.errors import EmissionRejected
from pyventus_typed.testing import VirtualLoop


@dataclass(frozen=True)
class Order(Event):
    """Something to do."""

    number: int
    customer: str = "ada"
    seconds: float = 1.0


@dataclass(frozen=True)
class Bar:
    """A delivery on a time line: from when to when its handler ran, if it did, and what became of it."""

    order: Order
    handler: str
    began: float | None
    ended: float | None
    outcome: str


class Clock:
    """Notes when handlers begin and end."""

    def __init__(self) -> None:
        self.began: dict[tuple[int, str], float] = {}
        self.ended: dict[tuple[int, str], float] = {}

    def handler(self, name: str, seconds: Callable[[Order], float], *, absorbs: bool = False) -> Callable[[Order], Any]:
        """A handler that takes so long; ``Any`` is the coroutine."""

        async def work(order: Order) -> None:
            key = order.number, name
            loop = asyncio.get_running_loop()
            self.began[key] = loop.time()
            try:
                await asyncio.sleep(seconds(order))
            except asyncio.CancelledError:
                if not absorbs:
                    raise
            finally:
                self.ended[key] = loop.time()

        work.__qualname__ = work.__name__ = name
        return work

    def bars(self, emissions: Sequence[Emission[Order]]) -> list[Bar]:
        """A bar for each delivery."""
        found = []
        for emission in emissions:
            for delivery in emission.deliveries:
                name: str = getattr(delivery.subscription.handler, "__name__", "?")
                key = emission.event.number, name
                found.append(Bar(emission.event, name, self.began.get(key), self.ended.get(key), say(delivery)))
        return found


def say(delivery: Delivery[Event]) -> str:
    """An outcome in one line."""
    return "Completed" if isinstance(delivery.outcome, Completed) else repr(delivery.outcome)


# ---------------------------------------------------------------- the four orderings
ORDERINGS: dict[str, Ordering | KeyedOrdering] = {
    "CONCURRENT": Ordering.CONCURRENT,
    "MAILBOX": Ordering.MAILBOX,
    "SERIAL": Ordering.SERIAL,
    "PerKey(Order, customer)": PerKey(Order, lambda order: order.customer),
}
ORDERS = [Order(1, "ada", 3), Order(2, "bob", 1), Order(3, "ada", 1)]


def under(ordering: Ordering | KeyedOrdering) -> list[Bar]:
    """Three orders, emitted together, to two handlers: `pack` takes as long as the order says, `bill` two seconds."""
    clock, linker = Clock(), Linker[Order]()
    linker.subscribe(Order, clock.handler("pack", lambda order: order.seconds))
    linker.subscribe(Order, clock.handler("bill", lambda _: 2))

    async def main() -> list[Emission[Order]]:
        async with Emitter(linker, AsyncIOProcessor(ordering=ordering)) as emitter:
            return [emitter.emit(order) for order in ORDERS]

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        emissions = runner.run(main())
    return clock.bars(emissions)


# ---------------------------------------------------------------- the ends of a loop
@dataclass(frozen=True)
class Ended:
    """How it went: the bars, when the main was over, and how many emissions were reported."""

    bars: list[Bar]
    reported: int | None


def _drained(shop: "Shop") -> None:
    async def main() -> None:
        async with shop.emitter:
            await shop.open()

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(main())


def _cancelled(shop: "Shop") -> None:
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(shop.open())


def _closed(shop: "Shop") -> None:
    loop = VirtualLoop()
    loop.run_until_complete(shop.open())
    loop.close()


def _lost(shop: "Shop") -> None:
    loop = VirtualLoop()
    loop.run_until_complete(shop.open())
    with warnings.catch_warnings(action="ignore", category=ResourceWarning):  # asyncio's own: the loop is not closed
        del loop
        gc.collect()


ENDS: dict[str, Callable[["Shop"], None]] = {
    "async with emitter: ...": _drained,
    "asyncio.run(main())": _cancelled,
    "loop.close()": _closed,
    "the loop is dropped": _lost,
}


class Shop:
    """Two handlers with a mailbox each, and three orders: one of `pack` is still in its mailbox when the main is over."""

    def __init__(self) -> None:
        self.clock, self.reports, self.emissions = Clock(), list[int](), list[Emission[Order]]()
        linker = Linker[Order]()
        linker.subscribe(Order, self.clock.handler("pack", lambda _: 3), when=lambda order: order.customer == "ada")
        sweep = self.clock.handler("sweep", lambda _: 2, absorbs=True)
        linker.subscribe(Order, sweep, when=lambda order: order.customer == "bob")
        processor = AsyncIOProcessor(ordering=Ordering.MAILBOX, on_discard=lambda lost: self.reports.append(len(lost)))
        self.emitter = Emitter(linker, processor)

    async def open(self) -> None:
        """Emit, and be over after a second."""
        self.emissions += [self.emitter.emit(order) for order in ORDERS]
        await asyncio.sleep(1)


def ending(end: Callable[[Shop], None]) -> Ended:
    """One end, brought to a shop of its own."""
    shop = Shop()
    end(shop)
    return Ended(shop.clock.bars(shop.emissions), sum(shop.reports) if shop.reports else None)


# ---------------------------------------------------------------- the life of an emission
@dataclass(frozen=True)
class Way:
    """Where a delivery went, and why: ``rejected``, or the name of its outcome, through its handler or not."""

    why: str
    started: bool
    where: str


def ways() -> list[Way]:
    """One delivery for each way through the states, each in a loop of its own."""
    return [
        _way("the handler returns", _nothing),
        _way("it raises", _raises),
        _way("it takes longer than its timeout", _hangs, timeout=1.0),
        _way("cancelled while it runs", _hangs, then=_cancel_soon),
        _way("its predicate raises", _nothing, when=_no_answer),
        _way("cancelled", _nothing, then=_cancel_now),
        _way("the loop ends before it starts", _hangs, then=_leave_soon, behind=True),
        _way("the loop no longer runs", _hangs, then=_leave_soon),
        _way("no capacity, and it is dropped", _nothing, full="drop_new"),
        _way("no capacity: NoRoom", _nothing, full="refuse"),
        _way("closed: EmitterClosed", _nothing, closed=True),
    ]


async def _nothing(_: Order) -> None: ...


async def _raises(_: Order) -> None:
    raise ValueError


async def _hangs(_: Order) -> None:
    await asyncio.Event().wait()


def _no_answer(_: Order) -> bool:
    raise ValueError


async def _cancel_now(emission: Emission[Order]) -> None:
    emission.cancel()
    await emission.wait()


async def _cancel_soon(emission: Emission[Order]) -> None:
    await asyncio.sleep(1)
    await _cancel_now(emission)


async def _end(emission: Emission[Order]) -> None:
    await emission.wait()


async def _leave_soon(_: Emission[Order]) -> None:
    await asyncio.sleep(1)


def _way(
    why: str,
    handler: Any,  # Any, here and below: what is handed on to `subscribe` and to the processor as it is
    *,
    then: Callable[[Emission[Order]], Coroutine[Any, Any, None]] = _end,
    full: Any = None,
    behind: bool = False,
    closed: bool = False,
    **options: Any,
) -> Way:
    linker = Linker[Order]()
    processor = AsyncIOProcessor(
        ordering=Ordering.MAILBOX,
        capacity=1 if full else None,
        overflow=full or "refuse",
        on_discard=lambda _: None,
    )
    emitter = Emitter(linker, processor)
    linker.subscribe(Order, handler, on_failure=lambda *_: None, **options)
    kept: list[Emission[Order]] = []

    async def main() -> None:
        if full or behind:
            emitter.emit(Order(0))
        if closed:
            await emitter.aclose()
        kept.append(emitter.emit(Order(1)))
        await then(kept[0])

    loop = VirtualLoop()
    try:
        loop.run_until_complete(main())
    except EmissionRejected:
        return Way(why, started=False, where="rejected")
    finally:
        loop.close()
    delivery = kept[0].deliveries[0]
    return Way(why, delivery.started, type(delivery.outcome).__name__)
