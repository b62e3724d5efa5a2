"""What POSIX alone has is not needed: locks of files, signal handlers in a loop, handing files to a child, sessions."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from pyventus_typed.nats import JetStream
from tests.edges.nats.conftest import Process, Workers
from tests.edges.nats.shop import OrderPlaced, ShopEvent
from tests.programs import ROOT, hear_ctrl_c, run_python


@asynccontextmanager
async def program(*arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(Path(__file__).with_name("windows_process.py")),
        *arguments,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        preexec_fn=hear_ctrl_c,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            assert process.stdin is not None
            process.stdin.close()  # it stops its server then; killed, it would leave it behind
            try:
                await asyncio.wait_for(process.wait(), 20)
            except TimeoutError:
                process.kill()
        await process.wait()


async def says(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    return (await asyncio.wait_for(process.stdout.readline(), 20)).decode().strip()


async def test_where_a_loop_has_no_signal_handlers_a_signal_still_stops_a_worker_in_order(
    stream: JetStream[ShopEvent], workers: Workers
) -> None:
    await stream.publish(OrderPlaced(1, seconds=0.5))
    options = json.dumps({"group": "billing", "ack_wait": 30.0})
    async with program("worker", workers.server.url, str(workers.journal), options) as process:
        await workers.until(lambda: workers.numbers("start") == [1])
        assert await Process(process).terminate() == 0
    assert workers.numbers("end") == [1]


async def test_without_locks_of_files_a_second_server_in_one_store_is_refused(tmp_path: Path) -> None:
    async with program("server", str(tmp_path)) as first:
        assert (await says(first)).startswith("nats://127.0.0.1:")
        async with program("server", str(tmp_path)) as second:
            assert "Another server uses the store" in await says(second)


async def test_without_locks_of_files_a_server_that_outlives_its_killed_parent_keeps_its_store(tmp_path: Path) -> None:
    async with program("server", str(tmp_path)) as first:
        assert (await says(first)).startswith("nats://")
        first.kill()
    (said,) = (tmp_path / "ports").iterdir()
    server = int(said.stem.rpartition("_")[2])
    try:
        async with program("server", str(tmp_path)) as second:
            assert "Another server uses the store" in await says(second)
    finally:
        os.kill(server, signal.SIGKILL)
    async with program("server", str(tmp_path)) as third:  # what it left says nothing about who lives
        assert (await says(third)).startswith("nats://")


async def test_ctrl_c_is_for_us_and_not_for_the_server(tmp_path: Path) -> None:
    async with program("server", str(tmp_path)) as process:
        await says(process)
        (said,) = (tmp_path / "ports").iterdir()
        assert os.getpgid(int(said.stem.rpartition("_")[2])) != os.getpgid(process.pid)


def test_every_module_can_be_imported_without_what_posix_alone_has() -> None:
    everything = """
import importlib, pkgutil
import tests.windows
import pyventus_typed
for found in pkgutil.walk_packages(pyventus_typed.__path__, "pyventus_typed."):
    if not found.name.endswith("__main__"):
        importlib.import_module(found.name)
print("all of it")
"""
    ended = run_python("-c", everything)
    assert ended.stdout == "all of it\n", ended.stderr
