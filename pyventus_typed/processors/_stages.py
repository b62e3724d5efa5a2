"""Which stage is whose: that of a running loop, or of a thread without one."""

import asyncio
import atexit
import os
from asyncio import AbstractEventLoop
from weakref import ref

from .._emission import outer_emission, thread
from ._end import begin, hook
from ._here import here, stages
from ._report import lost
from ._stage import Stage


def stage_of(loop: AbstractEventLoop) -> Stage:
    """The stage of a running loop: where its emissions go until it ends."""
    known = stages.get(loop)
    stage = None if known is None else known()
    if stage is None:
        stage = Stage(loop)
        stage.outer = outer_emission()
        stages[loop] = ref(stage)
        hook(loop, stage)
        # The first emission there may come as late as this: then the hook is too late to hear of it.
        if any(getattr(task.get_coro(), "__name__", "") == "shutdown_asyncgens" for task in asyncio.all_tasks(loop)):
            begin(stage)
    return stage


def current_stage() -> Stage:
    """The stage of the running loop, or of this thread."""
    if here.ending is not None:
        return here.ending
    loop = asyncio._get_running_loop()
    if loop is not None:
        return stage_of(loop)
    if here.stage is None:
        here.stage = thread.running = Stage(None)
    return here.stage


def _fork() -> None:
    for known in tuple(stages.values()):
        stage = known()
        if stage is not None:
            stage.fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_fork)


@atexit.register
def _report_the_rest() -> None:
    # A loop that nobody closed and nobody dropped: the interpreter ends, and with it the last chance to say so.
    for loop, known in tuple(stages.items()):
        stage = known()
        if stage is not None and not loop.is_running():
            lost(stage.losses, report=True)
