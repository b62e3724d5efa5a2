"""What a report calls things: handlers by their names, places by lines of the user's, and nothing by a file of ours."""

import asyncio
import contextlib
import functools
import importlib
import re
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import AsyncMock

import pytest

from pyventus_typed import Event, Linker, Ordering, asyncio_emitter
from pyventus_typed.testing import DeadlockError, InterleavingError, Step, explore, run
from pyventus_typed.testing.errors import BackgroundError

from .zoo import waits

DOCS = Path(__file__).parents[3] / "docs"


@dataclass(frozen=True)
class Placed(Event):
    order: int = 0


async def pause(steps: int = 1) -> None:
    for _ in range(steps):
        await asyncio.sleep(0)


class Shop:
    async def ship(self, _: Placed) -> None:
        await pause(2)

    async def ship_at_once(self, _: Placed) -> None:
        """It ends in the first step of its task."""

    async def __call__(self, _: Placed) -> None:
        await pause()


async def deliver(_: Placed, by: str) -> None:
    await pause()


async def deliver_at_once(_: Placed) -> None: ...


def print_label(_: Placed) -> None: ...


def story_of(handler: Callable[[Placed], object], ordering: Ordering = Ordering.CONCURRENT) -> tuple[Step, ...]:
    """The steps of a run in which *handler* gets two events, and which then fails."""

    async def body() -> None:
        linker: Linker[Event] = Linker()
        emitter = asyncio_emitter(linker, ordering=ordering)
        linker.subscribe(Placed, handler)
        emitter.emit(Placed(1))
        await pause(3)
        emitter.emit(Placed(2))
        await emitter.wait_for_tasks()
        raise ValueError("done")

    with pytest.raises(InterleavingError, match="ValueError: done") as caught:
        explore(body)
    return caught.value.trace


def names(steps: tuple[Step, ...]) -> set[str]:
    return {step.who for step in steps} - {"body", "asyncio"}


# ---------------------------------------------------------------- handlers
@pytest.mark.parametrize("ordering", [Ordering.CONCURRENT, Ordering.MAILBOX, Ordering.SERIAL])
@pytest.mark.parametrize(
    ("handler", "called"),
    [
        (Shop().ship, "Shop.ship"),
        (Shop().ship_at_once, "Shop.ship_at_once"),
        (Shop(), "Shop.__call__"),
        (functools.partial(deliver, by="bike"), "deliver"),
        (deliver_at_once, "deliver_at_once"),
        (lambda event: deliver(event, "foot"), "deliver"),
        (AsyncMock(), "AsyncMock"),
    ],
)
def test_each_delivery_is_called_by_its_handler(
    handler: Callable[[Placed], object], called: str, ordering: Ordering
) -> None:
    assert {f"{called}#1", f"{called}#2"} <= names(story_of(handler, ordering))


@pytest.mark.parametrize("ordering", [Ordering.CONCURRENT, Ordering.MAILBOX, Ordering.SERIAL])
def test_a_plain_handler_is_named_in_the_step_that_runs_it(ordering: Ordering) -> None:
    steps = [step for step in story_of(print_label, ordering) if "print_label" in step.what]
    assert [(step.who, step.what) for step in steps] == [("the emitter", "runs print_label")] * 2
    line = print_label.__code__.co_firstlineno
    assert {step.where for step in steps} == {f"test_reports.py:{line}"}


def test_a_thread_is_called_by_what_it_runs() -> None:
    async def body() -> None:
        def charge() -> None: ...

        await asyncio.gather(asyncio.to_thread(charge), asyncio.to_thread(charge))
        raise ValueError("done")

    with pytest.raises(InterleavingError, match="ValueError: done") as caught:
        explore(body)
    assert "thread 1 (charge)" in names(caught.value.trace)


# ---------------------------------------------------------------- places
@contextlib.contextmanager
def unit_of_work() -> Iterator[None]:
    yield


@contextlib.asynccontextmanager
async def transaction() -> AsyncIterator[None]:
    await pause()
    yield
    await pause()


