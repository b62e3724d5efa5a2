"""Programs that share a thing that is handed out, kept, or looked up, with an await in the wrong place."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Coroutine
from contextvars import ContextVar
from typing import Any

from .specimen import Specimen
from .updates import pause, together


async def _pool(*, careful: bool) -> None:
    """The path of the error gives the connection back, and the `finally` does so once more."""
    free = ["one", "two"]
    users: Counter[str] = Counter()

    async def query(after: int, *, fails: bool = False) -> None:
        await pause(after)
        while not free:
            await pause()
        connection = free.pop()
        given_back = False
        users[connection] += 1
        assert users[connection] == 1, f"two use connection {connection}"
        try:
            await pause(2)
            users[connection] -= 1
            if fails:
                free.append(connection)
                given_back = True
                await pause()  # log it
        finally:
            if not (careful and given_back):
                free.append(connection)

    await together(query(0, fails=True), query(6), query(9), query(12))


async def connection_given_back_twice() -> None:
    await _pool(careful=False)


async def connection_given_back_twice_twin() -> None:
    await _pool(careful=True)


async def _connect(*, careful: bool) -> None:
    """Looked at before the lock, and not once more inside of it."""
    lock, connection, made = asyncio.Lock(), None, 0

    async def get(after: int) -> None:
        nonlocal connection, made
        await pause(after)
        if connection is None:
            async with lock:
                if not careful or connection is None:
                    made += 1
                    await pause(2)
                    connection = object()

    await together(get(0), get(5))
    assert made == 1, f"{made} connections"


async def double_checked_only_once() -> None:
    await _connect(careful=False)


async def double_checked_only_once_twin() -> None:
    await _connect(careful=True)


async def _cache(*, careful: bool) -> None:
    """A cache of coroutines: each can be awaited by one."""
    cache: dict[str, Awaitable[int]] = {}

    async def load() -> int:
        await pause()
        return 7

    def start() -> Awaitable[int]:
        loading: Coroutine[Any, Any, int] = load()
        return asyncio.ensure_future(loading) if careful else loading

    async def get(after: int) -> int:
        await pause(after)
        if "price" not in cache:
            cache["price"] = start()
        price = await cache["price"]
        cache["price"] = asyncio.ensure_future(asyncio.sleep(0, price))
        return price

    await together(get(0), get(4))


async def cache_of_coroutines() -> None:
    await _cache(careful=False)


async def cache_of_coroutines_twin() -> None:
    await _cache(careful=True)


async def _stamp(*, careful: bool) -> None:
    """The value is as it was, and yet it was another one in between."""
    value, version, lost = "A", 0, False

    async def swap(old: str, new: str, seen: int) -> None:
        nonlocal value, version, lost
        if value == old and not (careful and version != seen):
            lost = lost or version != seen
            value, version = new, version + 1

    async def slow() -> None:
        seen = version
        await pause(2)
        await swap("A", "C", seen)

    async def quick() -> None:
        await pause(4)
        await swap("A", "B", version)
        await pause()
        await swap("B", "A", version)

    await together(slow(), quick())
    assert not lost, "wrote over two changes"


async def same_value_twice() -> None:
    await _stamp(careful=False)


async def same_value_twice_twin() -> None:
    await _stamp(careful=True)


async def _broadcast(*, careful: bool) -> None:
    """A subscriber leaves while somebody goes through all of them, with an await at each."""
    subscribers = {"ship": 1, "bill": 2}

    async def broadcast() -> None:
        for _ in list(subscribers) if careful else subscribers:
            await pause()

    async def leave() -> None:
        await pause(5)
        del subscribers["ship"]

    await together(broadcast(), leave())


async def left_during_a_broadcast() -> None:
    await _broadcast(careful=False)


async def left_during_a_broadcast_twin() -> None:
    await _broadcast(careful=True)


async def _limiter(*, careful: bool) -> None:
    """Four requests, two tokens, and an audit between looking and taking."""
    tokens, sent, lock = 2, 0, asyncio.Lock()

    async def send(after: int) -> None:
        nonlocal tokens, sent
        await pause(after)
        async with lock if careful else asyncio.Lock():
            if tokens:
                await pause()
                tokens -= 1
                sent += 1

    await together(*(send(3 * number) for number in range(4)))
    assert sent == 2, f"sent {sent}"


async def burst_through_the_limiter() -> None:
    await _limiter(careful=False)


async def burst_through_the_limiter_twin() -> None:
    await _limiter(careful=True)


async def _who(*, careful: bool) -> None:
    """A global says for whom a request is; a context variable would have kept them apart."""
    user: ContextVar[str] = ContextVar("user")
    current = ""
    answered: list[tuple[str, str]] = []

    async def handle(name: str, after: int) -> None:
        nonlocal current
        await pause(after)
        user.set(name)
        current = name
        await pause(2)
        answered.append((name, user.get() if careful else current))

    await together(handle("Ada", 0), handle("Bob", 4))
    assert all(name == told for name, told in answered), f"answered {answered}"


async def global_of_a_request() -> None:
    await _who(careful=False)


async def global_of_a_request_twin() -> None:
    await _who(careful=True)


SPECIMENS = [
    Specimen(connection_given_back_twice, connection_given_back_twice_twin, AssertionError),
    Specimen(double_checked_only_once, double_checked_only_once_twin, AssertionError),
    Specimen(cache_of_coroutines, cache_of_coroutines_twin, RuntimeError),
    Specimen(same_value_twice, same_value_twice_twin, AssertionError),
    Specimen(left_during_a_broadcast, left_during_a_broadcast_twin, RuntimeError),
    Specimen(burst_through_the_limiter, burst_through_the_limiter_twin, AssertionError),
    Specimen(global_of_a_request, global_of_a_request_twin, AssertionError),
]
