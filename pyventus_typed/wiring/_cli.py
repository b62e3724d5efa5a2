"""``python -m pyventus_typed check``: arguments in, text and an exit code out."""

import argparse
import contextlib
import importlib
import inspect
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, get_args

from pyventus_typed import Emitter

from ._check import check
from ._facts import AnyLinker, is_linker
from ._render import Format, render
from ._report import NotLoaded, Place
from ._source import is_library, with_article
from ._types import NotAFamily

if TYPE_CHECKING:
    from pyventus_typed.cli._parsing import Subparsers

_ABOUT = """\
Import linkers and check their wiring: events that nobody receives, handlers that nothing reaches, events with fields
that can change, annotations that disagree with the event. Nothing is emitted and no handler is called.
"""
_EXAMPLES = {"LINKER": "shop.wiring:linker", "TYPE": "shop.events:ShopEvent", "FUNCTION": "shop.main:run"}
_CODES = "exit codes: 0 no fault, 1 faults were found, 2 nothing could be checked"


def add_parser(subparsers: "Subparsers") -> None:
    """Add the command ``check``, whose default ``run`` takes what was parsed."""
    parser = subparsers.add_parser("check", help="check the wiring of linkers", description=_ABOUT, epilog=_CODES)
    parser.add_argument(
        "linkers",
        metavar="MODULE:LINKER",
        nargs="+",
        help="a linker to import, such as shop.wiring:linker; an event that any of them handles is handled",
    )
    parser.add_argument(
        "--import",
        dest="imports",
        metavar="MODULE",
        action="append",
        default=[],
        help="a module to import first, such as shop.handlers: one that subscribes handlers and that the module of the "
        "linker does not import; may be repeated",
    )
    parser.add_argument(
        "--family",
        metavar="MODULE:TYPE",
        action="append",
        help="the events there are: a base class, a union or an alias of one; may be repeated (default: what the "
        "linkers are made for, where that is known at run time, else what they handle and emit)",
    )
    parser.add_argument(
        "--source",
        dest="sources",
        metavar="PACKAGE",
        action="append",
        help="a package, or a module, whose code is read for what it emits beside the handlers; events that nothing emits "
        "are then found too; may be repeated",
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
        sys.stderr.write(f"{arguments.program}: {error}\n")
        return 2
    if not (report.events or report.handlers):  # in a green CI job nobody would ever notice
        sys.stderr.write(f"{arguments.program}: {report}\n")
        return 2
    sys.stdout.write(render(report, form))
    if form in ("mermaid", "svg"):
        sys.stderr.write(f"{report}\n")
    return 1 if report.faults else 0


def load_linker(target: str) -> AnyLinker:
    """The linker that ``MODULE:NAME`` names; NAME may have dots. Raises ``NotLoaded``, whatever the module raises."""
    module, found = _load(target, "LINKER")
    if is_linker(found):
        return found
    kind = with_article(type(found).__name__)
    if isinstance(found, Emitter):
        raise NotLoaded(target, f"this is an Emitter; name the Linker that it was made with.{_linkers_in(module)}")
    if isinstance(found, type) or callable(found):
        raise NotLoaded(target, f"this is no Linker but {kind}; name a Linker that exists.{_linkers_in(module)}")
    raise NotLoaded(target, f"this is no Linker but {kind}.{_linkers_in(module)}")


def load_module(name: str) -> None:
    """Import the module, for what it subscribes. Raises ``NotLoaded``, whatever the module raises."""
    _check_module_name(name, name, "")
    _import(name, name)


def load_family(target: str) -> object:
    """The class, union or alias that ``MODULE:TYPE`` names. Raises ``NotLoaded``."""
    return _load(target, "TYPE")[1]


def load_function(target: str) -> Callable[[], object]:
    """The function that ``MODULE:FUNCTION`` names, which needs no arguments. Raises ``NotLoaded``."""
    found = _load(target, "FUNCTION")[1]
    if not callable(found) or isinstance(found, type):
        kind = "a class" if isinstance(found, type) else with_article(type(found).__name__)
        raise NotLoaded(target, f"this is no function but {kind}.")
    try:
        inspect.signature(found).bind()
    except TypeError as error:
        raise NotLoaded(target, f"it is called without arguments, and that is not enough: {error}.") from None
    except ValueError:
        pass  # what is written in C may not say
    return found


def describe_error(error: BaseException) -> str:
    """Where a user's code raised *error*, and what it says, in one line."""
    return f"{_where(error)}{_spell(error)}"


def _load(target: str, wanted: str) -> tuple[ModuleType, object]:
    name, colon, path = target.partition(":")
    if not colon or not name or not path:
        is_module = wanted == "LINKER" and all(part.isidentifier() for part in name.split("."))
        hint = _linkers_in(_import(name, target)) if is_module else ""
        raise NotLoaded(target, f"write MODULE:{wanted}, such as {_EXAMPLES[wanted]}.{hint}")
    _check_module_name(name, target, f":{path}")
    module = _import(name, target)
    found: object = module
    for attribute in path.split("."):
        try:
            found = getattr(found, attribute)
        except AttributeError:
            owner = "module" if found is module else f"{type(found).__name__}"
            hint = _linkers_in(module) if wanted == "LINKER" else ""
            raise NotLoaded(target, f"the {owner} has no {attribute!r}.{hint}") from None
        except BaseException as error:
            raise NotLoaded(target, f"{attribute!r} raised {_spell(error)}") from error
    return module, found


def _check_module_name(name: str, target: str, rest: str) -> None:
    path = name.replace("\\", "/")
    if "/" in path or path.endswith(".py"):
        dotted = path.removesuffix(".py").strip("./").replace("/", ".")
        raise NotLoaded(target, f"this is the path of a file; write the module's name, {dotted}{rest}.")
    if not all(part.isidentifier() for part in name.split(".")):
        raise NotLoaded(target, f"{name!r} is not the name of a module.")


def _import(name: str, target: str) -> ModuleType:
    # ``python -m`` looks for modules in the current directory, a console script does not.
    here = str(Path.cwd())
    if here not in sys.path and "" not in sys.path:
        sys.path.insert(0, here)
    try:
        # What the module prints must not end up in the middle of a graph.
        with contextlib.redirect_stdout(sys.stderr):
            return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and f"{name}.".startswith(f"{error.name}."):
            reason = f"there is no module {error.name!r}; it was looked for in {here} and in the installed packages."
            raise NotLoaded(target, reason) from error
        raise NotLoaded(target, f"{name} cannot be imported: {_where(error)}{error}.") from error
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # SystemExit included: a module that ends the program is no answer
        raise NotLoaded(target, f"{name} cannot be imported: {describe_error(error)}") from error


def _spell(error: BaseException) -> str:
    try:
        text = error.msg if isinstance(error, SyntaxError) else str(error)
    except Exception:  # noqa: BLE001 - the exception is a stranger's, and so is its text
        text = "(its message cannot be read)"
    return f"{type(error).__name__}: {text}" if text else f"{type(error).__name__}"


def _where(error: BaseException) -> str:
    """The line that raised: the deepest one of a file that the user can change."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{Place(error.filename, error.lineno or 1)}: "
    lines = [(frame.f_code.co_filename, line) for frame, line in traceback.walk_tb(error.__traceback__)]
    users = [(file, line) for file, line in lines if not file.startswith("<") and not is_library(file)]
    return f"{Place(*users[-1])}: " if users else ""


def _linkers_in(module: ModuleType) -> str:
    names = [name for name, value in vars(module).items() if is_linker(value)]
    if not names:
        return f" {module.__name__} holds no linker."
    return f" Did you mean {' or '.join(f'{module.__name__}:{name}' for name in names[:5])}?"
