"""A recording, and the ways to show it."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from pyventus_typed._install import needing

from ._chrome import chrome
from ._page import page
from ._records import Recording

if TYPE_CHECKING:
    from rich.tree import Tree


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline(Recording):
    """A recording, as values. Times are in seconds since the first emission, or they count steps; see ``unit``."""

    def html(self) -> str:
        """One page that needs no network: the tree of causes, and the deliveries as bars on a time line by handler."""
        return page(self)

    def chrome(self) -> str:
        """The JSON of Chrome's trace events, which Perfetto (ui.perfetto.dev) and ``chrome://tracing`` open.

        A step counts as a millisecond.
        """
        return chrome(self)

    def tree(self) -> Tree:
        """The emissions as a tree of causes, for ``rich.print``. Raises `ModuleNotFoundError` without the extra ``cli``."""
        with needing("rich", "the tree", extra="cli"):
            from ._tree import tree  # noqa: PLC0415 - it needs an extra
        return tree(self)

    def write(self, path: str | PathLike[str]) -> None:
        """Write it to *path*: the page if that ends in ``.html``, Chrome's trace events if it ends in ``.json``.

        Raises `ValueError` for any other ending, and `OSError` if the file cannot be written.
        """
        file = Path(path)
        check_suffix(file)
        text = self.html() if file.suffix == ".html" else self.chrome()
        file.write_text(text, encoding="utf-8")


def check_suffix(path: Path) -> None:
    """Raise `ValueError` if a timeline cannot be written to a file of this name."""
    if path.suffix not in {".html", ".json"}:
        raise ValueError(f"{str(path)!r} ends neither in .html (a page) nor in .json (Chrome trace events).")
