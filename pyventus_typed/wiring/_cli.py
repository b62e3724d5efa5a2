"""``python -m pyventus_typed check``: arguments in, text and an exit code out."""

import argparse
import sys
from types import ModuleType
from typing import get_args

from pyventus_typed import Emitter
from pyventus_typed._spelling import with_article
from pyventus_typed.cli._parsing import NotLoaded, Subparsers, load, load_module, refuse

from ._check import check
from ._facts import AnyLinker, is_linker
from ._render import Format, render
from ._types import NotAFamily

_ABOUT = """\
Import linkers and check their wiring. Find events that no handler receives, handlers that no event reaches, events with
fields that can change, and annotations that do not match the event. Nothing is emitted and no handler is called.
"""
_CODES = "exit codes: 0 no fault, 1 faults were found, 2 nothing could be checked"


def add_parser(subparsers: Subparsers) -> None:
    """Add the command ``check``, whose default ``run`` takes what was parsed."""
    parser = subparsers.add_parser("check", help="check the wiring of linkers", description=_ABOUT, epilog=_CODES)
    parser.add_argument(
        "linkers",
        metavar="MODULE:LINKER",
        nargs="+",
        help="a linker to import, such as shop.wiring:linker; an event counts as handled if any of the linkers handles it",
    )
    parser.add_argument(
        "--import",
        dest="imports",
        metavar="MODULE",
        action="append",
        default=[],
        help="a module to import first, such as shop.handlers, if it subscribes handlers and the module of the linker does "
        "not import it; may be repeated",
    )
    parser.add_argument(
        "--family",
        metavar="MODULE:TYPE",
        action="append",
        help="the events that exist: a base class, a union or an alias of one; may be repeated (default: the events "
        "that the linkers are declared for, if those are known at run time, else those that they handle and emit)",
    )
    parser.add_argument(
        "--source",
        dest="sources",
        metavar="PACKAGE",
        action="append",
        help="a package or a module: its code is read, to find what emits events outside of handlers, and events that nothing "
        "emits; may be repeated",
    )
    parser.add_argument(
        "--format",
        choices=get_args(Format),
        default="text",
        help="text with the findings, or the wiring as json, mermaid or svg, with the findings on stderr "
        "(default: text)",
    )
    parser.set_defaults(run=run, program=parser.prog)


def run(arguments: argparse.Namespace) -> int:
    """Check what ``add_parser`` parsed, print it, and return the exit code: 0 no fault, 1 faults, 2 not checked."""
    linkers: list[str] = arguments.linkers
    families: list[str] = arguments.family or []
    form: Format = arguments.format
    try:
        for name in arguments.imports:
            load_module(name)
        first, *rest = [load_linker(target) for target in linkers]
        family = tuple(load_family(target) for target in families) or None
        report = check(first, *rest, family=family, sources=arguments.sources)
    except (NotLoaded, NotAFamily) as error:
        return refuse(arguments.program, error)
    if not (report.events or report.handlers):  # a green CI job would hide it
        return refuse(arguments.program, report)
    sys.stdout.write(render(report, form))
    if form in ("mermaid", "svg"):
        sys.stderr.write(f"{report}\n")
    return 1 if report.faults else 0


def load_linker(target: str) -> AnyLinker:
    """The linker that ``MODULE:NAME`` names; NAME may have dots. Raises `NotLoaded`, whatever the module raises."""
    module, found = load(target, "LINKER", "shop.wiring:linker", _linkers_in)
    if is_linker(found):
        return found
    kind = with_article(type(found).__name__)
    if isinstance(found, Emitter):
        raise NotLoaded(target, f"this is an Emitter; name the Linker that it was made with.{_linkers_in(module)}")
    if isinstance(found, type) or callable(found):
        raise NotLoaded(target, f"this is not a Linker but {kind}; name a Linker that exists.{_linkers_in(module)}")
    raise NotLoaded(target, f"this is not a Linker but {kind}.{_linkers_in(module)}")


def load_family(target: str) -> object:
    """The class, union or alias that ``MODULE:TYPE`` names. Raises `NotLoaded`."""
    return load(target, "TYPE", "shop.events:ShopEvent")[1]


def _linkers_in(module: ModuleType) -> str:
    names = [name for name, value in vars(module).items() if is_linker(value)]
    if not names:
        return f" {module.__name__} holds no linker."
    return f" Did you mean {' or '.join(f'{module.__name__}:{name}' for name in names[:5])}?"
