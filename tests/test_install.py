"""The command in a message installs the extra, wherever the package came from: pip itself says where that was."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import typing_extensions

import pyventus_typed
from tests.programs import run_python

PROJECT = """\
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
"""
# The smallest backend that pip takes: a wheel of the name of ours, with an extra and without a module.
BACKEND = """\
import zipfile
from pathlib import Path

INFO = "pyventus_typed-0.1.0.dist-info"
FILES = {
    "METADATA": "Metadata-Version: 2.1\\nName: pyventus-typed\\nVersion: 0.1.0\\nProvides-Extra: cli\\n",
    "WHEEL": "Wheel-Version: 1.0\\nGenerator: tests\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
    "RECORD": "",
}


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    name = "pyventus_typed-0.1.0-py3-none-any.whl"
    with zipfile.ZipFile(Path(wheel_directory, name), "w") as wheel:
        for file, text in FILES.items():
            wheel.writestr(f"{INFO}/{file}", text)
    return name


build_editable = build_wheel
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder that pip installs the package from; its name has a space in it."""
    folder = tmp_path / "my checkout"
    folder.mkdir()
    (folder / "pyproject.toml").write_text(PROJECT)
    (folder / "backend.py").write_text(BACKEND)
    return folder


def pip(*arguments: str) -> None:
    command = [sys.executable, "-m", "pip", *arguments, "--disable-pip-version-check", "--no-index", "-q"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr


def said_after_pip_install(*what: str, into: Path) -> str:
    pip("install", *what, "--target", str(into), "--no-build-isolation")
    code = "from pyventus_typed._install import install_command; print(install_command('cli'))"
    paths = os.pathsep.join([str(into), *sys.path])
    ended = run_python("-c", code, env={"PYTHONPATH": paths})
    assert ended.stderr == ""
    return ended.stdout.strip()


def works(command: str) -> bool:
    program, install, *rest = shlex.split(command)
    pip(install, "--dry-run", "--ignore-installed", "--no-build-isolation", *rest)
    return program == "pip"


def test_what_came_from_a_folder_is_installed_from_there(checkout: Path, tmp_path: Path) -> None:
    command = said_after_pip_install(str(checkout), into=tmp_path / "site")
    assert command == f'pip install "{checkout}[cli]"'
    assert works(command)


def test_what_came_from_a_wheel_is_installed_from_it(checkout: Path, tmp_path: Path) -> None:
    pip("wheel", str(checkout), "--wheel-dir", str(tmp_path), "--no-build-isolation")
    (wheel,) = tmp_path.glob("*.whl")
    command = said_after_pip_install(str(wheel), into=tmp_path / "site")
    assert command == f'pip install "{wheel}[cli]"'
    assert works(command)


def test_what_came_from_a_repository_is_installed_at_the_same_commit(checkout: Path, tmp_path: Path) -> None:
    identity = ("-c", "user.name=us", "-c", "user.email=us@example.org")
    for git in (("init", "-q"), ("add", "."), (*identity, "commit", "-q", "-m", "all of it")):
        subprocess.run(["git", *git], cwd=checkout, check=True)
    commit = subprocess.check_output(["git", "rev-parse", "HEAD"], cwd=checkout, text=True).strip()
    repository = tmp_path / "repository.git"
    subprocess.run(["git", "clone", "-q", "--bare", str(checkout), str(repository)], check=True)
    address = f"git+file://localhost{repository.as_posix()}"  # before pip 24 an address needs a host
    command = said_after_pip_install(address, into=tmp_path / "site")
    assert command == f'pip install "pyventus-typed[cli] @ {address}@{commit}"'
    assert works(command)


def test_what_came_from_an_index_is_installed_by_its_name(checkout: Path, tmp_path: Path) -> None:
    index = tmp_path / "index"
    pip("wheel", str(checkout), "--wheel-dir", str(index), "--no-build-isolation")
    command = said_after_pip_install("pyventus-typed", "--find-links", str(index), into=tmp_path / "site")
    assert command == 'pip install "pyventus-typed[cli]"'


def test_a_checkout_that_is_only_on_the_path_is_named(tmp_path: Path) -> None:
    # -S: no site-packages, so that nothing is installed; the library that it needs is found by its folder.
    code = "from pyventus_typed._install import install_command; print(install_command('cli'))"
    package, library = Path(pyventus_typed.__file__).parent, tmp_path / "typing_extensions.py"
    library.write_bytes(Path(typing_extensions.__file__).read_bytes())
    (tmp_path / "pyventus_typed").symlink_to(package)
    ended = run_python("-S", "-c", code, cwd=tmp_path, env={"PYTHONPATH": str(tmp_path)})
    assert (ended.stdout, ended.stderr) == (f'pip install "{tmp_path}[cli]"\n', "")
