"""`python -m pyventus_typed demo`, on folders with known contents."""

import os
import pty
import re
import signal
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from pyventus_typed import Emitter, Linker
from pyventus_typed._install import install_command
from pyventus_typed.cli.demo.events import DirectoryFound, FileFound, ModuleParsed, ParseFailed
from pyventus_typed.cli.demo.report import Report
from tests.programs import ROOT, Ended, hear_ctrl_c, run_python


def demo(*arguments: str | Path, env: dict[str, str] | None = None) -> Ended:
    ended = run_python("-m", "pyventus_typed", "demo", *map(str, arguments), env=env)
    assert "Traceback" not in ended.stdout + ended.stderr
    return ended


def tally(stdout: str) -> dict[str, int]:
    """Read the tally, and see that it adds up."""
    found = re.search(r"^ *(accepted .*)\n(.*)$", stdout, flags=re.MULTILINE)
    assert found is not None, stdout
    names, numbers = found.groups()
    counts = [int(number.replace(",", "")) for number in re.findall(r"[\d,]+", numbers)]
    read = dict(zip(re.findall(r"[a-z]+", names), counts, strict=True))
    assert read["accepted"] == read["completed"] + read["failed"] + read["cancelled"] + read["discarded"]
    return read


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A class with a method, a function, three imports, of which one is relative, and two files that are no Python."""
    (tmp_path / "sub").mkdir()
    (tmp_path / "large.py").write_text(
        "import os, json\nclass A:\n    def m(self):\n        from os import path\n" + "#\n" * 50
    )
    (tmp_path / "sub" / "small.py").write_text("from . import other\nimport os\nasync def f(): ...\n")
    (tmp_path / "sub" / "broken.py").write_text("x = 1\ndef :\n")
    (tmp_path / "sub" / "latin.py").write_bytes(b"name = '\xe9'\n")
    (tmp_path / "notes.txt").write_text("def no_python(): ...\n")
    return tmp_path


def test_files_definitions_and_imports_are_counted(package: Path) -> None:
    shown = demo(package)
    assert (shown.code, shown.stderr) == (0, "")
    assert "Files: 4   Lines: 57   Classes: 1   Functions: 2   Failed: 2\n" in shown.stdout


def row(stdout: str, *cells: str) -> bool:
    """Whether a table has a row of exactly these cells."""
    return re.search(rf"^ *{' +'.join(map(re.escape, cells))} *$", stdout, flags=re.MULTILINE) is not None


def test_the_largest_modules_come_first(package: Path) -> None:
    stdout = demo(package).stdout
    assert row(stdout, "large.py", "54")
    assert row(stdout, "sub/small.py", "3")
    assert stdout.index("large.py") < stdout.index("sub/small.py")


def test_a_module_is_as_popular_as_the_number_of_files_that_import_it(package: Path) -> None:
    stdout = demo(package).stdout
    assert row(stdout, "os", "2")
    assert row(stdout, "json", "1")


def test_a_relative_import_is_not_counted(package: Path) -> None:
    assert not row(demo(package).stdout, ".", "1")


def test_a_file_that_does_not_parse_is_named_with_its_reason(package: Path) -> None:
    stdout = demo(package).stdout
    assert row(stdout, "sub/broken.py", "line 2: invalid syntax")
    said = r"can't decode byte 0xe9|Non-UTF-8 code starting with '\\xe9'"  # the latter since Python 3.15
    assert re.search(rf"sub/latin\.py +line 1: .*({said})", stdout)


def test_the_tally_adds_up_and_what_failed_is_in_it(package: Path) -> None:
    read = tally(demo(package).stdout)
    # 2 directories, 4 files, 4 outlines of them, 2 modules, 3 definitions, 5 imports, 2 files that do not parse: of
    # these two the request failed, and the event whose handler asked.
    assert read == {"accepted": 22, "completed": 18, "failed": 4, "cancelled": 0, "discarded": 0}


def test_one_file_can_be_read_too(package: Path) -> None:
    assert "Files: 1   Lines: 3   " in demo(package / "sub" / "small.py").stdout


def test_a_path_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    missing = demo(tmp_path / "nowhere")
    assert (missing.code, missing.stdout) == (2, "")
    assert f"'{tmp_path}/nowhere': No such file or directory." in missing.stderr


@pytest.mark.parametrize("name", ["notes.txt", "."])
def test_a_path_without_python_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "notes.txt").write_text("nothing\n")
    empty = demo(tmp_path / name)
    assert (empty.code, empty.stdout) == (2, "")
    assert "holds no Python file" in empty.stderr


def test_an_empty_path_is_not_the_current_directory() -> None:
    assert demo("").code == 2


def test_without_rich_it_says_how_to_get_it(tmp_path: Path) -> None:
    # What Python does when a package is not there, in a process where the package is there.
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['rich'] = None\n")
    refused = demo(env={"PYTHONPATH": str(tmp_path)})
    assert (refused.code, refused.stdout) == (2, "")
    assert refused.stderr.endswith(f"Run: {install_command('cli')}\n")


def test_names_that_would_draw_on_the_terminal_are_escaped(tmp_path: Path) -> None:
    for name in (b"\x1b[31mred.py", b"two\nlines.py", b"\xff.py", b"[bold].py", "é.py".encode()):
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).write_text("def :\n")
    shown = demo(tmp_path, env={"PYTHONIOENCODING": "ascii"})
    assert (shown.code, shown.stderr) == (0, "")
    for escaped in (r"\x1b[31mred.py", r"two\nlines.py", r"\udcff.py", "[bold].py", r"\xe9.py"):
        assert escaped in shown.stdout


def test_links_and_pipes_neither_loop_nor_hang(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("import os\n")
    (tmp_path / "back").symlink_to(tmp_path)
    (tmp_path / "gone.py").symlink_to(tmp_path / "nowhere.py")
    os.mkfifo(tmp_path / "pipe.py")
    stdout = demo(tmp_path).stdout
    assert "Files: 2   Lines: 1   " in stdout
    assert row(stdout, "gone.py", "No such file or directory")


def test_a_reader_that_goes_away_is_no_error() -> None:
    command = f"{sys.executable} -m pyventus_typed demo docs/examples | head -c 1"
    ended = subprocess.run(command, shell=True, cwd=ROOT, capture_output=True, encoding="utf-8", check=True)
    assert ended.stderr == ""


@pytest.mark.timeout(300)
def test_the_standard_library_is_read_whole() -> None:
    library = Path(sysconfig.get_path("stdlib"))
    everything = (path.relative_to(library) for suffix in ("*.py", "*.pyw") for path in library.rglob(suffix))
    files = sum(path.parts[0] not in {"site-packages", "dist-packages"} for path in everything)
    shown = demo()
    assert shown.stdout.startswith(f"Files: {files:,}   ")
    assert tally(shown.stdout)["accepted"] > 10 * files


def test_on_a_terminal_it_shows_progress_and_after_ctrl_c_the_tally_still_adds_up() -> None:
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "pyventus_typed", "demo"],
        cwd=ROOT,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        preexec_fn=hear_ctrl_c,
    ) as program:
        os.close(theirs)
        try:
            shown = screen(ours, until=r"Reading \S* *[1-9]\d*/\d+ files")
            program.send_signal(signal.SIGINT)
            shown += screen(ours)
        except BaseException:
            program.kill()  # if it hangs, the test shall not
            raise
    os.close(ours)
    assert program.returncode == 130
    assert "Traceback" not in shown
    # What the table counts was read, and the rest of what was found is said not to have been.
    interrupted = re.search(r"Interrupted: ([\d,]+) of ([\d,]+)\s+files\s+found", shown)
    files = re.search(r"^Files: ([\d,]+) ", shown, re.MULTILINE)
    assert interrupted is not None, shown
    assert files is not None, shown
    unread, found, read = (int(number.replace(",", "")) for number in (*interrupted.groups(), files[1]))
    assert unread > 0
    assert found == unread + read
    ends = tally(shown)
    assert ends["cancelled"] + ends["discarded"] > 0


def test_only_what_was_read_is_counted_as_a_file() -> None:
    linker, report = Linker(), Report()
    linker.bind(report)
    emitter = Emitter(linker)
    one, two, broken = (FileFound(Path(f"{name}.py")) for name in ("one", "two", "broken"))
    for event in (one, two, broken, ModuleParsed(one.path, 3), ParseFailed(broken, "line 1: no"), LOCKED):
        emitter.emit(event)
    assert (report.found, report.files, len(report.failures)) == (3, 2, 2)


LOCKED = ParseFailed(DirectoryFound(Path("locked")), "Permission denied")

# Python imports this module first of all. It presses Ctrl-C when the named one is imported.
PRESS = """
import os, signal, sys
class Press:
    def find_spec(self, name, path=None, target=None):
        if name == os.environ["PRESS_CTRL_C_AT"]:
            sys.meta_path.remove(self)
            os.kill(os.getpid(), signal.SIGINT)
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.meta_path.insert(0, Press())
"""


@pytest.mark.parametrize(
    "module",
    [
        "pyventus_typed.errors",
        "asyncio",
        "pyventus_typed.processors._sync",
        "pyventus_typed.cli",
        "pyventus_typed.cli._main",
        "argparse",
        "pyventus_typed.cli.demo.command",
        "rich.console",
        "rich.progress",
        "pyventus_typed.cli.demo.handlers",
    ],
)
def test_ctrl_c_while_the_command_is_still_imported_is_quiet(module: str, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(PRESS)
    ended = demo("docs/examples", env={"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}", "PRESS_CTRL_C_AT": module})
    # Python imports the package before any code of the command runs. The shell says 130 in both cases.
    early = not module.startswith("pyventus_typed.cli") and module not in {"argparse", "rich.console", "rich.progress"}
    assert (ended.code, ended.stdout, ended.stderr) == (-signal.SIGINT if early else 130, "", "")


def screen(terminal: int, until: str | None = None) -> str:
    """Read what a program writes on its *terminal*, without colours, until it shows a pattern or ends."""
    written = b""
    while True:
        shown = re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", written.decode(errors="replace")).replace("\r\n", "\n")
        if until is not None and re.search(until, shown):
            return shown
        try:
            written += os.read(terminal, 4096)
        except OSError:  # Linux: the other end is closed
            return shown
