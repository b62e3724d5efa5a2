"""What an operator does and sees: things that vanish, stops with a grace, hooks, settings of the server."""

import asyncio
import logging
import signal
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import nats.errors
import pytest
from nats.aio.client import Client

from pyventus_typed import Linker
from pyventus_typed.nats import Failure, JetStream, LocalServer, Server, StreamSettings, Worker
from pyventus_typed.nats.errors import Refused, StreamDiffers
from tests.edges.nats.conftest import Workers, eventually, free_port, run_server
from tests.edges.nats.shop import OrderPlaced, ShopEvent, codec, customer


def handling(handler: Callable[[OrderPlaced], object]) -> Linker[ShopEvent]:
    linker = Linker[ShopEvent]()
    linker.subscribe(OrderPlaced, handler)
    return linker


# ---------------------------------------------------------------- what vanishes
async def test_a_worker_whose_stream_is_lost_with_the_store_of_its_server_says_so(
    server: LocalServer, tmp_path: Path
) -> None:
    async with JetStream(server.url, codec, stream="SHOP") as stream:
        running = asyncio.create_task(Worker(stream, handling(print), group="billing").run(stop_on=()))
        await eventually(lambda: asked(stream))
        await server.stop()
        async with LocalServer(tmp_path / "another", port=server.port):
            with pytest.raises(Refused, match=r"The consumer 'billing' is gone \(stream not found\)"):
                await asyncio.wait_for(running, 20)


async def test_a_worker_whose_consumer_is_deleted_while_it_is_disconnected_says_so(server: LocalServer) -> None:
    async with JetStream(server.url, codec, stream="SHOP", settings=StreamSettings(storage="memory")) as stream:
        running = asyncio.create_task(Worker(stream, handling(print), group="billing").run(stop_on=()))
        await eventually(lambda: asked(stream))
        await server.kill()
        await server.start()
        with pytest.raises(Refused, match=r"The consumer 'billing' is gone .* Start the worker again"):
            await asyncio.wait_for(running, 20)


async def test_a_stream_that_was_made_again_is_not_taken_for_the_one_before(server: LocalServer) -> None:
    async with JetStream(server.url, codec, stream="SHOP", settings=StreamSettings(storage="memory")) as stream:
        running = asyncio.create_task(Worker(stream, handling(print), group="billing").run(stop_on=()))
        await eventually(lambda: asked(stream))
        await server.kill()
        await server.start()
        # Another process is quicker than our reconnection, or we would not notice.
        async with JetStream(server.url, codec, stream="SHOP", settings=StreamSettings(storage="memory")) as other:
            again = asyncio.create_task(Worker(other, handling(print), group="billing").run(stop_on=()))
            try:
                with pytest.raises(Refused, match=r"is gone"):
                    await asyncio.wait_for(running, 20)
            finally:
                again.cancel()


async def asked(stream: JetStream[ShopEvent]) -> bool:
    """Whether the worker has requests open."""
    return any(found.num_waiting for found in await stream.opened.js.consumers_info("SHOP"))


async def test_a_stream_that_cannot_be_created_says_why(server: LocalServer) -> None:
    with pytest.raises(Refused, match=r"does not create the stream 'SHOP': replicas > 1 not supported"):
        async with JetStream(server.url, codec, stream="SHOP", settings=StreamSettings(replicas=3)):
            pass


async def test_a_stream_without_a_limit_is_the_same_when_it_is_opened_again(server: LocalServer) -> None:
    for _ in range(2):
        async with JetStream(server.url, codec, stream="SHOP", settings=StreamSettings(max_bytes=None)):
            pass
    with pytest.raises(ValueError, match="max_bytes=0 must be positive"):
        StreamSettings(max_bytes=0)


# ---------------------------------------------------------------- stopping
async def test_a_handler_that_outlives_the_grace_is_cancelled_and_its_event_handed_back_uncounted(
    stream: JetStream[ShopEvent], workers: Workers
) -> None:
    await stream.publish(OrderPlaced(1, seconds=60))
    first = await workers.start(ack_wait=30.0, grace=0.3, attempts=1)
    await workers.until(lambda: workers.numbers("start") == [1])
    assert await asyncio.wait_for(first.terminate(), 10) == 0
    # At once, and as the first attempt of the one that is allowed.
    await workers.start(ack_wait=30.0, attempts=1)
    await workers.until(lambda: len(workers.numbers("start")) == 2, seconds=5)
    assert [line["attempt"] for line in workers.lines("start")] == [1, 1]


async def test_a_second_sigterm_does_not_wait_for_handlers(stream: JetStream[ShopEvent], workers: Workers) -> None:
    await stream.publish(OrderPlaced(1, seconds=60))
    process = await workers.start(ack_wait=30.0)
    await workers.until(lambda: workers.numbers("start") == [1])
    process.inner.send_signal(signal.SIGTERM)
    await asyncio.sleep(0.5)
    assert process.inner.returncode is None
    assert await asyncio.wait_for(process.terminate(), 10) == 0


