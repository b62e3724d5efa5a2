"""An alarm says what it is: a livelock is one, what leaked is no race, and who skips a test reaches the test runner."""

import asyncio
import unittest

import pytest
from typing_extensions import override

from pyventus_typed.testing import (
    InterleavingError,
    LivelockError,
    SimulationBoundaryError,
    StateLeakError,
    explore,
    given_interleavings,
    run,
)


async def pause(steps: int = 1) -> None:
    for _ in range(steps):
        await asyncio.sleep(0)


# ---------------------------------------------------------------- livelocks
async def poll(every: float, seconds: float) -> None:
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while loop.time() < end:
        await asyncio.sleep(every)


@pytest.mark.parametrize("every", [0.1, 0.01, 0.001])
def test_a_program_that_polls_for_a_minute_is_no_livelock(every: float) -> None:
    run(lambda: poll(every, 60))


def test_a_program_that_polls_for_a_minute_in_another_order_is_no_livelock_either() -> None:
    async def body() -> None:
        log: list[str] = []

        async def go(name: str) -> None:
            await pause()
            log.append(name)

        await asyncio.gather(go("a"), go("b"))
        if log != ["a", "b"]:
            await poll(0.02, 60)

    assert explore(body).complete


def test_many_steps_without_time_are_a_livelock() -> None:
    async def body() -> None:
        await asyncio.sleep(3)
        while True:
            await pause()

    with pytest.raises(
        LivelockError, match=r"100000 steps were made at 3 s of virtual time, and none of them let time pass"
    ):
        run(body)


def test_the_advice_of_a_livelock_can_be_followed() -> None:
    async def long() -> None:
        await pause(150_000)

    with pytest.raises(LivelockError, match="say how many steps it may take: max_steps="):
        run(long)
    run(long, max_steps=200_000)


# ---------------------------------------------------------------- what comes out of a body
@pytest.mark.parametrize("error", [asyncio.CancelledError, SystemExit])
def test_what_is_no_exception_is_told_with_its_schedule_too(error: type[BaseException]) -> None:
    async def body() -> None:
        log: list[str] = []

        async def go(name: str) -> None:
            await pause()
            log.append(name)

        await asyncio.gather(go("a"), go("b"))
        if log != ["a", "b"]:
            raise error

    with pytest.raises(InterleavingError, match=f"in another order .*: {error.__name__}") as caught:
        explore(body)
    assert isinstance(caught.value.__cause__, error)
    with pytest.raises(error):
        run(body, schedule=caught.value.schedule)


def test_ctrl_c_goes_through() -> None:
    async def body() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        explore(body)


@pytest.mark.parametrize("skip", [unittest.SkipTest, pytest.skip.Exception, pytest.xfail.Exception])
def test_who_skips_a_test_is_heard_by_the_test_runner(skip: type[Exception]) -> None:
    async def body() -> None:
        await pause()
        raise skip("not today")

    with pytest.raises(skip, match="not today"):
        explore(body)


def test_what_reached_for_the_real_world_is_told_as_that_and_not_as_a_race() -> None:
    async def body() -> None:
        log: list[str] = []

        async def go(name: str) -> None:
            await pause()
            log.append(name)

        await asyncio.gather(go("a"), go("b"))
        if log != ["a", "b"]:
            await asyncio.open_connection("localhost", 80)

    with pytest.raises(SimulationBoundaryError, match=r"loop\.create_connection\(\) needs") as caught:
        explore(body)
    assert "It happened under the schedule '0:1'" in caught.value.__notes__[0]


class Mute(Exception):
    @override
    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


def test_an_error_that_cannot_say_what_it_is_does_not_hide_the_report() -> None:
    async def body() -> None:
        raise Mute

    with pytest.raises(InterleavingError, match="Mute: \\(its text raised RuntimeError\\)") as caught:
        explore(body)
    assert "Step by step" in str(caught.value)


# ---------------------------------------------------------------- what leaks
counter = 0


def test_a_counter_outside_of_the_body_is_a_leak_and_is_named() -> None:
    async def body() -> None:
        global counter  # noqa: PLW0603  # that is the bug
        counter += 1
        await asyncio.gather(pause(3), pause(3))
        assert counter < 30

    with pytest.raises(StateLeakError, match=r"counter \(in test_alarms\.py\) was 0 and is \d+. Make all state inside"):
        explore(body)


def test_a_list_outside_of_the_body_is_a_leak_from_the_second_run_on() -> None:
    seen: list[int] = []

    async def body() -> None:
        seen.append(1)
        await asyncio.gather(pause(3), pause(3))
        assert len(seen) == 1

    with pytest.raises(StateLeakError, match=r"seen \(around body\) was \[\] and is \[1, 1"):
        explore(body)


class Shop:
    sold: dict[str, int] = {}  # noqa: RUF012  # that is the bug


def test_an_attribute_of_a_class_is_a_leak() -> None:
    async def sell() -> None:
        Shop.sold["cup"] = Shop.sold.get("cup", 0) + 1
        await asyncio.gather(pause(3), pause(3))
        assert Shop.sold["cup"] < 20

    with pytest.raises(StateLeakError, match=r"Shop\.sold was \{\} and is \{'cup': \d+\}"):
        explore(sell)


def test_a_leak_from_one_example_to_the_next_is_no_failure_in_the_ordinary_order() -> None:
    from hypothesis import settings
    from hypothesis import strategies as st

    seen: list[int] = []

    @settings(database=None, max_examples=30, deadline=None, report_multiple_bugs=False)
    @given_interleavings(st.integers())
    async def test(number: int) -> None:
        seen.append(number)
        await pause(2)
        assert len(seen) < 12

    with pytest.raises(StateLeakError, match="Something outlived its schedule"):
        test()


def test_a_failure_in_the_ordinary_order_says_what_the_body_changed_outside() -> None:
    seen = ["from another test"]

    async def body() -> None:
        seen.append("mine")
        assert len(seen) == 1

    with pytest.raises(InterleavingError, match="even in the ordinary order") as caught:
        explore(body)
    assert "Outside of the body it changed, so by itself or run first it may pass" in str(caught.value)
    assert "seen (around body) was ['from another test'] and is" in str(caught.value)


# ---------------------------------------------------------------- time
def test_a_sleep_that_is_no_number_is_refused_at_the_call() -> None:
    async def body() -> None:
        with pytest.raises(ValueError, match="NaN"):
            await asyncio.sleep(float("nan"))
        with pytest.raises(ValueError, match="NaN"):
            asyncio.get_running_loop().call_at(float("nan"), print)

    run(body)
