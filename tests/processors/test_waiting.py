"""W1 to W5: waits are complete and harmless, and nobody waits for himself."""

import asyncio
import gc
import threading
from dataclasses import dataclass

import pytest

from pyventus_typed import (
    AsyncIOProcessor,
    Completed,
    Discarded,
    Emission,
    Emitter,
    Event,
    Failed,
    Linker,
    Ordering,
    PerKey,
    Request,
    Status,
    asyncio_emitter,
    current_emission,
)
from pyventus_typed.errors import EmissionFailed, EmitterClosed, InvalidOption, WouldDeadlock


@dataclass(frozen=True)
class Parcel(Event):
    """Something to deliver."""

    n: int = 0


@dataclass(frozen=True)
class Letter(Event):
    """Something else."""

    n: int = 0


@dataclass(frozen=True)
class Visit(Event):
    """Something else again."""


@dataclass(frozen=True)
class Price(Request[int]):
    """A question."""

    n: int = 0


@dataclass
class Office:
    """A linker and an emitter, with a handler of parcels that is held up until it may go on."""

    ordering: Ordering | PerKey[Parcel] = Ordering.CONCURRENT
    capacity: int | None = None

    def __post_init__(self) -> None:
        self.linker = Linker[Event]()
        self.emitter = Emitter(
            self.linker, AsyncIOProcessor(ordering=self.ordering, capacity=self.capacity, on_discard=lambda _: None)
        )
        self.go = asyncio.Event()

    def hold_parcels(self) -> None:
        async def hold(_: Parcel) -> None:
            await self.go.wait()

        self.linker.subscribe(Parcel, hold)


async def turns(count: int = 5) -> None:
    """Let the loop turn."""
    for _ in range(count):
        await asyncio.sleep(0)


def test_a_wait_is_over_when_all_that_was_accepted_and_all_that_it_emitted_is_settled() -> None:
    office = Office()
    seen: list[int] = []

    @office.linker.on(Parcel)
    async def again(parcel: Parcel) -> None:
        await turns(2)
        seen.append(parcel.n)
        if parcel.n < 5:
            office.emitter.emit(Parcel(parcel.n + 1))

    async def main() -> None:
        office.emitter.emit(Parcel(0))
        assert await office.emitter.wait_for_tasks()
        assert seen == [0, 1, 2, 3, 4, 5]

    asyncio.run(main())


async def test_unrelated_traffic_does_not_starve_a_wait() -> None:
    office = Office()
    office.hold_parcels()
    stop = False

    @office.linker.on(Letter)
    async def pass_on(letter: Letter) -> None:
        await asyncio.sleep(0)

    async def traffic() -> None:
        while not stop:
            office.emitter.emit(Letter())
            await asyncio.sleep(0)

    office.emitter.emit(Parcel())
    busy = asyncio.ensure_future(traffic())
    waiting = asyncio.ensure_future(office.emitter.wait_for_tasks())
    await turns()
    assert not waiting.done()
    office.go.set()
    assert await asyncio.wait_for(waiting, 5)
    stop = True
    await busy


async def test_a_wait_that_times_out_says_so_and_changes_nothing() -> None:
    office = Office()
    office.hold_parcels()
    emission = office.emitter.emit(Parcel())
    assert await office.emitter.wait_for_tasks(timeout=0) is False
    assert await office.emitter.wait_for_tasks(timeout=0.001) is False
    assert emission.deliveries[0].outcome is None
    office.go.set()
    assert await office.emitter.wait_for_tasks(timeout=5) is True
    assert emission.status is Status.COMPLETED


@pytest.mark.parametrize("bad", [-1, float("nan"), float("inf"), "1", True])
async def test_a_timeout_or_grace_that_is_no_time_is_refused(bad: float) -> None:
    office = Office()
    with pytest.raises(InvalidOption, match="timeout=.* is not a number of seconds"):
        await office.emitter.wait_for_tasks(bad)
    with pytest.raises(InvalidOption, match="grace=.* is not a number of seconds"):
        await office.emitter.aclose(grace=bad)
    office.emitter.emit(Parcel())  # it was not closed by a mistake


