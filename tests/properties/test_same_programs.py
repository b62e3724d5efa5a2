"""Options that change nothing change nothing, and a loop changes only when something happens.

The same random program is run twice: once without options, and once with some that have nothing to say there (``debug``, a
capacity that is never used up, a callback that ignores what it is called with). What is seen from inside and from outside
must be the same. So it must be where the same program is run in a loop and without one.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Generator, Sequence
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typing_extensions import override

from pyventus_typed import (
    AsyncIOProcessor,
    Completed,
    Emission,
    Emitter,
    Event,
    Failed,
    Linker,
    Ordering,
    Subscription,
    current_emission,
)

variable: ContextVar[str] = ContextVar("variable", default="unset")


# ---------------------------------------------------------------- what a program is
@dataclass(frozen=True)
class Errand(Event):
    """``path`` says who emitted it: the same in both runs, whatever the turns of the loop."""

    path: str


@dataclass(frozen=True)
class Red(Errand):
    """One class."""


@dataclass(frozen=True)
class Blue(Errand):
    """Another one."""


@dataclass(frozen=True)
class Dark(Blue):
    """Received by those who receive `Blue`, and by its own."""


COLOURS: tuple[type[Errand], ...] = (Red, Blue, Dark)


@dataclass(frozen=True)
class Act:
    """What a handler, or the main, does; ``n`` says which, how often, how long."""

    what: str
    n: int = 0

    @override
    def __repr__(self) -> str:
        return f"{self.what}({self.n})"


@dataclass(frozen=True)
class Receiver:
    """A handler: plain (``def``), async (``async def``), or a lambda that returns a coroutine."""

    kind: str
    colours: tuple[int, ...]
    acts: tuple[Act, ...]


@dataclass(frozen=True)
class Program:
    """Who receives what, and what is done."""

    receivers: tuple[Receiver, ...]
    main: tuple[Act, ...]


Main: TypeAlias = Coroutine[Any, Any, None]  # Any: what a loop and its futures say to each other


class Oops(Exception):
    """What a handler raises."""


@dataclass(frozen=True)
class Promise:
    """What a handler may return: it is awaited if it comes from the call, and is a result if it comes from a coroutine."""

    path: str

    def __await__(self) -> Generator[None, None, str]:
        yield
        return f"awaited for {self.path}"


# ---------------------------------------------------------------- one run of it
@dataclass
class World:
    """One run of a program, and all that was seen of it."""

    program: Program
    ordering: Ordering
    options: str = ""
    """One of `OPTIONS`; without any, nothing but its place among others is to be looked at when an emission enters."""
    log: list[tuple[object, ...]] = field(default_factory=list)
    emissions: list[Emission[Errand]] = field(default_factory=list)
    kept: list[Emission[Event]] = field(default_factory=list)  # published: for their children to see
    reports: list[tuple[object, ...]] = field(default_factory=list)
    tasks: list[asyncio.Task[None]] = field(default_factory=list)
    subscriptions: list[Subscription[Any]] = field(default_factory=list)  # Any: to whatever of ours
    hits: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        linker: Linker[Errand] = Linker(on_success=_ignore if self.options in ("callback", "all") else None)
        self.emitter = Emitter(
            linker,
            AsyncIOProcessor(
                ordering=self.ordering,
                on_discard=lambda lost: self.reports.append(
                    tuple(sorted((one.event.path, one.status.value) for one in lost if isinstance(one.event, Errand)))
                ),
                debug=True if self.options in ("debug", "all") else None,
                capacity=1_000_000 if self.options in ("capacity", "all") else None,
            ),
        )
        for number, receiver in enumerate(self.program.receivers):
            for colour in receiver.colours:
                handler = self._handler(f"r{number}{colour}", receiver)
                self.subscriptions.append(linker.subscribe(COLOURS[colour], handler))

    def _handler(self, name: str, receiver: Receiver) -> Callable[[Errand], object]:
        def plain(event: Errand) -> object:
            return self._plainly(name, receiver.acts, event)

        async def on_its_own(event: Errand) -> object:
            return await self._async(name, receiver.acts, event)

        match receiver.kind:
            case "plain":
                return plain
            case "async":
                return on_its_own
            case _:
                return lambda event: on_its_own(event)

    # -- what handlers do ---------------------------------------------------------------------------------------------
    def _plainly(self, name: str, acts: Sequence[Act], event: Errand) -> object:
        self._began(name, event)
        for number, act in enumerate(acts):
            if act.what == "return":
                return f"{name} of {event.path}"
            if act.what == "return an awaitable":
                return Promise(event.path)
            self._act(name, act, f"{event.path}/{name}.{number}")
        return None

    async def _async(self, name: str, acts: Sequence[Act], event: Errand) -> object:
        self._began(name, event)
        try:
            for number, act in enumerate(acts):
                path = f"{event.path}/{name}.{number}"
                match act.what:
                    case "return":
                        return f"{name} of {event.path}"
                    case "return an awaitable":
                        return Promise(event.path)
                    case "turns":
                        await _turns(act.n)
                    case "await":
                        emission = self._act(name, Act("emit", act.n), path)
                        if emission is not None:
                            await self._heard(name, path, emission)
                    case "publish":
                        colour = self._colour(act.n, path)
                        if colour is not None:
                            await self._heard(name, path, self.emitter.publish(colour(path)))
                    case "hang":
                        await asyncio.Event().wait()
                    case "wait":
                        await self._heard(name, path, self.emitter.wait_for_tasks())
                    case _:
                        self._act(name, act, path)
                self._saw(name, path, "goes on", variable.get())
        except BaseException as error:
            # Closed, it may look around no more than any coroutine.
            self.log.append((name, event.path, "left by", type(error).__name__))
            raise
        return None

    async def _heard(self, name: str, path: str, awaitable: Awaitable[object]) -> None:
        try:
            found = await awaitable
        except Exception as error:
            self._saw(name, path, "heard", type(error).__name__)
            raise
        self._saw(name, path, "heard", self._path(found) if isinstance(found, Emission) else found)

    def _began(self, name: str, event: Errand) -> None:
        emission = current_emission()
        assert emission is not None
        self.kept.append(emission)
        parent = emission.parent
        self._saw(name, event.path, "began", parent and self._path(parent), variable.get())

    def _act(self, name: str, act: Act, path: str) -> Emission[Errand] | None:
        self.hits[act.what] += 1
        emission = current_emission()
        assert emission is not None
        match act.what:
            case "emit":
                colour = self._colour(act.n, path)
                return None if colour is None else self._emitted(self.emitter.emit(colour(path)))
            case "look":
                self._saw(name, path, _outcomes(emission), emission.status)
            case "glance":
                _outcomes(emission)  # and nobody compares what was seen
            case "tally":
                self._saw(name, path, self.emitter.tally)
            case "cancel":
                self._saw(name, path, "cancelled", emission.cancel())
            case "cancel another":
                if self.emissions:
                    other = self.emissions[act.n % len(self.emissions)]
                    self._saw(name, path, "cancelled another", self._path(other), other.cancel())
            case "look at another":
                if self.emissions:
                    other = self.emissions[act.n % len(self.emissions)]
                    self._saw(name, path, self._path(other), _outcomes(other), other.status)
            case "cancel task":
                task = _own_task()
                if task is not None:
                    self._saw(name, path, "cancelled its task", task.cancel())
            case "unsubscribe":
                self._saw(name, path, self.subscriptions[act.n % len(self.subscriptions)].unsubscribe())
            case "start a task":
                if asyncio._get_running_loop() is not None:
                    self.tasks.append(asyncio.create_task(self._task(name, path, act.n)))
            case "set":
                variable.set(path)
            case "raise":
                raise Oops(path)
            case "raise cancelled":
                raise asyncio.CancelledError
            case "ctrl-c":
                raise KeyboardInterrupt
            case _:
                pass  # a plain handler waits for nothing
        return None

    async def _task(self, name: str, path: str, turns: int) -> None:
        await _turns(turns)
        self._saw(name, path, "in a task", variable.get())

    def _colour(self, n: int, path: str) -> type[Errand] | None:
        deepest = 2 if len(self.program.receivers) < 3 else 1  # programs end, and soon
        return None if path.count("/") > deepest else COLOURS[n % len(COLOURS)]

    def _emitted(self, emission: Emission[Errand]) -> Emission[Errand]:
        self.emissions.append(emission)
        return emission

    def _saw(self, name: str, path: str, *what: object) -> None:
        emission = current_emission()
        self.log.append((name, path, emission and self._path(emission), *what))

    def _path(self, emission: Emission[Any]) -> str:  # Any: ours, seen from where nobody knows
        event = emission.event
        assert isinstance(event, Errand)
        return event.path

    # -- what the main does -------------------------------------------------------------------------------------------
    def without_a_loop(self) -> None:
        """Emit, and nothing else: nothing can be awaited."""
        self.warm_up()
        for number, act in enumerate(self.program.main):
            if act.what in ("emit", "publish", "await"):
                try:
                    self.emit(act, number)
                except KeyboardInterrupt as error:
                    self.log.append((number, "came out", type(error).__name__))

    async def main(self) -> None:
        self.warm_up()
        for number, act in enumerate(self.program.main):
            match act.what:
                case "emit":
                    self.emit(act, number)
                case "await":
                    await self.heard_outside(number, self.emit(act, number))
                case "publish":
                    await self.heard_outside(number, self.emitter.publish(COLOURS[act.n % 3](f"m{number}")))
                case "publish in vain":
                    publishing = self.emitter.publish(COLOURS[act.n % 3](f"m{number}"))
                    task = asyncio.ensure_future(publishing)
                    await _turns(act.n // 3)
                    self.log.append((number, "cancel publish", task.cancel()))
                    await asyncio.wait([task])
                    self.log.append((number, "publish ended", task.cancelled() or type(task.exception()).__name__))
                case "wait":
                    await self.heard_outside(number, self.emitter.wait_for_tasks())
                case "cancel":
                    if self.emissions:
                        one = self.emissions[act.n % len(self.emissions)]
                        self.log.append((number, self._path(one), one.cancel()))
                case _:
                    await _turns(act.n)
            assert current_emission() is None

    async def main_and_wait(self) -> None:
        await self.main()
        await self.emitter.wait_for_tasks()
        if self.tasks:
            await asyncio.wait(self.tasks)  # so that they come to their end, whatever turn that is

    def warm_up(self) -> None:
        """The first emission makes the queue: it is one of its own."""
        linker: Linker[Event] = Linker()
        linker.subscribe(Event, _ignore)
        Emitter(linker, self.emitter.processor).emit(Errand("first"))

    def emit(self, act: Act, number: int) -> Emission[Errand]:
        return self._emitted(self.emitter.emit(COLOURS[act.n % len(COLOURS)](f"m{number}")))

    async def heard_outside(self, number: int, awaitable: Awaitable[object]) -> None:
        task = asyncio.current_task()
        assert task is not None
        try:
            found = await awaitable
            what: object = self._path(found) if isinstance(found, Emission) else found
        except (Exception, asyncio.CancelledError) as error:
            what = type(error).__name__
        self.log.append((number, "came out", what, task.cancelling()))
        while task.cancelling():
            task.uncancel()


def _ignore(_: object) -> None:
    """Of a result."""


async def _turns(n: int) -> None:
    for _ in range(n):
        await asyncio.sleep(0)


def _own_task() -> "asyncio.Task[object] | None":
    return None if asyncio._get_running_loop() is None else asyncio.current_task()


def _outcomes(emission: Emission[Any]) -> tuple[object, ...]:  # Any: whichever
    found: list[object] = []
    for delivery in emission.deliveries:
        match delivery.outcome:
            case Failed(error):
                found.append((delivery.started, type(error).__name__))
            case Completed(value) if isinstance(value, Emission):
                found.append((delivery.started, "an emission"))
            case outcome:
                found.append((delivery.started, outcome))
    return tuple(found)


# ---------------------------------------------------------------- how it ends
def _no_loop(world: World) -> None:
    world.without_a_loop()


def _waited_for(world: World) -> None:
    asyncio.run(world.main_and_wait())


def _cut_off(world: World) -> None:
    asyncio.run(world.main())


def _closed(world: World) -> None:
    loop = asyncio.new_event_loop()
    try:
        main = loop.create_task(world.main())
        loop.run_until_complete(main)
    finally:
        while not main.done():  # Ctrl-C: asyncio.run cancels it, here nobody does
            main.cancel()
            with suppress(asyncio.CancelledError, KeyboardInterrupt):
                loop.run_until_complete(main)
        for task in world.tasks:
            setattr(task, "_log_destroy_pending", False)  # noqa: B010 - lost on purpose
            coroutine: Any = task.get_coro()  # Any: ours, see _task
            coroutine.close()  # one that never began would complain
        loop.close()


class _Records(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[object, ...]] = []

    @override
    def emit(self, record: logging.LogRecord) -> None:
        kind = None if record.exc_info is None else record.exc_info[0]
        self.seen.append((record.levelname, record.getMessage(), kind))


@dataclass(frozen=True, slots=True)
class Seen:
    """All that is compared."""

    log: list[tuple[object, ...]]
    cut_off: list[str]
    """In which order asyncio cancels, from a set, and in which coroutines are closed, is nobody's promise."""
    emissions: list[tuple[object, ...]]
    tally: object
    reports: list[tuple[object, ...]]
    records: list[tuple[object, ...]]
    came_out: str | None


