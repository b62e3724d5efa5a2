"""The page about moving from pyventus: both sides run, and every name of pyventus's event API is on it.

It needs pyventus, of the dependency group `tests`; the parts about FastAPI, Celery and RQ need the group `migration`.
"""

import os
import re
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.programs import ROOT, run_python

pytest.importorskip("pyventus", reason="pyventus is not installed; it is in the dependency group 'tests'")

MISSING = [one for one in ("fastapi", "httpx2", "celery", "rq", "fakeredis") if find_spec(one) is None]
with_services = pytest.mark.skipif(
    bool(MISSING), reason=f"{', '.join(MISSING)}: not installed; the dependency group 'migration' has them"
)

PAGE = (ROOT / "docs" / "how-to" / "move-from-pyventus.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(?:python|py)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
THEIRS = [block for block in BLOCKS if block.startswith("# pyventus 0.8")]
WITHOUT_SERVICES = [block for block in THEIRS if block.startswith("# pyventus 0.8\n")]
OURS = [block for block in BLOCKS if block not in THEIRS]


def run_page(folder: Path, blocks: list[str], *how: str) -> None:
    (folder / "page.py").write_text("\n".join(blocks), encoding="utf-8")
    paths = os.pathsep.join([str(folder), str(ROOT)])
    ended = run_python("-W", "error::RuntimeWarning", *how, env={"PYTHONPATH": paths}, cwd=folder)
    assert ended.code == 0, ended.stderr


def test_the_side_of_pyventus_does_what_the_page_says_without_other_services(tmp_path: Path) -> None:
    assert len(WITHOUT_SERVICES) >= 12
    run_page(tmp_path, WITHOUT_SERVICES, "page.py")


@with_services
@pytest.mark.timeout(300)  # it starts a worker of Celery
def test_the_side_of_pyventus_does_what_the_page_says(tmp_path: Path) -> None:
    assert len(THEIRS) >= 14
    run_page(tmp_path, THEIRS, "page.py")


@with_services
@pytest.mark.timeout(300)  # the same
def test_our_side_does_what_the_page_says(tmp_path: Path) -> None:
    assert len(OURS) >= 14
    run_page(tmp_path, OURS, "-c", "import page")  # a worker of RQ takes no function of a main program


def rows() -> set[str]:
    """The names in the first column of the tables."""
    return {name for line in PAGE.splitlines() for name in re.findall(r"^\| `([\w.]+)` \|", line)}


def public(owner: type, prefix: str = "") -> set[str]:
    return {prefix + name for name in vars(owner) if not name.startswith("_")}


SERVICES = ("AsyncIO", "Executor", *(() if MISSING else ("Celery", "FastAPI", "Redis")))


def test_every_name_of_the_event_api_of_pyventus_is_in_the_tables() -> None:
    events, core = import_module("pyventus.events"), import_module("pyventus.core.subscriptions")
    owners = {
        "": [events.EventLinker],
        "EventLinkerSubCtx.": [events.EventLinker.EventLinkerSubCtx, core.SubscriptionContext],
        "EventSubscriber.": [events.EventSubscriber, core.Subscription, events.EventHandler],
        "EventEmitter.": [events.EventEmitter],
        "EventEmission.": [events.EventEmitter.EventEmission],
    }
    names = {*import_module("pyventus").__all__, *events.__all__}
    names |= {name for prefix, classes in owners.items() for owner in classes for name in public(owner, prefix)}
    names |= {"ProcessingService", "ProcessingService.submit"}
    for name in (f"{kind}ProcessingService" for kind in SERVICES):
        module = name.removesuffix("ProcessingService").lower()
        service = getattr(import_module(f"pyventus.core.processing.{module}"), name)
        # What each of them submits is that of their base class.
        names |= {name, *(public(service, f"{name}.") - {f"{name}.submit"})}
    assert names - rows() == set()


def test_the_tables_name_nothing_that_pyventus_does_not_have() -> None:
    linker = import_module("pyventus.events").EventLinker
    table = PAGE.split("Methods of `EventLinker`:")[1].split("Contexts, subscribers")[0]
    assert {name for name in re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) if not hasattr(linker, name)} == set()


def test_no_name_stands_without_a_counterpart_or_a_word_that_there_is_none() -> None:
    empty = [line for line in PAGE.splitlines() if re.match(r"^\| `[\w.]+` \|\s*\|", line)]
    assert empty == []
