"""Dead letters: messages that a group gave up, with their bytes, their headers and the reason."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import msgspec
import nats.errors
from nats.aio.client import Client
from nats.js import JetStreamContext, api
from nats.js.errors import APIError, NoStreamResponseError, NotFoundError

from pyventus_typed.nats._connection import answered, logger, refusal
from pyventus_typed.nats._wire import (
    ATTEMPTS,
    DIED,
    GROUP,
    ID,
    MSG_ID,
    ORIGIN,
    PARTS,
    REASON,
    SEQUENCE,
    again_subject,
    can_be_written,
    consumer_name,
    covers,
    dead_letter,
    dead_stream,
    dead_subject,
    header_block,
    original_headers,
    parts_subject,
    read_header_block,
    read_subject,
    size_of_headers,
    unescape,
)
from pyventus_typed.nats.errors import NoDeadLetter, NotStored, PayloadTooLarge, Refused

_WAIT: Final = 5.0
_ID_OF_A_PART: Final = 512  # bytes, more than its headers ever are


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that one group gave up on. *number* is its position among the dead letters, *sequence* its position
    in the stream.

    *parts*: where its bytes are stored, if they did not fit into one message together with the reason.
    """

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
    parts: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class GivenUp:
    """A message that a group gives up. *created*: when its stream was, because a stream of that name may be made again."""

    stream: str
    created: int
    group: str
    name: str
    subject: str
    sequence: int
    attempts: int
    reason: str
    data: bytes
    headers: Mapping[str, str]


class _Raw(msgspec.Struct):
    """A message of a stream, as the server's API hands it out."""

    subject: str
    seq: int
    time: datetime
    hdrs: bytes = b""
    data: bytes = b""


class _Answer(msgspec.Struct):
    message: _Raw | None = None
    error: dict[str, object] | None = None


class DeadLetters:
    """The dead letters of one stream. It needs no codec: even a letter that cannot be decoded can be shown and sent again.

    Messages that other programs wrote into that stream are listed too, if they can be read.
    """

    def __init__(self, client: Client, stream: str, *, api_prefix: str = api.DEFAULT_PREFIX) -> None:
        self._client = client
        self._js = client.jetstream(prefix=api_prefix)
        self._api_prefix = api_prefix
        self._stream = stream

    async def all(self, *, group: str | None = None) -> AsyncIterator[DeadLetter]:
        """Every letter, of one group if *group* is given, oldest first. Each letter costs one request.

        Raises ``NoServer`` if there is no answer; so do the others.
        """
        number = 1
        subject = f"{dead_stream(self._stream)}.{group}.>" if group else f"{dead_stream(self._stream)}.>"
        while True:
            raw = await self._raw("list of dead letters", {"seq": number, "next_by_subj": subject})
            if raw is None:
                return
            number = raw.seq + 1
            if raw.subject == parts_subject(self._stream):
                continue
            try:
                yield await self._letter(raw)
            except NoDeadLetter as error:  # deleted while we read it, or limits took a part of it
                logger.warning("%s", error)

    async def get(self, number: int) -> DeadLetter:
        """The letter with this number. Raises ``NoDeadLetter``."""
        raw = await self._raw(f"dead letter {number}", {"seq": number})
        if raw is None or raw.subject == parts_subject(self._stream):
            raise NoDeadLetter(
                f"The stream {self._stream!r} has no dead letter {number}. List them to see which there are."
            )
        return await self._letter(raw)

    async def send_again(self, letter: DeadLetter) -> int:
        """Send *letter* to the group that gave up on it, and to no other, and return its sequence in the stream.

        It keeps its bytes, headers and event id, but not its place in the order of its key, and all attempts are
        available again. Then it is deleted here. If this is interrupted and repeated within the duplicate window of
        the stream, the group gets it once. Headers that cannot be written, or that do not fit into the largest
        possible message, are left out.

        Raises ``StreamFull``, ``PayloadTooLarge`` and ``Refused`` (not sent), ``NotStored`` (it is not known whether
        it was sent). Then the letter is not deleted.
        """
        subject = again_subject(self._stream, letter.group, letter.name)
        await self._check_somebody_asks(letter, subject)
        once = f"again:{letter.group}:{letter.sequence}:{letter.number}"
        own = original_headers(letter.headers)
        full = {**{key: value for key, value in own.items() if can_be_written({key: value})}, MSG_ID: once}
        fits = [
            headers
            for headers in (full, {MSG_ID: once}, {})
            if size_of_headers(headers) + len(letter.data) <= self._client.max_payload and can_be_written(headers)
        ]
        if not fits:
            raise PayloadTooLarge(letter.name, len(letter.data), self._client.max_payload, "without any header")
        headers = fits[0]
        if lost := sorted(own.keys() - headers.keys()):
            logger.warning("dead letter %d is sent without the headers %s", letter.number, ", ".join(map(repr, lost)))
        try:
            ack = await self._js.publish(subject, letter.data, timeout=_WAIT, headers=headers or None)
        except (NoStreamResponseError, nats.errors.TimeoutError) as error:
            raise NotStored(letter.name, once, _WAIT, error) from error
        except APIError as error:
            raise refusal(
                error, stream=self._stream, name=letter.name, event_id=letter.id, size=len(letter.data)
            ) from error
        await self.delete(letter)
        return ack.seq

    async def delete(self, letter: DeadLetter) -> None:
        """Delete *letter*. Deleting it twice is not an error."""
        # The letter first: parts without a letter are only bytes, a letter without its parts would be listed.
        for number in (letter.number, *letter.parts):
            try:
                await self._js.delete_msg(dead_stream(self._stream), number)
            except APIError as error:
                if "no message found" not in (error.description or ""):
                    raise Refused(f"The dead letter {letter.number} cannot be deleted: {error.description}.") from error

    async def _check_somebody_asks(self, letter: DeadLetter, subject: str) -> None:
        """What no consumer asks for would lie in the stream, and be delivered to nobody."""
        try:
            with answered(f"group {letter.group!r}"):
                config = (await self._js.consumer_info(self._stream, consumer_name(letter.group, None))).config
        except NotFoundError:
            raise Refused(
                f"The stream {self._stream!r} has no group {letter.group!r}, so nobody would get the dead letter "
                f"{letter.number}. Start a worker of that group, then send it again; or delete it."
            ) from None
        filters = config.filter_subjects or [config.filter_subject or ">"]
        if not any(covers(pattern, subject) for pattern in filters):
            raise Refused(
                f"No worker of the group {letter.group!r} handles {letter.name!r}, so nobody would get the dead letter "
                f"{letter.number}. Start one whose linker does, then send it again; or delete it."
            )

    async def _raw(self, what: str, request: dict[str, object]) -> _Raw | None:
        # Not get_msg() of nats-py, which reads headers as those of an e-mail and fails on some.
        subject = f"{self._api_prefix}.STREAM.MSG.GET.{dead_stream(self._stream)}"
        try:
            with answered(what):
                reply = await self._client.request(subject, msgspec.json.encode(request), timeout=_WAIT)
                answer = msgspec.json.decode(reply.data, type=_Answer)
                if answer.error is not None:
                    APIError.from_error(answer.error)  # raises it
        except NotFoundError:
            return None
        return answer.message

    async def _letter(self, raw: _Raw) -> DeadLetter:
        headers = read_header_block(raw.hdrs) if raw.hdrs else {}
        data = raw.data
        parts = tuple(int(number) for number in headers.get(PARTS, "").split() if number.isdecimal())
        if parts:
            block, _, data = b"".join([await self._part(raw.seq, number) for number in parts]).partition(b"\r\n\r\n")
            own = read_header_block(block)
        else:
            own = {key: value for key, value in headers.items() if not key.startswith("Nats-")}
        _, group, name = (*raw.subject.split(".", 2), "", "")[:3]
        if origin := unescape(headers.get(ORIGIN, "")):
            name = read_subject(self._stream, origin).name
        return DeadLetter(
            number=raw.seq,
            stream=self._stream,
            group=headers.get(GROUP, group),
            name=name,
            id=unescape(own.get(ID, "")),
            sequence=_whole(headers.get(SEQUENCE, "")),
            attempts=_whole(headers.get(ATTEMPTS, "")),
            reason=unescape(headers.get(REASON, "(not written by a worker)")),
            died=_moment(headers.get(DIED, "")) or raw.time,
            data=data,
            headers=own,
            parts=parts,
        )

    async def _part(self, letter: int, number: int) -> bytes:
        part = await self._raw(f"dead letter {letter}", {"seq": number})
        if part is None or part.subject != parts_subject(self._stream):
            raise NoDeadLetter(f"The dead letter {letter} is incomplete: its part {number} was deleted.")
        return part.data


