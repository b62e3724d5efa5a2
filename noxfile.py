"""Every check of this project: `nox` runs those of `nox.options.sessions`, `nox -l` lists all, `nox -s tests` runs one.

Nox prints how long each session took. What follows a `--` goes to the session's tool: `nox -s tests -- -k ledger -x`.
"""

import functools
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import nox
from nox.logger import logger
from nox.project import dependency_groups, load_toml, python_versions

ROOT = Path(__file__).parent
PROJECT = load_toml(ROOT / "pyproject.toml")
DECLARED = python_versions(PROJECT)
SUPPORTED = [version for version in DECLARED if not version.endswith("t")]
TYPED = ("pyventus_typed", "tests", "docs", "noxfile.py", "hatch_build.py")
EXTRAS = "[cli,testing,nats,nats-server,opentelemetry,postgresql]"
WORKERS = (os.cpu_count() or 1) + 1  # one more than there are cores: some tests wait for processes
# Typing cases are programs for the type checkers, so they are judged in `types`.
# Who is done takes over what is left of others: else one process has the last minutes to itself.
PYTEST = ("python", "-m", "pytest", f"--numprocesses={WORKERS}", "--dist=worksteal", "--ignore=tests/typing")


def is_usable(version: str) -> bool:
    """Whether `pythonX.Y`, or `pythonX.Yt`, is there and is what it says: a shim of pyenv may only answer "command not found"."""
    found = shutil.which(f"python{version}")
    if found is None:
        return False
    ask = "import ensurepip, sys, venv; print('%d.%d' % sys.version_info[:2] + 't' * ('free-threading' in sys.version))"
    answer = subprocess.run([found, "-c", ask], capture_output=True, text=True, check=False)
    return answer.stdout.strip() == version


THIS = "{}.{}{}".format(*sys.version_info[:2], "t" * ("free-threading" in sys.version))
MISSING = [version for version in DECLARED if version != THIS and not is_usable(version)]
# A machine says which Pythons it is meant to have, as "3.12 3.13": for these the session stands in the list even if they
# are missing, and nox makes an error of it. A machine that promises none tests on those that it finds.
PROMISED = os.environ.get("PYVENTUS_PYTHONS", "").replace(",", " ").split()
if undeclared := [version for version in PROMISED if version not in DECLARED]:
    sys.exit(
        f"PYVENTUS_PYTHONS={' '.join(PROMISED)} names {', '.join(undeclared)}, and pyproject.toml declares "
        f"{', '.join(DECLARED)}. Add a classifier, or correct the variable."
    )
OTHERS = [version for version in SUPPORTED if version != THIS and (version in PROMISED or version not in MISSING)]
FREE_THREADED = [
    version for version in DECLARED if version.endswith("t") and (version in PROMISED or is_usable(version))
]
if MISSING:
    logger.warning(
        f"Declared in pyproject.toml, and not found here as pythonX.Y: Python {', '.join(MISSING)}. "
        "Nothing is tested on it; with its version in PYVENTUS_PYTHONS that is an error."
    )

nox.needs_version = ">=2025.5.1"
nox.options.default_venv_backend = "venv"
nox.options.error_on_missing_interpreters = True  # of those that stand in the list
nox.options.sessions = ["lint", "types", "tests", *(f"others-{version}" for version in OTHERS), "cover", "docs"]


# ---------------------------------------------------------------- what the sessions share


def install(session: nox.Session, *groups: str, package: Sequence[str] = ()) -> None:
    """Install dependency groups (pip on a fresh machine knows no `--group`), and the package as pip is told."""
    session.install("-q", *package, *dependency_groups(PROJECT, *groups))


@functools.cache
def wheel() -> str:
    """Build the wheel, once for all sessions, and return it with its extras, as pip takes it.

    If PYVENTUS_WHEEL names the folder of one that was built before, it is that one: what is tested is what is published.
    """
    given = os.environ.get("PYVENTUS_WHEEL")
    folder = Path(given).resolve() if given else ROOT / ".nox" / "wheel"
    if not given:
        shutil.rmtree(folder, ignore_errors=True)
        pip = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--wheel-dir", str(folder), str(ROOT)]
        subprocess.run(pip, check=True)
    (built,) = folder.glob("*.whl")
    return f"{built}{EXTRAS}"


