"""Values as source code: what a regression test has to say to make them again."""

from __future__ import annotations

import dataclasses
import enum
import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class Source:
    """Spells values, and collects the imports that their classes need."""

    def __init__(self) -> None:
        self._from: dict[str, set[str]] = {}
        self._modules: set[str] = set()

    @property
    def imports(self) -> list[str]:
        """The lines of import, sorted."""
        named = [f"from {module} import {', '.join(sorted(names))}" for module, names in sorted(self._from.items())]
        return [*(f"import {module}" for module in sorted(self._modules)), *named]

    def of(self, value: object) -> str:  # noqa: C901, PLR0911  # one branch for each kind of value
        """*value* as an expression; its `repr` where nothing better is known."""
        kind = type(value)
        if isinstance(value, enum.Enum):
            members = value.name.split("|") if isinstance(value, enum.Flag) and value.name else [value.name]
            if all(members):
                return " | ".join(f"{self._named(kind)}.{member}" for member in members)
        if dataclasses.is_dataclass(value) and not isinstance(value, type) and "__repr__" in vars(kind):
            fields = [one.name for one in dataclasses.fields(value) if one.init and hasattr(value, one.name)]
            return f"{self._named(kind)}({', '.join(f'{one}={self.of(getattr(value, one))}' for one in fields)})"
        if kind is list:
            return f"[{self._all(value)}]"
        if kind is tuple:
            return f"({self._all(value)}{',' if value and len(value) == 1 else ''})"  # type: ignore[arg-type]  # it is a tuple
        if kind is set and value:
            return f"{{{self._all(value)}}}"
        if kind is frozenset and value:
            return f"frozenset({{{self._all(value)}}})"
        if kind is dict:
            pairs: Mapping[object, object] = value  # type: ignore[assignment]  # it is a dict
            return f"{{{', '.join(f'{self.of(key)}: {self.of(one)}' for key, one in pairs.items())}}}"
        if isinstance(value, float) and not math.isfinite(value):
            return f"float({str(value)!r})"
        if isinstance(value, type):
            return self._named(value)
        spelled = repr(value)
        if spelled.startswith(f"{kind.__module__}."):  # as the classes of `datetime` do
            self._modules.add(kind.__module__)
        elif spelled.startswith(f"{kind.__qualname__}("):
            self._named(kind)
        return spelled

    def _all(self, values: object) -> str:
        return ", ".join(self.of(value) for value in values)  # type: ignore[attr-defined]  # a collection

    def _named(self, kind: type[object]) -> str:
        if "<locals>" in kind.__qualname__:
            return kind.__name__  # no import can bring it
        if kind.__module__ not in {"builtins", "__main__"}:
            self._from.setdefault(kind.__module__, set()).add(kind.__qualname__.partition(".")[0])
        return kind.__qualname__