async def test_many_wait_for_one_emission_and_those_that_give_up_change_nothing() -> None:
    office = Office()
    office.hold_parcels()
    emission = office.emitter.emit(Parcel())
    waiters = [asyncio.ensure_future(emission.wait()) for _ in range(5)]
    others = [asyncio.ensure_future(office.emitter.wait_for_tasks()) for _ in range(5)]
    await turns()
    for waiter in (*waiters[:2], *others[:2]):
        waiter.cancel()
    await turns()
    assert emission.deliveries[0].outcome is None
    office.go.set()
    assert [one is emission for one in await asyncio.gather(*waiters[2:])] == [True] * 3
    assert await asyncio.gather(*others[2:]) == [True] * 3
    assert emission.status is Status.COMPLETED


async def test_a_wait_raises_nothing_that_handlers_raised_and_await_does() -> None:
    office = Office()

    @office.linker.on(Parcel)
    async def fail(_: Parcel) -> None:
        raise ValueError("no such house")

    emission = office.emitter.emit(Parcel())
    with pytest.raises(EmissionFailed, match="1 of 1 handler failed for Parcel"):
        await emission
    assert await office.emitter.wait_for_tasks()
    assert (await emission.wait()).status is Status.FAILED


async def test_a_cancelled_emission_returns_to_who_awaits_it() -> None:
    office = Office()
    office.hold_parcels()
    emission = office.emitter.emit(Parcel())
    await turns()
    waiting = asyncio.ensure_future(emission.wait())
    await turns()
    assert emission.cancel()
    assert (await waiting).status is Status.CANCELLED
    assert not emission.cancel()


async def test_an_emission_may_be_awaited_from_the_loop_of_another_thread() -> None:
    office = Office()
    office.hold_parcels()
    emission = office.emitter.emit(Parcel())
    await turns()
    told, waits = list[Status](), threading.Event()

    async def status() -> Status:
        waiting = asyncio.ensure_future(_status(emission))
        await turns()
        waits.set()
        return await waiting

    thread = threading.Thread(target=lambda: told.append(asyncio.run(status())), daemon=True)
    thread.start()
    assert await asyncio.to_thread(waits.wait, 5)
    office.go.set()
    await asyncio.to_thread(thread.join, 5)
    assert told == [Status.COMPLETED]


async def _status(emission: Emission[Parcel]) -> Status:
    return (await emission.wait()).status


async def test_a_waiting_task_that_nobody_holds_is_woken_as_any_other() -> None:
    office = Office()
    office.hold_parcels()
    emission = office.emitter.emit(Parcel())
    told: list[str] = []

    async def watch() -> None:
        await emission.wait()
        told.append("emission")

    async def watch_all() -> None:
        await office.emitter.wait_for_tasks()
        told.append("tasks")

    for watcher in (watch(), watch_all()):
        asyncio.ensure_future(watcher)
    del watcher
    await turns()
    gc.collect()
    office.go.set()
    await emission.wait()
    await turns()
    assert sorted(told) == ["emission", "tasks"]


# ---------------------------------------------------------------- nobody waits for himself
async def _refused(office: Office, event: Event) -> WouldDeadlock:
    emission = await asyncio.wait_for(office.emitter.emit(event).wait(), 1)
    for delivery in emission.deliveries:
        match delivery.outcome:
            case Failed(error=WouldDeadlock() as error):
                return error
            case Failed(error=error):
                raise error
            case _:
                continue
    raise AssertionError(f"{emission.deliveries} were not refused")


async def test_a_handler_that_waits_for_all_tasks_is_refused() -> None:
    office = Office()

    @office.linker.on(Parcel)
    async def wait(_: Parcel) -> None:
        await office.emitter.wait_for_tasks()

    error = await _refused(office, Parcel())
    assert "Parcel(n=0)" in str(error) and "Return instead" in str(error)


