import asyncio
import importlib
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, TypeVar

import pytest
from hypothesis import Phase, assume, find, given, settings
from hypothesis import strategies as st
from hypothesis.errors import DeadlineExceeded

from pyventus_typed import Event, Linker, asyncio_emitter
from pyventus_typed._install import install_command
from pyventus_typed.testing import (
    DeadlockError,
    InterleavingError,
    NoStrategy,
    NotABody,
    NothingToExplore,
    StateLeakError,
    UnreachedError,
    events,
    given_interleavings,
    run,
    sometimes,
)
from tests.events import untyped

T = TypeVar("T")
ALONE = settings(derandomize=True, database=None, deadline=None, phases=[Phase.generate, Phase.shrink], max_examples=60)


class Kind(Enum):
    CARD = "card"
    CASH = "cash"


@dataclass(frozen=True)
class Money(Event):
    amount: int
    currency: Literal["EUR", "USD"] = "EUR"


@dataclass(frozen=True)
class Paid(Event):
    order_id: Annotated[int, "positive"]
    kind: Kind
    money: Money
    tags: tuple[str, ...] = ()
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.order_id < 0:
            raise ValueError("order_id is negative")


@dataclass(frozen=True)
class Changed(Event, Generic[T]):
    old: T
    new: list[T]


@dataclass(frozen=True)
class PriceChanged(Changed[int]):
    why: str = ""


class Stock(Event): ...


@dataclass(frozen=True)
class Refilled(Stock):
    count: int


@dataclass(frozen=True)
class SoldOut(Stock): ...


# ---------------------------------------------------------------- events
@given(events(Paid))
def test_every_field_gets_a_value_of_its_type_and_the_class_is_obeyed(event: Paid) -> None:
    assert event.order_id >= 0
    assert isinstance(event.kind, Kind)
    assert isinstance(event.money, Money)
    assert event.money.currency in {"EUR", "USD"}
    assert isinstance(event.notes, list)


@given(events(Changed[str], PriceChanged))
def test_type_variables_are_what_they_stand_for(event: Changed[str] | PriceChanged) -> None:
    kind = int if isinstance(event, PriceChanged) else str
    assert all(type(value) is kind for value in [event.old, *event.new])


@pytest.mark.parametrize("kind", [Refilled, SoldOut])
def test_an_undecorated_base_stands_for_its_subclasses(kind: type[Stock]) -> None:
    assert isinstance(find(events(Stock), lambda event: isinstance(event, kind)), kind)


@given(events(Paid, Refilled, order_id=st.just(7)))
def test_an_override_counts_for_the_classes_that_have_the_field(event: Paid | Refilled) -> None:
    assert not isinstance(event, Paid) or event.order_id == 7


def test_a_registered_strategy_is_honoured() -> None:
    @dataclass(frozen=True)
    class Registered(Event):
        number: int

    assert find(events(Registered), lambda _: True).number == 0
    st.register_type_strategy(Registered, st.just(Registered(99)))
    assert find(events(Registered), lambda _: True).number == 99


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (events, "needs at least one event class"),
        (lambda: events(untyped(Money(1))), "takes event classes, and Money.* is none. Did you mean Money"),
        (lambda: events(int), "int is not a dataclass"),
        (
            lambda: events(Money, amuont=st.integers()),
            "No field is called 'amuont' in Money. Their fields: amount, currency",
        ),
        (lambda: events(Money, amount=untyped(3)), r"amount=3 is not a strategy. .* amount=st.just\(3\)"),
    ],
)
def test_what_is_no_event_or_no_field_is_named(make: Callable[[], object], message: str) -> None:
    with pytest.raises(NoStrategy, match=message):
        make()


def test_a_field_without_values_is_named() -> None:
    class Opaque:
        def __init__(self, secret) -> None: ...  # type: ignore[no-untyped-def]  # no type, no values

    @dataclass(frozen=True)
    class Holds(Event):
        opaque: Opaque

    Holds.__annotations__["opaque"] = Opaque
    with pytest.raises(
        NoStrategy, match=r"knows no values for .*Holds.opaque: .* Give events\(..., opaque=<a strategy>\)"
    ):
        events(Holds)


def test_a_class_that_refuses_everything_is_named() -> None:
    @dataclass(frozen=True)
    class Picky(Event):
        number: int

        def __post_init__(self) -> None:
            raise ValueError("never good enough")

    @settings(ALONE, suppress_health_check=list(__import__("hypothesis").HealthCheck))
    @given(events(Picky))
    def test(event: Picky) -> None: ...

    with pytest.raises(NoStrategy, match=r"Picky refused all of \d+ drawn examples, the last with: never good enough"):
        for _ in range(20):
            try:
                test()
            except NoStrategy:
                raise
            except Exception:
                continue


