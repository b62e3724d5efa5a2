"""A warning is an error in our own code, and no reason for the suite not to start in another package's."""

import warnings
from pathlib import Path

import pytest

from tests.programs import run_python

PLUGIN = "import warnings\nwarnings.warn('pytest has renamed something', DeprecationWarning, stacklevel=1)\n"


def test_a_plugin_that_warns_while_it_is_loaded_does_not_stop_the_suite(tmp_path: Path) -> None:
    (tmp_path / "outdated_plugin.py").write_text(PLUGIN)
    command = ("-m", "pytest", "-p", "outdated_plugin", "-p", "no:cacheprovider", "--collect-only", "-q")
    ended = run_python(*command, "tests/test_spelling.py", env={"PYTHONPATH": str(tmp_path)})
    assert ended.code == 0, ended.stdout + ended.stderr
    assert "pytest has renamed something" in ended.stdout


def test_what_a_module_of_ours_does_and_is_deprecated_is_an_error() -> None:
    with pytest.raises(DeprecationWarning, match="ours"):
        warnings.warn("ours", DeprecationWarning, stacklevel=1)
