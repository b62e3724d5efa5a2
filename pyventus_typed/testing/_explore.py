"""Run a body under many schedules, and report the smallest one that breaks it."""

from __future__ import annotations

from collections.abc import Iterable

from ._claims import Reached, check_names
from ._loop import LATENCY, Reorder
from ._run import Body, Ending, Options, check_count, check_flag
from ._schedule import Schedule
from ._search import Exploration, Search, settings
from ._threads import Threads
from .errors import (
    NothingToExplore,
    ScheduleError,
)


def explore(
    body: Body[object],
    *,
    schedules: int = 1_000,
    seed: int = 0,
    exhaustive: int | None = None,
    first: Iterable[Schedule | str] = (),
    reach: Iterable[str] = (),
    expect_choices: bool = True,
    reorder: Reorder = "resume",
    latency: float = LATENCY,
    cancel: bool = False,
    fail: bool | type[Exception] = False,
    drop: bool = False,
    double: bool = False,
    max_steps: int | None = None,
    threads: Threads = "real",
    ending: Ending = "cancel",
) -> Exploration:
    """Run ``body()`` under many schedules; raise ``InterleavingError`` with the smallest one that breaks it.

    The first schedule is FIFO, the order of asyncio. Then come the schedules in *first* that fit the program (paste here
    what a report printed), and FIFO with a garbage collection after every step, in which a task without a reference is
    lost. Then come all schedules with one delay, with two, and so on; to take the third candidate is two delays. After 64
    of them, they alternate with a portfolio of policies that depends only on *seed*. It ends when *schedules* have been
    tried or no others exist, with FIFO once more. ``exhaustive=d`` tries every schedule with at most *d* delays instead, and
    raises ``ScheduleError`` if there are more than 200,000.

    These faults can be added, each as one delay:

    - *latency*: a sleep may take up to this many times as long, if another timer then ends before it;
    - ``cancel=True``: any task except the body may be cancelled at any ``await``, while it waits or just before it continues;
    - ``fail=True`` or an exception class: any ``asyncio.sleep``, which stands for I/O, may raise it;
    - ``drop=True``, ``double=True``: an ``emit`` may be lost, as in a crash, or happen twice, as in a redelivery.

    If such a cancellation or exception leaves the body, that is not a failure. Use ``always`` and ``afterwards`` to say what
    must hold then.

    *body* must create all of its state. If the first run and its repetition differ, ``StateLeakError`` or
    ``NonDeterminismError`` names the step. Raises ``UnreachedError`` if a ``sometimes`` (or a name in *reach*) was never
    true, and ``NothingToExplore`` if only one schedule is possible, unless ``expect_choices=False``. The other parameters
    are those of `run`. The errors of `run` are the ``__cause__`` of the ``InterleavingError``. ::

        async def body() -> None:
            recorder = Recorder()
            linker = Linker[OrderPaid]()
            linker.subscribe(OrderPaid, recorder)
            async with Emitter(linker, AsyncIOProcessor(ordering=Ordering.SERIAL)) as emitter:
                await asyncio.gather(pay(emitter, 1), pay(emitter, 2))
            assert len(recorder.events) == 2

        explore(body)
    """
    check_count("schedules is the number of schedules to try", schedules)
    if exhaustive is not None:
        check_count("exhaustive is the number of delays allowed", exhaustive, least=0)
    given: tuple[object, object] = seed, first  # what the annotations say is what a caller may get wrong
    if not isinstance(given[0], int):
        raise TypeError(f"seed is a whole number, not {seed!r}.")
    if isinstance(given[1], str | Schedule) or not isinstance(given[1], Iterable):
        raise ScheduleError(f"first is a list of schedules. Did you mean first=[{first!r}]?")
    check_flag("expect_choices", expect_choices)
    names = check_names(reach)
    options = Options(
        reorder=reorder,
        latency=latency,
        cancel=cancel,
        fail=fail,
        drop=drop,
        double=double,
        max_steps=max_steps,
        threads=threads,
        ending=ending,
    )
    __tracebackhide__ = True  # of all this a reader of a failure in pytest wants to see the report
    search = Search(body, options)
    with Reached(names) as reached, search.leaks:
        if settings.replay is not None:
            return search.replay(settings.replay)
        fifo = search.fifo_twice()
        for schedule in [Schedule.of(one) for one in first]:
            search.try_schedule(schedule, "given as first=")
        search.repeat_failures()
        search.collect_garbage()
        if exhaustive is not None:
            search.exhaust(exhaustive)
        else:
            search.search(settings.schedules or schedules, seed)
        search.fifo_again()
        if expect_choices and not search.has_choices:
            raise NothingToExplore
        reached.require_all(search.runs)
        return Exploration(
            len(search.seen), fifo.choices, frozenset(reached.names), max(search.tree.delays, 0), search.tree.exhausted
        )
