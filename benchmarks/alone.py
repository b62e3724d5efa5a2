"""Some rows, one contender each, so many units of work, and nothing measured: what an outside instrument looks at.

python -X importtime -m benchmarks.alone sync-10:us:1
python -m cProfile -s tottime -m benchmarks.alone sync-10:us:100000 publish-1:us:100000
"""

import asyncio
import sys

from .contenders import load
from .measuring import quiet_collector
from .rows import IN_LOOP, ROWS


def work(name: str, contender: str, times: int) -> None:
    """Do the row's work, after a few units that fill caches."""
    row = ROWS[name]
    handlers = row.handlers(row.count)
    make = row.work.contenders[contender]

    async def in_a_loop() -> None:
        async with handlers.closing:
            batch = make(handlers)
            assert batch is not None
            await batch(10)
            with quiet_collector():
                await batch(times)

    if row in IN_LOOP:
        asyncio.run(in_a_loop())
        return
    batch = make(handlers)
    assert batch is not None
    batch(10)
    with quiet_collector():
        batch(times)


if __name__ == "__main__":
    jobs = [word.split(":") for word in sys.argv[1:]]
    load(frozenset(contender.partition(" ")[0] for _, contender, _ in jobs))
    for row_, contender_, times_ in jobs:
        work(row_, contender_, int(times_))
