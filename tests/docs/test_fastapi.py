"""The program of the page about FastAPI, served by uvicorn in a process of its own."""

import http.client
import json
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from websockets.sync.client import connect

from tests.docs.pages import Page
from tests.programs import ROOT

pytestmark = [
    pytest.mark.timeout(120),
    pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGTERM to be caught"),
]

SERVED = """
import asyncio
import os

from shop import OrderPacked, OrderPlaced, app, linker

FILE = os.open("packed", os.O_WRONLY | os.O_CREAT | os.O_APPEND)


@linker.on(OrderPacked)
def write(packed: OrderPacked) -> None:
    os.write(FILE, f"{packed.order}\\n".encode())


@linker.on(OrderPlaced)
async def hang(placed: OrderPlaced) -> None:
    while placed.order == 666:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            pass  # the worst there is
"""


@dataclass
class Served:
    """A server that runs."""

    process: "subprocess.Popen[str]"
    folder: Path
    port: int
    log: list[str]

    def post(self, path: str) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request("POST", path)
            return connection.getresponse().status
        finally:
            connection.close()

    def stop(self) -> None:
        """SIGTERM, and wait for the end."""
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(60) in (0, -signal.SIGTERM)  # newer ones raise the signal again when they have ended

    @property
    def packed(self) -> set[int]:
        return {int(line) for line in (self.folder / "packed").read_text().split()}


@contextmanager
def serve(folder: Path, grace: float = 30) -> Iterator[Served]:
    (folder / "shop.py").write_text(Page("how-to/serve-with-fastapi.md").program, encoding="utf-8")
    (folder / "served.py").write_text(SERVED, encoding="utf-8")
    options = ("--port", "0", "--timeout-graceful-shutdown", "1")
    process = subprocess.Popen(
        [sys.executable, "-m", "uvicorn", "served:app", *options],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "SHOP_GRACE": str(grace), "PATH": ""},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    log: list[str] = []
    assert process.stderr is not None
    try:
        for line in process.stderr:
            log.append(line)
            if port := re.search(r"running on http://127\.0\.0\.1:(\d+)", line):
                break
        else:
            pytest.fail("it did not start:\n" + "".join(log))
        reading = threading.Thread(target=log.extend, args=(process.stderr,))
        reading.start()
        yield Served(process, folder, int(port[1]), log)
        process.kill()
        reading.join(30)
    finally:
        process.kill()
        process.wait(30)
        process.stderr.close()


def test_on_sigterm_under_load_everything_is_packed_that_was_accepted(tmp_path: Path) -> None:
    accepted: list[int] = []
    enough = threading.Event()
    with serve(tmp_path) as server:

        def load(client: int) -> None:
            with suppress(OSError, http.client.HTTPException):  # it stops meanwhile
                for n in range(100_000):
                    order = client * 100_000 + n
                    if server.post(f"{'/thread' if client % 2 else ''}/orders/{order}") == 202:
                        accepted.append(order)
                    if len(accepted) > 100:
                        enough.set()

        clients = [threading.Thread(target=load, args=(client,)) for client in range(6)]
        for client in clients:
            client.start()
        assert enough.wait(60)
        server.stop()
        for client in clients:
            client.join(60)
        assert {order // 100_000 for order in accepted} == {*range(6)}, "both kinds of endpoints, each client"
        assert set(accepted) - server.packed == set()
    assert not [line for line in server.log if "Traceback" in line or "cut off" in line]


def test_a_handler_that_hangs_for_good_is_given_up_after_the_grace(tmp_path: Path) -> None:
    with serve(tmp_path, grace=0.5) as server:
        assert server.post("/orders/666") == 202
        assert server.post("/orders/1") == 202
        server.stop()
        assert server.packed == {1, 666}
    assert "Some handlers were cut off after 0.5 seconds.\n" in server.log


def test_a_client_of_server_sent_events_gets_them_and_does_not_keep_the_server_from_stopping(tmp_path: Path) -> None:
    with serve(tmp_path) as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        connection.request("GET", "/events")
        response = connection.getresponse()
        assert response.getheader("content-type", "").startswith("text/event-stream")
        assert response.readline() == b": open\n"
        for order in (1, 2):
            server.post(f"/orders/{order}")
            assert response.readline() == b"\n"
            assert json.loads(response.readline().removeprefix(b"data: ")) == {"order": order}
        server.stop()
        connection.close()


def test_a_client_of_the_web_socket_gets_events_and_may_go(tmp_path: Path) -> None:
    with serve(tmp_path) as server:
        for order in (1, 2):
            with connect(f"ws://127.0.0.1:{server.port}/socket") as socket:
                server.post(f"/thread/orders/{order}")
                assert json.loads(socket.recv(30)) == {"order": order}
        with connect(f"ws://127.0.0.1:{server.port}/socket"):
            server.stop()
    assert not [line for line in server.log if "never retrieved" in line]
