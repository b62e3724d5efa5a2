"""What asyncio does not say publicly: it is there on this Python, and where it is not, what the map says happens."""

import asyncio
import re
import sys
from typing import Any

import pytest

from pyventus_typed import _loops
from tests.docs.pages import DOCS
from tests.programs import run_python

MAP = (DOCS / "contributing" / "map.md").read_text(encoding="utf-8")


def names_in(table: str, end: str) -> list[str]:
    begin = MAP.index(table)
    rows = re.findall(r"^\| (`.*?) \|", MAP[begin : MAP.index(end, begin) if end else None], re.MULTILINE)
    return [name for row in rows for name in re.findall(r"`(\w+)`", row)]


OF_CORE = names_in("### Private names of asyncio", "Two names are looked for")
NOT_HERE = {"_current_tasks", "_thread_id"} if sys.version_info >= (3, 12) else set[str]()


async def owner_of(name: str) -> Any:
    """Where *name* is to be found while a loop runs."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    return next((one for one in (asyncio, asyncio.tasks, asyncio.futures, loop, task) if hasattr(one, name)), None)


@pytest.mark.parametrize("name", OF_CORE)
def test_what_the_core_takes_from_inside_asyncio_is_there(name: str) -> None:
    if name in NOT_HERE:
        pytest.skip("the map says that it is not used on this Python")
    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        assert runner.run(owner_of(name)) is not None


def test_a_build_says_whether_it_has_a_gil() -> None:
    is_enabled = getattr(sys, "_is_gil_enabled", lambda: True)
    assert _loops.HAS_GIL or "t" in sys.abiflags
    assert is_enabled() or not _loops.HAS_GIL


PROGRAM = """
import asyncio, atexit, gc, logging
from dataclasses import dataclass
from pyventus_typed import Event, Linker, Ordering, asyncio_emitter

@dataclass(frozen=True)
class Placed(Event):
    n: int = 0

seen, left = [], []

async def main(ordering):
    linker = Linker[Event]()
    emitter = asyncio_emitter(linker, ordering=ordering)
    @linker.on(Placed)
    async def one(event):
        await asyncio.sleep(0)
        seen.append(event.n)
    linker.subscribe(Placed, lambda event: seen.append(event.n))
    async with emitter:
        emissions = [emitter.emit(Placed(n)) for n in range(20)]
        await asyncio.to_thread(emitter.emit, Placed(20))
        emissions[19].cancel()
        await emitter.publish(Placed(21))
    assert emitter.tally.pending == 0, emitter.tally

for ordering in Ordering:
    asyncio.run(main(ordering))
    assert {*range(19), 20, 21} <= set(seen), seen
    seen.clear()

# A fresh loop in which something is left.
linker = Linker[Event]()
@linker.on(Placed)
async def leave(event):
    async def go_on():
        try:
            await asyncio.sleep(60)
        finally:
            left.append("task")
    async def generate():
        try:
            yield 1
        finally:
            left.append("generator")
    global held
    held = asyncio.create_task(go_on()), generate()
    await anext(held[1])
    await asyncio.sleep(0)
    await asyncio.to_thread(int)
assert asyncio_emitter(linker).emit(Placed()).status.value == "completed"
assert sorted(left) == ["generator", "task"], left
print("well")
"""

TAKEN_AWAY = {
    "_get_running_loop": "del asyncio._get_running_loop",
    "_current_tasks": "",
    "_thread_id": "",
    "_register_task": "del asyncio._register_task",
    "_unregister_task": "del asyncio._unregister_task",
    **{
        name: f"""
class Loop(asyncio.SelectorEventLoop):
    def __getattribute__(self, name):
        if name == {name!r} and sys._getframe(1).f_globals['__name__'].startswith('pyventus_typed'):
            raise AttributeError(name)
        return super().__getattribute__(name)
asyncio.new_event_loop = Loop
"""
        for name in ("_ready", "_asyncgens", "_default_executor")
    },
    **{
        name: f"""
class Task(asyncio.Task):
    def __getattribute__(self, name):
        if name == {name!r}:
            raise AttributeError(name)
        return super().__getattribute__(name)
    def __setattr__(self, name, value):
        if name != {name!r}:
            super().__setattr__(name, value)
asyncio.Task = Task
"""
        for name in ("_log_destroy_pending", "_must_cancel")
    },
}


@pytest.mark.parametrize("name", OF_CORE)
def test_without_a_private_name_the_core_does_its_work(name: str) -> None:
    if not TAKEN_AWAY[name]:
        pytest.skip("on 3.11 it is there, and later it is not used")
    ended = run_python("-c", f"import asyncio, sys\n{TAKEN_AWAY[name]}\n{PROGRAM}")
    assert ended.stdout == "well\n", ended.stderr


def test_in_the_loop_of_windows_the_core_does_its_work() -> None:
    ended = run_python(
        "-W",
        "error",
        "-c",
        f"""
import asyncio
from tests.loops import ProactorLoop
made = []
def make():
    made.append(ProactorLoop())
    return made[-1]
asyncio.new_event_loop = asyncio.events.new_event_loop = make
{PROGRAM}
from pyventus_typed import _loops
assert len(made) == len(Ordering) + 1, made
assert all(loop.is_closed() for loop in made)
# Of a loop that has stopped, a callback is always left: it is run once more.
loop = make()
loop.run_until_complete(asyncio.sleep(0))
assert _loops.is_in_use(loop)
loop.close()
""",
    )
    assert ended.stdout == "well\n", ended.stderr
    assert ended.stderr == ""


def test_where_the_function_that_cancels_all_tasks_has_another_name_what_it_cancels_is_not_reported() -> None:
    ended = run_python(
        "-c",
        """
import asyncio
from asyncio import runners
from pyventus_typed import AsyncIOProcessor, Emitter, Event, Linker
from tests.events import OrderPaid, OrderPlaced

asyncios_own = runners._cancel_all_tasks
asyncios_own.__code__ = asyncios_own.__code__.replace(co_name="another_name")
linker, lost, called = Linker(), [], []
emitter = Emitter(linker, AsyncIOProcessor(on_discard=lost.extend))
linker.subscribe(OrderPaid, called.append)

@linker.on(OrderPlaced)
async def wait(event):
    try:
        await asyncio.sleep(60)
    finally:
        emitter.emit(OrderPaid(1))

async def main():
    emitter.emit(OrderPlaced(1))
    await asyncio.sleep(0)
    await asyncio.sleep(0)

asyncio.run(main())
tally = emitter.tally
assert (tally.accepted, tally.completed, tally.cancelled, lost) == (2, 1, 1, []), (tally, lost)
print("accounted for, and not reported")
""",
    )
    assert ended.stdout == "accounted for, and not reported\n", ended.stderr
