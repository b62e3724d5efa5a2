"""Everything that pyventus_typed raises or warns about, but for what refers to emissions: see `_emission`."""


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
    """Something else was given where an event, or an event class, is needed."""


class NotAHandler(DefinitionError):
    """A callable that cannot handle an event, or cannot be run as its options ask."""


class NotAManager(DefinitionError):
    """Something else was given where a callable is needed that makes a context manager from a delivery."""


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


# ---------------------------------------------------------------- requests
class NoHandler(PyventusError, LookupError):
    """A request was asked that no handler answers."""


class SeveralHandlers(PyventusError, LookupError):
    """A second handler was offered for a request that is answered already."""


# ---------------------------------------------------------------- the end of a loop
class DiscardedEmissionsWarning(RuntimeWarning):
    """A loop ended while emissions were pending: the message says how many were cut off, and which."""
