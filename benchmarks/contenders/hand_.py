"""Written by hand for each row, with handle, books, copy of the context, isolation and order: see `benchmarks.by_hand`."""

from collections.abc import Callable
from itertools import repeat

from ..by_hand.handle import Books, Handle
from ..by_hand.in_loop import to_many_tasks, to_one_soon, to_one_task
from ..by_hand.mailbox import to_one_mailbox
from ..by_hand.published import publish_to_many, publish_to_one
from ..by_hand.without_loop import in_a_fresh_loop, to_many, to_one
from ..workloads import BURST, EACH, EMIT, MAILBOX, PING, PUBLISH, Batch, BatchInLoop, Handler, Handlers, Ping


@EMIT.of("hand")
def emit(handlers: Handlers) -> Batch | None:
    if not handlers.functions:
        return None
    make = in_a_fresh_loop if handlers.are_async else to_one if len(handlers.functions) == 1 else to_many
    emit = make(handlers.functions)
    event = PING

    def batch(n: int) -> None:
        for _ in repeat(None, n):
            emit(event)

    return batch


@EACH.of("hand")
def each(handlers: Handlers) -> BatchInLoop:
    make = to_one_task if len(handlers.functions) == 1 else to_many_tasks
    emit = make(handlers.functions, Books())
    event = PING

    async def batch(n: int) -> None:
        for _ in repeat(None, n):
            await emit(event)

    return batch


@PUBLISH.of("hand")
def publish(handlers: Handlers) -> BatchInLoop:
    make = publish_to_one if len(handlers.functions) == 1 else publish_to_many
    publish = make(handlers.functions, Books())
    event = PING

    async def batch(n: int) -> None:
        for _ in repeat(None, n):
            await publish(event)

    return batch


def drained(
    make: Callable[[tuple[Handler, ...], Books], Callable[[Ping], Handle]],
) -> Callable[[Handlers], BatchInLoop]:
    """Emit all and keep no handle; then wait until nothing is pending."""

    def contend(handlers: Handlers) -> BatchInLoop:
        books = Books()
        emit = make(handlers.functions, books)
        event = PING

        async def batch(n: int) -> None:
            for _ in repeat(None, n):
                emit(event)
            await books.drained()

        return batch

    return contend


BURST.of("hand")(drained(to_one_soon))
MAILBOX.of("hand")(drained(to_one_mailbox))