# ---------------------------------------------------------------- given_interleavings
@dataclass(frozen=True)
class Deposited(Event):
    amount: int


async def book(batch: list[Deposited], *, careful: bool) -> int:
    """A ledger whose handler reads, waits and writes; careful books have a lock."""
    linker: Linker[Event] = Linker()
    emitter = asyncio_emitter(linker)
    lock = asyncio.Lock()
    balance = 0

    @linker.on(Deposited)
    async def add(event: Deposited) -> None:
        nonlocal balance
        if careful:
            async with lock:
                seen = balance
                await asyncio.sleep(0)
                balance = seen + event.amount
        else:
            seen = balance
            await asyncio.sleep(0)
            balance = seen + event.amount

    for event in batch:
        await emitter.emit(event) if not careful and len(batch) == 1 else emitter.emit(event)
        for _ in range(4):
            await asyncio.sleep(0)
    await emitter.wait_for_tasks()
    return balance


@ALONE
@given_interleavings(st.lists(events(Deposited), max_size=4), endings=["cancel", "close"])
async def test_careful_books_are_right_under_every_schedule(batch: list[Deposited]) -> None:
    assert await book(batch, careful=True) == sum(event.amount for event in batch)


def careless(examples: list[int]) -> Any:  # Any: the type of a decorated test does not tell of its `body`
    @ALONE
    @given_interleavings(st.lists(events(Deposited), max_size=5))
    async def books(batch: list[Deposited]) -> None:
        examples.append(len(batch))
        assert await book(batch, careful=False) == sum(event.amount for event in batch)

    return books


def test_the_smallest_events_and_the_smallest_schedule_are_found() -> None:
    books = careless([])
    with pytest.raises(InterleavingError, match="in another order") as caught:
        books()
    report = str(caught.value)
    assert (
        "batch = [Deposited(amount=0), Deposited(amount=1)]" in report
        or "[Deposited(amount=1), Deposited(amount=0)]" in report
    )
    assert len(caught.value.schedule) == 1
    assert "add#1 resumed" in report
    assert "lambda: books.body(batch=[Deposited(amount=" in caught.value.reproducer


def test_finding_and_shrinking_takes_few_runs() -> None:
    examples: list[int] = []
    books = careless(examples)
    with pytest.raises(InterleavingError, match="in another order"):
        books()
    # Most of these are one run each of some hundred examples, by which Hypothesis finds the smallest numbers.
    assert len(examples) < 200, "Hypothesis shrinks the events and nothing else"


def test_no_deadline_counts_unless_it_is_asked_for() -> None:
    """Hypothesis allows an example 200 ms, which sixteen schedules may well need on a machine that does other work too."""

    @given_interleavings(st.just(0), expect_choices=False)
    async def slow(_: int) -> None:
        time.sleep(0.25)  # noqa: ASYNC251  # it is real time that Hypothesis measures

    @settings(deadline=10, database=None)
    @given_interleavings(st.just(0), expect_choices=False)
    async def too_slow(_: int) -> None:
        time.sleep(0.02)  # noqa: ASYNC251  # as in the test above, it is real time

    slow()
    with pytest.raises(DeadlineExceeded):
        too_slow()


def test_the_found_schedule_replays_without_hypothesis() -> None:
    books = careless([])
    with pytest.raises(InterleavingError, match="in another order") as caught:
        books()
    batch = eval(str(caught.value).split("batch = ")[1].splitlines()[0])
    run(lambda: books.body(batch))
    with pytest.raises(AssertionError):
        run(lambda: books.body(batch), schedule=caught.value.schedule)


SHOP = """
import asyncio
import datetime
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum

from hypothesis import Phase, settings
from hypothesis import strategies as st

from pyventus_typed import Event, Linker, asyncio_emitter
from pyventus_typed.testing import events, given_interleavings


class Kind(Enum):
    CARD = "card"


@dataclass(frozen=True)
class Paid(Event):
    kind: Kind
    amount: Decimal
    limit: float
    day: datetime.date = datetime.date(2026, 1, 1)


@settings(database=None, deadline=None, derandomize=True, phases=[Phase.generate], report_multiple_bugs=False)
@given_interleavings(st.lists(events(Paid, limit=st.just(float("inf"))), max_size=3), st.sets(st.integers()))
async def test_each_is_counted(batch: list[Paid], others: set[int]) -> None:
    emitter = asyncio_emitter(linker := Linker[Event]())
    count = 0

    @linker.on(Paid)
    async def add(event: Paid) -> None:
        nonlocal count
        seen = count
        await asyncio.sleep(0)
        count = seen + 1

    for event in batch:
        emitter.emit(event)
        for _ in range(4):
            await asyncio.sleep(0)
    await emitter.wait_for_tasks()
    assert count == len(batch)
"""


