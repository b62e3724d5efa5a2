"""A client that sends what no library sends: headers and subjects as bytes, checked by nobody."""

import asyncio
from types import TracebackType
from typing import Self


class RawClient:
    """``async with RawClient(port) as raw: await raw.publish(...)``; when that returns the server has read it."""

    def __init__(self, port: int | None) -> None:
        self._port = port

    async def __aenter__(self) -> Self:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        self._writer.write(b'CONNECT {"headers":true,"verbose":false,"protocol":1}\r\n')
        await self._flush()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.close()

    async def publish(self, subject: str | bytes, data: bytes, headers: bytes | None = None) -> None:
        """*headers*: the whole block, from ``NATS/1.0`` to the empty line; ``header_block`` makes one."""
        where = subject.encode() if isinstance(subject, str) else subject
        if headers is None:
            self._writer.write(b"PUB %b %d\r\n%b\r\n" % (where, len(data), data))
        else:
            total = len(headers) + len(data)
            self._writer.write(b"HPUB %b %d %d\r\n%b%b\r\n" % (where, len(headers), total, headers, data))
        await self._flush()

    async def _flush(self) -> None:
        self._writer.write(b"PING\r\n")
        while (line := await asyncio.wait_for(self._reader.readline(), 10)) != b"PONG\r\n":
            if line.startswith(b"-ERR") or not line:
                raise ConnectionError(line.decode(errors="replace"))


def header_block(*lines: bytes, status: bytes = b"") -> bytes:
    return b"NATS/1.0" + status + b"\r\n" + b"".join(line + b"\r\n" for line in lines) + b"\r\n"