# ---------------------------------------------------------------- hooks
async def test_hooks_are_called_for_each_failed_attempt_and_for_the_dead_letter_and_cannot_do_harm(
    stream: JetStream[ShopEvent], caplog: pytest.LogCaptureFixture
) -> None:
    failures: list[Failure] = []
    dead: list[Failure] = []

    def fail(event: OrderPlaced) -> None:
        raise LookupError(f"no order {event.number}")

    def on_dead(failure: Failure) -> None:
        dead.append(failure)
        raise RuntimeError("the monitor is broken")

    worker = Worker(
        stream, handling(fail), group="billing", attempts=3, backoff=(0,), on_failure=failures.append, on_dead=on_dead
    )
    running = asyncio.create_task(worker.run(stop_on=()))
    await stream.publish(OrderPlaced(7), event_id="order-7")
    await eventually(lambda: len(dead) == 1)
    worker.stop()
    await running
    assert [(failure.message.id, failure.message.attempt, failure.pause) for failure in failures] == [
        ("order-7", 1, 0),
        ("order-7", 2, 0),
        ("order-7", 3, None),
    ]
    assert all("LookupError: no order 7" in failure.reason and failure.error is not None for failure in failures)
    assert dead == failures[-1:]
    assert "the monitor is broken" in caplog.text
    assert worker.counts.dead == 1
    assert worker.counts.settled_at is not None


def test_options_of_a_worker_that_contradict_each_other_are_refused() -> None:
    stream = JetStream("nats://127.0.0.1:1", codec, stream="SHOP")
    linker = handling(print)
    with pytest.raises(ValueError, match="max_ack_pending=5 is below concurrency=16"):
        Worker(stream, linker, group="billing", max_ack_pending=5)
    with pytest.raises(ValueError, match="grace=-1 must not be negative"):
        Worker(stream, linker, group="billing", grace=-1)
    with pytest.raises(ValueError, match="replicas=2 must be 1, 3 or 5"):
        Worker(stream, linker, group="billing", replicas=2)

    async def tell(_failure: Failure) -> None:
        """Never awaited."""

    with pytest.raises(ValueError, match="on_dead=.* is async or a generator function, and nobody would await it"):
        Worker(stream, linker, group="billing", on_dead=tell)


# ---------------------------------------------------------------- settings of the server
async def test_a_message_that_failed_and_was_settled_leaves_no_record(stream: JetStream[ShopEvent]) -> None:
    attempts: dict[int, int] = {}

    def fail_once(event: OrderPlaced) -> None:
        attempts[event.number] = attempts.get(event.number, 0) + 1
        if attempts[event.number] == 1 or event.number == 9:
            raise LookupError("not yet")

    worker = Worker(stream, handling(fail_once), group="billing", attempts=2, backoff=(0,))
    running = asyncio.create_task(worker.run(stop_on=()))
    for number in range(10):
        await stream.publish(OrderPlaced(number))
    await eventually(lambda: worker.counts.handled == 9 and worker.counts.dead == 1)
    worker.stop()
    await running
    assert (await stream.opened.js.stream_info("KV_SHOP-attempts")).state.messages == 0


async def test_what_a_worker_is_told_about_its_consumers_is_written_also_to_a_group_that_exists(
    stream: JetStream[ShopEvent],
) -> None:
    for told, found in ((None, 10_000), (40, 40), (None, 40), (50, 50)):
        worker = Worker(stream, handling(print), group="billing", max_ack_pending=told, replicas=1)
        running = asyncio.create_task(worker.run(stop_on=()))
        await eventually(lambda: asked(stream))
        worker.stop()
        await running
        config = (await stream.opened.js.consumer_info("SHOP", "billing")).config
        assert (config.max_ack_pending, config.num_replicas) == (found, 1)
    assert (await stream.opened.js.consumer_info("SHOP", "billing@0")).config.max_ack_pending == 1


async def test_every_setting_of_a_stream_is_written_and_a_different_one_is_named(server: LocalServer) -> None:
    other: dict[str, Any] = {  # Any: each setting has its own type
        "lanes": 2,
        "retention": "interest",
        "max_bytes": 10_000_000,
        "max_msgs": 500,
        "max_age": 3600.0,
        "duplicates": 60.0,
        "storage": "memory",
        "compression": "s2",
        "description": "the shop",
    }
    assert {*other} == {each.name for each in fields(StreamSettings)} - {
        "replicas",  # one server cannot have more
        "placement",
        "dead_max_bytes",
        "dead_max_age",
    }
    for name, value in other.items():
        settings = StreamSettings(**{name: value})
        for _ in range(2):
            async with JetStream(server.url, codec, stream=name, settings=settings):
                pass
        with pytest.raises(StreamDiffers) as caught:
            async with JetStream(server.url, codec, stream=name):
                pass
        assert set(caught.value.differences) == {name}


