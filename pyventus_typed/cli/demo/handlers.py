"""Who listens to what. A program scans once, so linker, emitter and report stand here for all to import."""

import asyncio

from pyventus_typed import Linker, asyncio_emitter
from pyventus_typed.cli.demo import source
from pyventus_typed.cli.demo.events import (
    Definition,
    DirectoryFound,
    FileFound,
    ModuleImported,
    ModuleParsed,
    ParseFailed,
    ScanEvent,
)
from pyventus_typed.cli.demo.report import Report

report = Report()
linker = Linker[ScanEvent]()
emitter = asyncio_emitter(linker, on_discard=report.add_cut_off)


def give_up(found: DirectoryFound | FileFound, error: Exception) -> None:
    emitter.emit(ParseFailed(found.path, source.reason(error)))


@linker.on(DirectoryFound, on_failure=give_up)
async def search(found: DirectoryFound) -> None:
    for inside in await asyncio.to_thread(source.look_into, found.path):
        emitter.emit(inside)


@linker.on(FileFound, on_failure=give_up)
async def parse(found: FileFound) -> None:
    for held in await asyncio.to_thread(source.parse, found.path):
        emitter.emit(held)


linker.subscribe(FileFound, report.add_file)
linker.subscribe(ModuleParsed, report.add_module)
linker.subscribe(Definition, report.add_definition)
# A relative import names a module of the same package, and says nothing about what is popular.
linker.subscribe(ModuleImported, report.add_import, when=lambda imported: not imported.relative)
linker.subscribe(ParseFailed, report.add_failure)
