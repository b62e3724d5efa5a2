"""The short way of an emission whose receivers are all plain calls: one context, one loop over the handlers, no job.

It says nothing that the long way does not say. As long as every handler returns ``None`` nobody has to write down who
is where: the iterator over the handlers knows. As soon as one does anything else, raises, or somebody looks at the
deliveries or cancels, the emission is *unfolded* into a job, and goes on the long way from there.

In a thread without a loop even the context variable of the current emission is saved: to set it costs as much as three
handlers, and the thread can say as well what it runs.
"""

from collections.abc import Callable, Iterator
from contextvars import Context
from typing import TYPE_CHECKING, TypeAlias

from .._emission import AnyEmission, set_current
from .._event import Event
from .._ledger import STARTED
from .._outcome import NOTHING
from ._delivery import Step, conclude, cut_off, fail

if TYPE_CHECKING:
    from ._line import Line
    from ._stage import Stage

Calls: TypeAlias = Iterator[Callable[..., object]]


def drain(stage: "Stage", turns: Iterator[None]) -> Step | None:
    """Take the turns of emissions that are ready, oldest first, and call all their handlers, as long as *turns* gives one.

    It ends before one that is no such emission, and where a handler did more than return ``None``; then with what is left
    of that to do in a task, if anything.
    """
    ready, nobody = stage.ready, stage.nobody
    keeper = None
    emission: AnyEmission
    context: Context
    turn = ready.popleft()
    for _ in turns:
        emission, context = turn  # type: ignore[assignment]  # whoever calls has looked, and so has what comes below
        if emission._open:  # else it was cancelled while it was ready
            if emission._keeper is not keeper:
                keeper = emission._keeper
                line: Line = keeper()  # type: ignore[assignment]  # it is ready, so a line keeps it
                ledger, short = line.ledger, line.short
            route = emission._route
            call = route.call
            stage.emission = emission
            try:
                if call is not None:
                    context.run(set_current, emission)
                    value = context.run(call, emission._event)
                else:
                    stage.rest = handlers = iter(route.calls)
                    value = context.run(_call_for, emission, handlers)
            except BaseException as error:  # noqa: BLE001 - sorted there
                return go_on(line, emission, context, None, error)
            if value is not None or emission._outcomes is not route.waiting:
                return go_on(line, emission, context, value)
            stage.emission = nobody  # the iterator, if there was one, is used up
            ledger.complete(emission, route.done)
            if short.awaited or short.is_passing:
                short.tell(emission)
        if stage.is_shut or not ready:
            return None
        turn = ready.popleft()
        if type(turn[1]) is not Context or not turn[0]._route.is_plain:
            break
    ready.appendleft(turn)
    return None


def _call_for(emission: AnyEmission, handlers: Calls) -> object:
    set_current(emission)
    event = emission._event
    for handler in handlers:
        if (value := handler(event)) is not None:
            return value
    return None


def call_all(handlers: Calls, event: Event) -> object:
    """Call handler after handler, until one returns something; that."""
    for handler in handlers:
        if (value := handler(event)) is not None:
            return value
    return None


def go_on(
    line: "Line", emission: AnyEmission, context: Context, value: object, error: BaseException | None = None
) -> Step | None:
    """The long way, from the handler on that has returned *value* or raised *error*."""
    line.look(emission)
    line.stage.emission, line.stage.rest = line.stage.nobody, None
    job, index = line.jobs[emission], emission._outcomes.index(STARTED)
    job.context = context
    context.run(set_current, emission)  # without a loop it is not set yet
    if error is None:
        return conclude(job, index, value)
    if isinstance(error, Exception):
        fail(job, index, error)
    else:
        cut_off(job, index, error)
    return None


def unfold(emission: AnyEmission, rest: Calls | None, taken: int = 0) -> int:
    """Write down who is where, while the calls but for the *rest*, and those *taken* from it, have begun; who runs."""
    left = taken
    if rest is not None:
        left += rest.__length_hint__()  # type: ignore[attr-defined]  # of a tuple's iterator, and exact
        for _ in rest:
            pass  # nobody is called behind the job's back
    count = len(emission._subscriptions)
    index = max(0, count - left - 1)  # Ctrl-C may come before the first call: that one knows
    emission._outcomes = [*(NOTHING,) * index, STARTED, *(None,) * (count - index - 1)]
    emission._open = count - index
    return index