async def test_dead_letters_are_kept_within_the_limits_that_the_stream_names(server: LocalServer) -> None:
    limited = StreamSettings(dead_max_bytes=2_000, dead_max_age=3600.0)
    async with JetStream(server.url, codec, stream="SHOP", settings=limited) as stream:
        worker = Worker(stream, handling(lambda event: 1 // 0), group="billing", attempts=1)
        running = asyncio.create_task(worker.run(stop_on=()))
        for number in range(20):
            await stream.publish(OrderPlaced(number))
        await eventually(lambda: worker.counts.dead == 20)
        worker.stop()
        await running
        kept = [letter.sequence async for letter in stream.dead_letters.all()]
        assert kept
        assert kept == list(range(21 - len(kept), 21))
        assert len(kept) < 10
    async with JetStream(server.url, codec, stream="SHOP") as stream:
        with pytest.raises(StreamDiffers, match=r"'SHOP-dead' .* dead_max_bytes is 2000, not -1"):
            await Worker(stream, handling(print), group="billing").run(stop_on=())


async def test_a_stream_in_the_domain_of_another_server_is_reached_through_a_leaf(tmp_path: Path) -> None:
    leaves = free_port()
    hub, _ = await run_server(
        tmp_path,
        f'jetstream {{ store_dir: "{tmp_path}/js", domain: hub }}\nleafnodes {{ listen: "127.0.0.1:{leaves}" }}\n',
    )
    (tmp_path / "leaf").mkdir()
    leaf, where = await run_server(
        tmp_path / "leaf", f'leafnodes {{ remotes: [ {{ url: "nats://127.0.0.1:{leaves}" }} ] }}\n'
    )
    handled: list[int] = []

    def bill(event: OrderPlaced) -> None:
        if event.number < 0:
            raise LookupError("no such order")
        handled.append(event.number)

    client = Client()
    await client.connect(where)

    async def hub_answers() -> bool:
        try:
            await client.request("$JS.hub.API.INFO", b"", timeout=1)
        except nats.errors.NoRespondersError:
            return False
        return True

    try:
        await eventually(hub_answers)  # the leaf has found it
        await client.close()
        async with JetStream(
            where, codec, stream="SHOP", domain="hub", settings=StreamSettings(lanes=2), key=customer
        ) as stream:
            worker = Worker(stream, handling(bill), group="billing", attempts=2, backoff=(0,))
            running = asyncio.create_task(worker.run(stop_on=()))
            for number in (1, -1, 2):
                await stream.publish(OrderPlaced(number, customer="ada"))
            await eventually(lambda: worker.counts.handled == 2 and worker.counts.dead == 1)
            worker.stop()
            await running
            assert handled == [1, 2]
            [letter] = [letter async for letter in stream.dead_letters.all()]
            await stream.dead_letters.send_again(letter)
    finally:
        for process in (leaf, hub):
            process.kill()
            await process.wait()
    with pytest.raises(ValueError, match="say the same thing twice"):
        JetStream(where, codec, stream="SHOP", domain="hub", api_prefix="$JS.hub.API")


@pytest.mark.timeout(120)
async def test_a_worker_that_starts_while_a_cluster_elects_a_leader_waits_for_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    routes = [free_port() for _ in range(3)]
    listed = ", ".join(f'"nats://127.0.0.1:{port}"' for port in routes)
    servers = {}
    for number, port in enumerate(routes):
        folder = tmp_path / f"n{number}"
        folder.mkdir()
        config = (
            f'server_name: n{number}\njetstream {{ store_dir: "{folder}/js" }}\n'
            f'cluster {{ name: c, listen: "127.0.0.1:{port}", routes: [{listed}] }}\n'
        )
        process, where = await run_server(folder, config)
        servers[f"n{number}"] = (process, where)
    caplog.set_level(logging.ERROR)
    handled: list[int] = []
    try:
        settings = StreamSettings(replicas=3, lanes=8)
        # A cluster that has just started has no leader either, and the opening waits for one.
        first, *_ = [f"nats://{where}" for _, where in servers.values()]
        async with JetStream(first, codec, stream="SHOP", settings=settings, key=customer) as stream:
            for number in range(10):
                await stream.publish(OrderPlaced(number, customer="ada"))
            info = await stream.opened.js.stream_info("SHOP")
            assert info.cluster is not None
            assert info.cluster.leader is not None
            victim, _ = servers.pop(info.cluster.leader)
            victim.kill()
            await victim.wait()
        rest = Server([f"nats://{where}" for _, where in servers.values()], start_patience=10)
        async with JetStream(rest, codec, stream="SHOP", settings=None, key=customer) as stream:
            worker = Worker(stream, handling(lambda event: handled.append(event.number)), group="billing")
            running = asyncio.create_task(worker.run(stop_on=()))
            await eventually(lambda: worker.counts.handled == 10 or running.done(), 60)
            worker.stop()
            await running
            assert handled == list(range(10))
    finally:
        for process, _ in servers.values():
            process.kill()
            await process.wait()
