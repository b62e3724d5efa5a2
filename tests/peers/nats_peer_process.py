"""A worker of another library: ``python tests/peers/nats_peer_process.py LIBRARY URL JOURNAL``.

Its handler writes a line and then fails, for as long as there is no file beside the journal that is called ``well``.
"""

import asyncio
import importlib
import os
import sys
from pathlib import Path
from typing import Any

LIBRARY, URL, JOURNAL = sys.argv[1:4]


def note(what: str) -> None:
    with Path(JOURNAL).open("a") as file:
        file.write(f"{what}\n")


def library(module: str) -> Any:  # Any: a library that need not be installed where this is checked
    return importlib.import_module(module)


async def handled() -> None:
    note("start")
    behaviour = Path(JOURNAL).with_name("behaviour").read_text()
    if behaviour == "raises":
        raise ValueError("no")
    if behaviour == "hangs":
        await asyncio.sleep(60)
    note("end")


async def faststream() -> None:
    base, of_nats = library("faststream"), library("faststream.nats")
    broker = of_nats.NatsBroker(URL)
    policy = {} if LIBRARY == "faststream" else {"ack_policy": base.AckPolicy.NACK_ON_ERROR}
    orders = of_nats.JStream("ORDERS", subjects=["orders.*"])

    async def handle(order: int) -> None:
        await handled()

    broker.subscriber("orders.*", stream=orders, durable="billing", **policy)(handle)

    async def publish() -> None:
        note("ready")

    await base.FastStream(broker, after_startup=[publish]).run()


async def taskiq() -> None:
    broker = library("taskiq_nats").PullBasedJetStreamBroker(URL, stream_name="ORDERS", durable="billing")

    async def handle(order: int) -> None:
        await handled()

    task = broker.task(task_name="handle")(handle)
    if LIBRARY == "taskiq_nats publishes":
        await broker.startup()
        await task.kiq(1)
        await broker.shutdown()
        return
    running = asyncio.create_task(library("taskiq.api").run_receiver_task(broker, run_startup=True))
    await asyncio.sleep(1)
    note("ready")
    await running


if __name__ == "__main__":
    os.environ["PYTHONWARNINGS"] = "ignore"
    asyncio.run(taskiq() if LIBRARY.startswith("taskiq") else faststream())
