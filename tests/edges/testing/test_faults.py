"""What may go wrong besides the order: sleeps that take longer, cancellations, calls that fail, emissions lost or repeated."""

import asyncio
import re
import weakref
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from pyventus_typed import Emission, Event, Linker, Status, asyncio_emitter
from pyventus_typed.testing import (
    BackgroundError,
    InterleavingError,
    Schedule,
    ScheduleError,
    afterwards,
    always,
    explore,
    run,
)
from tests.events import untyped


@dataclass(frozen=True)
class Placed(Event):
    order: int = 0


async def pause(steps: int = 1) -> None:
    for _ in range(steps):
        await asyncio.sleep(0)


# ---------------------------------------------------------------- sleeps
async def ends_of(*seconds: float) -> list[float]:
    """In which order sleeps of so many *seconds* end."""
    log: list[float] = []

    async def sleep(time: float) -> None:
        await asyncio.sleep(time)
        log.append(time)

    await asyncio.gather(*map(sleep, seconds))
    return log


def orders(*seconds: float, **options: float) -> set[tuple[float, ...]]:
    seen: set[tuple[float, ...]] = set()

    async def body() -> None:
        seen.add(tuple(await ends_of(*seconds)))

    explore(body, expect_choices=False, schedules=100, **untyped(options))
    return seen


def test_a_sleep_may_take_twice_as_long_where_that_lets_another_one_end_first() -> None:
    assert orders(0.05, 0.08) == {(0.05, 0.08), (0.08, 0.05)}
    assert orders(0.05, 0.11) == {(0.05, 0.11)}


def test_latency_says_how_many_times_as_long() -> None:
    assert orders(0.05, 0.08, latency=1) == {(0.05, 0.08)}
    assert orders(0.05, 0.08, latency=1.5) == {(0.05, 0.08)}
    assert orders(0.05, 0.11, latency=3) == {(0.05, 0.11), (0.11, 0.05)}


def test_a_sleep_that_takes_longer_ends_with_the_one_that_it_waited_for_and_no_later() -> None:
    async def body() -> None:
        await ends_of(1.0, 1.5)
        assert asyncio.get_running_loop().time() == 1.5

    assert explore(body).complete


def test_a_sleep_alone_and_a_callback_are_exact() -> None:
    async def body() -> None:
        loop = asyncio.get_running_loop()
        called: list[float] = []
        loop.call_later(1.0, lambda: called.append(loop.time()))
        loop.call_later(1.5, lambda: called.append(loop.time()))
        await asyncio.sleep(5.0)
        assert called == [1.0, 1.5]
        assert loop.time() == 5.0

    explore(body, expect_choices=False)


def test_a_sleep_may_take_longer_than_a_time_out() -> None:
    async def body() -> None:
        async with asyncio.timeout(1.0):
            await asyncio.sleep(0.6)

    with pytest.raises(InterleavingError, match="TimeoutError") as caught:
        explore(body)
    sentence = r"The sleep of body at test_faults\.py:\d+ \(await asyncio\.sleep\(0\.6\)\) took 1 s instead of 0\.6 s"
    assert re.search(sentence + ", until a timeout was over", str(caught.value))
    with pytest.raises(TimeoutError):
        run(body, schedule=caught.value.schedule)


@pytest.mark.parametrize("latency", [0, 0.5, -1, float("nan"), float("inf")])
def test_a_latency_that_is_none_is_refused(latency: float) -> None:
    with pytest.raises(ValueError, match="how many times as long a sleep may take, at least 1, and not"):
        run(pause, latency=latency)


# ---------------------------------------------------------------- cancellations
def cut_points(body_of: Callable[[list[str]], object], **options: bool) -> set[tuple[str, ...]]:
    seen: set[tuple[str, ...]] = set()

    async def body() -> None:
        log: list[str] = []
        task = asyncio.create_task(untyped(body_of)(log))
        await asyncio.wait([task])
        seen.add((*log, "cancelled" if task.cancelled() else "done"))

    explore(body, **untyped(options))
    return seen


