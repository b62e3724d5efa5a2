"""How each type checker is run over a folder, strictly, and what it reports there.

Nothing is taken from the configuration of whoever runs this: every checker gets its settings from here, so that the
cases mean the same on every machine. The package is found through a search path, not through an installation, because
the type mutants check a changed copy of it.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final, Literal, TypeAlias

Checker: TypeAlias = Literal["mypy", "pyright", "basedpyright", "pyrefly", "ty", "zuban"]
CHECKERS: Final[tuple[Checker, ...]] = ("mypy", "pyright", "basedpyright", "pyrefly", "ty", "zuban")

# Each of them exits with 1 for "errors found", 0 for "none", and something else for "I could not check".
ERRORS_FOUND: Final = 1

_VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
_LONGEST_RUN = 300.0  # seconds; a checker that needs more has hung


class CheckerUnusable(Exception):
    """A checker is not installed, or did not come to the end of its work."""


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One error, as a checker reports it. Lines count from 1."""

    path: Path
    line: int
    rule: str
    message: str


@dataclass(frozen=True, slots=True)
class Report:
    """What one run of one checker found."""

    checker: Checker
    status: int
    diagnostics: tuple[Diagnostic, ...]

    def of(self, path: Path) -> tuple[Diagnostic, ...]:
        return tuple(found for found in self.diagnostics if found.path == path)


@dataclass(frozen=True, slots=True)
class Job:
    """What is checked (*targets*), where imports are found (*roots*), and a directory for settings and caches.

    With *into_untyped*, mypy reads packages without `py.typed` too, which it does not by itself; the others always do.
    """

    targets: tuple[Path, ...]
    roots: tuple[Path, ...]
    scratch: Path
    into_untyped: bool = False


@dataclass(frozen=True, slots=True)
class _Tool:
    program: tuple[str, ...]
    arguments: Callable[[Job], list[str]]
    environment: Callable[[Job], Mapping[str, str]]
    parse: Callable[[str, Path], Iterable[Diagnostic]]


def run(checker: Checker, job: Job) -> Report:
    """Run *checker* once. Raises `CheckerUnusable` if it is not installed, crashes, or prints what nobody can read."""
    if find_spec(checker) is None:
        raise CheckerUnusable(
            f"{checker} is not installed for {sys.executable}. Install the dependency group 'types' "
            f"(pip install --group types), or leave these tests out (pytest --ignore=tests/typing)."
        )
    tool = _TOOLS[checker]
    job.scratch.mkdir(parents=True, exist_ok=True)
    command = [*tool.program, *tool.arguments(job)]
    done = subprocess.run(
        command,
        cwd=job.scratch,
        env={**_clean_environment(), **tool.environment(job)},
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=_LONGEST_RUN,
        check=False,
    )
    if done.returncode not in (0, ERRORS_FOUND):
        raise CheckerUnusable(f"{checker} ended with status {done.returncode}:\n{done.stdout}\n{done.stderr}")
    try:
        diagnostics = tuple(tool.parse(done.stdout, job.scratch))
    except (ValueError, KeyError, TypeError) as error:
        raise CheckerUnusable(f"{checker} gave no report ({error}):\n{done.stdout}\n{done.stderr}") from error
    if bool(diagnostics) != (done.returncode == ERRORS_FOUND):
        raise CheckerUnusable(
            f"{checker} ended with status {done.returncode}, but reported {len(diagnostics)} errors:\n{done.stderr}"
        )
    return Report(checker, done.returncode, diagnostics)


def program(checker: Checker) -> tuple[str, ...]:
    """The start of a command line that runs *checker*."""
    return _TOOLS[checker].program


def _clean_environment() -> dict[str, str]:
    """The environment without what would change a checker's mind."""
    foreign = ("MYPY", "PYRIGHT_PYTHON_FORCE", "PYRIGHT_PYTHON_PYLANCE", "PYREFLY_", "TY_", "ZUBAN", "PYTHONPATH")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    return kept | {"PYRIGHT_PYTHON_IGNORE_WARNINGS": "1", "NO_COLOR": "1"}


def _nothing(_job: Job) -> Mapping[str, str]:
    return {}


# ---------------------------------------------------------------------------------------------------------------- mypy


def _mypy_arguments(job: Job) -> list[str]:
    return [
        "--config-file=",  # none: not the project's either
        "--strict",
        "--no-error-summary",
        "--output=json",
        f"--python-version={_VERSION}",
        f"--cache-dir={job.scratch / 'mypy'}",
        *(["--follow-untyped-imports"] if job.into_untyped else []),
        *map(str, job.targets),
    ]


def _mypy_environment(job: Job) -> Mapping[str, str]:
    return {"MYPYPATH": os.pathsep.join(map(str, job.roots))}


def _parse_mypy(output: str, base: Path) -> Iterator[Diagnostic]:
    for line in output.splitlines():
        found = json.loads(line)
        if found["severity"] == "error":
            message = "\n".join(filter(None, [found["message"], found["hint"]]))
            yield Diagnostic((base / found["file"]).resolve(), found["line"], found["code"] or "", message)


# --------------------------------------------------------------------------------------------- pyright and basedpyright


