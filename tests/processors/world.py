"""Programs of emissions: what their handlers do is data, what they saw is written down, and compared with the outcomes."""

import asyncio
import gc
import warnings
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, field
from itertools import count, pairwise
from typing import TypeAlias

from pyventus_typed import (
    AsyncIOProcessor,
    Cancelled,
    Completed,
    Delivery,
    Discarded,
    Emission,
    Emitter,
    Event,
    Failed,
    KeyedOrdering,
    Linker,
    Ordering,
    PerKey,
    Status,
)
from pyventus_typed.errors import WouldDeadlock

from .ends import Main


class Oops(Exception):
    """What a handler raises."""


@dataclass(frozen=True)
class Emit:
    """Emit an errand."""

    script: "Script"


@dataclass(frozen=True)
class Late:
    """Emit an errand when the handler is left, by cancellation, closing, or in peace."""

    script: "Script"


@dataclass(frozen=True)
class Turns:
    """Let the loop turn."""

    count: int = 1


@dataclass(frozen=True)
class Await:
    """Wait for the errand that was emitted last."""


@dataclass(frozen=True)
class Wait:
    """Wait for everything."""


@dataclass(frozen=True)
class CancelLast:
    """Cancel the errand that was emitted last."""


@dataclass(frozen=True)
class Raise:
    """Raise an exception."""


@dataclass(frozen=True)
class RaiseCancelled:
    """Raise a cancellation of one's own."""


@dataclass(frozen=True)
class Hang:
    """Wait for what never comes."""


@dataclass(frozen=True)
class Absorb:
    """Wait for what never comes, and take a cancellation for it."""


@dataclass(frozen=True)
class Leave:
    """Of a main: leave an async generator open on the loop; it emits an errand when it is shut down, and awaits there."""

    script: "Script"


Step: TypeAlias = Emit | Late | Turns | Await | Wait | CancelLast | Raise | RaiseCancelled | Hang | Absorb | Leave


@dataclass(frozen=True)
class Script:
    """What the handlers of one errand do. ``kind``: the plain handler (0), the async one (1), or both (2) get it."""

    kind: int
    key: int = 0
    steps: tuple[Step, ...] = ()

    @property
    def can_hang(self) -> bool:
        """Whether something in it waits for what never comes."""
        return any(
            isinstance(step, Hang | Absorb) or (isinstance(step, Emit | Late) and step.script.can_hang)
            for step in self.steps
        )


@dataclass(frozen=True)
class Errand(Event):
    """One script on its way."""

    n: int
    script: Script


@dataclass(frozen=True)
class ForPlain(Errand):
    """Received by the plain handler."""


@dataclass(frozen=True)
class ForAsync(Errand):
    """Received by the async handler."""


@dataclass(frozen=True)
class ForBoth(Errand):
    """Received by both."""


KINDS: Sequence[type[Errand]] = (ForPlain, ForAsync, ForBoth)
ORDERINGS: dict[str, Ordering | KeyedOrdering] = {
    "concurrent": Ordering.CONCURRENT,
    "mailbox": Ordering.MAILBOX,
    "serial": Ordering.SERIAL,
    "per key": PerKey(Errand, lambda errand: errand.script.key),
}
LEFT = {"returned", "raised", "cancelled", "closed"}


