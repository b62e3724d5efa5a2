"""The short way of an emission whose receivers are all plain calls: one context, one loop over the handlers, no job.

It says nothing that the long way does not say. As long as every handler returns ``None`` nobody has to write down who
is where: the iterator over the handlers knows. As soon as one does anything else, raises, or somebody looks at the
deliveries or cancels, the emission is *unfolded* into a job, and goes on the long way from there.
"""

from collections.abc import Callable, Iterator
from contextvars import Context, copy_context
from typing import TYPE_CHECKING, TypeAlias

from .._emission import AnyEmission, current
from .._ledger import STARTED
from .._outcome import NOTHING
from .._routing import Route
from ._delivery import Step, conclude, cut_off, fail

if TYPE_CHECKING:
    from ._job import Job
    from ._line import Line

# Tuples, because one is made for each emission: the second also knows how far it is. The context is that of the handlers.
Whole: TypeAlias = "tuple[Line, AnyEmission, Route, Context]"
Running: TypeAlias = "tuple[Line, AnyEmission, Route, Context, Iterator[Callable[..., object]]]"


def run(whole: Whole) -> Step | None:
    """Call every handler, when it is the turn of *whole*; what is left to do in a task, if anything."""
    line, emission, route, context = whole
    if emission._outcomes is not route.waiting:
        return None  # cancelled while it was ready
    handlers = iter(route.calls)
    running = line.stage.whole = line, emission, route, context, handlers
    try:
        value = context.run(call_all, handlers, emission)
    except BaseException as error:  # noqa: BLE001 - sorted there
        return go_on(running, None, error)
    if value is None and emission._outcomes is route.waiting:
        line.stage.whole = None
        line.complete(emission, route)
        return None
    return go_on(running, value)


def run_now(line: "Line", emission: AnyEmission, route: Route) -> None:
    """Call every handler, before anything else has a turn: in a thread without a loop that has nothing under way.

    It enters the books only by its counts: they are closed again before anybody else can look, unless it unfolds.
    """
    stage, ledger = line.stage, line.ledger
    context, handlers = copy_context(), iter(route.calls)
    running = stage.whole = line, emission, route, context, handlers
    stage.busy = True
    ledger.accepted += 1
    try:
        value = context.run(call_all, handlers, emission)
    except BaseException as error:  # noqa: BLE001 - sorted there
        failure = error
        stage.run(lambda: go_on(running, None, failure))
        return
    if value is not None or emission._outcomes is not route.waiting:
        stage.run(lambda: go_on(running, value))
        return
    stage.whole = None
    ledger.complete_at_once(emission, route.done)
    stage.busy = False
    if stage.ready or stage.calls:
        stage.run()


def call_all(handlers: Iterator[Callable[..., object]], emission: AnyEmission) -> object:
    """Call handler after handler, until one returns something; that."""
    current.set(emission)
    event = emission._event
    for handler in handlers:
        value = handler(event)
        if value is not None:
            return value
    return None


def go_on(running: Running, value: object, error: BaseException | None = None) -> Step | None:
    """The long way, from the handler on that has returned *value* or raised *error*."""
    job, index = unfold(running)
    job.line.stage.whole = None
    if error is None:
        return conclude(job, index, value)
    if isinstance(error, Exception):
        fail(job, index, error)
    else:
        cut_off(job, index, error)
    return None


def unfold(running: Running) -> "tuple[Job, int]":
    """The job of an emission that is running here, and the delivery that runs; the rest of it is ready."""
    line, emission, route, context, handlers = running
    if emission._outcomes is route.waiting:
        left = handlers.__length_hint__()  # type: ignore[attr-defined]  # of a tuple's iterator, and exact
        for _ in handlers:
            pass  # nobody is called behind the job's back
        index = len(route.calls) - left - 1
        emission._outcomes = [*(NOTHING,) * index, STARTED, *(None,) * left]
        emission._open = left + 1
        return line.unfold(emission, context, index), index
    return line.jobs[emission], emission._outcomes.index(STARTED)