def _pyright_arguments(job: Job) -> list[str]:
    settings = {
        "include": [os.path.relpath(target, job.scratch) for target in job.targets],  # it ignores absolute paths
        "extraPaths": [str(root) for root in job.roots],
        "typeCheckingMode": "strict",
        "pythonVersion": _VERSION,
    }
    path = job.scratch / "pyrightconfig.json"
    path.write_text(json.dumps(settings), encoding="utf-8")
    return ["--outputjson", "--pythonpath", sys.executable, "--project", str(path)]


def _parse_pyright(output: str, base: Path) -> Iterator[Diagnostic]:
    report = json.loads(output)
    if not report["summary"]["filesAnalyzed"]:
        raise ValueError("pyright found no file to check, and calls that clean")
    for found in report["generalDiagnostics"]:
        if found["severity"] == "error":
            line = found["range"]["start"]["line"] + 1
            yield Diagnostic((base / found["file"]).resolve(), line, found.get("rule", ""), found["message"])


# ------------------------------------------------------------------------------------------------------------- pyrefly


def _pyrefly_arguments(job: Job) -> list[str]:
    # Without a configuration file pyrefly takes a preset called "basic", which says little. So there is one.
    path = job.scratch / "pyrefly.toml"
    path.write_text('preset = "strict"\n', encoding="utf-8")
    return [
        "check",
        f"--config={path}",
        "--output-format=json",
        "--summary=none",
        f"--python-version={_VERSION}",
        f"--python-interpreter-path={sys.executable}",
        "--use-ignore-files=false",
        *(f"--search-path={root}" for root in job.roots),
        *map(str, _files(job.targets)),
    ]


def _files(targets: Iterable[Path]) -> Iterator[Path]:
    """Every file by its name: pyrefly finds none in a folder that its configuration does not lie in or above."""
    for target in targets:
        yield from sorted(target.rglob("*.py")) if target.is_dir() else [target]


def _parse_pyrefly(output: str, base: Path) -> Iterator[Diagnostic]:
    for found in json.loads(output)["errors"]:
        if found["severity"] == "error":
            yield Diagnostic((base / found["path"]).resolve(), found["line"], found["name"], found["description"])


# ------------------------------------------------------------------------------------------------------------------ ty


def _ty_arguments(job: Job) -> list[str]:
    path = job.scratch / "ty.toml"
    path.write_text("[rules]\n", encoding="utf-8")
    return [
        "check",
        f"--config-file={path}",
        "--project",
        str(job.scratch),
        "--output-format=gitlab",
        "--error-on-warning",
        "--error=all",  # ty has no strict mode; this is what comes nearest
        "--no-progress",
        f"--python-version={_VERSION}",
        f"--python={sys.prefix}",
        "--no-respect-ignore-files",
        *(f"--extra-search-path={root}" for root in job.roots),
        *map(str, job.targets),
    ]


def _parse_ty(output: str, base: Path) -> Iterator[Diagnostic]:
    for found in json.loads(output):
        place = found["location"]
        line = place["positions"]["begin"]["line"]
        message = found["description"].removeprefix(f"{found['check_name']}: ")
        yield Diagnostic((base / place["path"]).resolve(), line, found["check_name"], message)


# --------------------------------------------------------------------------------------------------------------- zuban


def _zuban_arguments(job: Job) -> list[str]:
    path = job.scratch / "zuban.ini"
    path.write_text("[mypy]\n", encoding="utf-8")
    return [
        "check",
        f"--config-file={path}",
        "--strict",
        "--no-error-summary",
        "--no-pretty",
        f"--python-version={_VERSION}",
        f"--python-executable={sys.executable}",
        *(f"--extra-search-path={root}" for root in job.roots),
        *map(str, job.targets),
    ]


def _parse_zuban(output: str, base: Path) -> Iterator[Diagnostic]:
    for line in output.splitlines():
        found = _ZUBAN_ERROR.fullmatch(line)
        if found is not None:
            yield Diagnostic((base / found["path"]).resolve(), int(found["line"]), found["rule"], found["message"])


_ZUBAN_ERROR: Final = re.compile(r"(?P<path>[^:]+):(?P<line>\d+): error: (?P<message>.*?)  \[(?P<rule>[a-z-]+)\]")

# ---------------------------------------------------------------------------------------------------------------------


def _module(name: str) -> tuple[str, ...]:
    return (sys.executable, "-m", name)


_TOOLS: Final[Mapping[Checker, _Tool]] = {
    "mypy": _Tool(_module("mypy"), _mypy_arguments, _mypy_environment, _parse_mypy),
    "pyright": _Tool(_module("pyright"), _pyright_arguments, _nothing, _parse_pyright),
    "basedpyright": _Tool(_module("basedpyright"), _pyright_arguments, _nothing, _parse_pyright),
    "pyrefly": _Tool(_module("pyrefly"), _pyrefly_arguments, _nothing, _parse_pyrefly),
    "ty": _Tool(_module("ty"), _ty_arguments, _nothing, _parse_ty),
    # It has no __main__; pip puts the program beside the interpreter.
    "zuban": _Tool((str(Path(sys.executable).with_name("zuban")),), _zuban_arguments, _nothing, _parse_zuban),
}
