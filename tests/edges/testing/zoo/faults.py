"""Programs that are right as long as nothing goes wrong: no task is cancelled or lost, no call fails, nothing comes twice."""

import asyncio
import weakref
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from pyventus_typed import Event, Linker, asyncio_emitter
from pyventus_typed.testing import DeadlockError, afterwards

from .specimen import Specimen
from .updates import pause


async def _lock_by_hand(*, careful: bool) -> None:
    """Who is cancelled between `acquire` and `release` keeps the lock."""
    lock = asyncio.Lock()

    async def write() -> None:
        if careful:
            async with lock:
                await pause(2)
        else:
            await lock.acquire()
            await pause(2)
            lock.release()

    await asyncio.wait([asyncio.create_task(write()) for _ in range(2)])
    assert not lock.locked(), "the lock was never released"


async def lock_that_is_released_by_hand() -> None:
    await _lock_by_hand(careful=False)


async def lock_that_is_released_by_hand_twin() -> None:
    await _lock_by_hand(careful=True)


class _Places:
    """A semaphore as many have written it: who was woken and is cancelled before going on takes the place with them."""

    def __init__(self, count: int, *, careful: bool) -> None:
        self.free = count
        self._careful = careful
        self._waiting: list[asyncio.Future[None]] = []

    async def acquire(self) -> None:
        if self.free:
            self.free -= 1
            return
        woken = asyncio.get_running_loop().create_future()
        self._waiting.append(woken)
        try:
            await woken
        except asyncio.CancelledError:
            if self._careful:
                if not woken.cancelled():
                    self.release()  # it was ours already
                elif woken in self._waiting:
                    self._waiting.remove(woken)
            raise

    def release(self) -> None:
        while self._waiting:
            woken = self._waiting.pop(0)
            if not woken.done():
                woken.set_result(None)
                return
        self.free += 1


async def _semaphore(*, careful: bool) -> None:
    places = _Places(1, careful=careful)

    async def visit() -> None:
        await places.acquire()
        try:
            await pause(2)
        finally:
            places.release()

    await asyncio.wait([asyncio.create_task(visit()) for _ in range(3)])
    assert places.free == 1, f"{places.free} places are free"


async def semaphore_that_leaks_on_cancellation() -> None:
    await _semaphore(careful=False)


async def semaphore_that_leaks_on_cancellation_twin() -> None:
    await _semaphore(careful=True)


async def _listener(*, careful: bool) -> None:
    """The bus knows its mailboxes weakly, and nobody holds the task that reads one."""
    mailboxes: weakref.WeakSet[asyncio.Queue[str]] = weakref.WeakSet()
    got: list[str] = []

    async def listen() -> None:
        mailbox: asyncio.Queue[str] = asyncio.Queue()
        mailboxes.add(mailbox)
        while True:
            got.append(await mailbox.get())

    tasks = [asyncio.create_task(listen())]
    if not careful:
        tasks.clear()
    await asyncio.sleep(1.0)
    for mailbox in mailboxes:
        mailbox.put_nowait("order 1")
    async with asyncio.timeout(10.0):
        while not got:
            await asyncio.sleep(0.5)


async def task_that_nobody_holds() -> None:
    await _listener(careful=False)


async def task_that_nobody_holds_twin() -> None:
    await _listener(careful=True)


async def _answer(*, careful: bool) -> None:
    """The timer knows the answer weakly, so that the task is lost from its first step on, and only then."""
    got: list[str] = []
    tasks: list[asyncio.Task[None]] = []
    loop = asyncio.get_running_loop()

    def give(answer: "weakref.ref[asyncio.Future[str]]") -> None:
        waiting = answer()
        if waiting is not None:
            waiting.set_result("order 1")

    async def ask() -> None:
        answer: asyncio.Future[str] = loop.create_future()
        loop.call_later(1.0, give, weakref.ref(answer))
        got.append(await answer)

    tasks.append(asyncio.create_task(ask()))
    if not careful:
        tasks.clear()
    await asyncio.sleep(2.0)
    assert got, "no answer"


async def task_that_is_lost_in_its_first_step() -> None:
    await _answer(careful=False)


async def task_that_is_lost_in_its_first_step_twin() -> None:
    await _answer(careful=True)


async def _transfer(*, careful: bool) -> None:
    """The money has left the one account when the call that brings it to the other one fails."""
    accounts = {"Ada": 10, "Bob": 0}

    async def transfer() -> None:
        accounts["Ada"] -= 5
        try:
            await asyncio.sleep(0.1)  # the bank
        except ConnectionError:
            if careful:
                accounts["Ada"] += 5
            raise
        accounts["Bob"] += 5

    afterwards(lambda: sum(accounts.values()) == 10, "no money is lost")
    await asyncio.create_task(transfer())


async def transfer_that_fails_half_way() -> None:
    await _transfer(careful=False)


async def transfer_that_fails_half_way_twin() -> None:
    await _transfer(careful=True)


