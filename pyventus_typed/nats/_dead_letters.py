"""Dead letters: messages that a group gave up, with their bytes, their headers and the reason."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import nats.errors
from nats.aio.client import Client
from nats.js import JetStreamContext
from nats.js.api import DiscardPolicy, RawStreamMsg, RetentionPolicy, StorageType, StreamConfig
from nats.js.errors import APIError, NoStreamResponseError, NotFoundError

from pyventus_typed.nats._connection import answered, create_stream, refusal
from pyventus_typed.nats._wire import (
    ATTEMPTS,
    DIED,
    GROUP,
    ID,
    MSG_ID,
    REASON,
    SEQUENCE,
    again_subject,
    dead_letter,
    dead_stream,
    dead_subject,
    original_headers,
    unescape,
)
from pyventus_typed.nats.errors import NoDeadLetter, NotStored, Refused

_WAIT: Final = 5.0


async def ensure_dead_stream(js: JetStreamContext, stream: str, replicas: int) -> None:
    """The stream of the dead letters: no limits, because a letter that is refused would come back without end."""
    name = dead_stream(stream)
    try:
        await js.stream_info(name)
    except NotFoundError:
        await create_stream(
            js,
            StreamConfig(
                name=name,
                subjects=[f"{name}.>"],
                retention=RetentionPolicy.LIMITS,
                storage=StorageType.FILE,
                discard=DiscardPolicy.NEW,
                max_bytes=-1,
                num_replicas=replicas,
                # A worker that dies between the letter and the end of the message is followed by one that writes it
                # again, after ack_wait.
                duplicate_window=3600.0,
            ),
        )


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that one group gave up. *number* is its place among the dead letters, *sequence* that in the stream."""

    number: int
    stream: str
    group: str
    name: str
    id: str
    sequence: int
    attempts: int
    reason: str
    died: datetime
    data: bytes
    headers: Mapping[str, str]


class DeadLetters:
    """The dead letters of one stream. It needs no codec: a letter that nobody can read can be shown and sent again."""

    def __init__(self, client: Client, stream: str) -> None:
        self._client = client
        self._js = client.jetstream()
        self._stream = stream

    async def all(self, *, group: str | None = None) -> AsyncIterator[DeadLetter]:
        """Every letter, of one group if *group* is given, oldest first. A letter costs one request.

        Raises ``NoServer`` if there is no answer; so do the others.
        """
        number = 1
        subject = f"{dead_stream(self._stream)}.{group or '*'}.>"
        while True:
            try:
                with answered("list of dead letters"):
                    raw = await self._js.get_msg(dead_stream(self._stream), seq=number, subject=subject, next=True)
            except NotFoundError:
                return
            letter = self._read(raw)
            number = letter.number + 1
            yield letter

    async def get(self, number: int) -> DeadLetter:
        """The letter with this number. Raises ``NoDeadLetter``."""
        try:
            with answered(f"dead letter {number}"):
                return self._read(await self._js.get_msg(dead_stream(self._stream), seq=number))
        except NotFoundError:
            raise NoDeadLetter(
                f"The stream {self._stream!r} has no dead letter {number}. List them to see which there are."
            ) from None

    async def send_again(self, letter: DeadLetter) -> int:
        """Hand *letter* to the group that gave it up, and to no other; its sequence in the stream is returned.

        It comes with the same bytes, headers and event id, without its place in the order of its key, and with
        all attempts before it. Then it is deleted here. If this is interrupted and done again within the stream's
        duplicates window, the group gets it once.

        Raises ``StreamFull`` and ``Refused`` (not sent), ``NotStored`` (not known). The letter is then still here.
        """
        once = f"again:{letter.group}:{letter.sequence}:{letter.number}"
        try:
            ack = await self._js.publish(
                again_subject(self._stream, letter.group, letter.name),
                letter.data,
                stream=self._stream,
                timeout=_WAIT,
                headers={**original_headers(letter.headers), MSG_ID: once},
            )
        except (NoStreamResponseError, nats.errors.TimeoutError) as error:
            raise NotStored(letter.name, once, _WAIT, error) from error
        except APIError as error:
            raise refusal(
                error, stream=self._stream, name=letter.name, event_id=letter.id, size=len(letter.data)
            ) from error
        await self.delete(letter)
        return ack.seq

    async def delete(self, letter: DeadLetter) -> None:
        """Forget *letter*. Deleting it twice is no error."""
        try:
            await self._js.delete_msg(dead_stream(self._stream), letter.number)
        except APIError as error:
            if "no message found" not in (error.description or ""):
                raise Refused(f"The dead letter {letter.number} cannot be deleted: {error.description}.") from error

    def _read(self, raw: RawStreamMsg) -> DeadLetter:
        headers = {str(key): str(value) for key, value in (raw.headers or {}).items()}
        _, group, name = (raw.subject or "").split(".", 2)
        return DeadLetter(
            number=raw.seq or 0,
            stream=self._stream,
            group=headers.get(GROUP, group),
            name=name,
            id=unescape(headers.get(ID, "")),
            sequence=int(headers.get(SEQUENCE, "0")),
            attempts=int(headers.get(ATTEMPTS, "0")),
            reason=unescape(headers.get(REASON, "")),
            died=datetime.fromisoformat(headers[DIED]),
            data=raw.data or b"",
            headers={key: value for key, value in headers.items() if not key.startswith("Nats-")},
        )


async def store_dead_letter(
    client: Client,
    *,
    stream: str,
    created: int,
    group: str,
    name: str,
    subject: str,
    sequence: int,
    attempts: int,
    reason: str,
    time: datetime,
    data: bytes,
    headers: Mapping[str, str],
) -> None:
    """Store a dead letter, once however often this is repeated. Raises what nats-py raises."""
    headers_of_letter = dead_letter(
        headers, group=group, subject=subject, sequence=sequence, attempts=attempts, reason=reason, time=time
    )
    headers_of_letter[MSG_ID] = f"{group}:{stream}:{created}:{sequence}"
    js = client.jetstream()
    target = dead_subject(stream, group, name)
    try:
        await js.publish(target, data, stream=dead_stream(stream), headers=dict(headers_of_letter), timeout=_WAIT)
    except nats.errors.MaxPayloadError:
        # Somebody else's publisher left no room for our headers. The bytes are still in the stream.
        headers_of_letter[REASON] = (
            f"{headers_of_letter[REASON]}%20[too%20large:%20the%20bytes%20are%20in%20the%20stream]"
        )
        await js.publish(target, b"", stream=dead_stream(stream), headers=dict(headers_of_letter), timeout=_WAIT)
