"""What `docs/explanation/comparison.md` says about other libraries, tried with them: the dependency group `peers`."""

import asyncio
import inspect
import logging
import re
from importlib.metadata import version
from typing import Any

import pytest

from tests.programs import ROOT

PAGE = (ROOT / "docs" / "explanation" / "comparison.md").read_text(encoding="utf-8")


def peer(module: str) -> Any:  # Any: a library without types, or without stubs of ours
    return pytest.importorskip(module, reason=f"{module} is not installed; it is in the dependency group 'peers'")


def pyee() -> Any:  # Any: the same
    if peer("pyee") and int(version("pyee").partition(".")[0]) < 16:
        pytest.skip("pyee 16 needs Python 3.12")
    return peer("pyee.asyncio")


@pytest.mark.parametrize(("name", "said"), re.findall(r"\*\*(\w+)\*\* (\d[\d.]*)", PAGE))
def test_the_page_speaks_of_the_version_that_is_tried(name: str, said: str) -> None:
    peer(name) if name != "pyee" else pyee()
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


async def test_pyee_registers_a_function_once_and_waits_for_what_is_nested() -> None:
    emitter, ran = pyee().AsyncIOEventEmitter(), list[str]()
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
    waiting = asyncio.ensure_future(emitter.wait_for_complete())
    for _ in range(10):
        await asyncio.sleep(0)
    assert not waiting.done()
    gate.set()
    await asyncio.wait_for(waiting, 10)
    assert ran == ["inner"]


async def test_pyee_sends_an_error_of_a_sync_handler_to_its_error_event_or_to_the_sender() -> None:
    emitter, errors = pyee().AsyncIOEventEmitter(), list[Exception]()

    def fails() -> None:
        raise ValueError("no")

    emitter.on("it", fails)
    with pytest.raises(ValueError, match="no"):
        emitter.emit("it")
    emitter.on("error", errors.append)
    emitter.emit("it")
    assert [str(error) for error in errors] == ["no"]


async def test_pyee_sends_an_error_of_an_async_handler_to_its_error_event() -> None:
    emitter, errors = pyee().AsyncIOEventEmitter(), list[Exception]()

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


@pytest.mark.parametrize("name", ["bubus", "abxbus"])
async def test_bubus_and_abxbus_keep_an_error_in_the_results_of_the_event(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    library = peer(name)
    placed = type("Placed", (library.BaseEvent,), {"__annotations__": {}, "__module__": __name__})
    bus, ran = library.EventBus(), list[str]()

    def fails(_: object) -> None:
        ran.append("fails")
        raise ValueError("no")

    async def after(_: object) -> None:
        ran.append("after")

    bus.on(placed, fails)
    bus.on(placed, after)
    with caplog.at_level(logging.CRITICAL):
        event = await (bus.emit if name == "abxbus" else bus.dispatch)(placed())
        stopped = bus.destroy() if name == "abxbus" else bus.stop()
        if inspect.isawaitable(stopped):
            await stopped
    assert ran == ["fails", "after"]
    assert [str(result.error) for result in event.event_results.values()] == ["no", "None"]


@pytest.mark.parametrize("name", ["bubus", "abxbus"])
def test_bubus_and_abxbus_do_not_emit_without_a_loop(name: str) -> None:
    library = peer(name)
    placed = type("Placed", (library.BaseEvent,), {"__annotations__": {}, "__module__": __name__})
    bus = library.EventBus()
    with pytest.raises(RuntimeError, match="no event loop is running"):
        (bus.emit if name == "abxbus" else bus.dispatch)(placed())