async def pay() -> None:
    async with transaction():
        with contextlib.ExitStack() as stack:
            stack.enter_context(unit_of_work())
            await asyncio.wait_for(pause(), 5)


async def pay_in_a_handler() -> None:
    linker: Linker[Event] = Linker()
    emitter = asyncio_emitter(linker)

    @linker.on(Placed)
    async def charge(_: Placed) -> None:
        await pay()
        raise LookupError("no account")

    await emitter.emit(Placed(1))


async def fail_in_a_generator_manager() -> None:
    with contextlib.suppress(KeyError):
        async with transaction():
            await pause()
            raise LookupError("no account")


def places(report: str) -> set[str]:
    return {place.partition(":")[0] for place in re.findall(r"[\w<>.-]+\.py:\d+", report)}


@pytest.mark.parametrize("body", [pay_in_a_handler, fail_in_a_generator_manager])
def test_every_line_of_a_report_is_the_users(body: Callable[[], object]) -> None:
    with pytest.raises(InterleavingError, match="no account") as caught:
        explore(body)  # type: ignore[arg-type]  # a parameter of a test
    assert places(str(caught.value)) == {"test_reports.py"}


def test_every_line_of_a_deadlock_in_a_handler_is_the_users() -> None:
    async def body() -> None:
        linker: Linker[Event] = Linker()
        emitter = asyncio_emitter(linker, ordering=Ordering.MAILBOX)
        never = asyncio.Event()

        @linker.on(Placed)
        async def wait_for_ever(_: Placed) -> None:
            async with transaction():
                await never.wait()

        await emitter.emit(Placed(1))

    with pytest.raises(DeadlockError, match=r"wait_for_ever#1 waits for Event\.wait\(\)") as caught:
        run(body)
    assert places(str(caught.value)) == {"test_reports.py"}


def test_a_time_out_that_was_late_is_called_one() -> None:
    with pytest.raises(InterleavingError, match="got") as caught:
        explore(waits.timeout_that_loses_an_item)
    report = str(caught.value)
    assert "  A timeout fell due 3 steps late: produce#1 and consume#1 went first." in report.splitlines()
    assert re.search(r"\* +\d+ the end of a sleep falls due, ahead of a timeout\n", report)


def test_what_waits_in_a_function_of_asyncio_is_told_by_the_name_that_was_called() -> None:
    async def body() -> None:
        never = asyncio.create_task(asyncio.Event().wait())
        await asyncio.wait([never])

    with pytest.raises(DeadlockError, match=r"body waits for wait\(\) at"):
        run(body)


# ---------------------------------------------------------------- what a race is about
def conflicts(body: Callable[[], object]) -> list[str]:
    with pytest.raises(InterleavingError, match="in another order") as caught:
        explore(body)  # type: ignore[arg-type]  # a parameter of a test
    found = re.findall(r"^The lines that conflict over .*?\n\n", f"{caught.value}\n", re.DOTALL | re.MULTILINE)
    return [re.sub(r"\.py:\d+", "", one).strip() for one in found]


async def lose_an_update() -> None:
    balance = 0

    async def deposit(after: int) -> None:
        nonlocal balance
        await pause(after)
        seen = balance
        await pause()
        balance = seen + 1

    await asyncio.gather(deposit(0), deposit(6))
    assert balance == 2


class Account:
    def __init__(self) -> None:
        self.owners = ["Ada"]

    async def leave(self, name: str, after: int) -> None:
        await pause(after)
        if name in self.owners:
            await pause()
            self.owners.remove(name)


async def leave_twice() -> None:
    account = Account()
    await asyncio.gather(account.leave("Ada", 0), account.leave("Ada", 6))


async def close_too_early() -> None:
    state = {"open": True}

    async def write() -> None:
        await pause(2)
        assert state["open"]

    task = asyncio.create_task(write())
    await pause(6)
    state["open"] = False
    await task


