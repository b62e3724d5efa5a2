"""The same typed handlers in many processes, on NATS JetStream."""

try:
    import msgspec as _msgspec
    import nats.js as _nats
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        f"pyventus_typed.nats needs {error.name!r}, which is not installed. Run: pip install 'pyventus-typed[nats]'",
        name=error.name,
    ) from error

from pyventus_typed.nats import errors
from pyventus_typed.nats._codec import Codec, Encoded
from pyventus_typed.nats._connection import Server
from pyventus_typed.nats._json import JsonCodec, Wire
from pyventus_typed.nats._publisher import JetStream, Stored
from pyventus_typed.nats._server import local_server
from pyventus_typed.nats._settings import StreamSettings

__all__ = ["Codec", "Encoded", "JetStream", "JsonCodec", "Server", "Stored", "StreamSettings", "Wire", "errors", "local_server"]

del _msgspec, _nats
