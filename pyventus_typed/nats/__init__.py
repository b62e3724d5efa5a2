"""The same typed handlers in many processes, on NATS JetStream."""

try:
    import msgspec as _msgspec
    import nats.js as _nats
except ModuleNotFoundError as _missing:
    from pyventus_typed._install import install_command as _install_command

    raise ModuleNotFoundError(
        f"pyventus_typed.nats needs {_missing.name!r}, which is not installed. Run: {_install_command('nats')}",
        name=_missing.name,
    ) from _missing

from pyventus_typed.nats import errors
from pyventus_typed.nats._codec import Codec, Encoded, JsonCodec, Wire
from pyventus_typed.nats._connection import Server
from pyventus_typed.nats._dead_letters import DeadLetter, DeadLetters
from pyventus_typed.nats._deliveries import Counts, Failure
from pyventus_typed.nats._inbox import Inbox
from pyventus_typed.nats._local_server import LocalServer, local_server
from pyventus_typed.nats._outbox import Outbox, Relay
from pyventus_typed.nats._stream import JetStream, Stored, StreamSettings
from pyventus_typed.nats._wire import Received, received
from pyventus_typed.nats._worker import Health, Worker

__all__ = [
    "Codec",
    "Counts",
    "DeadLetter",
    "DeadLetters",
    "Encoded",
    "Failure",
    "Health",
    "Inbox",
    "JetStream",
    "JsonCodec",
    "LocalServer",
    "Outbox",
    "Received",
    "Relay",
    "Server",
    "Stored",
    "StreamSettings",
    "Wire",
    "Worker",
    "errors",
    "local_server",
    "received",
]

del _msgspec, _nats
