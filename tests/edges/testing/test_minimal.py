"""No schedule with fewer delays than the reported one fails in the same way: tried one by one, without the search's own tree."""

import asyncio
import random
from collections.abc import Callable, Coroutine, Iterator, Sequence
from itertools import combinations
from typing import Any

import pytest

from pyventus_typed.testing import InterleavingError, Schedule, ScheduleError, explore, run
from pyventus_typed.testing._outside import LeakDetector
from pyventus_typed.testing._policies import portfolio
from pyventus_typed.testing._run import Options, run_once

MOST_CHOICES = 24
"""The programs below have fewer, whatever the schedule; a schedule that names more does not fit."""

Log = tuple[int, ...]
Program = Callable[[], Coroutine[Any, Any, Log]]


class ThatLog(Exception):
    """What a program did is what it must not do."""


def random_steps(seed: int) -> list[str]:
    """Of two or three tasks what they do: a pause, a lock, a note, a sleep of 1 to 3, and one that may time out."""
    draw = random.Random(seed)
    steps = ["p", "p", "l", "n", "n", "s1", "s2", "s3", "t1", "t2", "t3"]
    return [" ".join(draw.choice(steps) for _ in range(draw.randint(2, 5))) for _ in range(draw.randint(2, 3))]


def program(tasks: Sequence[str]) -> Program:
    """A program of these tasks, which returns what they have noted, in order."""

    async def body() -> Log:
        log: list[int] = []
        lock = asyncio.Lock()

        async def task(number: int) -> None:
            for step in tasks[number].split():
                match step[0], step[1:]:
                    case "n", _:
                        log.append(number)
                    case "p", _:
                        await asyncio.sleep(0)
                    case "l", _:
                        async with lock:
                            await asyncio.sleep(0)
                    case "s", seconds:
                        await asyncio.sleep(int(seconds))
                    case _, seconds:
                        try:
                            async with asyncio.timeout(2):
                                await asyncio.sleep(int(seconds))
                        except TimeoutError:
                            log.append(10 + number)
            log.append(100 + number)

        await asyncio.gather(*map(task, range(len(tasks))))
        return tuple(log)

    return body


def with_bug(tasks: Sequence[str], seed: int) -> Program | None:
    """The program with a bug that needs some deviations: a log that a random schedule of it has made is forbidden."""
    body = program(tasks)
    with LeakDetector() as leaks:
        usual = run_once(body, Options(), leaks).value
        logs = [
            run_once(
                body, Options(), leaks, chooser=portfolio(random.Random(1_000_003 * seed + index), index, 12)
            ).value
            for index in range(10)
        ]
    forbidden = next((log for log in reversed(logs) if log != usual), None)
    if forbidden is None:
        return None

    async def bug() -> Log:
        log = await body()
        if log == forbidden:
            raise ThatLog(log)
        return log

    return bug


def schedules_with(delays: int) -> Iterator[Schedule]:
    if delays == 1:
        yield from (Schedule(((choice, 1),)) for choice in range(MOST_CHOICES))
        return
    yield from (Schedule(((choice, 2),)) for choice in range(MOST_CHOICES))
    yield from (Schedule(((one, 1), (other, 1))) for one, other in combinations(range(MOST_CHOICES), 2))


def fails(body: Program, schedule: Schedule) -> bool:
    try:
        run(body, schedule=schedule)
    except ThatLog:
        return True
    except ScheduleError:
        pass
    return False


def smallest_and_smaller(bug: Program, seed: int) -> tuple[Schedule, list[Schedule]]:
    """The reported schedule, and those with fewer delays, up to two, that fail too."""
    with pytest.raises(InterleavingError, match="in another order") as caught:
        explore(bug, schedules=20_000, seed=seed)
    found = caught.value.schedule
    smaller = [one for delays in range(1, min(found.delays, 3)) for one in schedules_with(delays)]
    return found, [one for one in smaller if fails(bug, one)]


@pytest.mark.parametrize("seeds", [range(40), range(40, 80)], ids=str)
def test_no_schedule_with_fewer_delays_fails(seeds: range) -> None:
    checked = 0
    for seed in seeds:
        bug = with_bug(random_steps(seed), seed)
        if bug is not None:
            found, smaller = smallest_and_smaller(bug, seed)
            assert smaller == [], (seed, found)
            checked += found.delays > 1
    assert checked > 2


def test_what_was_found_is_not_replaced_by_a_schedule_with_more_delays() -> None:
    """Its smallest schedule keeps the order of two tasks less simply than it was found."""
    tasks = ["s3 p p n", "s1 t3", "p s1 t3"]
    for seed in (22, 23, 31):
        bug = with_bug(tasks, seed)
        assert bug is not None
        assert smallest_and_smaller(bug, seed)[1] == []
