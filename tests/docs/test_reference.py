"""The reference names what is public: no more, no less, and once."""

import importlib
import re
from collections import Counter
from types import ModuleType

import pytest

from tests.docs.pages import DOCS

FACADES = (
    "pyventus_typed",
    "pyventus_typed.errors",
    "pyventus_typed.testing",
    "pyventus_typed.wiring",
    "pyventus_typed.trace",
    "pyventus_typed.opentelemetry",
    "pyventus_typed.nats",
    "pyventus_typed.nats.postgresql",
)
PAGES = "\n".join(page.read_text(encoding="utf-8") for page in sorted((DOCS / "reference").glob("*.md")))
DOCUMENTED = Counter(re.findall(r"^\.\. auto(?:class|exception|function|data):: (\S+)$", PAGES, re.MULTILINE))
NATS_ERRORS = "pyventus_typed.nats.errors"


def public(name: str) -> set[str]:
    facade = importlib.import_module(name)
    return {f"{name}.{one}" for one in facade.__all__ if not isinstance(getattr(facade, one), ModuleType)}


def own_names(facade: ModuleType) -> set[str]:
    """What a user sees in it: neither private nor a module that happens to be imported."""
    return {
        name for name, value in vars(facade).items() if not name.startswith("_") and not isinstance(value, ModuleType)
    }


@pytest.mark.parametrize(
    "name", [name for name in FACADES if not name.endswith((".errors", ".testing", ".postgresql"))]
)
def test_a_facade_holds_what_it_lists_and_nothing_else(name: str) -> None:
    facade = importlib.import_module(name)
    assert own_names(facade) == {one.rpartition(".")[2] for one in public(name)}


@pytest.mark.parametrize("name", FACADES)
def test_every_public_name_is_on_a_reference_page(name: str) -> None:
    assert public(name) <= set(DOCUMENTED)


def test_the_reference_holds_no_name_that_is_not_public() -> None:
    errors = importlib.import_module(NATS_ERRORS)
    ours = {
        f"{NATS_ERRORS}.{name}"
        for name, value in vars(errors).items()
        if getattr(value, "__module__", "") == NATS_ERRORS
    }
    assert set(DOCUMENTED) == set().union(ours, *map(public, FACADES))


def test_no_name_is_on_two_pages() -> None:
    assert [name for name, times in DOCUMENTED.items() if times > 1] == []


def test_every_public_name_has_a_docstring_of_its_own() -> None:
    def undocumented(name: str) -> bool:
        module, _, attribute = name.rpartition(".")
        thing = getattr(importlib.import_module(module), attribute)
        return isinstance(thing, type) and not vars(thing).get("__doc__")

    assert [name for name in DOCUMENTED if undocumented(name)] == []


def test_of_the_virtual_loop_the_reference_shows_what_a_user_calls_and_each_says_what_it_does() -> None:
    from pyventus_typed.testing import VirtualLoop

    listed = re.search(r"VirtualLoop\n   :members: (.+)", PAGES)
    assert listed is not None
    names = listed[1].split(", ")
    assert [name for name in names if not vars(VirtualLoop)[name].__doc__] == []
    how_to = (DOCS / "how-to" / "test-with-virtual-time.md").read_text(encoding="utf-8")
    called = set(re.findall(r"(?:\bloop\.|`)(\w+)\(", how_to)) & set(vars(VirtualLoop)) - {"call_later"}
    assert called <= set(names)