async def three_awaits(log: list[str]) -> None:
    log.append("a")
    await pause()
    log.append("b")
    await asyncio.sleep(1)
    log.append("c")
    await asyncio.Event().wait() if log == ["never"] else await pause()
    log.append("d")


def test_a_task_is_cancelled_at_each_of_its_awaits() -> None:
    assert cut_points(three_awaits, cancel=True) == {
        ("a", "b", "c", "d", "done"),
        ("a", "cancelled"),
        ("a", "b", "cancelled"),
        ("a", "b", "c", "cancelled"),
    }


def test_nobody_is_cancelled_unless_that_is_asked_for() -> None:
    assert cut_points(three_awaits, expect_choices=False) == {("a", "b", "c", "d", "done")}


def test_a_task_is_also_cancelled_when_what_it_waits_for_has_happened_and_it_has_not_gone_on() -> None:
    seen: set[str] = set()

    async def body() -> None:
        future: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        async def wait() -> None:
            try:
                await future
            except asyncio.CancelledError:
                seen.add("cancelled with a result" if not future.cancelled() else "cancelled while waiting")
                raise

        task = asyncio.create_task(wait())
        await pause()
        if not future.done():
            future.set_result("it happened")
        await asyncio.wait([task])

    explore(body, cancel=True)
    assert seen == {"cancelled with a result", "cancelled while waiting"}


def test_a_cancellation_that_comes_out_of_the_body_is_no_failure_and_claims_are_judged_all_the_same() -> None:
    async def body(*, careful: bool) -> None:
        rows = {"open": 0}

        async def work() -> None:
            rows["open"] += 1
            try:
                await pause(2)
            finally:
                if careful:
                    rows["open"] -= 1
            if not careful:
                rows["open"] -= 1

        always(lambda: rows["open"] >= 0)
        afterwards(lambda: rows["open"] == 0, "all are closed")
        await asyncio.create_task(work())

    explore(lambda: body(careful=True), cancel=True)
    with pytest.raises(InterleavingError, match="'all are closed' no longer held") as caught:
        explore(lambda: body(careful=False), cancel=True)
    assert str(caught.value.schedule).startswith("cancel")
    assert "work#1 was cancelled while it waited at test_faults.py" in str(caught.value)
    assert "cancel=True" in caught.value.reproducer


def test_the_body_itself_and_the_tasks_of_the_emitter_are_left_alone() -> None:
    async def body() -> None:
        linker: Linker[Event] = Linker()
        emitter = asyncio_emitter(linker)
        linker.subscribe(Placed, lambda _: None)
        emission = emitter.emit(Placed())
        await pause(5)
        assert (await emission).status is Status.COMPLETED
        await asyncio.sleep(1)

    explore(body, cancel=True, expect_choices=False)


# ---------------------------------------------------------------- calls that fail
class Refused(Exception):
    """Of the user's own."""


@pytest.mark.parametrize("seconds", [0, 1])
def test_any_sleep_may_raise_what_the_user_says(seconds: float) -> None:
    seen: set[str] = set()

    async def body() -> None:
        async def call() -> str:
            try:
                await asyncio.sleep(seconds)
            except Refused as error:
                return str(error)
            return "answered"

        seen.add(await asyncio.create_task(call()))

    explore(body, fail=Refused)
    assert seen == {"answered", "raised by the schedule"}


def test_a_schedule_with_a_failing_call_replays_and_raises_a_connection_error_if_nothing_else_is_said() -> None:
    async def body() -> None:
        async def call() -> None:
            try:
                await asyncio.sleep(1)
            except OSError as error:
                raise LookupError("not handled well") from error

        await asyncio.create_task(call())

    with pytest.raises(InterleavingError, match="LookupError: not handled well") as caught:
        explore(body, fail=True)
    assert "What call#1 waited for at test_faults.py" in str(caught.value)
    with pytest.raises(LookupError) as again:
        run(body, schedule=str(caught.value.schedule))
    assert isinstance(again.value.__cause__, ConnectionError)


