"""``check`` as a command: exit codes, messages without tracebacks, and what goes to which stream."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from pyventus_typed.cli import main

SOUND = ["sound.wiring:orders", "sound.wiring:mail"]


def command(*arguments: str) -> int:
    return main(["check", *arguments])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The current directory of the user; modules that a test writes there are forgotten after it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def write(folder: Path, name: str, *lines: str) -> None:
    (folder / f"{name}.py").write_text("\n".join(lines) + "\n")


def test_a_sound_shop_ends_with_0(capsys: pytest.CaptureFixture[str]) -> None:
    assert command(*SOUND) == 0
    assert "0 faults, 0 notes; 4 events, 4 handlers checked" in capsys.readouterr().out


def test_faults_end_with_1_and_are_printed_as_file_line_rule(
    capsys: pytest.CaptureFixture[str], shops: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(shops)
    assert command("faulty.wiring:linker", "--family", "faulty.events:OrderEvent") == 1
    out, err = capsys.readouterr()
    assert re.search(r"^faulty/events\.py:\d+: mutable: OrderPlaced\.lines holds a list", out, re.MULTILINE)
    assert err == ""


def test_notes_alone_end_with_0(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(
        folder,
        "loops",
        "from dataclasses import dataclass",
        "from pyventus_typed import Emitter, Event, Linker",
        "@dataclass(frozen=True)",
        "class Tick(Event): ...",
        "linker = Linker()",
        "emitter = Emitter(linker)",
        "linker.subscribe(Tick, lambda tick: emitter.emit(Tick()))",
    )
    assert command("loops:linker") == 0
    assert "loops.py:7: note: these trigger each other: Tick -> lambda -> Tick" in capsys.readouterr().out


@pytest.mark.parametrize("family", [["sound.events:Family"], ["sound.events:Placed", "--family", "sound.events:Paid"]])
def test_a_family_is_an_alias_or_given_in_several_parts(family: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert command("sound.wiring:mail", "--family", *family) == 1
    assert "unhandled: no handler receives Placed" in capsys.readouterr().out


def test_a_graph_is_alone_on_stdout_and_the_findings_are_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["faulty.wiring:linker", "--family", "faulty.events:OrderEvent"]
    assert command(*arguments, "--format", "svg") == 1
    out, err = capsys.readouterr()
    assert ET.fromstring(out).tag.endswith("svg")
    assert "unhandled: no handler receives OrderLost" in err
    assert command(*arguments, "--format", "json") == 1
    assert json.loads(capsys.readouterr().out)["faults"]
    assert command(*arguments, "--format", "mermaid") == 1
    assert capsys.readouterr().out.startswith("flowchart LR\n")


def test_what_a_module_prints_does_not_end_up_in_a_graph(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(
        folder, "loud", "from pyventus_typed import *", "print('loud')", "linker = Linker()", "linker.on(Event)(print)"
    )
    command("loud:linker", "--format", "json")
    out, err = capsys.readouterr()
    assert json.loads(out)["handlers"][0]["name"] == "print"
    assert "loud" in err


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["x = = 1"], "broken cannot be imported: broken.py:1: SyntaxError: invalid syntax"),
        (["", "1 / 0"], "broken cannot be imported: broken.py:2: ZeroDivisionError: division by zero"),
        (["raise SystemExit(0)"], "broken cannot be imported: broken.py:1: SystemExit: 0"),
        (["import nowhere_to_be_found"], "broken cannot be imported: broken.py:1: No module named 'nowhere_to"),
        (["import json", "json.loads('x')"], "broken cannot be imported: broken.py:2: JSONDecodeError: Expecting"),
        (["class E(BaseException):", "    def __str__(self): 1 / 0", "raise E"], "broken.py:3: E: (its message"),
        (["def __getattr__(name): raise OSError(name)"], "'linker' raised OSError: linker"),
        (["linker = 3"], "broken:linker: this is not a Linker but an int. broken holds no linker."),
        (["def linker(): ..."], "broken:linker: this is not a Linker but a function"),
        (
            ["from pyventus_typed import *", "import pyventus_typed as p", "mine = p.Linker()"],
            "Did you mean broken:mine?",
        ),
        (
            ["import pyventus_typed as p", "mine = p.Linker()", "linker = p.Emitter(mine)"],
            "this is an Emitter; name the Linker that it was made with. Did you mean broken:mine?",
        ),
    ],
)
def test_a_module_that_cannot_be_used_ends_with_2_and_one_sentence(
    folder: Path, capsys: pytest.CaptureFixture[str], lines: list[str], message: str
) -> None:
    write(folder, "broken", *lines)
    assert command("broken:linker") == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("python -m pyventus_typed check: broken:linker: ")
    assert message in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("nowhere_at_all:linker", "there is no module 'nowhere_at_all'; it was looked for in "),
        ("sound.nowhere:linker", "there is no module 'sound.nowhere'"),
        ("sound.wiring", "write MODULE:LINKER, such as shop.wiring:linker. Did you mean sound.wiring:orders or"),
        ("sound.wiring:", "write MODULE:LINKER"),
        (":linker", "write MODULE:LINKER"),
        ("shop/wiring.py:linker", "this is the path of a file; write the module's name, shop.wiring:linker."),
        (r"shop\wiring.py:linker", "this is the path of a file; write the module's name, shop.wiring:linker."),
        ("sound.wiring:orders.none", "the Linker has no 'none'. Did you mean sound.wiring:orders"),
        ("..shop:linker", "'..shop' is not the name of a module."),
        ("json:linker", "the module has no 'linker'. json holds no linker."),
    ],
)
def test_a_target_that_names_nothing_ends_with_2_and_the_way_out(
    target: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(target) == 2
    assert f"check: {target}: {message}" in capsys.readouterr().err


def test_a_family_that_is_none_ends_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert command(*SOUND, "--family", "sound.wiring:emitter") == 2
    assert "check: A family is an event class" in capsys.readouterr().err
    assert command(*SOUND, "--family", "sound.events:Nothing") == 2
    assert "check: sound.events:Nothing: the module has no 'Nothing'." in capsys.readouterr().err


def test_a_module_is_found_in_the_current_directory(folder: Path) -> None:
    write(folder, "here", "from sound.events import Paid", "from pyventus_typed import Linker", "linker = Linker()")
    with (folder / "here.py").open("a") as file:
        file.write("linker.subscribe(Paid, print)\n")
    program = (
        "import sys; from pyventus_typed.cli import main; "
        "sys.path = [path for path in sys.path if path]; "
        "sys.exit(main(['check', 'here:linker']))"
    )
    project = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, "-c", program],
        check=False,
        capture_output=True,
        text=True,
        cwd=folder,
        env={"PYTHONPATH": f"{project}{os.pathsep}{Path(__file__).parent / 'shops'}", "PATH": ""},
        timeout=50,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_our_own_demo_has_no_fault(capsys: pytest.CaptureFixture[str]) -> None:
    assert command("pyventus_typed.cli.demo.handlers:linker") == 0
    assert re.search(r"-> read .*, emits Outline, ", capsys.readouterr().out)


# ---------------------------------------------------------------- handlers in modules that nothing imports
BUS = [
    "from dataclasses import dataclass",
    "from pyventus_typed import Event, Linker",
    "@dataclass(frozen=True)",
    "class Paid(Event): ...",
    "@dataclass(frozen=True)",
    "class Lost(Event): ...",
    "linker = Linker[Paid | Lost]()",
    "plain = Linker()",
]
ADVICE = (
    "Nothing is subscribed to what was checked. Import the modules that hold the handlers first "
    "(in a terminal: --import MODULE)."
)


@pytest.fixture
def app(folder: Path) -> Path:
    write(folder, "bus", *BUS)
    write(folder, "ship", "import bus", "@bus.linker.on(bus.Paid)", "def ship(event): ...")
    write(folder, "find", "import bus", "@bus.linker.on(bus.Lost)", "def find(event): ...")
    return folder


@pytest.mark.usefixtures("app")
def test_a_linker_without_handlers_is_said_to_be_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert command("bus:linker") == 1
    out = capsys.readouterr().out
    assert out.endswith(
        f"unhandled: no handler receives Lost\n{ADVICE}\n2 faults, 0 notes; 2 events, 0 handlers checked\n"
    )


@pytest.mark.usefixtures("app")
def test_a_linker_without_handlers_and_events_ends_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert command("bus:plain") == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"python -m pyventus_typed check: {ADVICE}\n")


@pytest.mark.usefixtures("app")
def test_modules_that_hold_handlers_are_imported_first(capsys: pytest.CaptureFixture[str]) -> None:
    assert command("bus:linker", "--import", "ship", "--import", "find") == 0
    out = capsys.readouterr().out
    assert "0 faults, 0 notes; 2 events, 2 handlers checked" in out
    assert ADVICE not in out


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nowhere_at_all", "nowhere_at_all: there is no module 'nowhere_at_all'; it was looked for in "),
        ("shop/ship.py", "shop/ship.py: this is the path of a file; write the module's name, shop.ship."),
        ("ship:linker", "ship:linker: 'ship:linker' is not the name of a module."),
        ("broken", "broken: broken cannot be imported: broken.py:1: ZeroDivisionError: division by zero"),
    ],
)
def test_a_module_to_import_that_is_none_ends_with_2(
    app: Path, name: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write(app, "broken", "1 / 0")
    assert command("bus:linker", "--import", name) == 2
    assert capsys.readouterr().err.startswith(f"python -m pyventus_typed check: {message}")


def test_ctrl_c_while_a_module_is_imported_is_no_fault_of_the_module(folder: Path) -> None:
    write(folder, "slow", "raise KeyboardInterrupt")
    assert main(["check", "slow:linker"]) == 130
