"""Time contenders side by side on a machine that others use too.

Each round runs one short batch of every contender, in a new random order, so that whatever disturbs the machine meets
all of them; ratios are taken within a round. Long batches, or one contender after the other, measure the neighbours.
"""

import gc
import math
import random
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter, process_time
from typing import TypeAlias

from .workloads import Batch, BatchInLoop

LONG = 0.05
"""Seconds. A batch that cannot be made shorter than this is taken in fewer rounds."""


@dataclass(frozen=True, slots=True)
class Timing:
    """One batch."""

    wall: float
    cpu: float


Rounds: TypeAlias = list[dict[str, Timing]]
"""For each round what one unit of work took, in seconds, by contender. Slow ones are not in every round."""

Plan: TypeAlias = Generator[tuple[str, int], Timing, Rounds]


@dataclass(frozen=True, slots=True)
class Pace:
    """How long to measure."""

    rounds: int = 41
    batch: float = 0.001  # seconds

    def size(self, seconds: float) -> int:
        """How many units of *seconds* each make a batch."""
        return max(1, round(self.batch / seconds))


def plan(names: list[str], pace: Pace, seed: int, burst: int | None = None) -> Plan:
    """Say which contender runs how many units next, take its timing, and return all rounds.

    With *burst*, a batch is that many units, unless it would take long.
    """
    sizes: dict[str, int] = {}
    every: dict[str, int] = {}
    for name in names:
        n = 1
        yield name, n  # the first call fills caches
        # A unit of a burst costs less than one of a few: there, begin with nearly as many.
        long, most = (min(pace.batch, 0.001) / 4, None) if burst is None else (LONG / 4, burst)
        while (timing := (yield name, n)).wall < long and (most is None or n < most):
            n *= 2
        again = yield name, n
        unit = min(timing.wall, again.wall) / n
        size = pace.size(unit) if burst is None else burst
        if burst is not None and unit * burst > LONG:
            size = max(1, int(LONG / unit))
        sizes[name] = size
        every[name] = max(1, min(math.ceil(unit * size / LONG), pace.rounds // 9))
    rng = random.Random(seed)
    rounds: Rounds = []
    for number in range(pace.rounds):
        taken = [name for name in names if number % every[name] == 0]
        rng.shuffle(taken)
        timings = {}
        for name in taken:
            timing = yield name, sizes[name]
            timings[name] = Timing(timing.wall / sizes[name], timing.cpu / sizes[name])
        rounds.append(timings)
    return rounds


@contextmanager
def quiet_collector() -> Iterator[None]:
    """What exists already is not walked by the garbage collector; what a batch makes is its own to pay for."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def run(steps: Plan, batches: Mapping[str, Batch]) -> Rounds:
    """Run *steps* without a loop."""
    with quiet_collector():
        try:
            name, n = next(steps)
            while True:
                batch = batches[name]
                cpu, wall = process_time(), perf_counter()
                batch(n)
                wall, cpu = perf_counter() - wall, process_time() - cpu
                name, n = steps.send(Timing(wall, cpu))
        except StopIteration as end:
            rounds: Rounds = end.value
            return rounds


async def run_in_loop(steps: Plan, batches: Mapping[str, BatchInLoop]) -> Rounds:
    """Run *steps* in the running loop."""
    with quiet_collector():
        try:
            name, n = next(steps)
            while True:
                batch = batches[name]
                cpu, wall = process_time(), perf_counter()
                await batch(n)
                wall, cpu = perf_counter() - wall, process_time() - cpu
                name, n = steps.send(Timing(wall, cpu))
        except StopIteration as end:
            rounds: Rounds = end.value
            return rounds
