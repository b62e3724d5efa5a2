"""Events to named bytes and back: what a codec is, and the JSON codec on msgspec."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from types import MappingProxyType
from typing import Any, Generic, Protocol, Self

import msgspec
from typing_extensions import TypeVar

from pyventus_typed import Event
from pyventus_typed._spelling import spell_event
from pyventus_typed.errors import InvalidOption
from pyventus_typed.nats._wire import check_wire_name
from pyventus_typed.nats.errors import BadWire, NotFaithful, NoWireName, Undecodable, UnknownWireName

_E = TypeVar("_E", bound=Event)
_T = TypeVar("_T", bound=Event)
_T_co = TypeVar("_T_co", bound=Event, covariant=True)
_Old = TypeVar("_Old")


@dataclass(frozen=True, slots=True)
class Encoded:
    """An event as it goes over the wire."""

    name: str
    data: bytes


class Codec(Protocol[_E]):
    """Converts events of one family to bytes under an explicit wire name, and back.

    A codec is immutable, so that threads may share it. ``JsonCodec`` is part of this package; for another
    format, write a class with these four members.
    """

    @property
    def content_type(self) -> str:
        """The media type of the bytes, as CloudEvents' ``datacontenttype``."""
        ...

    def names(self) -> Mapping[str, type[_E]]:
        """Every wire name that can be read, including retired ones, with the type of the decoded event."""
        ...

    def encode(self, event: _E, /) -> Encoded:
        """Return the wire name and the bytes of *event*.

        Raises ``NoWireName``, or ``NotFaithful`` if decoding would not give an equal event."""
        ...

    def decode(self, name: str, data: bytes, /) -> _E:
        """The event. Raises ``UnknownWireName`` or ``Undecodable``."""
        ...


def check_codec(codec: Codec[_E]) -> Codec[_E]:
    """Return *codec* if it is one."""
    missing = [name for name in ("content_type", "names", "encode", "decode") if not hasattr(codec, name)]
    if missing:
        raise InvalidOption(
            f"{spell_event(codec)} is not a codec: it has no {', '.join(missing)}. Give JsonCodec(Wire('...v1', Paid), ...).",
            codec,
        )
    return codec


class Readable(Generic[_T_co]):
    """The part of a ``Wire`` that a codec reads: covariant, so that wires of a family's members fit the family."""

    def __init__(self, name: str, event: type[_T_co]) -> None:
        self.name: str = check_wire_name(name)
        self.event: type[_T_co] = event
        self.readers: dict[str, Callable[[bytes], _T_co]] = {name: _reader(name, event)}
        self.shapes: dict[str, type[object]] = {name: event}


class Wire(Readable[_T]):
    """The wire name of one event type, and the names that it had before.

    The name is explicit and has a version, because classes are renamed and moved, and stored events remain. Events
    are written under *name*. A reader ignores unknown fields and uses the defaults of missing ones. So a new field
    with a default needs no new version; any other change does.
    """

    def formerly(self, name: str, shape: type[_Old], upcast: Callable[[_Old], _T], /) -> Self:
        """Also read *name*, whose bytes have the form of the dataclass *shape*, and convert it to the current event
        with *upcast*.

        Nothing is written under a retired name. *upcast* must be quick and must not fail for any *shape*; if it
        raises, the message becomes a dead letter.
        """
        check_wire_name(name)
        if name in self.readers:
            raise BadWire(f"{name!r} is registered twice for {self.event.__qualname__}: a name has one shape.")
        read = _reader(name, shape)
        self.readers[name] = lambda data: upcast(read(data))
        self.shapes[name] = shape
        return self