def _whole(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() else 0


def _moment(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


async def store_dead_letter(client: Client, js: JetStreamContext, message: GivenUp) -> None:
    """Store a dead letter, once however often this is repeated. Raises what nats-py raises.

    There is no message for which this has no room. One that fills the server's limit to the last byte, or whose
    headers cannot be written, is stored in parts, headers and bytes as they were, and the letter says where they are.
    """
    once = f"{message.group}:{message.stream}:{message.created}:{message.sequence}"

    async def store(subject: str, data: bytes, headers: Mapping[str, str], msg_id: str) -> int:
        ack = await js.publish(
            subject, data, stream=dead_stream(message.stream), headers={**headers, MSG_ID: msg_id}, timeout=_WAIT
        )
        return ack.seq

    def headers_of_letter(original: Mapping[str, str], *parts: int) -> dict[str, str] | None:
        own = {PARTS: " ".join(map(str, parts))} if parts else {}
        ids = size_of_headers({**own, MSG_ID: once, "Nats-Expected-Stream": dead_stream(message.stream)})
        headers = dead_letter(
            original,
            group=message.group,
            subject=message.subject,
            sequence=message.sequence,
            attempts=message.attempts,
            reason=message.reason,
            time=datetime.now(UTC),
            room=client.max_payload - ids - (0 if parts else len(message.data)),
        )
        return None if headers is None else {**headers, **own}

    data = message.data
    headers = headers_of_letter(message.headers)
    if headers is None:
        whole, step = header_block(message.headers) + data, client.max_payload - _ID_OF_A_PART
        parts = [
            await store(parts_subject(message.stream), whole[start : start + step], {}, f"{once}:{start}")
            for start in range(0, len(whole), step)
        ]
        headers, data = headers_of_letter({}, *parts), b""
        assert headers is not None  # names, numbers and a reason that is cut
    await store(dead_subject(message.stream, message.group, message.name), data, headers, once)