@dataclass
class World:
    """A linker, an emitter, and a log of what the handlers saw."""

    ordering: str
    capacity: int | None = None
    log: list[tuple[int, str, str]] = field(default_factory=list)  # errand, handler, what
    emissions: list[Emission[Errand]] = field(default_factory=list)
    reports: list[Sequence[Emission[Event]]] = field(default_factory=list)
    hits: Counter[str] = field(default_factory=Counter)
    ended: bool = False  # main has returned: what is emitted now is emitted during the shutdown

    def __post_init__(self) -> None:
        self.numbers = count(1)
        self.pending_at_end: set[int] = set()
        self.linker: Linker[Errand] = Linker()
        self.linker.on(ForPlain, ForBoth)(self.plain)
        self.linker.on(ForAsync, ForBoth)(self.on_its_own)
        self.processor = AsyncIOProcessor(
            ordering=ORDERINGS[self.ordering],
            capacity=self.capacity,
            overflow="drop_new",
            on_discard=self.reports.append,
        )
        self.emitter = Emitter(self.linker, self.processor)

    # -- what happens -------------------------------------------------------------------------------------------------
    def emit(self, script: Script, where: str) -> Emission[Errand]:
        self.hits[where] += 1
        if self.ended:
            self.hits["during shutdown"] += 1
        emission = self.emitter.emit(KINDS[script.kind](next(self.numbers), script))
        self.emissions.append(emission)
        return emission

    def plain(self, errand: Errand) -> None:
        """Does what needs no waiting."""
        self.log.append((errand.n, "plain", "began"))
        how = "returned"
        late: list[Script] = []
        last: Emission[Errand] | None = None
        try:
            for step in errand.script.steps:
                match step:
                    case Emit(script):
                        last = self.emit(script, "inside a handler")
                    case Late(script):
                        late.append(script)
                    case CancelLast() if last is not None:
                        last.cancel()
                    case Raise():
                        how = "raised"
                        raise Oops
                    case RaiseCancelled():
                        how = "cancelled"
                        raise asyncio.CancelledError
                    case _:
                        pass
        finally:
            for script in late:
                self.emit(script, "inside a handler")
            self.log.append((errand.n, "plain", how))

    async def on_its_own(self, errand: Errand) -> None:
        """Does everything."""
        self.log.append((errand.n, "async", "began"))
        how = "returned"
        late: list[Script] = []
        last: Emission[Errand] | None = None
        try:
            for step in errand.script.steps:
                match step:
                    case Emit(script):
                        last = self.emit(script, "inside a handler")
                    case Late(script):
                        late.append(script)
                    case Turns(turns):
                        for _ in range(turns):
                            await asyncio.sleep(0)
                    case Await() if last is not None:
                        await last.wait()
                    case Wait():
                        await self.emitter.wait_for_tasks()
                    case CancelLast() if last is not None:
                        last.cancel()
                    case Raise():
                        raise Oops
                    case RaiseCancelled():
                        raise asyncio.CancelledError
                    case Hang():
                        await asyncio.Event().wait()
                    case Absorb():
                        try:
                            await asyncio.Event().wait()
                        except asyncio.CancelledError:
                            self.hits["absorbed"] += 1
                    case _:
                        pass
        except (Oops, WouldDeadlock) as error:
            how = "raised"
            self.hits[type(error).__name__] += 1
            raise
        except asyncio.CancelledError:
            how = "cancelled"
            raise
        except GeneratorExit:
            how = "closed"
            raise
        finally:
            for script in late:
                self.emit(script, "inside a handler" if how != "closed" else "while being closed")
            self.log.append((errand.n, "async", how))

    def main(self, steps: Sequence[Step]) -> Main:
        """A main that does *steps*, as the caller of emit."""

        async def main() -> None:
            for step in steps:
                match step:
                    case Emit(script) | Late(script):
                        self.emit(script, "from outside")
                    case Turns(turns):
                        for _ in range(turns):
                            await asyncio.sleep(0)
                    case Await() if self.emissions:
                        await self._unless_it_hangs(self.emissions[-1].wait)
                    case Wait():
                        await self._unless_it_hangs(self._wait_for_all)
                    case CancelLast() if self.emissions:
                        self.emissions[-1].cancel()
                    case Raise() | RaiseCancelled():  # a waiter that gives up
                        waiter = asyncio.ensure_future(self.emitter.wait_for_tasks())
                        await asyncio.sleep(0)
                        waiter.cancel()
                        self.hits["cancelled waiter"] += 1
                    case Leave(script):
                        generator = self._left_open(script)
                        await anext(generator)
                        # On the loop, because the generator refers to it: here it would keep a dropped loop alive.
                        vars(asyncio.get_running_loop()).setdefault("left open", []).append(generator)
                    case _:
                        pass
            self.pending_at_end = {one.event.n for one in self.emissions if one.status is Status.PENDING}
            self.ended = True

        return main

    async def _unless_it_hangs(self, wait: Callable[[], object]) -> None:
        if not any(one.event.script.can_hang for one in self.emissions):
            waiting = wait()
            assert asyncio.iscoroutine(waiting)
            await waiting

    async def _wait_for_all(self) -> None:
        before = tuple(self.emissions)
        assert await self.emitter.wait_for_tasks()
        assert [one for one in before if one.status is Status.PENDING] == []
        self.hits["waited"] += 1

    async def _left_open(self, script: Script) -> AsyncGenerator[None, None]:
        try:
            yield
        finally:
            self.emit(script, "in a generator")
            await asyncio.sleep(0)
            self.emit(script, "in a generator")

    # -- what must be true --------------------------------------------------------------------------------------------
    def check(self, *, cancels: bool) -> None:
        """Every promise that can be read off after the end."""
        self.check_counts()
        for emission in self.emissions:
            for delivery in emission.deliveries:
                self.check_delivery(emission.event.n, delivery, cancels=cancels)
        self.check_order()
        self.check_report()

    def check_counts(self) -> None:
        status = Counter(one.status for one in self.emissions)
        tally = self.emitter.tally
        assert status[Status.PENDING] == tally.pending == 0
        assert tally.accepted == len(self.emissions)
        assert tally.completed == status[Status.COMPLETED]
        assert tally.failed == status[Status.FAILED]
        assert tally.cancelled == status[Status.CANCELLED]
        assert tally.discarded == status[Status.DISCARDED]

    def check_delivery(self, n: int, delivery: "Delivery[Errand]", *, cancels: bool) -> None:
        """What the handler saw equals its outcome."""
        name = "plain" if delivery.subscription.handler == self.plain else "async"
        seen = [what for errand, handler, what in self.log if (errand, handler) == (n, name)]
        assert seen.count("began") == delivery.started, (n, name, seen, delivery)
        match delivery.outcome:
            case Completed():
                assert seen == ["began", "returned"], (n, name, seen)
            case Failed(error):
                assert seen == ["began", "raised"], (n, name, seen)
                assert isinstance(error, Oops | WouldDeadlock)
            case Cancelled():
                # A task that is cancelled before its first step runs nothing of the handler.
                assert seen in (["began", "cancelled"], []), (n, name, seen)
            case Discarded(started=False):
                assert seen == [], (n, name, seen)
            case Discarded(started=True):
                assert not cancels, "what runs is cancelled where the loop delivers cancellation"
                # Closed: even what would have absorbed a cancellation does not go on.
                assert seen == ["began", "closed"], (n, name, seen)
            case None:
                raise AssertionError(f"{delivery} is open")

    def check_order(self) -> None:
        began = [(n, handler == "async") for n, handler, what in self.log if what == "began"]
        if self.ordering in ("concurrent", "serial"):
            assert began == sorted(began), self.log
        for name in ("plain", "async"):
            mine = [entry for entry in self.log if entry[1] == name]
            if self.ordering == "mailbox":
                starts = [n for n, _, what in mine if what == "began"]
                assert starts == sorted(starts)
                assert all(first[0] == then[0] for first, then in pairwise(mine) if first[2] == "began"), mine
        if self.ordering in ("serial", "per key"):
            keys = {one.event.n: one.event.script.key if self.ordering == "per key" else 0 for one in self.emissions}
            for key in set(keys.values()):
                self._check_no_overlap([entry for entry in self.log if keys[entry[0]] == key])

    @staticmethod
    def _check_no_overlap(log: Sequence[tuple[int, str, str]]) -> None:
        order = list(dict.fromkeys(n for n, _, _ in log))
        assert order == sorted(order), log
        assert [n for n, _, _ in log] == sorted(n for n, _, _ in log), log

    def check_report(self) -> None:
        """Said once, and said of exactly those that the end has cut off."""
        assert len(self.reports) <= 1
        told = {one.event.n for report in self.reports for one in report if isinstance(one.event, Errand)}
        cut = {one.event.n for one in self.emissions if one.status in (Status.CANCELLED, Status.DISCARDED)}
        assert told <= cut
        discarded = {
            one.event.n
            for one in self.emissions
            if any(isinstance(d.outcome, Discarded) and d.outcome.reason.startswith("loop") for d in one.deliveries)
        }
        assert discarded <= told

    def check_nothing_more_happens(self) -> None:
        """After the end, a collection, and another loop, no handler has run again; and the emitter is as good as new."""
        before = list(self.log)
        gc.collect()
        asyncio.run(asyncio.sleep(0))
        assert self.log == before
        self.log.clear()
        self.emissions.clear()
        self.ended = False
        with warnings.catch_warnings():
            emission = self.emit(Script(2), "from outside")  # without a loop
        assert emission.status is Status.COMPLETED
        asyncio.run(self.main([Emit(Script(1, 1, () if self.capacity == 1 else (Emit(Script(2)),))), Wait()])())
        assert {one.status for one in self.emissions} == {Status.COMPLETED}
