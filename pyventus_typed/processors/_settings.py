"""The options of an AsyncIOProcessor, checked once."""

from asyncio import AbstractEventLoop
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from .._emission import Emission
from .._errors import InvalidOption
from .._event import Event
from .._ordering import KeyedOrdering, Ordering, check_ordering
from .._processing import Observer, check_observer
from .._subscription import check_choice, check_count

Overflow: TypeAlias = Literal["refuse", "drop_new", "drop_old"]
OnDiscard: TypeAlias = Callable[[Sequence[Emission[Event]]], object]
LoopFactory: TypeAlias = Callable[[], AbstractEventLoop]


@dataclass(frozen=True, slots=True)
class Settings:
    """The options of a processor. They refer to no loop, so that what is left of a lost loop may refer to them."""

    ordering: Ordering | KeyedOrdering
    capacity: int | None
    overflow: Overflow
    on_discard: OnDiscard | None
    loop_factory: LoopFactory | None
    debug: bool | None
    observer: Observer | None

    def __post_init__(self) -> None:
        check_ordering(self.ordering)
        if self.capacity is not None:
            check_count("capacity", self.capacity, ", nor None for no limit.")
        check_choice("overflow", self.overflow, get_args(Overflow))
        if self.observer is not None:
            check_observer(self.observer)
        for name in ("on_discard", "loop_factory"):
            value = getattr(self, name)
            if value is not None and not callable(value):
                raise InvalidOption(f"{name}={value!r} cannot be called. Pass a function, or leave it out.", value)
