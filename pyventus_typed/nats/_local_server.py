"""A NATS server of one's own: for tests, demos and single machines."""

import asyncio
import json
import os
import re
import shutil
import signal
import subprocess
import sysconfig
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from pyventus_typed._install import install_command
from pyventus_typed.nats._connection import OLDEST
from pyventus_typed.nats.errors import NoServer, ServerTooOld

try:
    import fcntl
except ModuleNotFoundError:  # of POSIX alone
    _HAS_FCNTL = False
else:
    _HAS_FCNTL = True

NEW_GROUP: Final[int] = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)
"""Of a process that Ctrl-C in our terminal is not for, on Windows. Elsewhere ``start_new_session`` says it."""
_START = 10.0  # seconds; it takes 15 ms, and longer to read a large store
_STOP = 10.0


def find_server() -> Path:
    """The ``nats-server`` of the extra ``nats-server``, else the one on PATH. Raises ``NoServer``, ``ServerTooOld``."""
    found = shutil.which("nats-server", path=sysconfig.get_path("scripts")) or shutil.which("nats-server")
    if found is None:
        raise NoServer(
            f"There is no nats-server on this machine. Run: {install_command('nats-server')}, "
            "or put a nats-server 2.10 or later on PATH."
        )
    said = subprocess.run([found, "--version"], capture_output=True, text=True, check=False, timeout=10).stdout  # noqa: S603 - no shell, no input of a user
    version = re.search(r"v(\d+)\.(\d+)\.(\d+)", said)
    if version is None:
        raise NoServer(f"{found} does not say which version it is: {said.strip()!r}. Is it a nats-server?")
    if (int(version[1]), int(version[2])) < OLDEST:
        raise ServerTooOld(version[0][1:], found)
    return Path(found)


class LocalServer:
    """A server process on the loopback address. It can be killed and started again on the same port."""

    def __init__(self, store: Path, *, port: int | None = None) -> None:
        self.store = store
        self.port = port
        self._process: asyncio.subprocess.Process | None = None
        self._lock: int | None = None

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Start it and wait until it accepts connections. It uses the port of an earlier start again."""
        binary = await asyncio.to_thread(find_server)
        await asyncio.to_thread(self.store.mkdir, parents=True, exist_ok=True)
        ports = self.store / "ports"
        await self._refuse_second(ports)
        await asyncio.to_thread(_forget_ports, ports)
        config = self.store / "nats-server.conf"
        log = self.store / "nats-server.log"
        lines = (
            'host: "127.0.0.1"',
            f"port: {-1 if self.port is None else self.port}",
            f"ports_file_dir: {json.dumps(str(ports))}",
            f"log_file: {json.dumps(str(log))}",
            # Without "always" the server acknowledges first and syncs to disk every two minutes.
            f"jetstream {{ store_dir: {json.dumps(str(self.store))}, sync_interval: always }}",
        )
        await asyncio.to_thread(config.write_text, "\n".join(lines) + "\n")
        self._process = await asyncio.create_subprocess_exec(
            binary,
            "-c",
            str(config),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for us: we stop it when our own work is done
            creationflags=NEW_GROUP,
            pass_fds=[] if self._lock is None else [self._lock],  # more than none is refused on Windows
        )
        try:
            async with asyncio.timeout(_START):
                self.port = await self._ready(ports / f"nats-server_{self._process.pid}.ports")
        except TimeoutError:
            await self.kill()
            raise NoServer(f"{binary} did not start within {_START:g} s. It says: {_last_words(log)}") from None

    async def stop(self) -> None:
        """Stop it gracefully; kill it if that takes too long."""
        if self._process is None:
            return
        if self._process.returncode is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                await asyncio.wait_for(self._process.wait(), _STOP)
            except TimeoutError:
                self._process.kill()
        await self._gone()

    async def kill(self) -> None:
        """``kill -9``, as a crash would."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
        await self._gone()

    async def _gone(self) -> None:
        if self._process is not None:
            await self._process.wait()
        self._process = None
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    async def _ready(self, ports: Path) -> int:
        process = self._process
        while process is not None and process.returncode is None:
            text = await asyncio.to_thread(_text_of, ports)
            if text:
                port = _port_in(text)
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                except OSError:
                    pass
                else:
                    writer.close()
                    return port
            await asyncio.sleep(0.005)
        words = _last_words(self.store / "nats-server.log")
        await self._gone()
        raise NoServer(f"nats-server ended as soon as it was started. It says: {words}")

    async def _refuse_second(self, ports: Path) -> None:
        """Two servers in one store would destroy it.

        With ``flock`` the server inherits a lock, which outlives a killed parent. Without, on Windows, a server is known by
        the file in which it says its ports; there two that start at the same moment do not see each other.
        """
        taken = NoServer(f"Another server uses the store {self.store}. Give each its own, or stop it.")
        if not _HAS_FCNTL:
            if await _is_served(await asyncio.to_thread(_texts_in, ports)):
                raise taken
            return
        lock = os.open(self.store / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(lock)
            raise taken from None
        self._lock = lock


@asynccontextmanager
async def local_server(*, store: str | Path, port: int | None = None) -> AsyncGenerator[str]:
    """Run a server on 127.0.0.1 for the length of the block; the value is its URL.

    *store* is the folder for everything that it stores; the next server with this folder has it again.
    Without *port* it uses a free one. Every write is on disk before it is acknowledged.
    If this process is killed, the server keeps running until you stop it.
    Raises ``NoServer`` and ``ServerTooOld``.
    """
    async with LocalServer(Path(store), port=port) as server:
        yield server.url


def _forget_ports(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    for old in folder.glob("*.ports"):
        old.unlink()


def _port_in(text: str) -> int:
    return int(json.loads(text)["nats"][0].rpartition(":")[2])


async def _is_served(texts: list[str]) -> bool:
    """Whether a NATS server listens on a port that one of *texts* says."""
    for text in texts:
        with suppress(OSError, ValueError):  # nobody listens; or the text is being written
            async with asyncio.timeout(_STOP):
                reader, writer = await asyncio.open_connection("127.0.0.1", _port_in(text))
                try:
                    if await reader.read(5) == b"INFO ":
                        return True
                finally:
                    writer.close()
    return False


def _texts_in(ports: Path) -> list[str]:
    return [_text_of(said) for said in ports.glob("*.ports")]


def _text_of(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def _last_words(log: Path) -> str:
    lines = _text_of(log).splitlines()
    return next(
        (line for line in reversed(lines) if "[FTL]" in line or "[ERR]" in line), lines[-1] if lines else "nothing"
    )