def _run(world: World, end: Callable[[World], None]) -> Seen:
    logger, records, came_out = logging.getLogger("pyventus_typed"), _Records(), None
    logger.addHandler(records)
    logger.propagate = False
    try:
        end(world)
    except (KeyboardInterrupt, asyncio.CancelledError) as error:
        came_out = type(error).__name__
    finally:
        logger.removeHandler(records)
        logger.propagate = True
    emissions: list[tuple[object, ...]] = [(world._path(one), _outcomes(one), one.status) for one in world.emissions]
    log = [entry for entry in world.log if entry[-1] not in ("CancelledError", "GeneratorExit")]
    cut_off = sorted(repr(entry) for entry in world.log if entry not in log)
    return Seen(log, cut_off, emissions, world.emitter.tally, world.reports, records.seen, came_out)


# ---------------------------------------------------------------- programs
OWN = ("look", "tally", "return", "return an awaitable", "raise", "raise cancelled", "cancel", "emit")
"""What a plain handler may do to its own emission, or beside it."""
CROSSING = ("cancel another", "look at another", "unsubscribe")
"""What lets one delivery have a say in another."""
SUSPENDING = ("turns", "turns", "await", "publish", "wait", "cancel task", "start a task")
MAIN = ("emit", "emit", "emit", "await", "publish", "publish in vain", "turns", "wait", "cancel")


