"""W4: a handler that waits, in its own task, for its own end is told so at once.

What an emission waits for is in the books: those who stand before it in its order, and what its running handlers await.
A wait is refused if that leads back to the one who would wait. Waits in other tasks are not judged: they may be cut off.
"""

from collections.abc import Iterable

from .._emission import Emission
from .._event import Event
from .._spelling import spell_event
from ..errors import WouldDeadlock

Chain = tuple[Emission[Event], ...]


def refuse(
    targets: Iterable[Emission[Event]], waiter: Emission[Event], does: str, *, unless_one_is_free: bool = False
) -> None:
    """Raise `WouldDeadlock` if one of *targets* leads back to *waiter*, whose handler would wait for it.

    With *unless_one_is_free* they must all lead back: the waiter needs only one of them to end.
    """
    found: Chain = ()
    for target in targets:
        chain = _chain(target, waiter)
        if not chain and unless_one_is_free:
            return
        found = found or chain
    if found:
        links = ", which waits for ".join(spell_event(one.event) for one in found)
        raise WouldDeadlock(
            f"A handler of {spell_event(waiter.event)} {does} {links}: that is its own end. "
            "Return instead, or wait in another task.",
            found,
        )


def _chain(target: Emission[Event], end: Emission[Event]) -> Chain:
    """How *target* leads to *end*, by what each one waits for."""
    came_from: dict[Emission[Event], Emission[Event] | None] = {target: None}
    todo = [target]
    while todo:
        one = todo.pop()
        if one is end:
            path: list[Emission[Event]] = []
            step: Emission[Event] | None = one
            while step is not None:
                path.append(step)
                step = came_from[step]
            return tuple(reversed(path))
        keeper = one._line()
        for behind in () if keeper is None else keeper.waits_for(one):
            if behind not in came_from:
                came_from[behind] = one
                todo.append(behind)
    return ()
