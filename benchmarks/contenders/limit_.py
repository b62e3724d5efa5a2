"""The limit: a look-up and a call through a function, as a user would write it, with nothing promised to anybody."""

import asyncio
from collections import deque
from itertools import repeat

from ..handlers import managed
from ..workloads import (
    AROUND,
    BURST,
    CHURN,
    EACH,
    EMIT,
    MAILBOX,
    PASS,
    PING,
    PUBLISH,
    Batch,
    BatchInLoop,
    Handlers,
    Ping,
)


@EMIT.of("limit")
def look_up_and_call(handlers: Handlers) -> Batch:
    """Async handlers: `asyncio.run`, which is what whoever has no loop must do."""
    table = {Ping: tuple(handlers)}
    event = PING
    if handlers.are_async:

        async def main() -> None:
            for handler in table[type(event)]:
                await handler(event)

        def batch(n: int) -> None:
            for _ in repeat(None, n):
                asyncio.run(main())
    else:

        def emit(event: Ping) -> None:
            for handler in table[type(event)]:
                handler(event)

        def batch(n: int) -> None:
            for _ in repeat(None, n):
                emit(event)

    return batch


AROUND.of("limit without")(look_up_and_call)


@AROUND.of("limit")
def look_up_and_call_in_a_manager(handlers: Handlers) -> Batch:
    table = {Ping: tuple(handlers)}
    event = PING

    def emit(event: Ping) -> None:
        for handler in table[type(event)]:
            with managed(event):
                handler(event)

    def batch(n: int) -> None:
        for _ in repeat(None, n):
            emit(event)

    return batch


@CHURN.of("limit")
def a_list_in_a_dict(handlers: Handlers) -> Batch:
    *standing, passing = handlers
    table = {Ping: standing}
    event = PING

    def emit(event: Ping) -> None:
        for handler in table[type(event)]:
            handler(event)

    def batch(n: int) -> None:
        for _ in repeat(None, n):
            table[type(event)].append(passing)
            emit(event)
            table[type(event)].remove(passing)

    return batch


@BURST.of("limit")
def queue_and_drain(handlers: Handlers) -> BatchInLoop:
    """As emit must not run handlers: a queue, and one callback of the loop that takes them from it."""
    table = {Ping: tuple(handlers)}
    queue: deque[Ping] = deque()

    def drain(done: asyncio.Future[None]) -> None:
        while queue:
            event = queue.popleft()
            for handler in table[type(event)]:
                handler(event)
        done.set_result(None)

    def emit(event: Ping) -> None:
        queue.append(event)

    async def batch(n: int) -> None:
        event = PING
        loop = asyncio.get_running_loop()
        done = loop.create_future()
        for _ in repeat(None, n):
            emit(event)
        loop.call_soon(drain, done)
        await done

    return batch


@PASS.of("limit")
def through_a_queue(handlers: Handlers) -> BatchInLoop:
    table: dict[type[Ping], asyncio.Queue[Ping]] = {Ping: asyncio.Queue()}

    async def read(n: int) -> None:
        queue = table[Ping]
        while n:
            event = await queue.get()
            for handler in handlers:
                handler(event)
            n -= 1

    async def batch(n: int) -> None:
        event = PING
        reader = asyncio.create_task(read(n))
        for _ in repeat(None, n):
            table[type(event)].put_nowait(event)
        await reader

    return batch


@EACH.of("limit")
def a_task_for_each(handlers: Handlers) -> BatchInLoop:
    table = {Ping: tuple(handlers)}

    async def emit(event: Ping) -> None:
        tasks = [asyncio.create_task(handler(event)) for handler in table[type(event)]]
        for task in tasks:
            await task

    async def batch(n: int) -> None:
        event = PING
        for _ in repeat(None, n):
            await emit(event)

    return batch


@MAILBOX.of("limit")
def a_task_for_each_of_many(handlers: Handlers) -> BatchInLoop:
    """Keeps no order: create_task alone."""
    table = {Ping: tuple(handlers)}

    def emit(event: Ping, tasks: list[asyncio.Task[object]]) -> None:
        for handler in table[type(event)]:
            tasks.append(asyncio.create_task(handler(event)))

    async def batch(n: int) -> None:
        event = PING
        tasks: list[asyncio.Task[object]] = []
        for _ in repeat(None, n):
            emit(event, tasks)
        for task in tasks:
            await task

    return batch


@PUBLISH.of("limit")
def await_each(handlers: Handlers) -> BatchInLoop:
    table = {Ping: tuple(handlers)}

    async def publish(event: Ping) -> None:
        for handler in table[type(event)]:
            await handler(event)

    async def batch(n: int) -> None:
        event = PING
        for _ in repeat(None, n):
            await publish(event)

    return batch
