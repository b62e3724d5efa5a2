"""The short way of an emission whose receivers are all plain calls: one context, one loop over the handlers, no job.

It says nothing that the long way does not say. As long as every handler returns ``None`` nobody has to write down who
is where: the iterator over the handlers knows. As soon as one does anything else, raises, or somebody looks at the
deliveries or cancels, the emission is *unfolded* into a job, and goes on the long way from there.

In a thread without a loop even the context variable of the current emission is saved: to set it costs as much as three
handlers, and the thread can say as well what it runs.
"""

from collections.abc import Callable, Iterator
from contextvars import Context, copy_context
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from .._emission import AnyEmission, set_current
from .._event import Event
from .._ledger import STARTED
from .._outcome import NOTHING
from .._routing import Route
from ._delivery import Step, conclude, cut_off, fail

if TYPE_CHECKING:
    from ._line import Line

Calls: TypeAlias = Iterator[Callable[..., object]]
# A tuple, because one is made for each emission. The context is that of the handlers.
Whole: TypeAlias = "tuple[Line, AnyEmission, Route, Context]"


def run(whole: Whole) -> Step | None:
    """Call every handler, when it is the turn of *whole*; what is left to do in a task, if anything."""
    line, emission, route, context = whole
    if emission._outcomes is not route.waiting:
        return None  # cancelled while it was ready
    if route.is_async:
        line.short.take_off(line, emission, route, context)
        return None
    running = line.stage.running
    running.emission = emission
    running.rest = handlers = iter(route.calls)
    try:
        value = context.run(_call_for, emission, handlers)
    except BaseException as error:  # noqa: BLE001 - sorted there
        return go_on(line, emission, context, None, error)
    if value is None and emission._outcomes is route.waiting:
        running.emission = running.rest = None
        line.short.complete(line, emission, route)
        return None
    return go_on(line, emission, context, value)


def _call_for(emission: AnyEmission, handlers: Calls) -> object:
    set_current(emission)
    event = emission._event
    for handler in handlers:
        if (value := handler(event)) is not None:
            return value
    return None


def run_now(line: "Line", emission: AnyEmission, route: Route) -> None:
    """Call every handler, before anything else has a turn: in a thread without a loop that has nothing under way.

    It enters the books only by its counts: they are closed again before anybody else can look, unless it unfolds.
    """
    stage, ledger = line.stage, line.ledger
    running = stage.running
    # Ctrl-C comes after a call, or at the beginning of one: there is none between here and where it would be seen to.
    context = copy_context()
    call, handlers = route.call, None
    if call is None:
        handlers = iter(route.calls)
    running.rest = handlers
    running.emission = emission
    emission._keeper = line.ref
    stage.busy = True
    ledger.accepted += 1
    try:
        if handlers is not None:
            value = context.run(_call_all, handlers, emission._event)
        else:
            assert call is not None  # there is one, or there are several
            value = context.run(call, emission._event)
        if value is not None or stage.calls or emission._outcomes is not route.waiting:
            stage.run(partial(go_on, line, emission, context, value))
            return
    except BaseException as error:
        if running.emission is not emission:
            raise  # it has been seen to
        stage.run(partial(go_on, line, emission, context, None, error))
        return
    running.emission = running.rest = None
    ledger.completed += 1
    emission._outcomes = route.done
    emission._open = 0
    if emission._watchers is not None:
        emission.tell()
    stage.busy = False
    if stage.ready or stage.calls:
        stage.run()


def _call_all(handlers: Calls, event: Event) -> object:
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
    line.stage.running.emission = line.stage.running.rest = None
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
