"""MODULE:NAME as an object, or one sentence that says why not."""

import contextlib
import importlib
import sys
import traceback
from pathlib import Path
from types import ModuleType

from pyventus_typed import Emitter

from ._facts import AnyLinker, is_linker
from ._report import NotLoaded, Place
from ._source import is_library, with_article


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


def _load(target: str, wanted: str) -> tuple[ModuleType, object]:
    name, colon, path = target.partition(":")
    if not colon or not name or not path:
        is_module = wanted == "LINKER" and all(part.isidentifier() for part in name.split("."))
        hint = _linkers_in(_import(name, target)) if is_module else ""
        raise NotLoaded(target, f"write MODULE:{wanted}, such as shop.wiring:linker.{hint}")
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
    if "/" in name or name.endswith(".py"):
        dotted = name.removesuffix(".py").strip("./").replace("/", ".")
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
        raise NotLoaded(target, f"{name} cannot be imported: {_where(error)}{_spell(error)}") from error


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
