"""Everything that pyventus_typed raises or warns about: one class for each thing worth catching.

Each is a :class:`PyventusError` and the builtin that it is. What a message says is also there as attributes,
so nobody has to parse a text.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Self

from typing_extensions import override

if TYPE_CHECKING:
    from ._emission import AnyEmission, Emission
    from ._event import Event

__all__ = [
    "DefinitionError",
    "DiscardedEmissionsWarning",
    "EmissionFailed",
    "EmissionRejected",
    "EmitterClosed",
    "ForeignEvent",
    "InvalidOption",
    "NoHandler",
    "NoRoom",
    "NotAHandler",
    "NotAnEvent",
    "PyventusError",
    "SeveralHandlers",
    "TooManySubscriptions",
    "WouldDeadlock",
]


class PyventusError(Exception):
    """The root of the tree."""


# ---------------------------------------------------------------- the program is wrong: found when it is wired or emits
class DefinitionError(PyventusError, TypeError):
    """The code defines or wires something that cannot work; *found* is the thing that was met."""

    found: object

    def __init__(self, message: str, found: object = None) -> None:
        super().__init__(message)
        self.found = found


class NotAnEvent(DefinitionError):
    """Something else stands where an event, or an event class, is meant."""


class NotAHandler(DefinitionError):
    """A callable that cannot handle an event, or cannot be run as its options ask."""


class ForeignEvent(DefinitionError):
    """An event outside of the family that the linker or subscriber was made for."""


class TooManySubscriptions(DefinitionError):
    """One subscription more than ``max_subscriptions`` allows for an event type; nothing was registered."""


class InvalidOption(DefinitionError, ValueError):
    """An option with a value that has no meaning."""


# ---------------------------------------------------------------- an emission was refused: nothing was accepted
class EmissionRejected(PyventusError, RuntimeError):
    """``emit`` accepted nothing: no handler is called, no ``once`` is used up. *event* is what was refused."""

    event: object

    def __init__(self, message: str, event: object = None) -> None:
        super().__init__(message)
        self.event = event


class EmitterClosed(EmissionRejected):
    """The emitter, or the loop that it works for, is closed."""


class NoRoom(EmissionRejected):
    """As many emissions are pending as ``capacity`` allows."""


# ---------------------------------------------------------------- an emission went wrong
class WouldDeadlock(PyventusError, RuntimeError):
    """A handler waits for its own end. *chain* are the emissions, from the one waited for to the one that waits."""

    chain: tuple["Emission[Event]", ...]

    def __init__(self, message: str, chain: Sequence["Emission[Event]"] = ()) -> None:
        super().__init__(message)
        self.chain = tuple(chain)


class EmissionFailed(PyventusError, ExceptionGroup[Exception]):
    """What the handlers of one *emission* raised, in the order of its deliveries.

    ``split``, ``subgroup`` and ``except*`` keep the class and the emission.
    """

    emission: "Emission[Event]"

    # ExceptionGroup takes its arguments in __new__, and an exception wants an __init__ of the same form.
    def __new__(cls, message: str, failures: Sequence[Exception], emission: "AnyEmission") -> Self:
        self = super().__new__(cls, message, failures)
        self.emission = emission
        return self

    def __init__(self, message: str, failures: Sequence[Exception], _emission: "AnyEmission") -> None:
        super().__init__(message, failures)

    @override
    def __reduce__(self) -> tuple[type[Self], tuple[object, ...]]:
        return type(self), (self.message, self.exceptions, self.emission)

    @override
    def derive(self, excs: Sequence[Exception], /) -> "EmissionFailed":  # type: ignore[override]  # the same class, not a generic one
        return EmissionFailed(self.message, excs, self.emission)


# ---------------------------------------------------------------- requests
class NoHandler(PyventusError, LookupError):
    """A request was asked that nobody answers."""


class SeveralHandlers(PyventusError, LookupError):
    """A second handler was offered for a request that is answered already."""


# ---------------------------------------------------------------- the end of a loop
class DiscardedEmissionsWarning(RuntimeWarning):
    """A loop ended while emissions were pending: the message says how many were cut off, and which."""
