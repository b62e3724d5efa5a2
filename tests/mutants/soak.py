"""A million emissions with flat memory: ``python tests/mutants/soak.py``, run by the nox session ``soak``."""

import asyncio
import gc
import sys
import tracemalloc
from dataclasses import dataclass

from pyventus_typed import AsyncIOProcessor, Emitter, Event, KeyedOrdering, Linker, Ordering, PerKey

EMISSIONS, ROUNDS, ALLOWED = 1_000_000, 10, 256 * 1024


@dataclass(frozen=True)
class Tick(Event):
    """One of many."""

    n: int


async def soak(ordering: Ordering | KeyedOrdering, emissions: int) -> int:
    """How many bytes more are held after *emissions* than after a tenth of them."""
    linker = Linker[Event]()
    emitter = Emitter(linker, AsyncIOProcessor(ordering=ordering))
    linker.subscribe(Tick, lambda _: None)

    @linker.on(Tick, when=lambda tick: not tick.n % 10)
    async def turn(_: Tick) -> None:
        await asyncio.sleep(0)

    held: list[int] = []
    for _ in range(ROUNDS):
        for n in range(emissions // ROUNDS):
            emitter.emit(Tick(n))
            if not n % 1000:
                await emitter.wait_for_tasks()
        await emitter.wait_for_tasks()
        gc.collect()
        held.append(tracemalloc.get_traced_memory()[0])
    tally = emitter.tally
    assert (tally.accepted, tally.completed, tally.pending) == (emissions, emissions, 0), tally
    return held[-1] - held[0]


def main() -> int:
    """Exit code 1 if memory grew under any ordering."""
    grew = 0
    orderings: list[Ordering | KeyedOrdering] = [*Ordering, PerKey(Tick, lambda tick: tick.n)]
    tracemalloc.start()
    for ordering in orderings:
        more = asyncio.run(soak(ordering, EMISSIONS // len(orderings)))
        print(f"{ordering}: {more:+} bytes after {EMISSIONS // len(orderings)} emissions", flush=True)
        grew += more > ALLOWED
    return 1 if grew else 0


if __name__ == "__main__":
    sys.exit(main())
