"""What is not time: memory for each subscription and emission, and what an import loads."""

import asyncio
import gc
import json
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from importlib import import_module
from statistics import median
from time import perf_counter
from typing import Any

from pyventus_typed import Event, Linker, asyncio_emitter

from .contenders import LIMIT, PEERS, US
from .contenders.us_ import PINGED, Pinged
from .handlers import plain
from .workloads import PING, Handler, Ping

MANY = 2_000
GROUND = "import dataclasses, typing_extensions, asyncio"
"""What this package stands on."""
PACKAGES = {LIMIT: GROUND, US: f"{GROUND}, pyventus_typed", **{name: f"{GROUND}, {name}" for name in PEERS}}

Bytes = dict[str, dict[str, float]]


def traced(make: Callable[[], object]) -> float:
    """Bytes for each of the `MANY` things that *make* makes and returns."""
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        kept = make()
        gc.collect()
        size = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    del kept
    return size / MANY


def memory(only: frozenset[str] | None) -> Bytes:
    """Bytes for each subscription, each pending and each settled emission."""

    def chosen(table: Mapping[str, Callable[[], float]]) -> dict[str, float]:
        return {name: take() for name, take in table.items() if only is None or name in only}

    return {
        "subscription": chosen({name: partial(traced, make) for name, make in subscriptions().items()}),
        "pending emission": chosen({LIMIT: lambda: pending(bare_tasks), US: lambda: pending(our_emissions)}),
        "settled emission": chosen({US: settled}),
    }


def subscriptions() -> dict[str, Callable[[], object]]:
    """How each contender subscribes `MANY` functions, made beforehand, to one event."""
    functions = plain(MANY).functions
    found: dict[str, Callable[[], object]] = {}

    def register(name: str, make: Callable[[], tuple[object, Callable[[Handler], object]]]) -> None:
        def fill() -> object:
            kept, subscribe = make()
            for function in functions:
                subscribe(function)
            return kept

        found[name] = fill

    def limit() -> tuple[object, Callable[[Handler], object]]:
        table: dict[type, list[Handler]] = {Ping: []}
        return table, table[Ping].append

    def us() -> tuple[object, Callable[[Handler], object]]:
        linker = Linker[Event]()
        return linker, lambda function: linker.subscribe(Pinged, function)

    register(LIMIT, limit)
    register(US, us)
    for name, what in {
        "blinker": lambda module: (one := module.Signal(), one.connect),
        "pyee": lambda module: (one := module.EventEmitter(), lambda function: one.add_listener("pinged", function)),
        "eventkit": lambda module: (one := module.Event("pinged"), one.connect),
        "pymitter": lambda module: (one := module.EventEmitter(), lambda function: one.on("pinged", function)),
    }.items():
        try:
            module = import_module(name)
        except ImportError:
            continue
        register(name, partial(what, module))
    return found


def pending(emit: Callable[["asyncio.Future[None]"], list[object]]) -> float:
    """Bytes for each emission to one async handler that waits."""

    async def main() -> float:
        gate = asyncio.get_running_loop().create_future()
        emit(gate)  # caches are filled by the first ones
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        gc.collect()
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        kept = emit(gate)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        gc.collect()
        size = tracemalloc.get_traced_memory()[0] - before
        tracemalloc.stop()
        gate.set_result(None)
        await asyncio.sleep(0)
        del kept
        return size / MANY

    return asyncio.run(main())


def bare_tasks(gate: "asyncio.Future[None]") -> list[object]:
    async def handler(event: Ping) -> None:
        await gate

    return [asyncio.create_task(handler(PING)) for _ in range(MANY)]


def our_emissions(gate: "asyncio.Future[None]") -> list[object]:
    async def handler(event: Event) -> None:
        await gate

    linker = Linker[Event]()
    linker.subscribe(Pinged, handler)
    emitter = asyncio_emitter(linker)
    return [emitter.emit(PINGED) for _ in range(MANY)]


def settled() -> float:
    """Bytes for each handle that somebody keeps."""
    linker = Linker[Event]()
    for handler in plain(1):
        linker.subscribe(Pinged, handler)
    emitter = asyncio_emitter(linker)
    emitter.emit(PINGED)
    return traced(lambda: [emitter.emit(PINGED) for _ in range(MANY)])


def imports(only: frozenset[str] | None, rounds: int = 11) -> dict[str, dict[str, Any]]:  # Any: it becomes JSON
    """For each package: the modules that it loads beyond the ground, and the ratio of a start with it to one without."""
    names = [name for name in PACKAGES if only is None or name in only]
    loaded = {name: modules(PACKAGES[name]) for name in names}
    names = [name for name in names if loaded[name] is not None]
    times: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(rounds):
        for name in names:
            start = perf_counter()
            subprocess.run([sys.executable, "-c", PACKAGES[name]], check=True)
            times[name].append(perf_counter() - start)
    return {
        name: {
            "ratio": median(one / ground for one, ground in zip(times[name], times[LIMIT], strict=True)),
            "modules": sorted((loaded[name] or set()) - (loaded[LIMIT] or set())),
        }
        for name in names
    }


def modules(statement: str) -> set[str] | None:
    """What is loaded after *statement*; `None` if it cannot be imported."""
    ask = f"{statement}\nimport sys; names = sorted(sys.modules); import json; print(json.dumps(names))"
    answer = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=False)
    return set(json.loads(answer.stdout)) if answer.returncode == 0 else None


def lines(name: str, figures: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:  # Any: as above
    if name == "memory":
        yield "memory: bytes for each"
        for what, sizes in figures.items():
            for contender, size in sizes.items():
                yield f"  {what:<18}{contender:<12}{size:>9,.0f}"
        return
    yield f"imports: a fresh interpreter, x `{GROUND}`"
    for contender, found in figures.items():
        theirs = [one for one in found["modules"] if one.partition(".")[0] != contender.replace(US, "pyventus_typed")]
        yield f"  {contender:<12}{found['ratio']:>6.2f}   {len(found['modules']):>4} modules more"
        if contender == US:
            yield f"    not ours: {', '.join(theirs) or 'none'}"
