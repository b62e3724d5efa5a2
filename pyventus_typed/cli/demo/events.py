"""What can happen while Python files are read: a closed family."""

from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from pyventus_typed import Event, Request


@dataclass(frozen=True, slots=True)
class DirectoryFound(Event):
    path: Path


@dataclass(frozen=True, slots=True)
class FileFound(Event):
    path: Path


Found: TypeAlias = DirectoryFound | FileFound


@dataclass(frozen=True, slots=True)
class ModuleParsed(Event):
    path: Path
    lines: int


@dataclass(frozen=True, slots=True)
class Definition(Event):
    """Something that a module defines. A handler of this receives classes and functions."""

    path: Path
    name: str


@dataclass(frozen=True, slots=True)
class ClassDefined(Definition):
    pass


@dataclass(frozen=True, slots=True)
class FunctionDefined(Definition):
    pass


@dataclass(frozen=True, slots=True)
class ModuleImported(Event):
    path: Path
    module: str
    relative: bool


@dataclass(frozen=True, slots=True)
class ParseFailed(Event):
    """A file or a directory that could not be read, decoded or parsed."""

    found: Found
    reason: str


Held: TypeAlias = ModuleParsed | Definition | ModuleImported


@dataclass(frozen=True)
class Outline(Request[list[Held]]):
    """Asks what a file holds."""

    path: Path


ScanEvent: TypeAlias = Found | Outline | Held | ParseFailed
