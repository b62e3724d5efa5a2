"""One class for each thing worth catching, each also the builtin that it is."""

import copy
import pickle

import pytest

from pyventus_typed import Emitter, Linker, errors
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
from tests.events import OrderPlaced

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


def test_a_failed_emission_can_be_copied_with_its_failures() -> None:
    linker = Linker()
    linker.subscribe(OrderPlaced, lambda event: 1 // 0, on_failure=lambda event, error: None)
    with pytest.raises(EmissionFailed, match="1 of 1 handler failed for OrderPlaced") as caught:
        Emitter(linker).emit(OrderPlaced()).raise_failures()
    twin = copy.copy(caught.value)
    assert twin.exceptions == caught.value.exceptions
    assert twin.emission is caught.value.emission
