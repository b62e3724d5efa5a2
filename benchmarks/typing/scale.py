"""What many events cost each type checker: seconds, on an application that is written here for the purpose.

    python benchmarks/typing/scale.py                     the table, as Markdown
    python benchmarks/typing/scale.py --write             the same, put into the page of the documentation
    python benchmarks/typing/scale.py --keep FOLDER       the application alone, with --contexts and --family

A context is what one team owns: five events, two requests, 17 handlers that filter, emit and ask. The family of all events
is spelled in five ways, and all else is equal. Every checker starts without a cache, and its own start is in the figure;
of three runs, or of fewer where one takes long, the quickest counts, in seconds of processor time.
"""

import argparse
import platform
import resource
import sys
import tempfile
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Final, Literal, TypeAlias

HERE: Final = Path(__file__).resolve().parent
ROOT: Final = HERE.parent.parent
PAGE: Final = ROOT / "docs" / "how-to" / "have-many-events.md"

sys.path.insert(0, str(ROOT / "tests" / "typing"))  # the runner of the typing cases does the checking here too

from checkers import CHECKERS, Checker, CheckerUnusable, Job, run  # noqa: E402 - found by the line above

Family: TypeAlias = Literal["union", "alias", "base", "contexts", "event"]
FAMILIES: Final[Mapping[Family, str]] = {
    "event": "`Linker[Event]`",
    "base": "a base class, `Linker[AppEvent]`",
    "contexts": "one linker for each context",
    "alias": "one union, as a lazy alias",
    "union": "one union",
}
SIZES: Final = (84, 252)  # members of the family
EVENTS: Final = 7  # of each context
_LONG: Final = 8.0  # seconds; what takes so long is not counted again: the start, which varies, is a small part of it

_EVENTS: Final = """\
from dataclasses import dataclass

from pyventus_typed import {imported}
{base_import}

@dataclass(frozen=True, slots=True)
class Opened{n}({base}):
    id: int
    name: str


@dataclass(frozen=True, slots=True)
class Changed{n}({base}):
    id: int
    total: float


@dataclass(frozen=True, slots=True)
class Moved{n}({base}):
    id: int
    place: str


@dataclass(frozen=True, slots=True)
class Failed{n}({base}):
    id: int
    reason: str


@dataclass(frozen=True, slots=True)
class Closed{n}({base}):
    id: int
    at: float


@dataclass(frozen=True)
class TotalOf{n}({request_base}Request[float]):
    id: int


@dataclass(frozen=True)
class NameOf{n}({request_base}Request[str]):
    id: int
"""

_HANDLERS: Final = """\
from pyventus_typed import Subscriber, handles

from {bus} import emitter, linker
from events_{n} import Changed{n}, Closed{n}, Failed{n}, Moved{n}, NameOf{n}, Opened{n}, TotalOf{n}


@linker.on(Opened{n})
def greet(event: Opened{n}) -> None:
    emitter.emit(Changed{n}(event.id, 1.0))


@linker.on(Changed{n})
def book(event: Changed{n}) -> int:
    return emitter.emit(Moved{n}(event.id, "here")).event.id


@linker.on(Moved{n}, priority=1)
async def follow(event: Moved{n}) -> None:
    total = await emitter.ask(TotalOf{n}(event.id))
    await emitter.publish(Closed{n}(event.id, total))


@linker.on(Failed{n})
def report(event: Failed{n}) -> None:
    print(event.reason)


@linker.on(Closed{n})
async def archive(event: Closed{n}) -> None:
    name = await emitter.ask(NameOf{n}(event.id))
    print(name.upper(), event.at)


@linker.on(Changed{n}, when=lambda event: event.total > 100)
def alert(event: Changed{n}) -> None:
    emitter.emit(Failed{n}(event.id, "too much"))


@linker.on(Moved{n}, when=lambda event: event.place != "", once=True)
def first_move(event: Moved{n}) -> None: ...


@linker.on(Opened{n}, Closed{n})
def count(event: Opened{n} | Closed{n}) -> None:
    print(event.id)


@linker.on(Opened{n}, Changed{n}, Moved{n}, timeout=2.5)
async def mirror(event: Opened{n} | Changed{n} | Moved{n}) -> None:
    print(event.id)


@linker.answer(TotalOf{n})
def total(request: TotalOf{n}) -> float:
    return request.id * 2.0


@linker.answer(NameOf{n})
async def name(request: NameOf{n}) -> str:
    return str(request.id)


def note(event: Opened{n}) -> int:
    return event.id


def keep(number: int) -> None:
    print(number)


linker.subscribe(Opened{n}, note, on_success=keep)
linker.subscribe(Failed{n}, report, priority=3)
linker.subscribe(Closed{n}, lambda event: print(event.at), in_thread=True)


class Desk{n}(Subscriber[Opened{n} | Changed{n} | Failed{n}]):
    @handles(Opened{n})
    def opened(self, event: Opened{n}) -> None:
        emitter.emit(Closed{n}(event.id, 0.0))

    @handles(Changed{n}, when=lambda event: event.total < 0)
    async def changed(self, event: Changed{n}) -> None:
        await emitter.emit(Failed{n}(event.id, "negative"))

    @handles(Opened{n}, Failed{n})
    def either(self, event: Opened{n} | Failed{n}) -> None:
        print(event.id)


linker.bind(Desk{n}())
"""


