"""The yardstick keeps what it claims to pay for: otherwise it would be cheaper than it is honest."""

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any, TypeAlias

import pytest

from benchmarks.by_hand.handle import Books, Handle, Raised, Returned, books_here, current_emission
from benchmarks.by_hand.in_loop import to_many_tasks, to_one_soon, to_one_task
from benchmarks.by_hand.mailbox import to_one_mailbox
from benchmarks.by_hand.published import publish_to_many, publish_to_one
from benchmarks.by_hand.without_loop import in_a_fresh_loop, to_many, to_one
from benchmarks.workloads import PING, Handler, Ping

Emit: TypeAlias = Callable[[Ping], Handle]
Make: TypeAlias = Callable[[tuple[Handler, ...], Books], Emit]

TASKS: tuple[Make, ...] = (to_one_task, to_many_tasks, to_one_mailbox)
color: ContextVar[str] = ContextVar("color")


def outcomes(handle: Handle) -> list[object]:
    return [one.value if isinstance(one, Returned) else getattr(one, "error", one) for one in handle.outcomes]


@pytest.fixture
def books() -> Books:
    """Those of this thread, counting anew."""
    books = books_here()
    books.completed = books.failed = 0
    return books


def test_without_a_loop_every_outcome_is_kept_and_nobody_harms_the_next(books: Books) -> None:
    error = ValueError("no")

    def fail(event: Ping) -> None:
        raise error

    handle = to_many((fail, lambda event: 7, lambda event: None, fail, lambda event: None))(PING)
    assert outcomes(handle) == [error, 7, None, error, None]
    assert (handle.open, books.failed, books.completed, books.accepted) == (0, 1, 0, 1)
    assert outcomes(to_one((fail,))(PING)) == [error]
    assert outcomes(to_one((lambda event: 7,))(PING)) == [7]


def test_without_a_loop_the_books_are_right_while_handlers_run(books: Books) -> None:
    seen: list[object] = []

    def look(event: Ping) -> None:
        running = current_emission()
        assert running is not None
        seen.append((running.open, books.pending == [running], books.accepted, books.completed))

    to_many((look, look))(PING)
    to_one((look,))(PING)
    assert seen == [(2, True, 1, 0), (1, True, 1, 0), (1, True, 2, 1)]


@pytest.mark.parametrize("make", [to_one, to_many])
def test_what_a_handler_emits_without_a_loop_goes_behind(
    make: Callable[[tuple[Handler, ...]], Emit], books: Books
) -> None:
    log: list[str] = []
    inner = make((lambda event: log.append("inner"),))
    handles: list[Handle] = []

    def outer(event: Ping) -> None:
        handles.append(inner(PING))
        log.append("outer")

    parent = make((outer,))(PING)
    assert log == ["outer", "inner"]
    assert handles[0].parent is not None
    assert handles[0].parent() is parent
    assert (handles[0].open, books.completed, books.pending) == (0, 2, [])


@pytest.mark.parametrize("make", [to_one, to_many])
def test_what_a_plain_handler_sets_stays_in_its_context(make: Callable[[tuple[Handler, ...]], Emit]) -> None:
    color.set("red")
    seen: list[str] = []

    def paint(event: Ping) -> None:
        seen.append(color.get())
        color.set("blue")

    make((paint,))(PING)
    assert (seen, color.get()) == (["red"], "red")


def test_a_fresh_loop_ends_with_what_was_started_in_it(books: Books) -> None:
    ended: list[str] = []

    async def forever() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("cancelled")

    async def handler(event: Ping) -> Handle | None:
        background.append(asyncio.create_task(forever()))
        await asyncio.sleep(0)
        return current_emission()

    background: list[asyncio.Task[None]] = []
    handle = in_a_fresh_loop((handler,))(PING)
    assert outcomes(handle) == [handle]
    assert (ended, books.pending, books.completed) == (["cancelled"], [], 1)


async def test_in_a_loop_no_plain_handler_runs_before_emit_has_returned() -> None:
    log: list[object] = []
    books = Books()

    def handler(event: Ping) -> None:
        running = current_emission()
        assert running is not None
        log.append((color.get(), books.pending[0] is running, books.accepted, books.completed))
        color.set("blue")

    emit = to_one_soon((handler,), books)
    color.set("red")
    emit(PING)
    color.set("green")
    last = emit(PING)
    assert (log, books.accepted, len(books.pending)) == ([], 2, 2)
    assert await last is last
    assert log == [("red", True, 2, 0), ("green", True, 2, 1)]
    assert color.get() == "green"


async def test_in_a_loop_a_plain_handler_that_raises_harms_nobody() -> None:
    books = Books()
    answers = iter([ValueError("no"), 7, None])

    def handler(event: Ping) -> object:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    emit = to_one_soon((handler,), books)
    failed, answered, silent = emit(PING), emit(PING), emit(PING)
    with pytest.raises(ExceptionGroup, match="1 of 1 handlers failed"):
        await failed
    assert (outcomes(answered), outcomes(silent)) == ([7], [None])
    assert (books.failed, books.completed, books.pending) == (1, 2, [])


