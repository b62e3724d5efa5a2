"""The AsyncIO processor: emissions in a running loop go on in its background; without one, emit runs them to their end."""

import asyncio
import os
import sys
from collections.abc import Callable, Coroutine
from contextvars import copy_context
from functools import partial
from typing import Any
from weakref import ref

from typing_extensions import override

from .._emission import EMPTY, Emission, get_current, lineage
from .._errors import EmitterClosed
from .._event import Event
from .._ledger import Totals
from .._loops import get_running_loop, here, nothing, refuse_trio, runs_here
from .._ordering import KeyedOrdering, Ordering
from .._outcome import Tally
from .._processing import EmitterState, Observer
from .._subscription import check_seconds
from ._accepting import accept, check_open, hand_over, key_of, release, row_of
from ._asking import answer_now, refuse_to_await
from ._inline import answered, publish
from ._queue import Queue
from ._scheduler import Scheduler, numbers
from ._schedulers import current_scheduler
from ._settings import LoopFactory, OnDiscard, Overflow, Settings
from ._waiting import over, refuse, waiting_emission, waits_for_capacity

_deliver = Queue.deliver  # a function: a method would be made anew for each call


class AsyncIOProcessor:
    """Runs handlers with asyncio, for any number of emitters and threads, and any number of loops one after the
    other.

    Orderings, capacity and `wait_for_tasks` apply to each *queue*: what was accepted in one running loop, or in one
    thread without a loop.

    - In a running loop, handlers run in the background. Handlers that are plain calls need no task. Each other
      handler gets its own task; with ``MAILBOX``, those of one mailbox may share a task.
    - Without a running loop, the emission and everything that it leads to is run before ``emit`` returns. Plain
      handlers run in the caller's thread. As soon as something must be awaited, the rest runs in one new loop from
      ``loop_factory`` (default: the loop that ``asyncio.run`` uses). The current event loop of the thread is not
      changed. Inside trio's loop, which this would block, ``emit`` raises `DefinitionError`.

    When a loop closes, deliveries that have not started are discarded, and running handlers are cancelled. Then
    ``on_discard(emissions)`` is called once with the emissions that were cut off. Without ``on_discard``, one
    `DiscardedEmissionsWarning`, and one log record if logging is configured, report them.

    ``capacity`` is the maximum number of pending emissions in a queue. A further one raises `NoRoom`
    (``overflow="refuse"``), is accepted and discarded (``"drop_new"``), or replaces the oldest one that has not
    started (``"drop_old"``).

    With ``debug``, failures have a note with the file and line that emitted the event; by default, they have it if
    the loop is in debug mode. An ``observer`` is called when emissions are accepted, started and settled.
    """

    def __init__(
        self,
        *,
        ordering: Ordering | KeyedOrdering = Ordering.CONCURRENT,
        capacity: int | None = None,
        overflow: Overflow = "refuse",
        on_discard: OnDiscard | None = None,
        loop_factory: LoopFactory | None = None,
        debug: bool | None = None,
        observer: Observer | None = None,
    ) -> None:
        self._settings = Settings(
            ordering=ordering,
            capacity=capacity,
            overflow=overflow,
            on_discard=on_discard,
            loop_factory=loop_factory,
            debug=debug,
            observer=observer,
        )
        self._totals = Totals()
        self._latest: Callable[[], Queue | None] = nothing  # weak: the queue of the loop or thread that was seen last

    @property
    def tally(self) -> Tally:
        """The counts of all queues together, including those whose loop or thread has ended. May be read from any
        thread."""
        return self._totals.tally

    async def wait_for_tasks(self, timeout: float | None = None) -> bool:
        """Wait until everything is settled that was accepted in this loop before the call, and everything that its
        handlers emit. Return ``False`` if that takes more than *timeout* seconds. Unrelated emissions that come later
        are not waited for.

        It never raises what a handler raised. A waiter that is cancelled or times out affects nothing else. Raises
        `WouldDeadlock` in the task of a handler, which would wait for itself.
        """
        if timeout is not None:
            check_seconds("timeout", timeout)
        queue = self._queue_here()
        scheduler = queue.scheduler
        scheduler.take_all()
        waiter = waiting_emission()
        if waiter is not None:
            is_own = waiter in queue.ledger.open
            refuse([waiter] if is_own else queue.emissions(), waiter, "waits for")
        return await over([queue.end_epoch()], scheduler, timeout)

    @override
    def __repr__(self) -> str:
        return f"<AsyncIOProcessor, {self._settings.ordering}: {self.tally.pending} pending>"

    # -- the port to the emitter --------------------------------------------------------------------------------------
    def submit(self, emission: Emission[Event], state: EmitterState, /) -> None:  # noqa: C901, PLR0912, PLR0915 - in one place, where its order can be read
        """Accept *emission*, or raise `EmissionRejected`."""
        # What most emissions need is done in this function, because a call costs as much as a handler. From each look at what
        # a signal handler or destructor could change to the last line that rests on it, nothing is called.
        queue = self._latest()
        if (
            queue is not None
            and queue.is_simple
            and emission._route.is_direct
            and not state.closed
            and get_current() is None
        ):
            scheduler, ledger = queue.scheduler, queue.ledger
            if scheduler.loop is None:
                if scheduler.thread is here.thread and state.home_loop is None and get_running_loop() is None:
                    # A look at what is imported costs less than a call.
                    if "trio" in sys.modules and not scheduler.runs:
                        refuse_trio()
                    if not emission._open and not scheduler.runs:  # nobody receives it
                        ledger.completed += 1
                        return
                    context = copy_context()
                    if not scheduler.runs and not scheduler.busy:  # it is open, then
                        emission._queue = queue.ref
                        ledger.open[emission] = ledger.alone
                        ledger.epoch.open += 1
                        scheduler.runs = True
                        try:
                            context.run(_deliver, queue, emission, context)
                            if emission._open or scheduler.ready or scheduler.inbox or scheduler.starting:
                                if emission._cursor is not EMPTY:  # a task comes first: see deliver
                                    scheduler.ready.appendleft((queue, emission, context))
                                scheduler.run()
                            # Nothing is called between the last look and this.
                            scheduler.runs = False
                        except BaseException as error:
                            scheduler.abandon(repr(error))
                            raise
                        return
            elif runs_here(scheduler.loop):
                if not emission._open and not scheduler.below.runs:
                    ledger.completed += 1
                    return
                context = copy_context()
                if emission._open and not scheduler.busy and scheduler.ending is None and not scheduler.below.runs:
                    emission._queue = queue.ref
                    ledger.open[emission] = ledger.alone
                    ledger.epoch.open += 1
                    if emission._route.is_async and not scheduler.awake and not scheduler.ready:
                        scheduler.awake = True  # what is emitted from here on goes behind it
                        queue.go_on((queue, emission, context))
                    else:
                        scheduler.ready.append((queue, emission, context))
                        if not scheduler.awake:
                            scheduler.wake()
                    return
        queue = self._find(state)
        check_open(queue, emission._event, state)  # before the key function is called; and once more at the end
        key = key_of(queue, emission) if emission._open else None
        context = copy_context()
        scheduler = queue.scheduler
        row = row_of(queue, emission, key) if emission._open and scheduler.is_here else None
        if scheduler.busy or not scheduler.is_here:
            release(queue, row)
            hand_over(queue, emission, state, context, key)
            return
        accept(queue, emission, state, context, row=row)

    def check_open(self, event: Event, state: EmitterState, /) -> None:
        """Raise `EmitterClosed`, and count it, if *event* would be refused because the emitter is closed."""
        if state.closed:
            check_open(self._find(state), event, state)

    async def submit_wait(self, emission: Emission[Event], state: EmitterState, /) -> None:
        """Wait for capacity, first come first served, and accept *emission*."""
        queue = self._queue_here()
        check_open(queue, emission._event, state)
        context = copy_context()
        row = row_of(queue, emission, key_of(queue, emission)) if emission._open else None
        capacity = queue.capacity
        if capacity is not None and emission._open:
            try:
                if queue.handed:
                    queue.scheduler.take_all()  # only what was taken has a place in its order
                waiter = waiting_emission()
                if waiter is not None and not capacity.is_free:
                    does = "waits for capacity, which is held by"
                    refuse(capacity.in_order(), waiter, does, stuck=capacity.stuck)
                watch = partial(queue.scheduler.watch, judge=waits_for_capacity(capacity))
                await capacity.wait(emission, waiter, watch)
            except BaseException:
                release(queue, row)
                raise
        accept(queue, emission, state, context, row=row)

    def publish(self, emission: Emission[Event], state: EmitterState, /) -> Coroutine[Any, Any, None]:  # Any: a loop's
        """Accept *emission*, wait for its turn, and run its handlers one after the other in the caller's task."""
        return publish(self._queue_here(), emission, state)

    async def ask(self, emission: Emission[Event], state: EmitterState, /) -> object:
        """Accept *emission*, and return or raise the result of its first delivery, which is the answer."""
        queue = self._queue_here()
        queue.asked[emission] = asyncio.get_running_loop().create_future()
        try:
            accept(queue, emission, state, copy_context())
            waiting = queue.refuse_deadlock(emission)
            try:
                return await answered(queue, emission)
            finally:
                if waiting is not None and (owner := waiting._owner()) is not None:
                    owner.end_wait(waiting, emission)
        finally:
            queue.asked.pop(emission, None)

    def ask_sync(self, emission: Emission[Event], state: EmitterState, /) -> object:
        """Accept *emission*, call its first handler immediately, and return or raise its result."""
        refuse_to_await(emission)
        return answer_now(self._find(state), emission, state)

    def check_streams(self) -> None:
        """Streams are supported in asyncio's loops. In trio's loop it raises `DefinitionError`."""
        refuse_trio()

    def open(self, state: EmitterState, /) -> None:
        """Emissions from threads without a loop are handed over to the running loop from now on."""
        state.home_loop = ref(self._queue_here().scheduler)  # weak: an emitter does not keep its loop alive

    async def close(self, state: EmitterState, grace: float | None, /) -> bool:
        """Refuse emissions from outside; wait for those that are pending in this loop, and for what they lead to.

        After *grace* seconds, the emissions of this emitter, and those that their handlers emitted, are cancelled.
        """
        scheduler = self._queue_here().scheduler
        waiter = waiting_emission()
        if waiter is not None:
            refuse([waiter], waiter, "closes the emitter, and waits for")
        if not state.closed:
            # Epochs that begin later have greater numbers: what descends from an earlier one is still accepted.
            state.limit, state.closing = next(numbers), ref(scheduler)
            with state.lock:
                state.closed = True
        scheduler.take_all()  # what was handed over before
        if await over(scheduler.end_epochs(), scheduler, grace, "closes the emitter"):
            return True
        for _, emission in scheduler.pending():
            if any(one._state is state for one in lineage(emission)):
                emission.cancel()
        for _ in range(3):  # a cancellation takes effect at the next step of the task, and its outcome one later
            await asyncio.sleep(0)
        return False

    # -- internal -----------------------------------------------------------------------------------------------------
    def _find(self, state: EmitterState) -> Queue:
        """The queue for what is emitted here."""
        scheduler = None
        is_worker = here.elsewhere is not None or state.home_loop is not None
        if is_worker and here.closing is None and get_running_loop() is None:
            scheduler = self._elsewhere(state)
        return self._queue_here() if scheduler is None else self._queue(scheduler)

    def _queue_here(self) -> Queue:
        """The queue of the running loop, or of this thread."""
        latest = self._latest()
        if latest is not None and here.closing is None and runs_here(latest.scheduler.loop):
            return latest
        return self._queue(current_scheduler())

    def _queue(self, scheduler: Scheduler) -> Queue:
        key: ref[object] = ref(self)
        queue = scheduler.queues.get(key)
        if queue is None:
            made = Queue(scheduler, self._settings, self._totals, self)
            queue = scheduler.queues.setdefault(
                made.processor, made
            )  # of two threads that make one, both get the first
        assert isinstance(queue, Queue)  # nothing else is put there under this key
        if scheduler.is_here and here.closing is None:
            self._latest = queue.ref
        return queue

    def _elsewhere(self, state: EmitterState) -> Scheduler | None:
        """The loop that an emission from this thread, which runs none, is handed over to."""
        home_loop = state.home_loop  # looked at once: the emitter may close meanwhile, in its own thread
        for scheduler in (here.elsewhere, home_loop() if isinstance(home_loop, ref) else None):
            loop = scheduler.loop if isinstance(scheduler, Scheduler) else None
            if isinstance(scheduler, Scheduler) and loop is not None and not scheduler.is_closed:
                if scheduler.process != os.getpid():
                    raise EmitterClosed(
                        "This process was forked from the one whose loop the emitter works for. Make a new emitter here."
                    )
                if not loop.is_closed():
                    return scheduler
        return None
