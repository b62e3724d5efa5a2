"""The commands, run as a person runs them: each once in a process, the rest of their tests in this one."""

import asyncio
import os
import re
import sys
from collections.abc import Awaitable, Callable
from typing import TypeAlias

import pytest

from pyventus_typed import Linker
from pyventus_typed.cli import main
from pyventus_typed.nats import JetStream, LocalServer, Worker
from pyventus_typed.nats._wire import lane_of
from tests.edges.nats.conftest import Workers, eventually
from tests.edges.nats.raw import RawClient, header_block
from tests.edges.nats.shop import OrderPlaced, ShopEvent
from tests.programs import ROOT

PAGE = (ROOT / "docs" / "how-to" / "go-beyond-one-process.md").read_text(encoding="utf-8")

Run: TypeAlias = Callable[..., Awaitable[tuple[int, str, str]]]


async def run(*arguments: str) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "pyventus_typed",
        "nats",
        *arguments,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


@pytest.fixture
def here(capsys: pytest.CaptureFixture[str]) -> Run:
    async def run_here(*arguments: str) -> tuple[int, str, str]:
        code = await asyncio.to_thread(main, ["nats", *arguments])
        return code, *capsys.readouterr()

    return run_here


@pytest.mark.timeout(90)
async def test_the_demo_kills_workers_and_the_server_and_ends_with_nothing_lost() -> None:
    code, out, err = await run("demo", "--orders", "300", "--kills", "3", "--seed", "7")
    assert (code, err) == (0, "")
    assert out.count("kill -9 of the worker") == 3
    assert out.count("kill -9 of the server") == 1
    final = {name: int(number) for name, number in re.findall(r"^([a-z-]+) +(\d+)$", out, re.MULTILINE)}
    assert final["emitted"] == 300
    assert final["lost"] == 0
    assert final["dead-lettered"] == 1  # order 299, which no worker can cook
    assert final["handled"] == 299
    assert final["redelivered"] >= 3  # those of the dead letter


async def test_dead_letters_are_listed_shown_and_sent_again(
    stream: JetStream[ShopEvent], server: LocalServer, workers: Workers, here: Run
) -> None:
    at = ("--server", server.url)
    assert await run("dead-letters", *at, "list", "SHOP") == (0, "No dead letters.\n", "")
    first = await workers.start(attempts=1)
    await stream.publish(OrderPlaced(5, behaviour="raises once"), event_id="order-5")
    await workers.until(lambda: len(workers.lines("raise")) == 1)
    assert await first.terminate() == 0
    code, out, err = await here("dead-letters", *at, "list", "SHOP", "--group", "billing")
    assert (code, err) == (0, "")
    header, row = out.splitlines()
    assert header.split() == ["number", "died", "group", "event", "attempts", "reason"]
    assert re.fullmatch(r"1 +\S+ \S+ +billing +shop.order_placed.v1 +1 +ValueError: order 5 cannot be handled.*", row)
    code, out, err = await here("dead-letters", *at, "show", "SHOP", "1")
    assert "event        shop.order_placed.v1, id order-5, sequence 1" in out
    assert "ce-type: shop.order_placed.v1" in out
    assert out.endswith('{"number":5,"customer":"","behaviour":"raises once","seconds":0.0}\n')
    code, out, err = await here("dead-letters", *at, "send", "SHOP", "1", "--group", "shipping")
    assert (code, err) == (
        1,
        "python -m pyventus_typed nats dead-letters send: not of the group 'shipping': 1. Nothing was sent.\n",
    )
    code, out, err = await here("dead-letters", *at, "send", "SHOP", "--all")
    assert (code, out) == (0, "1 was sent to billing again, as sequence 2\n")
    second = await workers.start(attempts=2)
    await workers.until(lambda: workers.numbers("end") == [5])
    assert await second.terminate() == 0
    assert await here("dead-letters", *at, "list", "SHOP") == (0, "No dead letters.\n", "")


@pytest.mark.parametrize(
    ("exit_code", "arguments", "complaint"),
    [
        (1, ("list", "NONE"), "has no stream 'NONE'"),
        (1, ("show", "SHOP", "7"), "The stream 'SHOP' has no dead letter 7. List them to see which there are."),
        (2, ("send", "SHOP"), "say which dead letters: their numbers, or --all."),
        (2, ("list", "A.B"), "'A.B' cannot name a stream"),
        (2, ("list", "SHOP", "--group", "*"), "'*' cannot name a group"),
    ],
)
async def test_what_cannot_be_done_is_one_line_and_exit_code_1_or_2_if_it_makes_no_sense(
    stream: JetStream[ShopEvent],
    server: LocalServer,
    here: Run,
    exit_code: int,
    arguments: tuple[str, ...],
    complaint: str,
) -> None:
    code, out, err = await here("dead-letters", "--server", server.url, *arguments)
    assert (code, out) == (exit_code, "")
    assert complaint in err
    assert err.count("\n") == 1


async def test_a_demo_with_more_kills_than_moments_is_refused(here: Run) -> None:
    code, out, err = await here("demo", "--orders", "10", "--kills", "6")
    assert (code, out) == (2, "")
    assert err == "python -m pyventus_typed nats demo: 6 kills are too many for 10 orders: half as many at most.\n"