# ---------------------------------------------------------------- emissions
def shipped_by(**options: bool) -> set[tuple[int, ...]]:
    seen: set[tuple[int, ...]] = set()

    async def body() -> None:
        linker: Linker[Event] = Linker()
        emitter = asyncio_emitter(linker)
        shipped: list[int] = []

        @linker.on(Placed)
        async def ship(event: Placed) -> None:
            shipped.append(event.order)
            await pause()

        emissions: list[Emission[Placed]] = [emitter.emit(Placed(1)), emitter.emit(Placed(2))]
        await emitter.wait_for_tasks()
        seen.add(tuple(sorted(shipped)))
        assert all(one.status in {Status.COMPLETED, Status.DISCARDED} for one in emissions)

    explore(body, **untyped(options))
    return seen


def test_an_emission_may_be_lost_before_it_begins() -> None:
    assert shipped_by(drop=True) == {(1, 2), (1,), (2,), ()}


def test_an_emission_may_be_made_twice() -> None:
    assert shipped_by(double=True) == {(1, 2), (1, 1, 2), (1, 2, 2), (1, 1, 2, 2)}


def test_emit_is_what_it_was_when_the_exploration_is_over() -> None:
    assert shipped_by(drop=True)
    assert shipped_by() == {(1, 2)}


# ---------------------------------------------------------------- tasks that nobody holds
async def lost_listener() -> None:
    mailboxes: weakref.WeakSet[asyncio.Queue[int]] = weakref.WeakSet()

    async def listen() -> None:
        mailbox: asyncio.Queue[int] = asyncio.Queue()
        mailboxes.add(mailbox)
        await mailbox.get()

    asyncio.create_task(listen())  # noqa: RUF006  # that is the bug
    await pause(3)


def test_a_task_that_nobody_holds_is_a_finding_that_names_it() -> None:
    run(lost_listener)  # as long as no garbage is collected
    with pytest.raises(InterleavingError, match="It fails when the garbage collector runs") as caught:
        explore(lost_listener)
    assert isinstance(caught.value.__cause__, BackgroundError)
    first = lost_listener.__code__.co_firstlineno
    # Where it waits, unless the collector has ended the coroutine before the task: that order is the collector's.
    begins, waits = (f"Nobody held the task of listen (test_faults.py:{first + n}) while it waited" for n in (3, 6))
    assert begins in str(caught.value) or waits in str(caught.value)
    assert re.fullmatch(r"collect@\d+", str(caught.value.schedule))
    with pytest.raises(BackgroundError):
        run(lost_listener, schedule=caught.value.schedule)


def test_what_lost_a_task_and_failed_for_that_says_so() -> None:
    async def body() -> None:
        await lost_listener()
        raise ValueError("and then")

    with pytest.raises(ValueError, match="and then") as caught:
        run(body, schedule="collect@2")
    assert any("Nobody held the task of listen" in note for note in caught.value.__notes__)


# ---------------------------------------------------------------- as schedules
@pytest.mark.parametrize("text", ["cancel@3", "2:1,5:1,cancel-late@0,drop@12", "raise@1,double@0,collect@7"])
def test_a_schedule_with_faults_reads_what_it_writes(text: str) -> None:
    schedule = Schedule.parse(text)
    assert str(schedule) == text
    assert eval(repr(schedule)) == schedule
    assert len(schedule) == text.count(",") + 1


@pytest.mark.parametrize("text", ["cancel", "cancel@", "cancel@-1", "explode@3", "cancel:3"])
def test_a_fault_that_there_is_not_is_refused(text: str) -> None:
    with pytest.raises(ScheduleError, match="cancel, cancel-late, raise, drop, double, collect"):
        Schedule.parse(text)


def test_a_fault_that_does_not_fit_the_program_is_refused() -> None:
    with pytest.raises(ScheduleError, match="names cancel@99, and of the"):
        run(pause, schedule="cancel@99")


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"cancel": "all"}, "cancel is True or False, not 'all'"),
        ({"drop": 1}, "drop is True or False, not 1"),
        ({"fail": "OSError"}, "fail is True, False or the class of the exception to raise, not 'OSError'"),
        ({"fail": KeyboardInterrupt}, "fail is True, False or the class"),
    ],
)
def test_an_option_that_there_is_not_is_refused(option: dict[str, object], message: str) -> None:
    with pytest.raises(TypeError, match=message):
        explore(pause, **untyped(option))
