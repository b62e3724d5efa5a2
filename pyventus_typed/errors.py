"""Everything that pyventus_typed raises or warns about: one class for each error that you may want to catch.

Each derives from :class:`PyventusError` and from a matching builtin exception. The information in a message is also
available as attributes, so you never have to parse it.
"""

from ._emission import EmissionFailed, EmissionPending, WouldDeadlock
from ._errors import (
    DefinitionError,
    DiscardedEmissionsWarning,
    EmissionRejected,
    EmitterClosed,
    ForeignEvent,
    InvalidOption,
    NoHandler,
    NoRoom,
    NotAHandler,
    NotAManager,
    NotAnEvent,
    PyventusError,
    SeveralHandlers,
    TooManySubscriptions,
)

__all__ = [
    "DefinitionError",
    "DiscardedEmissionsWarning",
    "EmissionFailed",
    "EmissionPending",
    "EmissionRejected",
    "EmitterClosed",
    "ForeignEvent",
    "InvalidOption",
    "NoHandler",
    "NoRoom",
    "NotAHandler",
    "NotAManager",
    "NotAnEvent",
    "PyventusError",
    "SeveralHandlers",
    "TooManySubscriptions",
    "WouldDeadlock",
]

for _name in __all__:
    globals()[_name].__module__ = __name__  # that is where they are caught
