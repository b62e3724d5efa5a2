"""What can go wrong between processes: one class for each error that you may want to catch.

All of them derive from ``PyventusError``. The information in a message is also available as attributes.
"""

from collections.abc import Mapping, Sequence

from pyventus_typed.errors import DefinitionError, PyventusError


class NatsError(PyventusError):
    """The base class of all errors of ``pyventus_typed.nats``."""


# ---------------------------------------------------------------- the server and the connection


class NoServer(NatsError, ConnectionError):
    """Nothing answers at the address, or no server could be started here."""


class AccessDenied(NatsError, PermissionError):
    """The server refuses the credentials, or an operation that they do not permit, or they cannot be used."""


class NotSecure(NatsError, ConnectionError):
    """An encrypted connection is required but not possible. No credentials were sent."""


class ServerTooOld(NatsError, RuntimeError):
    """The server is older than 2.10. It would silently ignore the filters of consumers."""

    def __init__(self, found: str, where: str) -> None:
        super().__init__(
            f"nats-server {found} at {where} is too old: 2.10 or later is needed, because older ones ignore "
            "filter_subjects silently and hand every event to every group. Upgrade the server."
        )
        self.found = found


class NoJetStream(NatsError, RuntimeError):
    """The server runs without JetStream, so it cannot store events."""


class NotOpen(NatsError, RuntimeError):
    """A ``JetStream`` was used outside of its ``async with`` block, or from another event loop."""


# ---------------------------------------------------------------- the stream


class NoStream(NatsError, LookupError):
    """The stream does not exist, and no settings were given to create it with."""


class StreamDiffers(NatsError, ValueError):
    """The stream exists with other settings. Nothing was changed."""

    def __init__(self, stream: str, differences: Mapping[str, tuple[object, object]]) -> None:
        listed = "; ".join(f"{name} is {found!r}, not {wanted!r}" for name, (found, wanted) in differences.items())
        super().__init__(
            f"The stream {stream!r} exists with other settings: {listed}. Give the settings that it has, "
            "or settings=None to take them as they are, or change the stream with the nats command line."
        )
        self.stream = stream
        self.differences: dict[str, tuple[object, object]] = dict(differences)


class NotStored(NatsError, TimeoutError):
    """The server did not confirm the event in time. It may or may not be stored.

    Publish again with the same *id* within the stream's window for duplicates, and it is stored once.
    """

    def __init__(self, name: str, event_id: str, seconds: float, last: BaseException | None) -> None:
        super().__init__(
            f"The server did not confirm {name} ({event_id}) within {seconds:g} s (last answer: {last!r}). "
            "It may have been stored all the same: publish it again with the same id to be sure, "
            "or keep it in an outbox."
        )
        self.name = name
        self.id = event_id


class NotAllStored(NatsError, RuntimeError):
    """Some events of ``publish_all`` were not stored, or it is not known whether they are."""

    def __init__(self, stored: Sequence[object], ids: Sequence[str], errors: Sequence[NatsError]) -> None:
        missing = sum(one is None for one in stored)
        super().__init__(
            f"{missing} of {len(ids)} events were not confirmed, the first because: {errors[0]} "
            "To try again, publish all of them with event_ids=error.ids: none is stored twice."
        )
        self.stored: tuple[object, ...] = tuple(stored)
        """For each event where it is (``Stored``), or ``None``."""
        self.ids: tuple[str, ...] = tuple(ids)
        """For each event its id."""
        self.errors: tuple[NatsError, ...] = tuple(errors)
        """What stopped a key, or an event without one."""


class StreamFull(NatsError, RuntimeError):
    """The stream has reached one of its limits and refuses new events. The event was not stored."""


class PayloadTooLarge(NatsError, ValueError):
    """The encoded event, including its headers, is larger than the server or the stream accepts. It was not
    stored."""

    def __init__(self, name: str, size: int, limit: int, what: str) -> None:
        super().__init__(
            f"{name} is {size} bytes {what}, and {limit} is the limit. "
            "Store the large part elsewhere and send its address, or raise max_payload of the server."
        )
        self.size = size
        self.limit = limit


class Refused(NatsError, RuntimeError):
    """The server refuses a request for a reason that none of the other errors covers. The message says which."""


# ---------------------------------------------------------------- the codec


class BadWire(DefinitionError, NatsError):
    """A wire name or an event type cannot be used as it was registered."""


class NoWireName(NatsError, LookupError):
    """The codec has no wire name for the class of the event."""


class UnknownWireName(NatsError, LookupError):
    """The codec does not know the wire name of the message."""


class NotFaithful(NatsError, ValueError):
    """Decoding would not give an equal event. Nothing was sent."""


class Undecodable(NatsError, ValueError):
    """The bytes do not match the class that belongs to the wire name."""


# ---------------------------------------------------------------- workers, dead letters, the outbox


class WouldLoop(NatsError, RuntimeError):
    """The handlers of the worker would publish each event back into the stream that it came from."""


class NothingToDo(NatsError, ValueError):
    """The linker of the worker has no handlers."""


class AlreadyRunning(NatsError, RuntimeError):
    """``run`` was called while the worker was running. To do more work at a time, set *concurrency*, or start a
    second worker of the group."""


class HandlerFailed(NatsError, RuntimeError):
    """A delivery was cancelled or discarded in the worker. It did not succeed, so the message is tried again."""


class NoDeadLetter(NatsError, LookupError):
    """There is no dead letter with this number."""


class NoTransaction(NatsError, RuntimeError):
    """A row of an outbox or inbox was added outside a transaction, so it would be committed alone."""
