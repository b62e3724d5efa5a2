"""The row of the mailbox: in a running loop, one delivery at a time."""

import asyncio
from collections.abc import Callable, Coroutine, Generator
from contextvars import Context, copy_context
from types import coroutine
from typing import Any, Final
from weakref import ref

from ..workloads import Handler, Ping
from .handle import Books, Handle, Raised, Returned, Route, current, misplaced, running_loop

get_current = current.get
set_current = current.set
SPENT: Final = Context()
PAUSE: Final = object()


class Pausing:
    """Awaiting it yields `PAUSE` once, and runs no code of ours."""

    __await__ = (PAUSE,).__iter__


pausing: Final[Any] = Pausing()  # Any: no checker knows an `__await__` that is a bound method


def to_one_mailbox(receivers: tuple[Handler, ...], books: Books) -> Callable[[Ping], Handle]:
    """An async handler, in one task for all that stand in the queue, until it suspends: then that task is its own."""
    routes = {Ping: Route(receivers)}
    loop = asyncio.get_running_loop()
    itself, queue = books.itself, books.queue
    server: asyncio.Task[None] | None = None

    def emit(event: Ping) -> Handle:
        nonlocal server
        if running_loop() is not loop:
            raise misplaced()
        route = routes[type(event)]
        handle = Handle()
        handle.event = event
        handle.route = route
        handle.outcomes = route.waiting
        handle.keeper = itself
        parent = get_current()
        handle.parent = None if parent is None else ref(parent)
        handle.watchers = None
        handle.context = copy_context()
        queue.append(handle)
        if server is None:
            server = asyncio.Task(serve(), loop=loop, name="by hand")
        return handle

    async def serve() -> None:
        nonlocal server
        task: Any = server  # Any: for `_must_cancel`, as no public name tells of a cancellation to come
        delivering = deliver()
        step = delivering.send
        try:
            while queue:
                context = queue[0].context
                waits = context.run(step, None)
                if waits is not PAUSE:
                    await going_on(context, delivering, waits)
                    break  # what somebody does to this task later is done to nobody else
                if task._must_cancel:
                    break  # it would hit the next one
        finally:
            server = None
            if queue:
                server = asyncio.Task(serve(), loop=loop, name="by hand")
            else:
                books.nothing_pends()

    async def deliver() -> None:
        """Deliver the first of the queue, and pause. Whoever takes this on does so in the context of the next one.

        A handler that does not suspend costs neither a task nor a `StopIteration` so.
        """
        while True:
            books.current = handle = queue.popleft()
            set_current(handle)
            try:
                value = await handle.route.handler(handle.event)
            except BaseException as error:
                books.settle(handle, Raised(error))
                if not isinstance(error, Exception | asyncio.CancelledError):
                    raise
            else:
                if value is None and handle.watchers is None:
                    books.current = None
                    books.completed += 1
                    handle.outcomes = handle.route.done
                else:
                    books.settle(handle, Returned(value))
            handle.context = SPENT  # the other one refers to the handle
            await pausing

    return emit


@coroutine
def going_on(
    context: Context, delivering: Coroutine[Any, Any, None], waits: object
) -> Generator[Any, Any, None]:  # Any: between a loop and its futures
    """The further steps of a handler that has suspended, each in its own context."""
    while waits is not PAUSE:
        try:
            sent = yield waits
        except BaseException as error:
            waits = context.run(delivering.throw, error)
        else:
            waits = context.run(delivering.send, sent)
