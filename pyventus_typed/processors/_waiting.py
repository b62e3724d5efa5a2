"""Waits for a queue, and the rule that no handler waits for its own end.

What an emission waits for is known: those before it in its order, and what its running handlers await. A handler's wait
in its own task is refused if that leads back to the handler's own emission. Waits in other tasks are not judged: they may
be cut off.
"""

import asyncio
from collections.abc import Collection, Iterable, Iterator

from .._emission import AnyEmission, Emission, Waiter, WouldDeadlock, current_emission
from .._event import Event
from .._ledger import Epoch
from .._loops import current_task, get_running_loop
from .._spelling import spell_event
from ._capacity import Capacity
from ._scheduler import Judge, Scheduler

Chain = tuple[Emission[Event], ...]


async def over(
    epochs: list[Epoch], scheduler: Scheduler, timeout: float | None, does: str = "waits for what is pending"
) -> bool:
    """Wait until *epochs*, which have ended, are over; whether they are, after *timeout* seconds at most."""
    left = {epoch for epoch in epochs if epoch.has_ended and not epoch.is_over}
    if not left:
        return True
    loop = asyncio.get_running_loop()
    future: asyncio.Future[None] = loop.create_future()
    waiter = Waiter(future)
    calls = []
    for epoch in [*left]:

        def is_over(epoch: Epoch = epoch) -> None:
            left.discard(epoch)
            if not left:
                waiter()

        calls.append((epoch.waiters, is_over))
        epoch.wait(is_over)
    left.difference_update([epoch for epoch in [*left] if epoch.is_over])  # a signal handler was quicker
    alarm = None if timeout is None else loop.call_later(timeout, waiter)
    waiting = scheduler.waiting
    waiting.add(future)
    scheduler.watch(future, _waits_for_all(left, scheduler, does), owner=True)
    try:
        if left:
            await future
    finally:
        waiting.discard(future)
        for waiters, call in calls:
            waiters.pop(call, None)
        if alarm is not None:
            alarm.cancel()
    return not left


def waiting_emission() -> AnyEmission | None:
    """The pending emission whose handler's own task this is."""
    emission = current_emission()
    if emission is None:
        return None
    owner = emission._owner()
    loop = get_running_loop()
    task = None if loop is None else current_task(loop)
    return emission if owner is not None and task is not None and owner.runs_in(emission, task) else None


def refuse(
    targets: Iterable[AnyEmission], waiter: AnyEmission, does: str, *, stuck: Collection[AnyEmission] | None = None
) -> None:
    """Raise `WouldDeadlock` if one of *targets* leads back to *waiter*, whose handler would wait for it.

    With *stuck* they must all lead back, or to one of those, who wait for the same: the waiter needs only one of them to end.
    """
    found: Chain = ()
    for target in targets:
        chain = _chain(target, {waiter, *(stuck or ())})
        if not chain and stuck is not None:
            return
        if chain and (not found or chain[-1] is waiter):
            found = chain
    if found:
        raise WouldDeadlock(
            f"A handler of {spell_event(waiter.event)} {does} {links(found)}: that is its own end. "
            "Return instead, or wait in another task.",
            found,
        )


def _waits_for_all(epochs: Collection[Epoch], scheduler: Scheduler, does: str) -> Judge:
    """Whether a wait for *epochs* needs room in a stream."""

    def judge(full: Collection[AnyEmission]) -> tuple[str, Chain] | None:
        for one in full:
            for queue in [*scheduler.queues.values()]:
                for of in queue.epochs_of(one):
                    if any(of.waiters is epoch.waiters and of.number <= epoch.number for epoch in epochs):
                        return does, (one,)
        return None

    return judge


def waits_for(emission: AnyEmission) -> Judge:
    """Whether a wait for *emission* needs room in a stream."""

    def judge(full: Collection[AnyEmission]) -> tuple[str, Chain] | None:
        chain = _chain(emission, full)
        return (f"waits for {links(chain)}", chain) if chain else None

    return judge


def waits_for_capacity(capacity: Capacity) -> Judge:
    """Whether a wait for capacity needs room in a stream: each one that has a place does."""

    def judge(full: Collection[AnyEmission]) -> tuple[str, Chain] | None:
        found: Chain = ()
        ends = {*full, *capacity.stuck}
        for holder in capacity.in_order():
            chain = _chain(holder, ends)
            if not chain:
                return None
            if not found and chain[-1] in full:
                found = chain
        return (f"waits for capacity, which is held by {links(found)}", found) if found else None

    return judge


def links(chain: Chain) -> str:
    """Who waits for whom."""
    return ", which waits for ".join(spell_event(one.event) for one in chain)


def _chain(target: AnyEmission, ends: Collection[AnyEmission]) -> Chain:
    """How *target* leads to one of *ends*, by what each one waits for."""
    came_from: dict[AnyEmission, AnyEmission | None] = {target: None}

    def path(step: AnyEmission | None) -> Iterator[AnyEmission]:
        while step is not None:
            yield step
            step = came_from[step]

    todo = [target]
    while todo:
        one = todo.pop()
        if one in ends:
            return tuple(path(one))[::-1]
        owner = one._owner()
        if owner is None:
            continue
        for behind in owner.waits_for(one):
            if behind not in came_from:
                came_from[behind] = one
                todo.append(behind)
        rest = _through_capacity(*owner.places_for(one), ends)
        if rest:
            return (*tuple(path(one))[::-1], *rest)
    return ()


def _through_capacity(
    holders: Collection[AnyEmission], stuck: Collection[AnyEmission], ends: Collection[AnyEmission]
) -> Chain:
    """How one that waits for capacity leads to one of *ends*: any of *holders* may free some, so all must lead there, or to one
    who waits for capacity as well.
    """
    chains = [_chain(holder, {*ends, *stuck}) for holder in holders]
    return next((chain for chain in chains if chain[-1] in ends), ()) if all(chains) else ()