async def test_a_handler_that_awaits_its_own_emission_is_refused() -> None:
    office = Office()

    @office.linker.on(Parcel)
    async def wait(_: Parcel) -> None:
        emission = current_emission()
        assert emission is not None
        await emission

    assert [one.event for one in (await _refused(office, Parcel(7))).chain] == [Parcel(7)]


@pytest.mark.parametrize("ordering", [Ordering.SERIAL, Ordering.MAILBOX, PerKey(Parcel, lambda _: 0)], ids=str)
@pytest.mark.parametrize("how", ["await", "publish"])
async def test_a_handler_that_awaits_what_is_ordered_behind_it_is_refused_with_the_chain(
    ordering: Ordering, how: str
) -> None:
    office = Office(ordering)

    @office.linker.on(Parcel)
    async def wait(parcel: Parcel) -> None:
        if parcel.n == 0:
            if how == "await":
                await office.emitter.emit(Parcel(1))
            else:
                await office.emitter.publish(Parcel(1))

    error = await _refused(office, Parcel(0))
    assert [one.event for one in error.chain] == [Parcel(1), Parcel(0)]
    assert await office.emitter.wait_for_tasks(1)


@pytest.mark.parametrize("in_a_loop", [True, False])
def test_in_a_mailbox_a_handler_that_awaits_what_has_not_begun_yet_is_refused_as_well(*, in_a_loop: bool) -> None:
    linker, refused = Linker[Event](), list[WouldDeadlock]()
    linker.subscribe(
        Parcel, lambda _: None
    )  # a plain call, so nothing of the second emission begins before the next turn
    emitter = asyncio_emitter(linker, ordering=Ordering.MAILBOX)

    @linker.on(Parcel)
    async def wait(parcel: Parcel) -> None:
        if not parcel.n:
            with pytest.raises(WouldDeadlock) as caught:
                await emitter.emit(Parcel(1))
            refused.append(caught.value)

    async def main() -> None:
        emitter.emit(Parcel(0))
        assert await emitter.wait_for_tasks(1)

    if in_a_loop:
        asyncio.run(main())
    else:
        emitter.emit(Parcel(0))
    assert [[one.event for one in error.chain] for error in refused] == [[Parcel(1), Parcel(0)]]
    assert emitter.tally.completed == 2


async def test_a_chain_through_others_is_named_from_end_to_end() -> None:
    office = Office(PerKey(Parcel, lambda parcel: parcel.n % 10))

    @office.linker.on(Parcel)
    async def wait(parcel: Parcel) -> None:
        if parcel.n == 1:
            await office.emitter.emit(Parcel(2))
        if parcel.n == 2:
            await office.emitter.emit(Parcel(11))  # behind 1, which waits for 2

    first = office.emitter.emit(Parcel(1))
    assert await office.emitter.wait_for_tasks(1)
    (failed,) = first.deliveries
    assert isinstance(failed.outcome, Failed)  # its own wait tells it that the inner one was refused
    inner = failed.outcome.error
    assert isinstance(inner, EmissionFailed)
    (error,) = inner.exceptions
    assert isinstance(error, WouldDeadlock)
    assert [one.event for one in error.chain] == [Parcel(11), Parcel(1), Parcel(2)]


async def test_a_wait_in_another_task_is_not_judged() -> None:
    office = Office(Ordering.SERIAL)
    others: list[asyncio.Task[object]] = []

    @office.linker.on(Parcel)
    async def wait_elsewhere(parcel: Parcel) -> None:
        if not parcel.n:
            others.append(asyncio.create_task(_status(office.emitter.emit(Parcel(1)))))
            await turns()

    emission = office.emitter.emit(Parcel(0))
    assert await office.emitter.wait_for_tasks(1)
    assert emission.status is Status.COMPLETED
    assert [await one for one in others] == [Status.COMPLETED]