@pytest.mark.parametrize("make", TASKS)
@pytest.mark.parametrize("turns", [0, 2])
async def test_async_handlers_have_contexts_outcomes_and_a_place_in_the_books(make: Make, turns: int) -> None:
    books = Books()
    seen: list[object] = []
    answers = iter([7, ValueError("no"), None])

    async def handler(event: Ping) -> object:
        for _ in range(turns):
            await asyncio.sleep(0)
            color.set(color.get() + "!")
        running = current_emission()
        assert running is not None
        seen.append((color.get(), running in books.pending, running.open, books.accepted))
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    emit = make((handler,), books)
    color.set("red")
    answered, failed, silent = emit(PING), emit(PING), emit(PING)
    assert (seen, books.accepted, len(books.pending), current_emission()) == ([], 3, 3, None)
    with pytest.raises(ExceptionGroup, match="1 of 1 handlers failed"):
        await failed
    assert await silent is silent
    assert seen == [("red" + turns * "!", True, 1, 3)] * 3
    assert (outcomes(answered), outcomes(silent)) == ([7], [None])
    assert isinstance(failed.outcomes[0], Raised)
    assert (books.completed, books.failed, books.pending) == (2, 1, [])


async def test_the_last_of_many_tasks_settles() -> None:
    books = Books()
    gate = asyncio.Event()

    async def late(event: Ping) -> None:
        await gate.wait()

    async def early(event: Ping) -> int:
        return 7

    handle = to_many_tasks((late, early), books)(PING)
    await asyncio.sleep(0)
    assert (outcomes(handle), handle.open, books.pending) == ([None, 7], 1, [handle])
    gate.set()
    await handle
    assert (handle.open, books.pending, books.completed) == (0, [], 1)


async def test_a_mailbox_takes_one_at_a_time_and_shares_a_task_until_one_suspends() -> None:
    books = Books()
    tasks: list[object] = []
    log: list[str] = []
    suspends = iter([False, False, True, False])

    async def handler(event: Ping) -> None:
        log.append("begins")
        tasks.append(asyncio.current_task())
        if next(suspends):
            await asyncio.sleep(0)
        log.append("ends")

    emit = to_one_mailbox((handler,), books)
    for _ in range(4):
        emit(PING)
    await books.drained()
    assert log == ["begins", "ends"] * 4
    assert tasks[0] is tasks[1] is tasks[2]
    assert tasks[2] is not tasks[3]


async def test_a_handler_that_cancels_its_task_does_not_cancel_the_next_in_the_mailbox() -> None:
    books = Books()
    log: list[str] = []
    cancels = iter([True, False])

    async def handler(event: Ping) -> None:
        task = asyncio.current_task()
        assert task is not None
        if next(cancels):
            task.cancel()
        else:
            await asyncio.sleep(0)
            log.append("ended")

    emit = to_one_mailbox((handler,), books)
    emit(PING)
    emit(PING)
    await books.drained()
    assert log == ["ended"]


@pytest.mark.parametrize("count", [1, 3])
async def test_published_handlers_run_in_the_callers_task_and_in_turn(count: int) -> None:
    books = Books()
    log: list[object] = []
    me = asyncio.current_task()

    async def handler(event: Ping) -> None:
        running = current_emission()
        assert running is not None
        log.append((asyncio.current_task() is me, books.pending == [running], running.open))
        await asyncio.sleep(0)

    publish: Any = publish_to_one if count == 1 else publish_to_many  # Any: mypy joins them to an object
    handle = await publish((handler,) * count, books)(PING)
    assert log == [(True, True, count - index) for index in range(count)]
    assert (handle.open, books.pending, books.completed, current_emission()) == (0, [], 1, None)


async def test_a_published_handler_that_fails_keeps_nobody_from_running() -> None:
    books = Books()
    log: list[str] = []

    async def fail(event: Ping) -> None:
        raise ValueError("no")

    async def after(event: Ping) -> str:
        log.append("after")
        return "done"

    with pytest.raises(ExceptionGroup, match="1 of 2 handlers failed"):
        await publish_to_many((fail, after), books)(PING)
    assert (log, books.failed, books.pending) == (["after"], 1, [])
    with pytest.raises(ExceptionGroup, match="1 of 1 handlers failed"):
        await publish_to_one((fail,), books)(PING)
    assert (books.failed, books.pending) == (2, [])


async def test_a_caller_that_is_cancelled_cancels_what_it_has_published() -> None:
    books = Books()
    log: list[str] = []

    async def wait(event: Ping) -> None:
        await asyncio.Event().wait()

    async def never(event: Ping) -> None:
        log.append("ran")

    caller: Awaitable[Handle]
    for caller in (publish_to_many((wait, never), books)(PING), publish_to_one((wait,), books)(PING)):
        task = asyncio.ensure_future(caller)
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert (log, books.failed, books.pending) == ([], 2, [])