def test_the_lines_that_conflict_are_shown_with_their_tasks_in_the_order_of_time() -> None:
    assert conflicts(lose_an_update) == [
        "The lines that conflict over balance, in the order of time\n"
        "  deposit#1 at test_reports: seen = balance\n"
        "  deposit#2 at test_reports: balance = seen + 1\n"
        "  deposit#1 at test_reports: balance = seen + 1"
    ]


def test_what_changes_in_place_conflicts_too() -> None:
    assert conflicts(leave_twice) == [
        "The lines that conflict over owners, in the order of time\n"
        "  Account.leave#1 at test_reports: if name in self.owners:\n"
        "  Account.leave#2 at test_reports: self.owners.remove(name)\n"
        "  Account.leave#1 at test_reports: self.owners.remove(name)"
    ]


def test_who_comes_too_late_conflicts_with_who_did_not_wait() -> None:
    assert conflicts(close_too_early) == [
        "The lines that conflict over state, in the order of time\n"
        '  body at test_reports: state["open"] = False\n'
        '  write#1 at test_reports: assert state["open"]'
    ]


def test_a_debugger_is_left_alone() -> None:
    import bdb

    debugger = bdb.Bdb()
    debugger.reset()
    sys.settrace(debugger.trace_dispatch)
    try:
        assert conflicts(lose_an_update) == []
        assert getattr(sys.gettrace(), "__self__", None) is debugger
    finally:
        sys.settrace(None)


