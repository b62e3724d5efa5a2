"""How the cost grows with what is registered: us against ourselves, in one run."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from itertools import repeat
from types import new_class

from pyventus_typed import Event, Linker, asyncio_emitter

from .workloads import EMIT, Batch, BatchInLoop, Handlers, Work

TYPES = Work[Batch]("no loop is running: emit one of many event types")
OTHERS = Work[Batch]("no loop is running: emit, while another type has many subscriptions")
COLD = Work[Batch]("no loop is running: subscribe, emit, unsubscribe")
DEPTH = Work[Batch]("no loop is running: emit an event far below the class that is subscribed to")
PENDING = Work[BatchInLoop]("in a loop: emit so many in a row, then wait until all is done, again and again")
THREADS = Work[Batch]("many threads without a loop: emit, until done")


@dataclass(frozen=True, slots=True)
class Grown(Event):
    number: int


GROWN = Grown(1)


class Other(Event):
    """Subscribed to, never emitted."""


@cache
def other_types(count: int) -> tuple[type[Event], ...]:
    return tuple(new_class(f"Other{number}", (Event,), {}) for number in range(count))


def ignored(event: Event) -> None:
    raise AssertionError(event)


def emitting(linker: Linker[Event], event: Event) -> Batch:
    emit = asyncio_emitter(linker).emit

    def batch(n: int) -> None:
        for _ in repeat(None, n):
            emit(event)

    return batch


def among(types: int) -> Callable[[Handlers], Batch]:
    """The event that is emitted is one of so many."""

    def make(handlers: Handlers) -> Batch:
        linker = Linker[Event]()
        for other in other_types(types - 1):
            linker.subscribe(other, ignored)
        for handler in handlers:
            linker.subscribe(Grown, handler)
        return emitting(linker, GROWN)

    return make


def beside(others: int) -> Callable[[Handlers], Batch]:
    def make(handlers: Handlers) -> Batch:
        linker = Linker[Event]()
        for _ in range(others):
            linker.subscribe(Other, ignored)
        for handler in handlers:
            linker.subscribe(Grown, handler)
        return emitting(linker, GROWN)

    return make


def changing(types: int) -> Callable[[Handlers], Batch]:
    """Every emit is the first one after a change."""

    def make(handlers: Handlers) -> Batch:
        (handler,) = handlers
        linker = Linker[Event]()
        for other in other_types(types - 1):
            linker.subscribe(other, ignored)
        emit = asyncio_emitter(linker).emit

        def batch(n: int) -> None:
            for _ in repeat(None, n):
                subscription = linker.subscribe(Grown, handler)
                emit(GROWN)
                subscription.unsubscribe()

        return batch

    return make


def below(depth: int) -> Callable[[Handlers], Batch]:
    def make(handlers: Handlers) -> Batch:
        base: type[Event] = Other
        for number in range(depth - 1):
            base = new_class(f"Level{number}", (base,), {})

        @dataclass(frozen=True)
        class Leaf(base):  # type: ignore[valid-type, misc]  # a base made at run time is what this row is about
            number: int

        linker = Linker[Event]()
        for handler in handlers:
            linker.subscribe(Other, handler)
        return emitting(linker, Leaf(1))

    return make


def shared(contender: str, threads: int) -> Callable[[Handlers], Batch]:
    """*threads* threads share the emissions of a batch, and one emitter."""

    def make(handlers: Handlers) -> Batch:
        one = EMIT.contenders[contender](handlers)
        assert one is not None
        pool = ThreadPoolExecutor(threads)

        def batch(n: int) -> None:
            shares = [n // threads + (number < n % threads) for number in range(threads)]
            for _ in pool.map(one, shares):
                pass

        return batch

    return make


def in_bursts(pending: int) -> Callable[[Handlers], BatchInLoop]:
    """Emit as many in all, whatever *pending* is, so many of them at once."""

    def make(handlers: Handlers) -> BatchInLoop:
        linker = Linker[Event]()
        for handler in handlers:
            linker.subscribe(Grown, handler)
        emitter = asyncio_emitter(linker)

        async def batch(n: int) -> None:
            for _ in range(0, n, pending):
                for _ in repeat(None, min(n, pending)):
                    emitter.emit(GROWN)
                await emitter.wait_for_tasks()

        return batch

    return make


for count in (10_000, 100_000, 1_000_000):
    PENDING.of(f"us {count:,}")(in_bursts(count))
for count in (1, 100, 10_000, 100_000):
    TYPES.of(f"us {count:,}")(among(count))
    COLD.of(f"us {count:,}")(changing(count))
    OTHERS.of(f"us {count:,}")(beside(count))
for count in (1, 2, 5, 20, 100):
    DEPTH.of(f"us {count:,}")(below(count))
for count in (1, 2, 8):
    THREADS.of(f"us {count:,}")(shared("us", count))
    THREADS.of(f"limit {count:,}")(shared("limit", count))
