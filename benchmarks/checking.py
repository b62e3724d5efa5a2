"""Before a row is timed: does every contender call every handler exactly as often as it should?"""

from collections import Counter
from collections.abc import Callable

from .handlers import counting
from .workloads import Batch, BatchInLoop, Handlers

TIMES = (1, 7)


class Miscounted(AssertionError):
    """A contender does not do the work of its row, so its times mean nothing."""

    def __init__(self, contender: str, times: int, calls: list[int], handlers: int) -> None:
        super().__init__(
            f"{contender}: {times} x {handlers} calls were due when the batch returned, and it made {dict(Counter(calls))}. "
            "Correct how it is used before timing it."
        )


def check(contender: str, make: Callable[[Handlers], Batch | None], like: Handlers) -> None:
    """Raise `Miscounted` unless *contender* does its work, without a loop."""
    calls: list[int] = []
    handlers = counting(like, calls)  # some contenders refer to them weakly
    batch = make(handlers)
    assert batch is not None
    for times in TIMES:
        calls.clear()
        batch(times)
        compare(contender, times, calls, len(like.functions))


async def check_in_loop(contender: str, make: Callable[[Handlers], BatchInLoop | None], like: Handlers) -> None:
    """The same in the running loop."""
    calls: list[int] = []
    handlers = counting(like, calls)  # some contenders refer to them weakly
    async with handlers.closing:
        batch = make(handlers)
        assert batch is not None
        for times in TIMES:
            calls.clear()
            await batch(times)
            compare(contender, times, calls, len(like.functions))


def compare(contender: str, times: int, calls: list[int], handlers: int) -> None:
    if Counter(calls) != Counter(dict.fromkeys(range(handlers), times)):
        raise Miscounted(contender, times, calls, handlers)