@dataclass(frozen=True)
class Case:
    """Programs of one sort, which are run to one end."""

    ordering: Ordering
    end: Callable[[World], None]
    kinds: tuple[str, ...]
    whats: tuple[str, ...]
    mains: tuple[str, ...]


@st.composite
def _receivers(draw: st.DrawFn, case: Case) -> Receiver:
    kind = draw(st.sampled_from(case.kinds))
    colours = draw(st.sampled_from([(0,), (1,), (2,), (0, 1), (0, 1, 2)]))
    whats = SILENT if kind == "silent" else case.whats
    acts = draw(st.lists(st.builds(Act, st.sampled_from(whats), st.integers(0, 3)), max_size=3))
    return Receiver("plain" if kind == "silent" else kind, colours, tuple(acts))


SILENT = ("set", "emit", "unsubscribe", "start a task")
"""What a plain handler may do that says nothing about its emission."""


@st.composite
def _programs(draw: st.DrawFn, case: Case) -> Program:
    receivers = draw(st.lists(_receivers(case), min_size=1, max_size=5))
    main = draw(st.lists(st.builds(Act, st.sampled_from(case.mains), st.integers(0, 8)), min_size=1, max_size=6))
    return Program(tuple(receivers), tuple(main))


# How many turns of the loop something takes is nobody's promise. So what depends on turns is compared where they are the
# same; elsewhere nobody may look at a neighbour, or be cut off at a certain turn.
C, M = Ordering.CONCURRENT, Ordering.MAILBOX
PLAIN = (*OWN, *CROSSING, "set", "ctrl-c")
IN_TURN = tuple(one for one in PLAIN if one != "return an awaitable")
"""In a loop a task would go on beside it, and a tally would tell in which turn."""
EXACT = {
    "plain handlers without a loop": Case(C, _no_loop, ("plain",), PLAIN, ("emit",)),
    "plain handlers without a loop, mailbox": Case(M, _no_loop, ("plain",), PLAIN, ("emit",)),
    "all handlers without a loop": Case(C, _no_loop, ("plain", "async", "lambda"), (*PLAIN, "turns", "await", "cancel task"), ("emit",)),
    "plain handlers in a loop": Case(C, _waited_for, ("plain",), IN_TURN, ("emit", "emit", "wait")),
    "plain handlers in a loop, mailbox": Case(M, _waited_for, ("plain",), IN_TURN, ("emit", "emit", "wait")),
    **{
        f"async handlers, {name}": Case(C, end, ("async", "async", "silent"), (*PLAIN, *SUSPENDING), MAIN)
        for name, end in (("cut off", _cut_off), ("closed", _closed), ("waited for", _waited_for))
    },
    **{
        f"async handlers that hang, {name}": Case(
            C, end, ("async", "async", "silent"), (*PLAIN, *SUSPENDING, "hang"), ("emit", "emit", "publish in vain", "turns", "cancel")
        )
        for name, end in (("cut off", _cut_off), ("closed", _closed))
    },
}  # fmt: skip
QUIET = (
    "return",
    "return an awaitable",
    "raise",
    "raise cancelled",
    "cancel",
    "emit",
    "set",
    "turns",
    "cancel task",
    "start a task",
    "glance",
)
MIXED = ("plain", "async", "async", "lambda")
LOOSE = {
    f"{ordering.value}, {name}": Case(ordering, end, kinds, QUIET, mains)
    for ordering in (C, M)
    for name, end, kinds, mains in (
        ("in a loop", _waited_for, MIXED, ("emit", "emit", "await", "publish", "turns", "wait")),
        ("async handlers in a loop", _waited_for, ("async",), ("emit", "emit", "emit", "await", "turns", "wait")),
        ("without a loop", _no_loop, MIXED, ("emit",)),
    )
}


