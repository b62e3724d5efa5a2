"""What a processor of one's own stands on: a `Run` calls each delivery when its processor says so, and settles it once."""

import threading
from contextvars import ContextVar

from typing_extensions import override

from pyventus_typed import (
    Completed,
    Discarded,
    Emission,
    Emitter,
    EmitterState,
    Event,
    Failed,
    Linker,
    Run,
    Runs,
    Status,
    SyncProcessor,
)
from tests.events import OrderPlaced


class ByHand(SyncProcessor):
    """Accepts emissions, and leaves their runs to the test."""

    def __init__(self) -> None:
        self._runs = Runs()
        self.accepted = list[Run]()

    @override
    def submit(self, emission: Emission[Event], state: EmitterState, /) -> None:
        self.accepted.append(self._runs.accept(emission, state))


def test_a_delivery_is_called_and_settled_when_its_processor_says_so_and_once() -> None:
    linker, processor, log = Linker(), ByHand(), list[Event]()
    emitter = Emitter(linker, processor)
    linker.subscribe(OrderPlaced, log.append)
    emission = emitter.emit(OrderPlaced())
    (delivery,) = emission.deliveries
    (run,) = processor.accepted
    assert log == []
    assert [delivery.started for delivery in emission.deliveries] == [False]
    outcome = run.call(delivery)
    assert outcome == Completed(None)
    assert [delivery.started for delivery in emission.deliveries] == [True]
    assert (emission.status, emitter.tally.pending) == (Status.PENDING, 1)
    run.settle(delivery, outcome)
    run.settle(delivery, Failed(ValueError()))
    run.discard("too late")
    assert (emission.status, emitter.tally.pending) == (Status.COMPLETED, 0)
    assert run.call(delivery) == Completed(None)
    assert len(log) == 1, "what is settled is not called"
    assert emitter.tally.completed == emitter.tally.accepted == 1


def test_what_is_cancelled_before_its_call_is_not_called() -> None:
    linker, processor, log = Linker(), ByHand(), list[Event]()
    linker.subscribe(OrderPlaced, log.append)
    emission = Emitter(linker, processor).emit(OrderPlaced())
    assert emission.cancel()
    assert processor.accepted[0].call(emission.deliveries[0]) == Discarded("cancelled", started=False)
    assert log == []
    assert emission.status is Status.DISCARDED


def test_a_handler_may_lead_to_the_call_of_another_one_of_the_same_emission() -> None:
    linker, processor, log = Linker(), ByHand(), list[str]()
    name = ContextVar("name", default="nobody")

    @linker.on(OrderPlaced)
    def first(event: OrderPlaced) -> None:
        name.set("first")
        run.settle(emission.deliveries[1], run.call(emission.deliveries[1]))

    linker.subscribe(OrderPlaced, lambda event: log.append(name.get()))
    emission = Emitter(linker, processor).emit(OrderPlaced())
    (run,) = processor.accepted
    run.settle(emission.deliveries[0], run.call(emission.deliveries[0]))
    assert emission.status is Status.COMPLETED
    assert log == ["first"]


def test_a_delivery_is_called_by_its_processor_or_cancelled_by_another_thread_and_never_both() -> None:
    linker, processor, log = Linker(), ByHand(), list[Event]()
    emitter = Emitter(linker, processor)
    linker.subscribe(OrderPlaced, log.append)
    discarded = 0
    for _ in range(200):
        emission = emitter.emit(OrderPlaced())
        run, start = processor.accepted.pop(), threading.Barrier(2)

        def cancel(emission: Emission[OrderPlaced] = emission, start: threading.Barrier = start) -> None:
            start.wait()
            emission.cancel()

        thread = threading.Thread(target=cancel)
        thread.start()
        start.wait()
        run.settle(emission.deliveries[0], run.call(emission.deliveries[0]))
        thread.join()
        assert emission.status is not Status.PENDING
        discarded += emission.status is Status.DISCARDED
    assert len(log) == 200 - discarded
    tally = emitter.tally
    assert (tally.completed, tally.discarded, tally.pending) == (200 - discarded, discarded, 0)