@contextmanager
def away_from_the_checkout(session: nox.Session) -> Iterator[None]:
    """Go to a copy of the project without the package, so that nothing but the installed wheel can be imported."""
    with tempfile.TemporaryDirectory(prefix="pyventus-typed-") as folder:
        copy = Path(folder, "house")
        hidden = (".[!g]*", ".git", ".gitignore")  # all of them but .github, which tests read
        shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns("pyventus_typed", *hidden, "__pycache__", "_build"))
        with session.chdir(copy):
            session.run("python", "-c", "import pyventus_typed as it; assert 'site-packages' in it.__file__, it")
            yield


# ---------------------------------------------------------------- the sessions of every change


@nox.session
def lint(session: nox.Session) -> None:
    """Ruff: its rules and its format."""
    install(session, "lint")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Mypy, strict, on all that is typed, as the oldest and the newest Python see it; then the typing cases, six checkers."""
    install(session, "types", "tests", "nox", "docs", package=[wheel()])
    for version in (SUPPORTED[0], SUPPORTED[-1]):
        session.run("mypy", "--python-version", version, *TYPED)
    session.run("python", "-m", "pytest", f"--numprocesses={WORKERS}", "tests/typing", *session.posargs)


@nox.session
def tests(session: nox.Session) -> None:
    """All tests on this interpreter, against the installed wheel."""
    install(session, "tests", package=[wheel()])
    with away_from_the_checkout(session):
        session.run(*PYTEST, *session.posargs)


@nox.session(python=OTHERS)
def others(session: nox.Session) -> None:
    """The same on every other supported interpreter that works here, with fewer examples for each property."""
    install(session, "tests", package=[wheel()])
    with away_from_the_checkout(session):
        session.run(*PYTEST, "--hypothesis-profile=quick", *session.posargs)


@nox.session
def cover(session: nox.Session) -> None:
    """Branch coverage of the checkout: what no test reaches."""
    install(session, "tests", "cover", package=["-e", f".{EXTRAS}"])
    session.run("coverage", "erase")
    # Pages, examples and CPython's own tests reach nothing that our tests do not: they are judged in `tests`. So are those of
    # `nats`, whose processes are killed before they can say what they reached.
    elsewhere = (
        "tests/edges/nats",
        "tests/docs",
        "tests/examples",
        "tests/peers",
        "tests/benchmarks",
        "tests/edges/testing/test_fidelity.py",
        "tests/edges/testing/test_plugin.py",  # runs pytest in processes of its own
        "tests/edges/testing/test_zoo.py",
    )
    # To read the whole standard library under a tracer takes a minute, and reaches what a few files reach.
    whole = "--deselect=tests/edges/cli/test_demo.py::test_the_standard_library_is_read_whole"
    ignored = [*(f"--ignore={path}" for path in elsewhere), whole]
    session.run("coverage", "run", "-m", *PYTEST[2:], "--hypothesis-profile=quick", *ignored, *session.posargs)
    session.run("coverage", "combine", "-q")
    session.run("coverage", "report", "--omit=*/pyventus_typed/nats/*")


@nox.session
def docs(session: nox.Session) -> None:
    """The site, in docs/_build/html: every name, link and anchor is found, and nothing is fetched."""
    install(session, "docs", package=[wheel()])
    shutil.rmtree(ROOT / "docs" / "_build", ignore_errors=True)
    session.run("sphinx-build", "-b", "html", "-n", "-W", "--keep-going", "-q", "docs", "docs/_build/html")
    session.run("python", "docs/check_links.py", "docs/_build/html")


# ---------------------------------------------------------------- sessions on demand


@nox.session
def workflows(session: nox.Session) -> None:
    """What CI is told: actionlint its form (it comes from GitHub), zizmor what an attacker could do with it."""
    install(session, "workflows")
    session.run("actionlint")
    session.run("zizmor", "--offline", ".github")


@nox.session
def mutants(session: nox.Session) -> None:
    """Break the core in one place at a time; the suite must notice."""
    install(session, "tests", package=["-e", f".{EXTRAS}"])
    session.run("python", "-m", "tests.mutants.run", *session.posargs)


@nox.session
def type_mutants(session: nox.Session) -> None:
    """Weaken one signature at a time; each type checker must notice."""
    install(session, "types", "tests", package=[wheel()])
    session.run("python", "tests/typing/mutate.py", *session.posargs)


@nox.session
def oldest_checkers(session: nox.Session) -> None:
    """The typing cases under the oldest type checkers that we support."""
    install(session, "tests", package=[wheel()])
    oldest = (
        "mypy==1.16.0",
        "pyright[nodejs]==1.1.400",
        "basedpyright==1.39.0",
        "pyrefly==1.5.0",
        "ty==0.0.95",
        "zuban==0.10.2",
    )
    session.install("-q", *oldest)
    session.run("python", "-m", "pytest", "tests/typing/test_cases.py", "--older-checkers")


@nox.session(python="3.13" if "3.13" in OTHERS else None)
def compare_types(session: nox.Session) -> None:
    """Twenty-two mistakes, nine libraries, six type checkers."""
    install(session, "types", "peers", package=[wheel()])
    session.run("python", "benchmarks/typing/compare.py", *session.posargs)


@nox.session
def scale_types(session: nox.Session) -> None:
    """What 84 and 252 events cost each type checker; `-- --write` puts the table into the page."""
    install(session, "types", package=["-e", "."])
    session.run("python", "benchmarks/typing/scale.py", *session.posargs)


@nox.session
def soak(session: nox.Session) -> None:
    """Fifty times the examples, and a million emissions, and 200,000 events over NATS, with flat memory."""
    install(session, "tests", package=["-e", f".{EXTRAS}"])
    session.run("python", "tests/mutants/soak.py")
    session.run("python", "-m", "tests.mutants.soak_nats")
    session.run("python", "-m", "pytest", "--hypothesis-profile=soak", "--timeout=0", "tests/properties")


@nox.session(python=FREE_THREADED or None)
def stress(session: nox.Session) -> None:
    """Threads at each promise that names them, for an hour: on each free-threaded Python here, or on this one."""
    install(session, "pytest", package=[wheel().removesuffix(EXTRAS)])
    with away_from_the_checkout(session):
        programs = ("tests/processors/test_stress.py", "tests/processors/test_preempted.py")
        session.run("python", "-m", "pytest", "--timeout=0", *programs, *session.posargs, env={"PYVENTUS_STRESS": "30"})


@nox.session
def zoo(session: nox.Session) -> None:
    """The correct twins of the zoo, under 10,000 schedules each."""
    install(session, "tests", package=[wheel()])
    session.run(
        *PYTEST, "--timeout=600", "tests/edges/testing/test_zoo.py", "-k", "twin", env={"ZOO_SCHEDULES": "10000"}
    )


@nox.session
def chaos(session: nox.Session) -> None:
    """The NATS tests that kill things, twenty times with other moments."""
    install(session, "tests", package=[wheel()])
    chance = {"PYVENTUS_CHAOS": "20", "PYVENTUS_CHAOS_BASE": str(random.randrange(10**6))}
    with away_from_the_checkout(session):
        session.run("python", "-m", "pytest", "-n2", "tests/edges/nats", "-k", "seed", *session.posargs, env=chance)


@nox.session
def bench(session: nox.Session) -> None:
    """The table: us, the limit and nine peers, side by side. `nox -s bench -- --rows sync-1 --quick`."""
    install(session, "bench", package=["-e", "."])
    session.run("python", "-m", "benchmarks", *session.posargs)


@nox.session
def instructions(session: nox.Session) -> None:
    """Instructions for each emission, counted by valgrind, against the baseline; `-- --write` makes a new one."""
    install(session, package=["-e", "."])
    session.run("python", "-m", "benchmarks.instructions", *session.posargs)


@nox.session
def migration(session: nox.Session) -> None:
    """The page about moving from pyventus, with FastAPI, Celery and RQ."""
    install(session, "tests", "migration", package=[wheel()])
    with away_from_the_checkout(session):
        session.run("python", "-m", "pytest", "tests/docs/test_migration.py", *session.posargs)