OPTIONS = st.sampled_from(["debug", "capacity", "callback", "all"])


@pytest.mark.timeout(200)  # each of the programs runs twice; under load a minute is not enough
@pytest.mark.parametrize("case", EXACT.values(), ids=EXACT)
def test_options_that_change_nothing_change_nothing(case: Case) -> None:
    hits: Counter[str] = Counter()

    @settings(max_examples=max(33, settings().max_examples // 3), suppress_health_check=[HealthCheck.too_slow])
    @given(program=_programs(case), options=OPTIONS)
    def run(program: Program, options: str) -> None:
        without, with_options = _both(program, case, options, hits)
        for name in Seen.__slots__:
            assert getattr(without, name) == getattr(with_options, name), name

    run()
    _demand(case, hits)


def test_an_async_handler_starts_behind_the_plain_ones_that_were_before_it() -> None:
    receivers = (
        Receiver(kind="async", colours=(0,), acts=()),
        Receiver(kind="plain", colours=(1,), acts=(Act("emit", 0),)),
        Receiver(kind="plain", colours=(1,), acts=()),
    )
    program = Program(receivers=receivers, main=(Act("await", 1),))
    without, with_options = _both(program, EXACT["async handlers, waited for"], "all", Counter())
    assert without.log == with_options.log


@pytest.mark.parametrize("case", LOOSE.values(), ids=LOOSE)
def test_options_that_change_nothing_change_at_most_the_turn(case: Case) -> None:
    hits: Counter[str] = Counter()

    @settings(max_examples=max(33, settings().max_examples // 3), suppress_health_check=[HealthCheck.too_slow])
    @given(program=_programs(case), options=OPTIONS)
    def run(program: Program, options: str) -> None:
        _demand_equal_calls(*_both(program, case, options, hits))

    run()
    _demand(case, hits)


# ---------------------------------------------------------------- in a loop and without
def _one_at_a_time(world: World) -> None:
    """In a loop, and still each emission of the main ends before the next one begins: as without a loop."""

    async def main() -> None:
        world.warm_up()
        for number, act in enumerate(world.program.main):
            world.emit(act, number)
            await world.emitter.wait_for_tasks()

    asyncio.run(main())


ANYWHERE = tuple(one for one in QUIET if one != "start a task")
"""A fresh loop ends with what was emitted, and cancels such tasks; another loop goes on."""


NEXT_TO_NOBODY = (*(one for one in OWN if one != "return an awaitable"), "set", "unsubscribe")
"""Who is first in the list of emissions, for others to look at, is another one where ``emit`` returns at the end."""


@pytest.mark.parametrize("ordering", [C, M, Ordering.SERIAL], ids=str)
def test_plain_handlers_do_the_same_in_a_loop_and_without(ordering: Ordering) -> None:
    hits: Counter[str] = Counter()
    case = Case(ordering, _no_loop, ("plain",), NEXT_TO_NOBODY, ("emit",))

    @settings(max_examples=max(33, settings().max_examples // 3), suppress_health_check=[HealthCheck.too_slow])
    @given(program=_programs(case))
    def run(program: Program) -> None:
        world = World(program, ordering)
        without = _run(world, _no_loop)
        hits.update(world.hits)
        inside = _run(World(program, ordering), _one_at_a_time)
        assert without.log == inside.log
        _demand_equal_calls(without, inside)

    run()
    _demand(case, hits)


@pytest.mark.parametrize("ordering", [C, M, Ordering.SERIAL], ids=str)
def test_all_handlers_do_the_same_in_a_loop_and_without(ordering: Ordering) -> None:
    hits: Counter[str] = Counter()
    case = Case(ordering, _no_loop, MIXED, ANYWHERE, ("emit",))

    @settings(max_examples=max(33, settings().max_examples // 3), suppress_health_check=[HealthCheck.too_slow])
    @given(program=_programs(case))
    def run(program: Program) -> None:
        world = World(program, ordering)
        without = _run(world, _no_loop)
        hits.update(world.hits)
        _demand_equal_calls(without, _run(World(program, ordering), _one_at_a_time))

    run()
    _demand(case, hits)


# ---------------------------------------------------------------- what is compared
def _both(program: Program, case: Case, options: str, hits: Counter[str]) -> tuple[Seen, Seen]:
    """The same program, without options and with some."""
    world = World(program, case.ordering)
    without = _run(world, case.end)
    hits.update(world.hits)
    return without, _run(World(program, case.ordering, options), case.end)


def _demand_equal_calls(one: Seen, other: Seen) -> None:
    assert _by_call(one.log) == _by_call(other.log)
    assert _starts(one.log) == _starts(other.log)
    assert one.cut_off == other.cut_off
    assert sorted(map(repr, one.emissions)) == sorted(map(repr, other.emissions))
    assert sorted(map(repr, one.records)) == sorted(map(repr, other.records))
    assert (one.tally, one.reports, one.came_out) == (other.tally, other.reports, other.came_out)


def _by_call(log: list[tuple[object, ...]]) -> dict[object, list[tuple[object, ...]]]:
    """What each call of a handler saw, each task, and the main: who came first among them is left out."""
    calls: dict[object, list[tuple[object, ...]]] = {}
    for who, path, *what in log:
        # A handler's call is known by its emission, which is the path itself where it is left by an error.
        call = path if what[0] == "left by" else what[0]
        calls.setdefault("main" if isinstance(who, int) else (who, call, "in a task" in what), []).append((path, *what))
    return calls


def _starts(log: list[tuple[object, ...]]) -> dict[object, list[str]]:
    """What each handler began, in order, of what came from outside: that was accepted in the same order in both runs."""
    starts: dict[object, list[str]] = {}
    for who, path, *what in log:
        if "began" in what and "/" not in str(path):
            starts.setdefault(who, []).append(str(path))
    return starts


def _demand(case: Case, hits: Counter[str]) -> None:
    # A generator that never gets there proves nothing.
    assert sum(hits[what] for what in case.whats) >= 10, hits