async def test_a_handler_may_await_what_is_not_behind_it() -> None:
    office = Office()

    @office.linker.on(Parcel)
    async def wait(parcel: Parcel) -> int:
        if parcel.n < 3:
            await office.emitter.emit(Parcel(parcel.n + 1))
        return parcel.n

    emission = await asyncio.wait_for(office.emitter.emit(Parcel(0)).wait(), 1)
    assert emission.deliveries[0].outcome == Completed(0)


@pytest.mark.parametrize("size", [1, 2, 3])
async def test_of_handlers_that_all_wait_for_capacity_the_last_one_is_refused_and_the_others_go_on(size: int) -> None:
    linker, refused = Linker[Event](), list[WouldDeadlock]()
    emitter = asyncio_emitter(linker, capacity=size)
    linker.subscribe(Letter, lambda _: None)

    @linker.on(Parcel)
    async def wait(parcel: Parcel) -> None:
        await turns()  # until all places are taken
        try:
            await emitter.emit_wait(Letter(parcel.n))
        except WouldDeadlock as error:
            refused.append(error)

    for n in range(size):
        emitter.emit(Parcel(n))
    assert await emitter.wait_for_tasks(1)
    assert [[one.event for one in error.chain] for error in refused] == [[Parcel(size - 1)]]
    assert emitter.tally.completed == size + (size - 1)


@pytest.mark.parametrize("is_free", [False, True])
async def test_who_awaits_one_that_waits_for_capacity_is_refused_unless_somebody_else_frees_some(
    *, is_free: bool
) -> None:
    office, refused = Office(capacity=3), list[WouldDeadlock]()
    emissions: list[Emission[Event]] = []

    @office.linker.on(Letter)
    async def waits(_: Letter) -> None:
        await office.emitter.emit_wait(Visit())

    @office.linker.on(Parcel)
    async def awaits(parcel: Parcel) -> None:
        await turns()
        if parcel.n and is_free:
            await office.go.wait()
            return
        try:
            await emissions[0]
        except WouldDeadlock as error:
            refused.append(error)

    office.linker.subscribe(Visit, lambda _: None)
    emissions += [office.emitter.emit(event) for event in (Letter(), Parcel(0), Parcel(1))]
    await turns(10)
    office.go.set()
    assert await office.emitter.wait_for_tasks(1)
    assert [[one.event for one in error.chain] for error in refused] == ([] if is_free else [[Letter(), Parcel(1)]])


async def test_who_stands_behind_one_that_waits_for_capacity_frees_none_either() -> None:
    linker, refused = Linker[Event](), list[WouldDeadlock]()
    emitter = asyncio_emitter(linker, capacity=3, ordering=PerKey(Parcel, lambda parcel: parcel.n % 2))
    linker.subscribe(Letter, lambda _: None)

    @linker.on(Parcel)
    async def wait(parcel: Parcel) -> None:
        await turns(3 + parcel.n)
        try:
            await emitter.emit_wait(Letter(parcel.n))
        except WouldDeadlock as error:
            refused.append(error)

    for n in (0, 2, 1):  # the second one is behind the first
        emitter.emit(Parcel(n))
    assert await emitter.wait_for_tasks(1)
    assert [[one.event for one in error.chain] for error in refused] == [[Parcel(1)]]
    assert emitter.tally.completed == 3 + 2


async def test_a_handler_may_wait_for_capacity_that_somebody_who_waits_is_about_to_get() -> None:
    linker, go, emissions = Linker[Event](), asyncio.Event(), list[Emission[Letter]]()
    emitter = asyncio_emitter(linker, capacity=2)
    linker.subscribe(Letter, lambda _: go.wait())

    @linker.on(Parcel)
    async def wait(parcel: Parcel) -> None:
        if parcel.n:
            await go.wait()
        emissions.append(await emitter.emit_wait(Letter(parcel.n)))

    emitter.emit(Letter(7))
    emitter.emit(Parcel(0))
    await turns()
    go.set()  # frees the place of the letter, which the first one gets
    await turns(1)
    assert await emitter.wait_for_tasks(1)
    second = emitter.emit(Parcel(1))
    assert (await second).status is Status.COMPLETED
    assert [one.event for one in emissions] == [Letter(0), Letter(1)]