def write(folder: Path, contexts: int, family: Family) -> None:
    """Write the application into *folder*: two modules for each context, and one for the linker that they share."""
    folder.mkdir(parents=True, exist_ok=True)
    base = "AppEvent" if family == "base" else "Event"
    if family == "base":
        (folder / "base.py").write_text("from pyventus_typed import Event\n\n\nclass AppEvent(Event): ...\n")
    for n in range(contexts):
        (folder / f"events_{n}.py").write_text(
            _EVENTS.format(
                n=n,
                base=base,
                imported="Request" if family == "base" else "Event, Request",
                base_import="from base import AppEvent\n" if family == "base" else "",
                request_base="AppEvent, " if family == "base" else "",
            )
        )
        bus = f"bus_{n}" if family == "contexts" else "bus"
        (folder / f"handlers_{n}.py").write_text(_HANDLERS.format(n=n, bus=bus))
        if family == "contexts":
            (folder / f"bus_{n}.py").write_text(_bus([n], "union"))
    if family != "contexts":
        (folder / "bus.py").write_text(_bus(range(contexts), family))


def _bus(contexts: Sequence[int], family: Family) -> str:
    kinds = ("Opened", "Changed", "Moved", "Failed", "Closed", "TotalOf", "NameOf")
    members = [f"{kind}{n}" for n in contexts for kind in kinds]
    imports = [f"from events_{n} import {', '.join(f'{kind}{n}' for kind in kinds)}" for n in contexts]
    union = " | ".join(members)
    match family:
        case "event":
            return _module("Emitter, Event, Linker", [], "", "Event")
        case "base":
            return _module("Emitter, Linker", ["from base import AppEvent"], "", "AppEvent")
        case "alias":
            # What `type AppEvent = ...` is before Python 3.12.
            imports.insert(0, "from typing_extensions import TypeAliasType")
            return _module("Emitter, Linker", imports, f'AppEvent = TypeAliasType("AppEvent", {union})\n', "AppEvent")
        case _:
            return _module("Emitter, Linker", imports, "", union)


def _module(names: str, imports: Sequence[str], alias: str, family: str) -> str:
    return "\n".join(
        [
            f"from pyventus_typed import {names}",
            *imports,
            "",
            f"{alias}linker = Linker[{family}]()",
            "emitter = Emitter(linker)",
            "",
        ]
    )


def seconds(checker: Checker, application: Path, runs: int = 3) -> float:
    """The processor time of the quickest of at most *runs* runs of *checker*, each without a cache."""
    found = [_seconds(checker, application)]
    while len(found) < runs and sum(found) < _LONG:
        found.append(_seconds(checker, application))
    return min(found)


def _seconds(checker: Checker, application: Path) -> float:
    with tempfile.TemporaryDirectory() as scratch:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        report = run(checker, Job((application,), (ROOT, application), Path(scratch)))
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if report.diagnostics:
        raise CheckerUnusable(f"{checker} does not accept the application; first: {report.diagnostics[0]}")
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def table(
    scratch: Path, families: Sequence[Family], sizes: Sequence[int], checkers: Sequence[Checker], runs: int
) -> str:
    """Seconds for each family at each size, one column for each checker."""
    lines = [f"| family | {' | '.join(checkers)} |", "|---|" + "---:|" * len(checkers)]
    for family in families:
        applications = [scratch / f"{family}-{size}" for size in sizes]
        for application, size in zip(applications, sizes, strict=True):
            write(application, size // EVENTS, family)
        cells = (
            " / ".join(f"{seconds(checker, application, runs):.1f}" for application in applications)
            for checker in checkers
        )
        lines.append(f"| {FAMILIES[family]} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _machine(sizes: Sequence[int], checkers: Sequence[Checker]) -> str:
    versions = ", ".join(f"{checker} {version(checker)}" for checker in checkers)
    return (
        f"Seconds of processor time for {' / '.join(map(str, sizes))} events. "
        f"Python {platform.python_version()}, {versions}."
    )


def _put_into_page(text: str) -> None:
    begin, end = "<!-- table: written by benchmarks/typing/scale.py -->", "<!-- end of table -->"
    before, found, rest = PAGE.read_text(encoding="utf-8").partition(begin)
    _, closed, after = rest.partition(end)
    if not (found and closed):
        raise ValueError(f"{PAGE} has lost the comments between which the table stands: {begin} and {end}")
    PAGE.write_text(f"{before}{begin}\n\n{text}\n\n{end}{after}", encoding="utf-8")


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="scale.py", description="What many events cost each type checker.")
    parser.add_argument("--write", action="store_true", help=f"put the table into {PAGE.relative_to(ROOT)}")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="write one application there, and check nothing")
    parser.add_argument("--contexts", type=int, default=SIZES[0] // EVENTS, help="of the application that is kept")
    parser.add_argument("--family", choices=FAMILIES, action="append", help="only this one; may be repeated")
    parser.add_argument("--checker", choices=CHECKERS, action="append", help="only this one; may be repeated")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help=f"events, a multiple of {EVENTS}")
    parser.add_argument("--runs", type=int, default=3, help="the quickest of so many counts")
    options = parser.parse_args(arguments)
    families: list[Family] = options.family or list(FAMILIES)
    checkers: list[Checker] = options.checker or list(CHECKERS)
    if options.keep is not None:
        write(options.keep, options.contexts, families[0])
        return 0
    try:
        with tempfile.TemporaryDirectory() as scratch:
            rows = table(Path(scratch), families, options.sizes, checkers, options.runs)
            text = f"{rows}\n\n{_machine(options.sizes, checkers)}"
    except CheckerUnusable as error:
        print(error, file=sys.stderr)
        return 2
    if options.write:
        _put_into_page(text)
    else:
        print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
