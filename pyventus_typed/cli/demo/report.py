"""What a scan has found so far."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from pyventus_typed import Emission, Event, Subscriber, handles
from pyventus_typed.cli.demo.events import (
    ClassDefined,
    Definition,
    FileFound,
    FunctionDefined,
    ModuleImported,
    ModuleParsed,
    ParseFailed,
    ScanEvent,
)


def is_absolute(imported: ModuleImported) -> bool:
    # A relative import names a module of its own package, and says nothing about what is popular.
    return not imported.relative


class Report(Subscriber[ScanEvent]):
    """Handlers that count and collect. They run in one loop, so nothing here is locked."""

    def __init__(self) -> None:
        self.found: int = 0
        self.modules: list[ModuleParsed] = []
        self.failures: list[ParseFailed] = []
        self.cut_off: int = 0
        self.seconds: float = 0.0
        self._definitions: Counter[type[Definition]] = Counter()
        self._importers: dict[str, set[Path]] = {}

    @handles(FileFound)
    def add_file(self, _: FileFound) -> None:
        self.found += 1

    @handles(ModuleParsed)
    def add_module(self, module: ModuleParsed) -> None:
        self.modules.append(module)

    @handles(Definition)
    def add_definition(self, definition: Definition) -> None:
        self._definitions[type(definition)] += 1

    @handles(ModuleImported, when=is_absolute)
    def add_import(self, imported: ModuleImported) -> None:
        self._importers.setdefault(imported.module, set()).add(imported.path)

    @handles(ParseFailed)
    def add_failure(self, failure: ParseFailed) -> None:
        self.failures.append(failure)

    def add_cut_off(self, emissions: Sequence[Emission[Event]]) -> None:
        self.cut_off += len(emissions)

    @property
    def files(self) -> int:
        """How many files have been read, those included that failed; after Ctrl-C fewer than were found."""
        return len(self.modules) + sum(isinstance(failure.found, FileFound) for failure in self.failures)

    @property
    def lines(self) -> int:
        return sum(module.lines for module in self.modules)

    @property
    def classes(self) -> int:
        return self._definitions[ClassDefined]

    @property
    def functions(self) -> int:
        return self._definitions[FunctionDefined]

    def largest(self) -> list[ModuleParsed]:
        return sorted(self.modules, key=lambda module: (-module.lines, module.path))

    def most_imported(self) -> list[tuple[str, int]]:
        """Return each module with the number of files that import it."""
        counts = ((module, len(paths)) for module, paths in self._importers.items())
        return sorted(counts, key=lambda pair: (-pair[1], pair[0]))
