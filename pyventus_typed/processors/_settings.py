"""The options of an AsyncIOProcessor, checked once."""

from asyncio import AbstractEventLoop
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from .._emission import Emission
from .._errors import InvalidOption
from .._event import Event
from .._handler import check_callback, check_function
from .._ordering import KeyedOrdering, Ordering, check_ordering
from .._processing import Observer, check_observer
from .._spelling import spell
from .._subscription import check_bool, check_choice, check_count

Overflow: TypeAlias = Literal["refuse", "drop_new", "drop_old"]
OnDiscard: TypeAlias = Callable[[Sequence[Emission[Event]]], object]
LoopFactory: TypeAlias = Callable[[], AbstractEventLoop]


@dataclass(frozen=True, slots=True, kw_only=True)
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
        if self.on_discard is not None and check_callback("on_discard", self.on_discard, "the emissions"):
            raise InvalidOption(
                f"on_discard={spell(self.on_discard)} is async, and no loop is left to run it. Pass a plain function.",
                self.on_discard,
            )
        if self.loop_factory is not None:
            check_function("loop_factory", self.loop_factory)
        if self.debug is not None:
            check_bool("debug", self.debug)
