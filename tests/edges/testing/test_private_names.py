"""What the kit takes from inside asyncio: it is there on this Python, and where it is not, what the map says happens."""

import asyncio
import warnings

import pytest

from tests.programs import run_python
from tests.test_loops import names_in

OF_KIT = names_in("A loop that decides who goes next", "")


def test_the_map_names_what_the_tests_below_take_away() -> None:
    assert {*TAKEN_AWAY, "_set_running_loop"} == set(OF_KIT)


@pytest.mark.parametrize("name", OF_KIT)
def test_what_the_kit_takes_from_inside_is_there(name: str) -> None:
    async def owner() -> object:
        waiting = asyncio.create_task(asyncio.sleep(0.001))
        await asyncio.sleep(0)
        places = (asyncio, asyncio.tasks, asyncio.futures, warnings, waiting)
        return next((one for one in places if name in dir(one)), None)

    assert asyncio.run(owner()) is not None


PROGRAM = """
import asyncio
from pyventus_typed.testing import DeadlockError, InterleavingError, explore, run

async def wait_for_each_other():
    one, other = asyncio.Lock(), asyncio.Lock()
    async def take(first, second):
        async with first:
            await asyncio.sleep(0)
            async with second:
                pass
    await asyncio.gather(take(one, other), take(other, one))

async def lose_an_update():
    stock = 2
    async def sell():
        nonlocal stock
        seen = stock
        await asyncio.sleep(1)
        stock = seen - 1
    await asyncio.gather(sell(), sell())
    assert stock == 0

async def bear_it():
    async def work():
        try:
            await asyncio.sleep(1)
        except ConnectionError:
            pass
    await asyncio.gather(work(), work())

for body, error in ((wait_for_each_other, DeadlockError), (lose_an_update, AssertionError)):
    try:
        explore(body)
    except InterleavingError as found:
        assert isinstance(found.__cause__, error), found
        assert "shop" not in str(found) and str(found)
    else:
        raise SystemExit(f"nothing was found in {body}")
print("well,", explore(bear_it, fail=ConnectionError, latency=3).schedules > 1)
"""

TAKEN_AWAY = {
    "_PyTask": "del asyncio.tasks._PyTask",
    "_fut_waiter": """
class Task(asyncio.Task):
    def __getattribute__(self, name):
        if name == "_fut_waiter":
            raise AttributeError(name)
        return super().__getattribute__(name)
asyncio.Task = Task
""",
    # asyncio's own sleep goes on under another name.
    "_set_result_unless_cancelled": """
from asyncio import futures
class Futures:
    def __getattr__(self, name):
        return own if name == "_set_result_unless_cancelled" else getattr(futures, name)
own = futures._set_result_unless_cancelled
asyncio.tasks.futures = Futures()
del futures._set_result_unless_cancelled
""",
    "__sleep0": """
import types
@types.coroutine
def pause():
    yield
sleep = asyncio.tasks.sleep
async def other_sleep(delay, result=None):
    if delay <= 0:
        await pause()
        return result
    return await sleep(delay, result)
asyncio.sleep = asyncio.tasks.sleep = other_sleep
del asyncio.tasks.__dict__["__sleep0"]
""",
    "_warn_unawaited_coroutine": "",
}


@pytest.mark.parametrize("name", [name for name in OF_KIT if TAKEN_AWAY.get(name)])
def test_without_a_private_name_the_kit_still_finds_what_is_wrong(name: str) -> None:
    ended = run_python("-c", f"import asyncio\n{TAKEN_AWAY[name]}\n{PROGRAM}")
    assert ended.stdout == "well, True\n", ended.stderr
