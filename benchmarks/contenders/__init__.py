"""Who is measured. Each module does the works as its library's own documentation says, and registers them."""

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version

PEERS = {
    "pyventus": "pyventus",
    "blinker": "blinker",
    "pyee": "pyee",
    "psygnal": "psygnal",
    "eventkit": "eventkit",
    "bubus": "bubus",
    "aiosignal": "aiosignal",
    "pydispatch": "PyDispatcher",
    "pymitter": "pymitter",
}
"""Module to distribution."""

HAND = "hand"
US = "us"
LIMIT = "limit"


def load(only: frozenset[str] | None = None) -> dict[str, str]:
    """Import the modules of contenders; return the version, or why it is missing, of each peer."""
    found: dict[str, str] = {}
    for name in (LIMIT, HAND, US, *PEERS):
        if only is not None and name not in only:
            continue
        if name in PEERS:
            try:
                found[name] = version(PEERS[name])
            except PackageNotFoundError:
                found[name] = "not installed"
                continue
        import_module(f"{__name__}.{name}_")
    return found