# ---------------------------------------------------------------- what the docs print
def blocks(page: str, kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```$", (DOCS / page).read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The program of the page on races, in a file of its own, as a reader has it."""
    (tmp_path / "shop.py").write_text(blocks("how-to/find-a-race.md", "python")[0], encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module("shop")
    monkeypatch.delitem(sys.modules, "shop")


def test_the_page_on_races_shows_the_report_that_its_program_gives(shop: ModuleType) -> None:
    with pytest.raises(InterleavingError, match="-1 copies left") as caught:
        explore(shop.one_copy_left)
    report = "\n".join(line.rstrip() for line in str(caught.value).splitlines())
    assert report + "\n" == blocks("how-to/find-a-race.md", "text")[0]


# ---------------------------------------------------------------- a system whose paths have backslashes
SHOP_ON_WINDOWS = """
import asyncio
from pyventus_typed.testing import always

stock = 1

async def sell():
    global stock
    seen = stock
    await asyncio.sleep(0)
    stock = seen - 1

async def lose_an_update():
    global stock
    stock = 2
    await asyncio.gather(sell(), sell())
    assert stock == 0, "sold twice"

async def wait_for_each_other():
    one, other = asyncio.Lock(), asyncio.Lock()
    async def take(first, second):
        async with first:
            await asyncio.sleep(0)
            async with second:
                pass
    await asyncio.gather(take(one, other), take(other, one))

async def forget_to_await():
    sell()

async def break_a_promise():
    always(lambda: stock < 0)
    await asyncio.sleep(0)
"""


@pytest.mark.parametrize("body", ["lose_an_update", "wait_for_each_other", "forget_to_await", "break_a_promise"])
def test_no_report_shows_the_folders_of_a_path_of_windows(body: str) -> None:
    shop: dict[str, Any] = {"__name__": "shop"}
    exec(compile(SHOP_ON_WINDOWS, r"C:\Users\ada\shop.py", "exec"), shop)
    with pytest.raises((InterleavingError, DeadlockError, BackgroundError)) as caught:
        explore(shop[body])
    report = "\n".join([str(caught.value), *getattr(caught.value, "__notes__", ())])
    assert "shop.py" in report
    assert "ada" not in report, report


# ---------------------------------------------------------------- words
async def answer_late() -> None:
    """Two updates without a lock, one after the other unless the first one takes longer."""
    stock = 5

    async def take(first: float) -> None:
        nonlocal stock
        await asyncio.sleep(first)
        seen = stock
        await asyncio.sleep(2)
        stock = seen - 1

    await asyncio.gather(take(0), take(2.5))
    assert stock == 3, f"{stock} left"


def test_who_slept_longer_conflicts_with_who_went_first() -> None:
    with pytest.raises(InterleavingError, match="3 left|4 left") as caught:
        explore(answer_late)
    report = str(caught.value)
    assert "took 2.5 s instead of 2 s, until that of take#2 was over" in report
    assert re.findall(r"conflict over stock.*\n  (take#\d).*\n  (take#\d).*\n  (take#\d)", report) == [
        ("take#2", "take#1", "take#2")
    ]


def test_a_moment_at_which_nothing_happens_is_not_told() -> None:
    with pytest.raises(InterleavingError, match="left") as caught:
        explore(answer_late)
    moments = [step.time for step in caught.value.trace if step.who == "time"]
    assert moments == sorted(set(moments))
    assert 2.0 not in moments, "the sleep that was due then went on"
    assert not re.search(r"\d+ time passes", str(caught.value)), "no step is made while time passes"


def test_a_sleep_that_ends_behind_those_that_it_ties_with_is_told_so() -> None:
    async def body() -> None:
        done: list[str] = []

        async def bake(what: str) -> None:
            await asyncio.sleep(1)
            done.append(what)

        await asyncio.gather(bake("bread"), bake("cake"))
        assert done == ["bread", "cake"], done
        assert asyncio.get_running_loop().time() == 1, "no time passes where no timer is set"

    with pytest.raises(InterleavingError, match="'cake', 'bread'") as caught:
        explore(body)
    assert re.search(
        r"The sleep of bake#1 at test_reports\.py:\d+ \(await asyncio\.sleep\(1\)\) ended when the others that ended at 1 s "
        r"had gone on\.",
        str(caught.value),
    )


def test_what_asyncio_has_wrapped_in_a_partial_is_no_callback_of_the_users() -> None:
    async def body() -> None:
        await asyncio.wait_for(pause(), 1)
        asyncio.get_running_loop().call_soon(functools.partial(note, "mine"))
        await pause()
        assert False, "look at the steps"  # noqa: B011, PT015  # to see a report

    def note(_: str) -> None: ...

    with pytest.raises(InterleavingError, match="look at the steps") as caught:
        explore(body, expect_choices=False)
    report = str(caught.value)
    assert "the callback partial" not in report
    assert report.count("the callback note runs") == 1


def test_two_threads_of_one_function_are_told_apart() -> None:
    async def body() -> None:
        made: list[int] = []

        def make() -> None:
            made.append(1)

        async def get(after: int) -> None:
            await pause(after)
            if not made:
                await asyncio.to_thread(make)

        await asyncio.gather(get(0), get(6))
        assert made == [1], made

    with pytest.raises(InterleavingError, match=r"\[1, 1\]") as caught:
        explore(body)
    steps = [str(step).split(maxsplit=1)[1] for step in caught.value.trace if step.who.startswith("thread ")]
    line = r"test_reports.py:\d+"
    assert [re.sub(line, "here", step).partition(",")[0] for step in steps] == [
        "thread 2 (make) runs at here",
        "thread 2 (make) is over",
        "thread 1 (make) runs at here",
        "thread 1 (make) is over",
    ]
    assert "\n  Thread 1 (make) ran 10 steps late at test_reports.py:" in str(caught.value)


def test_what_waits_for_a_queue_is_told_so_and_the_error_that_was_put_in_too() -> None:
    async def body() -> None:
        orders: asyncio.Queue[int] = asyncio.Queue()

        async def pack() -> None:
            while True:
                await orders.get()
                await asyncio.sleep(1)
                orders.task_done()

        packing = asyncio.create_task(pack())
        orders.put_nowait(1)
        await orders.join()
        packing.cancel()

    with pytest.raises(InterleavingError, match="1 task waits") as caught:
        explore(body, fail=True, expect_choices=False)
    report = str(caught.value)
    assert "- body waits for Queue.join() of the Queue made at test_reports.py:" in report
    assert "(await asyncio.sleep(1)) failed with ConnectionError (raise@1)." in report
    assert not re.search(r"[ \t]$", report, re.MULTILINE), "what is pasted into an editor has no blanks at the end"
