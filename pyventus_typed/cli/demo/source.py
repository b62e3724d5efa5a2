"""Python source on disk: where it is and what it says. Nothing here knows of handlers."""

import ast
import os
import stat
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from pyventus_typed.cli.demo.events import (
    ClassDefined,
    DirectoryFound,
    FileFound,
    Found,
    FunctionDefined,
    Held,
    ModuleImported,
    ModuleParsed,
)

STANDARD_LIBRARY = Path(sysconfig.get_path("stdlib"))


def standard_library() -> list[Found]:
    """Return what is in the standard library, without the installed packages next to it."""
    installed = {"site-packages", "dist-packages"}
    return [found for found in look_into(STANDARD_LIBRARY) if found.path.name not in installed]


def look_into(directory: Path) -> list[Found]:
    """Return the directories and Python files in *directory*, directories first, by name."""
    looks = (look_at(path) for path in sorted(directory.iterdir()))
    found = [look for look in looks if look is not None]
    # What is left to do is known early if directories are looked into before files are read.
    return sorted(found, key=lambda look: isinstance(look, FileFound))


def look_at(path: Path) -> Found | None:
    """Return what *path* is, or None for what holds no Python.

    A link to a directory counts as no directory, since it may lead back to where we are. A link that leads nowhere
    counts as a file, and reading that file will say so.
    """
    try:
        mode = path.stat().st_mode
    except OSError:
        mode = stat.S_IFREG
    if stat.S_ISDIR(mode):
        return None if path.is_symlink() else DirectoryFound(path)
    # Reading a pipe or a device called x.py might never end.
    if stat.S_ISREG(mode) and path.suffix in {".py", ".pyw"}:
        return FileFound(path)
    return None


def parse(path: Path) -> list[Held]:
    """Read one file and return what it holds; raise OSError, SyntaxError or what else the compiler finds to raise."""
    source = path.read_bytes()
    tree = ast.parse(source, os.fsdecode(path))
    held: list[Held] = [ModuleParsed(path, len(source.splitlines()))]
    for statement in _statements(tree):
        match statement:
            case ast.ClassDef(name=name):
                held.append(ClassDefined(path, name))
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                held.append(FunctionDefined(path, name))
            case ast.Import(names=names):
                held.extend(ModuleImported(path, alias.name, relative=False) for alias in names)
            case ast.ImportFrom(module=module, level=level):
                held.append(ModuleImported(path, "." * level + (module or ""), relative=level > 0))
    return held


def _statements(tree: ast.Module) -> Iterator[ast.AST]:
    # Definitions and imports are statements, and statements are in blocks: expressions, nine nodes in ten, are left
    # alone. No recursion, because a file may nest deeper than Python's stack.
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        for block in ("body", "orelse", "finalbody", "handlers", "cases"):
            waiting.extend(getattr(node, block, ()))


def reason(error: Exception) -> str:
    """Say in a few words why a file could not be read or parsed."""
    match error:
        case SyntaxError(msg=str(text), lineno=int(line)) if line > 0:
            return f"line {line}: {text}"
        case SyntaxError(msg=str(text)):
            return text
        case OSError(strerror=str(text)):
            return text
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
