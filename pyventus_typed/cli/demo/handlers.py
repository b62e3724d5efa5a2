"""Which handler receives which event. A program scans once, so linker, emitter and report are globals."""

import asyncio

from pyventus_typed import Emitter, Linker, asyncio_emitter
from pyventus_typed.cli.demo import source
from pyventus_typed.cli.demo.events import (
    DirectoryFound,
    FileFound,
    Found,
    Held,
    Outline,
    ParseFailed,
    ScanEvent,
)
from pyventus_typed.cli.demo.report import Report

report: Report = Report()
linker: Linker[ScanEvent] = Linker[ScanEvent]()
linker.bind(report)
emitter: Emitter[ScanEvent] = asyncio_emitter(linker, on_discard=report.add_cut_off)


def give_up(found: Found, error: Exception) -> None:
    emitter.emit(ParseFailed(found, source.reason(error)))


@linker.on(DirectoryFound, on_failure=give_up)
async def search(found: DirectoryFound) -> None:
    for inside in await asyncio.to_thread(source.look_into, found.path):
        emitter.emit(inside)


@linker.on(FileFound, on_failure=give_up)
async def read(found: FileFound) -> None:
    for held in await emitter.ask(Outline(found.path)):
        emitter.emit(held)


@linker.answer(Outline, in_thread=True)
def parse(outline: Outline) -> list[Held]:
    return source.parse(outline.path)
