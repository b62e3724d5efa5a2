"""What a run in virtual time and a schedule of an exploration cost, beside plain asyncio in the same process.

``python -m benchmarks.exploring``. The ratios hold on any machine; the microseconds are those of this one, now.
"""

import asyncio
import statistics
import time
from collections.abc import Callable

from pyventus_typed.testing import VirtualLoop, explore, run

ROUNDS = 30
SCHEDULES = 500


async def nothing() -> None: ...


async def twenty_steps() -> None:
    async def worker() -> None:
        for _ in range(4):
            await asyncio.sleep(0)

    await asyncio.gather(*(worker() for _ in range(3)))


def steps() -> int:
    loop = VirtualLoop()
    loop.run_until_complete(twenty_steps())
    made = loop.steps
    loop.close()
    return made


def microseconds(function: Callable[[], object], times: int) -> float:
    before = time.process_time()
    for _ in range(times):
        function()
    return (time.process_time() - before) / times * 1e6


def main() -> None:
    loop = asyncio.new_event_loop()
    measured: dict[str, list[float]] = {"task": [], "run": [], "plain": [], "schedule": []}
    for _ in range(ROUNDS):  # in turn, so that all of them see the same moods of the machine
        measured["task"].append(microseconds(lambda: loop.run_until_complete(nothing()), 200))
        measured["run"].append(microseconds(lambda: run(nothing), 100))
        measured["plain"].append(microseconds(lambda: loop.run_until_complete(twenty_steps()), 50))
        measured["schedule"].append(microseconds(lambda: explore(twenty_steps, schedules=SCHEDULES), 1) / SCHEDULES)
    loop.close()
    least = {name: min(values) for name, values in measured.items()}

    def ratio(of: str, to: str) -> float:
        return statistics.median(one / other for one, other in zip(measured[of], measured[to], strict=True))

    print(f"run() of nothing: {least['run']:.1f} µs, {ratio('run', 'task'):.2f} x a task on a running loop of asyncio")
    print(
        f"a schedule of {steps()} steps: {least['schedule']:.1f} µs, {ratio('schedule', 'plain'):.2f} x the program on "
        f"asyncio; {1e6 / least['schedule']:.0f} schedules a second"
    )


if __name__ == "__main__":
    main()