@pytest.mark.parametrize("through", ["emit_wait", "ask"])
async def test_a_handler_that_waits_for_a_place_which_only_its_end_frees_is_refused(through: str) -> None:
    office = Office(capacity=1)

    @office.linker.on(Parcel)
    async def wait(_: Parcel) -> None:
        if through == "ask":
            await office.emitter.ask(Price())
        else:
            await office.emitter.emit_wait(Letter())

    @office.linker.answer(Price)
    async def price(_: Price) -> int:
        await office.emitter.emit_wait(Letter())
        return 1

    office.linker.subscribe(Letter, lambda _: None)
    assert "capacity" in str(await _refused(office, Parcel()))


@pytest.mark.parametrize("through", ["await", "emit_wait"])
@pytest.mark.parametrize("ordering", [Ordering.MAILBOX, Ordering.SERIAL, PerKey(Parcel, lambda parcel: 0)])
async def test_what_another_thread_has_just_handed_over_stands_behind_as_well(
    through: str, ordering: Ordering | PerKey[Parcel]
) -> None:
    office, handed = Office(ordering, capacity=2), list[Emission[Parcel]]()

    @office.linker.on(Parcel)
    async def wait(parcel: Parcel) -> None:
        if parcel.n:
            return
        thread = threading.Thread(target=lambda: handed.append(office.emitter.emit(Parcel(1))))
        thread.start()
        thread.join()
        await (office.emitter.emit_wait(Letter()) if through == "emit_wait" else handed[0])

    office.linker.subscribe(Letter, lambda _: None)
    async with office.emitter:
        await _refused(office, Parcel(0))


# ---------------------------------------------------------------- and nobody is accused who does not wait for himself
@pytest.mark.parametrize("through", ["await", "emit_wait"])
async def test_one_that_was_cancelled_waits_for_nobody_any_more(through: str) -> None:
    office, emissions = Office(capacity=2), list[Emission[Event]]()

    @office.linker.on(Letter)
    async def first(_: Letter) -> None:
        await (office.emitter.emit_wait(Visit()) if through == "emit_wait" else emissions[1])

    @office.linker.on(Parcel)
    async def second(_: Parcel) -> None:
        await turns()
        emissions[0].cancel()
        await (office.emitter.emit_wait(Visit()) if through == "emit_wait" else emissions[0])

    office.linker.subscribe(Visit, lambda _: None)
    emissions += [office.emitter.emit(Letter()), office.emitter.emit(Parcel())]
    assert await office.emitter.wait_for_tasks(1)
    assert [one.status for one in emissions] == [Status.CANCELLED, Status.COMPLETED]


async def test_a_place_that_somebody_outside_has_just_been_given_will_be_free_again() -> None:
    office = Office(capacity=2)

    @office.linker.on(Parcel)
    async def handler(parcel: Parcel) -> None:
        await office.go.wait()
        if parcel.n:
            await office.emitter.emit_wait(Letter(parcel.n))

    office.linker.subscribe(Letter, lambda _: asyncio.sleep(0))
    parcels = [office.emitter.emit(Parcel(0)), office.emitter.emit(Parcel(1))]
    await turns()
    outside = asyncio.create_task(office.emitter.emit_wait(Letter(7)))
    await turns()
    office.go.set()
    assert (await (await outside)).status is Status.COMPLETED
    assert await office.emitter.wait_for_tasks(1)
    assert [one.status for one in parcels] == [Status.COMPLETED] * 2
    assert office.emitter.tally.completed == 4


async def test_a_delivery_that_was_discarded_in_a_mailbox_is_behind_nobody() -> None:
    office, parcels = Office(Ordering.MAILBOX), list[Emission[Parcel]]()

    @office.linker.on(Parcel)
    async def slow(parcel: Parcel) -> None:
        if parcel.n:
            try:
                await asyncio.Event().wait()
            finally:
                await office.go.wait()

    @office.linker.on(Parcel)
    async def waits(parcel: Parcel) -> None:
        if not parcel.n:
            await turns()
            parcels[1].cancel()
            asyncio.get_running_loop().call_later(0, office.go.set)
            await parcels[1]

    parcels += [office.emitter.emit(Parcel(n)) for n in range(2)]
    assert await office.emitter.wait_for_tasks(1)
    assert parcels[0].status is Status.COMPLETED


