"""The same typed handlers in many processes, on NATS JetStream."""

try:
    import msgspec as _msgspec
    import nats.js as _nats
except ModuleNotFoundError as _missing:
    raise ModuleNotFoundError(
        f"pyventus_typed.nats needs {_missing.name!r}, which is not installed. Run: pip install 'pyventus-typed[nats]'",
        name=_missing.name,
    ) from _missing

from pyventus_typed.nats import errors
from pyventus_typed.nats._codec import Codec, Encoded
from pyventus_typed.nats._connection import Server
from pyventus_typed.nats._dead import DeadLetter, DeadLetters
from pyventus_typed.nats._json import JsonCodec, Wire
from pyventus_typed.nats._outbox import SQLITE, Dialect, Outbox
from pyventus_typed.nats._publisher import JetStream, Stored
from pyventus_typed.nats._received import Received, received
from pyventus_typed.nats._relay import Relay
from pyventus_typed.nats._server import LocalServer, local_server
from pyventus_typed.nats._settings import StreamSettings
from pyventus_typed.nats._shift import Counts
from pyventus_typed.nats._worker import Worker

__all__ = [
    "SQLITE",
    "Codec",
    "Counts",
    "DeadLetter",
    "DeadLetters",
    "Dialect",
    "Encoded",
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
