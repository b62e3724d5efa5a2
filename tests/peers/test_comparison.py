"""What `docs/explanation/comparison.md` says about other libraries, tried with them: the dependency group `peers`."""

import asyncio
import logging
import re
from importlib.metadata import version
from typing import Any

import pytest

from tests.programs import HOUSE

PAGE = (HOUSE / "docs" / "explanation" / "comparison.md").read_text(encoding="utf-8")


def peer(module: str) -> Any:  # Any: a library without types, or without stubs of ours
    return pytest.importorskip(module, reason=f"{module} is not installed; it is in the dependency group 'peers'")


@pytest.mark.parametrize(("name", "said"), re.findall(r"\*\*(\w+)\*\* (\d[\d.]*)", PAGE))
def test_the_page_speaks_of_the_version_that_is_tried(name: str, said: str) -> None:
    peer(name)
    assert f"{version(name)}.".startswith(f"{said}.")


def test_blinker_ends_with_the_first_error_and_tells_the_sender() -> None:
    signal, ran = peer("blinker").Signal(), list[str]()

    def first(_: object) -> None:
        ran.append("first")
        raise ValueError("no")

    def second(_: object) -> None:
        ran.append("second")
        raise ValueError("no")

    signal.connect(first)
    signal.connect(second)
    with pytest.raises(ValueError, match="no"):
        signal.send(1)
    assert len(ran) == 1


def test_blinker_forgets_a_local_function_and_refuses_to_send_to_an_async_one() -> None:
    signal, ran = peer("blinker").Signal(), list[str]()

    def connect() -> None:
        def local(_: object) -> None:
            ran.append("local")

        signal.connect(local)

    async def later(_: object) -> None: ...

    connect()
    signal.send(1)
    assert ran == []
    signal.connect(later)
    with pytest.raises(RuntimeError, match="coroutine function"):
        signal.send(1)


async def test_blinker_sends_to_async_receivers_one_after_the_other() -> None:
    signal, ran = peer("blinker").Signal(), list[str]()

    async def first(_: object) -> None:
        ran.append("begins")
        await asyncio.sleep(0)
        ran.append("ends")

    async def second(_: object) -> None:
        await first(_)

    signal.connect(first)
    signal.connect(second)
    await signal.send_async(1)
    assert ran == ["begins", "ends"] * 2


async def test_pyee_registers_a_function_once_and_does_not_wait_for_what_is_nested() -> None:
    emitter, ran = peer("pyee.asyncio").AsyncIOEventEmitter(), list[str]()
    gate = asyncio.Event()

    async def outer() -> None:
        await asyncio.sleep(0)
        emitter.emit("inner")

    async def inner() -> None:
        await gate.wait()
        ran.append("inner")

    emitter.on("outer", outer)
    emitter.on("outer", outer)
    emitter.on("inner", inner)
    assert len(emitter.listeners("outer")) == 1
    emitter.emit("outer")
    await asyncio.wait_for(emitter.wait_for_complete(), 10)
    assert ran == []
    gate.set()
    await asyncio.wait_for(emitter.wait_for_complete(), 10)
    assert ran == ["inner"]


async def test_pyee_sends_an_error_of_an_async_handler_to_its_error_event() -> None:
    emitter, errors = peer("pyee.asyncio").AsyncIOEventEmitter(), list[Exception]()

    async def fails() -> None:
        raise ValueError("no")

    emitter.on("error", errors.append)
    emitter.on("it", fails)
    emitter.emit("it")
    await emitter.wait_for_complete()
    assert [str(error) for error in errors] == ["no"]


def test_psygnal_wraps_an_error_and_does_not_run_the_rest() -> None:
    psygnal = peer("psygnal")
    owner = type("Owner", (), {"changed": psygnal.Signal(int)})()
    ran: list[str] = []

    def fails(_: int) -> None:
        ran.append("fails")
        raise ValueError

    def after(_: int) -> None:
        ran.append("after")

    owner.changed.connect(fails)
    owner.changed.connect(after)
    with pytest.raises(psygnal.EmitLoopError):
        owner.changed.emit(1)
    assert ran == ["fails"]


async def test_bubus_keeps_an_error_in_the_results_of_the_event(caplog: pytest.LogCaptureFixture) -> None:
    bubus = peer("bubus")
    placed = type("Placed", (bubus.BaseEvent,), {"__annotations__": {}, "__module__": __name__})
    bus, ran = bubus.EventBus(), list[str]()

    def fails(_: object) -> None:
        ran.append("fails")
        raise ValueError("no")

    async def after(_: object) -> None:
        ran.append("after")

    bus.on(placed, fails)
    bus.on(placed, after)
    with caplog.at_level(logging.CRITICAL):
        event = await bus.dispatch(placed())
        await bus.stop()
    assert ran == ["fails", "after"]
    assert [str(result.error) for result in event.event_results.values()] == ["no", "None"]


def test_bubus_does_not_emit_without_a_loop() -> None:
    bubus = peer("bubus")
    placed = type("Placed", (bubus.BaseEvent,), {"__annotations__": {}, "__module__": __name__})
    with pytest.raises(RuntimeError, match="no event loop is running"):
        bubus.EventBus().dispatch(placed())
