"""The testing kit: recorder, runs, explorations, strategies."""

from typing import assert_type

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from shop import OrderPaid, OrderPlaced, ShopEvent, UserSignedUp
from typing_extensions import override

from pyventus_typed import Event, Linker
from pyventus_typed.testing import (
    EventMachine,
    Exploration,
    Recorder,
    afterwards,
    always,
    events,
    explore,
    given_interleavings,
    run,
    sometimes,
)

linker = Linker()
shop = Linker[ShopEvent]()
recorder = Recorder()


async def body() -> int:
    return 1


async def body_with(number: int) -> None: ...


def plain() -> None: ...


# -- right
linker.subscribe(OrderPaid, recorder)
shop.on(OrderPaid, OrderPlaced)(recorder)
assert_type(recorder.events, list[Event])
assert_type(recorder.of(OrderPaid), list[OrderPaid])
assert_type(recorder[0], Event)
assert_type(recorder[:2], list[Event])
assert_type(recorder.assert_emitted(OrderPaid, order=1), OrderPaid)
assert_type(recorder.assert_exactly_once(OrderPlaced).total, float)
recorder.assert_in_order(OrderPaid, OrderPlaced(1, 2.0))
recorder.clear()
assert_type(run(body), int)
assert_type(explore(body, schedules=10, cancel=True, fail=OSError, ending="close"), Exploration)
assert_type(events(OrderPaid), SearchStrategy[OrderPaid])
events(OrderPaid, OrderPlaced, order=st.integers())
always(lambda: recorder.events)
afterwards(plain, "all is shipped")
sometimes("empty", condition=True)
sometimes("full")


@given_interleavings(events(OrderPaid), schedules=3, endings=["cancel", "close"])
async def test_paid(paid: OrderPaid) -> None: ...


class ShopMachine(EventMachine):
    events = events(OrderPaid, OrderPlaced)

    @override
    def wire(self) -> None:
        self.linker.subscribe(OrderPaid, self.paid)

    def paid(self, event: OrderPaid) -> None:
        assert_type(self.emit(OrderPlaced(event.order, 1.0)).event, OrderPlaced)


# -- wrong
linker.subscribe(recorder, OrderPaid)  # E: the event type comes first
linker.subscribe(OrderPaid, Recorder)  # E: the class takes no event
recorder.of(OrderPaid(1))  # E: an instance where the class is meant
recorder.of(int)  # E: an int is no event
recorder.of(OrderPaid)[0].total  # E: a payment has none
recorder.assert_emitted(OrderPaid(1))  # E: an instance where the class is meant
recorder.assert_emitted(OrderPaid).total  # E: a payment has none
recorder.assert_exactly_once("OrderPaid")  # E: a name is no class
recorder.assert_in_order("OrderPaid")  # E: a name is no event
recorder.events.total  # E: a list of events
recorder[0].order  # E: it may be any event
recorder.append(OrderPaid(1))  # E: it records what it is called with
run(body_with)  # E: a body takes nothing
run(body())  # E: the function, not its coroutine
run(plain)  # E: a body is async
text: str = run(body)  # E: the body gives an int
explore(body, schedules="many")  # E: a number
explore(body, ending="stop")  # E: none of the three endings
explore(body, fail=ValueError())  # E: a class of exceptions
explore(body, 100)  # E: options are keywords
explore(plain)  # E: a body is async
explore(body, first=[3])  # E: schedules, or what a report printed
explore(body, scheduls=3)  # E: a misspelled option
events(int)  # GAP: a strategy of whatever class; refused at run time
events(OrderPaid, order=3)  # E: a strategy, not a value
events(OrderPaid(1))  # E: an instance where the class is meant
not_these: SearchStrategy[OrderPlaced] = events(OrderPaid)  # E: of another event
always(recorder.of)  # E: a check takes nothing
afterwards("all is shipped")  # E: a function comes first
sometimes(True)  # E: the name comes first


@given_interleavings(events(OrderPaid))
def test_plain(paid: OrderPaid) -> None: ...  # E: an async test


@given_interleavings(OrderPaid)  # E: a strategy, not a class
async def test_class(paid: OrderPaid) -> None: ...


@given_interleavings(events(OrderPaid), endings="close")  # E: a sequence of endings
async def test_ending(paid: OrderPaid) -> None: ...


class BadMachine(EventMachine):
    events = [OrderPaid]  # E: a strategy, not a list

    @override
    def wire(self, linker: Linker) -> None:  # E: an override takes what the base takes
        self.linker.subscribe(OrderPaid, self.signed_up)  # E: the handler of another event

    def signed_up(self, event: UserSignedUp) -> None:
        self.emit("paid")  # E: text is no event
