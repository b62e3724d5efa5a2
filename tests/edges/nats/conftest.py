"""Real servers, real processes. Every fixture ends what it started."""

import asyncio
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest

from pyventus_typed.nats import JetStream, LocalServer, StreamSettings
from pyventus_typed.nats._local_server import find_server
from tests.edges.nats.shop import ShopEvent, codec, customer
from tests.programs import ROOT


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that takes ``chance`` runs once with a fixed seed; PYVENTUS_CHAOS=20 runs it with twenty others."""
    if "chance" in metafunc.fixturenames:
        given = os.environ.get("PYVENTUS_CHAOS_SEED")
        count = int(os.environ.get("PYVENTUS_CHAOS", "0"))
        # Counted, not drawn: workers of pytest-xdist must collect the same tests.
        base = int(os.environ.get("PYVENTUS_CHAOS_BASE", "1"))
        seeds = [int(given)] if given else [base * 1000 + n for n in range(count)] or [0]
        metafunc.parametrize("chance", seeds, indirect=True, ids=[f"seed={seed}" for seed in seeds])


@pytest.fixture
def chance(request: pytest.FixtureRequest) -> random.Random:
    """Where a test may choose, when to kill say."""
    return random.Random(request.param)


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[LocalServer]:
    async with LocalServer(tmp_path / "server") as server:
        yield server


@pytest.fixture
async def stream(server: LocalServer) -> AsyncIterator[JetStream[ShopEvent]]:
    """The stream SHOP, with four lanes for customers."""
    settings = StreamSettings(lanes=4, max_bytes=100_000_000)
    async with JetStream(server.url, codec, stream="SHOP", settings=settings, key=customer) as stream:
        yield stream


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def run_server(tmp_path: Path, config: str) -> tuple[asyncio.subprocess.Process, str]:
    port = free_port()
    (tmp_path / "own.conf").write_text(f'host: "127.0.0.1"\nport: {port}\n{config}')
    process = await asyncio.create_subprocess_exec(
        find_server(), "-c", str(tmp_path / "own.conf"), stderr=asyncio.subprocess.PIPE
    )
    assert process.stderr is not None
    async with asyncio.timeout(10):
        while b"Server is ready" not in await process.stderr.readline():
            pass
    return process, f"127.0.0.1:{port}"


async def eventually(condition: Callable[[], bool | Awaitable[bool]], seconds: float = 20) -> None:
    """Wait until *condition*, which looks at another process, holds."""
    async with asyncio.timeout(seconds):
        while True:
            found = condition()
            if found if isinstance(found, bool) else await found:
                return
            await asyncio.sleep(0.005)


@dataclass
class Process:
    """A worker process."""

    inner: asyncio.subprocess.Process

    async def kill(self) -> None:
        if self.inner.returncode is None:
            self.inner.kill()
        await self.inner.wait()

    async def terminate(self) -> int:
        self.inner.send_signal(signal.SIGTERM)
        return await asyncio.wait_for(self.inner.wait(), 20)


@dataclass
class Workers:
    """Starts worker processes on one journal, and reads it."""

    server: LocalServer
    journal: Path
    processes: list[Process] = field(default_factory=list)

    async def start(self, **options: Any) -> Process:
        options = {"group": "billing", "ack_wait": 1.0, "backoff": [0.05], **options}
        inner = await asyncio.create_subprocess_exec(
            sys.executable,
            str(Path(__file__).with_name("worker_process.py")),
            self.server.url,
            str(self.journal),
            json.dumps(options),
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stderr=asyncio.subprocess.DEVNULL,
        )
        process = Process(inner)
        self.processes.append(process)
        return process

    def lines(self, what: str) -> list[dict[str, Any]]:
        if not self.journal.exists():
            return []
        # A line that is being written has no end yet.
        whole = self.journal.read_bytes().rpartition(b"\n")[0].splitlines()
        return [line for line in map(json.loads, whole) if line["what"] == what]

    def numbers(self, what: str) -> list[int]:
        return [line["number"] for line in self.lines(what)]

    async def until(self, condition: Callable[[], bool], seconds: float = 30) -> None:
        await eventually(condition, seconds)

    async def keep_alive(self, count: int, **options: Any) -> None:
        """What a supervisor does: start again what died. Until cancelled."""
        running = [await self.start(**options) for _ in range(count)]
        while True:
            for place, process in enumerate(running):
                if process.inner.returncode is not None:
                    running[place] = await self.start(**options)
            await asyncio.sleep(0.05)


@pytest.fixture
async def workers(server: LocalServer, tmp_path: Path) -> AsyncIterator[Workers]:
    workers = Workers(server, tmp_path / "journal")
    yield workers
    for process in workers.processes:
        await process.kill()


def find_postgresql() -> Path | None:
    """The folder with ``initdb`` and ``postgres``, if this machine has them."""
    on_path = shutil.which("initdb")
    places = [Path(on_path).parent] if on_path else sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((place for place in places if (place / "postgres").exists()), None)


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """A PostgreSQL server of these tests; its connection string."""
    binaries = find_postgresql()
    if binaries is None:
        pytest.skip("there is no PostgreSQL server on this machine: install Debian's package postgresql")
    # PostgreSQL refuses to run as root; in a container these tests may.
    user = "nobody" if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="pyventus-postgresql-"))
    port = free_port()
    try:
        if user is not None:
            shutil.chown(folder, user)
        subprocess.run(
            [binaries / "initdb", "-D", folder / "data", "-U", "shop", "-A", "trust", "--no-sync", "-E", "UTF8"],
            user=user,
            check=True,
            capture_output=True,
        )
        options = ["-p", str(port), "-k", str(folder), "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"]
        with (folder / "log").open("wb") as log:
            server = subprocess.Popen([binaries / "postgres", "-D", folder / "data", *options], user=user, stderr=log)
        try:
            place = f"host=127.0.0.1 port={port} user=shop dbname=postgres"
            for _ in range(200):
                try:
                    psycopg.connect(place).close()
                    break
                except psycopg.OperationalError:
                    assert server.poll() is None, (folder / "log").read_text()
                    time.sleep(0.05)
            yield place
        finally:
            server.send_signal(signal.SIGINT)
            server.wait(20)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def postgresql(postgresql_server: str) -> Iterator[str]:
    """An empty database; its connection string."""
    name = f"shop_{uuid.uuid4().hex}"
    with psycopg.connect(postgresql_server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    yield postgresql_server.replace("dbname=postgres", f"dbname={name}")
    with psycopg.connect(postgresql_server, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
