"""What a specimen of the zoo is: a small program with one known bug, and the same program without it."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

Body = Callable[[], Coroutine[Any, Any, object]]


@dataclass(frozen=True)
class Specimen:
    bug: Body
    twin: Body | None
    raises: type[Exception]  # what the bug looks like, as the cause of the report or by itself
    most: int = 6  # deviations that the bug needs
    options: dict[str, Any] = field(default_factory=dict)  # of `explore`, without which it is not to be seen

    @property
    def name(self) -> str:
        return self.bug.__name__
