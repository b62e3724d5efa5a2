"""Rows in a running loop: `emit` returns before any handler runs."""

import asyncio
from collections.abc import Callable
from contextvars import Context, copy_context
from itertools import repeat
from typing import Final
from weakref import ref

from ..workloads import Handler, Ping
from .handle import NOTHING, Books, Handle, Outcome, Raised, Returned, Route, Spread, current, misplaced, running_loop

get_current = current.get
set_current = current.set
reset_current = current.reset
SPENT: Final = Context()


def to_one_soon(receivers: tuple[Handler, ...], books: Books) -> Callable[[Ping], Handle]:
    """A plain handler, and one callback of the loop for all that was emitted until it runs."""
    routes = {Ping: Route(receivers)}
    loop = asyncio.get_running_loop()
    itself, queue = books.itself, books.queue
    awake = False

    def emit(event: Ping) -> Handle:
        nonlocal awake
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
        if not awake:
            awake = True
            loop.call_soon(drain)
        return handle

    def call(handle: Handle) -> object:
        set_current(handle)
        return handle.route.handler(handle.event)

    def drain() -> None:
        nonlocal awake
        next_one = queue.popleft
        try:
            for _ in repeat(None, len(queue)):
                books.current = handle = next_one()
                try:
                    value = handle.context.run(call, handle)
                except BaseException as error:
                    books.settle(handle, Raised(error))
                    if not isinstance(error, Exception):
                        raise
                else:
                    if value is None and handle.watchers is None:
                        books.current = None
                        books.completed += 1
                        handle.outcomes = handle.route.done
                    else:
                        books.settle(handle, Returned(value))
                handle.context = SPENT  # the other one refers to the handle
        finally:
            awake = bool(queue)
            if awake:
                loop.call_soon(drain)  # others have their turn first
            else:
                books.nothing_pends()

    return emit


def to_one_task(receivers: tuple[Handler, ...], books: Books) -> Callable[[Ping], Handle]:
    """An async handler, in a task."""
    routes = {Ping: Route(receivers)}
    loop = asyncio.get_running_loop()
    itself, tasks = books.itself, books.tasks
    new_task = asyncio.Task  # create_task would make a name for each

    def emit(event: Ping) -> Handle:
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
        tasks[handle] = new_task(guarded(handle), loop=loop, name="by hand")
        return handle

    async def guarded(handle: Handle) -> None:
        set_current(handle)  # the task has copied the context of whoever emits
        try:
            value = await handle.route.handler(handle.event)
        except BaseException as error:
            del tasks[handle]
            books.settle(handle, Raised(error))
            if not isinstance(error, Exception | asyncio.CancelledError):
                raise
        else:
            del tasks[handle]
            if value is not None:
                books.settle(handle, Returned(value))
                return
            books.completed += 1
            handle.outcomes = handle.route.done
            for future in handle.watchers or ():
                if not future.done():  # its waiter may have been cancelled
                    future.set_result(handle)

    return emit


def to_many_tasks(receivers: tuple[Handler, ...], books: Books) -> Callable[[Ping], Handle]:
    """Async handlers, each in a task; the last one settles."""
    routes = {Ping: Route(receivers)}
    loop = asyncio.get_running_loop()
    itself, tasks = books.itself, books.tasks
    new_task = asyncio.Task  # as above

    def emit(event: Ping) -> Handle:
        if running_loop() is not loop:
            raise misplaced()
        route = routes[type(event)]
        handle = Spread()
        handle.event = event
        handle.route = route
        handle.outcomes = handle.states = list(route.waiting)
        handle.left = route.count
        handle.keeper = itself
        parent = get_current()
        handle.parent = None if parent is None else ref(parent)
        handle.watchers = None
        # Each task copies the context, so it is set once, and not once in each. Nobody can see it in between.
        before = set_current(handle)
        tasks[handle] = [
            new_task(guarded(handle, index, handler), loop=loop, name="by hand")
            for index, handler in enumerate(route.receivers)
        ]
        reset_current(before)
        return handle

    async def guarded(handle: Spread, index: int, handler: Handler) -> None:
        outcome: Outcome = NOTHING
        try:
            value = await handler(handle.event)
            if value is not None:
                outcome = Returned(value)
        except BaseException as error:
            outcome = Raised(error)
            if not isinstance(error, Exception | asyncio.CancelledError):
                raise
        finally:
            handle.states[index] = outcome
            handle.left -= 1
            if not handle.left:
                del tasks[handle]
                if handle.states.count(NOTHING) == handle.route.count:
                    books.completed += 1
                    handle.outcomes = handle.route.done
                    for future in handle.watchers or ():
                        if not future.done():  # as above
                            future.set_result(handle)
                else:
                    books.settle(handle, *handle.states)

    return emit