async def test_no_server_is_one_line_and_exit_code_1(here: Run) -> None:
    at = ("--server", "nats://127.0.0.1:1")
    for arguments in (
        (*at, "list", "SHOP"),
        ("list", "SHOP", *at),
        ("--server", "nats://127.0.0.1:2", "list", "SHOP", *at),
    ):
        code, out, err = await here("dead-letters", *arguments)
        assert (code, out) == (1, "")
        assert re.fullmatch(
            r"python -m pyventus_typed nats dead-letters list: No NATS server answers at nats://127.0.0.1:1 .*\n", err
        )
    code, out, err = await here("dead-letters", "--server", "nats://127.0.0.1:port", "list", "SHOP")
    assert (code, out) == (2, "")
    assert re.fullmatch(
        r"python -m pyventus_typed nats dead-letters list: 'nats://127.0.0.1:port' is not the address of a NATS server: .*\n",
        err,
    )


async def test_foreign_letters_are_listed_and_nothing_gives_orders_to_the_terminal(
    stream: JetStream[ShopEvent], server: LocalServer, workers: Workers, here: Run
) -> None:
    first = await workers.start(attempts=1)
    await stream.publish(OrderPlaced(5, behaviour="raises"), event_id="\x1b[31mred")
    await workers.until(lambda: len(workers.lines("raise")) == 1)
    assert await first.terminate() == 0
    async with RawClient(server.port) as raw:
        await raw.publish("SHOP-dead.stranger", b"\x1b]0;title\x07", header_block(b"X\x1b[2J: \x1b[2J"))
        await raw.publish(
            b"SHOP-dead.a.\xff\x1b[2J", b"", header_block(b"Pyventus-Time: noon", b"Pyventus-Attempts: \xff")
        )
    at = ("dead-letters", "--server", server.url)
    code, out, err = await here(*at, "list", "SHOP")
    assert (code, err) == (0, "")
    assert [line.split()[0] for line in out.splitlines()] == ["number", "1", "2", "3"]
    assert "(not written by a worker)" in out
    for number in ("1", "2", "3"):
        code, shown, err = await here(*at, "show", "SHOP", number)
        assert (code, err) == (0, "")
        assert "\x1b" not in out + shown
    code, out, err = await here(*at, "send", "SHOP", "2")
    assert (code, out) == (1, "")
    assert "has no group 'stranger', so nobody would get the dead letter 2" in err


async def test_health_is_0_for_a_group_that_is_served_and_1_with_the_reason_for_one_that_is_not(
    stream: JetStream[ShopEvent], server: LocalServer, workers: Workers, here: Run
) -> None:
    at = ("health", "--server", server.url, "SHOP", "billing")
    assert await here(*at) == (
        1,
        "",
        "python -m pyventus_typed nats health: The stream 'SHOP' has no group 'billing'. Start a worker of it.\n",
    )
    worker = await workers.start()
    await stream.publish(OrderPlaced(1))
    await workers.until(lambda: workers.numbers("end") == [1])
    await asyncio.sleep(0.2)  # until its acknowledgement is through
    assert await run(*at) == (0, "consumers  5 of 5\nasked      yes\nlag        0\n", "")
    await stream.publish(OrderPlaced(2, customer="ada", seconds=1.5))
    await workers.until(lambda: workers.numbers("start") == [1, 2])
    code, out, err = await here(*at)
    shown = re.search(r"^\$ python -m pyventus_typed nats health .*\n((?:.+\n)+)```", PAGE, re.MULTILINE)
    assert shown is not None
    assert (code, re.sub(r"\d+", "N", out)) == (0, re.sub(r"\d+", "N", shown[1]))
    await workers.until(lambda: workers.numbers("end") == [1, 2])
    await asyncio.sleep(0.2)
    await worker.kill()
    for number in range(3):
        await stream.publish(OrderPlaced(number, customer="ada"))

    async def unasked() -> bool:
        return not any(found.num_waiting for found in await stream.opened.js.consumers_info("SHOP"))

    await eventually(unasked)
    lane = lane_of("ada", 4)
    code, out, err = await here(*at)
    assert (code, out) == (1, f"consumers  5 of 5\nasked      no\nlag        3 (lane {lane}: 3)\n")
    assert err == "python -m pyventus_typed nats health: No worker of the group asks for events.\n"
    await stream.opened.js.delete_consumer("SHOP", "billing@2")
    code, out, err = await here(*at)
    assert (code, err) == (
        1,
        "python -m pyventus_typed nats health: The group has no consumer billing@2. Start a worker of it: that creates them.\n",
    )


async def test_a_worker_says_how_it_is(stream: JetStream[ShopEvent], server: LocalServer) -> None:
    linker = Linker[ShopEvent]()
    gate = asyncio.Event()

    @linker.on(OrderPlaced)
    async def handle(event: OrderPlaced) -> None:
        await gate.wait()

    worker = Worker(stream, linker, group="billing")
    before = await worker.health()
    assert (before.ok, before.running, before.connected, before.consumers) == (False, False, True, False)
    for number in range(3):
        await stream.publish(OrderPlaced(number, customer="ada"))
    running = asyncio.create_task(worker.run(stop_on=()))
    await eventually(lambda: worker.counts.taken == 1)
    healthy = await worker.health()
    assert (healthy.ok, healthy.lag, healthy.lanes[lane_of("ada", 4)], healthy.settled_at) == (True, 3, 3, None)
    gate.set()
    await eventually(lambda: worker.counts.handled == 3)
    assert (await worker.health()).lag == 0
    assert (await worker.health()).settled_at is not None
    await server.kill()
    await eventually(lambda: not stream.opened.client.is_connected)
    lost = await worker.health()
    assert (lost.ok, lost.running, lost.connected, lost.lag) == (False, True, False, None)
    await server.start()
    worker.stop()
    await running
    assert not (await worker.health()).running
