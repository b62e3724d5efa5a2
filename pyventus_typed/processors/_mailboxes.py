"""``Ordering.MAILBOX``: each subscription has one delivery at a time, and the next ones wait in its mailbox."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from contextvars import Context
from functools import partial
from itertools import takewhile
from typing import Any, Final, Protocol, final

from typing_extensions import override

from .._composed import OWN, Composed, InContext
from .._emission import EMPTY, STARTED, WAITING, AnyEmission, Progress, emission_of
from .._event import Event
from .._loops import complete, must_cancel
from .._subscription import PLAIN, Subscription
from ._scheduler import Scheduler
from ._settings import Settings
from ._tasks import Owner as TaskOwner
from ._tasks import Work, close_unstarted, work

AT_ONCE: Final = 100
"""So many deliveries of one mailbox run in one turn of the loop; then others have theirs."""


class Mailbox(deque[tuple[Any, Any]]):  # Any: an emission and what it waits with, which the engine knows
    """What one subscription is to receive, oldest first, beside what it handles now."""

    __slots__ = ("holder", "is_late")

    def __init__(self, holder: Any) -> None:  # Any: as above
        super().__init__()
        self.holder: Any = holder  # whose delivery it handles
        self.is_late = False  # that delivery is settled, and its thread has not returned


class Publisher:
    """Who runs an emission in a task of its own, and waits for its turn there."""

    __slots__ = ("is_cut", "places", "task", "turn")

    def __init__(self, task: "asyncio.Task[Any]") -> None:  # Any: whoever's
        self.task = task
        self.turn: asyncio.Future[None] | None = None  # while it waits
        self.is_cut = False  # the handler that runs there was cancelled, not its caller
        # Of each delivery its place in the mailbox of its receiver: what is completed when that is free for it, if it was busy.
        self.places: dict[int, asyncio.Future[None] | None] = {}


class _Turn:
    """What is in `ready` for an emission that is delivered in another way; a call is made when its turn comes."""

    __slots__ = ("_call",)

    def __init__(self, call: Callable[[], object]) -> None:
        self._call = call

    def deliver(self, stand_in: AnyEmission, _context: Context, /) -> bool:
        stand_in._cursor = EMPTY
        self._call()
        return False

    def next_needs_task(self, _stand_in: AnyEmission, /) -> bool:
        return True  # a task is woken, behind those that were made before


class Owner(TaskOwner, Protocol):
    """The queue that the mailboxes belong to."""

    scheduler: Scheduler
    settings: Settings
    mailboxes: dict[Subscription[Event], Mailbox] | None  # while their subscriptions are busy
    published: dict[AnyEmission, Publisher]

    def index_of(self, emission: AnyEmission) -> int: ...
    def spawn(
        self, emission: AnyEmission, index: int, context: Context, what: Any, progress: Progress
    ) -> None: ...  # Any: see work


def put(queue: Owner, emission: AnyEmission, index: int, context: Context, what: Any) -> None:  # Any: see work
    """Put a delivery into the mailbox of its receiver, which is served by a task from then on."""
    mailboxes, subscription = queue.mailboxes, emission._route.receivers[index]
    assert mailboxes is not None  # else nobody has one
    waiting: tuple[AnyEmission, object] = (emission, (index, context, what))
    mailbox = mailboxes.get(subscription)
    if mailbox is not None:
        mailbox.append(waiting)
        return
    mailbox = Mailbox(emission)
    mailbox.append(waiting)
    mailboxes[subscription] = mailbox
    start_serving(queue, subscription, mailbox)


def is_busy(queue: Owner, emission: AnyEmission, context: Context) -> bool:
    """Whether the receiver of the next delivery is busy: then its mailbox takes it."""
    mailboxes = queue.mailboxes
    if mailboxes is None or emission._route.is_request:
        return False
    index = emission._begun - 1
    if emission._notes is not None or queue.scheduler.inbox:
        index = queue.index_of(emission)
    if emission._route.receivers[index] not in mailboxes:
        return False
    call = emission._route.calls[index]  # and not that of the cursor, where an observer may stand before it
    what = call if type(call) is Composed else Composed(call, PLAIN, is_async=False, is_bare=False)
    queue.spawn(emission, index, context, what, WAITING)
    return True


def start_serving(queue: Owner, subscription: Subscription[Event], mailbox: Mailbox) -> None:
    """Have *mailbox*, which is not empty, served by a task."""
    serving = _serve(queue, subscription, mailbox)
    serving.send(None)
    emission, (index, _, _) = mailbox[0]
    queue.scheduler.start(emission, index, serving, Context(), queue.settings.loop_factory)


def _next_in(
    queue: Owner, mailbox: Mailbox, task: "asyncio.Task[Any] | None"
) -> tuple[Work, Context] | None:  # Any: whoever's
    """The work of the next delivery in *mailbox*, up to its end, and its context."""
    while mailbox and not mailbox.is_late:
        emission, what = mailbox[0]
        if isinstance(what, asyncio.Future):
            return None  # somebody publishes it
        mailbox.popleft()
        index, context, call = what
        notes = emission._notes
        if notes[index] is not WAITING and notes[index] is not STARTED:
            close_unstarted(call)
            continue  # discarded while it waited
        mailbox.holder = emission
        if task is not None:
            queue.scheduler.tasks[emission, index] = task
        begun = work(queue, emission, index, call, owned=task is not None)
        if task is None:
            begun.send(None)
        return begun, context
    return None


def leave(queue: Owner, subscription: Subscription[Event], mailbox: Mailbox) -> None:
    """The task that served *mailbox* ends, or its holder: whoever is next gets a task of its own."""
    mailboxes = queue.mailboxes
    if mailboxes is None or mailboxes.get(subscription) is not mailbox:
        return  # its loop was closed
    if mailbox.is_late:
        return  # its thread has not returned: that calls this again
    while mailbox:
        emission, what = mailbox[0]
        if isinstance(what, asyncio.Future):
            mailbox.popleft()
            if not what.done():
                mailbox.holder = emission
                complete(what)
                return
        elif queue.scheduler.ending is None and emission._notes[what[0]] in (WAITING, STARTED):
            start_serving(queue, subscription, mailbox)
            return
        else:
            mailbox.popleft()
    del mailboxes[subscription]


def line_up(queue: Owner, emission: AnyEmission, publisher: Publisher, context: Context) -> None:
    """What is published takes its places in the mailboxes when its turn comes: behind what was accepted before it, and
    before what is accepted later, however late its last receiver is called.
    """
    scheduler = queue.scheduler
    if not scheduler.ready and not scheduler.awake:
        _take_places(queue, emission, publisher)
        return
    publisher.turn = asyncio.get_running_loop().create_future()
    stand_in = emission_of(emission._event, emission._route, emission._state)
    scheduler.ready.append((_Turn(partial(_take_places, queue, emission, publisher)), stand_in, context))


def _take_places(queue: Owner, emission: AnyEmission, publisher: Publisher) -> None:
    mailboxes = queue.mailboxes
    if mailboxes is None or emission not in queue.published:
        return  # it was cancelled meanwhile
    for index, subscription in enumerate(emission._route.receivers):
        mailbox = mailboxes.get(subscription)
        if mailbox is None:
            mailboxes[subscription], publisher.places[index] = Mailbox(emission), None
        else:
            publisher.places[index] = place = asyncio.get_running_loop().create_future()
            mailbox.append((emission, place))
    if publisher.turn is not None:
        complete(publisher.turn)


def enter(emission: AnyEmission, index: int, publisher: Publisher) -> "asyncio.Future[None] | None":
    """What a published delivery waits for, if its receiver is still busy."""
    place = publisher.places[index]
    if place is None or place.done():
        return None
    publisher.turn = place
    emission._write(index, WAITING)
    emission._open += 1
    return place


def leave_published(queue: Owner, emission: AnyEmission, index: int) -> None:
    """The receiver of a published delivery is not busy with it any more, or never will be."""
    publisher, subscription = queue.published.get(emission), emission._route.receivers[index]
    if publisher is None or index not in publisher.places:
        return
    place = publisher.places.pop(index)
    if place is not None:
        place.cancel()
    mailbox = None if queue.mailboxes is None else queue.mailboxes.get(subscription)
    if mailbox is not None and mailbox.holder is emission:
        leave(queue, subscription, mailbox)


def ahead(queue: Owner, emission: AnyEmission) -> Iterator[AnyEmission]:
    """Whose deliveries must end before one of *emission* can begin."""
    begun = emission._begun
    for index, subscription in enumerate(() if emission._route.is_request else emission._route.receivers):
        mailbox = None if queue.mailboxes is None else queue.mailboxes.get(subscription)
        # A copy, because another thread may ask.
        places = () if mailbox is None else (mailbox.holder, *(one for one, what in [*mailbox] if _waits(one, what)))
        # What has not begun goes behind them.
        if emission in places[1:] or (index >= begun and emission not in places):
            yield from takewhile(lambda place: place is not emission, places)


def _waits(emission: AnyEmission, what: Any) -> bool:  # Any: what is in a mailbox beside it
    """Whether a delivery in a mailbox still waits: one that was discarded is taken out when its turn comes."""
    if isinstance(what, asyncio.Future):
        return not what.done()
    return emission._note(what[0]) in (WAITING, STARTED)


async def _serve(queue: Owner, subscription: Subscription[Event], mailbox: Mailbox) -> None:
    """Run the deliveries of one mailbox one after the other, each in its own context, as long as none suspends.

    One that does has this task to itself, and so has one that cancels it: what somebody does to that task later is done
    to no other delivery. Whoever is next at the end gets a task of its own.
    """
    try:
        while True:
            try:
                await OWN
            except BaseException as error:
                # Cut off between two deliveries: that is the end of the one that would have been next here.
                found = _next_in(queue, mailbox, None)
                if found is not None:
                    begun, context = found
                    with suppress(StopIteration, type(error)):
                        context.run(begun.throw, error)
                raise
            task = asyncio.current_task()
            for _ in range(AT_ONCE):
                found = _next_in(queue, mailbox, task)
                if found is None:
                    return
                begun, context = found
                try:
                    waits_for = context.run(begun.send, None)
                except StopIteration:
                    if task is not None and (must_cancel(task) or task.cancelling()):
                        return
                else:
                    await _Suspended(begun, context, waits_for)
                    return
            if not mailbox:
                return
    finally:
        leave(queue, subscription, mailbox)


@final
class _Suspended(InContext[None]):
    """Work that was begun, and goes on in a task when what it *waits_for* lets it."""

    __slots__ = ("_first",)

    def __init__(self, begun: Work, context: Context, waits_for: Any) -> None:  # Any: between a loop and its futures
        super().__init__(begun, context)
        self._first: tuple[Any, ...] = (waits_for,)  # Any: as above

    @override
    def send(self, value: Any, /) -> Any:  # Any: as above
        first, self._first = self._first, ()
        return first[0] if first else super().send(value)
