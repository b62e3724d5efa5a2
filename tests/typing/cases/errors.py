"""The exceptions: each is also the builtin that it is."""

from typing import assert_type

from shop import OrderPaid

from pyventus_typed import Emitter, Linker
from pyventus_typed.errors import (
    DefinitionError,
    DiscardedEmissionsWarning,
    EmissionFailed,
    EmissionRejected,
    EmitterClosed,
    NoHandler,
    NoRoom,
    PyventusError,
    SeveralHandlers,
    WouldDeadlock,
)

emitter = Emitter(Linker())


def builtins(
    definition: DefinitionError,
    rejected: EmissionRejected,
    closed: EmitterClosed,
    full: NoRoom,
    deadlock: WouldDeadlock,
    failed: EmissionFailed,
    nobody: NoHandler,
    several: SeveralHandlers,
    discarded: DiscardedEmissionsWarning,
) -> None:
    ours: list[PyventusError] = [definition, rejected, closed, full, deadlock, failed, nobody, several]
    of_type: TypeError = definition
    of_run: list[RuntimeError] = [rejected, closed, full, deadlock]
    of_lookup: list[LookupError] = [nobody, several]
    refusals: list[EmissionRejected] = [closed, full]
    group: ExceptionGroup[Exception] = failed
    warning: RuntimeWarning = discarded
    assert_type(
        failed.exceptions[0], Exception | ExceptionGroup[Exception]
    )  # FP[zuban]: it finds the type of the base class
    assert_type(failed.message, str)
    print(ours, of_type, of_run, of_lookup, refusals, group, warning)
    not_full: NoRoom = rejected  # E: a base is not its subclass
    not_closed: EmitterClosed = full  # E: another refusal
    not_a_lookup: LookupError = deadlock  # E: a deadlock is a RuntimeError
    not_ours: PyventusError = discarded  # E: a warning is no error of ours
    not_a_value: ValueError = definition  # E: a definition error is a TypeError
    print(not_full, not_closed, not_a_lookup, not_ours, not_a_value)


async def catching() -> None:
    try:
        await emitter.emit(OrderPaid(1))
    except NoRoom as full:
        assert_type(full, NoRoom)
    except EmissionFailed as failed:
        for error in failed.exceptions:
            print(error)
        failed.reason  # E: there is no such attribute


async def catching_members() -> None:
    try:
        await emitter.emit(OrderPaid(1))
    except* ValueError as errors:
        assert_type(errors, ExceptionGroup[ValueError])
    except* PyventusError as others:
        others.missing  # E: there is no such attribute
