"""What became of an emission: status, deliveries, outcomes."""

from collections.abc import Sequence
from typing import assert_never, assert_type

from shop import OrderPaid, OrderPlaced, ShopEvent

from pyventus_typed import (
    Cancelled,
    Completed,
    Delivery,
    Discarded,
    Emission,
    Emitter,
    Event,
    Failed,
    Linker,
    Outcome,
    Status,
    Tally,
    current_emission,
)

emitter = Emitter(Linker())
emission = emitter.emit(OrderPlaced(1, 2.0))

assert_type(emission.id, int)
assert_type(emission.event, OrderPlaced)
assert_type(emission.parent, Emission[Event] | None)
assert_type(emission.status, Status)
assert_type(emission.deliveries, Sequence[Delivery[OrderPlaced]])
assert_type(emission.deliveries[0].started, bool)
assert_type(emission.deliveries[0].outcome, Outcome | None)
assert_type(emission.cancel(), bool)
assert_type(current_emission(), Emission[Event] | None)
assert_type(Failed(ValueError()).error, Exception)
assert_type(Discarded("capacity", started=False).reason, str)
assert_type(Completed(3).value, object)
emission.raise_failures()
tally = Tally(accepted=1, pending=0, completed=1, failed=0, cancelled=0, discarded=0, rejected=0)

emission.event = OrderPlaced(2, 2.0)  # E: an emission keeps its event
emission.status = Status.COMPLETED  # E: the status is not for assignment
emission.id = 3  # E: the number is not for assignment
emission.event.tracking  # E: OrderPlaced has no tracking
emission.status.value.missing  # E: a status value is text
emission.result  # E: there is no such attribute
emission.parent.event  # E: there may be no parent
emission.deliveries[0].outcome.value  # E: it may be open, or no success
emission.deliveries.append(3)  # E: the deliveries are not for adding
emission.deliveries[0] = emission.deliveries[0]  # E: the deliveries are not for assignment
Status.DONE  # E: there is no such status
Failed(KeyboardInterrupt())  # E: only an Exception is a failure
Failed("boom")  # E: a text is no exception
Failed(ValueError()).error = KeyError()  # E: an outcome is frozen
Discarded("capacity", started="no")  # E: started is a bool
Cancelled("why")  # E: it has no reason
current_emission().event  # E: there may be none
wrong_status: Completed = emission.status  # E: a status is not an outcome
wrong_emission: Emission[OrderPaid] = emission  # E: the emission of another event
an_outcome: Outcome = Completed(1)
no_outcome: Outcome = 3  # E: an int is no outcome
no_outcome_either: Outcome = Status.COMPLETED  # E: a status is not an outcome


def describe(outcome: Outcome) -> str:
    match outcome:
        case Completed(value):
            return f"completed with {value!r}"
        case Failed(error):
            return f"failed with {error!r}"
        case Cancelled():
            return "cancelled"
        case Discarded(reason, started):
            return f"discarded: {reason}, {started}"
        case _:
            assert_never(outcome)


def forgets_cancelled(outcome: Outcome) -> str:
    match outcome:
        case Completed():
            return "completed"
        case Failed():
            return "failed"
        case Discarded():
            return "discarded"
        case _:
            assert_never(outcome)  # E: Cancelled is not handled


def forgets_discarded(outcome: Outcome) -> str:
    if isinstance(outcome, Completed | Failed | Cancelled):
        return "known"
    assert_never(outcome)  # E: Discarded is not handled


def forgets_that_it_may_be_open(delivery: Delivery[OrderPlaced]) -> str:
    outcome = delivery.outcome
    match outcome:
        case Completed():
            return "completed"
        case Failed() | Cancelled() | Discarded():
            return "not completed"
        case _:
            assert_never(outcome)  # E: None, while it is open, is not handled


def knows_that_it_may_be_open(delivery: Delivery[OrderPlaced]) -> str:
    outcome = delivery.outcome
    match outcome:
        case None:
            return "open"
        case Completed():
            return "completed"
        case Failed() | Cancelled() | Discarded():
            return "not completed"
        case _:
            assert_never(outcome)


def describe_status(status: Status) -> str:
    match status:
        case Status.PENDING:
            return "open"
        case Status.COMPLETED | Status.FAILED | Status.CANCELLED | Status.DISCARDED:
            return "closed"
        case _:
            assert_never(status)


def forgets_a_status(status: Status) -> str:
    match status:
        case Status.PENDING:
            return "open"
        case Status.COMPLETED | Status.FAILED | Status.CANCELLED:
            return "closed"
        case _:
            assert_never(status)  # E: DISCARDED is not handled


def not_every_outcome_has_a_value(outcome: Outcome) -> object:
    return outcome.value  # E: only Completed has a value


async def wait() -> None:
    assert_type(await emission, Emission[OrderPlaced])
    assert_type(await emission.wait(), Emission[OrderPlaced])
    assert_type((await emission).event.total, float)
    emission.wait()  # E: nobody awaits it
    text: str = await emission  # E: the emission, not a text
    print(text)


def of_the_family(emission: Emission[ShopEvent]) -> None: ...


of_the_family(emission)
of_the_family(emitter.emit(OrderPaid(1)))
Completed()  # E: it has a value
Tally(1, 2)  # E: all its counts
