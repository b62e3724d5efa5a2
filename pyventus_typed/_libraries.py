"""Whose code a file is: the one answer for reports, tracebacks and checks of the wiring."""

import sysconfig
from functools import lru_cache
from pathlib import Path
from types import FrameType

_PACKAGE = Path(__file__).resolve().parent
_LIBRARIES = (
    *(Path(sysconfig.get_paths()[name]).resolve() for name in ("stdlib", "platstdlib", "purelib", "platlib")),
    _PACKAGE,
)
_INSTALLED = {"site-packages", "dist-packages"}  # also of other interpreters than this one


@lru_cache(maxsize=10_000)
def is_library(file: str) -> bool:
    """Whether code in *file* is Python's, an installed package's or ours, and not the user's own.

    It goes by where the file lies and needs no list of our files, which change. What we ship as a demonstration is to be
    read as a user's own program.
    """
    if file.startswith("<"):  # frozen into the interpreter; or typed in, or made by exec: that may be the user's
        return file.startswith("<frozen ")
    path = Path(file).resolve()
    if path.is_relative_to(_PACKAGE):
        return "demo" not in "/".join(path.relative_to(_PACKAGE).parts)
    return any(path.is_relative_to(library) for library in _LIBRARIES) or not _INSTALLED.isdisjoint(path.parts)


def is_in_library(frame: FrameType) -> bool:
    """Whether the code that *frame* runs is of a library, even if it was generated, as the ``__init__`` of a dataclass."""
    file = frame.f_code.co_filename
    if file.startswith("<"):  # for whom it was generated, its globals know
        file = str(frame.f_globals.get("__file__", file))
    return is_library(file)


def shown_path(file: str) -> str:
    """The path of *file*: relative to the current directory if it is below that."""
    here, path = Path.cwd(), Path(file).resolve()  # the current directory is resolved, too
    return (path.relative_to(here) if path.is_relative_to(here) else path).as_posix()
