"""A process that stops for longer than ack_wait and goes on: its late write is refused by the token."""

import asyncio
import os
import signal
import sqlite3
import sys
from pathlib import Path

import pytest

from pyventus_typed.nats import JetStream, LocalServer
from tests.edges.nats.conftest import eventually
from tests.edges.nats.shop import OrderPlaced, ShopEvent
from tests.programs import ROOT


@pytest.mark.timeout(90)
async def test_a_worker_that_was_stopped_longer_than_ack_wait_overwrites_nothing_that_is_fenced(
    stream: JetStream[ShopEvent], server: LocalServer, tmp_path: Path
) -> None:
    place = tmp_path / "shop.db"
    database = sqlite3.connect(place, timeout=20)
    with database:
        database.execute("CREATE TABLE journal (what TEXT, number INTEGER)")
        database.execute("CREATE TABLE fenced (number INTEGER, token INTEGER)")
        database.execute("CREATE TABLE plain (number INTEGER)")
        database.execute("INSERT INTO fenced VALUES (0, 0)")
        database.execute("INSERT INTO plain VALUES (0)")

    def journal(what: str) -> list[int]:
        return [number for (number,) in database.execute("SELECT number FROM journal WHERE what = ?", (what,))]

    async def start() -> asyncio.subprocess.Process:
        script = Path(__file__).with_name("fence_process.py")
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        return await asyncio.create_subprocess_exec(sys.executable, script, server.url, place, env=environment)

    await stream.publish(OrderPlaced(1, customer="ada", seconds=1.0))
    await stream.publish(OrderPlaced(2, customer="ada"))
    first = await start()
    await eventually(lambda: journal("start") == [1])
    first.send_signal(signal.SIGSTOP)
    second = await start()
    try:
        await eventually(lambda: journal("end") == [1, 2], 40)
        first.send_signal(signal.SIGCONT)
        await eventually(lambda: journal("end") == [1, 2, 1])
        assert database.execute("SELECT number FROM plain").fetchall() == [(1,)], (
            "this is the harm that the page is about"
        )
        assert database.execute("SELECT number FROM fenced").fetchall() == [(2,)]
    finally:
        for process in (first, second):
            process.kill()
            await process.wait()
        database.close()
    # Its late acknowledgement did no harm either.
    assert [letter async for letter in stream.dead_letters.all()] == []
