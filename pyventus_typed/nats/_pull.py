"""Messages from one consumer, never more than there is room for."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.js import api

from pyventus_typed.nats._log import logger
from pyventus_typed.nats.errors import NoServer, Refused

_EXPIRES: Final = 30.0  # seconds that the server keeps a request open
_BEAT: Final = 5.0  # seconds after which it says that it still knows of a request
_SILENCE: Final = 2.5 * _BEAT
_LOOK: Final = 0.25  # seconds between two looks at the connection
_GATHER: Final = 0.002  # seconds in which places that become free are asked for together
_QUIET: Final = 0.02  # seconds without a message after which none is expected
_DRAIN: Final = 2.0  # seconds to wait for what is on its way
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
        self._heard = 0.0
        self._wake = asyncio.Event()
        self._soon: asyncio.TimerHandle | None = None
        self._subscription: Subscription | None = None
        self._gone: str | None = None
        self._refused = False
        self._closed = False

    @property
    def _free(self) -> int:
        return self._room - self._held - self._asked

    def done(self) -> None:
        """A message that was taken is settled."""
        self._held -= 1
        # A request for each place would cost as much as the acknowledgement, so neighbours that end soon share one.
        if 2 * self._free >= self._room:
            self._wake.set()
        elif self._soon is None:
            self._soon = asyncio.get_running_loop().call_later(_GATHER, self._wake.set)

    async def run(self) -> None:
        """Pull until closed. Raises ``Refused`` if the consumer disappears, ``NoServer`` if the client is closed."""
        self._subscription = await self._client.subscribe(self._inbox, cb=self._arrive)
        try:
            await self._keep_asking()
        except BaseException:
            if not self._client.is_closed:  # what comes now would be held by nobody
                with suppress(nats.errors.Error):
                    await self._subscription.unsubscribe()
            raise

    async def _keep_asking(self) -> None:
        loop = asyncio.get_running_loop()
        reconnects = self._client.stats["reconnects"]
        while not self._closed:
            if self._gone is not None:
                raise Refused(
                    f"The consumer {self._consumer!r} is gone ({self._gone}): somebody deleted it or its stream."
                )
            if self._client.is_closed:
                raise NoServer(f"The connection was closed while the consumer {self._consumer!r} was being read.")
            if reconnects != self._client.stats["reconnects"] or loop.time() - self._heard > _SILENCE:
                # The server that we asked is gone, or forgot: what it still owed will not come.
                reconnects, self._asked, self._heard = self._client.stats["reconnects"], 0, loop.time()
            if self._free > 0 and self._client.is_connected:
                await self._ask(self._free)
            await self._rest()

    async def _ask(self, want: int) -> None:
        self._asked += want
        request = b'{"batch":%d,"expires":%d,"idle_heartbeat":%d}' % (want, _EXPIRES * 1e9, _BEAT * 1e9)
        try:
            await self._client.publish(self._next, request, reply=self._inbox)
        except nats.errors.Error as error:  # lost right now: the next look finds out which
            logger.debug("consumer %s: %r", self._consumer, error)
            self._asked -= want

    async def _rest(self) -> None:
        # Not wait_for: that of Python 3.11 loses a cancellation that comes together with the event.
        with suppress(TimeoutError):
            async with asyncio.timeout(_LOOK):
                await self._wake.wait()
        self._wake.clear()
        if self._soon is not None:
            self._soon.cancel()
            self._soon = None
        if self._refused:  # asking again at once would be refused again
            self._refused = False
            await asyncio.sleep(_LOOK)

    async def close(self) -> None:
        """Ask for nothing more, and return when what the server has sent already is taken."""
        self._closed = True
        self._wake.set()
        if self._subscription is not None and not self._client.is_closed:
            await self._calm()
            # If the server is lost right now there is nothing on its way.
            with suppress(nats.errors.Error, TimeoutError):
                async with asyncio.timeout(_DRAIN):
                    await self._subscription.drain()  # type: ignore[no-untyped-call]  # it has no annotations

    async def _calm(self) -> None:
        """Let the server fill the requests that are open, if it has something for them right now.

        A message that it sends while we unsubscribe reaches nobody, and counts as a delivery all the same.
        """
        before = -1
        for _ in range(round(_DRAIN / _QUIET)):
            if self._asked in {0, before}:
                return
            before = self._asked
            await asyncio.sleep(_QUIET)

    async def _arrive(self, msg: Msg) -> None:
        self._heard = asyncio.get_running_loop().time()
        headers = msg.headers or {}
        status = headers.get(api.Header.STATUS.value) if not msg.data else None
        if status is None:
            self._asked = max(0, self._asked - 1)
            self._held += 1
            self._take(self, msg)
            return
        if status == "100":  # the server still knows of a request
            return
        said = str(headers.get(api.Header.DESCRIPTION.value, "")).lower()
        unanswered = headers.get("Nats-Pending-Messages")
        self._asked = max(0, self._asked - int(unanswered)) if unanswered is not None else 0
        self._refused = unanswered is None
        if any(word in said for word in _GONE):
            self._gone = said
        elif status != "408":
            logger.debug("consumer %s: %s %s", self._consumer, status, said)
        self._wake.set()
