"""What `docs/explanation/between-processes.md` says about other libraries on NATS, tried with them."""

import asyncio
import re
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import nats
import pytest
from nats.js.api import ConsumerInfo

from pyventus_typed.nats import LocalServer
from tests.programs import ROOT

PAGE = (ROOT / "docs" / "explanation" / "between-processes.md").read_text(encoding="utf-8")
NAMES = {"FastStream": "faststream", "taskiq-nats": "taskiq_nats"}


def needs(module: str) -> None:
    pytest.importorskip(module, reason=f"{module} is not installed; it is in the dependency group 'peers'")


@pytest.mark.parametrize(("name", "said"), re.findall(r"\*\*([\w-]+)\*\* (\d[\d.]*)", PAGE))
def test_the_page_speaks_of_the_version_that_is_tried(name: str, said: str) -> None:
    needs(NAMES[name])
    assert version(name.lower()) == said


@dataclass
class Peer:
    """A worker of another library, one event that it gets, and what became of it."""

    server: LocalServer
    journal: Path
    process: asyncio.subprocess.Process

    def lines(self, what: str) -> int:
        return self.journal.read_text().split().count(what) if self.journal.exists() else 0

    async def until(self, condition: Callable[[], bool], seconds: float = 20) -> None:
        async with asyncio.timeout(seconds):
            while not condition():
                await asyncio.sleep(0.02)

    async def consumer(self) -> ConsumerInfo:
        client = await nats.connect(self.server.url)
        try:
            info: ConsumerInfo = await client.jetstream().consumer_info("ORDERS", "billing")
            return info
        finally:
            await client.close()


async def start(library: str, url: str, journal: Path) -> asyncio.subprocess.Process:
    script = Path(__file__).with_name("nats_peer_process.py")
    return await asyncio.create_subprocess_exec(
        sys.executable,
        script,
        library,
        url,
        journal,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )


@asynccontextmanager
async def peer(library: str, behaviour: str, folder: Path) -> AsyncIterator[Peer]:
    needs("taskiq_nats" if library.startswith("taskiq") else "faststream")
    journal = folder / "journal"
    (folder / "behaviour").write_text(behaviour)
    async with LocalServer(folder / "server") as server:
        found = Peer(server, journal, await start(library, server.url, journal))
        try:
            await found.until(lambda: found.lines("ready") == 1)
            if library.startswith("taskiq"):
                assert await (await start("taskiq_nats publishes", server.url, journal)).wait() == 0
            else:
                client = await nats.connect(server.url)
                await client.jetstream().publish("orders.1", b"1", headers={"content-type": "application/json"})
                await client.close()
            await found.until(lambda: found.lines("start") >= 1)
            yield found
        finally:
            if found.process.returncode is None:
                found.process.kill()
            await found.process.wait()


@pytest.mark.parametrize("library", ["faststream", "taskiq_nats"])
async def test_an_event_whose_handler_raises_once_is_gone(library: str, tmp_path: Path) -> None:
    async with peer(library, "raises", tmp_path) as found:
        async with asyncio.timeout(20):
            while (await found.consumer()).num_ack_pending:
                await asyncio.sleep(0.1)
        assert (await found.consumer()).num_pending == 0
        assert (found.lines("start"), found.lines("end")) == (1, 0)


async def test_with_nack_on_error_the_handler_of_faststream_is_started_again_at_once_without_end(
    tmp_path: Path,
) -> None:
    async with peer("faststream NACK_ON_ERROR", "raises", tmp_path) as found:
        await found.until(lambda: found.lines("start") > 200)


@pytest.mark.parametrize("library", ["faststream", "taskiq_nats"])
async def test_an_event_whose_process_is_killed_is_kept(library: str, tmp_path: Path) -> None:
    async with peer(library, "hangs", tmp_path) as found:
        found.process.kill()
        await found.process.wait()
        assert (await found.consumer()).num_ack_pending == 1
