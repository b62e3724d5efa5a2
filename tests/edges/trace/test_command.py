"""``trace`` as a command: what it shows, exit codes, and messages without tracebacks."""

import errno
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyventus_typed._install import install_command
from pyventus_typed.cli import main
from tests.programs import run_python

SHOP = """
import asyncio, sys
from dataclasses import dataclass
from pyventus_typed import Event, Linker, asyncio_emitter

@dataclass(frozen=True)
class Ordered(Event):
    n: int

linker: Linker[Ordered] = Linker()
emitter = asyncio_emitter(linker)

@linker.on(Ordered)
async def ship(event: Ordered) -> None:
    await asyncio.sleep(0)

emitter.emit(Ordered(0))

def plain(): emitter.emit(Ordered(1))
async def loop():
    emitter.emit(Ordered(2))
    await emitter.wait_for_tasks()
def nothing(): pass
def fails():
    plain()
    raise LookupError("gone")
def exits(code=0):
    plain()
    sys.exit(code)
def exits_badly(): exits("fatal: no database")
def exits_with_code(): exits(3)
def generator(): yield plain()
async def async_generator(): yield plain()
def interrupted():
    plain()
    raise KeyboardInterrupt
def needs(argument): pass
number = 3
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    (tmp_path / "shop.py").write_text(SHOP)
    (tmp_path / "broken.py").write_text("1 / 0\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("shop", "broken"):
        sys.modules.pop(name, None)  # another test of this process may have one of that name
    yield tmp_path
    for name in ("shop", "broken"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize(("function", "event"), [("plain", "Ordered(n=1)"), ("loop", "Ordered(n=2)")])
def test_a_function_is_run_and_what_it_emits_is_shown_as_a_tree(
    function: str, event: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["trace", f"shop:{function}"]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[0] == "1 emission, 1 delivery: 1 completed"
    assert out.splitlines()[1].startswith(f"└── {event} at 0")
    assert out.splitlines()[2].startswith("    └── ✓ shop.ship")
    assert err == ""


@pytest.mark.parametrize("name", ["shop.html", "shop.json"])
def test_it_is_written_to_a_file(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trace", "-o", name, "shop:plain"]) == 0
    assert "Ordered(n=1)" in Path(name).read_text("utf-8")
    assert capsys.readouterr().out == f"{name}: 1 emission, 1 delivery: 1 completed\n"


@pytest.mark.parametrize(
    ("function", "code", "says"),
    [
        ("fails", 1, "shop:fails failed: shop.py:26: LookupError: gone"),
        ("exits", 0, ""),
        ("exits_badly", 1, "shop:exits_badly failed: shop.py:29: SystemExit: fatal: no database"),
        ("exits_with_code", 1, ""),
        ("interrupted", 130, ""),
    ],
)
def test_what_was_recorded_is_shown_however_the_function_ends(
    function: str, code: int, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["trace", f"shop:{function}"]) == code
    out, err = capsys.readouterr()
    assert "Ordered(n=1)" in out
    assert err == (f"python -m pyventus_typed trace: {says}\n" if says else "")


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["shop"], 2, "shop: write MODULE:FUNCTION, such as shop.main:run."),
        (["shop.py:plain"], 2, "write the module's name, shop:plain."),
        (["nope:plain"], 2, "there is no module 'nope'"),
        (["broken:plain"], 2, "broken cannot be imported: broken.py:1: ZeroDivisionError"),
        (["shop:nope"], 2, "the module has no 'nope'."),
        (["shop:number"], 2, "this is not a function but an int."),
        (["shop:Ordered"], 2, "this is not a function but a class."),
        (
            ["shop:needs"],
            2,
            "called without arguments, and that is not enough: missing a required argument: 'argument'.",
        ),
        (["-o", "a.svg", "shop:plain"], 2, "'a.svg' ends neither in .html (a page) nor in .json"),
        (["-o", "no/a.html", "shop:plain"], 2, "'no/a.html' cannot be written: there is no directory 'no'."),
        (
            ["shop:generator"],
            2,
            "shop:generator returned a generator, and nothing of that was run. Name a function that",
        ),
        (["shop:async_generator"], 2, "shop:async_generator returned an async generator, and nothing of that was run."),
        (["shop:nothing"], 1, "shop:nothing emitted nothing to an AsyncIOProcessor, so there is nothing to show."),
    ],
)
def test_what_cannot_be_shown_is_said_in_one_sentence(
    arguments: list[str], code: int, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["trace", *arguments]) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("python -m pyventus_typed trace: ")
    assert says in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("is_there", [False, True])
def test_a_file_that_cannot_be_written_is_named_before_anything_runs(
    *, is_there: bool, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(
        _self: Path, *_how: object
    ) -> object:  # a folder without permissions refuses nothing to an administrator
        raise OSError(errno.EACCES, "Permission denied", "shop.html")

    if is_there:
        (folder / "shop.html").write_text("before")
    with monkeypatch.context() as patched:
        patched.setattr(Path, "open", refuse)
        assert main(["trace", "-o", "shop.html", "shop:plain"]) == 2
    assert capsys.readouterr() == (
        "",
        "python -m pyventus_typed trace: 'shop.html' cannot be written: Permission denied.\n",
    )
    assert "shop" not in sys.modules
    # Where it can be written, the look at it leaves it as it is.
    assert main(["trace", "-o", "shop.html", "shop:nothing"]) == 1
    assert [file.read_text() for file in folder.glob("*.html")] == ["before"] * is_there


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no disk here that is always full")
def test_a_disk_that_is_full_in_the_end_is_said_with_the_name_of_the_file(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "full.html").symlink_to("/dev/full")
    assert main(["trace", "-o", "full.html", "shop:plain"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err == (
        "python -m pyventus_typed trace: 'full.html' cannot be written: No space left on device. "
        "1 emission, 1 delivery: 1 completed\n"
    )


def test_an_error_of_the_system_is_said_with_the_name_of_the_file(folder: Path) -> None:
    (folder / "main.py").write_text(
        "import sys\n"
        "from pyventus_typed.trace import _cli\n"
        "_cli.load_function = lambda _: open('there.is.none')\n"
        "from pyventus_typed.cli import main\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    ended = run_python("main.py", "trace", "shop:plain", cwd=folder)
    assert (ended.code, ended.stderr) == (1, "python -m pyventus_typed: there.is.none: No such file or directory\n")


def test_without_rich_it_says_what_to_install_and_a_page_needs_none(folder: Path) -> None:
    (folder / "without.py").write_text(
        "import sys; from importlib.abc import MetaPathFinder\n"
        "class No(MetaPathFinder):\n"
        "    def find_spec(self, name, path, target=None):\n"
        "        if name == 'rich': raise ModuleNotFoundError('No module named rich', name='rich')\n"
        "sys.meta_path.insert(0, No())\n"
        "from pyventus_typed.cli import main\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    refused = run_python("without.py", "trace", "shop:plain", cwd=folder)
    assert (refused.code, refused.stdout) == (2, "")
    assert refused.stderr.endswith(f"Run: {install_command('cli')}, or write a page with -o FILE.html.\n")
    assert run_python("without.py", "trace", "-o", "a.html", "shop:plain", cwd=folder).code == 0
