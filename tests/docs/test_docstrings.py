"""The examples in docstrings run, and those names that everybody uses have one."""

import ast
import asyncio
import importlib
import inspect
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pyventus_typed.nats import local_server
from tests.docs.test_reference import FACADES

# What the examples take for granted: a shop with two events, and everything that is public.
SHOP = """
import asyncio
from collections.abc import Generator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from pyventus_typed import *
from pyventus_typed.nats import *
from pyventus_typed.testing import *
from pyventus_typed.trace import *
from pyventus_typed.wiring import *

@dataclass(frozen=True)
class OrderPlaced(Event):
    order: int

@dataclass(frozen=True)
class OrderPaid(Event):
    order: int

linker = Linker()
linker.subscribe(OrderPlaced, lambda event: None)
linker.subscribe(OrderPaid, lambda event: None)
emitter = Emitter(linker)
database = nullcontext()

async def main():
    pass

async def pay(emitter, order):
    await asyncio.sleep(0)
    emitter.emit(OrderPaid(order))

class Metrics:
    def __getattr__(self, name):
        return lambda *_: None

metrics = Metrics()
codec = JsonCodec(Wire("shop.order_placed.v1", OrderPlaced), Wire("shop.order_paid.v1", OrderPaid))
stream = JetStream("nats://127.0.0.1:4222", codec, stream="SHOP")
"""
MUST_HAVE = {
    "Event",
    "Request",
    "Linker",
    "Linker.on",
    "Linker.subscribe",
    "Linker.around",
    "Subscriber",
    "observe",
    "Recorder",
    "explore",
    "Trace",
    "check",
    "render",
    "JsonCodec",
    "JetStream",
    "Worker",
}
SERVER = "nats://127.0.0.1:4222"


def documented() -> Iterator[tuple[str, str]]:
    """Each public name and method that has a docstring."""
    seen = set[int]()
    for facade in map(importlib.import_module, FACADES):
        for name in facade.__all__:
            thing = getattr(facade, name)
            if id(thing) in seen or inspect.ismodule(thing) or not thing.__doc__:
                continue
            seen.add(id(thing))
            yield name, thing.__doc__
            if isinstance(thing, type) and thing.__module__.startswith("pyventus_typed"):
                for method, function in vars(thing).items():
                    if not method.startswith("_") and getattr(function, "__doc__", None):
                        yield f"{name}.{method}", function.__doc__


def examples() -> dict[str, str]:
    """The literal blocks of these docstrings, those of one docstring as one program."""
    found = {}
    for name, text in documented():
        blocks = re.findall(r"::\n\n((?:[ ]*\n|    .*\n?)+)", inspect.cleandoc(text) + "\n")
        if blocks:
            found[name] = "\n".join(map(textwrap.dedent, blocks))
    return found


EXAMPLES = examples()


def test_the_names_that_everybody_uses_have_an_example() -> None:
    assert MUST_HAVE - set(EXAMPLES) == set()


def test_an_example_is_indented_for_those_who_show_docstrings() -> None:
    # The first line says nothing about indentation: with the block alone below it, there is none left.
    assert [name for name, text in documented() if re.search(r"::\n\n\S", inspect.cleandoc(text))] == []


@pytest.mark.parametrize("name", sorted(EXAMPLES))
async def test_an_example_in_a_docstring_runs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    program = EXAMPLES[name]
    space = dict[str, Any]({"__name__": "example"})  # Any: a program's names
    if "async with stream" in program:
        async with local_server(store=tmp_path / "store") as url:
            exec(SHOP.replace(SERVER, url), space)
            space["linker"].subscribe(space["OrderPaid"], lambda _: space["worker"].stop())
            async with space["stream"] as stream:
                await stream.publish(space["OrderPaid"](1))
            await run(program.replace(SERVER, url), space)
    else:
        exec(SHOP, space)
        # What has a loop of its own, as explore() and asyncio.run(), is called where none runs.
        has_a_loop = re.search(r"^(explore|with|\s+asyncio\.run)\b", program, re.MULTILINE)
        await run(program, space, in_thread=has_a_loop is not None)
        for test in [thing for one, thing in space.items() if one.startswith("test_")]:
            test()


async def run(program: str, space: dict[str, Any], *, in_thread: bool = False) -> None:  # Any: a program's names
    code = compile(program, "example", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    waiting = await asyncio.to_thread(eval, code, space) if in_thread else eval(code, space)
    if waiting is not None:
        await waiting
