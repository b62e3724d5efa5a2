"""Rows without a loop: `emit` returns when all is done."""

import asyncio
from collections.abc import Callable, Iterator
from contextvars import Context, copy_context
from weakref import ref

from ..workloads import Handler, Ping
from .handle import (
    NOTHING,
    Books,
    Handle,
    InTurn,
    Outcome,
    Raised,
    Returned,
    Route,
    books_here,
    current,
    here,
    left,
    misplaced,
    running_loop,
)

set_current = current.set


def to_one(receivers: tuple[Handler, ...]) -> Callable[[Ping], Handle]:
    """A plain handler, called straight from the context."""
    routes = {Ping: Route(receivers)}
    books_here()

    def emit(event: Ping) -> Handle:
        if running_loop() is not None:
            raise misplaced()
        route = routes[type(event)]
        books: Books = here.books
        handle = Handle()
        handle.event = event
        handle.route = route
        handle.outcomes = route.waiting
        handle.keeper = books.itself
        handle.parent = handle.watchers = None
        context = copy_context()
        if books.current is not None:
            return behind(books, handle, context)
        books.current = handle
        try:
            value = context.run(route.handler, event)
        except BaseException as error:
            go_on(books, handle, context, iter(()), None, error)
        else:
            if value is None:
                books.current = None
                books.completed += 1
                handle.outcomes = route.done
            else:
                go_on(books, handle, context, iter(()), value, None)
        if books.queue:
            run_waiting(books)
        return handle

    return emit


def to_many(receivers: tuple[Handler, ...]) -> Callable[[Ping], Handle]:
    """Plain handlers, called by one loop in the context. It is left only where one returns a value or raises."""
    routes = {Ping: Route(receivers)}
    books_here()

    def emit(event: Ping) -> Handle:
        if running_loop() is not None:
            raise misplaced()
        route = routes[type(event)]
        books: Books = here.books
        handle = InTurn()
        handle.event = event
        handle.route = route
        handle.outcomes = route.waiting
        handle.keeper = books.itself
        handle.parent = handle.watchers = None
        handle.rest = rest = iter(route.receivers)
        context = copy_context()
        if books.current is not None:
            return behind(books, handle, context)
        books.current = handle
        try:
            value = context.run(call_each, rest, event)
        except BaseException as error:
            go_on(books, handle, context, rest, None, error)
        else:
            if value is None:
                books.current = None
                books.completed += 1
                handle.outcomes = route.done
            else:
                go_on(books, handle, context, rest, value, None)
        if books.queue:
            run_waiting(books)
        return handle

    return emit


def call_each(rest: Iterator[Handler], event: Ping) -> object:
    """Call them until one returns something; that."""
    for handler in rest:
        if (value := handler(event)) is not None:
            return value
    return None


def behind(books: Books, handle: Handle, context: Context) -> Handle:
    """A handler has emitted: this runs after the emission of that handler."""
    assert books.current is not None
    handle.parent = ref(books.current)
    handle.context = context
    books.queue.append(handle)
    return handle


def go_on(
    books: Books, handle: Handle, context: Context, rest: Iterator[Handler], value: object, error: BaseException | None
) -> None:
    """A handler has returned *value* or raised *error*: keep that, call the rest, and settle."""
    outcomes: list[Outcome | None] = [NOTHING] * handle.route.count
    stop: BaseException | None = None
    while value is not None or error is not None:
        index = -1 - left(rest)
        outcomes[index] = Returned(value) if error is None else Raised(error)
        if error is not None and not isinstance(error, Exception):
            stop = error  # Ctrl-C: nobody else is called
            outcomes[index:] = [Raised(error)] * -index
            break
        value = error = None
        try:
            value = context.run(call_each, rest, handle.event)
        except BaseException as raised:
            error = raised
    books.settle(handle, *outcomes)
    if stop is not None:
        raise stop


def run_waiting(books: Books) -> None:
    """Run what handlers have emitted, and what that emits."""
    while books.queue:
        books.current = handle = books.queue.popleft()
        rest = handle.rest if isinstance(handle, InTurn) else iter(handle.route.receivers)
        value = error = None
        try:
            value = handle.context.run(call_each, rest, handle.event)
        except BaseException as raised:
            error = raised
        go_on(books, handle, handle.context, rest, value, error)
        del handle.context


def in_a_fresh_loop(receivers: tuple[Handler, ...]) -> Callable[[Ping], Handle]:
    """An async handler, which runs in the main task of a new loop. What it emits there would be another row's."""
    routes = {Ping: Route(receivers)}
    books_here()

    def emit(event: Ping) -> Handle:
        if running_loop() is not None:
            raise misplaced()
        route = routes[type(event)]
        books: Books = here.books
        handle = Handle()
        handle.event = event
        handle.route = route
        handle.outcomes = route.waiting
        handle.keeper = books.itself
        handle.parent = handle.watchers = None
        books.current = handle
        loop = asyncio.new_event_loop()
        try:
            loop.run_until_complete(asyncio.Task(main(loop, books, handle), loop=loop, name="by hand"))
        finally:
            loop.close()
        return handle

    return emit


async def main(loop: asyncio.AbstractEventLoop, books: Books, handle: Handle) -> None:
    """Run the handler, and leave the loop as `asyncio.run` leaves its own."""
    set_current(handle)  # the task has copied the context of whoever emits
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
    others = asyncio.all_tasks(loop)
    if len(others) > 1:
        others = {task for task in others if task is not asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
    await loop.shutdown_asyncgens()
    await loop.shutdown_default_executor()
