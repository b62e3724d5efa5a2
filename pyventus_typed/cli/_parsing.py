"""What the commands share: the type of their parsers, what MODULE:NAME names, and how they complain."""

import argparse
import contextlib
import importlib
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import TypeAlias

from pyventus_typed._libraries import is_library, shown_path
from pyventus_typed._signature import call_signature
from pyventus_typed._spelling import with_article
from pyventus_typed.errors import PyventusError

Subparsers: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # pyright: ignore[reportPrivateUsage]  # what add_subparsers() returns has no public name

PROGRAM = "python -m pyventus_typed"


# ---------------------------------------------------------------- what a command says
def refuse(program: str, why: object) -> int:
    """Complain about a command that makes no sense, and return the exit code 2."""
    return complain(program, why, code=2)


def complain(program: str, why: object, *, code: int = 1) -> int:
    """Write *why* to stderr, after the name of the *program*, and return the exit code."""
    sys.stderr.write(f"{program}: {printable(str(why), keep=_LAYOUT)}\n")
    return code


def printable(text: str, *, keep: str = "") -> str:
    """*text* with escapes for what a terminal would take for a command, and for bytes that are not text.

    Names of files, and what arrives over the network, may hold any character. Those in *keep* are left alone.
    """
    return "".join(
        sign if sign.isprintable() or sign in keep else sign.encode("unicode_escape").decode("ascii") for sign in text
    )


_LAYOUT = "\n\t"


# ---------------------------------------------------------------- MODULE:NAME
class NotLoaded(PyventusError, LookupError):
    """What MODULE:NAME names cannot be imported, is not there, or is something else. ``target`` is the text given."""

    def __init__(self, target: str, reason: str) -> None:
        super().__init__(f"{target}: {reason}")
        self.target = target


def no_hint(_module: ModuleType) -> str:
    return ""


def load(
    target: str, wanted: str, example: str, hint: Callable[[ModuleType], str] = no_hint
) -> tuple[ModuleType, object]:
    """Import what *target* names, ``MODULE:NAME``, where NAME may have dots; return the module and the object.

    *wanted* and *example* are for the message: ``LINKER`` and ``shop.wiring:linker``. *hint* says what a module holds that
    may have been meant. Raises `NotLoaded`, whatever the module raises.
    """
    name, colon, path = target.partition(":")
    if not colon or not name or not path:
        can_tell = hint is not no_hint and all(part.isidentifier() for part in name.split("."))
        meant = hint(_import(name, target)) if can_tell else ""
        raise NotLoaded(target, f"write MODULE:{wanted}, such as {example}.{meant}")
    _check_module_name(name, target, f":{path}")
    module = _import(name, target)
    found: object = module
    for attribute in path.split("."):
        try:
            found = getattr(found, attribute)
        except AttributeError:
            owner = "module" if found is module else f"{type(found).__name__}"
            raise NotLoaded(target, f"the {owner} has no {attribute!r}.{hint(module)}") from None
        except BaseException as error:
            raise NotLoaded(target, f"{attribute!r} raised {_spell_error(error)}") from error
    return module, found


def load_module(name: str) -> None:
    """Import the module, for what it subscribes. Raises `NotLoaded`, whatever the module raises."""
    _check_module_name(name, name, "")
    _import(name, name)


def load_function(target: str) -> Callable[[], object]:
    """The function that ``MODULE:FUNCTION`` names, which needs no arguments. Raises `NotLoaded`."""
    found = load(target, "FUNCTION", "shop.main:run")[1]
    if not callable(found) or isinstance(found, type):
        kind = "a class" if isinstance(found, type) else with_article(type(found).__name__)
        raise NotLoaded(target, f"this is not a function but {kind}.")
    try:
        call_signature(found).bind()
    except TypeError as error:
        raise NotLoaded(target, f"it is called without arguments, and that is not enough: {error}.") from None
    except ValueError:
        pass  # what is written in C may not say
    return found


def describe_error(error: BaseException) -> str:
    """Where a user's code raised *error*, and what it says, in one line."""
    return f"{_where(error)}{_spell_error(error)}"


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
        # What the module prints must not end up in the middle of a graph or a document.
        with contextlib.redirect_stdout(sys.stderr):
            return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and f"{name}.".startswith(f"{error.name}."):
            reason = f"there is no module {error.name!r}; it was looked for in {here} and in the installed packages."
            raise NotLoaded(target, reason) from error
        raise NotLoaded(target, f"{name} cannot be imported: {_where(error)}{error}.") from error
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # SystemExit included: a module may end the program when it is imported
        raise NotLoaded(target, f"{name} cannot be imported: {describe_error(error)}") from error


def _spell_error(error: BaseException) -> str:
    try:
        text = error.msg if isinstance(error, SyntaxError) else str(error)
    except Exception:  # noqa: BLE001 - the text of a user's exception is the user's code
        text = "(its message cannot be read)"
    return f"{type(error).__name__}: {text}" if text else f"{type(error).__name__}"


def _where(error: BaseException) -> str:
    """The line that raised: the deepest one of a file that the user can change."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{shown_path(error.filename)}:{error.lineno or 1}: "
    lines = [(frame.f_code.co_filename, line) for frame, line in traceback.walk_tb(error.__traceback__)]
    users = [(file, line) for file, line in lines if not file.startswith("<") and not is_library(file)]
    return f"{shown_path(users[-1][0])}:{users[-1][1]}: " if users else ""
