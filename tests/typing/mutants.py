"""The weaker signatures that every checker must notice: one change of the package each.

A mutant is an exact text of the package and what stands there instead. The text must occur as often as the mutant says,
anywhere in the package, so that a signature that is respelled takes its mutants along.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final


class MutantNotFound(Exception):
    """The package does not hold the text that a mutant replaces."""


@dataclass(frozen=True, slots=True)
class Mutant:
    name: str
    old: str
    new: str
    times: int = 1

    def apply(self, package: Path) -> None:
        """Change the package at *package* in place. Raises `MutantNotFound` if the text is not there *times* times."""
        sources = {path: path.read_text(encoding="utf-8") for path in _modules(package)}
        found = sum(source.count(self.old) for source in sources.values())
        if found != self.times:
            raise MutantNotFound(
                f"mutant {self.name!r}: the package holds this text {found} times, not {self.times}: {self.old!r}. "
                f"Respell the mutant, as the signature was respelled."
            )
        for path, source in sources.items():
            if self.old in source:
                path.write_text(source.replace(self.old, self.new), encoding="utf-8")


def _modules(package: Path) -> Iterator[Path]:
    yield from sorted([*package.rglob("*.py"), *package.rglob("*.pyi")])


_ON: Final = "{} -> On[{}, object]: ..."

MUTANTS: Final[tuple[Mutant, ...]] = (
    # Events
    Mutant("events may be changed", "@dataclass(frozen=True, slots=True)\nclass Event:", "@dataclass(slots=True)\nclass Event:"),
    Mutant("an event is of no family", "def __event__(self) -> Self:", "def __event__(self) -> Any:"),
    Mutant("an answer may be anything", "def __answer__(self) -> _R_co: ...  # typing hook of ask", "def __answer__(self) -> Any: ..."),
    Mutant("the default family is Any", "bound=Event, default=Event)", "bound=Event, default=Any)"),
    Mutant("a family may be of anything", "contravariant=True, bound=Event, default=Event)", "contravariant=True, default=Event)"),
    # The protocols
    Mutant("event types are not of the family", "class EventType(Protocol[_P, _E_co, _T_co]):\n    @overload\n    def __call__(self, *args: _P.args, **kwargs: _P.kwargs) -> _E_co:", "class EventType(Protocol[_P, _E_co, _T_co]):\n    @overload\n    def __call__(self, *args: _P.args, **kwargs: _P.kwargs) -> object:"),
)
