"""The AsyncIO processor: emissions in a running loop go on in its background; without one, emit runs them to their end."""

import asyncio
import sys
from contextvars import Context, copy_context
from functools import partial
from threading import local
from weakref import ref

from typing_extensions import override

from .._emission import Emission, adopt_parent, get_current, set_current
from .._event import Event
from .._ledger import Books
from .._loops import runs_here
from .._ordering import KeyedOrdering, Ordering
from .._outcome import Completed, Failed, Tally
from .._processing import Door
from .._spelling import spell_event
from .._subscription import check_seconds
from ..errors import EmitterClosed, NoRoom, WouldDeadlock
from ._deadlock import refuse
from ._here import here
from ._line import Line, own_job
from ._published import answered, run_here
from ._settings import LoopFactory, OnDiscard, Overflow, Settings
from ._short import Short
from ._stage import Stage
from ._stages import current_stage
from ._waiting import over
from ._whole import call_all, go_on

_PACKAGE = __name__.partition(".")[0]
_get_running_loop = asyncio._get_running_loop


class AsyncIOProcessor:
    """Runs handlers with asyncio; for any number of emitters, threads and, one after the other, loops.

    Orderings, room and `wait_for_tasks` hold for each *line*: one running loop, or one thread without a loop.

    - In a running loop an emission goes on in the background. Handlers that are plain calls need no task; every other one
      gets a task of its own; under ``MAILBOX`` those that stand in one mailbox may share one.
    - Without one, the emission and all that it leads to is run before ``emit`` returns: plain handlers in the caller's
      thread, and as soon as something must be awaited, the rest in one fresh loop from ``loop_factory`` (default: what
      ``asyncio.run`` uses). The thread's current event loop is left as it was.

    When a loop closes, what has not started is discarded, what runs is cancelled, and ``on_discard(emissions)`` is told
    of both, once; without ``on_discard`` one log record and one `DiscardedEmissionsWarning` say it.

    With ``capacity`` at most so many emissions of a line are pending. One more raises `NoRoom` (``overflow="refuse"``), is
    accepted and discarded (``"drop_new"``), or takes the place of the oldest that has not started (``"drop_old"``).

    With ``debug`` failures carry a note with the line that emitted them; by default they do where the loop is in debug mode.
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
    ) -> None:
        self._settings = Settings(ordering, capacity, overflow, on_discard, loop_factory, debug)
        self._books = Books()
        self._thread = _Thread()
        self._latest: ref[Line] | None = None  # the line of the loop that was seen last
        self._short: ref[Short] | None = None  # its short ways, if it has some

    @property
    def tally(self) -> Tally:
        """The counts of all lines together, those included whose loop or thread is gone. From any thread."""
        return self._books.tally

    async def wait_for_tasks(self, timeout: float | None = None) -> bool:
        """Wait until everything is settled that was accepted in this loop before the call, and what it emits while it
        is pending; ``False`` if that takes more than *timeout* seconds. What others emit meanwhile is not waited for.

        It raises nothing that a handler raised. A waiter that is cancelled or times out changes nothing for anybody.
        Raises `WouldDeadlock` in a handler's own task, which would wait for itself.
        """
        if timeout is not None:
            check_seconds("timeout", timeout)
        line = self._line_here()
        line.stage.take_calls()
        job = own_job()
        if job is not None:
            refuse([job.emission] if job.line is line else line.pending(), job.emission, "waits for")
        return await over(line, timeout)

    @override
    def __repr__(self) -> str:
        return f"<AsyncIOProcessor, {self._settings.ordering}: {self.tally.pending} pending>"

    # -- the port to the emitter --------------------------------------------------------------------------------------
    def submit(self, emission: Emission[Event], door: Door, /) -> None:
        """Accept *emission*, or raise `EmissionRejected`. It takes the short way, if nothing is in the way."""
        line, route = self._thread.line, emission._route
        if (
            line is None
            or (stage := line.stage).emission is not None
            or not route.is_plain
            or not door.is_plain
            or get_current() is not None
            or _get_running_loop() is not None
        ):
            self._submit(emission, door)
            return
        # Nothing is under way in this thread, and it runs no loop. The emission enters the books only by its counts: they
        # are closed again before anybody else can look, unless it unfolds. All of it stands here, and not in a function of
        # ``_whole``, because a call costs half as much as a handler.
        # Ctrl-C comes after a call, or at the beginning of one: there is none between here and where it would be seen to.
        context = copy_context()
        call = route.call
        emission._keeper = line.ref
        stage.emission = emission
        ledger = line.ledger
        ledger.accepted += 1
        try:
            if call is not None:
                value = context.run(call, emission._event)
            else:
                stage.rest = handlers = iter(route.calls)
                value = context.run(call_all, handlers, emission._event)
                if stage.calls:
                    line.look(emission)  # another thread may have taken the rest
            if value is not None or emission._outcomes is not route.waiting:
                stage.run(partial(go_on, line, emission, context, value))
                return
        except BaseException as error:
            if stage.emission is not emission:
                raise  # it has been seen to
            stage.run(partial(go_on, line, emission, context, None, error))
            return
        ledger.completed += 1
        emission._outcomes = route.done
        emission._open = 0
        stage.emission = None
        if emission._aside is not None:
            emission.tell()
        if stage.ready or stage.calls:
            stage.run()

    def _submit(self, emission: Emission[Event], door: Door) -> None:
        """The other ways."""
        if emission._route.is_bare and door.way is not self._short and not door.closed:
            short = self._open(door)
            if short is not None and short.enter(emission, emission._route):
                return
        adopt_parent(emission)
        elsewhere = self._elsewhere(door) if _get_running_loop() is None else None
        if elsewhere is not None:
            self._hand_over(self._line(elsewhere), emission, door)
            return
        line = self._line_here()
        # One handler: of several the others start a turn later, and no turn has come where the first one raises Ctrl-C.
        is_flight = emission._route.is_async and len(emission._outcomes) == 1
        if is_flight and line is self._thread.line and line.stage.emission is None:
            line.admit(emission, door)
            line.short.run(line, emission)
            return
        row = line.row(emission)
        try:
            line.admit(emission, door)
            context, stage = self._context(emission, line), line.stage

            def enter() -> None:
                line.enter(emission, context, row)

            if stage.loop is None and stage.emission is None:
                stage.run(enter)  # so that Ctrl-C finds what stands in the books, and a signal handler's goes behind
            else:
                enter()
        finally:
            if row is not None:
                row.forget_if_idle()

    async def submit_wait(self, emission: Emission[Event], door: Door, /) -> None:
        """Wait for room, first come first served, and accept *emission*."""
        adopt_parent(emission)
        line = self._line_here()
        line.admit(emission, door)
        if not emission._open or not (line.room.is_full or line.room.waiting):
            self.submit(emission, door)
            return
        job = own_job()
        if job is not None:
            refuse(line.room.holders, job.emission, "waits for room, which is held by", unless_one_is_free=True)
        await line.room.wait_for_place()
        line.room.reserved -= 1  # it is taken before anybody else can look
        try:
            self.submit(emission, door)
        finally:
            line.room.offer()  # if it was refused, or had no receiver left, the next one has it

    async def publish(self, emission: Emission[Event], door: Door, /) -> None:
        """Accept *emission* and run its handlers one after the other in the caller's task, each when it is its turn."""
        if emission._route.is_bare and door.way is not self._short and not door.closed:
            short = self._open(door)
            if short is not None and await short.publish(emission, emission._route):
                return
        adopt_parent(emission)
        line = self._line_here()
        row = line.row(emission)
        try:
            line.admit(emission, door)
            job = line.enter(emission, copy_context(), row, published=True)
        finally:
            if row is not None:
                row.forget_if_idle()
        if job is not None:
            try:
                with line.awaiting(emission):
                    await run_here(job)
            except WouldDeadlock:
                emission.cancel()
                raise

    async def ask(self, emission: Emission[Event], door: Door, /) -> object:
        """Accept *emission*, whose first delivery is the answer's; return it, or raise what its handler raised."""
        adopt_parent(emission)
        line = self._line_here()
        line.admit(emission, door)
        job = line.enter_request(emission, self._context(emission, line))
        if job is not None:
            with line.awaiting(emission):
                await answered(job)
        match emission._outcomes[0]:
            case Completed(value=value):
                return value
            case Failed(error=error):
                raise error
            case outcome:
                raise asyncio.CancelledError(f"{spell_event(emission._event)} was not answered: {outcome}")

    def here(self) -> object:
        """The running loop's stage, as a mark for ``Door.home``: a weak one, a home does not keep its loop alive."""
        return ref(current_stage())

    async def finish(self, door: Door, grace: float | None, /) -> bool:
        """Wait for what is pending; after *grace* seconds cancel what came through *door*, or was emitted by that."""
        if await self.wait_for_tasks(grace):
            return True
        line = self._line_here()
        for emission in line.pending():
            if emission._door is door or door.admits(emission):
                emission.cancel()
        for _ in range(3):  # a cancellation takes effect at the next step of the task, and its outcome one later
            await asyncio.sleep(0)
        return False

    # -- ours ---------------------------------------------------------------------------------------------------------
    def _line_here(self) -> Line:
        line = None if self._latest is None else self._latest()
        # The usual case, seen fast: the same loop as last time, and nothing is being closed.
        if line is not None and runs_here(line.stage.loop) and here.ending is None:
            return line
        return self._line(current_stage())

    def _line(self, stage: Stage) -> Line:
        line = stage.lines.get(self)
        if line is None and stage.ending:  # collected: its weak references are gone before its coroutines are closed
            line = next((held for held in [*stage.held] if held.settings is self._settings), None)
        if line is None:
            line = stage.lines[self] = Line(stage, self._settings, self._books, self)
        is_simple = self._settings.is_simple
        if stage.loop is not None:
            self._latest = line.ref
            self._short = line.short.ref if is_simple and not line.debug else None
        elif is_simple and not line.short.is_mail:
            self._thread.line = line
        return line

    def _open(self, door: Door) -> Short | None:
        """The short ways of the loop that was seen last, if it has some; *door* leads there from now on."""
        if door.is_direct:
            door.way = self._short
            if door.closed:  # by another thread, just now
                door.way = None
                return None
        return None if self._short is None else self._short()

    def _context(self, emission: Emission[Event], line: Line) -> Context:
        context = copy_context()
        context.run(set_current, emission)
        if line.debug:
            emission.emitted_at(_caller())
        return context

    def _elsewhere(self, door: Door) -> Stage | None:
        """The loop that an emission from this thread is handed to, if it is."""
        if here.ending is not None:
            return None
        for stage in (here.deliverer, door.home() if isinstance(door.home, ref) else None):
            if isinstance(stage, Stage) and stage.loop is not None and not stage.loop.is_closed():
                return stage
        return None

    def _hand_over(self, line: Line, emission: Emission[Event], door: Door) -> None:
        line.admit(emission, door)
        if emission._open and line.room.is_full and self._settings.overflow == "refuse":
            line.room.has_place(line, emission)  # raises
        emission._keeper = line.ref
        context = self._context(emission, line)
        if not line.stage.call(partial(self._take, line, emission, context)):
            line.ledger.reject()
            raise EmitterClosed(
                f"{spell_event(emission._event)} was refused: its home loop is closed.", emission._event
            )

    def _take(self, line: Line, emission: Emission[Event], context: Context) -> None:
        row = line.row(emission)
        try:
            line.enter(emission, context, row)
        except NoRoom:  # it was full again when the loop took it; its emitter has the handle
            line.room.refuse_late(line, emission)
        finally:
            if row is not None:
                row.forget_if_idle()


class _Thread(local):
    """The line of this thread without a loop, if it has short ways."""

    line: Line | None = None


def _caller() -> str:
    """The line of code that emitted: the first one outside of this package."""
    frame = sys._getframe(1)  # not inspect.stack, which reads every source file
    while frame.f_globals.get("__name__", "").partition(".")[0] == _PACKAGE and frame.f_back is not None:
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"