class JsonCodec(Generic[_E]):
    """JSON for the events of one family: each event class has a name that stays the same if the class is renamed. ::

        codec = JsonCodec[OrderPlaced | OrderPaid](
            Wire("shop.order_placed.v1", OrderPlaced),
            Wire("shop.order_paid.v1", OrderPaid),
        )

    ``encode`` decodes each event again before it returns the bytes. So a value that JSON cannot represent (NaN, an
    instance of a subclass in a field, a value of the wrong type) is refused by the publisher, with the path of the
    field. Raises ``BadWire`` if two events have the same name, or one event has two names.
    """

    content_type = "application/json"

    def __init__(self, *wires: Readable[_E]) -> None:
        self._written: dict[type[_E], tuple[str, Callable[[bytes], _E]]] = {}
        self._read: dict[str, Callable[[bytes], _E]] = {}
        self._shapes: dict[str, type[object]] = {}
        names: dict[str, type[_E]] = {}
        for wire in wires:
            if wire.event in self._written:
                raise BadWire(
                    f"{wire.event.__qualname__} has two wire names, {self._written[wire.event][0]!r} and {wire.name!r}: "
                    "one is written; give the other to Wire.formerly()."
                )
            for name, read in wire.readers.items():
                if name in names:
                    raise BadWire(f"{name!r} names both {names[name].__qualname__} and {wire.event.__qualname__}.")
                names[name] = wire.event
                self._read[name] = read
            self._shapes |= wire.shapes
            self._written[wire.event] = (wire.name, wire.readers[wire.name])
        self._names = MappingProxyType(names)
        self._encoder = msgspec.json.Encoder()

    def names(self) -> Mapping[str, type[_E]]:
        return self._names

    def shapes(self) -> Mapping[str, type[object]]:
        """Every wire name that can be read, with the dataclass whose form its bytes have."""
        return MappingProxyType(self._shapes)

    def written(self) -> frozenset[str]:
        """The wire names that are written. The others are retired."""
        return frozenset(name for name, _ in self._written.values())

    def encode(self, event: _E, /) -> Encoded:
        # The exact class: an instance of a subclass would arrive as its base, with fields cut off.
        try:
            name, read = self._written[type(event)]
        except KeyError:
            known = ", ".join(sorted(kind.__qualname__ for kind in self._written)) or "none"
            raise NoWireName(
                f"{type(event).__qualname__} has no wire name in this codec (it has: {known}). "
                f"Add Wire('...v1', {type(event).__qualname__})."
            ) from None
        try:
            data = self._encoder.encode(event)
            returned = read(data)
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            raise NotFaithful(f"{spell_event(event)} cannot be sent as {name!r}: {error}") from error
        if returned != event or type(returned) is not type(event):
            raise NotFaithful(
                f"{spell_event(event)} would not come back from {name!r} as it was sent: {_difference(event, returned, '$')}."
            )
        return Encoded(name, data)

    def decode(self, name: str, data: bytes, /) -> _E:
        try:
            read = self._read[name]
        except KeyError:
            raise UnknownWireName(f"This process knows no wire name {name!r}.") from None
        try:
            return read(data)
        except Exception as error:  # an upcaster or a __post_init__ may raise whatever it likes
            raise Undecodable(f"These bytes are not a {name!r}: {error}") from error


def _reader(name: str, shape: type[_Old]) -> Callable[[bytes], _Old]:
    # Asked of the class itself: an undecorated subclass inherits the fields of its base, and would lose its own.
    if "__dataclass_fields__" not in getattr(shape, "__dict__", {}):
        raise BadWire(
            f"{getattr(shape, '__qualname__', shape)!r} cannot have the wire name {name!r}: "
            "give a class that is decorated with @dataclass(frozen=True)."
        )
    try:
        return msgspec.json.Decoder(shape).decode
    except (TypeError, NameError) as error:
        raise BadWire(
            f"{shape.__qualname__} cannot be read back from JSON as {name!r}: {error}. Where a field may hold one of "
            "several dataclasses, split the event, or put the choices into one dataclass with optional fields; "
            "or write a Codec of your own."
        ) from error


def _difference(sent: object, returned: object, path: str) -> str:
    """Where two values that are not equal differ first."""
    if type(sent) is not type(returned):
        return (
            f"{path} is {spell_event(sent)} ({type(sent).__qualname__}) "
            f"and becomes {spell_event(returned)} ({type(returned).__qualname__})"
        )
    inside: list[tuple[str, Any, Any]] = []  # Any: whatever users put into their fields
    if isinstance(sent, str | bytes):  # sequences of themselves
        pass
    elif is_dataclass(sent):
        inside = [(f".{f.name}", getattr(sent, f.name), getattr(returned, f.name)) for f in fields(sent) if f.compare]
    elif isinstance(sent, dict) and isinstance(returned, dict) and sent.keys() == returned.keys():
        inside = [(f"[{key!r}]", value, returned[key]) for key, value in sent.items()]
    elif isinstance(sent, Sequence) and isinstance(returned, Sequence) and len(sent) == len(returned):
        inside = [(f"[{n}]", *pair) for n, pair in enumerate(zip(sent, returned, strict=True))]
    for step, one, other in inside:
        if one != other:
            return _difference(one, other, path + step)
    return f"{path} is {spell_event(sent)} and becomes {spell_event(returned)}"