async def test_a_chain_through_a_request_is_refused() -> None:
    office = Office(Ordering.SERIAL)

    @office.linker.on(Parcel)
    async def ask(_: Parcel) -> None:
        await office.emitter.ask(Price())

    @office.linker.answer(Price)
    async def price(_: Price) -> int:
        await office.emitter.emit(Letter())
        return 1

    office.linker.subscribe(Letter, lambda _: None)
    assert [one.event for one in (await _refused(office, Parcel())).chain] == [Letter(), Parcel(), Price()]


def test_an_emission_of_a_loop_that_does_not_run_cannot_be_awaited_in_its_thread() -> None:
    office = Office()
    office.hold_parcels()
    loop = asyncio.new_event_loop()

    async def start() -> Emission[Parcel]:
        emission = office.emitter.emit(Parcel())
        await turns()
        return emission

    emission = loop.run_until_complete(start())
    with pytest.raises(WouldDeadlock, match="pending in this thread"):
        asyncio.run(_status(emission))
    loop.close()
    assert asyncio.run(_status(emission)) is Status.DISCARDED


# ---------------------------------------------------------------- closing
async def test_async_with_refuses_what_comes_from_outside_and_accepts_what_the_pending_emit() -> None:
    office = Office()
    seen: list[int] = []

    @office.linker.on(Parcel)
    async def again(parcel: Parcel) -> None:
        await office.go.wait()
        seen.append(parcel.n)
        if parcel.n < 3:
            office.emitter.emit(Parcel(parcel.n + 1))

    with pytest.raises(LookupError, match="the body's"):
        async with office.emitter:
            office.emitter.emit(Parcel(0))
            asyncio.get_running_loop().call_soon(office.go.set)
            raise LookupError("the body's")
    assert seen == [0, 1, 2, 3]
    with pytest.raises(EmitterClosed, match=r"Parcel\(n=9\) was refused"):
        office.emitter.emit(Parcel(9))
    with pytest.raises(EmitterClosed, match="closing is final"):
        async with office.emitter:
            pass
    assert (office.emitter.tally.accepted, office.emitter.tally.rejected) == (4, 1)


@pytest.mark.parametrize("how", ["emit", "publish"])
async def test_after_the_grace_the_rest_is_cancelled_and_the_answer_is_no(how: str) -> None:
    office = Office(Ordering.SERIAL)
    office.hold_parcels()
    publishing = asyncio.ensure_future(office.emitter.publish(Parcel())) if how == "publish" else None
    await turns(1)
    emissions = [office.emitter.emit(Parcel(n)) for n in range(2)]
    await turns()
    assert await office.emitter.aclose(grace=0.001) is False
    try:
        assert office.emitter.tally.pending == 0
        assert emissions[1].deliveries[0].outcome == Discarded("cancelled", started=False)
    finally:
        if publishing is not None:
            publishing.cancel()
    assert await office.emitter.aclose() is True


async def test_a_published_emission_can_be_cancelled_from_its_handler() -> None:
    office = Office()
    seen: list[object] = []

    @office.linker.on(Parcel, on_failure=lambda _event, error: seen.append(error))
    async def cancel(_: Parcel) -> None:
        emission = current_emission()
        assert emission is not None
        seen.append(emission.cancel())
        await asyncio.sleep(0)
        seen.append("went on")

    office.linker.on(Parcel, on_failure=lambda _event, error: seen.append(error))(lambda _: seen.append("second"))
    emission = await asyncio.wait_for(office.emitter.publish(Parcel()), 1)
    assert seen == [True]
    assert emission.deliveries[1].outcome == Discarded("cancelled", started=False)
