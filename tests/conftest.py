"""How much Hypothesis tries, and what programs have imported.

The profile `ci` is what every run uses; choose another with `--hypothesis-profile=NAME`.
"""

import importlib
import sys
from functools import cache
from types import ModuleType

import pytest
from hypothesis import settings

# The same examples in every run, so that a change is judged by itself and not by luck; `soak` is there to be lucky.
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.register_profile("quick", settings.get_profile("ci"), max_examples=20)
settings.register_profile("soak", deadline=None, derandomize=False, print_blob=True, max_examples=10_000)
settings.load_profile("ci")


def pytest_runtest_setup() -> None:
    """Most programs have not imported trio, and `emit` takes a shorter way for them: so do the tests."""
    sys.modules.pop("trio", None)


@pytest.fixture
def trio(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """trio, in a program that has imported it."""
    monkeypatch.setitem(sys.modules, "trio", _trio())
    return _trio()


@cache
def _trio() -> ModuleType:
    return importlib.import_module("trio")
