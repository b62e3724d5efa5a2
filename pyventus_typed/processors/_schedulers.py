"""Which scheduler belongs to a running loop, or to a thread without one; and the fresh loop of such a thread."""

import asyncio
import atexit
from asyncio import AbstractEventLoop
from functools import partial
from typing import cast
from weakref import WeakKeyDictionary, ref

from .._loops import complete, get_running_loop, here, hide, is_in_use, refuse_trio, show
from ._loop_end import cancelled, finish, hook
from ._scheduler import CLOSED, LOST, Scheduler

# A scheduler is held by its loop, through the hooks on it: a dropped loop takes its scheduler along.
_by_loop: "WeakKeyDictionary[AbstractEventLoop, ref[Scheduler]]" = WeakKeyDictionary()


def scheduler_of(loop: AbstractEventLoop) -> Scheduler:
    """The scheduler of a running loop: where its emissions go until it ends."""
    known = _by_loop.get(loop)
    scheduler = None if known is None else known()
    if scheduler is None:
        scheduler = Scheduler(loop, below=thread_scheduler())
        _by_loop[loop] = ref(scheduler)
        hook(loop, scheduler)
        # The first emission of a loop may come while it ends: then the hook was set too late to notice the beginning of that.
        if any(getattr(task.get_coro(), "__name__", "") == "shutdown_asyncgens" for task in asyncio.all_tasks(loop)):
            scheduler.begin_end(CLOSED)
    return scheduler


def current_scheduler() -> Scheduler:
    """The scheduler of the running loop, or of this thread."""
    if here.closing is not None:
        return cast("Scheduler", here.closing)  # that file is above this one, so its type cannot name schedulers
    loop = get_running_loop()
    if loop is not None:
        return scheduler_of(loop)
    refuse_trio()
    return thread_scheduler()


def thread_scheduler() -> Scheduler:
    """The scheduler of this thread, for what it does without a loop."""
    if here.scheduler is None:
        here.scheduler = Scheduler(None, run_in_fresh_loop)
    return cast("Scheduler", here.scheduler)  # as above


# ---------------------------------------------------------------- a thread without a loop
def run_in_fresh_loop(scheduler: Scheduler) -> None:
    """Run what *scheduler*, a thread's, has to start, and all that it leads to, in a new loop, which is closed then."""
    # asyncio.Runner would turn the loop four times. As with its loop_factory, the thread's current event loop stays.
    *_, make = scheduler.starting[0]  # of the processor that needs it first
    loop = (make or asyncio.new_event_loop)()
    try:
        scheduler.loop = loop
        _by_loop[loop] = ref(scheduler)
        starting, scheduler.starting = scheduler.starting, []
        for one in starting:
            scheduler.start(*one)
        if scheduler.ready:
            scheduler.wake()
        _run_until_idle(scheduler, loop)
        if scheduler.lost:  # emitted while it ended
            finish(scheduler, loop.close, CLOSED)
    finally:
        try:
            loop.close()  # nothing is open, but for Ctrl-C before it was run
        finally:
            # Without a call, which is where Ctrl-C comes: half of this would discard what is emitted next.
            scheduler.loop = scheduler.on_idle = scheduler.ending = None
            scheduler.awake = False


def _run_until_idle(scheduler: Scheduler, loop: AbstractEventLoop) -> None:
    """Run what has been started and what it leads to, and leave *loop* as `asyncio.run` leaves its own."""
    winding_up = None
    try:
        # No task of ours waits for the end, and no callback: it would outlive Ctrl-C, and stop what winds up then.
        scheduler.on_idle = loop.stop
        scheduler.check_idle()  # a signal handler may have cancelled it
        loop.run_forever()
        scheduler.on_idle = None
        if scheduler.is_under_way or is_in_use(loop):  # to start it once more takes longer than most handlers
            winding_up = asyncio.Task(_wind_up(scheduler, loop), loop=loop, name="pyventus_typed")
            # A handler that waits for all other tasks, or cancels them, does not mean this one.
            hide(winding_up)
            loop.run_until_complete(winding_up)
        else:
            scheduler.begin_end(CLOSED)
    except BaseException:
        scheduler.on_idle = None
        if winding_up is not None:
            show(winding_up)  # now it is cut off with the others
        hook(loop, scheduler)
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.get_loop()  # which is closed as after any asyncio.run
        raise


async def _wind_up(scheduler: Scheduler, loop: AbstractEventLoop) -> None:
    """Wait until nothing is under way, and leave the loop as `asyncio.run` leaves its own."""
    while scheduler.is_under_way:
        waker: asyncio.Future[None] = loop.create_future()
        scheduler.on_idle = partial(complete, waker)
        await waker
        scheduler.on_idle = None
    scheduler.begin_end(CLOSED)
    left = asyncio.all_tasks(loop) - {asyncio.current_task()}
    if left:
        await cancelled(left, loop)
    await loop.shutdown_asyncgens()
    await loop.shutdown_default_executor()


@atexit.register
def _report_the_rest() -> None:
    # A loop that nobody closed and nobody dropped, or that runs in a daemon thread: the interpreter ends, and with it the
    # last chance to say so.
    for known in [*_by_loop.values()]:
        scheduler = known()
        if scheduler is None:
            continue
        if scheduler.loop is not None and scheduler.loop.is_running():
            scheduler.ending = CLOSED
            scheduler.lost.extend(scheduler.pending())
        else:
            scheduler.discard_all(LOST)
        scheduler.report("when the interpreter ended")
