"""The demo: orders flow through real processes while some of them are killed, and none is lost."""

import asyncio
import logging
import random
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from pyventus_typed.nats._connection import Server, connect, logger, shut
from pyventus_typed.nats._dead_letters import DeadLetters
from pyventus_typed.nats._demo_process import STREAM, OrderPlaced, codec
from pyventus_typed.nats._local_server import NEW_GROUP, LocalServer
from pyventus_typed.nats.errors import NatsError

_PUBLISHERS = 2
_WORKERS = 3
_PATIENCE = 60.0  # seconds without any progress before the demo gives up


@dataclass
class JournalCounts:
    """What the journal says, counted."""

    emitted: set[int] = field(default_factory=set)
    handled: set[int] = field(default_factory=set)
    started: Counter[int] = field(default_factory=Counter)

    @classmethod
    def read(cls, journal: Path) -> "JournalCounts":
        counts = cls()
        whole = journal.read_bytes().rpartition(b"\n")[0] if journal.exists() else b""
        for line in whole.decode().splitlines():
            what, number = line.split()
            match what:
                case "emitted":
                    counts.emitted.add(int(number))
                case "handled":
                    counts.handled.add(int(number))
                case _:
                    counts.started[int(number)] += 1
        return counts

    @property
    def redelivered(self) -> int:
        return self.started.total() - len(self.started)


async def run(*, orders: int, kills: int, seed: int | None) -> int:
    """Run the demo on a server of its own in a temporary folder. Returns 0 if nothing was lost, else 1."""
    logger.setLevel(logging.ERROR)  # that the server is lost is printed where it is killed
    with tempfile.TemporaryDirectory(prefix="pyventus-demo-") as folder:
        async with LocalServer(Path(folder) / "server") as server:
            scene = _Scene(server, Path(folder) / "journal", orders, random.Random(seed))  # noqa: S311  # a demo, not a cipher
            try:
                return await scene.play(kills)
            except (
                asyncio.CancelledError
            ):  # Ctrl-C; what comes next must not be written over the line that shows the progress
                sys.stdout.write("\n")
                raise
            finally:
                await scene.close()


class _Scene:
    def __init__(self, server: LocalServer, journal: Path, orders: int, chance: random.Random) -> None:
        self._server = server
        self._journal = journal
        self._orders = orders
        self._chance = chance
        self._began = time.monotonic()
        self._publishers: list[asyncio.subprocess.Process] = []
        self._workers: list[asyncio.subprocess.Process] = []

    async def play(self, kills: int) -> int:
        _show_line(
            f"{_PUBLISHERS} publishers, {_WORKERS} workers, {self._orders} orders, {kills} kills (kill -9), 1 server"
        )
        _show_line(
            "one order in 100 fails at first and is tried again, one in 300 always fails and becomes a dead letter"
        )
        share = -(-self._orders // _PUBLISHERS)
        for first in range(0, self._orders, share):
            self._publishers.append(await self._start("publisher", first, min(first + share, self._orders)))
        self._workers = [await self._start("worker") for _ in range(_WORKERS)]
        client = await connect(Server(self._server.url), name="demo")
        try:
            dead = await self._until_done(DeadLetters(client, STREAM), kills)
            counts = JournalCounts.read(self._journal)
        finally:
            await shut(client)
        lost = counts.emitted - counts.handled - dead
        _show_line()
        _show_line(f"emitted        {len(counts.emitted):5}")
        _show_line(f"handled        {len(counts.handled):5}")
        _show_line(f"redelivered    {counts.redelivered:5}")
        _show_line(f"dead-lettered  {len(dead):5}")
        _show_line(f"lost           {len(lost):5}")
        return 0 if not lost and len(counts.emitted) == self._orders else 1

    async def _until_done(self, letters: DeadLetters, kills: int) -> set[int]:
        """Kill at moments spread over the run, replace what died, tell how it goes; the numbers of the dead letters."""
        moments = sorted(self._chance.sample(range(self._orders // 20, self._orders * 9 // 10), kills))
        server_at = self._orders // 2
        progress, moved = (-1, -1), time.monotonic()
        while True:
            counts = JournalCounts.read(self._journal)
            dead = {_number(letter.name, letter.data) async for letter in letters.all()}
            self._tell(counts, len(dead))
            while moments and len(counts.handled) >= moments[0] and await self._kill_a_worker():
                moments.pop(0)
            if not moments and len(counts.handled | dead) == self._orders == len(counts.emitted):
                return dead
            if (len(counts.emitted), len(counts.handled) + len(dead)) != progress:
                progress, moved = (len(counts.emitted), len(counts.handled) + len(dead)), time.monotonic()
            elif time.monotonic() - moved > _PATIENCE:
                raise NatsError(
                    f"The demo makes no progress at {progress[0]} emitted and {progress[1]} settled orders."
                )
            if len(counts.handled) >= server_at:
                server_at = self._orders + 1  # once is enough
                _show_line(f"{self._clock()}  kill -9 of the server, started again on the same store")
                await self._server.kill()
                await self._server.start()
            for place, worker in enumerate(self._workers):
                if worker.returncode is not None:
                    self._workers[place] = await self._start("worker")
            await asyncio.sleep(0.1)

    async def _kill_a_worker(self) -> bool:
        alive = [worker for worker in self._workers if worker.returncode is None]
        if not alive:
            return False
        victim = self._chance.choice(alive)
        victim.kill()
        await victim.wait()
        _show_line(f"{self._clock()}  kill -9 of the worker {victim.pid}; a new one takes its place")
        return True

    async def close(self) -> None:
        for process in (*self._publishers, *self._workers):
            if process.returncode is None:
                process.terminate()
        for process in (*self._publishers, *self._workers):
            try:
                await asyncio.wait_for(process.wait(), 5)
            except TimeoutError:
                process.kill()
                await process.wait()

    async def _start(self, role: str, first: int = 0, end: int = 0) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "pyventus_typed.nats._demo_process",
            role,
            self._server.url,
            str(self._journal),
            str(first),
            str(end),
            # What they log about retries and lost connections is expected here, and would store_dead_letter the story.
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
            creationflags=NEW_GROUP,
        )

    def _clock(self) -> str:
        return f"{time.monotonic() - self._began:5.1f} s"

    def _tell(self, counts: JournalCounts, dead: int) -> None:
        line = (
            f"{self._clock()}  emitted {len(counts.emitted):4}  handled {len(counts.handled):4}  "
            f"redelivered {counts.redelivered:3}  dead {dead}"
        )
        if sys.stdout.isatty():
            sys.stdout.write(f"\r{line}\x1b[K\r")
            sys.stdout.flush()
        elif int((time.monotonic() - self._began) * 10) % 10 == 0:
            _show_line(line)


def _number(name: str, data: bytes) -> int:
    event = codec.decode(name, data)
    assert isinstance(event, OrderPlaced)  # the demo sends nothing else
    return event.number


def _show_line(line: str = "") -> None:
    clear = "\x1b[K" if sys.stdout.isatty() else ""
    sys.stdout.write(f"{clear}{line}\n")
    sys.stdout.flush()
