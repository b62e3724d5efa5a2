import asyncio

import pytest

from pyventus_typed.testing import InterleavingError, Schedule, ScheduleError, explore, run
from tests.events import untyped


async def pause(steps: int = 1) -> None:
    for _ in range(steps):
        await asyncio.sleep(0)


async def three_letters() -> str:
    written: list[str] = []

    async def write(letter: str) -> None:
        await pause()
        written.append(letter)

    await asyncio.gather(*(write(letter) for letter in "abc"))
    return "".join(written)


@pytest.mark.parametrize("text", ["fifo", "0:1", "2:1,5:1", "3:2,4:1,900:7"])
def test_a_schedule_reads_what_it_writes(text: str) -> None:
    schedule = Schedule.parse(text)
    assert str(schedule) == text
    assert eval(repr(schedule)) == schedule


@pytest.mark.parametrize("text", ["2", "2:", "a:b", "2:1;5:1", "2:1,,5:1", "-1:1", "2:1 5:1"])
def test_a_text_that_is_no_schedule_is_refused_with_the_form_it_should_have(text: str) -> None:
    with pytest.raises(ScheduleError, match=r"is not a schedule: .* deviations such as '2:1,5:1'"):
        run(three_letters, schedule=text)


@pytest.mark.parametrize("what", [7, None, ["0:1"], b"0:1"])
def test_what_is_no_text_is_no_schedule_either(what: object) -> None:
    with pytest.raises(ScheduleError, match="A schedule is a Schedule or its text"):
        run(three_letters, schedule=untyped(what))


def test_one_schedule_is_no_list_of_schedules() -> None:
    with pytest.raises(ScheduleError, match=r"Did you mean first=\['0:1'\]"):
        explore(three_letters, first="0:1")


def test_a_deviation_that_is_none_is_refused() -> None:
    with pytest.raises(ScheduleError, match="candidate 0 is the one that FIFO takes"):
        Schedule.parse("2:0")


def test_choices_out_of_order_are_refused() -> None:
    with pytest.raises(ScheduleError, match="in rising order"):
        Schedule.parse("5:1,2:1")


def test_without_deviations_it_is_first_come_first_served() -> None:
    assert run(three_letters) == "abc"


@pytest.mark.parametrize(
    ("schedule", "written"), [("0:1", "bca"), ("0:2", "cab"), ("0:1,1:1", "bac"), ("0:2,2:1", "cba")]
)
def test_a_deviation_takes_another_candidate_and_holds_those_before_it(schedule: str, written: str) -> None:
    assert run(three_letters, schedule=schedule) == written


def test_one_deviation_holds_a_task_until_nothing_else_can_go() -> None:
    async def body() -> list[str]:
        log: list[str] = []

        async def walk(name: str, steps: int) -> None:
            for _ in range(steps):
                await pause()
                log.append(name)

        await asyncio.gather(walk("a", 2), walk("b", 5))
        return log

    assert "".join(run(body)) == "ababbbb"
    assert "".join(run(body, schedule="0:1")) == "bbbbbaa"
    assert "".join(run(body, schedule="0:1,2:1")) == "bbababb"


def test_a_schedule_that_takes_a_candidate_which_is_not_there_is_refused() -> None:
    with pytest.raises(ScheduleError, match="candidate 9 at choice 0, where there are only 3"):
        run(three_letters, schedule="0:9")


def test_a_schedule_that_is_longer_than_the_run_is_refused() -> None:
    with pytest.raises(ScheduleError, match="names choice 77, and this run had only"):
        run(three_letters, schedule="77:1")


def test_a_pinned_schedule_that_no_longer_fits_is_used_as_far_as_it_does() -> None:
    explore(three_letters, first=["0:1,77:1"], schedules=5)


def test_a_pinned_schedule_is_tried_first() -> None:
    async def breaks_once_in_six() -> None:
        assert await three_letters() != "cba"

    with pytest.raises(InterleavingError, match="in another order") as caught:
        explore(breaks_once_in_six, first=["0:2,2:1"])
    assert caught.value.runs == 2
    assert str(caught.value.schedule) == "0:2,2:1"


def test_every_order_is_reached_by_exhaustion_and_each_only_once() -> None:
    seen: list[str] = []

    async def body() -> None:
        seen.append(await three_letters())

    explore(body, exhaustive=3)
    tried = seen[2:-1]  # FIFO twice to begin with, and once at the end
    assert set(tried) == {"abc", "acb", "bac", "bca", "cab", "cba"}


def test_exhaustion_stops_at_what_it_was_allowed() -> None:
    seen: set[str] = set()

    async def body() -> None:
        seen.add(await three_letters())

    explore(body, exhaustive=0)
    assert seen == {"abc"}
    explore(body, exhaustive=1)
    assert seen == {"abc", "bca", "acb"}


def test_exhausting_a_large_program_is_refused_instead_of_taking_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pyventus_typed.testing._search._MOST_EXHAUSTIVE", 50)

    async def body() -> None:
        await asyncio.gather(*(pause(5) for _ in range(5)))

    with pytest.raises(
        ScheduleError, match="more than 50 schedules .* make the program or the number of delays smaller"
    ):
        explore(body, exhaustive=3)


def test_an_endless_producer_that_runs_ahead_is_no_livelock() -> None:
    async def body() -> None:
        stop = False
        produced: list[asyncio.Task[None]] = []

        async def produce() -> None:
            while not stop:
                produced.append(asyncio.create_task(pause(2)))
                await pause()

        async def work() -> None:
            nonlocal stop
            for _ in range(4):
                await asyncio.create_task(pause(2))
            stop = True

        await asyncio.gather(produce(), work())
        await asyncio.gather(*produced)

    explore(body, schedules=200)


def test_a_task_is_started_before_whoever_made_it_goes_on_from_a_pause() -> None:
    """It is a custom to let a task start with one `sleep(0)`, and asyncio keeps it."""

    async def body() -> None:
        started: list[int] = []

        async def work(number: int) -> None:
            started.append(number)
            await pause(3)

        tasks = []
        for number in range(3):
            tasks.append(asyncio.create_task(work(number)))
            await pause()
            assert started == list(range(number + 1))
        await asyncio.gather(*tasks)

    explore(body, schedules=200)


def test_of_fifty_tasks_only_those_that_matter_are_told() -> None:
    async def body() -> None:
        balance = 0

        async def noise() -> None:
            await pause(10)

        async def deposit(after: int) -> None:
            nonlocal balance
            await pause(after)
            seen = balance
            await pause()
            balance = seen + 1

        await asyncio.gather(*(noise() for _ in range(48)), deposit(3), deposit(9))
        assert balance == 2

    with pytest.raises(InterleavingError, match="in another order .*: AssertionError: assert 1 == 2") as caught:
        explore(body)
    assert len(caught.value.schedule) == 1
    report = str(caught.value)
    assert "deposit#1 resumed" in report
    assert "others went first" in report
    assert len(report.splitlines()) < 80
    assert max(map(len, report.splitlines())) < 250
