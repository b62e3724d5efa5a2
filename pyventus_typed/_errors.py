"""Everything that pyventus_typed raises or warns about, but for what refers to emissions: see `_emission`."""

from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

from typing_extensions import override

LEFT_BEHIND: Final = "_left_behind"
"""The names of the attributes that a pickled error does not have."""
E = TypeVar("E", bound="PyventusError")


class PyventusError(Exception):
    """The base class of all errors. It can be pickled; reading an attribute that cannot be pickled then raises
    `AttributeError`."""

    @override
    def __reduce__(self) -> str | tuple[Any, ...]:  # Any: as that of an object
        kept: dict[str, object] = {}
        left: list[str] = []
        for name, value in self.__dict__.items():
            if can_be_pickled(value):
                kept[name] = value
            else:
                left.append(name)
        if left:
            kept[LEFT_BEHIND] = left
        return _read_again, (type(self), self.args), kept

    if not TYPE_CHECKING:  # a checker must go on seeing that there is no such attribute

        def __copy__(self) -> Self:
            twin = _read_again(type(self), self.args)
            twin.__dict__.update(self.__dict__)
            return twin

        def __getattr__(self, name: str) -> object:
            kind = type(self).__name__
            if name in self.__dict__.get(LEFT_BEHIND, ()):
                raise AttributeError(f"{kind}.{name} stayed in the process that raised: it cannot be pickled.")
            raise AttributeError(f"{kind!r} object has no attribute {name!r}", name=name, obj=self)


def _read_again(kind: type[E], args: tuple[object, ...]) -> E:
    # Not by a call: what a class takes is not what Exception keeps as its args.
    error = kind.__new__(kind, *args)
    error.args = args
    return error


def can_be_pickled(value: object) -> bool:
    """Whether *value* can be pickled, and read again."""
    import pickle  # noqa: PLC0415 - who pickles an error has imported it, and all others need not

    try:
        pickle.loads(pickle.dumps(value))  # noqa: S301 - what was made in the line itself
    except Exception:  # noqa: BLE001 - pickling runs code of the value's own class
        return False
    return True


# ---------------------------------------------------------------- the program is wrong: found when it is wired or emits
class DefinitionError(PyventusError, TypeError):
    """The code defines something that cannot work. *found* is the value that was passed."""

    found: object

    def __init__(self, message: str, found: object = None) -> None:
        super().__init__(message)
        self.found = found


class NotAnEvent(DefinitionError):
    """Something was passed that is not an event, or not an event class."""


class NotAHandler(DefinitionError):
    """A callable that cannot handle an event, or cannot be run with its options."""


class NotAManager(DefinitionError):
    """Something was passed that cannot make a context manager from a delivery."""


class ForeignEvent(DefinitionError):
    """An event outside the family of the linker or subscriber."""


class TooManySubscriptions(DefinitionError):
    """More subscriptions to an event type than ``max_subscriptions`` allows. Nothing was registered."""


class InvalidOption(DefinitionError, ValueError):
    """An option has a value that is not allowed."""


# ---------------------------------------------------------------- an emission was refused: nothing was accepted
class EmissionRejected(PyventusError, RuntimeError):
    """``emit`` accepted nothing: no handler was called, no ``once`` was used up. *event* is the event that was
    refused."""

    event: object

    def __init__(self, message: str, event: object = None) -> None:
        super().__init__(message)
        self.event = event


class EmitterClosed(EmissionRejected):
    """The emitter is closed, or the event loop that would run the handlers is."""


class NoRoom(EmissionRejected):
    """As many emissions are pending as ``capacity`` allows."""


# ---------------------------------------------------------------- requests
class NoHandler(PyventusError, LookupError):
    """No handler answers the request."""


class SeveralHandlers(PyventusError, LookupError):
    """A second handler was registered for a request that already has an answer."""


# ---------------------------------------------------------------- the end of a loop
class DiscardedEmissionsWarning(RuntimeWarning):
    """An event loop ended while emissions were pending. The message says how many were cut off, and which."""
