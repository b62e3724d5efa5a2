"""What a codec is: events to named bytes and back."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from typing_extensions import TypeVar

from pyventus_typed import Event

_E = TypeVar("_E", bound=Event)


@dataclass(frozen=True, slots=True)
class Encoded:
    """An event as it goes over the wire."""

    name: str
    data: bytes


class Codec(Protocol[_E]):
    """Events of one family to bytes under an explicit wire name, and back.

    A codec has no state that changes, so that threads may share it. ``JsonCodec`` is the one that
    comes with this package; another format is another class with these four members.
    """

    @property
    def content_type(self) -> str:
        """The media type of the bytes, as CloudEvents' ``datacontenttype``."""
        ...

    def names(self) -> Mapping[str, type[_E]]:
        """Every wire name that can be read, retired ones too, with the type of the event that comes out."""
        ...

    def encode(self, event: _E, /) -> Encoded:
        """Name and bytes of *event*. Raises ``NoWireName``, or ``NotFaithful`` if it would not come back equal."""
        ...

    def decode(self, name: str, data: bytes, /) -> _E:
        """The event. Raises ``UnknownWireName`` or ``Undecodable``."""
        ...