def test_the_reproducer_of_events_is_complete_and_runs_in_a_fresh_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "shop_of_a_user.py").write_text(SHOP)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(InterleavingError, match="in another order") as caught:
        importlib.import_module("shop_of_a_user").test_each_is_counted()
    assert "batch=[Paid(kind=Kind.CARD, amount=Decimal(" in caught.value.reproducer
    pasted: dict[str, Callable[[], None]] = {}
    exec(compile(caught.value.reproducer, "pasted", "exec"), pasted)
    with pytest.raises(InterleavingError, match="in another order") as again:
        pasted["test_each_is_counted_in_the_order_that_broke_it"]()
    assert again.value.schedule == caught.value.schedule


def test_a_rejected_example_is_no_failure() -> None:
    @ALONE
    @given_interleavings(st.integers(), expect_choices=False)
    async def even(number: int) -> None:
        await asyncio.sleep(0)
        assume(number % 2 == 0)
        assert number % 2 == 0

    even()


def test_examples_of_which_none_leaves_anything_to_choose_prove_nothing() -> None:
    @ALONE
    @given_interleavings(st.integers())
    async def one_after_the_other(number: int) -> None:
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    with pytest.raises(NothingToExplore, match="expect_choices=False"):
        one_after_the_other()


def test_a_leak_between_schedules_is_found() -> None:
    seen: list[int] = []

    @ALONE
    @given_interleavings(number=st.integers())
    async def leaks(number: int) -> None:
        seen.append(number)
        for _ in seen:
            await asyncio.sleep(0)

    with pytest.raises(StateLeakError, match="Something outlived its schedule"):
        leaks()


def test_a_deadlock_keeps_its_class_as_the_cause() -> None:
    @ALONE
    @given_interleavings(st.just(1))
    async def stuck(number: int) -> None:
        await asyncio.get_running_loop().create_future()

    with pytest.raises(InterleavingError, match="DeadlockError: Deadlock at 0 s") as caught:
        stuck()
    assert isinstance(caught.value.__cause__, DeadlockError)


def test_sometimes_is_judged_over_all_schedules_of_all_examples() -> None:
    @ALONE
    @given_interleavings(st.booleans(), reach=["the moon"])
    async def test(even: bool) -> None:
        log: list[str] = []

        async def go(name: str) -> None:
            await asyncio.sleep(0)
            log.append(name)

        await asyncio.gather(go("a"), go("b"))
        sometimes("b is first, for one example under one schedule", even and log == ["b", "a"])
        sometimes("pigs fly", False)

    for _ in range(2):  # each run of a test is judged by itself
        with pytest.raises(UnreachedError, match="never reached: 'the moon', 'pigs fly'") as caught:
            test()
        assert set(caught.value.names) == {"the moon", "pigs fly"}


def test_settings_may_stand_on_either_side() -> None:
    examples: list[int] = []

    @settings(max_examples=3, database=None)
    @given_interleavings(st.integers(), expect_choices=False)
    async def outside(number: int) -> None:
        examples.append(number)

    @given_interleavings(st.integers(), expect_choices=False)
    @settings(max_examples=3, database=None)
    async def inside(number: int) -> None:
        examples.append(number)

    for test in (outside, inside):
        examples.clear()
        test()
        assert len(set(examples)) <= 3


@given_interleavings(number=st.integers(), expect_choices=False)
async def test_pytest_fills_what_hypothesis_does_not(number: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    assert tmp_path_factory.getbasetemp().is_dir()


def test_a_plain_function_is_no_test_for_schedules() -> None:
    with pytest.raises(NotABody, match=r"for others there is hypothesis\.given"):
        given_interleavings(st.integers())(untyped(lambda number: None))


# ---------------------------------------------------------------- without hypothesis
def test_without_hypothesis_the_loop_works_and_the_rest_says_how_to_get_it() -> None:
    program = """
import sys
sys.modules["hypothesis"] = None
import asyncio
from pyventus_typed.testing import VirtualLoop, explore, run, Recorder
run(lambda: asyncio.sleep(5))
try:
    from pyventus_typed.testing import events
except ImportError as error:
    print(error)
"""
    root = Path(__file__).parents[3]
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=root)
    assert done.stderr == ""
    assert f"Run: {install_command('testing')}. " in done.stdout