@asynccontextmanager
async def _connection(free: list[str], *, careful: bool) -> AsyncIterator[str]:
    taken = free.pop()
    if careful:
        try:
            await pause()  # it says hello
            yield taken
        finally:
            free.append(taken)
    else:
        await pause()
        try:
            yield taken
        finally:
            free.append(taken)


async def _pool(*, careful: bool) -> None:
    """The connection is taken before the `try` that gives it back, and there is an await between the two."""
    free = ["connection"]

    async def ask() -> None:
        async with _connection(free, careful=careful):
            await pause()

    await asyncio.wait([asyncio.create_task(ask())])
    assert free == ["connection"], "the pool is empty"


async def pool_that_runs_dry() -> None:
    await _pool(careful=False)


async def pool_that_runs_dry_twin() -> None:
    await _pool(careful=True)


@dataclass(frozen=True)
class Ordered(Event):
    order: int


async def _charge(*, careful: bool) -> None:
    """A broker delivers at least once, so a handler is called twice for one order."""
    linker: Linker[Ordered] = Linker()
    emitter = asyncio_emitter(linker)
    charged: list[int] = []

    @linker.on(Ordered)
    async def charge(event: Ordered) -> None:
        if careful and event.order in charged:
            return
        charged.append(event.order)
        await pause()

    emitter.emit(Ordered(1))
    await emitter.wait_for_tasks()
    assert charged == [1], f"charged for {charged}"


async def order_that_is_delivered_twice() -> None:
    await _charge(careful=False)


async def order_that_is_delivered_twice_twin() -> None:
    await _charge(careful=True)


async def _ship(*, careful: bool) -> None:
    """What was emitted is lost with the process that had it; who counts on it waits for ever."""
    linker: Linker[Ordered] = Linker()
    emitter = asyncio_emitter(linker)
    shipped = asyncio.Event()

    @linker.on(Ordered)
    async def ship(event: Ordered) -> None:
        await pause()
        shipped.set()

    emitter.emit(Ordered(1))
    while careful and not shipped.is_set():
        try:
            async with asyncio.timeout(10.0):
                await shipped.wait()
        except TimeoutError:
            emitter.emit(Ordered(1))  # once more
    await shipped.wait()


async def order_that_is_lost_on_the_way() -> None:
    await _ship(careful=False)


async def order_that_is_lost_on_the_way_twin() -> None:
    await _ship(careful=True)


async def _replies(*, careful: bool) -> None:
    """The shorter call is taken for the one that ends first."""
    shown = ""
    newest = 0

    async def search(text: str, takes: float, number: int) -> None:
        nonlocal shown
        await asyncio.sleep(takes)
        if not careful or number == newest:
            shown = text

    async with asyncio.TaskGroup() as group:
        for number, (text, takes) in enumerate([("py", 0.05), ("pyventus", 0.08)]):
            newest = number
            group.create_task(search(text, takes, number))
    assert shown == "pyventus", f"it shows what was found for {shown!r}"


async def answer_that_comes_late() -> None:
    await _replies(careful=False)


async def answer_that_comes_late_twin() -> None:
    await _replies(careful=True)


async def _hedge(*, careful: bool) -> None:
    """A call that usually takes 0.6 s is given 1 s, and who gives up forgets that it goes on."""
    booked: list[str] = []

    async def book(hotel: str) -> None:
        await asyncio.sleep(0.6)
        booked.append(hotel)

    first = asyncio.create_task(book("first"))
    done, _ = await asyncio.wait({first}, timeout=1.0)
    if not done:
        if careful:
            first.cancel()
            await asyncio.wait({first})
        if not booked:
            await book("second")
    await asyncio.sleep(5.0)
    assert len(booked) == 1, f"booked {booked}"


async def call_that_goes_on_behind_its_timeout() -> None:
    await _hedge(careful=False)


async def call_that_goes_on_behind_its_timeout_twin() -> None:
    await _hedge(careful=True)


SPECIMENS = [
    Specimen(
        lock_that_is_released_by_hand, lock_that_is_released_by_hand_twin, DeadlockError, options={"cancel": True}
    ),
    Specimen(
        semaphore_that_leaks_on_cancellation,
        semaphore_that_leaks_on_cancellation_twin,
        DeadlockError,
        options={"cancel": True},
    ),
    Specimen(task_that_nobody_holds, task_that_nobody_holds_twin, TimeoutError),
    Specimen(task_that_is_lost_in_its_first_step, task_that_is_lost_in_its_first_step_twin, AssertionError),
    Specimen(transfer_that_fails_half_way, transfer_that_fails_half_way_twin, AssertionError, options={"fail": True}),
    Specimen(pool_that_runs_dry, pool_that_runs_dry_twin, AssertionError, options={"cancel": True}),
    Specimen(
        order_that_is_delivered_twice, order_that_is_delivered_twice_twin, AssertionError, options={"double": True}
    ),
    Specimen(order_that_is_lost_on_the_way, order_that_is_lost_on_the_way_twin, DeadlockError, options={"drop": True}),
    Specimen(answer_that_comes_late, answer_that_comes_late_twin, AssertionError),
    Specimen(call_that_goes_on_behind_its_timeout, call_that_goes_on_behind_its_timeout_twin, AssertionError),
]
