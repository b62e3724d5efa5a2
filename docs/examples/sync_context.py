"""Without a running loop, each emit returns when everything it started is done: about 1.5 s, twice."""

import asyncio
from dataclasses import dataclass

from pyventus_typed import AsyncIOProcessor, Emitter, Event, Linker


@dataclass(frozen=True, slots=True)
class Ping(Event):
    pass


async def work(ping: Ping) -> None:
    await asyncio.sleep(1.5)
    print("Done!")


linker = Linker[Ping]()
linker.subscribe(Ping, work)
linker.subscribe(Ping, work)

processor = AsyncIOProcessor()
emitter = Emitter(linker, processor)


def main() -> None:
    print("Starting...")
    emitter.emit(Ping())
    emitter.emit(Ping())
    print("Closing...")


main()
