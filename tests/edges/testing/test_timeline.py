"""The failing run of an exploration as a picture."""

import asyncio
import json
import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from pyventus_typed import Event, Linker, Ordering, asyncio_emitter
from pyventus_typed.testing import InterleavingError, explore
from pyventus_typed.trace import Timeline
from tests.programs import run_python


@dataclass(frozen=True)
class Ordered(Event):
    customer: str


async def one_copy_left(ordering: Ordering = Ordering.CONCURRENT) -> None:
    linker: Linker[Ordered] = Linker()
    emitter = asyncio_emitter(linker, ordering=ordering)
    stock = 1

    @linker.on(Ordered)
    async def ship(event: Ordered) -> None:
        nonlocal stock
        if stock > 0:
            await asyncio.sleep(0)
            stock -= 1

    async def order(customer: str, after: int) -> None:
        for _ in range(after):
            await asyncio.sleep(0)
        emitter.emit(Ordered(customer))

    await asyncio.sleep(1.5)
    await asyncio.gather(order("Ada", 0), order("Bob", 5))
    await emitter.wait_for_tasks()
    assert stock == 0, f"{stock} copies left"


def failing() -> tuple[InterleavingError, Timeline]:
    with pytest.raises(InterleavingError) as found:
        explore(one_copy_left)
    return found.value, found.value.timeline


def test_the_timeline_of_a_failure_holds_its_deliveries_and_its_steps() -> None:
    error, timeline = failing()
    assert timeline.title == f"one_copy_left under schedule '{error.schedule}': AssertionError: -1 copies left"
    assert timeline.unit == "steps"
    ada, bob = timeline.emissions
    assert (ada.event, bob.event) == ("Ordered(customer='Ada')", "Ordered(customer='Bob')")
    (first,), (second,) = ada.deliveries, bob.deliveries
    assert first.started is not None and first.ended is not None
    assert second.started is not None and second.ended is not None
    assert first.started < second.started < second.ended < first.ended, "Bob's went in between"
    late = [step for step in timeline.steps if step.late]
    assert [step.who for step in late] == ["ship#1"]
    assert first.started < late[0].number < first.ended
    assert {step.who for step in timeline.steps if step.ahead} >= {"order#2", "ship#2"}
    assert [(step.what, step.time) for step in timeline.steps if step.who == "time"] == [("passes: it is 1.5 s", 1.5)]
    numbers = [step.number for step in error.trace if step.who != "asyncio"]
    assert [step.number for step in timeline.steps] == numbers, "it is the run of the report"


def test_asking_for_it_changes_nothing_for_the_next_exploration() -> None:
    first = failing()
    second = failing()
    assert str(first[0]) == str(second[0])
    assert [one.deliveries for one in first[1].emissions] == [one.deliveries for one in second[1].emissions]
    assert str(explore(lambda: one_copy_left(Ordering.MAILBOX))).endswith("complete")


def test_what_is_cut_off_by_a_failure_ends_behind_the_last_step() -> None:
    async def body() -> None:
        linker: Linker[Ordered] = Linker()
        linker.subscribe(Ordered, lambda _: asyncio.sleep(10))
        asyncio_emitter(linker).emit(Ordered("Ada"))
        await asyncio.sleep(1)
        raise LookupError

    with pytest.raises(InterleavingError) as found:
        explore(body)
    timeline = found.value.timeline
    (delivery,) = timeline.emissions[0].deliveries
    assert delivery.outcome == "cancelled"
    assert delivery.ended is not None
    assert delivery.ended >= timeline.steps[-1].number


@pytest.mark.timeout(180)  # it starts pytest twice
def test_pytest_writes_a_page_for_a_failing_test_and_names_it(tmp_path: Path) -> None:
    test = Path(__file__).read_text("utf-8").split("def failing", maxsplit=1)[0]
    (tmp_path / "test_shop.py").write_text(f"{test}\ndef test_race(): explore(one_copy_left)\n")
    plugins = ("-p", "no:cacheprovider", "-p", "pyventus_typed.testing.plugin")
    options = ("-m", "pytest", *plugins, "-q", "test_shop.py")
    ended = run_python(*options, "--timelines=drawn", cwd=tmp_path)
    assert ended.code == 1
    name = Path("drawn") / "test_shop.py-test_race.html"
    assert f"As a picture: {name}" in ended.stdout
    (data,) = re.findall(r'id="data">(.*?)</script>', (tmp_path / name).read_text("utf-8"), re.DOTALL)
    assert "ship#1" in [track["name"] for track in json.loads(data)["tracks"]]
    refused = run_python(*options, "--timelines=test_shop.py", cwd=tmp_path)
    assert refused.code == 4
    assert "--timelines is a directory for pages, and 'test_shop.py' is none." in refused.stderr
