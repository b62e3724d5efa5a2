"""One class for each thing worth catching, each also the builtin that it is."""

import asyncio
import copy
import pickle
from collections.abc import Callable

import pytest

from pyventus_typed import Emitter, Failed, Linker, current_emission, errors
from pyventus_typed.errors import (
    DefinitionError,
    DiscardedEmissionsWarning,
    EmissionFailed,
    EmissionPending,
    EmissionRejected,
    EmitterClosed,
    ForeignEvent,
    InvalidOption,
    NoHandler,
    NoRoom,
    NotAHandler,
    NotAManager,
    NotAnEvent,
    PyventusError,
    SeveralHandlers,
    TooManySubscriptions,
    WouldDeadlock,
)
from pyventus_typed.nats.errors import NotStored, PayloadTooLarge, StreamDiffers
from pyventus_typed.testing import LivelockError, UnreachedError
from tests.events import OrderPlaced, untyped

TREE: dict[type[BaseException], tuple[type[BaseException], ...]] = {
    DefinitionError: (PyventusError, TypeError),
    NotAnEvent: (DefinitionError,),
    NotAHandler: (DefinitionError,),
    NotAManager: (DefinitionError,),
    ForeignEvent: (DefinitionError,),
    TooManySubscriptions: (DefinitionError,),
    InvalidOption: (DefinitionError, ValueError),
    EmissionRejected: (PyventusError, RuntimeError),
    EmitterClosed: (EmissionRejected,),
    NoRoom: (EmissionRejected,),
    WouldDeadlock: (PyventusError, RuntimeError),
    EmissionFailed: (PyventusError, ExceptionGroup),
    EmissionPending: (PyventusError, RuntimeError),
    NoHandler: (PyventusError, LookupError),
    SeveralHandlers: (PyventusError, LookupError),
    DiscardedEmissionsWarning: (RuntimeWarning,),
}


@pytest.mark.parametrize("kind", TREE)
def test_each_error_is_what_it_is(kind: type[BaseException]) -> None:
    for base in TREE[kind]:
        assert issubclass(kind, base)


def test_the_tree_is_complete() -> None:
    assert {*errors.__all__} == {kind.__name__ for kind in TREE} | {"PyventusError"}


def test_an_error_survives_a_copy_and_a_pickle() -> None:
    for error in (NotAnEvent("text", 42), NoRoom("text", OrderPlaced(1)), InvalidOption("text", 7)):
        for twin in (copy.copy(error), pickle.loads(pickle.dumps(error))):
            assert type(twin) is type(error)
            assert str(twin) == "text"
            assert twin.__dict__ == error.__dict__


def not_settled() -> BaseException:
    async def main() -> None:
        Emitter(linker).emit(OrderPlaced()).raise_failures()

    linker = Linker()
    linker.subscribe(OrderPlaced, lambda event: None)
    return raised_by(lambda: asyncio.run(main()))


def waits_for_itself() -> BaseException:
    async def handler(event: OrderPlaced) -> None:
        emission = current_emission()
        assert emission is not None
        await emission.wait()

    linker = Linker()
    linker.subscribe(OrderPlaced, handler, on_failure=lambda event, error: None)
    (delivery,) = Emitter(linker).emit(OrderPlaced()).deliveries
    assert isinstance(delivery.outcome, Failed)
    return delivery.outcome.error


def raised_by(call: Callable[[], object]) -> BaseException:
    with pytest.raises(PyventusError) as caught:
        call()
    return caught.value


@pytest.mark.parametrize(
    ("error", "left_behind"),
    [
        (not_settled(), ["emission"]),
        (waits_for_itself(), ["chain"]),
        (raised_by(lambda: Linker().subscribe(OrderPlaced, untyped(lambda: None))), ["found"]),
        (raised_by(lambda: Linker().on(untyped(lambda: None))), ["found"]),
        (NoRoom("text", lambda: None), ["event"]),
        (StreamDiffers("orders", {"replicas": (1, 3)}), []),
        (NotStored("shop.order.v1", "an id", 2.5, TimeoutError()), []),
        (PayloadTooLarge("shop.order.v1", 9, 8, "large"), []),
        (UnreachedError(["paid"], 3), []),
        (LivelockError("text", 7), []),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, PyventusError) else "",
)
def test_every_error_can_be_pickled_and_what_cannot_stays_and_says_so(
    error: PyventusError, left_behind: list[str]
) -> None:
    error.add_note("a note")
    twin = pickle.loads(pickle.dumps(error))
    assert type(twin) is type(error)
    assert str(twin) == str(error)
    assert twin.__notes__ == ["a note"]
    for name, value in vars(error).items():
        if name in left_behind:
            with pytest.raises(AttributeError, match=rf"{name} stayed in the process that raised"):
                getattr(twin, name)
        else:
            assert getattr(twin, name) == value
    assert vars(copy.copy(error)) == vars(error)
    with pytest.raises(AttributeError, match=r"has no attribute 'nothing'"):
        untyped(twin).nothing  # noqa: B018 - the look itself
    pickle.loads(pickle.dumps(twin))


def test_a_failed_emission_can_be_copied_with_its_failures() -> None:
    linker = Linker()
    linker.subscribe(OrderPlaced, lambda event: 1 // 0, on_failure=lambda event, error: None)
    with pytest.raises(EmissionFailed, match="1 of 1 handler failed for OrderPlaced") as caught:
        Emitter(linker).emit(OrderPlaced()).raise_failures()
    twin = copy.copy(caught.value)
    assert twin.exceptions == caught.value.exceptions
    assert twin.emission is caught.value.emission
