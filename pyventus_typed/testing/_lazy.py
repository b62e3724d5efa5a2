"""Names that are imported when they are asked for."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def lazily(package: str, **homes: str) -> Callable[[str], object]:
    """A ``__getattr__`` for the module *package*, which imports each name from its home."""

    def __getattr__(name: str) -> object:  # noqa: N807  # what a module calls it
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(f".{homes[name]}", package), name)

    return __getattr__
