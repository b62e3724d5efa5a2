"""One contender, one row, so many units of work, and nothing measured: what an outside instrument looks at.

valgrind --tool=cachegrind --cache-sim=no python -m benchmarks.alone sync-1 us 1000
python -X importtime -m cProfile -s tottime -m benchmarks.alone sync-10 us 100000
"""

import asyncio
import sys

from .contenders import load
from .measuring import quiet_collector
from .rows import IN_LOOP, ROWS


def main(name: str, contender: str, times: int) -> None:
    load(frozenset({contender}))
    row = ROWS[name]
    handlers = row.handlers(row.count)
    make = row.work.contenders[contender]

    async def in_a_loop() -> None:
        async with handlers.closing:
            batch = make(handlers)
            await batch(10)
            with quiet_collector():
                await batch(times)

    if row in IN_LOOP:
        asyncio.run(in_a_loop())
        return
    batch = make(handlers)
    batch(10)
    with quiet_collector():
        batch(times)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
