"""How to install an optional part of this package: a command that works wherever the package came from."""

import json
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname


def install_command(extra: str) -> str:
    """The pip command that adds *extra* to this installation.

    pip notes the folder, file or repository that a package was installed from (PEP 610), and the command names it again:
    for what came from a checkout, ``pip install "pyventus-typed[nats]"`` would look in an index that does not have it.
    """
    from importlib.metadata import Distribution, PackageNotFoundError  # noqa: PLC0415  for messages of errors only

    try:
        noted = Distribution.from_name("pyventus-typed").read_text("direct_url.json")
    except PackageNotFoundError:  # a checkout that is on the path and not installed
        return f'pip install "{Path(__file__).parents[1]}[{extra}]"'
    origin = json.loads(noted or "{}")
    match origin:
        case {"url": str(url), "vcs_info": {"vcs": vcs, "commit_id": commit}}:
            return f'pip install "pyventus-typed[{extra}] @ {vcs}+{url}@{commit}"'
        case {"url": str(url), "dir_info": {"editable": True}}:
            return f'pip install -e "{_path(url)}[{extra}]"'
        case {"url": str(url)} if url.startswith("file:"):
            return f'pip install "{_path(url)}[{extra}]"'
        case {"url": str(url)}:
            return f'pip install "pyventus-typed[{extra}] @ {url}"'
    return f'pip install "pyventus-typed[{extra}]"'


@contextmanager
def needing(package: str, purpose: str, *, extra: str) -> Generator[None]:
    """Raise `ModuleNotFoundError` with the command that installs *extra*, if *package* is missing for what is imported here."""
    try:
        yield
    except ModuleNotFoundError as missing:
        if missing.name is None or missing.name.partition(".")[0] != package:
            raise
        text = f"{package} is needed for {purpose} and not installed. Run: {install_command(extra)}"
        raise ModuleNotFoundError(text, name=package) from missing


def _path(url: str) -> str:
    return url2pathname(urlsplit(url).path)
