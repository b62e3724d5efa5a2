"""Everything that pyventus_typed raises or warns about: one class for each thing worth catching.

Each is a :class:`PyventusError` and the builtin that it is. What a message says is also there as attributes,
so nobody has to parse a text.
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
