"""Messages from one consumer, never more than there is room for."""

import asyncio
import json
from collections.abc import Callable
from typing import Final

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.js import api

from pyventus_typed.nats._log import logger
from pyventus_typed.nats.errors import NoServer, Refused

_EXPIRES: Final = 30.0  # seconds that the server keeps a request open
_LOOK: Final = 0.25  # seconds between two looks at the connection
_GONE: Final = ("consumer deleted", "consumer not found", "no responders", "stream deleted")


class Puller:
    """Asks the server for as many messages as there is room, and hands each to *take* as it arrives.

    ``fetch`` of nats-py waits until a whole batch is there or the time is up. Here requests stay open and are
    topped up whenever *take*'s message is ``done``: nothing waits in a local queue, where a crash would
    count a delivery for it, and no room stands empty.
    """

    def __init__(
        self, client: Client, stream: str, consumer: str, *, room: int, take: Callable[["Puller", Msg], None]
    ) -> None:
        self._client = client
        self._next = f"{api.DEFAULT_PREFIX}.CONSUMER.MSG.NEXT.{stream}.{consumer}"
        self._consumer = consumer
        self._room = room
        self._take = take
        self._inbox = client.new_inbox()
        self._asked = 0
        self._held = 0
        self._answered = 0.0
        self._wake = asyncio.Event()
        self._subscription: Subscription | None = None
        self._gone: str | None = None

    def done(self) -> None:
        """A message that was taken is settled."""
        self._held -= 1
        self._wake.set()

    async def run(self) -> None:
        """Pull until cancelled. Raises ``Refused`` if the consumer disappears, ``NoServer`` if the client is closed."""
        loop = asyncio.get_running_loop()
        self._subscription = await self._client.subscribe(self._inbox, cb=self._arrive)
        reconnects = self._client.stats["reconnects"]
        self._answered = loop.time()
        while True:
            if self._gone is not None:
                raise Refused(
                    f"The consumer {self._consumer!r} is gone ({self._gone}): somebody deleted it or its stream."
                )
            if self._client.is_closed:
                raise NoServer(f"The connection was closed while the consumer {self._consumer!r} was being read.")
            if reconnects != self._client.stats["reconnects"] or loop.time() - self._answered > _EXPIRES + 5:
                # The server that we asked is gone, or forgot: what it still owed will not come.
                reconnects, self._asked, self._answered = self._client.stats["reconnects"], 0, loop.time()
            want = self._room - self._held - self._asked
            if want > 0 and self._client.is_connected:
                self._asked += want
                request = {"batch": want, "expires": int(_EXPIRES * 1e9)}
                try:
                    await self._client.publish(self._next, json.dumps(request).encode(), reply=self._inbox)
                except nats.errors.Error as error:  # lost right now: the next look finds out which
                    logger.debug("consumer %s: %r", self._consumer, error)
                    self._asked -= want
            self._wake.clear()
            try:
                await asyncio.wait_for(self._wake.wait(), _LOOK)
            except TimeoutError:
                continue

    async def close(self) -> None:
        """Ask for nothing more. What the server has sent already and is not taken, it will send again."""
        if self._subscription is not None and not self._client.is_closed:
            await self._subscription.unsubscribe()

    async def _arrive(self, msg: Msg) -> None:
        self._answered = asyncio.get_running_loop().time()
        status = (msg.headers or {}).get(api.Header.STATUS.value) if not msg.data else None
        if status is None:
            self._asked = max(0, self._asked - 1)
            self._held += 1
            self._take(self, msg)
            return
        said = str((msg.headers or {}).get(api.Header.DESCRIPTION.value, "")).lower()
        unanswered = (msg.headers or {}).get("Nats-Pending-Messages")
        self._asked = max(0, self._asked - int(unanswered)) if unanswered is not None else 0
        if any(word in said for word in _GONE):
            self._gone = said
        elif status != "408":
            logger.debug("consumer %s: %s %s", self._consumer, status, said)
        self._wake.set()
