"""Questions to the server: a message, and the answer that comes back."""

import asyncio
from collections.abc import Mapping
from itertools import count
from typing import Self

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.js import api

_NO_RESPONDERS = "503"


class Asking:
    """What ``Client.request`` of nats-py does, with three differences, and at half the price.

    A question ends when its answer cannot come any more, because the connection is lost, and not when its time is up.
    A question that is cancelled ends, also on Python 3.11, whose ``wait_for`` loses a cancellation that comes together
    with the answer. And the inbox of one ``Asking`` is closed with it, on a client that others go on using.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._inbox = client.new_inbox()
        self._tokens = map(str, count())
        self._open: dict[str, asyncio.Future[Msg | Exception]] = {}
        self._subscription: Subscription | None = None

    async def start(self) -> Self:
        self._subscription = await self._client.subscribe(f"{self._inbox}.*", cb=self._arrive)
        return self

    async def close(self) -> None:
        self.end_all()
        if self._subscription is not None and not self._client.is_closed:
            await self._subscription.unsubscribe()

    async def ask(self, subject: str, data: bytes, *, timeout: float, headers: Mapping[str, str] | None = None) -> Msg:
        """Send *data* and return the answer. Raises what nats-py raises, its ``TimeoutError`` also for a lost connection.

        *timeout* is in seconds.
        """
        loop = asyncio.get_running_loop()
        token = next(self._tokens)
        answer: asyncio.Future[Msg | Exception] = loop.create_future()
        self._open[token] = answer
        late = loop.call_later(timeout, _end, answer)
        try:
            given = None if headers is None else dict(headers)
            await self._client.publish(subject, data, reply=f"{self._inbox}.{token}", headers=given)
            came = await answer
        finally:
            late.cancel()
            del self._open[token]
        if isinstance(came, Exception):
            raise came
        if not came.data and came.headers and came.headers.get(api.Header.STATUS.value) == _NO_RESPONDERS:
            raise nats.errors.NoRespondersError
        return came

    def end_all(self) -> None:
        """End every open question with a ``TimeoutError``."""
        for answer in self._open.values():
            _end(answer)

    async def _arrive(self, msg: Msg) -> None:
        answer = self._open.get(msg.subject.rpartition(".")[2])
        if answer is not None and not answer.done():
            answer.set_result(msg)


def _end(answer: "asyncio.Future[Msg | Exception]") -> None:
    if not answer.done():
        answer.set_result(nats.errors.TimeoutError())  # a result: nobody may be there yet to take an exception
